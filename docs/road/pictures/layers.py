"""Jensen's inequality, and groups of latents."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from drawing import BLUE, INK, ORANGE, axes_of, log_mean_exp, sheet
from torch import Tensor, nn

import velbo
from velbo.hierarchy import BottomUp, Hierarchy, TopDown, dense_group
from velbo.likelihoods import Bernoulli
from velbo.nets import MLP, ResidualBlock
from velbo.oracles import LinearGaussianHierarchy
from velbo.posteriors import DiagonalNormal
from velbo.priors import StandardNormal
from velbo.report.pictures import figure


def jensen() -> Any:
    fig = figure(8, 3)
    curve, bounds = axes_of(fig, 2)
    w = np.linspace(0.12, 3.2, 200)
    ends = np.array([0.3, 2.7])
    curve.plot(w, np.log(w), color=INK)
    curve.plot(ends, np.log(ends), "o-", color=ORANGE)
    middle = ends.mean()
    curve.plot([middle, middle], [np.log(ends).mean(), math.log(middle)], color=BLUE, lw=3)
    curve.annotate("log of the mean", (middle, math.log(middle)), (0.75, 0.95), arrowprops={"arrowstyle": "-"})
    curve.annotate("mean of the logs", (middle, np.log(ends).mean()), (1.75, -0.9), arrowprops={"arrowstyle": "-"})
    curve.set(xlabel="w", ylabel="log w", ylim=(-2.2, 1.4))
    oracle = velbo.LinearGaussian.random(n_dims=6, n_latents=3, seed=1)
    x = oracle.sample(20)
    log_w = oracle.vae().terms(x, samples=102_400).log_w.detach()
    ks = [2**i for i in range(11)]
    found = [log_mean_exp(log_w.unflatten(0, (k, -1))).mean() for k in ks]
    bounds.semilogx(ks, found, "o-", color=BLUE, base=2, label="bound by K samples")
    bounds.axhline(oracle.log_px(x).mean(), color=INK, ls="--", label="log p(x)")
    bounds.set(xlabel="K", ylabel="nats")
    bounds.legend(frameon=False, loc="lower right")
    return fig


def two_level_model(free_bits: float, epochs: int) -> tuple[Hierarchy, list[Tensor]]:
    """As on the page, and its KL of each group after each epoch, on rows that it does not see."""
    x = torch.from_numpy(velbo.load("digits").reshape(-1, 64) > 7).float()
    torch.manual_seed(0)
    encoder = BottomUp(MLP(64, 64, 64), nn.Identity(), DiagonalNormal(64, 3), [nn.Linear(64, 64)])
    start = nn.Sequential(nn.Linear(3, 64), ResidualBlock(64))
    generator = TopDown(StandardNormal(3), start, [dense_group(64, 6)])
    model = Hierarchy(encoder, generator, nn.Sequential(MLP(64, 64), Bernoulli(64, 64)))
    optimizer, found = torch.optim.Adam(model.parameters(), 2e-3), list[Tensor]()
    objective = velbo.ELBO(free_bits=velbo.FreeBits(free_bits, per_group=True))
    for epoch in range(epochs):
        with torch.no_grad():
            found.append(model.terms(x[1500:], 20).group_kl.mean(0))
        for rows in torch.randperm(1500).split(128):
            optimizer.zero_grad()
            beta = min(1.0, (epoch + 1) / 6)
            (-objective(model.terms(x[rows]), beta).surrogate.mean()).backward()
            optimizer.step()
    return model, found


def nats_by_group() -> Any:
    fig = figure(8, 2.8)
    for ax, free, title in zip(axes_of(fig, 2), (0.0, 1.0), ("plain ELBO", "1 free nat a group"), strict=True):
        nats = torch.stack(two_level_model(free, 40)[1]).numpy()
        epochs = range(len(nats))
        ax.bar(epochs, nats[:, 0], 1.0, color=BLUE, label="top group")
        ax.bar(epochs, nats[:, 1], 1.0, bottom=nats[:, 0], color=ORANGE, label="bottom group")
        ax.set(title=title, xlabel="epoch", ylabel="KL, nats", ylim=(0, 6))
        ax.legend(frameon=False, ncols=2, loc="upper left")
    return fig


def two_levels() -> Any:
    model, _ = two_level_model(1.0, 80)
    torch.manual_seed(3)
    fig = figure(8, 2.5)
    fig.get_layout_engine().set(wspace=0.1)
    tops, bottoms = axes_of(fig, 2)
    with torch.no_grad():
        z = model.prior().sample(torch.Size((4, 8)))
        same_top = z.clone()
        same_top[..., :3] = z[:, :1, :3]
        sheet(tops, model.decode(same_top).mean, 8, "each row: one top, bottoms drawn")
        law = model.prior().of(z).laws[1]  # of the bottom group, given each top
        same_noise = torch.cat((z[..., :3], law.mean + law.stddev * torch.randn(4, 1, 6)), -1)
        sheet(bottoms, model.decode(same_noise).mean, 8, "each row: one noise of the bottom, tops drawn")
    return fig


def exact_hierarchy() -> Any:
    fig = figure(8, 2.8)
    axes = axes_of(fig, 2)
    exact = LinearGaussianHierarchy.random((6, 4, 3, 2), seed=1, diagonal=True)
    general = LinearGaussianHierarchy.random((5, 4, 3, 2), seed=2)
    for ax, oracle, title in zip(axes, (exact, general), ("q is the posterior", "the best diagonal q"), strict=True):
        x = oracle.sample(1)
        log_w, log_px = oracle.model().terms(x, 20_000).log_w[:, 0].detach(), float(oracle.log_px(x))
        ax.hist(log_w, log_px + np.arange(-5.0625, 3.1, 0.125), color=BLUE)
        ax.axvline(log_px, color=ORANGE, lw=1.5, label="log p(x)")
        ax.axvline(float(log_w.mean()), color=INK, ls="--", lw=1.5, label="ELBO")
        ax.set(title=title, xlabel="log w of 20,000 draws", yticks=[])
        ax.legend(frameon=False, loc="upper left")
    return fig
