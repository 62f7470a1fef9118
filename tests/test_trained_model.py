"""Tables from end to end: what goes in comes back in the same columns and types, through Python, scikit-learn and the
command line, in memory and in a stream.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from contracts.commands import call
from velbo import Plan, TrainedModel, VAEEstimator, carry_out, fit, open_source, plan
from velbo.config import Budget, Machine, Optimisation, Recipe, TrainingConfig
from velbo.errors import ConfigError, DataError, RunError, SchemaError
from velbo.formats import write_table, writers
from velbo.rows import Schema, Store
from velbo.rows.encoded import OnDisk
from velbo.training import Run
from velbo.training.order import order_for

N = 240


def people(seed: int = 0, holes: bool = True) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    job = rng.choice(["nurse", "clerk", "pilot"], N)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 66, N),
            "job": job,
            "visits": np.where(rng.random(N) < 0.01, 0, rng.poisson(20, N)),
            "income": np.exp(rng.normal(9 + (job == "pilot"), 0.7)).round(2),
            "grade": pd.Categorical.from_codes(rng.integers(0, 3, N), ["lo", "mid", "hi"], ordered=True),
            "member": rng.random(N) < 0.4,
            "joined": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, N), unit="D"),
            "one": 7,
        }
    )
    frame.loc[0, "visits"] = 0
    if holes:
        for name in ("job", "income", "grade", "joined"):
            frame.loc[rng.random(N) < 0.2, name] = None
    return frame


TRAINING = TrainingConfig(Budget(epochs=3), Optimisation(batch_size=32))


@pytest.fixture(scope="module")
def fitted() -> TrainedModel:
    recipe = Recipe("mlp", latent=2, hidden=(16,))
    return fit(people(), recipe, training=TRAINING)


def test_the_schema_names_kinds_and_likelihoods(fitted):
    kinds = {c.name: (c.kind, c.likelihood) for c in fitted.schema.fields}
    assert kinds == {
        "age": ("integer", "discretized-mixture"),
        "job": ("categorical", "categorical"),
        "visits": ("count", "negative-binomial"),
        "income": ("positive", "log-normal"),
        "grade": ("ordinal", "ordered-logistic"),
        "member": ("binary", "bernoulli"),
        "joined": ("datetime", "normal-mixture"),
        "one": ("constant", ""),
    }
    assert Plan.from_json(json.loads(json.dumps(fitted.plan.to_json()))) == fitted.plan


def test_rows_come_back_with_columns_types_and_ranges(fitted):
    frame = people()
    for rows in (fitted.sample(50, seed=3), fitted.decode(np.zeros((4, 2)))):
        assert list(rows.columns) == list(frame.columns)
        assert rows.dtypes.equals(people(holes=False).dtypes)
    again = fitted.reconstruct(frame)
    assert again.dtypes.equals(frame.dtypes)
    assert again.index.equals(frame.index)
    assert not again.isna().any().any()
    new = fitted.sample(500, seed=3)
    assert new.equals(fitted.sample(500, seed=3))
    for name in ("age", "income", "visits", "joined"):
        assert new[name].min() >= frame[name].min()
        assert new[name].max() <= frame[name].max()
    assert (new["income"].round(2) == new["income"]).all()
    assert set(new["job"]) <= {"nurse", "clerk", "pilot"}
    assert (new["one"] == 7).all()


def test_filling_leaves_observed_cells_bit_equal(fitted):
    frame = people()
    for full in [fitted.impute(frame, samples=20), *fitted.impute_many(frame, 2, samples=5, steps=2)]:
        assert full.dtypes.equals(frame.dtypes)
        assert not full.isna().any().any()
        for name in frame.columns:
            seen = frame[name].notna()
            assert full.loc[seen, name].equals(frame.loc[seen, name])


def test_likelihoods_are_in_the_units_of_the_table(fitted):
    """The same incomes in cents: log p is lower by log 100 for each that is observed, and nothing else changes."""
    frame = people()
    income = fitted.schema.field("income")
    cents = replace(income, scale=100 * income.scale)
    fields = tuple(cents if f.name == "income" else f for f in fitted.schema.fields)
    other = TrainedModel(fitted.model, replace(fitted.plan, schema=Schema(fields)))
    a = fitted.log_likelihood(frame, samples=5)
    b = other.log_likelihood(frame.assign(income=frame["income"] * 100), samples=5)
    np.testing.assert_allclose(a - b, np.log(100) * frame["income"].notna(), atol=2e-3)


def test_permuting_rows_and_columns_permutes_results(fitted):
    frame, exact = people(), fitted.to(torch.float64)
    order = np.random.default_rng(1).permutation(N)
    mixed = frame.iloc[order][frame.columns[::-1]]
    for f in (lambda x: exact.log_likelihood(x, samples=7), exact.encode, lambda x: exact.contributions(x, samples=3)):
        np.testing.assert_allclose(f(mixed), f(frame)[order], rtol=1e-9)


def test_contributions_are_missing_where_the_data_are(fitted):
    frame = people()
    found = fitted.contributions(frame, samples=5)
    seen = frame.drop(columns="one").notna().to_numpy()
    np.testing.assert_array_equal(np.isfinite(found), seen)
    table = fitted.explain(frame, samples=5)
    assert table.column_names[:2] == ["log_likelihood", "most_anomalous"]
    assert set(table["most_anomalous"].to_pylist()) <= set(frame.columns)


def test_a_cell_that_is_planted_is_the_most_anomalous_one():
    """One income of 10,000 times the usual, in a table of two independent columns."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": np.exp(rng.normal(size=300) * 1.5), "b": np.exp(rng.normal(size=300) * 1.5)})
    model = carry_out(plan(frame, Recipe("mlp", latent=1, hidden=(8,)), training=TRAINING), frame)
    frame.loc[5, "b"] = 1e4 * frame["b"].max()
    assert model.explain(frame, samples=20)["most_anomalous"][5].as_py() == "b"
    assert model.log_likelihood(frame, samples=20).argmin() == 5


def test_conditions_are_kept_balanced_and_changed():
    frame = people(holes=False)
    recipe = Recipe("mlp", latent=2, hidden=(16,), condition=("job", "member"))
    model = carry_out(plan(frame, recipe, training=TRAINING), frame)
    pilots = model.sample(20, given={"job": "pilot", "member": True})
    assert (pilots["job"] == "pilot").all()
    assert pilots["member"].all()
    rows = model.sample(N, given=frame[["job"]])
    assert (rows["job"] == frame["job"]).all()
    assert rows["member"].notna().all()
    assert 0 < rows["member"].mean() < 1
    assert model.sample(90, balance="job")["job"].value_counts().tolist() == [30, 30, 30]
    changed = model.what_if(frame, {"member": True})
    assert changed["member"].all()
    assert (changed["job"] == frame["job"]).all()
    assert np.isnan(model.contributions(frame, samples=2)[:, 1]).all()
    with pytest.raises(ConfigError, match="conditioned on job, member: give a value of it in every row too"):
        model.sample(5, given={"age": 25})
    both = model.sample(5, given={"age": 25, "job": "pilot", "member": True})
    assert set(both["age"]) == {25}
    assert set(both["job"]) == {"pilot"}
    with pytest.raises(SchemaError, match=r"'job' had no 'pliot' in training. Did you mean 'pilot'"):
        model.sample(5, given={"job": "pliot"})
    with pytest.raises(DataError, match="5 rows are needed"):
        model.sample(5, given=frame[["job"]])
    with pytest.raises(ConfigError, match="what_if"):
        model.decode(np.zeros((1, 2)))


def visits() -> pd.DataFrame:
    """A flag that one row in ten has, and a number that a third lacks."""
    rng = np.random.default_rng(0)
    size = rng.normal(size=600)
    size[rng.permutation(600)[:200]] = np.nan
    return pd.DataFrame({"size": size, "died": np.where(np.arange(600) % 10 == 0, "Y", None)})


def test_a_flag_is_as_frequent_in_new_rows_and_holes_are_there_where_asked_for():
    """After two epochs, in which nothing is learned: the head begins at the share of the data, and features move it by
    little. 5 standard errors of 3,000 draws are 0.027 for the flag and 0.043 for the holes: false alarm 1e-6.
    """
    brief = TrainingConfig(Budget(epochs=2), machine=Machine(seed=0))
    model = fit(visits(), Recipe("mlp", 2, (8,)), training=brief)
    new, sparse = model.sample(3000), model.sample(3000, missing=True)
    assert abs((new["died"] == "Y").mean() - 0.1) < 0.027 + 0.03
    assert set(new["died"].dropna()) == {"Y"}
    assert new["size"].notna().all()
    assert abs(sparse["size"].isna().mean() - 1 / 3) < 0.043
    observed = sparse["size"].notna()
    pd.testing.assert_frame_equal(sparse[observed], new[observed])


def test_what_impute_leaves_is_said(tmp_path):
    visits().to_csv(tmp_path / "v.csv", index=False)
    fitted = [
        "fit",
        tmp_path / "v.csv",
        "--run",
        tmp_path / "r",
        *"--recipe mlp --hidden 8 --latent 2 --epochs 1".split(),
    ]
    assert call(*fitted)[0] == 0
    code, _, err = call("impute", tmp_path / "r", tmp_path / "v.csv", "--samples", 5, "-o", tmp_path / "o.csv")
    assert code == 0
    assert "impute: 540 missing cells of 'died' stay, as missing is a value of its own there" in err
    filled = pd.read_csv(tmp_path / "o.csv")
    assert (filled["size"].notna().all(), int(filled["died"].isna().sum())) == (True, 540)


def test_scikit_learn_takes_frames():
    frame = people()
    model = VAEEstimator(n_latents=2, hidden=(16,), max_epochs=3, n_samples=5, random_state=0).fit(frame)
    assert model.transform(frame).shape == (N, 2)
    assert model.impute(frame).dtypes.equals(frame.dtypes)
    assert list(model.sample(5, random_state=0).columns) == list(frame.columns)
    assert (model.predict(frame) == -1).mean() == pytest.approx(0.1, abs=1 / N)
    np.testing.assert_array_equal(model.decision_function(frame) < 0, model.predict(frame) == -1)
    assert model.contributions(frame).shape == (N, 7)
    model = VAEEstimator(n_latents=2, hidden=(16,), max_epochs=1, columns={"age": "count", "joined": "drop"}).fit(frame)
    assert model.fitted_.schema.fields[0].kind == "count"
    assert "joined" not in model.sample(3).columns


def test_a_saved_estimator_of_a_table_is_the_same(tmp_path):
    frame = people()
    model = VAEEstimator(n_latents=2, hidden=(8,), max_epochs=1, n_samples=5, random_state=0).fit(frame)
    model.save(tmp_path / "m")
    again = VAEEstimator.load(tmp_path / "m")
    np.testing.assert_array_equal(again.score_samples(frame), model.score_samples(frame))
    np.testing.assert_array_equal(again.predict(frame), model.predict(frame))
    assert list(again.feature_names_in_) == list(frame.columns)


def test_counts_of_an_array_have_a_library_size():
    x = np.random.default_rng(0).poisson(3, (60, 5))
    recipe = Recipe("mlp", latent=2, hidden=(8,), library_size=True)
    model = fit(x, recipe, training=TRAINING, kind="count")
    assert model.sample(7).shape == (7, 5)
    assert np.isfinite(model.log_likelihood(x, samples=3)).all()


# the command line and streams


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables")
    people().to_csv(path / "people.csv", index=False)
    with writers([path / "people.parquet"]) as [writer]:
        for start in range(0, N, 50):
            writer.write(pa.Table.from_pandas(people().iloc[start : start + 50], preserve_index=False))
    options = "--recipe mlp --latent 2 --hidden 8 --epochs 2".split()
    for suffix in ("csv", "parquet"):
        code, _, err = call("fit", path / f"people.{suffix}", "--run", path / suffix, *options, "--column", "age=count")
        assert code == 0, err
    return path


def test_the_command_line_shows_a_schema(folder):
    code, out, err = call("schema", folder / "people.csv", "--column", "age=count:poisson")
    assert code == 0, err
    line = next(line for line in out.splitlines() if line.split()[0] == "age")
    assert line.split()[2:4] == ["count", "poisson"]
    assert json.loads(call("schema", folder / "people.csv", "--json")[1])["fields"][1]["kind"] == "categorical"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_verbs_give_tables_as_they_came(folder, suffix, tmp_path):
    run, data = folder / suffix, folder / f"people.{suffix}"
    for verb, *options in [
        ["impute", "--samples", 5],
        ["reconstruct"],
        ["sample", "-n", 30],
    ]:
        source = [] if verb == "sample" else [data]
        code, _, err = call(verb, run, *source, *options, "-o", tmp_path / f"{verb}.{suffix}")
        assert code == 0, err
        rows = open_source(tmp_path / f"{verb}.{suffix}").read()
        assert rows.column_names == list(people().columns)
        assert not any(c.null_count for c in rows.columns)
    full, holes = open_source(tmp_path / f"impute.{suffix}").read(), open_source(data).read()
    for name in holes.column_names:
        for a, b in zip(holes[name].to_pylist(), full[name].to_pylist(), strict=True):
            assert a in (None, "", b)
    code, _, err = call("score", run, data, "--samples", 3, "--explain", "-o", tmp_path / "s.csv")
    assert code == 0, err
    assert open_source(tmp_path / "s.csv").read().column_names[:2] == ["log_likelihood", "most_anomalous"]
    code, _, err = call("impute", run, data, "-n", 2, "--samples", 3, "--steps", 1, "-o", tmp_path / f"f.{suffix}")
    assert code == 0, err
    assert (tmp_path / f"f-2.{suffix}").exists()


@pytest.mark.parametrize(
    "command",
    [
        "evaluate RUN DATA --samples 4 --json",
        "doctor RUN DATA --rows 60 --samples 16 --json",
        "quality RUN DATA --rows 60 --json",
        "quality RUN DATA --rows 60 --features latent --json",
        "compare RUN DATA DATA --holdout DATA --target member --rows 100 --json",
        "gaps RUN DATA --rows 2 --json",
    ],
)
def test_verbs_that_measure_take_tables(folder, command):
    places = {"RUN": folder / "csv", "DATA": folder / "people.csv"}
    code, out, err = call(*(places.get(word, word) for word in command.split()))
    assert code == 0, err
    assert json.loads(out)


def test_a_table_is_told_from_its_own_rows_by_privacy_alone(folder, tmp_path):
    """Training rows handed in as synthetic are all copies; a hold-out of other rows is not given away."""
    data = people()
    people(seed=9).to_csv(tmp_path / "holdout.csv", index=False)
    report = call(
        "compare",
        folder / "csv",
        folder / "people.csv",
        folder / "people.csv",
        "--holdout",
        tmp_path / "holdout.csv",
        "--json",
    )
    assert report[0] == 0, report[2]
    assert json.loads(report[1])["copies"] == len(data)


def test_batches_of_a_table_give_what_the_whole_gives(folder, monkeypatch, tmp_path):
    """A result does not depend on the size of the batches in which a verb reads and writes."""
    run, data = folder / "parquet", folder / "people.parquet"
    call("score", run, data, "--samples", 3, "-o", tmp_path / "whole.parquet")
    monkeypatch.setattr("velbo.formats.base.ROWS_PER_BATCH", 37)
    call("score", run, data, "--samples", 3, "-o", tmp_path / "parts.parquet")
    a, b = (open_source(tmp_path / f"{n}.parquet").read().column(0).to_numpy() for n in ("whole", "parts"))
    np.testing.assert_allclose(a, b, rtol=1e-4)


def test_what_if_and_conversion_on_the_command_line(folder, tmp_path):
    options = "--recipe mlp --latent 2 --hidden 8 --epochs 1 --condition job,member".split()
    code, _, err = call("fit", folder / "people.csv", "--run", tmp_path / "c", *options)
    assert code == 0, err
    change = ["--set", "job=pilot", "-o", tmp_path / "w.csv"]
    code, _, err = call("what-if", tmp_path / "c", folder / "people.csv", *change)
    assert code == 0, err
    assert set(open_source(tmp_path / "w.csv").read()["job"].to_pylist()) == {"pilot"}
    given = ["--given", "job=nurse", "--given", "member=true"]
    assert call("sample", tmp_path / "c", "-n", 5, *given, "-o", tmp_path / "g.csv")[0] == 0
    assert open_source(tmp_path / "g.csv").read()["member"].to_pylist() == [True] * 5
    assert call("sample", tmp_path / "c", "-n", 5, "--given", "job", "-o", tmp_path / "g.csv")[0] == 2
    assert call("convert", folder / "people.csv", tmp_path / "p.parquet")[0] == 0
    assert len(open_source(tmp_path / "p.parquet").read()) == N


def test_a_stream_trains_bit_equal_to_memory_in_its_order(folder):
    source = open_source(folder / "people.parquet")
    recipe = Recipe("mlp", latent=2, hidden=(8,))
    what = plan(source, recipe, training=TRAINING)
    streamed = carry_out(what, source)
    history = streamed.history
    rows = OnDisk(source, what.schema)
    stream = rows.encoded(what.encoding)
    in_memory = what.build()
    numbers = np.concatenate([rows.read(i) for i in range(len(rows.groups))])
    store = Store.from_rows(numbers, what.encoding)
    from velbo.training import Trainer

    order = order_for(stream, TRAINING.validation.validation, 32, TRAINING.machine.seed)
    other = Trainer(in_memory, store, what.make_objective(), what.training, order=order).run()
    assert other.metrics == history.metrics
    for a, b in zip(streamed.model.state_dict().values(), in_memory.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_the_command_line_streams_and_finds_the_file_again(folder, tmp_path):
    options = "--stream --recipe mlp --epochs 2".split()
    code, _, err = call("fit", folder / "people.parquet", "--run", tmp_path / "r", *options)
    assert code == 0, err
    assert Run(tmp_path / "r").config()["data"]["n_rows"] == N
    code, _, err = call("resume", tmp_path / "r")
    assert code == 0, err


def test_a_stream_of_other_rows_is_refused(folder, tmp_path):
    path = tmp_path / "p.parquet"
    write_table(pa.Table.from_pandas(people(), preserve_index=False), path)
    what = plan(open_source(path), Recipe("mlp", latent=2, hidden=(8,)), training=TRAINING)
    write_table(pa.Table.from_pandas(people(seed=1), preserve_index=False), path)
    with pytest.raises(RunError, match="not the ones"):
        carry_out(what, open_source(path))


def test_small_tables_and_odd_types():
    for frame in [
        pd.DataFrame({"a": [1.5, 2.5]}),
        pd.DataFrame({"a": pd.array([1, None, 3], "Int64"), "b": [None, None, None]}),
        pd.DataFrame({"a": [True, False, True], "b": pd.Series([1.5, None, 2], dtype="float32")}),
    ]:
        model = carry_out(plan(frame, Recipe("mlp", latent=1, hidden=(4,)), training=TRAINING), frame)
        assert model.sample(3).dtypes.equals(frame.dtypes)
        assert np.isfinite(model.log_likelihood(frame, samples=2)).all()
    with pytest.raises(SchemaError, match="no column is left"):
        plan(pd.DataFrame({"a": [1, 1], "b": [None, None]}), Recipe())


def test_cells_score_the_same_in_every_library():
    """float64 scores of a pandas, polars and pyarrow table are the same bits."""
    import polars as pl

    frame = people()
    training = TrainingConfig(Budget(epochs=1), machine=Machine(seed=1))
    model = carry_out(plan(frame, Recipe("mlp", latent=2, hidden=(8,)), training=training), frame)
    scores = [model.log_likelihood(x, samples=3) for x in (frame, pl.from_pandas(frame), pa.Table.from_pandas(frame))]
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])
