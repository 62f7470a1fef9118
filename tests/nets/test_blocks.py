"""Blocks of 2 x 2 pixels: the equation of blocks.py, element by element, and torch's by another order of channels."""

import numpy as np
import pytest
import torch

from velbo.compress.networks import whole
from velbo.nets.blocks import DepthToSpace, SpaceToDepth, depth_to_space, space_to_depth


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("n_channels", [1, 3])
def test_every_number_lands_where_the_equation_says(memory: torch.memory_format, n_channels: int):
    x = torch.randn(2, n_channels, 6, 4).to(memory_format=memory)
    y = space_to_depth(x)
    assert y.shape == (2, 4 * n_channels, 3, 2)
    at = y.unflatten(1, (2, 2, n_channels))
    for i in range(2):
        for j in range(2):
            assert torch.equal(at[:, i, j], x[:, :, i::2, j::2])
    assert torch.equal(depth_to_space(y), x)


def test_torch_orders_channels_by_channel_then_place():
    y = torch.randn(2, 12, 5, 3)
    torchs = y.unflatten(1, (2, 2, 3)).movedim(3, 1).flatten(1, 3)
    assert torch.equal(depth_to_space(y), torch.pixel_shuffle(torchs, 2))


@pytest.mark.parametrize("module", [SpaceToDepth(), DepthToSpace()])
def test_whole_numbers_land_in_the_same_places(module: torch.nn.Module):
    """Coders keep maps as (B, H, W, C) arrays."""
    x = torch.arange(2 * 8 * 4 * 6, dtype=torch.float64).view(2, 8, 4, 6)
    np.testing.assert_array_equal(whole(module)(x.permute(0, 2, 3, 1).numpy()), module(x).permute(0, 2, 3, 1))
