"""Quality of synthetic tables against SciPy, naive sums, all relabellings of small tables, and closed forms."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import beta, hypergeom, ks_2samp, spearmanr, wasserstein_distance
from scipy.stats.contingency import association, crosstab
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import f1_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from contracts.synthetic import COLOUR, COLUMNS, COUNT, FLAG, REAL, table
from velbo.errors import ConfigError, DataError
from velbo.evaluation.synthetic import SDGYM, associations, column_quality, efficacy, features, pair_quality
from velbo.evaluation.synthetic import columns as module
from velbo.evaluation.synthetic.chance import mean_difference, pool
from velbo.rows import Field


def known(codes: np.ndarray, *columns: int) -> list[np.ndarray]:
    """Cells of these columns in the rows that have them all."""
    rows = ~np.isnan(codes[:, columns]).any(1)
    return [codes[rows, j] for j in columns]


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_columns_are_those_of_scipy(missing):
    """Numbers with ties and without, codes, holes; one table larger than the other."""
    x, y = table(80, 0, missing), table(130, 1, missing)
    found = column_quality(x, y, COLUMNS)
    assert [(c.name, c.kind) for c in found] == [(c.name, c.kind) for c in COLUMNS]
    for j in (0, 1):
        (a,), (b,) = known(x, j), known(y, j)
        assert found[j].distance == pytest.approx(ks_2samp(a, b).statistic, abs=1e-14)
        assert found[j].wasserstein == pytest.approx(wasserstein_distance(a, b) / a.std(), rel=1e-12)
    for j, c in ((2, 2), (3, 4)):
        (a,), (b,) = known(x, j), known(y, j)
        gaps = [abs((a == k).mean() - (b == k).mean()) for k in range(c)]
        assert found[j].distance == pytest.approx(sum(gaps) / 2, abs=1e-14)
        assert found[j].wasserstein is None
        assert found[j].wasserstein_by_chance is None
    for j in range(4):
        assert found[j].missing_real == np.isnan(x[:, j]).mean()
        assert found[j].missing_synthetic == np.isnan(y[:, j]).mean()
        assert (found[j].missing_by_chance > 0) == (missing > 0)


def test_equal_tables_differ_by_nothing():
    x = table(50, 0, 0.2)
    for c in column_quality(x, x[::-1], COLUMNS):
        assert c.distance == 0
        assert not c.wasserstein
        assert c.missing_real == c.missing_synthetic
    pairs = pair_quality(x, x[::-1], COLUMNS)
    assert pairs.largest == pairs.mean == 0
    assert pairs.mean_by_chance > 0


def test_the_mean_deviation_is_the_sum_over_the_hypergeometric_law():
    """De Moivre's formula against the sum, for every K of small pools and for a large one."""
    for n, m in ((1, 1), (1, 6), (4, 4), (7, 3), (20, 30)):
        k = np.arange(n + 1)
        expected = [
            (np.abs(k / n - (count - k) / m) * hypergeom.pmf(k, n + m, count, n)).sum() for count in range(n + m + 1)
        ]
        assert mean_difference(np.arange(n + m + 1), n, m) == pytest.approx(expected, rel=1e-11, abs=1e-15)
    half = mean_difference(10**6, 10**6, 10**6)
    assert half == pytest.approx(math.sqrt(2 / math.pi) * math.sqrt(0.25 * 2e-6), rel=1e-5)


def test_by_chance_is_the_mean_over_all_samples_of_the_pool():
    """Real columns of 4 cells: all 70 ways to draw 4 of the 8 cells of the pool."""
    x = np.array([[0.0, 0, 0, 1], [1.5, 2, 0, 0], [4.0, 2, 1, 2], [np.nan, 7, 1, 2]])
    found = column_quality(x, x[::-1] * [3, 1, 1, 1], COLUMNS)
    for j, c in enumerate(found):
        (a,) = known(x, j)
        n = len(a)
        cells = pool(np.sort(a), 2 * n)
        assert sorted(cells) == sorted(np.repeat(a, 2))
        splits = [(cells[list(s)], np.delete(cells, s)) for s in itertools.combinations(range(2 * n), n)]
        if c.kind in ("real", "count"):
            every = [wasserstein_distance(p, q) / a.std() for p, q in splits]
            assert c.wasserstein_by_chance == pytest.approx(np.mean(every), rel=1e-12)
        else:
            every = [sum(abs((p == k).mean() - (q == k).mean()) for k in range(4)) / 2 for p, q in splits]
            assert c.distance_by_chance == pytest.approx(np.mean(every), rel=1e-12)
    # one hole of four: two of the pool of eight, drawn or not
    assert found[0].missing_by_chance == pytest.approx(np.abs(np.array([-2, 0, 2])) @ (np.array([15, 40, 15]) / 70) / 4)


def test_the_largest_gap_by_chance_is_kolmogorovs():
    """sqrt(pi / 2) log 2 sqrt(1/n + 1/m) without ties, sample or not; a mass on two points is one binomial gap.

    100 relabellings, whose standard error is 3 % (8 % for two points): within 5 of them, and 2 % for finite samples.
    """
    for n, m in ((1500, 1000), (300_000, 500)):
        x, y = (np.random.default_rng(s).normal(size=(k, 1)) for s, k in ((0, n), (1, m)))
        expected = math.sqrt(math.pi / 2) * math.log(2) * math.sqrt(1 / n + 1 / m)
        (found,) = column_quality(x, y, (REAL,))
        assert found.distance_by_chance == pytest.approx(expected, rel=0.17)
    x = np.repeat([[0.0], [1.0]], (300, 100), axis=0)
    (found,) = column_quality(x, x, (COUNT,))
    assert found.distance_by_chance == pytest.approx(mean_difference(600, 400, 400), rel=0.4)


def test_independent_tables_differ_by_what_chance_says():
    """Mean of 200 pairs of tables against the mean that each states; 5 standard errors and 3 % for the pool.

    False alarm 1e-6 for each of eight means, over seeds.
    """
    drawn = [column_quality(table(120, s, 0.2), table(80, 9000 + s, 0.2), COLUMNS) for s in range(200)]
    for j in range(4):
        for name in ("distance", "wasserstein"):
            found = np.array([getattr(q[j], name) or 0.0 for q in drawn])
            chance = np.mean([getattr(q[j], f"{name}_by_chance") or 0.0 for q in drawn])
            assert abs(found.mean() - chance) <= 5 * found.std() / math.sqrt(200) + 0.03 * chance, (j, name)
        gap = np.array([abs(q[j].missing_real - q[j].missing_synthetic) for q in drawn])
        chance = np.mean([q[j].missing_by_chance for q in drawn])
        assert abs(gap.mean() - chance) < 5 * gap.std() / math.sqrt(200)


def test_bad_cells_are_no_chance():
    """One cell far away is seen, for chance does not know it. Cells whose squares no float holds are fine."""
    x, y = table(60, 0)[:, :1], table(60, 1)[:, :1]
    wild = y.copy()
    wild[0] = 1e200
    good, bad = (column_quality(x, t, (REAL,))[0] for t in (y, wild))
    assert good.wasserstein_by_chance == bad.wasserstein_by_chance
    assert bad.wasserstein is not None
    assert bad.wasserstein > 1e190
    huge = column_quality(x * 1e300, y * 1e300, (REAL,))[0]
    assert huge.wasserstein == pytest.approx(good.wasserstein)


def test_columns_with_one_value_or_none():
    """A constant has no deviation: distances are in the column's scale. A column without cells is at distance 1."""
    ones = np.ones((6, 1))
    (found,) = column_quality(ones, ones + 3, (Field("a", "real", scale=2.0),))
    assert (found.distance, found.wasserstein) == (1, 1.5)
    assert (found.distance_by_chance, found.wasserstein_by_chance) == (0, 0)
    empty = np.full((6, 1), np.nan)
    (found,) = column_quality(ones, empty, (REAL,))
    assert (found.distance, found.wasserstein, found.missing_synthetic) == (1, None, 1)
    (found,) = column_quality(empty, empty, (FLAG,))
    assert (found.distance, found.missing_by_chance) == (0, 0)
    (found,) = column_quality([[2.0]], [[3.0]], (COUNT,))
    assert (found.distance, found.wasserstein) == (1, 1)


def test_chance_for_many_cells_is_that_of_few_scaled(monkeypatch):
    x, y = table(900, 0), table(700, 1)
    every = column_quality(x, y, COLUMNS)[0].distance_by_chance
    monkeypatch.setattr(module, "MOST_RELABELLED", 200)
    assert column_quality(x, y, COLUMNS)[0].distance_by_chance == pytest.approx(every, rel=0.25)


def naive_v(a: np.ndarray, b: np.ndarray) -> float:
    """Bergsma's correction of SciPy's phi, pair by pair."""
    (rows, cols), counts = crosstab(a, b)  # pyright: ignore[reportGeneralTypeIssues]
    n, r, c = len(a), len(rows), len(cols)
    if min(r, c) < 2:
        return 0.0
    phi = association(counts, "cramer") ** 2 * (min(r, c) - 1)
    excess = max(0.0, phi - (r - 1) * (c - 1) / (n - 1))
    return math.sqrt(excess / (min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1))


def naive_ratio(code: np.ndarray, v: np.ndarray) -> float:
    groups = [v[code == k] for k in np.unique(code)]
    between = sum(len(g) * (g.mean() - v.mean()) ** 2 for g in groups)
    eta2 = between / ((v - v.mean()) ** 2).sum()
    return math.sqrt(max(0.0, 1 - (1 - eta2) * (len(v) - 1) / (len(v) - len(groups))))


@pytest.mark.parametrize("missing", [0.0, 0.25])
@pytest.mark.parametrize("seed", range(3))
def test_associations_are_the_naive_ones(missing, seed):
    """All three kinds over the rows that have both; Spearman's rho is SciPy's where nothing is missing."""
    x = table(150, seed, missing)
    found = associations(x, COLUMNS)
    assert np.array_equal(found, found.T)
    assert np.array_equal(np.diag(found), np.ones(4))
    assert found[2, 3] == pytest.approx(naive_v(*known(x, 2, 3)), abs=1e-12)
    for code, number in itertools.product((2, 3), (0, 1)):
        assert found[code, number] == pytest.approx(naive_ratio(*known(x, code, number)), abs=1e-12)
    ranks = np.full((150, 2), np.nan)
    for j in (0, 1):
        v = x[:, j]
        ranks[:, j] = [np.nan if np.isnan(a) else (v < a).sum() + (v == a).sum() / 2 for a in v]
    a, b = known(ranks, 0, 1)
    assert found[0, 1] == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-12)
    if not missing:
        assert found[0, 1] == pytest.approx(spearmanr(x[:, 0], x[:, 1]).statistic, abs=1e-12)


def test_associations_at_their_ends():
    """1 for what determines the other, -1 for opposite order, 0 for constants and columns never seen together."""
    rng = np.random.default_rng(0)
    code = rng.integers(0, 4, 60).astype(float)
    number = rng.normal(size=60)
    other = Field("other", "ordinal", categories=tuple("abcd"))
    reverse, constant, again = Field("b", "real"), Field("c", "real"), Field("d", "count")
    columns = (COLOUR, other, REAL, reverse, constant, again)
    x = np.stack((code, 3 - code, number, -np.exp(number), np.full(60, 0.1), 2 * code), 1)
    found = associations(x, columns)
    assert found[0, 1] == pytest.approx(1)
    assert found[2, 3] == pytest.approx(-1)
    assert found[0, 5] == pytest.approx(1)
    assert np.array_equal(found[4, [0, 1, 2, 3, 5]], np.zeros(5))
    x[:, 2:4] = np.stack((x[:, 2] * 1e300, x[:, 3] * 1e-300 + 7), 1)
    assert associations(x, columns)[:3, :3] == pytest.approx(found[:3, :3])
    x[:30, :2], x[30:, 2:] = np.nan, np.nan
    apart = associations(x, columns)
    assert np.array_equal(apart[:2, 2:], np.zeros((2, 4)))
    assert np.array_equal(associations(x[:1], columns), np.eye(6))


def test_independent_columns_have_no_association_on_average():
    """8 classes in 80 rows, where raw V^2 and eta^2 are 7/79 = 0.09 on average: E eps^2 is known, that of V^2 alike.

    eta^2 of a Normal number is Beta(7/2, 72/2). Mean of 300 tables within 5 standard errors, false alarm 1e-6.
    """
    columns = (Field("a", "categorical", categories=tuple("abcdefgh")), FLAG, REAL)
    drawn = []
    for s in range(300):
        rng = np.random.default_rng(s)
        x = np.stack((rng.permutation(np.arange(80) % 8), rng.integers(0, 2, 80), rng.normal(size=80)), 1)
        drawn.append(associations(x, columns)[np.triu_indices(3, 1)] ** 2)
    v, epsilon, _ = np.array(drawn).T
    expected = beta(3.5, 36).expect(lambda eta2: max(0.0, 1 - (1 - eta2) * 79 / 72))
    assert abs(epsilon.mean() - expected) < 5 * epsilon.std() / math.sqrt(300)
    assert v.mean() == pytest.approx(expected, rel=0.3)
    assert expected < 0.25 * 7 / 79


def test_pairs_are_compared_and_the_worst_are_named():
    x, y = table(200, 0, 0.1), table(300, 1, 0.1)
    y[:, 3] = np.random.default_rng(2).permutation(y[:, 3])
    found = pair_quality(x, y, COLUMNS, worst=2)
    differences = np.abs(associations(x, COLUMNS) - associations(y, COLUMNS))[np.triu_indices(4, 1)]
    assert found.count == 6
    assert (found.mean, found.largest) == pytest.approx((differences.mean(), differences.max()))
    assert [(p.first, p.second) for p in found.worst] == [("colour", "size"), ("colour", "number")]
    assert found.worst[0].difference == found.largest
    assert found.largest > 3 * found.largest_by_chance
    assert pair_quality(x[:, :1], y[:, :1], COLUMNS[:1]).count == 0
    assert pair_quality(x[:2], y[:2], COLUMNS).count == 6


def test_pairs_of_independent_tables_differ_by_what_chance_says():
    """Mean of 40 pairs of tables against the mean stated, other sizes; both have some 5 % of error: within 25 %."""
    drawn = [pair_quality(table(600, s), table(200, 5000 + s), COLUMNS, seed=s) for s in range(40)]
    for name in ("mean", "largest"):
        found, chance = (np.mean([getattr(p, n) for p in drawn]) for n in (name, f"{name}_by_chance"))
        assert found == pytest.approx(chance, rel=0.25)


def test_features_by_hand():
    """Codes as bits, numbers standardised by the reference, holes 0 with their mark; a constant is 0."""
    x = np.array([[1.0, 5, 0, 3], [3.0, 5, np.nan, 0], [np.nan, 5, 1, np.nan]])
    expected = [
        [-1, 0, 0, 0, 1, 0, 0, 0, 0, 1],
        [1, 0, 0, 0, 0, 0, 1, 0, 0, 0],
        [0, 1, 0, 0, 0, 1, 0, 0, 0, 0],
    ]
    assert features(x, COLUMNS) == pytest.approx(np.array(expected, float))
    other = np.array([[5.0, 7, 0, 3]])
    assert features(other, COLUMNS, x)[0, :4] == pytest.approx([3, 0, 2, 0])
    assert features(np.full((2, 1), np.nan), (REAL,)).tolist() == [[0, 1], [0, 1]]


def test_a_column_of_very_many_names_is_how_frequent_they_are():
    """In the reference: 100,000 names are two features and no 100,000."""
    column = Field("c", "categorical", categories=tuple(map(str, range(1001))))
    reference = np.repeat([0.0, 7.0, 1000.0], (1, 2, 5))[:, None]
    found = features([[0], [7], [1000], [3], [np.nan]], [column], reference)
    frequency = np.repeat([1.0, 2, 5], (1, 2, 5))
    expected = (np.array([1.0, 2, 5, 0]) - frequency.mean()) / frequency.std()
    np.testing.assert_allclose(found[:4, 0], expected)
    np.testing.assert_array_equal(found[:, 1], [0, 0, 0, 0, 1])


def test_efficacy_is_training_by_hand():
    """The same estimator on the same features, its F1 by scikit-learn with the rarer class positive."""
    train, fake, test = table(300, 0, 0.1), table(200, 1, 0.1), table(250, 2, 0.1)
    found = efficacy(train, fake, test, COLUMNS, "flag", {"linear": LogisticRegression()})
    assert found.measure == "F1 of 'yes'"
    others = (COLOUR, COUNT, REAL)  # in the order of their names
    for rows, score in ((train, found.real), (fake, found.synthetic)):
        rows, held = (t[~np.isnan(t[:, 2])] for t in (rows, test))
        x, z = rows[:, [3, 1, 0]], held[:, [3, 1, 0]]
        model = LogisticRegression().fit(features(x, others), rows[:, 2])
        answer = model.predict(features(z, others, x))
        assert score["linear"] == pytest.approx(f1_score(held[:, 2], answer, pos_label=1), abs=1e-12)
    assert found.mean_real == found.real["linear"]
    p = np.nanmean(test[:, 2])
    assert found.guess == pytest.approx(2 * p / (1 + p))


def test_the_rarer_class_is_positive():
    """Whatever its code; the last one if both are as frequent."""
    x = np.array([[0.0, 1], [1, 1], [2, 1], [3, 0]])
    always = {"one": DummyClassifier(strategy="constant", constant=[1.0])}
    found = efficacy(x, x, x, (REAL, FLAG), "flag", always)
    assert (found.measure, found.real["one"]) == ("F1 of 'no'", 0)
    assert found.guess == pytest.approx(2 / 5)
    x[2, 1] = 0
    found = efficacy(x, x, x, (REAL, FLAG), "flag", always)
    assert (found.measure, found.real["one"]) == ("F1 of 'yes'", pytest.approx(2 / 3))


def test_several_classes_and_numbers():
    """Macro F1 over the classes of the test rows, and R^2 in any unit."""
    train, fake, test = table(150, 0), table(150, 1), table(150, 2)
    near = {"near": KNeighborsClassifier(3)}
    found = efficacy(train, fake, test, COLUMNS, "colour", near)
    others = (FLAG, COUNT, REAL)
    x, z = fake[:, [2, 1, 0]], test[:, [2, 1, 0]]
    answer = KNeighborsClassifier(3).fit(features(x, others), fake[:, 3]).predict(features(z, others, x))
    classes = [
        2 * ((answer == c) & (test[:, 3] == c)).sum() / ((answer == c).sum() + (test[:, 3] == c).sum())
        for c in range(3)
    ]
    assert found.synthetic["near"] == pytest.approx(np.mean(classes), abs=1e-12)
    assert found.guess == pytest.approx(1 / 3)
    linear = {"linear": Ridge(), "mean": DummyRegressor()}
    number = efficacy(train, fake, test, COLUMNS, "size", linear)
    assert number.measure == "R^2"
    assert number.guess == 0
    assert number.real["linear"] > 0.3
    y = test[:, 0]
    mean = 1 - ((y - fake[:, 0].mean()) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    assert number.synthetic["mean"] == pytest.approx(mean, abs=1e-12)
    scaled = [t * [1e200, 1, 1, 1] for t in (train, fake, test)]
    again = efficacy(*scaled, COLUMNS, "size", linear)
    assert again.synthetic == pytest.approx(number.synthetic, abs=1e-9)


def test_a_permuted_target_destroys_efficacy():
    """The default estimators of each kind of target, in 600 rows: clear before, no better than guessing after.

    What is learned from noise is about as good as what needs no inputs: margins of 0.1, some 4 standard errors.
    """
    train, test = table(600, 0), table(400, 1)
    for target, j in (("size", 0), ("colour", 3)):
        fake = train.copy()
        fake[:, j] = np.random.default_rng(1).permutation(fake[:, j])
        found = efficacy(train, fake, test, COLUMNS, target)
        assert len(found.real) == 2
        for name, score in found.real.items():
            assert score > found.guess + 0.15, name
            assert found.synthetic[name] < found.guess + 0.1, name
    same = efficacy(train, train, test, COLUMNS, "flag", {"linear": LogisticRegression()})
    assert same.real == same.synthetic


def test_rows_and_columns_in_any_order_train_the_same():
    train, fake, test = table(120, 0, 0.1), table(100, 1, 0.1), table(80, 2, 0.1)
    trees = {"tree": DecisionTreeClassifier(max_features=2), "wrapped": make_pipeline(StandardScaler(), SDGYM["MLP"])}
    expected = efficacy(train, fake, test, COLUMNS, "colour", trees)
    rng, order = np.random.default_rng(0), [2, 0, 3, 1]
    shuffled = [rng.permutation(t)[:, order] for t in (train, fake, test)]
    assert efficacy(*shuffled, [COLUMNS[j] for j in order], "colour", trees) == expected
    # seeds reach into pipelines, but not where the caller has set one
    other = efficacy(train, fake, test, COLUMNS, "colour", trees, seed=1)
    assert other.real["wrapped"] != expected.real["wrapped"]
    fixed = {"tree": DecisionTreeClassifier(max_features=2, random_state=0)}
    assert efficacy(train, fake, test, COLUMNS, "colour", fixed, seed=5).real["tree"] == expected.real["tree"]
    assert trees["tree"].random_state is None


def test_the_four_of_the_benchmark():
    """SDGYM has its four with their settings, and stops early without a word."""
    found = efficacy(table(120, 0), table(120, 1), table(80, 2), COLUMNS, "flag", SDGYM)
    assert list(found.real) == ["decision tree", "AdaBoost", "logistic regression", "MLP"]
    assert SDGYM["decision tree"].max_depth == 15
    assert SDGYM["MLP"].hidden_layer_sizes == (50,)
    assert all(0 <= s <= 1 for s in (*found.real.values(), *found.synthetic.values()))


def test_a_synthetic_target_of_one_class_gives_that_answer():
    train, test = table(100, 0), table(100, 1)
    fake = train.copy()
    fake[:, 2] = 1
    found = efficacy(train, fake, test, COLUMNS, "flag", SDGYM)
    assert list(found.synthetic.values()) == pytest.approx([found.guess] * 4)  # always the rarer class


def test_bad_input_is_named():
    x = table(20, 0)
    with pytest.raises(ConfigError, match=r"Did you mean 'flag'\?"):
        efficacy(x, x, x, COLUMNS, "flog")
    with pytest.raises(ConfigError, match="'a' is no scikit-learn regressor, which 'size'"):
        efficacy(x, x, x, COLUMNS, "size", {"a": LogisticRegression()})
    with pytest.raises(ConfigError, match="none given"):
        efficacy(x, x, x, COLUMNS, "size", {})
    with pytest.raises(ConfigError, match="a column besides the target"):
        efficacy(x[:, :1], x[:, :1], x[:, :1], (REAL,), "size")
    even = np.tile([[1.0, 0], [1.0, 1]], (5, 1))
    with pytest.raises(DataError, match=r"real_train: 'AdaBoost' cannot learn from it .*worse than random"):
        efficacy(even, even, even, (REAL, FLAG), "flag", SDGYM)
    hidden = x * [1, 1, np.nan, 1]
    with pytest.raises(DataError, match="synthetic: 0 rows with a known 'flag'"):
        efficacy(x, hidden, x, COLUMNS, "flag")
    with pytest.raises(ConfigError, match="'c'] given that are not modelled"):
        associations(x[:, :1], (Field("c", "constant"),))
    with pytest.raises(ConfigError, match="none given that"):
        associations(x, ())
    with pytest.raises(ConfigError, match="'size' is there twice"):
        associations(x[:, :2], (REAL, REAL))
    with pytest.raises(DataError, match=r"real has shape \(20, 4\), but 3 columns"):
        column_quality(x, x, COLUMNS[:3])
    with pytest.raises(DataError, match="synthetic has too few rows, 1"):
        pair_quality(x, x[:1], COLUMNS)
    with pytest.raises(ConfigError, match="worst = -1"):
        pair_quality(x, x, COLUMNS, worst=-1)
    for wrong in (0.5, 2.0, -1.0):
        y = x.copy()
        y[4, 2] = wrong
        with pytest.raises(DataError, match=f"column 'flag' holds {wrong} in row 4, but its codes are 0 to 1"):
            column_quality(x, y, COLUMNS)
