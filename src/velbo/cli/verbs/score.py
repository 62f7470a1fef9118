"""velbo score: the log-likelihood of every row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ...errors import ConfigError
from ...limits import SHARE
from ..app import app, say
from ..options import ClusterOptions, Count, Folder, InParts, Output, OwnParts, ReadAs, ReadingOptions, Seed
from ..pages import USE

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from ...cluster import ArrowFunction
    from ...formats import Source
    from ...trained_model import TrainedModel
    from ..bulk import Bulk

N_NAMED, MOST_TRAINING_ROWS = 5, 10_000
Share = Annotated[float | None, Parameter(validator=SHARE.validate)]


@app.command(group=USE)
def score(
    run: Folder,
    data: str,
    *,
    output: Output,
    samples: Count = 100,
    explain: bool = False,
    contamination: Share = None,
    threshold: float | None = None,
    train: str | None = None,
    seed: Seed = 0,
    device: str = "auto",
    model: OwnParts = None,
    read: ReadAs = ReadingOptions(),
    parts: InParts = ClusterOptions(),
) -> None:
    """How usual every row is; low is anomalous.

    The log-likelihood, a lower bound; of a run of fit --anomalies how well its own latents and those of training rows
    explain it. In nats. Identifiers go along, and the most anomalous rows are named.

    Args:
        run: folder of a trained model.
        data: rows: a file or folder of any format, or the name of an embedded set, as for fit.
        output: file to write; with --cluster a folder.
        samples: importance samples, of a log-likelihood.
        explain: say of every cell what it is worth given the rest of its row, log p(cell | others) in nats (of a run of
            fit --anomalies, its part of the score), and which one is the most anomalous: the furthest below its
            column's median.
        contamination: label rows: anomalous are those that score lower than all but this share of the training rows.
        threshold: label rows: anomalous are those that score lower than so many nats.
        train: where the training rows are now, for --contamination, if they have moved.
        seed: of all noise.
        device: auto takes a GPU where there is one; else the name of a device.
    """
    from ...trained_model import TrainedModel
    from ..bulk import Bulk, function_of
    from ..data import map_rows, not_modelled, open_for, say_given
    from ..ranks import shared, together

    if contamination is not None and threshold is not None:
        raise ConfigError("--contamination and --threshold both say which rows are anomalous; give one of them")
    with together(device) as team:
        trained = TrainedModel.load(run, model)
        with shared(team, lambda rows: _scored(trained, rows, explain, samples, seed, device)) as by_all:
            if by_all is None:
                return
            source = open_for(trained, data, read)
            say_given(trained)
            if contamination is not None:
                threshold = _threshold(
                    _training_scores(trained, run, samples, seed, device, train, read), contamination
                )
            lowest = Lowest(not_modelled(trained, source), threshold)
            name = trained.score_name
            if parts.cluster is None:
                map_rows(source, output, lambda rows: lowest.add(rows, by_all(rows)), name, lowest.carried)
            else:
                options = {"samples": samples, "seed": seed, **({} if explain else {"device": device})}
                f, about = function_of(trained, run, model, "explain" if explain else "score", options)
                _in_parts(Bulk(parts, output, about, device), source, f, name, threshold)
                lowest.add_parts(output, name)
            lowest.tell()


def _scored(trained: TrainedModel, rows: pa.Table, explain: bool, samples: int, seed: int, device: str) -> pa.Table:
    """Scores of rows, or of their cells too."""
    from ...rows.results import as_table

    if explain:
        return trained.explain(rows, samples, seed)
    return as_table(trained.scores(rows, samples, seed, device), trained.score_name)


def _in_parts(bulk: Bulk, source: Source, f: ArrowFunction, name: str, threshold: float | None) -> None:
    """The scores of all rows into a folder, labelled where there is a threshold."""
    from ...cluster.works import Labelled

    bulk.about["threshold"] = threshold
    bulk.map(source, f if threshold is None else Labelled(f, name, threshold))


def _training_scores(
    trained: TrainedModel,
    run: Path,
    samples: int,
    seed: int,
    device: str,
    train: str | None,
    read: ReadingOptions,
) -> NDArray[np.float64]:
    """Scores of training rows, in order: those that an earlier call left in the run folder, if they are of this model,
    these rows and these settings.
    """
    from ...rows import rows_of
    from ...training import Run
    from ...training.scores import Origin, identity, kept_or_computed
    from ..data import training_rows

    named = None if train is None else training_rows(trained, train, MOST_TRAINING_ROWS, seed, read)
    which = ""
    if named is not None:
        with named.numbered():
            which = rows_of(named.rows, trained.schema).fingerprint()

    def compute() -> NDArray[np.float64]:
        picked = named or training_rows(trained, None, MOST_TRAINING_ROWS, seed, read)
        with picked.numbered():
            return trained.scores(picked.rows, samples, seed, device)

    origin = Origin(identity(trained.plan.to_json(), trained.model.state_dict()), which, samples, seed)
    scores, kept = kept_or_computed(Run(run), origin, compute)
    if kept:
        say("the scores of the training rows are those of an earlier call")
    return scores


def _threshold(scores: NDArray[np.float64], share: float) -> float:
    """What that share of the training rows scores lower than."""
    import numpy as np

    found = float(np.quantile(scores, share))
    say(f"threshold: {found:.6g} nats, below which is {share:.3g} of {len(scores)} training rows")
    return found


class Lowest:
    """The rows that score lowest, as all rows go by.

    Args:
        carried: columns that tell which row is which.
        threshold: rows that score lower are anomalous; nobody is labelled without it.
    """

    def __init__(self, carried: Sequence[str], threshold: float | None = None) -> None:
        self.carried, self.threshold, self.n_rows, self.n_anomalous = list(carried), threshold, 0, 0
        self.records: list[dict[str, Any]] = []

    def add(self, rows: pa.Table, found: pa.Table) -> pa.Table:
        """What was found of a batch of rows, and whether they are anomalous."""
        import numpy as np

        from ...rows.results import labelled

        column = found.column_names[0]
        scores, name = found[column].to_numpy(), "log p" if column == "log_likelihood" else column
        for i in np.argsort(scores, kind="stable")[:N_NAMED].tolist():
            record = {"row": self.n_rows + i}
            record |= {name: rows[name][i].as_py() for name in self.carried[:1]}
            record |= {name: float(scores[i])}
            if "most_anomalous" in found.column_names:
                record |= {"most anomalous": found["most_anomalous"][i].as_py()}
            self.records.append(record)
        self.records = sorted(self.records, key=lambda record: record[name])[:N_NAMED]
        self.n_rows += len(found)
        if self.threshold is None:
            return found
        self.n_anomalous += int(np.count_nonzero(scores < self.threshold))
        return labelled(found, column, self.threshold)

    def add_parts(self, folder: Path, scores: str) -> None:
        """What was found of all rows, from part files."""
        from ...formats import open_source

        source = open_source(folder)
        wanted = [scores, "most_anomalous", *self.carried[:1]]
        for part in source.select([name for name in wanted if name in source.names]).batches():
            self.add(part, part.select([name for name in wanted if name in source.names]))

    def tell(self) -> None:
        """A table of them, rows counted from 0, and how many are anomalous."""
        from ...tables import Table

        if self.threshold is not None:
            say(f"anomalous: {self.n_anomalous} of {self.n_rows} rows")
        say(Table.of(self.records, title="lowest of all, rows counted from 0:").text())
