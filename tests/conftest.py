"""One thread and one seed for every test: fast on small tensors, and the same numbers every time."""

from __future__ import annotations

import gc
import importlib
import os

import pytest
import torch

from velbo.evaluation.cells import typical
from velbo.report.after_fit import write_report as WRITE_REPORT

pytest.register_assert_rewrite("contracts")  # a failure in a shared suite shows its values
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)
gc.set_threshold(50_000)  # to look through all that is imported again and again takes a tenth of the time of all tests
# without a GPU torch.manual_seed keeps a trace of the stack for one that may come, which takes longer than most tests
SEED = torch.manual_seed if torch.accelerator.is_available() else torch.default_generator.manual_seed


@pytest.fixture(scope="session", autouse=True)
def _fits_are_short():
    """A report takes longer than the small fits of tests: those that want one ask for `reports`. What a cell is worth
    in most rows is looked at in the fewest rows that are enough.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("velbo.report.after_fit.write_report", lambda *_: None)
        patch.setattr(typical, "ROWS", typical.FEWEST)
        yield


@pytest.fixture
def reports(monkeypatch):
    """Fits write their report."""
    monkeypatch.setattr("velbo.report.after_fit.write_report", WRITE_REPORT)


@pytest.fixture(autouse=True)
def _seeded():
    SEED(0)


@pytest.fixture(autouse=True)
def _nothing_is_unforeseen(monkeypatch):
    """On the command line an error that nobody foresaw is one line and exit code 70; in a test it is a failure."""

    def fail(error, arguments):
        raise error

    # by its full name: the application that the package gives has the name of the module
    monkeypatch.setattr(importlib.import_module("velbo.cli.app"), "unforeseen", fail)
