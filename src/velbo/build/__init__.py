"""From what is asked to a plan, and from a plan to a model.

Names that close plans are loaded when they are first used: a plan tells what it is without torch, which makes models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import when_used
from .description import description, made_for, made_of, privacy_of
from .own import Maker, import_path, is_own
from .plan import DataRecord, Plan

if TYPE_CHECKING:
    from .defaults import Asked, Prepared, as_before, complete

__all__ = [
    "Asked",
    "DataRecord",
    "Maker",
    "Plan",
    "Prepared",
    "as_before",
    "complete",
    "description",
    "import_path",
    "is_own",
    "made_for",
    "made_of",
    "privacy_of",
]

__getattr__, __dir__ = when_used(__name__, {"defaults": "Asked Prepared as_before complete"})
