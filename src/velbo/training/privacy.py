"""Private training (DP-SGD): steps that say little of any single row.

    each of the N rows is in a step with probability r, on its own: B = r N rows are expected, and none may come
    g_i      = d/d(theta, phi)  - surrogate_i                        the gradient of one row's own loss
    g        = 1/B ( sum over rows i of the step of  g_i min(1, C / |g_i|)  +  sigma C n ),    n ~ N(0, I)

and g is what the optimizer gets. One row more or less moves the sum by C at most, whatever the row is; sigma C hides
that. All that is made of g (moments of Adam, averages of weights, choices that depend on nothing else) is as private;
how private, says accountant.py. A row whose gradient is not finite counts as 0. Losses of rows are not used otherwise:
no figure of training rows is kept, no step is left out for one.

Gradients of rows come of the model itself, given one row at a time, by `torch.func.vmap`: whatever the model does with
a batch of one, it does for many at once.

Which rows come and the noise are functions of a key and of the step, so that a run goes on from a checkpoint bit for
bit. The key is drawn from the operating system's randomness, not from the seed, which stands in config.json: who knows
it can take the noise away. It is in checkpoint/ until training is done, and nowhere afterwards: the last checkpoint,
without a key, says that training is done only once those before it are gone, on a store too. What is left open:
NumPy's generator (Philox) was not made for cryptography, and floating-point noise has gaps that an attack can use in
theory.

Sources: Deep learning with differential privacy, Abadi et al., 2016, https://arxiv.org/abs/1607.00133 (algorithm 1);
on floating-point noise: On significance of the least significant bits for differential privacy, Mironov, 2012,
https://doi.org/10.1145/2382196.2382264.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.func import functional_call, grad, vmap

from ..config import TrainingConfig
from ..errors import ConfigError
from ..objectives import Objective
from ..posteriors import Detached, Draw, from_noise
from ..posteriors.draw import of_noise
from ..runtime.devices import without_values
from .covered import rate_of, spent_by
from .gradients import Numbers, squared_norm
from .state import State
from .team import Forward

NUMBERS_AT_ONCE = 2**24
"""Of the gradients of rows that are held at once: 64 MiB in float32."""
KEY_BYTES = 16

SAID_OF_TRANSFORMS = "vmap", "functorch", "torch.func", "grad transform", "vjp"
"""How torch says, where it raises nothing but RuntimeError, that something cannot be done for many rows at once."""

RowGradients = dict[str, Tensor]
"""Name of a parameter -> its gradient of each row, (B, *shape)."""


class Secret:
    """The key of all noise of a run.

    Attributes:
        key: (16,) bytes; all 0 once it is forgotten.
    """

    def __init__(self) -> None:
        self.key = torch.frombuffer(bytearray(secrets.token_bytes(KEY_BYTES)), dtype=torch.uint8)

    def generator(self, use: str, step: int) -> np.random.Generator:
        """Of one use in one step; those of others are independent."""
        key = self.key.numpy().tobytes()
        digest = hashlib.blake2b(f"{use} {step}".encode(), key=key, digest_size=32).digest()
        return np.random.Generator(np.random.Philox(np.random.SeedSequence(int.from_bytes(digest, "little"))))

    def forget(self) -> None:
        """To be called once no step is left."""
        self.key.zero_()

    @property
    def is_forgotten(self) -> bool:
        """Whether no step is left."""
        return not self.key.any()

    def rows(self, n_rows: int, rate: float, step: int) -> Tensor:
        """Indices, in order, of the rows that are in a step."""
        return torch.from_numpy(np.flatnonzero(self.generator("rows", step).random(n_rows) < rate))

    def noise(self, like: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        """Standard normal numbers of a step, of each tensor's shape and type."""
        generator = self.generator("noise", step)
        drawn = {name: torch.from_numpy(generator.standard_normal(tuple(t.shape))) for name, t in like.items()}
        return {name: n.to(like[name]) for name, n in drawn.items()}


class NoiseFirst:
    """Another draw, whose z is made of its noise: torch's own Normal fills memory with noise in place, which one row
    cannot do for many.

    Args:
        draw: any whose z has a gradient.
    """

    def __init__(self, draw: Draw) -> None:
        self.draw = draw

    def noise(self, q: Distribution, n_samples: int) -> Tensor:
        return self.draw.noise(q, n_samples)

    def sample(self, q: Distribution, n_samples: int) -> Tensor:
        return from_noise(q, self.noise(q, n_samples)) if of_noise(q) else self.draw.sample(q, n_samples)

    def log_prob(self, q: Distribution, z: Tensor) -> Tensor:
        return self.draw.log_prob(q, z)

    def onwards(self) -> NoiseFirst:
        return NoiseFirst(self.draw.onwards())


def row_gradients(model: nn.Module, objective: Objective, x: Tensor, beta: float | Tensor = 1.0) -> RowGradients:
    """Gradients of - surrogate of each row by itself.

    Args:
        model: anything that gives terms.
        objective: terms -> bound.
        x: (B, D).
        beta: weight of the rate.

    Raises:
        ConfigError: of a model that does what one row cannot do for many.
    """
    forward = Forward(model)
    draw = objective.draw if isinstance(objective.draw, Detached) else NoiseFirst(objective.draw)
    learned = {name: p.detach() for name, p in forward.named_parameters() if p.requires_grad}

    def loss(parameters: RowGradients, row: Tensor) -> Tensor:
        terms = functional_call(forward, parameters, (row.unsqueeze(0), objective.samples, draw))
        return -objective(terms, beta).surrogate.sum()

    try:
        with without_values(), _buffers_kept(model):
            return vmap(grad(loss), in_dims=(None, 0), randomness="different")(learned, x)
    except RuntimeError as error:
        if not any(word in str(error) for word in SAID_OF_TRANSFORMS):
            raise
        raise _not_by_rows(error) from error


def _not_by_rows(why: object) -> ConfigError:
    return ConfigError(
        f"this model's gradients cannot be had row by row ({(str(why).splitlines() or [''])[0][:200]}), which private "
        "training needs; leave out epsilon, or train a model without such a part: posterior 'mixture' and "
        "BatchNorm are two, posterior 'diagonal' and LayerNorm are none"
    )


@contextmanager
def _buffers_kept(model: nn.Module) -> Iterator[None]:
    """
    Raises:
        ConfigError: if a buffer is another tensor after the block: that would stand for all rows at once, or tell of
            them. All are then as they were.
    """
    before = [(m, name, t) for m in model.modules() for name, t in m.named_buffers(recurse=False)]
    others = list[str]()
    try:
        yield
    finally:
        for module, name, tensor in before:
            if getattr(module, name, None) is not tensor:
                setattr(module, name, tensor)
                others.append(f"{type(module).__name__} assigns its buffer '{name}'")
    if others:
        raise _not_by_rows(others[0])


def clipped_sum(gradients: RowGradients, longest: float) -> RowGradients:
    """Sum over rows of gradients, each shortened to ``longest``, over all parameters together; those that are not
    finite count as 0.
    """
    lengths = [torch.linalg.vector_norm(g.reshape(len(g), -1), dim=1) for g in gradients.values()]
    length = torch.linalg.vector_norm(torch.stack(lengths), dim=0)
    finite = length.isfinite()
    if not finite.all():
        gradients, length = {name: g[finite] for name, g in gradients.items()}, length[finite]
    share = (longest / length.clamp_min(torch.finfo(length.dtype).tiny)).clamp_max(1.0)
    return {name: torch.tensordot(share, g, 1) for name, g in gradients.items()}


class PrivatePass:
    """Leaves g in the parameters; see the head of the module. Of the bound it says nothing.

    Args:
        model: whose parameters learn.
        objective: terms -> bound.
        row_clip: C.
        noise: sigma.
        expected: B.
        secret: of the noise.
        step: () -> number of the step.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        row_clip: float,
        noise: float,
        expected: float,
        secret: Secret,
        step: Callable[[], int],
    ) -> None:
        self.model, self.objective, self.row_clip, self.noise = model, objective, row_clip, noise
        self.expected, self.secret, self.step = expected, secret, step
        self.parameters = {name: p for name, p in Forward(model).named_parameters() if p.requires_grad}
        self.rows_at_once = max(1, NUMBERS_AT_ONCE // max(1, sum(p.numel() for p in self.parameters.values())))

    def sum(self, x: Tensor, beta: float | Tensor) -> RowGradients:
        """Of the shortened gradients of rows x (B, D), before the noise."""
        total = {name: torch.zeros_like(p) for name, p in self.parameters.items()}
        for rows in x.split(self.rows_at_once) if len(x) else ():
            part = clipped_sum(row_gradients(self.model, self.objective, rows, beta), self.row_clip)
            for name, gradient in part.items():
                total[name] += gradient
        return total

    def __call__(self, x: Tensor, beta: float, weight: Tensor | None, scale: float) -> Numbers:
        """As `Gradients`; every row counts once, and the sum is divided by B whatever ``scale`` is."""
        total, noise = self.sum(x, beta), self.secret.noise(self.parameters, self.step())
        for name, p in self.parameters.items():
            p.grad = (total[name] + self.noise * self.row_clip * noise[name]) / self.expected
        squared = squared_norm([p.grad for p in self.parameters.values() if p.grad is not None])
        return Numbers(0.0, float(squared), 0.0, 0.0, 0.0)


class PrivateSteps:
    """The private steps of one run.

    Args:
        config: closed; see `covered.closed`.
        n_rows: N.
    """

    def __init__(self, config: TrainingConfig, n_rows: int) -> None:
        self.config, self.n_rows, self.rate, self.secret = config, n_rows, rate_of(config, n_rows), Secret()

    def batches(self, step: int, device: torch.device) -> Generator[Tensor]:
        """The rows of one step after another, without end."""
        return (self.secret.rows(self.n_rows, self.rate, s).to(device) for s in count(step))

    def gradients(self, model: nn.Module, objective: Objective, step: Callable[[], int]) -> PrivatePass:
        """What leaves g in the parameters; ``step`` says which step it is."""
        p = self.config.privacy
        clip, noise = cast(float, p.row_clip), cast(float, p.noise)
        return PrivatePass(model, objective, clip, noise, self.rate * self.n_rows, self.secret, step)

    def account(self, state: State) -> None:
        """Write into a state what epsilon its steps have spent; after the last one the key is forgotten, and torch's
        generator is as it began, whose state would tell how many rows came.
        """
        state.epsilon = spent_by(self.config, self.n_rows, state.step)
        if state.done:
            self.secret.forget()
            torch.manual_seed(self.config.machine.seed)


def require_row_gradients(model: nn.Module, objective: Objective, x: Tensor) -> None:
    """
    Raises:
        ConfigError: if gradients of rows like x (B, D) cannot be had.
    """
    training, devices = model.training, [x.device] if x.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        try:
            row_gradients(model.train(), objective, x)
        except (RuntimeError, ValueError) as error:
            raise error if isinstance(error, ConfigError) else _not_by_rows(error) from error
        finally:
            model.train(training)
