"""Latent diffusion, guidance, and two ways to fool oneself."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from drawing import BLUE, INK, MOONS, ORANGE, axes_of, log_mean_exp, number, sheet
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal

import velbo
from velbo.diffusion import (
    ConditionalDenoiser,
    DiffusionPrior,
    DiscreteTime,
    GaussianDenoiser,
    Guided,
    Heun,
    LevelMLP,
    LinearSchedule,
    Preconditioned,
    Process,
    alpha,
    by_one_time,
    by_path,
    end_of_path,
    expected_end,
    prior_matching,
    sigma,
    simple,
)
from velbo.oracles import DiffusedGaussian, LinearGaussianHierarchy, guided_gain
from velbo.posteriors import Pathwise
from velbo.priors import StandardNormal, real_nvp
from velbo.report.pictures import figure


class Around(nn.Module):
    """v -> N(v, 0.2^2)."""

    def forward(self, v: Tensor) -> Distribution:
        return Independent(Normal(v, torch.tensor(0.2)), 1)


class Moons(nn.Module):
    """() -> two moons."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self) -> Distribution:
        parts = Independent(Normal(MOONS.float(), torch.tensor(self.scale)), 1)
        return MixtureSameFamily(Categorical(torch.ones(40)), parts)


def priors() -> Any:
    torch.manual_seed(0)
    x, new = Moons(0.2)().sample(torch.Size((4000,))), Moons(0.2)().sample(torch.Size((1000,)))
    settings = velbo.TrainingConfig(velbo.Budget(epochs=100), velbo.Optimisation(batch_size=512, lr=5e-3, ema=0.99))
    denoiser = Preconditioned(LevelMLP(2, 2, 64, 64))
    found: dict[str, nn.Module] = {
        "aggregated posterior": Moons(0.08**0.5),
        "N(0, I)": StandardNormal(2),
        "real NVP": real_nvp(2),
        "diffusion": DiffusionPrior(Process(denoiser, 2, LinearSchedule(-6.0, 5.0), steps=50)),
    }
    fig = figure(9, 3)
    for ax, (name, prior) in zip(axes_of(fig, 4), found.items(), strict=True):
        model = velbo.VAE(Around(), Around(), prior)
        if any(p.requires_grad for p in prior.parameters()):
            velbo.train(model, x, velbo.ELBO(), settings)
        elbo = velbo.evaluate(model.eval(), new, samples=10).elbo
        torch.manual_seed(0)
        ax.scatter(*prior().sample(torch.Size((1000,))).T, s=2, color=INK if ax is fig.axes[0] else BLUE)
        ax.set_title(f"{name}\nELBO {elbo:.2f}", fontsize=10)
        ax.set(xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[], aspect="equal")
        ax.axis("off")
    return fig


def guidance() -> Any:
    images, labels = load_digits(return_X_y=True)
    x, c = torch.from_numpy(images).float() / 8 - 1, nn.functional.one_hot(torch.from_numpy(labels), 10).float()
    torch.manual_seed(0)
    model = ConditionalDenoiser(Preconditioned(LevelMLP(64 + 10 + 1, 64, 128, 128)), left_out=0.15)
    schedule, optimizer = LinearSchedule(-5.0, 5.0), torch.optim.Adam(model.parameters(), 3e-3)
    decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, 2000)
    for _ in range(2000):
        rows = torch.randint(len(x), (256,))
        loss = by_one_time(model.given(c[rows]), schedule, x[rows], Pathwise(), weighting=simple)
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()
        decay.step()
    model.eval()
    fig = figure(9, 3)
    left, spread = fig.subfigures(1, 2, width_ratios=(1.5, 1))
    noise = torch.randn(10, 64)
    for ax, w in zip(left.subplots(3, 1), (0.0, 1.0, 3.0), strict=True):
        drawn = Heun(model.guided(c[labels == 8][:10], w), schedule, 30)(noise)
        sheet(ax, (drawn + 1) / 2, 10, f"w = {w:.0f}")
    wide = LinearSchedule(-8.0, 8.0).double()
    start, end = wide.start, wide.end
    denoisers = [GaussianDenoiser(number(0.0).view(1), number(v).view(1, 1)) for v in (0.5, 1.2)]
    levels = float(sigma(end) / alpha(end)), float(sigma(start) / alpha(start))
    ax, ws = axes_of(spread, 1), np.linspace(0, 4, 41)
    ax.plot(
        ws, [guided_gain(0.5, 1.2, w, *levels) / float(alpha(end)) for w in ws], color=BLUE, label="guided, formula"
    )
    some, one = np.arange(5.0), number(1.0).view(1, 1)
    flows = [float(Heun(Guided(*denoisers, w), wide, 200)(one) / alpha(start)) for w in some]
    ax.plot(some, flows, "o", color=BLUE, label="guided, by Heun")
    ax.plot(ws, [((1 + w) / 0.5 - w / 1.2) ** -0.5 for w in ws], color=ORANGE, ls="--", label="tilted law")
    ax.set(xlabel="w", title="standard deviation, two Normals", ylim=(0, 0.95))
    ax.legend(frameon=False, loc="upper right", fontsize=9)
    return fig


def traps() -> Any:
    steps, schedule = 100, LinearSchedule(-6.0, 5.0).double()
    oracle = DiffusedGaussian.random(4, schedule, seed=0)
    torch.manual_seed(0)
    x = oracle.data().sample(torch.Size((1,)))
    many, fewer = x.expand(256 * 2000, -1), x.expand(256, 200, -1)
    ends, denoiser = expected_end(schedule, many) - prior_matching(schedule, many), oracle.denoiser()
    one_time = ends - by_one_time(denoiser, schedule, many, Pathwise(), DiscreteTime(steps))
    # times that are drawn together lie evenly, and shuffled they are like independent ones
    one_time = one_time[torch.randperm(len(one_time))].view(256, -1)
    path = by_path(denoiser, schedule, fewer, Pathwise(), steps)
    whole = path.log_ratio + end_of_path(schedule, fewer, path.z)
    known = LinearGaussianHierarchy.random((12, 6), seed=0, diagonal=True)
    row = known.sample(1)
    terms = known.model().terms(row.expand(4000, -1), 256)
    closed = (terms.log_px_z - terms.kl.sum(-1)) if terms.kl is not None else terms.log_w
    fig = figure(8, 3)
    for ax, wrong, right, log_p, names in zip(
        axes_of(fig, 2),
        (one_time, closed.detach()),
        (whole, terms.log_w.detach()),
        (oracle.chain(steps).log_prob(x), known.log_px(row)),
        (("one random time", "a whole path"), ("closed-form KL", "log w")),
        strict=True,
    ):
        ks = [2**i for i in range(9)]
        for values, color, marker, name in ((wrong, ORANGE, "s", names[0]), (right, BLUE, "o", names[1])):
            found = [float(log_mean_exp(values[:k]).mean()) for k in ks]
            ax.semilogx(ks, found, marker + "-", base=2, color=color, label=f"log-mean-exp, {name}")
        ax.axhline(float(log_p), color=INK, ls="--", label="log p(x)")
        ax.set(xlabel="K", ylabel="nats")
        ax.legend(frameon=False, loc="upper left", fontsize=9)
        low, high = ax.get_ylim()
        ax.set_ylim(low, high + 0.35 * (high - low))
    return fig
