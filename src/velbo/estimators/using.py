"""What a fitted estimator gives: embeddings, rows, scores, fillings, and one column given others.

Two conventions meet here. scikit-learn's scores are higher for usual rows: `score_samples`, `decision_function`
(negative for anomalous rows) and `predict` (-1 for those). PyOD's are higher for anomalous ones: `decision_scores_` =
-log p(x) and `threshold_` of an `AnomalyDetector`, and column 1 of `predict_proba`:

    p(anomalous) = max(0, erf( (s - mean) / (sqrt(2) deviation) ))      s = -log p(x), moments of the training rows

Source of this rule: Interpreting and unifying outlier scores, Kriegel, Kroeger, Schubert and Zimek, 2011,
https://doi.org/10.1137/1.9781611972818.2 (Gaussian scaling). It puts scores on one scale; that of ten rows of 0.9 nine
are anomalous is not promised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf
from sklearn.base import ClassNamePrefixFeaturesOutMixin, OutlierMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..errors import ConfigError, DataError
from ..prediction import Prediction
from ..rows.sparse import is_matrix
from ..runtime.generators import stream_seed
from ..trained_model import TrainedModel
from .rows import by_blocks, filled

Seed = int | np.random.RandomState | None


class Using(ClassNamePrefixFeaturesOutMixin, TransformerMixin, OutlierMixin):
    """The methods of a fitted estimator.

    Attributes:
        n_samples: K of all importance sampling but that of `impute`.
        offset_: score below which a row is anomalous.
        score_mean_: of the scores of training rows.
        score_deviation_: their standard deviation.
    """

    n_samples: int
    offset_: float
    score_mean_: float
    score_deviation_: float
    _exact: TrainedModel

    def _checked(self, X: Any) -> Any:
        raise NotImplementedError

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Posterior means, (n_samples, n_latents)."""
        return by_blocks(self._checked(X), self._exact.encode)

    def inverse_transform(self, Z: Any) -> Any:
        """Point estimates of p(x|z), (n_samples, n_features), in the units of X; a data frame if X was one."""
        check_is_fitted(self)
        return _flat(self._exact.decode(np.asarray(Z)))

    def reconstruct(self, X: Any) -> Any:
        """Point estimates at the posterior means, (n_samples, n_features), as X came in; dense, if X is sparse."""
        return by_blocks(self._checked(X), lambda rows: _flat(self._exact.reconstruct(rows)))

    def sample(self, n_samples: int = 1, random_state: Seed = None, given: Any = None) -> Any:
        """New rows drawn from the model, (n_samples, n_features); a data frame if X was one.

        Args:
            n_samples: how many.
            random_state: seed, generator or None.
            given: what is given in every row, a value a column or a container of so many rows; see
                `velbo.TrainedModel.sample`.
        """
        check_is_fitted(self)
        return _flat(self._exact.sample(n_samples, seed_of(random_state), given=given))

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """log p of every row in nats, higher is better: a lower bound by ``n_samples`` importance samples."""
        return by_blocks(self._checked(X), lambda rows: self._exact.scores(rows, self.n_samples))

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """`score_samples` above ``offset_``: negative for anomalous rows."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """-1 for anomalous rows, 1 for others."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def predict_proba(self, X: Any, column: str | None = None, given: Sequence[str] | None = None) -> NDArray[Any]:
        """How likely each value of a column is, given the others; without a column, how usual and anomalous rows are.

        Args:
            X: rows; with a column, any of the columns of a data frame, or all of an array.
            column: a column of categories or whole numbers, those of an array are called "0", "1", ...; what X holds in
                it is not looked at. `prediction` has the values, in order.
            given: the columns that are looked at; all that X has, if not said.

        Returns:
            (n_samples, values), or (n_samples, 2): usual, anomalous.

        Raises:
            ConfigError: if the column has no list of values.
            DataError: with a column, if X is sparse.
        """
        if column is None:
            rise = (-self.score_samples(X) + self.score_mean_) / (max(self.score_deviation_, 1e-300) * np.sqrt(2))
            anomalous = erf(rise).clip(0, 1)
            return np.stack((1 - anomalous, anomalous), -1)
        found = self.prediction(X, column, given)
        if not found.values:
            raise ConfigError(
                f"column '{column}' holds numbers, which have densities and no probabilities: ask "
                f"prediction(X, {column!r}) for its mean and spread, or prediction(X, {column!r}, values=[...]).p"
            )
        return found.p

    def prediction(
        self, X: Any, column: str, given: Sequence[str] | None = None, values: Sequence[Any] | None = None
    ) -> Prediction:
        """The law of a column given what is known of each row, with its effective sample size; see
        `velbo.TrainedModel.predict`.
        """
        check_is_fitted(self)
        if is_matrix(X):
            raise DataError("X is sparse, and one column given others is told of dense rows; give X[:1000].toarray()")
        is_frame = hasattr(X, "columns") or hasattr(X, "column_names")
        return self._exact.predict(X if is_frame else self._checked(X), column, given, values, self.n_samples)

    def contributions(self, X: Any) -> NDArray[np.float64]:
        """log p of every cell given the rest of its row, nats, (n_samples, cells): why a row is anomalous."""
        return by_blocks(self._checked(X), lambda rows: self._exact.contributions(rows, self.n_samples))

    def impute(self, X: Any) -> Any:
        """X with missing cells filled: conditional means of numbers, the likeliest categories, by as many samples as
        each row needs. Of a sparse X those are stored NaN, and it stays sparse.
        """
        return filled(self._checked(X), lambda rows, _: _flat(self._exact.impute(rows)))

    def impute_by_draws(self, X: Any, random_state: Seed = None) -> Any:
        """X with missing cells drawn from what the model believes of them; see `velbo.TrainedModel.impute_many`."""
        seed = seed_of(random_state)

        def drawn(rows: Any, block: int) -> Any:
            own = stream_seed(seed, f"block {block}")  # one seed would draw the same numbers in every block
            return _flat(self._exact.impute_many(rows, 1, self.n_samples, seed=own)[0])

        return filled(self._checked(X), drawn)

    def score(self, X: Any, y: Any = None) -> float:
        """Mean of `score_samples`."""
        return float(self.score_samples(X).mean())


def seed_of(random_state: Seed) -> int:
    """A seed from scikit-learn's three ways to say one."""
    return int(check_random_state(random_state).randint(2**31))


def _flat(x: Any) -> Any:
    return x.reshape(len(x), -1) if isinstance(x, np.ndarray) else x
