"""One file of an image: what its header says, and its pixels as an array of one of these forms.

    form      pixels of a row                         cells     from (Pillow's modes)
    bits      one bit, grey                           uint8     1
    grey      8 bits, grey                            uint8     L, LA
    greys     a palette of greys: grey or, among coloured images, coloured
    grey16    16 bits, grey                           uint16    I;16, I of PNG and PGM
    grey32    32 bits, grey, with a sign              int32     I of TIFF
    float     numbers, grey                           float32   F
    colour    red, green, blue on the last axis       uint8     RGB, RGBA, P, PA, CMYK, YCbCr, LAB, HSV

Images of one bit and grey ones are grey together.

Values of grey images are never scaled. What is transparent shows white. The orientation that a camera notes (EXIF) is
carried out: 1 is none, 2 to 4 turn and mirror, 5 to 8 exchange height and width as well.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, need
from ..limits import MAX_CELLS

COMMON = frozenset((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".pgm", ".ppm", ".pbm"))
"""Suffixes of images, to be known where Pillow is not installed."""
NO_PICTURES = frozenset(("BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "PDF", "WMF"))
"""Formats that Pillow registers and cannot read by itself (films, drawings, measurements)."""
ORIENTATION = 274
"""Of EXIF: the number of the tag."""

DTYPES = {"bits": "u1", "grey": "u1", "grey16": "u2", "grey32": "i4", "float": "f4", "colour": "u1"}
FORMS = {
    **dict.fromkeys(("L", "LA", "La"), "grey"),
    **dict.fromkeys(("RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"), "colour"),
    **dict.fromkeys(("I;16", "I;16B", "I;16L", "I;16N"), "grey16"),
    "1": "bits",
    "F": "float",
}
EIGHT_BITS = ("grey", "greys", "colour")
WORDS = {
    "bits": "of one bit",
    "grey": "grey",
    "greys": "grey",
    "grey16": "grey with 16 bits",
    "grey32": "grey with 32 bits",
    "float": "grey with floats",
    "colour": "coloured",
}
TURNS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: np.rot90,
}
"""EXIF's orientation -> the array that is shown, of the one that is stored."""


@dataclass(frozen=True)
class Look:
    """What the header of an image says.

    Attributes:
        size: (height, width), as it is shown.
        form: of its pixels.
        has_alpha: whether some may be transparent.
        is_print: whether its colours are those of print (CMYK).
        has_more: whether there are further pictures in the file, of which the first is read.
    """

    size: tuple[int, int]
    form: str
    has_alpha: bool = False
    is_print: bool = False
    has_more: bool = False

    def __str__(self) -> str:
        return f"{self.size[1]} x {self.size[0]} pixels, {WORDS[self.form]}"


def joint_form(forms: Set[str]) -> str | None:
    """The form that images of these forms have together; None if there is none."""
    for single, several in (("grey", {"bits", "grey", "greys"}), ("colour", {"greys", "colour"})):
        if forms <= several and forms != {"bits"}:
            return single
    return next(iter(forms)) if len(forms) == 1 else None


def shape_of(size: tuple[int, int], form: str) -> tuple[int, ...]:
    """Of the array of an image."""
    return (*size, 3) if form == "colour" else size


@cache
def image_suffixes() -> frozenset[str]:
    """Suffixes of all formats that Pillow reads, in lower case."""
    try:
        from PIL import Image
    except ImportError:
        return COMMON
    Image.init()
    kinds = Image.registered_extensions().items()
    return frozenset(suffix for suffix, kind in kinds if kind in Image.OPEN and kind not in NO_PICTURES)


def look(path: Path) -> Look:
    """What a file's header says; its pixels are not read.

    Raises:
        DataError: if it is no image, or one that cannot be read without loss.
    """
    with _opened(path) as image:
        form = _form(image, path)
        height_and_width = image.size[::-1]
        if math.prod(shape_of(height_and_width, form)) > MAX_CELLS:
            raise DataError(
                f"{path}: has {image.width:,} x {image.height:,} pixels, and {MAX_CELLS:,} numbers are the most; make "
                "the images smaller"
            )
        return Look(
            height_and_width[::-1] if _orientation(image) > 4 else height_and_width,
            form,
            _has_alpha(image) and form in EIGHT_BITS,
            image.mode == "CMYK",
            bool(getattr(image, "is_animated", False)),
        )


def pixels(path: Path, form: str) -> NDArray[Any]:
    """The pixels of an image as (H, W) or (H, W, 3) in the form that it has together with others.

    Raises:
        DataError: if it is damaged.
    """
    with _opened(path) as image:
        turn = TURNS.get(_orientation(image), lambda a: a)
        if form in EIGHT_BITS and _has_alpha(image):
            image = _on_white(image)
        if form in EIGHT_BITS:
            image = image.convert("L" if form == "grey" else "RGB")
        return np.ascontiguousarray(turn(np.asarray(image)), DTYPES[form])


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    image_module = need("PIL.Image", "images")
    if not path.is_file():
        raise DataError(f"{path}: is a pipe or a device, and no file; remove it")
    try:
        with warnings.catch_warnings():
            # of many pixels: `look` refuses too many
            warnings.simplefilter("ignore", image_module.DecompressionBombWarning)
            image = image_module.open(path)
        with image:
            yield image
    except DataError:
        raise
    except Exception as error:  # Pillow's readers of damaged files raise whatever comes
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(f"{path}: not a readable image ({said})") from error


def _orientation(image: Any) -> int:
    if image.format == "TIFF":  # Pillow turns these by itself
        return 1
    from PIL import Image

    # that of the base class: PNG's own reads all pixels for it
    return Image.Image.getexif(image).get(ORIENTATION, 1)


def _form(image: Any, path: Path) -> str:
    if image.mode in ("P", "PA"):
        return "greys" if _is_grey(image.palette) else "colour"
    if image.mode == "I":
        return "grey32" if image.format == "TIFF" else "grey16"
    form = FORMS.get(image.mode)
    if form is None:
        raise DataError(f"{path}: has pixels of Pillow's mode {image.mode}, which is not known; save it as PNG")
    if form == "bits" and _has_alpha(image):
        return "grey"
    if form in EIGHT_BITS and _has_16_bits(image):
        raise DataError(
            f"{path}: has 16 bits for each of several channels, and Pillow reads 8 of them; save the images with 8 "
            "bits, or all of them as one array in a .npy file"
        )
    return form


def _has_16_bits(image: Any) -> bool:
    """Whether a file of 8-bit pixels, as Pillow says, has more."""
    for codec, _, _, said in image.tile:
        raw, *others = said if isinstance(said, tuple) else (said,)
        if ";16" in str(raw) or (codec.startswith("ppm") and others and others[0] > 255):
            return True
    return False


def _is_grey(palette: Any) -> bool:
    layout, data = palette.getdata()
    layout = layout.partition(";")[0] if not layout.endswith(";L") else layout
    cells = np.frombuffer(bytes(data), np.uint8)
    if layout.endswith(";L"):  # all reds, all greens, all blues
        planes = cells[: len(cells) // 3 * 3].reshape(3, -1)
    elif set("RGB") <= set(layout):
        places = [layout.index(colour) for colour in "RGB"]
        planes = cells[: len(cells) // len(layout) * len(layout)].reshape(-1, len(layout)).T[places]
    else:
        return False
    return bool((planes == planes[0]).all())


def _has_alpha(image: Any) -> bool:
    in_palette = image.mode == "P" and image.palette.mode.endswith("A")
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info or in_palette


def _on_white(image: Any) -> Any:
    from PIL import Image

    visible = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), visible)
