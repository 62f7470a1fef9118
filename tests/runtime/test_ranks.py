"""Which of several processes this one is, by what torchrun and srun say in the environment."""

from __future__ import annotations

import pytest

from velbo.errors import ConfigError
from velbo.runtime.ranks import Ranks, first_node, forget_ranks, is_first, ranks_here

TORCHRUN = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "node", "MASTER_PORT": "29500"}
SRUN = {
    "SLURM_PROCID": "1",
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_LOCALID": "0",
    "SLURM_JOB_ID": "1000",
    "SLURM_STEP_ID": "2",
    "SLURM_STEP_NODELIST": "gpu[003-005,9],cpu1",
}


@pytest.fixture(autouse=True)
def nobody(monkeypatch):
    for name in (*TORCHRUN, *SRUN):
        monkeypatch.delenv(name, raising=False)


def set_all(monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_a_process_that_nobody_numbered_is_alone():
    assert ranks_here() is None
    assert is_first()


def test_torchrun_says_it_and_goes_before_srun(monkeypatch):
    set_all(monkeypatch, TORCHRUN | SRUN)
    assert ranks_here() == Ranks(3, 4, 1, "env://")
    assert not is_first()
    forget_ranks()
    assert ranks_here() is None


def test_srun_says_it_and_its_first_node_listens(monkeypatch):
    """A job's next step has another port; MASTER_ADDR and MASTER_PORT go before."""
    set_all(monkeypatch, SRUN)
    first = ranks_here()
    assert first == Ranks(1, 2, 0, "tcp://gpu003:21002")
    monkeypatch.setenv("SLURM_STEP_ID", "3")
    assert ranks_here() == Ranks(1, 2, 0, "tcp://gpu003:21003")
    set_all(monkeypatch, {"MASTER_ADDR": "node", "MASTER_PORT": "1"})
    assert ranks_here() == Ranks(1, 2, 0, "env://")


def test_one_task_or_a_batch_script_without_srun_is_alone(monkeypatch):
    set_all(monkeypatch, SRUN | {"SLURM_STEP_NUM_TASKS": "1"})
    assert ranks_here() is None
    monkeypatch.delenv("SLURM_STEP_NUM_TASKS")
    assert ranks_here() is None
    set_all(monkeypatch, TORCHRUN | {"WORLD_SIZE": "1", "RANK": "0"})
    assert ranks_here() is None


def test_what_is_no_number_or_has_no_place_is_refused(monkeypatch):
    set_all(monkeypatch, TORCHRUN | {"RANK": "first"})
    with pytest.raises(ConfigError, match="RANK must be a whole number, not 'first'"):
        ranks_here()
    set_all(monkeypatch, TORCHRUN)
    monkeypatch.delenv("MASTER_PORT")
    with pytest.raises(ConfigError, match="MASTER_ADDR and MASTER_PORT"):
        ranks_here()


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("n1", "n1"), ("n1,n2", "n1"), ("n[1-4]", "n1"), ("n[07,9]-ib,m", "n07-ib"), ("a-b.c[12-13]", "a-b.c12")],
)
def test_the_first_node_of_a_list(nodes, first):
    assert first_node(nodes) == first
