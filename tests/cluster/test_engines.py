"""`arrow_function` in DuckDB, Dask and Spark, as docs/machines.md calls it: the scores of one process, row by row."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import velbo
from velbo import Budget, Recipe, TrainedModel, TrainingConfig, arrow_function

RNG = np.random.default_rng(0)
N = 60
ROWS = pa.table({"id": [f"row {i}" for i in range(N)], "a": RNG.normal(size=N), "b": RNG.normal(size=N)})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "run"
    training = TrainingConfig(Budget(epochs=2))
    velbo.fit(ROWS, Recipe("mlp", 2, (8,)), training=training, run=folder, columns={"id": "drop"}, report=False)
    return folder


def as_by_one_process(found: dict[str, Any], run) -> None:
    """By identifier, as engines may change the order."""
    wanted = TrainedModel.load(run).log_likelihood(ROWS, 5)
    assert sorted(found) == sorted(ROWS["id"].to_pylist())
    np.testing.assert_allclose([found[name] for name in ROWS["id"].to_pylist()], wanted, rtol=1e-5)


def test_duckdb(run, tmp_path):
    """From a query, batch by batch, and back into one."""
    duckdb = pytest.importorskip("duckdb")
    pq.write_table(ROWS, tmp_path / "rows.parquet")
    score = arrow_function(run, "score", samples=5)
    relation = duckdb.sql(f"SELECT * FROM '{tmp_path / 'rows.parquet'}' WHERE a < 100")
    scored = duckdb.from_arrow(pa.Table.from_batches(score.over(relation.to_arrow_reader(20))))
    found = scored.filter("log_likelihood < 0").select("id, log_likelihood").fetchall()
    as_by_one_process(dict(found), run)


def test_dask(run):
    """Partition by partition; Dask finds out the columns by a call of its own."""
    dask, frames = pytest.importorskip("dask"), pytest.importorskip("dask.dataframe")
    score = arrow_function(run, "score", samples=5)
    frame = frames.from_pandas(ROWS.to_pandas(), npartitions=3)
    scored = frame.map_partitions(lambda part: score(pa.Table.from_pandas(part, preserve_index=False)).to_pandas())
    with dask.config.set(scheduler="synchronous"):
        found = scored.compute()
    as_by_one_process(dict(zip(found["id"], found["log_likelihood"], strict=True)), run)


@pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")
def test_spark(run, monkeypatch):
    """Workers of Spark, in processes of its own."""
    sql = pytest.importorskip("pyspark.sql")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own
        spark = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
        try:
            score = arrow_function(run, "score", samples=5)
            frame = spark.createDataFrame(ROWS.to_pandas()).repartition(2)
            found = frame.mapInArrow(score.over, "id string, log_likelihood double").collect()
        finally:
            spark.stop()
    as_by_one_process({row["id"]: row["log_likelihood"] for row in found}, run)
