"""A column given any others, p(x_d | x_g), and new rows given any of their cells, in the values of the data; for any
trained model, whatever it was conditioned on. The mathematics is in velbo.evaluation (cells/known.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .build import Plan
from .conditional import AnyModel, Conditional
from .errors import ConfigError
from .evaluation import cell_law, draw_given
from .evaluation.bounds.chunks import CELLS_PER_CHUNK, numbers_per_row
from .rows import Field, Schema, Store
from .rows.given import given_numbers, known_numbers
from .rows.kinds import kind_of
from .runtime.generators import stream_seed

MOST_VALUES = 1000
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """The law of a column in each of N rows, given what is known of them.

    Attributes:
        column: its name.
        values: V values that it may have: all categories, or the whole numbers that training data had; those that were
            asked for; or none.
        p: how likely they are, (N, V): masses, or densities in the unit of the column.
        is_mass: which of the two.
        mean: E[x_d | x_g] in the unit of the column, (N,), of dates in seconds since 1970; NaN of names of categories.
        spread: the standard deviation, likewise.
        effective_samples: what the importance weights of a row are worth, (N,); few are to be doubted.
        pareto_shape: k-hat of the weights' tail, (N,); above 0.7 the row is to be doubted.
    """

    column: str
    values: tuple[Any, ...] = field(repr=False)
    p: Floats = field(repr=False)
    is_mass: bool
    mean: Floats = field(repr=False)
    spread: Floats = field(repr=False)
    effective_samples: Floats = field(repr=False)
    pareto_shape: Floats = field(repr=False)

    @property
    def best(self) -> NDArray[Any]:
        """The likeliest category, or the mean of a number, (N,)."""
        if not np.isnan(self.mean).all() or not self.values:
            return self.mean
        return np.array(self.values, dtype=object)[self.p.argmax(-1)]


@dataclass(frozen=True)
class Known:
    """What `predict` and `draws` take of a trained model.

    Attributes:
        model: in evaluation mode.
        plan: all that it was built from.
        dtype: of all computation.
    """

    model: AnyModel
    plan: Plan
    dtype: torch.dtype = torch.float32

    @property
    def schema(self) -> Schema:
        return self.plan.schema

    def store(self, v: Floats) -> Store:
        """Numbers (N, D), NaN where nothing is known, encoded."""
        return Store(self.plan.encoding.store(v, self.dtype).to(self.dtype), self.plan.encoding, self.dtype)

    def predict(
        self,
        x: Any,
        column: str,
        given: Sequence[str] | None = None,
        values: Sequence[Any] | None = None,
        samples: int = 1000,
        seed: int = 0,
    ) -> Prediction:
        """See `TrainedModel.predict`."""
        one = self._column(column)
        place = self.schema.places[column].start
        v = known_numbers(self.schema, x, given)
        v[:, place] = np.nan
        self._require_condition(v)
        shown, numbers = _values(self.schema, one, values)
        at = np.full((len(numbers), self.schema.n_dims), np.nan)
        at[:, place] = numbers
        law = cell_law(self.model, self.store(v), place, self.store(at).fixed(seed)[:, place], samples, seed)
        mean, above = (self._in_units(x_d, place, v.shape) for x_d in (law.mean, law.mean + law.spread))
        return Prediction(
            column,
            shown,
            law.log_p.exp().numpy(),
            not kind_of(one).is_density,
            mean,
            np.abs(above - mean),
            law.effective_samples.numpy(),
            law.pareto_shape.numpy(),
        )

    def given(self, n: int, given: Any) -> Floats:
        """v of what is given in n rows, (n, D), NaN elsewhere; see `TrainedModel.sample`."""
        whole = given_numbers(self.schema, list(self.schema.places), given, n, "field of the model")
        self._require_condition(whole)
        return whole

    def draws(self, whole: Floats, seed: int = 0, mean: bool = False) -> Tensor:
        """x of rows given some of their cells, v (n, D), NaN elsewhere, (n, D)."""
        rows = np.ascontiguousarray(whole).view(np.dtype((np.void, whole.itemsize * whole.shape[1]))).ravel()
        _, first, which, counts = np.unique(rows, return_index=True, return_inverse=True, return_counts=True)
        found = torch.empty(whole.shape, dtype=torch.float64)
        for count in np.unique(counts):  # rows that are given as often are drawn together
            alike = np.flatnonzero(counts == count)
            drawn = self._drawn(self.store(whole[first[alike]]), int(count), seed, mean)
            for row, place in enumerate(alike):
                found[torch.from_numpy(np.flatnonzero(which.ravel() == place))] = drawn[:, row]
        return found

    def _drawn(self, given: Store, n: int, seed: int, mean: bool) -> Tensor:
        """n draws of each row, (n, N, D), so many at a time that those of one row fit into memory."""
        most = max(1, CELLS_PER_CHUNK // numbers_per_row(self.model, given))
        parts = [
            draw_given(
                self.model,
                given,
                min(most, n - done),
                seed=stream_seed(seed, f"draws from {done}") if done else seed,
                mean=mean,
            ).x
            for done in range(0, n, most)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _column(self, name: str) -> Field:
        found = self.schema.field(name)
        if name in self.plan.recipe.condition:
            raise ConfigError(f"'{name}' is given to this model, which has no law of it; fit one without it")
        if found.shape:
            raise ConfigError(f"'{name}' holds arrays, and the law of one cell is what is told; take a column")
        return found

    def _require_condition(self, v: Floats) -> None:
        """
        Raises:
            ConfigError: if a field that the model is conditioned on is not known.
        """
        condition = self.plan.recipe.condition if isinstance(self.model, Conditional) else ()
        unknown = [name for name in condition if np.isnan(v[:, self.schema.places[name]]).any()]
        if unknown:
            raise ConfigError(f"this model is conditioned on {', '.join(unknown)}: give a value of it in every row too")

    def _in_units(self, x_d: Tensor, place: int, shape: tuple[int, ...]) -> Floats:
        """A cell's numbers (N,) in the unit of its column."""
        whole = torch.zeros(shape, dtype=torch.float64)
        whole[:, place] = x_d
        return self.plan.encoding.restore(whole)[:, place].double().numpy()


def _values(schema: Schema, one: Field, asked: Sequence[Any] | None) -> tuple[tuple[Any, ...], Floats]:
    """(values as they are shown, as numbers v)."""
    if asked is not None:
        numbers = given_numbers(schema, [one.name], {one.name: np.asarray(list(asked))}, len(asked), "column")
        return tuple(asked), numbers[:, schema.places[one.name].start]
    if one.categories:
        return one.categories, np.arange(float(one.n_categories))
    low, high = one.one("low"), one.one("high")
    if kind_of(one).is_density or high - low >= MOST_VALUES:
        return (), np.empty(0)
    numbers = np.arange(low, high + 1)
    return tuple(int(v) for v in numbers), numbers
