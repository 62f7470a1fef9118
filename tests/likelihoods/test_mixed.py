"""One p(x|z) of a table from one likelihood a column."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from velbo import VAE
from velbo.checks import check_support
from velbo.errors import ConfigError, DataError
from velbo.likelihoods import LIKELIHOODS, Factorised, Mixed, Normal, likelihood_of, point_estimate
from velbo.likelihoods.counts import initial_rate
from velbo.nets import MLP
from velbo.posteriors import DiagonalNormal
from velbo.priors import StandardNormal
from velbo.rows import KINDS, Field

F = 6

CODED = ("binary", "categorical", "ordinal")
COLUMNS = (
    Field("colour", "categorical", categories=("red", "green", "blue", "grey")),
    Field("height", "real", low=120, high=210, location=170, scale=12),
    Field("visits", "count", low=0, high=40),
    Field("age", "integer", low=17, high=90, location=38.6, scale=13.7),
    Field("member", "binary", categories=(False, True)),
    Field("since", "datetime", low=0, high=1e9, location=5e8, scale=3e8),
    Field("income", "positive", low=10, high=1e6, scale=3e4),
    Field("size", "categorical", categories=("a", "b")),
    Field("grade", "ordinal", categories=("low", "middle", "high")),
    Field("shade", "byte", levels=8),
    Field("share", "bounded", location=0, scale=100, low=3, high=99),
    Field("weight", "real", low=-3, high=3),
    Field("grip", "ordinal", categories=(1, 2, 3, 4, 5)),
)
D = len(COLUMNS)


def rows(n: int, columns: tuple[Field, ...] = COLUMNS) -> Tensor:
    """x of valid rows, (n, D) float64."""
    draws = {
        "real": lambda c: torch.randn(n),
        "datetime": lambda c: torch.randn(n),
        "positive": lambda c: torch.randn(n).exp(),
        "bounded": lambda c: torch.rand(n) * 0.98 + 0.01,
        "integer": lambda c: (torch.randint(int(c.low), int(c.high) + 1, (n,)).double() - c.location) / c.scale,
        "count": lambda c: torch.randint(0, 9, (n,)),
        "byte": lambda c: torch.randint(0, c.levels, (n,)) / (c.levels - 1),
    }
    codes = {kind: lambda c: torch.randint(0, c.n_categories, (n,)) for kind in CODED}
    return torch.stack([(draws | codes)[c.kind](c).double() for c in columns], -1)


def mixed(columns: tuple[Field, ...] = COLUMNS, **options) -> Mixed:
    return Mixed(F, columns, **options).double()


def test_log_prob_is_the_sum_of_the_heads_on_their_columns():
    """And of every cell by itself; the heads are as many as the likelihoods."""
    model, h, x = mixed(), torch.randn(3, 7, F).double(), rows(7)
    names = [likelihood_of(c) for c in COLUMNS]
    assert set(model.heads) == set(names)
    expected, cells = torch.zeros(3, 7).double(), torch.zeros(3, 7, D).double()
    for name, head in model.heads.items():
        at = [d for d in range(D) if names[d] == name]
        expected += head(h).log_prob(x[:, at])
        cells[..., at] = head(h).log_prob_cells(x[:, at])
    p = model(h)
    assert p.batch_shape == (3, 7)
    assert p.event_shape == (D,)
    torch.testing.assert_close(p.log_prob(x), expected)
    assert torch.equal(p.log_prob_cells(x), cells)
    torch.testing.assert_close(p.log_prob_cells(x).sum(-1), p.log_prob(x))


def test_missing_cells_add_exactly_zero_to_value_and_gradient():
    """A row without a hole keeps its value, a hole takes its cell's part away, and a row of holes teaches nothing."""
    model, h, x = mixed(), torch.randn(D, F, requires_grad=True, dtype=torch.float64), rows(D)
    p, holes = model(h), x.clone()
    holes.fill_diagonal_(math.nan)
    whole = p.log_prob_cells(x)
    torch.testing.assert_close(p.log_prob(holes), p.log_prob(x) - whole.diagonal())
    assert (p.log_prob_cells(holes).diagonal() == 0).all()
    assert (p.log_prob(torch.full_like(x, math.nan)) == 0).all()
    for g in torch.autograd.grad(p.log_prob(holes).sum(), [h, *model.parameters()], retain_graph=True):
        assert g.isfinite().all()
    gradient = torch.autograd.grad(model(h).log_prob(torch.full_like(x, math.nan)).sum(), h)[0]
    assert (gradient == 0).all()


def test_permuting_the_columns_permutes_everything():
    """Columns that share a head keep their order here, so that the same weights serve both models."""
    order = sorted(range(D), key=lambda d: (-list(LIKELIHOODS).index(likelihood_of(COLUMNS[d])), d))
    assert order != list(range(D))
    there, back = mixed(), mixed(tuple(COLUMNS[d] for d in order))
    back.load_state_dict(there.state_dict())
    h, x = torch.randn(5, F).double(), rows(5)
    p, q = there(h), back(h)
    torch.testing.assert_close(q.log_prob(x[:, order]), p.log_prob(x))
    assert torch.equal(q.log_prob_cells(x[:, order]), p.log_prob_cells(x)[:, order])
    for ours, theirs in ((q.mean, p.mean), (q.mode, p.mode), (q.variance, p.variance)):
        assert torch.equal(ours, theirs[:, order])
    assert torch.equal(point_estimate(q), point_estimate(p)[:, order])


def test_samples_have_the_mean_and_the_variance_and_lie_in_the_support():
    """4000 draws of 12 cells: 5 standard errors of the mean, false alarm below 1e-5 over seeds; the variance's share is
    that of the log-normal's tails, so a third is allowed there.
    """
    with torch.no_grad():
        p = mixed()(0.3 * torch.randn(1, F).double())
        x = p.sample(torch.Size((4000,)))
    assert x.shape == (4000, 1, D)
    assert p.support.check(x).all()
    assert ((x.mean(0) - p.mean).abs() < 5 * (p.variance / 4000).sqrt()).all()
    light = [d for d, c in enumerate(COLUMNS) if c.kind != "positive"]
    torch.testing.assert_close(x.var(0)[:, light], p.variance[:, light], rtol=0.33, atol=0)


def test_point_estimates_are_modes_of_codes_and_means_of_numbers():
    p = mixed()(torch.randn(9, F).double())
    shown = point_estimate(p)
    for d, column in enumerate(COLUMNS):
        expected = p.mode if column.kind in CODED else p.mean
        assert torch.equal(shown[:, d], expected[:, d])


def test_given_columns_have_no_likelihood():
    """They add 0 whatever they hold, even nothing, and no weights are spent on them."""
    given = [1, 4, 11]
    model, x = mixed(given=given), rows(5)
    p = model(torch.randn(5, F).double())
    other = x.clone()
    other[:, given] = torch.tensor([1e9, math.nan, -3]).double()
    assert torch.equal(p.log_prob(x), p.log_prob(other))
    assert (p.log_prob_cells(other)[:, given] == 0).all()
    assert p.support.check(other).all()
    rest = [d for d in range(D) if d not in given]
    for value in (p.mean, p.mode, p.variance, p.sample(), point_estimate(p)):
        assert value[:, given].isnan().all()
        assert not value[:, rest].isnan().any()
    assert sorted(int(d) for at, _ in p.parts for d in at) == rest
    assert "bernoulli" not in model.heads
    with pytest.raises(ConfigError, match="every column is given"):
        mixed(COLUMNS[:2], given=[0, 1])


def test_parts_tell_where_categories_are():
    p = mixed()(torch.randn(4, F).double())
    for at, part in p.parts:
        kinds = {COLUMNS[d].kind for d in at}
        assert part.is_coded == kinds.issubset(CODED)
        assert part.event_shape == at.shape
    for law in (p.given_missing, p.given_observed):
        assert all(ours is theirs for (_, ours), (_, theirs) in zip(law.parts, p.parts, strict=True))


def test_expand_and_the_contract_of_one_part():
    p, x = mixed()(torch.randn(1, F).double()), rows(4)
    assert p.expand(torch.Size((4,))).log_prob(x).shape == (4,)
    one = Normal(F, 3, 1.0)(torch.randn(4, F))
    ((at, part),) = one.parts
    assert part is one
    assert torch.equal(point_estimate(one), one.mean)
    assert at.tolist() == [0, 1, 2]


def test_support_is_every_columns_own():
    p, x = mixed()(torch.zeros(1, F).double()), rows(1)
    wrong = {"colour": 4.0, "visits": 1.5, "member": 2.0, "income": 0.0, "size": 2.0, "grade": -1.0, "share": 1.1}
    assert p.support.check(x).all()
    for d, column in enumerate(COLUMNS):
        if column.name in wrong:
            bad = x.clone()
            bad[0, d] = wrong[column.name]
            assert not p.support.check(bad).any(), column.name


def test_a_model_checks_its_data_with_holes_in_any_column():
    """0 stands for no positive number, and where a cell is missing nothing has to."""
    encoder, decoder = torch.nn.Linear(D, F), torch.nn.Sequential(MLP(2, F), Mixed(F, COLUMNS))
    model = VAE(torch.nn.Sequential(encoder, DiagonalNormal(F, 2)), decoder, StandardNormal(2))
    x = rows(D).float()
    holes = x.clone().fill_diagonal_(math.nan)
    check_support(model, x)
    check_support(model, holes)
    holes[0, 6] = -1
    with pytest.raises(DataError, match="support"):
        check_support(model, holes)


@pytest.mark.parametrize("name", ["negative-binomial", "zero-inflated-negative-binomial", "poisson"])
def test_means_of_counts_sum_to_the_library_size(name: str):
    """Over all count columns that are not given; other columns do not notice."""
    counts = tuple(Field(f"gene{i}", "count", low=0, high=50, likelihood=name) for i in range(5))
    columns = (COLUMNS[1], *counts, COLUMNS[0])
    model = mixed(columns, given=[2], library=True)
    h, library = torch.randn(3, 4, F).double(), torch.tensor([[10.0], [200.0], [3000.0], [1.0]]).double()
    sized, free = model(h, library), model(h)
    cell = dict(zip(model.heads, (part.cell for _, part in sized.parts), strict=True))[name]
    total = getattr(cell, "counts", cell).mean.sum(-1)
    torch.testing.assert_close(total, library[:, 0].expand(3, 4))
    x = rows(4, columns)
    others = [0, 6]
    assert torch.equal(sized.log_prob_cells(x)[..., others], free.log_prob_cells(x)[..., others])
    assert (sized.log_prob_cells(x)[..., 1] != free.log_prob_cells(x)[..., 1]).all()


def test_a_library_size_needs_one_likelihood_of_counts():
    poisson, mixture = (replace(COLUMNS[2], likelihood=name) for name in ("poisson", "discretized-mixture"))
    for columns in ((COLUMNS[2], poisson), (mixture,), (COLUMNS[1],)):
        with pytest.raises(ConfigError, match="library size"):
            Mixed(F, columns, library=True)


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.is_modelled])
def test_every_likelihood_that_suits_a_kind_scores_and_draws_its_columns(kind: str):
    plain = next(c for c in COLUMNS if c.kind == kind)
    assert likelihood_of(plain) == KINDS[kind].likelihood
    for name in (n for n, cell in LIKELIHOODS.items() if kind in cell.kinds):
        columns = (replace(plain, likelihood=name),) * 2
        p = Mixed(F, columns)(0.1 * torch.randn(50, F))
        x = rows(50, columns).float()
        assert p.log_prob(x).isfinite().all()
        assert p.support.check(p.sample()).all()
        assert point_estimate(p).isfinite().all()
        # nowhere as bad as a head that begins far from its data
        assert float(p.log_prob(x).mean().detach()) > -16


def test_one_likelihood_for_all_is_that_heads_own_distribution():
    """As for an array: nothing is taken apart and put together again."""
    model, h = mixed((Field("", "real", likelihood="normal"),) * 5), torch.randn(3, F).double()
    (head,) = model.heads.values()
    p = model(h)
    assert isinstance(p, Factorised)
    x = torch.randn(3, 5).double()
    assert torch.equal(p.log_prob(x), head(h).log_prob(x))
    assert not isinstance(mixed((Field("", "real"),) * 3, given=[1])(h), Factorised)


def test_cells_of_another_number_of_levels_have_another_head():
    """And those whose values have names another than those that have none."""
    byte, binary = Field("", "byte"), Field("", "binary")
    columns = (byte, replace(byte, levels=5), binary, replace(binary, categories=("no", "yes")), byte)
    model = mixed(columns)
    p, x = model(torch.randn(4, F).double()), torch.tensor([[1 / 255, 0.75, 1, 1, 1.0]]).double().expand(4, -1)
    parts = {tuple(at.tolist()): part for at, part in p.parts}
    assert set(parts) == {(0, 4), (1,), (2,), (3,)}
    assert [parts[at].cell.n_levels for at in ((0, 4), (1,))] == [256, 5]
    assert [parts[at].is_coded for at in ((2,), (3,))] == [False, True]
    assert p.log_prob(x).isfinite().all()
    assert torch.equal(point_estimate(p)[:, 2], p.mean[:, 2])
    assert torch.equal(point_estimate(p)[:, 3], p.mode[:, 3])
    other = mixed(columns)
    other.load_state_dict(model.state_dict())


def test_pixels_of_several_kinds_are_those_of_their_position():
    """Three channels at each of four positions, and behind them a label that is given: the cells of a position depend
    on its features alone, and every channel's on its own weights.
    """
    channels = (Field("", "byte", levels=5), Field("", "binary"), Field("", "byte", levels=5))
    cells = (*channels * 4, Field("label", "categorical", categories=("a", "b")))
    model, h = mixed(cells, given=[12], positions=4), torch.randn(2, 4, F).double()
    x = torch.cat([torch.tensor([0.25, 1.0, 0.5])] * 4 + [torch.zeros(1)]).double().expand(2, 13)
    log_p = model(h).log_prob_cells(x)
    assert (log_p[:, 12] == 0).all()
    assert len(model.heads) == 2
    moved = h.clone()
    moved[:, 2] += 1
    changed = (model(moved).log_prob_cells(x) != log_p).all(0)
    assert changed.nonzero().flatten().tolist() == [6, 7, 8]
    alike = model(h[:, :1].expand(2, 4, F)).log_prob_cells(x)[:, :12].view(2, 4, 3)
    torch.testing.assert_close(alike, alike[:, :1].expand(2, 4, 3))
    with pytest.raises(ConfigError, match="13 cells cannot be dealt out evenly among 4 positions"):
        mixed(cells, positions=4)


def test_counts_begin_near_the_middle_of_their_range():
    few, many = (Field("n", "count", low=0, high=high) for high in (1, 9999))
    assert initial_rate(few) == pytest.approx(math.sqrt(2) - 1)
    assert initial_rate(many) == pytest.approx(99)
    assert initial_rate(replace(few, high=0)) > 0


def test_errors_name_the_column_and_what_to_type():
    with pytest.raises(ConfigError, match=r"of 'age'.*Did you mean 'poisson'"):
        likelihood_of(Field("age", "count", likelihood="poison"))
    with pytest.raises(ConfigError, match=r"'age'.*kind real or datetime.*'count'.*negative-binomial"):
        likelihood_of(Field("age", "count", likelihood="normal"))
    with pytest.raises(ConfigError, match=r"'age'.*no likelihood"):
        likelihood_of(Field("age", "constant"))


def test_nothing_of_the_schema_is_in_the_weights():
    """So that a model's file holds what was learned, and the schema what was not."""
    model = mixed()
    assert set(model.state_dict()) == {name for name, _ in model.named_parameters()}
    assert all(isinstance(part, Factorised) for _, part in model(torch.randn(1, F).double()).parts)
