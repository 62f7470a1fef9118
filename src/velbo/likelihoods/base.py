"""p(x|z): a head maps features to a distribution over x, cell by cell.

    log p(x|z) = sum over observed cells d of log p(x_d | z)

`x` has D numbers; a NaN cell is a missing one and contributes exactly 0 to the log-likelihood and to its
gradient. A head is a linear layer whose outputs are the cells' parameters. Features are (..., F) and give
D = n_out cells; a convolutional trunk gives features (..., P, F), one row a pixel, and the same linear layer
then serves all P positions: D = P * n_out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self, cast, runtime_checkable

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, constraints

from ..errors import MissingMethodError
from ..nets import FullPrecisionLinear
from ..rows import Field
from ..rows.encodings import Encoding, native
from ..runtime.devices import may_look_at
from ..runtime.fixed_point import Floats
from .laws import Below, Layer, Masses
from .torch_cell import as_cell


def at_least_float32(t: Tensor) -> Tensor:
    """Parameters of distributions are never in half precision, whatever the autocast of the trunk."""
    return t.to(torch.promote_types(t.dtype, torch.float32))


class Factorised(Distribution):
    """D independent cells, missing ones left out: event shape (D,).

    Args:
        cell: a `Cell`, or any torch distribution, with batch shape (..., D) and scalar events.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}  # pyright: ignore

    def __init__(self, cell: Distribution) -> None:
        self.cell = as_cell(cell)
        super().__init__(cell.batch_shape[:-1], cell.batch_shape[-1:], validate_args=False)

    @property
    def support(self) -> Any:
        return constraints.independent(cast(constraints.Constraint, self.cell.support), 1)

    @property
    def has_rsample(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.cell.has_rsample

    def log_prob(self, value: Tensor) -> Tensor:
        """Nats, (..., ) for x of shape (..., D); NaN cells add exactly 0."""
        return self.log_prob_cells(value).sum(-1)

    def log_prob_cells(self, value: Tensor) -> Tensor:
        """log p(x_d|z) of every cell, (..., D); exactly 0 for NaN cells."""
        # one sum tells whether any cell is NaN, at a tenth of the cost of asking every cell
        if may_look_at(value) and not value.sum().isnan():
            return self.cell.log_prob(value)
        missing = value.isnan()
        # `inside` lies in the support of every cell, so the branch that is dropped has a finite gradient too
        log_p = self.cell.log_prob(value.masked_fill(missing, self.inside))
        return log_p.masked_fill(missing, 0.0)

    @property
    def inside(self) -> float:
        """A number inside the support of every cell."""
        return self.cell.inside

    @property
    def parts(self) -> tuple[tuple[Tensor, Factorised], ...]:
        """(positions of its cells, their distribution), of which there is one."""
        return ((torch.arange(self.event_shape[0]), self),)

    def conditionals(self, x: Tensor) -> Factorised:
        """p(x_d|z, cells before d) of every cell along rows x: the same, as cells are independent given z."""
        return self

    @property
    def is_coded(self) -> bool:
        """Whether values are names of categories."""
        return self.cell.is_coded

    @property
    def numbers_per_cell(self) -> int:
        """How many numbers describe a cell, or are made of it for a moment: what chunks are to be measured by."""
        return self.cell.numbers_per_cell

    @property
    def given_missing(self) -> Factorised:
        """p(x_d|z, cell d is missing): the same, where cells are missing at random."""
        return self

    @property
    def given_observed(self) -> Factorised:
        """p(x_d|z, cell d is observed), likewise."""
        return self

    @property
    def log_observed(self) -> Tensor:
        """log p(cell d is observed|z), (..., D): 0 where the mask is not modelled."""
        shape = torch.Size((*self.batch_shape, *self.event_shape))
        return torch.zeros((), dtype=self.cell.dtype, device=self.cell.device).expand(shape)

    def masked(self, x: Tensor, u: Tensor) -> Tensor:
        """x (..., D) with NaN where u, uniform on [0, 1), is below the probability that the cell is missing.

        That is x itself where the mask is not modelled.
        """
        return x

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        return self.cell.sample(sample_shape)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        return self.cell.rsample(sample_shape)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Factorised:
        return Factorised(self.cell.expand(torch.Size((*batch_shape, *self.event_shape))))

    @property
    def mean(self) -> Tensor:
        """E[x|z], (..., D)."""
        return self.cell.mean

    @property
    def mode(self) -> Tensor:
        return self.cell.mode

    @property
    def variance(self) -> Tensor:
        return self.cell.variance


def at_positions(positions: Sequence[Tensor], values: Sequence[Tensor], n_cells: int, fill: float) -> Tensor:
    """Values (..., n) of parts at the positions (n,) of their cells, ``fill`` at all others, (..., n_cells)."""
    whole = values[0].new_full((*values[0].shape[:-1], n_cells), fill)
    for at, value in zip(positions, values, strict=True):
        whole = whole.index_copy(-1, at.to(value.device), value)
    return whole


@runtime_checkable
class HasPoint(Protocol):
    """A p(x|z) that has a point estimate of its own, as its cells depend on each other."""

    def point(self) -> Tensor:
        """(..., D)."""
        ...


def point_estimate(p: Distribution) -> Tensor:
    """One value per cell to show for p(x|z): its mean, or its mode where values are names of categories."""
    if isinstance(p, HasPoint):
        return p.point()
    parts: tuple[tuple[Tensor, Factorised], ...] = getattr(p, "parts", ())
    if len(parts) == 0:
        return p.mean
    values = [part.mode if part.is_coded else part.mean for _, part in parts]
    return at_positions([at for at, _ in parts], values, p.event_shape[0], math.nan)


class Likelihood(nn.Module):
    """A linear layer from features to ``n_params`` parameters of each cell.

    Args:
        n_in: width F of the features.
        n_out: cells that one row of features gives.
        n_params: numbers that describe one cell.
        positions: rows of features per observation (pixels after a convolutional trunk); 1 means that features
            come as (..., F), without an axis of positions.
    """

    layer: ClassVar[type[nn.Linear]] = FullPrecisionLinear
    """nn.Linear for heads whose parameters bear a relative error of 0.4 %: logits, to which log p is not sensitive."""
    kinds: ClassVar[tuple[str, ...]] = ()
    """Of fields that it suits: what is a density for one kind is none for another."""
    encodes: ClassVar[Mapping[str, Callable[[Field], Encoding]]] = {}
    """Further kinds of arrays, and the encoding that makes cells of the first kind of them."""

    @classmethod
    def suits(cls) -> tuple[str, ...]:
        """All kinds of fields that it can have."""
        return (*cls.kinds, *cls.encodes)

    @classmethod
    def of(cls, n_in: int, cells: Sequence[Field], positions: int = 1) -> Self:
        """A head for D = n_out * positions cells, each as its column says; the first n_out are those of a position."""
        return cls(n_in, len(cells) // positions, positions=positions)

    @classmethod
    def group(cls, cell: Field) -> Hashable:
        """Cells of equal groups can share a head."""
        return ()

    @classmethod
    def encoding(cls, field: Field) -> Encoding:
        """What x is for a field with this likelihood.

        Raises:
            ConfigError: if its values do not go with it.
        """
        return cls.encodes.get(field.kind, native)(field)

    def __init__(self, n_in: int, n_out: int, n_params: int = 1, positions: int = 1) -> None:
        super().__init__()
        self.n_params, self.n_out, self.positions = n_params, n_out, positions
        self.linear = self.layer(n_in, n_out * n_params)

    @property
    def n_cells(self) -> int:
        """D, numbers per observation."""
        return self.n_out * self.positions

    @property
    def owners(self) -> list[int]:
        """Which of its cells each output of the linear layer is of; with one position."""
        each = self.n_out // self.n_cells
        return torch.arange(self.n_cells).repeat_interleave(each).repeat(self.n_params).tolist()

    def parameters_of_cells(self, features: Tensor) -> tuple[Tensor, ...]:
        """``n_params`` tensors of shape (..., D)."""
        y = at_least_float32(self.linear(features))
        parts = y.unflatten(-1, (self.n_params, self.n_out)).unbind(-2)
        return tuple(t.flatten(-2) for t in parts) if self.positions > 1 else parts

    @torch.no_grad()
    def begin(self, *biases: float | Tensor | None, gain: float = 0.1) -> None:
        """Where the parameters begin, one bias (a number, or one an output) for each of the ``n_params``.

        Weights of a parameter with a bias are scaled by ``gain``, so that features move it little at first. None leaves
        torch's own initial values.
        """
        bias = self.linear.bias.view(self.n_params, -1)
        weight = self.linear.weight.view(self.n_params, self.n_out, -1)
        for i, value in enumerate(biases):
            if value is not None:
                bias[i] = torch.as_tensor(value, dtype=bias.dtype, device=bias.device)
                weight[i] *= gain

    def whole_parameters(self, layer: Layer) -> tuple[Floats, ...]:
        """`parameters_of_cells` of a layer in whole numbers: ``n_params`` arrays (B, D) of multiples of 2^-12."""
        y = layer(self.linear)
        parts = y.reshape(*y.shape[:-1], self.n_params, self.n_out)
        return tuple(parts[..., i, :].reshape(len(y), -1) for i in range(self.n_params))

    def law(self, layer: Layer) -> Masses | Below:
        """p(x|z) in whole numbers, for coding, the same bits on every machine.

        Args:
            layer: a linear layer -> its outputs at the features.
        """
        raise self.lacks_law()

    def lacks_law(self) -> MissingMethodError:
        """The error of a likelihood without one."""
        name = type(self).__name__
        return MissingMethodError(
            f"{name} has no law in whole numbers, without which its cells cannot be coded; write `law(layer)` in the "
            f"class {name}, or train with another likelihood"
        )

    def forward(self, features: Tensor) -> Distribution:
        """p(x|z) with event shape (D,)."""
        raise MissingMethodError(f"{type(self).__name__} has no forward(features), which gives p(x|z); write it")
