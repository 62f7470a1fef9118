"""Every verb that shows a likelihood shows the same one, in nats of the data.

`exact_run`: a model whose decoder does not look at z and whose q(z|x) is the prior. So log p(x|z) = log p(x), every
bound and every annealing run is exact whatever its noise, and the figures are SciPy's.

`twins`: a model that was fitted, and the same one fitted to the same rows in a unit that is 1,024 times smaller. What
the model sees is the same bits, and so must be all figures but for the unit.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.csv as csv
import pytest
import torch
from scipy import stats
from torch import nn

from contracts.commands import call, options
from velbo import Annealing, Budget, Recipe, TrainedModel, TrainingConfig, bound_curve, fit, gaps, plan, score_rows
from velbo.evaluation import Ascent, contributions, rate_distortion
from velbo.evaluation.bounds.bracket import simulate
from velbo.likelihoods.cell import MIN_SCALE
from velbo.likelihoods.counts import LIMIT
from velbo.likelihoods.ranges import inverse_limited
from velbo.nets import inverse_softplus
from velbo.posteriors.base import MIN_SCALE as MIN_POSTERIOR_SCALE
from velbo.training.validation import split

MEAN, SCALE, RATE, N = 0.4, 1.3, 3.0, 40
UNITS = [1.0, 1000.0]
FINER = 1024.0
LIKELIHOODS = "elbo reconstruction log_det log_likelihood bound best_bound annealed importance curve".split()
SHORT = ("--temperatures", 4, "--chains", 2, "--leapfrog", 2)
KINDS = {"a": "real:normal", "b": "real:normal", "n": "count:poisson"}


def table(unit: float = 1.0, n: int = N) -> pd.DataFrame:
    """Two lengths, one of which is missing in some rows, and a count."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(2, 3, n), "b": rng.normal(0, 0.1, n), "n": rng.poisson(4, n)})
    frame.loc[::4, "a"] = math.nan
    return frame.assign(a=frame.a * unit, b=frame.b * unit)


def without_latents(frame: pd.DataFrame) -> TrainedModel:
    """x ~ N(0.4, 1.3^2) and n ~ Poisson(3), whatever z is; q(z|x) = p(z)."""
    what = plan(frame, Recipe("mlp", 2, (4,)), columns=KINDS)
    model = what.build()
    heads = next(part for part in model.decoder.modules() if isinstance(part, nn.ModuleDict))
    posterior = model.encoder[-1].linear  # type: ignore[index]
    with torch.no_grad():
        for linear in (posterior, heads["normal"].linear, heads["poisson"].linear):
            linear.weight.zero_()
        posterior.bias.copy_(torch.tensor([0.0, 0, *[inverse_softplus(1 - MIN_POSTERIOR_SCALE)] * 2]))
        heads["normal"].linear.bias.fill_(MEAN)
        heads["normal"].scale.raw.fill_(inverse_softplus(SCALE - MIN_SCALE))
        heads["poisson"].linear.bias.fill_(inverse_limited(math.log(RATE), LIMIT))
    return TrainedModel(model.eval(), what)


def expected(model: TrainedModel, v: Any) -> np.ndarray[Any, Any]:
    """log p of every cell (a, b, n) of values v, by SciPy; NaN where missing."""
    v = np.asarray(v, float)
    reals = model.schema.modelled[:2]
    cells = [
        stats.norm.logpdf(column, f.one("location") + MEAN * f.one("scale"), SCALE * f.one("scale"))
        for column, f in zip(v.T, reals, strict=False)
    ]
    return np.column_stack([*cells, stats.poisson.logpmf(v[:, 2], RATE)])


def shown(verb: str, *arguments: object, code: int = 0) -> Any:
    """What a verb prints as JSON."""
    found, out, err = call(verb, *arguments, "--json")
    assert found == code, err
    return json.loads(out)


@pytest.fixture(scope="module", params=UNITS)
def exact_run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(folder with run and rows, model, log p of every cell)."""
    folder, frame = tmp_path_factory.mktemp("exact"), table(request.param)
    model = without_latents(frame)
    model.save(folder / "run")
    frame.to_parquet(folder / "rows.parquet")
    return folder, model, expected(model, frame)


def near(value: Any) -> Any:
    return pytest.approx(value, rel=1e-6, abs=1e-5)


@pytest.mark.filterwarnings("ignore::velbo.errors.CollapseWarning")
def test_evaluate(exact_run: Any) -> None:
    folder, _, cells = exact_run
    found, log_p = shown("evaluate", folder / "run", folder / "rows.parquet", "--samples", 30), np.nansum(cells, 1)
    for name in ("elbo", "log_likelihood", "reconstruction"):
        assert found[name] == near(log_p.mean())
    assert found["rate"] == near(0)
    assert found["log_likelihood_se"] == near(log_p.std(ddof=1) / math.sqrt(N))
    assert found["bits_per_dim"] == near(-log_p.sum() / (np.isfinite(cells).sum() * math.log(2)))


def test_score(exact_run: Any) -> None:
    folder, _, cells = exact_run
    for explain in ((), ("--explain",)):
        code, _, err = call(
            "score", folder / "run", folder / "rows.parquet", "-o", folder / "s.csv", "--samples", 5, *explain
        )
        assert code == 0, err
        found = csv.read_csv(folder / "s.csv").to_pandas()
        assert found["log_likelihood"].tolist() == near(np.nansum(cells, 1).tolist())
    rest = found[[f"{name} given the rest" for name in "abn"]].to_numpy()
    np.testing.assert_allclose(rest, cells, rtol=2e-6, atol=1e-5)


def test_gaps(exact_run: Any) -> None:
    folder, _, cells = exact_run
    run = folder / "run", folder / "rows.parquet"
    found = shown("gaps", *run, "--samples", 4, "--steps", 1, "--lr", 1e-9, "--temperatures", 3)
    for name in ("log_likelihood", "best_bound", "bound"):
        assert found[name] == near(np.nansum(cells, 1).mean())
    assert (found["approximation"], found["amortisation"]) == (near(0), near(0))


def test_anneal(exact_run: Any) -> None:
    """Of the data, and of rows of the model's own, whose values SciPy is shown too."""
    folder, model, cells = exact_run
    found = shown("anneal", folder / "run", folder / "rows.parquet", *SHORT)
    assert (found["annealed"], found["importance"]) == (near(np.nansum(cells, 1).mean()),) * 2
    assert found["annealed_se"] == near(found["importance_se"])
    x, _ = simulate(model.model, N, seed=0)
    own = expected(model, model.plan.encoding.restore(x)).sum(1).mean()
    assert [found[f"own_{name}"] for name in ("importance", "annealed", "above")] == near([own] * 3)
    assert found["width"] == near(0)


def test_rate_distortion(exact_run: Any) -> None:
    folder, _, cells = exact_run
    curve = folder / "curve.csv"
    code, out, err = call("rate-distortion", folder / "run", folder / "rows.parquet", "-o", curve, *SHORT)
    assert code == 0, err
    table, log_p = csv.read_csv(curve).to_pandas(), np.nansum(cells, 1).mean()
    assert table["distortion"].tolist() == near([-log_p] * 5)
    assert table["rate"].tolist() == near([0.0] * 5)
    assert float(re.findall(r"^distortion +(\S+)", out, re.M)[0]) == pytest.approx(-log_p, abs=1e-3)


def test_doctor(exact_run: Any) -> None:
    folder, _, cells = exact_run
    run = folder / "run", folder / "rows.parquet"
    findings = {f["question"]: f["figure"] for f in shown("doctor", *run, "--samples", 32)}
    assert f"log p(x) is at least {np.nansum(cells, 1).mean():.2f}, " in findings["bound"]


def test_python(exact_run: Any) -> None:
    """The functions that the verbs call, and those of a trained model, on rows, a store and its chunks."""
    folder, model, cells = exact_run
    frame, log_p = pd.read_parquet(folder / "rows.parquet"), np.nansum(cells, 1)
    data = model.store(frame)
    assert model.log_likelihood(frame, 5).tolist() == near(log_p.tolist())
    np.testing.assert_allclose(model.contributions(frame, 5), cells, rtol=2e-6, atol=1e-5)
    np.testing.assert_allclose(contributions(model.model, data, 5), cells, rtol=2e-6, atol=1e-5)
    assert score_rows(model.model, data, 3).elbo.tolist() == near(log_p.tolist())
    assert bound_curve(model.model, data, 4).means.tolist() == near([log_p.mean()] * 3)
    assert gaps(model.model, data, 2, Ascent(1, 1e-9, 1)).bound.tolist() == near(log_p.tolist())
    assert rate_distortion(model.model, data, Annealing(2, 2, 2), 3).encoder[1] == near(-log_p.mean())


# the same rows in another unit


def fitted(folder: Path, frame: pd.DataFrame, *more: object) -> tuple[Path, Path]:
    """(run, rows): two epochs on them."""
    folder.mkdir()
    run, rows = folder / "run", folder / "rows.parquet"
    frame.to_parquet(rows)
    kinds = [part for name, kind in KINDS.items() for part in ("--column", f"{name}={kind}")]
    code, _, err = call("fit", rows, "--run", run, *options("--epochs", 2), *kinds, *more)
    assert code == 0, err
    return run, rows


def figures(run: Path, rows: Path, given: bool = False) -> dict[str, float]:
    """Verb and name -> all figures of all verbs; `anneal` takes no conditional model, for it makes rows of its own."""
    verbs: dict[str, tuple[object, ...]] = {
        "evaluate": ("--samples", 4),
        "gaps": ("--samples", 4, "--steps", 2, "--temperatures", 3),
        **({} if given else {"anneal": SHORT}),
    }
    found = {f"{verb} {k}": v for verb, more in verbs.items() for k, v in shown(verb, run, rows, *more).items()}
    for verb, more in (("score", ("--explain",)), ("rate-distortion", SHORT)):
        out = run / f"{verb}.csv"
        code, _, err = call(verb, run, rows, "-o", out, *more)
        assert code == 0, err
        each = csv.read_csv(out).to_pandas().select_dtypes("number").mean()
        found |= {f"{verb} {name}": value for name, value in each.items()}
    trained = TrainedModel.load(run)
    curve = bound_curve(trained.model, trained.store(pd.read_parquet(rows)), 4)
    found |= {"curve": float(curve.means[-1]), "curve_se": float(curve.standard_errors[-1])}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        found |= {f"metrics {record['epoch']} {k}": v for k, v in record.items()}
    return {name: value for name, value in found.items() if isinstance(value, int | float)}


def shift(name: str, per_row: float, per_held_out_row: float, per_training_row: float) -> float:
    """What the finer unit adds to a figure: nats of a or b each as often as it was observed."""
    verb, _, of = name.rpartition(" ")
    if verb.startswith("metrics"):
        each = {"train": per_training_row, "validation": per_held_out_row}
        part, _, of = of.partition("_")
        return each[part] if of in ("bound", "reconstruction") else 0.0
    if of in ("own_importance", "own_annealed", "own_above"):
        return 2.0
    if of == "distortion":
        return -per_row
    return per_row if of in LIKELIHOODS else 0.0


def test_all_figures_of_a_fitted_model_follow_the_unit_of_the_data(tmp_path: Path) -> None:
    """A log-density falls by log 1024 for each observed length, in every verb and in the metrics of training; rates,
    gaps, widths, what weights are worth and the nats of counts stay as they are. (Standard errors of log-densities do
    not follow so simply, as rows differ in how many lengths they have.)
    """
    coarse, fine = table(), table(FINER)
    before = figures(*fitted(tmp_path / "coarse", coarse, "--validation", 0.25))
    after = figures(*fitted(tmp_path / "fine", fine, "--validation", 0.25))
    seen = coarse[["a", "b"]].notna().sum(axis=1).to_numpy()
    training, held_out = split(N, 0.25, 0)
    means = seen.mean(), seen[held_out].mean(), seen[training].mean()
    apart = {"bits_per_dim", *(f"{name}_se" for name in LIKELIHOODS)}
    for name in (name for name in before if name.split()[-1] not in apart):
        by = {"score a given the rest": 1.0, "score b given the rest": 1.0}.get(name, shift(name, *means))
        assert after[name] == pytest.approx(before[name] - by * math.log(FINER), rel=1e-9, abs=1e-6), name
    assert len(before) > 50


@pytest.mark.parametrize(("objective", "samples", "figure"), [("elbo", 1, "elbo"), ("auto", 5, "log_likelihood")])
def test_training_reports_what_evaluate_finds(objective: str, samples: int, figure: str) -> None:
    """The validation bound is the ELBO of the held-out rows, or the bound of as many samples, by the same noise."""
    frame = table(1000.0)
    training = TrainingConfig(Budget(epochs=2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = fit(frame, Recipe("mlp", 2, (4,)), columns=KINDS, training=training, objective=objective)
        held_out = frame.iloc[split(N, training.validation.validation, training.machine.seed)[1]]
        found = model.evaluate(held_out, samples=samples, seed=training.machine.seed)
    assert model.history.best == pytest.approx(getattr(found, figure), rel=1e-6)


@pytest.mark.parametrize("unit", [FINER, 1000.0])
def test_no_figure_follows_the_unit_of_what_is_given(tmp_path: Path, unit: float) -> None:
    """Nor is what is given a dimension: all figures are those of the count and the length that is modelled."""
    coarse = table().fillna({"a": 1.5})
    fine = coarse.assign(a=coarse.a * unit)
    before, after = (
        figures(*fitted(tmp_path / name, frame, "--condition", "a"), given=True)
        for name, frame in (("coarse", coarse), ("fine", fine))
    )
    for name in before:
        assert after[name] == pytest.approx(before[name], rel=1e-6, abs=1e-6), name
    log_p, bits = (before[f"evaluate {name}"] for name in ("log_likelihood", "bits_per_dim"))
    assert bits == pytest.approx(-log_p / (2 * math.log(2)))


def test_it_is_said_what_a_likelihood_is_conditioned_on(tmp_path: Path) -> None:
    frame = table()[["b", "n"]].assign(m=table().n + 1)
    run, rows = tmp_path / "run", tmp_path / "rows.csv"
    frame.to_csv(rows, index=False)
    kinds = ("--column", "n=count:poisson", "--column", "m=count:poisson", "--condition", "b", "--library-size")
    assert call("fit", rows, "--run", run, *options(), *kinds)[0] == 0
    for verb, more in (("evaluate", ()), ("score", ("-o", tmp_path / "s.csv")), ("doctor", ("--samples", 32))):
        code, out, err = call(verb, run, rows, *more)
        assert code == 0, err
        assert verb != "doctor" or "of 2 dimensions are not spread" in out
        assert "given b, library size: another number than log p(x)" in err
    assert shown("evaluate", run, rows)["given"] == ["b", "library size"]
    assert shown("evaluate", run, rows)["bits_per_dim"] == pytest.approx(
        -shown("evaluate", run, rows)["log_likelihood"] / (2 * math.log(2))
    )
