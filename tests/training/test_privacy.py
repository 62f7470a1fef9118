"""Private training: what a step makes of rows, that it says no more of them, and that it goes on where it stopped."""

from __future__ import annotations

import copy
import json
import math
import secrets
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from torch import Tensor, nn

import velbo
from contracts.commands import call, options
from contracts.models import IMAGES, TABLE
from contracts.stops import stopped_after_a_step
from velbo import VAE, Recipe, TrainingConfig
from velbo.build import as_before
from velbo.build.defaults import Asked
from velbo.cli.training import train_by_ray
from velbo.config import Budget, Machine, ObjectiveConfig, Optimisation, Privacy, Validation, Weighting
from velbo.errors import ConfigError
from velbo.files import read_tensors
from velbo.fitting import refit
from velbo.likelihoods import Bernoulli, Normal
from velbo.nets import MLP
from velbo.objectives import ELBO, make_objective
from velbo.posteriors import DiagonalNormal, Pathwise, from_noise
from velbo.priors import StandardNormal
from velbo.report.learning import curve_of
from velbo.rows import Store
from velbo.training import Run, Trainer, train
from velbo.training.accountant import spent
from velbo.training.gradients import Pass
from velbo.training.order import Shuffled
from velbo.training.privacy import PrivatePass, Secret, clipped_sum, require_row_gradients, row_gradients

pytest.importorskip("opacus", reason="the extra privacy is not installed")

SMALL = Recipe("mlp", latent=2, hidden=(4,))
ROWS = pd.DataFrame({"a": np.linspace(-1, 2, 60), "b": np.tile(list("xyz"), 20), "c": np.arange(60) % 7})


def config(epochs: int | None = 2, **privacy: Any) -> TrainingConfig:
    """Of private training, on ROWS 4 steps an epoch."""
    asked = {"epsilon": 3.0, **privacy}
    return TrainingConfig(Budget(epochs=epochs), Optimisation(batch_size=16), privacy=Privacy(**asked))


def small_vae(n_dims: int = 5) -> VAE:
    torch.manual_seed(0)
    return VAE(
        nn.Sequential(MLP(n_dims, 8), DiagonalNormal(8, 2)),
        nn.Sequential(MLP(2, 8), Normal(8, n_dims)),
        StandardNormal(2),
    ).double()


def numbers(n: int, n_dims: int = 5) -> Tensor:
    return torch.randn(n, n_dims, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


class Still(Pathwise):
    """All noise is 0.3, so that the gradient of a row is one number whoever computes it."""

    def noise(self, q: Any, n_samples: int) -> Tensor:
        return torch.full_like(super().noise(q, n_samples), 0.3)

    def sample(self, q: Any, n_samples: int) -> Tensor:
        return from_noise(q, self.noise(q, n_samples))


def of_single_rows(model: Any, objective: Any, x: Tensor) -> dict[str, Tensor]:
    """Gradients by backward passes through one row after another."""
    found: dict[str, list[Tensor]] = {}
    for i in range(len(x)):
        model.zero_grad(set_to_none=True)
        (-objective(model.terms(x[i : i + 1], objective.samples, objective.draw), 0.7).surrogate.sum()).backward()
        for name, p in model.named_parameters():
            found.setdefault(name, []).append(torch.zeros_like(p) if p.grad is None else p.grad)
    return {name: torch.stack(each) for name, each in found.items()}


# gradients of rows


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe("resmlp", 3, (8,), prior="mixture"),
        Recipe("mlp", 3, (8,), prior="real-nvp", posterior="full"),
        Recipe("mlp", 3, (8,), posterior="iaf", prior="diffusion"),
        Recipe("mlp", 3, (8,), missing="self-masked"),
        Recipe("mlp", 3, (8,), refine=1),
        Recipe("autoregressive", 3, (8,), order=tuple(TABLE.columns)),
        Recipe("ladder", 3, (8,), groups=(2,)),
    ],
    ids=lambda r: f"{r.recipe}-{r.prior}-{r.posterior}-{r.missing}-{r.refine}",
)
def test_gradients_of_rows_are_those_of_single_rows(recipe):
    """In float64 to 1e-10 of the largest, for rows with missing cells of all kinds of fields."""
    plan = velbo.plan(TABLE, recipe)
    x = Store.from_rows(plan.schema.numbers(TABLE[:6]), plan.encoding, torch.float64).fixed(0)
    _compare(plan.build().double(), replace(ELBO(), draw=Still()), x)


def test_gradients_of_rows_are_those_of_single_rows_for_convolutions():
    plan = velbo.plan(IMAGES, Recipe("conv", 3, (4, 6)))
    x = Store.from_rows(plan.schema.numbers(IMAGES[:4]), plan.encoding, torch.float64).fixed(0)
    _compare(plan.build().double(), replace(ELBO(), draw=Still()), x)


@pytest.mark.parametrize("name", ["elbo-sampled", "iwae", "dreg", "piwae", "miwae", "ciwae", "renyi", "tvo"])
def test_gradients_of_rows_are_those_of_single_rows_for_every_bound_of_one_row(name):
    _compare(small_vae(), replace(make_objective(name), draw=Still()), numbers(5))


def _compare(model: Any, objective: Any, x: Tensor) -> None:
    found, expected = row_gradients(model, objective, x, 0.7), of_single_rows(model, objective, x)
    assert all(tuple(g.shape) == (len(x), *p.shape) for g, p in zip(found.values(), model.parameters(), strict=True))
    largest = max(float(g.abs().max()) for g in expected.values())
    for name, gradient in expected.items():
        torch.testing.assert_close(found[f"model.{name}"], gradient, rtol=0, atol=1e-10 * largest)


@pytest.mark.parametrize("name", ["elbo", "stl", "score-function", "tvo"])
def test_every_row_has_noise_of_its_own(name):
    """Rows that are equal have gradients that are not, and the same seed gives the same ones again."""
    x, found = numbers(1).expand(3, 5), []
    for _ in range(2):
        torch.manual_seed(3)
        found.append(next(iter(row_gradients(small_vae(), make_objective(name), x).values())))
    torch.testing.assert_close(*found, rtol=0, atol=0)
    assert not torch.equal(found[0][0], found[0][1])
    assert not torch.equal(found[0][1], found[0][2])


def test_a_model_that_looks_at_its_batch_is_refused():
    """BatchNorm ties rows together, and keeps means of them in buffers."""
    vae = small_vae()
    vae.encoder = nn.Sequential(nn.BatchNorm1d(5).double(), vae.encoder)
    with pytest.raises(ConfigError, match="cannot be had row by row"):
        train(vae.float(), numbers(40).float(), config=config())


class Running(nn.Module):
    """Keeps a mean of the rows that it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(5))

    def forward(self, x: Tensor) -> Tensor:
        self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
        return x - self.mean


def test_a_model_that_assigns_a_buffer_is_refused_and_left_as_it_was():
    """It would hold means of rows without noise, in a tensor that is none outside of vmap."""
    vae, part = small_vae().float(), Running()
    vae.encoder, mean = nn.Sequential(part, vae.encoder), part.mean
    with pytest.raises(ConfigError, match=r"cannot be had row by row \(Running assigns its buffer 'mean'\)"):
        Trainer(vae, Store.from_tensor(numbers(40).float()), ELBO(), config()).run()
    assert part.mean is mean
    assert not mean.any()


@pytest.mark.parametrize("error", [RuntimeError, ValueError])
def test_whatever_one_row_cannot_do_is_refused_before_training(error):
    class Choosy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise error("two rows at least")

    vae = small_vae()
    vae.encoder = nn.Sequential(Choosy(), vae.encoder)
    with pytest.raises(ConfigError, match=r"cannot be had row by row \(two rows at least\)"):
        require_row_gradients(vae, ELBO(), numbers(2))


# one step


def test_the_sum_is_that_of_shortened_rows():
    """By hand: lengths 5, 1/2 and 13 over both parameters, C = 1; a row that is not finite counts as 0."""
    a = torch.tensor([[3.0, 0.0], [0.3, 0.0], [3.0, 4.0], [math.nan, 0.0], [math.inf, 1.0]])
    b = torch.tensor([4.0, 0.4, 12.0, 1.0, 1.0])
    found = clipped_sum({"a": a, "b": b}, 1.0)
    torch.testing.assert_close(found["a"], torch.tensor([3 / 5 + 0.3 + 3 / 13, 4 / 13]))
    torch.testing.assert_close(found["b"], torch.tensor(4 / 5 + 0.4 + 12 / 13))


def made_pass(vae: VAE, clip: float, noise: float, expected: float = 10.0) -> PrivatePass:
    return PrivatePass(vae, replace(ELBO(), draw=Still()), clip, noise, expected, Secret(), lambda: 0)


def test_a_row_more_or_less_moves_the_sum_by_the_row_clip_at_most(monkeypatch):
    """Whatever the row is, far out and not finite ones among them; most move it by just that."""
    monkeypatch.setattr("velbo.training.privacy.NUMBERS_AT_ONCE", 500)  # rows go through in several parts
    x = numbers(12)
    x[3], x[4], x[5] = 1e8, 1e200, math.inf
    private = made_pass(small_vae(), 0.2, 1.0)
    assert 1 < private.rows_at_once < 12
    whole = private.sum(x, 1.0)
    moved = list[float]()
    for i in range(len(x)):
        rest = private.sum(torch.cat((x[:i], x[i + 1 :])), 1.0)
        moved.append(math.sqrt(sum(float((whole[name] - rest[name]).square().sum()) for name in whole)))
    assert max(moved) <= 0.2 * (1 + 1e-9)
    assert sum(each > 0.2 * (1 - 1e-9) for each in moved) >= 8
    assert moved[5] < 1e-12  # but for rounding: rows behind it go through in other parts


def test_without_noise_and_limit_it_is_the_plain_step():
    """sigma = 0, C = inf, all rows: the gradient of the mean loss, in float64 to 1e-12."""
    x, vae = numbers(10), small_vae()
    made_pass(vae, 1e300, 0.0)(x, 1.0, None, math.nan)
    private = [copy.deepcopy(p.grad) for p in vae.parameters()]
    objective = replace(ELBO(), draw=Still())
    plain = Pass(lambda rows, beta: objective(vae.terms(rows, 1, objective.draw), beta), list(vae.parameters()))
    numbers_ = plain(x, 1.0, None, 1 / 10)
    for gradient, p in zip(private, vae.parameters(), strict=True):
        torch.testing.assert_close(gradient, p.grad, rtol=0, atol=1e-12 * math.sqrt(numbers_.squared_norm))


def test_the_noise_has_the_variance_that_is_said():
    """Of a step without rows, whose gradient is all noise, sigma C / B = 0.3 a number: mean and variance of 200 steps
    within 5 standard errors (false alarms: 1 in 800,000), and no two steps or numbers alike.
    """
    vae = small_vae()
    private = made_pass(vae, 2.0, 1.5)
    steps = iter(range(200))
    private.step = lambda: next(steps)
    drawn = []
    for _ in range(200):
        found = private(numbers(0), 1.0, None, 0.0)
        drawn.append(torch.cat([p.grad.flatten() for p in vae.parameters() if p.grad is not None]))
        assert found.squared_norm == pytest.approx(float(drawn[-1].square().sum()))
    n = torch.stack(drawn) / 0.3
    assert abs(float(n.mean())) < 5 / math.sqrt(n.numel())
    assert abs(float(n.square().mean()) - 1) < 5 * math.sqrt(2 / n.numel())
    assert n.unique().numel() == n.numel()


def test_rows_come_by_chance_each_on_its_own():
    """40 rows at r = 0.3 in 5,000 steps: how often each comes, how often each pair does, and the variance of the size
    of a step, which would be 0 were sizes fixed, within 5 standard errors (40, 780 and 1 figures: a false alarm in
    1,000 at most).
    """
    secret, n, rate, steps = Secret(), 40, 0.3, 5000
    taken = torch.zeros(steps, n, dtype=torch.float64)
    for step in range(steps):
        taken[step, secret.rows(n, rate, step)] = 1
    error = math.sqrt(rate * (1 - rate) / steps)
    assert float((taken.mean(0) - rate).abs().max()) < 5 * error
    pairs = (taken.T @ taken / steps - rate**2)[~torch.eye(n, dtype=torch.bool)]
    assert float(pairs.abs().max()) < 5 * math.sqrt(rate**2 * (1 - rate**2) / steps)
    variance = n * rate * (1 - rate)
    assert abs(float(taken.sum(1).var()) / variance - 1) < 5 * math.sqrt(2 / steps)


def test_noise_and_rows_are_functions_of_key_and_step():
    one, other = Secret(), Secret()
    like = {"a": torch.zeros(4)}
    torch.testing.assert_close(one.noise(like, 3), one.noise(like, 3), rtol=0, atol=0)
    draws = [one.noise(like, 3), one.noise(like, 4), other.noise(like, 3)]
    assert len({tuple(d["a"].tolist()) for d in draws}) == 3
    assert len(one.rows(10, 1.0, 0)) == 10
    assert len(one.rows(10, 0.0, 0)) == 0


# a run


def test_a_run_spends_what_it_said_and_tells_nothing_of_rows():
    """Metrics have epsilon and no figure of rows; no row is held out, and nothing is kept of cells."""
    trained = velbo.fit(ROWS, SMALL, training=config(3))
    p, o = trained.plan.training.privacy, trained.plan.training
    assert (p.delta, p.row_clip, o.validation.validation) == (pytest.approx(0.1 / 60), 1.0, 0)
    assert [set(line) for line in trained.history.metrics] == [{"step", "epoch", "epsilon", "skipped"}] * 3
    epsilons = [line["epsilon"] for line in trained.history.metrics]
    assert epsilons == [spent(p.noise, 16 / 60, 4 * epoch, p.delta) for epoch in (1, 2, 3)]
    assert 2.99 < epsilons[-1] <= 3
    assert trained.typical == ()
    assert math.isnan(trained.history.best)
    assert "bound" not in repr(trained)
    for words in ("(3, 0.00167)-differential privacy", "not covered"):
        assert words in trained.plan.choices["privacy"]
    with pytest.raises(ConfigError, match="private training writes no figures"):
        curve_of(trained.history.metrics)


def test_the_seed_does_not_tell_the_noise():
    """Two runs of one seed begin with the same weights and end with others."""
    one, other = (velbo.fit(ROWS, SMALL, training=config()).model.state_dict() for _ in range(2))
    assert any(not torch.equal(one[name], other[name]) for name in one)


def known_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_bytes", lambda n: bytes(range(1, n + 1)))


def state_of(run: Run) -> tuple[Any, ...]:
    """All that a run has come to, in numbers."""
    (folder,) = run.checkpoints.iterdir()
    state = json.loads((folder / "state.json").read_text())
    state.pop("seconds")
    tensors = read_tensors(folder / "tensors.safetensors") | read_tensors(run.model_file)
    return state, run.metrics(), {name: t.numpy().tobytes() for name, t in tensors.items()}


def test_stopped_after_every_step_and_resumed_it_ends_bit_equal(tmp_path, monkeypatch):
    """With the key of the first start, whose epsilon goes on and is not begun again; in the end no key is left."""
    known_key(monkeypatch)
    plan = velbo.plan(ROWS, SMALL, training=config(2))
    whole, cut = Run(tmp_path / "whole"), Run(tmp_path / "cut")
    for run in (whole, cut):
        run.create(plan.to_json())
    velbo.carry_out(plan, ROWS, whole)
    start_again, seen = stopped_after_a_step(monkeypatch), list[float]()
    for n in range(9):
        start_again()
        # what a later start draws is of no account
        monkeypatch.setattr(secrets, "token_bytes", lambda size, n=n: bytes([n]) * size if n else bytes(range(1, 17)))
        try:
            velbo.carry_out(plan, ROWS, cut)
        except KeyboardInterrupt:
            state = cut.state()
            assert state is not None
            seen.append(state.epsilon)
            assert "noise_key" in read_tensors(max(cut.checkpoints.iterdir()) / "tensors.safetensors")
            continue
        break
    p: Any = plan.training.privacy
    assert seen == [spent(p.noise, 16 / 60, step, p.delta) for step in range(1, 8)]
    assert state_of(whole) == state_of(cut)
    key = read_tensors(next(cut.checkpoints.iterdir()) / "tensors.safetensors")["noise_key"]
    assert not key.any()


def test_a_run_that_ends_before_its_epochs_has_spent_less(monkeypatch):
    """By minutes beside epochs: the clock stops it, and epsilon is that of the steps that were made."""
    asked = replace(config(50), budget=Budget(epochs=50, minutes=1e-9))
    trained = velbo.fit(ROWS, SMALL, training=asked)
    p = trained.plan.training.privacy
    steps, epsilon = trained.history.steps, trained.history.metrics[-1]["epsilon"]
    assert 0 < steps < 200
    assert epsilon == spent(p.noise, 16 / 60, steps, p.delta) < 2


def test_more_epsilon_is_less_noise_and_a_better_model():
    """Log p of the rows: epsilon 0.2 drowns the gradients of 60 rows, epsilon 100 hardly touches them."""
    found = []
    for epsilon in (0.2, 100.0):
        training = replace(config(8, epsilon=epsilon), optimisation=Optimisation(batch_size=30, lr=0.05))
        trained = velbo.fit(ROWS, SMALL, training=training)
        found.append((trained.plan.training.privacy.noise, float(trained.log_likelihood(ROWS, 20).mean())))
    assert found[0][0] > 10 * found[1][0]
    assert found[0][1] < found[1][1]


# what is asked


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weighting": Weighting(target_rate=1.0)}, "has no target"),
        ({"validation": Validation(patience=3)}, "leave out patience"),
        ({"budget": Budget(minutes=1)}, "give epochs beside minutes"),
        ({"machine": Machine(devices=2)}, "leave out devices"),
        ({"machine": Machine(compile=True)}, "leave out compile"),
        ({"machine": Machine(precision="bf16")}, "leave out precision"),
        ({"privacy": Privacy(3.0, noise=0.1)}, "leave noise out, or ask for epsilon"),
        ({"privacy": Privacy(3.0, delta=1 / 60)}, "leave delta out, or give 0.00167"),
    ],
)
def test_settings_that_cannot_be_private_are_refused(change, words):
    with pytest.raises(ConfigError, match=words):
        velbo.plan(ROWS, SMALL, training=replace(config(), **change))


@pytest.mark.parametrize(
    ("recipe", "asked", "words"),
    [
        (SMALL, {"objective": "trimmed"}, "Trimmed with these options is not"),
        (SMALL, {"objective": "beta-tc"}, "BetaTC"),
        (SMALL, {"objective": "info-vae"}, "InfoVAE"),
        (SMALL, {"objective": ObjectiveConfig(free_bits=0.1)}, "without free bits"),
        (SMALL, {"anomalies": True}, "leave out anomalies"),
        (replace(SMALL, condition=("b",)), {}, "Conditional does"),
        (replace(SMALL, prior="vamp"), {"columns": {"b": "drop"}}, "prior 'vamp'"),
        (Recipe("diffusion", hidden=(4,)), {}, "recipe 'diffusion'"),
        (replace(SMALL, posterior="mixture"), {}, "posterior 'mixture'"),
    ],
)
def test_models_that_cannot_be_private_are_refused_before_anything_is_written(tmp_path, recipe, asked, words):
    with pytest.raises(ConfigError, match=words):
        velbo.fit(ROWS, recipe, training=config(), run=tmp_path / "run", **asked)
    assert not (tmp_path / "run").exists()


def test_rows_that_stay_on_disk_or_count_more_often_are_refused(tmp_path):
    ROWS.to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(ConfigError, match="draws its rows from memory"):
        velbo.plan(velbo.open_source(str(tmp_path / "rows.parquet")), SMALL, training=config())
    weighted = Store.from_tensor(numbers(40)).weighted(torch.linspace(1, 2, 40, dtype=torch.float64))
    with pytest.raises(ConfigError, match="leave out sample_weight"):
        Trainer(small_vae(), weighted, ELBO(), config())


def test_an_order_that_holds_rows_out_is_refused():
    order = Shuffled(40, torch.arange(10), 0)
    with pytest.raises(ConfigError, match="holds no rows out; leave out order"):
        Trainer(small_vae(), Store.from_tensor(numbers(40)), ELBO(), config(), order=order)


def test_what_a_run_leaves_tells_its_steps_and_not_how_many_rows_came(tmp_path):
    """The history that is read has the figures of the one that training gave; the generator's state is its first."""
    trained = velbo.fit(ROWS, SMALL, training=config(), run=tmp_path / "run")
    read, run = velbo.TrainedModel.load(tmp_path / "run").history, Run(tmp_path / "run")
    assert (read.steps, read.stale, read.metrics) == (8, trained.history.stale, trained.history.metrics)
    assert math.isnan(read.best)
    kept = read_tensors(next(run.checkpoints.iterdir()) / "tensors.safetensors")["generator/0"]
    assert torch.equal(kept, torch.Generator().manual_seed(0).get_state())


def test_several_processes_are_refused_before_the_folder_is_made(tmp_path, monkeypatch):
    """Those of torchrun, and workers of Ray."""
    plan = velbo.plan(ROWS, SMALL, training=config())
    with pytest.raises(ConfigError, match="one process's; start one"):
        train_by_ray(plan, tmp_path / "ray", "local", 2)
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="one process's; start one"):
        velbo.fit(ROWS, SMALL, training=config(), run=tmp_path / "torchrun")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["delta", "row_clip", "noise"])
def test_settings_of_privacy_want_epsilon(name):
    with pytest.raises(ConfigError, match="give epsilon too"):
        Privacy(**{name: 0.5})


@pytest.mark.parametrize("name", ["row_clip", "noise"])
@pytest.mark.parametrize("value", [1e-4, 1e7])
def test_noise_and_length_have_limits(name, value):
    with pytest.raises(ConfigError, match=name):
        Privacy(3.0, **{name: value})


@pytest.mark.parametrize("asked", [{"epsilon": 1e6}, {"row_clip": 1e6}, {"row_clip": 1e-3}, {"noise": 1e6}])
def test_within_limits_all_steps_are_made(asked):
    """And none is left out for numbers that are not finite; noise is not below its limit where epsilon allows it."""
    trained = velbo.fit(ROWS, SMALL, training=config(1, **asked))
    assert trained.history.skipped == 0
    noise = trained.plan.training.privacy.noise
    assert noise is not None
    assert noise >= 1e-3


def test_a_prior_is_not_refitted_without_noise():
    trained = velbo.fit(ROWS, SMALL, training=config())
    with pytest.raises(ConfigError, match="fitted to rows without noise"):
        refit(trained, ROWS, "mixture")
    plain = velbo.fit(ROWS, SMALL, training=TrainingConfig(Budget(epochs=1)))
    with pytest.raises(ConfigError, match="a new prior is fitted without noise"):
        refit(plain, ROWS, "mixture", training=config())


def test_a_run_like_a_private_one_finds_its_own_noise():
    before = velbo.plan(ROWS, SMALL, training=config(2))
    asked = as_before(before, Asked(training=TrainingConfig(Budget(epochs=40))))
    privacies: list[Any] = [p.training.privacy for p in (before, velbo.plan(ROWS, SMALL, training=asked.training))]
    assert privacies[1].epsilon == 3
    assert privacies[1].noise > privacies[0].noise


def test_a_private_run_like_a_plain_one_takes_none_of_its_choices():
    """Patience, batches, learning rate and precision that velbo chose are chosen again; what was asked for stays."""
    budget = Budget(epochs=2)
    before = velbo.plan(ROWS, SMALL, training=TrainingConfig(budget))
    before = replace(
        before, training=replace(before.training, machine=replace(before.training.machine, precision="bf16"))
    )
    assert {"patience", "batch_size", "lr", "precision"} <= set(before.choices)
    private = TrainingConfig(privacy=Privacy(3.0))
    found = velbo.plan(ROWS, SMALL, training=as_before(before, Asked(training=private)).training).training
    assert found == velbo.plan(ROWS, SMALL, training=replace(private, budget=budget)).training
    said = velbo.plan(ROWS, SMALL, training=TrainingConfig(budget, Optimisation(batch_size=16, lr=0.05)))
    found = as_before(said, Asked(training=private)).training.optimisation
    assert (found.batch_size, found.lr) == (16, 0.05)


def test_delta_of_other_rows_is_not_taken_over():
    """A tenth of 1 / 10 rows is more than 1 / 60 rows."""
    before = velbo.plan(ROWS[:10], SMALL, training=config(2, delta=0.09))
    found = velbo.plan(ROWS, SMALL, training=as_before(before, Asked(training=TrainingConfig())).training)
    assert found.training.privacy.delta == pytest.approx(0.1 / 60)


def test_of_a_schema_that_is_given_nothing_more_is_read_from_the_rows():
    """Tables whose second and third columns depend on the first the other way round: but for the fingerprint their
    plans are one, and combinations of columns come of the schema or not at all.
    """
    generator = np.random.default_rng(0)
    z, w, n = *generator.normal(size=(2, 300)), generator.integers(0, 3, 300)
    first = pd.DataFrame({"a": z, "b": w, "c": w + 0.1 * z, "d": n, "e": n})
    second = pd.DataFrame({"a": z, "b": z + 0.1 * w, "c": w, "d": 2 - n, "e": 2 - n})
    columns, autoregressive = {"d": "categorical", "e": "categorical"}, Recipe("autoregressive", 2, (4,))
    schema = velbo.infer(first, columns)
    plans = [velbo.plan(rows, autoregressive, schema=schema, training=config()) for rows in (first, second)]
    assert plans[0].data.fingerprint != plans[1].data.fingerprint
    told = [replace(plan, data=velbo.build.DataRecord()).to_json() for plan in plans]
    assert told[0] == told[1]
    assert plans[0].recipe.order == ("a", "b", "c", "d", "e")
    asked: dict[str, Any] = {"constraints": ("d with e",), "training": config()}
    with pytest.raises(ConfigError, match="'d with e' is read from the rows"):
        velbo.plan(first, autoregressive, schema=schema, **asked)
    public = velbo.plan(first, autoregressive, columns=columns, constraints=("d with e",)).schema
    kept = velbo.plan(second, autoregressive, schema=public, training=config()).schema
    assert kept.constraints == public.constraints
    assert len(public.constraints.combinations[0].values) == 3


def test_a_saved_plan_is_read_again():
    plan = velbo.plan(ROWS, SMALL, training=config(2))
    assert velbo.Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_model_of_torch_parts_trains_privately():
    """`train` takes the same settings, and the model ends with averaged weights that are finite."""
    vae, x = small_vae().float(), numbers(40).float()
    before = copy.deepcopy(vae.state_dict())
    history = train(vae, x, config=config(2))
    assert history.steps == 6
    assert all(torch.isfinite(t).all() for t in vae.state_dict().values())
    assert any(not torch.equal(t, before[name]) for name, t in vae.state_dict().items())
    assert all(p.grad is None or p.grad.isfinite().all() for p in vae.parameters())
    assert isinstance(vae.decoder[1], Normal | Bernoulli)


# where it is read


def test_the_command_line_the_card_and_info_say_it(tmp_path, reports):
    ROWS.to_csv(tmp_path / "rows.csv", index=False)
    run = tmp_path / "run"
    said = options("--epochs", 2, "--epsilon", 3, "--delta", 1e-4, "--row-clip", 0.5, "--run", run)
    code, _, err = call("fit", tmp_path / "rows.csv", *said)
    assert code == 0
    assert "spent of 3, at delta 0.0001" in err.splitlines()[-1]
    assert "Epsilon does not cover" in err.splitlines()[-1]
    assert "a new row ends at the smallest and the largest value" in err.splitlines()[-1]
    assert not (run / "report.html").exists()
    card = (run / "README.md").read_text()
    assert "## Privacy" in card
    assert "spent of 3, at delta 0.0001" in card.replace("\\", "")
    assert "shortened to 0.5" in card
    assert "None are known" in card
    assert "only where the schema was given" in card
    code, out, _ = call("info", run)
    assert code == 0
    assert "spent of 3, at delta 0.0001" in out
    assert "nats a row" not in out
    code, out, _ = call("info", run, "--json")
    assert 2.9 < json.loads(out)["state"]["epsilon"] <= 3
    assert call("resume", run)[0] == 0
    assert call("info", run, run)[0] == 0
    pytest.importorskip("matplotlib")
    assert call("report", run, tmp_path / "rows.csv", "-o", tmp_path / "report.html")[0] == 0
    assert call("doctor", run, tmp_path / "rows.csv", "--samples", 4)[0] == 0


@pytest.mark.parametrize("varied", [("--over", "epsilon=1,3"), ("--over", "lr=0.1,0.2")])
def test_private_trials_want_rows_to_be_ranked_by(tmp_path, monkeypatch, varied):
    """Whether epsilon varies or is said once, as by a variable of the environment."""
    ROWS.to_csv(tmp_path / "rows.csv", index=False)
    if varied[1].startswith("lr"):
        monkeypatch.setenv("VELBO_EPSILON", "3")
    code, _, err = call("sweep", tmp_path / "rows.csv", *options("--run", tmp_path / "sweep"), *varied)
    assert code
    assert "give --test ROWS" in err
    assert not (tmp_path / "sweep").exists()


def test_a_plain_run_says_nothing_of_privacy(tmp_path):
    ROWS.to_csv(tmp_path / "rows.csv", index=False)
    assert call("fit", tmp_path / "rows.csv", *options("--run", tmp_path / "run"))[0] == 0
    assert "Privacy" not in (tmp_path / "run" / "README.md").read_text()
    assert "privacy" not in call("info", tmp_path / "run")[1]


def test_a_sparse_matrix_in_memory_is_trained_privately():
    """It is no stream, and its rows are dense a step at a time."""
    x = sp.random(60, 12, 0.3, random_state=0, format="csr")
    x.data = np.ceil(9 * x.data)
    recipe, training = Recipe("mlp", 2, (4,)), TrainingConfig(Budget(epochs=1), privacy=Privacy(8.0))
    trained = velbo.fit(x, recipe, training=training)
    assert not trained.plan.data.stream
    assert 0 < trained.history.metrics[-1]["epsilon"] <= 8
