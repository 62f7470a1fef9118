"""Measures of samples against hand counts, naive sums, closed forms and their own null distributions."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
import torch
from scipy.special import ndtr
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from velbo.errors import ConfigError, DataError
from velbo.evaluation.samples import (
    MMD,
    PRDC,
    SampleQuality,
    TwoSampleTest,
    mmd,
    precision_recall_density_coverage,
    sample_quality,
    two_sample_auc,
    two_sample_test,
)
from velbo.evaluation.samples import rows as module

LOGISTIC = make_pipeline(StandardScaler(), LogisticRegression())


def normal(n: int, d: int, seed: int, mean: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return mean + scale * np.random.default_rng(seed).normal(size=(n, d))


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))


def naive_prdc(x: np.ndarray, y: np.ndarray, k: int) -> tuple[float, ...]:
    """The definitions, cell by cell; index k of a sorted row skips the row itself."""
    across = distances(x, y)
    ball_x, ball_y = (np.sort(distances(a, a))[:, k] for a in (x, y))
    inside = across <= ball_x[:, None]
    recall = (across <= ball_y[None]).any(1).mean()
    return inside.any(0).mean(), recall, inside.sum() / (k * len(y)), inside.any(1).mean()


def naive_mmd(x: np.ndarray, y: np.ndarray, h: float) -> float:
    """Three double sums."""

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return math.exp(-((a - b) ** 2).sum() / (2 * h * h))

    n, m = len(x), len(y)
    xx = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return xx + yy - 2 * sum(kernel(a, b) for a in x for b in y) / (n * m)


def values(result: PRDC) -> tuple[float, ...]:
    return result.precision, result.recall, result.density, result.coverage


@pytest.mark.parametrize("k", [1, 3, 7])
@pytest.mark.parametrize("width", [1, 2, 40])
@pytest.mark.parametrize(("n", "m"), [(30, 50), (50, 9)])
def test_neighbours_are_the_naive_ones(k, width, n, m, monkeypatch):
    """By trees (few columns) and by products (many), in one block and in blocks of a row or two."""
    x, y = normal(n, width, 0), normal(m, width, 1, mean=0.5, scale=0.8)
    expected = naive_prdc(x, y, k)
    assert values(precision_recall_density_coverage(x, y, k)) == pytest.approx(expected, abs=1e-15)
    monkeypatch.setattr(module, "CELLS_PER_BLOCK", 2 * m + 1)
    assert values(precision_recall_density_coverage(x, y, k)) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("width", [3, 60])
def test_discrete_rows_lie_on_boundaries_and_count(width):
    """Bits: every distance is the root of a whole number, most balls have rows on their boundary; naive sums are exact.

    Also far from zero and in units in which nothing is a whole number, where distances are known up to rounding alone.
    """
    rng = np.random.default_rng(0)
    x, y = (rng.integers(0, 2, (n, width)).astype(float) for n in (60, 45))
    expected = naive_prdc(x, y, 3)
    assert values(precision_recall_density_coverage(x, y, 3)) == pytest.approx(expected, abs=1e-15)
    assert values(precision_recall_density_coverage(x / 7 + 11, y / 7 + 11, 3)) == pytest.approx(expected, abs=1e-15)
    assert values(precision_recall_density_coverage(x * 1e200, y * 1e200, 3)) == pytest.approx(expected, abs=1e-15)


def test_neighbours_far_from_zero():
    """A million standard deviations away, where |x|^2 - 2 x'y + |y|^2 would have lost everything."""
    x, y = normal(40, 30, 0), normal(40, 30, 1)
    # exactly representable sums, so that the rows are the same but for the shift
    x, y = np.round(x * 1024) / 1024, np.round(y * 1024) / 1024
    far = values(precision_recall_density_coverage(x + 2.0**20, y + 2.0**20))
    assert far == pytest.approx(naive_prdc(x, y, 5), abs=1e-15)


def test_neighbours_by_hand():
    """Real rows 0, 1, 3, 7, k = 1: radii 1, 1, 2, 4. Fake rows 1.5, 4, 20: radii 2.5, 2.5, 16.

    1.5 is in the balls of 1 and 3, 4 in those of 3 and 7, 20 in none: precision 2/3, density 4/3, coverage 3/4.
    0, 1, 3 are in the ball of 1.5, 7 in that of 20: recall 1.
    """
    found = precision_recall_density_coverage(np.c_[[0.0, 1, 3, 7]], np.c_[[1.5, 4, 20]], k=1)
    assert values(found) == pytest.approx((2 / 3, 1, 4 / 3, 3 / 4))


def test_copies_and_strangers():
    """A copy is in its row's own ball and in k others on average: density (k + 1) / k. Far off: all 0."""
    x = normal(50, 3, 0)
    assert values(precision_recall_density_coverage(x, x, 5)) == pytest.approx((1, 1, 6 / 5, 1))
    assert values(precision_recall_density_coverage(x, x + 1000, 5)) == (0, 0, 0, 0)
    equal = np.ones((10, 4))
    assert values(precision_recall_density_coverage(equal, equal, 2)) == (1, 1, 5, 1)


@pytest.mark.parametrize("kept", [1, 2, 4])
def test_missing_modes_cost_recall_and_coverage_alone(kept):
    """Four modes far apart, fake rows from ``kept`` of them: both fall to that share of what they are within a mode.

    That is at most the share itself, and E[coverage] at least 1 - 2^-k of it; margins of five binomial standard errors.
    Density does not see it.
    """
    rng = np.random.default_rng(kept)
    x = normal(400, 2, 0) + 1000 * np.repeat(np.arange(4), 100)[:, None]
    y = normal(400, 2, 1) + 1000 * rng.integers(0, kept, 400)[:, None]
    found, share = precision_recall_density_coverage(x, y, 5), kept / 4
    margin = 5 * math.sqrt(share * 0.1 / 400)
    assert share * 0.9 - margin < found.recall <= share
    assert share * 0.95 - margin < found.coverage <= share
    assert found.precision > 0.9
    assert found.density == pytest.approx(1, abs=0.25)


def test_expectations_for_equal_distributions():
    """Naeem et al.: E[density] = 1, E[coverage] = 1 - prod (N - l) / (N + M - l); within 5 standard errors of 300 sets.

    False alarm 1e-6 a bound, over seeds. The product is about 2^-k only where N = M, and here N = 2 M.
    """
    n, m, k = 40, 20, 2
    found = [precision_recall_density_coverage(normal(n, 2, s), normal(m, 2, 9000 + s), k) for s in range(300)]
    coverage = 1 - math.prod((n - j) / (n + m - j) for j in range(1, k + 1))
    for name, expected in (("density", 1), ("coverage", coverage)):
        drawn = np.array([getattr(f, name) for f in found])
        assert abs(drawn.mean() - expected) < 5 * drawn.std() / math.sqrt(300)


def test_neighbours_take_images_and_tensors():
    x, y = normal(20, 12, 0).reshape(20, 2, 2, 3), normal(20, 12, 1).reshape(20, 2, 2, 3)
    flat = precision_recall_density_coverage(x.reshape(20, -1), y.reshape(20, -1))
    assert precision_recall_density_coverage(x, y) == flat
    assert precision_recall_density_coverage(torch.from_numpy(x).requires_grad_(), y) == flat
    half = [torch.from_numpy(a).bfloat16() for a in (x, y)]
    assert mmd(*half).value == mmd(*(a.double() for a in half)).value


@pytest.mark.parametrize("h", [0.1, 1.0, 30.0])
def test_mmd_is_the_naive_sum(h, monkeypatch):
    """In blocks of any size, far from zero, and the same from either side."""
    x, y = normal(13, 3, 0, mean=100), normal(8, 3, 1, mean=100.5, scale=2)
    expected = naive_mmd(x, y, h)
    assert mmd(x, y, h).value == pytest.approx(expected, rel=1e-9, abs=1e-15)
    monkeypatch.setattr(module, "CELLS_PER_BLOCK", 50)
    assert mmd(x, y, h).value == pytest.approx(expected, rel=1e-9, abs=1e-15)
    assert mmd(y, x, h).value == pytest.approx(mmd(x, y, h).value, rel=1e-9)


def test_mmd_at_a_large_bandwidth_is_the_distance_of_means():
    """h^2 MMD^2 -> |mean x - mean y|^2 - tr cov x / N - tr cov y / M; summing k - 1 keeps seven digits of it."""
    x, y, h = normal(30, 4, 0), normal(20, 4, 1, mean=1), 1e5
    expected = np.square(x.mean(0) - y.mean(0)).sum() - x.var(0, ddof=1).sum() / 30 - y.var(0, ddof=1).sum() / 20
    assert h * h * mmd(x, y, h).value == pytest.approx(expected, rel=1e-7)


def test_the_bandwidth_is_the_median_distance():
    """Of all pairs of both sets, in their own units; of a draw where rows are many; copies do not make it 0."""
    x, y = normal(30, 3, 0, scale=50), normal(21, 3, 1, scale=50)
    both = np.concatenate((x, y))
    expected = np.median(distances(both, both)[np.triu_indices(51, 1)])
    assert mmd(x, y).bandwidth == pytest.approx(expected, rel=1e-12)
    assert mmd(x, y, 2.5).bandwidth == 2.5
    many = mmd(normal(1500, 1, 0), normal(1500, 1, 1), permutations=1).bandwidth
    assert many == pytest.approx(math.sqrt(2) * 0.67449, rel=0.1)
    copies = np.repeat([[0.0], [3.0]], (20, 2), axis=0)
    assert mmd(copies, copies).bandwidth == 3


def gaussian_mmd(d: int, shift: float, scale: float, h: float) -> float:
    """E k of N(0, I) and N(shift, scale^2 I) in d dimensions, by the convolution of Normals."""

    def expectation(variance: float, distance: float) -> float:
        total = h * h + variance
        return (h * h / total) ** (d / 2) * math.exp(-d * distance**2 / (2 * total))

    return expectation(2, 0) + expectation(2 * scale**2, 0) - 2 * expectation(1 + scale**2, shift)


@pytest.mark.parametrize(("shift", "scale", "h"), [(0.0, 1.0, 1.0), (0.7, 1.0, 1.5), (0.3, 2.0, 0.8)])
def test_mmd_between_normals_is_unbiased(shift, scale, h):
    """The mean of 300 estimates is within 5 standard errors of the closed form; false alarm 1e-6 each, over seeds.

    Unbiased, so negative for some of the sets of equal distributions.
    """
    drawn = [mmd(normal(25, 2, s), normal(15, 2, 7000 + s, shift, scale), h, 1).value for s in range(300)]
    assert abs(np.mean(drawn) - gaussian_mmd(2, shift, scale, h)) < 5 * np.std(drawn) / math.sqrt(300)
    if shift == 0:
        assert 30 < (np.array(drawn) < 0).sum() < 270


def test_permuted_p_values_are_uniform_for_equal_distributions():
    """600 sets, p in 1/20 .. 20/20 equally often: chi-squared of 20 cells; false alarm 1e-4, over seeds."""
    p = np.array([mmd(normal(9, 2, s), normal(12, 2, 5000 + s), None, 19, s).p_value for s in range(600)])
    counts = np.bincount(np.rint(p * 20).astype(int), minlength=21)
    assert counts[0] == 0
    assert counts.sum() == 600
    statistic = ((counts[1:] - 30) ** 2 / 30).sum()
    assert statistic < 50.8  # chi2.ppf(1 - 1e-4, 19)


def test_the_p_value_is_the_rank_among_relabelled_sets():
    """All 20 ways to label 3 + 3 rows: random relabellings reach the exact rank within 5 standard errors of 4,000."""
    x, y = normal(3, 1, 0), normal(3, 1, 1, mean=1.0)
    both, observed = np.concatenate((x, y)), naive_mmd(x, y, 1.0)
    every = [naive_mmd(both[list(c)], np.delete(both, c, 0), 1.0) for c in itertools.combinations(range(6), 3)]
    exact = np.mean(np.array(every) >= observed - 1e-12)
    found = mmd(x, y, 1.0, permutations=4000).p_value
    assert abs(found - exact) < 5 * math.sqrt(exact * (1 - exact) / 4000) + 1 / 4001


def test_relabelled_sets_that_are_equal_count_as_equal():
    """2 + 2 rows: a labelling and its complement have one value, whatever their rounding, so p is 1/3, 2/3 or 1.

    40 data sets, 1,000 permutations each, within 0.07, 4.6 standard errors: false alarm 1e-4 over seeds. A complement
    lost would cost 1/6.
    """
    for seed in range(40):
        rows = normal(4, 3, seed)
        every = [naive_mmd(rows[[0, i]], np.delete(rows, [0, i], 0), 1.0) for i in (1, 2, 3)]
        exact = np.mean(np.array(every) >= every[0] - 1e-12)
        assert abs(mmd(rows[:2], rows[2:], 1.0, 1000, seed).p_value - exact) < 0.07


def test_a_difference_is_found():
    """Shifted by a standard deviation, or 2.5 times as wide: no permutation comes near, so p is least."""
    for y in (normal(100, 2, 1, mean=1.0), normal(100, 2, 1, scale=2.5)):
        assert mmd(normal(100, 2, 0), y, permutations=99).p_value == 0.01


def test_nothing_to_compare_is_no_evidence():
    """Rows that are all equal, bandwidths beyond or below all distances: MMD is 0, p is 1, and nothing is NaN."""
    same = np.full((9, 2), 0.1)
    found = mmd(same, same)
    assert (found.value, found.p_value) == (0, 1)
    assert 0 < found.bandwidth < math.inf
    x = normal(9, 2, 0)
    assert mmd(x, x + 1, 1e300).value == 0
    assert mmd(x, x + 1, 1e300).p_value == 1
    assert mmd(x, x + 1, 1e-300).value == pytest.approx(0, abs=1e-12)
    assert mmd(x, x + 1, 1e-300).p_value == 1
    assert mmd(1e-300 * x, 1e-300 * x + 1e-300).value == pytest.approx(mmd(x, x + 1).value, rel=1e-9)


@pytest.mark.parametrize("distance", [0.5, 1.0, 2.0])
def test_auc_of_two_normals(distance):
    """Phi(d / sqrt 2) and accuracy Phi(d / 2) for the best line, which the logistic finds but for noise of order 1 / n.

    Margins of 5 standard errors for 2,000 rows each: AUC 5 * 0.5 / sqrt(2,000), accuracy 5 * 0.5 / sqrt(4,000), wider
    than true; false alarm below 1e-6 over seeds.
    """
    found = two_sample_test(normal(2000, 1, 0), normal(2000, 1, 1, mean=distance), classifier=LOGISTIC)
    assert found.auc == pytest.approx(ndtr(distance / math.sqrt(2)), abs=0.056)
    assert found.accuracy == pytest.approx(ndtr(distance / 2), abs=0.04)
    assert found.p_value == 1e-3


def test_separated_sets_are_told_apart():
    """All rows right: no draw of 999 comes near."""
    for classifier in (None, LOGISTIC, KNeighborsClassifier(3), LinearSVC()):
        found = two_sample_test(normal(60, 3, 0), normal(60, 3, 1, mean=40), classifier=classifier)
        assert found == TwoSampleTest(1.0, 1.0, 1e-3)


def test_equal_distributions_are_not_told_apart():
    """Accuracy within 6 binomial standard errors, 4.5 of the wider true spread: false alarm 1e-5 each over seeds, and
    2e-3 of the p-value.
    """
    for seed, classifier in enumerate((None, LOGISTIC)):
        found = two_sample_test(normal(400, 4, seed), normal(400, 4, 50 + seed), classifier=classifier)
        assert abs(found.accuracy - 0.5) < 6 * 0.5 / math.sqrt(800)
        assert abs(found.auc - 0.5) < 0.12
        assert found.p_value > 2e-3


def test_the_default_classifier_sees_what_a_line_cannot():
    """Equal means, another scale."""
    x, y = normal(400, 2, 0), normal(400, 2, 1, scale=2.5)
    assert two_sample_test(x, y).p_value == 1e-3
    assert two_sample_auc(x, y) == two_sample_test(x, y).auc
    assert two_sample_test(x, y, classifier=LOGISTIC).p_value > 1e-3


@pytest.mark.parametrize("n_values", [2, 400])
def test_columns_that_no_tree_splits_change_nothing(n_values: int):
    """The default is scikit-learn's gradient boosting of all columns to the last bit: names that few rows have are left
    out, and zeros and ones take two bins.
    """
    rng = np.random.default_rng(0)
    x, y = rng.random((2, 120, 40)) < np.r_[0.06, 0.02 * np.ones(39)]
    y[:, 0] |= rng.random(120) < 0.2
    assert 24 <= x[:, 0].sum() + y[:, 0].sum() < 60  # it is split, though few rows have it
    x, y = (np.c_[each, rng.integers(n_values, size=120)].astype(float) for each in (x, y))
    plain = HistGradientBoostingClassifier(random_state=3)
    assert two_sample_test(x, y, seed=3) == two_sample_test(x, y, seed=3, classifier=plain)


class MeanDifference(ClassifierMixin, BaseEstimator):
    """The projection on the difference of the means: as cheap as a classifier can be."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> MeanDifference:
        self.classes_ = np.array((0, 1))
        self.direction_ = X[y == 1].mean(0) - X[y == 0].mean(0)
        self.middle_ = X.mean(0)
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        return (X - self.middle_) @ self.direction_

    def predict(self, X: np.ndarray) -> np.ndarray:
        return (self.decision_function(X) > 0).astype(int)


CHEAP = MeanDifference()


def in_order(x: np.ndarray, y: np.ndarray, seed: int, folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(scores, labels) of every fold but the first, by a classifier of the folds before it."""
    rows, labels = np.concatenate((x, y)), np.repeat((0, 1), len(x))
    blocks = [b for _, b in StratifiedKFold(folds, shuffle=True, random_state=seed).split(rows, labels)]
    found = []
    for f in range(1, folds):
        before = np.concatenate(blocks[:f])
        fitted = MeanDifference().fit(rows[before], labels[before])
        found.append((fitted.decision_function(rows[blocks[f]]), labels[blocks[f]]))
    return found


def pairs_in_order(scores: np.ndarray, labels: np.ndarray) -> int:
    """U, by counting: fake rows above real ones."""
    return sum(a > b for a in scores[labels == 1] for b in scores[labels == 0])


def test_the_p_value_is_the_rank_among_all_labels_of_the_folds():
    """3 folds of 3 + 3 rows: all 20 x 20 ways to label the last two. 4,000 draws reach the exact rank within 5 standard
    errors.
    """
    for seed in range(3):
        x, y = normal(9, 2, seed), normal(9, 2, 90 + seed, mean=0.7)
        blocks = in_order(x, y, seed, 3)
        observed = sum(pairs_in_order(s, label) for s, label in blocks)
        ways = [np.isin(np.arange(6), c).astype(int) for c in itertools.combinations(range(6), 3)]
        sums = [[pairs_in_order(s, way) for way in ways] for s, _ in blocks]
        exact = np.mean([a + b >= observed for a in sums[0] for b in sums[1]])
        found = two_sample_test(x, y, seed, 3, CHEAP, permutations=4000).p_value
        assert abs(found - exact) < 5 * math.sqrt(exact * (1 - exact) / 4000) + 1 / 4001


def test_p_values_of_the_classifier_are_uniform_for_equal_distributions():
    """200 sets, p in 1/20 .. 20/20 equally often: chi-squared of 20 cells; false alarm 1e-4 over seeds."""
    p = [two_sample_test(normal(40, 2, s), normal(40, 2, 4000 + s), s, 3, CHEAP, 19).p_value for s in range(200)]
    counts = np.bincount(np.rint(np.array(p) * 20).astype(int), minlength=21)
    assert counts[0] == 0
    assert ((counts[1:] - 10) ** 2 / 10).sum() < 50.8  # chi2.ppf(1 - 1e-4, 19)


def test_ties_and_few_rows_keep_the_level():
    """Rows of three values, 8 and 8 of them: a 10 % test alarms in at most 10 % of 100 sets, that is, in 22 at most but
    for 1e-4 over seeds.
    """
    sets = np.random.default_rng(0).integers(0, 3, (100, 2, 8, 2)).astype(float)
    p = [two_sample_test(x, y, s, 4, CHEAP, 99).p_value for s, (x, y) in enumerate(sets)]
    assert sum(v <= 0.1 for v in p) <= 22


def test_the_classifier_test_has_power():
    """Three columns moved by half a standard deviation, 50 rows of each: a 5 % test finds it in 90 of 100 sets. Of 40,
    fewer than 27 would be a false alarm of 1e-5 over seeds. (Twice the median of binomial p-values of folds found 10.)
    """
    p = [two_sample_test(normal(50, 3, s), normal(50, 3, 700 + s, mean=0.5), s, classifier=CHEAP) for s in range(40)]
    assert sum(found.p_value <= 0.05 for found in p) >= 27


def test_a_guess_is_no_evidence():
    """Every score is tied: p is drawn by lot, with the mean 1/2; 5 standard errors of 20."""
    found = [
        two_sample_test(normal(30, 2, 0), normal(300, 2, 1, mean=9), s, classifier=DummyClassifier()) for s in range(20)
    ]
    assert {(f.accuracy, f.auc) for f in found} == {(0.5, 0.5)}
    assert abs(np.mean([f.p_value for f in found]) - 0.5) < 5 / math.sqrt(12 * 20)


def test_accuracies_of_equal_distributions_centre_on_one_half():
    """100 sets, 5 standard errors: false alarm 1e-6 over seeds."""
    found = [two_sample_test(normal(30, 3, s), normal(30, 3, 3000 + s), s, 2, CHEAP) for s in range(100)]
    z = (np.array([f.accuracy for f in found]) - 0.5) / (0.5 / math.sqrt(60))
    assert abs(z.mean()) < 5 * z.std() / 10


def test_all_three_on_features_are_the_three_on_their_results():
    """``features`` sees what was given, once each; its own missing cells are its own affair."""
    x, y = normal(60, 6, 0).reshape(60, 2, 3), normal(50, 6, 1, mean=0.3).reshape(50, 2, 3)
    x[3, 0, 0] = math.nan
    seen = []

    def features(rows):
        seen.append(rows)
        return torch.nan_to_num(torch.as_tensor(rows)).mean(1)

    found = sample_quality(x, y, features, k=3, permutations=20, folds=4, classifier=LOGISTIC, seed=2)
    assert len(seen) == 2
    assert seen[0] is x
    assert seen[1] is y
    a, b = (np.nan_to_num(v).mean(1) for v in (x, y))
    expected = SampleQuality(
        real=60,
        fake=50,
        width=3,
        neighbours=precision_recall_density_coverage(a, b, 3),
        mmd=mmd(a, b, None, 20, 2),
        classifier=two_sample_test(a, b, 2, 4, LOGISTIC),
    )
    assert found == expected
    assert sample_quality(a, b, bandwidth=2.0, permutations=5, classifier=LOGISTIC).mmd.bandwidth == 2


def test_the_same_seed_gives_the_same_numbers_as_json():
    x, y = normal(60, 2, 0), normal(70, 2, 1)
    found = sample_quality(x, y, seed=1)
    assert found == sample_quality(x, y, seed=1)
    assert len({mmd(x, y, seed=s).p_value for s in range(8)}) > 1
    assert len({two_sample_test(x, y, s, classifier=LOGISTIC).auc for s in range(3)}) > 1
    record = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert record["real"] == 60
    assert PRDC(**record["neighbours"]) == found.neighbours
    assert MMD(**record["mmd"]) == found.mmd
    assert TwoSampleTest(**record["classifier"]) == found.classifier


@pytest.mark.parametrize(
    "measure", [precision_recall_density_coverage, mmd, two_sample_test, two_sample_auc, sample_quality]
)
def test_bad_rows_are_refused_with_advice(measure):
    x = normal(20, 3, 0)
    hole = x.copy()
    hole[[4, 9], 1] = math.nan
    with pytest.raises(DataError, match=r"fake: 2 of 20 rows have missing cells, first row 4, column 1; impute them"):
        measure(x, hole)
    with pytest.raises(DataError, match="real has 3 numbers a row, fake has 2; give both the same columns"):
        measure(x, x[:, :2])
    with pytest.raises(DataError, match=r"fake has too few rows, 1: .* needs? \d; give more"):
        measure(x, x[:1])
    with pytest.raises(DataError, match="real: it has no rows"):
        measure(x[:0], x)
    with pytest.raises(DataError, match="real: row 2 holds inf"):
        measure(np.where(np.arange(60).reshape(20, 3) == 7, math.inf, x), x)


def test_bad_options_are_refused_with_advice():
    x = normal(20, 3, 0)
    with pytest.raises(DataError, match="fake has too few rows, 10: k = 12 neighbours need 13; give more, or a smal"):
        precision_recall_density_coverage(x, x[:10], 12)
    with pytest.raises(DataError, match="real has too few rows, 10: 12 folds need 12; give more, or fewer folds"):
        two_sample_test(x[:10], x, folds=12)
    with pytest.raises(DataError, match=r"real: features turned shape \(20, 3\) into \(3,\)"):
        sample_quality(x, x, lambda rows: rows.mean(0))
    cases = (
        (lambda: precision_recall_density_coverage(x, x, 0), "k = 0"),
        (lambda: mmd(x, x, 0.0), "bandwidth = 0.0: give a positive number, or None"),
        (lambda: mmd(x, x, math.nan), "bandwidth = nan"),
        (lambda: mmd(x, x, permutations=0), "permutations = 0"),
        (lambda: two_sample_test(x, x, permutations=0), "permutations = 0"),
        (lambda: two_sample_test(x, x, folds=1), "folds = 1"),
        (lambda: two_sample_test(x, x, classifier=LinearRegression()), r"give a scikit-learn classifier.*LogisticReg"),
        (lambda: two_sample_test(x, x, classifier=LogisticRegression), "not fitted, with decision_function"),
        (lambda: two_sample_test(x, x, classifier="forest"), "classifier = 'forest'"),
    )
    for case, message in cases:
        with pytest.raises(ConfigError, match=message):
            case()
