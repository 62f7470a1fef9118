"""A model that is small enough to go into the file: weights as whole numbers of few bits, times a scale for each row.

    w_ij ~ s_i n_ij,   |n_ij| <= 2^(b-1) - 1

The rows are coded by the model with these weights, so nothing is lost but the bits that it codes worse.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..build import Plan
from ..build.size import least_parameters
from ..errors import RunError, VelboError
from ..trained_model import TrainedModel
from .aside import joined, parted
from .coder import Coder, EndOfWordsError

MOST_WEIGHT_BITS = 8
FREQUENCY_BITS = 16
LANES = 16
MOST_NUMBERS = 1 << 26
HALF, SINGLE, MOST_HALF = "<f2", "<f4", 6e4
SHARES_PER_OCTAVE = 8
MOST_SHARE = 30 * SHARES_PER_OCTAVE
STEPS = np.array([256, 279, 304, 332, 362, 395, 431, 470])
"""256 times 2^(i / 8)."""


@dataclass(frozen=True)
class Packed:
    """A model for a file.

    Attributes:
        trained: the model with the weights that the file will have.
        plan: as JSON.
        weights: as bytes.
    """

    trained: TrainedModel
    plan: dict[str, Any]
    weights: bytes


def pressed_model(trained: TrainedModel, bits: int) -> Packed:
    """A model with weights of few bits."""
    state = trained.model.state_dict()
    parts = {name: _pressed(tensor, bits) for name, tensor in state.items()}
    plan = Plan(trained.schema, trained.recipe, versions=trained.plan.versions, n_parameters=trained.plan.n_parameters)
    small = copy.deepcopy(trained.model)
    small.load_state_dict({name: _unpressed(data, state[name]) for name, data in parts.items()})
    weights = joined(parts)
    return Packed(replace(trained, model=small.eval(), plan=plan), plan.to_json(), weights)


def unpressed_model(plan: dict[str, Any], weights: bytes, name: str) -> TrainedModel:
    """The inverse.

    Raises:
        RunError: if the model in the file is damaged.
    """
    try:
        closed = Plan.from_json(plan, f"{name}: plan")
        parts = parted(weights)
        n = sum(int.from_bytes(data[:4], "little") for data in parts.values())
        if n > MOST_NUMBERS or least_parameters(closed.schema, closed.recipe) > n:
            raise RunError("the numbers of weights do not fit the plan")
        model = closed.build()
        state = model.state_dict()
        if set(state) != set(parts):
            raise RunError("the names of weights do not fit the plan")
        model.load_state_dict({key: _unpressed(data, state[key]) for key, data in parts.items()})
    except (VelboError, ValueError, KeyError, IndexError, AssertionError) as error:
        raise RunError(f"{name}: the model inside is damaged: {error}") from error
    return TrainedModel(model.eval(), closed)


def _pressed(tensor: Tensor, bits: int) -> bytes:
    """A tensor: how many numbers, then those of a matrix in few bits, all others in half or single precision."""
    n = tensor.numel().to_bytes(4, "little")
    if tensor.dim() < 2:
        numbers = tensor.detach().cpu().numpy()
        is_half = float(np.abs(numbers).max(initial=0)) < MOST_HALF
        return n + bytes([is_half]) + numbers.astype(HALF if is_half else SINGLE).tobytes()
    w = tensor.detach().double().flatten(1).cpu().numpy()
    most = 2 ** (bits - 1) - 1
    scale = np.maximum(np.abs(w).max(1) / most, 1e-6).astype(HALF if np.abs(w).max() < MOST_HALF else SINGLE)
    symbols = np.clip(np.rint(w / scale.astype(np.float64)[:, None]), -most, most).astype(np.int64).reshape(-1) + most
    shares = np.rint(SHARES_PER_OCTAVE * np.log2(1 + np.bincount(symbols, minlength=2 * most + 1))).astype(np.uint8)
    below, coder = _below(shares), Coder(LANES)
    for start in reversed(range(0, len(symbols), LANES)):
        some = symbols[start : start + LANES]
        coder.push(below[some], below[some + 1] - below[some], FREQUENCY_BITS)
    stack = coder.heads.astype("<u8").tobytes() + coder.words.astype("<u4").tobytes()
    return n + bytes([bits, scale.itemsize]) + shares.tobytes() + scale.tobytes() + stack


def _below(shares: np.ndarray) -> np.ndarray:
    """Where the intervals of symbols begin; frequencies are 2^(share / 8)."""
    octave, step = np.divmod(shares.astype(np.int64), SHARES_PER_OCTAVE)
    counts = (STEPS[step] << octave) >> 8
    found = (counts * ((1 << FREQUENCY_BITS) - len(counts))) // max(int(counts.sum()), 1) + 1
    found[found.argmax()] += (1 << FREQUENCY_BITS) - found.sum()
    return np.concatenate(([0], np.cumsum(found)))


def _unpressed(data: bytes, like: Tensor) -> Tensor:
    if int.from_bytes(data[:4], "little") != like.numel():
        raise RunError("a weight has another size")
    n = like.numel()
    if like.dim() < 2:
        numbers = np.frombuffer(data, HALF if data[4] else SINGLE, n, 5)
        return torch.from_numpy(numbers.astype(np.float32)).reshape(like.shape).to(like.dtype)
    bits, size = data[4], data[5]
    if not 2 <= bits <= 8 or size not in (2, 4):
        raise RunError("a weight has another number of bits")
    most = 2 ** (bits - 1) - 1
    shares, at = np.frombuffer(data, np.uint8, 2 * most + 1, 6), 6 + 2 * most + 1
    scale = np.frombuffer(data, HALF if size == 2 else SINGLE, len(like), at)
    at += size * len(like)
    heads, words = np.frombuffer(data, "<u8", LANES, at), np.frombuffer(data, "<u4", -1, at + 8 * LANES)
    if ((heads < 1 << 31) | (heads >= 1 << 63)).any() or shares.max() > MOST_SHARE:
        raise RunError("a weight is damaged")
    below, coder = _below(shares), Coder.of(heads, words, most_borrowed=0)
    whole = np.empty(n, np.int64)
    try:
        for start in range(0, n, LANES):
            some = min(LANES, n - start)
            place = coder.peek(some, FREQUENCY_BITS)
            symbol = np.searchsorted(below, place, side="right") - 1
            coder.pop(place, below[symbol], below[symbol + 1] - below[symbol], FREQUENCY_BITS)
            whole[start : start + some] = symbol - most
    except EndOfWordsError as error:
        raise RunError("a weight ends early") from error
    w = whole.reshape(len(like), -1) * scale.astype(np.float64)[:, None]
    return torch.from_numpy(w.astype(np.float32)).reshape(like.shape).to(like.dtype)
