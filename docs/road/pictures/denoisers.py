"""Denoisers, samplers, and the density of the flow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from drawing import BLUE, GREEN, INK, MOONS, ORANGE, PALE, PINK, axes_of, number
from matplotlib.ticker import NullFormatter
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal

from velbo.diffusion import (
    DDIM,
    Ancestral,
    Denoiser,
    Heun,
    LinearSchedule,
    Prediction,
    alpha,
    flow_log_prob,
    sigma,
)
from velbo.oracles import DiffusedGaussian
from velbo.report.pictures import figure


class MoonDenoiser(Denoiser):
    """E[x|z_t] of two moons, each centre with a Normal of standard deviation ``scale``."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def law(self, gamma: Tensor) -> Distribution:
        """q(z_t)."""
        scale = (alpha(gamma) ** 2 * self.scale**2 + sigma(gamma) ** 2).sqrt()
        parts = Independent(Normal(alpha(gamma) * MOONS, scale), 1)
        return MixtureSameFamily(Categorical(torch.ones(40).to(gamma)), parts)

    def spread(self, gamma: Tensor) -> Tensor:
        return torch.zeros_like(gamma)

    def forward(self, z: Tensor, gamma: Tensor) -> Tensor:
        a, variance = alpha(gamma), alpha(gamma) ** 2 * self.scale**2 + sigma(gamma) ** 2
        off = z.unsqueeze(-2) - a * MOONS
        share = torch.softmax(-0.5 * off.square().sum(-1) / variance, -1).unsqueeze(-1)
        return (share * (MOONS + a * self.scale**2 / variance * off)).sum(-2)


def targets() -> Any:
    denoiser = MoonDenoiser(0.15)
    fig = figure(9, 2.6)
    first, *others = axes_of(fig, 4)
    torch.manual_seed(0)
    clean = denoiser.law(number(-40.0)).sample(torch.Size((400,)))
    gamma, z = number(0.0), torch.tensor([[1.5, 0.9]], dtype=torch.float64)
    said = Prediction(denoiser(z, gamma), z, gamma)
    first.scatter(*clean.T, s=2, color=PALE)
    for name, tip, color in (
        ("x", said.x - z, INK),
        ("noise", said.noise, BLUE),
        ("score", said.score, ORANGE),
        ("v", said.velocity, GREEN),
    ):
        first.annotate("", (z + tip)[0], z[0], arrowprops={"arrowstyle": "->", "color": color, "lw": 1.8})
        first.plot([], [], color=color, label=name)
    first.plot(*z.T, "o", color=PINK)
    first.set_title("one point, four predictions", fontsize=9)
    first.legend(frameon=False, fontsize=7, ncols=2, loc="lower left", handlelength=1)
    side = torch.linspace(-2.4, 2.4, 13, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    for ax, level in zip(others, (2.0, 0.0, -2.0), strict=True):
        score = Prediction(denoiser(grid, number(level)), grid, number(level)).score
        drawn = denoiser.law(number(level)).sample(torch.Size((300,)))
        ax.scatter(*drawn.T, s=2, color=PALE)
        length = score.norm(dim=-1, keepdim=True)
        ax.quiver(*grid.T, *(score / (1 + length)).T, color=ORANGE, scale=18, width=0.006)
        ax.set_title(f"score, log SNR {0 - level:.0f}", fontsize=9)
    for ax in (first, *others):
        ax.set(xlim=(-2.8, 2.8), ylim=(-2.8, 2.8), aspect="equal")
        ax.axis("off")
    return fig


def samplers() -> Any:
    schedule = LinearSchedule(-6.0, 5.0).double()
    oracle = DiffusedGaussian(number(0.5).view(1), number(1.3).view(1, 1), schedule)
    first, last = schedule.start, schedule.end
    ratio = ((alpha(first) ** 2 * 1.3 + sigma(first) ** 2) / (alpha(last) ** 2 * 1.3 + sigma(last) ** 2)).sqrt()
    z1 = torch.linspace(-2, 2, 9, dtype=torch.float64).unsqueeze(-1)
    exact = alpha(first) * 0.5 + ratio * (z1 - alpha(last) * 0.5)
    steps, fig = [10, 20, 50, 100, 200, 400], figure(7.5, 3.2)
    paths, laws = axes_of(fig, 2)
    for sampler, color, marker in ((DDIM, BLUE, "o"), (Heun, ORANGE, "s")):
        errors = [float((sampler(oracle.denoiser(), schedule, n)(z1) - exact).abs().max()) for n in steps]
        order = math.log2(errors[-2] / errors[-1])
        paths.loglog(steps, errors, marker + "-", color=color, label=f"{sampler.__name__}, order {order:.2f}")
    paths.set(xlabel="steps", title="distance from the exact flow")
    target = float(oracle.data().variance * alpha(first) ** 2 + sigma(first) ** 2)
    errors = [abs(float(oracle.first_latents(n).variance) - target) for n in steps]
    torch.manual_seed(0)
    noise = torch.randn(200_000, 1, dtype=torch.float64)
    drawn = [abs(float(Ancestral(oracle.denoiser(), schedule, n)(noise).var()) - target) for n in steps[:4]]
    laws.loglog(steps, errors, color=GREEN, label="exact, order 1")
    laws.loglog(steps[:4], drawn, "^", color=INK, label="of 200,000 draws")
    laws.set(xlabel="steps", title="ancestral: error of the variance")
    for ax in (paths, laws):
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.legend(frameon=False)
    return fig


def flow_density() -> Any:
    denoiser, schedule = MoonDenoiser(0.3), LinearSchedule(-8.0, 8.0).double()
    side = torch.linspace(-3, 3, 61, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    by_flow = flow_log_prob(denoiser, schedule, grid, steps=40).detach()
    exact = denoiser.law(schedule.start).log_prob(grid)
    fig = figure(7, 3)
    for ax, values, title in zip(axes_of(fig, 2), (by_flow, exact), ("by the flow", "exact"), strict=True):
        integral = float(values.exp().sum() * (side[1] - side[0]) ** 2)
        shown = ax.contourf(side, side, values.view(61, 61).T.clamp_min(-9), np.linspace(-9, -1, 9), cmap="viridis")
        ax.set(title=f"{title}: integral {integral:.4f}", aspect="equal")
    fig.colorbar(shown, ax=fig.axes, label="log p, nats")
    return fig
