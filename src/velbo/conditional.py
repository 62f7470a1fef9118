"""A model of some columns given others: q(z|x, c), p(x|z, c), p(z), for rows whose columns c are known.

    log p(x|c) >= E_q[ log p(x|z, c) ] - KL( q(z|x, c) || p(z) )

A row holds both x and c. For given rows this is a model as any other with c inside its generator, and so `given` is all
that the rest of the library needs. Counts may be given their row's sum too, the library size l. It is the sum over the
counts that are observed, O, so with rho the shares of the row p(x_d|z, c, l) has the mean l rho_d / sum_{e in O} rho_e.
Then every log p is log p(x|c, l). As l is made of the row itself, it is another number than log p(x|c), and none of the
two follows from the other: models are to be compared among those that are given the same.

Sources: Learning structured output representation using deep conditional generative models, Sohn, Lee and Yan, 2015,
https://papers.nips.cc/paper/5775 (with a prior that does not see c); Deep generative modeling for single-cell
transcriptomics, Lopez, Regier, Cole, Jordan and Yosef, 2018, https://doi.org/10.1038/s41592-018-0229-2 (library size).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from .errors import ConfigError, DataError
from .model import LatentVariableModel
from .nets import FieldFeatures
from .posteriors import Draw
from .rows import Field
from .runtime.generators import OwnGenerator, generator
from .terms import PATHWISE, Terms

N_KEPT = 1000


class Condition(nn.Module):
    """Rows x (..., D) -> what is given of them: c, numbers that a decoder can take (..., F), and the library size.

    Args:
        cells: one field of shape () for each of the D dimensions of x.
        given: positions of those that are given.
        mask: append the mask of observed cells.
        library: append log of the row's sum over the count columns, those observed.

    Attributes:
        n_features: F.
        n_sized: counts whose mask goes with a library size; 0 where none is missing.
    """

    def __init__(self, cells: Sequence[Field], given: Sequence[int], mask: bool, library: bool = False) -> None:
        super().__init__()
        self.given, self.library = list(given), library
        counts = [d for d, c in enumerate(cells) if c.kind == "count" and d not in self.given]
        if library and not counts:
            raise ConfigError("a library size is the sum of a row's counts, and no column is a count; leave it out")
        self.features = FieldFeatures(cells, mask, self.given)
        self.register_buffer("counts", torch.tensor(counts, dtype=torch.long), persistent=False)
        self.n_features = self.features.n_features
        self.n_sized = len(counts) if library and mask else 0

    def forward(self, x: Tensor) -> Tensor:
        """c."""
        return self.features(x)

    def size(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The library size l, (..., 1), and which counts it is the sum of, (..., n)."""
        counts = x.index_select(-1, cast(Tensor, self.counts))
        observed = ~counts.isnan()
        return torch.where(observed, counts, 0.0).sum(-1, keepdim=True), observed


class SizedDecoder(nn.Module):
    """(z, c), l and which counts l is the sum of -> p(x|z, c, l): the trunk sees z and c, the head the rest.

    Args:
        trunk: (..., Z + F) -> features.
        head: (features, l, observed) -> distribution.
    """

    def __init__(self, trunk: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.trunk, self.head = trunk, head

    def forward(self, inputs: Tensor, library: Tensor, observed: Tensor) -> Distribution:
        return self.head(self.trunk(inputs), library, observed)


class Conditional(nn.Module):
    """A model whose generator takes c too, and what is given.

    Args:
        model: of which `LatentVariableModel.with_given` is used. Of a VAE the encoder takes x (..., D), what is given
            included; the decoder (..., Z + F), and gives p(x|z, c) with event shape (D,), in which given columns have
            no likelihood; a `SizedDecoder` takes the library size too.
        condition: x (..., D) -> c (..., F).

    Attributes:
        kept: what was given in up to 1,000 training rows, their empirical law, (1000, M) for M given columns.
        sizes: their library sizes, (1000, 1).
        sized: which counts each size is the sum of, (1000, n); n is 0 where no cell was missing.
    """

    def __init__(self, model: LatentVariableModel, condition: Condition) -> None:
        super().__init__()
        self.model, self.condition = model, condition
        self.register_buffer("kept", torch.full((N_KEPT, len(condition.given)), math.nan))
        self.register_buffer("sizes", torch.ones(N_KEPT, 1))
        self.register_buffer("sized", torch.ones(N_KEPT, condition.n_sized, dtype=torch.bool))

    @property
    def n_latents(self) -> int:
        """Z."""
        return self.model.n_latents

    @torch.no_grad()
    def start_from(self, x: Tensor) -> None:
        """Keep what is given in rows x of the data, from the first again where they run out."""
        rows = x[torch.arange(N_KEPT, device=x.device) % len(x)]
        size, observed = self.condition.size(rows)
        cast(Tensor, self.kept).copy_(rows[:, self.condition.given])
        cast(Tensor, self.sizes).copy_(size)
        cast(Tensor, self.sized).copy_(observed[:, : self.condition.n_sized])

    def given(self, x: Tensor) -> LatentVariableModel:
        """The model of rows with what is given in x (B, D). A row without any count has the mean size of those kept."""
        if not self.condition.library:
            return self._view(x)
        size, observed = self.condition.size(x)
        typical = cast(Tensor, self.sizes).mean().to(size)
        size = torch.where(observed.any(-1, keepdim=True), size, typical).clamp_min(1)
        return self._view(x, size, observed)

    def _view(self, rows: Tensor, *sizes: Tensor) -> LatentVariableModel:
        return self.model.with_given(self.condition(rows), sizes)

    def encode(self, x: Tensor) -> Distribution:
        """q(z|x, c)."""
        return self.given(x).encode(x)

    def decode(self, z: Tensor) -> Distribution:
        """
        Raises:
            ConfigError: always; there is no p(x|z) without c.
        """
        raise ConfigError("this model is conditional, p(x|z, c): such a measure is for models without a condition")

    def terms(self, x: Tensor, samples: int = 1, draw: Draw = PATHWISE) -> Terms:
        """The terms of the bounds of log p(x|c); see `LatentVariableModel.terms`."""
        return self.given(x).terms(x, samples, draw)

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """Point estimates at the posterior mean, (B, D); what is given stays as it is."""
        return self._whole(self.given(x).reconstruct(x), x)

    @torch.no_grad()
    def variations(self, x: Tensor, n: int, n_kept: int = 1, seed: int = 0, mean: bool = False) -> Tensor:
        """See `LatentVariableModel.variations`; what is given stays as it is."""
        return self._whole(self.given(x).variations(x, n, n_kept, seed, mean), x)

    @torch.no_grad()
    def changed(self, x: Tensor, c: Tensor) -> Tensor:
        """Point estimates of rows x, were c given instead, (B, D): their own z, another condition."""
        z = self.encode(x).mean
        return self._whole(self.given(c).point(z), c)

    @torch.no_grad()
    def sample(
        self, n: int, seed: int = 0, mean: bool = False, given: Tensor | None = None, guidance: float = 0.0
    ) -> Tensor:
        """n draws of (x, c), (n, D).

        Args:
            n: how many.
            seed: of the draw.
            mean: point estimates of p(x|z, c) for drawn z instead of draws.
            given: c of every row, (n, D); a cell that is NaN is as a kept row has it, drawn for each row.
            guidance: weight by which rows are moved beyond what is given; see `LatentVariableModel.guided`.

        Raises:
            ConfigError: for guidance of a model that has none.
            DataError: if there are not n rows of given values.
        """
        with OwnGenerator(seed, "sample"):
            rows = torch.randint(N_KEPT, (n,), device=next(self.parameters()).device)
            c = self._as_row(cast(Tensor, self.kept)[rows])
            if given is not None:
                if given.shape != c.shape:
                    raise DataError(f"given: {n} rows of {c.shape[1]} numbers are needed, not {tuple(given.shape)}")
                c = torch.where(given.isnan(), c, given.to(c))
            sizes = (cast(Tensor, self.sizes)[rows], cast(Tensor, self.sized)[rows]) if self.condition.library else ()
            model = self.model.guided(guidance) if guidance else self.model
            return self._whole(model.with_given(self.condition(c), sizes).draw(n, mean), c)

    @torch.no_grad()
    def balanced(self, n: int, position: int, n_categories: int, seed: int = 0) -> Tensor:
        """c of n rows in which each category of one given column is as frequent, the rest as it was with it, (n, D).

        A category that no kept row has takes the rest from any row.
        """
        own = generator(seed, "balanced", torch.device("cpu"))
        kept, rows = self._as_row(cast(Tensor, self.kept).cpu()), []
        for code in range(n_categories):
            with_it = (kept[:, position] == code).nonzero().squeeze(-1)
            pool = with_it if len(with_it) else torch.arange(N_KEPT)
            k = n // n_categories + (code < n % n_categories)
            c = kept[pool[torch.randint(len(pool), (k,), generator=own)]]
            c[:, position] = code
            rows.append(c)
        return torch.cat(rows)[torch.randperm(n, generator=own)]

    def _as_row(self, given: Tensor) -> Tensor:
        """Given columns (n, M) where they stand in a row, (n, D), NaN elsewhere."""
        rows = given.new_full((len(given), len(self.condition.features.cells)), math.nan)
        rows[:, self.condition.given] = given
        return rows

    def _whole(self, x: Tensor, c: Tensor) -> Tensor:
        x = x.clone()
        x[..., self.condition.given] = c[..., self.condition.given].to(x.dtype)
        return x


AnyModel = LatentVariableModel | Conditional
"""A model of velbo's, which has parts, or of a user's that has them too."""
