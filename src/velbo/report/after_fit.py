"""The page of a model that was just trained, of rows that training held out and of rows that it saw."""

from __future__ import annotations

import warnings
from importlib.util import find_spec

import numpy as np

from ..build import Plan
from ..errors import VelboWarning
from ..rows import Rows
from ..trained_model import TrainedModel
from ..training import Run
from ..training.order import held_out_rows
from .page import MOST_ROWS, Numbered, of_fit

REPORT_SECONDS, REPORT_SHARE, FEW_FROM_DISK = 5.0, 0.05, 60


def write_report(trained: TrainedModel, rows: Rows, run: Run) -> None:
    """Write report.html of a model that was just trained, where matplotlib is installed, in about 5 seconds, or in a
    twentieth of the time that training took. A fit is done without it, so what goes wrong with it is a warning.
    """
    if find_spec("matplotlib") is None:
        return
    seconds = max(REPORT_SECONDS, REPORT_SHARE * trained.history.seconds)
    try:
        with run.locked(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            held_out, trained_on = _rows_to_show(trained.plan, rows)
            of_fit(trained, held_out, trained_on, run.report_file, seconds)
    except (Exception, KeyboardInterrupt) as error:
        said = " ".join(str(error).split())[:300] or type(error).__name__
        warnings.warn(
            f"the model is saved, but its report.html could not be written ({said}); make one with "
            f"velbo report {run.place} DATA -o report.html",
            VelboWarning,
            stacklevel=3,
        )


def _rows_to_show(plan: Plan, rows: Rows) -> tuple[Numbered, Numbered]:
    """(rows that were held out, rows that were not), a random few of each."""
    seed, near = plan.training.machine.seed, rows.at_hand
    rng = np.random.default_rng(seed)
    held_out = held_out_rows(rows, plan.training.validation.validation, seed).numpy()
    some = rng.choice(near, min(near, 2 * MOST_ROWS), replace=False)
    trained_on = some[~np.isin(some, held_out)]
    if near < len(rows):  # rows on disk are read group by group
        held_out = held_out[:FEW_FROM_DISK]
    chosen = (rng.permutation(held_out)[:MOST_ROWS], trained_on[:MOST_ROWS])
    first, second = (Numbered(np.asarray(rows.at(which), np.float64), which) for which in chosen)
    return first, second
