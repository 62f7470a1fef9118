"""q(z|x): features -> Distribution, and how z is drawn from it."""

from .base import Posterior, body_and_head
from .diagonal_normal import DiagonalNormal
from .draw import Detached, Draw, Pathwise, StickingTheLanding, detach, from_noise, noise_like, signal, transport
from .flow import FlowPosterior, NormalFlow, inverse_autoregressive, spline_coupling
from .full_normal import FullNormal
from .normal_mixture import MixturePosterior, NormalMixture
from .points import normal_points
from .row_draw import RepeatedDraw, RowDraw
from .semi_amortised import SemiAmortised

__all__ = [
    "Detached",
    "DiagonalNormal",
    "Draw",
    "FlowPosterior",
    "FullNormal",
    "MixturePosterior",
    "NormalFlow",
    "NormalMixture",
    "Pathwise",
    "Posterior",
    "RepeatedDraw",
    "RowDraw",
    "SemiAmortised",
    "StickingTheLanding",
    "body_and_head",
    "detach",
    "from_noise",
    "inverse_autoregressive",
    "noise_like",
    "normal_points",
    "signal",
    "spline_coupling",
    "transport",
]
