"""What verbs say beside what they write: runs in a table, the most anomalous rows, cells that were filled, whether a
new prior is worth keeping; and identifiers, which go along into every output.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contracts.commands import call, options
from velbo import TrainedModel
from velbo.cli.verbs.refit_prior import verdict
from velbo.files import locked, read_tensors, write_tensors
from velbo.training import Run

N = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two runs, of rows with identifiers, of which 6 ages are missing."""
    folder = tmp_path_factory.mktemp("said")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"id": [f"P{i:03d}" for i in range(N)], "age": rng.normal(40, 5, N), "pay": rng.normal(9, 1, N)}
    )
    frame.loc[::10, "age"] = np.nan
    frame.to_csv(folder / "x.csv", index=False)
    for name, more in (("plain", ()), ("anomalies", ("--anomalies",))):
        chosen = options("--run", folder / name, "--column", "id=drop", "--epochs", 2)
        code, _, err = call("fit", folder / "x.csv", *chosen, *more)
        assert code == 0, err
        assert ("velbo score" in err) == (name == "anomalies")
    return folder


def written(folder: Path, verb: str, *arguments: object, run: str = "plain") -> tuple[pd.DataFrame, str]:
    """(what a verb writes, what it says)."""
    code, out, err = call(verb, folder / run, *arguments, "-o", folder / f"{verb}.csv")
    assert (code, out) == (0, ""), err
    return pd.read_csv(folder / f"{verb}.csv"), err


def test_a_run_that_ends_early_says_why(tmp_path):
    """Noise, which nothing generalises; fit and info say it, and neither of a run that went to its end."""
    pd.DataFrame(np.random.default_rng(0).normal(size=(40, 3)), columns=list("abc")).to_csv(
        tmp_path / "x.csv", index=False
    )
    for patience, epochs in ((2, 60), (0, 3)):
        run = tmp_path / str(patience)
        chosen = options("--run", run, "--epochs", epochs, "--patience", patience, "--lr", 0.05)
        code, _, err = call("fit", tmp_path / "x.csv", *chosen)
        assert code == 0, err
        for said in (err, call("info", run)[1]):
            assert ("as held-out rows got no better for 2 epochs" in said) == (patience == 2)
        assert (len(Run(run).metrics()) < epochs) == (patience == 2)


def test_several_runs_are_a_table_with_a_row_each(folder):
    code, out, err = call("info", folder / "plain", folder / "anomalies", folder)
    assert code == 0
    head, *rows = out.splitlines()
    assert head.split()[:4] == ["run", "rows", "recipe", "latents"]
    assert len(call("info", folder / "*")[1].splitlines()) == 3, "a pattern that no shell has replaced"
    assert [row.split()[0] for row in rows] == [str(folder / "plain"), str(folder / "anomalies")]
    assert all(row.endswith("done") for row in rows)
    assert err == f"no runs: {folder}\n"
    records = json.loads(call("info", folder / "plain", folder / "anomalies", "--json")[1])
    assert [record["objective"] for record in records] == ["iwae", "trimmed:trim=0.4"]
    assert records[0]["best bound"] == _best(folder / "plain")
    state = Run(folder / "plain").state()
    assert state is not None
    assert records[0]["minutes"] == state.seconds / 60, "all digits"


def _best(run: Path) -> float:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return max(json.loads(line)["validation_bound"] for line in lines)


def test_one_run_is_told_in_tables(folder):
    code, out, _ = call("info", folder / "plain")
    assert code == 0
    assert "{" not in out
    for name in ("data", "model", "training", "parameters", "progress", "train", "validation"):
        assert any(line.split()[0] == name for line in out.splitlines() if line), name


def test_a_run_that_cannot_be_read_does_not_hide_the_others(folder, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    code, out, _ = call("info", folder / "plain", tmp_path)
    assert code == 0
    assert "cannot be read" in out.splitlines()[2]


def test_score_names_the_most_anomalous_rows_and_takes_identifiers_along(folder):
    found, said = written(folder, "score", folder / "x.csv", "--samples", 5, "--explain")
    assert found["id"].tolist() == [f"P{i:03d}" for i in range(N)]
    lines = said.splitlines()
    at = lines.index("lowest of all, rows counted from 0:")
    lowest = np.argsort(found["log_likelihood"]).tolist()[:5]
    named = [(line.split()[0], line.split()[1], line.split()[-1]) for line in lines[at + 2 :]]
    assert named == [(str(i), f"P{i:03d}", found["most_anomalous"][i]) for i in lowest]
    assert "anomalous" not in found


def test_a_threshold_labels_rows(folder):
    found, said = written(folder, "score", folder / "x.csv", "--samples", 5, "--threshold", "-7")
    labels = found["anomalous"].tolist()
    assert labels == [value < -7 for value in found["log_likelihood"]]
    assert f"anomalous: {sum(labels)} of {N} rows" in said


def test_contamination_takes_the_threshold_from_the_rows_of_training(folder):
    """Of 60 rows a tenth, 6, score lower, whatever else is scored; the threshold is said and gives the same labels."""
    arguments = ("--samples", 5, "--contamination", 0.1)
    found, said = written(folder, "score", folder / "x.csv", *arguments, run="anomalies")
    assert sum(found["anomalous"].tolist()) == 6
    expected = np.quantile(found["score"], 0.1)
    assert f"threshold: {expected:.6g} nats" in said
    lines = (folder / "x.csv").read_text().splitlines(keepends=True)
    (folder / "two.csv").write_text("".join(lines[:3]))
    few, _ = written(folder, "score", folder / "two.csv", *arguments, run="anomalies")
    assert few["anomalous"].tolist() == found["anomalous"].tolist()[:2]


def test_training_rows_are_scored_once_for_a_model_and_its_settings(folder, tmp_path, monkeypatch):
    """The second call scores the rows that it is given and no others, for any share, with the same labels; other
    samples, another seed, other rows, another model and a damaged file each score the training rows again.
    """
    run, data = tmp_path / "run", folder / "two.csv"
    shutil.copytree(folder / "anomalies", run)
    lines = (folder / "x.csv").read_text().splitlines(keepends=True)
    data.write_text("".join(lines[:3]))
    (tmp_path / "fewer.csv").write_text("".join(lines[:40]))
    scored, original = list[int](), TrainedModel.scores

    def counted(self, rows, *arguments):
        scored.append(len(rows))
        return original(self, rows, *arguments)

    monkeypatch.setattr(TrainedModel, "scores", counted)

    def labels(*more: object) -> tuple[list[int], str]:
        scored.clear()
        given = {"--samples": 3, "--contamination": 0.5} | dict(zip(more[::2], more[1::2], strict=True))
        flat = [part for pair in given.items() for part in pair]
        code, _, err = call("score", run, data, "-o", tmp_path / "s.csv", *flat)
        assert code == 0, err
        threshold = next(line for line in err.splitlines() if line.startswith("threshold"))
        return list(scored), threshold + (tmp_path / "s.csv").read_text()

    first, again = labels(), labels()
    assert (first[0], again[0]) == ([N, 2], [2])
    assert again[1] == first[1]
    assert labels("--contamination", 0.1)[0] == [2]
    for other in (("--samples", 4), ("--seed", 1), ("--train", tmp_path / "fewer.csv")):
        assert labels(*other)[0] == [39 if other[0] == "--train" else N, 2], other
        assert labels(*other)[0] == [2], other
    labels()
    (run / "training_scores.json").write_text("[1, 2")
    assert labels() == first
    weights = read_tensors(run / "model.safetensors")
    name = next(iter(weights))
    write_tensors(run / "model.safetensors", {**weights, name: weights[name] + 0.5})
    assert labels()[0] == [N, 2]
    (run / "training_scores.json").unlink()
    with locked(run):
        assert labels()[0] == [N, 2]
    assert not (run / "training_scores.json").exists()


def test_labels_need_one_threshold_and_rows_to_take_it_from(folder, tmp_path):
    code, _, err = call(
        "score", folder / "plain", "iris", "-o", tmp_path / "s.csv", "--threshold", 1, "--contamination", 0.1
    )
    assert (code, "give one of them" in err) == (2, True)
    fitted = TrainedModel.load(folder / "plain")
    fitted.save(tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "config.json").read_text())
    config["data"]["source"] = ""
    (tmp_path / "saved" / "config.json").write_text(json.dumps(config))
    command = (
        "score",
        tmp_path / "saved",
        folder / "x.csv",
        "-o",
        tmp_path / "s.csv",
        "--samples",
        2,
        "--contamination",
        0.1,
    )
    code, _, err = call(*command)
    assert (code, err.count("\n"), "--train" in err) == (2, 1, True)
    assert call(*command, "--train", folder / "x.csv")[0] == 0


def test_compare_says_what_measures_images(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 9, (30, 4, 4), dtype=np.uint8))
    assert call("fit", tmp_path / "x.npy", *options("--run", tmp_path / "run"))[0] == 0
    code, _, err = call("compare", tmp_path / "run", tmp_path / "x.npy", tmp_path / "x.npy")
    assert (code, err.count("\n")) == (2, 1)
    assert f"'velbo quality {tmp_path / 'run'} {tmp_path / 'x.npy'}'" in err
    assert call("quality", tmp_path / "run", tmp_path / "x.npy")[0] == 0


def test_embeddings_are_joined_by_identifiers_there_and_back(folder):
    z, _ = written(folder, "encode", folder / "x.csv")
    assert list(z.columns) == ["id", "z0", "z1"]
    back, _ = written(folder, "decode", folder / "encode.csv")
    assert list(back.columns) == ["id", "age", "pay"]
    fitted, rows = TrainedModel.load(folder / "plain"), pd.read_csv(folder / "x.csv")
    np.testing.assert_allclose(z[["z0", "z1"]], fitted.encode(rows), rtol=1e-5, atol=1e-6)
    assert back["id"].tolist() == rows["id"].tolist()


def test_a_column_that_training_did_not_have_goes_along_too(folder):
    rows = pd.read_csv(folder / "x.csv").assign(ward=range(N))
    rows.to_csv(folder / "more.csv", index=False)
    z, _ = written(folder, "encode", folder / "more.csv")
    assert z["ward"].tolist() == list(range(N))


def test_an_array_has_no_place_for_identifiers_and_it_is_said(folder):
    code, _, err = call("encode", folder / "plain", folder / "x.csv", "-o", folder / "z.npy")
    assert code == 0
    assert "holds one array, without id" in err
    assert np.load(folder / "z.npy").shape == (N, 2)


def test_a_result_goes_before_a_column_of_its_name(folder):
    """Scores that are scored again do not have two columns of one name."""
    written(folder, "score", folder / "x.csv", "--samples", 2)
    scores = pd.read_csv(folder / "score.csv")
    pd.read_csv(folder / "x.csv").assign(log_likelihood=7).to_csv(folder / "again.csv", index=False)
    again, _ = written(folder, "score", folder / "again.csv", "--samples", 2)
    assert list(again.columns) == ["id", "log_likelihood"]
    np.testing.assert_allclose(again["log_likelihood"], scores["log_likelihood"])


@pytest.mark.parametrize("n", [(), ("-n", 2)])
def test_impute_says_how_many_cells_it_filled(folder, n):
    code, _, err = call("impute", folder / "plain", folder / "x.csv", "-o", folder / "full.csv", "--samples", 5, *n)
    assert code == 0
    assert "filled 6 missing cells: 6 of 'age'" in err
    (folder / "whole.csv").write_text("id,age,pay\nP1,40.0,9.0\n")
    assert (
        "filled 0 missing cells\n"
        in call("impute", folder / "plain", folder / "whole.csv", "-o", folder / "full.csv", "--samples", 5)[2]
    )


def test_a_prior_that_lost_is_not_recommended():
    assert (
        verdict(-0.025, Path("old"), Path("new")) == "the ELBO of held-out rows lost 0.025 nats; keep the old one, old"
    )
    assert "gained 0.025 nats" in verdict(0.025, Path("old"), Path("new"))
    assert "velbo evaluate new DATA" in verdict(0.025, Path("old"), Path("new"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--target", "pay"), "--holdout FILE"),
        (("--rows", 3), 'Invalid value "3" for --rows. It must be at least 5'),
    ],
)
def test_errors_of_compare_name_options_and_no_python(folder, arguments, words):
    code, out, err = call("compare", folder / "plain", folder / "x.csv", folder / "x.csv", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err
    assert "=" not in err


def test_compare_names_the_file_that_is_too_short(folder):
    (folder / "few.csv").write_text("id,age,pay\nP1,40.0,9.0\n")
    code, _, err = call("compare", folder / "plain", folder / "x.csv", folder / "few.csv")
    assert (code, err.count("\n")) == (2, 1)
    assert f"{folder / 'few.csv'} has 1 rows, and 5 at least" in err
