"""Graphs as files of torch.export, .pt2, which torch alone reads, without velbo."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from .graphs import Graph


def write(graph: Graph, example: Sequence[Tensor], path: Path, about: dict[str, Any]) -> None:
    """The graph with its description, as the extra file "velbo.json"; the first dimension of all inputs is free."""
    free = {0: torch.export.Dim("rows")}
    program = torch.export.export(graph, tuple(example), dynamic_shapes={"inputs": tuple(free for _ in example)})
    torch.export.save(program, path, extra_files={"velbo.json": json.dumps(about)})


def run(path: Path, names: Sequence[str], inputs: Sequence[Tensor]) -> list[NDArray[Any]]:
    """Outputs of a file that was just written."""
    found = torch.export.load(path).module()(*inputs)
    return [t.numpy() for t in (found if isinstance(found, tuple | list) else (found,))]
