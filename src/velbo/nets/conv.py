"""Residual convolutional trunks for images of any size >= 8 and any number of channels.

Images are rows of numbers like all data: x is (..., H * W * C), pixels in reading order, channels last, as arrays
and files hold them. The encoder halves the sides at each entry of `channels` (ceil(n / 2), so that 7 and 28 are as
good as 32); the decoder retraces the same sizes upwards and gives one row of features a pixel, (..., H * W, F).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ..errors import ConfigError


def sides(height: int, width: int, n_stages: int) -> list[tuple[int, int]]:
    """(H, W) before the first and after every stage of halving."""
    sizes = [(height, width)]
    for _ in range(n_stages):
        sizes.append((math.ceil(sizes[-1][0] / 2), math.ceil(sizes[-1][1] / 2)))
    return sizes


def _checked(shape: Sequence[int], channels: Sequence[int]) -> tuple[int, int, int]:
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


class ConvEncoder(nn.Module):
    """(..., n_planes * H * W * C) -> (..., n_features).

    Args:
        shape: (H, W, C) of an image.
        channels: width of each stage; every stage halves the sides.
        n_features: width of the linear layer at the end.
        n_planes: images per row; 2 when a mask of observed cells follows the values.
    """

    def __init__(self, shape: Sequence[int], channels: Sequence[int], n_features: int = 256, n_planes: int = 1) -> None:
        super().__init__()
        height, width, n_channels = _checked(shape, channels)
        self.planes, self.n_features = (n_planes, height, width, n_channels), n_features
        stages = [n_channels * n_planes, *channels]
        layers: list[nn.Module] = []
        for a, b in pairwise(stages):
            layers += [nn.Conv2d(a, b, 3, stride=2, padding=1), ConvBlock(b)]
        h, w = sides(height, width, len(channels))[-1]
        self.convolutions = nn.Sequential(*layers, nn.SiLU())
        self.linear = nn.Sequential(nn.Linear(channels[-1] * h * w, n_features), nn.SiLU())
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        lead = x.shape[:-1]
        n, h, w, c = self.planes
        # (B, planes, H, W, C) -> (B, planes * C, H, W); with one plane this is a channels-last view
        images = x.reshape(-1, n, h, w, c).permute(0, 1, 4, 2, 3).flatten(1, 2)
        features = self.linear(self.convolutions(images).flatten(1))
        return features.reshape(*lead, self.n_features)


class ConvDecoder(nn.Module):
    """(..., n_in) -> (..., H * W, n_features): features of every pixel, n_features = channels[0].

    Args:
        n_in: numbers per row (latents).
        shape: (H, W, C) of an image.
        channels: the encoder's, finest first.
    """

    def __init__(self, n_in: int, shape: Sequence[int], channels: Sequence[int]) -> None:
        super().__init__()
        height, width, _ = _checked(shape, channels)
        self.sizes = sides(height, width, len(channels))[::-1]
        self.n_features, self.n_positions = channels[0], height * width
        self.top = channels[-1]
        self.linear = nn.Linear(n_in, self.top * self.sizes[0][0] * self.sizes[0][1])
        outputs = [*channels[::-1][1:], channels[0]]
        self.stages = nn.ModuleList(
            nn.Sequential(ConvBlock(a), nn.Conv2d(a, b, 3, padding=1))
            for a, b in zip(channels[::-1], outputs, strict=True)
        )
        self.last = nn.Sequential(ConvBlock(self.n_features), nn.SiLU())
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, z: Tensor) -> Tensor:
        lead = z.shape[:-1]
        h, w = self.sizes[0]
        y = self.linear(z.reshape(-1, z.shape[-1])).reshape(-1, h, w, self.top).permute(0, 3, 1, 2)
        for stage, size in zip(self.stages, self.sizes[1:], strict=True):
            y = interpolate(stage(y), size=size, mode="nearest")
        y = self.last(y).permute(0, 2, 3, 1)
        return y.reshape(*lead, self.n_positions, self.n_features)
