"""Cells that hold one of very many codes without order, C up to 100,000 and more. Codes that stand together are a
class, c = a W + b with W about sqrt(C), and the law is of the class and then of the code in it:

    log p(c|h) = log p(a|h) + log p(b|a, h)
    p(a|h)     = softmax of A = C / W logits, linear in the features h
    p(b|a, h)  = softmax of W logits E_c . r(h) + e_c,   r(h) of 16 numbers, linear in h

Both sum to 1, so p(c|h) does: a likelihood and no bound of one. Log p of a value costs A + 17 W numbers and not C, and
only 17 numbers belong to one code, which few rows may hold. Names stand in their order, so that a class is of names
that begin alike, as postcodes and catalogue numbers do. At the start p(c|h) is the share of c in the data.

Sources: Classes for fast maximum entropy training, Goodman, 2001, https://arxiv.org/abs/cs/0108006; Strategies for
training large vocabulary neural language models, Chen, Grangier and Auli, 2016, https://arxiv.org/abs/1512.04906.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Categorical as Draws
from torch.distributions import constraints
from torch.nn.functional import pad

from ..rows import Field
from ..runtime import fixed_point as fixed
from ..runtime.fixed_point import Floats, Ints
from ..runtime.precision import in_full
from ..runtime.shapes import broadcast_shapes
from .base import Factorised, Likelihood
from .coded import BelowSize, CodedCell, CodesCell, check_sizes, rounded_size
from .laws import Layer, Masses

RANK = 16
MASSES_AT_ONCE, MASSES_IN_CACHE = 2**22, 2**19
UNSEEN = 0.5
"""What a code that no row held counts as, so that its log-probability is a number."""
TABLE_BITS, MOST = 16, 255.0
"""Of a table in whole numbers: multiples of 2^-16, in size 255 at most."""


@dataclass(frozen=True)
class Codes:
    """What the codes of D cells are.

    Attributes:
        table: E and e of every class, (classes of all cells, W, RANK + 1).
        first: where the classes of each cell begin in it, (D,).
        sizes: C of each cell, (D,).
        most: the largest of them, or more.
    """

    table: Tensor
    first: Tensor
    sizes: Tensor
    most: int

    @property
    def width(self) -> int:
        """W."""
        return self.table.shape[1]

    def at(self, places: Tensor) -> Codes:
        """Of some of the cells."""
        return Codes(self.table, self.first[places], self.sizes[places], self.most)

    def is_padding(self, classes: Tensor) -> Tensor:
        """Which codes of classes (..., D) are beyond the cell's last, (..., D, W); none of a class without any, whose
        logits are to be numbers.
        """
        start, sizes = (classes * self.width).unsqueeze(-1), self.sizes.unsqueeze(-1)
        codes = start + torch.arange(self.width, device=classes.device)
        return (codes >= sizes) & (start < sizes)

    def logits(self, query: Tensor, classes: Tensor) -> Tensor:
        """Of the codes in one class a cell: r (..., D, RANK) and a (..., D), or without some axes at the left, give
        (..., D, W).
        """
        of_class = self.table[self.first + classes].to(query.dtype)  # (..., D, W, RANK + 1)
        r = pad(query, (0, 1), value=1.0)
        lead = r.dim() - of_class.dim() + 1
        # what the classes have no axis for becomes the rows of a matrix, so that the table is not copied for each
        rows = r.flatten(0, lead - 1).movedim(0, -2) if lead else r.unsqueeze(-2)
        with in_full(r.device.type):
            product = rows @ of_class.transpose(-1, -2)
        found = product.movedim(-2, 0).reshape(*r.shape[:-1], self.width)
        return found.masked_fill(self.is_padding(classes), -torch.inf)


class CodesByClass(CodedCell):
    """One of C codes each.

    Args:
        log_first: log p(a), (..., D, A), -inf for classes that a cell has not.
        query: r, (..., D, RANK).
        of: the codes.
    """

    n_inner = 1
    is_coded = True

    def __init__(self, log_first: Tensor, query: Tensor, of: Codes) -> None:
        self.log_first, self.query, self.of = log_first, query, of
        super().__init__(log_first, query)

    def rebuilt(self, *parameters: Tensor) -> CodesByClass:
        return CodesByClass(*parameters, of=self.of)

    def at(self, places: Tensor) -> CodesByClass:
        whole = self.expand(self.batch_shape)
        return CodesByClass(*(p.index_select(-2, places) for p in whole.parameters), of=self.of.at(places))

    def with_masses(self, log_p: Tensor) -> CodesCell:
        return CodesCell(log_p)

    @property
    def n_codes(self) -> int:
        return self.of.most

    @property
    def numbers_per_cell(self) -> int:
        """Those of one class's table, which are made for every row."""
        return self.log_first.shape[-1] + self.of.table[0].numel()

    @property
    def support(self) -> constraints.Constraint:
        return BelowSize(self.of.sizes)

    def log_prob(self, value: Tensor) -> Tensor:
        first, second, b = self._of_value(value)
        return first[0] + second.log_softmax(-1).gather(-1, b).squeeze(-1)

    def below_and_at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        (log_p, below), second, b = self._of_value(x)
        p, share = log_p.exp(), second.softmax(-1)
        at = share.gather(-1, b).squeeze(-1)
        return below + p * (share.cumsum(-1).gather(-1, b).squeeze(-1) - at), p * at

    def _of_value(self, value: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor, Tensor]:
        """((log p(a), probability of the classes before a), logits in class a, b) of values c = a W + b."""
        if value.dim() > len(self.batch_shape):
            value = value.expand(broadcast_shapes(value.shape, self.batch_shape))
            return self.expand(value.shape)._of_value_here(value)
        return self._of_value_here(value)

    def _of_value_here(self, value: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor, Tensor]:
        code = self.codes(value)
        a, b = code // self.of.width, code % self.of.width
        shape = broadcast_shapes(a.shape, self.batch_shape)
        inner = shape[len(shape) - value.dim() :]
        second = self.expand(shape)._second(a.expand(inner).clamp(max=self.log_first.shape[-1] - 1))
        at = a.expand(shape).unsqueeze(-1)
        log_first = self.log_first.expand(*shape, -1)
        up_to = log_first.detach().exp().cumsum(-1)
        # codes beyond the last class have no mass
        known = at < log_first.shape[-1]
        at = at.clamp(max=log_first.shape[-1] - 1)
        log_p = log_first.gather(-1, at).masked_fill(~known, -torch.inf).squeeze(-1)
        return (log_p, up_to.gather(-1, at).squeeze(-1) - log_p.detach().exp()), second, b.expand(shape).unsqueeze(-1)

    def _second(self, classes: Tensor) -> Tensor:
        return self.of.logits(self.query, classes)

    def _all_within(self, classes: Tensor) -> Tensor:
        """Logits of the codes in each of n classes (n,), (..., D, n, W)."""
        table = self.of.table[self.of.first.unsqueeze(-1) + classes].to(self.query.dtype)  # (D, n, W, RANK + 1)
        rows, query = table.flatten(1, 2), pad(self.query, (0, 1), value=1.0)
        with in_full(table.device.type):
            if torch.compiler.is_compiling():  # pages of `velbo explore` multiply by constant matrices alone
                logits = (rows * query.unsqueeze(-2)).sum(-1)
            else:
                product = query.reshape(-1, *query.shape[-2:]).transpose(0, 1) @ rows.transpose(-1, -2)
                logits = product.transpose(0, 1).reshape(*query.shape[:-1], -1)
        padding = self.of.is_padding(classes.unsqueeze(-1).expand(-1, len(self.of.sizes))).transpose(0, 1)
        logits = logits.unflatten(-1, (len(classes), self.of.width))
        # few classes have any
        is_full = not torch.compiler.is_compiling() and not padding.any()
        return logits if is_full else logits.masked_fill(padding, -torch.inf)

    def log_masses(self) -> Tensor:
        """log p(c), (..., D, C)."""
        second = self._all_within(torch.arange(self.log_first.shape[-1], device=self.query.device)).log_softmax(-1)
        return (self.log_first.unsqueeze(-1) + second).flatten(-2)[..., : self.n_codes]

    def weighted_masses(self, w: Tensor) -> Tensor:
        """Some classes at a time: all masses of K z are too many for a cache."""
        whole = self.expand(self.batch_shape)
        shares = w.to(whole.log_first)[..., None, None] * whole.log_first.exp()
        step = max(1, MASSES_IN_CACHE // (shares[..., 0].numel() * self.of.width or 1))
        classes = torch.arange(shares.shape[-1], device=shares.device).split(step)
        with in_full(shares.device.type):
            found = [
                torch.einsum("kbda,kbdac->bdac", shares[..., some], whole._all_within(some).softmax(-1))
                for some in classes
            ]
        return torch.cat(found, -2).flatten(-2)[..., : self.n_codes].double().cpu()

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        wide = self.expand(self.shape_of(sample_shape))
        a = Draws(logits=wide.log_first, validate_args=False).sample()
        return (a * self.of.width + Draws(logits=wide._second(a), validate_args=False).sample()).to(self.dtype)

    @property
    def mean(self) -> Tensor:
        return self._of_masses(lambda p: p.mean)

    @property
    def mode(self) -> Tensor:
        return self._of_masses(lambda p: p.mode)

    @property
    def variance(self) -> Tensor:
        return self._of_masses(lambda p: p.variance)

    def _of_masses(self, of: Callable[[CodesCell], Tensor]) -> Tensor:
        """A number of each cell that all masses are needed for, of some rows at a time."""
        whole = self.expand(self.batch_shape)
        if len(self.batch_shape) < 2:
            return of(CodesCell(whole.log_masses()))
        step = max(1, MASSES_AT_ONCE // (self.batch_shape[-1] * self.n_codes))
        parts = zip(*(p.flatten(0, -3).split(step) for p in whole.parameters), strict=True)
        found = [of(CodesCell(self.rebuilt(*part).log_masses())) for part in parts]
        return torch.cat(found).view(self.batch_shape) if found else self.log_first.new_empty(self.batch_shape)


class CategoricalByClass(Likelihood):
    """Codes 0 .. C - 1.

    Args:
        sizes: C of every output.
        counts: of every output, how often each code was seen, where that is known.
    """

    layer = nn.Linear
    kinds = ("categorical",)

    @classmethod
    def of(cls, n_in: int, cells: Sequence[Field], positions: int = 1) -> Self:
        of_one = cells[: len(cells) // positions]
        return cls(n_in, [cell.n_categories for cell in of_one], positions, [cell.counts for cell in of_one])

    @classmethod
    def group(cls, cell: Field) -> int:
        return rounded_size(cell.n_categories)

    def __init__(
        self, n_in: int, sizes: Sequence[int], positions: int = 1, counts: Sequence[Sequence[int]] = ()
    ) -> None:
        check_sizes(sizes, 1)
        width = math.isqrt(max(sizes) - 1) + 1
        self.n_classes = -(-max(sizes) // width)
        super().__init__(n_in, len(sizes) * (self.n_classes + RANK), 1, positions)
        self.sizes, self.width = tuple(sizes), width
        # an embedding, of which a class at a time is looked up, and no matrix that is multiplied by
        self.classes = nn.Embedding(len(sizes) * self.n_classes, width * (RANK + 1))
        first = (torch.arange(len(sizes)) * self.n_classes).repeat(positions)
        self.register_buffer("first", first, persistent=False)
        self.register_buffer("n_codes", torch.tensor(sizes).repeat(positions), persistent=False)
        starts = torch.arange(self.n_classes) * width
        self.register_buffer("lacking", starts >= cast(Tensor, self.n_codes)[:, None], persistent=False)
        known = counts or [()] * len(sizes)
        self._begin_at_shares([own or (1,) * size for own, size in zip(known, sizes, strict=True)])

    @torch.no_grad()
    def _begin_at_shares(self, counts: Sequence[Sequence[int]]) -> None:
        """Rare codes are seen too seldom for steps to find how rare they are."""
        n_classes, width = self.n_classes, self.width
        seen = torch.zeros(len(counts), n_classes * width)
        for d, own in enumerate(counts):
            seen[d, : len(own)] = torch.tensor(own).clamp(min=UNSEEN)
        seen = seen.view(-1, n_classes, width)
        self.classes.weight.zero_()
        self.table[..., -1] = seen.clamp(min=UNSEEN).log().flatten(0, 1)
        bias, weight = (t.view(len(counts), n_classes + RANK, -1) for t in (self.linear.bias, self.linear.weight))
        bias[:, :n_classes, 0] = seen.sum(-1).clamp(min=UNSEEN).log()
        weight[:, :n_classes] *= 0.1

    @property
    def table(self) -> Tensor:
        """E and e, (classes of all cells, W, RANK + 1)."""
        return self.classes.weight.unflatten(-1, (self.width, RANK + 1))

    @property
    def n_cells(self) -> int:
        return len(self.sizes) * self.positions

    @property
    def owners(self) -> list[int]:
        return torch.arange(len(self.sizes)).repeat_interleave(self.n_classes + RANK).tolist()

    def forward(self, features: Tensor) -> Factorised:
        (y,) = self.parameters_of_cells(features)
        logits, query = y.unflatten(-1, (self.n_cells, -1)).split((self.n_classes, RANK), -1)
        log_first = logits.masked_fill(cast(Tensor, self.lacking), -torch.inf).log_softmax(-1)
        # what is measured without gradients is used where they are on again
        table = self.table if torch.is_grad_enabled() else self.table.detach()
        codes = Codes(table, cast(Tensor, self.first), cast(Tensor, self.n_codes), max(self.sizes))
        return Factorised(CodesByClass(log_first, query, codes))

    def law(self, layer: Layer) -> WholeMasses:
        (y,) = self.whole_parameters(layer)
        y = y.reshape(len(y), self.n_cells, -1)
        lacking = cast(Tensor, self.lacking).numpy()
        table = self.table.detach().double().clamp(-MOST, MOST).numpy()
        first = fixed.shares(fixed.weights(np.where(lacking, -np.inf, y[..., : self.n_classes])))
        table = np.rint(table * 2.0**TABLE_BITS) / 2.0**TABLE_BITS
        codes = np.arange(self.n_classes * self.width).reshape(self.n_classes, self.width)
        n_codes = cast(Tensor, self.n_codes).numpy()[:, None, None]
        padding = (codes >= n_codes) & ~lacking[..., None]
        own = table.reshape(len(self.sizes), self.n_classes, self.width, RANK + 1)
        return WholeMasses(first, y[..., self.n_classes :], np.tile(own, (self.positions, 1, 1, 1)), padding)


class WholeMasses(Masses):
    """The law of cells (B, D) by class and code in it.

    Args:
        first: p(a) times 2^28, (B, D, A).
        query: r, multiples of 2^-12, (B, D, RANK).
        table: E and e, multiples of 2^-16, (D, A, W, RANK + 1).
        padding: codes that a cell has not, (D, A, W).
    """

    def __init__(self, first: Ints, query: Floats, table: Floats, padding: Any) -> None:
        self.first, self.query, self.table, self.padding = first, query, table, padding

    def masses(self, places: Ints, n: int) -> Ints:
        """p(a) p(b|a) times 2^30. A sum of 17 products of whole numbers below 2^21 and 2^24 is exact, in any order."""
        found = np.zeros((len(self.first), len(places), n), np.int64)
        for i, d in enumerate(places):
            r = np.pad(self.query[:, d], ((0, 0), (0, 1)), constant_values=1.0)
            logits = np.rint((r @ self.table[d].reshape(-1, RANK + 1).T) * fixed.ONE) / fixed.ONE
            logits = np.where(self.padding[d], -np.inf, logits.reshape(len(r), *self.padding[d].shape))
            second = fixed.shares(fixed.weights(logits))
            each = (self.first[:, d, :, None] * second) >> (2 * fixed.CDF_BITS - 30)
            found[:, i] = each.reshape(len(r), -1)[:, :n]
        return found
