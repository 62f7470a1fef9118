"""How much noise at what time: t in [0, 1] -> gamma(t) = -log SNR(t), which increases.

    q(z_t|x) = N(alpha_t x, sigma_t^2 I)                                                            (12)
    alpha_t^2 = sigmoid(-gamma_t),   sigma_t^2 = sigmoid(gamma_t),   SNR(t) = alpha_t^2 / sigma_t^2 = e^-gamma_t    (13)

    gamma(t) = gamma_0 + (gamma_1 - gamma_0) f(t),   f(0) = 0,  f(1) = 1,  f increasing

The bound in continuous time depends on the ends gamma_0 and gamma_1 alone (19). What f changes is how much the estimate
of it by one time scatters. So ends are learned on the bound, and f, where it is learned, on the square of the estimate,
whose mean is as small as its variance lets it be.

Source: Variational diffusion models, Kingma, Salimans, Poole and Ho, 2021, https://arxiv.org/abs/2107.00630 (section
3.2, appendices D, E and H).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..errors import ConfigError

START, END = -8.0, 5.0


def alpha(gamma: Tensor) -> Tensor:
    """What is left of x."""
    return torch.sigmoid(-gamma).sqrt()


def sigma(gamma: Tensor) -> Tensor:
    """Standard deviation of the noise."""
    return torch.sigmoid(gamma).sqrt()


def snr(gamma: Tensor) -> Tensor:
    """Signal-to-noise ratio."""
    return torch.exp(-gamma)


class Schedule(nn.Module, ABC):
    """t -> gamma(t). A schedule is its `fraction`.

    Args:
        start: gamma_0; a number of unit variance loses 1/2 log(1 + e^gamma_0) nats by it, which is 1.7e-4 at -8.
        end: gamma_1 > gamma_0; of a number of unit variance a share e^-gamma_1 of the variance is left.
        learned_ends: whether the ends are learned.

    Raises:
        ConfigError: if gamma does not increase.
    """

    start: Tensor
    end: Tensor

    def __init__(self, start: float = START, end: float = END, learned_ends: bool = False) -> None:
        super().__init__()
        if not (math.isfinite(start) and start < end < math.inf):
            raise ConfigError(
                f"a schedule leads from a lower gamma to a higher one, such as -8 to 5, not {start}, {end}"
            )
        for name, value in (("start", start), ("end", end)):
            number = torch.tensor(float(value))
            if learned_ends:
                self.register_parameter(name, nn.Parameter(number))
            else:
                self.register_buffer(name, number)

    @abstractmethod
    def fraction(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """(f, f') of times t."""

    def at(self, t: Tensor, scatter: Callable[[], Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """(gamma, gamma') of times t.

        Args:
            t: in [0, 1].
            scatter: gives, when gradients are computed, what those of f are to be multiplied by; times 2 l, the
                gradient of an estimate l is that of its square.
        """
        fraction, slope = self.fraction(t)
        for tensor in (fraction, slope):
            if scatter is not None and tensor.requires_grad:
                tensor.register_hook(lambda g: g * scatter())
        width = self.end - self.start
        return self.start + width * fraction, width * slope

    def forward(self, t: Tensor) -> Tensor:
        """gamma(t)."""
        return self.at(t)[0]

    def grid(self, steps: int) -> Tensor:
        """gamma at times 0, 1/T, .., 1, (T + 1,)."""
        return self(torch.linspace(0, 1, steps + 1, dtype=self.start.dtype, device=self.start.device))


class LinearSchedule(Schedule):
    """f = t."""

    def fraction(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return t, torch.ones_like(t)


class CosineSchedule(Schedule):
    """alpha(t) = cos(a + (b - a) t) between the angles a, b of the ends: gamma = 2 log tan of the angle.

    Source: Improved denoising diffusion probabilistic models, Nichol and Dhariwal, 2021,
    https://arxiv.org/abs/2102.09672 (section 3.2), cut where gamma is at its ends.
    """

    def fraction(self, t: Tensor) -> tuple[Tensor, Tensor]:
        first, last = (torch.atan(torch.exp(end / 2)) for end in (self.start, self.end))
        angle, width = first + (last - first) * t, self.end - self.start
        return (2 * angle.tan().log() - self.start) / width, 4 * (last - first) / torch.sin(2 * angle) / width


class MonotoneSchedule(Schedule):
    """f is a network with positive weights, learned: h(t) = |a| t + mean_j 2 |c_j| sigmoid(|b_j| (2 t - 1) + d_j), and
    f is h, shifted and scaled to its ends.

    Args:
        start: gamma_0.
        end: gamma_1.
        learned_ends: whether the ends are learned.
        width: of the network.
    """

    def __init__(self, start: float = START, end: float = END, learned_ends: bool = False, width: int = 128) -> None:
        super().__init__(start, end, learned_ends)
        self.line = nn.Parameter(torch.ones(1))
        self.inner, self.outer = nn.Parameter(torch.ones(width)), nn.Parameter(torch.full((width,), 0.1))
        self.shift = nn.Parameter(torch.linspace(-3, 3, width))

    def _raw(self, t: Tensor) -> tuple[Tensor, Tensor]:
        inner, outer = self.inner.abs(), self.outer.abs()
        s = torch.sigmoid(inner * (2 * t.unsqueeze(-1) - 1) + self.shift)
        line = self.line.abs()
        return line * t + (2 * outer * s).mean(-1), line + (4 * outer * inner * s * (1 - s)).mean(-1)

    def fraction(self, t: Tensor) -> tuple[Tensor, Tensor]:
        first, last = self._raw(torch.arange(2, dtype=self.line.dtype, device=self.line.device))[0]
        h, slope = self._raw(t)
        return (h - first) / (last - first), slope / (last - first)
