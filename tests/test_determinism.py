"""The same bits for the same seed: in threads, in other processes, whatever torch's own generator is at."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from torch import Tensor

import velbo
from velbo import Recipe, TrainedModel, TrainingConfig, fit, plan
from velbo import evaluation as ev
from velbo.config import Budget
from velbo.doctor import examine
from velbo.evaluation.samples import two_sample_test
from velbo.evaluation.synthetic import synthetic_report
from velbo.formats.folder import files_in
from velbo.rows import Store

N = 40
TRAINING = TrainingConfig(Budget(epochs=1))
SHORT = ev.Annealing(temperatures=3, chains=2, leapfrog=2)


def _rows() -> pd.DataFrame:
    """A column for each way in which likelihoods draw, some cells missing."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "real": rng.normal(size=N),
            "heavy": rng.standard_t(3, N),
            "positive": np.exp(2 * rng.normal(size=N)),
            "share": rng.beta(2, 3, N),
            "count": np.r_[0, rng.poisson(30, N - 1)].astype(float),
            "whole": rng.integers(-40, 40, N),
            "bit": rng.integers(0, 2, N),
            "job": rng.choice(["nurse", "clerk", "pilot"], N),
            "town": rng.choice(["Delft", "Jena"], N),
        }
    )
    for i, name in enumerate(("real", "positive", "count", "job")):
        rows.loc[i::7, name] = None
    return rows


LIKELIHOODS = {"heavy": "real:student-t", "count": "count:negative-binomial", "share": "bounded:beta"}


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    return fit(_rows(), Recipe("mlp", 2, (8,), prior="mixture"), training=TRAINING, columns=LIKELIHOODS)


@pytest.fixture(scope="module")
def conditional() -> TrainedModel:
    return fit(_rows(), Recipe("mlp", 2, (8,), condition=("town",)), training=TRAINING, columns=LIKELIHOODS)


def bits(found: Any) -> str:
    """All numbers of a result, hashed."""
    digest = hashlib.blake2b(digest_size=8)

    def add(part: Any) -> None:
        if isinstance(part, Tensor | np.ndarray):
            array = part.detach().numpy() if isinstance(part, Tensor) else part
            digest.update(array.tobytes() if array.dtype.kind != "O" else repr(array.tolist()).encode())
        elif isinstance(part, pd.DataFrame):
            digest.update(part.to_csv().encode())
        elif isinstance(part, pa.Table):
            digest.update(repr(part.to_pydict()).encode())
        elif isinstance(part, list | tuple):
            for one in part:
                add(one)
        elif is_dataclass(part) and not isinstance(part, type):
            for f in fields(part):
                add(getattr(part, f.name))
        else:
            digest.update(repr(part).encode())

    add(found)
    return digest.hexdigest()


Call = Callable[[TrainedModel], Any]


def _data(t: TrainedModel) -> Store:
    return t.store(_rows().dropna())


def _own(t: TrainedModel) -> tuple[Tensor, Tensor]:
    return ev.simulate(t.model, 5, 3)  # type: ignore[arg-type]


def _numbers(t: TrainedModel) -> list[Any]:
    return [t.schema.numbers(rows) for rows in (_rows(), t.sample(N, 1))]


FLAT: dict[str, Call] = {
    "sample": lambda t: t.sample(30, 5),
    "sample, some missing": lambda t: t.sample(30, 5, missing=True),
    "encode": lambda t: t.encode(_rows()),
    "decode": lambda t: t.decode(np.ones((3, 2))),
    "reconstruct": lambda t: t.reconstruct(_rows()),
    "interpolate": lambda t: t.interpolate(_rows()[:2], _rows()[2:4], 3),
    "impute": lambda t: t.impute(_rows(), 20),
    "impute_many": lambda t: t.impute_many(_rows(), 2, 20, 3),
    "log_likelihood": lambda t: t.log_likelihood(_rows(), 8),
    "evaluate": lambda t: t.evaluate(_rows(), 8),
    "contributions": lambda t: t.contributions(_rows()[:5], 8),
    "explain": lambda t: t.explain(_rows()[:5], 8),
    "bound_curve": lambda t: ev.bound_curve(t.model, _data(t), 8),
    "aggregated_posterior": lambda t: ev.aggregated_posterior(t.model, _data(t)),
    "calibrate": lambda t: ev.calibrate(t.model, _data(t)),
    "gaps": lambda t: ev.gaps(t.model, _data(t), 8, ev.Ascent(2)),  # type: ignore[arg-type]
    "simulate": _own,
    "anneal": lambda t: ev.anneal(t.model, _own(t)[0], SHORT),  # type: ignore[arg-type]
    "anneal_backwards": lambda t: ev.anneal_backwards(t.model, *_own(t), SHORT),  # type: ignore[arg-type]
    "bracket": lambda t: ev.bracket(t.model, _data(t), SHORT, 8),  # type: ignore[arg-type]
    "rate_distortion": lambda t: ev.rate_distortion(t.model, _data(t), SHORT, 8),  # type: ignore[arg-type]
    "doctor": lambda t: examine(t, _rows(), samples=8).auc_samples,
    "classifier": lambda t: two_sample_test(np.arange(60.0).reshape(-1, 2), np.ones((30, 2))),
    "synthetic": lambda t: synthetic_report(*_numbers(t), t.schema.modelled),
    "plan": lambda t: plan(_rows(), Recipe("mlp", 2, (8,))).recipe,
    "untrained": lambda t: list(t.plan.build().state_dict().values()),
    "float64": lambda t: t.to(torch.float64).log_likelihood(_rows(), 8),
}

GIVEN: dict[str, Call] = {
    "sample": lambda t: t.sample(30, 5),
    "sample given": lambda t: t.sample(30, 5, given={"town": "Jena"}),
    "sample balanced": lambda t: t.sample(30, 5, balance="town"),
    "what_if": lambda t: t.what_if(_rows(), {"town": "Jena"}),
    "impute_many": lambda t: t.impute_many(_rows(), 2, 20, 3),
    "log_likelihood": lambda t: t.log_likelihood(_rows(), 8),
}


def _twice(call: Call, model: TrainedModel) -> None:
    found = list[str]()
    for state in (0, 12345):
        torch.manual_seed(state)
        np.random.seed(state)  # noqa: NPY002 (the one that must not count)
        before, of_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        found.append(bits(call(model)))
        assert torch.equal(torch.get_rng_state(), before)
        assert (np.random.get_state()[1] == of_numpy).all()  # noqa: NPY002
    assert found[0] == found[1]


@pytest.mark.filterwarnings("ignore::velbo.errors.CollapseWarning")
@pytest.mark.parametrize("name", FLAT)
def test_generators_of_others_neither_count_nor_move(trained, name):
    _twice(FLAT[name], trained)


@pytest.mark.parametrize("name", GIVEN)
def test_generators_of_others_neither_count_nor_move_given_a_condition(conditional, name):
    _twice(GIVEN[name], conditional)


def test_twenty_threads_have_the_bits_of_one(trained, conditional):
    """While torch's own generator is in use, as it is by anything else that a program does."""
    calls = [
        *((trained, FLAT[name]) for name in ("sample", "impute", "impute_many", "log_likelihood", "contributions")),
        *((conditional, GIVEN[name]) for name in ("sample balanced", "impute_many", "what_if")),
    ]

    def work(i: int) -> str:
        torch.rand(100)
        model, call = calls[i % len(calls)]
        return bits(call(model))

    alone = [work(i) for i in range(len(calls))]
    with ThreadPoolExecutor(20) as pool:
        together = list(pool.map(work, range(5 * len(calls))))
    assert together == alone * 5


def test_another_seed_draws_other_rows(trained):
    assert bits(trained.sample(30, 1)) != bits(trained.sample(30, 2))
    assert bits(trained.impute_many(_rows(), 1, 20, 3, seed=1)) != bits(trained.impute_many(_rows(), 1, 20, 3, seed=2))


def test_no_two_uses_of_a_seed_share_a_stream(trained):
    """Rows that a model draws for a test of its own are not those that it gives for the same seed, and HMC's momenta
    are no latents of theirs.
    """
    from velbo.evaluation.bounds.annealing import _Chains

    x, z = _own(trained)
    momenta = [_Chains(trained.model, x, ev.Annealing(seed=3), stream).normal(z) for stream in ("tuning", "annealing")]
    sampled = trained.model.sample(5, 3)
    for others in (*momenta, momenta[0].flip(0)):
        assert not (others == z).any()
    assert not torch.equal(torch.nan_to_num(sampled), torch.nan_to_num(x))


def test_evaluation_leaves_the_model_where_it_is(trained, monkeypatch):
    """Others may be using it: what is moved to another device is a copy."""
    moved = list[torch.nn.Module]()
    monkeypatch.setattr(torch.nn.Module, "to", lambda module, *args, **kwargs: (moved.append(module), module)[1])
    monkeypatch.setattr("velbo.trained_model.base.device_of", lambda name: torch.device("meta"))
    trained.log_likelihood(_rows(), 2)
    trained.evaluate(_rows(), 2)
    assert len(moved) == 2
    assert trained.model not in moved
    assert not any(a is b for copy in moved for a, b in zip(copy.parameters(), trained.model.parameters(), strict=True))


ELSEWHERE = """
import hashlib, sys
import pandas as pd
from velbo import TrainedModel

model, rows = TrainedModel.load(sys.argv[1]), pd.read_csv(sys.argv[2])
text = model.sample(30, 5).to_csv() + str(model.log_likelihood(rows, 8).tolist()) + model.impute(rows, 20).to_csv()
print(hashlib.blake2b(text.encode()).hexdigest(), "torch._dynamo" in sys.modules)
"""


def test_another_process_with_another_order_of_sets(trained, tmp_path):
    """And no compiler is loaded there, which would take seconds."""
    trained.save(tmp_path / "run")
    rows = _rows()
    rows.to_csv(tmp_path / "rows.csv", index=False)
    scores = str(trained.log_likelihood(rows, 8).tolist())
    text = trained.sample(30, 5).to_csv() + scores + trained.impute(rows, 20).to_csv()
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, tmp_path / "run", tmp_path / "rows.csv"],
        env=os.environ | {"PYTHONHASHSEED": "31", "PYTHONPATH": str(Path(velbo.__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [hashlib.blake2b(text.encode()).hexdigest(), "False"]


def test_the_order_in_which_a_system_lists_files_does_not_count(tmp_path, monkeypatch):
    """Two links to one folder among them: the first by name is taken, however they are listed."""
    for name in ("b/2.png", "b/1.png", "a/3.png", "0.png"):
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).touch()
    for link in ("z", "c"):
        (tmp_path / "x" / link).symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "4.png").touch()
    walk, found = os.scandir, list[list[Path]]()
    for backwards in (False, True):

        class Listing:
            def __init__(self, place: Any) -> None:
                with walk(place) as entries:
                    self.entries = iter(sorted(entries, key=lambda e: e.name, reverse=backwards))  # noqa: B023

            def __enter__(self) -> Any:
                return self.entries

            def __exit__(self, *error: object) -> None: ...

            def __iter__(self) -> Any:
                return self.entries

            def __next__(self) -> Any:
                return next(self.entries)

            def close(self) -> None: ...

        monkeypatch.setattr(os, "scandir", Listing)
        found.append(files_in(tmp_path / "x"))
    names = [str(file.relative_to(tmp_path / "x")) for file in found[0]]
    assert found[0] == found[1]
    assert names == ["0.png", "a/3.png", "b/1.png", "b/2.png", "c/4.png"]
