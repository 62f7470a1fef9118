"""Delimited texts come back byte for byte, however they are written."""

from __future__ import annotations

import gzip

import pytest

import velbo
from contracts.commands import call
from contracts.compressed import model_of
from contracts.texts import NAMES, TEXTS, cells
from velbo.compress import compress, decompress
from velbo.errors import DataError
from velbo.rows import infer


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_comes_back_byte_for_byte(name, tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(TEXTS[name])
    source = velbo.open_source(path)
    trained = model_of(infer(source.read(), {"note": "drop"}))
    for any_order in (False, True):
        compress(trained, velbo.open_source(path), tmp_path / "x.vlb", any_order=any_order)
        decompress(tmp_path / "x.vlb", tmp_path / "again.csv", trained=trained)
        again = (tmp_path / "again.csv").read_bytes()
        if not any_order:
            assert again == TEXTS[name]
        elif name == "plain":
            assert sorted(again.split(b"\n")) == sorted(TEXTS[name].split(b"\n"))


def test_what_the_columns_say_is_not_kept_again(tmp_path):
    """Of a text without surprises, beside the model stand the notes, which it does not know, and nothing else: 200 rows
    of a color, a number and a day take less than a byte a row beside the code."""
    rows = [row[:4] for row in cells(200)]
    path = tmp_path / "x.csv"
    path.write_bytes("\n".join(",".join(row) for row in [NAMES[:4], *rows]).encode() + b"\n")
    trained = model_of(infer(velbo.open_source(path).read()))
    done = compress(trained, path, tmp_path / "x.vlb")
    assert done.n_aside < 200
    decompress(tmp_path / "x.vlb", tmp_path / "again.csv", trained=trained)
    assert (tmp_path / "again.csv").read_bytes() == path.read_bytes()


def test_a_pressed_text_comes_back_pressed_or_plain(tmp_path):
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(TEXTS["plain"]))
    trained = model_of(infer(velbo.open_source(path).read(), {"note": "drop"}))
    compress(trained, path, tmp_path / "x.vlb")
    decompress(tmp_path / "x.vlb", tmp_path / "again.csv", trained=trained)
    decompress(tmp_path / "x.vlb", tmp_path / "again.csv.gz", trained=trained)
    assert (tmp_path / "again.csv").read_bytes() == TEXTS["plain"]
    assert gzip.decompress((tmp_path / "again.csv.gz").read_bytes()) == TEXTS["plain"]


def test_a_text_goes_into_no_other_format(tmp_path):
    (tmp_path / "x.csv").write_bytes(TEXTS["plain"])
    trained = model_of(infer(velbo.open_source(tmp_path / "x.csv").read(), {"note": "drop"}))
    compress(trained, tmp_path / "x.csv", tmp_path / "x.vlb")
    with pytest.raises(DataError, match=r"the file holds a text; name a .csv file, and convert it"):
        decompress(tmp_path / "x.vlb", tmp_path / "y.parquet", trained=trained)
    with pytest.raises(DataError, match="it holds a text; name a file to write it to"):
        decompress(tmp_path / "x.vlb", trained=trained)
    (tmp_path / "many").mkdir()
    for i in range(2):
        (tmp_path / "many" / f"{i}.csv").write_bytes(TEXTS["plain"])
    with pytest.raises(DataError, match="a folder of texts; compress one file after another"):
        compress(trained, tmp_path / "many", tmp_path / "x.vlb")


def test_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.csv").write_bytes(TEXTS["plain"])
    model_of(infer(velbo.open_source("x.csv").read(), {"note": "drop"})).save("run")
    code, _, err = call("compress", "run", "x.csv", "-o", "x.vlb")
    assert code == 0, err
    assert "wrote 80 rows to x.vlb" in err
    assert "bits a row without the head" in err
    assert call("decompress", "x.vlb", "--run", "run", "-o", "again.csv")[0] == 0
    assert (tmp_path / "again.csv").read_bytes() == TEXTS["plain"]
    assert call("compress", "run", "x.csv", "-o", "y.vlb", "--self-contained", "--any-order")[0] == 0
    assert call("decompress", "y.vlb", "-o", "y.csv")[0] == 0
    assert sorted((tmp_path / "y.csv").read_bytes()) == sorted(TEXTS["plain"])
    code, _, err = call("decompress", "x.vlb", "-o", "z.csv")
    assert code == 2
    assert "x.vlb: the model is not inside; name the run that it was written by: --run RUN" in err
    code, _, err = call("decompress", "x.csv", "-o", "z.csv")
    assert code == 2
    assert "x.csv: this is no .vlb file; velbo compress makes one" in err
