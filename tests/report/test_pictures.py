"""Paper and ink: colours that people tell apart, and names of any letters."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from velbo.errors import ConfigError
from velbo.report import pictures
from velbo.report.pictures import LABELS, VERDICTS, drawn, figure, save, short, words

# Machado, Oliveira and Fernandes, 2009, https://doi.org/10.1109/TVCG.2009.113 (table 1, severity 1), linear sRGB
VISION = {
    name: np.array(numbers, float).reshape(3, 3)
    for name, numbers in {
        "all cones": [1, 0, 0, 0, 1, 0, 0, 0, 1],
        "protanopia": [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
        "deuteranopia": [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881],
        "tritanopia": [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.303900],
    }.items()
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> np.ndarray:
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear sRGB."""
    t = XYZ @ rgb.clip(0, 1) / XYZ.sum(1)
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast_with_white(colour: str) -> float:
    """WCAG 2.1's ratio."""
    return 1.05 / (XYZ[1] @ linear(colour) + 0.05)


@pytest.mark.parametrize("vision", VISION)
def test_colours_of_labels_are_told_apart(vision):
    """10 in L*a*b* is some four times what is just noticeable."""
    seen = [lab(VISION[vision] @ linear(colour)) for colour in LABELS]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 10


def test_what_is_compared_differs_in_every_vision_and_shows_on_white():
    for one, other in ((pictures.REAL, pictures.SYNTHETIC), (pictures.RECONSTRUCTION, pictures.RATE)):
        for matrix in VISION.values():
            assert np.linalg.norm(lab(matrix @ linear(one)) - lab(matrix @ linear(other))) > 40
    for colour in (pictures.REAL, pictures.SYNTHETIC, pictures.BOUND, pictures.GREEN):
        assert contrast_with_white(colour) > 3
    assert contrast_with_white(pictures.INK) > 7
    assert contrast_with_white(pictures.FAINT) > 4
    assert len({mark for _, mark in VERDICTS.values()}) == len(VERDICTS)


def test_a_name_from_data_is_drawn_as_it_is():
    """No formula, no line break, no end; and no warning where the font lacks a letter."""
    assert words("a$b$ \\frac{") == r"a\$b\$ \frac{"
    assert words("two\nlines\x1b[0m") == "two lines [0m"
    assert words("x" * 100) == "x" * 27 + "…"
    fig = figure(2, 1)
    fig.subplots().set_title(words("price $ 5 $ {x ^ 年齢"))
    assert drawn(fig).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("v", "text"),
    [(0, "0"), (0.25, "0.25"), (9999, "9999"), (40_000, "40k"), (-1.5e6, "-1.5M"), (3e9, "3G"), (2e5, "200k")],
)
def test_short_numbers(v, text):
    assert short(v) == text


def test_a_picture_has_the_form_of_its_suffix(tmp_path):
    for suffix, start in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")):
        save(figure(1, 1), tmp_path / f"a.{suffix}")
        assert (tmp_path / f"a.{suffix}").read_bytes().startswith(start)
    with pytest.raises(ConfigError, match=r"not as a\.gif; write -o .*a\.png"):
        save(figure(1, 1), tmp_path / "a.gif")
    assert len(list(tmp_path.iterdir())) == 3
