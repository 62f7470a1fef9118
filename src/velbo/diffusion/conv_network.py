"""The network of a denoiser of images: convolutions that are told gamma, the level of the noise.

    h_1 = down_1(x),  h_2 = down_2(h_1), ..          sides halved at each stage, features of gamma added
    g_S = h_S,  g_{s-1} = h_{s-1} + up_s(g_s), ..    back up, beside what the same size said on the way down

Source: U-Net: convolutional networks for biomedical image segmentation, Ronneberger, Fischer and Brox, 2015,
https://arxiv.org/abs/1505.04597 (with sums where it joins channels).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from ..nets import ConvBlock, FullPrecisionConv2d
from ..nets.blocks import depth_to_space, space_to_depth
from ..nets.conv import checked, smallest
from .network import LevelFeatures


class Told(nn.Module):
    """A block of convolutions, its input moved by features of the level.

    Args:
        n_channels: of the map.
        n_told: features of the level and of what is beside the image.
    """

    def __init__(self, n_channels: int, n_told: int) -> None:
        super().__init__()
        self.shift, self.block = nn.Linear(n_told, n_channels), ConvBlock(n_channels)

    def forward(self, h: Tensor, told: Tensor) -> Tensor:
        return self.block(h + self.shift(told)[..., None, None])


class LevelConv(nn.Module):
    """(..., H * W * C + n_beside) and gamma (..., 1) -> (..., H * W * C), 0 at first.

    Args:
        shape: (H, W, C) of an image, whose numbers come first in a row.
        channels: width of each stage; every stage halves the sides.
        n_beside: numbers of a row behind the image, such as what is given.

    Raises:
        ConfigError: for images that cannot be halved so often.
    """

    def __init__(self, shape: Sequence[int], channels: Sequence[int], n_beside: int = 0) -> None:
        super().__init__()
        height, width, n_channels = checked(shape, channels)
        h, w = smallest(height, width, len(channels))
        self.shape = height, width, n_channels
        self.missing = w * 2 ** len(channels) - width, h * 2 ** len(channels) - height
        self.level, n_told = LevelFeatures(), channels[-1]
        self.told = nn.Sequential(nn.Linear(LevelFeatures.n_features + n_beside, n_told), nn.SiLU())
        widths = list(pairwise([n_channels, *channels]))
        # the first and the last see numbers of any fineness
        kinds = [FullPrecisionConv2d, *[nn.Conv2d] * (len(channels) - 1)]
        self.coarser = nn.ModuleList(kind(4 * a, b, 1) for kind, (a, b) in zip(kinds, widths, strict=True))
        self.down = nn.ModuleList(Told(b, n_told) for b in channels)
        self.up = nn.ModuleList(Told(b, n_told) for b in channels)
        self.finer = nn.ModuleList(
            nn.Sequential(nn.SiLU(), kind(b, 4 * a, 1)) for kind, (a, b) in zip(kinds, widths, strict=True)
        )
        last = self.finer[0][1]  # type: ignore[index]
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, gamma: Tensor) -> Tensor:
        height, width, n_channels = self.shape
        n, (right, below) = height * width * n_channels, self.missing
        rows = x.reshape(-1, x.shape[-1])
        level = self.level(gamma).expand(*x.shape[:-1], -1).reshape(len(rows), -1)
        told = self.told(torch.cat((level, rows[:, n:]), -1))
        images = rows[:, :n].unflatten(-1, self.shape).permute(0, 3, 1, 2)
        h, said = pad(images, (0, right, 0, below)), list[Tensor]()
        for enter, block in zip(self.coarser, self.down, strict=True):
            h = block(enter(space_to_depth(h)), told)
            said.append(h)
        g = torch.zeros_like(h)
        for leave, block, h in zip(reversed(self.finer), reversed(self.up), reversed(said), strict=True):
            g = depth_to_space(leave(block(h + g, told)))
        return g[..., :height, :width].permute(0, 2, 3, 1).reshape(*x.shape[:-1], n)
