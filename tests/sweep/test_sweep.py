"""Many trainings side by side: every combination once, one table, stopped and continued without loss."""

from __future__ import annotations

import csv
import json
import math
import os
import random
import signal
import threading

import pytest

from contracts.commands import call, run_workers_here
from velbo.cli import main
from velbo.config import ObjectiveConfig, Recipe, TrainingConfig
from velbo.errors import ConfigError, RunError
from velbo.files import read_json
from velbo.sweep import Settings, Sweep, grid, parse_axis, random_search, settings_of
from velbo.training import Run

SMALL = "--recipe mlp --hidden 8 --epochs 2 --rows 200".split()


def test_axes_have_the_types_of_the_options():
    assert parse_axis("lr=1e-3,3e-3").values == (1e-3, 3e-3)
    assert parse_axis("--batch-size=64,128").values == (64, 128)
    assert parse_axis("hidden=200,200;512").values == ((200, 200), (512,))
    assert parse_axis("hidden=64").values == ((64,),)
    assert parse_axis("recipe=mlp,resmlp").values == ("mlp", "resmlp")
    assert parse_axis("compile=true,false").values == (True, False)
    assert parse_axis("lr=1e-4..1e-2").interval


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lrr=1", "Did you mean 'lr'"),
        ("lr", "names no values"),
        ("lr=", "names no values"),
        ("lr=fast", "values of type float"),
        ("latent=2.5", "values of type int"),
        ("compile=maybe", "values of type bool"),
        ("lr=1..0.1", "LOW..HIGH"),
        ("recipe=a..b", "LOW..HIGH"),
    ],
)
def test_bad_axes_are_told(text, says):
    with pytest.raises(ConfigError, match=says):
        parse_axis(text)


def test_grid_and_seeds():
    axes = [parse_axis("lr=1e-3,3e-3"), parse_axis("latent=2,4,8")]
    assert len(grid(axes)) == 6
    trials = settings_of(axes, seeds=2, n_random=None, seed=5)
    assert len(trials) == 12
    assert {t["seed"] for t in trials} == {5, 6}
    assert len({tuple(t.items()) for t in trials}) == 12
    for bad in ([], [axes[0], axes[0]]):
        with pytest.raises(ConfigError):
            settings_of(bad, 1, None, 0)
    with pytest.raises(ConfigError, match="once"):
        settings_of([parse_axis("seed=1,2")], 2, None, 0)
    with pytest.raises(ConfigError, match="--random"):
        grid([parse_axis("lr=1e-4..1e-2")])


def test_random_search_is_uniform_on_the_log_scale_and_seeded():
    """1,000 draws: the share below the geometric middle is within 5 standard errors of a half (false alarm 6e-7)."""
    axis = parse_axis("lr=1e-4..1e-2")
    generator = random.Random(0)
    values = [axis.draw(generator) for _ in range(1000)]
    assert all(1e-4 <= v <= 1e-2 for v in values)
    assert abs(sum(v < 1e-3 for v in values) - 500) < 5 * math.sqrt(250)
    axes = [axis, parse_axis("latent=2..64"), parse_axis("recipe=mlp,resmlp")]
    assert random_search(axes, 5, 1) == random_search(axes, 5, 1)
    assert random_search(axes, 5, 1) != random_search(axes, 5, 2)
    assert all(isinstance(t["latent"], int) for t in random_search(axes, 5, 1))
    assert len(random_search([parse_axis("latent=2,4")], 10, 0)) == 2


def test_settings_change_only_what_is_named():
    base = Settings(Recipe(), ObjectiveConfig(), TrainingConfig())
    changed = base.with_values({"latent": 3, "lr": 0.5, "samples": 4})
    assert (changed.recipe.latent, changed.training.optimisation.lr, changed.objective.samples) == (3, 0.5, 4)
    assert changed.with_values({"latent": None, "lr": None, "samples": None}) == base


def sweep(folder, *options):
    return main(["sweep", "digits", "--run", str(folder), *SMALL, *options])


def test_a_sweep_gives_one_table_and_is_done_once(tmp_path, capsys, monkeypatch):
    """Two settings by two seeds: the mean and standard error of what `evaluate` says of each."""
    run_workers_here(monkeypatch)
    options = ("--over", "latent=2,4", "--seeds", "2", "--test", "digits", "--samples-of-test", "3", "--jobs", "2")
    assert sweep(tmp_path / "s", *options) == 0
    out, err = capsys.readouterr()
    assert err.count("trained") == 4
    assert err.count("evaluated") == 4
    with (tmp_path / "s" / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(r["latent"] for r in rows) == ["2", "4"]
    assert all(r["seeds"] == "2" for r in rows)
    each = [read_json(f / "evaluation.json")["log_likelihood"] for f in sorted((tmp_path / "s" / "trials").iterdir())]
    first = next(r for r in rows if r["latent"] == "2")
    assert float(first["log_likelihood"]) == pytest.approx(sum(each[:2]) / 2)
    assert float(first["log_likelihood_se"]) == pytest.approx(abs(each[0] - each[1]) / 2)
    assert float(rows[0]["log_likelihood"]) >= float(rows[1]["log_likelihood"])
    assert len(out.splitlines()) == 3

    assert sweep(tmp_path / "s", *options) == 0
    again, err = capsys.readouterr()
    assert again == out
    assert "trained" not in err
    assert "evaluated" not in err
    assert sweep(tmp_path / "s", "--over", "latent=2,8") == 2
    assert "another --run" in capsys.readouterr().err


def test_a_trial_is_the_run_that_fit_would_make(tmp_path):
    """Processes of their own train and evaluate; the config is that of `fit`, and the numbers but for what threads may
    change.
    """
    options = ("--over", "latent=2", "--test", "digits", "--samples-of-test", "3")
    assert sweep(tmp_path / "s", *options) == 0
    assert main(["fit", "digits", "--run", str(tmp_path / "r"), *SMALL, "--latent", "2"]) == 0
    config, alone = (read_json(p / "config.json") for p in (tmp_path / "s" / "trials" / "000", tmp_path / "r"))
    for run in (config, alone):
        run["data"].pop("subset_seed")
    assert config == alone
    alone_bound = max(m["validation_bound"] for m in Run(tmp_path / "r").metrics())
    found = Sweep(tmp_path / "s").results()[0]
    assert found["bound"] == pytest.approx(alone_bound, rel=1e-4)
    code, out, _ = call("evaluate", tmp_path / "r", "digits", "--json", "--samples", 3)
    assert code == 0
    assert found["log_likelihood"] == pytest.approx(json.loads(out)["log_likelihood"], rel=1e-4)


@pytest.mark.parametrize("jobs", ["0", "-1"])
def test_no_jobs_are_refused(tmp_path, capsys, jobs):
    assert sweep(tmp_path / "s", "--over", "latent=2", f"--jobs={jobs}") == 2
    assert "for --jobs. It must be at least 1" in capsys.readouterr().err


def test_a_failing_trial_does_not_stop_the_others(tmp_path, capsys):
    assert sweep(tmp_path / "s", "--over", "lr=1e30,1e-3", "--clip", "1e30") == 2
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1].startswith("velbo: 1 of 2 trials failed (000); log.txt")
    assert "000 failed" in captured.err
    assert "001 trained" in captured.err
    assert (
        "not finite" in (tmp_path / "s" / "trials" / "000" / "log.txt").read_text()
        or "validation bound is" in (tmp_path / "s" / "trials" / "000" / "log.txt").read_text()
    )
    assert captured.out.splitlines()[1].split()[0] == "001"


def test_a_stopped_sweep_goes_on(tmp_path, capsys, monkeypatch):
    """SIGTERM while the first two trials train in processes of their own: exit code 130, everything saved; the same
    command finishes the rest.
    """
    folder = tmp_path / "s"
    options = "--over latent=2,3,4 --jobs 2 --recipe mlp --hidden 8 --epochs 300 --rows 60".split()
    first = [folder / "trials" / name for name in ("000", "001")]

    ended = threading.Event()

    def ask_to_stop() -> None:
        while not ended.wait(0.02):
            if all((f / "metrics.jsonl").exists() for f in first):
                os.kill(os.getpid(), signal.SIGTERM)
                return

    threading.Thread(target=ask_to_stop).start()
    command = ["sweep", "digits", "--run", str(folder), *options]
    code = main(command)
    ended.set()
    assert code == 130
    assert "give the same command" in capsys.readouterr().err
    reached = [read_json(max((f / "checkpoint").glob("0*")) / "state.json")["epoch"] for f in first]
    assert all(epoch > 0 for epoch in reached)
    assert min(reached) < 300
    run_workers_here(monkeypatch)
    assert main(command) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert all(len(Run(folder / "trials" / f"00{i}").metrics()) == 300 for i in range(3))
    with pytest.raises(RunError):
        Sweep(tmp_path / "nothing").results()


def test_a_sweep_that_was_killed_before_it_began_takes_other_options_for_another_sweep(tmp_path, capsys, monkeypatch):
    """Its options are written before its trials, so that no trial of other options is taken for one of these."""
    run_workers_here(monkeypatch)

    def killed(self, config):
        if self.path.name == "001":
            raise KeyboardInterrupt
        original(self, config)

    original = Run.create
    monkeypatch.setattr(Run, "create", killed)
    options = ("--over", "latent=2,4", "--jobs", "1")
    assert sweep(tmp_path / "s", *options) == 130
    monkeypatch.setattr(Run, "create", original)
    assert sweep(tmp_path / "s", "--over", "latent=3,5", "--jobs", "1") == 2
    assert "holds a sweep over other options" in capsys.readouterr().err
    assert sweep(tmp_path / "s", *options) == 0
    assert [read_json(tmp_path / "s" / "trials" / f"00{i}" / "config.json")["recipe"]["latent"] for i in (0, 1)] == [
        2,
        4,
    ]


def test_a_trial_whose_worker_was_killed_is_mended_by_the_same_command(tmp_path, capsys, monkeypatch):
    """Between its last checkpoint and its end: the checkpoint says that it is done, and its model is not there."""
    run_workers_here(monkeypatch)
    options = ("--over", "latent=2", "--test", "digits", "--samples-of-test", "3")
    assert sweep(tmp_path / "s", *options) == 0
    table = capsys.readouterr().out
    trial = tmp_path / "s" / "trials" / "000"
    (trial / "model.safetensors").unlink()
    (trial / "evaluation.json").unlink()
    (trial / ".99999999.tmp.evaluation.json").touch()
    assert sweep(tmp_path / "s", *options) == 0
    assert capsys.readouterr().out == table
    assert not (trial / ".99999999.tmp.evaluation.json").exists()
