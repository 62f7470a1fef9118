"""What the findings of the doctor rest on, on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..doctor import Examination, Finding
from . import pictures
from .pictures import BOUND, FAINT, INK, RATE, RECONSTRUCTION, VERDICTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def examination(e: Examination, findings: Sequence[Finding]) -> Figure:
    """Verdicts, learning, latents, prior, likelihood, bound.

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    fig = pictures.figure(12, 7.2)
    grid = fig.subplots(2, 3)
    _verdicts(grid[0, 0], findings)
    _learning(grid[0, 1], e)
    _rates(grid[0, 2], e)
    _prior(grid[1, 0], e)
    _spread(grid[1, 1], e)
    _curve(grid[1, 2], e)
    return fig


def _verdicts(axes: Any, findings: Sequence[Finding]) -> None:
    pictures.caption(axes, "Findings")
    axes.set_axis_off()
    for i, finding in enumerate(findings):
        y = 0.93 - 0.13 * i
        colour, mark = VERDICTS[finding.verdict]
        axes.text(0.0, y, mark, color=colour, fontsize=13, va="center", transform=axes.transAxes)
        axes.text(0.09, y, finding.question, color=INK, fontsize=10, va="center", transform=axes.transAxes)
        axes.text(0.55, y, finding.verdict, color=INK, fontsize=10, va="center", transform=axes.transAxes)


def _learning(axes: Any, e: Examination) -> None:
    pictures.caption(axes, "Bound while training, nats")
    pictures.plain(axes)
    for name, colour in (("train", FAINT), ("validation", BOUND)):
        points = [(m["epoch"], m[f"{name}_bound"]) for m in e.metrics if f"{name}_bound" in m]
        if points:
            axes.plot(*zip(*points, strict=True), color=colour, lw=1.8, label=name)
    bounds = [m.get("validation_bound", m.get("train_bound")) for m in e.metrics]
    shown = [float(bound) for bound in bounds if bound is not None]
    if shown:
        axes.set_ylim(float(np.nanquantile(shown, 0.1)), None)
        axes.legend(frameon=False, fontsize=8)
        axes.set_xlabel("epoch", fontsize=8)
    else:
        axes.text(0.5, 0.5, "no run", color=INK, ha="center", transform=axes.transAxes)


def _rates(axes: Any, e: Examination) -> None:
    kl = sorted(e.test.kl_per_latent, reverse=True)
    pictures.caption(axes, "Rate of each latent, nats" if len(kl) == e.test.latent else "Rate, nats")
    pictures.plain(axes)
    axes.bar(np.arange(len(kl)), kl, color=RATE, width=0.8)
    axes.set_xlabel("latents, by rate", fontsize=8)


def _prior(axes: Any, e: Examination) -> None:
    q, p = (z.double().numpy() for z in e.z)
    first, second = (*np.argsort(-e.scores.posterior_mean.var(0).numpy()), 0)[:2]
    pictures.caption(axes, f"q(z) blue, p(z) orange: AUC {e.auc_latents:.2f}")
    pictures.plain(axes)
    for z, colour in ((p, RATE), (q, RECONSTRUCTION)):
        axes.scatter(z[:, first], z[:, second], s=4, color=colour, alpha=0.5, linewidths=0)
    axes.set_xlabel(f"z{first}, z{second}: the two most used", fontsize=8)


def _spread(axes: Any, e: Examination) -> None:
    pictures.caption(axes, "Likelihood: distance from uniform")
    pictures.plain(axes)
    distance = e.calibration.distance.numpy()
    order = np.argsort(-np.nan_to_num(distance, nan=-1.0))
    axes.plot(distance[order], color=BOUND, lw=1.8, label="of each dimension")
    axes.plot(e.calibration.critical.numpy()[order], color=RATE, lw=1, ls="--", label="chance, 1 in 1,000")
    axes.set_ylim(0, None)
    axes.legend(frameon=False, fontsize=8)
    axes.set_xlabel("dimensions, worst first", fontsize=8)


def _curve(axes: Any, e: Examination) -> None:
    pictures.caption(axes, "Bound against samples, nats")
    pictures.plain(axes)
    means = e.curve.means.numpy()
    errors = e.curve.standard_errors.numpy()
    axes.errorbar(e.curve.samples, means, errors, color=BOUND, lw=1.8, elinewidth=0.8, marker="o", ms=3)
    axes.set_xscale("log", base=2)
    axes.set_xlabel("samples K", fontsize=8)
