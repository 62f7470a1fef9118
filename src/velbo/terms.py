"""What a model says of a batch: the terms that every bound is made of.

    log w = log p(x|z) + log p(z) - log q(z|x),    z ~ q(z|x)

and KL( q(z|x) || p(z) ) in closed form where there is one. All in nats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor
from torch.distributions import Distribution, Independent, kl_divergence

from .posteriors import Draw, Pathwise

PATHWISE = Pathwise()


@dataclass(frozen=True)
class Terms:
    """Terms of B observations with K samples each.

    Attributes:
        log_px_z: log p(x|z), (K, B).
        log_pz: log p(z), (K, B).
        log_qz: log q(z|x), (K, B).
        z: the samples, (K, B, Z).
        kl: closed-form KL, (B, parts): a part is a latent where q and p factorise, else the whole; None where there
            is no closed form.
        groups: how many consecutive parts make each group of latents; one group unless the model is a hierarchy.
        q: the posterior q(z|x) of the batch, batch shape (B,), for what is made of more than its samples; None from a
            model that gives none.
        p: the prior p(z), likewise; it broadcasts against q.
    """

    log_px_z: Tensor
    log_pz: Tensor
    log_qz: Tensor
    z: Tensor
    kl: Tensor | None
    groups: tuple[int, ...] = ()
    q: Distribution | None = None
    p: Distribution | None = None

    @property
    def log_w(self) -> Tensor:
        """Log importance weights log p(x, z) - log q(z|x), (K, B)."""
        return self.tempered_log_w(1.0)

    def tempered_log_w(self, beta: float) -> Tensor:
        """log p(x|z) + beta (log p(z) - log q(z|x)), (K, B)."""
        return self.log_px_z + beta * (self.log_pz - self.log_qz)


class Model(Protocol):
    """Anything that gives terms: flat, conditional, hierarchical or diffusion models alike."""

    def terms(self, x: Tensor, samples: int = 1, draw: Draw = PATHWISE) -> Terms: ...

    def given(self, x: Tensor) -> Any:
        """A view of the model for rows x (B, D), with ``encode(x)``, ``prior()`` and ``decode(z)``."""
        ...

    def check_data(self, x: Tensor) -> None:
        """Raise DataError if some of x lies outside the support of p(x|z)."""
        ...


def closed_form_kl(q: Distribution, p: Distribution) -> Tensor | None:
    """KL(q || p), (B, Z) where both have independent latents, (B, 1) otherwise, None where no formula is known.

    Source for Normals: Auto-encoding variational Bayes, Kingma and Welling, 2013,
    https://arxiv.org/abs/1312.6114 (appendix B).
    """
    both = (q, p)
    factorise = all(isinstance(d, Independent) and d.reinterpreted_batch_ndims == 1 for d in both)
    try:
        if factorise:
            return kl_divergence(*(d.base_dist for d in both if isinstance(d, Independent)))
        return kl_divergence(q, p).unsqueeze(-1)
    except NotImplementedError:
        return None
