"""How much memory is free; and keep freed memory in the process while tensors come and go at every step.

glibc gives a large block back to the system as soon as it is freed, and the next step's tensor of the same size is
mapped, cleared and faulted in anew, page by page. Inside `freed_memory_kept` blocks come from the heap and the heap is
not trimmed, so that a step's memory is the last step's. Other allocators are left alone.

Source: mallopt(3), Linux manual, https://man7.org/linux/man-pages/man3/mallopt.3.html.
"""

from __future__ import annotations

import ctypes
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

MIB = 2**20
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -2, -3, -4
# a pad, so that a small block at the foot of a large hole does not make the heap grow by another large one
KEPT = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: 64 * MIB}
# where glibc's own adjustment ends up, once a block of 32 MiB has been freed
AFTERWARDS = {M_MMAP_MAX: 65536, M_MMAP_THRESHOLD: 32 * MIB, M_TRIM_THRESHOLD: 64 * MIB, M_TOP_PAD: MIB // 8}


def physical_memory() -> float:
    """Bytes that the machine has; infinity where it does not say."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else math.inf


def free_memory() -> float:
    """Bytes that may still be asked for: what Linux calls available, elsewhere all that the machine has."""
    try:
        said = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
    except OSError:
        said = None
    return 1024 * int(said[1]) if said else physical_memory()


@cache
def glibc() -> Any:
    """The C library, if it is glibc, else None."""
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "gnu_get_libc_version") else None
    except (OSError, TypeError):  # no such handle: another system
        return None


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Inside the block freed memory stays with the process; after it, it goes back to the system."""
    library = glibc()
    if library is None:
        yield
        return
    for parameter, value in KEPT.items():
        library.mallopt(parameter, value)
    try:
        yield
    finally:
        for parameter, value in AFTERWARDS.items():
            library.mallopt(parameter, value)
        library.malloc_trim(0)
