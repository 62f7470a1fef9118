"""Every example in README.md and docs/ runs: a page is one program, its commands run through the command line. What is
shown below a block is what it prints, but for the numbers; on the road to diffusion every block that prints shows it.
"""

from __future__ import annotations

import json
import pkgutil
import re
import runpy
import shlex
import textwrap
from pathlib import Path

import pytest

from contracts.commands import call, run_workers_here

ROOT = Path(__file__).parents[1]
ROAD = sorted((ROOT / "docs" / "road").glob("*.md"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *ROAD]
BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>python|console)\n(?P<body>.*?)^(?P=indent)```$", re.M | re.S)
OUTPUT = re.compile(r"\n\n```text\n(?P<text>.*?)^```$", re.M | re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
@pytest.mark.filterwarnings("ignore::velbo.errors.CollapseWarning")
def test_examples_run(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_workers_here(monkeypatch)
    names: dict[str, object] = {"__name__": "__main__"}
    for block in BLOCK.finditer(page.read_text()):
        line = page.read_text()[: block.start()].count("\n") + 2
        body = textwrap.dedent(block["body"])
        if block["language"] == "python":
            capsys.readouterr()
            exec(compile("\n" * (line - 1) + body, str(page), "exec"), names)
            shown, printed = OUTPUT.match(page.read_text(), block.end()), capsys.readouterr().out
            if shown or page in ROAD:
                assert without_numbers(shown["text"] if shown else "") == without_numbers(printed), f"{page}:{line}"
            continue
        for command in re.findall(r"^\$ velbo (.*)$", body, re.M):
            code, _, err = call(*shlex.split(command))
            assert code == 0, f"{page.name}: velbo {command}: {err}"


def without_numbers(text: str) -> list[str]:
    """Words of each line: numbers may differ in their last digits from one machine to another."""
    return re.sub(r"[-+]?\d[\d.,]*(e[-+]\d+)?", "#", text).split()


def test_pages_have_examples():
    assert sum(len(BLOCK.findall(p.read_text())) for p in PAGES) >= 20


def test_links_and_pictures_exist():
    others = [
        page for folder in ("log", "reference", "notebooks") for page in sorted((ROOT / "docs" / folder).glob("*.md"))
    ]
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", *others]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_pictures_of_the_road_are_small_and_on_a_page():
    shown = {target for page in ROAD for target in re.findall(r"\]\(\.\./images/road/([^)]+)\)", page.read_text())}
    pictures = list((ROOT / "docs" / "images" / "road").iterdir())
    assert {p.name for p in pictures} == shown
    assert max(p.stat().st_size for p in pictures) < 60_000


def test_every_page_is_in_the_navigation_and_every_entry_is_a_page():
    found = set(re.findall(r"([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M))
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert found == {name for name in pages if not name.startswith("log/")} | {"log/index.md"}


def test_nothing_is_fetched_from_elsewhere():
    """No font, script or style of the site has an address beyond it."""
    assert not re.search(r"https?://|font: true", (ROOT / "mkdocs.yml").read_text())


def test_notebooks_are_their_pages_and_one_of_them_runs(tmp_path, monkeypatch):
    """The cells of a notebook, in order, are one program; that of a page is run above."""
    monkeypatch.chdir(tmp_path)
    made = runpy.run_path(str(ROOT / "docs" / "notebooks" / "__main__.py"))
    assert {path.stem for path in (ROOT / "docs" / "notebooks").glob("*.ipynb")} == set(made["PAGES"])
    for name in made["PAGES"]:
        assert (ROOT / "docs" / "notebooks" / f"{name}.ipynb").read_text() == made["notebook_of"](name), name
    cells = json.loads((ROOT / "docs" / "notebooks" / "loops.ipynb").read_text())["cells"]
    names: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert "model" in names


def test_every_name_of_the_reference_exists():
    pages = (ROOT / "docs" / "reference").glob("*.md")
    names = [name for page in pages for name in re.findall(r"^::: (\S+)", page.read_text(), re.M)]
    assert len(names) > 50
    for name in names:
        pkgutil.resolve_name(name)
