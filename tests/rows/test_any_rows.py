"""Tensors, arrays, stores, streams, data sets and loaders of the same rows give the same figures, bit for bit."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, SequentialSampler, TensorDataset

from velbo import Budget, TrainingConfig, aggregated_posterior, evaluate, gaps, score_rows, train
from velbo.errors import DataError
from velbo.evaluation import Ascent
from velbo.oracles.linear_gaussian import LinearGaussian
from velbo.rows import Store, Stream, store_of
from velbo.rows.encodings import Standardise

ORACLE = LinearGaussian.random(6, 2, seed=0)
X = ORACLE.sample(23, seed=1).float()
IDENTITY = Standardise((0.0,) * 6, (1.0,) * 6)


class Rows(Dataset):
    def __init__(self, x=X, label=None) -> None:
        self.x, self.label = x, label

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int):
        return self.x[i] if self.label is None else (self.x[i], self.label)


class Flow(IterableDataset):
    def __init__(self, parts) -> None:
        self.parts = parts

    def __iter__(self):
        return iter(self.parts)


def stream() -> Stream:
    parts = X.double().numpy()[:10], X.double().numpy()[10:]
    return Stream([10, 13], lambda i: parts[i], 6, IDENTITY)


SORTS = {
    "tensor": lambda: X,
    "with a gradient": lambda: X.clone().requires_grad_(),
    "float64": lambda: X.double(),
    "array": lambda: X.numpy(),
    "lists": lambda: X.tolist(),
    "not to be written to": lambda: np.broadcast_to(X.numpy(), X.shape),
    "masked": lambda: np.ma.MaskedArray(X.numpy(), False),
    "store": lambda: Store.from_tensor(X),
    "stream": stream,
    "data set": Rows,
    "data set of arrays": lambda: Rows(X.numpy()),
    "tensor data set": lambda: TensorDataset(X),
    "loader": lambda: DataLoader(Rows(), batch_size=5),
    "loader of tuples": lambda: DataLoader(TensorDataset(X), batch_size=7),
    "loader without batches": lambda: DataLoader(Rows(), batch_size=None),
    "loader with a worker": lambda: DataLoader(Rows(), batch_size=5, num_workers=1),
    "loader that drops nothing": lambda: DataLoader(Rows(), batch_size=23, drop_last=True),
    "flow": lambda: Flow(list(X)),
    "loader of a flow of batches": lambda: DataLoader(Flow(X.split(4)), batch_size=None),
}


@pytest.mark.parametrize("sort", SORTS)
def test_the_same_rows_give_the_same_figures(sort):
    model, quick = ORACLE.vae().float(), TrainingConfig(Budget(epochs=1))
    state = torch.get_rng_state()
    given, known = SORTS[sort], Store.from_tensor(X)
    assert torch.equal(store_of(given()).fixed(0), X)
    found, expected = score_rows(model, given(), 5), score_rows(model, known, 5)
    assert torch.equal(found.log_likelihood, expected.log_likelihood)
    assert evaluate(model, given(), 5) == evaluate(model, known, 5)
    assert aggregated_posterior(model, given()) == aggregated_posterior(model, known)
    assert torch.equal(gaps(model, given(), 3, Ascent(2)).bound, gaps(model, known, 3, Ascent(2)).bound)
    a, b = copy.deepcopy(model), copy.deepcopy(model)
    trained, once = train(a, given(), config=quick), train(b, known, config=quick)
    if sort == "stream":  # its rows come in another order
        assert trained.steps == once.steps
    else:
        assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert torch.equal(torch.get_rng_state(), state)


def test_rows_take_the_precision_of_the_model():
    """Python's and NumPy's numbers are float64, layers are float32: the error that torch gives is one of the first that
    a beginner meets.
    """
    x = X.double().numpy()
    for model in (ORACLE.vae(), ORACLE.vae().float()):
        dtype = next(model.parameters()).dtype
        same = score_rows(model, torch.from_numpy(x).to(dtype), 3).log_likelihood
        assert torch.equal(score_rows(model, x, 3).log_likelihood, same)
    bits = torch.tensor([[0, 1], [1, 1]], dtype=torch.uint8)
    assert torch.equal(store_of(bits).fixed(0), bits.float())


def test_what_is_given_is_not_changed():
    x = X.numpy().copy()
    x[0, 0] = np.nan
    kept = x.copy()
    store = store_of(x)
    assert store.fixed(0).isnan().sum() == 1
    np.testing.assert_array_equal(x, kept)


REFUSED = {
    "labels": (lambda: Rows(label=1), r"rows come as tuples of 2, such as \(x, label\).*row\[0\] for row in dataset"),
    "labels in tensors": (lambda: TensorDataset(X, X), "rows come as tuples of 2"),
    "labels in a loader": (lambda: DataLoader(TensorDataset(X, X[:, 0])), "rows come as tuples of 2"),
    "names": (lambda: Rows([{"x": row} for row in X]), "rows come as dicts"),
    "shuffled": (lambda: DataLoader(Rows(), shuffle=True), r"shuffles or chooses its rows.*loader\.dataset"),
    "a sampler": (lambda: DataLoader(Rows(), sampler=[3, 1]), "shuffles or chooses its rows"),
    "a batch sampler": (
        lambda: DataLoader(Rows(), batch_sampler=[[3, 1], [0]]),
        "shuffles or chooses its rows",
    ),
    "dropped": (lambda: DataLoader(Rows(), batch_size=5, drop_last=True), "drops its last rows"),
    "no rows": (lambda: Flow([]), "there are no rows in it"),
    "none": (lambda: X[:0], "it has no rows"),
    "one axis": (lambda: X[0], "one observation a row is needed"),
    "infinity": (lambda: torch.full((3, 6), torch.inf), r"row 0 holds inf at \(0,\)"),
    "text": (lambda: np.array([["a"] * 6]), "which is no number; argument must be"),
    "complex": (lambda: X.to(torch.complex64), "Complex data not supported"),
}


@pytest.mark.parametrize("sort", REFUSED)
def test_what_cannot_be_told_apart_is_refused(sort):
    given, said = REFUSED[sort]
    model = ORACLE.vae().float()
    for call in (lambda x: score_rows(model, x, 2), lambda x: train(model, x)):
        with pytest.raises(DataError, match=said):
            call(given())


def test_a_sampler_that_is_the_usual_one_is_no_other_order():
    sampler = SequentialSampler(Rows())
    for loader in (
        DataLoader(Rows(), sampler=sampler),
        DataLoader(Rows(), batch_sampler=BatchSampler(sampler, 4, False)),
    ):
        assert torch.equal(store_of(loader).fixed(0), X)
