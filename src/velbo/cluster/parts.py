"""A folder of part files: what becomes of a work's blocks, each in a file that is whole or absent.

    _work.json            what was asked for: of which model and rows, by which options
    part-000000.parquet   what became of block 0, in the order of the rows
    _SUCCESS              how many parts there are; the last file, once all are there

A part is written under a temporary name and renamed. Work that is called again passes over the parts that are there, so
whatever was killed, no row is lost and none is there twice. The folder is read as one table, by velbo and by others.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DataError, RunError
from ..files import locked, read_json, remove_temporaries, write_json, write_text
from ..formats import write_table
from ..formats.folder import ABOUT, SUCCESS
from ..rows.row_numbers import part_from
from .blocks import Block
from .executors import Executor

SAY_SECONDS = 10.0


class Work(Protocol):
    """What is asked of a block. It can be pickled."""

    def __call__(self, block: Block) -> pa.Table: ...


@dataclass(frozen=True)
class WritePart:
    """The task of a worker: a block's part file.

    Attributes:
        work: what the file is to hold.
        folder: of the files, which all workers can write.
    """

    work: Work
    folder: Path

    def __call__(self, block: Block) -> int:
        """
        Raises:
            DataError: as the work does, its rows counted through all blocks.
            RunError: if the file cannot be written.
        """
        with part_from(block.start):
            table = self.work(block)
        write_table(table, part_file(self.folder, block.number))
        return len(table)


def part_file(folder: Path, number: int) -> Path:
    """The file of a block."""
    return folder / f"part-{number:06d}.parquet"


class Parts:
    """A folder of part files.

    Args:
        folder: which need not exist yet.
        about: what tells this work from others, as JSON.
    """

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        self.folder, self.about = folder.absolute(), json.loads(json.dumps(about))
        self.about_file, self.success = self.folder / ABOUT, self.folder / SUCCESS

    def carry_out(
        self,
        work: Work,
        blocks: Iterable[Block],
        executor: AbstractContextManager[Executor],
        say: Callable[[str], None],
    ) -> None:
        """Write the parts that are not there.

        Args:
            work: what a part holds.
            blocks: all of them.
            executor: who does it, entered where there is something to do.
            say: hears how it goes on.

        Raises:
            DataError: if there are no blocks.
            RunError: if the folder holds other work or files, another process writes into it, or it cannot be written.
            VelboError: what the work raises; the parts that are done stay.
        """
        with self._opened():
            if self.success.exists() and self._are_all():
                say(f"{self.folder} has all its parts")
                return
            numbers, start, n = list[int](), time.monotonic(), 0
            said = start
            with executor as by:
                for n_rows in by.run(WritePart(work, self.folder), self._missing(blocks, numbers)):
                    n += n_rows
                    if time.monotonic() > said + SAY_SECONDS:
                        said = time.monotonic()
                        say(f"{n} rows, {n / (said - start):.0f} a second")
            if not numbers:
                raise DataError("there are no rows, of which parts could be made")
            if [part_file(self.folder, number) for number in numbers] != self.files:
                raise RunError(f"{self.folder} holds parts that are none of this work's; give another folder")
            write_text(self.success, f"{len(numbers)}\n")

    def _are_all(self) -> bool:
        """Whether the parts are those that were there when the work was done."""
        n = self.success.read_text().strip()
        return n.isdecimal() and self.files == [part_file(self.folder, number) for number in range(int(n))]

    def _missing(self, blocks: Iterable[Block], numbers: list[int]) -> Iterator[Block]:
        """Blocks without a part; the numbers of all go into a list."""
        for block in blocks:
            numbers.append(block.number)
            if not part_file(self.folder, block.number).exists():
                yield block

    @contextmanager
    def _opened(self) -> Iterator[None]:
        """The folder, locked, which is known to be this work's."""
        is_new = not self.about_file.exists()
        if is_new and self.folder.is_dir() and any(not file.name.startswith(".") for file in self.folder.iterdir()):
            raise RunError(f"{self.folder} holds other files, and parts have a folder of their own; give another name")
        with locked(self.folder):
            is_new = not self.about_file.exists()  # another process may have been here meanwhile
            if not is_new and read_json(self.about_file) != self.about:
                raise RunError(
                    f"{self.folder} holds parts of other work: of another model, other rows or options, as {ABOUT} in "
                    "it says; give another folder"
                )
            remove_temporaries(self.folder, lambda *_: True)
            if is_new:
                write_json(self.about_file, self.about)
            yield

    @property
    def files(self) -> list[Path]:
        """The parts that are there, in the order of the rows."""
        return sorted(self.folder.glob("part-*.parquet"))

    @property
    def n_rows(self) -> int:
        """Of all parts."""
        return sum(pq.read_metadata(file).num_rows for file in self.files)
