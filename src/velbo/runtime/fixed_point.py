"""Functions that give the same bits on every machine, whatever its processor, BLAS, thread count or libm.

numbers      whole multiples of 2^-12, held as whole numbers in float64: a product sum below 2^53 is exact, so it does
             not depend on the order of summation
functions    tables of whole numbers, made once by numpy and scipy and rounded; no entry is near a tie, so any libm
             that is right to a few units in the last place makes the same table, and `checksum` tells
else         +, -, *, /, sqrt, floor, rint of float64, one at a time: IEEE 754 prescribes every bit of them

silu(a) = a s(a)    softplus(a) = log(1 + e^a)    s(t) = 1 / (1 + e^-t)    Phi(t), the Normal's distribution function
S(t, nu), Student's: w = sign(t) sqrt(nu log(1 + t^2 / nu)) is nearly Normal for every nu, so a table in w and 1 / nu
that is linear between its entries does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BITS = 12
ONE = float(1 << BITS)
"""1, as a multiple of 2^-12."""
MOST = 512.0 * ONE
"""No activation is larger: its square, summed over half a million, fits into 63 bits."""
CDF_BITS = 28
WHOLE = 1 << CDF_BITS
"""A probability of 1."""
WEIGHT_BITS = 30
LEAST_DEGREES = 2.0
"""Of Student's law in the table."""


def expit(x: Floats) -> Floats:
    """s; SciPy takes a tenth of a second to import, and most who import this module make no table."""
    from scipy import special

    return special.expit(x)


def ndtr(x: Floats) -> Floats:
    """Phi."""
    from scipy import special

    return special.ndtr(x)


def ndtri(p: Floats) -> Floats:
    """The inverse of Phi; for guesses alone, whose bits do not matter."""
    from scipy import special

    return special.ndtri(p)


def stdtr(nu: float, t: Floats) -> Floats:
    """The distribution function of Student's law."""
    from scipy import special

    return special.stdtr(nu, t)


def rounded(x: Floats) -> Floats:
    """Numbers as whole multiples of 2^-12, limited to +-512."""
    return np.clip(np.rint(x * ONE), -MOST, MOST)


@dataclass(frozen=True)
class Table:
    """A function at -reach, -reach + step, ..., reach, times ``scale``, rounded.

    Attributes:
        f: the function.
        low: of its first argument.
        high: of its last argument.
        step_bits: the step is 2^-step_bits.
        scale: what it is multiplied by.
        inner_bits: into how many parts a step is divided between two entries: 2^inner_bits.
    """

    f: Callable[[Floats], Floats]
    low: float
    high: float
    step_bits: int
    scale: float
    inner_bits: int = 8

    @property
    def exact(self) -> Floats:
        """Before rounding."""
        n = round((self.high - self.low) * 2**self.step_bits)
        return self.f(self.low + np.arange(n + 1) / 2.0**self.step_bits) * self.scale

    @cached_property
    def entries(self) -> Floats:
        return np.rint(self.exact)

    def at(self, place: Floats) -> Floats:
        """Entries of arguments low + place 2^-step_bits, for whole places."""
        inside = np.maximum(np.minimum(place, len(self.entries) - 1.0), 0.0)
        return self.entries.take(inside.astype(np.int64))

    def between(self, x: Floats) -> Ints:
        """Linear between the entries, at any argument; rounded down, and rising where the entries do."""
        n, (first, rises) = self.inner_bits, self._whole
        # in place, for this is where a coder spends its time
        t = np.maximum(x, self.low, dtype=np.float64)
        t = np.minimum(t, self.high, out=t if t.ndim else None)
        t -= self.low
        t *= float(1 << (self.step_bits + n))
        fine = np.rint(t, out=t if t.ndim else None).astype(np.int64)
        i = fine >> n
        found = rises.take(i)
        fine &= (1 << n) - 1
        found *= fine
        found >>= n
        found += first.take(i)
        return found

    @cached_property
    def _whole(self) -> tuple[Ints, Ints]:
        """Entries, and how much each rises to the next."""
        entries = self.entries.astype(np.int64)
        return entries, np.diff(entries, append=entries[-1])


SILU = Table(lambda x: x * expit(x), -32.0, 32.0, BITS, ONE)
SOFTPLUS = Table(lambda x: np.logaddexp(0.0, x), -32.0, 32.0, BITS, 2.0**24)
EXP = Table(np.exp, -22.0, 0.0, BITS, 2.0**WEIGHT_BITS)
POWER = Table(np.exp, 0.0, 1.0, BITS, 2.0**WEIGHT_BITS)
WHOLE_POWER = Table(lambda k: np.exp(k) / 2.0 ** np.floor(k / np.log(2.0)), -64.0, 64.0, 0, 2.0**WEIGHT_BITS)
LOG = Table(np.log2, 0.5, 1.0, 13, 2.0**36, inner_bits=30)
NORMAL = Table(ndtr, -8.0, 8.0, 8, float(WHOLE))
LOGISTIC = Table(expit, -24.0, 24.0, 8, float(WHOLE))
LAPLACE = Table(lambda x: np.where(x < 0, np.exp(x) / 2, 1 - np.exp(-x) / 2), -24.0, 24.0, 8, float(WHOLE))

REACH, W_BITS, N_DEGREES = 9.0, 6, 32
INVERSE_DEGREES = 1 / LEAST_DEGREES


def _student(a: float) -> Table:
    """S as a function of w, for nu = 1 / a."""
    if a == 0:
        return Table(ndtr, -REACH, REACH, W_BITS, float(1 << 26))

    def f(w: Floats) -> Floats:
        return stdtr(1 / a, np.sign(w) * np.sqrt(np.expm1(w * w * a) / a))

    return Table(f, -REACH, REACH, W_BITS, float(1 << 26))


STUDENT = [_student(i * INVERSE_DEGREES / N_DEGREES) for i in range(N_DEGREES + 1)]

TABLES = (SILU, SOFTPLUS, EXP, POWER, WHOLE_POWER, LOG, NORMAL, LOGISTIC, LAPLACE, *STUDENT)
LN_2 = 0.6931471805599453


@cache
def checksum() -> str:
    """Of all tables."""
    digest = hashlib.blake2b(digest_size=8)
    for table in TABLES:
        digest.update(table.entries.astype("<i8").tobytes())
    return digest.hexdigest()


def silu(a: Floats) -> Floats:
    """Of whole multiples of 2^-12."""
    # below -32 it is the first entry, 0
    return np.where(a >= 32 * ONE, a, SILU.at(a + 32 * ONE))


def softplus(y: Floats) -> Floats:
    """log(1 + e^y) of multiples of 2^-12, as a multiple of 2^-24; at least that."""
    value = np.where(y >= 32, y, SOFTPLUS.at((y + 32) * ONE) / 2.0**24)
    return np.maximum(value, 2.0**-24)


def sigmoid(y: Floats) -> Floats:
    """s(y) of multiples of 2^-12, a multiple of 2^-28."""
    return LOGISTIC.between(y) / float(WHOLE)


def exp(y: Floats) -> Floats:
    """e^y of multiples of 2^-12 from -64 to 64."""
    y = np.clip(y, -64.0, 64.0 - 1 / ONE)
    whole = np.floor(y)
    fraction = POWER.at((y - whole) * ONE) / 2.0**WEIGHT_BITS
    mantissa = WHOLE_POWER.at(whole + 64) / 2.0**WEIGHT_BITS
    # e^k = m 2^n with n = floor(k / log 2), which the division tells without doubt: no k is near a multiple of log 2
    return np.ldexp(fraction * mantissa, np.floor(whole / LN_2).astype(np.int32))


def log(x: Floats) -> Floats:
    """log x of numbers above 0, rising, to 1e-8; -inf of 0."""
    m, e = np.frexp(x)
    known = (e + LOG.between(m) / 2.0**36) * LN_2
    return np.where(x > 0, known, -np.inf)


def log1p(x: Floats) -> Floats:
    """log(1 + x) of x >= 0, to 2e-6 of it, rising."""
    small = np.minimum(x, 2.0**-8)
    series = small * (1 - small * (1 / 2 - small * (1 / 3 - small / 4)))
    return np.where(x < 2.0**-8, series, np.maximum(series, log(1.0 + x)))


def weights(logits: Floats) -> Ints:
    """exp(logit - largest logit) of multiples of 2^-12 along the last axis, times 2^30; -inf is 0."""
    top = logits.max(-1, keepdims=True)
    return np.where(logits == -np.inf, 0.0, EXP.at((np.maximum(logits - top, -22.0) + 22.0) * ONE)).astype(np.int64)


def shares(of: Ints, bits: int = CDF_BITS) -> Ints:
    """Whole numbers in the proportions of others along the last axis, which sum to 2^bits."""
    # without a sign, for which division is twice as fast
    found = ((of << bits).view(np.uint64) // of.sum(-1, keepdims=True).view(np.uint64)).view(np.int64)
    best = found.argmax(-1)[..., None]
    rest = (1 << bits) - found.sum(-1, keepdims=True)
    np.put_along_axis(found, best, np.take_along_axis(found, best, -1) + rest, -1)
    return found


def student_below(t: Floats, degrees: Floats) -> Ints:
    """S(t, nu) times 2^28, for nu of 2 at least; rising in t."""
    square = np.minimum(t * t, 1e30)
    w = np.copysign(np.sqrt(degrees * log1p(square / degrees)), t)
    at = np.clip(N_DEGREES * LEAST_DEGREES / degrees, 0.0, N_DEGREES - 1e-9)
    first = np.floor(at).astype(np.int64)
    share = np.rint((at - first) * 256).astype(np.int64)
    fine = np.rint((np.clip(w, -REACH, REACH) + REACH) * float(1 << (W_BITS + 10))).astype(np.int64)
    entries = _student_entries()
    i = np.minimum(fine >> 10, entries.shape[1] - 2)
    inner = fine - (i << 10)

    def of(row: Ints) -> Ints:
        low = entries[row, i]
        return (low << 10) + (entries[row, i + 1] - low) * inner

    # 26 + 10 + 8 bits
    return (of(first) * (256 - share) + of(first + 1) * share) >> 16


@cache
def _student_entries() -> Ints:
    return np.stack([table.entries for table in STUDENT]).astype(np.int64)
