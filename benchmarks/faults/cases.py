"""What a case is, which ends are right, and the table of all of them.

A command ends right with exit code 0; with 2 and one plain line, the last on stderr; or, when it was told to stop, with
130 or by the signal. All else is a fault.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

Kind = Literal["traceback", "hang", "torn file", "lost metrics", "wrong bits", "unclear end"]
KINDS: tuple[Kind, ...] = ("traceback", "hang", "torn file", "lost metrics", "wrong bits", "unclear end")
CRASHED = (1, 70, 99, 120)
"""Exit codes of a Python process that met an exception that nobody foresaw; 70 is velbo's own."""


class Fault(NamedTuple):
    """What was wrong with a case, in a sentence."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: its exit code; minus the signal that ended it; None if it had to be killed after its time.
        out: what it wrote to stdout.
        err: what it wrote to stderr.
    """

    code: int | None
    out: str = ""
    err: str = ""

    @property
    def last(self) -> str:
        """The last line on stderr."""
        lines = [line for line in self.err.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    @property
    def is_line(self) -> bool:
        """Whether it refused in one plain line."""
        return self.code == 2 and self.last.startswith("velbo: ")

    def faults(self, *also_right: int) -> list[Fault]:
        """What is wrong with this end by itself; ``also_right`` are codes that are right besides 0 and 2."""
        if self.code is None:
            return [Fault("hang", f"no end in its time; the last line was: {self.last}")]
        if "Traceback (most recent call last)" in self.err + self.out or self.code in CRASHED:
            return [Fault("traceback", f"exit code {self.code}: {self.last}")]
        if self.code == 0 or self.code in also_right or self.is_line:
            return []
        return [Fault("unclear end", f"exit code {self.code}: {self.last}")]


@dataclass
class Result:
    """What a case has shown.

    Attributes:
        is_line: whether the command refused in a line; else it did its work, at once or when it was continued.
        faults: what was wrong; none at a right end.
    """

    is_line: bool = False
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True)
class Case:
    """One thing that is tried.

    Attributes:
        group: the line of the table that it counts in, "kill: fit".
        name: which of them it is, "before operation 17, os.rename".
        run: does it in an empty folder that is removed after it.
    """

    group: str
    name: str
    run: Callable[[Path], Result]


class Table:
    """Counts of ends by group, and every fault."""

    def __init__(self) -> None:
        self.cases, self.lines = Counter[str](), Counter[str]()
        self.right, self.kinds = Counter[str](), defaultdict[str, Counter[str]](Counter)
        self.faults = list[tuple[Case, Fault]]()

    def add(self, case: Case, result: Result) -> None:
        """Count one case."""
        self.cases[case.group] += 1
        self.lines[case.group] += result.is_line and not result.faults
        self.right[case.group] += not result.faults
        for fault in result.faults:
            self.kinds[case.group][fault.kind] += 1
            self.faults.append((case, fault))

    def __str__(self) -> str:
        names = ["", "cases", "right ends", "lines", *KINDS]
        rows = [
            [group, n, self.right[group], self.lines[group], *(self.kinds[group][kind] for kind in KINDS)]
            for group, n in self.cases.items()
        ]
        total = ["all", *(sum(column) for column in zip(*(row[1:] for row in rows), strict=True))] if rows else []
        lines = [[str(cell) for cell in line] for line in (names, *rows, total) if line]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
            for line in lines
        )
