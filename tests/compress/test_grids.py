"""Values as whole numbers: every value of a grid comes back, every other is left out, and edges rise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from velbo.compress.grids import FloatGrid, Lattice, grids_of
from velbo.likelihoods import likelihood_of
from velbo.rows import Field, infer

GRIDS = {
    "codes": Lattice(0, 5, 5),
    "whole numbers": Lattice(-40, 200, 200, location=3.0, scale=20.0),
    "decimals": Lattice(-1234, 5000, 5000, 1.0, 100.0, location=1.0, scale=3.0),
    "decimals in single precision": Lattice(-1234, 5000, 5000, 1.0, 100.0, single=True),
    "many decimals": Lattice(-123400, 500001, 7143, 1.0, 1e4, width=70),
    "days": Lattice(10_000, 900, 900, 86400.0),
    "floats": FloatGrid(-3.0, 0.01, 700, False),
    "single floats": FloatGrid(-3.0, 0.01, 700, True),
    "far floats": FloatGrid(-40 * 1e13, 1e13, 99, False),
    "floats above 0": FloatGrid(1e-5, 0.0, 5000, False, apart=2**46),
    "single floats above 0": FloatGrid(float(np.float32(1e-5)), 0.0, 5000, True, apart=2**14),
}


@pytest.mark.parametrize("name", GRIDS)
def test_every_k_and_rest_is_a_value_and_comes_back(name):
    grid, r = GRIDS[name], np.random.default_rng(0)
    k = np.concatenate(([0, grid.n - 1], r.integers(0, grid.n, 500)))
    sizes = grid.sizes(k)
    assert (sizes >= 1).all()
    for rest in (np.zeros_like(k), sizes - 1, (sizes * r.random(len(k))).astype(np.int64)):
        placed = grid.placed(grid.values(k, rest))
        assert placed.fits.all()
        assert (placed.k == k).all()
        assert (placed.rest == rest).all()


@pytest.mark.parametrize("name", GRIDS)
def test_edges_rise_and_hold_the_values_between_them(name):
    grid = GRIDS[name]
    k = np.arange(grid.n)
    edges = grid.edges(np.arange(grid.n + 1))
    assert (np.diff(edges) > 0).all()
    location, scale = grid.location, grid.scale
    for rest in (np.zeros_like(k), grid.sizes(k) - 1):
        x = (grid.values(k, rest) - location) / scale
        assert (x >= edges[:-1]).all()
        assert (x <= edges[1:]).all()


@pytest.mark.parametrize("name", GRIDS)
def test_what_is_near_is_where_it_is(name):
    """In the middle between edges, and beyond both ends."""
    grid = GRIDS[name]
    edges = grid.edges(np.arange(grid.n + 1))
    middles = edges[:-1] + np.diff(edges) / 2
    assert (abs(grid.near(middles) - np.arange(grid.n)) <= 1).all()
    assert grid.near(edges[[0]] - 1e6)[0] == 0
    assert grid.near(edges[[-1]] + 1e6)[0] == grid.n - 1


@pytest.mark.parametrize("name", GRIDS)
def test_what_is_no_value_is_left_out(name):
    grid = GRIDS[name]
    odd = np.array([np.nan, np.inf, -np.inf, -0.0, 1e308, -1e308])
    with np.errstate(invalid="ignore", over="ignore"):
        assert not grid.placed(odd).fits[[0, 1, 2, 3, 4, 5]].any()
    if isinstance(grid, Lattice):
        assert not grid.placed(np.array([0.123456789])).fits.any()


def test_the_values_that_training_saw_are_on_the_grid():
    r = np.random.default_rng(0)
    columns = {
        "a": np.round(r.normal(size=99), 3),
        "b": r.integers(0, 2**40, 99),
        "c": r.normal(size=99),
        "d": np.exp(9 * r.normal(size=99)),
        "e": r.normal(size=99).astype(np.float32),
        "f": r.poisson(3, 99),
    }
    for f in infer(pa.table(columns)).modelled:
        (grid,) = grids_of(replace(f, likelihood=likelihood_of(f)))
        v = np.asarray(columns[f.name], np.float64)
        assert grid.placed(v).fits.all(), f.name
        placed = grid.placed(v)
        assert (grid.values(placed.k, placed.rest) == v).all()


def test_a_value_that_is_frequent_by_itself_shares_its_k_with_none():
    """Else its neighbours cost as many bits as it has, in every row."""
    field = Field(
        "gain", "integer", low=0.0, high=99999.0, scale=7000.0, frequent=(0.0,), likelihood="discretized-mixture"
    )
    (grid,) = grids_of(field)
    assert grid.is_plain
