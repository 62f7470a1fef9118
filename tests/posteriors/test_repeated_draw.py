"""Draws that are made once and repeated are those of a fresh draw each time, bit for bit."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from velbo.posteriors import RepeatedDraw, RowDraw, row_draw

ROWS = torch.arange(12.0).view(4, 3)
Q = [Independent(Normal(torch.full((4, n), 0.5), torch.ones(4, n)), 1) for n in (2, 5)]
MIXTURE = MixtureSameFamily(Categorical(torch.ones(4, 2)), Independent(Normal(torch.zeros(4, 2, 3), 1.0), 1))


def drawn(draw: RowDraw) -> list[torch.Tensor]:
    """Of two groups of latents, and of a posterior that is no function of noise."""
    return [draw.sample(Q[0], 3), draw.sample(MIXTURE, 2), draw.sample(Q[1], 2)]


@pytest.mark.parametrize(("most", "made"), [(2**22, 2), (30, 4), (0, 6)])
def test_every_pass_is_that_of_a_fresh_draw(monkeypatch: pytest.MonkeyPatch, most: int, made: int):
    """Kept as a whole, in part or not at all: two streams of noise a pass; of what is kept they are made once."""
    expected, streams = drawn(RowDraw(ROWS, 7)), list[str]()
    monkeypatch.setattr(row_draw, "MOST_KEPT", most)
    of = row_draw.RowNoise
    monkeypatch.setattr(row_draw, "RowNoise", lambda rows, seed, name: streams.append(name) or of(rows, seed, name))
    draw = RepeatedDraw(ROWS, 7)
    for _ in range(3):
        for found, value in zip(drawn(draw.again()), expected, strict=True):
            assert torch.equal(found, value)
    assert len(streams) == made
