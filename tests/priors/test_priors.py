"""p(z): every prior integrates to one, is sampled as it is scored, and is learned inside the bound."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.datasets import load_digits
from torch import nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence

from contracts.elsewhere import ELSEWHERE, there, watched
from contracts.priors import PriorContract
from velbo import Budget, Recipe, TrainedModel, TrainingConfig, carry_out, plan
from velbo.build.parts import PRIORS
from velbo.errors import ConfigError
from velbo.nets import MLP
from velbo.posteriors import DiagonalNormal
from velbo.priors import (
    AutoregressivePrior,
    Flow,
    LearnedNormal,
    MixturePrior,
    NormalMixture,
    StandardNormal,
    VampPrior,
    masked_autoregressive,
    neural_spline,
    real_nvp,
)

DIGITS = load_digits().images.astype(np.uint8)[:500]


class TestStandardNormal(PriorContract):
    def prior(self, n_latents: int) -> nn.Module:
        return StandardNormal(n_latents)

    def test_every_parameter_learns(self):
        assert not list(self.prior(3).parameters())


class TestLearnedNormal(PriorContract):
    def prior(self, n_latents: int) -> nn.Module:
        return LearnedNormal(n_latents)


class TestMixture(PriorContract):
    def prior(self, n_latents: int) -> nn.Module:
        return MixturePrior(n_latents, 4)


class TestVampPrior(PriorContract):
    def prior(self, n_latents: int) -> nn.Module:
        self.encoder = nn.Sequential(MLP(5, 8), DiagonalNormal(8, n_latents)).double()
        prior = VampPrior(self.encoder, 5, 4)
        prior.start_from(2 * torch.randn(4, 5))
        return prior.double()

    def test_a_pass_computes_where_the_prior_is_and_waits_for_nothing(self):
        """The model moves the encoder."""
        prior, _ = there(self.prior(3)), there(self.encoder)
        with watched():
            prior().log_prob(torch.zeros(5, 3, dtype=torch.float64, device=ELSEWHERE)).sum().backward()

    def test_density_is_computed_in_full(self):
        pytest.skip("its encoder is a trunk, which autocast is for; its mixture is MixturePrior's")

    def test_every_parameter_learns(self):
        prior = self.prior(3)
        prior().log_prob(torch.randn(50, 3).double()).sum().backward()
        assert all(p.grad is not None for p in [*prior.parameters(), *self.encoder.parameters()])

    def test_shapes(self):
        assert self.prior(3)().event_shape == (3,)


class FlowContract(PriorContract):
    def test_the_transformation_is_inverted_and_its_log_determinant_is_autograds(self):
        flow = self.spread(self.prior(3).double()).flow()  # type: ignore[operator]
        z = 1.5 * torch.randn(20, 3, dtype=torch.float64)
        u, log_det = flow.transform.call_and_ladj(z)
        torch.testing.assert_close(flow.transform.inv(u), z, atol=1e-8, rtol=0)
        jacobian = torch.autograd.functional.jacobian(lambda v: flow.transform(v).sum(0), z).movedim(1, 0)
        torch.testing.assert_close(torch.linalg.slogdet(jacobian).logabsdet, log_det, atol=1e-8, rtol=0)


class TestRealNVP(FlowContract):
    def prior(self, n_latents: int) -> nn.Module:
        return real_nvp(n_latents, 2, (16,))


class TestNeuralSpline(FlowContract):
    exact_mass = 1e-4  # its density jumps at -5 and 5; with ten times the points the mass is within 3e-7
    far_mass = 1e-3

    def prior(self, n_latents: int) -> nn.Module:
        return neural_spline(n_latents, 2, (16,))


class TestMaskedAutoregressive(FlowContract):
    def prior(self, n_latents: int) -> nn.Module:
        return masked_autoregressive(n_latents, 2, (16,))


class TestAutoregressive(PriorContract):
    def prior(self, n_latents: int) -> nn.Module:
        return AutoregressivePrior(n_latents, 3, (16,))

    def test_density_integrates_to_one(self):
        with pytest.raises(ConfigError, match="one latent has no earlier ones; take prior 'mixture'"):
            self.prior(1)

    test_samples_match_the_density = test_density_integrates_to_one

    def test_a_latent_depends_on_earlier_ones_alone(self):
        prior = self.prior(4).double()
        z = torch.randn(4, dtype=torch.float64)
        jacobian = torch.autograd.functional.jacobian(prior.network, z).flatten(1, 2).abs().amax(1)
        assert (jacobian.triu() == 0).all()
        assert (jacobian.tril(-1)[torch.ones(4, 4).tril(-1).bool()] > 0).all()


# mixtures


def test_a_mixture_is_scipys_and_torchs():
    torch.manual_seed(0)
    logits, loc, scale = torch.randn(3).double(), torch.randn(3, 2).double(), 0.1 + torch.rand(3, 2).double()
    z = torch.randn(7, 2).double()
    mixture = NormalMixture(logits, loc, scale)
    other = MixtureSameFamily(Categorical(logits=logits), Independent(Normal(loc, scale), 1))
    torch.testing.assert_close(mixture.log_prob(z), other.log_prob(z))
    torch.testing.assert_close(mixture.mean, other.mean)
    torch.testing.assert_close(mixture.variance, other.variance)
    density = sum(
        w * multivariate_normal(m.numpy(), np.diag(s.numpy() ** 2)).pdf(z.numpy())
        for w, m, s in zip(logits.softmax(0).tolist(), loc, scale, strict=True)
    )
    np.testing.assert_allclose(mixture.log_prob(z).exp().numpy(), density, rtol=1e-10)


def test_narrow_components_far_away_keep_their_digits():
    """A component at 30 with a scale of 0.001: in float32 the expanded square alone would be off by 50 nats."""
    mixture = NormalMixture(torch.zeros(2), torch.full((2, 4), 30.0), torch.full((2, 4), 1e-3))
    z = torch.full((1, 4), 30.0) + 1e-3 * torch.randn(1, 4)
    exact = Normal(30.0, 1e-3).log_prob(z.double()).sum(-1)
    assert float(mixture.log_prob(z)) == pytest.approx(float(exact), abs=1e-4)


def test_mixtures_have_leading_dimensions():
    batch = NormalMixture(torch.zeros(5, 3), torch.randn(5, 3, 2), torch.ones(5, 3, 2))
    z = batch.sample(torch.Size((7,)))
    assert z.shape == (7, 5, 2)
    one = NormalMixture(torch.zeros(3), batch.loc[2], batch.scale[2])
    torch.testing.assert_close(batch.log_prob(z)[:, 2], one.log_prob(z[:, 2]))
    assert one.expand(torch.Size((5,))).log_prob(z).shape == (7, 5)


# inside a model


def test_a_vamp_prior_shares_the_encoder_and_saves_it_once(tmp_path):
    what = plan(DIGITS, Recipe("mlp", 2, (16,), prior="vamp", components=10), training=TrainingConfig(Budget(epochs=1)))
    fitted = carry_out(what, DIGITS)
    names = [name for name, _ in fitted.model.named_parameters()]
    assert [n for n in names if n.startswith("prior")] == ["prior.pseudo_inputs"]
    fitted.save(tmp_path)
    again = TrainedModel.load(tmp_path)
    np.testing.assert_array_equal(again.log_likelihood(DIGITS[:20], 5), fitted.log_likelihood(DIGITS[:20], 5))
    with torch.no_grad():
        again.model.encoder[1][0].weight.mul_(2)  # type: ignore[index]
    assert not np.allclose(again.log_likelihood(DIGITS[:20], 5), fitted.log_likelihood(DIGITS[:20], 5))


def test_pseudo_inputs_begin_as_rows_of_the_data():
    prior = VampPrior(nn.Identity(), 3, 5)
    x = torch.tensor([[1.0, 2, 3], [4, torch.nan, 6]])
    prior.start_from(x)
    assert prior.pseudo_inputs.tolist() == [[1, 2, 3], [4, 0, 6], [1, 2, 3], [4, 0, 6], [1, 2, 3]]
    with pytest.raises(ConfigError, match="mixes diagonal Normal posteriors"):
        prior()


@pytest.mark.parametrize("name", PRIORS)
def test_every_prior_trains_is_saved_and_sampled(name, tmp_path):
    """Ten epochs raise the bound, and a saved model is the same model."""
    recipe = Recipe("mlp", 3, (32,), prior=name)
    fitted = carry_out(plan(DIGITS, recipe, training=TrainingConfig(Budget(epochs=10))), DIGITS)
    history = fitted.history
    assert history.metrics[-1]["validation_bound"] > history.metrics[0]["validation_bound"] + 10
    fitted.save(tmp_path)
    again = TrainedModel.load(tmp_path)
    np.testing.assert_array_equal(again.log_likelihood(DIGITS[:20], 5), fitted.log_likelihood(DIGITS[:20], 5))
    assert again.sample(4).shape == (4, 8, 8)


def test_a_prior_of_no_name_and_components_of_none_are_refused():
    with pytest.raises(ConfigError, match="prior"):
        plan(DIGITS, Recipe(prior="vapm"))
    with pytest.raises(ConfigError, match="prior 'spline' has no components; they go with mixture, vamp"):
        plan(DIGITS, Recipe(prior="spline", components=3))
    with pytest.raises(ConfigError, match="components must be"):
        Recipe(prior="mixture", components=0)


def test_a_flow_expands_and_is_reparameterised():
    p = real_nvp(2, 2, (8,))()
    assert isinstance(p, Flow)
    assert p.expand(torch.Size((4,))).log_prob(torch.randn(4, 2)).shape == (4,)
    assert p.rsample(torch.Size((3,))).requires_grad


def test_a_learned_normal_has_a_closed_form():
    p = LearnedNormal(3)()
    assert float(kl_divergence(p, p).detach()) == 0
    assert float(kl_divergence(p, StandardNormal(3)()).detach()) == pytest.approx(0, abs=1e-6)
