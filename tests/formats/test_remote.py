"""URLs, with a file system in memory and a server on this machine."""

from __future__ import annotations

import gc
import sys
import threading
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pytest

from velbo.errors import DataError, MissingExtraError, RunError
from velbo.files import is_url, local_path, locked, whole_or_absent, write_text
from velbo.formats import Reading, convert, open_source, write_table, writers

ROWS = pa.table({"a": [1, 2], "b": ["x", "y"]})


@pytest.fixture
def memory(tmp_path):
    """memory://box/ with a file, an archive and a folder of two files."""
    write_table(ROWS, tmp_path / "t.parquet")
    np.savez(tmp_path / "t.npz", x=np.zeros((2, 3)), y=np.ones(2))
    system = fsspec.filesystem("memory")
    for name in ("t.parquet", "t.npz"):
        system.pipe(f"/box/{name}", (tmp_path / name).read_bytes())
    for i in range(2):
        system.pipe(f"/box/parts/{i}.parquet", (tmp_path / "t.parquet").read_bytes())
    yield
    system.rm("/box", recursive=True)


def test_files_archives_and_folders_are_read_and_the_copy_goes(memory):
    source = open_source("memory://box/t.parquet")
    assert source.read().equals(ROWS)
    assert source.name == "memory://box/t.parquet"
    assert open_source("memory://box/t.parquet:b").read().equals(ROWS.select(["b"]))
    assert open_source("memory://box/t.npz:y+x").names == ["y", "x"]
    assert open_source("memory://box/parts").n_rows == 4
    copy = source.path
    assert copy.exists()
    del source
    gc.collect()
    assert not copy.exists()


def test_what_is_not_there_is_told_by_its_url(memory):
    with pytest.raises(DataError, match=r"^memory://box/none\.parquet: cannot be fetched"):
        open_source("memory://box/none.parquet")
    fsspec.filesystem("memory").pipe("/box/bad.parquet", b"nothing")
    with pytest.raises(DataError, match=r"^memory://box/bad\.parquet: cannot be read"):
        open_source("memory://box/bad.parquet")
    fsspec.filesystem("memory").pipe("/box/t.thing", b"nothing")
    with pytest.raises(DataError, match=r"^memory://box/t\.thing: a '\.thing' file is of no format"):
        open_source("memory://box/t.thing")
    with pytest.raises(DataError, match=r"^nosuch://box/t\.parquet: cannot be fetched: .*nosuch"):
        open_source("nosuch://box/t.parquet")


def test_a_url_of_this_machine_is_read_where_it_lies(tmp_path):
    path = tmp_path / "a b.parquet"
    write_table(ROWS, path)
    source = open_source(path.as_uri())
    assert source.path == path
    assert source.read().equals(ROWS)
    assert open_source(f"{path.as_uri()}:a").names == ["a"]


def test_over_http_with_a_question_behind_the_name(tmp_path):
    write_table(ROWS, tmp_path / "t.parquet")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/t.parquet"
        assert open_source(url).read().equals(ROWS)
        assert open_source(f"{url}?raw=1:b").read().equals(ROWS.select(["b"]))
        with pytest.raises(DataError, match=r"none\.parquet: cannot be fetched"):
            open_source(url.replace("t.parquet", "none.parquet"))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_without_fsspec_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'velbo\[remote\]'"):
        open_source("https://example.org/t.parquet")


def test_a_scheme_whose_library_is_missing_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MissingExtraError, match=r"s3://box/t\.parquet: .*s3fs.*pip install 'velbo\[remote\]'"):
        open_source("s3://box/t.parquet", Reading())


def test_rows_are_written_to_urls_whole_or_not_at_all(memory, tmp_path, monkeypatch):
    """In a stream, and spliced; other files too; no folder of such a name appears here, and what must be a folder of
    this machine says so.
    """
    monkeypatch.chdir(tmp_path)
    write_table(ROWS, "memory://box/new.parquet")
    assert open_source("memory://box/new.parquet").read().equals(ROWS)
    (tmp_path / "t.csv").write_text("a,b\n1,x\n")
    convert("t.csv", Path("memory://box/new.csv"))  # as the command line has it
    assert fsspec.filesystem("memory").cat("/box/new.csv") == b"a,b\n1,x\n"
    with suppress(ZeroDivisionError), writers(["memory://box/none.csv"]) as [writer]:
        writer.write(ROWS)
        raise ZeroDivisionError
    assert not fsspec.filesystem("memory").exists("/box/none.csv")
    with pytest.raises(RunError, match=r"nosuch://box/t\.csv: cannot be written: .*nosuch"):
        write_table(ROWS, "nosuch://box/t.csv")
    write_text(Path("memory://box/page.html"), "a page")
    assert fsspec.filesystem("memory").cat("/box/page.html") == b"a page"
    with whole_or_absent(Path("memory://box/1/a"), Path("memory://box/2/a"), tmp_path / "a") as places:
        for i, place in enumerate(places):
            place.write_text(str(i))
    assert [fsspec.filesystem("memory").cat(f"/box/{i}/a") for i in (1, 2)] == [b"0", b"1"]
    assert (tmp_path / "a").read_text() == "2"
    (tmp_path / "a").unlink()
    place = Path("memory://box/sweep")
    with pytest.raises(RunError, match=r"^memory://box/sweep: this folder must be on this machine"), locked(place):
        pass
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.csv", "t.npz", "t.parquet"]


def test_what_is_a_url():
    assert is_url("https://host/x.npz")
    assert is_url("S3://bucket/key")
    for path in (r"C:\data\x.npz", "C:/data/x.npz", "x.npz:key", "a://b"[1:], "//host/share/x"):
        assert not is_url(path)
    assert local_path("https://host/x") is None
