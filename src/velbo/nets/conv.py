"""Residual convolutional trunks for images of any size >= 8 and any number of channels.

Images are rows of numbers like all data: x is (..., H * W * C), pixels in reading order, channels last, as arrays and
files hold them. The encoder halves the sides at each entry of `channels`: every 2 x 2 pixels become one pixel of four
times the channels (blocks.py: no pixel is passed over, and no convolution works at full size), which a convolution
brings to the stage's width. The decoder retraces the same sizes upwards and gives one row of features a pixel, (..., H
* W, F). Sides are padded with zeros at the end to what can be halved, and cut back: 28 is as good as 32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from ..errors import ConfigError
from .blocks import DepthToSpace, SpaceToDepth


def smallest(height: int, width: int, n_stages: int) -> tuple[int, int]:
    """(H, W) after the last halving."""
    factor = 2**n_stages
    return math.ceil(height / factor), math.ceil(width / factor)


def checked(shape: Sequence[int], channels: Sequence[int]) -> tuple[int, int, int]:
    height, width, n_channels = shape
    if min(height, width) < 8:
        raise ConfigError(
            f"convolutions need images of at least 8 x 8 pixels, these are {height} x {width}; use recipe 'resmlp'"
        )
    if not channels or 2 ** len(channels) > min(height, width):
        raise ConfigError(
            f"images of {height} x {width} pixels can be halved 1 to {int(math.log2(min(height, width)))} times, "
            f"not {len(channels)}: give as many channel counts"
        )
    return height, width, n_channels


class ConvBlock(nn.Module):
    """x + f(x), f = two 3x3 convolutions of the normalised x."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.GroupNorm(1, n_channels),
            nn.SiLU(),
            nn.Conv2d(n_channels, n_channels, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(n_channels, n_channels, 3, padding=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


class AnyLead(nn.Module):
    """A module that takes (N, C, H, W), for inputs (..., C, H, W)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        y = self.module(x.reshape(-1, *x.shape[-3:]))
        return y.reshape(*x.shape[:-3], *y.shape[1:])


class ConvDown(nn.Module):
    """(..., n_planes * H * W * C) -> (..., *map_shape), the image at its smallest.

    Args:
        shape: (H, W, C) of an image.
        channels: width of each stage; every stage halves the sides.
        n_planes: images per row; 2 when a mask of observed cells follows the values.

    Attributes:
        map_shape: (channels, height, width).
    """

    def __init__(self, shape: Sequence[int], channels: Sequence[int], n_planes: int = 1) -> None:
        super().__init__()
        height, width, n_channels = checked(shape, channels)
        self.planes = n_planes, height, width, n_channels
        h, w = smallest(height, width, len(channels))
        self.map_shape = channels[-1], h, w
        self.missing = w * 2 ** len(channels) - width, h * 2 ** len(channels) - height
        layers: list[nn.Module] = []
        for before, after in pairwise([n_channels * n_planes, *channels]):
            layers += [SpaceToDepth(), nn.Conv2d(4 * before, after, 1), ConvBlock(after)]
        self.stages = nn.Sequential(*layers)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        n, h, w, c = self.planes
        # (B, planes, H, W, C) -> (B, planes * C, H, W); with one plane this is a channels-last view
        images = x.reshape(-1, n, h, w, c).permute(0, 1, 4, 2, 3).flatten(1, 2)
        right, below = self.missing
        y = self.stages(pad(images, (0, right, 0, below)))
        return y.reshape(*x.shape[:-1], *y.shape[1:])


class ConvEncoder(nn.Sequential):
    """(..., n_planes * H * W * C) -> (..., n_features).

    Args:
        shape: (H, W, C) of an image.
        channels: width of each stage; every stage halves the sides.
        n_features: width of the linear layer at the end.
        n_planes: images per row; 2 when a mask of observed cells follows the values.
    """

    def __init__(self, shape: Sequence[int], channels: Sequence[int], n_features: int = 256, n_planes: int = 1) -> None:
        down = ConvDown(shape, channels, n_planes)
        super().__init__(down, nn.Flatten(-3), nn.Linear(math.prod(down.map_shape), n_features))
        self.n_features = n_features


class ConvUp(nn.Module):
    """(..., *map_shape) -> (..., H * W, n_features): features of every pixel.

    Args:
        shape: (H, W, C) of an image.
        channels: the encoder's, finest first.
        n_features: of a pixel; few, for they are the only ones at full size.

    Attributes:
        map_shape: (channels, height, width) of the image at its smallest.
    """

    def __init__(self, shape: Sequence[int], channels: Sequence[int], n_features: int = 8) -> None:
        super().__init__()
        height, width, _ = checked(shape, channels)
        self.size, self.n_features, self.n_positions = (height, width), n_features, height * width
        self.map_shape = channels[-1], *smallest(height, width, len(channels))
        layers: list[nn.Module] = []
        for before, after in pairwise(channels[::-1]):
            layers += [ConvBlock(before), nn.Conv2d(before, 4 * after, 1), DepthToSpace()]
        layers += [ConvBlock(channels[0]), nn.SiLU(), nn.Conv2d(channels[0], 4 * n_features, 3, padding=1)]
        layers.append(DepthToSpace())
        self.stages = nn.Sequential(*layers)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, y: Tensor) -> Tensor:
        lead, (height, width) = y.shape[:-3], self.size
        pixels = self.stages(y.reshape(-1, *y.shape[-3:]))[..., :height, :width].permute(0, 2, 3, 1)
        return pixels.reshape(*lead, self.n_positions, self.n_features)


class ToMap(nn.Linear):
    """(..., n_in) -> (..., *map_shape), channels last in memory.

    Args:
        n_in: numbers per row.
        map_shape: (channels, height, width).
    """

    def __init__(self, n_in: int, map_shape: Sequence[int]) -> None:
        super().__init__(n_in, math.prod(map_shape))
        self.map_shape = tuple(map_shape)

    def forward(self, input: Tensor) -> Tensor:
        c, h, w = self.map_shape
        return super().forward(input).unflatten(-1, (h, w, c)).movedim(-1, -3)


class ConvDecoder(nn.Sequential):
    """(..., n_in) -> (..., H * W, n_features): features of every pixel.

    Args:
        n_in: numbers per row (latents).
        shape: (H, W, C) of an image.
        channels: the encoder's, finest first.
        n_features: of a pixel; few, for they are the only ones at full size.
    """

    def __init__(self, n_in: int, shape: Sequence[int], channels: Sequence[int], n_features: int = 8) -> None:
        up = ConvUp(shape, channels, n_features)
        super().__init__(ToMap(n_in, up.map_shape), up)
        self.n_features, self.n_positions = n_features, up.n_positions
