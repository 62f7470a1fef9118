"""Terms and models that the tests of objectives share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from velbo.model import VAE
from velbo.objectives import Bound, Objective, make_objective, told_rows
from velbo.oracles.linear_gaussian import LinearGaussian
from velbo.terms import Terms


def diagonal(loc: Tensor, scale: Tensor) -> Independent:
    return Independent(Normal(loc, scale), 1)


def some_terms(k: int = 4, b: int = 3, groups: tuple[int, ...] = (2,)) -> Terms:
    g = torch.Generator().manual_seed(0)
    px, pz, qz = torch.randn(3, k, b, generator=g).double()
    kl = torch.rand(b, sum(groups), generator=g).double()
    z = torch.randn(k, b, sum(groups), generator=g).double()
    q = diagonal(torch.randn(b, sum(groups), generator=g).double(), 0.5 + kl)
    p = diagonal(z.new_zeros(sum(groups)), z.new_ones(sum(groups)))
    return Terms(px - 10, pz, qz, z, kl, groups, q, p)


def terms_of(log_w: Tensor) -> Terms:
    """Terms with these weights (K, B) and nothing else of interest."""
    zero = torch.zeros_like(log_w)
    return Terms(log_w, zero, zero, log_w.unsqueeze(-1), None)


def ready(spec: str, samples: int | None = None, n_rows: int = 100) -> Objective:
    """The objective of a name, told what training would tell it."""
    return told_rows(make_objective(spec, samples), n_rows)


def bound_of(vae: VAE, objective: Objective, x: Tensor, beta: float = 1.0) -> Bound:
    return objective(vae.terms(x, objective.samples, objective.draw), beta)


def displaced(oracle: LinearGaussian) -> VAE:
    """A VAE whose encoder is off its optimum, where gradients are not zero."""
    vae = oracle.vae()
    with torch.no_grad():
        for p in vae.encoder.parameters():
            p += 0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(0), dtype=p.dtype)
    return vae


def gradient_of(surrogate: Tensor, part: nn.Module) -> Tensor:
    gradients = torch.autograd.grad(surrogate.mean(), list(part.parameters()), retain_graph=True)
    return torch.cat([g.flatten() for g in gradients])


def per_row_gradients(vae: VAE, objective: Objective, x: Tensor) -> Tensor:
    """Gradient of each row's surrogate, (B, parameters): the encoder is linear, so dy x' by hand."""
    seen: dict[str, Tensor] = {}

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        output.retain_grad()
        seen["y"] = output

    handle = vae.encoder[0].linear.register_forward_hook(hook)  # type: ignore[index]
    bound = bound_of(vae, objective, x)
    handle.remove()
    bound.surrogate.sum().backward()
    dy = seen["y"].grad
    assert dy is not None
    return torch.cat([(dy.unsqueeze(-1) * x.unsqueeze(1)).flatten(1), dy], 1)
