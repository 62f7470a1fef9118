"""velbo demo: the whole of velbo in under a minute."""

from __future__ import annotations

from pathlib import Path

from ..app import app, say
from ..options import Count, Output
from ..pages import TRAIN


@app.command(group=TRAIN)
def demo(*, output: Output = Path("demo"), epochs: Count = 80) -> None:
    """Train on handwritten digits, measure, draw six pictures.

    Under a minute on 2 cores; needs no data and no network, and matplotlib: pip install 'velbo[report]'.

    Args:
        output: folder for the run and the pictures; must not hold a run.
        epochs: passes over the digits.
    """
    from ...demo import run_demo

    run_demo(output, epochs, say)
