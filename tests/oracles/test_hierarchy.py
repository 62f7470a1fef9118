"""The linear-Gaussian hierarchy against itself and against velbo's `Hierarchy`, in float64."""

from __future__ import annotations

import pytest
import torch

from velbo.oracles import LinearGaussianHierarchy
from velbo.posteriors import Pathwise, RowDraw, StickingTheLanding

EXACT = LinearGaussianHierarchy.random((6, 4, 3, 2), seed=1, diagonal=True)
GENERAL = LinearGaussianHierarchy.random((5, 4, 3, 2), seed=2)


@pytest.mark.parametrize("oracle", [EXACT, GENERAL])
def test_the_elbo_of_the_exact_posterior_is_log_p(oracle):
    """Reconstruction less the sum of the groups' expected KL, to 1e-12."""
    for x in oracle.sample(4):
        torch.testing.assert_close(oracle.elbo(x), oracle.log_px(x), rtol=0, atol=1e-11)


def test_diagonal_groups_cost_what_their_kl_is():
    """The best diagonal q lies below log p(x), and is exact where the posterior is diagonal."""
    for x in GENERAL.sample(4):
        assert GENERAL.elbo(x, diagonal=True) < GENERAL.log_px(x) - 0.01
    for x in EXACT.sample(4):
        torch.testing.assert_close(EXACT.elbo(x, diagonal=True), EXACT.log_px(x), rtol=0, atol=1e-11)


@pytest.mark.parametrize("draw", ["pathwise", "sticking-the-landing", "rows"])
def test_every_weight_of_an_exact_hierarchy_is_p_of_x(draw):
    """velbo's Hierarchy with the exact q of three groups: log w = log p(x) on every sample to 1e-10."""
    x = EXACT.sample(7)
    draws = {"pathwise": Pathwise(), "sticking-the-landing": StickingTheLanding(), "rows": RowDraw(x, 0)}
    terms = EXACT.model().terms(x, 5, draws[draw])
    torch.testing.assert_close(terms.log_w, EXACT.log_px(x).expand(5, -1), rtol=0, atol=1e-10)


def test_groups_cost_what_the_oracle_says():
    """Of the best diagonal q, which is off: KL of each group and ELBO within 5 standard errors of 20,000 samples (3
    rows x 4 figures: a false alarm in 140,000).
    """
    x, k = GENERAL.sample(3), 20_000
    terms = GENERAL.model().terms(x, k)
    for row in range(len(x)):
        exact = GENERAL.elbo(x[row], diagonal=True)
        error = terms.log_w[:, row].std() / k**0.5
        assert (terms.log_w[:, row].mean() - exact).abs() < 5 * error
    parts = GENERAL.model().terms(x.repeat_interleave(k, 0), 1).group_kl.unflatten(0, (len(x), k))
    for row in range(len(x)):
        error = parts[row].std(0) / k**0.5 + 1e-9  # the top group's KL does not depend on a sample
        assert ((parts[row].mean(0) - GENERAL.group_kl(x[row], diagonal=True)).abs() < 5 * error).all()
