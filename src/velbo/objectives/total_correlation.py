"""beta-TC: the rate in three parts, each with a weight of its own; for latents that are independent over the data.

With n uniform over the N training rows and q(z) = 1/N sum_n q(z|x_n), the aggregated posterior,

    E_n KL( q(z|x_n) || p(z) ) =   E[ log q(z|x_n) - log q(z) ]              index-code mutual information
                                 + E[ log q(z) - sum_d log q(z_d) ]          total correlation
                                 + E[ sum_d log q(z_d) - log p(z) ]          dimension-wise KL

    surrogate = reconstruction - beta ( mi_weight * MI + tc_weight * TC + kl_weight * DKL )

q(z) at a z drawn for row i is estimated from the B rows of the batch, by weights that sum to one in every row:

    q(z) ~ 1/N q(z|x_i) + (N - 1) / (N (B - 1)) sum_{j != i} q(z|x_j)

Row i is in the batch for certain and each other one by chance, so this is unbiased, and exact for B = N. Its log is not
unbiased: TC and MI are estimates, the value reported is the ELBO, and with all weights 1 the surrogate is that of the
ELBO whatever the estimate, for q(z) cancels. A batch of one row knows itself alone: its weight is 1, MI and TC are 0.
Of several processes each takes its share of a batch for the batch.

Source: Isolating sources of disentanglement in variational autoencoders, Chen, Li, Grosse and Duvenaud, 2018,
https://arxiv.org/abs/1802.04942 (eqs. 2, 4; appendix C.2, whose one row of leftover weight is spread evenly here).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from torch import Tensor
from torch.distributions import Independent

from ..errors import ConfigError
from ..posteriors import Draw
from ..terms import PATHWISE, Terms
from .base import Bound, best_rate, check_samples


def log_row_weights(n_batch: int, n_rows: int, like: Tensor) -> Tensor:
    """Log weight of row j in the estimate of q(z) for row i, (B, B)."""
    own, other = (1 / n_rows, (1 - 1 / n_rows) / (n_batch - 1)) if n_batch > 1 else (1.0, 0.0)
    return like.new_full((n_batch, n_batch), other).fill_diagonal_(own).log()


def log_aggregated(q: Independent, z: Tensor, n_rows: int) -> tuple[Tensor, Tensor]:
    """Estimates of log q(z), (K, B), and log q(z_d), (K, B, Z), for z (K, B, Z) drawn from q of B rows out of N.

    It holds K * B^2 * Z numbers.
    """
    log_weights = log_row_weights(z.shape[1], n_rows, z).unsqueeze(-1)
    of_every_row = q.base_dist.log_prob(z.unsqueeze(-2))  # (K, B, B, Z): log q(z_id | x_j)
    joint = (log_weights.squeeze(-1) + of_every_row.sum(-1)).logsumexp(-1)
    return joint, (log_weights + of_every_row).logsumexp(-2)


@dataclass(frozen=True)
class BetaTC:
    """The ELBO, its rate decomposed and weighted in the surrogate; weights of 1 are the ELBO.

    Memory grows with the square of the batch, see `log_aggregated`.

    Args:
        samples: L of the ELBO.
        mi_weight: of the index-code mutual information.
        tc_weight: of the total correlation.
        kl_weight: of the dimension-wise KL.
        n_rows: N; training tells it, see `for_rows`.
        draw: how z is drawn.
    """

    samples: int = 1
    mi_weight: float = 1.0
    tc_weight: float = 6.0
    kl_weight: float = 1.0
    n_rows: int | None = None
    draw: Draw = PATHWISE

    couples_rows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_samples(self.samples)
        for name in ("mi_weight", "tc_weight", "kl_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name} must be finite and at least 0, not {getattr(self, name)}")
        if self.n_rows is not None and self.n_rows < 1:
            raise ConfigError(f"n_rows must be at least 1, not {self.n_rows}")

    def for_rows(self, n_rows: int) -> Self:
        """A copy for a training set of so many rows."""
        return replace(self, n_rows=n_rows)

    def __call__(self, terms: Terms, beta: float | Tensor = 1.0) -> Bound:
        """
        Raises:
            ConfigError: if N is not known, or q(z|x) does not factorise over latents.
        """
        joint, marginals = log_aggregated(factorised(terms), terms.z, self._known_rows())
        product = marginals.sum(-1)
        penalty = (
            self.mi_weight * (terms.log_qz - joint)
            + self.tc_weight * (joint - product)
            + self.kl_weight * (product - terms.log_pz)
        )
        reconstruction, rate = terms.log_px_z.mean(0), best_rate(terms)
        return Bound(reconstruction - rate, reconstruction - beta * penalty.mean(0), reconstruction, rate)

    def _known_rows(self) -> int:
        if self.n_rows is None:
            raise ConfigError(
                "objective 'beta-tc' has to know the number of training rows: call it as "
                "objective.for_rows(len(x)), as training does"
            )
        return self.n_rows


def factorised(terms: Terms) -> Independent:
    """q(z|x), if it is a product over latents.

    Raises:
        ConfigError: if it is none, or if the terms hold no q.
    """
    q = terms.q
    if not isinstance(q, Independent) or q.reinterpreted_batch_ndims != 1:
        has = "holds none" if q is None else f"has {type(q).__name__}"
        raise ConfigError(
            f"objective 'beta-tc' needs a posterior with independent latents in the terms, and this model {has}; use "
            "posterior 'diagonal', or another objective"
        )
    return q
