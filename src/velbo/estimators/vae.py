"""A scikit-learn transformer and density estimator over a VAE.

    fit(X)  ->  transform(X): posterior means   inverse_transform(Z): point estimates of x   score_samples(X): log p
                impute(X): missing cells filled sample(n): new rows                          predict(X): -1 if anomalous

Scores and embeddings are computed in float64 with noise fixed by row and seed, so they are the same at every call, in
every order and for every subset of rows. Missing cells are NaN and welcome. A data frame gives the same model as with
`velbo.fit` and on the command line. Rows are a table here, each column by itself, whether they are a frame or an array,
as everywhere in scikit-learn; with ``image_shape`` they are images. They come back as they came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, OutlierMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import __version__
from ..build import Asked, Maker, Prepared, complete, import_path, is_own
from ..config import Budget, Machine, ObjectiveConfig, Optimisation, Recipe, TrainingConfig, Validation
from ..errors import ConfigError, RunError
from ..files import read_json
from ..fitting import train_plan
from ..rows import Store, container_of
from ..trained_model import TrainedModel
from ..training import Run, Trainer

ESTIMATOR_FILE = "estimator.json"
MAX_ROWS_FOR_OFFSET = 2000


class VAEEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, OutlierMixin, BaseEstimator):
    """A variational autoencoder for data frames and rows of numbers.

    Args:
        n_latents: Z, columns of the embedding; None takes the recipe's own.
        recipe: a name from `velbo.config.Recipe`.
        hidden: widths of the layers; None takes the recipe's own.
        likelihood: of all columns; "auto" gives each what suits its kind.
        columns: column -> kind, "kind:likelihood" or "drop", where the guess is to be another; those of an array are
            called "0", "1", ..., an image "x".
        condition: columns of a data frame that are given, not modelled.
        prior: a name from `velbo.config.Recipe`.
        objective: a name from `velbo.config.ObjectiveConfig`.
        max_epochs: passes over the rows.
        batch_size: rows a step; None chooses by the number of rows.
        learning_rate: peak of the schedule; None chooses by the batch size.
        validation_fraction: share of the rows held out to choose the best weights; none are from fewer than 10 rows.
        patience: epochs without a better validation bound before training stops; None never stops.
        n_samples: K of `score_samples`, `contributions` and `impute`.
        contamination: share of the training rows that `predict` calls anomalous.
        image_shape: (H, W) or (H, W, C) if the columns are the pixels of an image; "conv" needs it.
        random_state: seed, generator or None.

    Attributes:
        fitted_: the trained model with its plan, a `velbo.TrainedModel`.
        module_: the trained `VAE`, a torch module.
        history_: one dictionary of metrics an epoch.
        n_iter_: epochs done.
        offset_: score below which a row is anomalous, a quantile of the scores of at most 2,000 training rows.
        n_features_in_: columns of X.
        feature_names_in_: their names, if X had names.

    Example:
        >>> embedding = VAEEstimator(n_latents=2, random_state=0).fit_transform(X)
    """

    def __init__(
        self,
        n_latents: int | None = None,
        *,
        recipe: str = "auto",
        hidden: Sequence[int] | None = None,
        likelihood: str = "auto",
        columns: Mapping[str, str] | None = None,
        condition: Sequence[str] = (),
        prior: str = "auto",
        objective: str = "elbo",
        max_epochs: int = 100,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        validation_fraction: float = 0.1,
        patience: int | None = None,
        n_samples: int = 100,
        contamination: float = 0.1,
        image_shape: Sequence[int] | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_latents = n_latents
        self.recipe = recipe
        self.hidden = hidden
        self.likelihood = likelihood
        self.columns = columns
        self.condition = condition
        self.prior = prior
        self.objective = objective
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.n_samples = n_samples
        self.contamination = contamination
        self.image_shape = image_shape
        self.random_state = random_state

    # learning

    n_features_in_: int
    feature_names_in_: NDArray[Any]

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train on X (n_samples, n_features), NaN where missing; y is ignored.

        Raises:
            ValueError: if X holds no rows, infinities, cells that are no numbers, or columns whose kind is not clear.
        """
        if not 0 < self.contamination <= 0.5:
            raise ConfigError(f"contamination is a share of the rows, in (0, 0.5], not {self.contamination}")
        rows = self._rows(X, reset=True)
        prepared = self._prepared(rows, self.max_epochs)
        trained = train_plan(prepared.plan, prepared.rows, model=prepared.model)
        self._keep(trained, trained.history.metrics)
        self._moments: dict[str, torch.Tensor] = {}
        self._set_offset(rows)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """One more pass over these rows, from the weights and the optimizer's moments as they are.

        The first call decides schema and standardisation; validation and warm-up play no part.
        """
        first = not hasattr(self, "fitted_")
        rows = self._rows(X, reset=first)
        if first:
            prepared = self._prepared(rows, 1)
            self._keep(TrainedModel(prepared.model, prepared.plan), [])
            self._moments = {}
        fitted = self.fitted_
        store = Store.from_rows(fitted.schema.numbers(rows), fitted.plan.encoding)
        training = self._training(1, validation=0.0)
        trainer = Trainer(fitted.model.train(), store, fitted.plan.make_objective(), training)
        if self._moments:
            trainer.parts.restore(self._moments)
        history = trainer.run()
        self._moments = trainer.parts.collect()
        self._keep(TrainedModel(fitted.model.eval(), fitted.plan), [*self.history_, *history.metrics])
        self._set_offset(rows)
        return self

    # using

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Posterior means, (n_samples, n_latents)."""
        rows = self._checked(X)
        return self._exact.encode(rows)

    def inverse_transform(self, Z: Any) -> Any:
        """Point estimates of p(x|z), (n_samples, n_features), in the units of X; a data frame if X was one."""
        check_is_fitted(self)
        return self._flat(self._exact.decode(np.asarray(Z)))

    def reconstruct(self, X: Any) -> Any:
        """Point estimates at the posterior means, (n_samples, n_features), as X came in."""
        rows = self._checked(X)
        return self._flat(self._exact.reconstruct(rows))

    def sample(self, n_samples: int = 1, random_state: int | np.random.RandomState | None = None) -> Any:
        """New rows drawn from the model, (n_samples, n_features); a data frame if X was one."""
        check_is_fitted(self)
        seed = int(check_random_state(random_state).randint(2**31))
        return self._flat(self._exact.sample(n_samples, seed))

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """log p of every row in nats, higher is better: a lower bound by ``n_samples`` importance samples."""
        rows = self._checked(X)
        return self._exact.log_likelihood(rows, self.n_samples)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """`score_samples` above ``offset_``: negative for anomalous rows."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """-1 for anomalous rows, 1 for others."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def contributions(self, X: Any) -> NDArray[np.float64]:
        """log p of every cell given the rest of its row, nats, (n_samples, cells): why a row is anomalous."""
        rows = self._checked(X)
        return self._exact.contributions(rows, self.n_samples)

    def impute(self, X: Any) -> Any:
        """X with missing cells filled: conditional means of numbers, the likeliest categories."""
        rows = self._checked(X)
        return self._flat(self._exact.impute(rows, self.n_samples))

    def score(self, X: Any, y: Any = None) -> float:
        """Mean of `score_samples`."""
        return float(self.score_samples(X).mean())

    # files

    def save(self, path: str | Path) -> None:
        """Write a folder that `load` and the command line can read."""
        check_is_fitted(self)
        parameters = self.get_params()
        if not isinstance(self.random_state, int | None):
            parameters["random_state"] = None
        record = {"velbo": __version__, "parameters": parameters, "n_iter": self.n_iter_, "history": self.history_}
        record["offset"] = self.offset_
        self.fitted_.save(path, {ESTIMATOR_FILE: record})

    @classmethod
    def load(cls, path: str | Path, model: Maker | str | None = None) -> Self:
        """The inverse of `save`; nothing in the files is executed.

        Args:
            path: of the folder.
            model: what makes the model, where its recipe is an import path; see `TrainedModel.load`.

        Raises:
            RunError: if the folder was not written by `save`, or is damaged.
            ConfigError: for such a recipe without ``model``.
        """
        record = read_json(Run(path).file(ESTIMATOR_FILE))
        try:
            given = record["parameters"].items()
            parameters: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in given}
            estimator, history = cls(**parameters), record["history"]
            estimator.offset_ = record["offset"]
        except (KeyError, TypeError) as error:
            raise RunError(f"{path}: not a saved estimator ({error})") from error
        estimator._keep(TrainedModel.load(path, model), history)
        if model is not None:  # fit imports it again: what was given here, not what the file names
            estimator.recipe = model if isinstance(model, str) else import_path(model)
        elif is_own(estimator.recipe):
            raise RunError(f"{path}: estimator.json names another recipe than config.json; save it again")
        schema = estimator.fitted_.schema
        estimator.n_features_in_ = sum(f.size for f in schema.fields)
        estimator._moments = {}
        if schema.container != "array" and all(f.key is None for f in schema.fields):
            estimator.feature_names_in_ = np.asarray([f.name for f in schema.fields], dtype=object)
        return estimator

    # plumbing

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    @property
    def _n_features_out(self) -> int:
        return self.fitted_.n_latents

    def _prepared(self, rows: Any, epochs: int) -> Prepared:
        asked = self._asked(self._training(epochs))
        if not isinstance(rows, np.ndarray) or self.image_shape is not None:
            return complete(rows, asked)
        found = complete(pa.table({str(i): column for i, column in enumerate(rows.T)}), asked)
        schema = replace(found.plan.schema, container="array")
        return replace(found, plan=replace(found.plan, schema=schema))

    def _asked(self, training: TrainingConfig) -> Asked:
        hidden, given = tuple(self.hidden or ()), tuple(self.condition)
        recipe = Recipe(self.recipe, self.n_latents, hidden, self.likelihood, prior=self.prior, condition=given)
        return Asked(recipe, ObjectiveConfig(self.objective), training, dict(self.columns or {}))

    def _training(self, epochs: int, validation: float | None = None) -> TrainingConfig:
        seed = int(check_random_state(self.random_state).randint(2**31))
        return TrainingConfig(
            Budget(epochs=epochs),
            Optimisation(batch_size=self.batch_size, lr=self.learning_rate),
            validation=Validation(self.validation_fraction if validation is None else validation, self.patience),
            machine=Machine(device="cpu", seed=seed),
        )

    def _rows(self, X: Any, reset: bool) -> Any:
        """X as it came if it is a data frame, or if the model is of one; else an array of numbers."""
        is_frame = hasattr(X, "columns") or hasattr(X, "column_names")
        of_frame = not reset and self.fitted_.schema.container != "array"
        if (is_frame and self.image_shape is None) or of_frame:
            return validate_data(self, X, reset=reset, skip_check_array=True)
        least = 2 if reset and self.image_shape is None else 1  # columns of one row are constant
        checks: Any = {"dtype": "numeric", "ensure_all_finite": "allow-nan", "ensure_min_samples": least}
        rows: Any = validate_data(self, X, reset=reset, **checks)
        return rows.reshape(len(rows), *(self.image_shape or rows.shape[1:]))

    def _checked(self, X: Any) -> Any:
        check_is_fitted(self)
        return self._rows(X, reset=False)

    def _keep(self, fitted: TrainedModel, history: list[dict[str, Any]]) -> None:
        self.fitted_, self.module_, self.history_, self.n_iter_ = fitted, fitted.model, history, len(history)
        self._exact = fitted.to(torch.float64)

    def _set_offset(self, rows: Any) -> None:
        container = container_of(rows)
        index = np.random.default_rng(0).permutation(container.length(rows))[:MAX_ROWS_FOR_OFFSET]
        scores = self._exact.log_likelihood(container.take(rows, index), self.n_samples)
        self.offset_ = float(np.quantile(scores, self.contamination))

    def _flat(self, x: Any) -> Any:
        return x.reshape(len(x), -1) if isinstance(x, np.ndarray) else x
