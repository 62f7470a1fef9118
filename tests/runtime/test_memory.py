"""Freed memory stays with the process where it was asked to, and nowhere else."""

from __future__ import annotations

import gc

import pytest
import torch

from velbo.runtime import memory

resource = pytest.importorskip("resource", reason="page faults are counted on Unix only")
needs_glibc = pytest.mark.skipif(memory.glibc() is None, reason="glibc's allocator only")
MIB = 2**20
BLOCKS = 8
PAGES = BLOCKS * 40 * MIB // resource.getpagesize()


def faults_of_a_step() -> int:
    """Minor page faults a step of eight tensors of 40 MiB, once the heap has settled."""
    faults = []
    for _ in range(8):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        tensors = [torch.empty(40 * MIB, dtype=torch.uint8).fill_(1) for _ in range(BLOCKS)]
        del tensors
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return sum(faults[4:]) // 4


@needs_glibc
def test_a_step_uses_the_memory_of_the_last_one():
    """Blocks above glibc's largest threshold are mapped anew each time; inside they are not."""
    gc.collect()
    with memory.freed_memory_kept():
        assert faults_of_a_step() < 0.01 * PAGES


@needs_glibc
def test_memory_goes_back_afterwards():
    def resident() -> float:
        with open("/proc/self/statm") as f:
            return int(f.read().split()[1]) * resource.getpagesize() / MIB

    with memory.freed_memory_kept():
        torch.empty(512 * MIB, dtype=torch.uint8).fill_(1)
        inside = resident()
    assert resident() < inside - 400


def test_other_allocators_are_left_alone(monkeypatch):
    monkeypatch.setattr(memory, "glibc", lambda: None)
    with memory.freed_memory_kept():
        assert torch.ones(3).sum() == 3
