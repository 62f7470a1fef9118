"""What a picture is of: a trained model and some rows, and what is computed of them, once.

| v     | values of the cells of rows, (N, D), NaN where missing            | numbers       |
| z     | means of q(z|x), (N, Z)                                           | z             |
| v_hat | point estimates of p(x|z) at those z, (n, D) of some rows         | reconstructed |
| v_new | new rows from the model, (M, D)                                   | synthetic     |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DataError
from ..evaluation import Evaluation, RowScores, score_rows, summarise
from ..likelihoods import point_estimate
from ..rows import Field, Store
from ..terms import View, mean_of, view_of
from ..trained_model import TrainedModel

ROWS_PER_CHUNK, SAMPLES = 500, 32
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Subject:
    """A model and rows.

    Attributes:
        model: trained.
        numbers: v of rows, (N, D), best not what it was trained on.
        seed: of all noise.
        metrics: of its training, an evaluation each; those of its history if none are given.
        train: v of rows that it was trained on, (M, D); None if none are known.
        n_synthetic: how many new rows; as many as there are rows, if not given.
        which: numbers of the rows in the data that they were taken from, (N,); their own if not given.
    """

    model: TrainedModel
    numbers: Values
    seed: int = 0
    metrics: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    train: Values | None = field(default=None, repr=False)
    n_synthetic: int | None = None
    which: NDArray[np.int64] | None = field(default=None, repr=False)

    @classmethod
    def of(cls, model: TrainedModel, rows: Any, seed: int = 0, metrics: Sequence[Mapping[str, Any]] = ()) -> Subject:
        """Of rows of any container.

        Raises:
            DataError: if they are no rows.
            SchemaError: if they do not fit the model's fields.
        """
        numbers = np.asarray(model.schema.numbers(rows), np.float64)
        if not len(numbers):
            raise DataError("there are no rows to draw; give some")
        return cls(model, numbers, seed, metrics or model.history.metrics)

    @cached_property
    def store(self) -> Store:
        """The rows, encoded."""
        return self.encoded(self.numbers)

    def encoded(self, numbers: Values) -> Store:
        """Rows v (N, D) as the model sees them."""
        return Store.from_rows(numbers, self.model.plan.encoding, self.model.dtype)

    @cached_property
    def z(self) -> Values:
        """Posterior means, (N, Z)."""
        if "scores" in self.__dict__:
            return self.scores.posterior_mean.numpy()
        return np.concatenate([self._means(part)[0].double().numpy() for part in self.store.chunks(ROWS_PER_CHUNK)])

    def reconstructed(self, rows: NDArray[np.int64]) -> Values:
        """v_hat of some rows, (n, D); of no meaning where a cell is given."""
        with torch.no_grad():
            z, view = self._means(self.encoded(self.numbers[rows]))
            return self.model.plan.encoding.restore(point_estimate(view.decode(z))).double().numpy()

    @torch.no_grad()
    def _means(self, rows: Store) -> tuple[torch.Tensor, View]:
        """(means of q(z|x), the view of the rows)."""
        x = rows.fixed(self.seed)
        view = view_of(self.model.model, x)
        return mean_of(view.encode(x), "q(z|x)"), view

    @cached_property
    def synthetic(self) -> Values:
        """v of new rows, (M, D)."""
        rows = self.model.sample(self.n_synthetic or len(self.numbers), self.seed)
        return np.asarray(self.model.schema.numbers(rows), np.float64)

    @cached_property
    def scores(self) -> RowScores:
        """What is known of each row, by 32 samples."""
        return score_rows(self.model.model, self.store, SAMPLES, seed=self.seed)

    @cached_property
    def usual(self) -> Values:
        """How usual each row is, (N,), nats: log p(x), or the score of a model of anomalies."""
        if self.model.plan.n_neighbors:
            return self.model.scores(self.store, seed=self.seed)
        return self.scores.log_likelihood.numpy()

    @property
    def usual_name(self) -> str:
        """What `usual` is called."""
        return "score" if self.model.plan.n_neighbors else "log p(x)"

    @cached_property
    def evaluation(self) -> Evaluation:
        """Means of the scores."""
        return summarise(self.scores, self.store, SAMPLES)

    # fields

    @cached_property
    def free(self) -> list[Field]:
        """The fields that have a likelihood."""
        given = set(self.model.recipe.condition)
        return [f for f in self.model.schema.modelled if f.name not in given]

    @property
    def images(self) -> list[Field]:
        """Those of them that are images."""
        return [f for f in self.free if f.image_shape is not None]

    @property
    def vectors(self) -> list[Field]:
        """Those of them that are arrays of numbers, and no images."""
        return [f for f in self.free if f.shape and f.image_shape is None]

    @property
    def columns(self) -> list[Field]:
        """Those of them that have one cell a row."""
        return [f for f in self.free if not f.shape]

    @cached_property
    def own_labels(self) -> tuple[list[str | None] | None, str]:
        """(names of the rows, what they are), of the one field of names beside others; (None, "") where there are more
        of them, or none.
        """
        named = [f for f in self.model.schema.modelled if f.categories and not f.shape]
        if len(named) != 1 or len(self.model.schema.modelled) == 1:
            return None, ""
        codes, names = self.numbers[:, self.places(named[0]).start], [str(c).strip() for c in named[0].categories]
        return [None if code != code else names[int(code)] for code in codes], named[0].name

    def places(self, f: Field) -> slice:
        """Where the cells of a field stand in v."""
        return self.model.schema.places[f.name]

    def of_rows(self, at: NDArray[np.int64]) -> Subject:
        """The same of some of the rows."""
        return replace(self, numbers=self.numbers[at], which=at if self.which is None else self.which[at])

    def number(self, row: int) -> int:
        """Of a row, in the data that it was taken from."""
        return int(row if self.which is None else self.which[row])

    def some(self, n: int) -> NDArray[np.int64]:
        """Numbers of at most n random rows, in order."""
        if n >= len(self.numbers):
            return np.arange(len(self.numbers))
        return np.sort(np.random.default_rng(self.seed).choice(len(self.numbers), n, replace=False))


def in_ink(v: Values, f: Field) -> Values:
    """Images v (N, size) of a field as (N, H, W, C), 0 to 1."""
    assert f.image_shape is not None
    low, high = {"byte": (0.0, f.levels - 1.0), "binary": (0.0, 1.0)}.get(
        f.kind, (float(np.min(f.each("low"))), float(np.max(f.each("high"))))
    )
    return ((v - low) / ((high - low) or 1.0)).reshape(len(v), *f.image_shape)
