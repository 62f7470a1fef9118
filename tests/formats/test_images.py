"""Folders of images: every pixel as it is shown, headers first, whatever is left out said."""

from __future__ import annotations

import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageOps

from velbo.errors import ConfigError, DataError
from velbo.formats import Reading, as_array, convert, open_source
from velbo.formats.pictures import image_suffixes, look

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 8, 9)).astype(np.uint8)
COLOUR = RNG.integers(0, 256, (5, 8, 9, 3)).astype(np.uint8)


def pixels(folder: Path, reading: Reading | None = None) -> np.ndarray:
    return as_array(open_source(folder, reading).read()["image"])


def texts(folder: Path, reading: Reading | None = None) -> list[str]:
    return [note.text for note in open_source(folder, reading).notes()]


def save(path: Path, array: np.ndarray, mode: str | None = None, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    (image if mode is None else image.convert(mode)).save(path, **options)


class TestPixels:
    @pytest.mark.parametrize(
        "array",
        [
            GREY[0],
            COLOUR[0],
            RNG.integers(0, 2**16, (8, 9)).astype(np.uint16),
            RNG.integers(-(2**31), 2**31, (8, 9)).astype(np.int32),
            RNG.normal(size=(8, 9)).astype(np.float32),
        ],
        ids=["grey", "colour", "grey16", "grey32", "float"],
    )
    def test_values_are_kept(self, tmp_path, array):
        for i in range(3):
            save(tmp_path / f"{i}.tif", array)
        read = pixels(tmp_path)
        assert read.dtype == array.dtype
        np.testing.assert_array_equal(read, np.stack([array] * 3))
        assert texts(tmp_path) == []

    def test_sixteen_bits_of_png_are_not_clipped(self, tmp_path):
        """99 % of such values are over 255."""
        deep = np.array([[0, 255, 256], [4095, 40_000, 65_535]], np.uint16)
        save(tmp_path / "a.png", deep)
        (tmp_path / "b.pgm").write_bytes(b"P5 3 2 65535\n" + deep.astype(">u2").tobytes())
        save(tmp_path / "c.tiff", deep)
        read = pixels(tmp_path)
        assert read.dtype == np.uint16
        np.testing.assert_array_equal(read, [deep] * 3)

    def test_one_bit_is_0_or_1(self, tmp_path):
        bits = RNG.random((8, 9)) < 0.5
        for suffix in (".png", ".tif", ".bmp", ".pbm"):
            save(tmp_path / "bits" / f"a{suffix}", bits)
        np.testing.assert_array_equal(pixels(tmp_path / "bits"), [bits] * 4)
        assert pixels(tmp_path / "bits").dtype == np.uint8
        save(tmp_path / "bits" / "b.png", GREY[0])
        np.testing.assert_array_equal(pixels(tmp_path / "bits")[[0, 4]], [bits * 255, GREY[0]])

    def test_palettes_are_colours_or_greys(self, tmp_path):
        """A palette is the order of its colours; the indices mean nothing."""
        for suffix in (".png", ".gif", ".bmp", ".tif"):
            image = Image.fromarray(RNG.integers(0, 4, (8, 9)).astype(np.uint8), "P")
            image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
            expected = np.asarray(image.convert("RGB"))
            (tmp_path / "colour").mkdir(exist_ok=True)
            image.save(tmp_path / "colour" / f"a{suffix}")
            np.testing.assert_array_equal(pixels(tmp_path / "colour")[-1], expected)
            (tmp_path / "colour" / f"a{suffix}").unlink()
            image.putpalette([200, 200, 200, 7, 7, 7, 100, 100, 100, 0, 0, 0])
            (tmp_path / "grey").mkdir(exist_ok=True)
            image.save(tmp_path / "grey" / f"a{suffix}")
            read = pixels(tmp_path / "grey")
            assert read.shape == (1, 8, 9)
            np.testing.assert_array_equal(read[0], np.array([200, 7, 100, 0])[np.asarray(image)])
            (tmp_path / "grey" / f"a{suffix}").unlink()

    def test_a_palette_of_greys_among_coloured_images_is_coloured(self, tmp_path):
        grey = Image.fromarray(GREY[0] // 64, "P")
        grey.putpalette([0, 0, 0, 50, 50, 50, 90, 90, 90, 255, 255, 255])
        grey.save(tmp_path / "b.gif")
        save(tmp_path / "a.png", COLOUR[0])
        read = pixels(tmp_path)
        np.testing.assert_array_equal(read[1], np.repeat(np.array([0, 50, 90, 255])[GREY[0] // 64][..., None], 3, 2))
        save(tmp_path / "c.png", GREY[1])
        with pytest.raises(DataError, match=r"c\.png is .* grey, but a\.png is .* coloured"):
            open_source(tmp_path)

    def test_print_colours_are_turned_and_said(self, tmp_path):
        save(tmp_path / "a.jpg", COLOUR[0], "CMYK", quality=100)
        with Image.open(tmp_path / "a.jpg") as image:
            np.testing.assert_array_equal(pixels(tmp_path)[0], np.asarray(image.convert("RGB")))
        assert texts(tmp_path) == [
            "Colours of print in 1 file (a.jpg) are taken for red, green and blue without their colour profile."
        ]

    def test_sixteen_bits_of_colour_are_refused(self, tmp_path):
        """Pillow reads 8 of them without a word; the file is made by hand, since it does not write them."""

        def chunk(kind: bytes, data: bytes) -> bytes:
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        for name, kind, channels in (("rgb", 2, 3), ("la", 4, 2)):
            rows = b"".join(b"\0" + bytes(RNG.integers(0, 256, 6 * channels).astype(np.uint8)) for _ in range(2))
            head = struct.pack(">IIBBBBB", 3, 2, 16, kind, 0, 0, 0)
            (tmp_path / name).mkdir()
            (tmp_path / name / "a.png").write_bytes(
                b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
            )
            with pytest.raises(DataError, match=r"a\.png: has 16 bits for each of several channels.*\.npy"):
                open_source(tmp_path / name)
        (tmp_path / "p").mkdir()
        (tmp_path / "p" / "a.ppm").write_bytes(b"P6 2 1 65535\n" + bytes(12))
        with pytest.raises(DataError, match=r"a\.ppm: has 16 bits for each"):
            open_source(tmp_path / "p")


class TestAlpha:
    @pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
    def test_what_is_transparent_is_white_whatever_lies_under_it(self, tmp_path, suffix):
        hidden = np.dstack([COLOUR[0], np.repeat([[0] * 3 + [128] * 3 + [255] * 3], 8, 0).astype(np.uint8)])
        save(tmp_path / f"a{suffix}", hidden, **({"lossless": True, "exact": True} if suffix == ".webp" else {}))
        (read,) = pixels(tmp_path)
        alpha = hidden[..., 3:] / 255
        exact = hidden[..., :3] * alpha + 255 * (1 - alpha)
        assert (read[:, :3] == 255).all()
        assert (read[:, 6:] == COLOUR[0][:, 6:]).all()
        np.testing.assert_allclose(read, exact, atol=1)
        assert texts(tmp_path) == [f"What is transparent in 1 file (a{suffix}) is shown on white."]

    def test_grey_with_alpha_stays_grey(self, tmp_path):
        image = Image.merge(
            "LA", [Image.fromarray(GREY[0]), Image.fromarray(np.where(GREY[1] < 128, 0, 255).astype("u1"))]
        )
        image.save(tmp_path / "a.png")
        save(tmp_path / "b.png", GREY[2])
        read = pixels(tmp_path)
        np.testing.assert_array_equal(read, [np.where(GREY[1] < 128, 255, GREY[0]), GREY[2]])

    def test_a_transparent_colour_is_found_in_any_mode(self, tmp_path):
        """A colour that counts as transparent (tRNS), of palettes, grey, colour and one bit."""
        index = RNG.integers(0, 2, (8, 9)).astype(np.uint8)
        palette = Image.fromarray(index, "P")
        palette.putpalette([255, 0, 0, 0, 0, 255])
        for name, image, transparency, seen in (
            ("p", palette, 0, [[255, 255, 255], [0, 0, 255]]),
            ("l", Image.fromarray(index * 100), 0, [255, 100]),
            ("rgb", palette.convert("RGB"), (255, 0, 0), [[255, 255, 255], [0, 0, 255]]),
            ("1", Image.fromarray(index > 0), 0, [255, 255]),
        ):
            (tmp_path / name).mkdir()
            image.save(tmp_path / name / "a.png", transparency=transparency)
            np.testing.assert_array_equal(pixels(tmp_path / name)[0], np.array(seen)[index])

    def test_sixteen_bits_with_a_transparent_value_are_not_clipped(self, tmp_path):
        deep = np.array([[0, 40_000]], np.uint16)
        save(tmp_path / "a.png", deep, transparency=0)
        np.testing.assert_array_equal(pixels(tmp_path)[0], deep)


class TestOrientation:
    @pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
    @pytest.mark.parametrize("turn", range(1, 9))
    def test_it_is_that_of_the_camera(self, tmp_path, suffix, turn):
        """Against Pillow's own."""
        exif = Image.Exif()
        exif[274] = turn
        save(tmp_path / f"a{suffix}", COLOUR[0], exif=exif)
        with Image.open(tmp_path / f"a{suffix}") as image:
            expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        assert expected.shape == ((9, 8, 3) if turn > 4 else (8, 9, 3))
        np.testing.assert_array_equal(pixels(tmp_path)[0], expected)

    def test_deep_images_are_turned_too(self, tmp_path):
        exif = Image.Exif()
        exif[274] = 6
        deep = RNG.integers(0, 2**16, (2, 3)).astype(np.uint16)
        save(tmp_path / "a.png", deep, exif=exif)
        np.testing.assert_array_equal(pixels(tmp_path)[0], np.rot90(deep, -1))


class TestFiles:
    def test_every_format_in_any_case_in_the_order_of_paths(self, tmp_path):
        names = ["b.png", "a.JPG", "sub/deep/c.Bmp", "sub/d.TIFF", "z.webp", "e.gif", "f.ppm", "_g.jp2"]
        order = sorted(names, key=lambda name: Path(name))
        for i, name in enumerate(order):
            options = {"lossless": True} if name.endswith("webp") else {}
            save(tmp_path / name, np.full((4, 5, 3), i * 30, np.uint8), **options)
        read = pixels(tmp_path)
        np.testing.assert_allclose(read[:, 0, 0, 0], np.arange(len(names)) * 30, atol=2)
        assert {".png", ".jpg", ".tga", ".webp", ".avif"} <= image_suffixes()
        assert not {".h5", ".pdf", ".eps", ".mpg", ".csv"} & image_suffixes()

    def test_what_systems_leave_behind_is_not_read(self, tmp_path):
        save(tmp_path / "a.png", GREY[0])
        for name in ("._a.png", ".hidden.png", "Thumbs.db", "__MACOSX/._a.png", ".git/b.png", "desktop.ini"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(b"junk")
        assert len(pixels(tmp_path)) == 1
        assert texts(tmp_path) == []

    def test_what_is_left_out_is_named(self, tmp_path):
        save(tmp_path / "a.png", GREY[0])
        for name in ("notes.txt", "b.xcf", "c.doc", "d.mp4"):
            (tmp_path / name).touch()
        (tmp_path / "labels.jsonl").touch()
        source = open_source(tmp_path)
        assert [(note.text, note.option) for note in source.notes()] == [
            ("Not read: the tables beside the images, 1 file (labels.jsonl).", "--labels table"),
            ("No images, and left out: 4 files (b.xcf, c.doc, d.mp4, ...).", ""),
        ]
        assert source.names == ["image"]

    def test_folders_of_classes_are_said(self, tmp_path):
        for name in ("cat/0.png", "dog/0.png"):
            save(tmp_path / name, GREY[0])
        source = open_source(tmp_path)
        assert len(source.read()) == 2
        (note,) = source.notes()
        assert note.text == "The images lie in folders whose names are not read: cat, dog."
        assert note.option == "--labels folders"

    @pytest.mark.parametrize(
        ("second", "words"),
        [
            (np.zeros((8, 10), np.uint8), r"b\.png is 10 x 8 pixels, grey, but a\.png is 9 x 8 pixels, grey"),
            (COLOUR[0], r"b\.png is 9 x 8 pixels, coloured, but a\.png is 9 x 8 pixels, grey"),
            (GREY[0].astype(np.uint16), r"b\.png is 9 x 8 pixels, grey with 16 bits, but a\.png"),
        ],
    )
    def test_images_of_several_sizes_or_forms_are_refused_by_name(self, tmp_path, second, words):
        save(tmp_path / "a.png", GREY[0])
        save(tmp_path / "b.png", second)
        with pytest.raises(DataError, match=words):
            open_source(tmp_path)

    def test_of_several_pictures_in_a_file_the_first_is_read(self, tmp_path):
        for name in ("a.gif", "b.tif", "c.png"):
            frames = [Image.fromarray(frame) for frame in GREY[:3]]
            frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        np.testing.assert_array_equal(pixels(tmp_path), [GREY[0]] * 3)
        assert texts(tmp_path) == [
            "There are further pictures in 3 files (a.gif, b.tif, c.png); the first of each file is read."
        ]

    def test_damage_is_told(self, tmp_path):
        save(tmp_path / "a.png", GREY[0])
        whole = (tmp_path / "a.png").read_bytes()
        (tmp_path / "b.png").write_bytes(b"no image at all")
        with pytest.raises(DataError, match=r"b\.png: not a readable image"):
            open_source(tmp_path)
        (tmp_path / "b.png").write_bytes(whole[:-40])
        with pytest.raises(DataError, match=r"b\.png: not a readable image"):
            open_source(tmp_path).read()

    def test_one_image_is_not_rows(self, tmp_path):
        save(tmp_path / "a.png", GREY[0])
        with pytest.raises(DataError, match=r"a\.png: is one image; name the folder that it lies in"):
            open_source(tmp_path / "a.png")
        (tmp_path / "empty").mkdir()
        (tmp_path / "empty" / "x.txt").touch()
        with pytest.raises(DataError, match=r"there are no images in this folder; it holds 1 file \(x\.txt\)"):
            open_source(tmp_path / "empty", Reading(format="images"))

    def test_without_pillow_the_extra_is_named(self, tmp_path, monkeypatch):
        save(tmp_path / "a.png", GREY[0])
        for name in [name for name in sys.modules if name.partition(".")[0] == "PIL"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "PIL", None)
        image_suffixes.cache_clear()
        with pytest.raises(ImportError, match=r"pip install 'velbo\[images\]'"):
            open_source(tmp_path)
        image_suffixes.cache_clear()


class TestStreaming:
    def test_headers_first_and_pixels_a_group_at_a_time(self, tmp_path, monkeypatch):
        for i in range(10):
            save(tmp_path / f"{i}.png", np.full((4, 4), i, np.uint8))
        monkeypatch.setattr("velbo.formats.images.IMAGES_PER_GROUP", 4)
        loaded = []
        load = Image.Image.load
        monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: loaded.append(self.filename) or load(self))
        source = open_source(tmp_path)
        assert source.schema.field("image").type == pa.fixed_shape_tensor(pa.uint8(), [4, 4])
        assert source.n_rows == 10
        assert loaded == []
        monkeypatch.undo()
        source = open_source(tmp_path)
        monkeypatch.setattr("velbo.formats.images.IMAGES_PER_GROUP", 4)
        groups = source.row_groups()
        assert [g.n_rows for g in groups] == [4, 4, 2]
        assert as_array(source.read_group(groups[1])["image"])[:, 0, 0].tolist() == [4, 5, 6, 7]
        assert [len(b) for b in source.batches(3)] == [3, 3, 3, 1]
        assert convert(source, tmp_path / "x.npy") == 10
        np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), as_array(source.read()["image"]))

    def test_a_changed_image_is_told(self, tmp_path):
        save(tmp_path / "a.png", GREY[0])
        source = open_source(tmp_path)
        save(tmp_path / "a.png", GREY[0].T.copy())
        with pytest.raises(DataError, match=r"a\.png: has shape \(9, 8\), and its header said \(8, 9\)"):
            source.read()

    def test_fingerprints_are_of_names_and_bytes(self, tmp_path):
        for i in range(2):
            save(tmp_path / "a" / f"{i}.png", GREY[i])
            save(tmp_path / "b" / f"{i}.png", GREY[i])
        first = open_source(tmp_path / "a").fingerprint()
        assert open_source(tmp_path / "b").fingerprint() == first
        (tmp_path / "b" / "0.png").rename(tmp_path / "b" / "2.png")
        second = open_source(tmp_path / "b").fingerprint()
        save(tmp_path / "a" / "1.png", GREY[3])
        assert len({first, second, open_source(tmp_path / "a").fingerprint()}) == 3


class TestLabels:
    @pytest.fixture
    def folder(self, tmp_path) -> Path:
        for i, name in enumerate(["cat/0.png", "cat/1.png", "dog/0.png"]):
            save(tmp_path / "pics" / name, GREY[i])
        return tmp_path / "pics"

    def table(self, folder: Path, name: str = "labels.jsonl", **columns: list) -> None:
        from velbo.formats import write_table

        write_table(pa.table(columns), folder / name)

    def test_folders_are_a_column(self, folder):
        source = open_source(folder, Reading(labels="folders"))
        rows = source.read()
        assert rows.column_names == ["image", "label"]
        assert rows["label"].to_pylist() == ["cat", "cat", "dog"]
        np.testing.assert_array_equal(as_array(rows["image"]), GREY[:3])
        assert source.notes() == []
        assert source.reading() == Reading(labels="folders", format="images")
        save(folder / "x.png", GREY[4])
        with pytest.raises(DataError, match=r"x\.png lies in no folder of a class.*leave --labels folders out"):
            open_source(folder, Reading(labels="folders"))

    @pytest.mark.parametrize(
        ("column", "names"),
        [
            ("file", ["dog/0.png", "cat/0.png", "cat/1.png"]),
            ("file_name", ["dog\\0.png", "./cat/0.png", " cat/1.png"]),
            ("Image Path", None),
            ("path", ["dog/0", "cat/0", "cat/1"]),
        ],
    )
    def test_a_table_is_joined_by_names_of_files(self, folder, column, names):
        if names is None:
            self.table(folder, **{column: ["a"] * 3})
            with pytest.raises(DataError, match="no column holds the names of the images' files; call it 'file'"):
                open_source(folder, Reading(labels="table"))
            return
        self.table(folder, **{column: names, "age": [3, 1, 2], "when": ["2020-01-03", "2020-01-01", None]})
        source = open_source(folder, Reading(labels="table"))
        rows = source.read()
        assert rows.column_names == ["image", "age", "when"]
        assert rows["age"].to_pylist() == [1, 2, 3]
        assert str(rows.schema.field("when").type) == "date32[day]"
        np.testing.assert_array_equal(as_array(rows["image"]), GREY[:3])
        assert source.notes() == [] or "folders" in source.notes()[0].text
        assert source.reading().labels == "table"
        assert open_source(f"{folder}:age", Reading(labels="table")).read().to_pydict() == {"age": [1, 2, 3]}

    def test_bare_names_and_numbers_name_images_too(self, tmp_path):
        for i in range(3):
            save(tmp_path / f"{i}.png", GREY[i])
        self.table(tmp_path, "metadata.jsonl", id=[2, 0, 1], y=[20, 0, 10])
        assert open_source(tmp_path, Reading(labels="table")).read()["y"].to_pylist() == [0, 10, 20]

    def test_names_that_do_not_match_are_told(self, folder):
        names = ["cat/0.png", "cat/1.png", "dog/0.png"]
        for wrong, words in (
            ([*names[:2], "dog/7.png"], r"there is no row for 'dog/0\.png'"),
            ([*names, "dog/7.png"], r"there is no image of the name 'dog/7\.png'"),
            ([*names, names[0]], r"names 'cat/0\.png' 2 times"),
        ):
            self.table(folder, file=wrong, y=list(range(len(wrong))))
            with pytest.raises(DataError, match=rf"labels\.jsonl: {words}"):
                open_source(folder, Reading(labels="table"))

    def test_one_table_is_needed(self, folder):
        with pytest.raises(DataError, match=r"one table beside the images.*labels\.csv or metadata\.csv; found: none"):
            open_source(folder, Reading(labels="table"))
        names = ["cat/0.png", "cat/1.png", "dog/0.png"]
        self.table(folder, "other.jsonl", file=names, y=[7, 8, 9])
        assert open_source(folder, Reading(labels="table")).read()["y"].to_pylist() == [7, 8, 9]
        self.table(folder, "labels.parquet", file=names, y=[1, 2, 3])
        source = open_source(folder, Reading(labels="table"))
        assert source.read()["y"].to_pylist() == [1, 2, 3]
        assert [note.text for note in source.notes()] == [
            "Not read: the tables beside the images, 1 file (other.jsonl)."
        ]
        before = source.fingerprint()
        self.table(folder, "labels.parquet", file=names, y=[1, 2, 4])
        assert open_source(folder, Reading(labels="table")).fingerprint() != before
        self.table(folder, "Metadata.jsonl", file=names, y=[1, 2, 3])
        with pytest.raises(DataError, match=r"found: .*Metadata\.jsonl"):
            open_source(folder, Reading(labels="table"))

    def test_a_word_that_is_none(self, folder):
        with pytest.raises(ConfigError, match=r"unknown source of labels 'folder'\. Did you mean 'folders'"):
            open_source(folder, Reading(labels="folder"))
        self.table(folder, file=["cat/0.png", "cat/1.png", "dog/0.png"], image=[1, 2, 3])
        with pytest.raises(DataError, match="column 'image' has the name of the images' own column; rename it"):
            open_source(folder, Reading(labels="table"))


def test_a_look_says_what_it_saw(tmp_path):
    save(tmp_path / "a.png", COLOUR[0])
    assert str(look(tmp_path / "a.png")) == "9 x 8 pixels, coloured"


def test_pipes_and_too_many_pixels_are_refused_by_name(tmp_path):
    """400 million pixels in 50 KB are not read, and no warning of Pillow's comes before the sentence."""
    save(tmp_path / "a.png", np.zeros((4, 4), np.uint8))
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match=r"pipe\.png: is a pipe or a device, and no file"):
        open_source(tmp_path)
    (tmp_path / "pipe.png").unlink()
    (tmp_path / "a.png").unlink()
    Image.new("1", (12_000, 12_000)).save(tmp_path / "large.png")
    with pytest.raises(DataError, match=r"large\.png: has 12,000 x 12,000 pixels, and 4,194,304 numbers are the most"):
        open_source(tmp_path)
