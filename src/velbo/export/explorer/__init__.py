"""A page that shows a latent space and decodes it where it is shown: one file, no network."""

from .page import Explored, Points, explore

__all__ = ["Explored", "Points", "explore"]
