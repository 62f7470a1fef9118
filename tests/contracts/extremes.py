"""What every likelihood keeps at extreme parameters, in each precision.

A float is known to one unit in its last place, so that no formula can do better than what one unit of its inputs
changes. The unit of error of f at t is therefore

    |f(t)| + sum_i |df/dt_i t_i|        times the epsilon of the dtype,

from exact values, and a cell is right if no value of it is more than a few units off: log p, its gradients, mean,
variance, mode and distribution function. Exact are the laws in 50 digits of exact_laws.py; they hold float64, and
float64 holds float32 at many more places.

Parameters are what a head makes of outputs of its linear layer that are extreme, each by itself: sizes from 1e-3 to
1e3, both ways.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import cast

import mpmath
import pytest
import torch
from torch import Tensor, nn

from contracts.cell_kinds import KINDS, D, Kind
from contracts.exact_laws import law_of, many_digits
from velbo.likelihoods import LIKELIHOODS, Cell, Likelihood
from velbo.likelihoods.ranges import within_unit
from velbo.runtime.precision import products

ROWS, EXACT_ROWS = 60, 5
MOST, LEAST = 100.0, 1e-20
"""Units, of float32 1.2e-5, and what is as good as 0."""
HOPELESS = -1e20
"""Nats, beyond which one log p is as good as another."""
SMALLEST, LARGEST = -3.0, 3.0
"""Powers of ten of the outputs of a head's linear layers."""
DISTANCES = (-1e6, -1e3, -10.0, -1.0, 0.0, 1.0, 10.0, 1e3, 1e6)
SHIFT = 2.0**-23
"""Relative; what a derivative is estimated with."""

Function = Callable[..., Tensor]


class ExtremesContract:
    """A member gives a name of the registry and a kind of field that it suits."""

    name: str
    kind: str

    @property
    def extremes(self) -> Kind:
        return KINDS[self.kind]

    def extreme(self, rows: int, dtype: torch.dtype = torch.float32) -> tuple[Cell, Tensor]:
        """Cells, (rows, D), and points of their support, (n, rows, D), which float32 has."""
        head, features = extreme_head(self.name, self.kind)(rows)
        with torch.no_grad():
            x = self.points(head(features).cell)
            return head.to(dtype)(features.to(dtype)).cell, x.to(dtype)

    def points(self, cell: Cell) -> Tensor:
        """Draws, the mode, what is up to 1e6 standard deviations away and the ends of the support."""
        mean, spread = cell.mean.clamp(-1e30, 1e30), cell.variance.sqrt().clamp_max(1e30)
        away = torch.stack([mean + distance * spread for distance in DISTANCES])
        ends = torch.tensor(edges(self.kind), dtype=mean.dtype).view(-1, 1, 1)
        x = torch.cat((cell.sample(torch.Size((4,))), cell.mode[None], away, ends.expand(-1, *mean.shape)))
        x = self.extremes.into_support(x)
        return within_unit(x) if self.kind == "bounded" else x

    # -- against 50 digits

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_log_p_and_moments_are_those_of_many_digits(self, dtype: torch.dtype):
        """Of a few cells."""
        cell, x = self.extreme(EXACT_ROWS, dtype)
        double = [t.double() for t in full(cell)]
        exact, (mean, variance) = exactly(cell, x)
        units = 1 + unit(lambda v, *t: with_parameters(cell, t).log_prob(v), [x.double(), *double])
        assert_within(cell.log_prob(x).clamp_min(HOPELESS), exact.clamp_min(HOPELESS), units, "log p", dtype)
        units = unit(lambda *t: with_parameters(cell, t).mean, double)
        assert_within(cell.mean, mean, units, "the mean", dtype)
        units = unit(lambda *t: with_parameters(cell, t).variance, double)
        assert_within(cell.variance, variance, units, "the variance", dtype)

    # -- float32 against float64

    def test_parameters_in_float32_are_those_of_float64(self):
        """What a head makes of its linear layer's outputs."""
        head, features = extreme_head(self.name, self.kind)(ROWS)
        with torch.no_grad():
            found, head = head(features).cell.parameters, head.double()
            for i, t in enumerate(found):
                exact = head(features.double()).cell.parameters[i]
                units = sum(
                    (head((1 + shift) * features.double()).cell.parameters[i] - exact).abs().nan_to_num(nan=0.0) / SHIFT
                    for shift in (SHIFT, -SHIFT)
                )
                # places on a line are known to one epsilon, and so is the logarithm of a mass near 1
                units = units + exact.abs().nan_to_num(posinf=0.0) + (exact <= 0).any()
                assert_within(t, exact, units, f"parameter {i}")

    def test_log_p_and_its_gradients_in_float32_are_those_of_float64(self):
        cell, x = self.extreme(ROWS)
        parameters = full(cell, len(x))
        double = [t.double() for t in parameters]

        def log_p(v: Tensor, *t: Tensor) -> Tensor:
            return with_parameters(cell, t).log_prob(v)

        assert_within(
            log_p(x, *parameters), log_p(x.double(), *double), unit(log_p, [x.double(), *double]) + 1, "log p"
        )
        for i in range(len(parameters)):

            def slope(v: Tensor, *t: Tensor, i: int = i) -> Tensor:
                with torch.enable_grad():
                    t = tuple(s.detach().requires_grad_() for s in t)
                    (found,) = torch.autograd.grad(log_p(v, *t).sum(), t[i], allow_unused=True)
                return torch.zeros_like(t[i]) if found is None else found

            exact = slope(x.double(), *double)
            units = unit(slope, [x.double(), *double]) + 1
            if cell.n_inner:  # the gradient of a logsumexp is exp(t - log p), with a relative error of |log p|
                units = units + exact.abs() * log_p(x.double(), *double).abs().unsqueeze(-1)
            assert_within(slope(x, *parameters), exact, units, f"gradient {i}")

    def test_moments_in_float32_are_those_of_float64_and_no_variance_is_negative(self):
        cell, _ = self.extreme(ROWS)
        parameters = full(cell)
        for what in ("mean", "variance"):

            def moment(*t: Tensor, what: str = what) -> Tensor:
                return getattr(with_parameters(cell, t), what)

            exact = moment(*[t.double() for t in parameters])
            found = moment(*parameters)
            assert_within(found, exact, unit(moment, parameters), what)
            assert found.isfinite().all()
        assert (cell.variance >= 0).all()

    def test_the_distribution_function_in_float32_is_that_of_float64(self):
        cell, x = self.extreme(ROWS)
        for i in (0, 1):

            def part(v: Tensor, *t: Tensor, i: int = i) -> Tensor:
                return with_parameters(cell, t).below_and_at(v)[i]

            double = [x.double(), *(t.double() for t in full(cell, len(x)))]
            found = part(x, *full(cell, len(x)))
            assert_within(found, part(*double), unit(part, double) + 1, ("below", "at")[i])
            assert ((found >= -1e-6) & (found <= 1 + 1e-6)).all()

    def test_no_point_is_above_the_mode(self):
        """By more than 0.1 nats, unless the mode is an end of the support, where a density may be infinite."""
        cell, x = self.extreme(ROWS)
        double, low, high = with_parameters(cell, [t.double() for t in cell.parameters]), *self.extremes.ends
        mode = cell.mode.double()
        inner = (mode > low) & (mode < high) if self.kind in ("positive", "bounded") else torch.ones_like(mode).bool()
        # what one float more or less changes
        near = torch.maximum(double.log_prob(mode * (1 + SHIFT)), double.log_prob(mode * (1 - SHIFT)))
        height = double.log_prob(mode) if is_discrete(cell) else torch.maximum(double.log_prob(mode), near)
        assert (height >= double.log_prob(x.double()).amax(0) - 0.1)[inner].all()

    # -- at the edges

    def test_missing_cells_add_nothing_at_extreme_parameters_either(self):
        """Exactly 0 to log p and to every gradient, and no NaN in those of observed cells, at an edge or not."""
        make = extreme_head(self.name, self.kind)
        head, features = make(ROWS)
        _, x = self.extreme(ROWS)
        for rows in x:
            rows, features = rows.clone(), features.detach().requires_grad_()
            rows[:, 1] = math.nan
            p = head(features)
            assert (p.log_prob_cells(rows)[:, 1] == 0).all()
            assert p.log_prob(rows).isfinite().all()
            for g in torch.autograd.grad(p.log_prob(rows).sum(), [features, *head.parameters()], allow_unused=True):
                assert g is None or g.isfinite().all()
            rows[:] = math.nan
            (none,) = torch.autograd.grad(head(features).log_prob(rows).sum(), features)
            assert (none == 0).all()

    def test_the_ends_of_the_unit_interval_count_as_the_nearest_numbers_inside(self):
        """In value and gradient, in which nothing is NaN or infinite."""
        if self.kind != "bounded":
            return
        head, features = extreme_head(self.name, self.kind)(ROWS)
        for dtype in (torch.float32, torch.float64):
            head, h = head.to(dtype), features.to(dtype).requires_grad_()
            for end in (0.0, 1.0):
                x = torch.full((ROWS, D), end, dtype=dtype)
                log_p, inside = head(h).log_prob(x), head(h).log_prob(within_unit(x))
                torch.testing.assert_close(log_p, inside, rtol=1e-5, atol=1e-5)
                assert torch.autograd.grad(log_p.sum(), h)[0].isfinite().all()

    # -- half precision

    def test_in_half_precision_a_cell_is_what_float32_makes_of_the_same_features(self):
        """Bit by bit, under autocast and where factors of products are rounded: log p, moments, distribution function.
        A head of logits alone rounds them to bfloat16, and its masses then sum to 1 as in float32.
        """
        head, features = extreme_head(self.name, self.kind)(ROWS)
        features = features.bfloat16()
        with torch.no_grad():
            plain = head(features.float()).cell
            for precision in ("bf16", "bf16-products"):
                with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"), products(precision):
                    half = head(features if precision == "bf16" else features.float()).cell
                    rounds = type(head).layer is nn.Linear
                    like = half if rounds else plain
                    x = self.points(like)
                    found = values(half, x)
                assert all(t.dtype in (torch.float32, torch.float64) for t in (*found, *half.parameters))
                for t, expected in zip(found, values(like, x), strict=True):
                    assert torch.equal(t, expected)
                if rounds:
                    torch.testing.assert_close(half.log_masses().logsumexp(-1), torch.zeros(ROWS, D), atol=1e-6, rtol=0)


def extreme_head(name: str, kind: str) -> Callable[[int], tuple[Likelihood, Tensor]]:
    """rows -> a head each of whose parameters is one of its features, and features of sizes 1e-3 to 1e3 both ways."""
    columns = KINDS[kind].of()
    n = sum(layer.out_features for layer in layers(LIKELIHOODS[name].of(1, columns)))
    head, start = LIKELIHOODS[name].of(n, columns), 0
    with torch.no_grad():
        for layer in layers(head):
            layer.weight.zero_()
            layer.weight[:, start : start + layer.out_features] = torch.eye(layer.out_features)
            start += layer.out_features

    def make(rows: int) -> tuple[Likelihood, Tensor]:
        size = 10 ** (SMALLEST + (LARGEST - SMALLEST) * torch.rand(rows, n))
        return head, torch.where(torch.rand(rows, n) < 0.5, -size, size)

    return make


def layers(head: nn.Module) -> list[nn.Linear]:
    return [layer for layer in head.modules() if isinstance(layer, nn.Linear)]


def edges(kind: str) -> tuple[float, ...]:
    """The ends of the support, or the numbers of float32 next to them."""
    ends = {"positive": (1e-38, 1e38), "bounded": (0.0, 1.0), "byte": (0.0, 1.0), "count": (0.0, 1e6)}
    return ends.get(kind, (0.0,))


def is_discrete(cell: Cell) -> bool:
    return bool(cell.support.is_discrete)


def values(cell: Cell, x: Tensor) -> tuple[Tensor, ...]:
    return (cell.log_prob(x), cell.mean, cell.variance, cell.mode, *cell.below_and_at(x))


def with_parameters(cell: Cell, parameters: Sequence[Tensor]) -> Cell:
    return cell.rebuilt(*parameters)


def full(cell: Cell, *lead: int) -> list[Tensor]:
    """Parameters of every cell by itself."""
    whole = cell.expand(torch.Size((*lead, *cell.batch_shape)))
    return [t.contiguous() for t in cast(Cell, whole).parameters]


def unit(f: Function, inputs: Sequence[Tensor]) -> Tensor:
    """|f| + sum_i |df/dt_i t_i|, in float64, of all inputs one by one."""
    inputs = [t.detach().double() for t in inputs]
    with torch.no_grad():
        value = f(*inputs)
        total = value.abs()
        for i, t in enumerate(inputs):
            n_inner = t.shape[-1] if t.dim() > value.dim() or (i and t.dim() == inputs[0].dim() + 1) else 0
            for m in range(n_inner) if n_inner else (slice(None),):
                changes = []
                for shift in (SHIFT, -SHIFT):
                    moved = t.clone()
                    moved[..., m] *= 1 + shift
                    changes.append((f(*inputs[:i], moved, *inputs[i + 1 :]) - value).abs())
                total = total + torch.maximum(*changes).nan_to_num(nan=0.0) / SHIFT
    return total


def assert_within(found: Tensor, exact: Tensor, units: Tensor, what: str, dtype: torch.dtype = torch.float32) -> None:
    """Each value at most MOST units of its dtype off, or LEAST; what the dtype cannot hold is its greatest number."""
    greatest = 0.99 * torch.finfo(dtype).max
    found, exact = found.detach().double().clamp(-greatest, greatest), exact.clamp(-greatest, greatest)
    error = (found - exact).abs() / (torch.finfo(dtype).eps * units + LEAST / MOST)
    error = torch.where(found == exact, 0.0, error).nan_to_num(nan=math.inf).flatten()
    worst = int(error.argmax())
    values = (float(t.expand_as(units).flatten()[worst]) for t in (found, exact))
    assert error[worst] <= MOST, "{} is {:.9g}, and exactly {:.9g}: {:.3g} units off".format(
        what, *values, error[worst]
    )


def exactly(cell: Cell, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """log p (n, rows, D), mean and variance (rows, D), in float64 of 50 digits."""
    log_p = torch.empty(x.shape, dtype=torch.float64)
    mean, variance = (torch.empty(x.shape[1:], dtype=torch.float64) for _ in range(2))
    parameters = [t.tolist() for t in full(cell)]
    with many_digits():
        for row in range(x.shape[1]):
            for d in range(D):
                law = law_of(cell, d, [in_digits(t[row][d]) for t in parameters])
                mean[row, d], variance[row, d] = as_float(law.mean), as_float(law.variance)
                for i in range(len(x)):
                    log_p[i, row, d] = as_float(law.log_p(mpmath.mpf(float(x[i, row, d]))))
    return log_p, (mean, variance)


def in_digits(value: float | list[float]) -> object:
    return [mpmath.mpf(v) for v in value] if isinstance(value, list) else mpmath.mpf(value)


def as_float(value: object) -> float:
    """The largest float instead of a larger number."""
    return min(float(value), torch.finfo(torch.float64).max)  # type: ignore[arg-type]
