"""The page in a browser: nothing is asked for, nothing runs over the edge, every picture is there, light and dark."""

from __future__ import annotations

import shutil

import pytest

from velbo import Budget, Recipe, TrainingConfig, fit, load
from velbo.report.page import compose
from velbo.report.sections import Material
from velbo.report.subject import Subject

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
if CHROMIUM is None:
    pytest.skip("chromium is not installed: apt-get install chromium", allow_module_level=True)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    digits = load("digits")[:150]
    model = fit(digits, Recipe("mlp", latent=2, hidden=(8,)), training=TrainingConfig(Budget(epochs=2)))
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(compose(Material(Subject.of(model, digits[:40]), thorough=False)))
    return path


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as p:
        opened = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_at_phone_and_desk_width(file, browser, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    page = context.new_page()
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(file.as_uri())
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert said == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    images = page.evaluate("[...document.images].map(i => [i.complete, i.naturalWidth, i.alt.length])")
    assert len(images) >= 7
    assert all(complete and pixels > 100 and alt for complete, pixels, alt in images)
    paper, ink = (
        page.evaluate(f"getComputedStyle(document.body).{name}.match(/\\d+/g).slice(0, 3).map(Number)")
        for name in ("backgroundColor", "color")
    )
    light, dark = (paper, ink) if scheme == "light" else (ink, paper)
    assert min(light) > 200
    assert max(dark) < 60
    context.close()


def test_printed_it_has_pages_and_no_dark_paper(file, browser):
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(file.as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert page.pdf(format="A4").startswith(b"%PDF")
    context.close()
