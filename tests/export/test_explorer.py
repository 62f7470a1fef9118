"""The page of the explorer, in headless Chromium: it decodes as velbo does, by itself, by mouse and by keyboard."""

from __future__ import annotations

import json
import re
import shutil
from typing import Any

import numpy as np
import pytest
import torch

from contracts.commands import call
from contracts.exporting import IMAGES, N_ROWS, rows_for, untrained
from velbo import Recipe
from velbo.errors import ConfigError
from velbo.export import Decoder
from velbo.export.explorer.program import Program
from velbo.likelihoods import LIKELIHOODS

api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
HOSTILE = "</script><img src=x onerror=alert(1)><!--"


def until(page: Any, condition: str) -> None:
    """The condition holds within 30 s. Playwright's own wait evaluates a string in the page, which the page forbids."""
    for _ in range(600):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


@pytest.fixture(scope="module")
def browser():
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def show(browser):
    """Opens a page; at its end nothing may have failed, and nothing been asked of the network."""
    problems, requests = [], []
    context = browser.new_context(viewport={"width": 1000, "height": 800})

    def opened(path, **options):
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("dialog", lambda dialog: problems.append(dialog.message))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(f"file://{path}")
        until(page, "window.explorer !== undefined")
        return page

    yield opened
    context.close()
    assert problems == []
    assert all(url.startswith("file://") for url in requests)


def decoded_there(page, *inputs):
    """By the page, row by row."""
    rows = [list(row) for row in zip(*inputs, strict=True)]
    return np.array(page.evaluate("rows => rows.map((row) => window.explorer.decode(...row))", rows))


TABLES = [name for name, head in LIKELIHOODS.items() if head.kinds[0] != "byte"]
GIVEN = ["categorical", "normal"]
IMAGES_AND_TABLES = {
    "mlp": (Recipe("mlp", 2, (8,), likelihood="bernoulli"), None),
    "conv": (Recipe("conv", 2, (3, 4)), None),
    "ladder of maps": (Recipe("ladder", 2, (3, 4), groups=(2,), likelihood="continuous-bernoulli"), None),
    "resmlp": (Recipe("resmlp", 3, (8,)), TABLES),
    "conditional": (
        Recipe("resmlp", 3, (8,), condition=("categorical", "normal")),
        ["categorical", "normal", "poisson"],
    ),
    "diffusion": (Recipe("diffusion", hidden=(8,)), ["normal", "poisson"]),
}


@in_browser
@pytest.mark.parametrize("kind", IMAGES_AND_TABLES)
def test_it_decodes_as_velbo_does(kind, tmp_path, show):
    """To 1e-3 of the unit that the model sees, every likelihood among them, at z from -6 to 6."""
    recipe, names = IMAGES_AND_TABLES[kind]
    x, kinds = (IMAGES, {}) if names is None else rows_for(names, missing=kind != "diffusion")
    model = untrained(x, recipe, columns=kinds)
    page = show(model.explore(x, tmp_path / "page.html").path)
    z = torch.randn(8, model.n_latents) * 2
    given = torch.from_numpy(model.schema.numbers(x)[:8, model.schema.dims(recipe.condition)])
    with torch.no_grad():
        expected = Decoder(model.model, model.plan)(z, *([given] if recipe.condition else [])).numpy()
    found = decoded_there(page, z.tolist(), *([given.tolist()] if recipe.condition else []))
    zero = torch.zeros(1, model.schema.n_dims)
    unit = (model.plan.encoding.restore(zero + 1) - model.plan.encoding.restore(zero)).numpy()
    assert (abs(found - expected) <= 1e-3 * unit * np.maximum(1, abs(expected / unit))).all()


@in_browser
def test_a_point_moves_by_mouse_and_keyboard_and_a_path_is_left(tmp_path, show):
    """Pictures follow; a path has a strip of nine, and can be played."""
    model = untrained(IMAGES, Recipe("mlp", 3, (8,)))
    page = show(model.explore(IMAGES, tmp_path / "page.html", labels=np.arange(N_ROWS) % 3).path)
    picture = "document.querySelector('#pictures canvas').toDataURL()"
    page.evaluate("new Promise(requestAnimationFrame).then(() => new Promise(requestAnimationFrame))")
    before = page.evaluate(picture)
    box = page.locator("#map").bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 200, steps=5)
    page.mouse.up()
    until(page, f"{picture} !== {json.dumps(before)}")
    assert page.locator("#strip canvas").count() == 9
    assert page.locator("#play").is_enabled()
    before = page.evaluate(picture)
    page.locator("#map").focus()
    page.keyboard.press("Shift+ArrowRight")
    until(page, f"{picture} !== {json.dumps(before)}")
    page.keyboard.press("p")
    assert page.locator("#play").inner_text() == "Stop"
    page.keyboard.press("p")
    assert re.fullmatch(r"Nearest row: \d+, label [012]", page.locator("#nearest").inner_text())
    page.locator("#legend button").first.press("Enter")
    assert page.locator("#legend button").first.get_attribute("aria-pressed") == "false"


@in_browser
def test_a_map_that_has_no_place_on_the_page_is_not_drawn(tmp_path, show):
    """As before the first layout: a picture of no size cannot be copied, and the script ended there. Latents have the
    numbers that they have everywhere.
    """
    page = show(untrained(IMAGES, Recipe("mlp", 2, (8,))).explore(IMAGES, tmp_path / "page.html").path)
    page.evaluate("document.getElementById('map').style.display = 'none'")
    page.wait_for_timeout(100)
    page.evaluate("explorer.moveTo([0.1, 0.1])")
    page.wait_for_timeout(100)
    names = page.evaluate("[...document.querySelectorAll('#latents label')].map(l => l.firstChild.textContent)")
    assert sorted(names) == ["z0", "z1"]


@in_browser
def test_a_row_follows_what_is_given(tmp_path, show):
    """The list of a category, and the slider of a number by its keys."""
    x, kinds = rows_for(["categorical", "normal", "poisson"])
    model = untrained(x, Recipe("mlp", 2, (8,), condition=("categorical", "normal")), columns=kinds)
    page = show(model.explore(x, tmp_path / "page.html", labels="categorical").path)
    assert page.locator("#row th").all_inner_texts() == ["poisson", "gaps"]
    bars = "[...document.querySelectorAll('.bar i')].map((bar) => bar.style.getPropertyValue('--at')).join()"
    until(page, f"{bars}.length > 1")
    category, number = page.locator("#given select"), page.locator("#given input[type=range]")
    for change in (lambda: category.select_option(label="e"), lambda: number.press("Home")):
        before = page.evaluate(bars)
        change()
        until(page, f"{bars} !== {json.dumps(before)}")


@in_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_in_light_and_dark(scheme, tmp_path, browser):
    """No line is wider than the screen, and text stands out from its paper by more than 4.5 to 1."""
    x, kinds = rows_for(["categorical", "normal", "poisson"])
    model = untrained(x, Recipe("mlp", 2, (8,)), columns=kinds)
    path = model.explore(x, tmp_path / "page.html", labels="normal").path
    page = browser.new_page(viewport={"width": 360, "height": 700}, color_scheme=scheme)
    page.goto(f"file://{path}")
    until(page, "window.explorer !== undefined")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    colours = page.evaluate(
        "['color', 'backgroundColor'].map((n) => getComputedStyle(document.body)[n].match(/[\\d.]+/g).map(Number))"
    )
    light = [np.dot([0.2126, 0.7152, 0.0722], (np.array(c[:3]) / 255) ** 2.2) + 0.05 for c in colours]
    assert max(light) / min(light) > 4.5
    page.close()


@in_browser
def test_names_in_the_data_are_shown_and_not_run(tmp_path, show):
    x, kinds = rows_for(["categorical", "normal"])
    x = x.rename(columns={"normal": HOSTILE})
    x["categorical"] = x["categorical"].replace("a", HOSTILE)
    kinds = {(HOSTILE if name == "normal" else name): kind for name, kind in kinds.items()}
    model = untrained(x, Recipe("mlp", 2, (8,)), columns=kinds)
    page = show(model.explore(x, tmp_path / "page.html", labels="categorical", title=HOSTILE).path)
    assert page.locator("h1").inner_text() == HOSTILE
    assert HOSTILE in page.locator("#row th").all_inner_texts()
    assert HOSTILE in page.locator("#legend").inner_text()
    assert page.locator("img").count() == 0


def test_a_page_asks_nothing_of_the_network_by_its_own_policy(tmp_path):
    """And names no address at all."""
    model = untrained(IMAGES, Recipe("mlp", 2, (8,)))
    text = model.explore(IMAGES, tmp_path / "page.html").path.read_text()
    assert "default-src 'none'" in text
    assert not re.search(r"https?://", text)


def test_labels_that_are_none_are_refused(tmp_path):
    x, kinds = rows_for(["categorical", "normal"])
    model = untrained(x, Recipe("mlp", 2, (8,)), columns=kinds)
    with pytest.raises(ConfigError, match=r"unknown field of labels 'categoric'\. Did you mean 'categorical'"):
        model.explore(x, tmp_path / "page.html", labels="categoric")


@in_browser
def test_a_page_of_colour_images_is_small_and_decodes_as_velbo_does(tmp_path, show):
    """What "auto" takes for images of 32 x 48 pixels: the page has 2 MB at most, weights in 16 bits, and is within 1e-3
    of the range of pixels of the model as it is, in 32 bits.
    """
    images = np.random.default_rng(0).integers(0, 256, (12, 32, 48, 3), dtype=np.uint8)
    model = untrained(images, Recipe())
    made = model.explore(images, tmp_path / "page.html")
    assert (model.recipe.recipe, made.bits) == ("conv", 16)
    assert made.size == made.path.stat().st_size < 2e6
    z = torch.randn(3, model.n_latents) * 2
    with torch.no_grad():
        expected = Decoder(model.model, model.plan)(z).numpy()
    assert abs(decoded_there(show(made.path), z.tolist()) - expected).max() <= 1e-3 * 255


def test_a_program_computes_what_it_can_beforehand():
    """Equal steps are one, and what nothing is made of is left out."""
    program = Program()
    x = program.register((3,))
    a, b = (program.step("exp", (3,), x) for _ in range(2))
    program.step("log", (3,), x)
    program.output = program.step("add", (3,), a, b).at
    assert a == b
    assert [step[0] for step in program.pruned().steps] == ["exp", "add"]


def test_the_verb(tmp_path):
    x, kinds = rows_for(["normal", "categorical"])
    untrained(x, Recipe("mlp", 2, (8,)), columns=kinds).save(tmp_path / "model")
    x.to_csv(tmp_path / "rows.csv", index=False)
    arguments = ("--labels", "categorical", "--rows", 20)
    code, _, err = call("explore", tmp_path / "model", tmp_path / "rows.csv", "-o", tmp_path / "page.html", *arguments)
    assert code == 0
    assert f"20 rows, {(tmp_path / 'page.html').stat().st_size / 1e6:.1f} MB" in err
    assert "--recipe conv" not in err


def test_a_large_page_of_images_says_what_is_smaller(tmp_path, monkeypatch):
    monkeypatch.setattr("velbo.cli.verbs.explore.LARGE_PAGE", 10)
    untrained(IMAGES, Recipe("mlp", 2, (8,), likelihood="bernoulli")).save(tmp_path / "model")
    np.save(tmp_path / "rows.npy", IMAGES)
    code, _, err = call("explore", tmp_path / "model", tmp_path / "rows.npy", "-o", tmp_path / "page.html")
    assert (code, "--recipe conv" in err) == (0, True)
