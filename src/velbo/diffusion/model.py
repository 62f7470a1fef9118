"""A diffusion of rows x: a VAE whose encoder adds noise and learns nothing.

    f(x)        numbers of a row, fixed: what an encoder sees of it, standardised
    q(z_t|x)  = N(alpha_t f(x), sigma_t^2 I)         p(x|z_0) by a likelihood of each cell
    z = z_0:    log p(x) >= E log p(x|z_0) - KL( q(z_1|x) || N(0, I) ) - L                                       (16)

A category has one number for each of its values, so f may be noised as numbers are, and p(x|z_0) says which value z_0
is next to. A column with a density has one, and p(x|z_0) is as narrow as the noise of z_0.

In training L is estimated by one time, which is no weight; in evaluation by a whole path, which is one. Of a missing
cell nothing is known: in a whole path its numbers go as the model goes, which is a bound of log p of the cells that are
observed. No one time has that law in closed form, so rows to train on are whole.

Sources: Variational diffusion models, Kingma, Salimans, Poole and Ho, 2021, https://arxiv.org/abs/2107.00630; TabDDPM,
Kotelnikov, Baranchuk, Rubachev and Babenko, 2022, https://arxiv.org/abs/2209.15421 (tables; without a bound).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from ..errors import ConfigError, DataError
from ..model import LatentVariableModel
from ..nets import FieldFeatures
from ..posteriors import Draw
from ..rows import Field
from ..runtime.adam import Adam
from ..runtime.devices import may_look_at
from ..terms import PATHWISE, Terms
from .bound import CONTINUOUS, Times, by_one_time, by_path, prior_matching
from .prior import Process
from .schedule import alpha, sigma
from .weighting import Weighting

LEAST_SCALE = 0.1
HEAD_STEPS, HEAD_LR = 200, 0.05


class Embedding(nn.Module):
    """x (..., D) -> f(x) (..., F), 0 where missing.

    Args:
        cells: one field of shape () for each of the D dimensions of x.
        only: positions of the cells that are modelled.

    Attributes:
        n_features: F.
    """

    loc: Tensor
    scale: Tensor
    owners: Tensor

    def __init__(self, cells: Sequence[Field], only: Sequence[int] | None = None) -> None:
        super().__init__()
        self.features = FieldFeatures(cells, only=only)
        self.n_features = self.features.n_features
        self.register_buffer("loc", torch.zeros(self.n_features))
        self.register_buffer("scale", torch.ones(self.n_features))
        self.register_buffer("owners", torch.tensor(self.features.owners), persistent=False)

    @torch.no_grad()
    def start_from(self, x: Tensor) -> None:
        """Mean and standard deviation of the features of rows of the data."""
        f, n = self.features(x), self.known(x).sum(0).clamp_min(1)
        self.loc.copy_(f.sum(0) / n)
        square = torch.where(self.known(x), (f - self.loc).square(), 0.0)
        self.scale.copy_((square.sum(0) / n).sqrt().clamp_min(LEAST_SCALE))

    def known(self, x: Tensor) -> Tensor:
        """Which numbers of f(x) are of cells that are observed, (..., F)."""
        return ~x.index_select(-1, self.owners).isnan()

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(self.known(x), (self.features(x) - self.loc) / self.scale, 0.0)


class Diffusion(LatentVariableModel):
    """A model of rows by a diffusion of f(x); z is z_0.

    Args:
        embedding: f, fixed before training.
        process: of F numbers; the prior of z_0.
        head: z_0 / alpha_0 (..., F) -> p(x|z_0), event shape (D,).
        times: of training, all by default.
        weighting: of the gradient of training; by default the bound's.
        guidance: weight of what is given, in samples and scores of a conditional model.
    """

    def __init__(
        self,
        embedding: Embedding,
        process: Process,
        head: nn.Module,
        times: Times = CONTINUOUS,
        weighting: Weighting | None = None,
        guidance: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding, self.prior, self.head = embedding, process, head
        self.times, self.weighting, self.guidance = times, weighting, guidance

    @property
    def process(self) -> Process:
        """The prior, by its class."""
        return cast(Process, self.prior)

    def start_from(self, x: Tensor) -> None:
        """Settle f, and lead the head to its optimum, as nothing but E log p(x|z_0) depends on it."""
        self.embedding.start_from(x)
        optimizer = Adam(self.head.parameters(), HEAD_LR)
        with torch.enable_grad():
            for step in range(HEAD_STEPS):
                optimizer.param_groups[0]["lr"] = HEAD_LR * (1 - step / HEAD_STEPS)
                with torch.no_grad():
                    z = self.encode(x).sample()
                optimizer.zero_grad(set_to_none=True)
                (-self.decode(z).log_prob(x).mean()).backward()
                optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def encode(self, x: Tensor) -> Independent:
        """q(z_0|x); N(0, 1) for the numbers of a missing cell."""
        known, gamma = self.embedding.known(x), self.process.schedule.start
        scale = torch.where(known, sigma(gamma), 1.0)
        return Independent(Normal(alpha(gamma) * self.embedding(x), scale, validate_args=False), 1, validate_args=False)

    def decode(self, z: Tensor) -> Distribution:
        return self.head(z / alpha(self.process.schedule.start))

    def guided(self, weight: float) -> Diffusion:
        """This model with guidance, of the same weights: for samples, as the guided flow is no model's law."""
        return self._with(self.process, weight)

    def with_given(self, c: Tensor, sizes: Sequence[Tensor]) -> Diffusion:
        if sizes:
            raise ConfigError(
                "a diffusion of counts goes without a library size; leave it out, or take recipe 'resmlp'"
            )
        return self._with(self.process.with_given(c, self.guidance), self.guidance)

    def _with(self, process: Process, guidance: float) -> Diffusion:
        model = Diffusion(self.embedding, process, self.head, self.times, self.weighting, guidance)
        model.training = self.training
        return model

    def terms(self, x: Tensor, samples: int = 1, draw: Draw = PATHWISE) -> Terms:
        """The terms of the bounds; ``kl`` is (B, 2), prior matching and denoising matching.

        Raises:
            DataError: in training, for a missing cell.
        """
        q, process, known = self.encode(x), self.process, self.embedding.known(x)
        f = self.embedding(x).expand(samples, -1, -1)
        # a plan refuses to train on missing cells, so a device need not be asked
        is_whole = bool(known.all()) if may_look_at(known) else self.training
        where = None if is_whole else known
        end = prior_matching(process.schedule, f[0], where)
        if not self.training:
            path = by_path(process.known, process.schedule, f, draw, process.steps, where)
            z, log_ratio = path.z, path.log_ratio
        elif where is None:
            z = draw.sample(q, samples)
            log_ratio = -end - by_one_time(process.known, process.schedule, f, draw, self.times, self.weighting)
        else:
            raise DataError(
                "a diffusion of x is trained on whole rows, as nothing is known in closed form of the noised "
                "numbers of a missing cell; take recipe 'resmlp' with prior 'diffusion', or fill the cells first"
            )
        log_qz = draw.log_prob(q, z)
        return Terms(
            log_px_z=self.decode(z).log_prob(x),
            log_pz=log_qz + log_ratio,
            log_qz=log_qz,
            z=z,
            kl=torch.stack((end, -log_ratio.mean(0) - end), -1),
            groups=(1, 1),
            q=q,
            p=process(),
            is_weight=not self.training,
        )
