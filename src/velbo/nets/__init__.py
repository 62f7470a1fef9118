"""Trunks: tensor -> tensor, leading dimensions free."""

from .beside import Beside
from .column_features import ColumnFeatures
from .conv import ConvDecoder, ConvEncoder
from .missing import FillMissing
from .mlp import MLP, ResidualMLP
from .positive import Positive, inverse_softplus
from .precision import FullPrecisionLinear, autocast, in_full, products

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
    "autocast",
    "in_full",
    "inverse_softplus",
    "products",
]
