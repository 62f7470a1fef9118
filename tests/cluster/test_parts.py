"""A folder of parts holds what one process finds, each row once, whatever stopped it; by `--cluster none`."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import velbo
from contracts.commands import call
from velbo import Budget, Recipe, TrainedModel, TrainingConfig, arrow_function, open_source
from velbo.cluster.blocks import Block, BlockRows, blocks_of, sent, sent_rows
from velbo.cluster.executors import Outcome, ThisProcess, executor
from velbo.cluster.parts import Parts
from velbo.cluster.works import Drawn, Labelled, MapRows, Rewritten, as_they_are, blocks_to_draw
from velbo.errors import DataError, RunError, VelboWarning
from velbo.formats import Reading, write_table

RNG = np.random.default_rng(0)
N, GROUP = 70, 30
ROWS = pa.table(
    {
        "id": [f"row {i}" for i in range(N)],
        "height": pa.array(RNG.normal(170, 9, N), mask=np.arange(N) % 7 == 0),
        "job": pa.array(RNG.choice(["nurse", "clerk"], N)).dictionary_encode(),
        "age": pa.array(RNG.integers(20, 60, N), pa.int16()),
    }
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(run, data): of three row groups."""
    folder = tmp_path_factory.mktemp("parts")
    training = TrainingConfig(Budget(epochs=2))
    velbo.fit(ROWS, Recipe("mlp", 2, (8,)), training=training, run=folder / "run", columns={"id": "drop"}, report=False)
    pq.write_table(ROWS, folder / "rows.parquet", row_group_size=GROUP)
    return folder / "run", folder / "rows.parquet"


def alike(found: pa.Table, wanted: pa.Table) -> None:
    """Equal types and cells; numbers that were computed in blocks of another size to rounding."""
    assert found.schema.equals(wanted.schema)
    for name in wanted.column_names:
        if pa.types.is_floating(wanted[name].type):
            np.testing.assert_allclose(found[name].to_numpy(), wanted[name].to_numpy(), rtol=1e-5, atol=1e-6)
        else:
            assert found[name].to_pylist() == wanted[name].to_pylist()


@pytest.mark.parametrize(
    "command", ["score --samples 5", "score --samples 5 --explain", "encode", "impute --samples 5", "reconstruct"]
)
def test_parts_hold_what_one_file_holds(made, tmp_path, command):
    run, data = made
    verb, *options = command.split()
    one, parts = tmp_path / "one.parquet", tmp_path / "parts"
    assert call(verb, run, data, "-o", one, *options)[0] == 0
    code, _, said = call(verb, run, data, "-o", parts, *options, "--cluster", "none")
    assert code == 0
    assert f"70 rows in 3 parts are in {parts}" in said
    assert sorted(f.name for f in parts.iterdir() if not f.name.startswith(".")) == [
        "_SUCCESS", "_work.json", "part-000000.parquet", "part-000001.parquet", "part-000002.parquet",
    ]  # fmt: skip
    alike(open_source(parts).read(), open_source(one).read())


@pytest.mark.parametrize("has_namesake", [False, True])
def test_a_built_in_set_has_no_file_that_could_change(tmp_path, monkeypatch, has_namesake):
    """Nor does one of its name in the working folder matter, which is not read and may change."""
    monkeypatch.chdir(tmp_path)
    namesake = tmp_path / "iris"
    if has_namesake:
        namesake.write_text("a")
    rows = rows_of_blocks("iris")
    block, *_ = blocks_of(open_source("iris"))
    read = rows(block)
    if has_namesake:
        namesake.write_text("another")
    rows._held = -1, pa.table({})
    assert rows(block).equals(read)
    assert read.equals(open_source("iris").read())
    other = BlockRows("iris", Reading(), open_source("wine").fingerprint())
    for _ in range(2):  # it is refused again
        with pytest.raises(DataError, match="has changed since the work began"):
            other(block)


def test_parts_of_a_built_in_set(tmp_path):
    run, one, parts = (tmp_path / name for name in ("run", "one.parquet", "parts"))
    training = TrainingConfig(Budget(epochs=1))
    velbo.fit(open_source("iris").read(), Recipe("mlp", 2, (8,)), training=training, run=run, report=False)
    assert call("score", run, "iris", "-o", one, "--samples", 5)[0] == 0
    code, _, said = call("score", run, "iris", "-o", parts, "--samples", 5, "--cluster", "none")
    assert code == 0, said
    alike(open_source(parts).read(), open_source(one).read())


def rows_of_blocks(data) -> BlockRows:
    return BlockRows(str(data), Reading(), open_source(data).fingerprint())


@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize("other", ["as many rows", "more rows", "nothing"])
def test_a_file_that_is_replaced_in_the_middle_is_noticed(tmp_path, opened, other):
    """By one with as many row groups, as many rows and the same columns too, before a worker has opened it and after;
    and what a worker holds already it gives.
    """
    data = tmp_path / "rows.parquet"
    pq.write_table(ROWS, data, row_group_size=GROUP)
    blocks, rows = list(blocks_of(open_source(data))), rows_of_blocks(data)
    if opened:
        assert rows(blocks[0]).equals(ROWS.slice(0, GROUP))
    data.unlink()
    if other != "nothing":
        changed = ROWS.set_column(0, ROWS.column_names[0], ROWS[0].take(pa.array(range(len(ROWS))[::-1])))
        pq.write_table(pa.concat_tables([changed] * (1 + (other == "more rows"))), data, row_group_size=GROUP)
    if opened:
        assert rows(blocks[0]).equals(ROWS.slice(0, GROUP))
    with pytest.raises(DataError, match=r"has changed since the work began|nothing of that name|no such file|no file"):
        rows(blocks[1])


def test_row_groups_of_whole_batches_give_the_same_bits(made, tmp_path, monkeypatch):
    """Blocks are the batches of one process then: 30 rows each, and 10."""
    run, data = made
    monkeypatch.setattr("velbo.formats.source.rows_per_batch", lambda _: GROUP)
    monkeypatch.setattr("velbo.cluster.blocks.rows_per_batch", lambda _: GROUP)
    call("score", run, data, "-o", tmp_path / "one.parquet", "--samples", 5)
    call("score", run, data, "-o", tmp_path / "parts", "--samples", 5, "--cluster", "none")
    assert open_source(tmp_path / "parts").read().equals(open_source(tmp_path / "one.parquet").read())


def test_a_row_group_is_cut_into_batches_and_read_once(made, tmp_path, monkeypatch):
    _, data = made
    monkeypatch.setattr("velbo.cluster.blocks.rows_per_batch", lambda _: 20)
    source = open_source(data)
    blocks = list(blocks_of(source))
    assert [(b.start, b.n_rows) for b in blocks] == [(0, 20), (20, 10), (30, 20), (50, 10), (60, 10)]
    read, reads = type(source).read_group, list[int]()
    monkeypatch.setattr(type(source), "read_group", lambda self, g: reads.append(g.index) or read(self, g))
    rows = pickle.loads(pickle.dumps(rows_of_blocks(data)))
    assert pa.concat_tables([rows(block) for block in blocks]).equals(ROWS)
    assert reads == [0, 1, 2]


def test_text_is_read_here_and_sent(made, tmp_path):
    """In the types of the run; its parts are those of one process."""
    run, _ = made
    text = tmp_path / "rows.csv"
    write_table(ROWS, text)
    assert call("score", run, text, "-o", tmp_path / "one.parquet", "--samples", 5)[0] == 0
    assert call("score", run, text, "-o", tmp_path / "parts", "--samples", 5, "--cluster", "none")[0] == 0
    assert open_source(tmp_path / "parts").read().equals(open_source(tmp_path / "one.parquet").read())
    assert call("convert", text, tmp_path / "typed", "--cluster", "none")[0] == 0
    assert open_source(tmp_path / "typed").read().equals(open_source(text).read())


def test_samples_are_those_of_one_process(made, tmp_path, monkeypatch):
    run, _ = made
    monkeypatch.setattr("velbo.cluster.works.ROWS_PER_BATCH", 20)
    assert call("sample", run, "-n", 50, "-o", tmp_path / "one.parquet")[0] == 0
    assert call("sample", run, "-n", 50, "-o", tmp_path / "parts", "--cluster", "none")[0] == 0
    assert len(list((tmp_path / "parts").glob("part-*"))) == 3
    assert open_source(tmp_path / "parts").read().equals(open_source(tmp_path / "one.parquet").read())
    first = TrainedModel.load(run).sample(20)
    assert open_source(tmp_path / "parts").read().slice(0, 20).equals(first)


def test_evaluation_by_parts_is_that_of_one_process(made, tmp_path, monkeypatch):
    run, data = made
    monkeypatch.setattr("velbo.cli.verbs.evaluate.ROWS_A_PART", 20)
    _, one, _ = call("evaluate", run, data, "--samples", 5, "--json")
    for _ in range(2):  # the second time from the parts
        code, parts, _ = call(
            "evaluate", run, data, "--samples", 5, "--json", "--cluster", "none", "-o", tmp_path / "parts"
        )
        assert code == 0
        for name, wanted in json.loads(one).items():
            assert json.loads(parts)[name] == (wanted if wanted is None else pytest.approx(wanted, rel=1e-6)), name
    assert len(list((tmp_path / "parts").glob("part-*"))) == 3  # the row groups of the file
    some = ("evaluate", run, data, "--samples", 5, "--json", "--rows", 50)
    found = [json.loads(call(*some, *more)[1]) for more in ((), ("--cluster", "none", "-o", tmp_path / "some"))]
    assert found[0]["log_likelihood"] == pytest.approx(found[1]["log_likelihood"], rel=1e-6)
    assert len(list((tmp_path / "some").glob("part-*"))) == 3  # 20 of the 50 rows in each


def test_anomalous_rows_are_labelled_and_named_as_by_one_process(made, tmp_path):
    run, data = made
    options = ("--samples", 5, "--threshold", -14)
    _, _, one = call("score", run, data, "-o", tmp_path / "one.parquet", *options)
    _, _, parts = call("score", run, data, "-o", tmp_path / "parts", *options, "--cluster", "none")
    assert parts.splitlines()[1:] == one.splitlines()[1:]
    assert (
        open_source(tmp_path / "parts")
        .read()["anomalous"]
        .equals(open_source(tmp_path / "one.parquet").read()["anomalous"])
    )


class Stops:
    """A work that fails at a block, and counts its calls."""

    def __init__(self, at: int) -> None:
        self.at, self.calls = at, list[int]()

    def __call__(self, block: Block) -> pa.Table:
        self.calls.append(block.number)
        if block.number == self.at:
            raise DataError("a bad cell")
        return sent_rows(block)


def carry_out(folder, work, about=None, tables=None):
    parts = Parts(folder, about or {})
    tables = [ROWS.slice(at, 10) for at in range(0, N, 10)] if tables is None else tables
    parts.carry_out(work, sent(tables), executor("none", 1), lambda _: None)
    return parts


def test_what_was_stopped_goes_on_where_it_was(tmp_path):
    """The parts that are there are passed over, and what a killed writer left goes."""
    with pytest.raises(DataError, match=r"^of the rows from 30 on: a bad cell$"):
        carry_out(tmp_path, Stops(3))
    (tmp_path / ".99999999.tmp.part-000003.parquet").touch()
    assert sorted(f.name for f in tmp_path.glob("part-*")) == [f"part-00000{i}.parquet" for i in range(3)]
    assert not (tmp_path / "_SUCCESS").exists()
    work = Stops(-1)
    parts = carry_out(tmp_path, work)
    assert work.calls == [3, 4, 5, 6]
    assert (parts.n_rows, (tmp_path / "_SUCCESS").exists()) == (N, True)
    assert not list(tmp_path.glob(".*.tmp.*"))
    assert open_source(tmp_path).read().equals(ROWS)
    again = Stops(-1)
    carry_out(tmp_path, again)
    assert again.calls == []
    (tmp_path / "part-000004.parquet").unlink()
    carry_out(tmp_path, again)
    assert again.calls == [4]


def test_a_folder_that_is_not_done_is_no_table(tmp_path):
    with pytest.raises(DataError):
        carry_out(tmp_path, Stops(3))
    with pytest.raises(DataError, match="not all of its parts are there yet; give the command again"):
        open_source(tmp_path)


def test_the_same_file_read_in_another_way_is_other_work(tmp_path):
    (tmp_path / "in.csv").write_text("a,b\n1,x\n2,y\n")
    convert = ("convert", tmp_path / "in.csv", tmp_path / "parts", "--cluster", "none")
    assert call(*convert)[0] == 0
    code, _, said = call(*convert, "--type", "a=text")
    assert (code, "holds parts of other work" in said) == (2, True)
    assert call(*convert)[0] == 0


def test_a_folder_of_something_else_is_refused(tmp_path):
    carry_out(tmp_path / "parts", as_they_are_of, {"verb": "score"})
    with pytest.raises(RunError, match="holds parts of other work"):
        carry_out(tmp_path / "parts", as_they_are_of, {"verb": "encode"})
    with pytest.raises(RunError, match="holds other files"):
        carry_out(tmp_path, as_they_are_of)
    with pytest.raises(DataError):
        carry_out(tmp_path / "fewer", Stops(2))
    with pytest.raises(RunError, match="none of this work's"):
        carry_out(tmp_path / "fewer", as_they_are_of, tables=[ROWS])


def test_no_rows_are_no_parts(tmp_path):
    with pytest.raises(DataError, match="there are no rows"):
        carry_out(tmp_path / "parts", as_they_are_of, tables=[])
    assert not (tmp_path / "parts" / "_SUCCESS").exists()


def as_they_are_of(block: Block) -> pa.Table:
    return as_they_are(sent_rows(block))


def test_what_does_not_go_with_a_cluster_is_one_line(made, tmp_path):
    run, data = made
    (tmp_path / "file").touch()
    for command, says in {
        ("impute", run, data, "-o", tmp_path / "x", "-n", 2, "--cluster", "none"): "leave -n and --seconds out",
        ("evaluate", run, data, "--cluster", "none"): "--output FOLDER go together",
        ("evaluate", run, data, "-o", tmp_path / "x"): "--output FOLDER go together",
        ("encode", run, data, "-o", tmp_path / "file", "--cluster", "none"): "is a file",
        (
            "fit",
            data,
            "--run",
            tmp_path / "r",
            "--column",
            "id=drop",
            "--cluster",
            "local",
            "--log",
            "mlflow",
        ): "leave one of the two out",
        ("encode", run, data, "-o", "memory://box/x", "--cluster", "none"): "is a URL",
    }.items():
        code, _, said = call(*command)
        assert code == 2
        assert says in said
        assert len(said.splitlines()) == 1


def test_works_can_be_pickled(made):
    run, data = made
    f, score = arrow_function(run, "impute", samples=5), arrow_function(run, "score", samples=5)
    [first, *_] = blocks_of(open_source(data))
    for work in (
        MapRows(rows_of_blocks(data), Rewritten(f)),
        MapRows(rows_of_blocks(data), Labelled(score, "log_likelihood", -9)),
        Drawn(f.of, 0, {}),
    ):
        block = blocks_to_draw(5)[0] if isinstance(work, Drawn) else first
        assert pickle.loads(pickle.dumps(work))(pickle.loads(pickle.dumps(block))).equals(work(block))


def test_an_outcome_tells_warnings_and_errors():
    with pytest.warns(VelboWarning, match="two cells"):
        assert Outcome(3, None, ["two cells"]).told() == 3
    with pytest.raises(DataError, match="a bad cell"):
        Outcome(0, ("DataError", "a bad cell"), []).told()
    with pytest.raises(RuntimeError, match="Traceback"):
        Outcome(0, ("KeyError", "Traceback ..."), []).told()
    assert list(ThisProcess().run(lambda block: block.n_rows, blocks_to_draw(7))) == [7]
