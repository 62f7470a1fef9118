"""Bytes of a text: compression and encoding by the first ones, whatever the suffix says."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from velbo.errors import DataError
from velbo.formats.encoding import MARKS, Encoding, encoding_of, pieces, suffixes_of, written

TEXT = "größe,b\r\n1,😀\n" * 50


def read(path: Path, size: int) -> str:
    return b"".join(pieces(path, size)).decode()


class TestReading:
    @pytest.mark.parametrize("size", [1, 7, 10**6])
    @pytest.mark.parametrize("mark", [b"", *MARKS])
    def test_text_in_any_encoding_with_a_mark(self, tmp_path, mark, size):
        codec = MARKS.get(mark, "utf-8")
        (tmp_path / "t.csv").write_bytes(mark + TEXT.encode(codec))
        assert encoding_of(tmp_path / "t.csv") == Encoding(codec, mark)
        assert read(tmp_path / "t.csv", size) == TEXT
        assert Encoding(codec, mark).encode(TEXT.encode()) == TEXT.encode(codec)

    @pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lambda b: pa.compress(b, "zstd", asbytes=True)])
    def test_compressed_text_under_any_name(self, tmp_path, compress):
        whole = compress(TEXT.encode("utf-16"))
        (tmp_path / "t.csv").write_bytes(whole)
        assert read(tmp_path / "t.csv", 100) == TEXT
        (tmp_path / "t.csv").write_bytes(whole[:-30])
        with pytest.raises(DataError, match=r"t\.csv: cannot be decompressed|t\.csv: begins as a text"):
            read(tmp_path / "t.csv", 100)

    def test_several_members_of_gzip_are_one_text(self, tmp_path):
        (tmp_path / "t.gz").write_bytes(gzip.compress(b"a,b\n") + gzip.compress(b"1,2\n"))
        assert read(tmp_path / "t.gz", 100) == "a,b\n1,2\n"

    def test_a_mark_that_is_not_kept(self, tmp_path):
        (tmp_path / "t.csv").write_bytes(b"\xff\xfea\0,\0b")
        with pytest.raises(DataError, match=r"t\.csv: begins as a text in UTF-16-LE does"):
            read(tmp_path / "t.csv", 100)


class TestWriting:
    @pytest.mark.parametrize("suffix", ["", ".gz", ".zst", ".bz2", ".GZ"])
    def test_compression_by_suffix_of_temporary_names_too(self, tmp_path, suffix):
        for name in (f"t.csv{suffix}", f".t.csv{suffix}.123.tmp"):
            with written(tmp_path / name) as file:
                file.write(TEXT.encode())
            assert read(tmp_path / name, 100) == TEXT
            assert ((tmp_path / name).read_bytes() == TEXT.encode()) == (not suffix)

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("a.csv", (".csv", "")),
            ("a.CSV.gz", (".csv", ".gz")),
            (".a.tsv.zst.7.tmp", (".tsv", ".zst")),
            ("a.gz.csv", (".csv", "")),
            ("a.2.csv", (".csv", "")),
            ("a", ("", "")),
            ("a.gz", ("", ".gz")),
        ],
    )
    def test_suffixes(self, name, expected):
        assert suffixes_of(Path(name)) == expected
