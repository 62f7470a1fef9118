"""The command line from end to end, in a process of its own where the terminal matters."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest

from contracts.commands import call, options
from velbo import TrainedModel, __version__, load


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    code, out, err = call("fit", "digits", *options("--run", folder / "run", "--epochs", 3, "--seed", 1))
    assert code == 0, err
    assert out == ""
    assert "1797 rows of 'image': 8 x 8 byte, 0 to 16, 17 levels" in err
    return folder / "run"


def test_run_folder(run):
    names = {p.name for p in run.iterdir()}
    assert names == {
        ".lock",
        "README.md",
        "config.json",
        "model.safetensors",
        "typical.json",
        "metrics.jsonl",
        "clock.jsonl",
        "checkpoint",
    }
    config = json.loads((run / "config.json").read_text())
    assert config["recipe"]["hidden"] == [4]
    assert config["training"]["machine"]["seed"] == 1
    assert config["data"]["source"] == "digits"


def test_evaluate_json_is_the_library_and_deterministic(run):
    code, out, _ = call("evaluate", run, "digits", "--samples", 7, "--rows", 50, "--json")
    assert code == 0
    record = json.loads(out)
    for key in ("elbo", "elbo_se", "log_likelihood", "log_likelihood_se", "bits_per_dim", "active_units"):
        assert isinstance(record[key], int | float)
    assert (record["rows"], record["samples"], record["latent"]) == (50, 7, 2)
    assert record["elbo"] <= record["log_likelihood"]
    chunked = json.loads(call("evaluate", run, "digits", "--samples", 7, "--rows", 50, "--json", "--chunk", 3)[1])
    assert chunked["log_likelihood"] == pytest.approx(record["log_likelihood"], rel=1e-6)
    assert call("evaluate", run, "digits", "--samples", 7, "--rows", 50, "--json")[1] == out


def test_rows_are_a_random_subset_not_the_first():
    from velbo.cli.data import pick

    x = pa.table({"x": np.arange(100)})
    picked = pick(x, 10, 0).rows
    assert not picked.equals(x.slice(0, 10))
    assert picked.equals(pick(x, 10, 0).rows)
    assert not picked.equals(pick(x, 10, 1).rows)


@pytest.mark.parametrize("ending", ["npy", "parquet"])
def test_verbs_that_write(run, tmp_path, ending):
    def produced(verb, *arguments):
        target = tmp_path / f"{verb}.{ending}"
        code, out, err = call(verb, run, *arguments, "-o", target)
        assert (code, out) == (0, ""), err
        return as_matrix(target)

    def as_matrix(target):
        rows = load(target)
        return rows if isinstance(rows, np.ndarray) else np.column_stack([c.to_numpy() for c in rows.columns]).squeeze()

    fitted = TrainedModel.load(run)

    x = load("digits")
    z = produced("encode", "digits")
    np.testing.assert_allclose(z, fitted.encode(x), rtol=1e-6, atol=1e-7)
    x_hat = produced("decode", tmp_path / f"encode.{ending}")
    decoded = fitted.decode(z)["image"].combine_chunks().to_numpy_ndarray()
    np.testing.assert_allclose(x_hat.reshape(-1, 64), decoded.reshape(-1, 64), rtol=1e-4)
    np.testing.assert_allclose(produced("reconstruct", "digits").reshape(-1), x_hat.reshape(-1), rtol=1e-4, atol=1e-4)
    new = produced("sample", "-n", 5, "--seed", 3)
    assert new.reshape(5, 64).max() <= 16
    np.testing.assert_array_equal(new, produced("sample", "-n", 5, "--seed", 3))
    scores = produced("score", "digits", "--samples", 2)
    np.testing.assert_allclose(scores, fitted.log_likelihood(x, 2), rtol=1e-6)


def test_info(run):
    assert json.loads(call("info", run, "--json")[1])["trained"] is True
    assert "resmlp" not in call("info", run)[1]


def test_resume_of_a_finished_run_changes_nothing(run):
    before = (run / "model.safetensors").read_bytes(), (run / "metrics.jsonl").read_bytes()
    code, _, err = call("resume", run)
    assert code == 0, err
    assert before == ((run / "model.safetensors").read_bytes(), (run / "metrics.jsonl").read_bytes())


TEXTS = {
    "names and numbers": (
        "ref,account,version,when,share,n\n",
        lambda i: (
            f"{18 * 10**18 + 7 * i},{i % 4:04d}.{i % 3},1.{(i % 2) * 10 or 9},"
            f"2024-01-{i % 28 + 1:02d}T0{i % 9}:00:00+02:00,{i % 7}.50,{{}}\n"
        ),
    ),
    "semicolons and commas": ("wert;tag;n\n", lambda i: f"{i % 9},{i % 4}0;{i % 27 + 1:02d}.0{i % 9 + 1}.2023;{{}}\n"),
    "no header": ("", lambda i: f"{i % 40 + 18}, {'Private' if i % 3 else '?'}, {{}}\n"),
    "quotes": ('"a ""b""","n"\n', lambda i: f'"x{i % 3}","{{}}"\n'),
}


@pytest.mark.parametrize("case", TEXTS)
def test_impute_copies_every_character_that_it_does_not_fill(case, tmp_path):
    """A fifth of the last column is blank: of a line with a number there not a byte changes, of the others only that
    cell is new.
    """
    header, line = TEXTS[case]
    lines = [line(i).format("" if i % 5 == 0 else 3 + i % 11) for i in range(60)]
    (tmp_path / "t.csv").write_text(header + "".join(lines))
    drop = ("--column", "ref=drop") if "ref" in header else ()
    fitted = call("fit", tmp_path / "t.csv", *options("--run", tmp_path / "run"), *drop)
    assert fitted[0] == 0, fitted[2]
    assert call("impute", tmp_path / "run", tmp_path / "t.csv", "--samples", 5, "-o", tmp_path / "u.csv")[0] == 0
    new = (tmp_path / "u.csv").read_text()
    assert new.startswith(header)
    after = new.removeprefix(header).splitlines(keepends=True)
    assert len(after) == 60
    for i, (was, now) in enumerate(zip(lines, after, strict=True)):
        if i % 5:
            assert now == was
        else:
            kept, end = (was[:-2], '"\n') if case == "quotes" else (was[:-1].rstrip(" "), "\n")
            assert now.startswith(kept)
            assert 3 <= float(now.removeprefix(kept).removesuffix(end)) <= 13


def test_csv_keeps_names(tmp_path):
    (tmp_path / "x.csv").write_text('age,"size, cm"\n' + "\n".join(f"{i},{i * 2.5}" for i in range(30)))
    assert call("fit", tmp_path / "x.csv", *options("--run", tmp_path / "run"))[0] == 0
    assert call("sample", tmp_path / "run", "-n", 3, "-o", tmp_path / "s.csv")[0] == 0
    assert (tmp_path / "s.csv").read_text().splitlines()[0] == 'age,"size, cm"'


VELBO = [sys.executable, "-m", "velbo"]


def test_help_explains_every_option():
    help_text = call("fit", "--help-all")[1]
    names = (
        "recipe latent hidden likelihood epochs minutes batch-size lr seed objective samples beta beta-warmup "
        "free-bits validation patience precision compile device ema clip prior components"
    )
    for option in names.split():
        assert f"--{option}" in help_text
    for default in ("[default: 0.02]", "[default: auto]", "[default: 0.999]"):
        assert default in help_text


def test_version():
    assert (
        subprocess.run([*VELBO, "--version"], capture_output=True, text=True, check=True).stdout.strip() == __version__
    )


def test_no_bars_and_no_colours_off_a_terminal(tmp_path):
    code, out, err = call("fit", "digits", *options("--run", tmp_path / "run"), "--no-report")
    assert (code, out) == (0, "")
    assert "\x1b" not in err
    assert len(err.splitlines()) == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_saves_says_how_to_go_on_and_exits_with_130(tmp_path, number):
    command = [str(a) for a in (*VELBO, "fit", "digits", *options("--run", tmp_path / "run", "--epochs", 100000))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert f"velbo resume {tmp_path / 'run'}" in err.splitlines()[-1]
    assert call("evaluate", tmp_path / "run", "digits", "--samples", 2)[0] == 0
