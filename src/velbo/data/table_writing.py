"""Tables into files, batch by batch; a file is whole or absent.

CSV has a header, numbers in the fewest digits that read back to the same value, and nothing for missing cells.
Durations are seconds in CSV, which knows none.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq

from ..errors import DataError
from ..files import whole_or_absent
from .arrow import decoded, numbers, to_arrow
from .table_files import ARROW, PARQUET, TABLE_SUFFIXES, TEXT, TableSource
from .text_tables import DELIMITERS

WRITABLE = TABLE_SUFFIXES


class Writer:
    """Writes data frames one after another into one file, which appears when the block is left without an error.

    Args:
        path: .csv, .tsv, .parquet, .feather or .arrow.

    Raises:
        DataError: for another suffix.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix.lower() not in WRITABLE:
            raise DataError(f"cannot write '{path}': name a {', '.join(WRITABLE)} file")
        self.path, self.suffix = path, path.suffix.lower()
        self.writer: Any = None
        self.schema: pa.Schema | None = None

    def __enter__(self) -> Self:
        self.stack = ExitStack()
        self.temporary = self.stack.enter_context(whole_or_absent(self.path))
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if self.writer is not None:
            self.writer.close()
        elif error is None:
            # nothing was written: an empty file beside an error would be two answers
            error = DataError(f"{self.path}: there are no rows to write")
            self.stack.__exit__(type(error), error, None)
            raise error
        self.stack.__exit__(kind, error, trace)

    def write(self, frame: Any) -> None:
        """Write a data frame of any library below what is there.

        Raises:
            DataError: if its columns are others than the first one's.
        """
        table = to_arrow(frame).replace_schema_metadata()
        if self.suffix in TEXT:
            table = _for_text(table)
        if self.writer is None:
            self.schema, self.writer = table.schema, self._open(table.schema)
        if table.schema.names != self.schema.names:  # pyright: ignore[reportOptionalMemberAccess]
            raise DataError(f"{self.path}: a part has the columns {', '.join(table.schema.names)}, and others had not")
        self.writer.write_table(table.cast(self.schema))

    def _open(self, schema: pa.Schema) -> Any:
        if self.suffix in TEXT:
            options = pv.WriteOptions(delimiter=DELIMITERS[self.suffix], quoting_style="needed")
            return pv.CSVWriter(self.temporary, schema, write_options=options)
        if self.suffix in PARQUET:
            return pq.ParquetWriter(self.temporary, schema)
        assert self.suffix in ARROW
        return pa.ipc.new_file(self.temporary, schema)


def _for_text(table: pa.Table) -> pa.Table:
    columns = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        if pa.types.is_duration(kind):
            column = pa.array(numbers(column, name), from_pandas=True)
        elif pa.types.is_dictionary(kind) or pa.types.is_floating(kind):
            column = decoded(column)
        columns.append(column)
    return pa.Table.from_arrays(columns, table.column_names)


def write_table(frame: Any, path: Path) -> None:
    """One data frame into one file."""
    with Writer(path) as writer:
        writer.write(frame)


def convert(source: str | Path, target: Path) -> int:
    """A table from one format into another, in a stream; the number of rows."""
    n = 0
    with Writer(target) as writer:
        for batch in TableSource(source).batches():
            writer.write(batch)
            n += len(batch)
    return n
