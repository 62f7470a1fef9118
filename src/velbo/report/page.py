"""One page of a trained model: what the data are, what the model is, what it is worth, and what its rows look like.

It is made of a bounded number of rows. With an allowance of seconds, as after a fit, the rows are as many as it pays
for, measured on the first ten, and the sections that come when it is used up are left out by name.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import VelboError, need
from ..evaluation import score_rows
from ..files import write_text
from ..rows.labels import labels_of
from ..trained_model import TrainedModel
from .html import Html, page, paragraph, tag
from .sections import SECTIONS, Material, refused
from .subject import SAMPLES, Subject, Values

MOST_ROWS, LEAST_ROWS, PROBED = 500, 30, 10
SHARE_FOR_SCORES = 0.15
"""Of an allowance of seconds: scores of rows are computed once here, a few times by the doctor."""

Clock = Callable[[], float]


@dataclass(frozen=True)
class Allowance:
    """Seconds that a page may take.

    Attributes:
        seconds: how many.
        clock: seconds since some moment.
        start: by the clock.
    """

    seconds: float
    clock: Clock
    start: float

    @classmethod
    def of(cls, seconds: float, clock: Clock = time.monotonic) -> Allowance:
        return cls(seconds, clock, clock())

    @property
    def is_used_up(self) -> bool:
        return self.clock() - self.start > self.seconds

    def rows(self, subject: Subject) -> int:
        """How many rows it pays for, 30 to 500."""
        some, before = subject.encoded(subject.numbers[:PROBED]), self.clock()
        for _ in range(2):  # what is done once for all is no part of it
            before = self.clock()
            score_rows(subject.model.model, some, SAMPLES, seed=subject.seed)
        each = (self.clock() - before) / len(some)
        affordable = self.seconds * SHARE_FOR_SCORES / max(each, 1e-9)
        return int(min(MOST_ROWS, max(LEAST_ROWS, affordable)))


@dataclass(frozen=True)
class Numbered:
    """Rows v (N, D) float64, and their numbers in the data (N,)."""

    v: Values
    which: NDArray[np.int64]


def first_rows(subject: Subject, n: int) -> Subject:
    """The same of the first n rows, and of as many training rows."""
    train, which = (None if a is None else a[:n] for a in (subject.train, subject.which))
    return replace(subject, numbers=subject.numbers[:n], train=train, which=which)


def compose(m: Material, allowance: Allowance | None = None) -> str:
    """The page.

    Args:
        m: what it is made of.
        allowance: of seconds; no end if not given.
    """
    title = f"A model of {_name(m.subject.model)}"
    made, late = [], list[str]()
    for name, section in SECTIONS:
        if allowance is not None and allowance.is_used_up:
            late.append(name.lower())
            continue
        body = list(_guarded(section(m)))
        if body:
            made.append((name, tag("section", tag("h2", name), *body, id=_anchor(name))))
    nav = tag("nav", *(tag("a", name, href=f"#{_anchor(name)}") for name, _ in made))
    return page(title, *_head(m, title), nav, *(section for _, section in made), *_foot(m, late))


def _guarded(section: Iterator[Html]) -> Iterator[Html]:
    """What a section says, up to what does not apply to such a model."""
    try:
        yield from section
    except VelboError as error:
        yield refused(error)


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


def _name(model: TrainedModel) -> str:
    source = model.plan.data.source
    return Path(source).name or source if source else f"{model.plan.data.n_rows:,} rows"


def _head(m: Material, title: str) -> Iterator[Html]:
    yield tag("h1", title)
    n, train = len(m.subject.numbers), m.subject.train
    beside = f" and {len(train):,} that it was trained on" if train is not None else ""
    yield paragraph(f"Measured on {n:,} {m.about}{beside}. All likelihoods are in nats of the data.", class_="soft")
    e = m.subject.evaluation
    keys = (
        (f"{e.log_likelihood:.2f}", "nats: log-likelihood, a lower bound"),
        (f"{e.elbo:.2f}", "nats: ELBO"),
        (f"{e.bits_per_dim:.3f}", "bits per dimension"),
        (f"{e.active_units} of {e.latent}", "latents active"),
    )
    yield tag(
        "div",
        *(tag("div", tag("b", value), tag("span", text, class_="soft small")) for value, text in keys),
        class_="key",
    )


def _foot(m: Material, late: list[str]) -> Iterator[Html]:
    versions = ", ".join(f"{name} {version}" for name, version in m.subject.model.plan.versions.items())
    if late or not m.thorough:
        left = f"Left out, to stay cheap beside the fit: {', '.join(late)}. " if late else ""
        yield paragraph(left, "A page of more rows, with classifiers that tell new rows from real ones: ",
                        tag("code", "velbo report RUN DATA -o report.html"), class_="soft small")  # fmt: skip
    yield paragraph(
        f"Trained with {versions}. This file holds all that it shows, and asks for nothing.", class_="soft small"
    )


def write_page(path: Path, m: Material, allowance: Allowance | None = None) -> None:
    """Write the page, whole or not at all.

    Raises:
        MissingExtraError: if matplotlib is not installed.
        RunError: if the file cannot be written.
    """
    need("matplotlib", "report")
    write_text(path, compose(m, allowance))


def report(
    model: TrainedModel,
    rows: Any,
    path: str | Path,
    train: Any = None,
    labels: Any = None,
    most: int = MOST_ROWS,
    seed: int = 0,
    label: str = "",
) -> None:
    """Write one page of a model as an HTML file.

    Args:
        model: trained.
        rows: of any container, as it was trained on; best others.
        path: of the file.
        train: rows that it was trained on, for what it has learned by heart and gives away.
        labels: for the map of latents: (N,), or the name of a field of the rows.
        most: rows of either to measure, drawn at random where there are more.
        seed: of all noise and of that draw.
        label: what labels are that were given one a row.

    Raises:
        MissingExtraError: if matplotlib is not installed.
        DataError: if there are no rows, or not as many labels.
        RunError: if the file cannot be written.
    """
    need("matplotlib", "report")
    known, name = labels_of(rows, labels)
    subject = Subject.of(model, rows, seed)
    seen = None if train is None else Subject.of(model, train, seed)
    at = subject.some(most)
    beside = None if seen is None else seen.numbers[seen.some(most)]
    chosen = replace(subject.of_rows(at), train=beside)
    n = len(subject.numbers)
    about = f"rows, drawn at random from {n:,}" if len(at) < n else "rows"
    shown = None if known is None else np.asarray(known)[at]
    write_page(Path(path), Material(chosen, about, shown, label or name))


def of_fit(
    model: TrainedModel, held_out: Numbered, train: Numbered, path: Path, seconds: float, clock: Clock = time.monotonic
) -> None:
    """Write the page of a model that was just trained, within some seconds.

    Args:
        model: it, with its history.
        held_out: rows that training held out, in random order; none may be there.
        train: rows that it was trained on, in random order.
        path: of the file.
        seconds: about how many it may take.
        clock: that they are measured by.
    """
    allowance = Allowance.of(seconds, clock)
    unseen = len(held_out.v) > 0
    rows, about = (
        (held_out, "rows that training held out")
        if unseen
        else (train, "rows that it was trained on, as none were held out")
    )
    subject = Subject(model, rows.v, metrics=model.history.metrics, train=train.v if unseen else None, which=rows.which)
    subject = first_rows(subject, allowance.rows(subject))
    m = Material(subject, about, thorough=False, numbered="the rows of this run", unseen=False)
    write_page(path, m, allowance)
