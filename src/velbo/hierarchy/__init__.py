"""Groups of latents, each drawn given those above it: a VAE with more layers."""

from .bottom_up import BottomUp
from .chain import Chain
from .group import Group, conv_group, dense_group
from .model import Hierarchy
from .top_down import TopDown

__all__ = ["BottomUp", "Chain", "Group", "Hierarchy", "TopDown", "conv_group", "dense_group"]
