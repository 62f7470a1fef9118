"""What impute fills, and the sentence for all that it leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contracts.commands import call

N = 60
LEFT = {
    "flag": "missing is a value of its own there",
    "town": "it is given to the model, which fills the others alone",
    "nothing": "it held no value in training",
    "id": "the model was trained without it",
    "later": "the model was trained without it",
}


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "size": rng.normal(size=N).round(3),
            "town": rng.choice(["Delft", "Jena"], N),
            "flag": [1.0 if i % 3 else None for i in range(N)],
            "one": "x",
            "two": 2.5,
            "nothing": None,
            "id": [f"u{i}" for i in range(N)],
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("impute")
    table().to_csv(folder / "train.csv", index=False)
    options = "--recipe mlp --hidden 8 --latent 2 --epochs 1 --condition town --column id=drop".split()
    assert call("fit", folder / "train.csv", "--run", folder / "run", *options)[0] == 0
    return folder / "run"


@pytest.mark.parametrize("n", [(), ("-n", 2)])
def test_constants_are_filled_and_what_stays_is_said(run, tmp_path, n):
    new = table().assign(later=1.0)
    new.loc[4, ["size", "town", "one", "two", "id", "later"]] = None
    new.to_csv(tmp_path / "new.csv", index=False)
    code, _, err = call("impute", run, tmp_path / "new.csv", "--samples", 5, *n, "-o", tmp_path / "full.csv")
    assert code == 0
    full = pd.read_csv(tmp_path / ("full-2.csv" if n else "full.csv"))
    assert (full.loc[4, "one"], full.loc[4, "two"]) == ("x", 2.5)
    assert np.isfinite(full.loc[4, "size"])
    for name, why in LEFT.items():
        cells = int(new[name].isna().sum())
        assert int(full[name].isna().sum()) == cells
        assert f"impute: {cells} missing cell{'s' if cells != 1 else ''} of '{name}' stay, as {why}\n" in err
    assert err.count(" stay") == len(LEFT)


def test_nothing_is_said_where_nothing_is_left(run, tmp_path):
    new = table().assign(flag=1.0).drop(columns=["nothing"])
    new.loc[4, "size"] = None
    new.to_csv(tmp_path / "new.csv", index=False)
    code, _, err = call("impute", run, tmp_path / "new.csv", "--samples", 5, "-o", tmp_path / "full.csv")
    assert (code, "stay" in err) == (0, False)


def test_a_budget_of_seconds_says_its_samples_and_gives_what_they_give(run, tmp_path):
    """Of a million seconds all 60 samples are left; which the same command takes by --samples."""
    new = table()
    new.loc[::3, "size"] = None
    new.to_csv(tmp_path / "new.csv", index=False)
    code, _, err = call(
        "impute", run, tmp_path / "new.csv", "--seconds", 1e6, "--samples", 60, "-o", tmp_path / "timed.csv"
    )
    assert code == 0
    assert "60 samples of each of 20 rows, about " in err
    assert call("impute", run, tmp_path / "new.csv", "--samples", 60, "-o", tmp_path / "full.csv")[0] == 0
    assert (tmp_path / "timed.csv").read_bytes() == (tmp_path / "full.csv").read_bytes()
    code, _, err = call("impute", run, tmp_path / "new.csv", "--seconds", 9, "-n", 2, "-o", tmp_path / "no.csv")
    assert code == 2
    assert "--seconds is for one filling" in err
