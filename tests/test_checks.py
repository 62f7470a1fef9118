"""Beginners' mistakes are refused by the first two rows, in a sentence that names the part, before anything else."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from velbo import (
    VAE,
    Budget,
    TrainingConfig,
    aggregated_posterior,
    bound_curve,
    bracket,
    calibrate,
    contributions,
    evaluate,
    gaps,
    impute,
    multiple_imputations,
    rate_distortion,
    score_rows,
    train,
)
from velbo.checks import check_parts
from velbo.errors import ConfigError, DataError
from velbo.evaluation import Annealing, Ascent
from velbo.likelihoods import Bernoulli
from velbo.likelihoods import Normal as NormalHead
from velbo.nets import MLP, ConvDecoder, ConvEncoder
from velbo.oracles.linear_gaussian import LinearGaussian
from velbo.posteriors import DiagonalNormal
from velbo.priors import LearnedNormal, StandardNormal
from velbo.rows import Store
from velbo.training import refit_prior

X = torch.zeros(20, 64)
QUICK = TrainingConfig(Budget(epochs=1))


class Two(nn.Module):
    """Two linear layers, and what is made of them."""

    def __init__(self, n_in: int, n_out: int, make) -> None:
        super().__init__()
        self.first, self.second, self.make = nn.Linear(n_in, n_out), nn.Linear(n_in, n_out), make

    def forward(self, x: Tensor):
        return self.make(self.first(x), self.second(x).exp())


class Nothing(nn.Module):
    def __init__(self, give) -> None:
        super().__init__()
        self.give = give

    def forward(self):
        return self.give()


def encoder(n_latents: int = 3) -> nn.Module:
    return nn.Sequential(MLP(64, 8), DiagonalNormal(8, n_latents))


def decoder(n_latents: int = 3, n_dims: int = 64) -> nn.Module:
    return nn.Sequential(MLP(n_latents, 8), Bernoulli(8, n_dims))


WRONG = {
    "a tuple": (
        VAE(Two(64, 3, lambda a, b: (a, b)), decoder(), StandardNormal(3)),
        "the encoder gives a tuple, and a torch distribution of batch shape (B,) and event shape (Z,) is wanted: "
        "return Independent(Normal(mean, (log_variance / 2).exp()), 1), or end it with "
        "velbo.posteriors.DiagonalNormal(F, Z)",
    ),
    "a tensor": (
        VAE(nn.Linear(64, 3), decoder(), StandardNormal(3)),
        "the encoder gives a Tensor, and a torch distribution of batch shape (B,) and event shape (Z,) is wanted: end "
        "it with velbo.posteriors.DiagonalNormal(F, Z)",
    ),
    "no Independent, encoder": (
        VAE(Two(64, 3, Normal), decoder(), StandardNormal(3)),
        "the encoder's Normal has batch shape (2, 3) and event shape (), and batch shape (B,) and event shape (Z,) is "
        "wanted: return torch.distributions.Independent(d, 1)",
    ),
    "too much Independent, encoder": (
        VAE(Two(64, 3, lambda a, b: Independent(Normal(a, b), 2)), decoder(), StandardNormal(3)),
        "the encoder's Independent has batch shape () and event shape (2, 3), and batch shape (B,) and event shape "
        "(Z,) is wanted: end it with velbo.posteriors.DiagonalNormal(F, Z)",
    ),
    "no Independent, decoder": (
        VAE(encoder(), Two(3, 64, Normal), StandardNormal(3)),
        "the decoder's Normal has batch shape (3, 2, 64) and event shape (), and batch shape (K, B) and event shape "
        "(D,) is wanted: return torch.distributions.Independent(d, 1)",
    ),
    "a tensor from the decoder": (
        VAE(encoder(), nn.Linear(3, 64), StandardNormal(3)),
        "the decoder gives a Tensor, and a torch distribution of batch shape (K, B) and event shape (D,) is wanted: "
        "end it with velbo.likelihoods.Normal(F, D)",
    ),
    "no Independent, prior": (
        VAE(encoder(), decoder(), Nothing(lambda: Normal(torch.zeros(3), torch.ones(3)))),
        "the prior's Normal has batch shape (3,) and event shape (), and batch shape () and event shape (Z,) is "
        "wanted: return torch.distributions.Independent(d, 1)",
    ),
    "Z of the prior": (
        VAE(encoder(), decoder(), StandardNormal(4)),
        "the encoder's z has 3 numbers and the prior's 4: give both the same Z, such as velbo.priors.StandardNormal(3)",
    ),
    "Z of the decoder": (
        VAE(encoder(), decoder(5), StandardNormal(3)),
        "the decoder raised RuntimeError on z of shape (K, B, Z) = (3, 2, 3): mat1 and mat2 shapes cannot be "
        "multiplied (6x3 and 5x8); let it take 3 numbers a row, as velbo.nets.MLP(3, ...) does, and NaN where x is "
        "missing, as velbo.nets.FillMissing() does",
    ),
    "D of the decoder": (
        VAE(encoder(), decoder(3, 60), StandardNormal(3)),
        "the decoder's Factorised is of 60 numbers a row, and x has 64: end it with velbo.likelihoods.Normal(F, D), "
        "D = 64",
    ),
    "D of the encoder": (
        VAE(nn.Sequential(MLP(60, 8), DiagonalNormal(8, 3)), decoder(), StandardNormal(3)),
        "the encoder raised RuntimeError on x of shape (B, D) = (2, 64): mat1 and mat2 shapes cannot be multiplied "
        "(2x64 and 60x8); let it take 64 numbers a row, as velbo.nets.MLP(64, ...) does, and NaN where x is missing, "
        "as velbo.nets.FillMissing() does",
    ),
}

CALLS = {
    "train": lambda model, x: train(model, x, config=QUICK),
    "evaluate": lambda model, x: evaluate(model, x, 2),
    "score_rows": lambda model, x: score_rows(model, x, 2),
    "gaps": lambda model, x: gaps(model, x, 2, Ascent(1)),
    "bound_curve": lambda model, x: bound_curve(model, x, 2),
    "bracket": lambda model, x: bracket(model, x, Annealing(1, 1, 1), 2),
    "rate_distortion": lambda model, x: rate_distortion(model, x, Annealing(1, 1, 1), 2),
    "aggregated_posterior": aggregated_posterior,
    "calibrate": calibrate,
    "contributions": lambda model, x: contributions(model, x, 2),
    "impute": lambda model, x: impute(model, x, 2),
    "multiple_imputations": lambda model, x: multiple_imputations(model, x, 1, 2),
    "refit_prior": lambda model, x: refit_prior(model, x, StandardNormal(3), QUICK),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_part_is_named_with_the_call_to_type(mistake):
    model, said = WRONG[mistake]
    with pytest.raises(ConfigError, match=f"^{re.escape(said)}$"):
        check_parts(model, X[:2])


def test_what_is_no_model_is_refused():
    for model, name in ((nn.Linear(64, 3), "Linear"), (object(), "object")):
        with pytest.raises(
            ConfigError, match=rf"the model, a {name}, has no given\(x\).*of a trained one give trained\.model"
        ):
            evaluate(model, X)  # type: ignore[arg-type]


def test_images_are_refused_with_the_call_to_type():
    model = VAE(encoder(), decoder(), StandardNormal(3))
    said = (
        "rows x have shape (1, 8, 8), and the encoder takes x of shape (N, D): give x.reshape(len(x), -1), here "
        "(N, 64); an encoder that wants the axes begins with torch.nn.Unflatten(-1, (1, 8, 8))"
    )
    for x in (X.reshape(20, 1, 8, 8), np.zeros((20, 1, 8, 8))):
        for call in CALLS.values():
            with pytest.raises(DataError, match=f"^{re.escape(said)}$"):
                call(model, x)


@pytest.mark.parametrize("call", CALLS)
def test_every_function_that_takes_rows_asks_first(call):
    for mistake in ("no Independent, decoder", "Z of the prior"):
        model, said = WRONG[mistake]
        if call == "gaps":
            model = VAE(encoder(), model.decoder, model.prior)
        with pytest.raises(ConfigError, match=re.escape(said)):
            CALLS[call](model, X)


def test_the_mistakes_are_refused_and_not_other_models():
    """Right ones pass: with one row, missing cells, float64, convolutions that fold the leading dimensions, a prior
    that gives one distribution a row; whether x is in memory or not.
    """
    oracle = LinearGaussian.random(6, 2)
    check_parts(oracle.vae(), oracle.sample(2))
    for x in (X[:1], X[:2], torch.full((2, 64), torch.nan)):
        check_parts(VAE(encoder(), decoder(), LearnedNormal(3)), x)
    up, down = ConvEncoder((8, 8, 1), (4,)), ConvDecoder(3, (8, 8, 1), (4,))
    head = NormalHead(down.n_features, 64)
    folded = nn.Sequential(down, nn.Flatten(-2), nn.Linear(down.n_features * down.n_positions, head.linear.in_features))
    check_parts(
        VAE(nn.Sequential(up, DiagonalNormal(up.n_features, 3)), nn.Sequential(folded, head), StandardNormal(3)), X
    )
    by_row = Nothing(lambda: Independent(Normal(torch.zeros(2, 3), torch.ones(2, 3)), 1))
    check_parts(VAE(encoder(), decoder(), by_row), X[:2])


def test_looking_changes_nothing():
    """Neither random numbers nor running averages, nor which modules are in training mode."""
    body = nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 8).eval())
    model = VAE(nn.Sequential(body, DiagonalNormal(8, 3)), decoder(), StandardNormal(3))
    modes = [m.training for m in model.modules()]
    before = {name: t.clone() for name, t in model.state_dict().items()}
    x, state = torch.rand(2, 64), torch.get_rng_state()
    check_parts(model, x)
    assert torch.equal(torch.get_rng_state(), state)
    assert [m.training for m in model.modules()] == modes
    for name, t in model.state_dict().items():
        assert torch.equal(t, before[name]), name


def test_an_empty_store_has_no_first_rows():
    model = VAE(encoder(), decoder(), StandardNormal(3))
    assert impute(model, Store.from_tensor(torch.zeros(0, 64)), 2).x.shape == (0, 64)
