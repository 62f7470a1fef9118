"""A trained model: data in, data out."""

from .model import TrainedModel

__all__ = ["TrainedModel"]
