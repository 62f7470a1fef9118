"""Rows that several processes map are those that one maps."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

from contracts.streams import Threads
from velbo import LinearGaussian, evaluate, score_rows
from velbo.cli import main
from velbo.cli.ranks import shared
from velbo.evaluation.bounds.log_likelihood import RowScores
from velbo.evaluation.bounds.summary import summarise
from velbo.rows import Store
from velbo.training import Alone


def doubled(rows: pa.Table) -> pa.Table:
    """Whole where all of it is whole, as what is filled in may be."""
    x = rows["x"].to_numpy() * 2.0
    return pa.table({"x": x.astype(np.int64) if (x == x.round()).all() else x, "name": rows["name"]})


@pytest.mark.parametrize("size", [2, 3])
def test_every_batch_is_dealt_out_and_put_together_in_order(size):
    """Batches of fewer rows than processes too; every process computes at most its part."""
    batches = [np.arange(n) / 4 for n in (1, 2, 5, 100, 0, 3)]
    tables = [pa.table({"x": x, "name": [str(v) for v in x]}) for x in batches]

    def work(member):
        computed = []

        def counted(rows):
            computed.append(len(rows))
            return doubled(rows)

        with shared(member, counted) as by_all:
            found = None if by_all is None else [by_all(table) for table in tables]
        return found, computed

    (found, first), *others = Threads(size).run(work)
    for table, expected in zip(found, map(doubled, tables), strict=True):
        assert table["name"].equals(expected["name"])
        assert np.array_equal(table["x"].to_numpy(), expected["x"].to_numpy())
    assert max(first) == -(-100 // size)
    assert all(found is None and -(-100 // size) >= max(computed) >= 100 // size - 1 for found, computed in others)
    assert sum(first) + sum(sum(computed) for _, computed in others) == sum(map(len, batches))


def test_a_process_alone_computes_itself():
    with shared(Alone(), doubled) as by_all:
        assert by_all is doubled


def test_rows_scored_in_parts_are_summed_up_as_a_whole():
    """By 1e-12 in float64, through the table in which scores travel."""
    oracle = LinearGaussian.random(4, 2, seed=0)
    model, x = oracle.vae(), oracle.sample(40, seed=1)
    parts = [score_rows(model, x[part], 30).to_table() for part in (slice(0, 13), slice(13, 40))]
    found = summarise(RowScores.from_table(pa.concat_tables(parts)), Store.from_tensor(x), 30)
    expected = evaluate(model, x, 30)
    for name, value in expected.to_json().items():
        assert found.to_json()[name] == pytest.approx(value, rel=1e-12), name
    assert torch.equal(RowScores.from_table(parts[0]).kl, score_rows(model, x[:13], 30).kl)


def test_a_verb_that_knows_of_no_others_is_the_first_one_s_alone(monkeypatch, capsys):
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    assert main(["schema", "digits"]) == 0
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("RANK", "0")
    assert main(["schema", "digits"]) == 0
    assert "image" in capsys.readouterr().out
