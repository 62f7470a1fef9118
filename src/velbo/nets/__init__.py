"""Trunks: tensor -> tensor, leading dimensions free."""

from ..runtime.precision import FullPrecisionConv2d, FullPrecisionLinear
from .beside import Beside
from .certain_values import CertainValues
from .conv import AnyLead, ConvBlock, ConvDecoder, ConvDown, ConvEncoder, ConvUp, ToMap
from .field_features import FieldFeatures
from .given import Given
from .masked import MaskedLinear, MaskedResidualMLP
from .missing import FillMissing
from .mlp import MLP, ResidualBlock, ResidualMLP
from .positive import Positive, inverse_softplus

__all__ = [
    "MLP",
    "AnyLead",
    "Beside",
    "CertainValues",
    "ConvBlock",
    "ConvDecoder",
    "ConvDown",
    "ConvEncoder",
    "ConvUp",
    "FieldFeatures",
    "FillMissing",
    "FullPrecisionConv2d",
    "FullPrecisionLinear",
    "Given",
    "MaskedLinear",
    "MaskedResidualMLP",
    "Positive",
    "ResidualBlock",
    "ResidualMLP",
    "ToMap",
    "inverse_softplus",
]
