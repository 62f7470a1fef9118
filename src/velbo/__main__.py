"""``python -m velbo``."""

from .cli import entry

entry()
