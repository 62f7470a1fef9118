"""Mixtures of Normals as posteriors: gradients of samples against what is known of them exactly."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from contracts.posteriors import PosteriorContract
from contracts.sizes import F
from velbo.posteriors import MixturePosterior, NormalMixture, Posterior, RowDraw, from_noise, noise_like, transport
from velbo.posteriors.distributional_transform import (
    Parameters,
    _transform,
    distributional_transform,
    inverse,
    reparameterised,
)


def parameters(n_components: int, n_latents: int, seed: int = 0, spread: float = 1.0) -> Parameters:
    g = torch.Generator().manual_seed(seed)
    size = (n_components, n_latents)
    logits = torch.randn(n_components, generator=g, dtype=torch.float64)
    loc = spread * torch.randn(size, generator=g, dtype=torch.float64)
    scale = 0.4 + torch.rand(size, generator=g, dtype=torch.float64)
    return Parameters(*(t.requires_grad_() for t in (logits, loc, scale)))


class TestMixturePosterior(PosteriorContract):
    def head(self, n_latents: int) -> Posterior:
        return MixturePosterior(F, n_latents, 3)

    def test_components_begin_apart(self):
        q = MixturePosterior(F, 8)(torch.zeros(F))
        distances = torch.cdist(q.loc, q.loc)[*torch.triu_indices(4, 4, 1)]
        assert (distances > 1).all()
        torch.testing.assert_close(q.logits.exp(), torch.full((4,), 0.25))

    def test_it_has_both_modes_of_a_density_that_has_two(self):
        """q fitted to an equal mixture of N(-1.5, 0.5^2) and N(1.5, 0.5^2): the bound, at most 0, is above -0.35,
        where one Normal's is -log 2, or that to 0.01, for it has one mode.
        """
        target = NormalMixture(torch.zeros(2), torch.tensor([[-1.5], [1.5]]), torch.full((2, 1), 0.5))
        head = MixturePosterior(1, 1, 2)
        nn.init.zeros_(head.linear.weight)
        with torch.no_grad():  # one on each side
            head.linear.bias[2:4] = torch.tensor([-0.5, 0.5])
        optimizer = torch.optim.Adam(head.parameters(), lr=0.03)
        for _ in range(200):
            optimizer.zero_grad()
            q = head(torch.ones(1))
            z = q.rsample(torch.Size((64,)))
            (q.log_prob(z) - target.log_prob(z)).mean().backward()
            optimizer.step()
        q = head(torch.ones(1))
        z = q.sample(torch.Size((20000,)))
        assert float((target.log_prob(z) - q.log_prob(z)).detach().mean()) > -0.35


# the distributional transform


def test_its_jacobian_is_autograds():
    theta = Parameters(*(p.detach() for p in parameters(4, 5)))
    z = torch.randn(5, dtype=torch.float64)
    expected = torch.autograd.functional.jacobian(lambda z: distributional_transform(z, theta), z)
    torch.testing.assert_close(_transform(z, theta)[1], expected, atol=1e-14, rtol=1e-10)


def test_its_jacobian_has_the_density_as_determinant():
    theta, z = parameters(4, 5), torch.randn(7, 5, dtype=torch.float64)
    log_q = _transform(z, theta)[1].diagonal(dim1=-2, dim2=-1).log().sum(-1)
    torch.testing.assert_close(log_q, NormalMixture(*theta).log_prob(z), atol=1e-10, rtol=0)


@pytest.mark.parametrize("spread", [0.0, 1.0, 10.0])
def test_the_inverse_inverts_it_out_to_eight_standard_deviations(spread):
    """Compared where digits are: in the smaller of the two tails, relative to it."""
    theta = Parameters(*(p.detach() for p in parameters(4, 3, spread=spread)))
    eps = torch.cat((2 * torch.randn(2000, 3, dtype=torch.float64), torch.tensor([[8.0, -8.0, 8.0]])))
    z = inverse(eps, theta)
    mirrored = theta._replace(loc=-theta.loc)
    f, rest = distributional_transform(z, theta), distributional_transform(-z, mirrored)
    expected = 0.5 * torch.erfc(eps.abs() / math.sqrt(2))
    torch.testing.assert_close(torch.where(eps < 0, f, rest), expected, rtol=1e-10, atol=0)


def test_one_component_is_a_normal():
    """Samples, transport and gradient are those of z = m + s eps, exactly."""
    theta = parameters(1, 3)
    q, plain = NormalMixture(*theta), Independent(Normal(theta.loc[0], theta.scale[0]), 1)
    eps = torch.randn(6, 4, dtype=torch.float64)
    weights = torch.randn(6, 3, dtype=torch.float64)

    def gradient(z: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad((weights * z.sin()).sum(), (theta.loc, theta.scale), retain_graph=True)

    expected = from_noise(plain, eps[:, :3])
    for z in (from_noise(q, eps), transport(q, eps[:, :3])):
        torch.testing.assert_close(z, expected, atol=1e-14, rtol=0)
        for a, b in zip(gradient(z), gradient(expected), strict=True):
            torch.testing.assert_close(a, b, atol=1e-12, rtol=0)


def test_one_latents_gradient_is_that_of_its_cdf_over_its_density():
    """dz/dtheta = -(dF/dtheta) / p(z), dF/dtheta by central differences; dF/dz = p by its own test."""
    theta, step = parameters(3, 1), 1e-5
    q = NormalMixture(*theta)
    z = q.sample()
    gradients = torch.autograd.grad(reparameterised(z, theta).sum(), theta)
    density = float(q.log_prob(z).exp().detach())
    for field, found in zip(theta._fields, gradients, strict=True):
        for k in range(found.numel()):
            shift = step * torch.eye(found.numel(), dtype=torch.float64)[k].view_as(found)
            up, down = (
                distributional_transform(z, theta._replace(**{field: getattr(theta, field) + sign * shift}))
                for sign in (1, -1)
            )
            expected = -float((up - down).detach()) / (2 * step) / density
            assert float(found.flatten()[k]) == pytest.approx(expected, rel=1e-6, abs=1e-8)


FUNCTIONS = {
    "mean": (lambda z: z, lambda q: q.mean),
    "second moments": (
        lambda z: (z.unsqueeze(-1) * z.unsqueeze(-2)).flatten(-2),
        lambda q: torch.einsum("c,cij->ij", q.logits.exp(), second_moments(q)).flatten(),
    ),
    "sum of squares": (
        lambda z: z.square().sum(-1, keepdim=True),
        lambda q: (q.variance + q.mean.square()).sum()[None],
    ),
}


def second_moments(q: NormalMixture) -> Tensor:
    """Of each component, (C, Z, Z)."""
    return q.loc.unsqueeze(-1) * q.loc.unsqueeze(-2) + torch.diag_embed(q.scale.square())


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("draw", ["rsample", "from_noise", "transport"])
def test_gradients_of_expectations_are_the_exact_ones(name, draw):
    """d E[f(z)] / d theta of moments, which are closed-form, for logits, means and scales: the mean of 20,000 gradients
    of single samples is within 5 standard errors. About 400 numbers: false alarm below 1e-3 over seeds.
    """
    n, theta, (f, moment) = 20000, parameters(3, 2), FUNCTIONS[name]
    many = Parameters(*(p.detach().expand(n, *p.shape).clone().requires_grad_() for p in theta))
    q = NormalMixture(*many)
    eps = torch.randn(n, *noise_like(q).shape[1:], dtype=torch.float64)
    z = {"rsample": q.rsample, "from_noise": lambda: from_noise(q, eps), "transport": lambda: transport(q, eps[:, 1:])}[
        draw
    ]()
    values, exact = f(z), moment(NormalMixture(*theta))
    assert ((values.mean(0) - exact).abs() < 5 * values.std(0) / math.sqrt(n)).all()
    for k in range(len(exact)):
        found = torch.autograd.grad(values[:, k].sum(), many, retain_graph=True)
        known = torch.autograd.grad(exact[k], theta, retain_graph=True, materialize_grads=True)
        for each, expected in zip(found, known, strict=True):
            error = each.mean(0) - expected
            assert (error.abs() < 5 * each.std(0) / math.sqrt(n) + 1e-9).all()


def test_where_no_gradient_is_wanted_samples_are_samples():
    """The same bits from the same generator, and nothing of the transform is computed."""
    q = NormalMixture(*(p.detach() for p in parameters(3, 2)))
    torch.manual_seed(1)
    expected = q.sample(torch.Size((5,)))
    torch.manual_seed(1)
    assert torch.equal(q.rsample(torch.Size((5,))), expected)
    moving = NormalMixture(*parameters(3, 2))
    with torch.no_grad():
        assert moving.rsample().grad_fn is None
    assert not moving.sample().requires_grad


def test_some_parameters_alone():
    """Only those that learn get a gradient, the same as among others."""
    theta = parameters(3, 2)
    eps = torch.randn(4, 3, dtype=torch.float64)
    whole = torch.autograd.grad(from_noise(NormalMixture(*theta), eps).sum(), theta.loc)
    alone = NormalMixture(theta.logits.detach(), theta.loc, theta.scale.detach())
    torch.testing.assert_close(torch.autograd.grad(from_noise(alone, eps).sum(), theta.loc), whole)


# noise that belongs to rows


def test_the_component_is_chosen_by_one_number_of_the_noise():
    """Noise 0 is the middle of it: shares of 0.2, 0.5 and 0.3 put the second component there; the rest is Normal."""
    q = NormalMixture(
        torch.tensor([0.2, 0.5, 0.3]).log(), torch.tensor([[-9.0], [1.0], [9.0]]), torch.full((3, 1), 0.5)
    )
    eps = torch.tensor([[2.0, -3.0], [2.0, 0.0], [2.0, 3.0]])
    torch.testing.assert_close(from_noise(q, eps).flatten(), torch.tensor([-8.0, 2.0, 10.0]))
    assert noise_like(q).shape == (2,)
    with pytest.raises(ValueError, match="takes 2 numbers"):
        from_noise(q, eps[:, :1])


def test_row_noise_serves_mixtures():
    """Neither order, nor neighbours, nor chunking of the samples changes a row's draws."""
    rows, theta = torch.randn(4, 3), Parameters(*(p.detach().expand(4, *p.shape) for p in parameters(3, 2)))
    q = NormalMixture(*theta)
    whole, draw = RowDraw(rows, 0).sample(q, 6), RowDraw(rows, 0)
    assert torch.equal(torch.cat([draw.sample(q, 1), draw.onwards().sample(q, 5)]), whole)
    alone = RowDraw(rows[2:3], 0).sample(NormalMixture(*(p[2:3] for p in theta)), 6)
    assert torch.equal(alone[:, 0], whole[:, 2])
    assert not torch.equal(RowDraw(rows, 1).sample(q, 6), whole)
