"""The bracket: what is simulated has the model's law, masks too, and no stream of random numbers is used twice."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from contracts.masks import exact_log_p, masked_rows, self_masking_decoder
from velbo import VAE, LinearGaussian
from velbo.evaluation import Annealing, bracket, simulate
from velbo.evaluation.bounds import annealing
from velbo.evaluation.bounds.annealing import anneal, anneal_backwards
from velbo.evaluation.bounds.summary import standard_error
from velbo.likelihoods import Factorised
from velbo.likelihoods.normal import NormalCell
from velbo.nets import FillMissing
from velbo.posteriors import DiagonalNormal
from velbo.priors import StandardNormal
from velbo.rows import Store


def masked_model() -> VAE:
    """q(z|x) is N(0, 1), whatever x."""
    encoder = nn.Sequential(FillMissing(mask=True), DiagonalNormal(6, 1)).double()
    with torch.no_grad():
        encoder[-1].linear.weight.zero_()  # type: ignore[union-attr,operator]
        encoder[-1].linear.bias.copy_(torch.tensor([0.0, 0.54]))  # type: ignore[union-attr,operator]
    return VAE(encoder, self_masking_decoder(), StandardNormal(1).double()).eval()


def test_simulated_rows_have_masks_as_the_model_says():
    """Mean of log p(x, mask) and shares of missing cells, of 1,000 rows and of as many drawn by numpy: within 5
    standard errors of their difference, false alarm 2e-6 over seeds.
    """
    x, z = simulate(masked_model(), 1000)
    assert x.shape == (1000, 3)
    assert z.shape == (1000, 1)
    ours, theirs = x.numpy(), masked_rows(1000)[0].numpy()
    for of in (exact_log_p, lambda rows: np.isnan(rows).mean(1)):
        a, b = of(ours), of(theirs)
        assert abs(a.mean() - b.mean()) < 5 * math.hypot(a.std(), b.std()) / math.sqrt(1000)


def test_the_bracket_of_a_mask_model_holds_the_truth():
    """40 rows, both sides within 4 of their own standard errors of the exact mean of log p(x, mask) of the same rows:
    false alarm 1e-4 over seeds. The upper bound was below the truth when masks were not simulated.
    """
    model, data = masked_model(), masked_rows(40, seed=1)[0]
    settings = Annealing(25, 4, 3)
    found = bracket(model, Store.from_tensor(data), settings, samples=100)
    own, z = simulate(model, 40)
    exact = torch.from_numpy(exact_log_p(own.numpy()))
    below = anneal(model, own, settings).bound - exact
    above = anneal_backwards(model, own, z, settings).bound - exact
    assert found.own_annealed == pytest.approx(float((below + exact).mean()), abs=1e-9)
    assert found.own_annealed - 4 * standard_error(below) < float(exact.mean())
    assert found.own_above + 4 * standard_error(above) > float(exact.mean())
    assert 0 < found.width + 4 * found.width_se < 1
    truth = float(exact_log_p(data.numpy()).mean())
    assert truth - 0.5 < found.annealed < truth + 4 * found.annealed_se


def test_standard_errors_are_those_of_the_rows():
    model = LinearGaussian.random(4, 2, seed=1).vae()
    x, _ = simulate(model, 30, seed=9)
    settings = Annealing(10, 2, 2)
    found = bracket(model, Store.from_tensor(x), settings, samples=30).to_json()
    own, z = simulate(model, 30)
    below, above = anneal(model, own, settings).bound, anneal_backwards(model, own, z, settings).bound
    for name, rows in (("own_annealed", below), ("own_above", above), ("width", above - below)):
        assert found[name] == pytest.approx(float(rows.mean()), rel=1e-12)
        assert found[f"{name}_se"] == pytest.approx(float(rows.std()) / math.sqrt(30), rel=1e-12)
    figures = {"annealed", "importance", "own_importance", "own_annealed", "own_above", "width"}
    assert figures | {f"{name}_se" for name in figures} <= set(found)


class Wide(nn.Module):
    """z -> N(0, 10^2) of one cell, whatever z."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([10.0], dtype=torch.float64))

    def forward(self, z: torch.Tensor) -> Factorised:
        return Factorised(NormalCell(0 * z[..., :1], self.scale))


def test_no_stream_is_used_twice(monkeypatch):
    """z* of `simulate`, the cells drawn from it, the start and the first momenta of both directions and of the tuning:
    of every two, the correlation over 300 seeds is within 5 standard errors of 0 (false alarm 4e-5 over seeds).
    Momenta of annealing with the seed s were z* of the same seed, number by number.
    """
    model, drawn = VAE(nn.Linear(1, 1), Wide(), StandardNormal(1).double()), list[torch.Tensor]()
    settings = [Annealing(1, 1, 1, seed=s) for s in range(300)]
    normal, start = annealing._Chains.normal, annealing._prior_samples

    def momentum(chains, like):
        drawn.append(normal(chains, like))
        return drawn[-1]

    def begin(chains, k):
        drawn.append(start(chains, k))
        return drawn[-1]

    monkeypatch.setattr(annealing._Chains, "normal", momentum)
    monkeypatch.setattr(annealing, "_prior_samples", begin)
    rows = []
    for s in settings:
        x, z = simulate(model, 1, s.seed)
        drawn.clear()
        anneal(model, x, s)
        anneal_backwards(model, x, z, s)
        # of `anneal`: start and momentum of the tuning, start and momentum; of its reverse: the tuning again, momentum
        assert len(drawn) == 7
        rows.append([float(t.flatten()[0]) for t in (z, x / 10, *drawn[:4], drawn[6])])
    correlation = np.corrcoef(np.array(rows).T)
    assert np.abs(correlation[~np.eye(7, dtype=bool)]).max() < 5 / math.sqrt(300)
    # and with the seed before: seeds that follow each other are other streams too
    late = np.array(rows)
    across = np.corrcoef(late[:-1].T, late[1:].T)[:7, 7:]
    assert np.abs(across).max() < 5 / math.sqrt(299)
