"""A scikit-learn transformer and density estimator over a VAE.

    fit(X)  ->  transform(X): posterior means   inverse_transform(Z): point estimates of x   score_samples(X): log p
                impute(X): missing cells filled sample(n): new rows                          predict(X): -1 if anomalous

Scores and embeddings are computed in float64 with noise fixed by row and seed, so they are the same at every call, in
every order and for every subset of rows. Missing cells are NaN and welcome. A data frame gives the same model as with
`velbo.fit` and on the command line. Rows are a table here, each column by itself, whether they are a frame or an array,
as everywhere in scikit-learn; with ``image_shape`` they are images. They come back as they came. A sparse matrix is one
field "x", of which a few rows at a time are dense, as for `velbo.fit`: counts, if it holds whole numbers from 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import ClassifierTags
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from ..build import Asked, Prepared, complete
from ..config import Budget, Machine, ObjectiveConfig, Optimisation, Recipe, TrainingConfig, Validation, Weighting
from ..errors import ConfigError, DataError
from ..fitting import reference_of, train_plan
from ..fitting.processes import n_looked_at
from ..rows import rows_of
from ..rows.encoded import InMemory
from ..rows.row_numbers import rows_at
from ..rows.sparse import X as X_FIELD
from ..rows.sparse import is_matrix
from ..trained_model import TrainedModel
from ..training import Trainer
from ..training.order import permutation
from .files import Saved
from .rows import by_blocks, checked, n_rows_of, taken
from .using import Seed, Using, seed_of
from .verbose import loggers_of

MAX_ROWS_FOR_OFFSET = 2000
Weights = NDArray[np.float64]


class VAEEstimator(Using, Saved, BaseEstimator):
    """A variational autoencoder for data frames and rows of numbers.

    Args:
        n_latents: Z, columns of the embedding; None takes the recipe's own.
        recipe: a name from `velbo.config.Recipe`.
        hidden: widths of the layers; None takes the recipe's own.
        likelihood: of all columns; "auto" gives each what suits its kind.
        columns: column -> kind, "kind:likelihood" or "drop", where the guess is to be another; those of an array are
            called "0", "1", ..., an image or a sparse matrix as a whole "x".
        condition: columns of a data frame that are given, not modelled.
        constraints: what holds between columns and is kept in all rows that are made: "start <= end", "a + b = c",
            "city with country" (fixed combinations).
        prior: a name from `velbo.config.Recipe`.
        posterior: a name from `velbo.config.Recipe`.
        dropout: share of the inner units of residual blocks dropped in training.
        objective: a name from `velbo.config.ObjectiveConfig`, with options: "auto", "elbo", "iwae", "renyi:alpha=0.5".
        beta: weight of the rate in what is maximised; scores are always those of beta 1.
        max_epochs: passes over the rows.
        max_minutes: of training, if it shall end before.
        batch_size: rows a step; None chooses by the number of rows.
        learning_rate: peak of the schedule; None chooses by the batch size.
        validation_fraction: share of the rows held out to choose the best weights; none are from fewer than 10 rows.
        patience: epochs without a better validation bound before training stops; 0 never stops, None is a fifth of
            max_epochs for tables, 20 at least, and 0 for images.
        n_samples: K of `score_samples`, `contributions` and `impute_by_draws`.
        contamination: share of the training rows that `predict` calls anomalous.
        image_shape: (H, W) or (H, W, C) if the columns are the pixels of an image; "conv" needs it.
        device: to train on, "auto" takes a GPU where there is one.
        verbose: print one line an epoch, or with 2 and more a line an evaluation with all its figures.
        random_state: seed, generator or None.

    Attributes:
        fitted_: the trained model with its plan, a `velbo.TrainedModel`.
        module_: the trained `VAE`, a torch module.
        history_: one dictionary of metrics an epoch.
        n_iter_: epochs done.
        offset_: score below which a row is anomalous, a quantile of the scores of at most 2,000 training rows.
        score_mean_: of these scores.
        score_deviation_: their standard deviation.
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
        constraints: Sequence[str] = (),
        prior: str = "auto",
        posterior: str = "diagonal",
        dropout: float = 0.0,
        objective: str = "auto",
        beta: float = 1.0,
        max_epochs: int = 100,
        max_minutes: float | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        validation_fraction: float = 0.1,
        patience: int | None = None,
        n_samples: int = 100,
        contamination: float = 0.1,
        image_shape: Sequence[int] | None = None,
        device: str = "auto",
        verbose: int = 0,
        random_state: Seed = None,
    ) -> None:
        self.n_latents = n_latents
        self.recipe = recipe
        self.hidden = hidden
        self.likelihood = likelihood
        self.columns = columns
        self.condition = condition
        self.constraints = constraints
        self.prior = prior
        self.posterior = posterior
        self.dropout = dropout
        self.objective = objective
        self.beta = beta
        self.max_epochs = max_epochs
        self.max_minutes = max_minutes
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.n_samples = n_samples
        self.contamination = contamination
        self.image_shape = image_shape
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    # learning

    n_features_in_: int
    feature_names_in_: NDArray[Any]

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train on X (n_samples, n_features), NaN where missing; y is ignored.

        Args:
            X: rows.
            y: ignored.
            sample_weight: how often each row counts in the bound that is maximised, in validation and in ``offset_``:
                of weight 2 as if it were there twice, of weight 0 as if it were not. Only proportions matter.

        Raises:
            ValueError: if X holds no rows, infinities, cells that are no numbers, or columns whose kind is not clear.
        """
        if not 0 < self.contamination <= 0.5:
            raise ConfigError(f"contamination is a share of the rows, in (0, 0.5], not {self.contamination}")
        rows, weight, places = self._weighed(self._rows(X, reset=True), sample_weight)
        with rows_at(places):
            prepared = self._prepared(rows, self.max_epochs, weight)
            trained = train_plan(prepared.plan, prepared.rows, loggers=loggers_of(self.verbose), model=prepared.model)
            self._keep(trained, trained.history.metrics)
            self._moments: dict[str, torch.Tensor] = {}
            self._set_offset(rows, weight)
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """One more pass over these rows, from the weights and the optimizer's moments as they are.

        The first call decides schema and standardisation; validation and warm-up play no part.
        """
        first = not hasattr(self, "fitted_")
        rows, weight, places = self._weighed(self._rows(X, reset=first), sample_weight)
        with rows_at(places):
            return self._one_pass(rows, weight, first)

    def _one_pass(self, rows: Any, weight: Weights | None, first: bool) -> Self:
        if first:
            prepared = self._prepared(rows, 1)
            self._keep(TrainedModel(prepared.model, prepared.plan), [])
            self._moments = {}
        fitted = self.fitted_
        if is_matrix(rows) and X_FIELD not in fitted.schema.places:
            raise DataError("X is sparse, and the model was begun on dense columns; give X.toarray()")
        store = rows_of(rows, fitted.schema, weight=weight).encoded(fitted.plan.encoding)
        training = self._training(1, validation=0.0)
        trainer = Trainer(fitted.model.train(), store, fitted.plan.make_objective(), training)
        if self._moments:
            trainer.parts.restore(self._moments)
        history = trainer.run()
        self._moments = trainer.parts.collect()
        model = fitted.model.to("cpu").eval()
        known = reference_of(
            model, fitted.plan, store.subset(permutation(len(store), training.machine.seed)[: n_looked_at(fitted.plan)])
        )
        self._keep(TrainedModel(model, fitted.plan, reference=known), [*self.history_, *history.metrics])
        self._set_offset(rows, weight)
        return self

    # plumbing

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.sparse = True
        tags.classifier_tags = ClassifierTags(multi_class=False)  # the two columns of predict_proba
        return tags

    @property
    def _n_features_out(self) -> int:
        return self.fitted_.n_latents

    def _weighed(self, rows: Any, sample_weight: Any) -> tuple[Any, Weights | None, Sequence[int] | NDArray[np.int64]]:
        """(rows, weights, numbers of the rows in X) without rows of weight 0.

        Raises:
            ValueError: for weights that are negative, not finite, or all 0.
        """
        if sample_weight is None:
            return rows, None, range(n_rows_of(rows))
        weight = _check_sample_weight(sample_weight, rows, dtype=np.float64, ensure_non_negative=True)
        counts = np.flatnonzero(weight)
        return (rows if len(counts) == len(weight) else taken(rows, counts)), weight[counts], counts

    def _prepared(self, rows: Any, epochs: int, weight: Weights | None = None) -> Prepared:
        asked = self._asked(self._training(epochs))
        if not isinstance(rows, np.ndarray) or self.image_shape is not None:  # a sparse matrix is one field
            found = complete(rows, asked)
        else:
            found = complete(pa.table({str(i): column for i, column in enumerate(rows.T)}), asked)
            schema = replace(found.plan.schema, container="array")
            found = replace(found, plan=replace(found.plan, schema=schema))
        if weight is None:
            return found
        if is_matrix(rows):
            return replace(found, rows=rows_of(rows, found.plan.schema, weight=weight))
        return replace(found, rows=InMemory(found.rows.first(len(found.rows)), weight))

    def _asked(self, training: TrainingConfig) -> Asked:
        recipe = Recipe(
            self.recipe,
            self.n_latents,
            tuple(self.hidden or ()),
            self.likelihood,
            dropout=self.dropout,
            prior=self.prior,
            posterior=self.posterior,
            condition=tuple(self.condition),
        )
        return Asked(
            recipe,
            ObjectiveConfig(self.objective),
            training,
            dict(self.columns or {}),
            constraints=tuple(self.constraints),
        )

    def _training(self, epochs: int, validation: float | None = None) -> TrainingConfig:
        return TrainingConfig(
            Budget(epochs=epochs, minutes=self.max_minutes),
            Optimisation(batch_size=self.batch_size, lr=self.learning_rate),
            Weighting(beta=self.beta),
            Validation(self.validation_fraction if validation is None else validation, self.patience),
            Machine(device=self.device, seed=seed_of(self.random_state)),
        )

    def _rows(self, X: Any, reset: bool) -> Any:
        of_frame = not reset and self.fitted_.schema.container != "array"
        return checked(self, X, reset, self.image_shape, of_frame)

    def _checked(self, X: Any) -> Any:
        check_is_fitted(self)
        return self._rows(X, reset=False)

    def _keep(self, fitted: TrainedModel, history: list[dict[str, Any]]) -> None:
        self.fitted_, self.module_, self.history_, self.n_iter_ = fitted, fitted.model, history, len(history)
        self._exact = fitted.to(torch.float64)

    def _set_offset(self, rows: Any, weight: Weights | None) -> None:
        index = np.random.default_rng(0).permutation(n_rows_of(rows))[:MAX_ROWS_FOR_OFFSET]
        with rows_at(index):
            scores = by_blocks(taken(rows, index), lambda some: self._exact.scores(some, self.n_samples))
        self._keep_scale(scores, None if weight is None else weight[index])

    def _keep_scale(self, scores: NDArray[np.float64], weight: Weights | None) -> None:
        """What scores of training rows say of others."""
        method = "linear" if weight is None else "inverted_cdf"
        self.offset_ = float(np.quantile(scores, self.contamination, weights=weight, method=method))
        self.score_mean_ = float(np.average(scores, weights=weight))
        self.score_deviation_ = float(np.sqrt(np.average((scores - self.score_mean_) ** 2, weights=weight)))
