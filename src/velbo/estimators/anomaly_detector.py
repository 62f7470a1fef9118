"""The scikit-learn face of anomaly detection without labels; the model and why it is so are in anomalies.py.

fit(X)  ->  predict(X): -1 for odd rows     score_samples(X): log p     contributions(X): which cells make a row odd
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..anomalies import HIDDEN, LIKELIHOOD, N_EPOCHS, N_LATENTS, TRIM, numbers_as_reals
from ..config import ObjectiveConfig, Recipe
from ..data import Schema, infer_table
from ..recipes import settled
from .vae import VAEEstimator


class AnomalyDetector(VAEEstimator):
    """A variational autoencoder of what most rows are like, that odd rows do not bend.

    Args:
        contamination: share of the training rows that `predict` calls odd.
        trim: share of each batch that teaches nothing, the rows that fit worst; more than the share of odd rows.
        n_latents: Z.
        recipe: "mlp" or "resmlp".
        hidden: widths of the layers.
        columns: of a data frame: column -> kind, "kind:likelihood" or "drop"; other columns of numbers are reals of a
            fixed scale.
        max_epochs: passes over the rows.
        n_samples: K of `score_samples` and `contributions`.
        random_state: seed, generator or None.

    All other parameters and the attributes are those of `VAEEstimator`; all of its methods are here too.

    Example:
        >>> odd = AnomalyDetector(contamination=0.05, random_state=0).fit_predict(X) == -1
    """

    _kind = "real"

    def __init__(
        self,
        contamination: float = 0.1,
        *,
        trim: float = TRIM,
        n_latents: int = N_LATENTS,
        recipe: str = "resmlp",
        hidden: Sequence[int] = HIDDEN,
        columns: Mapping[str, str] | None = None,
        max_epochs: int = N_EPOCHS,
        n_samples: int = 100,
        random_state: int | np.random.RandomState | None = None,
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
            random_state=random_state,
        )
        self.trim = trim

    def _objective(self) -> ObjectiveConfig:
        return ObjectiveConfig(f"trimmed:trim={self.trim}")

    def _infer(self, rows: Any) -> Schema:
        schema = super()._infer(rows)
        if not schema.columns:
            return schema
        return settled(infer_table(rows, {**numbers_as_reals(schema), **(self.columns or {})}))

    def _recipe(self, schema: Schema) -> Recipe:
        return replace(super()._recipe(schema), likelihood="mixed" if schema.columns else LIKELIHOOD)
