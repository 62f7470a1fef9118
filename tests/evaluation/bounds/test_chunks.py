"""How much is computed at a time follows from what a z really takes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from velbo import VAE
from velbo.evaluation import score_rows
from velbo.evaluation.bounds.chunks import CELLS_PER_CHUNK, _Sizes, numbers_per_row
from velbo.likelihoods import Normal
from velbo.nets import MLP
from velbo.posteriors import DiagonalNormal
from velbo.priors import MixturePrior, StandardNormal
from velbo.rows import Store


def model(width: int, prior: nn.Module | None = None) -> VAE:
    """Of 5 numbers, 2 latents and one layer; the last map has 5 * width weights, which no z is in."""
    encoder = nn.Sequential(MLP(5, 4, 4), DiagonalNormal(4, 2))
    decoder = nn.Sequential(MLP(2, width, width), Normal(width, 5))
    return VAE(encoder, decoder, prior or StandardNormal(2)).eval()


ROWS = Store.from_tensor(torch.zeros(300, 5))


@pytest.mark.parametrize("width", [3, 64, 700])
def test_the_widest_tensor_of_a_z_is_found(width: int):
    assert numbers_per_row(model(width), ROWS) == max(5, width)


def test_a_mixture_takes_its_components():
    """50 components: as many numbers a z, though rows have 5 and layers 4."""
    assert numbers_per_row(model(4, MixturePrior(2, 50)), ROWS) == 50


def test_narrow_rows_under_wide_layers_take_no_more_memory_than_others():
    """The largest tensor of a score by 100 samples; by rows alone it was 140 times as large."""
    with _Sizes() as sizes:
        score_rows(model(700), ROWS, 100)
    assert CELLS_PER_CHUNK / 2 < max(sizes.found) <= CELLS_PER_CHUNK
