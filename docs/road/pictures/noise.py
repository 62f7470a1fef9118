"""Noise as an encoder, the bound of a diffusion, and its schedule."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from drawing import BLUE, GREEN, INK, ORANGE, PINK, axes_of, sheet
from sklearn.datasets import load_digits
from torch.distributions import Normal

from velbo.diffusion import (
    CosineSchedule,
    LinearSchedule,
    MonotoneSchedule,
    Schedule,
    Step,
    alpha,
    by_one_time,
    expected_end,
    prior_matching,
    sigma,
)
from velbo.oracles import DiffusedGaussian
from velbo.posteriors import Pathwise
from velbo.report.pictures import figure


def learned_for(oracle: DiffusedGaussian) -> MonotoneSchedule:
    """A schedule of -8 to 5 whose estimates scatter little."""
    torch.manual_seed(0)
    learned = MonotoneSchedule(-8.0, 5.0).double()
    optimizer = torch.optim.Adam(learned.parameters(), 0.02)
    for _ in range(400):
        loss = by_one_time(oracle.denoiser(), learned, oracle.data().sample(torch.Size((256,))), Pathwise())
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()
    return learned


def noising() -> Any:
    fig = figure(8, 4)
    top, below = fig.subfigures(2, 1, height_ratios=(1, 1.6))
    x = torch.from_numpy(load_digits().images[3]).float().flatten() / 8 - 1
    gammas = torch.tensor([-6.0, -4, -2, -1, 0, 1, 2, 4]).unsqueeze(-1)
    torch.manual_seed(0)
    z = alpha(gammas) * x + sigma(gammas) * torch.randn(8, 64)
    for ax, image, gamma in zip(top.subplots(1, 8), z, gammas, strict=True):
        sheet(ax, image / 2.5 + 0.5, 1, f"log SNR {0 - float(gamma):.0f}")
    t = torch.linspace(0, 1, 200)
    oracle = DiffusedGaussian.random(4, LinearSchedule(-8.0, 5.0).double(), seed=1)
    names = {"linear": LinearSchedule(), "cosine": CosineSchedule(), "learned": learned_for(oracle)}
    levels, ratios = axes_of(below, 2)
    for (name, schedule), color in zip(names.items(), (BLUE, ORANGE, GREEN), strict=True):
        gamma = schedule(t).detach()
        levels.plot(t, alpha(gamma), color=color, lw=2)
        levels.plot(t, sigma(gamma), color=color, lw=0.8)
        ratios.plot(t, -gamma, color=color, label=name)
    levels.set(xlabel="t", title="alpha (thick), sigma (thin)")
    ratios.set(xlabel="t", title="log SNR")
    ratios.legend(frameon=False)
    return fig


def hierarchy_of_noise() -> Any:
    steps, schedule = 5, LinearSchedule(-6.0, 5.0).double()
    oracle = DiffusedGaussian.random(3, schedule, seed=1)
    denoiser, gammas = oracle.denoiser(), schedule.grid(steps)
    torch.manual_seed(0)
    x = oracle.data().sample()
    z, kls, formula = alpha(gammas[-1]) * x + sigma(gammas[-1]) * torch.randn(3), [], []
    for i in range(steps, 0, -1):
        step = Step(gammas[i - 1], gammas[i])
        q, p = (Normal(step.mean(z, value), step.scale) for value in (x, denoiser(z, step.late)))
        kls.append(float(torch.distributions.kl_divergence(q, p).sum()))
        formula.append(float(0.5 * step.snr_lost * (x - denoiser(z, step.late)).square().sum()))
        z = q.sample()
    fig = figure(6, 2.6)
    ax, places = axes_of(fig, 1), np.arange(steps)
    ax.bar(places - 0.2, kls, 0.38, color=BLUE, label="KL of two Normals")
    ax.bar(places + 0.2, formula, 0.38, color=ORANGE, label="(15), by the SNR")
    ax.set_xticks(places, [f"{i / steps:.1f}" for i in range(steps, 0, -1)])
    ax.set(xlabel="t of the group", ylabel="nats")
    ax.legend(frameon=False)
    return fig


def three_terms() -> Any:
    schedule = LinearSchedule(-8.0, 5.0).double()
    oracle = DiffusedGaussian.random(4, schedule, seed=1)
    torch.manual_seed(0)
    x = oracle.data().sample(torch.Size((2000,)))
    steps = [20, 40, 80, 160, 320, 640, 1280]
    places = np.arange(len(steps))
    reconstruction = float(-expected_end(schedule, x).mean())
    end, matching = float(prior_matching(schedule, x).mean()), [float(oracle.matching(x, n).mean()) for n in steps]
    fig = figure(8, 3.2)
    parts, bounds = axes_of(fig, 2)
    parts.axhline(0, color=INK, lw=0.8)
    parts.bar(places, reconstruction, color=GREEN, label="-reconstruction")
    parts.bar(places, end, color=PINK, label=f"prior matching ({end:.2f})")
    parts.bar(places, matching, bottom=end, color=BLUE, label="denoising matching")
    parts.axhline(float(oracle.matching(x).mean()) + end, color=ORANGE, ls="--", label="its limit")
    parts.set_xticks(places, steps)
    parts.set(xlabel="T", ylabel="nats", ylim=(reconstruction * 1.1, max(matching) * 1.7))
    parts.legend(frameon=False, fontsize=8, ncols=2, columnspacing=1, loc="upper right")
    bounds.plot(places, [float(oracle.bound(x, n).mean()) for n in steps], "o-", color=BLUE, label="bound of T steps")
    exact = [float(oracle.chain(n).log_prob(x).mean()) for n in steps]
    bounds.plot(places, exact, "s-", color=GREEN, label="log p of the model of T steps")
    bounds.axhline(float(oracle.bound(x).mean()), color=ORANGE, ls="--", label="bound, limit")
    bounds.axhline(float(oracle.data().log_prob(x).mean()), color=INK, ls=":", label="log p of the data")
    bounds.set_xticks(places, steps)
    bounds.set(xlabel="T", ylabel="nats")
    bounds.legend(frameon=False, loc="lower right")
    return fig


def schedules() -> Any:
    oracle = DiffusedGaussian.random(4, LinearSchedule(-8.0, 5.0).double(), seed=1)
    learned = learned_for(oracle)
    row = oracle.data().sample(torch.Size((1,)))
    names: dict[str, Schedule] = {
        "linear": LinearSchedule(-8.0, 5.0).double(),
        "cosine": CosineSchedule(-8.0, 5.0).double(),
        "learned": learned,
    }
    fig = figure(8, 3)
    curves, spreads = axes_of(fig, 2)
    t = torch.linspace(0, 1, 200, dtype=torch.float64)
    estimates = []
    for (name, schedule), color in zip(names.items(), (BLUE, ORANGE, GREEN), strict=True):
        curves.plot(t, schedule(t).detach(), color=color, label=name)
        found = by_one_time(oracle.denoiser(), schedule, row.expand(50_000, -1), Pathwise()).detach()
        estimates.append(found)
    curves.set(xlabel="t", title="gamma(t), between the same ends")
    curves.legend(frameon=False)
    for i, (found, color) in enumerate(zip(estimates, (BLUE, ORANGE, GREEN), strict=True)):
        low, high = (float(found.quantile(q)) for q in (0.05, 0.95))
        spreads.plot([low, high], [i, i], color=color, lw=8, alpha=0.4, solid_capstyle="butt")
        spreads.plot([float(found.mean())], [i], "o", color=color)
        spreads.text(high + 1.5, i, f"standard deviation {found.std():.1f}", va="center", fontsize=9)
    spreads.axvline(float(oracle.matching(row)), color=INK, ls="--", lw=1)
    spreads.set_yticks(range(3), list(names))
    spreads.set(title="estimates of one bound: mean, 5 to 95 %", xlabel="nats", ylim=(-0.6, 2.6), xlim=(0, 125))
    return fig
