"""Filled cells against closed forms of a Gaussian, and against integrals over z where cells hold codes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent, MultivariateNormal, Normal

from contracts.imputation import (
    NAN,
    ORACLE,
    TABLE_ROWS,
    Encoder,
    OnLine,
    conditional,
    conditional_model,
    gaussian,
    joint,
    store,
    table,
    with_holes,
)
from velbo import VAE, LinearGaussian
from velbo.errors import ConfigError, DataError
from velbo.evaluation import impute, multiple_imputations
from velbo.evaluation.cells.multiple_imputation import order_of_bytes, refined, resampled
from velbo.likelihoods import Factorised
from velbo.likelihoods.coded import CodesCell
from velbo.priors import StandardNormal
from velbo.rows import Store
from velbo.runtime.generators import OwnGenerator


def test_conditional_means_and_spreads_of_a_gaussian_are_exact():
    """q is exact, so the weights are equal; draws have the exact first two moments of q. Rows with nothing, something
    and everything missing, the last of which has the mean and variance of p(x).
    """
    x = with_holes()
    found = impute(gaussian(), store(x), 80)
    torch.testing.assert_close(found.effective_samples[1:], torch.full((5,), 80.0).double())
    for row, value, spread in zip(x, found.x, found.spread, strict=True):
        mean, covariance = conditional(ORACLE, row)
        torch.testing.assert_close(value[row.isnan()], mean, rtol=0, atol=1e-9)
        torch.testing.assert_close(spread[row.isnan()], covariance.diagonal().sqrt(), rtol=0, atol=1e-9)
    torch.testing.assert_close(found.x[3], ORACLE.bias, rtol=0, atol=1e-9)


def test_weights_correct_a_posterior_that_is_wrong():
    """One latent, and a q that is flat: the weighted sums are integrals over z, exact to rounding."""
    oracle = LinearGaussian.random(5, 1, seed=4)
    x = with_holes(12, oracle)
    found = impute(VAE(OnLine(), oracle.vae().decoder, oracle.vae().prior), store(x), 100)
    for row, value, spread in zip(x, found.x, found.spread, strict=True):
        mean, covariance = conditional(oracle, row)
        torch.testing.assert_close(value[row.isnan()], mean, rtol=0, atol=1e-9)
        torch.testing.assert_close(spread[row.isnan()], covariance.diagonal().sqrt(), rtol=0, atol=1e-9)
    assert (found.effective_samples[1:6] < 50).all()


@torch.no_grad()
def test_codes_get_the_greatest_mass_and_numbers_their_mean():
    """Against p(x_d | x_obs) by an integral of 4,001 steps: categories, two of them padded, binary and levels."""
    model, x = table(), TABLE_ROWS
    found = impute(model, store(x), 100)
    z, log_p = joint(model.decoder, x)
    posterior = log_p.softmax(0)
    masses = {d: [] for d in (1, 2, 4, 5)}
    for d, values in ((1, [0, 1, 2]), (2, [0, 1]), (4, [0, 1]), (5, [0, 0.5, 1])):
        for value in values:
            cell = torch.full((1, 6), NAN).double()
            cell[0, d] = value
            masses[d].append((posterior * model.decode(z).log_prob(cell).exp()).sum(0))
        mass, best = torch.stack(masses[d]).max(0)
        gone = x[:, d].isnan()
        torch.testing.assert_close(found.x[gone, d], torch.tensor(values).double()[best[gone]])
        torch.testing.assert_close(found.spread[gone, d], 1 - mass[gone], rtol=0, atol=1e-9)
    assert len(set(found.x[x[:, 1].isnan(), 1].tolist())) > 1, "codes should depend on the row"
    for d in (0, 3):
        mean = model.decode(z).mean[..., d]
        first = (posterior * mean).sum(0)
        second = (posterior * (mean**2 + model.decode(z).variance[..., d])).sum(0)
        gone = x[:, d].isnan()
        torch.testing.assert_close(found.x[gone, d], first[gone], rtol=0, atol=1e-9)
        torch.testing.assert_close(found.spread[gone, d], (second - first**2).sqrt()[gone], rtol=0, atol=1e-9)


def test_the_error_falls_as_the_root_of_the_samples():
    """Real noise and a q that is off: 16 times the samples make a quarter of the error. Over 600 rows the ratio has a
    standard error of 4 % and is tested by 25 %; false alarm below 1e-6 over seeds.
    """
    model, x = gaussian(shift=0.1, wider=1.2, family=MultivariateNormal), with_holes(720)
    x = x[~x.isnan().all(-1)]  # equal rows have equal noise
    exact = x.clone()
    for row in exact:
        row[row.isnan()] = conditional(ORACLE, row)[0]
    errors = [(impute(model, store(x), k).x - exact)[x.isnan()].square().mean().sqrt() for k in (25, 400)]
    assert 3.0 < float(errors[0] / errors[1]) < 5.0
    # a share of p(x|z) is known without z, so the error is well within the spread over the root of K
    assert float(errors[1]) < float(impute(model, store(x), 25).spread[x.isnan()].mean()) / 20


def test_samples_grow_until_their_weights_are_worth_a_hundred():
    """An exact q is worth all of its first 250; a q that is off takes more, and a row is what its own K gives: the
    rounds of other rows change no bit. A q so bad that 4,000 are not worth 100 gets 4,000.
    """
    x = with_holes(13)
    gone = x.isnan().any(-1)
    exact = impute(gaussian(), store(x))
    assert torch.equal(exact.samples, torch.where(gone, 250, 0))
    rounds = set()
    for shift in (0.5, 1.0, 3.0):
        model = gaussian(shift=shift, family=MultivariateNormal)
        found = impute(model, store(x))
        for k in found.samples[gone].unique().tolist():
            rounds.add(k)
            rows = found.samples == k
            alone = impute(model, store(x), k)
            torch.testing.assert_close(found.x[rows], alone.x[rows], rtol=1e-9, atol=1e-9)
            torch.testing.assert_close(found.spread[rows], alone.spread[rows], rtol=1e-9, atol=1e-9)
            assert ((found.effective_samples[rows] >= 100) | torch.tensor(k == 4000)).all()
            if k > 250:
                assert (impute(model, store(x), {1000: 250, 4000: 1000}[k]).effective_samples[rows] < 100).all()
    assert rounds == {250, 1000, 4000}


def test_observed_cells_keep_their_bits():
    """Subnormal numbers, minus zero and far values in float32; rows without a hole take no samples."""
    x = with_holes().float()
    x[0] = torch.tensor([-0.0, 1e-42, 3e38, 0.1, -7.0])
    model = gaussian(family=MultivariateNormal)
    found = impute(model, Store(x, store(x).encoding, torch.float64), 30)
    draws = multiple_imputations(model, Store(x, store(x).encoding, torch.float64), 3, 5, 2)
    seen = ~x.isnan()
    for filled in (found.x, *draws):
        assert torch.equal(filled[seen].view(torch.int64), x[seen].double().view(torch.int64))
        assert filled.isfinite().all()
    assert (found.spread[seen] == 0).all()
    assert (found.spread[~seen] > 0).all()
    assert found.effective_samples[0].isnan()
    assert found.pareto_shape[0].isnan()
    assert found.pareto_shape[1:].isinf().all()  # q is exact: no tail


def test_whole_and_empty_data_come_back():
    whole, empty = ORACLE.sample(3), torch.empty(0, 5).double()
    for x in (whole, empty):
        assert torch.equal(impute(gaussian(), store(x), 4).x, x)
        assert torch.equal(multiple_imputations(gaussian(), store(x), 2), x.expand(2, -1, -1))
    levels = Store(torch.ones(2, 5, dtype=torch.uint8), store(whole).encoding, torch.float64)
    assert torch.equal(impute(gaussian(), levels).samples, torch.zeros(2, dtype=torch.int64))
    assert torch.equal(impute(gaussian(), levels).x, torch.ones(2, 5).double())


def test_neither_order_nor_neighbours_nor_chunks_matter(monkeypatch):
    """To rounding, with real noise; another seed is another result."""
    model, x = gaussian(shift=0.3, wider=1.2, family=MultivariateNormal), with_holes(13)
    whole = impute(model, store(x), 150)
    order = torch.randperm(13)
    others = {
        "again": (impute(model, store(x), 150), slice(None)),
        "order": (impute(model, store(x[order]), 150), order),
        "one row": (impute(model, store(x[4:5]), 150), slice(4, 5)),
        "single samples": (impute(model, store(x), 150, chunk=1), slice(None)),
        "remainders": (impute(model, store(x), 150, chunk=67), slice(None)),
    }
    monkeypatch.setattr("velbo.evaluation.bounds.chunks.CELLS_PER_CHUNK", 2000)
    others["few rows at a time"] = impute(model, store(x), 150), slice(None)
    for name, (found, rows) in others.items():
        for field in ("x", "spread", "effective_samples", "pareto_shape"):
            a, b = getattr(found, field), getattr(whole, field)[rows]
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9, equal_nan=True, msg=lambda m, n=name: f"{n}: {m}")
    assert not torch.allclose(impute(model, store(x), 150, seed=1).x[x.isnan()], whole.x[x.isnan()], atol=1e-6)


def check_moments(draws: Tensor, mean: Tensor, covariance: Tensor) -> None:
    """Draws (n, m) have them within 5 standard errors."""
    n, variance = len(draws), covariance.diagonal()
    assert ((draws.mean(0) - mean).abs() < 5 * (variance / n).sqrt()).all()
    error = ((variance.outer(variance) + covariance**2) / n).sqrt()
    assert ((draws.T.cov() - covariance).abs() < 5 * error).all()


def test_multiple_imputations_have_the_exact_conditional_law():
    """Mean and covariance of 3,000 draws within 5 standard errors by a q that is off, five rows, 45 moments: false
    alarm 3e-5 over seeds.
    """
    x = with_holes()
    model = gaussian(shift=0.1, wider=1.15, family=MultivariateNormal)
    draws = multiple_imputations(model, store(x), 3000, samples=50, steps=30)
    assert draws.shape == (3000, 6, 5)
    for i in range(1, 6):
        gone = x[i].isnan()
        check_moments(draws[:, i, gone], *conditional(ORACLE, x[i]))


@torch.no_grad()
def test_a_bad_start_is_forgotten():
    """Chains that begin far away are off by tens of standard errors, and after 60 steps within 5 of them: 14 moments of
    two rows, false alarm 1e-5 over seeds.
    """
    x = with_holes()[[2, 5]]
    model = gaussian(shift=0.1, wider=1.2, family=MultivariateNormal)
    far = torch.full((2000, 2, 2), 8.0).double()
    start, end = (refined(model, x, far, steps, OwnGenerator(seed))[0] for seed, steps in ((0, 0), (1, 60)))
    for i, row in enumerate(x):
        mean, covariance = conditional(ORACLE, row)
        wrong = (start[:, i, row.isnan()].mean(0) - mean).abs() / (covariance.diagonal() / 2000).sqrt()
        assert (wrong > 20).any()
        check_moments(end[:, i, row.isnan()], mean, covariance)


@torch.no_grad()
def test_steps_leave_the_exact_law_as_it_is():
    """From exact draws of z, three steps by a q that is far off (4 % of its proposals are accepted) change nothing: 9
    moments within 5 standard errors, false alarm 5e-6 over seeds; always accepting is off by tens of them.
    """
    x = with_holes()[2:3]
    exact = Encoder(family=MultivariateNormal)(x)
    z, poor = exact.sample(torch.Size((6000,))), gaussian(shift=0.8, wider=0.9, family=MultivariateNormal)
    mean, covariance = conditional(ORACLE, x[0])
    check_moments(refined(poor, x, z, 3, OwnGenerator(1))[0][:, 0, x[0].isnan()], mean, covariance)
    z = poor.encode(refined(poor, x, z, 0, OwnGenerator(2))[0]).sample()
    always = poor.decode(z).sample()[:, 0, x[0].isnan()]
    assert ((always.mean(0) - mean).abs() > 10 * (covariance.diagonal() / 6000).sqrt()).any()


class Three(Independent):
    """Always the same three draws."""

    def rsample(self, sample_shape=torch.Size()) -> Tensor:
        self.done = getattr(self, "done", 0) + sample_shape[0]
        points = torch.tensor([-1.0, 0.0, 1.5]).double()[self.done - sample_shape[0] : self.done]
        return points.view(-1, 1, 1).expand(-1, *self.batch_shape, 1)


@pytest.mark.parametrize("chunk", [1, 2, 3])
@torch.no_grad()
def test_resampling_is_in_proportion_to_the_weights(chunk):
    """Shares of 20,000 among three known z, two rows, within 5 standard errors (6 shares: false alarm 3e-6), and the
    sum of the weights exactly, in any chunks.
    """

    class Encode(nn.Module):
        def forward(self, x: Tensor) -> Distribution:
            return Three(Normal(torch.zeros(len(x), 1).double(), 1.0), 1)

    model = table()
    model.encoder, x = Encode(), TABLE_ROWS[:2]
    z, log_sum = resampled(model, x, 20_000, 3, chunk, OwnGenerator(0))
    points = torch.tensor([-1.0, 0.0, 1.5]).double()
    log_w = model.decode(points.view(3, 1, 1)).log_prob(x)  # q is the prior
    torch.testing.assert_close(log_sum, log_w.logsumexp(0))
    share = log_w.softmax(0)
    found = torch.stack([(z[..., 0] == p).double().mean(0) for p in points])
    assert ((found - share).abs() < 5 * (share * (1 - share) / 20_000).sqrt()).all()


def test_draws_are_fixed_by_the_seed_and_not_by_the_order(monkeypatch):
    """Bit for bit; equal rows have draws of their own, and the global generator is left alone."""
    model, x = gaussian(shift=0.1, wider=1.2, family=MultivariateNormal), with_holes(13)
    before = torch.get_rng_state()
    monkeypatch.setattr("velbo.evaluation.bounds.chunks.CELLS_PER_CHUNK", 400)
    draws = multiple_imputations(model, store(x), 3, 7, 2)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(multiple_imputations(model, store(x), 3, 7, 2), draws)
    order = torch.tensor([12, 0, 4, 8, 1, 2, 11, 10, 9, 3, 7, 6, 5])
    known = x.isnan().all(-1)  # equal rows may change places
    moved = multiple_imputations(model, store(x[order]), 3, 7, 2)
    assert torch.equal(moved[:, ~known[order]], draws[:, order][:, ~known[order]])
    assert not torch.equal(multiple_imputations(model, store(x), 3, 7, 2, seed=1), draws)
    assert len(draws[:, known].unique(dim=1)[0]) == int(known.sum()) == 2
    assert order_of_bytes(x[order]).tolist() != list(range(13))
    assert torch.equal(x[order][order_of_bytes(x[order])].isnan(), x[order_of_bytes(x)].isnan())


@torch.no_grad()
def test_draws_of_codes_are_codes_with_the_masses_of_the_integral():
    """4,000 draws of a row with every kind of cell missing; shares of each code within 5 standard errors of the exact
    masses, 9 of them, false alarm 5e-6 over seeds.
    """
    model = table()

    class Wide(nn.Module):
        def forward(self, x: Tensor) -> Distribution:
            return Independent(Normal(torch.zeros(*x.shape[:-1], 1).double(), 1.3), 1)

    model.encoder, x = Wide(), TABLE_ROWS[1:3]
    draws = multiple_imputations(model, store(x), 4000, 50, 20)
    z, log_p = joint(model.decoder, x)
    for row, d, values in ((0, 2, [0, 1]), (0, 4, [0, 1]), (1, 1, [0, 1, 2]), (1, 5, [0, 0.5, 1])):
        assert set(draws[:, row, d].tolist()) <= set(map(float, values))
        for value in values:
            cell = torch.full((1, 6), NAN).double()
            cell[0, d] = value
            mass = (log_p[:, row].softmax(0) * model.decode(z).log_prob(cell)[:, 0].exp()).sum()
            share = (draws[:, row, d] == value).double().mean()
            assert float((share - mass).abs()) < 5 * math.sqrt(float(mass * (1 - mass)) / 4000)


class Shy(Factorised):
    """Cells N(z, 1) that are missing with probability sigmoid(2 z), and are then N(z + 1, 0.5^2)."""

    def __init__(self, z: Tensor, n: int) -> None:
        self.z = z
        super().__init__(Normal(z.expand(*z.shape[:-1], n), 1.0))

    def log_prob_cells(self, value: Tensor) -> Tensor:
        missing, logit = value.isnan(), 2 * self.z
        seen = self.cell.log_prob(torch.nan_to_num(value)) + nn.functional.logsigmoid(-logit)
        return torch.where(missing, nn.functional.logsigmoid(logit), seen)

    def log_prob(self, value: Tensor) -> Tensor:
        return self.log_prob_cells(value).sum(-1)

    @property
    def given_missing(self) -> Factorised:
        return Factorised(Normal(self.cell.mean + 1, 0.5))


class ShyDecoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1).double())

    def forward(self, z: Tensor) -> Shy:
        return Shy(z + self.anchor, 3)


class FromMean(nn.Module):
    """A q that follows what is filled in, and is not the posterior."""

    def forward(self, x: Tensor) -> Distribution:
        return Independent(Normal(x.nanmean(-1, keepdim=True) * 0.7, 0.9), 1)


def test_cells_missing_not_at_random_are_given_that_they_are_missing():
    """The mask says something of z, and p(x_d|z, missing) is another: means against integrals, exactly by `impute`,
    within 5 standard errors of 4,000 by draws (3 cells, false alarm 2e-6 over seeds).
    """
    x = torch.tensor([[0.5, NAN, NAN], [-1.0, 0.2, NAN]]).double()
    decoder, prior = ShyDecoder(), StandardNormal(1).double()
    z, log_p = joint(decoder, x)
    mean = (log_p.softmax(0) * (z[..., 0] + 1)).sum(0)
    spread = ((log_p.softmax(0) * (z[..., 0] + 1 - mean) ** 2).sum(0) + 0.25).sqrt()
    found = impute(VAE(OnLine(), decoder, prior), store(x), 100)
    draws = multiple_imputations(VAE(FromMean(), decoder, prior), store(x), 4000, 50, 20)
    for row, d in ((0, 1), (0, 2), (1, 2)):
        assert float(found.x[row, d]) == pytest.approx(float(mean[row]), abs=1e-9)
        assert float(found.spread[row, d]) == pytest.approx(float(spread[row]), abs=1e-9)
        assert abs(float(draws[:, row, d].mean() - mean[row])) < 5 * float(spread[row]) / math.sqrt(4000)


def test_conditional_models_are_given_what_each_row_has():
    """p(x_2 | x_1, c) in closed form; a missing cell of a given column has no likelihood and stays missing."""
    x = torch.tensor([[0.5, 1.0, NAN], [-2.0, 1.0, NAN], [NAN, 1.0, NAN], [NAN, 2.0, 3.0]]).double()
    found = impute(conditional_model(OnLine()), store(x), 100)
    c = torch.nan_to_num(x[:3, 0])
    torch.testing.assert_close(found.x[:3, 2], (1.0 - c) / 2 * 2 - c, rtol=0, atol=1e-9)
    torch.testing.assert_close(found.spread[:3, 2], torch.full((3,), math.sqrt(4 / 2 + 1)).double())
    model = conditional_model(FromMean())
    draws = multiple_imputations(model, store(x), 4000, 20, 20)
    for filled in (found.x, draws[0]):
        assert filled[2:, 0].isnan().all()
        assert filled[:2].isfinite().all()
        assert filled[2:, 1:].isfinite().all()
    assert found.effective_samples.isnan().tolist() == [False, False, False, True]
    assert ((draws[:, :3, 2].mean(0) - found.x[:3, 2]).abs() < 5 * math.sqrt(3 / 4000)).all()
    last = store(x[3:])
    for filled in (impute(model, last).x, multiple_imputations(model, last, 1)[0]):
        torch.testing.assert_close(filled, x[3:], rtol=0, atol=0, equal_nan=True)


def test_what_cannot_be_filled_is_told():
    x = store(with_holes())
    for wrong in ({"samples": 0}, {"chunk": 0}):
        with pytest.raises(ConfigError, match="at least 1"):
            impute(gaussian(), x, **wrong)
    for wrong in ({"n": 0}, {"n": 1, "samples": 0}, {"n": 1, "steps": -1}):
        with pytest.raises(ConfigError, match="at least"):
            multiple_imputations(gaussian(), x, **wrong)
    for fill in (lambda m, x: impute(m, x, 4), lambda m, x: multiple_imputations(m, x, 2, 3, 1)):
        with pytest.raises(DataError, match=r"row 1: .* is nan: .*FillMissing\(mask=True\)"):
            fill(ORACLE.vae(), x)

        class Joint(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = ORACLE.vae().decoder

            def forward(self, z: Tensor) -> Distribution:
                return Independent(self.inner(z).cell, 1)

        with pytest.raises(ConfigError, match=r"Independent, does not tell of its cells.*Factorised"):
            fill(VAE(Encoder(), Joint(), ORACLE.vae().prior), x)

        class Impossible(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = ORACLE.vae().decoder

            def forward(self, z: Tensor) -> Factorised:
                cell = CodesCell(torch.tensor([0.0, -math.inf]).double().expand(*z.shape[:-1], 5, 2))
                return Factorised(cell)

        codes = torch.zeros(3, 5).double()
        codes[2, 0], codes[2, 1] = 1.0, NAN
        with pytest.raises(DataError, match=r"row 2: .* is -inf: .*check_support"):
            fill(VAE(Encoder(family=MultivariateNormal), Impossible(), ORACLE.vae().prior), store(codes))


def test_plain_binary_cells_get_means():
    """Cells of arrays, without log_masses: the mean, a probability, and its spread sqrt(p (1 - p))."""

    class Coin(ShyDecoder):
        def forward(self, z: Tensor) -> Factorised:  # type: ignore[override]
            return Factorised(Bernoulli(logits=(z + self.anchor).expand(*z.shape[:-1], 2)))

    x = torch.tensor([[1.0, NAN]]).double()
    found = impute(VAE(OnLine(), Coin(), StandardNormal(1).double()), store(x), 100)
    z, log_p = joint(Coin(), x)
    p = float((log_p.softmax(0) * torch.sigmoid(z[..., 0])).sum())
    assert float(found.x[0, 1]) == pytest.approx(p, abs=1e-9)
    assert float(found.spread[0, 1]) == pytest.approx(math.sqrt(p * (1 - p)), abs=1e-9)
