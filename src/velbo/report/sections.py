"""What the page says, section by section: a subject -> elements. A section that has nothing to say is None."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..build import made_of
from ..build.size import n_parameters
from ..doctor import diagnose, examine
from ..errors import VelboError
from ..evaluation.samples import two_sample_test
from ..evaluation.synthetic import features, pair_quality, privacy
from ..files import as_json
from ..rows import Field
from .calibration import calibration
from .cells import Cell
from .columns import columns, pairs
from .html import Html, bullets, definitions, paragraph, picture, table, tag
from .latents import latents
from .learning import kl, learning_curve
from .missingness import missing
from .pictures import VERDICTS
from .reconstructions import reconstructions
from .residuals import residuals, shortfall, worst_rows
from .samples import samples
from .subject import SAMPLES, Subject, Values

MOST_FIELDS, MOST_COMPARED, REASONS, CLEAR = 60, 40, 3, 1.0


@dataclass(frozen=True)
class Material:
    """What a page is made of.

    Attributes:
        subject: model and rows.
        about: what the rows are, to be read after "measured on".
        labels: of the rows, (N,); None if none are known.
        label: what they are.
        thorough: whether classifiers are trained to tell what is made from what is real, which takes long.
        numbered: the data that row numbers count in.
        unseen: whether the rows had no part in training at all, so that they can tell a leak.
    """

    subject: Subject
    about: str = ""
    labels: NDArray[Any] | None = None
    label: str = ""
    thorough: bool = True
    numbered: str = "the data"
    unseen: bool = True


Section = Callable[[Material], Iterator[Html]]


# what was given, and what was made of it


def data(m: Material) -> Iterator[Html]:
    """What the fields are, and what is in doubt."""
    schema, record = m.subject.model.schema, m.subject.model.plan.data
    source = f", from {record.source}" if record.source else ""
    yield paragraph(f"Trained on {record.n_rows:,} rows of {schema.describe()}{source}.")
    doubts = schema.doubts()
    if doubts:
        yield paragraph("In doubt, and how to say otherwise:")
        yield bullets(doubts)
    records = schema.records()
    head = ("field", "type", "kind", "likelihood", "values", "missing", "why")
    keys = ("field", "type", "kind", "likelihood", "values", "missing", "reason")
    body = [[record[key] for key in keys] for record in records[:MOST_FIELDS]]
    yield table(head, body, ("name", "", "", "", "name", "n", "say"))
    if len(records) > MOST_FIELDS:
        yield paragraph(f"{len(records) - MOST_FIELDS} further fields: velbo info RUN --json has all.", class_="soft")
    if np.isnan(m.subject.numbers).any():
        yield picture(missing(m.subject), "Share of missing cells of each column, and the patterns they make")


def model(m: Material) -> Iterator[Html]:
    """What it is made of, and why."""
    plan = m.subject.model.plan
    parameters = n_parameters(m.subject.model.model)
    yield paragraph(f"{made_of(plan)}.")
    yield definitions([("numbers that are learned", f"{parameters:,}"), *((k, v) for k, v in plan.choices.items())])
    said = {k: v for group in as_json(plan.training).values() for k, v in group.items() if v not in (None, False, 0)}
    yield paragraph(
        "Training: " + ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in said.items()) + ".", class_="soft small"
    )
    if m.subject.model.given:
        yield paragraph(
            f"Given: {', '.join(m.subject.model.given)}. Every figure is one of the other fields given these."
        )


def learning(m: Material) -> Iterator[Html]:
    """How training went."""
    metrics = m.subject.metrics
    if metrics and "train_bound" in metrics[-1]:
        split = "validation" if "validation_bound" in metrics[-1] else "train"
        best = max(metrics, key=lambda line: line[f"{split}_bound"])
        rows = "held-out rows" if split == "validation" else "training rows"
        yield paragraph(
            f"The bound of {rows} was highest in epoch {best['epoch']} of {metrics[-1]['epoch']}, at "
            f"{best[f'{split}_bound']:.3f} nats; these weights were kept. Higher is better."
        )
        yield picture(learning_curve(m.subject), "The bound and its terms against epochs, and the rate")


# what it is worth


def bounds(m: Material) -> Iterator[Html]:
    """Bounds and their meaning."""
    e = m.subject.evaluation
    given = f" given {', '.join(m.subject.model.given)}" if m.subject.model.given else ""

    def with_error(value: float, error: float | None = None) -> str:
        return f"{value:.3f}" + (f" ± {error:.3f}" if error is not None and error == error else "")

    body = [
        (
            "ELBO",
            with_error(e.elbo, e.elbo_se),
            f"A lower bound of log p(x{given}): the mean over rows, in nats of the data.",
        ),
        ("reconstruction", with_error(e.reconstruction), "E_q[log p(x|z)]: how well z tells the row."),
        ("rate", with_error(e.rate), "KL(q(z|x) || p(z)): nats that z holds of a row. ELBO = reconstruction - rate."),
        (
            "log-likelihood",
            with_error(e.log_likelihood, e.log_likelihood_se),
            f"A tighter lower bound of the same, by {e.samples} importance samples; the difference to the ELBO is part "
            "of what the encoder loses.",
        ),
        ("bits per dimension", with_error(e.bits_per_dim), "-log p / (n log 2) of n observed cells: lower is better."),
        (
            "active latents",
            f"{e.active_units} of {e.latent}",
            "Latents whose mean varies over rows: the others are not used.",
        ),
    ]
    yield table(("", "nats", "meaning"), body, ("name", "n", "say"))
    yield paragraph(
        "± is one standard error over rows. A density depends on the unit of the data, a mass does not.",
        class_="soft small",
    )
    yield picture(kl(m.subject), "KL of each latent, in nats")


def findings(m: Material) -> Iterator[Html]:
    """What the doctor says."""
    s = m.subject
    rows = s.model.schema.new
    train = None if s.train is None else rows(s.train)
    found = examine(s.model, rows(s.numbers), train, [dict(line) for line in s.metrics], SAMPLES, s.seed, m.thorough)
    for finding in diagnose(found):
        mark = VERDICTS[finding.verdict][1]
        verdict = tag("span", f"{mark} {finding.verdict}", class_=f"verdict {finding.verdict}")
        yield paragraph(verdict, " ", tag("b", finding.question), f": {finding.figure}.")
        if finding.advice:
            yield paragraph(f"Try: {finding.advice}.", class_="soft small")


def calibrated(m: Material) -> Iterator[Html]:
    """Is p(x|z) as wide as the data?"""
    yield paragraph(
        "Of all cells, a share t should lie below the t-quantile that p(x|z) gives for them: on the diagonal."
    )
    yield picture(calibration(m.subject), "Share of cells below each predicted quantile, the furthest off by name")


def latent_space(m: Material) -> Iterator[Html]:
    """Where rows lie."""
    yield picture(latents(m.subject, m.labels, m.label), "Rows on a map of the latents")


def reconstructed(m: Material) -> Iterator[Html]:
    """Rows as the model sees them."""
    yield picture(reconstructions(m.subject), "Rows and their reconstructions", photo=bool(m.subject.images))


def anomalous(m: Material) -> Iterator[Html]:
    """The rows that fit worst, and why."""
    s = m.subject
    yield paragraph(f"The rows of lowest {s.usual_name}, of {len(s.numbers):,}; row 0 is the first of {m.numbered}.")
    if s.model.schema.is_table:
        found = shortfall(s)
        body = [
            (str(s.number(row)), f"{score:.2f}", _reasons(found.cells, found.v[i], found.nats[i]))
            for i, (row, score) in enumerate(zip(found.rows, found.score, strict=True))
        ]
        yield table(("row", f"{s.usual_name}, nats", "what is unlikely given the rest"), body, ("n", "n", "say"))
    else:
        yield paragraph(
            "; ".join(f"row {s.number(row)}: {s.usual[row]:.1f} nats" for row in worst_rows(s)), class_="soft small"
        )
    yield picture(residuals(s), "The most anomalous rows and what is anomalous in them", photo=bool(s.images))


def _reasons(cells: Sequence[Cell], v: Values, nats: Values) -> str:
    order = [d for d in np.argsort(-np.nan_to_num(nats, nan=-np.inf), kind="stable")[:REASONS] if nats[d] > CLEAR]
    if not order:
        return "no cell by itself: the row as a whole"
    return "; ".join(f"{cells[d].name} = {cells[d].text(v[d])} ({nats[d]:.1f} nats below the usual)" for d in order)


def made(m: Material) -> Iterator[Html]:
    """New rows: images by themselves, columns beside real ones."""
    s = m.subject
    if s.images:
        yield picture(samples(s), "New images", photo=True)
    if s.columns or s.vectors:
        yield picture(columns(s), "Each column, real beside synthetic")
        if len(s.columns) > 1 or any(f.size > 1 for f in s.vectors):
            yield picture(pairs(s), "Associations of columns, real and synthetic")
    if s.model.schema.is_table:
        yield from _compared(m)


def _compared(m: Material) -> Iterator[Html]:
    """A table against its new rows: told from, associated alike, given away?"""
    s = m.subject
    fields = s.model.schema.modelled[:MOST_COMPARED]
    at = [s.places(f).start for f in fields]
    real, fake, train = s.numbers[:, at], s.synthetic[:, at], None if s.train is None else s.train[:, at]
    said = []
    if m.thorough:
        test = two_sample_test(features(real, fields), features(fake, fields, real), s.seed)
        said.append(
            f"A classifier tells synthetic rows from real ones with an AUC of {test.auc:.3f} (0.5 is guessing; p-value "
            f"of equal tables {test.p_value:.2g})."
        )
    found = pair_quality(real, fake, fields, seed=s.seed)
    if found.count:
        said.append(
            f"Associations of {found.count} pairs of columns differ by {found.mean:.3f} on average; those of two real "
            f"samples by {found.mean_by_chance:.3f}."
        )
    said += _privacy(m, fields, real, fake, train)
    yield bullets(said)


def _privacy(m: Material, fields: Sequence[Field], real: Values, fake: Values, train: Values | None) -> Iterator[str]:
    if train is None:
        yield "Privacy: only beside rows that it was trained on and others can it be seen whether it gives rows away."
        return
    leak = privacy(train, fake, real, fields, rows=len(real), seed=m.subject.seed)
    yield (
        f"Privacy: {leak.closer:.1%} of synthetic rows are closer to training than to other rows (no leak: 50.0% ± "
        f"{leak.closer_error:.1%}; p-value {leak.closer_p_value:.2g}). {leak.copies_training} of {leak.synthetic:,} "
        f"are copies of training rows, {leak.copies_holdout} of the others."
    )
    if not m.unseen:
        yield "These other rows chose the best weights, so that a leak looks a little smaller than it is."


SECTIONS: tuple[tuple[str, Section], ...] = (
    ("Data", data),
    ("Model", model),
    ("Learning", learning),
    ("Bounds", bounds),
    ("Findings", findings),
    ("Calibration", calibrated),
    ("Latents", latent_space),
    ("Reconstructions", reconstructed),
    ("Anomalous rows", anomalous),
    ("New rows", made),
)


def refused(error: VelboError) -> Html:
    """A section that does not apply, or could not be made."""
    return paragraph(f"Left out: {error}.", class_="soft")
