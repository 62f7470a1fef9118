"""Trunks: tensor -> tensor, leading dimensions free."""

from ..runtime.precision import FullPrecisionLinear
from .beside import Beside
from .conv import ConvDecoder, ConvEncoder
from .field_features import FieldFeatures
from .given import Given
from .missing import FillMissing
from .mlp import MLP, ResidualMLP
from .positive import Positive, inverse_softplus

__all__ = [
    "MLP",
    "Beside",
    "ConvDecoder",
    "ConvEncoder",
    "FieldFeatures",
    "FillMissing",
    "FullPrecisionLinear",
    "Given",
    "Positive",
    "ResidualMLP",
    "inverse_softplus",
]
