"""What is filled in is computed of the cells with holes alone."""

from __future__ import annotations

import math

import torch
from torch.distributions import Normal, StudentT, TransformedDistribution
from torch.distributions.transforms import ExpTransform

from velbo.evaluation.cells.weighted import cells_with_holes
from velbo.likelihoods import Factorised, MissingNotAtRandom, Mixed, MixedCells
from velbo.rows import Field

F = 4
NAMES = ("a", "b", "c")
COLUMNS = (
    Field("i", "integer", low=0, high=9, location=4, scale=3),
    Field("c", "categorical", categories=NAMES),
    Field("j", "integer", low=0, high=90, location=38, scale=13, frequent=(40,)),
    Field("r", "real", low=-1, high=1),
    Field("d", "categorical", categories=NAMES[:2]),
    Field("s", "real", low=-1, high=1),
)


def test_parts_are_cut_to_the_cells_with_holes_and_their_moments_are_the_same():
    p, x = Mixed(F, COLUMNS).double()(torch.randn(3, 2, F).double()), torch.zeros(2, 6).double()
    x[0, 2], x[1, 4] = math.nan, math.nan
    found = cells_with_holes(p, x)
    assert sorted(at.tolist() for at, _ in found) == [[2], [4]]
    for at, part in found:
        torch.testing.assert_close(part.mean, p.mean[..., at])
        torch.testing.assert_close(part.variance, p.variance[..., at])
        torch.testing.assert_close(part.mode, p.mode[..., at])
    assert cells_with_holes(p, torch.zeros(2, 6).double()) == []


def test_a_part_that_cannot_be_taken_apart_stays_whole():
    """A distribution that does not tell its parameters, and cells that share the function of their mask."""
    odd = TransformedDistribution(Normal(torch.zeros(2, 2), torch.ones(2, 2)), ExpTransform())
    plain = StudentT(torch.full((2, 2), 5.0), torch.zeros(2, 2), torch.ones(2, 2))
    p = MixedCells([(torch.tensor([0, 2]), Factorised(odd)), (torch.tensor([1, 3]), Factorised(plain))], 4)
    x = torch.tensor([[math.nan, math.nan, 0.0, 0.0]]).expand(2, 4)
    assert [at.tolist() for at, _ in cells_with_holes(p, x)] == [[0, 2], [1]]
    masked = MissingNotAtRandom(Mixed(F, COLUMNS), F, [0, 2])(torch.randn(2, F))
    x = torch.tensor([[math.nan, *[0.0] * 5]]).expand(2, 6)
    assert [at.tolist() for at, _ in cells_with_holes(masked, x)] == [[0, 2]]
