"""The fault campaign as one command: a table, and exit code 1 if anything ended wrong. The same seed, the same cases.

    python -m benchmarks.faults [--only kills sweeps limits inputs] [--seed 0] [--share 0.1] [--named "kill: fit"]

With --share every group gives so much of its cases, evenly, and one at least.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from . import children, material
from .cases import Case, Table

MODULES = ("kills", "sweeps", "limits", "inputs")


def chosen(cases: Iterator[Case], share: float, named: str) -> Iterator[Case]:
    """So much of every group, one at least, from its middle outwards evenly."""
    groups = defaultdict[str, list[Case]](list)
    for case in cases:
        if named in f"{case.group} {case.name}":
            groups[case.group].append(case)
    for group in groups.values():
        n = max(1, round(share * len(group)))
        yield from (group[(2 * i + 1) * len(group) // (2 * n)] for i in range(n))


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=MODULES, choices=MODULES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--named", default="", help="only cases whose group and name hold this text")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    children.warm()
    table, began = Table(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="velbo-faults-") as folder:
        made, place = material.make(Path(folder)), Path(folder) / "case"
        for name in options.only:
            module = importlib.import_module(f".{name}", __package__)
            for case in chosen(module.cases(made, options.seed), options.share, options.named):
                place.mkdir()
                result = case.run(place)
                table.add(case, result)
                for fault in result.faults:
                    print(f"{case.group} {case.name}: {fault.kind}: {fault.text}", flush=True)
                shutil.rmtree(place)
    print(table)
    print(f"{time.monotonic() - began:.0f} s")
    sys.exit(bool(table.faults))


if __name__ == "__main__":
    main()
