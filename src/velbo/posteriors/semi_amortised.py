"""Semi-amortised inference: the encoder's q(z|x) is where an optimisation of the row's own bound begins.

    y_0     = encoder(x)                                            parameters of q, (..., P)
    L(y; x) = 1/S sum_s log p(x|z_s) + log p(z_s) - log q(z_s; y),  z_s = g(eps_s; y)
    y_t+1   = y_t + h_t * eta * dL/dy                               where that raises L, else y_t, and h is halved

The noise eps_s is a fixed set of quasi-random points, the same for every row and step, so q is a function of x, and L
of a row never falls (but for a decoder with dropout, in training). L is the exact ELBO, up to a constant, where the
integrand is quadratic and S >= 2 Z (see points.py). eta > 0 is learned, one number for each parameter of q. Outside of
torch.no_grad the steps are differentiated, so that encoder, decoder and eta are trained for the bound that is reached
in the end.

A step costs S decodings forwards and backwards, twice backwards in training; one evaluation decides on the last step.

Source: Semi-amortized variational autoencoders, Kim, Wiseman, Miller, Sontag and Rush, 2018,
https://arxiv.org/abs/1802.02550 (algorithm 1).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..errors import ConfigError
from .base import Posterior, body_and_head
from .draw import transport
from .points import normal_points

CELLS_AT_ONCE = 4_000_000


class SemiAmortised(nn.Module):
    """x (..., D) -> q(z|x), refined.

    Args:
        encoder: nn.Sequential whose last part is a `Posterior`; this module owns it.
        decoder: z (..., Z) -> p(x|z); shared with the model, which owns its weights.
        prior: () -> p(z); shared likewise. If the model is given another one, these steps still climb towards this one.
        steps: gradient steps.
        lr: eta at first.
        points: S, even; on images of digits two did as well as eight.

    Raises:
        ConfigError: for an encoder that ends in no `Posterior`, no steps, an lr of 0 or less, or an odd S.

    Example:
        >>> model = VAE(SemiAmortised(encoder, decoder, prior, steps=5), decoder, prior)
    """

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, prior: nn.Module, steps: int, lr: float = 0.1, points: int = 2
    ) -> None:
        super().__init__()
        _, head = body_and_head(encoder)
        if steps < 1 or not lr > 0:
            raise ConfigError(f"refinement takes 1 step or more, of a positive lr, not {steps} of {lr}")
        self.encoder, self.steps = encoder, steps
        self.noise = normal_points(points, head.n_latents)
        self.log_lr = nn.Parameter(torch.full((head.linear.out_features,), math.log(lr)))
        self._generative = (decoder, prior)  # in a tuple, so that their weights are not this module's too

    @property
    def head(self) -> Posterior:
        """Of the encoder."""
        return body_and_head(self.encoder)[1]

    def forward(self, x: Tensor) -> Distribution:
        return self.head.distribution(self.refined(x))

    def refined(self, x: Tensor) -> Tensor:
        """y after all steps, (..., P), of x (..., D)."""
        climb: Any = torch.compiler.disable(self._refined)  # a compiled graph takes no derivatives
        return climb(x)

    def _refined(self, x: Tensor) -> Tensor:
        body, head = body_and_head(self.encoder)
        y, p_z = head.linear(body(x)), self._generative[1]()
        rows, start = x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])
        learning = torch.is_grad_enabled()
        n = max(1, len(rows) if learning else CELLS_AT_ONCE // (len(self.noise) * x.shape[-1]))
        with torch.enable_grad():
            parts = [self._climb(a, b, p_z, learning) for a, b in zip(rows.split(n), start.split(n), strict=True)]
        return torch.cat(parts).view_as(y)

    def _climb(self, x: Tensor, y: Tensor, p_z: Distribution, learning: bool) -> Tensor:
        """y (B, P) after all steps, of rows x (B, D)."""
        y = self._variable(y, learning)
        value = self._bound(x, y, p_z)
        gradient = self._gradient(value, y, learning)
        step = self.log_lr.exp().expand_as(y)
        for t in range(1, self.steps + 1):
            proposal = self._variable(y + step * gradient, learning)
            new_value = self._bound(x, proposal, p_z)
            better = (new_value > value).unsqueeze(-1)
            y, step = torch.where(better, proposal, y), torch.where(better, step, 0.5 * step)
            if t < self.steps:
                gradient = torch.where(better, self._gradient(new_value, proposal, learning), gradient)
                value = torch.where(better.squeeze(-1), new_value, value).detach()
        return y

    @staticmethod
    def _variable(y: Tensor, learning: bool) -> Tensor:
        """y to be differentiated in; without its past, unless that is to be learned from."""
        return y if learning and y.requires_grad else y.detach().requires_grad_()

    @staticmethod
    def _gradient(value: Tensor, y: Tensor, learning: bool) -> Tensor:
        (gradient,) = torch.autograd.grad(value.sum(), y, create_graph=learning)
        return gradient

    def _bound(self, x: Tensor, y: Tensor, p_z: Distribution) -> Tensor:
        """L of every row, (B,)."""
        q = self.head.distribution(y)
        z = transport(q, self.noise.to(y).unsqueeze(1).expand(-1, len(y), -1))
        log_w = self._generative[0](z).log_prob(x) + p_z.log_prob(z) - q.log_prob(z)
        return log_w.mean(0)
