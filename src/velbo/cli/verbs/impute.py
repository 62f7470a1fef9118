"""velbo impute: missing cells filled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ...errors import ConfigError
from ...limits import COUNT, POSITIVE
from ..app import app, say
from ..options import (
    ClusterOptions,
    CountOr0,
    Folder,
    InParts,
    Output,
    OwnParts,
    ReadAs,
    ReadingOptions,
    Seed,
    SomeCount,
)
from ..pages import USE

if TYPE_CHECKING:
    import pyarrow as pa

    from ...formats import Source
    from ...trained_model import TrainedModel

SomeSeconds = Annotated[float | None, Parameter(validator=POSITIVE.validate)]
TRIAL_ROWS = 48
COLUMNS_SHOWN = 8


@app.command(group=USE)
def impute(
    run: Folder,
    data: str,
    *,
    output: Output,
    n: Annotated[int | None, Parameter(name=["--n", "-n"], validator=COUNT.validate)] = None,
    samples: SomeCount = None,
    seconds: SomeSeconds = None,
    steps: CountOr0 = 20,
    seed: Seed = 0,
    model: OwnParts = None,
    read: ReadAs = ReadingOptions(),
    parts: InParts = ClusterOptions(),
) -> None:
    """Rows with their missing cells filled.

    With the mean of numbers and the likeliest category; observed cells are as they were, in text character by
    character.

    Args:
        run: folder of a trained model.
        data: rows: a file or folder of any format, or the name of an embedded set, as for fit.
        output: file to write; of several fillings, full.csv becomes full-1.csv ...; with --cluster a folder, of
            one filling that is not drawn.
        n: draw so many fillings from what the model believes instead, for multiple imputation.
        samples: importance samples of each row. If not given, 250, and up to 4,000 where they are worth less than
            100; 1,000 at most with --seconds; 100 with -n.
        seconds: the time for it, about: as many samples of each row are taken as it leaves, 25 at least.
        steps: of Gibbs refinement of every drawn filling.
        seed: of all noise.
    """
    from ...evaluation.cells.budget import MOST
    from ...trained_model import TrainedModel
    from ..data import change_rows, open_for
    from ..ranks import shared, together

    drawn = {} if samples is None else {"samples": samples}
    if parts.cluster is not None:
        from ..bulk import rewrite

        if n is not None or seconds is not None:
            raise ConfigError("--cluster writes one filling, of the means by --samples; leave -n and --seconds out")
        trained = TrainedModel.load(run, model)
        rewrite(trained, (run, model), "impute", {**drawn, "seed": seed}, open_for(trained, data, read), parts, output)
        return
    filled = Filled()
    with together("cpu") as team:
        trained = TrainedModel.load(run, model)
        if seconds is not None:
            if n is not None or team.size > 1:
                raise ConfigError("--seconds is for one filling by one process; leave -n out, or say --samples instead")
            drawn = {"samples": _samples_in(trained, open_for(trained, data, read), seconds, samples or MOST, seed)}
        with shared(team, lambda rows: trained.impute(rows, seed=seed, **drawn)) as by_all:
            if by_all is None:
                return
            fill, paths = _alone(by_all), [output]
            if n is not None:  # drawn fillings are the first process's alone: one seed is for a whole batch
                fill = _drawing(trained, n, seed, {"steps": steps, **drawn})
                paths = [output.with_stem(f"{output.stem}-{i + 1}") for i in range(n)]
            change_rows(open_for(trained, data, read), paths, filled.counting(fill))
    filled.tell(trained)


Fillings = Callable[["pa.Table"], Sequence["pa.Table"]]


def _alone(fill: Callable[[pa.Table], pa.Table]) -> Fillings:
    """Rows -> their one filling."""
    return lambda rows: [fill(rows)]


def _drawing(trained: TrainedModel, n: int, seed: int, options: dict[str, int]) -> Fillings:
    """Rows -> n fillings that are drawn."""
    seeds = count(seed)  # equal rows in different batches are to have different draws
    return lambda rows: trained.impute_many(rows, n, seed=next(seeds), **options)


class Filled:
    """How many missing cells of each column were filled, and how many stay, as all rows go by."""

    def __init__(self) -> None:
        self.filled, self.left = Counter[str](), Counter[str]()

    def counting(self, fill: Fillings) -> Fillings:
        """What fills rows, whose first filling is counted."""
        from ..data import missing_cells

        def filled(rows: pa.Table) -> Sequence[pa.Table]:
            new = fill(rows)
            before, after = Counter(missing_cells(rows)), missing_cells(new[0])
            self.left.update(after)
            self.filled.update(before - Counter(after))
            return new

        return filled

    def tell(self, trained: TrainedModel) -> None:
        """What was filled; what stays, and why."""
        filled = self.filled
        say(f"filled {_cells(filled.total())}{': ' if filled else ''}{', '.join(_of_columns(filled))}")
        for name, cells in self.left.items():
            if cells:
                why = trained.why_left(name)
                say(f"impute: {_cells(cells)} of '{name}' stay{', as ' + why if why else ''}")


def _samples_in(trained: TrainedModel, source: Source, seconds: float, most: int, seed: int) -> int:
    """How many samples of each row fit into a budget, which is said."""
    import numpy as np
    import pyarrow as pa

    from ..data import mapped

    n_rows, some, few = 0, list[pa.Table](), 0
    for rows, missing in mapped(source.batches(), lambda rows: np.isnan(trained.schema.numbers(rows)).any(-1)):
        n_rows += int(missing.sum())
        if few < TRIAL_ROWS:
            some.append(rows.filter(pa.array(missing)).slice(0, TRIAL_ROWS - few))
            few += len(some[-1])
    found = trained.samples_in(pa.concat_tables(some), seconds, most, seed, n_rows) if few else None
    if found is None:
        return most
    late = "" if found.seconds <= seconds else f"; {found.samples} are the least"
    say(
        f"{found.samples} samples of each of {n_rows} rows, about {found.seconds:.0f} s{late}: again by --samples "
        f"{found.samples}"
    )
    return found.samples


def _cells(n: int) -> str:
    return f"{n} missing cell{'s'[: n != 1]}"


def _of_columns(filled: Counter[str]) -> list[str]:
    """How many of which column, most first; of many columns the first ones."""
    said = [f"{n} of '{name}'" for name, n in filled.most_common(COLUMNS_SHOWN)]
    return [*said, "..."] if len(filled) > COLUMNS_SHOWN else said
