"""Tables for people: text and HTML of the same rows; what is shown of every result, printed and in a notebook."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import velbo
from velbo import Budget, Recipe, TrainingConfig
from velbo.doctor import Finding, Findings
from velbo.evaluation import aggregated_posterior
from velbo.evaluation.samples import sample_quality
from velbo.evaluation.synthetic import synthetic_report
from velbo.tables import Figure, Number, Table, explained, preformatted, text_of

HOSTILE = '<script>alert("1")</script>'


class Parsed(HTMLParser):
    """Tags that are open, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.tags, self.attributes, self.text = list[str](), set[str](), list[str](), ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.add(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data + " "


def test_words_stand_to_the_left_and_numbers_to_the_right():
    table = Table((("a", 1.0, "x"), ("bbb", 12.5, None), ("c", None, "yy")), ("name", "value", "word"))
    assert table.text() == "name  value  word\na         1  x\nbbb    12.5  -\nc         -  yy"


def test_a_last_column_of_sentences_is_folded_into_the_width_of_the_terminal():
    table = Table((("a", "one two three four five six seven"), ("b", "short")))
    assert table.text(30) == "a  one two three four five six\n   seven\nb  short"
    assert table.text(10) == table.text(), "where there is no room it is left as it is"


def test_records_may_lack_names_and_nothing_is_shown_of_no_rows():
    assert Table.of([{"a": 1}, {"b": "x"}]).text() == "a  b\n1  -\n-  x"
    assert Table.of([], title="t", notes=["n"]).text() == "t\nn"
    assert "<table" not in Table.of([]).html()


def test_values_for_people():
    values = (1.23456789, None, math.nan, True, False, [0.123, 2.0], (), "é", 7, "", ("a", "b"))
    assert [text_of(v) for v in values] == [
        "1.23457",
        "-",
        "-",
        "yes",
        "no",
        "0.12 2.00",
        "-",
        "é",
        "7",
        "",
        "a b",
    ]


def test_explained_figures():
    figures = (Figure("a", 1.0, "one", 0.5), Figure("b", 20, "two", math.nan), Figure("c", Number("3 %")))
    assert explained(figures).text().splitlines() == ["a  1.000  ± 0.500  one", "b     20           two", "c    3 %"]


def test_html_is_whole_escaped_and_takes_the_colours_of_its_page():
    for text in (Table(((HOSTILE, 1),), (HOSTILE, "n"), HOSTILE, (HOSTILE,)).html(), preformatted(HOSTILE)):
        found = Parsed(text)
        assert "script" not in found.tags
        assert HOSTILE in found.text
        assert set(found.attributes) <= {"style"}
        for style in re.findall(r'style="([^"]*)"', text):
            assert not re.search(r"(?<![-\w])color:|background:(?!none)|url", style)


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({HOSTILE: rng.normal(size=60), "b": rng.normal(size=60), "id": [f"P{i}" for i in range(60)]})
    training = TrainingConfig(Budget(epochs=2))
    return velbo.fit(frame, Recipe("mlp", 2, (4,)), columns={"id": "drop"}, training=training), frame


@pytest.fixture(scope="module")
def results(model):
    fitted, frame = model
    x = fitted.schema.numbers(frame)
    store = fitted.store(frame)
    return {
        "model": fitted,
        "evaluation": fitted.evaluate(frame, 30),
        "schema": fitted.schema,
        "findings": Findings([Finding("prior", "look", f"the figure {HOSTILE}", "an option")]),
        "finding": Finding("prior", "fault", "the figure"),
        "comparison": synthetic_report(x, x, fitted.schema.modelled),
        "gaps": velbo.gaps(fitted.model, store, 5, velbo.Ascent(2)),
        "bracket": velbo.bracket(fitted.model, store, velbo.Annealing(2, 2), 3),
        "quality": sample_quality(x, x),
        "aggregated": aggregated_posterior(fitted.model, store),
    }


NAMES = "model evaluation schema findings finding comparison gaps bracket quality aggregated".split()


@pytest.mark.filterwarnings("ignore::velbo.errors.CollapseWarning")
@pytest.mark.parametrize("name", NAMES)
def test_every_result_has_a_short_line_a_printed_table_and_html(results, name):
    """No Python values in the line, more than it in the table, and the same words in the HTML."""
    found = results[name]
    line, printed, page = repr(found), str(found), found._repr_html_()
    assert "\n" not in line
    assert len(line) < 400
    for sign in ("tensor(", "{", "array(", "Field(", "nan"):
        assert sign not in line
        assert sign not in printed
    assert line != printed
    shown = Parsed(page)
    assert not {"script", "link", "img", "style"} & shown.tags
    assert {"http", "@import", "url("} & set(page.split()) == set()
    words = {word for word in re.findall(r"[A-Za-z]{4,}", printed) if word not in ("FAULT", "LOOK")}
    assert words <= set(re.findall(r"[A-Za-z]{4,}", shown.text))


@pytest.mark.filterwarnings("ignore::velbo.errors.CollapseWarning")
def test_an_evaluation_is_explained(model):
    fitted, frame = model
    found = fitted.evaluate(frame, 30)
    text, bound = str(found), rf"{found.elbo:.3f} +± {found.elbo_se:.3f}"
    assert re.search(rf"^ELBO +{bound} +lower bound of log p\(x\), nats a row$", text, re.M)
    assert re.search(r"^active units +\d +of 2 latents$", text, re.M)
    assert "unit correction" in text, "numbers are standardised"


@pytest.mark.filterwarnings("ignore::velbo.errors.CollapseWarning")
def test_of_one_row_no_error_is_shown(model):
    fitted, frame = model
    assert "±" not in str(fitted.evaluate(frame[:1], 3))
