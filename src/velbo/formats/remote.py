"""URLs: what lies elsewhere is copied into a temporary folder, which lives as long as the rows are in use.

What is written goes into a temporary folder too, and from there, when it is whole, as one object to its URL.

file:// is read where it lies. http(s)://, s3:// and whatever else fsspec knows takes fsspec and its library for that
scheme: pip install 'velbo[remote]'.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from ..errors import DataError, MissingExtraError, RunError, need
from ..files import URL_AS_PATH, whole_or_absent

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # two letters at least: one is a drive of Windows


def is_url(name: str) -> bool:
    """Whether a name is a URL and no path."""
    return SCHEME.match(name) is not None


def url_of(name: str | Path) -> str | None:
    """The URL that a name is, even where it has been taken for a path, which has one slash of two; None for a path, and
    for file://.
    """
    text = str(name)
    if isinstance(name, Path):
        text = URL_AS_PATH.sub(r"\1://", text, count=1) if URL_AS_PATH.match(text) else text
    return text if is_url(text) and local_path(text) is None else None


def local_path(url: str) -> Path | None:
    """The path of a file:// URL; None for all others."""
    parts = urlsplit(url)
    return Path(url2pathname(parts.path)) if parts.scheme.lower() == "file" else None


class Download:
    """A copy of what lies at a URL, which goes when nobody refers to it any more.

    Attributes:
        path: of the copy, a file or a folder of the same name.
    """

    def __init__(self, name: str) -> None:
        folder = tempfile.mkdtemp(prefix="velbo-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.path = Path(folder, name)


def fetched(url: str) -> Download:
    """Copy a file, or a folder with all that is in it.

    Raises:
        MissingExtraError: if fsspec, or its library for the scheme, is not installed.
        DataError: if there is nothing, or it cannot be reached.
    """
    fsspec = need("fsspec", "remote")
    copy = Download(PurePosixPath(unquote(urlsplit(url).path)).name or "download")
    try:
        system, path = fsspec.core.url_to_fs(url)
        is_folder = not url.lower().startswith("http") and system.isdir(path)
        # a page of the web is a file, even where it looks like a folder's
        if is_folder:
            system.get(path.rstrip("/") + "/", str(copy.path) + "/", recursive=True)
        else:
            system.get_file(path, str(copy.path))
    except ImportError as error:
        raise MissingExtraError(
            f"{url}: a library is needed for this scheme and is not installed ({error}); install it with: "
            "pip install 'velbo[remote]'"
        ) from error
    except Exception as error:  # each file system raises its own
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(f"{url}: cannot be fetched: {said}") from error
    return copy


@contextmanager
def whole_at(*names: str | Path) -> Iterator[list[Path]]:
    """As `velbo.files.whole_or_absent`, for files at URLs too, of which each is whole or absent.

    Raises:
        MissingExtraError: if fsspec, or its library for the scheme, is not installed.
        RunError: if a file cannot be written.
    """
    urls = [url_of(name) for name in names]
    with tempfile.TemporaryDirectory(prefix="velbo-") as folder:
        given = zip(names, urls, strict=True)
        here = [Path(name) if url is None else Path(folder, Path(name).name) for name, url in given]
        if any(urls):
            need("fsspec", "remote")
        with whole_or_absent(*here) as places:
            yield places
        for path, url in zip(here, urls, strict=True):
            if url is not None:
                _sent(path, url)


def _sent(path: Path, url: str) -> None:
    fsspec = need("fsspec", "remote")
    try:
        system, there = fsspec.core.url_to_fs(url)
        system.put_file(str(path), there)
    except Exception as error:  # each file system raises its own
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RunError(f"{url}: cannot be written: {said}") from error
