"""What is left open is decided once, by rules that are written down, and noted with its reason."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from velbo import Recipe, TrainingConfig, infer, plan
from velbo.build.defaults import closed, settled
from velbo.build.models import build
from velbo.config import Machine, Optimisation
from velbo.likelihoods import Bernoulli, ContinuousBernoulli, DiscretizedLogistic, Normal, PredictedScale
from velbo.nets import MLP, ConvDecoder, ConvEncoder
from velbo.posteriors import DiagonalNormal
from velbo.training import choices, decide

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("rows", "batch"),
    [(1, 128), (100, 128), (16_384, 128), (60_000, 512), (250_000, 2048), (1_000_000, 4096), (10**9, 4096)],
)
def test_batches_grow_with_the_data(rows, batch):
    assert choices.batch_size(rows, MLP(3, 4), CPU) == (batch, f"for {rows} rows")


@pytest.mark.parametrize(
    ("rows", "epochs", "batch"),
    [(60_000, 1, 32), (60_000, 2, 64), (60_000, 5, 128), (60_000, 30, 512), (178, 100, 32), (1797, 300, 128)],
)
def test_a_short_run_has_smaller_batches_and_so_its_steps(rows, epochs, batch):
    found, reason = choices.batch_size(rows, MLP(3, 4), CPU, epochs)
    assert found == batch
    assert (f"{epochs} epochs" in reason) == (found < choices.batch_size(rows, MLP(3, 4), CPU)[0])


def test_batches_of_convolutions_stay_small_on_a_cpu():
    model = ConvEncoder((28, 28, 1), (8, 16))
    assert choices.batch_size(60_000, model, CPU)[0] == 128
    assert choices.batch_size(60_000, model, torch.device("cuda"))[0] == 512


@pytest.mark.parametrize(("rows", "batch"), [(500, 32), (8192, 64), (60_000, 128)])
def test_few_images_in_a_run_by_the_clock_have_smaller_batches(rows, batch):
    """A run by epochs knows how many steps it has, and one by the clock does not."""
    model = ConvEncoder((28, 28, 1), (8, 16))
    found, reason = choices.batch_size(rows, model, CPU, None)
    assert found == batch
    assert (f"for {rows} rows" in reason) == (batch < 128)


def test_an_embedding_is_no_matrix_that_is_multiplied_by():
    layers = nn.Sequential(nn.Linear(30, 64), nn.Linear(64, 64))
    assert choices.typical_width(nn.Sequential(nn.Embedding(10**5, 16), layers)) == choices.typical_width(layers)


def test_the_learning_rate_grows_with_the_square_root_of_the_batch():
    dense, convolutions = nn.Linear(2, 2), nn.Sequential(nn.Conv2d(1, 2, 3))
    assert choices.learning_rate(128, dense) == 2e-3
    assert choices.learning_rate(8, dense) == 2e-3
    assert choices.learning_rate(512, dense) == pytest.approx(4e-3)
    assert choices.learning_rate(2048, dense) == pytest.approx(8e-3)
    assert choices.learning_rate(128, convolutions) == 4e-3


def test_what_is_given_is_kept_and_nothing_stays_open():
    model = MLP(784, 512, 512)
    given = TrainingConfig(
        optimisation=Optimisation(batch_size=7, lr=0.5), machine=Machine(precision="float32", threads=1)
    )
    assert decide(given, 60_000, model, CPU) == (given, {})
    decided, reasons = decide(TrainingConfig(), 60_000, model, CPU)
    assert set(reasons) == {"batch_size", "lr", "precision", "threads"}
    assert (decided.optimisation.batch_size, decided.optimisation.lr) == (512, pytest.approx(4e-3))
    assert decided.machine.precision in ("float32", "bf16")
    assert decide(decided, 60_000, model, CPU) == (decided, {})


@pytest.mark.parametrize(("speedup", "expected"), [(0.2, "float32"), (1.1, "float32"), (4.0, "bf16")])
def test_precision_follows_the_hardware(monkeypatch, speedup, expected):
    monkeypatch.setattr(choices, "bf16_speedup", lambda device_type: speedup)
    assert choices.precision(MLP(784, 512, 512), 128, CPU)[0] == expected
    narrow = MLP(30, 64, 64)
    assert choices.precision(narrow, 1024, CPU)[0] == "float32"
    assert choices.precision(narrow, 4096, CPU)[0] == ("bf16-products" if expected == "bf16" else "float32")
    assert choices.precision(narrow, 4096, torch.device("cuda"))[0] == "float32"
    assert choices.precision(narrow, 4096, CPU, compiled=True)[0] == "float32"


def test_the_hardware_is_asked_in_milliseconds():
    choices.bf16_speedup.cache_clear()
    assert 0 < choices.bf16_speedup("cpu") < 1000


def test_a_plan_records_what_was_chosen():
    x = load_digits().images.astype(np.uint8)
    what = plan(x, Recipe("mlp", 2, (8,)))
    assert what.choices["precision"].startswith("float32: layers are narrow")
    assert type(what).from_json(what.to_json()) == what


HEADS = [
    lambda: Normal(16, 3),
    lambda: Normal(16, 3, PredictedScale(16, 3)),
    lambda: ContinuousBernoulli(16, 3),
    lambda: DiscretizedLogistic(16, 3),
]


@pytest.mark.parametrize("make", HEADS)
def test_parameters_of_densities_are_exact_under_bf16(make):
    """A Normal's mean in bfloat16 would be off by 0.4 %, which is much against a small sigma."""
    head, features, x = make(), torch.randn(5, 16), torch.full((5, 3), 0.2)
    exact = head(features).log_prob(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(head(features).log_prob(x), exact)


def test_the_posterior_is_exact_under_bf16_and_logits_are_fast():
    features = torch.randn(5, 16)
    posterior, bernoulli = DiagonalNormal(16, 2), Bernoulli(16, 3)
    exact, logits = posterior(features).mean, bernoulli(features).mean
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(posterior(features).mean, exact)
        assert not torch.equal(bernoulli(features).mean, logits)


def test_convolutions_are_channels_last():
    """Weights and everything between them: no layout is changed on the way."""
    up, down = ConvEncoder((8, 8, 3), (4, 6)), ConvDecoder(2, (8, 8, 3), (4, 6))
    weights = [p for m in (up, down) for p in m.parameters() if p.dim() == 4]
    assert weights
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in weights)
    seen = []
    for module in (*up.modules(), *down.modules()):
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(
                lambda m, x, y: seen.append(y.is_contiguous(memory_format=torch.channels_last))
            )
    up(torch.rand(2, 192))
    down(torch.randn(2, 2))
    assert all(seen)


def test_a_recipe_is_built_on_the_meta_device():
    """So that a plan can look at layers without the time and memory of weights."""
    schema = infer(load_digits().images.astype(np.uint8))
    for name in ("mlp", "resmlp", "conv"):
        for likelihood in ("bernoulli", "categorical", "discretized-logistic"):
            recipe = Recipe(name, 2, (8,), likelihood)
            with torch.device("meta"):
                model = build(settled(schema, recipe), closed(recipe, schema, 100)[0])
            assert all(p.is_meta for p in model.parameters())
