"""Constraints between columns from the declaration to rows that are made: fit names rows that break one, and samples,
fillings and rows given some cells keep them, whatever the model has learned.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import velbo
from contracts.commands import call
from velbo.config import Budget, Machine, Recipe, TrainingConfig
from velbo.errors import ConfigError, DataError, VelboWarning

N = 120
TEXTS = ("start <= end", "a + b = c", "net + tax = gross", "school with years", "0 <= a <= 19")
YEARS = {"HS": 9, "BSc": 13, "MSc": 14, "PhD": 16}
SHORT = TrainingConfig(Budget(epochs=1), machine=Machine(threads=1))
SMALL = Recipe(recipe="mlp", hidden=(8,), latent=2)


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    a, b, net = rng.integers(0, 20, N), rng.integers(0, 9, N), rng.gamma(2, 10, N).round(2)
    start = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 400, N), unit="D")
    found = pd.DataFrame({"a": a, "b": b, "c": a + b, "start": start, "net": net, "tax": (net / 5).round(2)})
    found["end"] = start + pd.to_timedelta(rng.integers(0, 60, N), unit="D")
    found["gross"] = (found.net + found.tax).round(2)
    found["school"] = rng.choice(list(YEARS), N)
    found["years"] = found.school.map(YEARS)
    return found.astype(dict.fromkeys("abc", "Int64") | {"years": "Int64"})


def with_gaps() -> pd.DataFrame:
    rows = table()
    for i, name in enumerate(("c", "end", "school", "net", "years", "a")):
        rows.loc[rows.index % 7 == i, name] = None
        rows.loc[rows.index % 11 == i, name] = None
    return rows


def kept(rows: pd.DataFrame) -> None:
    assert not rows.isna().any().any()
    assert (rows.start <= rows.end).all()
    assert (rows.a + rows.b == rows.c).all()
    assert np.abs(rows.net + rows.tax - rows.gross).max() < 1e-9
    assert (rows.school.map(YEARS) == rows.years).all()
    assert rows.a.between(0, 19).all()
    assert (rows[["net", "tax", "gross"]].round(2) == rows[["net", "tax", "gross"]]).all(axis=None)


@pytest.fixture(scope="module")
def model() -> velbo.TrainedModel:
    return velbo.fit(table(), SMALL, training=SHORT, constraints=TEXTS)


def test_new_rows_keep_them(model):
    new = model.sample(200, seed=1)
    kept(new)
    assert new.equals(model.sample(200, seed=1))
    kept(model.sample(20, mean=True))


def test_rows_given_some_cells_keep_them(model):
    new = model.sample(20, given={"school": "MSc", "c": 12})
    kept(new)
    assert (new.years == 14).all()
    assert (new.c == 12).all()


def test_fillings_keep_them_and_observed_cells_stay(model):
    rows = with_gaps()
    for full in (model.impute(rows, samples=5), *model.impute_many(rows, 2, samples=5, steps=1)):
        kept(full)
        assert full.where(rows.notna()).equals(rows)


def test_what_is_given_against_them_is_refused(model):
    with pytest.raises(DataError, match="row 0 cannot keep 'school with years'"):
        model.sample(2, given={"school": "MSc", "years": 16})
    with pytest.raises(DataError, match="row 0 cannot keep 'a \\+ b = c'"):
        model.sample(2, given={"a": 9, "b": 1, "c": 3})


def test_what_is_observed_against_them_is_left_and_said(model):
    rows = table()
    rows.loc[3, ["a", "b", "c"]] = [12, None, 3]
    with pytest.warns(VelboWarning, match="row 3 cannot keep 'a \\+ b = c' whatever its missing cells hold"):
        full = model.impute(rows, samples=5)
    assert full.loc[3, "c"] == 3
    assert full.drop(3).equals(rows.drop(3))


def test_the_plan_holds_them(model, tmp_path):
    model.save(tmp_path / "run")
    loaded = velbo.TrainedModel.load(tmp_path / "run")
    assert loaded.plan.schema == model.plan.schema
    assert loaded.schema.constraints.texts == (
        "start <= end",
        "a + b = c",
        "net + tax = gross",
        "0 <= a <= 19",
        TEXTS[3],
    )
    assert "start <= end" in str(model.table())
    assert "New rows and fillings keep" in (tmp_path / "run" / "README.md").read_text()
    kept(loaded.sample(20, seed=1))


@pytest.mark.parametrize("stream", [False, True])
def test_rows_that_break_one_are_named(tmp_path, stream):
    """In files of row groups too, by the number that the row has in all of them."""
    rows = table()
    rows.loc[70, "c"] = 99
    rows.loc[90, "b"] = 50
    source = rows
    if stream:
        pq.write_table(pa.Table.from_pandas(rows), tmp_path / "rows.parquet", row_group_size=50)
        source = velbo.open_source(str(tmp_path / "rows.parquet"))
    said = f"row 70 breaks 'a \\+ b = c' \\(a {rows.a[70]}, b {rows.b[70]}, c 99\\), and 1 other rows"
    with pytest.raises(DataError, match=said + ".* or leave out --constraint 'a"):
        velbo.plan(source, SMALL, constraints=["a + b = c"])


def test_too_many_combinations_fix_nothing():
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match="more than 10,000 combinations"):
        velbo.plan({"a": rng.normal(size=10_001), "b": rng.normal(size=10_001)}, SMALL, constraints=["a with b"])
    with pytest.raises(ConfigError, match=r"'d'.*Known: a, b, c"):
        velbo.plan(table(), SMALL, constraints=["a <= d"])


def test_the_same_model_without_them_has_the_same_scores_and_draws():
    """They are kept in what is made, and are no part of p(x)."""
    rows = table()
    plain, bound = (velbo.fit(rows, SMALL, training=SHORT, constraints=texts) for texts in ((), ("a >= 0",)))
    assert (plain.log_likelihood(rows, 5) == bound.log_likelihood(rows, 5)).all()
    assert plain.sample(50, seed=2).equals(bound.sample(50, seed=2))


def test_conditional_models_keep_them_too():
    recipe = Recipe(recipe="mlp", hidden=(8,), latent=2, condition=("school",))
    bound = velbo.fit(table(), recipe, training=SHORT, constraints=TEXTS)
    kept(bound.sample(50))
    kept(new := bound.sample(40, balance="school"))
    assert new.school.value_counts().nunique() == 1
    kept(bound.sample(10, given={"school": "PhD"}))


def test_estimators_and_the_command_line_take_them(tmp_path):
    rows = table()
    estimator = velbo.VAEEstimator(2, recipe="mlp", hidden=(8,), max_epochs=1, constraints=TEXTS, random_state=0)
    kept(estimator.fit(rows).sample(20))
    rows.to_csv(tmp_path / "rows.csv", index=False)
    options = [word for text in TEXTS for word in ("--constraint", text)]
    fit = ("fit", tmp_path / "rows.csv", *"--recipe mlp --hidden 8 --latent 2 --epochs 1".split())
    assert call(*fit, "--run", tmp_path / "run", *options)[0] == 0
    assert call("sample", tmp_path / "run", "-n", 30, "-o", tmp_path / "new.csv")[0] == 0
    kept(pd.read_csv(tmp_path / "new.csv", parse_dates=["start", "end"]))
    again = ("--run", tmp_path / "again", "--like", tmp_path / "run" / "config.json")
    assert call(*fit, *again)[0] == 0
    assert velbo.TrainedModel.load(tmp_path / "again").schema.constraints.texts == (*TEXTS[:3], TEXTS[4], TEXTS[3])
    code, _, err = call(*fit, "--run", tmp_path / "no", "--constraint", "c <= a")
    assert code == 2
    assert "breaks 'c <= a'" in err


def test_a_model_that_never_keeps_one_says_so(model, monkeypatch):
    monkeypatch.setattr("velbo.trained_model.making.Making._unconditional", _constant)
    with pytest.warns(VelboWarning, match="5 rows broke 'start <= end' in each of 341 draws"):
        kept(model.sample(5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept(model.sample(5, mean=True))


def _constant(model, n, seed, mean):
    """Rows whose end is long before their start."""
    rows = table()[:1]
    rows["start"] = pd.Timestamp("2021-02-01")
    rows["end"] = pd.Timestamp("2020-01-10")
    return model.store(rows).fixed(0).repeat(n, 1)


def test_observed_cells_count_with_all_their_digits():
    """Two decimals in training and three in a row to fill: what is filled is not below what is observed."""
    rng = np.random.default_rng(0)
    b = rng.gamma(2, 0.01, N).round(2)
    rows = pd.DataFrame({"b": b, "a": (b * rng.uniform(0, 1, N)).round(2)})
    model = velbo.fit(rows, SMALL, training=SHORT, constraints=["a <= b"])
    asked = pd.DataFrame({"b": [0.006] * 20, "a": [np.nan] * 20})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VelboWarning)
        assert (model.impute(asked, samples=5)["a"] <= 0.006).all()


def test_a_part_of_what_is_given_is_enough():
    """The rest of it is drawn again until both go together."""
    rows = table()[["school", "years", "a"]]
    recipe = Recipe(recipe="mlp", hidden=(8,), latent=2, condition=("school", "years"))
    model = velbo.fit(rows, recipe, training=SHORT, constraints=["school with years"])
    assert set(model.sample(20, given={"school": "PhD"})["years"]) == {16}


def test_a_table_without_rows_is_filled_with_none():
    rows = with_gaps()
    model = velbo.fit(rows, SMALL, training=SHORT)
    assert len(model.impute(rows[:0], samples=5)) == 0
