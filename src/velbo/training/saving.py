"""What training saves on its way, and how it goes on from there.

    save       best weights -> model.safetensors; weights, averages, moments, random generators, state -> checkpoint/
    restore    the inverse, bit for bit

Nothing is written that holds a number that is not finite.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from ..errors import TrainingError
from .checkpoint import Parts, require_same, with_prefix, without_prefix
from .run import Run
from .state import State, Sums


@dataclass(frozen=True)
class Saving:
    """
    Attributes:
        run: the folder; nothing is written without it.
        parts: what has tensors to save.
    """

    run: Run | None
    parts: Parts

    def save(self, state: State, best: dict[str, Tensor]) -> None:
        """Write the best model and a checkpoint, if there is a run folder.

        Args:
            state: of this process.
            best: weights of the best model.

        Raises:
            TrainingError: if a tensor of them holds a number that is not finite; then nothing is written.
        """
        tensors = self.parts.collect() | with_prefix("best/", best)
        if name := self.parts.not_finite(tensors):
            raise TrainingError(
                f"at step {state.step} the tensor '{name}' holds a number that is not finite{self.where}. Lower lr, "
                "or look for huge values in the data"
            )
        if self.run is None:
            return
        state = replace(state, sums=state.sums.joined(self.parts.team))
        if self.parts.team.rank == 0:
            # the model first: a checkpoint that says that the run is done has the whole run beside it
            self.run.write_model(best)
            is_last = state.done and self.parts.key is not None
            (self.run.write_only_checkpoint if is_last else self.run.write_checkpoint)(state, tensors)

    @property
    def where(self) -> str:
        """Where the last good weights are, to end a sentence with."""
        return f"; the last good weights are in {self.run.path}" if self.run else ""

    def restore(self, best: dict[str, Tensor]) -> tuple[State, list[dict[str, Any]], dict[str, Tensor]] | None:
        """Give all parts what they had at the last checkpoint.

        Args:
            best: weights, of which those that were saved must have the names, shapes and types.

        Returns:
            State, metrics and best weights; nothing, if there is no checkpoint.
        """
        if self.run is None:
            return None
        saved = self.run.read_checkpoint(self.parts.not_finite)
        n_metrics = saved[0].n_metrics if saved else 0
        metrics, rank = self.run.metrics(n_metrics), self.parts.team.rank
        found = None
        if saved is not None:
            state, tensors = saved
            kept = without_prefix("best/", tensors)
            require_same(best, kept)
            self.parts.restore({name: t for name, t in tensors.items() if not name.startswith("best/")})
            found = (replace(state, sums=Sums()) if rank else state), metrics, kept
        if rank == 0:  # and only now, when it is known that training can go on
            self.run.truncate_metrics(n_metrics)
        return found
