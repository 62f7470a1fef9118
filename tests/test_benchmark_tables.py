"""The pieces of the benchmarks on tables that could be wrong without anybody seeing it."""

from __future__ import annotations

import gzip
import importlib
import itertools
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
if not FOLDER.is_dir():
    pytest.skip("benchmarks are not part of this copy", allow_module_level=True)
sys.path.insert(0, str(FOLDER))
networks, peers, detectors, anomaly, generators, synthetic, imputation = (
    importlib.import_module(name)
    for name in (
        "bayesian_networks",
        "table_peers",
        "detectors",
        "anomaly",
        "generators",
        "synthetic_tables",
        "imputation",
    )
)

ASIA = """
network unknown {
}
variable asia {
  type discrete [ 2 ] { yes, no };
}
variable dysp {
  type discrete [ 3 ] { a lot, some, none };
}
variable tub {
  type discrete [ 2 ] { yes, no };
}
probability ( dysp | tub, asia ) {
  (yes, yes) 0.1, 0.2, 0.7;
  (no, yes) 0.3, 0.3, 0.4;
  (yes, no) 0.0, 1.0, 0.0;
  (no, no) 0.25, 0.25, 0.5;
}
probability ( asia ) {
  table 0.25, 0.75;
}
probability ( tub | asia ) {
  (yes) 0.05, 0.95;
  (no) 0.5, 0.5;
}
"""
"""A child before its parents, parents in another order than the file's, three states, an impossible one."""


@pytest.fixture(scope="module")
def network():
    return networks.parse(ASIA)


def every_row(network):
    sizes = [len(v.states) for v in network.variables]
    return np.array(list(itertools.product(*(range(n) for n in sizes))))


def test_probabilities_of_all_rows_sum_to_one_and_are_products_of_the_table(network):
    rows = every_row(network)
    p = np.exp(network.log_likelihood(rows))
    assert p.sum() == pytest.approx(1, abs=1e-12)
    by_name = dict(zip(map(tuple, network.frame(rows).to_numpy()), p, strict=True))
    assert by_name["yes", "some", "no"] == pytest.approx(0.25 * 0.95 * 0.3)  # (tub no, asia yes): 0.3
    assert by_name["no", "some", "yes"] == pytest.approx(0.75 * 0.5 * 1.0)  # (tub yes, asia no): 1
    assert by_name["no", "none", "yes"] == 0


def test_samples_have_the_frequencies_of_the_network(network):
    """Chi-square of 40,000 rows over 10 possible cells; beyond 40 in 1 of 100,000 seeds (9 degrees of freedom)."""
    rows, n = every_row(network), 40_000
    p = np.exp(network.log_likelihood(rows))
    sample = network.sample(n, 0)
    counts = np.array([(sample == row).all(1).sum() for row in rows])
    assert counts.sum() == n
    assert (counts[p == 0] == 0).all()
    possible = p > 0
    assert ((counts[possible] - n * p[possible]) ** 2 / (n * p[possible])).sum() < 40
    assert (sample == network.sample(n, 0)).all()
    assert (sample != network.sample(n, (0, 1))).any()


def test_learned_from_all_rows_in_their_shares_is_the_network_itself(network):
    p = np.exp(network.log_likelihood(every_row(network)))
    rows = np.repeat(every_row(network), np.rint(p * 160_000).astype(int), axis=0)
    for found, true in zip(network.learned(rows).variables, network.variables, strict=True):
        np.testing.assert_allclose(found.table, true.table, atol=1e-12)
    none = network.learned(rows[:0])
    assert none.log_likelihood(rows[:1]) == pytest.approx(-np.log(12))
    assert network.learned(rows[:0], 1.0).log_likelihood(rows[:1]) == pytest.approx(-np.log(12))


def test_maximum_likelihood_beats_the_truth_on_its_own_rows(network):
    rows = network.sample(500, 3)
    assert network.learned(rows).log_likelihood(rows).mean() > network.log_likelihood(rows).mean()


def test_values_that_no_variable_has_are_impossible_and_cost_what_the_paper_says(network):
    frame = pd.DataFrame({"tub": ["yes", "perhaps"], "asia": ["yes", "yes"], "dysp": ["none", "none"]})
    codes = network.codes(frame)
    assert codes.tolist() == [[0, 2, 0], [0, 2, -1]]
    log_p = network.log_likelihood(codes)
    assert log_p[0] == pytest.approx(np.log(0.25 * 0.05 * 0.7))
    assert log_p[1] == -np.inf
    np.testing.assert_allclose(np.exp(networks.floored(log_p)), np.exp(log_p) + 1e-8, rtol=1e-12)
    assert len(network.learned(codes).log_likelihood(codes)) == 2


def test_files_are_read_packed_or_not(tmp_path, network):
    (tmp_path / "a.bif").write_text(ASIA)
    (tmp_path / "a.bif.gz").write_bytes(gzip.compress(ASIA.encode()))
    rows = every_row(network)
    for name in ("a.bif", "a.bif.gz"):
        assert (networks.read(tmp_path / name).log_likelihood(rows) == network.log_likelihood(rows)).all()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("table 0.25, 0.75", "table 0.25, 0.85", "of asia sum to 1.1"),
        ("  (no) 0.5, 0.5;\n", "", "of tub sum to nan"),
        ("(yes, no) 0.0", "(yes, never) 0.0", "of dysp: .*never"),
        ("tub | asia", "tub | europe", "of tub: .*europe"),
        ("(yes) 0.05, 0.95", "(yes) 0.05, 0.90, 0.05", "of tub: .*shape"),
        ("probability ( asia ) {\n  table 0.25, 0.75;\n}", "", "no probabilities of .*asia"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(old, new, message):
    assert old in ASIA
    with pytest.raises(ValueError, match=message):
        networks.parse(ASIA.replace(old, new))


def test_a_peer_gets_arrays_and_gives_arrays_and_its_failure_is_told(tmp_path):
    """In this interpreter, with a task of our own: what the subprocess does is the same for every task."""
    script = tmp_path / "peer.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import table_peers as t\n"
        "t.serve({'twice': lambda arrays, by: {k: v * by for k, v in arrays.items()}}, sys.argv)"
    )
    frame = pd.DataFrame({"a-b": [1, 2], "c": [0.5, 1.5]})
    answer = pd.DataFrame(peers.ask(Path(sys.executable), "twice", peers.columns(frame), script, by=2))
    pd.testing.assert_frame_equal(answer, frame * 2)
    with pytest.raises(RuntimeError, match="KeyError: 'thrice'"):
        peers.ask(Path(sys.executable), "thrice", {}, script)


def test_columns_of_text_and_numbers_keep_their_kind():
    frame = pd.DataFrame({"n": [1, 2], "s": pd.Series(["x", "long"], dtype="string"), "o": ["u", "v"]})
    kinds = {name: column.dtype.kind for name, column in peers.columns(frame).items()}
    assert kinds == {"n": "i", "s": "U", "o": "U"}


# anomalies


def test_ecod_and_copod_are_their_formulas_on_three_rows():
    """One column 0, 1, 5, skewed to the right: shares below 1/3, 2/3, 1 and above 1, 2/3, 1/3."""
    x = np.array([[0.0], [1.0], [5.0]])
    one, two = np.log(3), np.log(1.5)
    np.testing.assert_allclose(detectors.score("ECOD", x, x), [one, two, one])
    np.testing.assert_allclose(detectors.score("COPOD", x, x), [one / 2, two, one])


def test_a_row_is_no_neighbour_of_its_own_but_of_an_equal_one():
    x = np.arange(7.0)[:, None]
    found = detectors.score("kNN", x, x) * x.std()
    np.testing.assert_allclose(found, [5, 4, 3, 3, 3, 4, 5])
    np.testing.assert_allclose(detectors.score("kNN", x, x.copy()) * x.std(), [4, 3, 2, 2, 2, 3, 4])


def test_a_far_cell_moves_no_unit_by_quantiles():
    x = np.arange(101.0)[:, None]
    far = np.where(x > 90, 5 * x, x)
    near, moved = (detectors.by_quantiles(a, a)[0] for a in (x, far))
    np.testing.assert_allclose(moved[:91], near[:91])
    assert not np.allclose(detectors.standardised(far, far)[0][:91], detectors.standardised(x, x)[0][:91])


def test_novelty_is_trained_on_half_of_the_normal_rows_and_scores_all_others():
    x, y = np.arange(20)[:, None], np.arange(20) >= 14
    train, rows, labels = anomaly.halves(x, y, 0)
    assert len(train) == 7
    assert train.max() < 14
    assert sorted(np.concatenate([train, rows])[:, 0]) == list(range(20))
    assert np.array_equal(labels, rows[:, 0] >= 14)


def test_the_gap_is_to_the_best_other_peer():
    methods = ["velbo", "kNN", "LOF", "kNN 50, quantiles"]
    found = anomaly.gaps(methods, np.array([[80.0, 90.0, 70.0, 99.0]]))
    np.testing.assert_allclose(found, [[-10, 20, -20, 9]])


def test_what_is_chosen_on_other_tables_is_what_is_best_there(capsys):
    """One candidate is better by one on every table: it is taken each time, and its mean is the held-out one."""
    results = {f"t{i}": {"velbo": {"auroc": [70.0]}, "trim 0.2": {"auroc": [71.0]}} for i in range(10)}
    anomaly.choose(results)
    assert "chosen on other tables: 71.00; taken {'trim 0.2': 100} times" in capsys.readouterr().out


# synthetic rows


def test_training_and_held_out_rows_are_different_ones():
    train, held_out = synthetic.split(pd.DataFrame({"x": np.arange(100)}), 3)
    assert (len(train), len(held_out)) == (70, 30)
    assert set(train["x"]) | set(held_out["x"]) == set(range(100))
    assert (synthetic.split(pd.DataFrame({"x": np.arange(100)}), 4)[0]["x"] != train["x"]).any()


def test_rows_with_a_name_that_training_does_not_have_get_no_likelihood():
    train = pd.DataFrame({"a": ["u", "v"], "n": [1, 2]})
    test = pd.DataFrame({"a": ["v", "w", "u"], "n": [7, 1, 8]})
    assert synthetic.known(train, test).to_dict("list") == {"a": ["v", "u"], "n": [7, 8]}
    assert len(synthetic.known(train[["n"]], test[["n"]])) == 3


def test_a_number_in_a_bin_is_one_of_its_whole_numbers():
    """Bins [0, 4) and [4, 10) between tokens of their own for the ends; another column has no bins."""
    rows = pd.DataFrame({"x": [0, 1, 3, 4, 9, 10], "y": 1})
    found = generators.log_widths({"x": {"bins": [0, 4, 10]}, "y": {"codes": {}}}, rows)
    np.testing.assert_allclose(np.exp(found), [1, 4, 4, 6, 6, 1])


def test_a_generator_comes_back_with_rows_and_likelihoods(tmp_path, monkeypatch):
    """In this interpreter, with a generator of our own: its rows and order of columns are those of training."""
    script = tmp_path / "generator.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import generators as g\n"
        "g.GENERATORS['copy'] = lambda train, seed: (lambda n: train[:n], lambda rows: rows['n'] + seed)\n"
        "g.serve({'generator': g.generator}, sys.argv)"
    )
    monkeypatch.setattr(generators, "__file__", str(script))
    frame = pd.DataFrame({"s": ["u", "v"], "n": [1, 2], "r": [0.5, 0.25]})
    found = generators.generate(Path(sys.executable), "copy", frame, frame[:1], 5)
    pd.testing.assert_frame_equal(found["rows"], frame, check_dtype=False)
    assert found["log_p"].tolist() == [6]
    assert min(found["training"], found["sampling"], found["scoring"]) >= 0
    assert found["megabytes"] > 1


# imputation


def test_large_cells_of_the_first_half_of_the_columns_are_missing():
    x = np.array([[0.0, 5.0, 0.0], [2.0, 1.0, 9.0], [4.0, 0.0, 3.0]])
    assert imputation.large(x, 0).tolist() == [[False] * 3, [False] * 3, [True, False, False]]


def test_faults_count_deleted_cells_alone():
    frame = pd.DataFrame({"s": ["u", "v", "u"], "n": [0.0, 3.0, 6.0]})
    filled = pd.DataFrame({"s": ["v", "u", "u"], "n": [9.0, 3.0, 0.0]})
    missing = pd.DataFrame({"s": [True, False, True], "n": [True, True, False]})
    found = imputation.faults(filled, frame, missing, ["n"])
    assert found == {"s": 0.5, "n": pytest.approx(np.sqrt(81 / 2) / np.sqrt(6))}


@pytest.mark.parametrize("method", ["mean and mode", "nearest neighbours", "forests"])
def test_peers_of_mixed_tables_fill_what_is_missing_and_nothing_else(method):
    """n tells s; of 40 rows 4 lack s and 4 lack n, so that nearest neighbours and forests know each s for certain."""
    n = np.repeat([0.0, 10.0], 20)
    full = pd.DataFrame({"s": np.where(n > 5, "v", "u"), "n": n})
    holes = full.copy()
    holes.loc[[0, 1, 20, 21], "s"] = None
    holes.loc[[2, 3, 22, 23], "n"] = np.nan
    filled = imputation.MIXED[method](holes, 0)
    known = holes.notna()
    assert not filled.isna().any(axis=None)
    pd.testing.assert_frame_equal(filled.where(known), full.where(known), check_dtype=False)
    if method != "mean and mode":
        assert (filled["s"] == full["s"]).all()
        np.testing.assert_allclose(filled["n"], full["n"], atol=1e-9)
