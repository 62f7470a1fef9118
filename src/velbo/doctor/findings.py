"""Figures -> findings. A question is a function of an examination; its answer names a verdict, the figure, what to try.

    fine      nothing to do
    look      not wrong, but worth knowing
    fault     something that costs nats, or makes numbers untrue
    unknown   not to be told from what was given

Limits are conventions, chosen so that what is below them is no worse than what training by chance does: three standard
errors for differences, and a size below which nobody would act.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ..evaluation.bounds.summary import ACTIVE_VARIANCE
from ..tables import Shown, Table
from .examination import Examination

LAST_QUARTER_SHARE, MIN_EVALUATIONS = 0.05, 8
STANDARD_ERRORS, GAP_PER_DIMENSION, UNSURE = 3.0, 0.002, 5
COLLAPSED_RATE, SILENT_NATS = 0.01, 0.1
HOLES, WIDE_HOLES, WASTED_RATE = 0.65, 0.8, 0.1
DISTANCE, DISPERSION, MISFITTING = 0.1, 2.0, 0.05
AT_THE_FLOOR = 0.01
DOUBTED, MOST_DOUBTED = 0.1, 0.5


WIDTH, INDENT = 100, 25


@dataclass(frozen=True)
class Finding(Shown):
    """One question's answer.

    Attributes:
        question: what was asked.
        verdict: fine, look, fault or unknown.
        figure: what was measured, in a sentence.
        advice: the option to try; empty where there is nothing to do.
    """

    question: str
    verdict: str
    figure: str
    advice: str = ""

    def to_json(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def table(self) -> Table:
        """A row."""
        return Findings([self]).table()

    def __repr__(self) -> str:
        return f"Finding({self.question}, {self.verdict}: {self.figure})"

    def __str__(self) -> str:
        head = f"{self.verdict.upper():8s} {self.question:14s}  "
        lines = textwrap.wrap(self.figure, WIDTH - INDENT)
        if self.advice:
            lines += textwrap.wrap(f"try: {self.advice}", WIDTH - INDENT)
        return "\n".join([head + lines[0], *(" " * INDENT + line for line in lines[1:])])


class Findings(list[Finding], Shown):
    """All findings; printed, one paragraph each."""

    def table(self) -> Table:
        """A row for each finding."""
        rows = tuple((f.verdict, f.question, f.figure, f.advice) for f in self)
        return Table(rows, ("verdict", "question", "figure", "try"))

    def __repr__(self) -> str:
        return f"Findings({', '.join(f'{f.question}: {f.verdict}' for f in self)})"

    def __str__(self) -> str:
        return "\n".join(map(str, self))


def convergence(e: Examination) -> Finding:
    """Was training still gaining when it ended?"""
    bounds = [m.get("validation_bound", m.get("train_bound")) for m in e.metrics]
    known = [float(b) for b in bounds if b is not None]
    if len(known) < MIN_EVALUATIONS:
        figure = f"the run has {len(known)} evaluations of its bound; {MIN_EVALUATIONS} are needed to see a trend"
        return Finding("convergence", "unknown", figure)
    early = max(known[: len(known) - len(known) // 4])
    gain, total = max(known) - early, max(known) - known[0]
    share = gain / total if total > 0 else 0.0
    figure = f"the last quarter of training raised the bound by {gain:.2f} of {total:.2f} nats ({share:.0%})"
    if share > LAST_QUARTER_SHARE:
        return Finding("convergence", "look", f"{figure}: it was still rising", "train longer (--epochs, --minutes)")
    return Finding("convergence", "fine", figure)


def fit(e: Examination) -> Finding:
    """Does it know the rows it was trained on better than others?"""
    if e.train is None:
        return _fit_of_the_run(e)
    gap = e.train.elbo - e.test.elbo
    error = math.hypot(_number(e.train.elbo_se), _number(e.test.elbo_se))
    figure = (
        f"the ELBO is {e.train.elbo:.2f} on rows it was trained on and {e.test.elbo:.2f} on others, "
        f"{gap:.2f} +- {error:.2f} nats apart"
    )
    if gap > STANDARD_ERRORS * error and gap > GAP_PER_DIMENSION * e.n_dims:
        advice = "regularise (--weight-decay 0.3, --dropout 0.2), or take a smaller model"
        return Finding("over-fitting", "fault", f"{figure}: it has learned its rows by heart", advice)
    return Finding("over-fitting", "fine", f"{figure}: a larger model or longer training may still gain")


def _fit_of_the_run(e: Examination) -> Finding:
    """Where no training rows are at hand: what the run saw of its own validation rows."""
    advice = "name rows that it was trained on, to be sure: --train DATA"
    last = e.metrics[-1] if e.metrics else {}
    if not {"train_bound", "validation_bound"} <= last.keys():
        return Finding("over-fitting", "unknown", "no rows that it was trained on are known", advice)
    gap = last["train_bound"] - last["validation_bound"]
    figure = f"the bound of its training rows was {gap:.2f} nats above that of its few validation rows at the end"
    is_wide = gap > UNSURE * GAP_PER_DIMENSION * e.n_dims
    return Finding("over-fitting", "look" if is_wide else "unknown", figure, advice)


def latents(e: Examination) -> Finding:
    """Does z say anything about x?"""
    active, total, rate = e.test.active_units, e.test.latent, e.test.rate
    figure = f"{active} of {total} latents are active (variance of the posterior mean above {ACTIVE_VARIANCE}), the "
    figure += f"rate is {rate:.2f} nats"
    if active == 0 or rate < COLLAPSED_RATE * total:
        advice = "a KL warm-up (--beta-warmup 0.3), free bits (--free-bits 0.1), --beta 1, or a weaker decoder"
        return Finding("latents", "fault", f"{figure}: the posterior has collapsed", advice)
    if active < total / 2:
        return Finding("latents", "look", figure, f"--latent {max(active, 1)} would do; or --free-bits 0.05")
    return Finding("latents", "fine", figure)


def groups(e: Examination) -> Finding | None:
    """Does every group of latents say something? Of one group there is nothing to ask."""
    rates = e.test.kl_per_group
    silent = [str(i) for i, kl in enumerate(rates, start=1) if kl < SILENT_NATS]
    if len(rates) == 1:
        return None
    figure = f"from the top the groups of latents hold {', '.join(f'{kl:.2f}' for kl in rates)} nats"
    if silent:
        which = f"group{'s'[: len(silent) > 1]} {', '.join(silent)} say{'s'[: len(silent) == 1]} nothing"
        advice = "let every group have a nat for nothing, so that it begins to speak (--free-bits 1 "
        advice += "--free-bits-per-group), or take fewer --groups"
        return Finding("groups", "fault", f"{figure}: {which}", advice)
    return Finding("groups", "fine", figure)


def prior(e: Examination) -> Finding:
    """Is the prior where the posteriors are?"""
    single = e.aggregated.dimension_wise_kl
    wasted = math.nan if single is None else sum(single)
    said = []
    if not math.isnan(e.auc_latents):
        said.append(
            f"a classifier tells posterior draws of z from the prior's with an AUC of {e.auc_latents:.2f}, and the "
            f"samples made of them with {e.auc_samples:.2f} (0.5 is never, 1 always)"
        )
    if single is not None:
        said.append(f"marginals of q(z) are {wasted:.2f} nats off the prior's, of a rate of {e.aggregated.rate:.2f}")
    if not said:
        return Finding("prior", "unknown", "no classifier was trained to tell posterior draws of z from the prior's")
    figure = "; ".join(said)
    advice = "fit a prior to the aggregated posterior (velbo refit-prior RUN DATA --prior real-nvp), or train with one "
    advice += "(--prior real-nvp)"
    if not e.refittable:
        advice = "train longer (--epochs), with wider layers (--hidden), or with another --prior"
    is_wasted = wasted > max(WASTED_RATE * e.aggregated.rate, 1.0)
    if is_wasted or e.auc_latents > WIDE_HOLES:
        return Finding("prior", "fault", f"{figure}: the prior has holes, samples come from where nothing was", advice)
    if e.auc_latents > HOLES:
        return Finding("prior", "look", figure, advice)
    return Finding("prior", "fine", figure)


def likelihood(e: Examination) -> Finding:
    """Are the cells spread as p(x|z) says?"""
    c = e.calibration
    left_out = "".join(f"; {sentence}" for sentence in c.left_out)
    if c.distance.isnan().all():
        return Finding("likelihood", "unknown", f"no dimension could be held against p(x|z){left_out}")
    sure = (c.dispersion - 1).abs() > STANDARD_ERRORS * c.dispersion_se
    off = sure & ((c.dispersion > DISPERSION) | (c.dispersion < 1 / DISPERSION))
    # a dispersion alone says little where all variance is in a few rows, as in an image's corners
    bad = (c.distance > c.critical) & ((c.distance > DISTANCE) | off)
    share = float(bad.double().sum()) / e.n_dims
    known = c.distance.nan_to_num(-1.0)
    worst = int(torch.where(bad, known, -1.0).argmax() if bad.any() else known.argmax())
    name = e.names[worst] if worst < len(e.names) else f"dimension {worst}"
    figure = f"{int(bad.sum())} of {e.n_dims} dimensions are not spread as p(x|z) says; worst is {name}: its "
    figure += f"probability integral transform is {float(c.distance[worst]):.2f} from uniform"
    if math.isfinite(float(c.dispersion[worst])):
        figure += f", its squared errors are {float(c.dispersion[worst]):.2g} times the predicted variance"
    figure += left_out
    if share > MISFITTING:
        advice = "another likelihood: --likelihood normal (learned scales) or normal-predicted for reals, bernoulli "
        advice += "for binary data, discretized-logistic or categorical for levels"
        return Finding("likelihood", "fault", f"{figure}: the likelihood does not fit", advice)
    return Finding("likelihood", "look" if share else "fine", figure)


def scales(e: Examination) -> Finding:
    """Has a standard deviation run into its floor?"""
    figure = f"{e.floor_data:.0%} of the predicted standard deviations of x and {e.floor_latents:.0%} of those of z "
    figure += "are at their floor"
    if e.floor_data > AT_THE_FLOOR:
        advice = (
            "look for constant or repeated values in the data; --likelihood normal-scalar, or leave such columns out"
        )
        return Finding("scales", "fault", f"{figure}: the likelihood is saturated and its nats mean nothing", advice)
    if e.floor_latents > AT_THE_FLOOR:
        return Finding("scales", "fault", f"{figure}: the posterior is saturated", "--free-bits 0.1, or a lower --lr")
    return Finding("scales", "fine", figure)


def bound(e: Examination) -> Finding:
    """Can the importance-weighted bound be taken for the log-likelihood?"""
    rise, share, k = float(e.curve.means[-1] - e.curve.means[-2]), e.test.unreliable, e.test.samples
    if math.isnan(share):
        return Finding("bound", "unknown", f"{k} samples are too few to see the tail of the weights; take 32 or more")
    figure = f"log p(x) is at least {e.test.log_likelihood:.2f}, {e.test.log_likelihood - e.test.elbo:.2f} nats above "
    figure += f"the ELBO; the last doubling to {k} samples gained {rise:.2f}, the weights are worth "
    figure += f"{e.test.effective_samples:.0f} and have a heavy tail (k-hat above 0.7) in {share:.0%} of the rows"
    anneal = "measure with annealing (velbo anneal RUN DATA), " if e.annealable else ""
    if share > MOST_DOUBTED:
        advice = f"{anneal}take more --samples, train longer or with a richer --posterior"
        return Finding("bound", "fault", f"{figure}: log p(x) may lie well above it", advice)
    if share > DOUBTED:
        return Finding("bound", "look", figure, f"{anneal}take more --samples")
    return Finding("bound", "fine", figure)


QUESTIONS: tuple[Callable[[Examination], Finding | None], ...] = (
    convergence,
    fit,
    latents,
    groups,
    prior,
    likelihood,
    scales,
    bound,
)


def diagnose(e: Examination) -> Findings:
    """The answer of every question that there is to ask."""
    answers = (question(e) for question in QUESTIONS)
    return Findings(answer for answer in answers if answer is not None)


def _number(x: float) -> float:
    return 0.0 if math.isnan(x) else x
