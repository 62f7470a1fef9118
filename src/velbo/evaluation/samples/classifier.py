"""A classifier learns to tell real rows from fake ones and is scored on rows that it has not seen.

The null hypothesis of equal distributions makes each answer of a fold a fair coin. p-values of folds, which depend on
each other, are joined by twice their median.

Sources: Revisiting classifier two-sample tests, Lopez-Paz and Oquab, 2017, https://arxiv.org/abs/1610.06545
(section 3); twice the median: p-values for high-dimensional regression, Meinshausen, Meier and Buehlmann, 2009,
https://arxiv.org/abs/0811.2177 (section 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import bdtrc
from sklearn.base import BaseEstimator, is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import StratifiedKFold, cross_validate

from ...errors import ConfigError
from .rows import pair


@dataclass(frozen=True)
class TwoSampleTest:
    """Classifier two-sample test: 1/2 where nothing can be told apart, 1 where everything can.

    Attributes:
        accuracy: share of held-out rows told right.
        auc: mean over folds of the area under the held-out ROC curve.
        p_value: of equal distributions, valid and a little too large; see `two_sample_test`.
    """

    accuracy: float
    auc: float
    p_value: float


def two_sample_test(real: Any, fake: Any, seed: int = 0, folds: int = 5, classifier: Any = None) -> TwoSampleTest:
    """Can a classifier tell fake from real?

    The larger set is thinned at random to the size n of the smaller, so that guessing gives 1/2; then stratified
    cross-validation. In a fold of m rows the number told right is Binomial(m, 1/2) if the distributions are equal (but
    for the equal counts of its labels, which hardly matters), so each fold has a p-value of its own. Folds depend on
    each other, for each is in the training rows of the others: ``p_value`` is twice their median, which is valid
    whatever the dependence, and a little too large for it. `mmd` has an exact one.

    Args:
        real: (N, ...), flattened.
        fake: (M, ...), flattened.
        seed: of thinning, folds and the default classifier.
        folds: at least 2.
        classifier: any scikit-learn classifier with scores (``decision_function`` or ``predict_proba``); it is cloned,
            and its randomness is its own. None takes histogram gradient boosting, which sees differences of any
            kind but needs some 25 rows of each to see anything.

    Raises:
        DataError: for missing cells, different widths or fewer rows than folds.
        ConfigError: for fewer than 2 folds, or a classifier that is none.
    """
    if folds < 2:
        raise ConfigError(f"folds = {folds}: at least 2 are needed; give folds=5")
    classifier = HistGradientBoostingClassifier(random_state=seed) if classifier is None else classifier
    scored = hasattr(classifier, "decision_function") or hasattr(classifier, "predict_proba")
    if not (scored and isinstance(classifier, BaseEstimator) and is_classifier(classifier)):
        raise ConfigError(
            f"classifier = {classifier!r}: give a scikit-learn classifier, not fitted, with decision_function or "
            "predict_proba, such as LogisticRegression()"
        )
    x, y = pair(real, fake, folds, f"{folds} folds need {folds}; give more, or fewer folds")
    n, rng = min(len(x), len(y)), np.random.default_rng(seed)
    rows = np.concatenate([a[np.sort(rng.choice(len(a), n, replace=False))] for a in (x, y)])
    labels = np.repeat((0, 1), n)
    parts = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(rows, labels))
    found = cross_validate(
        classifier,
        rows,
        labels,
        cv=parts,
        scoring={"right": make_scorer(accuracy_score, normalize=False), "auc": "roc_auc"},
        error_score="raise",  # pyright: ignore[reportArgumentType]
    )
    right, sizes = found["test_right"], np.array([len(held_out) for _, held_out in parts])
    p = min(1.0, 2 * float(np.median(bdtrc(right - 1, sizes, 0.5))))
    return TwoSampleTest(float(right.sum()) / (2 * n), float(found["test_auc"].mean()), p)
