"""A column given any others, and rows given any cells, of models that were trained for neither: in the values of the
data. That the laws are exact is tested in tests/evaluation/cells/test_known.py.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from contracts.commands import call
from velbo import TrainedModel, fit
from velbo.config import Budget, Optimisation, Recipe, TrainingConfig
from velbo.errors import ConfigError, DataError, SchemaError

N = 400


def frame(unit: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    sex = rng.choice(["f", "m"], N)
    height = 165 + 12 * (sex == "m") + 6 * rng.normal(size=N)
    return pd.DataFrame(
        {
            "sex": sex,
            "height": unit * height.round(2),
            "visits": rng.poisson(3 + 6 * (sex == "f")),
            "joined": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, N), unit="D"),
            "grade": pd.Categorical.from_codes(rng.integers(0, 3, N), ["lo", "mid", "hi"], ordered=True),
        }
    )


TRAINING = TrainingConfig(Budget(epochs=60), Optimisation(batch_size=64, lr=0.01))
KINDS = {"height": "real:normal", "visits": "count"}


@pytest.fixture(scope="module")
def fitted() -> TrainedModel:
    return fit(frame(), Recipe("mlp", latent=2, hidden=(32,)), training=TRAINING, columns=KINDS).to(torch.float64)


def test_masses_sum_to_1_and_densities_integrate_to_1(fitted):
    rows = frame()[:6]
    for column, values in (("sex", ("f", "m")), ("grade", ("lo", "mid", "hi"))):
        found = fitted.predict(rows, column, samples=64)
        assert found.values == values
        assert found.is_mass
        np.testing.assert_allclose(found.p.sum(-1), 1, rtol=1e-12)
        assert set(found.best) <= set(values)
    counts = fitted.predict(rows, "visits", samples=64)
    assert counts.values == tuple(range(int(frame()["visits"].min()), int(frame()["visits"].max()) + 1))
    grid = np.linspace(-200, 500, 4001)
    found = fitted.predict(rows, "height", values=grid, samples=64)
    assert not found.is_mass
    step = grid[1] - grid[0]
    np.testing.assert_allclose(found.p.sum(-1) * step, 1, rtol=1e-9)
    np.testing.assert_allclose((found.p * grid).sum(-1) * step, found.mean, rtol=1e-9)
    np.testing.assert_allclose((found.p * (grid - found.mean[:, None]) ** 2).sum(-1) * step, found.spread**2, rtol=1e-8)
    np.testing.assert_array_equal(found.best, found.mean)


def test_what_the_row_holds_in_the_column_itself_does_not_matter(fitted):
    rows = frame()[:5]
    other = rows.assign(sex=["m", "f", None, "m", "f"])
    without = pl.from_pandas(rows.drop(columns="sex"))
    found = fitted.predict(rows, "sex", samples=16).p
    for same in (other, without):
        np.testing.assert_array_equal(fitted.predict(same, "sex", samples=16).p, found)


def test_any_subset_may_be_given(fitted):
    """As many fields as wanted, said by name or by leaving columns out; fewer than two fields know less."""
    rows = frame()[:50]
    by_name = fitted.predict(rows, "sex", given=["height"], samples=200)
    np.testing.assert_array_equal(by_name.p, fitted.predict(rows[["height"]], "sex", samples=200).p)
    women = rows["sex"] == "f"
    assert by_name.p[women, 0].mean() > 0.6 > 0.4 > by_name.p[~women, 0].mean()
    nothing = fitted.predict(rows, "sex", given=[], samples=2000)
    np.testing.assert_array_equal(nothing.p, nothing.p[:1].repeat(50, 0))
    assert abs(nothing.p[0, 0] - 0.5) < 0.1


def test_the_unit_of_the_data_is_that_of_means_and_densities(fitted):
    other = fit(frame(1000), Recipe("mlp", latent=2, hidden=(32,)), training=TRAINING, columns=KINDS).to(torch.float64)
    a = fitted.predict(frame()[:5], "height", values=[170.0], samples=50)
    b = other.predict(frame(1000)[:5], "height", values=[170_000.0], samples=50)
    np.testing.assert_allclose(b.mean, 1000 * a.mean, rtol=1e-3)
    np.testing.assert_allclose(b.spread, 1000 * a.spread, rtol=1e-2)
    np.testing.assert_allclose(1000 * b.p, a.p, rtol=1e-2)
    years = fitted.predict(frame()[:5], "joined", samples=50).mean / (365.25 * 86400) + 1970
    assert ((years > 2020) & (years < 2022.6)).all()


def test_rows_given_any_cells_of_a_model_without_a_condition(fitted):
    """Given cells are as they were given, also beyond what training data had; the others follow: shares of 2,000 rows
    within 5 standard errors of the predicted masses (false alarm 6e-7 a share), each of the same z.
    """
    rows = fitted.sample(2000, given={"sex": "f", "height": 158.25}, seed=1)
    assert isinstance(rows, pd.DataFrame)
    assert list(rows.columns) == list(frame().columns)
    assert set(rows["sex"]) == {"f"}
    assert set(rows["height"]) == {158.25}
    asked = pd.DataFrame({"sex": ["f"], "height": [158.25]})
    mass = fitted.predict(asked, "grade", samples=4000).p[0]
    shares = rows["grade"].value_counts(normalize=True)[["lo", "mid", "hi"]].to_numpy()
    assert (np.abs(shares - mass) < 5 * np.sqrt(mass * (1 - mass) / 1000)).all()
    visits = fitted.predict(asked, "visits", samples=4000)
    assert abs(rows["visits"].mean() - visits.mean[0]) < 5 * visits.spread[0] / np.sqrt(1000)
    assert set(fitted.sample(5, given={"height": 205.0})["height"]) == {205.0}
    pd.testing.assert_frame_equal(fitted.sample(9, given={"sex": "f"}), fitted.sample(9, given={"sex": "f"}))


def test_each_row_may_be_given_its_own(fitted):
    given = pd.DataFrame({"sex": ["f", "m", None, "m"], "visits": [3, None, None, 4]})
    rows = fitted.sample(4, given=given)
    assert rows["sex"].tolist()[:2] == ["f", "m"]
    assert rows["sex"].notna().all()
    assert rows["visits"][[0, 3]].tolist() == [3, 4]
    points = fitted.sample(200, given={"sex": "m"}, mean=True)
    assert points["height"].std() < fitted.sample(200, given={"sex": "m"})["height"].std()


def test_many_rows_given_the_same_are_drawn_in_chunks(fitted, monkeypatch):
    """The first chunk is as if alone, those after it go on with noise of their own."""
    first = fitted.sample(30, given={"sex": "f"})
    monkeypatch.setattr("velbo.prediction.CELLS_PER_CHUNK", 30 * 7)
    monkeypatch.setattr("velbo.prediction.numbers_per_row", lambda model, data: 7)
    found = fitted.sample(70, given={"sex": "f"})
    pd.testing.assert_frame_equal(found[:30].drop(columns="height"), first.drop(columns="height"))
    assert (found["sex"] == "f").all()
    assert len(found["height"].unique()) > 60


def test_what_cannot_be_given_or_predicted_is_refused_in_a_sentence(fitted):
    with pytest.raises(DataError, match=r"draws are worth .* to this model it is too rare"):
        fitted.sample(5, given={"height": 1e5})
    with pytest.raises(ConfigError, match=r"unknown field of the model 'hight'\. Did you mean 'height'"):
        fitted.sample(5, given={"hight": 170})
    with pytest.raises(SchemaError, match="'sex' had no 'w' in training"):
        fitted.sample(5, given={"sex": "w"})
    with pytest.raises(ConfigError, match="unknown field 'age'"):
        fitted.predict(frame()[:2], "age")
    with pytest.raises(ConfigError, match="unknown field 'age'"):
        fitted.predict(frame()[:2], "sex", given=["age"])
    with pytest.raises(SchemaError, match="'sex' had no 'w' in training"):
        fitted.predict(frame()[:2], "sex", values=["f", "w"])
    with pytest.raises(ConfigError, match="rows are balanced by fields of the condition"):
        fitted.sample(5, given={"sex": "f"}, balance="sex")


def test_an_image_is_drawn_given_its_label():
    """Two fields, neither a condition: images of the label that is given; the law of the label given an image."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 200)
    image = (rng.random((200, 4, 4)) < np.where(label[:, None, None] == 1, 0.9, 0.1)).astype(np.uint8)
    names = np.array(["dark", "light"])[label]
    model = fit({"image": image, "label": names}, Recipe("mlp", latent=2, hidden=(16,)), training=TRAINING)
    light = model.sample(50, given={"label": "light"})["image"].mean()
    assert light > 0.7 > 0.3 > model.sample(50, given={"label": "dark"})["image"].mean()
    found = model.predict({"image": image[:20]}, "label")
    assert (found.best == names[:20]).mean() > 0.8
    with pytest.raises(ConfigError, match="'image' holds arrays"):
        model.predict({"image": image}, "image")


def test_the_command_line_gives_any_column(fitted, tmp_path):
    fitted.to(torch.float32).save(tmp_path / "run")
    given = ["--given", "sex=f", "--given", "height=158.25", "--given", "visits=7"]
    code, _, err = call("sample", tmp_path / "run", "-n", 5, *given, "-o", tmp_path / "s.csv")
    assert code == 0, err
    rows = pd.read_csv(tmp_path / "s.csv")
    assert set(rows["sex"]) == {"f"}
    assert set(rows["height"]) == {158.25}
    assert set(rows["visits"]) == {7}
    code, _, err = call("sample", tmp_path / "run", "-n", 5, "--given", "height=5e4", "-o", tmp_path / "s.csv")
    assert (code, err.count("\n")) == (2, 1)
    assert "too rare" in err
