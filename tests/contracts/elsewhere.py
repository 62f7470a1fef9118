"""A device that is not the processor, and that nobody may wait for: torch's meta device, which has shapes and no
numbers. Whoever mixes its tensors with those of the processor, moves them, or asks for a number of them, is found out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

ELSEWHERE = torch.device("meta")
ASK = {"_local_scalar_dense", "nonzero", "masked_select", "_unique2", "equal", "is_nonzero", "multinomial"}
MOVE = {"copy_", "_to_copy"}


class Watched(TorchDispatchMode):
    """Raises RuntimeError for an operation on tensors of two devices, for one that moves a tensor, and for one whose
    result, or the shape of it, the processor would have to wait for."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = func.overloadpacket.__name__, kwargs or {}
        tensors = [a for a in tree_leaves((args, kwargs)) if isinstance(a, Tensor)]
        # a single number is an argument of a kernel, wherever it lies
        places = {t.device for t in tensors if t.dim() or t.device == ELSEWHERE}
        wanted = {torch.device(kwargs["device"])} if name in MOVE and kwargs.get("device") is not None else places
        if len(places) > 1 or (places and wanted != places):
            raise RuntimeError(f"{name} of tensors of {places} for {wanted}")
        by_mask = name in ("index", "index_put", "index_put_") and any(i.dtype == torch.bool for i in tensors[1:])
        # its check of scales, which are tensors, is hidden in the kernel
        of_scales = name == "normal" and len(tensors) > 1
        if places == {ELSEWHERE} and (name in ASK or by_mask or of_scales):
            raise RuntimeError(f"{name} waits for the device")
        return func(*args, **kwargs)


def _made_of_numbers(self: Tensor, *_: Any, **__: Any) -> Tensor:
    raise RuntimeError("new_tensor copies numbers of the processor")


@contextmanager
def watched() -> Iterator[None]:
    """Inside the block tensors of `ELSEWHERE` are watched. There is no autocast for it, so none is entered."""
    with pytest.MonkeyPatch.context() as patch, Watched():
        patch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
        patch.setattr(Tensor, "new_tensor", _made_of_numbers)
        yield


def there(module: nn.Module) -> nn.Module:
    """The module on `ELSEWHERE`, in training."""
    return module.to(ELSEWHERE).train()
