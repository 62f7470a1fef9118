"""The VAE's verbs, and recipes rebuilt from JSON alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from velbo import VAE, FittedVAE, Recipe, TrainingConfig, fit, infer, load, plan
from velbo.config import Budget, ObjectiveConfig
from velbo.errors import ConfigError, DataError, RunError
from velbo.fitting import Plan
from velbo.likelihoods import DEFAULT, LIKELIHOODS, Bernoulli
from velbo.nets import MLP
from velbo.oracles.linear_gaussian import LinearGaussian
from velbo.posteriors import DiagonalNormal
from velbo.priors import StandardNormal
from velbo.recipes import RECIPES, build, encoding, resolve

DIGITS = load("digits").rows[:200]
ONE_EPOCH = TrainingConfig(Budget(epochs=1))


@pytest.fixture
def oracle():
    return LinearGaussian.random(5, 2, seed=0)


def test_the_readme_composition():
    encoder = nn.Sequential(MLP(784, 512, 512), DiagonalNormal(512, 32))
    decoder = nn.Sequential(MLP(32, 512, 512), Bernoulli(512, 784))
    model = VAE(encoder, decoder, prior=StandardNormal(32))
    terms = model.terms(torch.randint(0, 2, (3, 784)).float(), samples=4)
    assert terms.log_px_z.shape == terms.log_pz.shape == terms.log_qz.shape == terms.log_w.shape == (4, 3)
    assert terms.kl is not None
    assert terms.kl.shape == (3, 32)
    assert terms.groups == (32,)
    assert model.n_latents == 32


def test_terms_are_the_three_densities(oracle):
    x, vae = oracle.sample(4), oracle.vae()
    terms = vae.terms(x, 3)
    q, normal = vae.encode(x), torch.distributions.Normal
    torch.testing.assert_close(terms.log_pz, normal(0.0, 1.0).log_prob(terms.z).sum(-1))
    torch.testing.assert_close(terms.log_qz, normal(q.mean, q.stddev).log_prob(terms.z).sum(-1))
    mean = terms.z @ oracle.weight.T + oracle.bias
    torch.testing.assert_close(terms.log_px_z, normal(mean, oracle.sigma).log_prob(x).sum(-1))


def test_reconstruct_sample_and_interpolate(oracle):
    x, vae = oracle.sample(4), oracle.vae()
    mean = oracle.posterior(x).mean
    torch.testing.assert_close(vae.reconstruct(x), mean @ oracle.weight.T + oracle.bias)
    assert torch.equal(vae.reconstruct(x), vae.reconstruct(x))
    assert torch.equal(vae.sample(3, seed=1), vae.sample(3, seed=1))
    assert not torch.equal(vae.sample(3, seed=1), vae.sample(3, seed=2))
    line = vae.interpolate(x[:2], x[2:], steps=3)
    torch.testing.assert_close(line[0], vae.reconstruct(x[:2]))
    torch.testing.assert_close(line[2], vae.reconstruct(x[2:]))
    torch.testing.assert_close(line[1], (line[0] + line[2]) / 2)
    with pytest.raises(ValueError, match="at least its 2 ends"):
        vae.interpolate(x[:1], x[1:2], steps=1)


def test_samples_have_the_covariance_of_the_marginal(oracle):
    """W W' + sigma^2 I within 5 standard errors (about 1 / sqrt(n) of the largest entry); false alarm below 1e-4."""
    x = oracle.vae().sample(40000, seed=0)
    expected = oracle.weight @ oracle.weight.T + oracle.sigma**2 * torch.eye(5).double()
    assert (torch.cov(x.T) - expected).abs().max() < 5 * 2 * float(expected.diagonal().max()) / 200


def test_sampling_leaves_the_global_generator_alone(oracle):
    vae = oracle.vae()
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    vae.sample(5)
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("likelihood", [n for n, member in LIKELIHOODS.items() if member.array_encoding] + ["auto"])
def test_every_recipe_with_every_likelihood(recipe, likelihood, tmp_path):
    """Trains, saves, loads from JSON alone, and gives the same finite numbers."""
    hidden = (4, 6) if recipe == "conv" else (8,)
    what = plan(DIGITS, Recipe(recipe, 2, hidden, likelihood), training=ONE_EPOCH)
    fitted, _ = fit(DIGITS, what)
    scores = fitted.log_likelihood(DIGITS[:5], 3)
    assert np.isfinite(scores).all()
    assert fitted.reconstruct(DIGITS[:5]).shape == (5, 8, 8)
    fitted.save(tmp_path)
    again = FittedVAE.load(tmp_path)
    np.testing.assert_array_equal(again.log_likelihood(DIGITS[:5], 3), scores)
    np.testing.assert_array_equal(again.sample(2, seed=5), fitted.sample(2, seed=5))


@pytest.mark.parametrize(
    ("likelihood", "words"),
    [
        ("poisson", "columns of kind count.*give a data frame"),
        ("ordered-logistic", "kind ordinal"),
        ("mixed", "tables"),
    ],
)
def test_an_array_refuses_a_likelihood_of_columns(likelihood, words):
    with pytest.raises(ConfigError, match=words):
        build(Recipe("mlp", likelihood=likelihood), infer(DIGITS))


def test_continuous_bernoulli_on_the_unit_interval():
    x = DIGITS / 16
    fitted, _ = fit(x, plan(x, Recipe("mlp", 2, (8,), "continuous-bernoulli"), training=ONE_EPOCH))
    assert np.isfinite(fitted.log_likelihood(x, 3)).all()


def test_colour_images_of_odd_sizes():
    x = np.random.default_rng(0).integers(0, 256, (12, 9, 13, 3)).astype(np.uint8)
    fitted, _ = fit(x, plan(x, Recipe("conv", 2, (4, 6)), training=ONE_EPOCH))
    assert fitted.sample(2).shape == (2, 9, 13, 3)
    assert fitted.interpolate(x[:2], x[2:4], 3).shape == (3, 2, 9, 13, 3)


def test_resolution():
    schema = infer(DIGITS)
    resolved = resolve(Recipe("conv"), schema)
    assert resolved.likelihood == DEFAULT["array"]["byte"] == "discretized-logistic"
    assert resolved.hidden
    assert Recipe.from_json(resolved.to_json()) == resolved
    with pytest.raises(ConfigError, match="Did you mean 'latent'"):
        Recipe.from_json({"latents": 3})
    with pytest.raises(ConfigError, match="needs images"):
        build(Recipe("conv"), infer(np.zeros((5, 3)) + 0.5))
    assert encoding(Recipe("mlp", likelihood="bernoulli"), schema).is_random


def test_auto_takes_what_was_measured_and_says_why():
    """Large binary images get a flow prior; all that was named stays; other data get the plain residual MLP."""
    large = np.random.default_rng(0).integers(0, 2, (12, 16, 16)).astype(np.uint8)
    what = plan(large, Recipe(), training=ONE_EPOCH)
    assert (what.recipe.prior, what.recipe.n_latents, what.recipe.likelihood) == ("real-nvp", 40, "bernoulli")
    assert what.choices["recipe"].startswith(f"{what.recipe.recipe} with prior real-nvp: a flow prior gained")
    named = plan(large, Recipe(latent=3, prior="standard", hidden=(8,)), training=ONE_EPOCH).recipe
    assert (named.n_latents, named.prior, named.hidden) == (3, "standard", (8,))
    small = plan(DIGITS, Recipe(), training=ONE_EPOCH)
    assert (small.recipe.recipe, small.recipe.prior, small.recipe.n_latents) == ("resmlp", "standard", 16)
    assert "recipe" in small.choices
    by_name = plan(large, Recipe("mlp"), training=ONE_EPOCH)
    assert (by_name.recipe.prior, by_name.recipe.n_latents) == ("standard", 16)
    assert "recipe" not in by_name.choices
    with pytest.raises(ConfigError, match="still open"):
        Recipe().n_latents  # noqa: B018


def test_encoders_see_the_mask_only_where_cells_were_missing():
    x = np.random.default_rng(0).normal(size=(50, 3))
    holes = x.copy()
    holes[0, 0] = np.nan
    assert build(Recipe("mlp"), infer(x)).encoder[1][0].in_features == 3
    assert build(Recipe("mlp"), infer(holes)).encoder[1][0].in_features == 6


def test_a_missing_cell_is_no_information():
    """Scores of rows without holes do not depend on rows with holes; a hole's value is irrelevant to the score."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 3))
    x[::3, 1] = np.nan
    fitted, _ = fit(x, plan(x, Recipe("mlp", 2, (8,)), training=ONE_EPOCH))
    assert np.isfinite(fitted.log_likelihood(x, 5)).all()
    assert np.isfinite(fitted.reconstruct(x)).all()
    empty = np.full((1, 3), np.nan)
    assert fitted.log_likelihood(empty, 2000)[0] == pytest.approx(0, abs=0.1)  # log E_q[p(z)/q(z)] = log 1


def test_plans_go_to_json_and_back():
    what = plan(DIGITS, Recipe("mlp"), ObjectiveConfig("iwae", 5), ONE_EPOCH, source="digits")
    assert Plan.from_json(what.to_json()) == what
    with pytest.raises(ConfigError, match="config key"):
        Plan.from_json({**what.to_json(), "recipee": 1})
    with pytest.raises(RunError, match="not whole"):
        Plan.from_json({"velbo": "0"})


def test_same_seed_same_initial_weights():
    what = plan(DIGITS, Recipe("mlp"), training=ONE_EPOCH)
    a, b = what.build().model.state_dict(), what.build().model.state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_fitted_refuses_what_it_cannot_use(tmp_path):
    fitted, _ = fit(DIGITS, plan(DIGITS, Recipe("mlp", 2, (4,)), training=ONE_EPOCH))
    with pytest.raises(DataError, match="2 finite numbers a row"):
        fitted.decode(np.array([[np.nan, 1.0]]))
    with pytest.raises(DataError, match="at least 1"):
        fitted.sample(0)
    with pytest.raises(RunError, match="no run folder"):
        FittedVAE.load(tmp_path)
