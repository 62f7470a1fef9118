"""A small model of a table, and clients of its server."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

pytest.importorskip("fastapi")

from fastapi.testclient import TestClient

from velbo import TrainedModel, fit
from velbo.config import Budget, Recipe, TrainingConfig
from velbo.serve.app import make_app
from velbo.serve.settings import Settings

N = 80
SETTINGS = Settings(max_megabytes=0.5, max_rows=200, max_draws=50_000, max_seconds=30)


def people() -> pa.Table:
    rng = np.random.default_rng(0)
    sex = rng.choice(["f", "m"], N)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 66, N),
            "sex": sex,
            "height": (165 + 12 * (sex == "m") + 6 * rng.normal(size=N)).round(2),
            "member": rng.random(N) < 0.4,
            "joined": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, N), unit="D"),
        }
    )
    frame.loc[rng.random(N) < 0.1, "height"] = None
    return pa.Table.from_pandas(frame, preserve_index=False)


@pytest.fixture(scope="session")
def rows() -> pa.Table:
    return people()


@pytest.fixture(scope="session")
def trained(rows: pa.Table) -> TrainedModel:
    return fit(rows, Recipe("mlp", latent=3, hidden=(16,)), training=TrainingConfig(Budget(epochs=3)))


@pytest.fixture
def client(trained: TrainedModel) -> Iterator[TestClient]:
    with TestClient(make_app(trained, SETTINGS), raise_server_exceptions=False) as found:
        yield found
