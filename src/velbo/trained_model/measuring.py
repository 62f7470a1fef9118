"""What a trained model says of rows: log p, bounds, what is anomalous, and the law of one column given others.

All is deterministic: Monte Carlo noise is fixed by row and seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..checks import refuse_rows
from ..errors import RunError
from ..evaluation import Evaluation, contributions, score_rows, usual_cells
from ..evaluation.bounds.log_likelihood import RowScores
from ..evaluation.bounds.summary import Measure, summarise_measured, warn_if_collapsed
from ..prediction import Prediction
from ..rows import Store
from .base import Base


class Measuring(Base):
    """What measures rows."""

    def log_likelihood(self, x: Any, samples: int = 100, seed: int = 0, device: str = "auto") -> NDArray[np.float64]:
        """log p of each row in the data's units, nats, (N,): the importance-weighted bound of ``samples`` draws; of a
        conditional model log p(x|given).
        """
        model = self._on(device)
        each = self._of_parts(x, lambda part: score_rows(model, part, samples, seed=seed).log_likelihood.numpy())
        found = np.concatenate(each)
        refuse_rows(~np.isfinite(found), "log-likelihood")
        return found

    @property
    def score_name(self) -> str:
        """What `scores` are: "log_likelihood", or "score" of a model of anomalies."""
        return "score" if self.plan.n_neighbors else "log_likelihood"

    def scores(self, x: Any, samples: int = 100, seed: int = 0, device: str = "auto") -> NDArray[np.float64]:
        """How usual each row is, (N,), nats; low is anomalous. That is `log_likelihood`, or of a model of anomalies how
        well its own latents and those of training rows explain it, by no samples: see `velbo.evaluation.reference`.

        Raises:
            RunError: if a model of anomalies has no latents of training rows, as before its training is done.
        """
        if not self.plan.n_neighbors:
            return self.log_likelihood(x, samples, seed, device)
        each = self._of_parts(x, lambda part: np.nansum(self._usual_cells(part, seed, device), axis=-1))
        return np.concatenate(each)

    def _usual_cells(self, x: Any, seed: int, device: str) -> NDArray[np.float64]:
        if self.reference is None:
            raise RunError(
                "the latents of training rows, which scores of anomalies are made of, are not there: the run is not "
                "done, continue it with 'velbo resume'; or another process holds them, load the run folder"
            )
        data = self.store(x)
        cells = usual_cells(self._on(device), data, self.reference, seed).numpy()
        refuse_rows(~np.isfinite(np.nansum(cells, axis=-1)), "score")
        return cells

    def evaluate(
        self,
        x: Any,
        samples: int = 100,
        chunk: int | None = None,
        seed: int = 0,
        precision: str = "float32",
        device: str = "auto",
    ) -> Evaluation:
        """Means and standard errors over rows; see `velbo.evaluate`."""
        model = self._on(device)

        def scored(part: Store) -> tuple[RowScores, Measure]:
            return score_rows(model, part, samples, chunk, seed, precision), Measure.of(part)

        parts = self._of_parts(x, scored)
        scores, rows = RowScores.joined([each for each, _ in parts]), sum((each for _, each in parts), Measure())
        return self.evaluation(scores, rows, samples)

    def row_scores(
        self,
        x: Any,
        samples: int = 100,
        chunk: int | None = None,
        seed: int = 0,
        precision: str = "float32",
        device: str = "auto",
    ) -> RowScores:
        """What `evaluate` knows of each row; that of several parts of the rows is that of all."""
        model = self._on(device)
        return RowScores.joined(
            self._of_parts(x, lambda part: score_rows(model, part, samples, chunk, seed, precision))
        )

    def measure(self, x: Any) -> Measure:
        """What figures of rows are divided by; of parts of them it adds up."""
        return sum(self._of_parts(x, Measure.of), Measure())

    def evaluation(self, scores: RowScores, rows: Measure, samples: int) -> Evaluation:
        """Means and standard errors over rows that have been scored; see `velbo.evaluate`.

        Args:
            scores: of all rows.
            rows: what `measure` gave of them.
            samples: that they were scored by.

        Warns:
            CollapseWarning: if the posterior carries no information.
        """
        found = summarise_measured(scores, rows, samples)
        warn_if_collapsed(found)
        return replace(found, given=self.given)

    def contributions(self, x: Any, samples: int = 100, seed: int = 0) -> NDArray[np.float64]:
        """log p of every cell given the rest of its row, nats in the data's units, (N, D); NaN where missing or given.
        Low is anomalous. See `velbo.evaluation.contributions`. Of a model of anomalies, what every cell adds to its
        row's score, which is their sum.
        """
        if self.plan.n_neighbors:
            return self._usual_cells(x, seed, "cpu")
        data = self.store(x)
        return contributions(self.model, data, samples, seed).numpy()

    def explain(self, x: Any, samples: int = 100, seed: int = 0) -> pa.Table:
        """Why rows are anomalous: a table with `scores`, the cell that is furthest below the median of its column over
        training rows, and `contributions`: log p(cell | rest of the row) of every cell, or its part of the score.

        The medians are kept with the model, and no other row of x counts. Where rows are too wide for them, as images
        are, none are kept, and the most anomalous cell is the one of least log p.
        """
        each, names = self.contributions(x, samples, seed), [cell.name for cell in self.schema.cells]
        modelled = [d for d in range(len(names)) if d not in set(self.schema.dims(self.recipe.condition))]
        each = each[:, modelled]
        # a column without a median, as every cell was missing, is held against no nats; a missing cell is the last one
        usual = np.nan_to_num(np.array(self.typical)[modelled]) if self.typical else 0.0
        below = np.nan_to_num(each - usual, nan=np.inf)
        worst = [names[modelled[d]] for d in below.argmin(-1)]
        what = "of the score" if self.plan.n_neighbors else "given the rest"
        columns = {f"{names[d]} {what}": pa.array(v, from_pandas=True) for d, v in zip(modelled, each.T, strict=True)}
        scores = np.nansum(each, axis=-1) if self.plan.n_neighbors else self.log_likelihood(x, samples, seed)
        return pa.table({self.score_name: scores, "most_anomalous": worst, **columns})

    def predict(
        self,
        x: Any,
        column: str,
        given: Sequence[str] | None = None,
        values: Sequence[Any] | None = None,
        samples: int = 1000,
        seed: int = 0,
    ) -> Prediction:
        """The law of a column given what is known of each row: masses of its values, or densities; mean and spread.

        Args:
            x: rows with any of the fields; what they hold in the column itself is not looked at.
            column: a field of single cells that is modelled.
            given: the fields that are looked at; all that x has, if not said.
            values: at which values p(column | given) is told; all categories, or all whole numbers that training data
                had, if not said, and of other numbers none.
            samples: importance samples.
            seed: of all noise.

        Returns:
            See `Prediction`, which tells the effective sample size of every row too.

        Raises:
            ConfigError: for a field that there is not, or that is given to the model.
            SchemaError: for a cell that does not fit, or a value that training did not have.
        """
        return self._known.predict(x, column, given, values, samples, seed)
