"""A name may be a URL: s3://, gs://, abfs://, http(s)://, memory://, whatever fsspec knows.

file:// is a path. All others take fsspec and its library for the scheme: pip install 'velbo[remote]'.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import MissingExtraError, RunError, need

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # two letters at least: one is a drive of Windows
URL_AS_PATH = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?=[^/])")
"""How a URL begins that was taken for a path, which has one slash of two."""


def is_url(name: str) -> bool:
    """Whether a name is a URL and no path."""
    return SCHEME.match(name) is not None


def url_of(name: str | Path) -> str | None:
    """The URL that a name is, even where it has been taken for a path; None for a path, and for file://."""
    text = str(name)
    if isinstance(name, Path):
        text = URL_AS_PATH.sub(r"\1://", text, count=1) if URL_AS_PATH.match(text) else text
    return text if is_url(text) and local_path(text) is None else None


def local_path(url: str) -> Path | None:
    """The path of a file:// URL; None for all others."""
    is_file = url[:7].lower() == "file://"
    if not is_file:
        return None
    from urllib.request import url2pathname  # here, as it loads all of HTTP

    return Path(url2pathname(urlsplit(url).path))


def shown(name: str | Path) -> str:
    """A name as it is told: a URL with both of its slashes."""
    return url_of(name) or str(name)


def first_line(error: BaseException) -> str:
    """Of its message, or its name if it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def missing_library(url: str, error: ImportError) -> str:
    """What is said where fsspec's library for a scheme is not there."""
    return (
        f"{url}: a library is needed for this scheme and is not installed ({error}); install it with: "
        "pip install 'velbo[remote]'"
    )


def send(file: Path, url: str) -> None:
    """A file to its URL, as one object.

    Raises:
        MissingExtraError: if fsspec, or its library for the scheme, is not installed.
        RunError: if it cannot be written.
    """
    fsspec = need("fsspec", "remote")
    try:
        system, there = fsspec.core.url_to_fs(url)
        system.put_file(str(file), there)
    except ImportError as error:
        raise MissingExtraError(missing_library(url, error)) from error
    except Exception as error:  # each file system raises its own
        raise RunError(f"{url}: cannot be written: {first_line(error)}") from error
