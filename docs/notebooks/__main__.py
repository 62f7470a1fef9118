"""Pages as notebooks: python docs/notebooks. Text stays text, Python is code, commands begin with an exclamation mark.

A page is cut at its blocks. What a block prints is left out: the notebook prints it itself. The format is that of
Jupyter, version 4.5, https://nbformat.readthedocs.io/en/latest/format_description.html.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGES = ("elbo", "loops", "measuring")
BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>python|console)\n(?P<body>.*?)^(?P=indent)```\n", re.M | re.S)
PRINTED = re.compile(r"\s*```text\n.*?^```\n", re.M | re.S)
EQUATION = re.compile(r"^```math\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\((?!https?:|#)([^)]+)\)")


def cells_of(page: str) -> Iterator[tuple[str, str]]:
    """(markdown or code, its text) of a page."""
    at = 0
    for block in BLOCK.finditer(page):
        yield "markdown", page[at : block.start()]
        body = textwrap.dedent(block["body"])
        yield "code", body if block["language"] == "python" else re.sub(r"^\$ ", "!", body, flags=re.M)
        printed = PRINTED.match(page, block.end())
        at = printed.end() if printed else block.end()
    yield "markdown", page[at:]


def as_text(markdown: str) -> str:
    """Equations between dollars, and links to the pages from this folder."""
    return LINK.sub(r"](../\1)", EQUATION.sub(r"$$\n\1$$", markdown))


def notebook_of(name: str) -> str:
    """A page as the text of a notebook."""
    cells: list[dict[str, Any]] = []
    for kind, text in cells_of((HERE.parent / f"{name}.md").read_text()):
        text = (as_text(text) if kind == "markdown" else text).strip()
        if not text:
            continue
        cell = {
            "cell_type": kind,
            "id": f"{name}-{len(cells)}",
            "metadata": {},
            "source": text.splitlines(keepends=True),
        }
        cells.append(cell | ({"execution_count": None, "outputs": []} if kind == "code" else {}))
    about = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    whole = {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name in PAGES:
        (HERE / f"{name}.ipynb").write_text(notebook_of(name))
