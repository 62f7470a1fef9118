"""From what is asked to a plan: everything that was left open, decided once, with the reason.

fields       their kinds, from types and values                    rows/inference.py
likelihoods  of each field: its own, that of all, or its kind's default
recipe       auto: by kind and size of the data                    auto.py
objective    auto: by whether cells are missing                    auto.py
training     batch size, learning rate, threads, precision         training/choices.py
             patience: by whether it is a table                    auto.py
anomalies    settings that anomalous rows do not bend              anomalies.py
privacy      noise by epsilon, and what would tell of rows         private.py, training/covered.py
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..checks import check_first_rows
from ..conditional import AnyModel
from ..config import ObjectiveConfig, Recipe, TrainingConfig
from ..errors import ConfigError
from ..evaluation.latents.reference import has_reference
from ..files import as_json
from ..likelihoods import LIKELIHOODS, likelihood_of
from ..objectives import make_objective
from ..rows import Field, Rows, Schema, Store, infer, rows_of
from ..rows.encoded import OnDisk
from ..rows.sparse import in_blocks
from ..runtime.devices import device_of
from ..terms import view_of
from ..training import decide
from .anomalies import N_NEIGHBORS, WHY, for_anomalies, in_few_steps, in_robust_units, numbers_as_reals
from .auto import DEFAULT_LATENTS, bound, choice, ending
from .by_order import in_order
from .declared import declared
from .models import check_condition, check_names, encoding, seeded, sized
from .own import is_own
from .plan import DataRecord, Plan
from .private import for_privacy, reopened, require_private_model
from .size import n_parameters, require_room


@dataclass(frozen=True)
class Asked:
    """What a user says; all else is decided.

    Attributes:
        recipe: the model.
        objective: the bound.
        training: budget and the rest.
        columns: field -> kind, "kind:likelihood", ":likelihood" or "drop", where the guess is to be another.
        kind: of all fields that ``columns`` does not name.
        levels: of fields of kind byte.
        constraints: what holds between columns, as in "start <= end" (see `velbo.rows.constraints`).
        schema: of the rows, where it is known; then nothing is inferred.
        data: where the rows come from, as far as it is known.
        anomalies: whether most rows shall be learned, and anomalous ones not.
        n_neighbors: k of the score, see `velbo.evaluation.reference`; 0 for log p(x), which is taken too where p(x|z)
            has no independent cells or something is given. None: as for anomalies, and 0 of other models.
    """

    recipe: Recipe = field(default_factory=Recipe)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    columns: Mapping[str, str] = field(default_factory=dict)
    kind: str | None = None
    levels: int | None = None
    constraints: tuple[str, ...] = ()
    schema: Schema | None = None
    data: DataRecord = field(default_factory=DataRecord)
    anomalies: bool = False
    n_neighbors: int | None = None


@dataclass(frozen=True)
class Prepared:
    """A plan with what was made on the way to it: rows as numbers, and the untrained model."""

    plan: Plan
    rows: Rows
    model: AnyModel


def complete(rows: Any, asked: Asked) -> Prepared:
    """Close what is open.

    Args:
        rows: of any container, or in files.
        asked: by the user.

    Raises:
        DataError: if rows are missing or not what they should be.
        SchemaError: if the kind of a field is not clear.
        ConfigError: for names that there are not, or that do not go together.
    """
    check_names(asked.recipe)
    rows = in_blocks(rows, _beside(asked))
    is_guessed = asked.schema is None
    schema, asked = _schema(rows, asked)
    numbers = rows_of(rows, schema)
    stream = isinstance(numbers, OnDisk)
    recipe, choices = closed(asked.recipe, schema, len(numbers))
    if asked.training.privacy.is_asked:
        recipe, choices = for_privacy(asked.recipe, recipe, choices)
    # a schema that is given is all that private training knows of fields
    learns = is_guessed or not asked.training.privacy.is_asked
    schema = declared(schema, asked.constraints, numbers, learns)
    if is_guessed:
        schema = in_robust_units(schema, numbers)
    if learns and recipe.recipe == "autoregressive" and not asked.recipe.order:
        recipe, why_so = in_order(recipe, schema, numbers)
        choices |= why_so
    objective, why_bound = bound(_free(schema, recipe), recipe, asked.objective)
    samples = make_objective(**as_json(objective)).samples
    own = recipe.recipe if is_own(recipe.recipe) else None
    model = seeded(schema, recipe, asked.training.machine.seed, own)
    if own:
        first = Store.from_rows(numbers.first(2), encoding(schema, recipe))
        recipe = _as_made(recipe, asked.recipe.latent, model, first)
    training, reasons = _training(asked, _free(schema, recipe), len(numbers), model)
    if training.privacy.is_asked:
        first = Store.from_rows(numbers.first(2), encoding(schema, recipe))
        keeps_rows = asked.anomalies or bool(asked.n_neighbors)
        require_private_model(model, make_objective(**as_json(objective)), first, stream, keeps_rows)
    data = replace(asked.data, n_rows=len(numbers), fingerprint=numbers.fingerprint(), stream=stream)
    require_room(schema, recipe, samples * min(training.optimisation.batch_size or 1, len(numbers)))
    why = why_bound | ({"anomalies": WHY} if asked.anomalies else {})
    plan = Plan(schema, recipe, replace(objective, samples=samples), training, data, choices | reasons | why)
    n_neighbors = _n_neighbors(asked, plan, model, numbers)
    return Prepared(replace(plan, n_neighbors=n_neighbors, n_parameters=n_parameters(model)), numbers, model)


def _training(asked: Asked, free: list[Field], n_rows: int, model: AnyModel) -> tuple[TrainingConfig, dict[str, str]]:
    """Training with nothing open, and why."""
    training, why = ending(free, asked.training, n_rows)
    device = device_of(training.machine.device)
    if asked.anomalies:
        training = in_few_steps(training, n_rows, model, device)
    training, reasons = decide(training, n_rows, model, device)
    return training, reasons | why


def _beside(asked: Asked) -> list[str]:
    """Columns beside a sparse matrix that are asked for."""
    if asked.schema is not None:
        return [f.name for f in asked.schema.modelled]
    return [*(name for name, kind in asked.columns.items() if kind != "drop"), *asked.recipe.condition]


def _n_neighbors(asked: Asked, plan: Plan, model: AnyModel, rows: Rows) -> int:
    """k of the score, where the model can have such a one."""
    n = asked.n_neighbors if asked.n_neighbors is not None else N_NEIGHBORS if asked.anomalies else 0
    if not n or plan.recipe.condition or plan.recipe.library_size:
        return 0
    return n if has_reference(model, Store.from_rows(rows.first(1), plan.encoding)) else 0


def _as_made(recipe: Recipe, latent: int | None, model: AnyModel, rows: Store) -> Recipe:
    """A recipe of one's own with the number of latents that its model has.

    Raises:
        ConfigError: if a part of the model gives another shape than it should, or another number was asked for.
    """
    check_first_rows(model, rows)
    n_latents = view_of(model, rows.fixed(0)).prior().event_shape[0]
    if latent not in (None, n_latents):
        raise ConfigError(
            f"latent {latent} was asked for, and recipe '{recipe.recipe}' gives {n_latents} latents; let it use "
            "recipe.n_latents, or leave latent out"
        )
    return replace(recipe, latent=n_latents)


def as_before(before: Plan, asked: Asked) -> Asked:
    """What was asked, with what it leaves at its default as in an earlier plan.

    Raises:
        ConfigError: if the earlier plan names parts from elsewhere and what was asked does not.
    """
    path = before.recipe.recipe
    if is_own(path) and asked.recipe.recipe == "auto":
        raise ConfigError(
            f"the parts of that model are made by '{path}', and velbo runs no code that a file names; if that module "
            f"is yours, say so: --recipe {path}"
        )
    columns = {f.name: f"{f.kind}:{f.likelihood}".rstrip(":") for f in before.schema.fields}
    old = reopened(before.training, before.choices, asked.training.privacy.is_asked)
    groups = {f.name: _over(getattr(old, f.name), getattr(asked.training, f.name)) for f in fields(TrainingConfig)}
    return replace(
        asked,
        recipe=_over(before.recipe, asked.recipe),
        objective=_over(before.objective, asked.objective),
        training=TrainingConfig(**groups),
        columns=columns,
        constraints=asked.constraints or before.schema.constraints.texts,
        n_neighbors=before.n_neighbors or None if asked.n_neighbors is None else asked.n_neighbors,
    )


def _over(old: Any, new: Any) -> Any:
    """A group of settings with those of ``new`` that are not the defaults."""
    default = type(new)()
    said = {f.name: getattr(new, f.name) for f in fields(new) if getattr(new, f.name) != getattr(default, f.name)}
    return replace(old, **said)


# fields


def _schema(rows: Any, asked: Asked) -> tuple[Schema, Asked]:
    if asked.schema is not None:
        return settled(asked.schema, asked.recipe), asked
    columns = dict(asked.columns)
    schema = infer(rows, columns, asked.kind, asked.levels)
    if asked.anomalies:
        columns = {**numbers_as_reals(schema), **columns}
        schema, asked = infer(rows, columns, asked.kind, asked.levels), for_anomalies(asked, schema)
    others = _kinds_for(asked.recipe, schema)
    if others:
        schema = infer(rows, {**columns, **others}, asked.kind, asked.levels)
    return settled(schema, asked.recipe), asked


def _kinds_for(recipe: Recipe, schema: Schema) -> dict[str, str]:
    """Fields whose guessed kind does not suit the likelihood that is asked for all -> the first kind that does."""
    if recipe.likelihood == "auto":
        return {}
    kinds = LIKELIHOODS[recipe.likelihood].suits()
    guessed = [f for f in _free(schema, recipe) if f.reason != "as given" and not f.likelihood]
    # a density of two values has no finite optimum; who wants it says so: kind real
    return {f.name: kinds[0] for f in guessed if f.kind not in kinds and f.kind != "binary"}


def _free(schema: Schema, recipe: Recipe) -> list[Field]:
    """Fields that are modelled and not given."""
    return [f for f in schema.modelled if f.name not in recipe.condition]


def settled(schema: Schema, recipe: Recipe) -> Schema:
    """With the likelihood of every field named; given ones have none.

    Raises:
        ConfigError: for a likelihood of no known name, or one that does not suit its field's kind.
    """
    free = {f.name for f in _free(schema, recipe)}
    named = (
        replace(f, likelihood=likelihood_of(f, recipe.likelihood) if f.name in free else "") for f in schema.fields
    )
    return replace(schema, fields=tuple(named))


# the model


def closed(recipe: Recipe, schema: Schema, n_rows: int) -> tuple[Recipe, dict[str, str]]:
    """A recipe with nothing left open, for so many rows, and why.

    Raises:
        ConfigError: for names that there are not, or that do not go together.
    """
    check_names(recipe)
    check_condition(schema, recipe)
    if (recipe.condition or recipe.library_size) and recipe.refine:
        raise ConfigError("refine is for models without a condition; leave one of them out")
    coded = [f.name for f in schema.modelled if f.categories]
    if coded and recipe.prior == "vamp":
        raise ConfigError(
            f"prior 'vamp' learns its pseudo-inputs by gradients, which categories such as those of '{coded[0]}' do "
            "not have; take prior 'mixture' or 'real-nvp'"
        )
    choices: dict[str, str] = {}
    if recipe.recipe == "auto":
        taken = choice(_free(schema, recipe), recipe, n_rows)
        recipe = replace(
            recipe,
            recipe=taken.recipe,
            hidden=recipe.hidden or taken.hidden,
            latent=recipe.latent or taken.latent,
            prior=taken.prior if recipe.prior == "auto" else recipe.prior,
        )
        choices["recipe"] = f"{recipe.recipe} with prior {recipe.prior}: {taken.why}"
    if is_own(recipe.recipe):  # which has a prior and widths of its own
        return replace(recipe, latent=recipe.latent or DEFAULT_LATENTS), choices
    recipe = sized(schema, recipe)
    prior = "standard" if recipe.prior == "auto" else recipe.prior
    return replace(recipe, prior=prior, latent=recipe.latent or DEFAULT_LATENTS), choices
