"""Moments of whole numbers with atoms: those of atoms once, and the same bits as of components like any others."""

from __future__ import annotations

import torch

from velbo.likelihoods.integers import IntegerCell

D, M, A = 3, 2, 4


def cell(*batch: int) -> IntegerCell:
    own = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=own, dtype=torch.float64)

    atoms = drawn(D, A).mul(5).round(), torch.full((D, 1), 0.05, dtype=torch.float64)
    log_pi = drawn(*batch, D, M + A).log_softmax(-1)
    low, step = torch.full((D, 1), -9.0, dtype=torch.float64), torch.ones(D, 1, dtype=torch.float64)
    return IntegerCell(log_pi, 5 * drawn(*batch, D, M), drawn(*batch, D, M).exp(), low, step, *atoms)


def test_moments_of_atoms_are_those_of_components():
    law = cell(6, 5)
    assert law.components[0].shape == (6, 5, D, M + A)
    mean, variance = law._moments
    for found, wanted in zip((mean, variance), law._exact(*law.components), strict=True):
        assert torch.equal(found, wanted)
    assert law.mean.shape == law.variance.shape == (6, 5, D)


def test_atoms_are_computed_once_however_many_samples(monkeypatch):
    sizes = list[int]()
    whole = IntegerCell._exact

    def counted(self, loc, scale):
        sizes.append(loc.numel())
        return whole(self, loc, scale)

    monkeypatch.setattr(IntegerCell, "_exact", counted)
    law = cell(100, 7)
    _ = law.mean, law.variance
    assert sizes == [100 * 7 * D * M, D * A]
