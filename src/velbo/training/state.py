"""Where a run is, in numbers; its tensors are in checkpoint.py."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from ..files import from_json
from ..limits import Checked, Limits

if TYPE_CHECKING:
    from .team import Team

NORM_DECAY = 0.98
Counted = Annotated[int, Limits(0, 2**62)]
Length = Annotated[float, Limits(0, math.inf)]
SomeLength = Annotated[float | None, Limits(0, math.inf)]


@dataclass
class Sums(Checked):
    """Running sums of an epoch; what is not finite is left out."""

    rows: Counted = 0
    bound: float = 0.0
    reconstruction: float = 0.0
    rate: float = 0.0

    def add(self, more: Sums) -> None:
        self.rows += more.rows
        self.bound += more.bound
        self.reconstruction += more.reconstruction
        self.rate += more.rate

    def joined(self, team: Team) -> Sums:
        """The sums of all processes."""
        rows, *sums = team.total([self.rows, self.bound, self.reconstruction, self.rate])
        return Sums(round(rows), *sums)

    def means(self, prefix: str) -> dict[str, float]:
        """Means over rows; empty if there were none."""
        if not self.rows:
            return {}
        return {
            f"{prefix}_bound": self.bound / self.rows,
            f"{prefix}_reconstruction": self.reconstruction / self.rows,
            f"{prefix}_rate": self.rate / self.rows,
        }


@dataclass
class State(Checked):
    """Where a run is; with the tensors (weights, averages, optimizer, generator) all that a resume needs. The position
    is that in the order of the epoch: rows trained on.
    """

    step: Counted = 0
    epoch: Counted = 0
    position: Counted = 0
    seconds: Length = 0.0
    skipped: Counted = 0
    skipped_in_a_row: Counted = 0
    gradient_norm: SomeLength = None
    log_multiplier: float = 0.0
    violation: float | None = None
    best: float | None = None
    stale: Counted = 0
    n_metrics: Counted = 0
    epsilon: SomeLength = None
    done: bool = False
    sums: Sums = field(default_factory=Sums)

    def longest_gradient(self, norm: float, clip: float) -> float:
        """``clip`` times the running average of the norms so far; then this one, clipped, joins the average.

        A multiple, not a number of nats: gradients of images are a thousand times those of small tables.
        """
        average = norm if self.gradient_norm is None else self.gradient_norm
        longest = clip * average
        self.gradient_norm = NORM_DECAY * average + (1 - NORM_DECAY) * min(norm, longest)
        return longest

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, d: Any, where: str) -> State:
        """
        Raises:
            ConfigError: for a value of another type, or a key that is none.
        """
        return from_json(cls, d, where)


@dataclass(frozen=True)
class History:
    """What training leaves besides the weights.

    Attributes:
        metrics: one dictionary an evaluation, as in metrics.jsonl.
        best: the best validation bound (training bound without validation rows), nats per observation.
        steps: optimizer steps done.
        skipped: steps left out because their gradient was not finite.
        seconds: of training.
        stale: evaluations after that of the best bound.
    """

    metrics: list[dict[str, Any]] = field(default_factory=list)
    best: float = math.nan
    steps: int = 0
    skipped: int = 0
    seconds: float = 0.0
    stale: int = 0
