"""The aggregated posterior q(z) = 1/N sum_n q(z|x_n), and what the rate is spent on.

    rate = 1/N sum_n KL( q(z|x_n) || p(z) ) = I + KL( q(z) || p(z) )        I: information of z about which row it was
    KL( q(z) || p(z) ) = TC + sum_j KL( q(z_j) || p(z_j) )                  where the prior's latents are independent
    TC = KL( q(z) || prod_j q(z_j) )                                        total correlation

All are means over z ~ q(z|x_i) of log-ratios with q(z) the mixture over the very rows that are given: unbiased for
them. For the population that the rows come from I is bracketed in expectation, whatever N:

    E[ log q(z_i|x_i) - log 1/N     sum_n     q(z_i|x_n) ]  <=  I             and never above log N
    E[ log q(z_i|x_i) - log 1/(N-1) sum_{n != i} q(z_i|x_n) ]  >=  I

so KL(q(z) || p(z)) = rate - I is bracketed too. A wide bracket means too few rows for so much information.

Sources: ELBO surgery, Hoffman and Johnson, 2016, http://approximateinference.org/accepted/HoffmanJohnson2016.pdf;
On variational bounds of mutual information, Poole, Ozair, van den Oord, Alemi and Tucker, 2019,
https://arxiv.org/abs/1905.06922 (eqs. 10, 13); total correlation: Isolating sources of disentanglement, Chen, Li,
Grosse and Duvenaud, 2018, https://arxiv.org/abs/1802.04942 (eq. 2).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent

from ...checks import rows_for
from ...errors import DataError
from ...posteriors import RowDraw
from ...rows import AnyRows, Store
from ...runtime.threads import threads
from ...tables import Figure, Number, Shown, Table, explained, text_of
from ...terms import Model, log_weight_of, view_of

ROWS = 256
PAIRS_PER_CHUNK = 8_000_000


@dataclass(frozen=True)
class Aggregated(Shown):
    """Means over z ~ q(z|x_i), i = 1..N, in nats.

    Attributes:
        rows: N.
        rate: KL(q(z|x) || p(z)), by the same samples.
        information: (lower, upper) of I(x; z) in the population; the lower is exact for the given rows.
        marginal_kl: (lower, upper) of KL(q(z) || p(z)); the upper is exact for the given rows. The most that another
            prior can add to the ELBO.
        total_correlation: TC for the given rows; None where q(z|x) does not factorise.
        dimension_wise_kl: of each latent, KL(q(z_j) || p(z_j)) for the given rows, (Z,); None where q(z|x) or p(z)
            does not factorise.
    """

    rows: int
    rate: float
    information: tuple[float, float]
    marginal_kl: tuple[float, float]
    total_correlation: float | None
    dimension_wise_kl: tuple[float, ...] | None

    def to_json(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def table(self) -> Table:
        """Every figure with its meaning."""
        figures = [
            Figure("rows", self.rows),
            Figure("rate", self.rate, "KL(q(z|x) || p(z)), nats a row"),
            Figure("information", Number(text_of(self.information)), "I(x; z), at least and at most"),
            Figure(
                "marginal KL",
                Number(text_of(self.marginal_kl)),
                "KL(q(z) || p(z)): what another prior can gain",
            ),
        ]
        if self.total_correlation is not None:
            figures.append(Figure("total correlation", self.total_correlation, "of the latents"))
        return explained(figures)


def by_latent(d: Distribution) -> Distribution | None:
    """The distribution of single latents, where they are independent."""
    return d.base_dist if isinstance(d, Independent) and d.reinterpreted_batch_ndims == 1 else None


class _Mixture:
    """Sums over posteriors that come in blocks, at M points, for all rows, for all rows but a point's own, and by
    latent.
    """

    def __init__(self, z: Tensor, own: Tensor) -> None:
        self.z, self.own, self.n = z, own, 0
        start = torch.full((len(z),), -math.inf, dtype=torch.float64)
        self.every, self.others = start, start
        self.single = torch.full(z.shape, -math.inf, dtype=torch.float64)
        self.factorises = True

    def add(self, q: Distribution, first: int) -> None:
        """Posteriors of rows ``first`` and the following."""
        block, points = q.batch_shape[0], self.z.unsqueeze(1)
        base = by_latent(q)
        if base is None:
            self.factorises, log_q = False, q.log_prob(points).double()
        else:
            single = base.log_prob(points).double()
            self.single = torch.logaddexp(self.single, single.logsumexp(1))
            log_q = single.sum(-1)
        mine = self.own[:, None] == torch.arange(first, first + block)
        self.every = torch.logaddexp(self.every, log_q.logsumexp(1))
        self.others = torch.logaddexp(self.others, log_q.masked_fill(mine, -math.inf).logsumexp(1))
        self.n += block


def _blocks(model: Model, data: Store, seed: int) -> Iterator[tuple[int, Store, Distribution]]:
    first = 0
    for part in data.chunks(ROWS):
        x = part.fixed(seed)
        yield first, part, view_of(model, x).encode(x)
        first += len(part)


@threads()
@torch.no_grad()
def aggregated_posterior(model: Model, data: AnyRows, samples: int = 1, seed: int = 0) -> Aggregated:
    """Take the rate of ``data`` apart; time grows with the square of the number of rows.

    Args:
        model: in evaluation mode, on the CPU.
        data: N rows x, (N, D), of any container; see `velbo.checks.rows_for`. At least 2; a few thousand are enough.
        samples: of z, for each row.
        seed: of all noise.

    Raises:
        DataError: for a single row.
    """
    data = rows_for(model, data)
    if len(data) < 2:
        raise DataError(f"an aggregated posterior needs at least 2 rows, not {len(data)}")
    sums, prior = list[dict[str, Tensor]](), view_of(model, data.subset(torch.arange(1)).fixed(seed)).prior()
    p, blocks = by_latent(prior), list(_blocks(model, data, seed))
    for first, part, q in blocks:
        draw = RowDraw(part.kept, seed)
        draws = draw.sample(q, samples)
        log_pz = log_weight_of(prior, draws, draw).double().flatten()
        log_qz, rows = q.log_prob(draws).double(), torch.arange(first, first + len(part)).expand(samples, -1)
        z, own, log_q = draws.flatten(0, 1), rows.flatten(), log_qz.flatten()
        for points in torch.arange(len(z)).split(max(1, PAIRS_PER_CHUNK // (ROWS * z.shape[-1]))):
            mixture = _Mixture(z[points], own[points])
            for start, _, others in blocks:
                mixture.add(others, start)
            sums.append(_ratios(mixture, log_q[points], log_pz[points], p))
    n = len(data)
    mean = {name: torch.cat([s[name] for s in sums]).mean(0) for name in sums[0]}
    rate, low, high = (float(mean[name]) for name in ("rate", "low", "high"))
    single = mean.get("single")
    return Aggregated(
        rows=n,
        rate=rate,
        information=(low, high),
        marginal_kl=(rate - high, rate - low),
        total_correlation=float(mean["tc"]) if "tc" in mean else None,
        dimension_wise_kl=None if single is None else tuple(single.tolist()),
    )


def _ratios(mixture: _Mixture, log_q: Tensor, log_pz: Tensor, p: Distribution | None) -> dict[str, Tensor]:
    """Log-ratios of every point."""
    n, z = mixture.n, mixture.z
    log_every, log_others = mixture.every - math.log(n), mixture.others - math.log(n - 1)
    found = {
        "rate": log_q - log_pz,
        "low": log_q - log_every,
        "high": log_q - log_others,
    }
    if mixture.factorises:
        log_single = mixture.single - math.log(n)
        found["tc"] = log_every - log_single.sum(-1)
        if p is not None:
            found["single"] = log_single - p.log_prob(z).double()
    return found
