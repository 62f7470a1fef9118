"""Convolutions that are told the level of the noise: sizes that cannot be halved, leading dimensions, what is given."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from velbo.diffusion import LevelConv
from velbo.errors import ConfigError


def stirred(network: LevelConv) -> LevelConv:
    """With a last layer that says something."""
    torch.nn.init.normal_(network.finer[0][1].weight)
    return network.double()


@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 13, 1), (28, 20, 3)])
def test_says_0_at_first_for_images_of_any_size(shape):
    n = shape[0] * shape[1] * shape[2]
    said = LevelConv(shape, (4, 8))(torch.randn(2, 5, n), torch.zeros(2, 5, 1))
    assert said.shape == (2, 5, n)
    assert not said.any()


def test_leading_dimensions_are_rows_of_their_own():
    network = stirred(LevelConv((9, 8, 2), (4, 8), n_beside=3))
    x, gamma = torch.randn(2, 5, 147).double(), torch.randn(2, 5, 1).double()
    said = network(x, gamma)
    for k, b in np.ndindex(2, 5):
        torch.testing.assert_close(said[k, b], network(x[k, b], gamma[k, b]))


def test_every_number_of_a_row_goes_in_where_it_comes_out():
    """Rows are images in reading order, channels last, on both ways: a pixel moves what is next to it. Beyond the
    convolutions' reach it counts in norms alone."""
    torch.manual_seed(0)
    height, width = 24, 20
    network = stirred(LevelConv((height, width, 1), (8,)))
    slopes = torch.autograd.functional.jacobian(
        lambda x: network(x, torch.zeros(1).double()), torch.randn(height * width).double()
    )
    place = torch.stack((torch.arange(height * width) // width, torch.arange(height * width) % width))
    apart = (place[:, :, None] - place[:, None]).abs().amax(0)
    assert slopes[apart <= 2].abs().mean() > 10 * slopes[apart > 10].abs().mean()


def test_the_level_and_what_is_given_move_it():
    network = stirred(LevelConv((8, 8, 1), (4,), n_beside=2))
    x, gamma = torch.randn(3, 66).double(), torch.zeros(3, 1).double()
    other = torch.cat((x[:, :64], x[:, 64:] + 1), -1)
    assert (network(x, gamma) - network(x, gamma + 2)).abs().min() > 1e-6
    assert (network(x, gamma) - network(other, gamma)).abs().min() > 1e-6


def test_images_that_cannot_be_halved_so_often_are_refused():
    with pytest.raises(ConfigError, match="halved 1 to 3 times"):
        LevelConv((8, 8, 1), (4, 4, 4, 4))
