"""What is trained on one window at a time ends as what is trained in memory, bit by bit, however it is cut."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from contracts.stops import stopped_after_a_step
from contracts.streams import REALS, D, Groups, no_reader_is_left, store, stream
from velbo import VAE
from velbo.config import Budget, Machine, Optimisation, TrainingConfig, Validation
from velbo.errors import DataError, Interrupted
from velbo.likelihoods import Normal
from velbo.nets import MLP, FillMissing
from velbo.objectives import ELBO
from velbo.posteriors import DiagonalNormal
from velbo.priors import StandardNormal
from velbo.rows.encodings import Dequantise
from velbo.rows.stream import Window
from velbo.training import History, Run, Trainer
from velbo.training.order import order_for

CONFIG = TrainingConfig(
    Budget(epochs=3), Optimisation(batch_size=32), validation=Validation(0.1), machine=Machine(seed=3)
)


def vae() -> VAE:
    torch.manual_seed(0)
    return VAE(
        nn.Sequential(FillMissing(D), MLP(2 * D, 8), DiagonalNormal(8, 2)),
        nn.Sequential(MLP(2, 8), Normal(8, D)),
        StandardNormal(2),
    )


def trained(data, order=None, config=CONFIG, run=None) -> tuple[dict[str, torch.Tensor], History]:
    model = vae()
    history = Trainer(model, data, ELBO(), config, run, order=order).run()
    return model.state_dict(), history


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


# training


@pytest.mark.parametrize("encoding", [REALS, Dequantise(256)], ids=["reals", "noise"])
@pytest.mark.parametrize("window_rows", [1, 64, 100, 10_000])
def test_streaming_ends_as_training_in_memory_in_the_same_order(window_rows, encoding):
    """Weights and metrics bit by bit, noise drawn for every batch included."""
    s = stream(encoding=encoding, window_rows=window_rows)
    weights, history = trained(s)
    order = order_for(s, 0.1, 32, 3)
    expected, in_memory = trained(store(encoding), order)
    assert equal(weights, expected)
    assert history.metrics == in_memory.metrics
    assert history.steps == 3 * order.steps(32)
    other, _ = trained(store(encoding))
    assert not equal(weights, other), "so the order matters"


def test_every_group_is_read_once_an_epoch_one_window_ahead():
    """By the thread, besides the first look at the data; the values of one group are alive at a time."""
    read = Groups()
    trainer = Trainer(vae(), stream(read), ELBO(), CONFIG)
    order, ahead, step, asked_for = trainer.order, trainer.data.open, trainer.step, list[Window]()

    def counted(index):
        # windows of 96 rows, 3 batches each: that of this step and one more have been asked for, and no other
        state = trainer.state
        assert len(asked_for) == state.epoch * math.ceil(len(order) / 96) + (state.position - 1) // 96 + 2
        step(index)

    trainer.data.open = lambda windows: ahead(asked_for.append(w) or w for w in windows)  # type: ignore[method-assign]
    trainer.step = counted  # type: ignore[method-assign]
    trainer.run()
    expected = [group for epoch in range(3) for w in order.windows(epoch) for group in w.groups]
    by_thread = [group for name, group in read.asked_by if name.startswith("velbo-stream")]
    once = [group for group, _ in itertools.groupby(expected)]
    assert by_thread[: len(once)] == once
    # an epoch may begin with the group that the one before ended with
    assert 3 * 6 - 2 <= len(once) <= 3 * 6
    assert read.most_alive == 1


@pytest.mark.parametrize("window_rows", [40, 100])
def test_stopped_anywhere_and_resumed_ends_bit_equal(tmp_path, monkeypatch, window_rows):
    """Stopped after every single step, within windows and epochs and at their ends, and resumed each time."""
    weights, history = trained(stream(window_rows=window_rows))
    run, start_again = Run(tmp_path / "run"), stopped_after_a_step(monkeypatch)
    run.create({})
    kills, ended = 0, None
    while ended is None:
        start_again()
        try:
            ended = trained(stream(window_rows=window_rows), run=run)
        except KeyboardInterrupt:
            kills += 1
            assert no_reader_is_left()
    assert kills == history.steps - 1
    assert equal(weights, ended[0])
    assert ended[1].metrics == history.metrics


# the thread


def test_an_error_in_the_thread_is_raised_where_training_is_called():
    """And the thread ends, as it does after training that went well."""
    trained(stream())
    assert no_reader_is_left()
    order = order_for(stream(), 0.0, 32, 3)
    last = list(order.windows(0))[-1].groups[-1]
    with pytest.raises(DataError, match=f"group {last} is damaged"):
        trained(stream(Groups(broken=last)), order)
    assert no_reader_is_left()


def test_an_interrupted_training_leaves_no_thread(monkeypatch):
    s = stream()
    trainer = Trainer(vae(), s, ELBO(), CONFIG)
    trainer._agree = lambda loss: setattr(trainer, "stopping", True) or True  # type: ignore[method-assign]
    with pytest.raises(Interrupted, match="at step 1"):
        trainer.run()
    assert no_reader_is_left()
