"""p(x|z, c): the model of some columns given others."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import poisson
from torch import Tensor, nn
from torch.distributions import Independent, MultivariateNormal, Normal

from velbo import fit
from velbo.build.defaults import closed, settled
from velbo.build.models import build
from velbo.checks import check_support
from velbo.conditional import Condition, Conditional
from velbo.config import Budget, Optimisation, Recipe, TrainingConfig, Validation
from velbo.errors import CollapseWarning, ConfigError, DataError
from velbo.evaluation import Annealing, anneal, bracket, impute, score_rows
from velbo.likelihoods import Factorised, MixedCells
from velbo.model import VAE, LatentVariableModel
from velbo.priors import StandardNormal
from velbo.rows import Field, Schema, Store

NAN = math.nan
W, A, B, S = torch.tensor([1.5, -0.5]), torch.tensor([0.7, 2.0]), torch.tensor([0.3, -1.0]), 0.6
W, A, B = W.double(), A.double(), B.double()
COLUMNS = [Field("c", "real"), Field("x", "real"), Field("y", "real")]


class Decoder(nn.Module):
    """p(x, y|z, c) = N(W z + A c + B, S^2), nothing of c itself."""

    def __init__(self) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, u: Tensor) -> MixedCells:
        mean = u[..., :1] * W + u[..., 1:2] * A + B + self.anchor
        return MixedCells([(torch.tensor([1, 2]), Factorised(Normal(mean, torch.full_like(mean, S))))], 3)


class Posterior(nn.Module):
    """The exact p(z|x, y, c)."""

    def forward(self, x: Tensor) -> Independent:
        precision = 1 + (W @ W) / S**2
        residual = x[..., 1:] - x[..., :1] * A - B
        mean = (residual @ W / S**2 / precision).unsqueeze(-1)
        return Independent(Normal(mean, precision.rsqrt().expand_as(mean)), 1)


def linear() -> Conditional:
    return Conditional(VAE(Posterior(), Decoder(), StandardNormal(1)), Condition(COLUMNS, [0], mask=False)).double()


def rows(n: int, seed: int = 0) -> Tensor:
    """Within 3, up to which features are the numbers themselves."""
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).clamp(-3, 3)


def test_log_weights_at_the_exact_posterior_are_log_p_of_x_given_c():
    """Zero variance: every weight of every sample is the closed form, so nothing of p(c) is counted."""
    x = rows(50)
    exact = MultivariateNormal(x[:, :1] * A + B, W.outer(W) + S**2 * torch.eye(2, dtype=torch.float64))
    log_w = linear().terms(x, 4).log_w
    torch.testing.assert_close(log_w, exact.log_prob(x[:, 1:]).expand(4, -1))


def test_annealing_bounds_log_p_of_x_given_c():
    """Forwards, 200 temperatures and 32 chains of 5 rows come within 0.1 nats; the bracket draws no c, and says so."""
    model, x = linear(), rows(5)
    exact = model.terms(x, 1).log_w[0]
    run = anneal(model, x, Annealing(200, 32))
    torch.testing.assert_close(run.bound, exact.double(), rtol=0, atol=0.1)
    with pytest.raises(ConfigError, match="a conditional model draws no c for them; use score_rows and anneal"):
        bracket(model, x)


def test_given_rows_are_a_plain_model():
    model, x = linear(), rows(5)
    view = model.given(x)
    torch.testing.assert_close(view.terms(x, 3).log_w, model.terms(x, 3).log_w)
    assert view.given(x) is view
    with pytest.raises(ConfigError, match="conditional"):
        model.decode(torch.zeros(1, 1).double())


def test_reconstructions_and_changes_keep_z_and_show_what_is_given():
    model, x = linear(), rows(6)
    z = model.encode(x).mean
    expected = torch.cat((x[:, :1], z * W + x[:, :1] * A + B), -1)
    torch.testing.assert_close(model.reconstruct(x), expected)
    c = torch.full_like(x, NAN)
    c[:, 0] = 3.0
    changed = model.changed(x, torch.where(c.isnan(), x, c))
    torch.testing.assert_close(changed[:, 1:], z * W + 3 * A + B)
    assert (changed[:, 0] == 3).all()


def test_samples_follow_what_is_given():
    """Mean and covariance of p(x, y|c = 2); false alarm below 1e-5 over seeds: 5 standard errors of 5 numbers."""
    model, n = linear(), 20_000
    c = torch.full((n, 3), NAN, dtype=torch.float64)
    c[:, 0] = 2.0
    x = model.sample(n, seed=1, given=c)
    assert (x[:, 0] == 2).all()
    cov = W.outer(W) + S**2 * torch.eye(2, dtype=torch.float64)
    assert ((x[:, 1:].mean(0) - 2 * A - B).abs() < 5 * (cov.diag() / n).sqrt()).all()
    error = ((cov.square() + cov.diag().outer(cov.diag())) / n).sqrt()
    assert ((torch.cov(x[:, 1:].T) - cov).abs() < 5 * error).all()
    assert torch.equal(x, model.sample(n, seed=1, given=c))
    with pytest.raises(DataError, match="5 rows of 3 numbers"):
        model.sample(5, given=c)


def test_what_is_not_given_comes_from_the_rows_that_were_kept():
    model = linear()
    model.start_from(torch.tensor([[1.0, 5.0, 5.0], [7.0, 5.0, 5.0]], dtype=torch.float64))
    assert model.kept[:, 1:].isnan().all()
    assert set(model.sample(200)[:, 0].tolist()) == {1.0, 7.0}


TABLE = Schema(
    (
        Field("size", "real"),
        Field("job", "categorical", categories=("a", "b", "c")),
        Field("one", "constant", value=3),
        Field("n", "count", high=9),
        Field("m", "count", high=9),
        Field("grade", "ordinal", categories=(1, 2, 3), n_missing=4),
    )
)
SCHEMA = settled(TABLE, Recipe())


def built(recipe: Recipe, schema: Schema = TABLE) -> LatentVariableModel | Conditional:
    recipe = closed(recipe, schema, 100)[0]
    return build(settled(schema, recipe), recipe)


def table_rows(n: int) -> Tensor:
    g = torch.Generator().manual_seed(0)
    whole = [torch.randint(k, (n, 1), generator=g).float() for k in (3, 10, 10, 3)]
    return torch.cat((torch.randn(n, 1, generator=g), *whole), -1)


def test_balance_makes_every_category_as_frequent_and_keeps_what_goes_with_it():
    model = built(Recipe("mlp", condition=("job", "grade")))
    assert isinstance(model, Conditional)
    x = table_rows(1000)
    x[:, 1] = torch.where(torch.arange(1000) < 990, 0.0, 1.0)
    x[:, 4] = x[:, 1]
    model.start_from(x)
    c = model.balanced(91, position=1, n_categories=3)
    assert c[:, 1].long().bincount().tolist() == [31, 30, 30]
    assert (c[c[:, 1] < 2][:, 4] == c[c[:, 1] < 2][:, 1]).all()
    assert c[:, [0, 2, 3]].isnan().all()


@pytest.mark.parametrize("recipe", ["mlp", "resmlp"])
@pytest.mark.parametrize("condition", [(), ("job",), ("n", "grade", "size")])
@pytest.mark.parametrize("library", [False, True])
def test_every_recipe_of_a_table_gives_a_finite_bound_and_gradient(recipe, condition, library):
    model = built(Recipe(recipe, hidden=(16,), latent=2, condition=condition, library_size=library))
    x = table_rows(20)
    x[::3, 0], x[::4, 4], x[::5, 1] = NAN, NAN, NAN
    check_support(model, x)
    log_w = model.terms(x, 3).log_w
    assert log_w.shape == (3, 20)
    log_w.sum().backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(g.isfinite().all() for g in gradients)
    assert any((g != 0).any() for g in gradients)


def test_with_a_library_size_expected_counts_sum_to_it():
    model, x = built(Recipe("mlp", library_size=True)).double(), table_rows(30).double()
    mean = model.given(x).decode(torch.zeros(30, 16).double()).mean
    torch.testing.assert_close(mean[:, 2:4].sum(-1), x[:, 2:4].sum(-1).clamp_min(1))
    model.start_from(x)
    assert model.sample(50).isfinite().all()


def two_rates() -> Conditional:
    """Two Poisson columns with shares 2/5 and 3/5, whatever z is."""
    plain = Field("a", "count", likelihood="poisson", mean=2, n_missing=1)
    schema = Schema((plain, replace(plain, name="b", mean=3)))
    model = built(Recipe("mlp", hidden=(4,), latent=1, library_size=True), schema)
    assert isinstance(model, Conditional)
    nn.init.zeros_(model.model.decoder.head.heads["poisson"].linear.weight)
    return model.double().eval()


def test_the_library_size_of_some_counts_is_shared_among_these():
    """40 of the first kind of cells, and the second missing: the size that is given is the sum of what is observed, so
    60 are expected of the second, and not the 24 that its share of all is of 40. Both by p(x|z) and by `impute`.
    """
    model, x = two_rates(), torch.tensor([[40, NAN], [NAN, 30], [10, 15], [NAN, NAN]]).double()
    model.start_from(torch.tensor([[40.0, 60.0], [4.0, 6.0]]).double())
    expected = torch.tensor([[40, 60], [20, 30], [10, 15], [22, 33]]).double()
    torch.testing.assert_close(model.given(x).decode(torch.zeros(4, 1).double()).mean, expected, rtol=1e-6, atol=0)
    filled = impute(model, Store.from_tensor(x), 20).x
    torch.testing.assert_close(filled[x.isnan()], expected[x.isnan()], rtol=1e-6, atol=0)


def test_log_p_of_counts_is_that_given_the_sum_of_those_observed():
    """SciPy's Poisson masses with means l rho_d / sum rho of the observed cells: 2/5 and 3/5 of 25, all of 40. They are
    the same whatever z is, so that the reconstruction has no noise.
    """
    x = torch.tensor([[10.0, 15.0], [40.0, NAN], [NAN, 30.0]]).double()
    found = score_rows(two_rates(), Store.from_tensor(x), 3)
    masses = [poisson.logpmf([10, 15], [10, 15]).sum(), poisson.logpmf(40, 40), poisson.logpmf(30, 30)]
    assert found.reconstruction.tolist() == pytest.approx(masses, rel=1e-6)


def test_new_rows_have_the_totals_of_whole_rows():
    """Kept rows of which a column is missing, too: their size is that of the other. Means of 4,000 Poisson draws, 5
    standard errors: false alarm below 1e-6 over seeds.
    """
    model = two_rates()
    model.start_from(torch.tensor([[40.0, NAN], [NAN, 60.0], [40.0, 60.0]]).double())
    error = (torch.tensor([40.0, 60.0]) / 4000).sqrt()
    assert ((model.sample(4000).mean(0) - torch.tensor([40.0, 60.0])).abs() < 5 * error).all()


def test_a_hidden_count_is_imputed_within_2_percent_of_its_expectation():
    """Two counts of rates 12 s and 30 s with s between 1/2 and 2, each missing in a quarter of the rows, fitted: what
    is filled in is 2.5 times the other, or 0.4 times it. 1,500 rows tell that ratio to 0.5 %.
    """
    rng = np.random.default_rng(0)
    size = rng.uniform(0.5, 2, (1500, 1))
    counts = rng.poisson(size * [12, 30]).astype(float)
    counts[:375, 0] = counts[375:750, 1] = NAN
    training = TrainingConfig(Budget(epochs=15), Optimisation(batch_size=100, lr=5e-3), validation=Validation(0))
    recipe = Recipe("mlp", 1, (8,), library_size=True)
    kinds = {"a": "count:poisson", "b": "count:poisson"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollapseWarning)
        model = fit(pd.DataFrame(counts, columns=["a", "b"]), recipe, training=training, columns=kinds)
    filled = model.impute(pd.DataFrame(counts, columns=["a", "b"]), samples=100)
    ratio = filled["a"][:375].sum() / counts[:375, 1].sum(), filled["b"][375:750].sum() / counts[375:750, 0].sum()
    assert list(ratio) == pytest.approx([0.4, 2.5], rel=0.02)


def test_a_mask_is_modelled_where_cells_are_not_missing_at_random():
    """What is missing costs nats only in the column that training saw with holes, and a hole says something of x."""
    x = table_rows(10)
    x[:4, 4] = NAN
    models = {}
    for missing in ("at-random", "self-masked", "latent-masked"):
        torch.manual_seed(0)
        recipe = Recipe("mlp", hidden=(8,), latent=2, missing=missing, mask_slope=1.0)
        models[missing] = built(recipe)
        z = torch.zeros(10, 2)
        cells = models[missing].decode(z).log_prob_cells(x)
        assert (cells[:, :4] != 0).all()
        assert bool((cells[:4, 4] != 0).all()) == (missing != "at-random")
    whole = Schema((Field("a", "real"), Field("b", "real")))
    with pytest.raises(ConfigError, match="no column that is modelled has missing cells"):
        built(Recipe("mlp", missing="self-masked"), whole)
    with pytest.raises(ConfigError, match="Did you mean 'self-masked'"):
        closed(Recipe(missing="self-maskd"), SCHEMA, 100)


def test_what_cannot_be_given_is_refused():
    for recipe, words in [
        (Recipe(condition=("jobb",)), "Did you mean 'job'"),
        (Recipe(condition=("one",)), "unknown field to condition on 'one'"),
        (Recipe(condition=("size", "job", "n", "m", "grade")), "none is left"),
        (Recipe(condition=("job",), refine=1), "refine"),
        (Recipe(prior="vamp"), "categories such as those of 'job' do not have"),
    ]:
        with pytest.raises(ConfigError, match=words):
            closed(recipe, SCHEMA, 100)
    with pytest.raises(ConfigError, match="no column is a count"):
        built(Recipe("mlp", library_size=True, condition=("n", "m")))
