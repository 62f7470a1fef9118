"""What `verbose` prints while an estimator trains."""

from __future__ import annotations

from typing import Any

from ..training import Logger


class Lines:
    """One line an evaluation on stdout, as scikit-learn prints.

    Args:
        whole: with all figures.
    """

    def __init__(self, whole: bool) -> None:
        self.whole = whole

    def log_metrics(self, metrics: dict[str, Any], step: int) -> None:
        shown = {k: v for k, v in metrics.items() if self.whole or k in ("epoch", "train_bound", "validation_bound")}
        print("  ".join(f"{name} {value:.6g}" for name, value in shown.items() if value is not None), flush=True)

    def log_progress(self, share: float, text: str) -> None:
        pass


def loggers_of(verbose: int) -> tuple[Logger, ...]:
    """For a level of talk; nobody for 0."""
    return (Lines(verbose > 1),) if verbose else ()
