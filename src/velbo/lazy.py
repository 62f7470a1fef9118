"""Names of a package that are loaded when they are first used: whoever needs few of them does not wait for all."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def when_used(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package.

    Args:
        package: its name.
        homes: module of it -> the names that the module has, with blanks between them.
    """
    home_of = {name: home for home, names in homes.items() for name in names.split()}

    def loaded(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f".{home_of[name]}", package), name)

    return loaded, lambda: sorted({*vars(sys.modules[package]), *home_of})
