"""The one training loop: maximise the mean surrogate of a bound over the rows.

    for every batch:   theta, phi <- Adam step along  d/d(theta, phi)  mean over b of surrogate_b

Everything random is a function of the seed: the order of the rows (order.py), and the noise, which comes from torch's
generator, whose state is part of the checkpoint. So a run that is killed and resumed ends bit-equal to one that was
left alone (with an epochs budget; a minutes budget follows the clock).
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..config import TrainingConfig
from ..errors import Interrupted, TrainingError
from ..objectives import Bound, Objective, told_rows
from ..rows import Store
from ..rows.stream import Stream
from ..runtime.adam import Adam
from ..runtime.devices import compiled, device_of
from ..runtime.generators import stream_seed
from ..runtime.memory import freed_memory_kept
from ..runtime.precision import autocast, products
from ..runtime.threads import threads
from ..terms import Model
from . import constraint, schedule, weights
from .checkpoint import Parts
from .choices import decide
from .covered import Asks, require_private
from .ema import EMA
from .gradients import Gradients, Pass, Recorded
from .loggers import Logger, tell_progress
from .order import Order, batches, order_for, shared_subset
from .privacy import PrivateSteps
from .progress import so_far, where
from .run import Run
from .saving import Saving
from .signals import StopRequest, listening
from .start import start
from .state import History, State, Sums
from .team import ALONE, Forward, Team, share
from .validation import ValidationSet, require_finite

MAX_SKIPPED_IN_A_ROW = 20
CHECKPOINT_SECONDS = 30.0
PROGRESS_EVERY = 10
BETAS = 0.9, 0.99
"""Adam's. The gradients of a bound grow tenfold while its likelihood sharpens: squares are to be those of a hundred
steps, not of a thousand."""


class Trainer:
    """Trains ``model`` on ``data``; see `train` for the arguments. Rows come in the order that suits the data, if no
    ``order`` is given.
    """

    def __init__(
        self,
        model: nn.Module,
        data: Store | Stream,
        objective: Objective,
        config: TrainingConfig,
        run: Run | None = None,
        loggers: Sequence[Logger] = (),
        team: Team = ALONE,
        order: Order | None = None,
    ) -> None:
        self.team, self.device = team, team.device or device_of(config.machine.device)
        config, _ = decide(config, len(data), model, self.device)
        self.config, self.run_folder = config, run
        self.loggers = loggers if team.rank == 0 else ()
        self.batch_size, self.lr = cast(int, config.optimisation.batch_size), cast(float, config.optimisation.lr)
        self.model = model.to(self.device)
        seed = config.machine.seed
        data = data.among(team) if isinstance(data, Stream) else data
        self.order = order or order_for(data, config.validation.validation, self.batch_size, seed)
        self.data, self.steps_per_epoch = data.to(self.device), self.order.steps(self.batch_size)
        self.units = data.units.to(self.device)
        self.weight = weights.of_training(data, self.order.held_out)
        self.objective, held_out = told_rows(objective, len(self.order)), self.order.held_out
        self.private = None
        if config.privacy.is_asked:
            asks = Asks(isinstance(data, Stream), self.weight is not None, team.size, len(held_out) > 0)
            require_private(model, self.objective, asks)
            self.private = PrivateSteps(config, len(self.order))
        self.validation = None
        if len(held_out):
            self.validation = ValidationSet(shared_subset(data, held_out), self.objective, seed, self.device, team)
        terms = Forward(model)
        self.compute = team.wrap(compiled(terms, self.device) if config.machine.compile else terms)
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = self._make_optimizer()
        self.ema = EMA(self.model, config.optimisation.ema)
        self.best_weights = self._averaged_weights()
        self.gradients = self._make_gradients()
        self.state, self.metrics = State(), list[dict[str, Any]]()
        key = self.private and self.private.secret.key
        self.parts = Parts(self.model, self.ema, self.optimizer, self.device, team, key)
        self.saving = Saving(run, self.parts)
        self.clock, self.stop, self.stopping = time.monotonic(), StopRequest(), False

    def _make_optimizer(self) -> Adam:
        decay = self.config.optimisation.weight_decay
        if not decay:
            return Adam(self.parameters, self.lr, BETAS)
        # biases, gains and learned scales have no reason to be near zero
        matrices, rest = ([p for p in self.parameters if (p.dim() > 1) == m] for m in (True, False))
        return Adam([{"params": matrices}, {"params": rest, "weight_decay": 0.0}], self.lr, BETAS, decay)

    def _make_gradients(self) -> Gradients:
        if self.private is not None:
            return self.private.gradients(self.model, self.objective, lambda: self.state.step)
        eager = Pass(lambda x, beta: self.bound(x, beta), self.parameters)
        recorded = self.device.type == "cuda" and self.team.size == 1
        return Recorded(eager, self.batch_size) if recorded else eager

    def _autocast(self) -> AbstractContextManager[Any]:
        return autocast(self.config.machine.precision, self.device)

    # one step

    def bound(self, x: Tensor, beta: float | Tensor) -> Bound:
        """The objective's bound of a batch in nats of the data, its reductions in float32 at least."""
        with self._autocast():
            terms = self.compute(x, self.objective.samples, self.objective.draw)
        return self.objective(terms, beta).plus(self.units.log_det(x))

    def step(self, index: Tensor) -> None:
        """One optimizer step on the given rows, of which this process computes its share; left out if its gradient is
        not finite.
        """
        state, o = self.state, self.config.optimisation
        lr = schedule.learning_rate(self.lr, o.warmup, self._progress(state.step + 0.5))
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        beta = constraint.beta(self.config.weighting, state, self._progress(state.step + 1))
        mine = share(index, self.team)
        idle = not len(mine)
        # a process without a row of a short last batch goes along with one that counts for nothing
        rows = index[:1] if idle else mine
        weight = None if self.weight is None else self.weight[rows.cpu()].to(self.device)
        scale = 0.0 if idle else self.team.size / len(index)
        found = self.gradients(self.data.batch(rows), beta, weight, scale)
        norm = math.sqrt(found.squared_norm)
        state.step += 1
        if not (self._agree(found.loss) and math.isfinite(norm)):
            self._skip()
            return
        longest = state.longest_gradient(norm, o.clip)
        if norm > longest:
            gradients = [p.grad for p in self.parameters if p.grad is not None]
            torch._foreach_mul_(gradients, longest / norm)  # pyright: ignore
        self.optimizer.step()
        self.ema.update()
        state.skipped_in_a_row = 0
        sums = Sums() if idle or self.private else Sums(len(rows), found.bound, found.reconstruction, found.rate)
        state.sums.add(sums)
        if self.config.weighting.constrained:
            constraint.follow(self.config.weighting, state, *self._means(sums), pace=lr / self.lr)

    def _means(self, mine: Sums) -> tuple[float, float]:
        """(reconstruction, rate) of the whole batch, of which every process has a share."""
        joined = mine.joined(self.team)
        return joined.reconstruction / joined.rows, joined.rate / joined.rows

    def _skip(self) -> None:
        state = self.state
        state.skipped += 1
        state.skipped_in_a_row += 1
        if state.skipped_in_a_row < MAX_SKIPPED_IN_A_ROW:
            return
        raise TrainingError(
            f"{MAX_SKIPPED_IN_A_ROW} steps in a row had a bound or gradient that is not finite (step {state.step})"
            f"{self.saving.where}. Lower lr, check the data for huge values, and if an encoder of your own sees "
            "missing cells, begin it with velbo.nets.FillMissing"
        )

    # the run

    def run(self) -> History:
        """Train until the budget is used up.

        Raises:
            Interrupted: on SIGINT or SIGTERM, after saving.
            TrainingError: if too many steps in a row are not finite, or weights or the optimizer's state are not.
            RunError: if another process writes into the run folder, or it cannot be written.
        """
        seed = self.config.machine.seed
        devices = [self.device] if self.device.type == "cuda" else []
        machine = self.config.machine
        with (
            self.run_folder.locked() if self.run_folder and self.team.rank == 0 else nullcontext(),
            torch.random.fork_rng(devices=devices),
            threads(machine.threads),
            products(machine.precision),
            freed_memory_kept(),
            listening() as self.stop,
        ):
            torch.manual_seed(seed)
            start(self.model, self.data, self.order)
            # rank 0 draws what a process alone would draw
            rank = self.team.rank
            torch.manual_seed(stream_seed(seed, f"rank {rank}") if rank else seed)
            self._restore()
            self.model.train()
            self.clock = time.monotonic() - self.state.seconds
            self.saved_at = self.state.seconds
            try:
                with closing(self._batches()) as rows:
                    while not self.state.done:
                        self._epoch(rows)
            except (Interrupted, TrainingError):
                self.save()
                raise
            self.save()
        self.model.eval()
        return self._history()

    def _batches(self) -> Generator[Tensor]:
        """Rows of one step after another, from where training is."""
        state = self.state
        if self.private is not None:
            return self.private.batches(state.step, cast(Store, self.data).place)
        return batches(self.data, self.order, self.batch_size, state.epoch, state.position)

    def _epoch(self, rows: Iterator[Tensor]) -> None:
        state, n = self.state, len(self.order)
        while state.position < n and not self._is_over():
            index = next(rows)
            # a private step takes rows by chance, and stands for a batch
            state.position += len(index) if self.private is None else min(self.batch_size, n - state.position)
            self.step(index)
            if state.step % PROGRESS_EVERY == 0:
                self._show()
            if self.stopping:
                name = self.stop.name or "a signal"
                raise Interrupted(f"stopped by {name} at step {state.step}, epoch {state.epoch + 1}")
            self.saved_at = min(self.saved_at, state.seconds)
            if self.run_folder and state.seconds - self.saved_at > CHECKPOINT_SECONDS:
                self.save()
        self._end_of_epoch(complete=state.position >= len(self.order))

    def _agree(self, loss: float) -> bool:
        """The one word a step among all processes: whether every loss is finite. They go by the clock of the first, and
        stop if one was asked to.
        """
        seconds = (time.monotonic() - self.clock) * (self.team.rank == 0)
        total, self.state.seconds, stops = self.team.total([loss, seconds, float(bool(self.stop))])
        self.stopping = stops > 0
        return math.isfinite(total)

    def _progress(self, steps: float) -> float:
        return schedule.progress(self.config.budget, steps, self.steps_per_epoch, self.state.seconds)

    def _is_over(self) -> bool:
        return self._progress(self.state.step) >= 1.0

    def _end_of_epoch(self, complete: bool) -> None:
        state = self.state
        state.epoch, state.position = state.epoch + complete, 0 if complete else state.position
        record = self._evaluate()
        reported = record.get("validation_bound", record.get("train_bound", -math.inf))
        better = not self.private and (state.best is None or reported > state.best)
        # until beta is what it is to be, the bound at beta 1 may fall while the model learns
        is_stale = not better and self._progress(state.step) >= self.config.weighting.beta_warmup
        state.best, state.stale = reported if better else state.best, state.stale + 1 if is_stale else 0
        if better or self.validation is None:
            self.best_weights = self._averaged_weights()
        patience = self.config.validation.patience if self.validation is not None else None
        state.done = self._is_over() or state.stale >= (patience or math.inf)
        state.sums = Sums()
        self.metrics.append(record)
        state.n_metrics = len(self.metrics)
        if self.run_folder and self.team.rank == 0:
            self.run_folder.append_metrics(record, state.seconds)
        self._show(where(record))
        for logger in self.loggers:
            logger.log_metrics(record, state.step)

    def _evaluate(self) -> dict[str, Any]:
        state = self.state
        record: dict[str, Any] = {
            "step": state.step,
            "epoch": state.epoch,
            **state.sums.joined(self.team).means("train"),
        }
        if self.validation is not None:
            self.model.eval()
            with self.ema.swapped_in():
                means = self.validation.evaluate(cast(Model, self.model), self._autocast())
            record |= require_finite(means, state.step)
            self.model.train()
        if self.config.weighting.constrained:
            record["beta"] = constraint.beta(self.config.weighting, state, 1.0)
        if self.private is not None:
            self.private.account(state)
            record["epsilon"] = state.epsilon
        record["skipped"] = state.skipped
        return record

    def _show(self, text: str = "") -> None:
        if self.loggers:
            tell_progress(self.loggers, self._progress(self.state.step), text or so_far(self.state, self.metrics))

    # saving

    def _averaged_weights(self) -> dict[str, Tensor]:
        with self.ema.swapped_in():
            return {name: t.detach().clone() for name, t in self.model.state_dict().items()}

    def save(self) -> None:
        """As `Saving.save`, of where training is; the key of private training is kept until it is done."""
        if self.private is not None:
            self.private.account(self.state)
        self.saving.save(self.state, self.best_weights)
        # from the next step on: a store that is away may have taken longer than all steps since the last one
        self.saved_at = math.inf

    def _restore(self) -> None:
        if found := self.saving.restore(self.best_weights):
            self.state, self.metrics, self.best_weights = found
            # killed after its key was forgotten, and before its folder said that it is done
            self.state.done |= self.private is not None and self.private.secret.is_forgotten

    def _history(self) -> History:
        self.model.load_state_dict(self.best_weights)
        state, best = self.state, self.state.best if self.state.best is not None else math.nan
        return History(self.metrics, best, state.step, state.skipped, state.seconds, state.stale)
