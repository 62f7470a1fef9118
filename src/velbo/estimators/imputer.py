"""A scikit-learn transformer that fills missing cells: X with holes -> X without, in its own columns and types.

transform(X)    numbers by their conditional mean, names by the likeliest category; see velbo.evaluation.impute
                with ``sample_posterior`` by one draw of what the model believes of them, for multiple imputation
"""

from __future__ import annotations

from typing import Any, Self, cast

from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from .using import Seed
from .vae import VAEEstimator


class VAEImputer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Fills missing cells by a variational autoencoder; used as scikit-learn's IterativeImputer.

    Args:
        estimator: the model, a `VAEEstimator`; one with its defaults, if not given. Its ``n_samples`` are those of
            draws; means take as many as each row needs.
        sample_posterior: draw what is missing instead of taking the mean or the likeliest; repeat with other seeds for
            multiple imputation.
        random_state: seed, generator or None: of the model if the estimator has none, and of draws.

    Attributes:
        estimator_: the fitted model.
        n_features_in_: columns of X.
        feature_names_in_: their names, if X had names.
        n_iter_: epochs done.

    Columns without one observed cell stay as they are.

    Example:
        >>> filled = VAEImputer(random_state=0).fit_transform(X)
    """

    def __init__(
        self, estimator: VAEEstimator | None = None, *, sample_posterior: bool = False, random_state: Seed = None
    ) -> None:
        self.estimator = estimator
        self.sample_posterior = sample_posterior
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train on X (n_samples, n_features), NaN where missing; y is ignored. See `VAEEstimator.fit`."""
        self.estimator_: VAEEstimator = VAEEstimator() if self.estimator is None else cast(Any, clone(self.estimator))
        if self.estimator_.random_state is None:
            self.estimator_.random_state = self.random_state
        self.estimator_.fit(X, y, sample_weight)
        self.n_features_in_, self.n_iter_ = self.estimator_.n_features_in_, self.estimator_.n_iter_
        if hasattr(self.estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.estimator_.feature_names_in_
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def transform(self, X: Any) -> Any:
        """X with its missing cells filled, as it came: an array or a data frame; observed cells are as they were."""
        check_is_fitted(self)
        if self.sample_posterior:
            return self.estimator_.impute_by_draws(X, self.random_state)
        return self.estimator_.impute(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.sparse = True
        return tags
