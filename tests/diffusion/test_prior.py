"""A diffusion as the prior of a VAE: what it says in training and in evaluation, and what is made of it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Independent, MultivariateNormal, Normal

import velbo
from velbo import VAE, Budget, TrainingConfig, Validation
from velbo.config import Machine, Optimisation
from velbo.diffusion import (
    DDIM,
    DiffusionPrior,
    DiscreteTime,
    Heun,
    LevelMLP,
    LinearSchedule,
    Preconditioned,
    Process,
    Sigmoid,
    diffusion_prior,
    flow_log_prob,
)
from velbo.errors import ConfigError
from velbo.likelihoods import Factorised
from velbo.oracles import DiffusedGaussian
from velbo.posteriors import RowDraw
from velbo.rows import Store
from velbo.runtime.precision import products
from velbo.terms import PATHWISE

Z, D, STEPS = 3, 4, 20


class Known(nn.Module):
    """x = W z + noise, z of the prior; q(z|x) is exact for z ~ N(mu, S) of the oracle, in which the prior nearly is."""

    def __init__(self, oracle: DiffusedGaussian) -> None:
        super().__init__()
        self.oracle, self.noise = oracle, 0.5
        self.weight = torch.randn(D, Z, generator=torch.Generator().manual_seed(3)).double()

    def decode(self, z: Tensor) -> Factorised:
        return Factorised(Normal(z @ self.weight.T, self.noise))

    def encode(self, x: Tensor) -> MultivariateNormal:
        seen = (~x.isnan()).unsqueeze(-1) * self.weight / self.noise
        precision = torch.linalg.inv(self.oracle.covariance)
        covariance = torch.linalg.inv(precision + seen.mT @ seen)
        pull = (x.nan_to_num().unsqueeze(-2) @ seen).squeeze(-2) / self.noise + self.oracle.mean @ precision
        return MultivariateNormal((covariance @ pull.unsqueeze(-1)).squeeze(-1), covariance)

    def vae(self, **options) -> VAE:
        encoder, decoder = nn.Identity(), nn.Identity()
        encoder.forward, decoder.forward = self.encode, self.decode  # type: ignore[method-assign]
        prior = DiffusionPrior(Process(self.oracle.denoiser(), Z, self.oracle.gamma, STEPS), **options)  # type: ignore[arg-type]
        return VAE(encoder, decoder, prior)

    def log_p(self, x: Tensor) -> Tensor:
        z = self.oracle.chain(STEPS)
        covariance = self.weight @ z.covariance_matrix @ self.weight.T + self.noise**2 * torch.eye(D).double()
        return MultivariateNormal(self.weight @ z.loc, covariance).log_prob(x)


@pytest.fixture
def known():
    return Known(DiffusedGaussian.random(Z, LinearSchedule(-6, 5).double()))


@pytest.fixture
def x(known):
    return known.decode(known.oracle.data().sample((8,))).sample()


# estimates


def test_at_first_the_flow_carries_a_standard_normal_to_itself():
    """Its density is N(0, I)'s to 1e-12, and a sampler of it leaves z_1 as it is."""
    prior = diffusion_prior(5).double().eval()
    z = torch.randn(7, 5).double()
    exact = Independent(Normal(torch.zeros(5).double(), 1.0), 1).log_prob(z)
    torch.testing.assert_close(prior().log_prob(z), exact, rtol=0, atol=1e-12)
    assert torch.equal(Heun(prior.process.denoiser, prior.process.schedule, 10)(z), z)
    # the chain too, but for the noise of z given z_0, which costs 2e-4 nats a latent
    z = torch.randn(500, 5).double()
    exact = Independent(Normal(torch.zeros(5).double(), 1.0), 1).log_prob(z)
    with torch.no_grad():
        assert abs(float((prior().estimate(z, PATHWISE) - exact).mean())) < 0.3


def test_it_says_what_it_knows(known, x):
    """In training estimates by one time, which are no weights; in evaluation weights of whole paths."""
    model = known.vae()
    for training in (True, False):
        terms = model.train(training).terms(x, 3)
        assert terms.is_weight is not training
        assert terms.log_w.shape == (3, 8)
        assert terms.kl is None
    prior = model.prior()
    assert (prior.event_shape, prior.batch_shape, prior.numbers) == ((Z,), (), (STEPS + 1) * Z)
    assert prior.sample(torch.Size((4, 2))).shape == (4, 2, Z)
    assert model.train().prior().numbers == Z


@pytest.mark.parametrize("times", [None, DiscreteTime(5)])
def test_estimates_in_training_have_the_bound_for_their_mean(known, times):
    """Of one z, 40,000 times, of all times or of 5: within 4.5 standard errors of the oracle's bound (a false alarm in
    10^5).
    """
    prior = known.vae(**({} if times is None else {"times": times})).prior.train()()
    z = known.oracle.data().sample((1,)).expand(40_000, Z)
    # 200 batches of 200: within a batch times are even, and not independent
    means = torch.stack([prior.estimate(part, PATHWISE).mean() for part in z.split(200)])
    exact = known.oracle.bound(z[:1], None if times is None else 5)
    assert abs(float(means.mean() - exact)) < 4.5 * float(means.std()) / math.sqrt(200)


def test_scores_by_whole_paths_are_bounds_of_the_chains_own_log_p(known, x):
    """L_2000 of eight rows is the exact log p(x) of the T-step model within 5 standard errors by the effective number
    of weights (a false alarm in 10^5), and the mean of the log-weights lies below it.
    """
    model, exact = known.vae().eval(), known.log_p(x)
    scores = velbo.score_rows(model, Store.from_tensor(x), 2000)
    assert ((scores.log_likelihood - exact).abs() < 5 / scores.effective_samples.sqrt()).all()
    assert (scores.effective_samples > 50).all()
    assert (scores.elbo < exact).all()


@pytest.mark.parametrize("chunk", [1, 3])
def test_scores_depend_on_no_chunk(known, x, chunk):
    model, data = known.vae().eval(), Store.from_tensor(x)
    whole = velbo.score_rows(model, data, 6)
    torch.testing.assert_close(velbo.score_rows(model, data, 6, chunk).log_likelihood, whole.log_likelihood)
    alone = velbo.score_rows(model, data.subset(torch.tensor([5])), 6, chunk)
    torch.testing.assert_close(alone.log_likelihood, whole.log_likelihood[5:6])
    assert velbo.score_rows(model, data, 6, seed=1).log_likelihood.ne(whole.log_likelihood).all()


def test_the_trap_that_the_refusal_is_for():
    """Estimates by one time of a diffusion of 4 numbers scatter by over 5 nats, and log-mean-exp of 64 lies over 2 nats
    above log p; that of 64 paths does not. Everything that is not linear refuses the first by name.
    """
    oracle = DiffusedGaussian.random(4, LinearSchedule(-6, 5).double())
    prior = DiffusionPrior(Process(oracle.denoiser(), 4, oracle.gamma))  # type: ignore[arg-type]
    z = oracle.data().sample((1,)).expand(64, 400, 4)
    exact = oracle.data().log_prob(z[0, :1])
    estimates = torch.cat([prior.train()().estimate(z[:, i : i + 1], PATHWISE) for i in range(400)], 1)
    assert float(estimates.std()) > 5
    log_mean_exp = (estimates.logsumexp(0) - math.log(64)).mean()
    assert float(log_mean_exp - exact) > 2
    paths = prior.eval()().estimate(z, PATHWISE)
    assert float((paths.logsumexp(0) - math.log(64)).mean()) < float(exact) + 0.02


REFUSED = ["iwae", "dreg", "miwae", "ciwae", "piwae", "renyi", "tvo"]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_linear_in_log_w_refuses_one_time(known, x, name):
    objective = velbo.objectives.make_objective(name)
    with pytest.raises(ConfigError, match=r"averages exp\(log w\).* only an estimate of a log-weight"):
        objective(known.vae().train().terms(x, objective.samples, objective.draw))


def test_what_takes_weights_or_gradients_of_a_density_says_why_not(known, x):
    model, data = known.vae().eval(), Store.from_tensor(x)
    short = velbo.Annealing(temperatures=2, chains=2, leapfrog=1)
    for call in (lambda: velbo.anneal(model, x, short), lambda: velbo.bracket(model, data, short, 2)):
        with pytest.raises(ConfigError, match=r"annealing takes the gradient of .* is known by estimates; use"):
            call()
    with pytest.raises(ConfigError, match="a Diffused in training are no weights; call model"):
        velbo.impute(model.train(), Store.from_tensor(x.masked_fill(torch.eye(8, 4).bool(), math.nan)), 5)


def test_evaluation_takes_weights(known, x):
    """Imputation, contributions and the aggregated posterior stand on them: a missing cell has the mean that the exact
    law gives, within 0.05; the chain of multiple imputation has its variance, within 15 %.
    """
    model, missing = known.vae().eval(), x.clone()
    missing[:, 1] = math.nan
    law = known.oracle.chain(STEPS)
    covariance = known.weight @ law.covariance_matrix @ known.weight.T + known.noise**2 * torch.eye(D).double()
    seen = torch.tensor([0, 2, 3])
    gain = covariance[1, seen] @ torch.linalg.inv(covariance[seen][:, seen])
    mean = (known.weight @ law.loc)[1] + (x[:, seen] - (known.weight @ law.loc)[seen]) @ gain
    variance = covariance[1, 1] - gain @ covariance[seen, 1]
    filled = velbo.impute(model, Store.from_tensor(missing), 3000).x[:, 1]
    torch.testing.assert_close(filled.double(), mean, rtol=0, atol=0.05)
    # 8 rows of 400 draws: a standard error of 2.5 % of the variance, were they independent
    draws = velbo.multiple_imputations(model, Store.from_tensor(missing), 400, 50, 10)[:, :, 1]
    assert float((draws - mean).square().mean() / variance) == pytest.approx(1, abs=0.15)
    assert velbo.contributions(model, Store.from_tensor(x[:2]), 5).isfinite().all()
    assert math.isfinite(velbo.aggregated_posterior(model, Store.from_tensor(x)).rate)


def test_an_estimate_is_computed_in_full():
    """Under autocast it is what it is outside, in training and evaluation alike."""
    prior, z = diffusion_prior(3), torch.randn(50, 3)
    nn.init.normal_(prior.process.denoiser.network.leave[-1].weight)
    for training in (True, False):
        p = prior.train(training)()
        with torch.autocast("cpu", torch.bfloat16), products("bf16-products"):
            inside = p.estimate(z, RowDraw(z, 0))
        assert torch.equal(inside, p.estimate(z, RowDraw(z, 0)))


def test_every_parameter_learns():
    """Once the last layer, which is 0 at first, has moved."""
    prior, z = diffusion_prior(3), torch.randn(50, 3)
    nn.init.normal_(prior.process.denoiser.network.leave[-1].weight)
    prior().estimate(z, PATHWISE).sum().backward()
    for name, parameter in prior.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


# learned


def rings(n: int, seed: int = 0) -> Tensor:
    """Eight narrow Normals on a ring, of unit variance together."""
    g = torch.Generator().manual_seed(seed)
    angle = torch.randint(8, (n,), generator=g) * math.pi / 4
    return torch.stack((angle.cos(), angle.sin()), -1) * 2**0.5 + 0.1 * torch.randn(n, 2, generator=g)


def learned(weighting=None) -> DiffusionPrior:
    prior = DiffusionPrior(
        Process(Preconditioned(LevelMLP(2, 2, 64, 64)), 2, LinearSchedule(-6, 5)), weighting=weighting
    )
    optimizer = torch.optim.Adam(prior.parameters(), 3e-3)
    for _ in range(400):
        z = rings(256, int(torch.randint(2**31, ())))
        optimizer.zero_grad()
        (-prior().estimate(z, PATHWISE).mean()).backward()
        optimizer.step()
    return prior.eval()


@pytest.mark.parametrize("weighting", [None, Sigmoid()])
def test_a_learned_prior_knows_a_ring_from_a_normal(weighting):
    """E log p of N(0, I) is -2.84 nats, of the truth -0.3: after 400 steps the bound is above -1.8, the flow agrees
    with it within 0.5, and of 500 draws by either sampler three in four lie in the ring.
    """
    prior, z = learned(weighting), rings(1000, 1)
    with torch.no_grad():
        bound = float(prior().estimate(z, PATHWISE).mean())
        flow = float(flow_log_prob(prior.process.denoiser, prior.process.schedule, z[:200], 20).mean())
    assert bound > -1.8
    assert flow == pytest.approx(bound, abs=0.5)
    for sampler in (prior.process.sampler, DDIM):
        prior.process.sampler = sampler
        radius = prior().sample(torch.Size((500,))).norm(dim=-1)
        assert float(((radius - 2**0.5).abs() < 0.3).float().mean()) > 0.75


def test_a_prior_is_refitted_to_a_trained_model():
    """A diffusion in the place of N(0, I) adds to the ELBO what the aggregated posterior is more than a Normal."""
    encoder, decoder = nn.Identity(), nn.Identity()
    encoder.forward = lambda x: Independent(Normal(x, 0.05), 1)  # type: ignore[method-assign]
    decoder.forward = lambda z: Factorised(Normal(z, 0.05))  # type: ignore[method-assign]
    model = VAE(encoder, decoder, velbo.priors.StandardNormal(2))
    training = TrainingConfig(
        Budget(epochs=15), Optimisation(100, 3e-3), validation=Validation(validation=0.1), machine=Machine(threads=1)
    )
    gain = velbo.refit_prior(model, Store.from_tensor(rings(2000)), diffusion_prior(2, (64, 64)), training)
    assert gain > 0.5
    assert isinstance(model.prior, DiffusionPrior)
    scores = velbo.score_rows(model.eval(), Store.from_tensor(rings(100, 2)), 20)
    assert float(scores.log_likelihood.mean()) > -2.0
