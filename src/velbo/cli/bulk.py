"""Verbs whose output is a folder of parts (--cluster): many rows by many workers, continued by the same command."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .. import __version__
from ..cluster.arrow_function import ArrowFunction, ModelOf
from ..cluster.blocks import Block, BlockRows, blocks_of
from ..cluster.executors import executor
from ..cluster.parts import Parts, Work
from ..cluster.works import MapRows, Rewritten
from ..errors import ConfigError
from ..files import as_json
from ..formats import Source, absolute_name
from ..formats.remote import url_of
from ..training import Run
from ..training.scores import identity
from .app import say
from .options import ClusterOptions

if TYPE_CHECKING:
    from ..trained_model import TrainedModel


class Bulk:
    """A folder of parts, and who fills it.

    Args:
        how: who.
        folder: of the parts.
        about: what tells this work from others, as JSON.
        device: which workers want, where there is one.

    Raises:
        ConfigError: if the folder is a file or a URL.
    """

    def __init__(self, how: ClusterOptions, folder: Path, about: dict[str, Any], device: str = "cpu") -> None:
        if url_of(folder) is not None or folder.is_file():
            what = "a file" if url_of(folder) is None else "a URL"
            raise ConfigError(
                f"{folder} is {what}, and with --cluster parts go into a folder on a disk that all workers share"
            )
        self.how, self.folder, self.about, self.device = how, folder, {**about, "velbo": __version__}, device

    def carry_out(self, work: Work, blocks: Iterable[Block]) -> None:
        """Write the parts that are not there."""
        assert self.how.cluster is not None
        parts = Parts(self.folder, self.about)
        parts.carry_out(work, blocks, executor(self.how.cluster, self.how.workers, self.device), say)
        say(f"{parts.n_rows} rows in {len(parts.files)} parts are in {self.folder}")

    def map(self, source: Source, f: Callable[[pa.Table], pa.Table]) -> None:
        """The same by a function of the rows of a source."""
        rows = BlockRows(absolute_name(str(source.name)), source.reading(), source.fingerprint())
        self.about |= {"rows": rows.fingerprint, "reading": as_json(rows.reading)}
        self.carry_out(MapRows(rows, f), blocks_of(source))


def function_of(
    trained: TrainedModel, run: Path, parts: str | None, verb: str, options: dict[str, Any]
) -> tuple[ArrowFunction, dict[str, Any]]:
    """(a verb of a model as workers call it, what tells it from others).

    Args:
        trained: the model.
        run: folder that it is from.
        parts: import path of its own parts, if it has some.
        verb: what is asked of it.
        options: of the verb.
    """
    return ArrowFunction(model_of(trained, run, parts), verb, options), about_of(trained, verb, options)


def about_of(trained: TrainedModel, verb: str, options: dict[str, Any]) -> dict[str, Any]:
    """What tells a verb of a model from others."""
    return {"verb": verb, "options": options, "model": identity(trained.plan.to_json(), trained.model.state_dict())}


def model_of(trained: TrainedModel, run: Path, parts: str | None) -> ModelOf:
    """A model as workers load it, by the name of its folder from anywhere."""
    place = Run(run).place
    return ModelOf(place if isinstance(place, str) else str(place.absolute()), parts, trained)


def rewrite(
    trained: TrainedModel,
    named: tuple[Path, str | None],
    verb: str,
    options: dict[str, Any],
    source: Source,
    how: ClusterOptions,
    folder: Path,
) -> None:
    """Rows with some cells new, all others as they were, in a folder of parts.

    Args:
        trained: the model.
        named: its run folder, and the import path of its own parts, if it has some.
        verb: what is asked of it.
        options: of the verb.
        source: of the rows.
        how: who does it.
        folder: of the parts.
    """
    f, about = function_of(trained, *named, verb, options)
    Bulk(how, folder, about).map(source, Rewritten(f))
