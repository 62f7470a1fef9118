"""A diffusion of rows: its scores against an exact law, with and without missing cells; a trained one."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, Normal

import velbo
from contracts.commands import call
from contracts.exporting import untrained
from velbo import Budget, Optimisation, Recipe, TrainedModel, TrainingConfig, Validation, carry_out, plan
from velbo.config import Machine
from velbo.diffusion import (
    ConditionalDenoiser,
    Diffusion,
    Embedding,
    LevelMLP,
    LinearSchedule,
    Preconditioned,
    Process,
    alpha,
)
from velbo.errors import ConfigError, DataError
from velbo.likelihoods import Factorised
from velbo.oracles import DiffusedGaussian
from velbo.posteriors import RowDraw
from velbo.rows import Field, Store
from velbo.terms import PATHWISE

D, STEPS, NOISE = 3, 40, math.exp(-2)


class Head(nn.Module):
    def forward(self, z: Tensor) -> Factorised:
        return Factorised(Normal(z, torch.tensor(NOISE).double()))


@pytest.fixture
def oracle():
    covariance = torch.tensor([[1.0, 0.3, 0.2], [0.3, 0.8, -0.2], [0.2, -0.2, 0.6]]).double()
    return DiffusedGaussian(torch.tensor([0.2, -0.3, 0.0]).double(), covariance, LinearSchedule(-4, 4).double())


@pytest.fixture
def model(oracle):
    cells = [Field(name=f"c{d}", kind="real", location=0.0, scale=1.0) for d in range(D)]
    return Diffusion(Embedding(cells).double(), Process(oracle.denoiser(), D, oracle.gamma, STEPS), Head()).eval()


@pytest.fixture
def x(oracle):
    return oracle.data().sample((8,)).clamp(-2.5, 2.5)


def law(oracle: DiffusedGaussian) -> MultivariateNormal:
    """p_T(x) of the model, exactly."""
    z, a = oracle.first_latents(STEPS), alpha(oracle.gamma(torch.tensor(0.0).double()))
    return MultivariateNormal(z.loc / a, z.covariance_matrix / a**2 + NOISE**2 * torch.eye(D).double())


def test_scores_are_the_exact_law_of_the_chain(model, oracle, x):
    """L_2000 within 5 standard errors by the effective number of weights (8 rows: a false alarm in 10^5); the
    ELBO is below.
    """
    scores, exact = velbo.score_rows(model, Store.from_tensor(x), 2000), law(oracle).log_prob(x)
    assert (scores.effective_samples > 50).all()
    assert ((scores.log_likelihood - exact).abs() < 5 / scores.effective_samples.sqrt()).all()
    assert (scores.elbo < exact).all()
    assert scores.kl.shape == (8, 2)


def test_a_row_with_missing_cells_is_scored_by_what_is_observed(model, oracle, x):
    """The same, of the exact marginal law; and what is missing is imputed with its exact mean, within 0.1."""
    whole, seen = law(oracle), torch.tensor([0, 2])
    marginal = MultivariateNormal(whole.loc[seen], whole.covariance_matrix[seen][:, seen])
    missing = x.clone()
    missing[:, 1] = math.nan
    scores, exact = velbo.score_rows(model, Store.from_tensor(missing), 2000), marginal.log_prob(x[:, seen])
    assert (scores.effective_samples > 50).all()
    assert ((scores.log_likelihood - exact).abs() < 5 / scores.effective_samples.sqrt()).all()
    gain = whole.covariance_matrix[1, seen] @ torch.linalg.inv(marginal.covariance_matrix)
    mean = whole.loc[1] + (x[:, seen] - marginal.loc) @ gain
    filled = velbo.impute(model, Store.from_tensor(missing), 4000).x[:, 1]
    torch.testing.assert_close(filled.double(), mean, rtol=0, atol=0.15)


def test_nothing_observed_is_certain(model):
    """log p of no cell is 0, on every path, exactly."""
    terms = model.terms(torch.full((2, D), math.nan).double(), 5, RowDraw(torch.full((2, D), math.nan), 0))
    torch.testing.assert_close(terms.log_w, torch.zeros(5, 2).double(), rtol=0, atol=1e-12)


def test_in_training_the_terms_have_the_bound_for_their_mean(model, oracle, x):
    """Of one row 40,000 times: within 4.5 standard errors of the closed form (a false alarm in 10^5)."""
    rows = x[:1].expand(200, D)
    with torch.no_grad():
        terms = [model.train().terms(rows) for _ in range(200)]
    assert not terms[0].is_weight
    means = torch.stack([t.log_w.mean() for t in terms])
    gamma = oracle.gamma(torch.tensor(0.0).double())
    reconstruction = -0.5 * D * (math.log(2 * math.pi * NOISE**2) + gamma.exp() / NOISE**2)
    end = -0.5 * D * (math.log(2 * math.pi) + gamma + 1)
    exact = oracle.bound(x[:1]) - end + reconstruction
    assert abs(float(means.mean() - exact)) < 4.5 * float(means.std()) / math.sqrt(200)
    torch.testing.assert_close(terms[0].kl.sum(-1), (terms[0].log_qz - terms[0].log_pz)[0])


@pytest.mark.parametrize("chunk", [1, 3])
def test_scores_depend_on_no_chunk(model, x, chunk):
    data = Store.from_tensor(x)
    whole = velbo.score_rows(model, data, 6)
    torch.testing.assert_close(velbo.score_rows(model, data, 6, chunk).log_likelihood, whole.log_likelihood)
    alone = velbo.score_rows(model, data.subset(torch.tensor([5])), 6, chunk)
    torch.testing.assert_close(alone.log_likelihood, whole.log_likelihood[5:6])


def test_rows_to_train_on_are_whole(model, x):
    with pytest.raises(DataError, match=r"a diffusion of x is trained on whole rows.* with prior 'diffusion', or fill"):
        model.train().terms(x.masked_fill(torch.eye(8, D).bool(), math.nan))


# what is noised


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 600)
    return pd.DataFrame(
        {
            "kind": np.array(["a", "b", "c"])[kind],
            "size": 2.0 * kind + 0.3 * rng.standard_normal(600),
            "many": rng.poisson(3 + 4 * kind),
            "is": np.where(rng.random(600) < 0.1 + 0.4 * kind, "yes", "no"),
            "grade": rng.integers(1, 5, 600),
        }
    )


def quick(epochs: int, lr: float = 3e-3) -> TrainingConfig:
    return TrainingConfig(
        Budget(epochs=epochs), Optimisation(32, lr, ema=0.98), validation=Validation(0.1), machine=Machine(threads=1)
    )


@pytest.fixture(scope="module")
def fitted(table) -> TrainedModel:
    return carry_out(plan(table, Recipe("diffusion", hidden=(32, 32)), training=quick(20, 1e-2)), table)


def test_every_number_that_is_noised_belongs_to_a_cell(fitted, table):
    """A missing cell makes its own numbers 0 and unknown, and no others."""
    embedding, x = fitted.model.embedding, fitted.plan.encoding
    assert fitted.plan.recipe.n_latents == embedding.n_features == 3 + 1 + 1 + 1 + (4 + 1)
    rows = Store.from_rows(velbo.rows.rows_of(table, fitted.plan.schema).first(50), x).fixed(0).float()
    whole = embedding(rows)
    torch.testing.assert_close(whole.mean(0).abs().amax(), torch.tensor(0.0), rtol=0, atol=0.6)
    for d in range(5):
        part = rows.clone()
        part[:, d] = math.nan
        known = embedding.known(part)
        assert torch.equal(torch.where(known, whole, 0.0), embedding(part))
        assert known[0].tolist() == [owner != d for owner in embedding.owners.tolist()]


def test_a_table_is_learned_scored_sampled_and_saved(fitted, table, tmp_path):
    """The bound rises by 1 nat and more; samples have the dependence of size on kind; a saved model is the same
    model.
    """
    metrics = fitted.history.metrics
    assert metrics[-1]["validation_bound"] > metrics[0]["validation_bound"] + 1
    drawn = fitted.sample(1000, seed=1)
    assert list(drawn.columns) == list(table.columns)
    means, exact = (t.groupby("kind")["size"].mean() for t in (drawn, table))
    np.testing.assert_allclose(means, exact, atol=0.7)
    shares = drawn["kind"].value_counts(normalize=True).sort_index()
    np.testing.assert_allclose(shares, [1 / 3] * 3, atol=0.12)
    missing = table.head(4).copy()
    missing.loc[::2, "size"] = np.nan
    assert np.isfinite(fitted.log_likelihood(missing, 5)).all()
    filled = fitted.impute(missing)
    assert filled["size"].notna().all()
    fitted.save(tmp_path)
    again = TrainedModel.load(tmp_path)
    np.testing.assert_array_equal(again.log_likelihood(table.head(20), 5), fitted.log_likelihood(table.head(20), 5))


def test_what_needs_a_view_alone_works(fitted, table):
    rows = table.head(60)
    assert math.isfinite(fitted.evaluate(rows, samples=2).elbo)
    assert fitted.encode(rows).shape == (60, 11)
    assert len(fitted.reconstruct(rows)) == 60
    data = Store.from_rows(velbo.rows.rows_of(rows, fitted.plan.schema).first(60), fitted.plan.encoding)
    assert math.isfinite(velbo.aggregated_posterior(fitted.model, data).rate)
    with pytest.raises(ConfigError, match="annealing takes the gradient"):
        velbo.anneal(fitted.model, data.fixed(0), velbo.Annealing(2, 2, 1))
    with pytest.raises(ConfigError, match="a prior is put into a VAE"):
        velbo.refit_prior(fitted.model, data, velbo.priors.StandardNormal(11), quick(1))


def test_small_images_are_learned():
    digits = load_digits().images.astype(np.uint8)[:300]
    fitted = carry_out(plan(digits, Recipe("diffusion", hidden=(32, 32)), levels=17, training=quick(5)), digits)
    metrics = fitted.history.metrics
    assert metrics[-1]["validation_bound"] > metrics[0]["validation_bound"] + 10
    assert fitted.sample(3).shape == (3, 8, 8)


def test_a_diffusion_given_a_field(table, tmp_path):
    """Samples have what is given, and size follows it; scores are of the other fields."""
    recipe = Recipe("diffusion", hidden=(32, 32), condition=("kind",))
    fitted = carry_out(plan(table, recipe, training=quick(15, 1e-2)), table)
    given = pd.DataFrame({"kind": ["a"] * 100 + ["c"] * 100})
    drawn = fitted.sample(200, given=given)
    assert drawn["kind"].tolist() == given["kind"].tolist()
    assert drawn["size"][100:].mean() - drawn["size"][:100].mean() == pytest.approx(4, abs=1)
    assert np.isfinite(fitted.log_likelihood(table.head(10), 5)).all()
    plain, guided = (fitted.sample(60, given={"kind": "c"}, guidance=w) for w in (0.0, 3.0))
    pd.testing.assert_frame_equal(plain, fitted.sample(60, given={"kind": "c"}))
    assert guided["kind"].tolist() == ["c"] * 60
    assert guided["size"].mean() > plain["size"].mean()  # kind c is the one of large sizes
    assert len(fitted.sample(3, guidance=1.0)) == 3  # what is given is drawn as training had it
    fitted.save(tmp_path / "run")
    arguments = ("sample", tmp_path / "run", "-n", 4, "--given", "kind=c", "--guidance")
    code, _, err = call(*arguments, "3", "-o", tmp_path / "new.csv")
    assert code == 0, err
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "new.csv"),
        fitted.sample(4, given={"kind": "c"}, guidance=3.0).reset_index(drop=True),
        check_dtype=False,
    )
    code, _, err = call(*arguments, "-1", "-o", tmp_path / "new.csv")
    assert code == 2
    assert "guidance" in err


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (Recipe("mlp", latent=2, hidden=(4,)), "nothing is given to this model; leave it out"),
        (Recipe("diffusion", hidden=(4,)), "nothing is given to this model; leave it out"),
        (Recipe("mlp", latent=2, hidden=(4,), condition=("kind",)), "guidance of 2 is for diffusions of rows"),
        (
            Recipe("mlp", latent=2, hidden=(4,), condition=("kind",), prior="diffusion"),
            "guidance of 2 is for diffusions",
        ),
    ],
    ids=["mlp", "diffusion", "conditional", "diffusion prior"],
)
def test_guidance_of_other_models_is_refused_by_name(table, recipe, said):
    with pytest.raises(ConfigError, match=said):
        untrained(table.head(60), recipe).sample(3, guidance=2.0)


def test_guidance_moves_samples_away_from_those_of_other_rows():
    """By a network that says c and nothing else: x_hat_w = (1 + w) c, so that the mean of the samples grows with w."""

    class SaysC(nn.Module):
        def forward(self, x: Tensor, gamma: Tensor) -> Tensor:
            return x[..., 1:2] * 0.5

    cells = [Field(name="c", kind="real", location=0.0, scale=1.0)]
    process = Process(ConditionalDenoiser(Preconditioned(SaysC())), 1, LinearSchedule(-4, 4))
    model = Diffusion(Embedding(cells), process, nn.Identity()).eval()
    c = torch.ones(400, 1)
    means = [
        float(model.guided(w).with_given(c, ()).prior().sample(torch.Size((400,))).mean().detach()) for w in (0.0, 2.0)
    ]
    assert means[1] > means[0] + 0.5
    with pytest.raises(ConfigError, match=r"of rows of which something is given; take model.given\(x\) of them"):
        model.prior().sample(torch.Size((2,)))
    with pytest.raises(ConfigError, match="goes without a library size"):
        model.with_given(c, (c,))
    with pytest.raises(ConfigError, match="takes nothing given; make it a ConditionalDenoiser"):
        Process(Preconditioned(LevelMLP(1, 1, 4)), 1).with_given(c)


def test_what_a_diffusion_of_rows_has_not_is_refused(table):
    missing = table.copy()
    missing.loc[3, "size"] = np.nan
    for rows, options, words in (
        (missing, {}, "trained on whole rows, and 'size' has missing cells; take recipe 'resmlp' with prior 'diff"),
        (table, {"prior": "real-nvp"}, "has a prior of its own, and not 'real-nvp'; leave prior out"),
        (table, {"latent": 4}, "a latent for each of 11 numbers of a row; leave latent out"),
        (table, {"hidden": (8, 16)}, r"one width, not \(8, 16\); give hidden 256,256,256"),
        (table, {"posterior": "full"}, "goes without --missing, --library-size, --refine and --posterior"),
    ):
        with pytest.raises(ConfigError, match=words):
            plan(rows, Recipe("diffusion", **options))


def test_the_same_seed_is_the_same_bits(table):
    what = plan(table.head(40), Recipe("diffusion", hidden=(16,)), training=quick(2))
    assert what.recipe.prior == "diffusion"
    terms = [carry_out(what, table.head(40)).model.state_dict() for _ in range(2)]
    assert all(torch.equal(terms[0][name], terms[1][name]) for name in terms[0])


def test_two_scores_are_equal(model, x):
    first, second = (velbo.score_rows(model, Store.from_tensor(x), 3).log_likelihood for _ in range(2))
    assert torch.equal(first, second)
    assert model.terms(x, 2, PATHWISE).z.shape == (2, 8, D)
