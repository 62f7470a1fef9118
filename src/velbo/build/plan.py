"""A plan is closed: all that a model is built from and trained with, and why. It is what config.json holds.

What is asked (`Asked`) leaves things open; `complete` in defaults.py closes them, once, for Python, scikit-learn and
the command line alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..config import ObjectiveConfig, Recipe, TrainingConfig
from ..errors import RunError
from ..files import as_json, from_json
from ..formats.reading import Reading
from ..limits import Limits
from ..rows import Schema
from ..rows.check import require_sound

if TYPE_CHECKING:
    from ..conditional import AnyModel
    from ..objectives import Objective
    from ..rows import Encoding
    from .own import Maker

NEIGHBORS, PARAMETERS = Limits(0, 1_000_000), Limits(0, 2**62)


@dataclass(frozen=True)
class DataRecord:
    """The rows that a plan is for.

    Attributes:
        source: where they come from; empty for rows that were handed over in memory.
        n_rows: how many.
        fingerprint: a hash of them.
        subset: how many of the source's rows they are, by a seeded draw; None for all.
        subset_seed: of that draw.
        stream: whether they stay on disk.
        reading: how the source's text was read, so that later files are read alike.
    """

    source: str = ""
    n_rows: int = 0
    fingerprint: str = ""
    subset: int | None = None
    subset_seed: int = 0
    stream: bool = False
    reading: Reading = field(default_factory=Reading)


def _versions() -> dict[str, str]:
    import platform

    import torch

    return {"velbo": __version__, "torch": str(torch.__version__), "python": platform.python_version()}


@dataclass(frozen=True)
class Plan:
    """Nothing in it is open.

    Attributes:
        schema: what the fields of a row are, every likelihood named.
        recipe: what the model is made of.
        objective: which bound is maximised.
        training: how.
        data: on which rows.
        choices: what was left open, what was chosen and why.
        n_neighbors: k of the score of anomalies (see `velbo.evaluation.reference`); of 0 the score is log p(x).
        versions: of velbo, torch and Python that made the plan.
        n_parameters: numbers that the model learns; None of a plan whose model was not built.
    """

    schema: Schema
    recipe: Recipe
    objective: ObjectiveConfig = ObjectiveConfig("elbo")
    training: TrainingConfig = field(default_factory=TrainingConfig)
    data: DataRecord = field(default_factory=DataRecord)
    choices: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=_versions)
    n_neighbors: int = 0
    n_parameters: int | None = None

    def to_json(self) -> dict[str, Any]:
        return as_json(self)

    @classmethod
    def facts(cls, d: Any, where: str = "config.json") -> Plan:
        """What a plan says, for whoever makes no model of it: no part is looked for, and torch is not loaded.

        Raises:
            RunError: if it is no plan of velbo's.
            ConfigError: for a value of another type or an unknown key; the message says where.
        """
        versions = d.get("versions") if isinstance(d, dict) else None
        if not isinstance(versions, dict) or "velbo" not in versions:
            raise RunError(f"{where} was not written by velbo")
        plan = from_json(cls, d, where)
        require_sound(plan.schema, f"{where}: schema")
        NEIGHBORS.check(f"{where}: n_neighbors", plan.n_neighbors)
        if plan.n_parameters is not None:
            PARAMETERS.check(f"{where}: n_parameters", plan.n_parameters)
        return plan

    @classmethod
    def from_json(cls, d: Any, where: str = "config.json") -> Plan:
        """A plan, all parts of which are there and go together.

        Raises:
            RunError: if it is no plan of velbo's.
            ConfigError: for a value of another type or an unknown key, or names that leave something open; the message
                says where.
        """
        from .models import require_closed

        plan = cls.facts(d, where)
        require_closed(plan.schema, plan.recipe)
        plan.make_objective()
        return plan

    @cached_property
    def encoding(self) -> Encoding:
        """What x is."""
        from .models import encoding

        return encoding(self.schema, self.recipe)

    def build(self, model: Maker | str | None = None) -> AnyModel:
        """The untrained model; its initial weights are a function of the seed.

        Args:
            model: what makes it, where the recipe is an import path: that path once more, or the function.

        Raises:
            ConfigError: for such a recipe without it, since a plan may have been read from a file.
        """
        from .models import seeded

        return seeded(self.schema, self.recipe, self.training.machine.seed, model)

    def make_objective(self) -> Objective:
        """Terms -> bound."""
        from ..objectives import make_objective

        return make_objective(**as_json(self.objective))
