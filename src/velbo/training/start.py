"""Before the first step: the first rows are checked, and parts that start from data are given them."""

from __future__ import annotations

from typing import Any, cast

from torch import nn

from ..checks import check_support
from ..rows import Store
from ..rows.stream import Stream
from ..terms import Model
from .order import Order, first_rows

ROWS, CHECKED = 2000, 64


def start(model: nn.Module, data: Store | Stream, order: Order) -> None:
    """
    Args:
        model: it is in evaluation mode afterwards.
        data: what it is trained on.
        order: of the rows; those of the first epoch come first.

    Raises:
        DataError: if a likelihood cannot have such rows.
    """
    x = first_rows(data, order, ROWS)
    check_support(cast(Model, model.eval()), x[:CHECKED])
    for part in model.modules():
        if hasattr(part, "start_from"):
            cast(Any, part).start_from(x)
