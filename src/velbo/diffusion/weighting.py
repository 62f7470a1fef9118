"""Other weights of a time than the bound's, for the gradient: what a denoiser is to learn first.

    gradient of   1/2 E[ r(gamma) w(t) |x - x_hat|^2 ],   r = 1 the bound's own

No r but 1 gives a bound of log p(x), so none is ever reported: value stays at r = 1.

    simple      r = sech(gamma / 2)         the plain error of the noise under the cosine schedule
    sigmoid     r = sigmoid(gamma + b)      less and less for what is hardly noised, which the eye does not see
    min-SNR     r = min(1, c e^gamma)       the error of x, weighted by the signal-to-noise ratio up to c

Sources: Denoising diffusion probabilistic models, Ho, Jain and Abbeel, 2020, https://arxiv.org/abs/2006.11239 (section
3.4); Understanding diffusion objectives as the ELBO with simple data augmentation, Kingma and Gao, 2023,
https://arxiv.org/abs/2303.00848 (section 3, sigmoid); Efficient diffusion training via min-SNR weighting strategy, Hang
et al., 2023, https://arxiv.org/abs/2303.09556.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Weighting = Callable[[Tensor], Tensor]
"""gamma -> r, positive, of the same shape."""


def simple(gamma: Tensor) -> Tensor:
    """sech(gamma / 2)."""
    return 1 / torch.cosh(gamma / 2)


@dataclass(frozen=True)
class Sigmoid:
    """sigmoid(gamma + b).

    Attributes:
        bias: b.
    """

    bias: float = 2.0

    def __call__(self, gamma: Tensor) -> Tensor:
        return torch.sigmoid(gamma + self.bias)


@dataclass(frozen=True)
class MinSNR:
    """min(1, c e^gamma).

    Attributes:
        most: c.
    """

    most: float = 5.0

    def __call__(self, gamma: Tensor) -> Tensor:
        return (self.most * gamma.exp()).clamp_max(1.0)
