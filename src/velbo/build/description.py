"""What a model is made of and was trained on, for people: lines with a name each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..files import as_json
from ..tables import text_of
from .own import is_own
from .plan import Plan


def made_of(plan: Plan) -> str:
    """The model and its bound in a line."""
    recipe, objective = plan.recipe, plan.objective
    likelihoods = dict.fromkeys(f.likelihood for f in plan.schema.modelled if f.likelihood)
    # parts of a user's own are not what the other values of a recipe say
    parts = f"{recipe.latent} latents"
    if not is_own(recipe.recipe):
        widths, groups = (",".join(map(str, numbers)) for numbers in (recipe.hidden, recipe.groups))
        parts += f" above groups of {groups}" if groups else ""
        parts = f"hidden {widths}, {parts}, posterior {recipe.posterior}, prior {recipe.prior}"
    return (
        f"{recipe.recipe}, {parts}, likelihood {', '.join(likelihoods)}; objective {objective.objective} with "
        f"{objective.samples} sample(s)"
    )


def made_for(plan: Plan) -> str:
    """The rows in a line."""
    return f"{plan.data.n_rows} rows of {plan.schema.describe()}"


def privacy_of(plan: Plan, spent: float | None = None) -> str:
    """epsilon and delta of private training in a line; empty of any other.

    Args:
        plan: of it.
        spent: epsilon of the steps that were made, where they are known; that of all that are planned, if not.
    """
    p = plan.training.privacy
    if not p.is_asked:
        return ""
    of = f"epsilon {p.epsilon:g} at most" if spent is None else f"epsilon {spent:.4g} spent of {p.epsilon:g}"
    return of if p.delta is None else f"{of}, at delta {p.delta:.3g}"


def description(plan: Plan) -> dict[str, str]:
    """Name -> what the plan says, in the order in which it is read; empty where it says nothing."""
    return {
        "data": made_for(plan),
        "source": plan.data.source,
        "given": ", ".join(plan.recipe.condition),
        "constraints": ", ".join(plan.schema.constraints.texts),
        "model": made_of(plan),
        "training": _said(as_json(plan.training)),
        "chosen": "; ".join(f"{name} {why}" for name, why in plan.choices.items()),
        "privacy": privacy_of(plan),
        "made by": _said(plan.versions),
    }


def _said(values: Mapping[str, Any]) -> str:
    """Settings in a line, but those of which nothing was said."""
    plain = {name: value for name, value in _flat(values) if value not in (None, False)}
    return ", ".join(f"{name} {text_of(value)}" for name, value in plain.items())


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names and values, those of what lies in it too."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value)
        else:
            yield name, value
