"""The loop: it reaches known optima, keeps its promises about budgets and schedules, and survives anything."""

from __future__ import annotations

import copy
import itertools
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch._inductor.config
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from torch import nn

import velbo.training.loop as loop
from contracts.stops import stopped_after_a_step
from velbo import VAE, LinearGaussian, train
from velbo.build import Plan
from velbo.config import Budget, Machine, Optimisation, Recipe, TrainingConfig, Validation, Weighting
from velbo.errors import DataError, Interrupted, RunError, TrainingError, VelboWarning
from velbo.files import read_tensors
from velbo.fitting import carry_out, plan
from velbo.likelihoods import Bernoulli, LearnedScale, Normal
from velbo.nets import MLP
from velbo.objectives import ELBO
from velbo.posteriors import DiagonalNormal
from velbo.priors import StandardNormal
from velbo.training import Run, Trainer
from velbo.training.gradients import squared_norm
from velbo.training.order import Windowed
from velbo.training.schedule import beta, learning_rate, progress
from velbo.training.state import State
from velbo.training.validation import split

DIGITS = load_digits().images.astype(np.int64)


def small_vae(n_dims: int = 6) -> VAE:
    torch.manual_seed(0)
    return VAE(
        nn.Sequential(MLP(n_dims, 8), DiagonalNormal(8, 2)),
        nn.Sequential(MLP(2, 8), Bernoulli(8, n_dims)),
        StandardNormal(2),
    )


def bits(n: int, n_dims: int = 6) -> torch.Tensor:
    return torch.randint(0, 2, (n, n_dims), generator=torch.Generator().manual_seed(0)).float()


@pytest.mark.parametrize("q", [2, 10])
def test_a_linear_vae_reaches_probabilistic_pca(q):
    """Within 0.05 nat a row of scikit-learn's likelihood; the exact likelihood of what was learned, by the oracle."""
    x = torch.from_numpy(load_digits().data / 16).float()
    x = x - x.mean(0)
    vae = VAE(
        nn.Sequential(DiagonalNormal(64, q)), nn.Sequential(Normal(q, 64, LearnedScale(initial=0.3))), StandardNormal(q)
    )
    config = TrainingConfig(
        Budget(epochs=60), Optimisation(batch_size=64, lr=2e-2), Weighting(beta_warmup=0), Validation(validation=0)
    )
    train(vae, x, config=config)
    head = vae.decoder[0]
    sigma = head.scale(torch.zeros(1)).double().squeeze()
    learned = LinearGaussian(head.linear.weight.double(), head.linear.bias.double(), sigma)
    with torch.no_grad():
        ours = float(learned.log_px(x.double()).mean())
    theirs = PCA(q).fit(x.numpy()).score(x.numpy())
    assert abs(ours - theirs) < 0.05


@pytest.mark.parametrize("n_rows", [1, 5, 64, 65, 129])
def test_any_number_of_rows_trains(n_rows):
    """No drop_last: every row is seen once an epoch, and one row is enough to learn."""
    vae, x = small_vae(), bits(n_rows)
    seen = []
    config = TrainingConfig(Budget(epochs=2), Optimisation(batch_size=64), validation=Validation(validation=0))
    trainer = Trainer(vae, loop.Store.from_tensor(x), ELBO(), config)
    step = trainer.step
    trainer.step = lambda index: (seen.append(index), step(index))  # type: ignore[method-assign,assignment]
    before = [p.detach().clone() for p in vae.parameters()]
    history = trainer.run()
    order = torch.cat(seen)
    assert torch.equal(order[:n_rows].sort().values, torch.arange(n_rows))
    assert torch.equal(order[n_rows:].sort().values, torch.arange(n_rows))
    assert history.steps == 2 * math.ceil(n_rows / 64)
    assert history.metrics[0]["epoch"] == 1
    assert any(not torch.equal(a, b) for a, b in zip(before, trainer.parameters, strict=True))


def test_training_metrics_are_means_over_rows_not_over_batches():
    """65 rows in batches of 64 with a frozen model: the mean bound is the mean of all 65 rows' bounds."""
    vae, x = small_vae(), bits(65)
    for p in vae.parameters():
        p.data.zero_()
    config = TrainingConfig(
        Budget(epochs=1), Optimisation(batch_size=64, lr=1e-12), Weighting(beta_warmup=0), Validation(validation=0)
    )
    history = train(vae, x, config=config)
    assert history.metrics[0]["train_reconstruction"] == pytest.approx(-6 * math.log(2), rel=1e-6)


# budgets and schedules


def test_schedules():
    assert learning_rate(2.0, 0.1, 0.05) == pytest.approx(0.5 * 2.0 * 0.5 * (1 + math.cos(0.05 * math.pi)))
    assert learning_rate(2.0, 0.1, 1.0) == pytest.approx(0.0)
    for warmup in (0.0, 0.1, 0.5, 1.0):
        assert beta(Weighting(3.0, warmup), 1.0) == 3.0
    assert beta(Weighting(3.0, 0.5), 0.25) == 1.5
    assert progress(Budget(epochs=10), 50, 10, 1e9) == 0.5
    assert progress(Budget(minutes=2), 50, 10, 60.0) == 0.5
    assert progress(Budget(epochs=10, minutes=2), 10, 10, 60.0) == 0.5
    assert progress(Budget(), 1000, 10, 0.0) == 1.0


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_a_gradient_is_shortened_to_a_multiple_of_the_usual_length(unit):
    """Whatever the unit: a steady length is never cut, a spike is cut and moves the average as if it were not one."""
    state = State()
    assert all(state.longest_gradient(unit, 1.5) >= unit for _ in range(100))
    assert state.longest_gradient(1000 * unit, 1.5) == pytest.approx(1.5 * unit)
    assert state.gradient_norm == pytest.approx((0.98 + 0.02 * 1.5) * unit)
    for _ in range(300):
        state.longest_gradient(4 * unit, 1.5)
    assert state.gradient_norm == pytest.approx(4 * unit, rel=0.05)


def test_the_step_after_a_spike_is_the_step_of_the_shortened_gradient():
    """Under plain gradients: Adam's first moment tells the gradient that it was given."""
    config = TrainingConfig(Budget(epochs=50), Optimisation(batch_size=8), validation=Validation(validation=0))
    trainer = Trainer(small_vae(), loop.Store.from_tensor(bits(64)), ELBO(), config)
    trainer.state.gradient_norm = 1e-3
    trainer.step(torch.arange(8))
    first = [trainer.optimizer.state[p]["exp_avg"] for p in trainer.parameters]
    assert float(squared_norm(first)) ** 0.5 == pytest.approx((1 - 0.9) * 1.5e-3, rel=1e-4)


@pytest.mark.parametrize("n_rows", [3, 500])
def test_warm_up_ends_within_the_run(n_rows):
    """Counted in steps of the planned run: beta is exactly 1 at its end on data of any size."""
    betas = []
    config = TrainingConfig(Budget(epochs=3), weighting=Weighting(1.0, 0.9), validation=Validation(validation=0))
    trainer = Trainer(small_vae(), loop.Store.from_tensor(bits(n_rows)), ELBO(), config)
    bound = trainer.bound
    trainer.bound = lambda x, b: (betas.append(b), bound(x, b))[1]  # type: ignore[method-assign]
    trainer.run()
    assert betas == sorted(betas)
    assert betas[0] < 1
    assert betas[-1] == 1.0


def test_minutes_are_kept(monkeypatch):
    """A clock on which every look takes a hundredth of a second: 1.2 seconds are 120 steps."""
    ticks = itertools.count()
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(ticks) / 100))
    history = train(small_vae(), bits(1000), config=TrainingConfig(Budget(minutes=0.02)))
    assert history.steps == 120


def test_early_stopping_keeps_the_best_weights():
    """Pure noise cannot be generalised: the validation bound falls, training stops, the best weights are kept."""
    x = bits(60, 30)
    config = TrainingConfig(
        Budget(epochs=400),
        Optimisation(lr=2e-2, ema=0.0),
        Weighting(beta_warmup=0),
        Validation(validation=0.5, patience=5),
    )
    vae = small_vae(30)
    trainer = Trainer(vae, loop.Store.from_tensor(x), ELBO(), config)
    history = trainer.run()
    values = [m["validation_bound"] for m in history.metrics]
    assert len(values) < 400
    assert history.best == max(values)
    assert len(values) - 1 - values.index(max(values)) == 5
    assert trainer.validation is not None
    record = trainer.validation.evaluate(vae, torch.autocast("cpu", enabled=False))
    assert record["validation_bound"] == history.best


def test_patience_waits_for_beta():
    """While beta rises over 60 of 100 epochs, the bound at beta 1 falls from the first epoch on: no epoch counts, and
    the run ends 3 epochs after, with noise that nothing generalises.
    """
    config = TrainingConfig(
        Budget(epochs=100), Optimisation(lr=2e-2, ema=0.0), Weighting(beta_warmup=0.6), Validation(0.5, 3)
    )
    history = train(small_vae(30), bits(60, 30), config=config)
    values = [m["validation_bound"] for m in history.metrics]
    assert values.index(max(values)) < 30
    assert len(values) == 62


def test_no_patience_trains_to_the_end():
    """The same noise; 0 and nothing are no patience, and without held-out rows there is none."""
    for share, patience in ((0.5, 0), (0.5, None), (0.0, 1)):
        config = TrainingConfig(
            Budget(epochs=40), Optimisation(lr=2e-2, ema=0.0), Weighting(beta_warmup=0), Validation(share, patience)
        )
        history = train(small_vae(30), bits(60, 30), config=config)
        assert len(history.metrics) == 40
        if share:
            values = [m["validation_bound"] for m in history.metrics]
            assert values.index(max(values)) < 20


def test_split_holds_out_no_row_of_few_and_never_more_than_2000():
    assert [len(split(n, 0.1, 0)[1]) for n in (1, 9, 10, 1000, 10**6)] == [0, 0, 1, 100, 2000]
    a, b = split(1000, 0.1, 3)
    assert sorted(torch.cat([a, b]).tolist()) == list(range(1000))
    assert not torch.equal(b, split(1000, 0.1, 4)[1])


# the same seed


def test_training_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(small_vae(), bits(20), config=TrainingConfig(Budget(epochs=1)))
    torch.manual_seed(5)
    before = torch.get_rng_state()
    train(small_vae(), bits(20), config=TrainingConfig(Budget(epochs=1)))
    torch.manual_seed(5)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(torch.rand(3), expected)


def make_plan(epochs: int = 6, weighting: Weighting = Weighting(), **options) -> Plan:
    training = TrainingConfig(
        Budget(epochs=epochs), Optimisation(batch_size=200), weighting, machine=Machine(seed=3, **options)
    )
    return plan(DIGITS[:700], Recipe("mlp", 3, (16,)), training=training)


def state_of(path) -> tuple[bytes, bytes, dict[str, torch.Tensor]]:
    run = Run(path)
    checkpoint = run.read_checkpoint()
    assert checkpoint is not None
    return run.model_file.read_bytes(), run.metrics_file.read_bytes(), checkpoint[1]


def same(a, b) -> bool:
    return a[:2] == b[:2] and a[2].keys() == b[2].keys() and all(torch.equal(a[2][k], b[2][k]) for k in a[2])


def start(path, what: Plan) -> Run:
    run = Run(path)
    run.create(what.to_json())
    return run


def test_same_seed_same_bits(tmp_path):
    for name in ("a", "b"):
        carry_out(make_plan(), DIGITS[:700], start(tmp_path / name, make_plan()))
    assert same(state_of(tmp_path / "a"), state_of(tmp_path / "b"))


@pytest.mark.parametrize("weighting", [Weighting(), Weighting(target_rate=5.0)], ids=["plain", "constrained"])
def test_stopped_anywhere_and_resumed_ends_bit_equal(tmp_path, monkeypatch, weighting):
    """Stopped after every single step, mid-epoch and at its ends, and resumed each time; the multiplier too goes on."""
    what = make_plan(3, weighting)
    carry_out(what, DIGITS[:700], start(tmp_path / "whole", what))
    run, start_again = start(tmp_path / "cut", what), stopped_after_a_step(monkeypatch)
    for _ in range(12):
        start_again()
        try:
            carry_out(what, DIGITS[:700], run)
        except KeyboardInterrupt:
            continue
        break
    assert same(state_of(tmp_path / "whole"), state_of(tmp_path / "cut"))


def test_a_store_that_takes_long_is_not_asked_again_at_once(tmp_path, monkeypatch):
    """A step takes a second and a checkpoint 1,000: there is one every 11 seconds of steps all the same."""
    now, saved = [0.0], list[int]()
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 10.0)
    what = make_plan(12)
    step, save = Trainer.step, Trainer.save

    def one_second(self, index):
        now[0] += 1
        step(self, index)

    def long(self):
        save(self)
        now[0] += 1000
        saved.append(self.state.step)

    monkeypatch.setattr(Trainer, "step", one_second)
    monkeypatch.setattr(Trainer, "save", long)
    carry_out(what, DIGITS[:700], start(tmp_path / "run", what), report=False)
    assert len(saved) > 3
    assert {b - a for a, b in itertools.pairwise(saved[:-1])} <= {11, 12}


def test_sigkill_and_resume_end_bit_equal(tmp_path):
    """Real processes, killed one after the other: before the first file is read, all through the writing of
    checkpoints, between them, and from outside. `benchmarks/kill_and_resume.py` is the campaign at random moments.
    """
    what = make_plan(12)
    carry_out(what, DIGITS[:700], start(tmp_path / "whole", what))
    start(tmp_path / "killed", what)
    points = ("3", "20", "25", "30", "35", "40", "clock", "100", "161")
    script = Path(__file__).with_name("killed_children.py")
    command = [sys.executable, str(script), str(tmp_path / "killed"), *points]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["9"] * len(points) + ["0"], done.stderr
    assert same(state_of(tmp_path / "whole"), state_of(tmp_path / "killed"))


def test_sigterm_saves_and_says_so(tmp_path):
    what = make_plan(100000)
    run = start(tmp_path / "run", what)
    threading.Timer(0.7, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted, match="SIGTERM at step"):
        carry_out(what, DIGITS[:700], run)
    assert signal.getsignal(signal.SIGTERM) is before
    saved = run.read_checkpoint()
    assert saved is not None
    assert saved[0].step > 0
    assert run.model_file.exists()


# damage


def test_a_truncated_checkpoint_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    what = make_plan(4)
    carry_out(what, DIGITS[:700], start(tmp_path / "run", what))
    whole = state_of(tmp_path / "run")
    folders = sorted((tmp_path / "run" / "checkpoint").iterdir())
    assert len(folders) == 2
    tensors = folders[-1] / "tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-100])
    with pytest.warns(VelboWarning, match="continuing from the checkpoint before it"):
        carry_out(what, DIGITS[:700], Run(tmp_path / "run"))
    assert same(whole, state_of(tmp_path / "run"))
    for folder in (tmp_path / "run" / "checkpoint").iterdir():
        (folder / "state.json").write_text("{")
    with pytest.raises(RunError, match=r"no checkpoint of .* is whole"):
        carry_out(what, DIGITS[:700], Run(tmp_path / "run"))


def test_steps_that_are_not_finite_are_skipped_and_counted():
    trainer = Trainer(small_vae(), loop.Store.from_tensor(bits(300)), ELBO(), TrainingConfig(Budget(epochs=2)))
    bound, calls = trainer.bound, []

    def sometimes_nan(x, b):
        calls.append(1)
        result = bound(x, b)
        return result if len(calls) % 3 else type(result)(*(t * math.nan for t in vars(result).values()))

    trainer.bound = sometimes_nan  # type: ignore[method-assign]
    history = trainer.run()
    assert history.skipped == len(calls) // 3
    assert math.isfinite(history.best)
    assert all(p.isfinite().all() for p in trainer.parameters)


def test_training_that_cannot_go_on_stops_with_its_last_good_weights(tmp_path):
    run = start(tmp_path / "run", make_plan())
    config = TrainingConfig(Budget(epochs=50), validation=Validation(validation=0))
    trainer = Trainer(small_vae(), loop.Store.from_tensor(bits(300)), ELBO(), config, run)
    bound, calls = trainer.bound, []

    def soon_nan(x, b):
        calls.append(1)
        result = bound(x, b)
        return result if len(calls) < 10 else type(result)(*(t * math.nan for t in vars(result).values()))

    trainer.bound = soon_nan  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match=r"20 steps in a row.*last good weights"):
        trainer.run()
    assert all(t.isfinite().all() for t in read_tensors(run.model_file).values())


def test_a_validation_bound_that_is_not_finite_stops_with_a_clear_error():
    trainer = Trainer(small_vae(), loop.Store.from_tensor(bits(300)), ELBO(), TrainingConfig(Budget(epochs=3)))
    assert trainer.validation is not None
    trainer.validation.evaluate = lambda *_: {"validation_bound": math.nan}  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match="validation bound is nan"):
        trainer.run()


def test_dropout_is_at_work_in_training_and_nowhere_else():
    """Validation equals the evaluation of the saved weights; the model is left in evaluation mode."""
    what = plan(DIGITS[:300], Recipe("resmlp", 2, (16,), dropout=0.5), training=TrainingConfig(Budget(epochs=3)))
    model = what.build()
    store = loop.Store.from_rows(what.schema.numbers(DIGITS[:300]), what.encoding)
    trainer = Trainer(model, store, ELBO(), what.training)
    modes = []
    bound = trainer.bound
    trainer.bound = lambda x, b: (modes.append(trainer.model.training), bound(x, b))[1]  # type: ignore[method-assign]
    history = trainer.run()
    assert all(modes)
    assert not trainer.model.training
    assert trainer.validation is not None
    again = trainer.validation.evaluate(model, torch.autocast("cpu", enabled=False))
    assert again["validation_bound"] == history.best


def test_weight_decay_spares_biases_and_scales():
    """Every parameter is in one of two groups: matrices decay, vectors do not."""
    vae, x = small_vae(), bits(8)
    trainer = Trainer(
        vae, loop.Store.from_tensor(x), ELBO(), TrainingConfig(optimisation=Optimisation(weight_decay=0.1))
    )
    decayed, spared = trainer.optimizer.param_groups
    assert decayed["weight_decay"] == 0.1
    assert spared["weight_decay"] == 0.0
    assert all(p.dim() == 2 for p in decayed["params"])
    assert all(p.dim() == 1 for p in spared["params"])
    assert len(decayed["params"]) + len(spared["params"]) == len(list(vae.parameters()))


def test_data_outside_the_support_are_refused():
    with pytest.raises(DataError, match="support"):
        train(small_vae(), bits(20) * 0.5, config=TrainingConfig(Budget(epochs=1)))


def test_a_run_is_not_continued_on_other_data(tmp_path):
    what = make_plan(1)
    with pytest.raises(RunError, match="not the ones"):
        carry_out(what, DIGITS[700:1400], start(tmp_path / "run", what))
    with pytest.raises(RunError, match="holds a run already"):
        Run(tmp_path / "run").create({})


# numbers


@pytest.mark.parametrize("options", [{"precision": "bf16"}, {"precision": "bf16-products"}, {"compile": True}])
def test_other_ways_of_computing_reach_the_same_bound(options, monkeypatch):
    """bf16 and captured graphs against float32: the same bound within 1 % after the same epochs. Graphs are captured
    and differentiated as for any compiler, for batches of two sizes, and then run as they are.
    """
    monkeypatch.setattr(loop, "compiled", lambda model, device: torch.compile(model, backend="aot_eager"))
    plain = carry_out(make_plan(20), DIGITS[:700]).history
    other = carry_out(make_plan(20, **options), DIGITS[:700]).history
    assert other.best == pytest.approx(plain.best, rel=0.01)
    assert other.best != plain.best or options != {"precision": "bf16"}


@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="torch.compile needs a C++ compiler")
def test_compiled_code_takes_the_same_steps(monkeypatch, tmp_path):
    """torch.compile as users get it, on the smallest VAE: the weights after two steps are those of plain steps to 1e-6.
    The machine's vector instructions and precompiled headers are left out, for they take most of the time to compile.
    """
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    left_out = torch._inductor.config.patch({"cpp.vec_isa_ok": False, "cpp_cache_precompile_headers": False})
    parts = nn.Sequential(DiagonalNormal(6, 2)), nn.Sequential(Bernoulli(2, 6)), StandardNormal(2)
    trained = []
    for machine in (Machine(compile=False), Machine(compile=True)):
        vae = VAE(*(copy.deepcopy(part) for part in parts))
        config = TrainingConfig(
            Budget(epochs=2), Optimisation(batch_size=64), validation=Validation(validation=0), machine=machine
        )
        with left_out:
            train(vae, bits(64), config=config)
        trained.append(torch.cat([p.detach().flatten() for p in vae.parameters()]))
    before = torch.cat([p.detach().flatten() for part in parts for p in part.parameters()])
    assert (trained[0] - before).abs().max() > 1e-4
    torch.testing.assert_close(trained[1], trained[0], rtol=0, atol=1e-6)
    assert any(tmp_path.rglob("*.so")), "nothing was compiled"


def test_metrics_are_plain_json_lines(tmp_path):
    what = make_plan(2)
    carry_out(what, DIGITS[:700], start(tmp_path / "run", what))
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [m["epoch"] for m in lines] == [1, 2]
    for m in lines:
        for part in ("train", "validation"):
            assert m[f"{part}_bound"] == pytest.approx(m[f"{part}_reconstruction"] - m[f"{part}_rate"], rel=1e-5)


def test_an_epoch_ends_with_its_rows_where_windows_are_no_whole_batches():
    """Windows of 25 rows and batches of 10: the last batch of a window is short, and 7 batches are the 60 rows."""
    x = torch.arange(60.0).unsqueeze(1).expand(60, 30).remainder(2)
    order = Windowed((30, 30), torch.empty(0, dtype=torch.int64), 0, 25)
    config = TrainingConfig(Budget(epochs=2), Optimisation(batch_size=10), validation=Validation(0.0))
    history = Trainer(small_vae(30), loop.Store.from_tensor(x), ELBO(), config, order=order).run()
    assert [(m["epoch"], m["step"]) for m in history.metrics] == [(1, 7), (2, 14)]
