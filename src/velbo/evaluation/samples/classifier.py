"""A classifier learns to tell real rows from fake ones and is scored on rows that it has not seen.

Accuracy and AUC are those of cross-validation. Its folds depend on each other, as each is in the training rows of the
others, so the p-value comes from the same folds in an order, 1 .. F: the classifier that scores fold f has been trained
on the folds before it alone.

    U_f = #{(i, j): fake row i of fold f has a higher score than real row j}          f = 2 .. F, ties broken by lot
    T   = sum_f U_f

Let the distributions be equal. Given the rows of all folds and the labels of the folds before f, every way to label the
rows of fold f is as likely. The scores of fold f are then known numbers, so its U_f has Mann and Whitney's law, which
depends on nothing but the numbers of rows: the U_f are independent of each other although the scores are not, and the
law of T is known. With R draws of it, p = (1 + #{drawn >= T}) / (1 + R) is exact: P(p <= a) <= a for every
classifier, number of rows and distribution, and near a where rows are many. Nothing is fitted for a draw.

Sources: Revisiting classifier two-sample tests, Lopez-Paz and Oquab, 2017, https://arxiv.org/abs/1610.06545
(section 3); on training on what came before, Sequential predictive two-sample and independence testing, Podkopaev and
Ramdas, 2023, https://arxiv.org/abs/2305.00143 (section 2); the sum of rank statistics of blocks, On the combination of
independent two sample tests of Wilcoxon, van Elteren, 1960.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import StratifiedKFold, cross_validate

from ...errors import ConfigError
from .rows import Floats, pair, row_blocks

Labels = NDArray[np.int64]
LEAF = 20
"""Rows of a leaf, at least: scikit-learn's own default."""


@dataclass(frozen=True)
class TwoSampleTest:
    """Classifier two-sample test: 1/2 where nothing can be told apart, 1 where everything can.

    Attributes:
        accuracy: share of held-out rows told right.
        auc: mean over folds of the area under the held-out ROC curve.
        p_value: of equal distributions, exact; at least 1 / (1 + permutations).
    """

    accuracy: float
    auc: float
    p_value: float


def two_sample_test(
    real: Any, fake: Any, seed: int = 0, folds: int = 5, classifier: Any = None, permutations: int = 999
) -> TwoSampleTest:
    """Can a classifier tell fake from real?

    The larger set is thinned at random to the size n of the smaller, so that guessing gives 1/2; then stratified folds.
    Accuracy and AUC cost a fit a fold, the p-value ``folds`` - 2 smaller ones.

    Args:
        real: (N, ...), flattened.
        fake: (M, ...), flattened.
        seed: of thinning, folds and the default classifier.
        folds: at least 2.
        classifier: any scikit-learn classifier with scores (``decision_function`` or ``predict_proba``); it is cloned,
            and its randomness is its own. None takes histogram gradient boosting, which sees differences of any
            kind but needs some 25 rows of each in a fold to see anything.
        permutations: draws of the law of T.

    Raises:
        DataError: for missing cells, different widths or fewer rows than folds.
        ConfigError: for fewer than 2 folds, no permutations, or a classifier that is none.
    """
    if permutations < 1:
        raise ConfigError(f"permutations = {permutations}: at least 1 is needed; give permutations=999")
    known = _Labelled.of(real, fake, seed, folds, classifier)
    rows, labels, blocks = known.rows, known.labels, [held_out for _, held_out in known.parts]
    found = known.cross_validated()
    scores = [
        *_scores_in_order(known.classifier, rows, labels, blocks),
        _score(found["estimator"][-1], rows[blocks[-1]]),
    ]
    p = _p_value(scores, [labels[block] for block in blocks[1:]], permutations, known.rng)
    return TwoSampleTest(float(found["test_right"].sum()) / len(rows), float(found["test_auc"].mean()), p)


def two_sample_auc(real: Any, fake: Any, seed: int = 0, folds: int = 5, classifier: Any = None) -> float:
    """The ``auc`` of `two_sample_test` alone, at a fit a fold.

    Raises:
        DataError: as `two_sample_test`.
        ConfigError: as `two_sample_test`.
    """
    return float(_Labelled.of(real, fake, seed, folds, classifier).cross_validated()["test_auc"].mean())


def _require_classifier(classifier: Any) -> None:
    scored = hasattr(classifier, "decision_function") or hasattr(classifier, "predict_proba")
    if not (scored and isinstance(classifier, BaseEstimator) and is_classifier(classifier)):
        raise ConfigError(
            f"classifier = {classifier!r}: give a scikit-learn classifier, not fitted, with decision_function or "
            "predict_proba, such as LogisticRegression()"
        )


def _default(rows: Floats, seed: int) -> tuple[Floats, HistGradientBoostingClassifier]:
    """(rows with the columns by which trees can tell them apart, trees).

    Each side of a split has 20 rows or more, so a column with fewer that differ from its commonest value is never
    split; one with C values needs no more than C bins. The trees are those of all columns and of 255 bins, at a tenth
    of the time where many columns are names that few rows have.
    """
    counts = [np.unique(column, return_counts=True)[1] for column in rows.T]
    told = np.array([len(rows) - each.max() >= LEAF for each in counts])
    told[0] |= not told.any()  # trees want a column
    bins = max(len(each) for each, is_told in zip(counts, told, strict=True) if is_told)
    trees = HistGradientBoostingClassifier(min_samples_leaf=LEAF, max_bins=min(255, max(2, bins)), random_state=seed)
    return rows[:, told], trees


@dataclass(frozen=True)
class _Labelled:
    """Real and fake rows, as many of each, in folds.

    Attributes:
        rows: (2n, D), real ones first.
        labels: (2n,), 1 of fake rows.
        parts: (training rows, held-out rows) of each fold.
        rng: of what is drawn next.
        classifier: that is to tell them apart, not fitted.
    """

    rows: Floats
    labels: Labels
    parts: list[tuple[Labels, Labels]]
    rng: np.random.Generator
    classifier: Any

    @classmethod
    def of(cls, real: Any, fake: Any, seed: int, folds: int, classifier: Any) -> _Labelled:
        if classifier is not None:
            _require_classifier(classifier)
        if folds < 2:
            raise ConfigError(f"folds = {folds}: at least 2 are needed; give folds=5")
        x, y = pair(real, fake, folds, f"{folds} folds need {folds}; give more, or fewer folds")
        n, rng = min(len(x), len(y)), np.random.default_rng(seed)
        rows = np.concatenate([a[np.sort(rng.choice(len(a), n, replace=False))] for a in (x, y)])
        labels = np.repeat((0, 1), n)
        parts = StratifiedKFold(folds, shuffle=True, random_state=seed).split(rows, labels)
        rows, classifier = _default(rows, seed) if classifier is None else (rows, classifier)
        return cls(rows, labels, list(parts), rng, classifier)

    def cross_validated(self) -> dict[str, Any]:
        """What scikit-learn says: of each fold how many are told right, the AUC, and the fitted classifier."""
        return cross_validate(
            self.classifier,
            self.rows,
            self.labels,
            cv=self.parts,
            scoring={"right": make_scorer(accuracy_score, normalize=False), "auc": "roc_auc"},
            return_estimator=True,
            error_score="raise",  # pyright: ignore[reportArgumentType]
        )


def _score(fitted: Any, rows: Floats) -> Floats:
    """How fake rows look, (m,)."""
    by = getattr(fitted, "decision_function", None)
    return np.asarray(by(rows) if by is not None else fitted.predict_proba(rows)[:, 1], np.float64)


def _scores_in_order(classifier: Any, rows: Floats, labels: Labels, blocks: list[Labels]) -> Iterator[Floats]:
    """Of every block but the first and the last, by the rows of those before it.

    The classifier of the last is that of the last fold of cross-validation.
    """
    for f in range(1, len(blocks) - 1):
        before = np.sort(np.concatenate(blocks[:f]))
        fitted: Any = clone(classifier)
        yield _score(fitted.fit(rows[before], labels[before]), rows[blocks[f]])


def _p_value(scores: list[Floats], labels: list[Labels], permutations: int, rng: np.random.Generator) -> float:
    """Of the sum of U_f, less constants: the sum of the ranks of fake rows in their block."""
    observed, drawn = 0.0, np.zeros(permutations)
    for score, label in zip(scores, labels, strict=True):
        ranks = np.empty(len(score))
        ranks[np.lexsort((rng.random(len(score)), score))] = np.arange(len(score))
        observed += ranks @ label
        for some in row_blocks(permutations, len(score)):
            n_draws = len(drawn[some])
            drawn[some] += rng.permuted(np.tile(label, (n_draws, 1)), axis=1) @ ranks
    return (1 + int((drawn >= observed).sum())) / (1 + permutations)
