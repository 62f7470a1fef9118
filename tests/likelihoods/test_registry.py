"""Every likelihood of the registry, of every kind that it suits, through one suite."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest
import torch

import velbo.likelihoods
from contracts.cell_kinds import KINDS
from contracts.likelihoods import F, LikelihoodContract
from velbo.likelihoods import LIKELIHOODS, Factorised, Likelihood
from velbo.likelihoods.counts import CountLikelihood
from velbo.rows import KINDS as FIELD_KINDS

CASES = [(name, kind) for name, member in LIKELIHOODS.items() for kind in member.kinds]


class TestEveryLikelihood(LikelihoodContract):
    @pytest.fixture(autouse=True, params=CASES, ids=[f"{name}-of-{kind}" for name, kind in CASES])
    def _member(self, request: pytest.FixtureRequest) -> None:
        self.name, self.kind = request.param


def test_every_member_is_in_the_suite():
    assert {name for name, _ in CASES} == set(LIKELIHOODS)
    assert {kind for _, kind in CASES} <= set(KINDS)


def test_every_head_is_in_the_registry():
    """So that none is in a file alone, and neither tested nor found by name."""
    heads: set[type] = set()
    for module in pkgutil.iter_modules(velbo.likelihoods.__path__):
        found = importlib.import_module(f"velbo.likelihoods.{module.name}")
        heads |= {c for _, c in inspect.getmembers(found, inspect.isclass) if issubclass(c, Likelihood)}
    assert heads - {Likelihood, CountLikelihood} == set(LIKELIHOODS.values())


def test_every_kind_has_a_default_that_suits_it():
    for name, kind in FIELD_KINDS.items():
        assert bool(kind.likelihood) == kind.is_modelled
        for default in filter(None, (kind.likelihood, kind.likelihood_of_arrays)):
            assert name in LIKELIHOODS[default].suits()


def test_one_likelihood_has_one_model_of_arrays_and_of_columns():
    """The name is the same class, and what it learns does not depend on who asks: sigma of `normal` is a parameter,
    sigma of `normal-predicted` comes of the features.
    """
    features = torch.randn(20, F)
    for name in ("normal", "normal-scalar", "normal-fixed", "normal-narrow", "normal-predicted"):
        head = LIKELIHOODS[name].of(F, KINDS["real"].columns)
        for parameter in head.parameters():
            torch.nn.init.normal_(parameter)
        p = head(features)
        assert isinstance(p, Factorised)
        assert bool((p.variance[0] != p.variance[1]).any()) == (name == "normal-predicted")
        assert (len(p.variance[0].unique()) == 1) == (name in ("normal-scalar", "normal-fixed", "normal-narrow"))
