"""The score of anomalies against direct sums; what leaves it as it is; and the same from every way to ask for it."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from torch import Tensor, nn

from contracts.commands import call
from velbo import (
    AnomalyDetector,
    Asked,
    Budget,
    LinearGaussian,
    Recipe,
    TrainedModel,
    TrainingConfig,
    arrow_function,
    fit,
)
from velbo.build import complete
from velbo.errors import ConfigError, RunError
from velbo.evaluation import Reference, reference, usual_cells
from velbo.evaluation.latents import reference as module
from velbo.nets import FillMissing
from velbo.rows import Store

ORACLE = LinearGaussian.random(5, 2, seed=0)
FAST = TrainingConfig(Budget(epochs=2))


def rows_with_missing(n: int, seed: int) -> Tensor:
    x = ORACLE.sample(n, seed=seed)
    x[::3, 1] = torch.nan
    x[::4, 3] = torch.nan
    return x


def direct(x: Tensor, z: Tensor, latents: Tensor, k: int) -> Tensor:
    """The score by the closed form of normal cells of one scale, a row and a training row at a time."""
    found = []
    for row, own in zip(x, z, strict=True):
        there = ~row.isnan()
        x_hat = (ORACLE.weight @ own + ORACLE.bias)[there]
        apart = [((x_hat - (ORACLE.weight @ other + ORACLE.bias)[there]) ** 2).sum() for other in latents]
        squares = ((row[there] - x_hat) ** 2).sum() + torch.stack(apart).sort().values[k - 1]
        constant = there.sum() * torch.log(ORACLE.sigma * np.sqrt(2 * np.pi))
        found.append(-squares / (2 * ORACLE.sigma**2) - constant)
    return torch.stack(found)


@pytest.mark.parametrize("k", [1, 7, 40])
@pytest.mark.parametrize("chunk", [60, 4_000_000])
def test_of_normal_cells_it_is_two_distances(k, chunk, monkeypatch):
    """By closed form, in chunks of any size, with cells missing."""
    monkeypatch.setattr(module, "CELLS_PER_CHUNK", chunk)
    model, train, x = ORACLE.vae(), rows_with_missing(40, 1), rows_with_missing(23, 2)
    model.encoder = nn.Sequential(FillMissing(mask=False), model.encoder)
    known = reference(model, Store.from_tensor(train), k)
    assert known.k == k
    cells = usual_cells(model, x, replace(known, z=model.encode(train).mean))
    assert torch.equal(cells.isnan(), x.isnan())
    expected = direct(x, model.encode(x).mean, model.encode(train).mean, k)
    torch.testing.assert_close(cells.nansum(-1), expected.detach(), rtol=1e-10, atol=1e-10)


def frame(n: int = 60) -> pd.DataFrame:
    """Numbers, names, truth values and missing cells."""
    rng = np.random.default_rng(0)
    found = pd.DataFrame(
        {"a": rng.normal(size=n), "job": rng.choice(["nurse", "clerk", "smith"], n), "yes": rng.random(n) < 0.3}
    )
    found["b"] = found["a"] + 0.1 * rng.normal(size=n)
    found.loc[::5, "b"] = None
    found.loc[1::7, "job"] = None
    return found


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    return fit(frame(), training=FAST, anomalies=True).to(torch.float64)


def test_of_mixed_cells_it_is_what_it_says(trained):
    """log p of all pairs by the model itself, no part taken apart; and the cells add up to the score, in data units."""
    data, known = trained.store(frame()), trained.reference
    assert known is not None
    x, model = data.fixed(0), trained.model
    with torch.no_grad():
        own = model.decode(model.encode(x).mean)
        x_hat = own.mode.masked_fill(x.isnan(), torch.nan)
        pairs = model.decode(known.z.double().unsqueeze(1)).log_prob(x_hat)
        score = own.log_prob(x) + pairs.sort(0, descending=True).values[19] - own.log_prob(x_hat)
    np.testing.assert_allclose(trained.scores(frame()), score + data.log_det(), rtol=1e-9)
    table = trained.explain(frame())
    assert table.column_names[0] == "score"
    assert table.column_names[2:] == [f"{name} of the score" for name in ("a", "job", "yes", "b")]
    parts = np.stack([table[name].to_numpy() for name in table.column_names[2:]], 1)
    np.testing.assert_array_equal(np.isnan(parts), frame().isna())
    np.testing.assert_allclose(np.nansum(parts, 1), table["score"].to_numpy(), rtol=1e-9)


def test_neither_order_nor_company_matters(trained):
    """Of training rows, and of rows that are scored."""
    known, rows = trained.reference, frame()
    assert known is not None
    other = replace(trained, reference=Reference(known.z.flip(0), known.k))
    np.testing.assert_allclose(other.scores(rows), trained.scores(rows), rtol=1e-10)
    np.testing.assert_allclose(trained.scores(rows[::-1])[::-1], trained.scores(rows), rtol=1e-10)
    np.testing.assert_allclose(trained.scores(rows[7:8]), trained.scores(rows)[7:8], rtol=1e-10)


def test_fewer_than_k_rows_do_not_make_each_other_usual():
    """A row far off all others is there j times. With j = k only log p(x|z) is left of its score; with less it is held
    against rows that are far.
    """
    model, train = ORACLE.vae(), ORACLE.sample(30, seed=1)
    far = 20 * ORACLE.sample(1, seed=5)
    own = model.decode(model.encode(far).mean).log_prob(far)
    for j in (4, 5):
        z = model.encode(torch.cat((train, far.repeat(j, 1)))).mean
        score = usual_cells(model, far, Reference(z, 5)).sum()
        if j == 5:
            torch.testing.assert_close(score, own[0].detach(), rtol=1e-10, atol=1e-10)
        else:
            assert score < own - 50


def test_a_row_of_weight_2_is_there_twice():
    model, train, x = ORACLE.vae(), ORACLE.sample(20, seed=1), ORACLE.sample(9, seed=2)
    counts = torch.tensor([1, 2, 1, 3] * 5)
    twice = reference(model, Store.from_tensor(train.repeat_interleave(counts, 0)), 6)
    # 35 rows, of which 20 are kept: in proportion, each once or more often
    weighted = reference(model, Store.from_tensor(train).weighted(counts.double()), 6)
    assert len(weighted.z) == 20
    assert len(twice.z) == 35
    even = reference(model, Store.from_tensor(train).weighted(torch.full((20,), 3.0).double()), 6)
    torch.testing.assert_close(even.z, reference(model, Store.from_tensor(train), 6).z)
    assert usual_cells(model, x, weighted).isfinite().all()


# where it is used


def test_every_way_to_ask_gives_the_same(tmp_path):
    rows = frame()
    run = tmp_path / "run"
    model = fit(rows, training=FAST, anomalies=True, run=run, report=False)
    expected = model.scores(rows)
    assert model.plan.n_neighbors == 20
    assert model.reference is not None
    assert model.reference.z.shape == (60, 8)
    model.save(tmp_path / "copy")
    for path in (run, tmp_path / "copy"):
        loaded = TrainedModel.load(path)
        np.testing.assert_array_equal(loaded.scores(rows), expected)
        assert loaded.typical == model.typical
    table = arrow_function(run, "score")(pa.Table.from_pandas(rows))
    assert table.column_names == ["score"]
    np.testing.assert_array_equal(table["score"], expected)
    rows.to_csv(tmp_path / "t.csv", index=False)
    code, _, err = call("score", run, tmp_path / "t.csv", "-o", tmp_path / "s.csv", "--explain", "--threshold", -9)
    assert code == 0, err
    found = pd.read_csv(tmp_path / "s.csv")
    np.testing.assert_allclose(found["score"], expected, rtol=1e-5)
    np.testing.assert_array_equal(found["anomalous"], found["score"] < -9)
    assert "log p" not in err.splitlines()[-6]


def test_a_detector_is_pickled_saved_and_asked_for_log_p():
    x = np.random.default_rng(0).normal(size=(50, 3))
    detector = AnomalyDetector(max_epochs=2, random_state=0).fit(x)
    scores = detector.score_samples(x)
    np.testing.assert_allclose(-detector.decision_scores_, scores)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(detector)).score_samples(x), scores)
    np.testing.assert_allclose(detector.contributions(x).sum(1), scores)
    plain = AnomalyDetector(max_epochs=2, n_neighbors=0, random_state=0).fit(x)
    np.testing.assert_allclose(plain.score_samples(x), plain.fitted_.to(torch.float64).log_likelihood(x))
    detector.partial_fit(x[:30])
    assert detector.fitted_.reference is not None
    assert len(detector.fitted_.reference.z) == 30
    assert np.isfinite(detector.score_samples(x)).all()


def test_where_cells_depend_on_each_other_or_something_is_given_it_is_log_p():
    rows = frame().dropna()
    asked = Asked(training=FAST, anomalies=True)
    assert complete(rows, asked).plan.n_neighbors == 20
    for recipe in (Recipe("autoregressive"), Recipe("mlp", condition=("job",))):
        assert complete(rows, replace(asked, recipe=recipe)).plan.n_neighbors == 0
    model = complete(rows, replace(asked, recipe=Recipe("autoregressive"))).model.eval()
    with pytest.raises(ConfigError, match="score_rows"):
        usual_cells(model, torch.zeros(2, 4), Reference(torch.zeros(3, 8), 2))


def test_latents_that_are_damaged_foreign_or_not_yet_there_are_told(tmp_path):
    run = tmp_path / "run"
    fit(frame(), training=FAST, anomalies=True, run=run, report=False)
    file = run / "reference.safetensors"
    from velbo.files import write_tensors

    for z in (torch.zeros(3, 7), torch.zeros(3, 8).double(), torch.full((3, 8), torch.nan), torch.zeros(0, 8)):
        write_tensors(file, {"z": z})
        with pytest.raises(RunError, match="finite latents"):
            TrainedModel.load(run)
    file.write_bytes(b"{")
    with pytest.raises(RunError, match="not a whole safetensors file"):
        TrainedModel.load(run)
    file.unlink()
    model = TrainedModel.load(run)
    assert np.isfinite(model.encode(frame())).all()
    with pytest.raises(RunError, match="velbo resume"):
        model.scores(frame())


def test_a_model_saved_over_one_of_anomalies_has_no_reference(tmp_path):
    """The file may stay; the plan says that it does not count."""
    fit(frame(), training=FAST, anomalies=True).save(tmp_path)
    assert TrainedModel.load(tmp_path).reference is not None
    fit(frame(), Recipe("mlp", 2, (8,)), training=FAST).save(tmp_path)
    loaded = TrainedModel.load(tmp_path)
    assert loaded.reference is None
    np.testing.assert_array_equal(loaded.scores(frame(), 5), loaded.log_likelihood(frame(), 5))
