"""What a GPU changes. Where none is, the choices are tested without it, on the meta device; the rest waits for one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from velbo import Budget, Recipe, TrainedModel, TrainingConfig, carry_out, plan
from velbo.config import Machine, Optimisation
from velbo.errors import ConfigError
from velbo.rows import Store
from velbo.runtime.devices import compiled, device_of
from velbo.runtime.generators import OwnGenerator
from velbo.training import choices

DIGITS = load_digits().images.astype(np.uint8)[:600]
RECIPE = Recipe("mlp", 4, (32,))
WHAT = plan(DIGITS, RECIPE)
META, CUDA = torch.device("meta"), torch.device("cuda")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


def store() -> Store:
    return TrainedModel(WHAT.build(), WHAT).store(DIGITS)


@pytest.mark.parametrize(("free", "kept_on"), [(10**9, "cuda"), (2 * 600 * 64, "cuda"), (2 * 600 * 64 - 1, "cpu")])
def test_rows_stay_with_the_host_where_they_take_more_than_half_of_what_is_free(monkeypatch, free, kept_on):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10**12))
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, device: torch.empty(0, device=META))
    moved = store().to(CUDA)
    assert moved.device == CUDA
    assert moved.kept.device == (META if kept_on == "cuda" else torch.device("cpu"))


def test_batches_of_rows_that_stay_are_computed_on_the_device():
    rows = store()
    apart = Store(rows.kept, rows.encoding, device=META)
    batch = apart.batch(torch.arange(5))
    assert (batch.device, batch.shape, batch.dtype) == (META, (5, 64), torch.float32)
    assert rows.batch(torch.arange(5)).device.type == "cpu"


@needs_gpu
def test_draws_on_a_gpu_are_the_blocks_own():
    """Whether the device is named with its number or without."""
    like, found = torch.ones(3, device=CUDA), []
    for state in (1, 2):
        torch.cuda.manual_seed(state)
        before = torch.cuda.get_rng_state()
        with OwnGenerator(0, "sample"):
            found += [
                torch.randn(3, device=CUDA),
                torch.randn_like(like),
                torch.poisson(like),
                torch.normal(like, like),
            ]
        assert torch.equal(torch.cuda.get_rng_state(), before)
    assert torch.equal(torch.stack(found[:4]), torch.stack(found[4:]))
    assert not torch.equal(found[0], found[1])


@needs_gpu
def test_scores_on_a_gpu_leave_the_model_on_the_cpu():
    trained = TrainedModel(WHAT.build().eval(), WHAT)
    scores = trained.log_likelihood(DIGITS, samples=8, device="cuda")
    assert next(trained.model.parameters()).device.type == "cpu"
    np.testing.assert_allclose(scores, trained.log_likelihood(DIGITS, samples=8, device="cpu"), rtol=1e-3)


def test_a_device_that_is_not_there_is_told():
    assert device_of("cpu").type == "cpu"
    with pytest.raises(ConfigError, match=r"no device 'nowhere' here .* use auto or cpu"):
        device_of("nowhere")
    with pytest.raises(ConfigError, match="no device 'nowhere'"):
        TrainedModel(WHAT.build(), WHAT).evaluate(DIGITS[:3], device="nowhere")


def test_compiling_without_a_compiler_is_told(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigError, match=r"no no-such-compiler here; install it, .* or train without --compile"):
        compiled(torch.nn.Linear(2, 2), torch.device("cpu"))
    training = TrainingConfig(Budget(epochs=1), machine=Machine(compile=True))
    with pytest.raises(ConfigError, match="no-such-compiler"):
        carry_out(plan(DIGITS, RECIPE, training=training), DIGITS)


@needs_gpu
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_gpu_reaches_the_bound_of_a_cpu(precision):
    """Other random numbers, the same data: within 2 %."""
    bounds = [
        carry_out(
            plan(
                DIGITS,
                RECIPE,
                training=TrainingConfig(
                    Budget(epochs=20), Optimisation(batch_size=64), machine=Machine(device=device, precision=precision)
                ),
            ),
            DIGITS,
        )[1].best
        for device in ("cpu", "cuda")
    ]
    assert bounds[1] == pytest.approx(bounds[0], rel=0.02)


@needs_gpu
def test_rows_that_stay_with_the_host_give_the_same_batches(monkeypatch):
    inside = store().to(CUDA)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (0, 0))
    outside, index = store().to(CUDA), torch.arange(7)
    assert outside.kept.device.type == "cpu"
    assert torch.equal(inside.batch(index.to(CUDA)), outside.batch(index))


@needs_gpu
def test_scores_of_a_gpu_are_those_of_a_cpu():
    fitted = TrainedModel(WHAT.build(), WHAT)
    fitted.model.eval()
    scores = [fitted.log_likelihood(DIGITS[:50], 20, device=device) for device in ("cpu", "cuda")]
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-4)


@needs_gpu
def test_bf16_is_measured_on_the_gpu():
    choices.bf16_speedup.cache_clear()
    assert choices.bf16_speedup("cuda") > 0
