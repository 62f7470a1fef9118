"""A scikit-learn detector of anomalous rows without labels; the model and why it is so are in build/anomalies.py.

fit(X)  ->  predict(X): -1 if anomalous     score_samples(X)     contributions(X): which cells make a row so
            labels_, decision_scores_, threshold_, predict_proba(X): as PyOD has them, see using.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..build import Asked
from ..build.anomalies import HIDDEN, N_EPOCHS, N_LATENTS, N_NEIGHBORS, TRIM
from ..config import ObjectiveConfig, TrainingConfig
from .rows import by_blocks
from .using import Seed
from .vae import VAEEstimator, Weights


class AnomalyDetector(VAEEstimator):
    """A variational autoencoder of what most rows are like, that anomalous rows do not bend.

    Args:
        contamination: share of the training rows that `predict` calls anomalous.
        trim: share of each batch that teaches nothing, the rows that fit worst; more than the share of anomalous rows,
            and 0 where all training rows are known to be normal (novelty detection).
        n_neighbors: how many training rows have to be made like a row for it to be usual (see
            `velbo.evaluation.reference`); scores of 0 are log p(x).
        n_latents: Z.
        recipe: "mlp" or "resmlp".
        hidden: widths of the layers.
        columns: column -> kind, "kind:likelihood" or "drop"; other columns of numbers are reals, measured by
            quantiles, of a fixed scale.
        max_epochs: passes over the rows.
        n_samples: K of scores by log p(x), and of `impute_by_draws`.
        device: to train on, "auto" takes a GPU where there is one.
        verbose: print one line an epoch.
        random_state: seed, generator or None.

    Attributes:
        decision_scores_: -`score_samples` of the training rows, nats; higher is more anomalous. Rows of weight 0 are
            left out.
        labels_: of the training rows, 1 if anomalous, else 0.
        threshold_: the score above which a row is anomalous, -``offset_``.

    All other parameters and attributes are those of `VAEEstimator`; all of its methods are here too.

    Example:
        >>> anomalous = AnomalyDetector(contamination=0.05, random_state=0).fit_predict(X) == -1
    """

    def __init__(
        self,
        contamination: float = 0.1,
        *,
        trim: float = TRIM,
        n_neighbors: int = N_NEIGHBORS,
        n_latents: int = N_LATENTS,
        recipe: str = "resmlp",
        hidden: Sequence[int] = HIDDEN,
        columns: Mapping[str, str] | None = None,
        max_epochs: int = N_EPOCHS,
        n_samples: int = 100,
        device: str = "auto",
        verbose: int = 0,
        random_state: Seed = None,
    ) -> None:
        super().__init__(
            n_latents,
            recipe=recipe,
            hidden=hidden,
            columns=columns,
            max_epochs=max_epochs,
            validation_fraction=0.0,
            n_samples=n_samples,
            contamination=contamination,
            device=device,
            verbose=verbose,
            random_state=random_state,
        )
        self.trim, self.n_neighbors = trim, n_neighbors

    def _asked(self, training: TrainingConfig) -> Asked:
        objective = ObjectiveConfig(f"trimmed:trim={self.trim}")
        return replace(super()._asked(training), objective=objective, anomalies=True, n_neighbors=self.n_neighbors)

    @property
    def threshold_(self) -> float:
        return -self.offset_

    def _set_offset(self, rows: Any, weight: Weights | None) -> None:
        scores = by_blocks(rows, lambda some: self._exact.scores(some, self.n_samples))
        self._keep_scale(scores, weight)
        self._keep_scores(-scores)

    def _keep_scores(self, scores: NDArray[np.float64]) -> None:
        self.decision_scores_, self.labels_ = scores, (scores > self.threshold_).astype(np.int64)
