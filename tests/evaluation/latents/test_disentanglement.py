"""Scores of codes against known factors: exact where tables can be counted, and blind to order, units and sign."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
import torch
from scipy.stats import entropy as scipy_entropy
from sklearn.metrics import mutual_info_score

from velbo.errors import ConfigError, DataError
from velbo.evaluation.latents.disentanglement import (
    DCI,
    Disentanglement,
    dci,
    disentanglement,
    entropy,
    importance_scores,
    mig,
    modularity,
    mutual_information,
    sap,
)


def grid(*classes: int, repeats: int = 1) -> np.ndarray:
    """Every combination of classes, equally often: factors that are exactly independent."""
    return np.array(list(itertools.product(*map(range, classes))) * repeats)


def noisy(seed: int = 0, n: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Four codes, one of them noise, of two classes factors and a real one."""
    rng = np.random.default_rng(seed)
    v = np.column_stack((rng.integers(0, 4, n), rng.integers(0, 3, n), rng.normal(size=n)))
    z = np.column_stack((v[:, 1] + 0.3 * v[:, 0], v[:, 2], v[:, 0], np.zeros(n))) + 0.4 * rng.normal(size=(n, 4))
    return z, v


def scores(z: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Everything but informativeness, which is no function of the table of importances."""
    result = dci(z, v, trees=20)
    return np.array((mig(z, v), sap(z, v), modularity(z, v), result.disentanglement, result.completeness))


@pytest.mark.parametrize("seed", range(5))
def test_mutual_information_is_that_of_scikit_learn(seed):
    """On labels, on codes of few values whatever these are, and on codes cut into bins of equal width."""
    rng = np.random.default_rng(seed)
    v = np.column_stack((rng.integers(-2, 5, 300), rng.integers(0, 2, 300)))
    few, many = (v[:, 0] + rng.integers(0, 2, 300)) % 7, v[:, 1] + rng.normal(size=300)
    cut = np.digitize(many, np.linspace(many.min(), many.max(), 21)[1:-1])
    expected = [[mutual_info_score(f, c) for f in v.T] for c in (few, cut)]
    z = np.column_stack((rng.normal(size=7)[few], many))
    np.testing.assert_allclose(mutual_information(z, v), expected, rtol=1e-12, atol=1e-14)
    counts = [np.unique(f, return_counts=True)[1] for f in v.T]
    np.testing.assert_allclose(entropy(v), [scipy_entropy(c) for c in counts], rtol=1e-13)


def test_real_factors_are_cut_into_bins_as_codes_are():
    rng = np.random.default_rng(0)
    z, v = rng.normal(size=(300, 1)), rng.normal(size=(300, 1))
    v += z
    a, b = (np.digitize(c[:, 0], np.linspace(c.min(), c.max(), 8)[1:-1]) for c in (z, v))
    assert mutual_information(z, v, bins=7)[0, 0] == pytest.approx(mutual_info_score(a, b), rel=1e-12)
    assert entropy(v, bins=7)[0] == pytest.approx(scipy_entropy(np.bincount(b)), rel=1e-12)


def test_independence_is_exactly_zero_information():
    """So a code of nothing does not count as one that tells little of everything."""
    v = grid(5, 3, 7)
    information = mutual_information(v, v)
    assert (information[~np.eye(3, dtype=bool)] == 0).all()
    np.testing.assert_allclose(np.diag(information), np.log((5, 3, 7)), rtol=1e-14)
    assert (mutual_information(np.full((105, 1), 3.7), v) == 0).all()


def test_one_code_for_each_factor_is_perfect():
    """In any order and units: MIG, modularity and DCI are 1; SAP is 1 less chance, which a real factor has not."""
    v = grid(4, 3, 2, repeats=20)
    z = v[:, [2, 0, 1]] * [-3.0, 0.01, 1e6] + [5, 0, 1e7]
    result = disentanglement(z, v)
    assert result.mig == pytest.approx(1, abs=1e-12)
    assert result.modularity == 1
    assert result.sap == pytest.approx(1 - np.mean((1 / 4, 1 / 3, 1 / 2)), abs=1e-12)
    assert (result.disentanglement, result.completeness) == pytest.approx((1, 1), abs=1e-12)
    assert result.informativeness == 1
    real = grid(11, 11, repeats=2) / 7 - 0.3
    assert sap(real[:, ::-1], real) == pytest.approx(1, abs=1e-12)


def test_importance_finds_the_code_of_each_factor():
    v = grid(4, 3, 2, repeats=20)
    np.testing.assert_allclose(dci(v[:, [2, 0, 1]], v).importance, np.eye(3)[[2, 0, 1]], atol=1e-12)


def test_the_gap_of_a_half_told_factor():
    """v of 4 classes; one code is v, another v // 2: (log 4 - log 2) / log 4, and 1 - 1/2 for the thresholds."""
    v = grid(4, repeats=10)
    z = np.column_stack((v[:, 0] // 2, v[:, 0]))
    assert mig(z, v) == pytest.approx(0.5, abs=1e-12)
    assert sap(z, v) == pytest.approx(0.5, abs=1e-12)
    assert mig(v, v) == pytest.approx(1, abs=1e-12)
    assert sap(v, v) == 1
    assert mig(np.column_stack((v, v)), v) == 0


def test_a_noisy_channel():
    """A bit flipped in 1 of 10 rows: 1 - h(0.1) / log 2 of its information is lost, and 1 in 10 thresholds is wrong."""
    v = np.repeat((0, 1), 50)[:, None]
    flipped = np.where(np.arange(100) % 10 == 0, 1 - v[:, 0], v[:, 0])[:, None]
    lost = scipy_entropy((0.1, 0.9)) / math.log(2)
    assert mig(flipped, v) == pytest.approx(1 - lost, abs=1e-12)
    assert sap(flipped, v) == pytest.approx(0.9, abs=1e-12)


def test_accuracy_is_balanced():
    """90 rows of one class, 10 of another, told by a code that names half of the rare: (1 + 1/2) / 2, not 95 %."""
    v = np.repeat((0, 1), (90, 10))[:, None]
    z = np.repeat((0, 1), (95, 5))[:, None]
    assert sap(z, v) == pytest.approx(0.75, abs=1e-12)


def test_correlation_scores_a_real_factor():
    z, v = noisy()
    r = np.sort([np.corrcoef(c, v[:, 2])[0, 1] ** 2 for c in z.T])
    assert sap(z, v[:, 2:]) == pytest.approx(r[-1] - r[-2], rel=1e-10)


def test_rotated_by_45_degrees_nothing_is_left():
    """v_2 -> -v_2 maps one code onto the other, so each tells as much of either factor: MIG, SAP and modularity are 0.

    Turned by less, they fall from 1 to 0.
    """
    v = grid(21, 21) - 10.0
    real = v / 10.3

    def turned(degrees: float) -> np.ndarray:
        a = math.radians(degrees)
        return v @ np.array(((math.cos(a), -math.sin(a)), (math.sin(a), math.cos(a))))

    diagonal = np.column_stack((v[:, 0] + v[:, 1], v[:, 0] - v[:, 1]))
    assert mig(diagonal, real, bins=41) == pytest.approx(0, abs=1e-12)
    assert sap(diagonal, real, bins=41) == pytest.approx(0, abs=1e-12)
    assert modularity(diagonal, real, bins=41) == pytest.approx(0, abs=1e-12)
    falling = [(mig(z, real), sap(z, real), modularity(z, real)) for z in map(turned, (0, 10, 20, 30))]
    assert falling[0] == pytest.approx((1, 1, 1), abs=0.02)
    assert (np.diff(falling, axis=0) < 0).all()
    mixed = dci(diagonal, real, trees=20)
    assert mixed.disentanglement < 0.2
    assert mixed.completeness < 0.2


def test_modularity_of_a_known_table():
    """A code of two bits tells both, another one alone: (0 + 1) / 2; MIG sees that factor 1 has no code of its own."""
    v = grid(2, 2, repeats=10)
    z = np.column_stack((2 * v[:, 0] + v[:, 1], v[:, 1]))
    assert modularity(z, v) == pytest.approx(0.5, abs=1e-12)
    assert mig(z, v) == pytest.approx(0.5, abs=1e-12)
    # log 4 of one factor, log 2 of the other: 1 - (1/2)^2
    v = grid(4, 2, repeats=5)
    assert modularity(2 * v[:, :1] + v[:, 1:], v) == pytest.approx(0.75, abs=1e-12)
    # of three factors: 1 - 1/2 for the code of two
    v = grid(2, 2, 2, repeats=5)
    assert modularity(2 * v[:, :1] + v[:, 1:2], v) == pytest.approx(0.5, abs=1e-12)


def test_importances_become_scores_by_entropies():
    """Against scipy's entropies with their bases, for rectangular tables with rows and columns of zeros."""
    rng = np.random.default_rng(0)
    table = rng.gamma(0.3, size=(6, 4))
    rows = [(1 - scipy_entropy(r, base=4)) * r.sum() / table.sum() for r in table]
    columns = [1 - scipy_entropy(c, base=6) for c in table.T]
    assert importance_scores(table) == pytest.approx((sum(rows), np.mean(columns)), rel=1e-12)
    assert importance_scores(np.eye(3)) == (1, 1)
    assert importance_scores(np.ones((4, 2))) == pytest.approx((0, 0), abs=1e-15)
    assert importance_scores(np.zeros((3, 2))) == (0, 0)
    # one code of two factors, a dead code, and a factor that has none
    assert importance_scores(np.array(((1.0, 1.0), (0.0, 0.0)))) == (0, 1)
    assert importance_scores(np.array(((1.0, 0.0), (0.0, 0.0)))) == (1, 0.5)


def test_informativeness_is_measured_against_guessing():
    """Exact codes predict perfectly, noise and constants as well as the best constant guess, noisy ones by their R^2.

    z = v + e with Var e = Var v leaves half the variance. Margins of 5 standard errors of errors over 1,000 rows held
    out: sqrt(2 / 1,000) of a variance, half of that for half of it, 1 / sqrt(1,000) for coins. The forest itself loses
    less than 0.02.
    """
    rng = np.random.default_rng(0)
    v, noise = rng.normal(size=(4000, 1)), rng.normal(size=(4000, 1))
    assert dci(v, v, trees=20).informativeness > 0.98
    assert dci(v + noise, v, trees=20).informativeness == pytest.approx(0.5, abs=0.13)
    assert dci(noise, v, trees=20, leaf=0.1).informativeness == pytest.approx(0, abs=0.22)
    coins = (v > 0).astype(int)
    assert dci(noise, coins, trees=20, leaf=0.1).informativeness == pytest.approx(0, abs=0.17)
    assert dci(np.zeros((4000, 2)), coins, trees=5).informativeness == pytest.approx(0, abs=0.17)


def test_order_of_codes_and_factors_changes_nothing():
    """Nor does that of rows; but for DCI, where splits that are equally good are taken by lot."""
    z, v = noisy()
    whole, codes = scores(z, v), [2, 3, 0, 1]
    turned = scores(z[:, codes], v[:, [1, 2, 0]])
    np.testing.assert_allclose(turned[:3], whole[:3], rtol=1e-12)
    np.testing.assert_allclose(turned[3:], whole[3:], atol=0.02)
    order = np.random.default_rng(1).permutation(len(z))
    shuffled = scores(z[order], v[order])
    np.testing.assert_allclose(shuffled[:3], whole[:3], rtol=1e-12)
    np.testing.assert_allclose(shuffled[3:], whole[3:], atol=0.06)
    importance = dci(z, v, 20).importance
    assert (importance.argmax(0) == [2, 0, 1]).all()
    np.testing.assert_allclose(dci(z[:, codes], v, 20).importance, importance[codes], atol=0.02)


def test_units_and_names_change_nothing():
    """Scaled, shifted, even huge codes; classes under other numbers; a real factor in other units."""
    z, v = noisy()
    whole = scores(z, v)
    np.testing.assert_allclose(scores(z * [4, 0.125, 1, 2.0**900], v), whole, rtol=1e-12)
    np.testing.assert_allclose(scores(3.7 * z - 11, v), whole, rtol=1e-2)
    np.testing.assert_allclose(
        scores(z, np.column_stack((7 - 5 * v[:, 0], 100 * v[:, 1], 8 * v[:, 2]))), whole, atol=1e-2
    )
    assert scores(-z, v)[1:3] == pytest.approx(whole[1:3], rel=1e-9)


def test_constant_codes_say_nothing_and_break_nothing():
    v = grid(4, 3, repeats=20)
    z = np.column_stack((np.full(len(v), 0.1), v, np.full(len(v), -1e300)))
    result = disentanglement(z, v)
    assert result.constant_codes == 2
    expected = (1, 1, 1, 1, 1)
    found = (result.mig, result.modularity, result.disentanglement, result.completeness, result.informativeness)
    assert found == pytest.approx(expected, abs=1e-12)
    # chance is no longer the runner-up of SAP for a lone code beside constant ones
    assert sap(z[:, [0, 1]], v[:, :1]) == 1
    dead = disentanglement(np.ones((240, 3)), v)
    assert (dead.mig, dead.sap, dead.modularity, dead.disentanglement, dead.completeness) == (0, 0, 0, 0, 0)
    assert dead.constant_codes == 3
    assert abs(dead.informativeness) < 0.3


def test_one_code_or_one_factor_cannot_mix():
    """Entropies of one share and modularity over one factor are perfect by definition, not 0 / 0."""
    v = grid(4, 3, repeats=20)
    one_factor = disentanglement(v, v[:, :1])
    assert one_factor.modularity == 1
    assert one_factor.disentanglement == 1
    one_code = disentanglement(v[:, :1], v)
    assert one_code.mig == pytest.approx(0.5, abs=1e-12)
    assert one_code.completeness == 1


def test_more_classes_than_bins_are_out_of_reach():
    """As the module says: 8 classes in 4 bins leave log 4 of log 8, and one class in two can be named."""
    v = grid(8, repeats=10)
    assert mig(v, v, bins=4) == pytest.approx(2 / 3, abs=1e-12)
    assert sap(v, v, bins=4) == pytest.approx(0.5, abs=1e-12)
    assert mig(v, v, bins=8) == pytest.approx(1, abs=1e-12)


def test_the_same_seed_gives_the_same_numbers_as_json():
    z, v = noisy()
    z, v = z[:200, :2], v[:200, 1:]
    result = disentanglement(torch.from_numpy(z).float(), torch.from_numpy(v).float(), seed=3)
    assert isinstance(result, Disentanglement)
    assert result == disentanglement(z.astype(np.float32), v.astype(np.float32), seed=3)
    record = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert Disentanglement(**record) == result
    assert (result.rows, result.codes, result.factors) == (200, 2, 2)
    again = dci(z, v, trees=5, seed=4)
    assert isinstance(again, DCI)
    assert again.importance.shape == (2, 2)
    assert not np.array_equal(again.importance, dci(z, v, trees=5, seed=5).importance)


@pytest.mark.parametrize("score", [mig, sap, modularity, dci, disentanglement, mutual_information])
def test_bad_input_is_refused_with_advice(score):
    z, v = noisy(n=60)
    hole = z.copy()
    hole[7, 2] = math.nan
    with pytest.raises(DataError, match=r"codes: 1 of 60 rows have missing cells, first row 7, column 2; impute"):
        score(hole, v)
    with pytest.raises(DataError, match="factors: 60 of 60 rows have missing cells"):
        score(z, v * math.nan)
    with pytest.raises(DataError, match="codes have 59 rows, factors 60"):
        score(z[1:], v)
    with pytest.raises(DataError, match=r"column 1 is constant.*np.delete\(factors, 1, axis=1\)"):
        score(z, v * [1, 0, 1])
    with pytest.raises(DataError, match="column 0 is constant"):
        score(z, np.where(v[:, 1:2] > 0, 5e-324, 0))
    with pytest.raises(DataError, match=r"column 0 has 60 values in 60 rows; 300 rows.*divide it by 100"):
        score(z, np.arange(60)[:, None])
    with pytest.raises(DataError, match="2 values in 9 rows; 10 rows are needed"):
        score(z[:9], np.arange(9)[:, None] % 2 + 0.5)
    with pytest.raises(DataError, match=r"array.reshape\(-1, 1\)"):
        score(z, v[:, 0])


def test_bad_options_are_refused():
    z, v = noisy(n=60)
    for score in (mig, sap, modularity, disentanglement):
        with pytest.raises(ConfigError, match="bins = 1: at least 2"):
            score(z, v, bins=1)
    for options in ({"trees": 0}, {"leaf": 0.0}, {"leaf": math.nan}):
        with pytest.raises(ConfigError, match=r"at least 1 tree and a leaf in \(0, 0.5\]"):
            dci(z, v, **options)
