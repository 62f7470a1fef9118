"""URLs: what lies elsewhere is copied into a temporary folder, which lives as long as the rows are in use. file:// is
read where it lies. What is written to a URL, see `velbo.files.whole_or_absent`.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from ..errors import DataError, MissingExtraError, need
from ..files import first_line, missing_library, url_of


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
        raise MissingExtraError(missing_library(url, error)) from error
    except Exception as error:  # each file system raises its own
        raise DataError(f"{url}: cannot be fetched: {first_line(error)}") from error
    return copy


@contextmanager
def read_from(name: str | Path) -> Iterator[Path]:
    """The file of a name, for the block: itself, or a copy of what lies at a URL.

    Raises:
        As `fetched`.
    """
    url = url_of(name)
    if url is None:
        yield Path(name)
        return
    copy = fetched(url)
    yield copy.path
