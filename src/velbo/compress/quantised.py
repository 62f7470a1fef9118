"""A model that is small enough to go into the file: weights as whole numbers of few bits, times a scale for each row.

    w_ij ~ s_i n_ij,   |n_ij| <= 2^(b-1) - 1

The rows are coded by the model with these weights, so nothing is lost but the bits that it codes worse.
"""

from __future__ import annotations

import base64
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
from .coder import Coder

WEIGHT_BITS = 7
FREQUENCY_BITS = 16
LANES = 16
MOST_NUMBERS = 1 << 26


@dataclass(frozen=True)
class Packed:
    """A model for a file.

    Attributes:
        trained: the model with the weights that the file will have.
        plan: as JSON.
        weights: in base64.
    """

    trained: TrainedModel
    plan: dict[str, Any]
    weights: str


def pressed_model(trained: TrainedModel, bits: int = WEIGHT_BITS) -> Packed:
    """A model with weights of few bits."""
    state = trained.model.state_dict()
    parts = {name: _pressed(tensor, bits) for name, tensor in state.items()}
    plan = Plan(trained.schema, trained.recipe, versions=trained.plan.versions)
    small = copy.deepcopy(trained.model)
    small.load_state_dict({name: _unpressed(data, state[name]) for name, data in parts.items()})
    weights = base64.b85encode(joined(parts)).decode()
    return Packed(replace(trained, model=small.eval(), plan=plan), plan.to_json(), weights)


def unpressed_model(plan: dict[str, Any], weights: str, name: str) -> TrainedModel:
    """The inverse.

    Raises:
        RunError: if the model in the file is damaged.
    """
    try:
        closed = Plan.from_json(plan, f"{name}: plan")
        parts = parted(base64.b85decode(weights))
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
    """A tensor: how many numbers, then matrices as few bits, all else as half precision (or whole numbers)."""
    n = tensor.numel().to_bytes(4, "little")
    if tensor.dim() < 2:
        return n + tensor.detach().cpu().numpy().astype("<f4").tobytes()
    w = tensor.detach().double().flatten(1).cpu().numpy()
    most = 2 ** (bits - 1) - 1
    scale = np.maximum(np.abs(w).max(1) / most, 1e-8).astype("<f4")
    whole = np.clip(np.rint(w / scale[:, None]), -most, most).astype(np.int64).reshape(-1)
    counts = np.bincount(whole + most, minlength=2 * most + 1)
    below = _below(counts)
    coder, symbols = Coder(LANES), whole + most
    for start in reversed(range(0, len(symbols), LANES)):
        some = symbols[start : start + LANES]
        coder.push(below[some], below[some + 1] - below[some], FREQUENCY_BITS)
    stack = coder.heads.astype("<u8").tobytes() + coder.words.astype("<u4").tobytes()
    return n + bytes([bits]) + counts.astype("<u4").tobytes() + scale.tobytes() + stack


def _below(counts: np.ndarray) -> np.ndarray:
    share = (counts * ((1 << FREQUENCY_BITS) - len(counts))) // max(int(counts.sum()), 1) + 1
    share[share.argmax()] += (1 << FREQUENCY_BITS) - share.sum()
    return np.concatenate(([0], np.cumsum(share)))


def _unpressed(data: bytes, like: Tensor) -> Tensor:
    if int.from_bytes(data[:4], "little") != like.numel():
        raise RunError("a weight has another size")
    if like.dim() < 2:
        return torch.from_numpy(np.frombuffer(data, "<f4", like.numel(), 4).copy()).reshape(like.shape).to(like.dtype)
    bits, n, rows = data[4], like.numel(), len(like)
    if not 2 <= bits <= 8:
        raise RunError("a weight has another number of bits")
    most = 2 ** (bits - 1) - 1
    counts = np.frombuffer(data, "<u4", 2 * most + 1, 5).astype(np.int64)
    at = 5 + 4 * len(counts)
    scale = np.frombuffer(data, "<f4", rows, at)
    heads = np.frombuffer(data, "<u8", LANES, at + 4 * rows)
    words = np.frombuffer(data, "<u4", -1, at + 4 * rows + 8 * LANES)
    if ((heads < 1 << 31) | (heads >= 1 << 63)).any():
        raise RunError("a weight is damaged")
    below, coder = _below(counts), Coder.of(heads, words, most_borrowed=0)
    whole = np.empty(n, np.int64)
    for start in range(0, n, LANES):
        some = min(LANES, n - start)
        place = coder.peek(some, FREQUENCY_BITS)
        symbol = np.searchsorted(below, place, side="right") - 1
        coder.pop(place, below[symbol], below[symbol + 1] - below[symbol], FREQUENCY_BITS)
        whole[start : start + some] = symbol - most
    w = whole.reshape(rows, -1) * scale.astype(np.float64)[:, None]
    return torch.from_numpy(w.astype(np.float32)).reshape(like.shape).to(like.dtype)
