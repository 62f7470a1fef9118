"""A folder on an object store (s3://, gs://, memory://, whatever fsspec writes), worked on in a copy on this machine.

No store renames: what is there is whole by its order. Every file is an object named by its bytes, which is written once
and never changed; then one object, the marker, says which files the folder holds. Whenever a process is killed, or the
store goes away, the marker names a whole folder, the old one or the new one.

    URL/objects/<hash of bytes>     a file
    URL/folder.json                 the marker: {"files": {"config.json": "<hash>", ...}}

What neither this marker nor the one before it names is removed; if asked, what this one does not name. No store has
locks; a writer that finds the marker of another says so.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ..errors import MissingExtraError, RunError, need
from ..files import LOCK, TEMPORARY, first_line, missing_library

MARKER, OBJECTS = "folder.json", "objects"
WAITS = 0.5, 2.0, 5.0
"""Seconds before a store that failed is asked again."""
T = TypeVar("T")


def mirror_of(url: str) -> Mirror:
    """The one copy that this process has of a folder, as the folder is now."""
    mirror = _mirror_of(url)
    mirror.update()
    return mirror


@cache
def _mirror_of(url: str) -> Mirror:
    return Mirror(url)


class Mirror:
    """The copy.

    Args:
        url: of the folder, which need not exist yet.

    Raises:
        MissingExtraError: if fsspec, or its library for the scheme, is not installed.
        RunError: if the scheme is unknown, or the store cannot be reached.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        fsspec = need("fsspec", "remote")
        try:
            self.store, self.root = fsspec.core.url_to_fs(self.url, use_listings_cache=False)
        except ImportError as error:
            raise MissingExtraError(missing_library(url, error)) from error
        except ValueError as error:
            raise RunError(f"{url}: cannot be reached: {first_line(error)}") from error
        self.path = Path(tempfile.mkdtemp(prefix="velbo-run-"), self.url.rpartition("/")[2] or "run")
        weakref.finalize(self, shutil.rmtree, self.path.parent, ignore_errors=True)
        self._marker, self._before = b"", dict[str, str]()
        self._sent = self._marker, self._before
        self.fetch()

    def _object(self, name: str) -> str:
        return f"{self.root}/{OBJECTS}/{name}"

    def fetch(self) -> None:
        """Let the copy be what the marker names.

        Raises:
            RunError: if an object is missing or damaged, or the store cannot be reached.
        """
        self._marker = self._read_marker()
        files = self._files()
        shutil.rmtree(self.path, ignore_errors=True)
        for name, key in files.items():
            path = self.path / name
            if not path.resolve().is_relative_to(self.path.resolve()):
                raise RunError(f"{self.url}: its marker names the file '{name}', which is not in the folder")
            data = self._asked(lambda key=key: self.store.cat_file(self._object(key)))
            if _key(data) != key:
                raise RunError(f"{self.url}: the object of {name} is damaged; restore the folder from a copy")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        self._before = files
        self._sent = self._marker, files

    def update(self) -> None:
        """`fetch`, if another process has written the folder."""
        if self._read_marker() != self._marker:
            self.fetch()

    def _files(self) -> dict[str, str]:
        """Name -> object, as the marker has them."""
        import msgspec

        if not self._marker:
            return {}
        try:
            return msgspec.json.decode(self._marker, type=dict[str, dict[str, str]])["files"]
        except (msgspec.DecodeError, KeyError) as error:
            raise RunError(f"{self.url}: its marker is damaged ({error}); restore {MARKER} from a copy") from error

    def publish(self, waits: Sequence[float] | None = None, keeps_before: bool = True) -> None:
        """Let the folder be what the copy is: objects first, the marker last.

        Args:
            waits: seconds before a store that failed is asked again; `WAITS` if not given.
            keeps_before: leave the objects of the marker before, for who is reading them.

        Raises:
            RunError: if another process has written the folder meanwhile, or the store cannot be reached.
        """
        paths = [p for p in sorted(self.path.rglob("*")) if p.is_file() and not self._is_private(p)]
        contents = {p.relative_to(self.path).as_posix(): p.read_bytes() for p in paths}
        files = {name: _key(data) for name, data in contents.items()}
        if files == self._before and keeps_before:
            return
        found = self._read_marker(waits)
        if found == self._sent[0]:  # the store took it, and went away before it said so
            self._marker, self._before = self._sent
        if found != self._marker:
            raise RunError(f"{self.url}: another process has written into this folder; give another, or resume later")
        there = set(self._before.values())
        for name, key in files.items():
            if key not in there:
                self._asked(lambda key=key, name=name: self.store.pipe_file(self._object(key), contents[name]), waits)
        marker = json.dumps({"files": files}).encode()
        self._sent = marker, files
        self._asked(lambda: self.store.pipe_file(f"{self.root}/{MARKER}", marker), waits)
        self._marker, before, self._before = marker, self._before, files
        kept = {*before.values(), *files.values()} if keeps_before else {*files.values()}
        self._asked(lambda: self._tidy(kept), waits)

    def _is_private(self, path: Path) -> bool:
        parts = path.relative_to(self.path).parts
        return path.name == LOCK or any(TEMPORARY.fullmatch(part) for part in parts)

    def _tidy(self, kept: set[str]) -> None:
        for name in self.store.ls(f"{self.root}/{OBJECTS}", detail=False):
            if name.rpartition("/")[2] not in kept:
                self.store.rm_file(name)

    def _read_marker(self, waits: Sequence[float] | None = None) -> bytes:
        def read() -> bytes:
            try:
                return self.store.cat_file(f"{self.root}/{MARKER}")
            except FileNotFoundError:
                return b""

        return self._asked(read, waits)

    def _asked(self, ask: Callable[[], T], waits: Sequence[float] | None = None) -> T:
        """What the store answers, asked again where it fails."""
        for wait in (*(WAITS if waits is None else waits), None):
            try:
                return ask()
            except Exception as error:  # each store raises its own
                if wait is None or isinstance(error, FileNotFoundError):
                    raise RunError(
                        f"{self.url}: the store does not answer as it should: {first_line(error)}"
                    ) from error
                time.sleep(wait)
        raise AssertionError


def _key(data: Any) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
