"""Pages of help: in groups by task, filled to the width, the usual options first; every one with --help-all."""

from __future__ import annotations

import itertools
import re

import pytest
from rich.console import Console

from contracts.commands import call
from velbo.cli import app
from velbo.cli.pages import default_text
from velbo.cli.sources import verbs_of

VERBS = verbs_of(app)
SCREEN = 50


@pytest.fixture(params=[80, 100])
def width(request, monkeypatch):
    monkeypatch.setattr(app, "console", Console(width=request.param))
    return request.param


@pytest.fixture
def wide(monkeypatch):
    monkeypatch.setattr(app, "console", Console(width=100))


def page(*arguments: str) -> str:
    code, out, err = call(*arguments)
    assert (code, err) == (0, "")
    return out


def words(text: str) -> str:
    """Without the frames of panels."""
    return " ".join(re.sub(r"[│╭╮╰╯─*]", " ", text).split())


@pytest.mark.parametrize("verb", [(), *((verb,) for verb in VERBS)])
def test_no_page_is_wider_than_the_terminal_and_its_text_is_filled(width, verb):
    """Filled: within a paragraph of the page, a line ends where the next word would not fit."""
    text = page(*verb, "--help-all")
    assert max(map(len, text.splitlines())) <= width
    for paragraph in text.partition("╭")[0].split("\n\n"):
        lines = paragraph.strip("\n").splitlines()
        for line, following in itertools.pairwise(lines):
            assert len(line.rstrip()) + 1 + len(following.split()[0]) > width, (line, following)


@pytest.mark.usefixtures("wide")
def test_the_page_of_fit_takes_two_screens():
    usual, every = page("fit", "--help"), page("fit", "--help-all")
    assert len(usual.splitlines()) <= 2 * SCREEN
    assert "--clip" not in usual
    assert "--clip" in every
    assert "velbo VERB --help-all" in words(usual)
    for option in ("--epochs", "--recipe", "--latent", "--lr", "--device", "--seed", "--column", "--objective"):
        assert f"{option} " in usual


@pytest.mark.usefixtures("wide")
def test_every_verb_stands_in_a_group_with_one_line():
    text = page("--help")
    assert re.findall(r"^╭─ (.*?) ─", text, re.M) == [
        "Look at data",
        "Train a model",
        "Use a model",
        "Measure a model",
        "Hand a model on",
        "Other",
    ]
    others = text[text.index("Other") :]
    for verb in VERBS:
        assert re.search(rf"^│ {verb} +\S", text, re.M), verb
        assert not re.search(rf"^│ {verb} ", others, re.M), verb


def test_every_option_is_explained():
    for verb in VERBS:
        for argument in app[verb].assemble_argument_collection(parse_docstring=True):
            assert argument.parameter.help or not argument.show, (verb, argument.name)


def test_defaults_are_written_as_they_are_given():
    assert [default_text(v) for v in ((), (200, 100), "", None, False, True, 0, 0.5, "auto")] == [
        None,
        "200,100",
        None,
        None,
        None,
        "yes",
        "0",
        "0.5",
        "auto",
    ]
