"""From what is asked to a plan, and from a plan to a model."""

from .defaults import Asked, Prepared, as_before, complete
from .plan import DataRecord, Plan

__all__ = ["Asked", "DataRecord", "Plan", "Prepared", "as_before", "complete"]
