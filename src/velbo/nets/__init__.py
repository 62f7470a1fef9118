"""Trunks: tensor -> tensor, leading dimensions free."""

from .conv import ConvDecoder, ConvEncoder
from .missing import FillMissing
from .mlp import MLP, ResidualMLP
from .precision import FullPrecisionLinear, autocast, products

__all__ = [
    "MLP",
    "ConvDecoder",
    "ConvEncoder",
    "FillMissing",
    "FullPrecisionLinear",
    "ResidualMLP",
    "autocast",
    "products",
]
