"""Rows of files for verbs: opened, read as the run was, picked from, mapped into other files in a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import ConfigError, DataError, VelboError
from ..files import shown
from ..formats import Reading, Source, absolute_name, open_source, rewrite, writers
from ..formats.merging import differences
from ..rows.arrow import missing_of
from ..rows.results import as_table, beside, places_of_some
from ..rows.results import not_modelled as not_modelled_of
from ..rows.row_numbers import part_from, rows_at
from ..runtime.memory import physical_memory
from .app import say
from .options import ReadingOptions
from .output import check_output

if TYPE_CHECKING:
    from ..trained_model import TrainedModel

T = TypeVar("T")


class Picked(NamedTuple):
    """Rows, some of those that there are.

    Attributes:
        rows: in memory; or a source, of which none were left out.
        places: their numbers among all rows; None if they are all.
    """

    rows: Any
    places: NDArray[np.int64] | None = None

    def numbered(self) -> AbstractContextManager[None]:
        """Inside the block messages tell a row by its number among all rows."""
        return nullcontext() if self.places is None else rows_at(self.places)

    def at_most(self, n: int, seed: int) -> Picked:
        """A seeded random subset of n of them, or all if they are fewer."""
        if 1 <= len(self.rows) <= n:
            return self
        picked = pick(self.rows, min(n, len(self.rows)), seed)
        return picked if self.places is None else Picked(picked.rows, self.places[picked.places])


def pick(rows: Any, n: int | None, seed: int) -> Picked:
    """A seeded random subset of n rows, in their order; all rows if n is None.

    Raises:
        ConfigError: if n is less than 1 or more than there are, or the rows stay on disk.
    """
    if n is None:
        return Picked(rows)
    if isinstance(rows, Source):
        raise ConfigError("--rows picks from rows in memory; leave --stream out, or give a smaller table")
    if not 1 <= n <= len(rows):
        raise ConfigError(f"--rows must be between 1 and {len(rows)}, the number of rows there are, not {n}")
    places = places_of_some(len(rows), n, seed)
    return Picked(rows.take(pa.array(places)), places)


def rows_to_fit(name: str, reading: Reading, stream: bool) -> tuple[Source, Any]:
    """(source, its rows: in memory, or the source itself where they stay on disk)."""
    source = open_source(name, reading)
    for note in source.notes():
        say(f"data: {note}")
    return source, (source if stream or _is_too_large(source) else source.read())


def _is_too_large(source: Source) -> bool:
    """Whether the numbers of a source would take more than a quarter of the memory, and it can be read in parts."""
    if any(part.stays_on_disk for part in source.parts):
        return True
    return source.n_rows is not None and 8 * source.n_rows * len(source.names) > physical_memory() / 4


def open_for(trained: TrainedModel, name: str, options: ReadingOptions) -> Source:
    """A file for a trained model: text is read with the types of the run."""
    return open_source(name, options.reading(trained.plan.data.reading.of_columns()))


def rows_for(trained: TrainedModel, name: str, options: ReadingOptions) -> pa.Table:
    """All rows for a trained model."""
    return open_for(trained, name, options).read()


def some_rows(trained: TrainedModel, name: str, options: ReadingOptions, n: int, seed: int) -> Picked:
    """So many of them, or all if they are fewer than n."""
    return chosen(open_for(trained, name, options), n, seed, or_all=True)


def chosen(source: Source, n: int | None, seed: int, or_all: bool = False) -> Picked:
    """Rows of a source as `pick` has them, a batch of it in memory beside them where it tells how many it has.

    Args:
        source: of the rows.
        n: how many; all, if None.
        seed: of the choice.
        or_all: whether fewer rows than n are all taken.

    Raises:
        ConfigError: as `pick`.
    """
    length = source.n_rows
    if n is None or length is None or not 1 <= n < length:
        rows = source.read()
        return Picked(rows).at_most(n, seed) if or_all and n is not None else pick(rows, n, seed)
    places, start, found = places_of_some(length, n, seed), 0, list[pa.Table]()
    for batch in source.batches():
        first, last = np.searchsorted(places, (start, start + len(batch)))
        # a copy: what is chosen of a batch must not keep all of it
        found.append(batch.take(pa.array(places[first:last] - start)))
        start += len(batch)
    return Picked(pa.concat_tables(found), places)


def training_rows(trained: TrainedModel, named: str | None, n: int, seed: int, options: ReadingOptions) -> Picked:
    """Rows that a model was trained on, so many at most: those of a file, or those that the run names.

    Raises:
        ConfigError: if the run does not say where they are.
    """
    said = trained.plan.data
    if named is None and not said.source:
        raise ConfigError("the run does not say where the rows are that it was trained on; name them with --train")
    if named is None and said.subset:
        return chosen(open_for(trained, said.source, options), said.subset, said.subset_seed).at_most(n, seed)
    return some_rows(trained, named or said.source, options, n, seed)


def seen_rows(
    trained: TrainedModel, data: str, named: str | None, n: int, seed: int, options: ReadingOptions
) -> pa.Table | None:
    """The same for a verb that can do without them: None, said so, where there are none to compare with ``data``."""
    said = trained.plan.data
    if named is None and not said.source:
        return None
    if named is None and said.source == absolute_name(data):
        say("these are the rows that the model was trained on: what it does to others cannot be seen")
        return None
    try:
        return training_rows(trained, named, n, seed, options).rows
    except VelboError as error:
        if named is not None:
            raise
        say(f"the rows that it was trained on cannot be read ({error}); name them with --train")
        return None


def model_and_rows(
    run: Path, model: str | None, name: str, options: ReadingOptions, n: int | None, seed: int
) -> tuple[Any, Any]:
    """A trained model and encoded rows, so many at most, for a verb that shows likelihoods."""
    from ..trained_model import TrainedModel

    trained = TrainedModel.load(run, model)
    source = open_for(trained, name, options)
    say_given(trained)
    picked = chosen(source, n, seed, or_all=True)
    with picked.numbered():
        return trained.model, trained.store(picked.rows)


def say_given(trained: TrainedModel) -> None:
    """What a likelihood is conditioned on, before it is shown."""
    if trained.given:
        names = ", ".join(trained.given)
        say(
            f"log p is that of the other fields given {names}: another number than log p(x), not to be compared with it"
        )


def labels_for(table: pa.Table, name: str | None) -> tuple[Any, str]:
    """(labels (N,) of rows, what they are), by the name of one of their columns or of a file with as many rows.

    Raises:
        ConfigError: for a file of several columns.
        DataError: if the file has another number of rows.
    """
    from ..rows.labels import labels_of

    if name is None or name in table.column_names:
        return labels_of(table, name)
    found = open_source(name).read()
    if len(found.column_names) != 1:
        shown = ", ".join(found.column_names[:5])
        raise ConfigError(
            f"{name} holds the columns {shown}, and labels are one: name it, {name}:{found.column_names[0]}"
        )
    if len(found) != len(table):
        raise DataError(f"{name} holds {len(found)} labels, and there are {len(table)} rows; give one a row")
    return labels_of(found, found.column_names[0])


def map_rows(
    source: Source, path: Path, f: Callable[[pa.Table], Any], prefix: str, carried: Sequence[str] = ()
) -> None:
    """f of all rows into a file, batch by batch, so that neither they nor the result need fit into memory.

    Args:
        source: of the rows.
        path: file to write.
        f: rows -> an array or rows of any container.
        prefix: of the columns of an array.
        carried: columns that go along, so that results can be joined with rows. A .npy file has no place for them,
            which is said.
    """
    check_output(path)
    kept = carried
    if carried and path.suffix == ".npy":
        say(f"{path} holds one array, without {', '.join(carried)}; name a .csv or .parquet file to have both")
        kept = ()
    write_parts(
        [path], ([beside(rows, kept, as_table(values, prefix))] for rows, values in mapped(source.batches(), f))
    )


def mapped(batches: Iterable[pa.Table], f: Callable[[pa.Table], T]) -> Iterator[tuple[pa.Table, T]]:
    """(rows, f of them), batch by batch."""
    n = 0
    for batch in batches:
        with part_from(n):
            found = f(batch)
        yield batch, found
        n += len(batch)


def not_modelled(trained: TrainedModel, source: Source) -> list[str]:
    """Columns that the model knows nothing of; see `velbo.rows.results`."""
    return not_modelled_of(trained.schema, source.names)


def write_parts(paths: Sequence[Path], parts: Iterable[Sequence[pa.Table]]) -> None:
    """Tables one after another into files: a part has one for each."""
    n = 0
    with writers(paths) as opened:
        for part in parts:
            for writer, table in zip(opened, part, strict=True):
                writer.write(table)
            n += len(part[0])
    _told(paths, n)


def change_rows(source: Source, paths: Sequence[Path], change: Callable[[pa.Table], Sequence[pa.Table]]) -> None:
    """Rows with some cells changed into files, one for each table that ``change`` gives; all other cells are copied:
    in text character by character, in typed data bit by bit.
    """
    check_output(*paths)
    n = 0

    def changes(table: pa.Table) -> list[tuple[pa.Table, dict[str, np.ndarray]]]:
        nonlocal n
        with part_from(n):
            found = [(new, differences(table, new)) for new in change(table)]
        n += len(table)
        return found

    _told(paths, rewrite(source, paths, changes))


def missing_cells(table: pa.Table) -> dict[str, int]:
    """How many cells of each column are missing."""
    return {name: int(missing_of(table[name]).sum()) for name in table.column_names}


def _told(paths: Sequence[Path], n: int) -> None:
    for path in paths:
        say(f"wrote {n} rows to {shown(path)}")
