"""The bound while training, and what of its rate each latent and each group of latents holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConfigError
from ..evaluation import Evaluation
from .pictures import BOUND, INK, LABELS, RATE, RECONSTRUCTION, RULE, caption, figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .subject import Subject

Metrics = Sequence[Mapping[str, Any]]
Lines = Sequence[tuple[str, str, str, int]]
LINES = (
    ("bound", "bound", BOUND, 1),
    ("reconstruction", "reconstruction", RECONSTRUCTION, 1),
    ("rate", "- rate", RATE, -1),
)
RATE_ALONE = (("rate", "rate", RATE, 1),)
FEW_GROUPS = 2


def draw_curve(axes: Axes, metrics: Metrics, lines: Lines = LINES) -> None:
    """The bound and its two terms, training (thin) and validation (thick)."""
    from matplotlib.ticker import MaxNLocator

    epochs = [m["epoch"] for m in metrics]
    validated = "validation_bound" in metrics[-1]
    marker = "o" if len(metrics) == 1 else ""
    for name, text, colour, sign in lines:
        thin = [sign * m[f"train_{name}"] for m in metrics]
        axes.plot(epochs, thin, color=colour, lw=0.8, alpha=0.6, marker=marker, ms=3)
        thick = [sign * m[f"validation_{name}"] for m in metrics] if validated else thin
        axes.plot(epochs, thick, color=colour, lw=1.8, marker=marker, label=text)
    _limits(axes, metrics, validated, lines)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch", fontsize=8, color=INK)
    axes.set_ylabel("nats an observation", fontsize=8, color=INK)
    axes.grid(axis="y", color=RULE, lw=0.5)
    axes.legend(frameon=False, fontsize=8, labelcolor="linecolor", loc="best")
    caption(axes, "Learning: " + ("validation thick, training thin" if validated else "training rows"))
    plain(axes)


def _limits(axes: Axes, metrics: Metrics, validated: bool, lines: Lines) -> None:
    """The first steps, far below the others, do not press the rest together."""
    split = "validation" if validated else "train"
    values = [np.array([sign * m[f"{split}_{name}"] for m in metrics], float) for name, _, _, sign in lines]
    low = min(float(np.quantile(v, 0.05)) for v in values)
    high = max(float(v.max()) for v in values)
    room = 0.05 * (high - low) or 1.0
    axes.set_ylim(low - room, high + room)


def learning_curve(subject: Subject) -> Figure:
    """The bound and its two terms while training, nats an observation.

    Raises:
        ConfigError: where no metrics of the training are known.
    """
    return curve_of(subject.metrics)


def curve_of(metrics: Metrics) -> Figure:
    """The same of the metrics themselves."""
    if not metrics:
        raise ConfigError(
            "no learning curve is known of this model, as it was saved by itself; load it from its run folder"
        )
    if "train_bound" not in metrics[-1]:
        raise ConfigError(
            "no learning curve is known of this model: private training writes no figures of its rows; measure it with "
            "velbo evaluate RUN DATA, on other rows"
        )
    fig = figure(9.5, 3.6)
    left, right = fig.subplots(1, 2, width_ratios=(1.6, 1))
    draw_curve(left, metrics, LINES[:2])
    draw_curve(right, metrics, RATE_ALONE)
    caption(right, "KL(q(z|x) || p(z))")
    return fig


def draw_rates(axes: Axes, found: Evaluation) -> None:
    """Mean KL of each latent; of several groups in their order, else the largest first."""
    kl, n_groups = np.array(found.kl_per_latent), len(found.kl_per_group)
    splits = len(kl) == found.latent
    order = np.argsort(-kl) if n_groups == 1 else np.arange(len(kl))
    axes.bar(np.arange(len(kl)), kl[order], color=RATE, width=0.8)
    if len(kl) <= 24:
        axes.set_xticks(np.arange(len(kl)), [f"{i}" for i in order] if splits else ["all"] * len(kl))
    axes.set_xlabel(
        "latent" if splits else "all latents together: this posterior or prior does not factorise", fontsize=8
    )
    axes.set_ylabel("nats", fontsize=8, color=INK)
    caption(axes, f"KL of each latent: {found.active_units} of {found.latent} active, rate {found.rate:.2f} nats")
    plain(axes)


def draw_group_rates(axes: Axes, found: Evaluation) -> None:
    """Mean KL of each group of latents, from the top."""
    names = [f"group {i}" for i in range(1, 1 + len(found.kl_per_group))]
    axes.bar(names, found.kl_per_group, color=[LABELS[i % len(LABELS)] for i in range(len(names))], width=0.6)
    axes.set_ylabel("nats", fontsize=8, color=INK)
    caption(axes, "KL of each group, from the top")
    plain(axes)


def kl(subject: Subject) -> Figure:
    """Mean KL(q(z|x) || p(z)) of each latent and, where there are several, of each group of latents, nats."""
    found = subject.evaluation
    if len(found.kl_per_group) < FEW_GROUPS:
        fig = figure(9.5, 3.4)
        draw_rates(fig.subplots(), found)
        return fig
    fig = figure(9.5, 3.4)
    left, right = fig.subplots(1, 2, width_ratios=(1, 2))
    draw_group_rates(left, found)
    draw_rates(right, found)
    return fig
