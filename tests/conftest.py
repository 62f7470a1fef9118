"""One thread and one seed for every test: fast on small tensors, and the same numbers every time."""

from __future__ import annotations

import os

import pytest
import torch

pytest.register_assert_rewrite("contracts")  # a failure in a shared suite shows its values
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
