"""Bayesian networks of categories, whose likelihood is known exactly: read, sampled, scored, and learned again.

    log p(x) = sum_d log p(x_d | x_parents(d))

Rows are codes (N, D): the place of each value among its variable's states, -1 for a value that is none of them, whose
probability is 0. Files are in the Bayesian interchange format (.bif, .bif.gz) of networks with tables.
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Codes = NDArray[np.int64]
FLOOR = 1e-8
"""What the CTGAN paper's benchmark adds to every probability before its logarithm."""

VARIABLE = re.compile(r"variable\s+(\S+)\s*\{[^}]*\{([^}]*)\}")
TABLE = re.compile(r"probability\s*\(\s*([^|)\s]+)\s*(?:\|([^)]*))?\)\s*\{([^}]*)\}")
ROW = re.compile(r"(?:\(([^)]*)\)|table)([^;]*);")


@dataclass(frozen=True)
class Variable:
    """One variable given its parents.

    Attributes:
        name: of the variable.
        states: its values.
        parents: positions of its parents in the network.
        table: p(state | parents' states), (parents' numbers of states.., number of states); the last axis sums to 1.
    """

    name: str
    states: tuple[str, ...]
    parents: tuple[int, ...]
    table: NDArray[np.float64]


@dataclass(frozen=True)
class Network:
    """Variables in the order of the file, which is the order of columns."""

    variables: tuple[Variable, ...]

    @property
    def order(self) -> list[int]:
        """Positions of the variables, parents before children."""
        order: list[int] = []
        while len(order) < len(self.variables):
            ready = [d for d, v in enumerate(self.variables) if d not in order and all(p in order for p in v.parents)]
            if not ready:
                raise ValueError("the network has a cycle")
            order += ready
        return order

    def sample(self, n: int, seed: int | tuple[int, ...]) -> Codes:
        """Rows (n, D), parents before children."""
        rng, rows = np.random.default_rng(seed), np.zeros((n, len(self.variables)), np.int64)
        for d in self.order:
            v = self.variables[d]
            below = v.table[tuple(rows[:, p] for p in v.parents)].cumsum(-1)
            rows[:, d] = (rng.random((n, 1)) > np.broadcast_to(below, (n, len(v.states)))[:, :-1]).sum(-1)
        return rows

    def log_likelihood(self, rows: Codes) -> NDArray[np.float64]:
        """log p of each row, nats, (N,); -inf where it is impossible."""
        total = np.zeros(len(rows))
        with np.errstate(divide="ignore"):
            for d, v in enumerate(self.variables):
                total += np.log(v.table[tuple(rows[:, p] for p in (*v.parents, d))])
        return np.where((rows < 0).any(-1), -np.inf, total)

    def learned(self, rows: Codes, pseudocount: float = 0.0) -> Network:
        """The same structure with the relative frequencies in rows; uniform for states of parents that no row has.

        Args:
            rows: (N, D); those with a value of -1 are left out.
            pseudocount: added to every count of a state given its parents.
        """
        rows = rows[(rows >= 0).all(-1)]
        tables = []
        for d, v in enumerate(self.variables):
            counts = np.full(v.table.shape, float(pseudocount))
            np.add.at(counts, tuple(rows[:, p] for p in (*v.parents, d)), 1)
            total = counts.sum(-1, keepdims=True)
            tables.append(np.where(total > 0, counts / np.maximum(total, 1e-300), 1 / len(v.states)))
        return Network(tuple(replace(v, table=t) for v, t in zip(self.variables, tables, strict=True)))

    def frame(self, rows: Codes) -> pd.DataFrame:
        """Rows of known values as columns of text."""
        return pd.DataFrame({v.name: np.array(v.states)[rows[:, d]] for d, v in enumerate(self.variables)})

    def codes(self, frame: pd.DataFrame) -> Codes:
        """The inverse of `frame`; -1 for other values."""
        each = [pd.Index(v.states).get_indexer(frame[v.name].astype(str)) for v in self.variables]
        return np.column_stack(each).astype(np.int64)


def floored(log_p: NDArray[np.float64]) -> NDArray[np.float64]:
    """log(p + 1e-8), which the paper's benchmark averages: an impossible row costs 18.4 nats."""
    return np.logaddexp(log_p, np.log(FLOOR))


def read(path: Path) -> Network:
    """A network from a .bif or .bif.gz file.

    Raises:
        ValueError: if a table is not whole, names an unknown variable or state, or does not sum to 1 within 1e-4.
    """
    raw = path.read_bytes()
    return parse((gzip.decompress(raw) if path.suffix == ".gz" else raw).decode())


def parse(text: str) -> Network:
    """See `read`."""
    states = {name: tuple(_items(values)) for name, values in VARIABLE.findall(text)}
    names, found = list(states), dict[str, Variable]()
    for name, given, body in TABLE.findall(text):
        parents = _items(given)
        if unknown := {name, *parents} - set(names):
            raise ValueError(f"probabilities of {name}: {sorted(unknown)} are no variables of the network")
        table = _table(name, parents, states, body)
        found[name] = Variable(name, states[name], tuple(names.index(p) for p in parents), table)
    if set(found) != set(names):
        raise ValueError(f"no probabilities of {sorted(set(names) - set(found))}")
    return Network(tuple(found[name] for name in names))


def _table(name: str, parents: list[str], states: dict[str, tuple[str, ...]], body: str) -> NDArray[np.float64]:
    """p(state | parents' states), exactly normalised."""
    table = np.full([len(states[v]) for v in (*parents, name)], np.nan)
    for given, numbers in ROW.findall(body):
        try:
            place = tuple(states[p].index(s) for p, s in zip(parents, _items(given), strict=True))
            table[place] = [float(number) for number in _items(numbers)]
        except ValueError as error:
            raise ValueError(f"probabilities of {name}: '({given}){numbers}' fits no states ({error})") from error
    total = table.sum(-1, keepdims=True)
    if not np.allclose(total, 1, atol=1e-4):
        raise ValueError(f"probabilities of {name} sum to {total[~np.isclose(total, 1, atol=1e-4)][0]}, not to 1")
    return table / total


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]
