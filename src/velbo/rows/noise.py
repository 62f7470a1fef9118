"""Noise that belongs to a row: the same row and seed give the same numbers, whatever stands beside the row, whatever
the order, and however many samples are asked for at a time.

    key of a row = BLAKE2b(its values in float32; seed, stream)

Values alone count. Rows are stored in 8 bits, in float32 or in float64, and which it is may depend on other rows of the
data (one missing cell is enough) or on the precision of the model; all three give the float32 numbers that a key is
made of. There -0 is 0, and every NaN is the same one.

This is what makes Monte Carlo scores deterministic, and equal for every chunking. Identical rows share their noise.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class RowNoise:
    """Streams of random numbers, one for each row.

    Args:
        rows: (B, D), as stored.
        seed: any whole number.
        stream: a name; streams with different names are independent.
    """

    def __init__(self, rows: Tensor, seed: int, stream: str) -> None:
        values = key_values(rows)
        self.generators = [np.random.Generator(np.random.Philox(key=_key(r, seed, stream))) for r in values]

    def normal(self, n: int, shape: Sequence[int], like: Tensor) -> Tensor:
        """The next n standard normal numbers of given shape for every row, (n, B, *shape)."""
        dtype = np.float64 if like.dtype == torch.float64 else np.float32
        out = np.empty((len(self.generators), n, *shape), dtype)
        for generator, block in zip(self.generators, out, strict=True):
            generator.standard_normal(out=block, dtype=dtype)
        return torch.from_numpy(out).movedim(0, 1).to(like.device)

    def uniform(self, shape: Sequence[int]) -> Tensor:
        """The next uniform numbers in [0, 1), (B, *shape), float32."""
        return torch.from_numpy(np.stack([g.random(tuple(shape), np.float32) for g in self.generators]))


def key_values(rows: Tensor) -> NDArray[np.float32]:
    """What tells rows (N, D) apart, (N, D): equal bytes for equal rows, however they are stored."""
    values = torch.nan_to_num(rows.detach().cpu().float() + 0.0, math.nan, math.inf, -math.inf)  # -0 + 0 is 0
    return np.ascontiguousarray(values.numpy())


def _key(row: NDArray[np.float32], seed: int, stream: str) -> int:
    digest = hashlib.blake2b(row.tobytes(), digest_size=16, person=stream.encode()[:16], salt=_salt(seed))
    return int.from_bytes(digest.digest(), "little")


def _salt(seed: int) -> bytes:
    return int(seed).to_bytes(16, "little", signed=True)
