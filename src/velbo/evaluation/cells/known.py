"""What a model believes of cells of a row given any others, p(x_a | x_g), whatever it was trained for.

    w_k = p(x_g|z_k) p(z_k) / m(z_k),   z_k ~ m(z) = (1 - s) q(z|x_g) + s p(z)

    p(x_d | x_g)  ~  sum_k w_k p(x_d|z_k) / sum_k w_k                               law.py
    x_a           :  z among the z_k in proportion to w_k, x_a ~ p(x_a|z)           drawn.py

q was trained on whole rows, or on rows with a few missing cells. Of few given cells it may know little, so a share s of
the draws comes from the prior: then w <= p(x_g|z) / s, and no weight runs away. Of each of the two come as many draws
as its share of K (the balance heuristic).

What is not given is not known, which is not the same as missing: where the mask is modelled, it is not asked.

Sources: Weighted average importance sampling and defensive mixture distributions, Hesterberg, 1995,
https://doi.org/10.1080/00401706.1995.10484303; Optimally combining sampling techniques for Monte Carlo rendering, Veach
and Guibas, 1995, https://doi.org/10.1145/218380.218498 (the balance heuristic).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.distributions import Distribution

from ...likelihoods import Factorised, MixedCells, OrderedCells
from ...posteriors import Draw
from ...priors import Estimated
from ...runtime.generators import OwnGenerator
from ...terms import View, log_weight_of
from .ordered import Laws, completed
from .weighted import Cells, cells_of

SHARE = 0.5


class Unmasked:
    """The view of a model whose cells are p(x_d|z), whether they would be observed or not."""

    def __init__(self, view: View) -> None:
        self.view = view

    def encode(self, x: Tensor) -> Distribution:
        return self.view.encode(x)

    @property
    def prior(self) -> Callable[[], Distribution]:
        return self.view.prior

    def decode(self, z: Tensor) -> Cells:
        p = cells_of(self.view.decode(z))
        if isinstance(p, OrderedCells):  # which go without a mask
            return p
        return MixedCells([(at, Factorised(part.cell)) for at, part in p.parts], p.event_shape[0])


def importance_draws(
    view: View, x: Tensor, samples: int, chunk: int, draw: Draw, own: OwnGenerator
) -> Iterator[tuple[Tensor, Laws, Tensor]]:
    """(state, laws of the cells, log p(z) - log q(z|x)) of ``chunk`` draws z ~ q(z|x) at a time: (k, B, Z), (k, B, D),
    (k, B). The state is z, and more where missing cells are drawn too, by ``own``; see ordered.py.
    """
    q, prior = view.encode(x), view.prior()
    for done in range(0, samples, chunk):
        z = draw.onwards().sample(q, min(chunk, samples - done))
        log_ratio = log_weight_of(prior, z, draw) - draw.log_prob(q, z)
        yield *completed(view, x, z, own), log_ratio


def defensive_draws(
    view: View, x: Tensor, samples: int, chunk: int, share: float, draw: Draw, own: OwnGenerator
) -> Iterator[tuple[Tensor, Laws, Tensor]]:
    """`importance_draws` of m instead of q, with log p(z) - log m(z).

    A prior whose density is known by estimates has no share.
    """
    prior = view.prior()
    n_prior = 0 if isinstance(prior, Estimated) else math.floor(samples * share)
    n_q = samples - n_prior
    if not n_prior:
        yield from importance_draws(view, x, samples, chunk, draw, own)
        return
    q, log_shares = view.encode(x), (math.log(n_q / samples), math.log(n_prior / samples))
    sizes = [(min(chunk, n - done), of_q) for n, of_q in ((n_q, True), (n_prior, False)) for done in range(0, n, chunk)]
    for k, of_q in sizes:
        z = draw.onwards().sample(q, k) if of_q else _of_prior(prior, k, len(x), own)
        log_pz = prior.log_prob(z)
        log_m = torch.logaddexp(draw.log_prob(q, z) + log_shares[0], log_pz + log_shares[1])
        yield *completed(view, x, z, own), log_pz - log_m


def _of_prior(prior: Distribution, k: int, n_rows: int, own: OwnGenerator) -> Tensor:
    """k draws, the same for all rows, (k, B, Z)."""
    with own:
        z = prior.sample(torch.Size((k,)))
    z = z if prior.batch_shape else z.unsqueeze(1)
    return z.expand(k, n_rows, z.shape[-1])
