"""A prior fitted after training, where the gain is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from contracts.commands import call
from velbo import Budget, Conditional, Recipe, TrainedModel, TrainingConfig, evaluate, fit
from velbo.config import Optimisation, Validation
from velbo.errors import ConfigError
from velbo.fitting import refit
from velbo.model import VAE
from velbo.oracles import LinearGaussian, LinearGaussianHierarchy
from velbo.posteriors import SemiAmortised
from velbo.priors import LearnedNormal, MixturePrior, StandardNormal, VampPrior, real_nvp
from velbo.rows import Store
from velbo.training import refit_prior
from velbo.training.order import held_out_rows

ORACLE = LinearGaussian.random(6, 2, seed=0, orthogonal=True)
X = Store.from_tensor(ORACLE.sample(3000, seed=1))
TRAINING = TrainingConfig(
    Budget(epochs=40), Optimisation(batch_size=250, lr=0.02), validation=Validation(validation=0.1)
)


def shifted(by: float) -> VAE:
    """The oracle's VAE with every posterior mean moved: the aggregated posterior is N(by, I) exactly."""
    model = ORACLE.vae()
    with torch.no_grad():
        model.encoder[0].linear.bias[:2] += by  # type: ignore[index]
    return model


def test_the_gain_is_the_known_one():
    """N(c, I) instead of N(0, I) for two latents gains c^2 nats; 300 held-out rows say so to 0.25."""
    model = shifted(1.5)
    weights = {name: t.clone() for name, t in model.state_dict().items()}
    prior = LearnedNormal(2).double()
    before = evaluate(model, X, 1)
    gain = refit_prior(model, X, prior, TRAINING)
    assert gain == pytest.approx(1.5**2, abs=0.25)
    assert model.prior is prior
    torch.testing.assert_close(prior.loc.detach(), torch.full((2,), 1.5).double(), atol=0.1, rtol=0)
    torch.testing.assert_close(prior.scale().detach(), torch.ones(2).double(), atol=0.1, rtol=0)
    for name, t in weights.items():
        assert torch.equal(model.state_dict()[name], t), name
    assert all(p.requires_grad for p in model.encoder.parameters())
    after = evaluate(model, X, 1)
    assert after.elbo - before.elbo == pytest.approx(gain, abs=0.25)
    assert after.reconstruction == before.reconstruction


@pytest.mark.parametrize("prior", ["standard", "learned", "mixture", "flow"])
def test_the_gain_is_the_difference_that_evaluate_finds_on_the_rows_held_out(prior):
    """To rounding, for priors with and without a closed form: the same rows, and the same noise for both priors."""
    make = {"standard": StandardNormal(2), "learned": LearnedNormal(2), "mixture": MixturePrior(2, 3)}
    make["flow"] = real_nvp(2, 2, (8,))
    model, training = shifted(1.5), replace(TRAINING, budget=Budget(epochs=5))
    if prior == "standard":
        model.prior = MixturePrior(2, 3).double()
    held_out = X.subset(held_out_rows(X, training.validation.validation, training.machine.seed))
    assert len(held_out) == 300
    before = evaluate(model, held_out, 20, seed=training.machine.seed)
    gain = refit_prior(model, X, make[prior].double(), training)
    after = evaluate(model, held_out, 20, seed=training.machine.seed)
    assert after.elbo - before.elbo == pytest.approx(gain, abs=1e-9)
    assert after.rate - before.rate == pytest.approx(-gain, abs=1e-9)


def test_where_the_prior_was_right_there_is_nothing_to_gain():
    """The exact posterior's aggregate is the standard Normal; fitting what is more flexible neither gains nor loses."""
    for prior in (LearnedNormal(2), MixturePrior(2, 5), real_nvp(2, 2, (16,))):
        assert refit_prior(ORACLE.vae(), X, prior.double(), TRAINING) == pytest.approx(0, abs=0.08)


def test_a_vamp_prior_is_refitted_without_touching_the_encoder():
    model = shifted(2.0)
    before = model.encoder[0].linear.weight.detach().clone()  # type: ignore[index]
    gain = refit_prior(model, X, VampPrior(model.encoder, 6, 50).double(), TRAINING)
    assert gain > 3
    assert torch.equal(model.encoder[0].linear.weight, before)  # type: ignore[index]


def test_a_fitted_model_gets_a_prior_by_name(tmp_path, monkeypatch):
    """From Python and the command line; the first model is as it was, the new one is whole on disk and better by about
    what was said.
    """
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", ORACLE.sample(400, seed=2).numpy())
    assert call(*"fit x.npy --run r --recipe mlp --hidden 8 --latent 2 --beta 0.1 --epochs 30".split())[0] == 0
    fitted = TrainedModel.load("r")
    before = fitted.evaluate(np.load("x.npy"), 1)
    changed, gain = refit(fitted, np.load("x.npy"), "learned", training=TrainingConfig(Budget(epochs=60)))
    assert gain > 0.1
    assert fitted.recipe.prior == "standard"
    after = changed.evaluate(np.load("x.npy"), 1)
    assert after.elbo - before.elbo == pytest.approx(gain, abs=0.3)
    assert after.reconstruction == before.reconstruction
    command = "refit-prior r x.npy --to better --prior mixture --components 3 --epochs 20".split()
    code, _, err = call(*command)
    assert code == 0, err
    assert TrainedModel.load("better").recipe.components == 3
    code, _, err = call(*command)
    assert code == 2
    assert "holds a run already" in err


def test_a_refined_posterior_would_move_and_is_refused():
    plain = ORACLE.vae()
    model = VAE(SemiAmortised(plain.encoder, plain.decoder, plain.prior, 1), plain.decoder, plain.prior)
    with pytest.raises(ConfigError, match="follows its prior"):
        refit_prior(model, X, LearnedNormal(2).double(), TRAINING)


def test_of_a_hierarchy_the_top_group_has_the_new_prior():
    """Its posterior means are moved by 1.5 for two latents: N(c, I) gains c^2 nats, and the other groups stay."""
    oracle = LinearGaussianHierarchy.random((6, 3, 2), seed=1)
    x, model = oracle.sample(3000, seed=1), oracle.model()
    head = model.encoder.head.linear  # pyright: ignore
    with torch.no_grad():
        head.bias[:2] += 1.5
    before, prior = evaluate(model, x, 1), LearnedNormal(2).double()
    gain = refit_prior(model, x, prior, TRAINING)
    assert model.generator.top is prior
    assert gain == pytest.approx(1.5**2, abs=0.25)
    after = evaluate(model, x, 1)
    assert after.elbo - before.elbo == pytest.approx(gain, abs=0.25)
    assert after.kl_per_group[1:] == before.kl_per_group[1:]


def test_a_conditional_model_keeps_its_condition():
    rows = {"a": X.kept[:200, 0].numpy(), "b": X.kept[:200, 1].numpy(), "c": np.arange(200) % 2}
    short = TrainingConfig(Budget(epochs=2))
    trained = fit(rows, Recipe("mlp", 2, (8,), condition=("c",)), training=short)
    again, _ = refit(trained, rows, "learned", training=short)
    assert again.given == ("c",)
    assert isinstance(again.model, Conditional)
    assert type(again.model.model.prior).__name__ == "LearnedNormal"
    assert len(again.sample(3, given={"c": 1})["a"]) == 3
