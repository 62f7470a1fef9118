"""What is exported: three functions of tensors, in the units of the data.

    encoder    values (N, D)            ->  mean and standard deviation of q(z|x), (N, Z) each
    decoder    z (N, Z)                 ->  point estimate of p(x|z), (N, D)
    score      values (N, D)            ->  L_K(x) = log 1/K sum_k w_k, nats of the data, (N,)

w_k = p(x|z_k) p(z_k) / q(z_k|x) with z_k = g(eps_k; q(z|x)). The K draws of eps are part of the graph and the same for
every row, so a score is a function of its row. It is the bound that `TrainedModel.log_likelihood` gives, by other
noise.

Source of the bound: Importance weighted autoencoders, Burda, Grosse and Salakhutdinov, 2015,
https://arxiv.org/abs/1509.00519.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, MultivariateNormal

from ..build import Plan
from ..conditional import AnyModel, Conditional
from ..errors import ConfigError
from ..likelihoods import point_estimate
from ..posteriors import Pathwise
from ..posteriors.draw import from_noise, noise_like, of_noise
from ..runtime.generators import generator
from ..terms import mean_of, view_of
from .values import kept

LOG_2_PI = math.log(2 * math.pi)


class Graph(nn.Module):
    """A function of tensors that takes and gives values of the data.

    Args:
        model: in evaluation mode, on the CPU.
        plan: what it was built from.
        seed: of all noise.

    Attributes:
        outputs: names of what ``forward`` gives.
        tolerance: how far an exported file may be from this; see parity.py.
    """

    outputs: ClassVar[tuple[str, ...]]
    tolerance: ClassVar[float] = 1e-5

    def __init__(self, model: AnyModel, plan: Plan, seed: int = 0) -> None:
        super().__init__()
        self.model, self.plan = model, plan
        self.dtype = next((p.dtype for p in model.parameters()), torch.float32)
        own, n = generator(seed, "export", torch.device("cpu")), plan.schema.n_dims
        uniform = torch.rand(n, generator=own, dtype=torch.float64).to(self.dtype)
        self.register_buffer("uniform", uniform, persistent=False)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of what ``forward`` takes."""
        return ("values",)

    @abstractmethod
    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Outputs of inputs."""

    def x(self, values: Tensor) -> Tensor:
        """What the model sees."""
        encoding, uniform = self.plan.encoding, cast(Tensor, self.uniform).expand(values.shape)
        return encoding.present(kept(encoding, values, self.dtype), uniform, self.dtype)


class Encoder(Graph):
    """values -> mean and standard deviation of q(z|x)."""

    outputs = ("mean", "standard_deviation")

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        (values,) = inputs
        x = self.x(values)
        q = view_of(self.model, x).encode(x)
        return mean_of(q, "q(z|x)"), q.variance.sqrt()


class Decoder(Graph):
    """z, and what is given where something is -> values: the mean of a number, the likeliest category.

    What is given is (N, M), the M cells of the given fields, and a library size (N, 1).
    """

    outputs = ("values",)

    @property
    def inputs(self) -> tuple[str, ...]:
        given = ("given",) if self.plan.recipe.condition else ()
        return ("z", *given, *(("library_size",) if self.plan.recipe.library_size else ()))

    def forward(self, *inputs: Tensor) -> Tensor:
        z, *rest = inputs
        encoding = self.plan.encoding
        if not isinstance(self.model, Conditional):
            return encoding.restore(point_estimate(self.model.decode(z)))
        places = torch.tensor(self.plan.schema.dims(self.plan.recipe.condition), dtype=torch.long)
        values = torch.full((z.shape[0], self.plan.schema.n_dims), math.nan, dtype=torch.float64)
        if self.plan.recipe.condition:
            values = values.index_copy(1, places, rest.pop(0))
        c = self.model.condition(self.x(values))
        sizes = tuple(self.sizes(size) for size in rest)
        p = self.model.model.with_given(c, sizes[0] if sizes else ()).decode(z)
        made = encoding.restore(point_estimate(p))
        return torch.where(values.isnan(), made, values)

    def sizes(self, size: Tensor) -> tuple[Tensor, Tensor]:
        """The library size, which is the sum of all counts."""
        n = cast(Conditional, self.model).condition.n_sized
        return size.to(self.dtype).clamp_min(1), torch.ones(size.shape[0], n, dtype=torch.bool)


class Fixed(Pathwise):
    """Draws whose noise is the same for every row: made at the first use, and after `again` used once more.

    Args:
        seed: of all noise.
    """

    def __init__(self, seed: int) -> None:
        self.own, self.made = generator(seed, "exported score", torch.device("cpu")), list[Tensor]()
        self.n_drawn, self.noise_of = 0, dict[int, Tensor]()

    def again(self) -> Fixed:
        """For other rows."""
        self.n_drawn, self.noise_of = 0, {}
        return self

    def noise(self, q: Distribution, n_samples: int) -> Tensor:
        like, batch = noise_like(q), q.batch_shape
        if self.n_drawn == len(self.made):
            shape = (n_samples, *batch[:-1], 1, *like.shape[len(batch) :])
            self.made.append(torch.randn(shape, generator=self.own, dtype=torch.float64).to(like.dtype))
        self.n_drawn += 1
        eps = self.made[self.n_drawn - 1]
        return eps.expand(n_samples, *batch, *like.shape[len(batch) :])

    def sample(self, q: Distribution, n_samples: int) -> Tensor:
        if not of_noise(q):
            raise ConfigError(f"q(z|x) is a {type(q).__name__}, which is no function of normal noise")
        self.noise_of[id(q)] = eps = self.noise(q, n_samples)
        return from_noise(q, eps)

    def log_prob(self, q: Distribution, z: Tensor) -> Tensor:
        if not isinstance(q, MultivariateNormal):
            return q.log_prob(z)
        # by z = mu + L eps, as ONNX solves no triangular systems
        log_scale = q.scale_tril.diagonal(dim1=-2, dim2=-1).log()
        return (-0.5 * (self.noise_of[id(q)].square() + LOG_2_PI) - log_scale).sum(-1)


class Score(Graph):
    """values -> L_K.

    Args:
        model: as of `Graph`.
        plan: likewise.
        samples: K.
        seed: of all noise.

    Raises:
        ConfigError: if log p(z) is known by estimates alone.
    """

    outputs = ("log_likelihood",)
    tolerance = 1e-4

    def __init__(self, model: AnyModel, plan: Plan, samples: int = 100, seed: int = 0) -> None:
        super().__init__(model, plan, seed)
        self.samples, self.draw = samples, Fixed(seed)
        self.register_buffer("log_scale", plan.encoding.units(plan.schema.n_dims).of_cells, persistent=False)

    def forward(self, *inputs: Tensor) -> Tensor:
        (values,) = inputs
        x = self.x(values)
        terms = self.model.terms(x, self.samples, self.draw.again())
        log_det = (~values.isnan()).double() @ cast(Tensor, self.log_scale)
        return terms.log_w.double().logsumexp(0) - math.log(self.samples) + log_det
