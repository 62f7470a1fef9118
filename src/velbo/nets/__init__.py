"""Trunks: tensor -> tensor, leading dimensions free."""

from .conv import ConvDecoder, ConvEncoder
from .full_precision import FullPrecisionLinear
from .missing import FillMissing
from .mlp import MLP, ResidualMLP

__all__ = ["MLP", "ConvDecoder", "ConvEncoder", "FillMissing", "FullPrecisionLinear", "ResidualMLP"]
