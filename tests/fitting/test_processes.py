"""What the first of several processes knows of training rows, all of them know after training."""

from __future__ import annotations

import math

import pytest
import torch

from velbo.evaluation import Reference
from velbo.fitting.processes import shared_by
from velbo.training.team import ALONE

KNOWN = Reference(torch.randn(7, 3, generator=torch.Generator().manual_seed(0)), 5)


class OneOfTwo:
    """One of two processes, whose mail lies in a list."""

    def __init__(self, rank: int, mail: list[bytes]) -> None:
        self.rank, self.size, self.mail, self.read = rank, 2, mail, 0

    def deal(self, parts) -> bytes:
        if self.rank == 0:
            self.mail.append(parts[1])
        self.read += 1
        return self.mail[self.read - 1]


@pytest.mark.parametrize("known", [KNOWN, None])
@pytest.mark.parametrize("log_p", [(), (1.5, math.nan, -0.1)])
def test_the_others_get_it_to_the_last_bit(known, log_p):
    mail = list[bytes]()
    for rank, own in ((0, (log_p, known)), (1, ((), None))):
        medians, found = shared_by(OneOfTwo(rank, mail), *own)  # type: ignore[arg-type]
        assert repr(medians) == repr(log_p)
        assert (found is None) == (known is None)
        if found is not None:
            assert torch.equal(found.z, KNOWN.z)
            assert found.k == 5


def test_one_process_sends_nothing():
    assert shared_by(ALONE, (1.0,), KNOWN) == ((1.0,), KNOWN)
