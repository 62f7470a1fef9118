"""How good is a model on some rows: bounds with their standard errors, bits per dimension, and what the latents do.

    log-likelihood      of the data, in their own units: rows/units.py
    standard error      sd over rows / sqrt(rows)
    bits per dimension  -log-likelihood / (n log 2), n the observed cells that are not given
    active units        number of latents j with Var over rows of E_q[z_j] > 0.01

Source of active units: Importance weighted autoencoders, Burda, Grosse and Salakhutdinov, 2015,
https://arxiv.org/abs/1509.00519 (section 5.2).
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...checks import rows_for
from ...errors import CollapseWarning
from ...rows import AnyRows, Store
from ...tables import Figure, Number, Shown, Table, explained, text_of
from ...terms import Model
from .log_likelihood import RowScores, score_rows

ACTIVE_VARIANCE = 0.01
COLLAPSED_NATS = 0.01
MAX_PARETO_SHAPE = 0.7


LATENTS_SHOWN = 12


@dataclass(frozen=True)
class Evaluation(Shown):
    """Means over rows, in nats an observation and in the data's own units; ``_se`` is a standard error over rows.
    Printed, each figure has its meaning beside it.

    What is given has no likelihood: the figures of a conditional model are those of p(x|c), which is not p(x).

    Attributes:
        rows: number of rows.
        samples: K of the log-likelihood bound.
        elbo: reconstruction - rate.
        reconstruction: E_q[log p(x|z)].
        rate: KL(q(z|x) || p(z)).
        log_det: what scaling and dequantisation add to log p; it is part of elbo, reconstruction and log_likelihood,
            and 0 for masses, as of binary data, counts and levels.
        log_likelihood: the K-sample bound of log p(x).
        bits_per_dim: of the log-likelihood; what is given is no dimension.
        active_units: latents that carry information.
        latent: Z.
        kl_per_latent: mean KL of each latent.
        kl_per_group: mean KL of each group of latents, from the top.
        effective_samples: mean over rows of what the K importance weights are worth.
        unreliable: share of rows whose weights have so heavy a tail (k-hat above 0.7) that more samples would still
            raise the bound; NaN for fewer than 25 samples.
        given: what the likelihood is conditioned on: names of fields, "library size".
    """

    rows: int
    samples: int
    elbo: float
    elbo_se: float
    reconstruction: float
    rate: float
    log_det: float
    log_likelihood: float
    log_likelihood_se: float
    bits_per_dim: float
    active_units: int
    latent: int
    kl_per_latent: tuple[float, ...]
    kl_per_group: tuple[float, ...]
    effective_samples: float
    unreliable: float
    given: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain numbers; a standard error that one row cannot have is null."""
        return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in self.__dict__.items()}

    def __repr__(self) -> str:
        return (
            f"Evaluation({self.rows} rows: elbo {self.elbo:.3f}, log_likelihood {self.log_likelihood:.3f} ± "
            f"{self.log_likelihood_se:.3f} nats, {self.bits_per_dim:.3f} bits per dimension, {self.active_units} of "
            f"{self.latent} units active)"
        )

    def table(self) -> Table:
        """Every figure with its standard error and its meaning."""
        log_p = f"log p(x|{', '.join(self.given)})" if self.given else "log p(x)"
        figures = [
            Figure("rows", self.rows),
            Figure("ELBO", self.elbo, f"lower bound of {log_p}, nats a row", self.elbo_se),
            Figure("  reconstruction", self.reconstruction, "E_q[log p(x|z)]"),
            Figure("  rate", self.rate, "KL(q(z|x) || p(z))"),
            Figure(
                "log-likelihood",
                self.log_likelihood,
                f"importance-weighted bound of {log_p}, {self.samples} samples",
                self.log_likelihood_se,
            ),
            Figure("bits per dimension", self.bits_per_dim, "of the log-likelihood"),
            Figure("active units", self.active_units, f"of {self.latent} latents"),
            *self._of_latents(),
            Figure(
                "effective samples", self.effective_samples, f"what {self.samples} weights are worth, mean over rows"
            ),
        ]
        if not math.isnan(self.unreliable):
            figures.append(
                Figure(
                    "unreliable rows",
                    Number(f"{self.unreliable:.1%}"),
                    "whose bound more samples would still raise (k-hat > 0.7)",
                )
            )
        if self.log_det:
            figures.append(Figure("unit correction", self.log_det, "of scaling and dequantisation, part of the above"))
        return explained(figures)

    def _of_latents(self) -> list[Figure]:
        """KL of every group, or of the latents that have most."""
        if len(self.kl_per_group) > 1:
            return [Figure("KL of groups", "", f"from the top: {text_of(self.kl_per_group)}")]
        most = sorted(self.kl_per_latent, reverse=True)
        more = f" and {len(most) - LATENTS_SHOWN} more" if len(most) > LATENTS_SHOWN else ""
        return [Figure("KL of latents", "", f"{text_of(most[:LATENTS_SHOWN])}{more}")]


def standard_error(values: Tensor) -> float:
    """sd / sqrt(n); NaN for a single row, which has no spread."""
    return float(values.std() / math.sqrt(len(values))) if len(values) > 1 else math.nan


def evaluate(
    model: Model,
    data: AnyRows,
    samples: int = 100,
    chunk: int | None = None,
    seed: int = 0,
    precision: str = "float32",
) -> Evaluation:
    """Evaluate a model on rows; deterministic for a seed.

    Args:
        model: in evaluation mode.
        data: rows x, (N, D), of any container; see `velbo.checks.rows_for`.
        samples: K.
        chunk: samples at a time; the result does not depend on it.
        seed: of all noise.
        precision: see `score_rows`.

    Warns:
        CollapseWarning: if the posterior carries no information.
    """
    data = rows_for(model, data)
    scores = score_rows(model, data, samples, chunk, seed, precision)
    result = summarise(scores, data, samples)
    warn_if_collapsed(result)
    return result


def summarise(scores: RowScores, data: Store, samples: int) -> Evaluation:
    """Means, errors and latent diagnostics of scored rows."""
    return summarise_measured(scores, Measure.of(data), samples)


@dataclass(frozen=True)
class Measure:
    """What the figures of rows are divided by; those of two parts of the rows add up.

    Attributes:
        n_rows: how many rows.
        n_cells: observed cells that have a likelihood.
        log_det: what the rows add to make log p(x) nats of the data, their sum.
    """

    n_rows: int = 0
    n_cells: int = 0
    log_det: float = 0.0

    @classmethod
    def of(cls, data: Store) -> Measure:
        """Of encoded rows."""
        return cls(len(data), data.n_cells(), float(data.log_det().sum()))

    def __add__(self, other: Measure) -> Measure:
        return Measure(self.n_rows + other.n_rows, self.n_cells + other.n_cells, self.log_det + other.log_det)


def summarise_measured(scores: RowScores, rows: Measure, samples: int) -> Evaluation:
    """As `summarise`, of rows that are not there any more.

    Args:
        scores: of all rows.
        rows: what is left of them.
        samples: that they were scored by.
    """
    log_p, elbo, mean = scores.log_likelihood, scores.elbo, scores.signal
    bits = -float(log_p.sum()) / (max(rows.n_cells, 1) * math.log(2))
    return Evaluation(
        rows=len(log_p),
        samples=samples,
        elbo=float(elbo.mean()),
        elbo_se=standard_error(elbo),
        reconstruction=float(scores.reconstruction.mean()),
        rate=float(scores.rate.mean()),
        log_det=rows.log_det / max(rows.n_rows, 1),
        log_likelihood=float(log_p.mean()),
        log_likelihood_se=standard_error(log_p),
        bits_per_dim=bits,
        active_units=active_units(mean),
        latent=mean.shape[-1],
        kl_per_latent=tuple(scores.kl.mean(0).tolist()),
        kl_per_group=tuple(scores.group_kl.mean(0).tolist()),
        effective_samples=float(scores.effective_samples.mean()),
        unreliable=share_of_unreliable(scores.pareto_shape),
    )


def share_of_unreliable(pareto_shape: Tensor) -> float:
    """Share of rows with k-hat above 0.7, NaN where it is not known."""
    return float((pareto_shape > MAX_PARETO_SHAPE).double().mean()) if not pareto_shape.isnan().any() else math.nan


def warn_if_collapsed(result: Evaluation) -> None:
    """Say so, with advice, when the latents carry nothing."""
    if result.rate > COLLAPSED_NATS * result.latent or (result.rows > 1 and result.active_units):
        return
    warnings.warn(
        f"the posterior has collapsed: the rate is {result.rate:.3g} nats and {result.active_units} of {result.latent} "
        "latents are active, so z says nothing of x. Try a KL warm-up (--beta-warmup 0.3), free bits "
        "(--free-bits 0.1), longer training, or a smaller decoder",
        CollapseWarning,
        stacklevel=3,
    )


def active_units(posterior_means: Tensor) -> int:
    """Number of latents whose posterior mean varies over rows (N, Z) by more than 0.01."""
    return int((torch.var(posterior_means, 0, correction=0) > ACTIVE_VARIANCE).sum())
