"""Rows in the units of the data, to a model's numbers and back.

What all of a trained model's methods stand on: its plan says what rows are, and its model what they become.
"""

from __future__ import annotations

import copy
from abc import ABC
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..build import Plan
from ..checks import refuse_rows
from ..conditional import AnyModel, Conditional
from ..config import Recipe
from ..errors import ConfigError
from ..evaluation import Reference
from ..model import LatentVariableModel, Viewed
from ..prediction import Known
from ..rows import Schema, Store, Stored
from ..rows.row_numbers import rows_from
from ..rows.sparse import in_blocks
from ..runtime.devices import device_of
from ..runtime.generators import stream_seed
from ..terms import device_of_model
from ..training import History

ROWS_PER_CHUNK = 1024
T = TypeVar("T")


class Base(ABC):
    """A model and the plan that it was made by; for the attributes see `TrainedModel`."""

    model: AnyModel
    plan: Plan
    history: History
    dtype: torch.dtype
    typical: tuple[float, ...]
    reference: Reference | None

    @property
    def schema(self) -> Schema:
        """What the rows are."""
        return self.plan.schema

    @property
    def recipe(self) -> Recipe:
        """What the model is made of."""
        return self.plan.recipe

    @property
    def given(self) -> tuple[str, ...]:
        """What the likelihood is conditioned on: names of fields, and "library size" for the sum l of a row's counts.
        Every figure of such a model is one of log p(x|given), which is another number than log p(x).
        """
        return (*self.recipe.condition, *(("library size",) if self.recipe.library_size else ()))

    @property
    def n_latents(self) -> int:
        """Z, of all groups together."""
        return self._with_parts.n_latents

    def store(self, x: Any, what: str = "data") -> Store:
        """Check rows against the schema and encode them; rows that are encoded are given back.

        Raises:
            DataError: if they are no rows.
            SchemaError: if they do not fit.
        """
        if isinstance(x, Store):
            return x
        return Store.from_rows(self.schema.numbers(x, what), self.plan.encoding, self.dtype)

    def _of_parts(self, x: Any, f: Callable[[Store], T]) -> list[T]:
        """f of rows encoded: of all at once, or of sparse rows and rows in files of a block after the other."""
        rows = x if isinstance(x, Store) else in_blocks(x, (field.name for field in self.schema.modelled))
        found, start = list[T](), 0
        for part in rows.batches() if isinstance(rows, Stored) else (rows,):
            with rows_from(start):
                data = self.store(part)
                found.append(f(data))
            start += len(data)
        return found

    @torch.no_grad()
    def encode(self, x: Any, seed: int = 0) -> NDArray[Any]:
        """Posterior means, (N, Z)."""
        encoder = self._with_parts
        whole = np.concatenate(
            self._of_parts(x, lambda part: self._map(part, seed, lambda rows: encoder.encode(rows).mean).numpy())
        )
        refuse_rows(~np.isfinite(whole).all(-1), "embedding")
        return whole

    @property
    def _with_parts(self) -> AnyModel:
        """The model, or its view where it is one of a user's own without parts."""
        model: Any = self.model
        return model if isinstance(model, LatentVariableModel | Conditional) else Viewed(model, self.schema.n_dims)

    @property
    def _flat(self) -> LatentVariableModel:
        if isinstance(self.model, Conditional):
            raise ConfigError("this model is conditional, and z alone does not say what is given; use what_if, sample")
        return cast(LatentVariableModel, self._with_parts)

    @property
    def _conditional(self) -> Conditional:
        if not isinstance(self.model, Conditional):
            raise ConfigError("nothing is given to this model; train one with Recipe(condition=...), --condition")
        return self.model

    @property
    def _known(self) -> Known:
        return Known(self.model, self.plan, self.dtype)

    def _condition(self, whole: NDArray[np.float64]) -> Tensor:
        """x of what is given, (n, D), NaN elsewhere."""
        return self.plan.encoding.store(whole, self.dtype).to(self.dtype)

    def _on(self, device: str) -> AnyModel:
        """The model on a device; a copy, unless it is there, as others may be using it meanwhile."""
        target, here = device_of(device), device_of_model(self.model)
        return self.model if here == target else copy.deepcopy(self.model).to(target)

    def _map(self, data: Store, seed: int, f: Callable[[Tensor], Tensor]) -> Tensor:
        return torch.cat([f(part.fixed(seed)) for part in data.chunks(ROWS_PER_CHUNK)])

    def _values(self, x: Tensor) -> NDArray[np.float64]:
        """x (N, D) in the units of the data."""
        return self.plan.encoding.restore(x.cpu()).double().numpy()

    def _finite(self, v: NDArray[np.float64]) -> NDArray[np.float64]:
        """v (N, D) of rows that the model has made, or DataError; given cells may be missing."""
        made = np.delete(v, self.schema.dims(self.recipe.condition), axis=1)
        refuse_rows(~np.isfinite(made).all(-1), "cell that the model has made")
        return v

    def _clipped(self, x: Tensor) -> NDArray[np.float64]:
        """v of rows x that the model has made, within the range of the data."""
        return self._finite(self.schema.clipped(self._values(x)))

    def _as_written(self, v: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
        """Drawn rows v (N, D) with the digits that the data have; given cells are of the data."""
        written = self.schema.as_written(v, np.random.default_rng(stream_seed(seed, "digits")))
        given = self.schema.dims(self.recipe.condition)
        written[:, given] = v[:, given]
        return written
