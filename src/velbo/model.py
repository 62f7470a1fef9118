"""The variational autoencoder: three conditional distributions.

    q(z|x)  encoder       p(x|z)  decoder       p(z)  prior

    z_l = mu(x) + sigma(x) * eps_l,  eps_l ~ N(0, I)                               equation (7)
    terms: log p(x|z_l), log p(z_l), log q(z_l|x), KL( q(z|x) || p(z) )            see terms.py

Source: Auto-encoding variational Bayes, Kingma and Welling, 2013, https://arxiv.org/abs/1312.6114.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from .errors import ConfigError
from .likelihoods import point_estimate
from .nets import Given
from .posteriors import Draw
from .priors import log_prior
from .runtime.generators import OwnGenerator
from .terms import PATHWISE, Model, Terms, View, closed_form_kl, view_of


class LatentVariableModel(nn.Module, ABC):
    """q(z|x), p(x|z) and p(z) over one vector z; the class of every model of velbo without a condition.

    Attributes:
        prior: () -> p(z), event shape (Z,).
    """

    prior: nn.Module

    @abstractmethod
    def encode(self, x: Tensor) -> Distribution:
        """q(z|x), batch shape (..., B), of rows x (..., B, D)."""

    @abstractmethod
    def decode(self, z: Tensor) -> Distribution:
        """p(x|z), batch shape (..., B), of z (..., B, Z)."""

    @abstractmethod
    def terms(self, x: Tensor, samples: int = 1, draw: Draw = PATHWISE) -> Terms:
        """The terms of every bound, from K = ``samples`` draws z ~ q(z|x).

        Args:
            x: (B, D); NaN where missing.
            samples: K, at least 1.
            draw: how z is drawn and where gradients flow.
        """

    @abstractmethod
    def with_given(self, c: Tensor, sizes: Sequence[Tensor]) -> LatentVariableModel:
        """This model, whose generator takes c, for rows whose c is fixed.

        Args:
            c: (B, F).
            sizes: the library size and its counts, (B, ...) each, or nothing.
        """

    def guided(self, weight: float) -> LatentVariableModel:
        """This model, of the same weights, whose samples are moved by ``weight`` beyond what is given: (24).

        Raises:
            ConfigError: of all but a diffusion of rows.
        """
        raise ConfigError(
            f"guidance of {weight:g} is for diffusions of rows that something is given to, and this is another model; "
            "leave it out, or fit one with --recipe diffusion --condition FIELD"
        )

    @property
    def n_latents(self) -> int:
        """Z."""
        return self.prior().event_shape[0]

    @property
    def n_groups(self) -> int:
        """Groups of latents, each drawn given those above it."""
        return 1

    def redrawn(self, z: Tensor, n_kept: int) -> Tensor:
        """z (..., Z), of which all but the first groups, from the top, are drawn anew from p(z) given those above.

        Args:
            z: of all groups.
            n_kept: how many groups stay, 0 to n_groups.
        """
        return z if n_kept else self.prior().sample(z.shape[:-1])

    def given(self, x: Tensor) -> LatentVariableModel:
        """The model of rows x with what is given in them, which is nothing here; see `Conditional`."""
        return self

    @torch.no_grad()
    def point(self, z: Tensor) -> Tensor:
        """Point estimate of p(x|z), (..., D)."""
        return point_estimate(self.decode(z))

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """Point estimate of p(x|z) at the posterior mean, (B, D); the same at every call."""
        return self.point(self.encode(x).mean)

    @torch.no_grad()
    def sample(self, n: int, seed: int = 0, mean: bool = False) -> Tensor:
        """n draws x ~ p(x|z), z ~ p(z), (n, D); with ``mean`` the point estimate of p(x|z) instead of a draw."""
        with OwnGenerator(seed, "sample"):
            return self.draw(n, mean)

    @torch.no_grad()
    def draw(self, n: int, mean: bool = False) -> Tensor:
        """`sample` by the generator in use, which is torch's own outside of an `OwnGenerator`."""
        z = self.prior().sample(torch.Size((n,)))
        return self.point(z) if mean else self.decode(z).sample()

    @torch.no_grad()
    def variations(self, x: Tensor, n: int, n_kept: int = 1, seed: int = 0, mean: bool = False) -> Tensor:
        """Draws x' ~ p(x|z), z of the first groups being the posterior mean of a row, of the others drawn from p(z)
        given those.

        Args:
            x: (B, D).
            n: draws of each row.
            n_kept: how many groups are the row's own, 0 to n_groups.
            seed: of the draw.
            mean: point estimates of p(x|z) instead of draws.

        Returns:
            (n, B, D).

        Raises:
            ConfigError: for more groups than there are.
        """
        if not 0 <= n_kept <= self.n_groups:
            raise ConfigError(f"this model has {self.n_groups} group(s) of latents, of which {n_kept} cannot be kept")
        with OwnGenerator(seed, "variations"):
            z = self.encode(x).mean
            z = self.redrawn(z.expand(n, *z.shape), n_kept)
            return self.point(z) if mean else self.decode(z).sample()

    @torch.no_grad()
    def interpolate(self, start: Tensor, end: Tensor, steps: int = 8) -> Tensor:
        """Point estimates along the straight line between two posterior means.

        Args:
            start: (B, D).
            end: (B, D).
            steps: points on the line, both ends included; at least 2.

        Returns:
            (steps, B, D).
        """
        if steps < 2:
            raise ValueError(f"a line has at least its 2 ends, not {steps} steps")
        a, b = self.encode(start).mean, self.encode(end).mean
        t = torch.linspace(0, 1, steps, dtype=a.dtype, device=a.device).view(-1, *[1] * a.dim())
        return self.point(torch.lerp(a, b, t))


class VAE(LatentVariableModel):
    """An encoder, a decoder and a prior; each a module that returns a torch Distribution.

    Args:
        encoder: x (..., D) -> q(z|x), event shape (Z,).
        decoder: z (..., Z) -> p(x|z), event shape (D,).
        prior: () -> p(z), event shape (Z,).

    Example:
        >>> encoder = nn.Sequential(MLP(784, 512, 512), DiagonalNormal(512, 32))
        >>> decoder = nn.Sequential(MLP(32, 512, 512), Bernoulli(512, 784))
        >>> model = VAE(encoder, decoder, prior=StandardNormal(32))
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, prior: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder, self.prior = encoder, decoder, prior

    def encode(self, x: Tensor) -> Distribution:
        return self.encoder(x)

    def decode(self, z: Tensor) -> Distribution:
        return self.decoder(z)

    def with_given(self, c: Tensor, sizes: Sequence[Tensor]) -> VAE:
        return VAE(self.encoder, Given(self.decoder, c, sizes), self.prior)

    def terms(self, x: Tensor, samples: int = 1, draw: Draw = PATHWISE) -> Terms:
        q, prior = self.encode(x), self.prior()
        z = draw.sample(q, samples)
        kl = closed_form_kl(q, prior)
        log_pz, is_weight = log_prior(prior, z, draw)
        return Terms(
            log_px_z=self.decode(z).log_prob(x),
            log_pz=log_pz,
            log_qz=draw.log_prob(q, z),
            z=z,
            kl=kl,
            groups=() if kl is None else (kl.shape[-1],),
            q=q,
            p=prior,
            is_weight=is_weight,
        )


class Viewed(LatentVariableModel):
    """A model that has no parts of its own but a view, as one that has: embeddings, samples and back by `given` alone.

    Args:
        model: anything that gives terms and a view; nothing is given in it.
        n_dims: D.
    """

    def __init__(self, model: Model, n_dims: int) -> None:
        super().__init__()
        self.inner, self.n_dims = model, n_dims

    def _of(self, n: int) -> View:
        """The view for n rows of which nothing is observed."""
        weight = next(self.parameters(), torch.empty(0))
        return view_of(self.inner, weight.new_full((n, self.n_dims), torch.nan))

    def prior(self) -> Distribution:  # type: ignore[override]
        """p(z)."""
        return self._of(1).prior()

    def terms(self, x: Tensor, samples: int = 1, draw: Draw = PATHWISE) -> Terms:
        return self.inner.terms(x, samples, draw)

    def with_given(self, c: Tensor, sizes: Sequence[Tensor]) -> LatentVariableModel:
        """
        Raises:
            ConfigError: always; what is given is inside the view.
        """
        raise ConfigError("this model has a view for what is given, and takes nothing else")

    def encode(self, x: Tensor) -> Distribution:
        return view_of(self.inner, x).encode(x)

    def decode(self, z: Tensor) -> Distribution:
        return self._of(z.shape[-2]).decode(z)

    @torch.no_grad()
    def draw(self, n: int, mean: bool = False) -> Tensor:
        z = self.prior().sample(torch.Size((n,))).reshape(n, -1)  # a view may have a prior for each row
        return self.point(z) if mean else self.decode(z).sample()
