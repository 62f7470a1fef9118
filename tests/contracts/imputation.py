"""Models whose missing cells have a known law: a Gaussian in closed form, and a table whose z is integrated out."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, MultivariateNormal, Normal

from velbo import VAE, LinearGaussian
from velbo.conditional import Condition, Conditional
from velbo.likelihoods import Factorised, MixedCells
from velbo.likelihoods.bernoulli import BernoulliCell
from velbo.likelihoods.coded import CodesCell
from velbo.posteriors import from_noise, normal_points
from velbo.priors import StandardNormal
from velbo.rows import Field, Store

NAN = math.nan
ORACLE = LinearGaussian.random(5, 2, seed=3)
HOLES = torch.tensor(
    [[0, 0, 0, 0, 0], [0, 1, 0, 0, 0], [1, 0, 1, 0, 1], [1, 1, 1, 1, 1], [1, 1, 1, 0, 1], [0, 0, 0, 1, 1]]
).bool()


def with_holes(n: int = 6, oracle: LinearGaussian = ORACLE, seed: int = 0) -> Tensor:
    x = oracle.sample(n, seed)
    return x.masked_fill(HOLES[torch.arange(n) % 6], NAN)


def conditional(oracle: LinearGaussian, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the missing cells of a row given its observed ones, by the Schur complement."""
    b, cov = oracle.bias, oracle.weight @ oracle.weight.T + oracle.sigma**2 * torch.eye(len(x)).double()
    m, o = x.isnan(), ~x.isnan()
    gain = cov[m][:, o] @ torch.linalg.inv(cov[o][:, o])
    return b[m] + gain @ (x[o] - b[o]), cov[m][:, m] - gain @ cov[o][:, m]


class Designed(MultivariateNormal):
    """A Normal whose draws are points with its exact mean and covariance."""


@from_noise.register
def _(q: Designed, eps: Tensor) -> Tensor:
    points = normal_points(*eps.shape[:: eps.dim() - 1]).to(eps)[:, None]
    return q.loc + (q.scale_tril @ points.unsqueeze(-1)).squeeze(-1)


class Encoder(nn.Module):
    """p(z|x_obs) of the oracle for any cells that are missing, moved by ``shift`` and ``wider`` than it is."""

    def __init__(self, oracle: LinearGaussian = ORACLE, shift: float = 0.0, wider: float = 1.0, family=Designed):
        super().__init__()
        self.oracle, self.shift, self.wider, self.family = oracle, shift, wider, family

    def forward(self, x: Tensor) -> Distribution:
        w, seen = self.oracle.weight, (~x.isnan()).double()
        precision = (
            torch.eye(w.shape[1]).double() + torch.einsum("dz,...d,dy->...zy", w, seen, w) / self.oracle.sigma**2
        )
        residual = torch.nan_to_num(x - self.oracle.bias) @ w / self.oracle.sigma**2
        covariance = torch.linalg.inv(precision)
        mean = (covariance @ residual.unsqueeze(-1)).squeeze(-1)
        return self.family(mean + self.shift, self.wider**2 * covariance)


def gaussian(oracle: LinearGaussian = ORACLE, **options) -> VAE:
    vae = oracle.vae()
    return VAE(Encoder(oracle, **options), vae.decoder, vae.prior)


def store(x: Tensor) -> Store:
    return Store.from_tensor(x)


class Line(Distribution):
    """A "posterior" of one latent whose K draws are K even steps from -8 to 8, so that sums over them are integrals."""

    arg_constraints: ClassVar[dict[str, Any]] = {}  # pyright: ignore

    def __init__(self, batch_shape: torch.Size) -> None:
        super().__init__(batch_shape, torch.Size((1,)), validate_args=False)

    @property
    def mean(self) -> Tensor:
        return torch.zeros(*self.batch_shape, 1).double()

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.zeros(value.shape[:-1]).double()


@from_noise.register
def _(q: Line, eps: Tensor) -> Tensor:
    return torch.linspace(-8, 8, len(eps), dtype=torch.float64).view(-1, 1, 1).expand(eps.shape)


class OnLine(nn.Module):
    def forward(self, x: Tensor) -> Line:
        return Line(x.shape[:-1])


class Table(nn.Module):
    """p(x|z) of a table of six columns and one latent: numbers 0 and 3, codes of 3 and 2 categories 1 and 4, a binary
    column 2, levels 0, 1/2, 1 in column 5.
    """

    def __init__(self) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(2)
        self.w = nn.Parameter(1.5 * torch.randn(9, 2, generator=g, dtype=torch.float64))

    def forward(self, z: Tensor) -> MixedCells:
        y = z * self.w[:, 0] + self.w[:, 1]
        padded = torch.stack((y[..., :3], torch.cat((y[..., 3:5], torch.full_like(z, -math.inf)), -1)), -2)
        parts = [
            ([0, 3], Normal(torch.stack((y[..., 5], y[..., 6].sin()), -1), torch.tensor([0.6, 0.9]).double())),
            ([1, 4], CodesCell(padded.log_softmax(-1))),
            ([2], BernoulliCell(y[..., 7:8], is_coded=True)),
            ([5], CodesCell(torch.stack((z[..., 0], y[..., 8], -z[..., 0]), -1).log_softmax(-1).unsqueeze(-2), 0.5)),
        ]
        return MixedCells([(torch.tensor(at), Factorised(cell)) for at, cell in parts], 6)


def table() -> VAE:
    return VAE(OnLine(), Table(), StandardNormal(1).double())


TABLE_ROWS = torch.tensor(
    [
        [NAN, NAN, 1.0, 0.3, 1.0, 0.5],
        [1.2, 2.0, NAN, NAN, NAN, 1.0],
        [-0.4, NAN, 0.0, NAN, 0.0, NAN],
        [NAN, NAN, NAN, NAN, NAN, NAN],
    ],
    dtype=torch.float64,
)


@torch.no_grad()
def joint(decoder: nn.Module, x: Tensor, n: int = 4001) -> tuple[Tensor, Tensor]:
    """Even steps of z (n, 1, 1) from -10 to 10, and log p(x_obs, z) there, (n, B)."""
    z = torch.linspace(-10, 10, n, dtype=torch.float64).view(n, 1, 1)
    return z, decoder(z).log_prob(x) + Normal(0.0, 1.0).log_prob(z[..., 0])


class GivenFirst(nn.Module):
    """(z, c, mask) -> p of columns 1 and 2, N(z + c, 1) and N(2 z - c, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1).double())

    def forward(self, u: Tensor) -> MixedCells:
        z, c = u[..., :1] + self.anchor, u[..., 1:2]
        return MixedCells([(torch.tensor([1, 2]), Factorised(Normal(torch.cat((z + c, 2 * z - c), -1), 1.0)))], 3)


def conditional_model(encoder: nn.Module) -> Conditional:
    columns = [Field(name, "real") for name in "abc"]
    return Conditional(VAE(encoder, GivenFirst(), StandardNormal(1)), Condition(columns, [0], mask=True)).double()
