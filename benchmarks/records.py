"""Results files that several runs of a benchmark fill: one method today, another tomorrow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

import machine


def add(path: Path, table: str, method: str, found: dict[str, Any]) -> None:
    """Write what one method found on one table; what the file says of others stays."""
    record = json.loads(path.read_text()) if path.exists() else {}
    about = {"processor": machine.processor(), "threads": torch.get_num_threads()}
    record.setdefault(table, {})[method] = {**found, **about}
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_suffix(".part")  # a run that is stopped here leaves the old file
    whole.write_text(json.dumps(record, indent=2) + "\n")
    whole.replace(path)


def read(path: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """table -> method -> what was found."""
    return json.loads(path.read_text()) if path.exists() else {}
