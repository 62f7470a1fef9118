"""Is a synthetic table good for learning? Train on synthetic rows, test on real ones, beside training on real rows.

    binary target          F1 = 2 TP / (2 TP + FP + FN) of the class that is rarer in the real training rows
    several classes        mean of F1 over the classes of the test rows
    number                 R^2 = 1 - sum (y - f(x))^2 / sum (y - mean y)^2

Answers that do not look at the inputs reach at most 2p / (1 + p), by always saying the class of share p, 1 / C, by
saying each of C classes at random as often as it is there, and 0.

`SDGYM` holds the four classifiers of the CTGAN paper's benchmark, with its settings. For its Adult figure take target
`income`, estimators=SDGYM and the mean over classifiers. Here numbers are standardised, there they have range 5 or are
logarithms, which trees and boosting do not see and the other two hardly.

Sources: Real-valued (medical) time series generation with recurrent conditional GANs, Esteban, Hyland and Raetsch,
2017, https://arxiv.org/abs/1706.02633; Modeling tabular data using conditional GAN, Xu, Skoularidou,
Cuesta-Infante and Veeramachaneni, 2019, https://arxiv.org/abs/1907.00503;
https://github.com/sdv-dev/SDGym/blob/0821fd1fe037b342904b031029781eb29885a501/sdgym/evaluate.py (settings).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import AdaBoostClassifier, HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import f1_score, r2_score
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier

from ...errors import ConfigError, DataError, unknown
from ...rows import Field
from ..samples import Floats
from .features import features, moments
from .table import Table, as_table

CLASSIFIERS: Mapping[str, Any] = MappingProxyType(
    {"gradient boosting": HistGradientBoostingClassifier(), "logistic regression": LogisticRegression(max_iter=500)}
)
REGRESSORS: Mapping[str, Any] = MappingProxyType(
    {"gradient boosting": HistGradientBoostingRegressor(), "ridge regression": Ridge()}
)
SDGYM: Mapping[str, Any] = MappingProxyType(
    {
        "decision tree": DecisionTreeClassifier(max_depth=15, class_weight="balanced"),
        "AdaBoost": AdaBoostClassifier(),
        "logistic regression": LogisticRegression(class_weight="balanced", max_iter=50),
        "MLP": MLPClassifier((50,), max_iter=50),
    }
)


@dataclass(frozen=True)
class Efficacy:
    """Scores on real test rows; 1 is perfect.

    Attributes:
        target: name of the column that is predicted.
        measure: what the scores are.
        real: score of each estimator after training on real rows.
        synthetic: score of each after training on synthetic rows.
        guess: best expected score of answers that do not look at the inputs: what a table gives that says nothing of
            its target.
    """

    target: str
    measure: str
    real: dict[str, float]
    synthetic: dict[str, float]
    guess: float

    @property
    def mean_real(self) -> float:
        """Over estimators."""
        return float(np.mean(list(self.real.values())))

    @property
    def mean_synthetic(self) -> float:
        """Over estimators."""
        return float(np.mean(list(self.synthetic.values())))


def efficacy(
    real_train: Any,
    synthetic: Any,
    real_test: Any,
    columns: Sequence[Field],
    target: str,
    estimators: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Efficacy:
    """Train on synthetic, test on real, against train on real, test on real.

    Inputs are the `features` of all other columns, scaled by the table that is trained on; rows whose target is missing
    are left out. A number to be predicted is in standard deviations of the real training rows. More rows train better:
    give as many synthetic as real ones.

    Args:
        real_train: codes (N, D), NaN missing.
        synthetic: codes (M, D).
        real_test: codes (L, D) of rows that no model has seen.
        columns: the D modelled ones, at least 2.
        target: name of one of them.
        estimators: scikit-learn classifiers for codes or regressors for numbers, by name; they are cloned, and each
            random_state that is None becomes ``seed``. None takes gradient boosting and a linear model.
        seed: of the estimators.

    Raises:
        ConfigError: for an unknown target, a single column, or estimators that do not fit it.
        DataError: for tables that do not fit the columns, have fewer than 2 rows with a known target, or that an
            estimator refuses.
    """
    if len(columns) < 2:
        raise ConfigError("efficacy needs a column besides the target; give at least 2 columns")
    if target not in [c.name for c in columns]:
        raise unknown("target", target, [c.name for c in columns])
    named = {"real_train": real_train, "synthetic": synthetic, "real_test": real_test}
    tables = [_known(as_table(t, columns, what), target, what) for what, t in named.items()]
    column = next(c for c in columns if c.name == target)
    chosen = _fitting_estimators(estimators, column)
    real, fake, test = (_split(t, target) for t in tables)
    measure, score, guess = _score(column, real[1], test[1])
    if not column.categories:
        mean, scale = moments(real[1])
        real, fake, test = ((t, y / scale - mean) for t, y in (real, fake, test))
    scores = partial(_scores, chosen, test=test, score=score, seed=seed)
    return Efficacy(target, measure, scores(real, "real_train"), scores(fake, "synthetic"), guess)


def _known(table: Table, target: str, what: str) -> Table:
    """Rows with a known target, in an order that no permutation changes."""
    table = table.in_order()
    cells = table.codes[:, [c.name for c in table.columns].index(target)]
    rows = table.codes[~np.isnan(cells)]
    if len(rows) < 2:
        raise DataError(f"{what}: {len(rows)} rows with a known {target!r}; at least 2 are needed")
    return Table(rows, table.columns)


def _split(table: Table, target: str) -> tuple[Table, Floats]:
    j = [c.name for c in table.columns].index(target)
    others = table.columns[:j] + table.columns[j + 1 :]
    return Table(np.delete(table.codes, j, 1), others), table.codes[:, j]


def _fitting_estimators(estimators: Mapping[str, Any] | None, column: Field) -> Mapping[str, Any]:
    coded = bool(column.categories)
    fits, word = (is_classifier, "classifier") if coded else (is_regressor, "regressor")
    chosen = (CLASSIFIERS if coded else REGRESSORS) if estimators is None else estimators
    for name, e in chosen.items():
        if not (isinstance(e, BaseEstimator) and fits(e)):
            raise ConfigError(
                f"estimators: {name!r} is no scikit-learn {word}, which {column.name!r} ({column.kind}) needs; give "
                "one, not fitted"
            )
    if not chosen:
        raise ConfigError("estimators: none given; give at least one by name, or None")
    return chosen


def _score(column: Field, train: Floats, test: Floats) -> tuple[str, Callable[[Floats, Floats], float], float]:
    """(measure, score of (truth, answer), score that needs no inputs)."""
    if not column.categories:
        return "R^2", lambda y, answer: float(r2_score(y, answer)), 0.0
    if column.n_categories > 2:
        classes = np.unique(test)
        measure, guess = "mean F1 of the classes", 1 / len(classes)
    else:
        rarer = float(np.argmin([(train == 0).sum(), (train == 1).sum() - 0.5]))  # 1 if they are equal
        classes, share = np.array([rarer]), float((test == rarer).mean())
        measure, guess = f"F1 of {column.categories[int(rarer)]!r}", 2 * share / (1 + share)

    def f1(y: Floats, answer: Floats) -> float:
        return float(f1_score(y, answer, labels=classes, average="macro", zero_division=0))  # pyright: ignore[reportArgumentType]

    return measure, f1, guess


def _scores(
    estimators: Mapping[str, Any],
    train: tuple[Table, Floats],
    what: str,
    *,
    test: tuple[Table, Floats],
    score: Callable[[Floats, Floats], float],
    seed: int,
) -> dict[str, float]:
    """Of each estimator after training on one table."""
    (table, y), (held, truth) = train, test
    x, z = features(table.codes, table.columns), features(held.codes, held.columns, table.codes)
    found = {}
    for name, estimator in estimators.items():
        try:
            found[name] = score(truth, _trained(estimator, x, y, seed).predict(z))
        except ValueError as error:
            raise DataError(f"{what}: {name!r} cannot learn from it ({error}); give other estimators") from error
    return found


def _trained(estimator: Any, x: Floats, y: Floats, seed: int) -> Any:
    # a classifier cannot be trained on one class, but its answer is known
    lone = is_classifier(estimator) and len(np.unique(y)) == 1
    model: Any = DummyClassifier() if lone else clone(estimator)
    free = [k for k, v in model.get_params().items() if k.rpartition("__")[2] == "random_state" and v is None]
    model.set_params(**dict.fromkeys(free, seed))
    with warnings.catch_warnings():
        # the protocol of SDGym stops early, and a half-converged model still has a score
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(x, y)
