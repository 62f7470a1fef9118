"""A value that a column's likelihood gives no probability, in new rows: every verb says the same line, which names the
row, the column, how many cells there are and what to type. No verb gives -inf, and none counts such a cell as missing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import velbo
from contracts.commands import call
from velbo.config import Budget, Machine, Recipe, TrainingConfig
from velbo.errors import SchemaError

N = 60


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "price": rng.lognormal(0, 2, N),
            "share": np.append(rng.random(N - 2), [0.001, 0.999]),
            "calls": rng.poisson(20, N) * (np.arange(N) > 0),
            "age": rng.integers(-40, 90, N),
        }
    )


@pytest.fixture(scope="module")
def model() -> velbo.TrainedModel:
    training = TrainingConfig(Budget(epochs=1), machine=Machine(threads=1))
    found = velbo.fit(table(), Recipe(recipe="mlp", hidden=(8,), latent=2), training=training)
    assert [f.kind for f in found.schema.fields] == ["positive", "bounded", "count", "integer"]
    return found


CASES = [
    ("price", 0.0, "is not above 0", "real"),
    ("share", 1.5, "does not lie between 0 and 1", "real"),
    ("calls", -2, "is no whole number from 0", "integer"),
    ("calls", 0.5, "is no whole number from 0", "real"),
    ("age", 2.5, "is not whole", "real"),
]


@pytest.mark.parametrize(("name", "value", "why", "kind"), CASES)
def test_all_say_the_same_line(model, name, value, why, kind):
    rows = table().astype(float)
    rows.loc[[7, 12], name] = value
    said = (
        rf"^data: row 7, column '{name}' holds {value:g}, which {why}; the model has no likelihood for these 2 "
        rf"cells of '{name}': .* leave such rows out, or fit again with --column {name}={kind}$"
    )
    for verb in (model.log_likelihood, model.scores, model.evaluate, model.encode, model.impute, model.explain):
        with pytest.raises(SchemaError, match=said):
            verb(rows)
    training = TrainingConfig(Budget(epochs=1), machine=Machine(threads=1))
    again = velbo.fit(rows, Recipe(recipe="mlp", hidden=(8,), latent=2), training=training, columns={name: kind})
    assert np.isfinite(again.log_likelihood(rows, 2)).all()  # what is advised works


def test_the_command_line_says_it_too(model, tmp_path):
    model.save(tmp_path / "run")
    rows = table()
    rows.loc[3, "price"] = 0
    rows.to_csv(tmp_path / "rows.csv", index=False)
    code, _, err = call("score", tmp_path / "run", tmp_path / "rows.csv", "-o", tmp_path / "scores.csv")
    assert code == 2
    assert "column 'price' holds 0, which is not above 0; the model has no likelihood for this cell" in err
    assert not (tmp_path / "scores.csv").exists()
