"""Rows that a trained model makes: from latents, from nothing, from other rows.

Rows come back as they came in: arrays as arrays, frames in their own library, and of these only what the model fills in
or makes anew is changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import ConfigError, DataError, unknown
from ..evaluation.bounds.chunks import chunk_sizes, numbers_per_row
from ..limits import NOT_NEGATIVE
from ..rows import Store
from ..rows.arrays import as_rows
from ..rows.given import given_fields, given_names, given_numbers
from ..runtime.generators import stream_seed
from .base import ROWS_PER_CHUNK
from .filling import Filling
from .kept import kept_rows


class Making(Filling):
    """What makes rows."""

    @torch.no_grad()
    def decode(self, z: Any) -> Any:
        """Point estimates of p(x|z) in the data's units, as rows of the data came.

        Raises:
            DataError: if the latents are not (N, Z) finite numbers.
            ConfigError: if the model is conditional.
        """
        latents, n_latents = as_rows(z, "latents"), self.n_latents
        if latents.ndim != 2 or latents.shape[1] != n_latents or np.isnan(latents).any():
            raise DataError(f"latents: {n_latents} finite numbers a row are needed, not shape {latents.shape}")
        parts = torch.tensor(latents, dtype=self.dtype).split(ROWS_PER_CHUNK)
        return self.schema.new(self._values(torch.cat([self._flat.point(part) for part in parts])))

    @torch.no_grad()
    def reconstruct(self, x: Any, seed: int = 0) -> Any:
        """x with every modelled cell as the model sees it: point estimates of p(x|z) at the posterior means. What is
        given, and all that is no part of the model, is as it was.
        """
        return self._remade(x, self._map(self.store(x), seed, self._with_parts.reconstruct))

    def sample(
        self,
        n: int,
        seed: int = 0,
        mean: bool = False,
        given: Any = None,
        balance: str | None = None,
        missing: bool = False,
        guidance: float = 0.0,
    ) -> Any:
        """n new observations: draws of x, or with ``mean`` the point estimates of p(x|z).

        Columns stay within the range that training data had, and drawn numbers have as many digits behind the point as
        theirs. Memory is that of the rows alone, however many, as they are drawn in chunks; all chunks before the last
        are the same for every n.

        Args:
            n: how many.
            seed: of the draw.
            mean: point estimates instead of draws.
            given: what is given in every row: a container of n rows with some of the fields, or a value a field. Of a
                conditional model fields of its condition are drawn from their empirical law if not given. Other fields
                may be given to any model: the rest of the row is then drawn by importance sampling, see
                `velbo.evaluation.draw_given`.
            balance: a given field of names, all of which shall be as frequent.
            missing: leave cells out as often as they were missing in training, field by field and at random. Without it
                every cell has a value, but of fields for which missing is a value of its own.
            guidance: weight w of equation (24), of a conditional diffusion of rows: the greater, the more typical of
                what is given, and the further from p(x|c), which is that of w = 0.

        Raises:
            DataError: if n is less than 1, ``given`` has not n rows, or it is too rare for the model to draw by.
            ConfigError: if ``given`` names a field that there is not, or not all that the model is conditioned on
                beside others; if ``balance`` is no field of the condition; for guidance of another model.
            SchemaError: if it holds categories that training did not have.
        """
        if n < 1:
            raise DataError(f"the number of samples must be at least 1, not {n}")
        if NOT_NEGATIVE.check("guidance", guidance) and not self.recipe.condition:
            raise ConfigError(
                "guidance goes beyond what is given, and nothing is given to this model; leave it out, or fit one with "
                "--recipe diffusion --condition FIELD"
            )
        if given is None and balance is None and not guidance:
            return self._new(lambda rows, own: self._unconditional(len(rows), own, mean), n, seed, mean, missing)
        if given is not None and not set(given_names(given)) <= set(self.recipe.condition):
            if balance is not None or guidance:
                said = "guided" if balance is None else "balanced"
                raise ConfigError(f"rows are {said} by fields of the condition, and others are given; leave one out")
            known = self._known.given(n, given)
            return self._new(lambda rows, own: self._known.draws(known[rows], own, mean), n, seed, mean, missing, known)
        model = self._conditional
        known = None if given is None else given_numbers(self.schema, self.recipe.condition, given, n)
        c = None if known is None else self._condition(known)
        if balance is not None:
            even = self._balanced(balance, n, seed)
            c = even if c is None else torch.where(c.isnan(), even.to(c), c)

        def drawn(rows: NDArray[np.int64], own: int) -> Tensor:
            of_rows = None if c is None else c[torch.from_numpy(rows)]
            return self._in_chunks(
                len(rows),
                own,
                lambda at, seed: model.sample(
                    at.stop - at.start, seed, mean, None if of_rows is None else of_rows[at], guidance
                ),
            )

        return self._new(drawn, n, seed, mean, missing, known)

    def variations(self, x: Any, n: int, groups: int = 1, seed: int = 0, mean: bool = False) -> list[Any]:
        """Rows like those of x: the first groups of latents are each row's own, those below are drawn anew.

        Args:
            x: rows.
            n: how many of each.
            groups: how many groups, from the top, are the row's own; a model of one group has no others.
            seed: of the draw.
            mean: point estimates of p(x|z) instead of draws.

        Returns:
            n times x, its modelled cells made by the model.

        Raises:
            ConfigError: for more groups than the model has.
        """
        if n < 1:
            raise DataError(f"the number of variations must be at least 1, not {n}")
        made = self._with_parts.variations(self.store(x).fixed(seed), n, groups, seed, mean)
        digits = [None if mean else stream_seed(seed, f"digits of variation {i}") for i in range(n)]
        return [self._remade(x, each, seed=own) for each, own in zip(made, digits, strict=True)]

    def what_if(self, x: Any, changes: Mapping[str, Any], seed: int = 0) -> Any:
        """Rows as they would be, were other values given: each row's own z, decoded under the changed condition.

        Args:
            x: rows as a conditional model was trained on.
            changes: given field -> its new value.
            seed: of all noise.

        Returns:
            x with its modelled cells as point estimates, and the changed fields of the condition.
        """
        model, now = self._conditional, self.store(x).fixed(seed)
        new = self._condition(given_numbers(self.schema, self.recipe.condition, changes, len(now)))
        changed = model.changed(now, torch.where(new.isnan(), now, new))
        return self._remade(x, changed, set(changes))

    @torch.no_grad()
    def interpolate(self, start: Any, end: Any, steps: int = 8) -> NDArray[Any]:
        """Point estimates on the lines between the embeddings of rows (N, *shape), (steps, N, *shape)."""
        a, b = (self.store(x).fixed(0) for x in (start, end))
        line = self._flat.interpolate(a, b, steps)
        return np.stack([np.asarray(self.schema.new(self._values(x))) for x in line])

    def _in_chunks(self, n: int, seed: int, drawn: Callable[[slice, int], Tensor]) -> Tensor:
        """n rows, drawn for (where they stand, a seed of their own), few enough at a time for a p(x|z) of a few MB.

        How many those are follows from the width of the model alone, so that a seed gives the same rows on any machine.
        """
        nothing = Store.from_rows(np.full((1, self.schema.n_dims), math.nan), self.plan.encoding, self.dtype)
        size = min(ROWS_PER_CHUNK, chunk_sizes(1, numbers_per_row(self.model, nothing), None)[0])
        parts = [slice(start, min(start + size, n)) for start in range(0, n, size)]
        return torch.cat([drawn(at, stream_seed(seed, f"rows from {at.start}") if at.start else seed) for at in parts])

    def _unconditional(self, n: int, seed: int, mean: bool) -> Tensor:
        return self._in_chunks(n, seed, lambda at, own: self._with_parts.sample(at.stop - at.start, own, mean))

    def _new(
        self,
        drawn: Callable[[NDArray[np.int64], int], Tensor],
        n: int,
        seed: int,
        mean: bool,
        missing: bool,
        known: NDArray[np.float64] | None = None,
    ) -> Any:
        """New rows, in which what is known is as it was given; with ``missing``, without cells that it leaves out.

        Args:
            drawn: (which of the n rows, seed) -> x of each.
            n: how many.
            seed: of draws.
            mean: whether they are point estimates.
            missing: whether cells are left out.
            known: v of what is given, (n, D), NaN elsewhere.
        """

        def made(rows: NDArray[np.int64], own: int) -> NDArray[np.float64]:
            v = self._clipped(drawn(rows, own))
            v = v if mean else self._as_written(v, own)
            return v if known is None else np.where(np.isnan(known[rows]), v, known[rows])

        v = made(np.arange(n), seed)
        if self.schema.constraints.all:
            v = kept_rows(self.schema, v, self.recipe.condition, known, None if mean else made, seed)
        if missing:
            share = [f.has_missing * f.n_missing / (self.plan.data.n_rows * f.size) for f in self.schema.modelled]
            of_cells = np.repeat(share, [f.size for f in self.schema.modelled])
            v[np.random.default_rng(seed).random(v.shape) < of_cells] = np.nan
        return self.schema.new(v)

    def _remade(self, x: Any, made: Tensor, also: Collection[str] = (), seed: int | None = None) -> Any:
        """Rows x with their modelled cells, and those of the given fields ``also``, as the model made them: draws, if
        they have a seed.
        """
        v = self._finite(self._values(made))
        v = v if seed is None else self._as_written(v, seed)
        kept = self.schema.dims(name for name in self.recipe.condition if name not in also)
        at = np.ones(v.shape, dtype=bool)
        at[:, kept] = False
        return self.schema.changed(x, at, v)

    def _balanced(self, name: str, n: int, seed: int) -> Tensor:
        model = self._conditional
        (chosen,) = given_fields(self.schema, self.recipe.condition, [name])
        if not chosen.n_categories:
            coded = [f.name for f in given_fields(self.schema, self.recipe.condition) if f.n_categories]
            raise unknown("given field of names", name, coded)
        return model.balanced(n, self.schema.dims([name])[0], chosen.n_categories, seed)
