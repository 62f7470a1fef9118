"""From what is asked to a plan, and from a plan to a model."""

from .defaults import Asked, Prepared, as_before, complete
from .description import description, made_for, made_of, privacy_of
from .own import Maker, import_path, is_own
from .plan import DataRecord, Plan

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
