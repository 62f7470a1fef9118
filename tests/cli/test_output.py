"""Text for people, JSON for programs; one line for an error, whatever a terminal can show."""

from __future__ import annotations

import io
import json
import re
import sys
from unittest.mock import Mock
from unittest.mock import call as called

import numpy as np
import pytest

from contracts.commands import call, options
from velbo.cli.app import LONGEST, entry, main, one_line
from velbo.cli.output import print_json, print_table


def most_digits(text: str) -> int:
    """Of the numbers in a text, how many digits the longest has from its first that is not 0."""
    return max((len(number.replace(".", "").lstrip("0")) for number in re.findall(r"\d+\.\d+", text)), default=0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("output")
    rng = np.random.default_rng(0)
    rows = "".join(f"{rng.normal():.3f},{'xyzy'[i % 4]},{rng.integers(9)}\n" for i in range(80))
    (folder / "x.csv").write_text("size,kind,n\n" + rows)
    assert call("fit", folder / "x.csv", *options("--run", folder / "run", "--epochs", 4))[0] == 0
    return folder / "run"


def test_a_run_that_was_stopped_says_where(run, tmp_path):
    """As training would have left it in its fourth of 200 epochs, at the end of one, and before the first."""
    assert re.search(r"progress +done: 4 epochs, \d+ steps in \d+\.\d s\n", call("info", run)[1])
    config, state = run / "config.json", max(run.rglob("state.json"))
    kept = config.read_text(), state.read_text()
    budget = json.loads(kept[0])
    budget["training"]["budget"]["epochs"] = 200
    config.write_text(json.dumps(budget))
    for epoch, position, said in ((3, 17, "epoch 4 of 200"), (4, 0, "epoch 4 of 200"), (0, 0, "epoch 0 of 200")):
        changed = {"done": False, "epoch": epoch, "position": position}
        state.write_text(json.dumps(json.loads(kept[1]) | changed))
        code, out, _ = call("info", run)
        assert code == 0
        assert f"stopped at {said}; continue it with: velbo resume {run}\n" in out
        assert json.loads(call("info", run, "--json")[1])["state"]["epoch"] == epoch
    budget["training"]["budget"] = {"epochs": None, "minutes": 10.0}
    config.write_text(json.dumps(budget))
    state.write_text(json.dumps(json.loads(kept[1]) | {"done": False, "seconds": 75.0}))
    assert "stopped at epoch 4, minute 1.2 of 10;" in call("info", run)[1]
    budget["recipe"]["recipe"] = "parts.py:make"  # the user's own, which resume asks for by name
    config.write_text(json.dumps(budget))
    assert f"continue it with: velbo resume {run} --model parts.py:make\n" in call("info", run)[1]
    config.write_text(kept[0])
    state.write_text(kept[1])


@pytest.mark.parametrize(
    "command",
    [
        "info {run}",
        "schema {data}",
        "evaluate {run} {data} --samples 3",
        "gaps {run} {data} --samples 3 --steps 2",
        "anneal {run} {data} --rows 3 --temperatures 2 --chains 2",
        "quality {run} {data} --rows 50",
        "compare {run} {data} {data} --rows 60",
        "doctor {run} {data} --samples 4",
    ],
)
def test_every_verb_has_text_for_people_and_json_for_programs(run, command):
    """In the text no Python values and no 17 digits; the JSON is one value, with all digits of its numbers."""
    words = [word.format(run=run, data=run.parent / "x.csv") for word in command.split(" ")]
    code, text, err = call(*words)
    assert code == 0, err
    for sign in ("{", "}", "['", "[0", "None", "True", "nan"):
        assert sign not in text, (sign, text)
    assert most_digits(text) <= 7, text
    code, out, err = call(*words, "--json")
    assert code == 0, err
    assert len(out.splitlines()) == 1
    json.loads(out, parse_constant=pytest.fail)
    assert most_digits(out) > 12 or command.startswith(("schema", "doctor"))


def test_json_and_tables(capsys):
    print_json({"a": 0.1 + 0.2, "b": [float("nan"), float("inf"), 1], "c": {"d": float("-inf")}})
    assert capsys.readouterr().out == '{"a": 0.30000000000000004, "b": [null, null, 1], "c": {"d": null}}\n'
    print_table([{"a": 1.0, "b": "x"}, {"a": None}])
    assert capsys.readouterr().out == "a  b\n1  x\n-  -\n"


def test_an_error_is_one_line_that_a_terminal_shows_as_it_is():
    assert one_line("a\n  b\tc\x1b[31m\0\ud800 é") == r"a b c\x1b[31m\x00\ud800 é"
    assert one_line("x" * 10**6) == "x" * LONGEST + " ..."


def test_a_terminal_without_the_letters(tmp_path, monkeypatch):
    """Names in ASCII: numbers of letters, and no traceback; the file that velbo writes has the letters."""
    (tmp_path / "x.csv").write_text("é,b\n1.5,x\n2.5,y\n3.25,x\n")
    monkeypatch.setattr(sys.modules["velbo.cli.app"], "main", lambda: main(["schema", str(tmp_path / "x.csv")]))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True))
    # what the process of a command does to its memory must not be done to that of the tests
    collector = Mock(get_threshold=lambda: (700, 10, 10))
    monkeypatch.setattr(sys.modules["velbo.cli.app"], "gc", collector)
    with pytest.raises(SystemExit) as end:
        entry()
    assert end.value.code == 0
    assert collector.mock_calls == [called.set_threshold(700, 10, 100), called.freeze()]
    assert rb"\xe9" in sys.stdout.buffer.getvalue()  # type: ignore[attr-defined]
