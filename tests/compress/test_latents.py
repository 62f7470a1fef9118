"""Laws of latents: what is popped with q(z|x) is where q(z|x) is, p(z) has a place for every z, and both come back."""

from __future__ import annotations

import numpy as np
import pytest

from velbo.compress.coder import Coder, borrowed_words
from velbo.compress.latents import Correlated, Law, Mixture, Normals, OfLatent, SameNormals, Steps
from velbo.errors import DataError

N, Z, STEPS = 3000, 4, Steps()


def posterior(kind: str) -> Law:
    r = np.random.default_rng(0)
    mean, scale = r.normal(size=(N, Z)), np.exp(r.normal(size=(N, Z)) - 2)
    if kind == "diagonal":
        return Normals(STEPS, mean, scale, least=0)
    if kind == "full":
        lower = np.tril(r.normal(size=(N, Z, Z)) * 0.05, -1)
        lower[:, np.arange(Z), np.arange(Z)] = scale
        return Correlated(STEPS, mean, lower, least=0)
    apart = np.stack((mean, mean - 1), 1)
    return Mixture(STEPS, np.zeros((N, 2)), apart, np.stack((scale, scale), 1), least=0)


def full_coder() -> Coder:
    """With so many words that none is borrowed."""
    coder = Coder.of(borrowed_words(5, N + 5).astype(np.uint64) + (1 << 40), borrowed_words(0, 16 * N), 0)
    coder._n_begun = N
    return coder


@pytest.mark.parametrize("kind", ["diagonal", "full", "mixture"])
def test_latents_of_a_posterior_are_where_it_is_and_come_back(kind):
    """3,000 rows, 4 latents: with one step of 2^24 for each of the 4,096 places, three would be anywhere."""
    law, coder = posterior(kind), full_coder()
    heads, words = coder.heads.copy(), coder.words.copy()
    z = law.pop(coder, N)
    values = STEPS.values(z)
    if kind == "diagonal":
        assert (abs(values - law.mean) < 7 * law.scale + 2**-8).all()
    elif kind == "mixture":
        apart = abs(values[:, None] - law.mean) < 7 * law.scale + 2**-8
        assert apart.any(1).all()
    else:
        eps = np.linalg.solve(law.lower, (values - law.mean)[..., None])
        assert abs(eps).max() < 9
    law.push(coder, z)
    assert (coder.heads == heads).all()
    assert (coder.words == words).all()


def test_a_posterior_refuses_latents_that_it_never_gives_and_a_prior_takes_all():
    far = np.full((N, Z), STEPS.n - 1)
    with pytest.raises(DataError, match="its code is that of no rows"):
        posterior("diagonal").push(full_coder(), far)
    prior, coder = SameNormals(STEPS, np.zeros((1, Z)), np.ones((1, Z))), full_coder()
    for k in (far, np.zeros_like(far)):
        prior.push(coder, k)
        assert (prior.pop(coder, N) == k).all()


def test_the_prior_takes_what_it_says():
    """Beside each other: -log2 p(z) of 12,000 draws from p by float64, to 0.1 % and the 2^-12 that all steps share."""
    prior, coder = SameNormals(STEPS, np.zeros((1, Z)), np.ones((1, Z))), full_coder()
    k = np.clip(((np.random.default_rng(1).normal(size=(N, Z)) + 8) * 256).astype(np.int64), 0, STEPS.n - 1)
    before = coder.n_bits
    prior.push(coder, k)
    v = STEPS.values(k)
    known = (v**2 / 2 + np.log(2 * np.pi) / 2).sum() / np.log(2) + 8 * v.size
    assert coder.n_bits - before == pytest.approx(known, rel=1e-3)


@pytest.mark.parametrize("least", [0, 1])
@pytest.mark.parametrize("kind", ["diagonal", "full", "mixture"])
def test_a_latent_is_found_where_halving_finds_it(kind, least, monkeypatch):
    """Of 3,000 rows, anywhere and at both ends; a guess of a Normal is right but for few rows, so that
    about two values of F a row are enough, where halving 4,096 steps takes twelve."""
    law, r = posterior(kind), np.random.default_rng(2)
    law.least, asked, inside = least, list[int](), OfLatent.inside
    monkeypatch.setattr(OfLatent, "inside", lambda self, k: (asked.append(len(k)), inside(self, k))[1])
    at = np.append(r.integers(0, 1 << 24, N - 2), [0, (1 << 24) - 1])
    law.begin(N)
    for j in range(Z):
        asked.clear()
        k, interval = law.find(j, at)
        assert (law.below(j, k) == interval.start).all()
        assert (law.below(j, k + 1) == interval.start + interval.freq).all()
        assert (interval.start <= at).all()
        assert (at < interval.start + interval.freq).all()
        assert kind == "mixture" or sum(asked) < (2.6 if least else 2.1) * N
        law.move(j, k)


@pytest.mark.parametrize("kind", ["diagonal", "full", "mixture"])
def test_the_interval_of_a_latent_is_taken_as_it_is_looked_at(kind):
    ones, others, k = posterior(kind), posterior(kind), np.full(N, STEPS.n // 2)
    ones.begin(N)
    others.begin(N)
    for j in range(Z):
        known, found = others.interval(j, k), ones.taken(j, k)
        others.move(j, k)
        assert (found.start == known.start).all()
        assert (found.freq == known.freq).all()
