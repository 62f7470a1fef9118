"""Masks that are modelled: every likelihood with a mechanism, and a model of three cells whose law is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch import Tensor, nn

from contracts.cell_kinds import KINDS
from velbo.likelihoods import LIKELIHOODS, Bernoulli, Mixed, Normal
from velbo.likelihoods.missingness import MissingNotAtRandom

F = 3
FINE = 801

COLUMN = {kind: cells.columns[-1] for kind, cells in KINDS.items()}


def grid(kind: str) -> tuple[Tensor, Tensor]:
    """Points and weights whose weighted sum is the integral or the sum over a column's values."""
    sums, column = KINDS[kind].sums(30_000), COLUMN[kind]
    points, weights = sums.points[:, 0, -1], sums.weights[:, 0, -1]
    kept = points >= 0 if kind == "count" else points < (column.n_categories or math.inf)
    return points[kept], weights[kept]


def of_columns(name: str) -> nn.Module:
    return Mixed(F, [replace(COLUMN[LIKELIHOODS[name].kinds[0]], likelihood=name)] * 3)


HEADS = {name: (lambda name=name: of_columns(name), member.kinds[0]) for name, member in LIKELIHOODS.items()} | {
    "pixels": (lambda: Bernoulli(F, 3), "binary"),
}
EVERY = pytest.mark.parametrize("name", HEADS)


def masked(name: str, nodes: int = FINE, slope: float = 1.5) -> MissingNotAtRandom:
    """Three columns, of which the first and the last have holes, and every parameter of the mechanism is in use."""
    model = MissingNotAtRandom(HEADS[name][0](), F, [0, 2], slope=[slope, -slope], nodes=nodes)
    assert model.latents is not None
    with torch.no_grad():
        for p in (model.intercept, model.latents.weight):
            p.copy_(0.7 * torch.randn_like(p))
        for p in model.effects:
            p.add_(0.5 * torch.randn_like(p))
    return model


def distribution(name: str, rows: int = 4, **options):
    return masked(name, **options).double()(0.7 * torch.randn(rows, F, dtype=torch.float64))


def everywhere(x: Tensor) -> Tensor:
    """(P,) -> (P, 1, 3)."""
    return x[:, None, None].expand(-1, 1, 3)


HOLES = torch.full((1, 3), math.nan, dtype=torch.float64)


D, SIGMA, SLOPE, INTERCEPT = 3, 0.5, 3.0, 0.2


def self_masking_decoder(slope: float = SLOPE) -> nn.Sequential:
    """x_d | z ~ N(z, 0.5^2), missing with probability sigmoid(0.2 + 3 x_d)."""
    head = MissingNotAtRandom(Normal(1, D, SIGMA).double(), 1, [0, 1, 2], (), False, slope).double()
    with torch.no_grad():
        head.head.linear.weight.fill_(1.0)  # type: ignore[union-attr,operator]
        head.head.linear.bias.zero_()  # type: ignore[union-attr,operator]
        head.intercept.fill_(INTERCEPT)
    return nn.Sequential(head)


def masked_rows(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """(x with NaN, z), drawn by numpy."""
    g = np.random.default_rng(seed)
    z = g.normal(size=(n, 1))
    x = z + SIGMA * g.normal(size=(n, D))
    hidden = g.random((n, D)) < special.expit(INTERCEPT + SLOPE * x)
    return torch.from_numpy(np.where(hidden, np.nan, x)), torch.from_numpy(z)


def exact_log_p(x: np.ndarray) -> np.ndarray:
    """log p(x, mask) of rows (n, 3) of that model, by sums over z in numpy and scipy."""
    z = np.linspace(-7, 7, 601)
    t, w = np.polynomial.hermite_e.hermegauss(120)
    lost = (special.expit(INTERCEPT + SLOPE * (z[:, None] + SIGMA * t)) * w).sum(1) / w.sum()
    v = np.nan_to_num(x)[:, :, None]
    seen = stats.norm.logpdf(v, z, SIGMA) + special.log_expit(-INTERCEPT - SLOPE * v)
    cells = np.where(np.isnan(x)[:, :, None], np.log(lost), seen)
    return special.logsumexp(stats.norm.logpdf(z) + cells.sum(1), axis=1) + np.log(z[1] - z[0])
