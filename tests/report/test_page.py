"""The page: it holds all that it shows, nothing from data is an element, and a fit writes it or says why not."""

from __future__ import annotations

import base64
import re
import warnings
from dataclasses import replace
from html.parser import HTMLParser
from itertools import count

import numpy as np
import pyarrow as pa
import pytest

from contracts.commands import call, options
from velbo import Budget, Recipe, TrainedModel, TrainingConfig, carry_out, fit, load, plan
from velbo.build import made_of
from velbo.errors import Interrupted, VelboWarning
from velbo.report import sections
from velbo.report.html import picture, plain_text, table, tag
from velbo.report.latents import latents
from velbo.report.page import LEAST_ROWS, MOST_ROWS, Allowance, compose, report
from velbo.report.pictures import drawn, figure
from velbo.report.sections import SECTIONS, Material
from velbo.report.subject import Subject
from velbo.training import Run

RNG = np.random.default_rng(0)
TRAINING = TrainingConfig(Budget(epochs=2))
HOSTILE = '<script>alert("x")</script>'
NAME = '"><img src=x onerror=alert(1)> & $\\frac{a$ ‮‪'
N = 150


def rows(n: int = N) -> pa.Table:
    x = np.random.default_rng(1).normal(size=n)
    return pa.table({
        NAME: x,
        "y": pa.array(np.where(np.arange(n) % 9 == 0, np.nan, 2 * x + 1), from_pandas=True),
        HOSTILE: np.where(x > 0, HOSTILE, "https://evil.example/x.js"),
    })  # fmt: skip


class Page(HTMLParser):
    """Elements, and where they refer to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements, self.targets, self.attributes, self.open, self.text = [], [], set(), [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes |= {key for key, _ in attrs}
        self.targets += [value for key, value in attrs if key in ("src", "href", "action", "data", "srcset")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data if self.open[-1:] != ["style"] else ""


ELEMENTS = set(
    "html head meta title style body main h1 h2 nav a p section div table thead tbody tr th td dl dt dd ul li b span "
    "code figure img".split()
)


def sound(text: str) -> Page:
    """A page that asks for nothing and runs nothing."""
    page = Page(text)
    assert page.open == []
    assert set(page.elements) <= ELEMENTS
    assert all(t.startswith(("data:image/png;base64,", "#")) for t in page.targets)
    assert not [a for a in page.attributes if a.startswith("on")]
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    for image in re.findall(r"data:image/png;base64,([^\"]+)", text):
        assert base64.b64decode(image).startswith(b"\x89PNG")
    anchors = set(re.findall(r'id="([^"]+)"', text))
    assert {t[1:] for t in page.targets if t.startswith("#")} <= anchors
    return page


@pytest.fixture(scope="module", autouse=True)
def _rough_pictures():
    """What is tested is neither the fineness of the pictures nor where their parts lie (test_plots.py)."""

    def roughly(fig, *_, **options):
        fig.set_layout_engine("none")
        return drawn(fig, 15, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("velbo.report.html.drawn", roughly)
        yield


@pytest.fixture(scope="module")
def trained():
    return fit(rows(), Recipe("mlp", latent=2, hidden=(8,)), training=TRAINING, source="/data/<b>table.csv")


@pytest.fixture(scope="module")
def page(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "r.html"
    trained.report(rows(), path, train=rows(), labels=HOSTILE)
    return path.read_text()


def test_nothing_from_data_is_an_element_and_nothing_is_asked_for(page):
    found = sound(page)
    assert HOSTILE in found.text
    assert "A model of <b>table.csv" in found.text
    assert "‮" not in page, "nothing turns the direction of writing"
    assert "<script" not in page


def test_every_section_is_there_with_the_models_figures(page, trained):
    found = sound(page)
    for name, _ in SECTIONS:
        assert f"<h2>{name}</h2>" in page
    e = trained.evaluate(rows(), 32)
    for value in (e.elbo, e.log_likelihood, e.rate, e.bits_per_dim):
        assert f"{value:.3f}" in found.text
    assert made_of(trained.plan) in found.text
    for record in trained.schema.records():
        assert plain_text(record["reason"]) in found.text
    for why in trained.plan.choices.values():
        assert why in found.text
    assert "copies of training rows" in found.text
    assert "nats below the usual" in found.text
    assert "epoch 2 of 2" in found.text or "epoch 1 of 2" in found.text
    worst = int(np.argmin(trained.log_likelihood(rows(), 32)))
    assert re.search(rf"<tr><td[^>]*>{worst}</td>", page)


def test_elements_escape_all_but_elements():
    assert tag("p", "<b>", tag("b", "&"), title='"><i>') == '<p title="&quot;&gt;&lt;i&gt;">&lt;b&gt;<b>&amp;</b></p>'
    assert "&lt;td&gt;" in table(["<th>"], [["<td>"]])
    assert 'data-of="&lt;th&gt;"' in table(["<th>"], [["<td>"]])
    assert "<x>" not in picture(figure(1, 1), "<x>")
    assert plain_text("a\x1b\x00‮b") == "a\\u001b\\u0000\\u202eb"


def test_images_counts_and_conditions(tmp_path):
    """Sections that do not apply are absent or say so; the rest is there."""
    digits = load("digits")[:200]
    for name, given, recipe, more in (
        ("images", digits, Recipe("mlp", latent=2, hidden=(8,)), {}),
        ("counts", RNG.poisson(3, (120, 12)), Recipe("mlp", latent=2, hidden=(8,)), {"kind": "count"}),
        ("given", rows(), Recipe("mlp", latent=2, hidden=(8,), condition=(HOSTILE,)), {}),
    ):
        model = fit(given, recipe, training=TRAINING, **more)
        text = compose(Material(Subject.of(model, given[:40] if name != "given" else given), thorough=False))
        found = sound(text)
        assert "Left out:" not in found.text, name
        assert ("New images" in text) == (name == "images")
        assert (f"Given: {HOSTILE}" in found.text) == (name == "given")


def test_few_rows_and_one_row(trained):
    """The doctor wants 20 rows, privacy 2: a section says so, and the page is whole."""
    found = sound(compose(Material(Subject.of(trained, rows(5)))))
    assert "Left out: the doctor needs at least 20 rows" in found.text
    sound(compose(Material(Subject.of(trained, rows(1)), thorough=False)))


def test_a_column_of_one_shape_and_a_wide_table():
    wide = {f"c{i}": RNG.normal(size=60) for i in range(70)}
    model = fit(pa.table(wide), Recipe("mlp", latent=2, hidden=(8,)), training=TRAINING)
    found = sound(compose(Material(Subject.of(model, pa.table(wide)), thorough=False)))
    assert "10 further fields" in found.text
    one = pa.table({"only": RNG.normal(size=60)})
    sound(compose(Material(Subject.of(fit(one, "mlp", training=TRAINING), one), thorough=False)))


def test_rows_and_sections_by_the_seconds_that_there_are(trained):
    """By a clock that goes on a second at each look: many rows where each is cheap, few where not, and what comes late
    is named.
    """
    ticks = count()
    allowance = Allowance.of(4.5, lambda: float(next(ticks)))
    text = compose(Material(Subject.of(trained, rows()), thorough=False), allowance)
    assert sound(text).text.count("Left out, to stay cheap beside the fit: findings, calibration") == 1
    assert "<h2>Bounds</h2>" in text
    assert "<h2>New rows</h2>" not in text
    slow, still = count(step=1000), count(step=0)
    assert Allowance.of(5, lambda: float(next(slow))).rows(Subject.of(trained, rows())) == LEAST_ROWS
    assert Allowance.of(5, lambda: float(next(still))).rows(Subject.of(trained, rows())) == MOST_ROWS


def test_no_more_rows_than_asked_for(trained, tmp_path):
    report(trained, rows(), tmp_path / "r.html", most=30)
    text = (tmp_path / "r.html").read_text()
    assert "Measured on 30 rows, drawn at random from 150" in text


# written by a fit


def test_a_fit_writes_it_and_no_report_does_not(tmp_path, reports):
    code, _, err = call("fit", "digits", *options("--run", tmp_path / "run", "--rows", 200))
    assert code == 0, err
    assert f"report: {tmp_path / 'run' / 'report.html'}" in err
    found = sound((tmp_path / "run" / "report.html").read_text())
    assert "Measured on 20 rows that training held out and" in found.text
    code, _, err = call("fit", "digits", *options("--run", tmp_path / "none", "--rows", 200), "--no-report")
    assert code == 0, err
    assert not (tmp_path / "none" / "report.html").exists()
    fit(load("digits")[:100], "mlp", run=tmp_path / "python", training=TRAINING, report=False)
    assert not (tmp_path / "python" / "report.html").exists()


def test_an_interrupted_run_gets_it_at_its_end(tmp_path, reports):
    class Stop:
        def log_metrics(self, metrics, step):
            raise Interrupted("now")

        def log_progress(self, share, text):
            pass

    digits = load("digits")[:200]
    what, run = plan(digits, Recipe("mlp", latent=2, hidden=(8,)), training=TRAINING), Run(tmp_path / "run")
    run.create(what.to_json())
    with pytest.raises(Interrupted):
        carry_out(what, digits, run, [Stop()])
    assert not run.report_file.exists()
    carry_out(what, digits, run)
    first = run.report_file.stat().st_mtime_ns
    sound(run.report_file.read_text())
    carry_out(what, digits, run)
    assert run.report_file.stat().st_mtime_ns == first, "a run that is done keeps its report"
    run.report_file.unlink()
    carry_out(what, digits, run)
    assert run.report_file.exists(), "a run that was killed while it was written gets it"


@pytest.mark.parametrize("error", [RuntimeError("no\nfont"), KeyboardInterrupt(), MemoryError()])
def test_a_report_that_fails_is_a_warning_and_the_fit_is_whole(tmp_path, reports, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr("velbo.report.page.compose", fail)
    digits = load("digits")[:100]
    with pytest.warns(VelboWarning, match="the model is saved, but its report.html could not be written") as told:
        model = fit(digits, Recipe("mlp", latent=2, hidden=(8,)), run=tmp_path / "run", training=TRAINING)
    assert "\n" not in str(told[0].message)
    again = TrainedModel.load(tmp_path / "run")
    np.testing.assert_array_equal(again.encode(digits), model.encode(digits))
    assert {p.name for p in (tmp_path / "run").iterdir() if p.name.startswith(".")} == {".lock"}


def test_a_fit_without_matplotlib_says_nothing(tmp_path, reports, monkeypatch):
    monkeypatch.setattr("velbo.report.after_fit.find_spec", lambda _: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(load("digits")[:60], Recipe("mlp", latent=2, hidden=(8,)), run=tmp_path / "run", training=TRAINING)
    assert not (tmp_path / "run" / "report.html").exists()


def test_a_stream_and_a_run_without_held_out_rows(tmp_path, reports):
    np.save(tmp_path / "x.npy", RNG.normal(size=(300, 4)))
    code, _, err = call("fit", tmp_path / "x.npy", *options("--run", tmp_path / "s"), "--stream")
    assert code == 0, err
    sound((tmp_path / "s" / "report.html").read_text())
    model = fit(
        rows(),
        "mlp",
        run=tmp_path / "r",
        training=replace(TRAINING, validation=replace(TRAINING.validation, validation=0.0)),
    )
    assert model.history.metrics
    assert "none were held out" in (tmp_path / "r" / "report.html").read_text()


# typed


def report_of_labels(tmp_path, source) -> tuple[str, list[int]]:
    """(name, labels) that the map of latents of `velbo report --labels` is drawn with."""
    seen = []

    def noted(subject, labels, name):
        seen.append((name, sorted(set(labels))))
        return latents(subject, labels, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sections, "latents", noted)
        patch.setattr("velbo.report.page.SECTIONS", [s for s in SECTIONS if s[0] == "Latents"])
        labels = f"{tmp_path / 'd.npz'}:label"
        code, _, err = call("report", tmp_path / "run", source, "-o", tmp_path / "l.html", "--labels", labels)
    assert code == 0, err
    return seen[0]


def test_the_verb(tmp_path):
    digits = load("digits")
    np.savez(tmp_path / "d.npz", x=digits[:100], label=np.arange(100) % 4)
    source = f"{tmp_path / 'd.npz'}:x"
    assert call("fit", source, *options("--run", tmp_path / "run"))[0] == 0
    code, out, err = call("report", tmp_path / "run", source, "-o", tmp_path / "r.html", "--rows", 40)
    assert (code, out) == (0, ""), err
    sound((tmp_path / "r.html").read_text())
    named = report_of_labels(tmp_path, source)
    assert named == ("label", [0, 1, 2, 3])
    code, _, err = call("report", tmp_path / "run", source, "-o", tmp_path / "r.pdf")
    assert code == 2
    assert "a report is an HTML file" in err
    labels = f"{tmp_path / 'd.npz'}:label"
    code, _, err = call("plot", tmp_path / "run", source, "-o", tmp_path / "p", "--labels", labels, "--rows", 50)
    assert code == 0, err
    assert "pictures are of 50 of 100 rows, drawn at random; --rows takes more" in err
    written = {p.stem for p in (tmp_path / "p").iterdir()}
    assert written == {"learning_curve", "kl", "latents", "reconstructions", "samples", "calibration", "residuals"}
    assert "columns is left out" in err
    for arguments, said in (
        (("-o", tmp_path / "a.png"), "is one file, for one picture"),
        (("-o", tmp_path / "a.gif", "--what", "kl"), "written as png, svg, pdf"),
        (("-o", tmp_path / "a", "--what", "columns"), "this model is of images"),
        (("-o", tmp_path / "a", "--what", "latent"), "Did you mean 'latents'"),
        (("-o", tmp_path / "a", "--labels", source), "a label is one name or number a row"),
    ):
        code, _, err = call("plot", tmp_path / "run", source, *arguments)
        assert code == 2
        assert said in err
    assert not (tmp_path / "a.png").exists()


def test_a_sheet_of_samples(tmp_path):
    code, _, err = call("fit", "digits", *options("--run", tmp_path / "run", "--rows", 100))
    assert code == 0, err
    code, _, err = call("sample", tmp_path / "run", "-n", 30, "-o", tmp_path / "s.png")
    assert code == 0, err
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    np.save(tmp_path / "x.npy", RNG.normal(size=(60, 3)))
    assert call("fit", tmp_path / "x.npy", *options("--run", tmp_path / "t"))[0] == 0
    code, _, err = call("sample", tmp_path / "t", "-o", tmp_path / "t.png")
    assert code == 2
    assert "a sheet shows images" in err
    assert "velbo sample RUN -o new.csv" in err
