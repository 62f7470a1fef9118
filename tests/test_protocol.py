"""Two models that know velbo by its public protocol alone: every call works, or says in a sentence why it does not.

    three groups     z = (z_1, z_2, z_3), each given those above it; p(z), p(x|z) linear and Gaussian, q exact or off
    one random term  log p(z) is an estimate that is right on average, as that of a diffusion at one random time is

For Gaussians of D + Z numbers all is known: log p(x), q(z_l | z_<l, x), every KL.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal, constraints, kl_divergence

import velbo
from velbo.config import Budget, Machine, TrainingConfig, Validation
from velbo.errors import ConfigError, VelboError
from velbo.likelihoods import Factorised
from velbo.objectives import ELBO, OBJECTIVES, FreeBits
from velbo.posteriors import Pathwise, RowDraw
from velbo.priors import StandardNormal
from velbo.rows import Store
from velbo.terms import PATHWISE, Terms, view_of

Z, D, N = 3, 4, 40
PATH = torch.eye(Z).double() + torch.tensor([[0, 0, 0], [0.8, 0, 0], [-0.3, 0.6, 0]]).double()
"""z = PATH eps: each latent is a line of those above it, plus noise of its own."""


class Groups(nn.Module):
    """Three groups of one latent each; nothing of velbo but Terms and Draw.

    Args:
        off: how far the means of q are off.
    """

    def __init__(self, off: float = 0.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(D, Z, generator=generator).double())
        self.shift = nn.Parameter(torch.tensor(off).double())
        self.noise = 0.5

    def given(self, x: Tensor) -> Groups:
        return self

    def prior(self) -> MultivariateNormal:
        return MultivariateNormal(torch.zeros(Z).double(), PATH @ PATH.T)

    def decode(self, z: Tensor) -> Factorised:
        return Factorised(Normal(z @ self.weight.T, self.noise))

    def encode(self, x: Tensor) -> MultivariateNormal:
        """The exact posterior given the observed cells, moved by ``shift`` where it is off."""
        seen = (~x.isnan()).unsqueeze(-1) * self.weight / self.noise
        covariance = torch.linalg.inv(torch.linalg.inv(PATH @ PATH.T) + seen.mT @ seen)
        loc = (x.nan_to_num().unsqueeze(-2) @ seen @ covariance).squeeze(-2) / self.noise
        return MultivariateNormal(loc + self.shift, covariance)

    @staticmethod
    def step(joint: MultivariateNormal, above: Tensor) -> Independent:
        """The law of the next latent given those above it, of a joint law of all."""
        n = above.shape[-1]
        scale = joint.scale_tril
        residual = torch.linalg.solve_triangular(
            scale[..., :n, :n], (above - joint.loc[..., :n]).unsqueeze(-1), upper=False
        ).squeeze(-1)
        loc = joint.loc[..., n] + (scale[..., n, :n] * residual).sum(-1)
        return Independent(Normal(loc.unsqueeze(-1), scale[..., n, n].expand(loc.shape).unsqueeze(-1)), 1)

    def terms(self, x: Tensor, samples: int = 1, draw: Any = PATHWISE) -> Terms:
        q, p = self.encode(x), self.prior()
        z = x.new_empty(samples, len(x), 0)
        log_qz = log_pz = torch.zeros(())
        kl = []
        for level in range(Z):
            q_level, p_level = self.step(q, z), self.step(p, z)
            if level:
                new = draw.sample(q_level, 1)[0]
            else:
                top = Independent(Normal(q.loc[:, :1], q.scale_tril[:, 0, :1]), 1)
                new = draw.sample(top, samples)
            log_qz, log_pz = log_qz + draw.log_prob(q_level, new), log_pz + p_level.log_prob(new)
            kl.append(kl_divergence(q_level.base_dist, p_level.base_dist).squeeze(-1).mean(0))
            z = torch.cat((z, new), -1)
        log_px_z = self.decode(z).log_prob(x)
        return Terms(log_px_z, log_pz, log_qz, z, torch.stack(kl, -1), (1,) * Z, q, p)

    def log_p(self, x: Tensor) -> Tensor:
        covariance = self.weight @ PATH @ PATH.T @ self.weight.T + self.noise**2 * torch.eye(D).double()
        return MultivariateNormal(torch.zeros(D).double(), covariance).log_prob(x)


class NoDensity(Distribution):
    """A prior that can be drawn from, and no more."""

    arg_constraints = {}  # noqa: RUF012 # pyright: ignore
    support = constraints.real_vector  # pyright: ignore

    def __init__(self) -> None:
        super().__init__(torch.Size(), torch.Size((Z,)), validate_args=False)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        return torch.randn(*sample_shape, Z).double()


class OneTerm(Groups):
    """log p(z) = E of an estimate, whose standard deviation is 2."""

    def prior(self) -> Any:
        return NoDensity()

    def terms(self, x: Tensor, samples: int = 1, draw: Any = PATHWISE) -> Terms:
        q = self.encode(x)
        z = draw.sample(q, samples)
        log_pz = super().prior().log_prob(z)
        estimate = log_pz + 2 * torch.randn(log_pz.shape, generator=torch.Generator().manual_seed(0)).double()
        return Terms(self.decode(z).log_prob(x), estimate, draw.log_prob(q, z), z, None, q=q, is_weight=False)


@pytest.fixture
def x() -> Tensor:
    z = torch.randn(N, Z, generator=torch.Generator().manual_seed(1)).double() @ PATH.T
    return (z @ Groups().weight.T + 0.5 * torch.randn(N, D, generator=torch.Generator().manual_seed(2))).detach()


# three groups, exactly


@pytest.mark.parametrize("draw", [PATHWISE, "rows"])
def test_with_the_exact_posterior_every_weight_is_p_of_x(x, draw):
    """log w = log p(x) on every sample to 1e-12, and the view says of z what the one pass said."""
    model = Groups()
    terms = model.terms(x, 5, RowDraw(x, 0) if draw == "rows" else draw)
    torch.testing.assert_close(terms.log_w, model.log_p(x).expand(5, -1), rtol=0, atol=1e-12)
    torch.testing.assert_close(terms.log_qz, model.encode(x).log_prob(terms.z), rtol=0, atol=1e-12)
    torch.testing.assert_close(terms.log_pz, model.prior().log_prob(terms.z), rtol=0, atol=1e-12)


def test_each_group_has_its_own_kl(x):
    """E log q - log p of every group is the mean of its closed form: their difference has mean 0, within 5 standard
    errors over 40 rows of 4,000 samples (three groups: a false alarm in 10^6).
    """
    model = Groups(0.4)
    terms = model.terms(x, 4000)
    assert terms.group_kl.shape == (N, Z)
    sampled = terms.log_qz - terms.log_pz
    error = (sampled.mean(0) - terms.group_kl.sum(-1)).abs()
    assert (error < 5 * sampled.std(0) / math.sqrt(4000)).all()
    free = FreeBits(10.0, per_group=True)(terms)
    torch.testing.assert_close(free, torch.full((N,), 30.0).double())  # every group is below its 10 nats


def test_samples_of_a_row_have_noise_of_their_own_in_every_group(x):
    """Of 2,000 samples the noise of the second group has variance 1, mean 0 and no correlation with the first group's,
    in training and evaluation alike: within 5 standard errors (40 rows x 3 figures x 2 draws: a false alarm in 7,000).
    """
    q = Independent(Normal(torch.zeros(2000, N, 2).double(), 1.0), 1)
    for draw in (Pathwise(), RowDraw(x, 0)):
        first = draw.sample(Independent(Normal(torch.zeros(N, 2).double(), 1.0), 1), 2000)
        second = draw.sample(q, 1)[0]
        assert second.shape == first.shape == (2000, N, 2)
        assert draw.onwards().noise(q, 3).shape == (3, 2000, N, 2)
        assert (second.mean((0, 2)).abs() < 5 / math.sqrt(4000)).all()
        assert ((second.var((0, 2)) - 1).abs() < 5 * math.sqrt(2 / 4000)).all()
        assert ((first * second).mean((0, 2)).abs() < 5 / math.sqrt(4000)).all()


@pytest.mark.parametrize("chunk", [1, 3, 7])
def test_scores_depend_on_no_chunk(x, chunk):
    model, data = Groups(0.4), Store.from_tensor(x)
    whole = velbo.score_rows(model, data, 7)
    torch.testing.assert_close(velbo.score_rows(model, data, 7, chunk).log_likelihood, whole.log_likelihood)
    alone = velbo.score_rows(model, data.subset(torch.tensor([5])), 7, chunk)
    torch.testing.assert_close(alone.log_likelihood, whole.log_likelihood[5:6])


def test_a_model_without_parameters_is_scored_as_any_other(x):
    """Fixed numbers in the place of weights: the same scores, on the processor, also for a `TrainedModel`."""
    model, fixed = Groups(0.4), Groups(0.4)
    for name, p in list(fixed.named_parameters()):
        delattr(fixed, name)
        setattr(fixed, name, p.detach())
    data = Store.from_tensor(x)
    assert torch.equal(velbo.score_rows(fixed, data, 3).elbo, velbo.score_rows(model, data, 3).elbo)
    trained = velbo.TrainedModel(fixed, velbo.plan(x.numpy()), dtype=torch.float64)
    assert np.isfinite(trained.log_likelihood(x.numpy(), 3, device="cpu")).all()


def test_noise_of_other_rows_is_refused(x):
    with pytest.raises(
        ConfigError, match=r"q\(z\|x\) of 40 rows has batch shape \(\.\.\., 40\), and this Normal has \(3"
    ):
        RowDraw(x, 0).noise(Normal(torch.zeros(3, 7), 1.0), 2)


# every call


def quick() -> TrainingConfig:
    return TrainingConfig(Budget(epochs=1), validation=Validation(validation=0.2), machine=Machine(threads=1))


def with_holes(x: Tensor) -> Store:
    x = x.clone()
    x[::3, 1] = math.nan
    return Store.from_tensor(x)


SHORT = velbo.Annealing(temperatures=5, chains=2, leapfrog=2)
CALLS: dict[str, Callable[[Any, Tensor], Any]] = {
    "score_rows of one sample": lambda m, x: velbo.score_rows(m, Store.from_tensor(x), 1).elbo,
    "score_rows": lambda m, x: velbo.score_rows(m, Store.from_tensor(x), 5).log_likelihood,
    "evaluate": lambda m, x: velbo.evaluate(m, Store.from_tensor(x), 5).elbo,
    "bound_curve": lambda m, x: velbo.bound_curve(m, Store.from_tensor(x), 4).bounds,
    "gaps": lambda m, x: velbo.gaps(m, Store.from_tensor(x), 4).bound,
    "anneal": lambda m, x: velbo.anneal(m, x, SHORT).bound,
    "anneal_backwards": lambda m, x: velbo.anneal_backwards(m, x, m.encode(x).mean, SHORT).bound,
    "rate_distortion": lambda m, x: velbo.rate_distortion(m, Store.from_tensor(x), SHORT, 2).rates,
    "bracket": lambda m, x: velbo.bracket(m, Store.from_tensor(x), SHORT, 2).width,
    "aggregated_posterior": lambda m, x: velbo.aggregated_posterior(m, Store.from_tensor(x)).rate,
    "calibrate": lambda m, x: velbo.calibrate(m, Store.from_tensor(x)).distance,
    "impute": lambda m, x: velbo.impute(m, with_holes(x), 5).x,
    "multiple_imputations": lambda m, x: velbo.multiple_imputations(m, with_holes(x), 2, 5, 2),
    "contributions": lambda m, x: velbo.contributions(m, Store.from_tensor(x[:5]), 5),
    "refit_prior": lambda m, x: velbo.refit_prior(m, Store.from_tensor(x), StandardNormal(Z), quick()),
    **{
        f"train by {name}": lambda m, x, name=name: velbo.train(m, x, OBJECTIVES[name](), quick()).best
        for name in OBJECTIVES
    },
    "train with free bits": lambda m, x: velbo.train(m, x, ELBO(free_bits=FreeBits(0.1, True)), quick()).best,
}
WEIGHTS = r"averages exp\(log w\).* only an estimate of a log-weight.*samples=1"
NO_DENSITY = r"p\(z\) of this model, a NoDensity, has no log_prob"
REFUSED: dict[str, dict[str, str]] = {
    "three groups": {
        "gaps": "this Groups has no encoder that makes q of them",
        "refit_prior": r"a prior is put into a VAE.* or a Hierarchy.* this model, a Groups, is neither",
        "train by dreg": "DReG changes the gradient that reaches z.* this model has 3",
        "train by piwae": "PIWAE changes the gradient that reaches z.* this model has 3",
        "train by beta-tc": "needs a posterior with independent latents.* has MultivariateNormal",
    },
    "one random term": {
        "score_rows": r"log p\(x\) by 5 samples " + WEIGHTS,
        "evaluate": WEIGHTS,
        "bound_curve": "a bound of many samples " + WEIGHTS,
        "gaps": "this OneTerm has no encoder",
        **dict.fromkeys(
            ("anneal", "anneal_backwards", "rate_distortion", "bracket", "aggregated_posterior"), NO_DENSITY
        ),
        **dict.fromkeys(("impute", "multiple_imputations", "contributions"), NO_DENSITY),
        "refit_prior": "this model, a OneTerm, is neither",
        **{f"train by {name}": WEIGHTS for name in ("iwae", "dreg", "miwae", "ciwae", "piwae", "renyi", "tvo")},
        "train by beta-tc": "needs a posterior with independent latents",
        "train by info-vae": "draws from the prior, and the terms of this model hold none",
        "train with free bits": "free bits need a closed-form KL",
    },
}


@pytest.mark.parametrize("name", list(CALLS))
@pytest.mark.parametrize("model", [Groups(0.1), OneTerm()], ids=list(REFUSED))
def test_every_call_works_or_says_why_not(model, name, x, request):
    words = REFUSED[next(key for key in REFUSED if key in request.node.name)].get(name)
    if words is None:
        assert np.isfinite(np.asarray(torch.as_tensor(CALLS[name](model, x)).detach())).all()
    else:
        with pytest.raises(VelboError, match=words) as refused:
            CALLS[name](model, x)
        assert len(str(refused.value).splitlines()) == 1


def test_what_is_no_model_is_refused_by_name(x):
    class NoView(Groups):
        given = None  # pyright: ignore

    class HalfAView(Groups):
        def given(self, x: Tensor) -> Any:
            return nn.Identity()

    with pytest.raises(ConfigError, match=r"a NoView, has no given\(x\).* def given\(self, x\): return self"):
        view_of(NoView(), x)
    with pytest.raises(
        ConfigError, match=r"HalfAView.given\(x\) returned a Identity without encode and prior and decode"
    ):
        view_of(HalfAView(), x)
    for name, call in CALLS.items():
        if name != "anneal_backwards":  # which asks the model for z itself here
            with pytest.raises(VelboError):
                call(NoView(), x)


def test_the_trap_that_the_refusal_is_for(x):
    """Averaged as weights the estimates say more than log p(x): by 1.5 nats and more of 64 with deviation 2."""
    with torch.no_grad():
        terms = OneTerm().terms(x, 64)
    overstated = torch.logsumexp(terms.log_w, 0) - math.log(64)
    assert float((overstated - Groups().log_p(x)).mean().detach()) > 1
    assert abs(float((terms.log_w.mean(0) - Groups().log_p(x)).mean().detach())) < 5 * 2 / math.sqrt(64 * N)
