"""New rows are drawn in chunks: memory follows from the width of a row, and not from how many are asked for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from velbo import Recipe, TrainedModel, plan
from velbo.evaluation.bounds.chunks import CELLS_PER_CHUNK

SIZE, COLUMNS = 500, 20


def untrained(**recipe: tuple[str, ...]) -> TrainedModel:
    """Of 20 columns of 500 categories, so that some 400 rows are drawn at a time."""
    rng = np.random.default_rng(0)
    rows = {f"c{d}": [f"v{k}" for k in rng.permutation(np.arange(2 * SIZE) % SIZE)] for d in range(COLUMNS)}
    rows["given"] = ["yes", "no"] * SIZE
    what = plan(pa.table(rows), Recipe("mlp", latent=2, hidden=(4,), **recipe))
    return TrainedModel(what.build().eval(), what)


@pytest.fixture(scope="module")
def wide() -> TrainedModel:
    return untrained()


def chunks(trained: TrainedModel, draw: Callable[[], object]) -> list[tuple[int, int]]:
    """(rows, numbers) of every p(x|z) that was made, but for those of up to 3 rows by which its width is found."""
    found: list[tuple[int, int]] = []

    def note(_module: object, _inputs: object, p) -> None:
        numbers = [q.cell.batch_shape.numel() * q.cell.numbers_per_cell for _, q in p.parts]
        found.append((p.batch_shape.numel(), sum(numbers)))

    decoder = next(m for name, m in trained.model.named_modules() if name.endswith("decoder"))
    hook = decoder.register_forward_hook(note)
    draw()
    hook.remove()
    return [(rows, numbers) for rows, numbers in found if rows > 3]


@pytest.mark.parametrize("condition", [(), ("given",)])
def test_numbers_in_memory_do_not_grow_with_the_rows(condition: tuple[str, ...]):
    """Counted, for draws and point estimates; of a conditional model every row keeps what is given."""
    trained = untrained(condition=condition)
    given = {"given": "yes"} if condition else None
    for mean in (False, True):
        made = chunks(trained, lambda mean=mean: trained.sample(1500, mean=mean, given=given))
        assert sum(rows for rows, _ in made) == 1500
        assert CELLS_PER_CHUNK / 2 < max(numbers for _, numbers in made) <= CELLS_PER_CHUNK
    if condition:
        assert trained.sample(1500, given=given)["given"].to_pylist() == ["yes"] * 1500
        assert trained.sample(1500, balance="given")["given"].to_pylist().count("yes") == 750


def test_a_chunk_is_the_same_however_many_follow(wide: TrainedModel):
    """And every chunk has a stream of its own: it is no copy of the first."""
    size = chunks(wide, lambda: wide.sample(1200))[0][0]
    rows = wide.sample(1200, seed=4).to_pylist()
    assert rows == wide.sample(1200, seed=4).to_pylist()
    assert rows[: 2 * size] == wide.sample(2 * size + 5, seed=4).to_pylist()[: 2 * size]
    assert not any(a == b for a, b in zip(rows[:size], rows[size : 2 * size], strict=True))


def test_few_rows_are_those_of_one_draw_of_the_model(wide: TrainedModel):
    x = wide.plan.encoding.restore(wide.model.sample(50, 3)).double().numpy()
    assert wide.sample(50, seed=3).equals(wide.schema.new(x))
