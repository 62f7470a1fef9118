"""Samples by a budget of seconds: exact where a sample of a row takes a known time of a made clock."""

from __future__ import annotations

import pytest

from velbo.evaluation.cells.budget import affordable


class Clock:
    """Each of 10 rows takes a + b K seconds."""

    def __init__(self, a: float, b: float) -> None:
        self.a, self.b, self.now, self.calls = a, b, 0.0, list[int]()

    def __call__(self) -> float:
        return self.now

    def fill(self, samples: int) -> None:
        self.calls.append(samples)
        self.now += 10 * (self.a + self.b * samples)


@pytest.mark.parametrize(
    ("a", "b", "n_rows", "seconds", "samples"),
    [
        (0, 0.001, 100, 21.5, 200),  # trials take 1.5 s
        (0.05, 0.001, 100, 28, 200),  # 5 s are fixed, 3 go into trials
        (0, 0.001, 100, 1e6, 1000),
        (0, 0.001, 10**6, 10, 25),
        (0.1, 0, 100, 5, 1000),  # samples cost nothing
    ],
)
def test_samples_are_what_is_left(a, b, n_rows, seconds, samples):
    clock = Clock(a, b)
    found = affordable(clock.fill, 10, n_rows, seconds, 1000, clock)
    assert found.samples == pytest.approx(samples, abs=1)
    assert found.seconds == pytest.approx(n_rows * (a + b * found.samples))
    assert clock.calls == [25, 25, 100]
    if 25 < samples < 1000:
        assert clock.now + found.seconds == pytest.approx(seconds, abs=n_rows * b)


def test_fewer_are_given_where_fewer_are_enough():
    clock = Clock(0, 0.001)
    assert affordable(clock.fill, 10, 1, 100, 10, clock).samples == 10
