"""Files: whole or absent, of JSON and tensors only, checked against types when they are read."""

from .content import read_file, read_json, read_tensors, write_json, write_tensors
from .places import LOCK, as_path, locked, require_place
from .typed import as_json, from_json
from .urls import URL_AS_PATH, first_line, is_url, local_path, missing_library, send, shown, url_of
from .whole import (
    TEMPORARY,
    is_running,
    remove_folder,
    remove_temporaries,
    temporary_for,
    whole_or_absent,
    write_atomically,
    write_bytes,
    write_folder_atomically,
    write_text,
)

__all__ = [
    "LOCK",
    "TEMPORARY",
    "URL_AS_PATH",
    "as_json",
    "as_path",
    "first_line",
    "from_json",
    "is_running",
    "is_url",
    "local_path",
    "locked",
    "missing_library",
    "read_file",
    "read_json",
    "read_tensors",
    "remove_folder",
    "remove_temporaries",
    "require_place",
    "send",
    "shown",
    "temporary_for",
    "url_of",
    "whole_or_absent",
    "write_atomically",
    "write_bytes",
    "write_folder_atomically",
    "write_json",
    "write_tensors",
    "write_text",
]
