"""The tensors of a checkpoint: weights, their average, the optimizer's moments, and the random generators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..checks import not_finite
from ..errors import RunError
from ..limits import shown
from .ema import EMA
from .team import Team

KEY = "noise_key"


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: t for name, t in tensors.items()}


def without_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Only those whose names begin with ``prefix``."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


@dataclass(frozen=True)
class Parts:
    """What has tensors to save.

    Attributes:
        key: of the noise of private training; see privacy.py.
    """

    model: nn.Module
    ema: EMA
    optimizer: torch.optim.Optimizer
    device: torch.device
    team: Team
    key: Tensor | None = None

    def collect(self) -> dict[str, Tensor]:
        """Every tensor by name, and the states of the random generators of all processes."""
        slots = self.optimizer.state_dict()["state"]
        tensors = with_prefix("weights/", self.model.state_dict())
        tensors |= with_prefix("ema/", self.ema.state())
        tensors |= {f"optimizer/{i}/{name}": t for i, slot in slots.items() for name, t in slot.items()}
        for name, state in self._generators().items():
            tensors |= {f"{name}/{rank}": t for rank, t in enumerate(self.team.gather(state))}
        return tensors | self._keys()

    def _keys(self) -> dict[str, Tensor]:
        return {} if self.key is None else {KEY: self.key}

    def _require_own(self, tensors: Mapping[str, Tensor]) -> None:
        """Raise RunError unless these are this model's tensors, each of its shape and type, and no others."""
        own = with_prefix("weights/", self.model.state_dict()) | with_prefix("ema/", self.ema.state()) | self._keys()
        if any(name.startswith("optimizer/") for name in tensors):
            own |= self._slots()
        states, of_generators = self._generators(), ("generator/", "generator_cuda/")
        kept = [name for name in tensors if name.startswith(of_generators)]
        own |= {name: states.get(name.partition("/")[0], tensors[name]) for name in kept}
        require_same(own, tensors)

    def _slots(self) -> dict[str, Tensor]:
        """What Adam keeps of each parameter, by the names of `collect`."""
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        slots = {f"optimizer/{i}/{name}": p for i, p in enumerate(parameters) for name in ("exp_avg", "exp_avg_sq")}
        return slots | {f"optimizer/{i}/step": torch.ones(()) for i in range(len(parameters))}

    def _generators(self) -> dict[str, Tensor]:
        states = {"generator": torch.get_rng_state()}
        if self.device.type == "cuda":
            states["generator_cuda"] = torch.cuda.get_rng_state(self.device)
        return states

    def not_finite(self, tensors: Mapping[str, Tensor]) -> str | None:
        """As the function of that name; buffers may hold NaN, which given cells have that are missing."""
        buffers = {prefix + name for name, _ in self.model.named_buffers() for prefix in ("weights/", "best/")}
        return not_finite({name: t for name, t in tensors.items() if name not in buffers})

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `collect`.

        Raises:
            RunError: if they are those of another model, or none.
        """
        self._require_own(tensors)
        self.model.load_state_dict(without_prefix("weights/", tensors))
        self.ema.load(without_prefix("ema/", tensors))
        if self.key is not None:
            self.key.copy_(tensors[KEY])
        slots, like = dict[int, dict[str, Tensor]](), self._slots()
        for name, tensor in with_prefix("optimizer/", without_prefix("optimizer/", tensors)).items():
            _, index, slot = name.split("/")
            # fused Adam goes through memory number by number: moments must lie there as their parameter does
            slots.setdefault(int(index), {})[slot] = torch.empty_like(like[name], device="cpu").copy_(tensor)
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": slots})
        # a process that was not there when this was saved keeps the generator that it was seeded with
        rank = self.team.rank
        if f"generator/{rank}" in tensors:
            torch.set_rng_state(tensors[f"generator/{rank}"])
        if self.device.type == "cuda" and f"generator_cuda/{rank}" in tensors:
            torch.cuda.set_rng_state(tensors[f"generator_cuda/{rank}"], self.device)


def require_same(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """
    Raises:
        RunError: unless both have the same names, and tensors of the same shapes and types.
    """
    for name in {**own, **tensors}:
        if name not in own or name not in tensors or _form(own[name]) != _form(tensors[name]):
            raise RunError(
                f"the checkpoint does not fit config.json: its tensor {shown(name)} is missing, or another; restore "
                "the run folder from a copy, or fit again"
            )


def _form(tensor: Tensor) -> tuple[torch.Size, torch.dtype]:
    return tensor.shape, tensor.dtype
