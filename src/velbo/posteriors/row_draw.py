"""Drawing z with noise that belongs to the rows: what makes validation and scores deterministic.

Every row has one stream of noise for each draw that the model makes of it: of one q(z|x) the first alone, of groups of
latents that are drawn one after another the first for the first group, and so on. So the noise of a sample depends
neither on the other rows nor on how many samples are drawn at a time.
"""

from __future__ import annotations

import math
from typing import Self

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..errors import ConfigError
from ..rows import RowNoise
from ..runtime.generators import OwnGenerator
from .draw import Pathwise, from_noise, noise_like, of_noise

MOST_KEPT = 2**22


class RowDraw(Pathwise):
    """Draws whose noise belongs to the rows; posteriors that are no function of normal noise are drawn from one
    generator of its own, and are then the same for the same rows in the same chunks.

    Args:
        rows: (B, D), as stored.
        seed: of all noise.
    """

    def __init__(self, rows: Tensor, seed: int) -> None:
        self.rows, self.seed, self.own = rows, seed, OwnGenerator(seed, "latents")
        self.streams, self.n_drawn = dict[int, RowNoise](), 0

    def onwards(self) -> Self:
        """For the next samples of the same rows: every draw goes on in its own stream, from the first draw again."""
        self.n_drawn = 0
        return self

    def noise(self, q: Distribution, n_samples: int) -> Tensor:
        """
        Raises:
            ConfigError: if the last dimension of q's batch shape does not run over the rows.
        """
        like, batch = noise_like(q), q.batch_shape
        if not batch or batch[-1] != len(self.rows):
            raise ConfigError(
                f"q(z|x) of {len(self.rows)} rows has batch shape (..., {len(self.rows)}), and this {type(q).__name__} "
                f"has {tuple(batch)}"
            )
        lead, shape = batch[:-1], like.shape[len(batch) :]
        eps = self._stream().normal(n_samples * math.prod(lead), shape, like)
        return eps.view(n_samples, *batch, *shape)

    def sample(self, q: Distribution, n_samples: int) -> Tensor:
        if of_noise(q):
            return from_noise(q, self.noise(q, n_samples))
        with self.own:
            return q.sample(torch.Size((n_samples,)))

    def _stream(self) -> RowNoise:
        """Of the draw that is due."""
        if self.n_drawn not in self.streams:
            name = f"latents {self.n_drawn}" if self.n_drawn else "latents"
            self.streams[self.n_drawn] = RowNoise(self.rows, self.seed, name)
        self.n_drawn += 1
        return self.streams[self.n_drawn - 1]


class RepeatedDraw(RowDraw):
    """The draws of a `RowDraw`, again and again. Noise is kept as far as it is 4 million numbers at most, for to make
    it takes as long as a small model.
    """

    def __init__(self, rows: Tensor, seed: int) -> None:
        super().__init__(rows, seed)
        self.kept: dict[int, Tensor] = {}

    def again(self) -> Self:
        """From the first sample of all draws again."""
        self.streams, self.n_drawn, self.own = {}, 0, OwnGenerator(self.seed, "latents")
        return self

    def noise(self, q: Distribution, n_samples: int) -> Tensor:
        place = self.n_drawn
        if place in self.kept:
            self.n_drawn += 1
            return self.kept[place]
        eps = super().noise(q, n_samples)
        if sum(t.numel() for t in self.kept.values()) + eps.numel() <= MOST_KEPT:
            self.kept[place] = eps
        return eps
