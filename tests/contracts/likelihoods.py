"""What every member of the registry of likelihoods promises: one inherited suite, of cells of every kind that it suits.

Random tests use fixed seeds; their stated false-alarm rates are over seeds.
"""

from __future__ import annotations

import math

import torch
from scipy.stats import kstest
from torch import Tensor

from contracts.cell_kinds import KINDS, D, Kind, Line, Sums
from contracts.elsewhere import ELSEWHERE, there, watched
from contracts.extremes import ExtremesContract
from velbo.likelihoods import LIKELIHOODS, Cell, Factorised, Likelihood
from velbo.likelihoods.coded import CodedCell

F = 5
FINE, SPARSE, SPARSE_ERROR = 801, 49, 2e-3
"""Nodes of rules, and the error of few."""
ENOUGH, MANY = 8_000, 60_000
"""Whole numbers to sum over."""


class LikelihoodContract(ExtremesContract):
    """A member gives a name of the registry and a kind of field that it suits."""

    name: str
    kind: str

    @property
    def cells(self) -> Kind:
        return KINDS[self.kind]

    def head(self, positions: int = 1) -> Likelihood:
        return LIKELIHOODS[self.name].of(F, self.cells.of(positions), positions)

    def p(self, *lead: int, spread: float = 1.0) -> Factorised:
        with torch.no_grad():
            found = self.head().double()(spread * torch.randn(*lead, F, dtype=torch.float64))
        assert isinstance(found, Factorised)
        return found

    def sums(self, p: Factorised) -> tuple[Sums, Tensor]:
        """Over the values of the cells, and the masses of all points of the support, (n, rows, D)."""
        centre = None
        if self.cells.line is not None:
            low, high = self.cells.ends
            is_inside = (p.mode > low) & (p.mode < high)
            centre = self.cells.line.to(torch.where(is_inside, p.mode, p.mean))
        sums = self.cells.sums(ENOUGH, centre)
        is_valid = p.cell.support.check(sums.points)
        return sums, torch.where(is_valid, p.log_prob_cells(sums.points).exp(), 0.0) * sums.weights

    # -- one distribution

    def test_a_pass_computes_where_the_head_is_and_waits_for_nothing(self):
        """So that a GPU is given a whole step at once."""
        head, x = there(self.head()), self.cells.draw(7).float().to(ELSEWHERE)
        with watched():
            head(torch.zeros(7, F, device=ELSEWHERE)).log_prob(x).sum().backward()

    def test_what_lies_below_and_at_a_value_is_the_sum_of_log_prob(self):
        """By enumeration, or by Gauss and Legendre's rule in every piece; and nothing lies outside the support."""
        p = self.p(4, spread=2.0)
        sums, masses = self.sums(p)
        if sums.edges is None:
            below, at = p.cell.below_and_at(sums.points)
            torch.testing.assert_close(torch.where(masses > 0, at.double(), 0.0), masses, atol=1e-12, rtol=1e-9)
            first = below[:1].double()
            torch.testing.assert_close(below.double(), first + masses.cumsum(0) - masses, atol=1e-9, rtol=0)
        else:
            below, at = p.cell.below_and_at(sums.edges)
            assert (at == 0).all()
            pieces = masses.unflatten(0, (len(sums.edges) - 1, -1)).sum(1)
            # just below 1 the numbers are too coarse to integrate over
            kept = sums.edges[1:] < 1 - 1e-7 if self.kind == "bounded" else torch.ones_like(pieces).bool()
            torch.testing.assert_close(below.double().diff(dim=0)[kept], pieces[kept], atol=1e-9, rtol=0)
        low, high = (torch.full((4, D), end, dtype=torch.float64) for end in self.cells.ends)
        assert (p.cell.below_and_at(low)[0].abs() < 1e-12).all()
        torch.testing.assert_close(sum(p.cell.below_and_at(high)).double(), torch.ones(4, D).double())  # type: ignore[union-attr]

    def test_it_integrates_to_one_in_float32_at_extreme_parameters(self):
        """Of features of size 1 to 1000, to 1e-3: log_prob in float32 sums to what the distribution function says in
        float64 of the values that it is summed over; with features of size 1 these are all, but for those next to 1.
        """
        for size in (1.0, 10.0, 100.0, 1000.0):
            with torch.no_grad():
                cell = self.head()(size * torch.randn(4, F)).cell
            exact = cell.rebuilt(*(t.double() for t in cell.parameters))
            if self.cells.line is None:
                x = self.cells.sums(MANY).points.float().expand(-1, 4, D)
                weights = cell.support.check(x).double()
            else:
                x, weights = between_draws(cell, self.cells.line)
            mass = (cell.log_prob(x).double().exp() * weights).sum(0)
            (below, _), (above, at) = (exact.below_and_at(x[i].double()) for i in (0, -1))
            expected = (above + torch.where(cell.support.check(x[-1]), at, 0.0) - below).double()
            torch.testing.assert_close(mass, expected, atol=1e-3, rtol=0)
            if size == 1 and self.kind != "bounded":
                torch.testing.assert_close(mass, torch.ones_like(mass), atol=2e-3, rtol=0)

    def test_samples_lie_in_the_support_and_follow_the_distribution_function(self):
        """u = P(X < x) + v P(X = x) is uniform for v ~ U(0, 1), by Kolmogorov and Smirnov; and the mean is that of the
        samples, within 5 standard errors. False alarm below 1e-4 over seeds for 3 cells.
        """
        p = self.p(1, spread=0.5)
        x = p.sample(torch.Size((2000,)))
        assert x.shape == (2000, 1, D)
        assert p.support.check(x).all()
        below, at = p.cell.below_and_at(x)
        u = below + torch.rand(2000, 1, D) * at
        for d in range(D):
            assert kstest(u[:, 0, d].numpy(), "uniform").pvalue > 1e-5
        if not p.is_coded:
            assert ((x.mean(0) - p.mean).abs() < 5 * (p.variance / 2000).sqrt() + 1e-9).all()

    def test_moments_and_mode_are_those_of_log_prob(self):
        """By quadrature or enumeration. A mode is as high as any value, to within 0.1 nats, unless it is an end."""
        p = self.p(5, spread=0.5)
        sums, masses = self.sums(p)
        x = sums.points
        mean = (masses * x).sum(0)
        torch.testing.assert_close(p.mean, mean, rtol=1e-7, atol=1e-7)
        variance = (masses * (x - mean).square()).sum(0)
        torch.testing.assert_close(p.variance, variance, rtol=1e-7, atol=1e-7)
        mode, highest = p.mode, p.log_prob_cells(x.expand(-1, 5, D)).amax(0)
        inner = (mode > 0) & (mode < 1) if self.kind in ("positive", "bounded") else torch.ones_like(mode).bool()
        assert (p.log_prob_cells(mode) >= highest - 0.1)[inner].all()
        assert p.support.check(mode)[inner.all(-1)].all()

    # -- what the mask of a missing cell asks

    def test_the_rule_gives_expectations(self):
        """Of a sigmoid of the coordinate, with few nodes and with many; of 1 it is exact."""
        p = self.p(4, spread=0.7)

        def f(x: Tensor) -> Tensor:
            return torch.sigmoid(0.3 + 1.5 * p.cell.coordinate(x))

        sums, masses = self.sums(p)
        # what is beyond the ends of an integral is small, and f is bounded
        error = (1 - masses.sum(0)).abs() + 2e-6
        expected = torch.where(masses > 0, masses * f(sums.points), 0.0).sum(0)
        for nodes, most in ((SPARSE, SPARSE_ERROR), (FINE, 0.0)):
            points, log_w = p.cell.rule(nodes)
            torch.testing.assert_close(log_w.exp().sum(0).expand(4, D), torch.ones(4, D).double())
            assert (((log_w.exp() * f(points)).sum(0) - expected).abs() <= most + error).all()

    def test_the_rule_is_finite_in_float32_whatever_the_features(self):
        """And so is the gradient of an expectation."""
        for size in (1.0, 100.0):
            head, h = self.head(), (size * torch.randn(50, F)).requires_grad_()
            cell = head(h).cell
            points, log_w = cell.rule(SPARSE)
            assert points.isfinite().all()
            assert not log_w.isnan().any()
            expected = torch.logsumexp(log_w + torch.sigmoid(cell.coordinate(points)), 0)
            for g in torch.autograd.grad(expected.sum(), [h, *head.parameters()], allow_unused=True):
                assert g is None or g.isfinite().all()

    def test_the_coordinate_is_monotone_and_finite(self):
        x = self.cells.into_support(self.cells.sums(ENOUGH).points[:, 0].sort(0).values)
        cell = self.p(1).cell
        assert (cell.coordinate(x).diff(dim=0) >= 0).all()
        far = self.cells.into_support(torch.tensor([-1e30, 0.0, 1e30])[:, None].expand(-1, D).clone())
        assert self.head()(torch.zeros(1, F)).cell.coordinate(far).isfinite().all()

    # -- cells among others

    def test_some_of_the_cells_are_those_cells(self):
        p, x, places = self.p(2, 4), self.cells.draw(4), torch.tensor([2, 0])
        some = p.cell.at(places)
        assert some.batch_shape == (2, 4, 2)
        torch.testing.assert_close(some.log_prob(x[:, places]), p.log_prob_cells(x)[..., places])
        torch.testing.assert_close(some.mean, p.mean[..., places])
        points, log_w = some.rule(15)
        assert torch.broadcast_shapes(points.shape, log_w.shape)[1:] == (2, 4, 2)

    def test_expanded_cells_are_the_same(self):
        p, x = self.p(1), self.cells.draw(4)
        wide = p.expand(torch.Size((2, 4)))
        assert wide.log_prob(x).shape == (2, 4)
        torch.testing.assert_close(wide.log_prob_cells(x)[1], p.log_prob_cells(x))
        torch.testing.assert_close(wide.variance[1], p.variance.expand(4, D))
        assert wide.sample().shape == (2, 4, D)

    def test_leading_dimensions_are_free(self):
        head, h, x = self.head(), torch.randn(2, 7, 4, F), self.cells.draw(4).float()
        whole = head(h).log_prob(x)
        assert whole.shape == (2, 7, 4)
        torch.testing.assert_close(whole[1, 3], head(h[1, 3]).log_prob(x))

    def test_positions_fold_into_cells(self):
        """The parameters of a position are those of its features, and its cells follow those before."""
        head, h = self.head(positions=6), torch.randn(2, 6, F)
        p, x = head(h), self.cells.draw(12).float().view(2, 6 * D)
        assert p.event_shape == (6 * D,)
        assert head.n_cells == 6 * D
        swapped = head(h.flip(1)).log_prob_cells(x.view(2, 6, D).flip(1).flatten(1)).view(2, 6, D).flip(1).flatten(1)
        torch.testing.assert_close(swapped, p.log_prob_cells(x))

    def test_groups_share_a_head_or_do_not(self):
        member = LIKELIHOODS[self.name]
        assert len({member.group(c) for c in self.cells.columns}) == 1
        assert self.kind in member.kinds

    # -- missing cells, gradients, precision

    def test_missing_cells_add_exactly_zero_to_value_and_gradient(self):
        head, h, x = self.head(), torch.randn(4, F, requires_grad=True), self.cells.draw(4).float()
        x[:, 1] = math.nan
        p = head(h)
        alone = torch.full_like(x, math.nan)
        assert (p.log_prob_cells(x)[:, 1] == 0).all()
        torch.testing.assert_close(p.log_prob(x), p.log_prob_cells(x)[:, [0, 2]].sum(-1))
        assert (p.log_prob(alone) == 0).all()
        some, none = (torch.autograd.grad(head(h).log_prob(rows).sum(), h)[0] for rows in (x, alone))
        assert some.isfinite().all()
        assert (none == 0).all()

    def test_gradients_agree_with_finite_differences(self):
        """All branches of the formula, near and far."""
        head, x = self.head().double(), self.cells.draw(6)
        x[3:] = self.cells.into_support(20 * x[3:])
        h = torch.randn(6, F, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda h: head(h).log_prob(x), h, atol=1e-5, rtol=1e-4)

    def test_finite_in_float32_however_far_x_is_and_whatever_the_features(self):
        """Value and gradient, with features up to 100 and x up to 1e6 standard deviations away, both ways."""
        for size in (0.0, 1.0, 100.0):
            head = self.head()
            h = (size * (2 * torch.rand(50, F) - 1)).requires_grad_()
            p = head(h)
            with torch.no_grad():
                mean, spread = p.mean, p.variance.sqrt()
                assert mean.isfinite().all()
                assert p.sample().isfinite().all()
            for distance in (-1e6, -10.0, 0.0, 10.0, 1e6):
                log_p = p.log_prob(self.cells.into_support(mean + distance * spread))
                assert log_p.isfinite().all(), (size, distance)
                tensors = [h, *head.parameters()]
                for g in torch.autograd.grad(log_p.sum(), tensors, retain_graph=True):
                    assert g.isfinite().all(), (size, distance)

    def test_half_precision_features_give_float32_parameters(self):
        head = self.head()
        with torch.autocast("cpu", torch.bfloat16):
            log_p = head(torch.randn(4, F)).log_prob(self.cells.draw(4).float())
        assert log_p.dtype == torch.float32

    # -- codes

    def test_codes_have_masses(self):
        cell = self.p(4).cell
        if not isinstance(cell, CodedCell):
            assert not cell.is_coded
            return
        log_p = cell.log_masses()
        codes = torch.arange(log_p.shape[-1])
        x = cell.values(codes.double())[:, None, None].expand(-1, 4, D)
        assert torch.equal(cell.codes(x)[:, 0, 0], codes)
        torch.testing.assert_close(cell.log_prob(x).movedim(0, -1), log_p)
        torch.testing.assert_close(log_p.logsumexp(-1), torch.zeros(4, D).double())
        other = cell.with_masses(log_p.roll(1, 0))
        torch.testing.assert_close(other.log_masses(), log_p.roll(1, 0))
        torch.testing.assert_close(other.log_prob(x).movedim(0, -1), log_p.roll(1, 0))


class Oracle:
    """For what a member alone can be held against: it gives a head, and valid data of D cells."""

    def head(self) -> Likelihood:
        raise NotImplementedError

    def values(self, n: int) -> Tensor:
        raise NotImplementedError

    def p(self, *lead: int, spread: float = 2.0) -> Factorised:
        return self.head().double()(spread * torch.randn(*lead, F, dtype=torch.float64))  # type: ignore[return-value]


def between_draws(cell: Cell, line: Line) -> tuple[Tensor, Tensor]:
    """Values of cells of a density in float32 in rising order, (n, rows, D), and float64 weights of a sum over them.

    Draws tell where the mass is, and only that: between them, and beyond, the sum is a trapezoidal rule. It is fine at
    both ends of what lies between two draws, which may belong to narrow components far apart.
    """
    with torch.no_grad():
        drawn = cell.sample(torch.Size((500,))).double().sort(0).values
    u = line.to(drawn.clamp(*(float(line.back(torch.tensor(end).double())) for end in (line.low, line.high))))
    beyond = (u[-1:] - u[:1] + 1e-6) * 2.0 ** torch.arange(-8, 30).view(-1, 1, 1)
    u = torch.cat((u[:1] - beyond.flip(0), u, u[-1:] + beyond))
    half = 2.0 ** torch.arange(-20, 0, dtype=torch.float64)
    parts = torch.cat((torch.zeros(1), half, 1 - half[:-1].flip(0))).view(-1, 1, 1, 1)
    u = torch.lerp(u[:-1], u[1:], parts).movedim(0, 1).flatten(0, 1).clamp(line.low, line.high)
    x = line.back(u).float()
    u, widths = line.to(x.double()), torch.zeros_like(u)
    widths[1:] += u.diff(dim=0) / 2
    widths[:-1] += u.diff(dim=0) / 2
    return x, widths * line.slope(x.double())
