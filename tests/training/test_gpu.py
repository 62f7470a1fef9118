"""What only a GPU can show; elsewhere these are skipped. That nothing waits for a device is a contract of every part,
which needs none (contracts/elsewhere.py).
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from velbo.build import Plan
from velbo.config import Budget, Machine, Optimisation, Recipe, TrainingConfig, Validation
from velbo.fitting import plan
from velbo.likelihoods import Bernoulli
from velbo.loading import load
from velbo.model import VAE
from velbo.nets import MLP
from velbo.objectives import ELBO
from velbo.posteriors import DiagonalNormal
from velbo.priors import StandardNormal
from velbo.rows import Store
from velbo.training import Trainer
from velbo.training.gradients import WARM_UP, Pass, Recorded

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
ON_GPU = TrainingConfig(
    Budget(epochs=6),
    Optimisation(batch_size=32),
    validation=Validation(validation=0),
    machine=Machine(device="cuda", precision="float32"),
)


def digits() -> tuple[Plan, Store]:
    rows = load("digits:image")[:100]  # three whole batches and a short one
    what = plan(rows, Recipe("mlp", 4, (32,)), training=ON_GPU)
    return what, Store.from_rows(what.schema.numbers(rows), what.encoding)


def test_a_recorded_step_is_a_step():
    """Equal weights after six epochs, to rounding: noise, beta's warm-up, short batches and all."""
    what, data = digits()
    recorded, eager = (Trainer(what.build(), data, ELBO(), what.training) for _ in range(2))
    eager.gradients = Pass(eager.bound, eager.parameters)
    histories = [trainer.run() for trainer in (recorded, eager)]
    gradients = recorded.gradients
    assert isinstance(gradients, Recorded)
    assert gradients.can
    assert gradients.graph is not None
    for a, b in zip(recorded.parameters, eager.parameters, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert histories[0].best == pytest.approx(histories[1].best, rel=1e-5)


class Asking(nn.Module):
    """A layer whose host waits for a number."""

    def forward(self, x: Tensor) -> Tensor:
        return x * math.exp(min(0.0, float(x.detach().sum())))


def test_a_model_that_asks_for_a_number_is_trained_kernel_by_kernel():
    encoder = nn.Sequential(MLP(64, 32), Asking(), DiagonalNormal(32, 4))
    model = VAE(encoder, nn.Sequential(MLP(4, 32), Bernoulli(32, 64)), StandardNormal(4))
    trainer = Trainer(model, Store.from_tensor((torch.rand(96, 64) < 0.3).float()), ELBO(), ON_GPU)
    before = [p.detach().clone() for p in trainer.parameters]
    trainer.run()
    gradients = trainer.gradients
    assert isinstance(gradients, Recorded)
    assert not gradients.can
    assert gradients.n_passes == WARM_UP
    assert all((a != b).any() for a, b in zip(before, trainer.parameters, strict=True))
