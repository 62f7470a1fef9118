"""Convolutions in whole numbers: maps are (B, H, W, C), channels last, and a convolution is a product of matrices."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from ..errors import ConfigError
from ..nets import AnyLead, Beside, ConvDown, ConvUp, ToMap
from ..nets.blocks import DepthToSpace, SpaceToDepth
from ..runtime.fixed_point import Floats
from .networks import SCALE, Affine, Function, limited, normal, scaled, whole

AT_A_TIME = 1 << 18
"""Numbers in windows, which are to stay in the cache."""


@whole.register
def _(module: nn.Conv2d) -> Function:
    kernel, padding = module.kernel_size, module.padding
    plain = module.stride == (1, 1) and module.dilation == (1, 1) and module.groups == 1
    if not plain or module.padding_mode != "zeros" or isinstance(padding, str):
        raise ConfigError("a convolution with strides, groups or dilation has no form in whole numbers")
    # (out, in, kh, kw) -> (out, kh * kw * in), in the order of `windows`, whose channels are copied together
    affine = Affine(module.weight.permute(0, 2, 3, 1).flatten(1), module.bias)
    down, right = (int(p) for p in padding)

    def convolve(a: Floats) -> Floats:
        a = np.pad(a, ((0, 0), (down, down), (right, right), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(a, kernel, (1, 2)).transpose(0, 1, 2, 4, 5, 3)
        step = max(1, len(a) * AT_A_TIME // windows.size)
        some = [windows[start : start + step] for start in range(0, len(a), step)]
        return np.concatenate([affine(w.reshape(*w.shape[:3], -1)) for w in some])

    return convolve


@whole.register
def _(module: nn.GroupNorm) -> Function:
    if module.num_groups != 1 or not module.affine:
        raise ConfigError("a GroupNorm of several groups has no form in whole numbers")
    assert isinstance(module.weight, Tensor)
    weight, bias = scaled(module.weight), np.rint(scaled(module.bias) * 2.0**12)
    return lambda a: limited(np.rint((normal(a, (1, 2, 3), module.eps) * weight + bias) / SCALE))


@whole.register
def _(module: SpaceToDepth) -> Function:
    def to_depth(a: Floats) -> Floats:
        b, h, w, c = a.shape
        return a.reshape(b, h // 2, 2, w // 2, 2 * c).swapaxes(2, 3).reshape(b, h // 2, w // 2, 4 * c)

    return to_depth


@whole.register
def _(module: DepthToSpace) -> Function:
    def to_space(a: Floats) -> Floats:
        b, h, w, c = a.shape
        return a.reshape(b, h, w, 2, c // 2).swapaxes(2, 3).reshape(b, 2 * h, 2 * w, c // 4)

    return to_space


@whole.register
def _(module: nn.Flatten) -> Function:
    # torch's maps have their channels first
    return lambda a: a.transpose(0, 3, 1, 2).reshape(len(a), -1)


@whole.register
def _(module: ConvDown) -> Function:
    n, h, w, c = module.planes
    right, below = module.missing
    stages = whole(module.stages)

    def down(a: Floats) -> Floats:
        images = a.reshape(-1, n, h, w, c).transpose(0, 2, 3, 1, 4).reshape(-1, h, w, n * c)
        return stages(np.pad(images, ((0, 0), (0, below), (0, right), (0, 0))))

    return down


@whole.register
def _(module: ConvUp) -> Function:
    (height, width), stages = module.size, whole(module.stages)

    def up(a: Floats) -> Floats:
        pixels = stages(a)[:, :height, :width]
        return pixels.reshape(len(a), height * width, -1)

    return up


@whole.register
def _(module: ToMap) -> Function:
    affine = Affine(module.weight, module.bias)
    c, h, w = module.map_shape
    return lambda a: affine(a).reshape(len(a), h, w, c)


@whole.register
def _(module: AnyLead) -> Function:
    return whole(module.module)


@whole.register
def _(module: Beside) -> Function:
    trunk, more = whole(module.trunk), whole(module.more)
    return lambda x: np.concatenate((trunk(x), more(x)), -1)
