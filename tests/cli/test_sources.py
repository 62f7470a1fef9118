"""Where an option comes from: flag > environment > file > default; a name that no verb has is one plain line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contracts.commands import call
from velbo.cli import app
from velbo.cli.sources import with_sources
from velbo.sweep import workers

TEXTS = {
    "options.yaml": "latent: 3\nfit:\n  epochs: 2\n  hidden: [5, 4]\n",
    "options.yml": "latent: 3\nfit: {epochs: 2, hidden: '5,4'}\n",
    "options.toml": "latent = 3\n[fit]\nepochs = 2\nhidden = [5, 4]\n",
    "options.json": json.dumps({"latent": 3, "fit": {"epochs": 2, "hidden": [5, 4]}}),
}


def settled(*arguments: object) -> Any:
    """What fit would be called with."""
    rest = with_sources(app, [str(a) for a in ("fit", "x.csv", "--run", "r", *arguments)])
    _, bound, _ = app.parse_args(rest, exit_on_error=False, print_error=False)
    return {name: bound.arguments.get(name) for name in ("recipe", "budget", "machine", "stream", "column")}


@pytest.mark.parametrize("name", TEXTS)
def test_a_file_of_every_format_is_read(tmp_path, name):
    (tmp_path / name).write_text(TEXTS[name])
    found = settled("--config", tmp_path / name)
    assert (found["recipe"].latent, found["recipe"].hidden, found["budget"].epochs) == (3, (5, 4), 2)
    assert settled(f"--config={tmp_path / name}") == found


def test_flag_before_environment_before_file_before_default(tmp_path, monkeypatch):
    """One source more at a time, each going before all that were there."""
    (tmp_path / "o.toml").write_text("epochs = 2\nseed = 2\n")
    assert settled()["budget"] is None
    assert settled("--config", tmp_path / "o.toml")["budget"].epochs == 2
    monkeypatch.setenv("VELBO_EPOCHS", "3")
    assert settled("--config", tmp_path / "o.toml")["budget"].epochs == 3
    monkeypatch.setenv("VELBO_FIT_EPOCHS", "4")
    found = settled("--config", tmp_path / "o.toml")
    assert (found["budget"].epochs, found["machine"].seed) == (4, 2)
    assert settled("--config", tmp_path / "o.toml", "--epochs", 5)["budget"].epochs == 5


def test_what_is_below_the_name_of_a_verb_goes_before_what_is_outside(tmp_path):
    (tmp_path / "o.yaml").write_text("epochs: 2\nseed: 3\nfit:\n  epochs: 4\nevaluate:\n  samples: 9\n")
    found = settled("--config", tmp_path / "o.yaml")
    assert (found["budget"].epochs, found["machine"].seed) == (4, 3)


def test_a_name_that_is_a_verb_and_an_option_is_an_option_where_it_holds_a_value(tmp_path):
    (tmp_path / "o.yaml").write_text("schema: fields.json\n")
    rest = with_sources(app, ["fit", "x.csv", "--run", "r", "--config", str(tmp_path / "o.yaml")])
    _, bound, _ = app.parse_args(rest, exit_on_error=False, print_error=False)
    assert bound.arguments["what"].schema == Path("fields.json")


def test_switches_and_lists(tmp_path, monkeypatch):
    (tmp_path / "o.yaml").write_text("stream: true\ncolumn: [id=drop, age=count]\n")
    assert settled("--config", tmp_path / "o.yaml")["stream"] is True
    assert settled("--config", tmp_path / "o.yaml", "--no-stream")["stream"] is False
    monkeypatch.setenv("VELBO_HIDDEN", "8,7")
    assert settled()["recipe"].hidden == (8, 7)
    monkeypatch.setenv("VELBO_STREAM", "1")
    assert settled()["stream"] is True


def test_the_environment_names_the_file_too(tmp_path, monkeypatch):
    (tmp_path / "o.yaml").write_text("epochs: 2\n")
    monkeypatch.setenv("VELBO_CONFIG", str(tmp_path / "o.yaml"))
    assert settled()["budget"].epochs == 2


WRONG = {
    "a misspelt option": ("o.yaml", "epocs: 3", 'Unknown option: "[epocs]" from'),
    "a misspelt option of a verb": ("o.toml", "[fit]\nepocs = 3", "Did you mean --epochs?"),
    "a misspelt verb": ("o.toml", "[fitt]\nepochs = 3", "there is no verb 'fitt'. Did you mean 'fit'?"),
    "a word for a number": ("o.json", '{"epochs": "many"}', 'unable to convert "many" into int'),
    "a number out of its limits": ("o.yaml", "latent: 0", "latent must be at least 1"),
    "broken TOML": ("o.toml", "epochs = ", "is no TOML file"),
    "broken YAML": ("o.yaml", "a: b: c", "is no YAML file"),
    "broken JSON": ("o.json", "{", "is no JSON file"),
    "no names and values": ("o.json", "[1]", "names and values are needed"),
    "names that are no text": ("o.yaml", "1: 2", "names and values are needed"),
    "an ending that is none": ("o.ini", "epochs=3", "files that end in .json, .toml, .yaml, .yml"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_one_line(tmp_path, case):
    name, text, words = WRONG[case]
    (tmp_path / name).write_text(text)
    code, out, err = call("fit", "iris", "--run", tmp_path / "run", "--config", tmp_path / name)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_not_there_or_not_named_is_one_line(tmp_path):
    for given, words in (((tmp_path / "o.yaml",), "cannot be read: No such file"), ((), "--config needs a file")):
        code, out, err = call("fit", "iris", "--run", tmp_path / "run", "--config", *given)
        assert (code, out, err.count("\n"), words in err) == (2, "", 1, True)


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("VELBO_EPOCS", "VELBO_EPOCS is no option of any verb. Did you mean VELBO_EPOCHS?"),
        ("VELBO_FIT_EPOCS", "Did you mean VELBO_FIT_EPOCHS?"),
        ("VELBO_EVALUATE_EPOCHS", "is no option of any verb"),
    ],
)
def test_a_misspelt_variable_is_one_line(tmp_path, monkeypatch, variable, words):
    monkeypatch.setenv(variable, "3")
    code, out, err = call("fit", "iris", "--run", tmp_path / "run")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err


def test_a_wrong_value_of_a_variable_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("VELBO_EPOCHS", "many")
    code, _, err = call("fit", "iris", "--run", tmp_path / "run")
    assert (code, err.count("\n")) == (2, 1)
    assert "Invalid value for VELBO_EPOCHS" in err


def test_a_plan_of_a_run_is_for_fit_alone(tmp_path):
    """As --like FILE, which is what --config takes it for."""
    (tmp_path / "config.json").write_text('{"versions": {"velbo": "0"}}')
    path = str(tmp_path / "config.json")
    assert with_sources(app, ["fit", "x", "--config", path]) == ["fit", "--like", path, "x"]
    code, _, err = call("evaluate", "r", "x", "--config", path)
    assert (code, err.count("\n"), "is the plan of a run" in err) == (2, 1, True)


def test_what_follows_two_dashes_is_no_option(tmp_path):
    assert with_sources(app, ["fit", "--", "--config"]) == ["fit", "--", "--config"]


def test_workers_of_a_sweep_do_not_take_its_variables(monkeypatch):
    monkeypatch.setenv("VELBO_ROWS", "5")
    kept = workers._environment()
    assert "VELBO_ROWS" not in kept
    assert kept["OMP_NUM_THREADS"] == "1"


def test_yaml_needs_its_package(tmp_path, monkeypatch):
    (tmp_path / "o.yaml").write_text("epochs: 2\n")
    monkeypatch.setitem(sys.modules, "yaml", None)
    code, _, err = call("fit", "iris", "--run", tmp_path / "run", "--config", tmp_path / "o.yaml")
    assert (code, "pip install 'velbo[yaml]'" in err) == (2, True)


def test_bash_completes_verbs_options_choices_and_files(tmp_path):
    """In a bash of its own, with the script as it is installed."""
    script = tmp_path / "velbo.bash"
    code, _, err = call("--install-completion", "--shell", "bash", "--output", script)
    assert code == 0, err
    assert "complete -o default -F _velbo velbo" in script.read_text()  # names of files where nothing else fits
    words = {"velbo ev": "evaluate", "velbo fit --patie": "--patience", "velbo fit x --header y": "yes"}
    for line, expected in words.items():
        asked = f"COMP_WORDS=({line}); COMP_CWORD={len(line.split()) - 1}; _velbo"
        ask = f'source {script}; {asked}; echo "${{COMPREPLY[*]}}"'
        done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True, env={**os.environ})
        assert done.stdout.split() == [expected]
