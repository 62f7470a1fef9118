"""Functions that torch lacks, by SciPy: computed in float64 on the CPU, without gradients."""

from __future__ import annotations

import torch
from torch import Tensor


def _by_scipy(name: str, *arguments: Tensor) -> Tensor:
    from scipy import special  # a tenth of a second, of which most have no need

    f = getattr(special, name)
    found = f(*(a.detach().double().cpu().numpy() for a in torch.broadcast_tensors(*arguments)))
    return torch.from_numpy(found).to(arguments[0].device)


def gamma_below(a: Tensor, x: Tensor) -> Tensor:
    """P(a, x), the regularised incomplete gamma function; of Poisson counts P(k, m) = P(K >= k)."""
    return _by_scipy("gammainc", a, x)


def gamma_above(a: Tensor, x: Tensor) -> Tensor:
    """Q(a, x) = 1 - P(a, x); of Poisson counts Q(k, m) = P(K < k), 0 at k = 0."""
    return _by_scipy("gammaincc", a, x)


def beta_below(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    """I_x(a, b), the regularised incomplete beta function."""
    return _by_scipy("betainc", a, b, x)


def student_below(df: Tensor, z: Tensor) -> Tensor:
    """P(T < z) of Student's t with ``df`` degrees of freedom."""
    return _by_scipy("stdtr", df, z)
