"""The card of a model, README.md of its run folder: what a stranger must know before they use it. It is Markdown with
the front matter that the Hugging Face Hub reads, made of the plan and of figures that are known; nothing is computed.

Names and values come from data and may hold anything: every one is escaped, so that none can be a link, a heading, an
image or a cell of its own.

Source of the sections: Model cards for model reporting, Mitchell, Wu, Zaldivar, Barnes, Vasserman, Hutchinson, Spitzer,
Raji and Gebru, 2019, https://arxiv.org/abs/1810.03993.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from string import punctuation
from typing import Any

from . import __version__
from .build import Plan, is_own, privacy_of
from .evaluation import Evaluation
from .files import as_json
from .training.covered import NOT_COVERED, rate_of
from .training.run import MARK

LINE = f"{MARK} Take this line out, and velbo leaves the file as it is. -->"
MOST_FIELDS, MOST_LETTERS = 200, 80
OPEN = None, False, 0, 0.0, (), [], ""
"""Values of settings that say nothing."""
COLUMNS = ("field", "kind", "likelihood", "values", "missing")
FRONT = """---
library_name: velbo
tags:
- velbo
- variational-autoencoder
- density-estimation
- {sort}
---
"""


def card(plan: Plan, metrics: Sequence[Mapping[str, Any]] = (), evaluation: Evaluation | None = None) -> str:
    """The text.

    Args:
        plan: of the model.
        metrics: of its training, one record an evaluation.
        evaluation: of the finished model, if there is one: its figures come with their errors.
    """
    sort = "tabular" if plan.schema.is_table else "image" if plan.schema.images() else "arrays"
    of = "images, " if sort == "image" else ""
    sections = [
        FRONT.format(sort=sort) + LINE,
        f"# Variational autoencoder of {of}{escaped(plan.schema.describe())}",
        f"{what_for(plan)} Made with velbo {__version__}.",
        "## Data\n\n" + _data(plan),
        "## Model\n\n" + _model(plan),
        *(["## Privacy\n\n" + _privacy(plan, metrics)] if plan.training.privacy.is_asked else []),
        "## Figures\n\n" + _figures(plan, metrics, evaluation),
        "## How to use it\n\n" + _use(plan),
        "## Limits\n\n" + "\n".join(f"- {limit}" for limit in _limits(plan)),
    ]
    return "\n\n".join(sections) + "\n"


def escaped(text: object) -> str:
    """Any text as one that Markdown shows letter by letter, in one line."""
    plain = str(text)
    shown = plain if len(plain) <= MOST_LETTERS else f"{plain[:MOST_LETTERS]}..."
    letters = (c if c.isprintable() else repr(c)[1:-1].replace("'", "") for c in shown)
    return "".join(f"\\{c}" if c in punctuation and c not in ".,%-" else c for c in "".join(letters))


def what_for(plan: Plan) -> str:
    """One sentence."""
    given = _given(plan)
    if given:
        return f"A model of the other fields given {given}: embeddings, scores, fillings and new rows."
    if _are_images(plan):
        return "A model of images: embeddings, scores of images and pixels, fillings of missing pixels and new images."
    return "A model of whole rows: embeddings, scores of rows and cells, fillings of missing cells and new rows."


def _are_images(plan: Plan) -> bool:
    """Whether rows are images and nothing beside."""
    return len(plan.schema.modelled) == len(plan.schema.images()) == 1


def _given(plan: Plan) -> str:
    names = [escaped(name) for name in plan.recipe.condition]
    return ", ".join([*names, "the library size"] if plan.recipe.library_size else names)


def _data(plan: Plan) -> str:
    source = f" of {escaped(PurePath(plan.data.source).name)}" if plan.data.source else ""
    records = plan.schema.records()
    shown = [{name: _cell(r, name) for name in COLUMNS} for r in records[:MOST_FIELDS]]
    more = f"\n\nand {len(records) - MOST_FIELDS:,} more fields." if len(records) > MOST_FIELDS else ""
    return f"{plan.data.n_rows:,} rows{source}, fingerprint {escaped(plan.data.fingerprint)}.\n\n{_table(shown)}{more}"


def _cell(record: Mapping[str, str], name: str) -> str:
    """Of a field; the kind of an array stands behind its shape, as in 8 x 8 byte."""
    shape, is_array, _ = record["type"].rpartition(" ")
    return f"{shape} {record[name]}" if name == "kind" and is_array else record[name]


def _table(records: Sequence[Mapping[str, Any]]) -> str:
    names = list(records[0])
    rows = [names, ["---"] * len(names), *([escaped(r[name]) for name in names] for r in records)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _model(plan: Plan) -> str:
    recipe = {k: v for k, v in as_json(plan.recipe).items() if v not in (*OPEN, "at-random")}
    objective = {k: v for k, v in as_json(plan.objective).items() if v}
    told = [
        f"Recipe: {_named(recipe, 'recipe')}.",
        f"Maximised: {_named(objective, 'objective')}.",
        f"Training: {_settings(_flat(as_json(plan.training)))}.",
        *(f"{escaped(name)}: {escaped_long(why)}." for name, why in plan.choices.items()),
        f"Versions: {_settings(plan.versions)}.",
    ]
    return "\n".join(f"- {line}" for line in told)


def _privacy(plan: Plan, metrics: Sequence[Mapping[str, Any]]) -> str:
    p, spent = plan.training.privacy, metrics[-1].get("epsilon") if metrics else None
    return (
        f"The weights were trained by DP-SGD: {escaped(privacy_of(plan, spent))}, for a row added or removed, by "
        f"opacus' accountant of Renyi divergences. Gradients of rows were shortened to {escaped(f'{p.row_clip:g}')}; "
        f"each step had noise of {escaped(f'{p.noise:.4g}')} times that, on a random "
        f"{escaped(f'{rate_of(plan.training, plan.data.n_rows):.3g}')} of the rows.\n\n{escaped_long(NOT_COVERED)}"
    )


def escaped_long(text: object) -> str:
    """A sentence of velbo's own, which may hold names."""
    plain = str(text)
    return "".join(escaped(plain[at : at + MOST_LETTERS]) for at in range(0, len(plain), MOST_LETTERS))


def _settings(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{escaped(name)} {escaped(_shown(value))}" for name, value in values.items())


def _named(values: Mapping[str, Any], name: str) -> str:
    """One of them, and the others by their names."""
    others = _settings({k: v for k, v in values.items() if k != name})
    return ", ".join(part for part in (escaped(values[name]), others) if part)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _flat(groups: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {k: v for group in groups.values() for k, v in group.items() if v not in (None, False)}


def _figures(plan: Plan, metrics: Sequence[Mapping[str, Any]], evaluation: Evaluation | None) -> str:
    given = f" Log p is that of the other fields given {_given(plan)}." if _given(plan) else ""
    unit = f"Nats a row, in the units of the data; higher is better.{given}"
    if evaluation is not None:
        return f"{unit}\n\n{_table(_of_evaluation(evaluation))}"
    if not metrics or not {"train_bound", "validation_bound"} & metrics[-1].keys():
        return f"None are known. `velbo evaluate RUN DATA` gives them. {unit}"
    prefix = "validation" if "validation_bound" in metrics[-1] else "train"
    best = max(metrics, key=lambda m: m.get(f"{prefix}_bound", -math.inf))
    on = "rows held out of training" if prefix == "validation" else "the training rows: none were held out"
    rows = [
        {"figure": name, "value": f"{best[f'{prefix}_{key}']:.6g}", "standard error": "not known"}
        for name, key in (("bound", "bound"), ("reconstruction", "reconstruction"), ("rate", "rate"))
        if isinstance(best.get(f"{prefix}_{key}"), int | float)
    ]
    after = f"By training's own bound, {escaped(plan.objective.objective)}, on {on}, after epoch {best.get('epoch')}."
    return f"{unit} {after} `velbo evaluate RUN DATA` gives figures with errors.\n\n{_table(rows)}"


def _of_evaluation(e: Evaluation) -> list[dict[str, Any]]:
    def row(figure: str, value: float, error: float | None = None) -> dict[str, Any]:
        known = error is not None and math.isfinite(error)
        return {"figure": figure, "value": f"{value:.6g}", "standard error": f"{error:.2g}" if known else "not known"}

    return [
        row(f"log p by {e.samples} importance samples, a lower bound", e.log_likelihood, e.log_likelihood_se),
        row("evidence lower bound", e.elbo, e.elbo_se),
        row("reconstruction", e.reconstruction),
        row("rate", e.rate),
        row("bits per dimension", e.bits_per_dim),
        row("rows", e.rows),
        row("latents that carry information", e.active_units),
    ]


def _use(plan: Plan) -> str:
    own = f", model={plan.recipe.recipe!r}" if is_own(plan.recipe.recipe) and plan.recipe.recipe.isprintable() else ""
    of_rows = "model.scores(rows)           # how usual each row is, nats"
    asked = of_rows if plan.n_neighbors else "model.log_likelihood(rows)   # log p of each row, nats"
    return f"""```python
import velbo

model = velbo.TrainedModel.from_pretrained("."{own})  # this folder, or the name of a repository of the Hub
model.encode(rows)           # embeddings
{asked}
model.explain(rows)          # and which cells make it so
model.impute(rows)           # missing cells filled
model.sample(100)            # new rows
```

```
velbo score RUN DATA -o scores.csv --explain
{"velbo sample RUN -o sheet.png" if plan.schema.images() else "velbo sample RUN -o new.csv"}
velbo serve RUN
```"""


def _scores(plan: Plan) -> str:
    if plan.n_neighbors:
        n = plan.n_neighbors
        return f"Scores say how well a row's own latents and those of {n} training rows explain it, in nats."
    return "Scores are lower bounds of log p, by Monte Carlo with a fixed seed."


def _how_private(plan: Plan) -> str:
    """The end of a sentence; nothing tells it of arrays."""
    if plan.schema.is_table:
        return ": measure it with `velbo compare` before you hand them out."
    return ", and velbo has no measure of that for arrays: look at the training rows nearest to them."


def _limits(plan: Plan) -> list[str]:
    said = [
        f"{_scores(plan)} They compare rows under this model; of rows of another kind than the training rows they "
        "promise nothing.",
        "New rows follow the training rows, their errors and their unfairness among them. They are not anonymous by "
        f"themselves{_how_private(plan)}",
        f"{'Columns' if plan.schema.is_table else 'Numbers'} of new rows stay within the range of the training rows.",
    ]
    if texts := plan.schema.constraints.texts:
        said.append(f"New rows and fillings keep: {', '.join(map(escaped, texts))}. Scores do not count it.")
    if plan.schema.constraints.combinations:
        said.append("config.json holds every combination that training rows have of the columns named there.")
    if plan.schema.missing and plan.recipe.missing == "at-random":
        said.append("Which cells are missing is taken to depend on observed cells alone (missing at random).")
    if any(f.categories for f in plan.schema.modelled):
        said.append("Categories that training did not have count as missing.")
    if plan.n_neighbors:
        said.append(
            "reference.safetensors holds latents of training rows, which can be decoded into rows near to those: hand "
            "the folder out only where the rows themselves may be seen."
        )
    if is_own(plan.recipe.recipe):
        said.append(
            "The model has parts of its author's own: their code is needed to load it, and is not in this folder."
        )
    return said
