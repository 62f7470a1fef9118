"""Delimited texts, however they are written."""

from __future__ import annotations

import numpy as np


def cells(n: int, seed: int = 0) -> list[list[str]]:
    r = np.random.default_rng(seed)
    found = []
    for i, x in enumerate(r.normal(size=n) * 9):
        day = f"2024-0{r.integers(1, 9)}-1{r.integers(0, 9)}"
        found.append([f"{x:.2f}", r.choice(["red", "green", "blue"]), str(r.integers(0, 90)), day, f"note {i}"])
    return found


NAMES = ["x", "colour", "n", "day", "note"]


def written(rows: list[list[str]], delimiter: str = ",", end: str = "\n", header: bool = True) -> bytes:
    lines = [delimiter.join(row) for row in ([NAMES] if header else []) + rows]
    return (end.join(lines) + end).encode()


def messy() -> bytes:
    """Blanks, quotes, line ends in quotes, words for missing values, blank lines, other digits, no end."""
    rows = cells(60, 1)
    for i in range(0, 60, 7):
        rows[i][1] = ["?", "NA", "", '"red"', " blue"][i % 5]
    for i in range(0, 60, 9):
        rows[i][0] = ["", "1e1", "+3.10", " 2.5 ", "0.1234567890123"][i % 5]
    rows[11][4] = '"two\nlines, and ""quotes"""'
    rows[12][2] = "007"
    text = written(rows)
    lines = text.split(b"\n")
    return b"\n".join([*lines[:30], b"", b"", *lines[30:]])[:-1]


TEXTS = {
    "plain": written(cells(80)),
    "Windows": b"\xef\xbb\xbf" + written(cells(80), end="\r\n"),
    "semicolons and commas": written([[row[0].replace(".", ","), *row[1:]] for row in cells(80)], ";"),
    "tabs": written(cells(80), "\t"),
    "blanks behind delimiters": written([[row[0], *(f" {cell}" for cell in row[1:])] for row in cells(80)]),
    "quotes around all": written([[f'"{cell}"' for cell in row] for row in cells(80)]),
    "UTF-16": b"\xff\xfe" + written(cells(80)).decode().encode("utf-16-le"),
    "messy": messy(),
}
