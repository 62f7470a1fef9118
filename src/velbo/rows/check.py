"""What must hold of a schema that was read from a file, beside the types of its values: who edits one, or sends one,
may write what no data would have given.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..limits import Limits, shown
from .arrow import type_of
from .constraints import Combination, Constraint
from .constraints.combination import MOST
from .constraints.linear import RELATIONS
from .constraints.reading import are_numbers
from .containers import CONTAINERS
from .digits import WIDTH
from .field import Field
from .kinds import kind_of
from .kinds.byte import MAX_LEVELS
from .schema import Schema

STATISTICS = ("low", "high", "mean", "location", "scale")
LEVELS, MISSING = Limits(2, MAX_LEVELS), Limits(0, 2**62)
MAX_NAME = 10_000


def require_sound(schema: Schema, where: str) -> None:
    """
    Args:
        schema: of the types of its values.
        where: names its place in messages.

    Raises:
        ConfigError: if its values contradict each other, or are none that data have.
    """
    for name, n in Counter(f.name for f in schema.fields).items():
        if n > 1:
            raise ConfigError(f"{where}: two fields are called {shown(name)}; give each a name of its own")
    if schema.container not in {container.name for container in CONTAINERS}:
        raise ConfigError(f"{where}: rows come in no container of the name {shown(schema.container)}")
    for field in schema.fields:
        if wrong := _wrong(field):
            raise ConfigError(f"{where}: field {shown(field.name)}: {wrong}; restore the file, or fit again")
    for constraint in schema.constraints.all:
        if wrong := _wrong_constraint(constraint, schema):
            raise ConfigError(f"{where}: constraint {shown(constraint.text)}: {wrong}; restore the file, or fit again")


def _wrong(field: Field) -> str:
    """What is wrong with a field; nothing if nothing is."""
    kind_of(field)
    LEVELS.check("levels", field.levels)
    MISSING.check("n_missing", field.n_missing)
    if len(field.name) > MAX_NAME:
        return f"its name has {len(field.name):,} letters, and {MAX_NAME:,} are the most"
    for name in ("frequent", "repeated"):
        if not all(np.isfinite(getattr(field, name))):
            return f"{name} holds a number that is not finite"
    if len(set(map(repr, field.categories))) < len(field.categories):
        return "its categories hold a value twice"
    if field.kind in ("categorical", "ordinal") and not field.categories:
        return f"it is of kind {field.kind} and has no categories"
    if field.counts and not (
        len(field.counts) == len(field.categories) and 0 <= min(field.counts) <= max(field.counts) < 2**53
    ):
        return "counts does not tell how often each of its categories was seen"
    return _wrong_type(field) or _wrong_statistics(field)


def _wrong_constraint(constraint: Constraint, schema: Schema) -> str:
    """What is wrong with a constraint; nothing if nothing is."""
    fields = [f for f in schema.modelled if f.name in constraint.columns]
    if not fields or len(fields) != len(constraint.columns) or any(f.shape for f in fields):
        return "it names a column that is not modelled, or one twice"
    if isinstance(constraint, Combination):
        rows = constraint.values
        is_table = 0 < len(rows) <= MOST and all(len(row) == len(fields) for row in rows)
        is_sound = is_table and np.isfinite(rows).all() and _are_codes(np.array(rows), constraint, schema)
        return "" if is_sound else "its values are no combinations of these columns"
    if constraint.relation not in RELATIONS:
        return f"its relation {shown(constraint.relation)} is none of {', '.join(RELATIONS)}"
    numbers = np.array([*constraint.coefficients, constraint.constant])
    if len(numbers) != len(fields) + 1 or not np.isfinite(numbers).all() or not numbers[:-1].all():
        return "it needs a coefficient for each column, a finite number that is not 0"
    return "" if all(are_numbers(f) for f in fields) else "it compares names"


def _are_codes(values: Any, constraint: Combination, schema: Schema) -> bool:
    """Whether values of columns with categories are codes of theirs."""
    sizes = np.array([schema.field(name).n_categories or np.inf for name in constraint.columns])
    coded = values[:, np.isfinite(sizes)]
    return bool(((coded >= 0) & (coded < sizes[np.isfinite(sizes)]) & (coded % 1 == 0)).all())


def _wrong_type(field: Field) -> str:
    try:
        type_of(field.dtype)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return f"its type {shown(field.dtype)} is none of Arrow's ({str(error).splitlines()[0]:.60})"
    return ""


def _wrong_statistics(field: Field) -> str:
    for name in STATISTICS:
        said = np.asarray(getattr(field, name), np.float64)
        if said.shape not in ((), (field.size,)):
            return f"{name} holds {said.size} numbers, and the field has {field.size} cells"
        if not np.isfinite(said).all():
            return f"{name} holds a number that is not finite"
    if any(len(row) != WIDTH or min(row[1:]) < 0 or not 0 < sum(row[1:]) < 2**53 for row in field.digits):
        return "digits holds a row that does not count numbers"
    if not (field.each("scale") > 0).all():
        return "scale holds a number that is not positive"
    if not (field.each("low") <= field.each("high")).all():
        return "low is above high"
    return ""
