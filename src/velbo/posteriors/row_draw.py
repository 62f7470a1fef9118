"""Drawing z with noise that belongs to the rows: what makes validation and scores deterministic."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..rows import RowNoise
from .draw import Pathwise, from_noise, noise_like


class RowDraw(Pathwise):
    """Draws whose noise belongs to the rows; posteriors that are no function of normal noise are drawn from torch's
    generator, seeded once, and are then the same for the same rows in the same chunks.
    """

    def __init__(self, rows: Tensor, seed: int) -> None:
        self.noise, self.seed = RowNoise(rows, seed, "latents"), seed

    def sample(self, q: Distribution, n_samples: int) -> Tensor:
        like = noise_like(q)
        try:
            return from_noise(q, self.noise.normal(n_samples, like.shape[len(q.batch_shape) :], like))
        except NotImplementedError:
            with torch.random.fork_rng():
                torch.manual_seed(self.seed)
                self.seed += 1
                return q.sample(torch.Size((n_samples,)))
