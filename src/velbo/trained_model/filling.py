"""Rows whose missing cells a trained model fills; observed cells are as they were, and constraints are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..evaluation import impute, multiple_imputations
from ..evaluation.cells.budget import MOST, TRIAL_ROWS, Affordable, affordable
from ..limits import POSITIVE
from ..runtime.generators import stream_seed
from .base import Base
from .kept import Redraw, again, kept_fillings


class Filling(Base):
    """What fills missing cells."""

    def impute(self, x: Any, samples: int | None = None, seed: int = 0, seconds: float | None = None) -> Any:
        """x with its missing cells filled, observed cells untouched: the conditional mean of numbers, the likeliest
        category, by importance samples; see `velbo.evaluation.impute`. A field that had one value in
        training is filled with it. What is not filled, and why, is said by `why_left`. Constraints are kept.

        Args:
            x: rows.
            samples: of each row, as many as it needs if not given; the most, 1,000, where there is a budget.
            seed: of all noise.
            seconds: the time for it: so many samples of each row as it leaves, 25 at least; see `samples_in`.
        """
        if seconds is not None:
            samples = self.samples_in(x, seconds, MOST if samples is None else samples, seed).samples
        filled = impute(self.model, self.store(x), samples, seed).x
        return self._filled(x, self._clipped(filled)[None], None)[0]

    def samples_in(
        self, x: Any, seconds: float, most: int = MOST, seed: int = 0, n_rows: int | None = None
    ) -> Affordable:
        """How many samples of each row `impute` can take in so many seconds, by trials on rows of x, and the time that
        they take.

        Args:
            x: rows.
            seconds: for all of it.
            most: samples that are enough.
            seed: of the noise.
            n_rows: how many rows have a missing cell, if x is a part of all rows.
        """
        POSITIVE.check("seconds", seconds)
        data = self.store(x)
        at = data.fixed(seed).isnan().any(-1).nonzero().squeeze(-1)
        some = data.subset(at[:TRIAL_ROWS])
        if not len(some):
            return Affordable(most, 0.0)
        n = len(at) if n_rows is None else n_rows
        return affordable(lambda k: impute(self.model, some, k, seed), len(some), n, seconds, most)

    def impute_many(self, x: Any, n: int, samples: int = 100, steps: int = 20, seed: int = 0) -> list[Any]:
        """n fillings of x, drawn from what the model believes of the missing cells given the observed ones; see
        `velbo.evaluation.multiple_imputations`.
        """
        data = self.store(x)

        def drawn(rows: NDArray[np.int64] | None, n: int, own: int) -> NDArray[np.float64]:
            some = data if rows is None else data.subset(torch.from_numpy(rows))
            draws = multiple_imputations(self.model, some, n, samples=samples, steps=steps, seed=own)
            of_digits = [stream_seed(own, f"digits of filling {i}") for i in range(n)]
            each = zip(draws, of_digits, strict=True)
            return np.stack([self._as_written(self._clipped(draw), digits) for draw, digits in each])

        return self._filled(x, drawn(None, n, seed), lambda rows, n, call: drawn(rows, n, again(seed, call)))

    def why_left(self, name: str) -> str:
        """Why missing cells of a field are not filled; nothing if they are. A sentence without its end."""
        f = next((f for f in self.schema.fields if f.name == name), None)
        if f is None or f.kind == "drop":
            return "the model was trained without it"
        if None in f.categories:
            return "missing is a value of its own there"
        if name in self.recipe.condition:
            return "it is given to the model, which fills the others alone"
        if name not in self.schema.places and f.value is None:
            return "it held no value in training"
        return ""

    def _filled(self, x: Any, v: NDArray[np.float64], draw: Redraw | None) -> list[Any]:
        """x with its missing cells as in each of n tables v (n, N, D)."""
        if self.schema.constraints.all:
            v = kept_fillings(self.schema, self.schema.numbers(x).astype(np.float64), v, draw)
        return [self.schema.filled(x, each) for each in v]
