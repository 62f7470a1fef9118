"""log p(x) of every row, bounded from below by importance sampling.

    L_K(x) = log 1/K sum_k w_k,   w_k = p(x|z_k) p(z_k) / q(z_k|x),   z_k ~ q(z|x);   E[L_K] <= log p(x)

The sum streams (importance.py), so any number of samples fits in memory, in any chunking. K is the number drawn, and
what is divided by.
Each row's noise belongs to the row (rows/noise.py), so a score depends neither on its neighbours nor on the chunks.

Source: Importance weighted autoencoders, Burda, Grosse and Salakhutdinov, 2015, https://arxiv.org/abs/1509.00519.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

import pyarrow as pa
import torch
from torch import Tensor

from ...checks import rows_for
from ...config import COMPUTED_PRECISIONS
from ...errors import ConfigError, unknown
from ...objectives import best_rate
from ...posteriors import RowDraw, signal
from ...rows import AnyRows, Store
from ...rows.tensors import block_of, shape_of, tensors
from ...runtime.memory import freed_memory_kept
from ...runtime.precision import autocast, products
from ...runtime.threads import threads
from ...terms import Model, device_of_model, mean_of, view_of
from .chunks import chunk_sizes, numbers_per_row
from .importance import StreamingWeights


@dataclass(frozen=True)
class RowScores:
    """What is known of each row, (N,) float64, in nats of the data (rows/units.py).

    Attributes:
        log_likelihood: the K-sample bound of log p(x).
        reconstruction: mean over the same samples of log p(x|z).
        rate: KL(q(z|x) || p(z)), in closed form where there is one.
        kl: per latent, (N, Z), or (N, 1) where it does not factorise; of several groups, so for each; see `Terms.kl`.
        group_kl: per group of latents, (N, groups), from the top.
        posterior_mean: (N, Z).
        signal: what rows move of it, (N, Z): of a group of latents below others, the mean less that of the prior given
            those; else the posterior mean.
        effective_samples: what the K weights are worth, 1 to K.
        pareto_shape: k-hat of the weights' tail; above 0.7 log_likelihood is to be doubted. NaN for fewer than 25
            samples.
    """

    log_likelihood: Tensor
    reconstruction: Tensor
    rate: Tensor
    kl: Tensor
    group_kl: Tensor
    posterior_mean: Tensor
    signal: Tensor
    effective_samples: Tensor
    pareto_shape: Tensor

    @property
    def elbo(self) -> Tensor:
        return self.reconstruction - self.rate

    @classmethod
    def joined(cls, parts: Sequence[RowScores]) -> RowScores:
        """Of the rows of all parts, in their order."""
        return cls(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def to_table(self) -> pa.Table:
        """A column for each; numbers of a row that are several are tensors."""
        each = {field.name: getattr(self, field.name).numpy() for field in fields(self)}
        return pa.table({name: pa.array(v) if v.ndim == 1 else tensors(v) for name, v in each.items()})

    @classmethod
    def from_table(cls, table: pa.Table) -> RowScores:
        """The inverse of `to_table`."""
        columns = {name: table[name] for name in table.column_names}
        blocks = {name: block_of(c) if shape_of(c.type) else c.to_numpy() for name, c in columns.items()}
        return cls(**{name: torch.tensor(block) for name, block in blocks.items()})


@torch.no_grad()
def score_rows(
    model: Model,
    data: AnyRows,
    samples: int = 100,
    chunk: int | None = None,
    seed: int = 0,
    precision: str = "float32",
    each: Callable[[Tensor], None] | None = None,
) -> RowScores:
    """Score every row with K = ``samples``.

    Args:
        model: in evaluation mode, on the device to compute on.
        data: rows x, (N, D), of any container; see `velbo.checks.rows_for`.
        samples: K, at least 1.
        chunk: samples at a time; the result does not depend on it (but for rounding).
        seed: of all noise.
        precision: "float32" computes as the model's weights are; "bf16" and "bf16-products" multiply the trunks'
            matrices in bfloat16, which is faster and no longer exact (docs/log/2026-11-23.md has its bias).
        each: is told the log-weights of every chunk of rows, (K, B) float64 in nats of x.
    """
    if precision not in COMPUTED_PRECISIONS:
        raise unknown("precision of an evaluation", precision, COMPUTED_PRECISIONS)
    if samples < 1 or (chunk is not None and chunk < 1):
        raise ConfigError(f"samples and chunk must be at least 1, not {samples} and {chunk}")
    data = rows_for(model, data)
    n_rows, n_samples = chunk_sizes(samples, numbers_per_row(model, data), chunk)
    device = device_of_model(model)
    with threads(), freed_memory_kept(), autocast(precision, device), products(precision):
        parts = [_score_chunk(model, part, samples, n_samples, seed, each) for part in data.chunks(n_rows)]
    log_p, reconstruction, *others = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    log_det = data.log_det()
    return RowScores(log_p + log_det, reconstruction + log_det, *others)


@torch.no_grad()
def log_weights(model: Model, data: Store, samples: int, seed: int = 0) -> Iterator[Tensor]:
    """log w of every row by all its samples, (samples, B) float64 in nats of x, for one chunk of rows after another."""
    n_rows, chunk = chunk_sizes(samples, numbers_per_row(model, data), None)
    device = device_of_model(model)
    for part in data.chunks(n_rows):
        x, draw = part.fixed(seed).to(device), RowDraw(part.kept, seed)
        counts = [min(chunk, samples - done) for done in range(0, samples, chunk)]
        with threads():
            terms = (model.terms(x, k, draw.onwards()).as_weights("a bound of many samples") for k in counts)
            log_w = torch.cat([some.log_w.double().cpu() for some in terms])
        yield log_w


def _score_chunk(
    model: Model, data: Store, samples: int, chunk: int, seed: int, each: Callable[[Tensor], None] | None
) -> tuple[Tensor, ...]:
    device, log_w = device_of_model(model), list[Tensor]()
    x, draw = data.fixed(seed).to(device), RowDraw(data.kept, seed)
    weights, reconstruction = StreamingWeights(samples), torch.zeros(len(x), dtype=torch.float64)
    kl, group_kl, done = torch.zeros(()), torch.zeros(()), 0
    while done < samples:
        k = min(chunk, samples - done)
        terms = model.terms(x, k, draw.onwards())
        if samples > 1:
            terms.as_weights(f"log p(x) by {samples} samples")
        weights.add(terms.log_w)
        if each is not None:
            log_w.append(terms.log_w.double().cpu())
        reconstruction += terms.log_px_z.double().cpu().sum(0)
        of_latents = best_rate(terms).unsqueeze(-1) if terms.kl is None else terms.kl
        of_groups = of_latents if terms.kl is None else terms.group_kl
        # of a group below others it depends on the samples
        kl, group_kl = kl + k * of_latents.double().cpu(), group_kl + k * of_groups.double().cpu()
        done += k
    if each is not None:
        each(torch.cat(log_w))
    q = view_of(model, x).encode(x)
    mean = mean_of(q, "q(z|x)").double().cpu()
    return (
        weights.log_mean,
        reconstruction / samples,
        kl.sum(-1) / samples,
        kl / samples,
        group_kl / samples,
        mean,
        signal(q).double().cpu(),
        weights.effective_samples,
        weights.pareto_shape,
    )
