"""Privacy of synthetic tables against naive distances, all relabellings of small tables and known leaks; reports."""

from __future__ import annotations

import itertools
import json
import math
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from contracts.synthetic import COLUMNS, FLAG, REAL, table
from velbo.errors import ConfigError, DataError
from velbo.evaluation.samples import rows as blocks
from velbo.evaluation.samples import two_sample_test
from velbo.evaluation.synthetic import attack, copies, features, privacy, synthetic_report
from velbo.evaluation.synthetic import distances as module
from velbo.evaluation.synthetic.privacy import QUANTILES
from velbo.rows import Field


def naive_gower(a: np.ndarray, b: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Cell by cell, ranges of ``real``; the first two columns are numbers."""
    found = np.zeros((len(a), len(b)))
    for i, p in enumerate(a):
        for k, q in enumerate(b):
            for j in range(a.shape[1]):
                if np.isnan(p[j]) or np.isnan(q[j]):
                    found[i, k] += np.isnan(p[j]) != np.isnan(q[j])
                elif j < 2:
                    found[i, k] += abs(p[j] - q[j]) / (np.nanmax(real[:, j]) - np.nanmin(real[:, j]))
                else:
                    found[i, k] += p[j] != q[j]
    return found / a.shape[1]


def inside(codes: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Numbers brought into the range of real ones."""
    low, high = np.nanmin(real, 0), np.nanmax(real, 0)
    return np.where(np.isnan(codes), np.nan, np.clip(codes, low, high))


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_distances_and_nearest_rows_are_the_naive_ones(missing, monkeypatch):
    """In one block, in blocks of some rows, and with codes counted a few columns at a time."""
    train, held = table(20, 0, missing), table(20, 1, missing)
    real = np.concatenate((train, held))
    fake = inside(table(30, 2, missing), real)
    d = naive_gower(fake, real, real)
    p = privacy(train, fake, held, COLUMNS, permutations=1)
    sets = np.sort(d[:, :20], 1), np.sort(d[:, 20:], 1)
    for s, distance, ratio in (
        (sets[0], p.distance_training, p.ratio_training),
        (sets[1], p.distance_holdout, p.ratio_holdout),
    ):
        assert distance == pytest.approx(np.quantile(s[:, 0], QUANTILES), abs=1e-14)
        assert ratio == pytest.approx(np.quantile([a / b if b else 1 for a, b in s[:, :2]], QUANTILES), abs=1e-13)
    back = -d.min(0)
    expected = attack(np.round(back[:20], 12), np.round(back[20:], 12), 1)
    assert p.distance_attack.auc == pytest.approx(expected.auc)
    assert p.distance_attack.advantage == pytest.approx(expected.advantage)
    near = np.abs(d - d.min(1)[:, None]) < 1e-12
    assert p.closer == pytest.approx((near[:, :20].sum(1) / near.sum(1)).mean())
    monkeypatch.setattr(blocks, "CELLS_PER_BLOCK", 130)
    monkeypatch.setattr(module, "MOST_COUNTED", 1)
    q = privacy(train, fake, held, COLUMNS, permutations=1)
    assert (q.closer, q.closer_error) == pytest.approx((p.closer, p.closer_error), rel=1e-12)  # sums in another order
    assert replace(q, closer=p.closer, closer_error=p.closer_error) == p


def test_distances_at_the_edges():
    """Numbers far outside are at most a range outside; a column without a range or without cells divides by nothing."""
    train = np.array([[0.0, 5.0, np.nan], [1.0, 5.0, np.nan], [0.0, 5.0, np.nan]])
    columns = (REAL, Field("b", "real"), Field("c", "real"))
    for wild in (1e300, -1e300):
        p = privacy(train, np.array([[wild, wild, wild]]), train, columns, permutations=1)
        assert 0.6 < p.distance_training[0] <= 2
        assert p.closer == pytest.approx(0.5)
    wide = train * [1.7e308, 1, 1] * [[1], [-1], [1]]
    p = privacy(wide, wide[:1], wide, columns, permutations=1)
    assert (p.distance_training[0], p.copies_training) == (0, 1)


def test_a_training_table_that_is_handed_in_is_caught_by_everything():
    """All rows are copies at distance 0, all are nearest to training, every attack is right."""
    train, held = table(150, 0, 0.1), table(150, 1, 0.1)
    held[:, 0] = np.nan_to_num(held[:, 0], nan=50.0) + 1e-3  # no row is in both
    p = privacy(train, train, held, COLUMNS, log_likelihoods=(np.ones(150), np.zeros(90)))
    assert (p.copies_training, p.copies_holdout) == (150, 0)
    assert copies(train, train, COLUMNS) == 150
    assert (p.closer, p.closer_p_value) == (1, 1 / 1000)
    assert p.distance_training == (0,) * 5
    assert p.ratio_training[0] == 0
    assert min(p.distance_holdout) > 0
    for a in (p.distance_attack, p.likelihood_attack):
        assert a is not None
        assert (a.advantage, a.auc, a.auc_error, a.p_value) == (1, 1, 0, 1 / 1000)
    report = synthetic_report(train, train, COLUMNS, held)
    assert report.copies == 150
    assert all(c.distance == 0 for c in report.columns)


def test_a_sample_that_knows_nobody_is_caught_by_nothing():
    """200 sets of independent tables: (closer - 1/2) / error has mean 0 and square 1, p-values are below a a share a.

    Means within 5 standard errors, counts below their binomial 1 - 1e-6 quantiles; false alarm 1e-5 over seeds.
    """
    drawn = [
        privacy(table(40, s), table(60, 5000 + s), table(50, 9000 + s), COLUMNS, permutations=49, seed=s)
        for s in range(200)
    ]
    z = np.array([(p.closer - 0.5) / p.closer_error for p in drawn])
    assert abs(z.mean()) < 5 / math.sqrt(200)
    assert chi2(200).ppf(1e-5) < (z**2).sum() < chi2(200).ppf(1 - 1e-5)
    for p_values in ([p.closer_p_value for p in drawn], [p.distance_attack.p_value for p in drawn]):
        assert sum(p <= 0.1 for p in p_values) < 42
        assert sum(p <= 0.5 for p in p_values) < 134
    auc = np.array([p.distance_attack.auc for p in drawn])
    assert abs(auc.mean() - 0.5) < 5 * auc.std() / math.sqrt(200)
    gain = np.array([p.distance_attack.advantage - p.distance_attack.by_chance for p in drawn])
    assert abs(gain.mean()) < 5 * gain.std() / math.sqrt(200)


def test_the_error_is_that_of_all_relabellings():
    """5 + 5 real rows: standard deviation of the share over all 252 ways to call 5 of them training rows; and p."""
    real, fake = table(10, 0), table(30, 1)
    shares = []
    for pick in itertools.combinations(range(10), 5):
        rest = np.delete(real, pick, 0)
        shares.append(privacy(real[list(pick)], fake, rest, COLUMNS, permutations=1).closer)
    p = privacy(real[:5], fake, real[5:], COLUMNS, permutations=4000)
    assert np.mean(shares) == pytest.approx(0.5)
    assert p.closer_error == pytest.approx(np.std(shares), rel=1e-9)
    exact = np.mean(np.array(shares) >= p.closer - 1e-9)
    assert abs(p.closer_p_value - exact) < 5 * math.sqrt(exact * (1 - exact) / 4000) + 1e-3


def test_noise_around_training_rows_leaks():
    """Copies with 2 % of noise are no copies, and are seen: closer by more than 5 errors, and a sure attack."""
    train, held = (np.random.default_rng(s).normal(size=(300, 4)) for s in (0, 1))
    columns = [Field(n, "real") for n in "abcd"]
    fake = train[:200] + 0.02 * np.random.default_rng(2).normal(size=(200, 4))
    p = privacy(train, fake, held, columns, permutations=199)
    assert p.copies_training == 0
    assert p.closer > 0.5 + 5 * p.closer_error
    assert p.distance_attack.advantage > 0.6 > 5 * p.distance_attack.by_chance
    assert p.distance_attack.p_value == p.closer_p_value == 1 / 200
    assert p.ratio_training[2] < 0.3 < p.ratio_holdout[2]


def test_copies_count_cells_bit_by_bit():
    """Holes are equal to holes, and -0 to 0; a synthetic row counts as often as it is there."""
    real = np.array([[0.0, np.nan], [1.0, 1.0]])
    fake = np.array([[-0.0, -np.nan], [0.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    assert copies(real, fake, (REAL, FLAG)) == 3
    assert copies(real, fake.astype(np.float32), (REAL, FLAG)) == 3


def test_tables_are_thinned_to_one_size():
    train, held, fake = table(90, 0), table(40, 1), table(200, 2)
    p = privacy(train, fake, held, COLUMNS, permutations=1)
    assert (p.rows, p.synthetic) == (40, 200)
    p = privacy(train, fake, held, COLUMNS, permutations=1, rows=25)
    assert (p.rows, p.synthetic) == (25, 25)
    p = privacy(train[:2], fake[:1], held[:2], COLUMNS, permutations=5)
    assert (p.rows, p.synthetic) == (2, 1)


def test_distances_are_never_all_in_memory():
    """3,000 x 6,000 distances would be 144 MB; the peak is below a third of that."""
    x = [np.random.default_rng(s).integers(0, 2, (3000, 2)).astype(float) for s in range(3)]
    tracemalloc.start()
    try:
        privacy(*x, [FLAG, Field("b", "binary", categories=(0, 1))], permutations=1)
        assert tracemalloc.get_traced_memory()[1] < 48e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("digits", [0, 1, 8])
def test_an_attack_by_definition(digits):
    """Every threshold tried, scikit-learn's AUC, DeLong's sums; with many ties, some and none."""
    rng = np.random.default_rng(digits)
    x, y = np.round(rng.normal(0.4, 1, 37), digits), np.round(rng.normal(0, 1.3, 52), digits)
    found = attack(x, y, 10)
    assert found.advantage == pytest.approx(max((x >= t).mean() - (y >= t).mean() for t in np.append(x, np.inf)))
    assert found.auc == pytest.approx(roc_auc_score(np.repeat((1, 0), (37, 52)), np.append(x, y)))
    wins = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    variance = wins.mean(1).var(ddof=1) / 37 + wins.mean(0).var(ddof=1) / 52
    assert found.auc_error == pytest.approx(math.sqrt(variance))


def test_chance_is_the_mean_over_all_relabellings():
    """4 + 3 scores with ties: the 35 relabellings give mean and p-value, within 5 standard errors of 4,000 draws."""
    scores = np.array([3.0, 2, 2, 1, 1, 1, 0])
    every = []
    for pick in itertools.combinations(range(7), 4):
        x, y = scores[list(pick)], np.delete(scores, pick)
        every.append(max(0.0, *((x >= t).mean() - (y >= t).mean() for t in scores)))
    found = attack(scores[:4], scores[4:], 4000)
    assert abs(found.by_chance - np.mean(every)) < 5 * np.std(every) / math.sqrt(4000)
    exact = np.mean(np.array(every) >= found.advantage - 1e-12)
    assert abs(found.p_value - exact) < 5 * math.sqrt(exact * (1 - exact) / 4000) + 1e-3


def test_the_error_of_the_area_is_its_spread():
    """Standard deviation of 500 areas against the mean error stated: it has an error of 3 %, so within 16 %."""
    drawn = [
        attack(np.random.default_rng(s).normal(0.7, 1, 60), np.random.default_rng(9000 + s).normal(0, 1, 40), 1)
        for s in range(500)
    ]
    assert np.std([a.auc for a in drawn]) == pytest.approx(np.mean([a.auc_error for a in drawn]), rel=0.16)


def test_scores_without_information_or_with_infinities():
    flat = attack(np.zeros(20), np.zeros(30), 50)
    assert (flat.advantage, flat.by_chance, flat.p_value, flat.auc, flat.auc_error) == (0, 0, 1, 0.5, 0)
    assert attack([0.0, np.inf], [-np.inf, -np.inf], 1).auc == 1
    worse = attack([0.0, 1], [2.0, 3], 1)
    assert (worse.advantage, worse.auc) == (0, 0)


def small_report(order=(0, 1, 2, 3), rng=None, **options):
    tables = [table(n, s, 0.1)[:, order] for s, n in enumerate((90, 70, 60))]
    train, fake, held = tables if rng is None else [rng.permutation(t) for t in tables]
    linear = {"logistic regression": LogisticRegression()}
    columns = [COLUMNS[j] for j in order]
    return synthetic_report(train, fake, columns, held, "flag", estimators=linear, **options)


def test_the_order_of_rows_and_columns_changes_nothing():
    """Not a bit of any number, thinning, halves, permutations and folds included."""
    expected = small_report(rows=50).to_json()
    found = small_report((2, 0, 3, 1), np.random.default_rng(0), rows=50).to_json()
    by_name = {c["name"]: c for c in found.pop("columns")}
    assert list(expected.pop("columns")) == [by_name[c.name] for c in COLUMNS]
    assert found == expected


def test_the_report_is_its_parts():
    """JSON and lines hold everything; the classifier sees held-out rows."""
    report = small_report(log_likelihoods=(np.arange(90.0), np.arange(60.0)))
    assert (report.real, report.synthetic, report.holdout) == (90, 70, 60)
    assert report.privacy is not None
    stored = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert stored["privacy"]["distance_attack"]["auc"] == report.privacy.distance_attack.auc
    assert stored["columns"][0]["wasserstein"] == report.columns[0].wasserstein
    likelihood = attack(np.arange(90.0), np.arange(60.0))
    assert report.privacy.likelihood_attack == likelihood
    text = "\n".join(report.lines())
    for word in (
        "70 synthetic rows against 90 real ones and 60 held out",
        *(c.name for c in COLUMNS),
        f"{report.columns[0].distance:.3f}  ({report.columns[0].distance_by_chance:.3f})",
        f"by {report.pairs.largest:.3f}",
        f"AUC {report.classifier.auc:.3f}",
        "F1 of 'yes'",
        f"{report.privacy.closer:.1%} are closer to 60 training",
        f"AUC {likelihood.auc:.3f} +- {likelihood.auc_error:.3f}",
    ):
        assert word in text
    assert max(map(len, report.lines())) < 160


def test_a_report_without_held_out_rows():
    """Quality alone, and the copies; what needs them is refused or said to be missing."""
    train, fake = table(60, 0), table(50, 1)
    report = synthetic_report(train, fake, COLUMNS)
    assert report.privacy is report.efficacy is None
    assert "give them as holdout" in report.lines()[-1]
    columns = sorted(COLUMNS, key=lambda c: c.name)
    places = [COLUMNS.index(c) for c in columns]
    x, y = (t[:, places][np.lexsort(t[:, places].T)] for t in (train, fake))
    assert report.classifier == two_sample_test(features(x, columns), features(y, columns, x))
    with pytest.raises(ConfigError, match="target needs rows that nobody trained on"):
        synthetic_report(train, fake, COLUMNS, target="flag")
    with pytest.raises(ConfigError, match="log_likelihoods needs rows"):
        synthetic_report(train, fake, COLUMNS, log_likelihoods=(train[:, 0], train[:, 0]))
    with pytest.raises(DataError, match="synthetic has too few rows, 4: at least 5"):
        synthetic_report(train, fake[:4], COLUMNS)


def test_five_rows_of_one_column_make_a_report():
    """The least there is: constant, one column, all cells missing in one table."""
    for fake in (np.ones((5, 1)), np.full((5, 1), np.nan)):
        report = synthetic_report(np.ones((5, 1)), fake, (FLAG,), np.ones((5, 1)))
        json.dumps(report.to_json(), allow_nan=False)
        assert report.lines()
        assert report.privacy is not None
        assert report.privacy.closer == pytest.approx(0.5)


def test_bad_options_are_named():
    x = table(20, 0)
    with pytest.raises(ConfigError, match="rows = 1: at least 2"):
        privacy(x, x, x, COLUMNS, rows=1)
    with pytest.raises(ConfigError, match="4 rows are too few to compare: at least 5"):
        synthetic_report(x, x, COLUMNS, rows=4)
    with pytest.raises(ConfigError, match="permutations = 0"):
        privacy(x, x, x, COLUMNS, permutations=0)
    with pytest.raises(DataError, match="holdout has too few rows, 1"):
        privacy(x, x, x[:1], COLUMNS)
    with pytest.raises(DataError, match="strangers: the score of row 1 is NaN"):
        attack([1.0, 2.0], [0.0, np.nan])
    with pytest.raises(DataError, match=r"members: scores of shape \(1,\)"):
        attack([1.0], [0.0, 1.0])
