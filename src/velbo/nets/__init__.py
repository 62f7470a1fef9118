"""Trunks: tensor -> tensor, leading dimensions free."""

from ..runtime.precision import FullPrecisionLinear
from .beside import Beside
from .column_features import ColumnFeatures
from .conv import ConvDecoder, ConvEncoder
from .missing import FillMissing
from .mlp import MLP, ResidualMLP
from .positive import Positive, inverse_softplus

__all__ = [
    "MLP",
    "Beside",
    "ColumnFeatures",
    "ConvDecoder",
    "ConvEncoder",
    "FillMissing",
    "FullPrecisionLinear",
    "Positive",
    "ResidualMLP",
    "inverse_softplus",
]
