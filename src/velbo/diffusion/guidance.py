"""Denoisers that are told what is given, c, and denoisers made of them.

    x_hat(z_t, c), and x_hat(z_t) of the same network where nothing is given
    guided: x_hat_w = (1 + w) x_hat(z_t, c) - w x_hat(z_t)                                                       (24)

In training c is left out of a share of rows, so that one network learns both. The guided flow does not lead to the law
p(x|c)^(1+w) / p(x)^w: for Gaussians its spread is known, and is another.

Source: Classifier-free diffusion guidance, Ho and Salimans, 2022, https://arxiv.org/abs/2207.12598.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .denoiser import Denoiser, Preconditioned


class Guided(Denoiser):
    """A denoiser that goes beyond what is given.

    Args:
        conditional: of what is given.
        unconditional: of nothing given.
        weight: w; 0 is the conditional one.
    """

    def __init__(self, conditional: Denoiser, unconditional: Denoiser, weight: float) -> None:
        super().__init__()
        self.conditional, self.unconditional, self.weight = conditional, unconditional, weight

    def spread(self, gamma: Tensor) -> Tensor:
        return self.conditional.spread(gamma)

    def forward(self, z: Tensor, gamma: Tensor) -> Tensor:
        w = self.weight
        return (1 + w) * self.conditional(z, gamma) - w * self.unconditional(z, gamma)


class WithGiven(nn.Module):
    """A network that sees c beside its input, as the denoiser's network of rows whose c is fixed.

    Args:
        network: (input and c and whether it is given, in one tensor (..., D + F + 1), gamma) -> (..., D).
        c: (B, F).
        is_given: (B, 1), 1 where c is given and 0 where it is not.
    """

    def __init__(self, network: nn.Module, c: Tensor, is_given: Tensor) -> None:
        super().__init__()
        self.network, self.c = network, torch.cat((c * is_given, is_given), -1)

    def forward(self, x: Tensor, gamma: Tensor) -> Tensor:
        c = self.c.to(x).expand(*x.shape[:-1], self.c.shape[-1])
        return self.network(torch.cat((x, c), -1), gamma)


class ConditionalDenoiser(nn.Module):
    """c -> a denoiser of rows whose c is given.

    Args:
        denoiser: by a network (..., D + F + 1), gamma -> (..., D); see `WithGiven`.
        left_out: share of rows whose c is left out in training.
    """

    def __init__(self, denoiser: Preconditioned, left_out: float = 0.1) -> None:
        super().__init__()
        self.denoiser, self.left_out = denoiser, left_out

    def given(self, c: Tensor) -> Denoiser:
        """Of rows whose c (B, F) is given, to all but a share in training."""
        is_given = torch.ones_like(c[:, :1])
        if self.training:
            is_given = (torch.rand_like(is_given) >= self.left_out).to(c)
        return self._of(c, is_given)

    def nothing(self, c: Tensor) -> Denoiser:
        """Of as many rows of which nothing is given."""
        return self._of(c, torch.zeros_like(c[:, :1]))

    def guided(self, c: Tensor, weight: float) -> Guided:
        """Of rows whose c (B, F) is given, with guidance."""
        return Guided(self.given(c), self.nothing(c), weight)

    def _of(self, c: Tensor, is_given: Tensor) -> Denoiser:
        return self.denoiser.by(WithGiven(self.denoiser.network, c, is_given))
