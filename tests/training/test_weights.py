"""A row of weight 2 is a row that is there twice: in the loss, in its gradient and in what is reported."""

from __future__ import annotations

import copy

import pytest
import torch

from contracts.imputation import ORACLE, gaussian
from velbo.config import Budget, Optimisation, TrainingConfig, Validation, Weighting
from velbo.objectives import ELBO
from velbo.posteriors import Pathwise, from_noise
from velbo.rows import Store
from velbo.training import Trainer
from velbo.training.team import Alone
from velbo.training.validation import ValidationSet
from velbo.training.weights import mean_one, of_training

WEIGHTS = torch.tensor([2, 1, 1, 3, 1, 2], dtype=torch.float64)


class Fixed(Pathwise):
    """Always the same points of q."""

    def sample(self, q, n_samples):
        return from_noise(q, torch.zeros(n_samples, *q.mean.shape, dtype=q.mean.dtype))


def repeated(x: torch.Tensor) -> torch.Tensor:
    return x.repeat_interleave(WEIGHTS.long(), 0)


def trained(data: Store, epochs: int = 1) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """Weights after full-batch steps without noise (draws of q are fixed points), and the metrics."""
    model = gaussian(shift=0.2)
    config = TrainingConfig(
        Budget(epochs=epochs),
        Optimisation(batch_size=100, lr=0.05, ema=0.0, warmup=0.0),
        Weighting(beta_warmup=0.0),
        Validation(validation=0.0),
    )
    trainer = Trainer(copy.deepcopy(model), data, ELBO(samples=4, draw=Fixed()), config)
    history = trainer.run()
    return {k: v.clone() for k, v in trainer.model.state_dict().items()}, history.metrics[-1]


def test_weights_and_repeated_rows_train_the_same_model():
    """Ten full-batch steps of Adam in float64, draws without noise: weights equal to 1e-9, the bound too, and other
    weights give another model.
    """
    x = ORACLE.sample(6, seed=1)
    weighted, of_weighted = trained(Store.from_tensor(x).weighted(WEIGHTS), 10)
    twice, of_twice = trained(Store.from_tensor(repeated(x)), 10)
    once, _ = trained(Store.from_tensor(x), 10)
    for name, value in twice.items():
        torch.testing.assert_close(weighted[name], value, rtol=0, atol=1e-9)
    assert any((once[name] - value).abs().max() > 1e-3 for name, value in twice.items())
    assert of_weighted["train_bound"] == pytest.approx(of_twice["train_bound"], abs=1e-9)
    assert of_weighted["train_rate"] == pytest.approx(of_twice["train_rate"], abs=1e-9)


def test_the_scale_of_weights_does_not_matter():
    x = ORACLE.sample(6, seed=1)
    a, _ = trained(Store.from_tensor(x).weighted(WEIGHTS), 3)
    b, _ = trained(Store.from_tensor(x).weighted(WEIGHTS * 1000), 3)
    for name, value in a.items():
        torch.testing.assert_close(b[name], value, rtol=0, atol=1e-12)


def test_the_expected_loss_of_small_batches_is_that_of_repeated_rows():
    """Over the batches of an epoch, whatever their sizes: sum of w_i s_i / N, with the mean weight 1, is the mean of s
    over repeated rows. Weights of held-out rows play no part.
    """
    data = Store.from_tensor(ORACLE.sample(6)).weighted(WEIGHTS)
    surrogate = torch.randn(6, dtype=torch.float64)
    weight = of_training(data, torch.empty(0, dtype=torch.long))
    assert weight is not None
    for size in (1, 2, 4, 6):
        batches = torch.arange(6).split(size)
        loss = sum((weight[b] * surrogate[b]).sum() / len(b) * len(b) for b in batches) / 6
        assert float(loss) == pytest.approx(float(repeated(surrogate).mean()), abs=1e-15)
    some = of_training(data, torch.tensor([3, 5]))
    assert some is not None
    assert some.tolist() == [1.6, 0.8, 0.8, 0.0, 0.8, 0.0]


def test_the_validation_bound_is_the_weighted_mean():
    """Of a q without noise: by weights as by repeated rows; and as it was where there are none, or all are 0."""
    model, x, device = gaussian(), ORACLE.sample(6, seed=2), torch.device("cpu")

    def bound(data: Store) -> float:
        found = ValidationSet(data, ELBO(samples=4), 0, device, Alone())
        return found.evaluate(model, torch.autocast("cpu", enabled=False))["validation_bound"]

    plain = bound(Store.from_tensor(x))
    weighted = bound(Store.from_tensor(x).weighted(WEIGHTS))
    assert weighted == pytest.approx(bound(Store.from_tensor(repeated(x))), abs=1e-12)
    assert abs(weighted - plain) > 1e-3
    assert bound(Store.from_tensor(x).weighted(torch.zeros(6).double())) == plain


def test_rows_keep_their_weights():
    data = Store.from_tensor(ORACLE.sample(6)).weighted(WEIGHTS)
    parts = [data.subset(torch.tensor([3, 0])), *data.chunks(4)]
    assert [[] if p.weight is None else p.weight.tolist() for p in parts] == [[3, 2], [2, 1, 1, 3], [1, 2]]
    assert data.to(torch.device("cpu")).weight is data.weight
    assert mean_one(torch.tensor([1.0, 3.0])).tolist() == [0.5, 1.5]
