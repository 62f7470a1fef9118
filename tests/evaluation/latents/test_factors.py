"""Scores of codes against definitions written out cell by cell, which share no line with the library."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.model_selection import train_test_split

from velbo.evaluation.latents.disentanglement import dci, mig, modularity, sap
from velbo.evaluation.latents.factors import checked

Column = list[float]


def data(seed: int, n: int = 240) -> tuple[np.ndarray, np.ndarray, list[bool]]:
    """Four codes (one of few values, one of noise), two classes factors and a real one."""
    rng = np.random.default_rng(seed)
    v = np.column_stack((rng.integers(-1, 3, n), rng.integers(0, 3, n), rng.normal(size=n)))
    z = np.column_stack((v[:, 1] + 0.6 * rng.normal(size=n), v[:, 2] - v[:, 0], v[:, 0] // 2, rng.normal(size=n)))
    return z, v, [True, True, False]


def binned(column: Column, bins: int) -> list[int]:
    values = sorted(set(column))
    if len(values) <= bins:
        return [values.index(x) for x in column]
    low, high = min(column), max(column)
    return [min(int((x - low) / (high - low) * bins), bins - 1) for x in column]


def naive_entropy(labels: list[int]) -> float:
    n = len(labels)
    return -sum(c / n * math.log(c / n) for c in Counter(labels).values())


def naive_information(a: list[int], b: list[int]) -> float:
    """H(a) + H(b) - H(a, b)."""
    n = len(a)
    joint = -sum(c / n * math.log(c / n) for c in Counter(zip(a, b, strict=True)).values())
    return naive_entropy(a) + naive_entropy(b) - joint


def naive_predictability(code: Column, factor: Column, has_classes: bool, bins: int) -> float:
    """The best rule from bins to classes by its balanced accuracy, or the squared correlation."""
    if not has_classes:
        mean_c, mean_f = sum(code) / len(code), sum(factor) / len(factor)
        both = sum((c - mean_c) * (f - mean_f) for c, f in zip(code, factor, strict=True))
        spread = sum((c - mean_c) ** 2 for c in code) * sum((f - mean_f) ** 2 for f in factor)
        return both**2 / spread
    labels, classes, total = binned(code, bins), sorted(set(factor)), 0.0
    for b in set(labels):
        rates = []
        for c in classes:
            of_class = [label for label, f in zip(labels, factor, strict=True) if f == c]
            rates.append(of_class.count(b) / len(of_class))
        total += max(rates)
    return total / len(classes)


def naive_gap(scores: list[float]) -> float:
    first, second = sorted(scores, reverse=True)[:2]
    return first - second


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("bins", [4, 20])
def test_scores_are_the_naive_ones(seed, bins):
    z, v, has_classes = data(seed)
    codes, factors = ([column.tolist() for column in t.T] for t in (z, v))
    labels = [
        [sorted(set(f)).index(x) for x in f] if classes else binned(f, bins)
        for f, classes in zip(factors, has_classes, strict=True)
    ]
    table = [[naive_information(binned(c, bins), f) for f in labels] for c in codes]
    gaps = [naive_gap([row[j] for row in table]) / naive_entropy(labels[j]) for j in range(3)]
    assert mig(z, v, bins) == pytest.approx(sum(gaps) / 3, abs=1e-12)
    told = [
        [naive_predictability(c, f, classes, bins) for c in codes]
        for f, classes in zip(factors, has_classes, strict=True)
    ]
    assert sap(z, v, bins) == pytest.approx(sum(map(naive_gap, told)) / 3, abs=1e-12)
    single = [1 - (sum(i * i for i in row) - max(row) ** 2) / (max(row) ** 2 * 2) for row in table]
    assert modularity(z, v, bins) == pytest.approx(sum(single) / 4, abs=1e-9)


def naive_entropy_in_units(shares: list[float]) -> float:
    return -sum(p * math.log(p) for p in shares if p > 0) / math.log(len(shares))


def test_dci_is_the_naive_one():
    """Forests fitted here, by scikit-learn, on the same three quarters of the rows; the scores by loops."""
    z, v, has_classes = data(0)
    unit, factors = checked(z, v)
    columns, skills = [], []
    train, test = train_test_split(np.arange(len(z)), test_size=0.25, random_state=3)
    for factor, classes in zip(factors, has_classes, strict=True):
        family = RandomForestClassifier if classes else RandomForestRegressor
        y = factor.values
        forest = family(n_estimators=10, min_samples_leaf=0.02, max_features=1.0, random_state=3)
        forest.fit(unit[train], y[train])
        columns.append(forest.feature_importances_.tolist())
        told = forest.predict(unit[test])
        if classes:
            wrong = sum(a != b for a, b in zip(told, y[test], strict=True)) / len(test)
            best_guess = 1 - Counter(y.tolist()).most_common(1)[0][1] / len(y)
        else:
            wrong = sum((a - b) ** 2 for a, b in zip(told, y[test], strict=True)) / len(test)
            best_guess = sum((a - y.mean()) ** 2 for a in y) / len(y)
        skills.append(1 - wrong / best_guess)
    total = sum(map(sum, columns))
    disentangled = 0.0
    for i in range(4):
        row = [column[i] for column in columns]
        disentangled += sum(row) / total * (1 - naive_entropy_in_units([r / sum(row) for r in row]))
    complete = sum(1 - naive_entropy_in_units([r / sum(column) for r in column]) for column in columns) / 3
    found = dci(z, v, trees=10, leaf=0.02, seed=3)
    np.testing.assert_allclose(found.importance.T, columns, rtol=1e-12)
    assert found.disentanglement == pytest.approx(disentangled, abs=1e-12)
    assert found.completeness == pytest.approx(complete, abs=1e-12)
    assert found.informativeness == pytest.approx(sum(skills) / 3, abs=1e-12)
