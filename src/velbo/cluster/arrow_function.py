"""A trained model as a function of batches of Arrow, which any engine can carry to its workers.

It is pickled as the name of the run folder and what is asked of it. Every process that calls it loads the model once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from ..errors import unknown
from ..rows.results import as_table, beside, not_modelled

if TYPE_CHECKING:
    from ..trained_model import TrainedModel

Batch = TypeVar("Batch", pa.RecordBatch, pa.Table)
Verb = Callable[..., Any]


def _score(model: TrainedModel, rows: pa.Table, **options: Any) -> pa.Table:
    return as_table(model.scores(rows, **options), model.score_name)


def _encode(model: TrainedModel, rows: pa.Table, **options: Any) -> pa.Table:
    return as_table(model.encode(rows, **options), "z")


def _explain(model: TrainedModel, rows: pa.Table, **options: Any) -> pa.Table:
    return model.explain(rows, **options)


def _impute(model: TrainedModel, rows: pa.Table, **options: Any) -> pa.Table:
    return model.impute(rows, **options)


def _reconstruct(model: TrainedModel, rows: pa.Table, **options: Any) -> pa.Table:
    return model.reconstruct(rows, **options)


def _evaluate(model: TrainedModel, rows: pa.Table, **options: Any) -> pa.Table:
    return model.row_scores(rows, **options).to_table()


VERBS: dict[str, Verb] = {
    "score": _score,
    "encode": _encode,
    "explain": _explain,
    "impute": _impute,
    "reconstruct": _reconstruct,
    "evaluate": _evaluate,
}


REWRITES = "impute", "reconstruct"
"""Verbs that give the columns that they were given."""


def arrow_function(run: str | Path, verb: str, *, model: str | None = None, **options: Any) -> ArrowFunction:
    """A function of batches of Arrow, a table or a record batch, that gives one of as many rows in the same order.

    Columns that the model does not know, such as identifiers, go along. The function can be pickled; a worker loads the
    model at its first call.

    Args:
        run: folder of a trained model, which every worker can read.
        verb: "score" gives log_likelihood, or of a model of anomalies score, "encode" z0, z1, ..., "explain" what each
            cell is worth besides, "impute" and "reconstruct" the columns of the batch, "evaluate" all that is averaged
            there.
        model: import path of the run's own parts, as for `velbo.TrainedModel.load`; workers import it.
        options: of that method of `velbo.TrainedModel`: ``samples``, ``seed``.

    Raises:
        ConfigError: for another verb.
    """
    return ArrowFunction(ModelOf(str(run), model), verb, options)


class ModelOf:
    """A trained model that each process loads when it first asks for it.

    Args:
        run: folder that it is from.
        parts: import path of its own parts, if it has some.
        loaded: the model, where it is there already; it is not pickled.
    """

    def __init__(self, run: str, parts: str | None = None, loaded: TrainedModel | None = None) -> None:
        self.run, self.parts, self._loaded = run, parts, loaded

    def __reduce__(self) -> tuple[type[ModelOf], tuple[str, str | None]]:
        return ModelOf, (self.run, self.parts)

    @property
    def model(self) -> TrainedModel:
        """Loaded when it is first asked for."""
        if self._loaded is None:
            from ..trained_model import TrainedModel

            self._loaded = TrainedModel.load(self.run, self.parts)
        return self._loaded


class ArrowFunction:
    """See `arrow_function`.

    Args:
        of: a trained model, which every worker can load.
        verb: what is asked of it.
        options: of that method of `velbo.TrainedModel`.
    """

    def __init__(self, of: ModelOf, verb: str, options: dict[str, Any]) -> None:
        if verb not in VERBS:
            raise unknown("verb", verb, VERBS)
        self.of, self.verb, self.options = of, verb, options

    def __repr__(self) -> str:
        return f"arrow_function({self.of.run!r}, {self.verb!r})"

    @property
    def model(self) -> TrainedModel:
        """Loaded when it is first asked for."""
        return self.of.model

    def __call__(self, batch: Batch) -> Batch:
        """As many rows as the batch has, in its order, in the same type."""
        rows = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
        names = not_modelled(self.model.schema, rows.column_names)
        table = beside(rows, names, self._found(rows))
        return _as_batch(table) if isinstance(batch, pa.RecordBatch) else table

    def _found(self, rows: pa.Table) -> pa.Table:
        if len(rows):
            return VERBS[self.verb](self.model, rows, **self.options)
        if self.verb in REWRITES:
            return rows
        # engines try a function on no rows, to see its columns
        return VERBS[self.verb](self.model, as_table(self.model.sample(1)), **self.options).slice(0, 0)

    def over(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The same for one batch after another, as Spark's mapInArrow takes it."""
        return map(self, batches)


def _as_batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)
