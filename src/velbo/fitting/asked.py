"""What a user asks for beside rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from ..build import Asked, DataRecord
from ..config import ObjectiveConfig, Recipe, TrainingConfig
from ..errors import unknown
from ..rows import Schema


class Options(TypedDict, total=False):
    """What `plan` and `fit` may be asked for beside a recipe.

    Attributes:
        objective: the bound, an `ObjectiveConfig` or a name as in it; auto if not given.
        training: budget and the rest.
        columns: field -> kind, "kind:likelihood", ":likelihood" or "drop", where the guess is to be another.
        kind: of all other fields.
        levels: of fields of kind byte.
        constraints: what holds between columns and is kept in all rows that are made: "start <= end", "a + b = c",
            "city with country" (fixed combinations); see `velbo.rows.constraints`.
        schema: of the rows; then nothing is inferred.
        source: where the rows come from, for `velbo resume`.
        anomalies: learn what most rows are like, so that anomalous ones do not bend the model.
    """

    objective: ObjectiveConfig | str | None
    training: TrainingConfig | None
    columns: Mapping[str, str] | None
    kind: str | None
    levels: int | None
    constraints: Sequence[str]
    schema: Schema | None
    source: str
    anomalies: bool


def asked_for(recipe: Recipe | str | None, options: Options) -> Asked:
    """Recipe and options as one value.

    Raises:
        ConfigError: for an option of no known name.
    """
    for name in options:
        if name not in Options.__annotations__:
            raise unknown("option", name, Options.__annotations__)
    objective = options.get("objective")
    return Asked(
        recipe=Recipe(recipe) if isinstance(recipe, str) else recipe or Recipe(),
        objective=ObjectiveConfig(objective) if isinstance(objective, str) else objective or ObjectiveConfig(),
        training=options.get("training") or TrainingConfig(),
        columns=dict(options.get("columns") or {}),
        kind=options.get("kind"),
        levels=options.get("levels"),
        constraints=tuple(options.get("constraints", ())),
        schema=options.get("schema"),
        data=DataRecord(options.get("source", "")),
        anomalies=options.get("anomalies", False),
    )
