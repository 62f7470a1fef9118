"""What a model says of a batch: the terms that every bound is made of.

    log w = log p(x|z) + log p(z) - log q(z|x),    z ~ q(z|x)

and KL( q(z|x) || p(z) ) in closed form where there is one. All in nats. The mean of log w is the ELBO, always. The mean
of w itself is p(x), unless log w is only an estimate of the above: so it is where one term of many is drawn by chance,
as one time of a diffusion is. The log of a mean of such w lies above log p(x), by as much as the estimate scatters.

And what a model is: a module that gives these terms, and a view of itself for some rows, with q(z|x), p(z) and p(x|z)
over one vector z. Groups of latents are one vector too, one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, kl_divergence

from .errors import ConfigError, MissingMethodError
from .posteriors import Draw, Pathwise
from .priors import Estimated

PATHWISE = Pathwise()


@dataclass(frozen=True)
class Terms:
    """Terms of B observations with K samples each.

    Attributes:
        log_px_z: log p(x|z), (K, B).
        log_pz: log p(z), (K, B).
        log_qz: log q(z|x), (K, B).
        z: the samples, (K, B, Z).
        kl: closed-form KL, (B, parts): a part is a latent where q and p factorise, else the whole; None where there
            is no closed form. Of a group below others it is the KL given z of those above, and here its mean over K. Of
            a group without a closed form among others it is one part, the mean over K of log q - log p.
        groups: how many consecutive parts make each group of latents; one group unless the model is a hierarchy.
        q: the posterior q(z|x) of the batch, batch shape (B,), for what is made of more than its samples; None from a
            model that gives none.
        p: the prior p(z), likewise; it broadcasts against q.
        is_weight: exp(log w) averages to p(x). False says that log w is an estimate with the right mean and no more.
    """

    log_px_z: Tensor
    log_pz: Tensor
    log_qz: Tensor
    z: Tensor
    kl: Tensor | None
    groups: tuple[int, ...] = ()
    q: Distribution | None = None
    p: Distribution | None = None
    is_weight: bool = True

    @property
    def log_w(self) -> Tensor:
        """Log importance weights log p(x, z) - log q(z|x), (K, B)."""
        return self.tempered_log_w(1.0)

    def tempered_log_w(self, beta: float | Tensor) -> Tensor:
        """log p(x|z) + beta (log p(z) - log q(z|x)), (K, B)."""
        return self.log_px_z + beta * (self.log_pz - self.log_qz)

    def as_weights(self, asker: str) -> Terms:
        """These terms, for something that is not linear in log w.

        Raises:
            ConfigError: that names it, if exp(log w) does not average to p(x).
        """
        if not self.is_weight:
            raise ConfigError(
                f"{asker} averages exp(log w), and log w of this model is only an estimate of a log-weight: the result "
                "would lie above log p(x). If it is to be measured, call model.eval() first, as a diffusion gives "
                "weights then; else use what is linear in log w: objective 'elbo', or samples=1"
            )
        return self

    def of_one_group(self, asker: str) -> Terms:
        """These terms, for a gradient that holds for latents of one group only.

        Raises:
            ConfigError: that names it, if there are more.
        """
        if len(self.groups) > 1:
            raise ConfigError(
                f"{asker} changes the gradient that reaches z, which is right for one group of latents, and this model "
                f"has {len(self.groups)}, each drawn given those above; use 'iwae' or 'miwae'"
            )
        return self

    @property
    def group_kl(self) -> Tensor:
        """KL of each group of latents, (B, groups).

        Raises:
            ConfigError: where there is no closed form.
        """
        if self.kl is None:
            raise ConfigError("this posterior and prior have no closed-form KL, so their groups have none")
        return torch.stack([part.sum(-1) for part in self.kl.split(self.groups or (self.kl.shape[-1],), -1)], -1)


class View(Protocol):
    """q(z|x), p(z) and p(x|z) for the rows that it was asked for, over one vector z (..., Z)."""

    def encode(self, x: Tensor) -> Distribution:
        """q(z|x), batch shape (B,), event shape (Z,), of rows x (B, D)."""
        ...

    @property
    def prior(self) -> Callable[[], Distribution]:
        """() -> p(z), event shape (Z,)."""
        ...

    def decode(self, z: Tensor) -> Distribution:
        """p(x|z), batch shape (..., B), event shape (D,), of z (..., B, Z)."""
        ...


class Model(Protocol):
    """Anything that gives terms: flat, conditional, hierarchical or diffusion models alike.

    It is an nn.Module; this is all that training and evaluation use of it beyond that.
    """

    def terms(self, x: Tensor, samples: int = 1, draw: Draw = PATHWISE) -> Terms:
        """The terms of rows x (B, D), NaN where missing, of K = ``samples`` draws each."""
        ...

    def given(self, x: Tensor) -> View:
        """The view of the model for rows x (B, D) with what is given in them."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]: ...


def view_of(model: Model, x: Tensor) -> View:
    """``model.given(x)``, known to be a view.

    Raises:
        ConfigError: if the model has no such method, or what it returns is no view.
    """
    name, given = type(model).__name__, getattr(model, "given", None)
    if given is None:
        raise ConfigError(
            f"the model, a {name}, has no given(x), its view for rows x; of a trained one give "
            "trained.model, and where nothing is given write def given(self, x): return self"
        )
    view: Any = given(x)
    lacking = [part for part in ("encode", "prior", "decode") if not callable(getattr(view, part, None))]
    if lacking:
        raise ConfigError(
            f"{name}.given(x) returned a {type(view).__name__} without {' and '.join(lacking)}; a view has encode(x), "
            "which returns q(z|x), prior(), which returns p(z), and decode(z), which returns p(x|z)"
        )
    return view


def n_latents(view: View) -> int:
    """Z."""
    return view.prior().event_shape[0]


def device_of_model(model: Model) -> torch.device:
    """Where the model computes; the CPU if it has no parameters."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def log_density(p: Distribution, value: Tensor, name: str) -> Tensor:
    """log p of values.

    Args:
        p: the distribution.
        value: (..., event shape of p).
        name: as it is written, "p(z)".

    Raises:
        MissingMethodError: if it has no log_prob.
    """
    try:
        return p.log_prob(value)
    except NotImplementedError as error:
        raise MissingMethodError(
            f"{name} of this model, a {type(p).__name__}, has no log_prob, and the density is what is asked for; use "
            "what needs the terms alone, such as evaluate and score_rows"
        ) from error


def log_weight_of(prior: Distribution, z: Tensor, draw: Draw) -> Tensor:
    """log p(z), or an estimate of it whose exponential averages to p(z): what an importance weight is made of.

    Args:
        prior: p(z).
        z: (..., B, Z).
        draw: where noise comes from, if any is needed.

    Raises:
        ConfigError: if an estimate is all that is known, and it is no weight.
        MissingMethodError: if there is no density.
    """
    if not isinstance(prior, Estimated):
        return log_density(prior, z, "p(z)")
    if not prior.is_weight:
        raise ConfigError(
            f"the estimates of p(z) by a {type(prior).__name__} in training are no weights; call model.eval() first"
        )
    return prior.estimate(z, draw)


def require_density(prior: Distribution, asker: str) -> None:
    """
    Raises:
        ConfigError: that names it, if p(z) is known by estimates.
    """
    if isinstance(prior, Estimated):
        raise ConfigError(
            f"{asker} takes the gradient of log p(z) at many z, and p(z) of this model, a {type(prior).__name__}, is "
            "known by estimates; use evaluate and score_rows, or refit a prior with a density, such as 'real-nvp'"
        )


def mean_of(p: Distribution, name: str) -> Tensor:
    """Mean of p.

    Raises:
        MissingMethodError: if it has none.
    """
    try:
        return p.mean
    except NotImplementedError as error:
        raise MissingMethodError(
            f"{name} of this model, a {type(p).__name__}, has no mean; give its class one"
        ) from error


def closed_form_kl(q: Distribution, p: Distribution) -> Tensor | None:
    """KL(q || p), (B, Z) where both have independent latents, (B, 1) otherwise, None where no formula is known.

    Source for Normals: Auto-encoding variational Bayes, Kingma and Welling, 2013,
    https://arxiv.org/abs/1312.6114 (appendix B).
    """
    both = (q, p)
    factorise = all(isinstance(d, Independent) and d.reinterpreted_batch_ndims == 1 for d in both)
    try:
        if factorise:
            return kl_divergence(*(d.base_dist for d in both if isinstance(d, Independent)))
        return kl_divergence(q, p).unsqueeze(-1)
    except NotImplementedError:
        return None
