"""Cells of codes share a head where their sizes round to one power of two, and are padded to no more than that."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from velbo.likelihoods import Categorical, Mixed
from velbo.likelihoods.coded import rounded_size
from velbo.rows import Field

F = 5
SIZES = (3, 50, 1000, 40, 16, 17, 64, 2, 50)


def columns(likelihood: str = "") -> tuple[Field, ...]:
    kind = "ordinal" if likelihood == "ordered-logistic" else "categorical"
    names = [tuple(f"v{c}" for c in range(size)) for size in SIZES]
    return tuple(Field(f"c{i}", kind, categories=n, likelihood=likelihood) for i, n in enumerate(names))


def codes(n: int) -> Tensor:
    return torch.stack([torch.randint(0, size, (n,)) for size in SIZES], -1).double()


def test_one_head_of_all_columns_gives_the_same_numbers():
    """Exact oracle: one padded head for all columns, its weights put together from those of the heads by size."""
    model, dense = Mixed(F, columns()).double(), Categorical(F, SIZES).double()
    first = [0, *torch.tensor(SIZES).cumsum(0).tolist()]
    with torch.no_grad():
        for i, head in enumerate(model.heads.values()):
            outputs = [o for d in getattr(model, f"positions{i}").tolist() for o in range(first[d], first[d + 1])]
            dense.linear.weight[outputs] = head.linear.weight
            dense.linear.bias[outputs] = head.linear.bias
    x, h = codes(7), torch.randn(3, 7, F).double()
    p, q = model(h), dense(h)
    torch.testing.assert_close(p.log_prob(x), q.log_prob(x))
    torch.testing.assert_close(p.log_prob_cells(x), q.log_prob_cells(x))
    for ours, theirs in ((p.mean, q.mean), (p.mode, q.mode), (p.variance, q.variance)):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("likelihood", ["categorical", "ordered-logistic"])
def test_a_wide_column_does_not_pad_the_others(likelihood: str):
    """Counted: a row takes at most twice as many numbers as it has categories, and 16 for every column."""
    p = Mixed(F, columns(likelihood))(torch.randn(4, F))
    assert sorted(int(d) for at, _ in p.parts for d in at) == list(range(len(SIZES)))
    assert sum(len(at) * part.cell.log_masses().shape[-1] for at, part in p.parts) <= sum(max(16, 2 * s) for s in SIZES)
    for at, part in p.parts:
        torch.testing.assert_close(part.cell.log_masses().exp().sum(-1), torch.ones(4, len(at)))


def test_small_sizes_share_one_head():
    assert [rounded_size(n) for n in (1, 2, 16, 17, 32, 33, 1000)] == [16, 16, 16, 32, 32, 64, 1024]
