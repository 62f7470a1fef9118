"""The hierarchical VAE: groups of latents z = (z_L, .., z_1), inferred from the top down.

    p(x, z)  = p(z_L) prod_l p(z_l|z_>l) p(x|z)                                                           equation (8)
    q(z|x)   = q(z_L|x) prod_l q(z_l|z_>l, x)                                                             equation (9)
    ELBO(x)  = E_q[ log p(x|z) ] - sum_l E_q[ KL( q(z_l|z_>l, x) || p(z_l|z_>l) ) ]                      equation (10)
    log w    = log p(x|z) + sum_l [ log p(z_l|z_>l) - log q(z_l|z_>l, x) ]     at the sample, never a KL

One pass goes down for all of them: encoder's features once a row, then group by group. To all else it is a VAE over
the one vector z, whose q, p and decoder go down the same generator by themselves.

Sources: Auto-encoding variational Bayes, Kingma and Welling, 2013, https://arxiv.org/abs/1312.6114; Ladder variational
autoencoders, Sønderby et al., 2016, https://arxiv.org/abs/1602.02282.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..model import LatentVariableModel
from ..nets import Given
from ..posteriors import Draw
from ..priors import log_prior
from ..terms import PATHWISE, Terms, closed_form_kl
from .chain import Chain, sum_of
from .top_down import TopDown


class Hierarchy(LatentVariableModel):
    """A bottom-up encoder, a top-down generator and a decoder.

    Args:
        encoder: x (..., D) -> (q(z_L|x), features of each group below the top); see `BottomUp`.
        prior: the generator; its `top` is p(z_L).
        decoder: state below the last group (..., *state) -> p(x|z), event shape (D,).
    """

    def __init__(self, encoder: nn.Module, prior: TopDown, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.prior, self.decoder = encoder, prior, decoder

    @property
    def generator(self) -> TopDown:
        """The prior, by its class."""
        return cast(TopDown, self.prior)

    def encode(self, x: Tensor) -> Chain:
        return self.generator.given(*self.encoder(x))

    def decode(self, z: Tensor) -> Distribution:
        return self.decoder(self.generator.state(z))

    @property
    def n_groups(self) -> int:
        return 1 + len(self.generator.groups)

    def redrawn(self, z: Tensor, n_kept: int) -> Tensor:
        return self.generator().redrawn(z, n_kept)

    def with_given(self, c: Tensor, sizes: Sequence[Tensor]) -> Hierarchy:
        # the state of the generator holds c already; of the decoder's head the sizes alone are asked
        decoder = Given(self.decoder, c[..., :0], sizes) if sizes else self.decoder
        return Hierarchy(self.encoder, self.generator.with_given(c), decoder)

    def terms(self, x: Tensor, samples: int = 1, draw: Draw = PATHWISE) -> Terms:
        q, p = self.encode(x), self.generator()
        path = q.path(_drawn(draw, samples))
        log_q = [draw.log_prob(law, z) for law, z in zip(path.laws, path.z, strict=True)]
        log_p_top, is_weight = log_prior(p.top, path.z[0], draw)
        log_p = [log_p_top, *(law.log_prob(z) for law, z in zip(path.priors, path.z[1:], strict=True))]
        kl = closed_form_kl(q.top, p.top)
        parts = [(log_q[0] - log_p_top).mean(0).unsqueeze(-1) if kl is None else kl]
        for law, prior in zip(path.laws[1:], path.priors, strict=True):
            of_group = closed_form_kl(law, prior)
            assert of_group is not None  # both are Normal
            parts.append(of_group.mean(0))
        return Terms(
            log_px_z=self.decoder(path.h).log_prob(x),
            log_pz=sum_of(log_p),
            log_qz=sum_of(log_q),
            z=torch.cat(path.z, -1),
            kl=torch.cat(parts, -1),
            groups=tuple(part.shape[-1] for part in parts),
            q=q,
            p=p,
            is_weight=is_weight,
        )


def _drawn(draw: Draw, samples: int) -> Callable[[Distribution], Tensor]:
    """z of each law in turn: so many of the first, then one for each of these."""
    numbers = iter([samples])

    def choose(law: Distribution) -> Tensor:
        n = next(numbers, 0)
        return draw.sample(law, n) if n else draw.sample(law, 1)[0]

    return choose
