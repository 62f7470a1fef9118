"""q(z|x): features -> Distribution, and how z is drawn from it."""

from .diagonal_normal import DiagonalNormal
from .draw import Detached, Draw, Pathwise, StickingTheLanding, detach, from_noise
from .full_normal import FullNormal
from .row_draw import RowDraw

__all__ = [
    "Detached",
    "DiagonalNormal",
    "Draw",
    "FullNormal",
    "Pathwise",
    "RowDraw",
    "StickingTheLanding",
    "detach",
    "from_noise",
]
