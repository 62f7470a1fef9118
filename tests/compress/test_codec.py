"""What is compressed comes back: tables and arrays bit for bit, texts byte for byte; by every prior and posterior."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, fields, replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch

import velbo
from contracts.compressed import model_of, table
from velbo.compress import compress, decompress
from velbo.compress.codec import codec_of, model_hash
from velbo.compress.coder import fresh_heads
from velbo.compress.model import WholeModel
from velbo.compress.patterns import Patterns
from velbo.compress.quantised import pressed_model
from velbo.compress.rows import Stack, pop_rows, push_rows
from velbo.compress.tables import TableForm
from velbo.config import Budget, TrainingConfig
from velbo.errors import ConfigError, DataError, MissingMethodError, RunError
from velbo.fitting import refit
from velbo.nets import inverse_softplus
from velbo.rows import Field, infer


@pytest.fixture(scope="module")
def trained():
    return model_of(infer(table(200), {"text": "drop"}))


def same_bits(a: pa.Table, b: pa.Table) -> bool:
    """Equal, NaN by NaN and zero by zero, with types and what Arrow says of columns besides."""

    def as_bytes(t: pa.Table) -> bytes:
        sink, whole = io.BytesIO(), t.unify_dictionaries().combine_chunks()
        with pa.ipc.new_stream(sink, whole.schema) as writer:
            writer.write_table(whole)
        return sink.getvalue()

    return a.schema.equals(b.schema, check_metadata=True) and (as_bytes(a) == as_bytes(b) or a.equals(b))


def there_and_back(trained, rows, tmp_path, **options):
    done = compress(trained, rows, tmp_path / "x.vlb", **options)
    inside = options.get("self_contained", False)
    return done, decompress(tmp_path / "x.vlb", trained=None if inside else trained)


def test_a_table_of_every_kind_comes_back(trained, tmp_path):
    rows = table(137, seed=5)
    done, again = there_and_back(trained, rows, tmp_path)
    assert same_bits(rows, again)
    assert done.n_rows == 137
    assert done.n_bytes == (tmp_path / "x.vlb").stat().st_size


def test_cells_that_the_model_does_not_have_come_back(trained, tmp_path):
    """Infinity, a NaN of another payload, -0, far values, unseen names, missing cells, a fraction of a count, more
    decimals than there were."""
    rows = table(60, seed=6)
    odd = np.frombuffer(np.array([0x7FF8000000000123], np.uint64).tobytes(), np.float64)[0]
    real = rows["real"].to_numpy().copy()
    real[:6] = [np.inf, -np.inf, odd, -0.0, 1e300, 5e-324]
    single = rows["single"].to_numpy().copy()
    single[:4] = [np.float32(1e38), -0.0, np.nan, np.inf]
    names = rows["name"].to_pylist()
    names[3], names[4], names[5] = "ultraviolet", None, "Red"
    changed = {
        "real": pa.array(real),
        "single": pa.array(single),
        "decimal": pa.array(np.append([0.125, -1e12], rows["decimal"].to_numpy()[2:])),
        "positive": pa.array(np.append([-1.0, 0.0, 1e-200, np.nan], rows["positive"].to_numpy()[4:])),
        "bounded": pa.array(np.append([2.0, -0.0], rows["bounded"].to_numpy()[2:])),
        "integer": pa.array([None, 2**62, -(2**40), *rows["integer"].to_pylist()[3:]], pa.int64()),
        "count": pa.array([-3, 10**9, *rows["count"].to_pylist()[2:]], pa.int64()),
        "name": pa.array(names),
        "flag": pa.array([None, *rows["flag"].to_pylist()[1:]], pa.bool_()),
        "grade": pa.array([99, None, *rows["grade"].to_pylist()[2:]], pa.int64()),
        "constant": pa.array([8, None, *rows["constant"].to_pylist()[2:]], pa.int64()),
    }
    for name, column in changed.items():
        rows = rows.set_column(rows.column_names.index(name), name, column)
    rows = rows.append_column("new", pa.array([[1, 2]] * 60))
    again = there_and_back(trained, rows, tmp_path)[1]
    for name in rows.column_names:
        a, b = rows[name].combine_chunks(), again[name].combine_chunks()
        assert a.equals(b) or np.array_equal(a.to_numpy(), b.to_numpy(), equal_nan=True), name
    for name in ("real", "single"):
        assert rows[name].to_numpy().tobytes() == again[name].to_numpy().tobytes()


def test_other_types_of_the_same_columns_come_back(trained, tmp_path):
    rows = table(50, seed=3)
    casts = {"integer": pa.int16(), "count": pa.uint8(), "decimal": pa.float32(), "name": pa.large_string()}
    casts |= {"grade": pa.float64(), "real": pa.float32(), "constant": pa.int8()}
    for name, kind in casts.items():
        rows = rows.set_column(rows.column_names.index(name), pa.field(name, kind), rows[name].cast(kind))
    assert same_bits(rows, there_and_back(trained, rows, tmp_path)[1])


@pytest.mark.parametrize(
    "array",
    [
        np.random.default_rng(0).integers(0, 256, (40, 4, 5), dtype=np.uint8),
        (np.random.default_rng(0).random((40, 6)) < 0.3).astype(np.uint8),
        np.random.default_rng(0).random((40, 6)) < 0.3,
        np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32),
        np.random.default_rng(0).normal(size=(40, 3)),
        np.random.default_rng(0).normal(size=(40, 3)).astype(np.float16),
        np.random.default_rng(0).normal(size=(40, 3)).astype(">f8"),
        np.random.default_rng(0).poisson(3.0, (40, 5)),
    ],
    ids=lambda a: str(a.dtype) + str(a.shape),
)
def test_arrays_come_back(array, tmp_path):
    trained = model_of(infer(array))
    again = there_and_back(trained, array, tmp_path)[1]
    assert again.dtype == array.dtype
    assert again.tobytes() == array.tobytes()
    odd = array.copy()
    odd.reshape(-1)[:3] = [1, 0, 1] if array.dtype.kind == "b" else np.array([7, 0, 1]).astype(array.dtype)
    assert there_and_back(trained, odd, tmp_path)[1].tobytes() == odd.tobytes()


@pytest.mark.parametrize("recipe", ["mlp", "resmlp"])
@pytest.mark.parametrize("prior", ["standard", "learned", "mixture", "vamp"])
def test_every_prior(recipe, prior, tmp_path):
    names = ["real", "integer", "gaps", "count"] + ["name"] * (prior != "vamp")  # pseudo-inputs are no names
    rows = table(40, seed=1).select(names)
    trained = model_of(infer(table(200).select(rows.column_names)), recipe=recipe, prior=prior)
    assert same_bits(rows, there_and_back(trained, rows, tmp_path)[1])


@pytest.mark.parametrize("posterior", ["diagonal", "full", "mixture"])
def test_every_posterior(posterior, tmp_path):
    rows = table(40, seed=1).select(["real", "name", "integer", "gaps"])
    trained = model_of(infer(table(200).select(rows.column_names)), posterior=posterior)
    assert same_bits(rows, there_and_back(trained, rows, tmp_path)[1])


@pytest.mark.parametrize("prior", ["standard", "mixture"])
def test_groups_of_latents(prior, tmp_path):
    rows = table(60, seed=1).select(["real", "name", "integer", "gaps"])
    schema = infer(table(200).select(rows.column_names))
    trained = model_of(schema, recipe="ladder", groups=(2, 2), prior=prior, spread=0.7)
    assert same_bits(rows, there_and_back(trained, rows, tmp_path)[1])


def test_groups_of_maps(tmp_path):
    images = np.random.default_rng(0).integers(0, 4, (20, 8, 9), dtype=np.uint8)
    schema = infer(images, kind="byte", levels=4)
    trained = model_of(schema, recipe="ladder", hidden=(4, 6), groups=(1, 2), spread=0.7)
    assert (there_and_back(trained, images, tmp_path)[1] == images).all()


def test_convolutions_and_fields_beside_them(tmp_path):
    images = np.random.default_rng(0).integers(0, 16, (30, 9, 8), dtype=np.uint8)
    trained = model_of(infer(images), recipe="conv", hidden=(4, 6))
    assert (there_and_back(trained, images, tmp_path)[1] == images).all()
    labels = {"image": images, "label": np.random.default_rng(0).choice(["a", "b"], 30)}
    from velbo.formats.base import as_tensor_column

    rows = pa.table({name: as_tensor_column(a) if a.ndim > 1 else pa.array(a) for name, a in labels.items()})
    trained = model_of(infer(rows), recipe="conv", hidden=(4, 6))
    again = there_and_back(trained, rows, tmp_path)[1]
    assert again.equals(rows)


def test_rows_in_any_order_save_what_the_order_holds(trained, tmp_path):
    """log2 200! bits; q(z|x) = p(z) and a decoder without weights, so that no bit depends on what z happens to be, and
    64 bits for what starting takes."""
    rows = table(200, seed=9).select(["real", "name", "integer"])
    small = model_of(infer(rows), spread=0.0)
    with torch.no_grad():
        small.model.encoder[-1].linear.bias.copy_(torch.tensor([0.0] * 3 + [inverse_softplus(1.0)] * 3))
    ordered, _ = there_and_back(small, rows, tmp_path)
    done, again = there_and_back(small, rows, tmp_path, any_order=True)
    key = [("real", "ascending")]
    assert again.sort_by(key).equals(rows.sort_by(key))
    saved = 8 * (ordered.n_stack - done.n_stack)
    assert saved == pytest.approx(float(np.log2(np.arange(1, 201)).sum()), abs=64)


def test_equal_rows_in_any_order(tmp_path):
    rows = pa.table({"a": ["x", "y"] * 40, "b": ["u", "u", "v", "u"] * 20, "text": [str(i) for i in range(80)]})
    trained = model_of(infer(rows, {"text": "drop"}))
    again = there_and_back(trained, rows, tmp_path, any_order=True)[1]
    assert sorted(map(str, again.to_pylist())) == sorted(map(str, rows.to_pylist()))


def test_a_file_with_the_model_inside_needs_no_run(trained, tmp_path):
    rows = table(50, seed=2)
    done, again = there_and_back(trained, rows, tmp_path, self_contained=True)
    assert same_bits(rows, again)
    assert done.n_head > 1000


def test_weights_of_few_bits_are_as_near_as_these_tell(trained):
    """Half a step, which is the largest weight of a row over 2^(b-1) - 1; other numbers to half precision."""
    state = trained.model.state_dict()
    sizes = []
    for bits in (3, 5, 8):
        packed = pressed_model(trained, bits)
        sizes.append(len(packed.weights))
        for name, w in packed.trained.model.state_dict().items():
            if w.dim() < 2:
                assert torch.allclose(w, state[name], rtol=1e-3, atol=1e-6)
                continue
            step = state[name].abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
            assert ((w - state[name]).abs() <= 0.51 * step + 1e-6).all()
    assert sizes == sorted(sizes)


def test_the_wrong_model_or_none_is_refused(trained, tmp_path):
    compress(trained, table(30), tmp_path / "x.vlb")
    with pytest.raises(RunError, match="the model is not inside; name the run"):
        decompress(tmp_path / "x.vlb")
    with pytest.raises(RunError, match="written by another model"):
        decompress(tmp_path / "x.vlb", trained=model_of(infer(table(200), {"text": "drop"}), seed=1))


def test_blocks_end_where_memory_would(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("velbo.compress.writing.MOST_ROWS", 64)
    rows = table(150, seed=7)
    assert same_bits(rows, there_and_back(trained, rows, tmp_path)[1])


def test_a_damaged_block_is_named_and_the_others_come_back(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("velbo.compress.writing.MOST_ROWS", 50)
    rows, path = table(150, seed=7), tmp_path / "x.vlb"
    compress(trained, rows, path)
    data = bytearray(path.read_bytes())
    second = data.index(b"BLCK", data.index(b"BLCK") + 1)
    data[second + 200] ^= 4
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"block 1, which begins at row 50, is damaged: .*; --skip-damaged gives"):
        decompress(path, trained=trained)
    lost = decompress(path, tmp_path / "y.parquet", trained=trained, skip_damaged=True)
    assert [(one.number, one.first) for one in lost] == [(1, 50)]
    left = velbo.open_source(tmp_path / "y.parquet").read()
    assert left.equals(pa.concat_tables([rows[:50], rows[100:]]).combine_chunks()) or len(left) == 100


def test_what_has_no_form_in_whole_numbers_is_refused_by_name(tmp_path):
    rows = table(40).select(["real", "name", "integer", "positive"])
    schema = infer(table(200).select(rows.column_names))
    cases = {
        "RefusedPrior": (
            {"prior": "maf"},
            "has no form in whole numbers; give this model one that has: velbo refit-prior RUN DATA --to NEW --prior",
        ),
        "posterior": ({"posterior": "iaf"}, "the posterior, has no form in whole numbers"),
        "given": ({"condition": ("name",)}, "has given fields, of which it has no law"),
        "refined": ({"refine": 2}, "--refine moves"),
        "vamp": ({"recipe": "ladder", "groups": (2,), "prior": "vamp"}, "VampPrior at the top of groups has no form"),
    }
    for recipe, message in cases.values():
        with pytest.raises(ConfigError, match=message):
            compress(model_of(schema, **recipe), rows, tmp_path / "x.vlb")
    schema = infer(table(200).select(rows.column_names), {"positive": "positive:gamma"})
    with pytest.raises(MissingMethodError, match="Gamma has no law in whole numbers"):
        compress(model_of(schema), rows, tmp_path / "x.vlb")
    with pytest.raises(ConfigError, match="a Linear has no form in whole numbers; compress with a model of recipe"):
        WholeModel(torch.nn.Linear(2, 2))
    with pytest.raises(ConfigError, match="a list cannot be compressed as it is"):
        compress(model_of(infer(rows)), [1, 2], tmp_path / "x.vlb")
    with pytest.raises(DataError, match="there are no rows to compress"):
        compress(model_of(infer(rows)), rows[:0], tmp_path / "x.vlb")
    assert not (tmp_path / "x.vlb").exists()


@pytest.mark.parametrize("prior", ["standard", "mixture"])
def test_a_model_whose_prior_was_refused_codes_when_it_is_given_another(prior, tmp_path):
    """What the refusal says to type."""
    rows = table(60, seed=1).select(["real", "name", "integer", "gaps"])
    trained = model_of(infer(table(200).select(rows.column_names)), prior="real-nvp")
    with pytest.raises(ConfigError, match="--prior mixture"):
        compress(trained, rows, tmp_path / "x.vlb")
    other, _ = refit(trained, rows, prior, None, TrainingConfig(Budget(epochs=1)))
    assert same_bits(rows, there_and_back(other, rows, tmp_path)[1])


def test_columns_whose_names_are_no_text_are_refused():
    form = TableForm.of(pa.schema({"caf\u00e9": pa.int64()}))
    bad = base64.b64decode(form.schema).replace("\u00e9".encode(), b"\xd3\xd3")
    with pytest.raises(DataError, match="what the file says of its columns is damaged"):
        TableForm(base64.b64encode(bad).decode()).arrow()


def test_a_field_that_a_later_velbo_knows_more_of_has_the_same_hash(trained):
    """As long as that is the default; anything else that a model says of itself matters."""

    @dataclass(frozen=True)
    class More(Field):
        new: int = 0

    def hashed(**new: int) -> str:
        of_fields = ({f.name: getattr(one, f.name) for f in fields(Field) if f.init} for one in trained.schema.fields)
        schema = replace(trained.schema, fields=tuple(More(**one, **new) for one in of_fields))
        return model_hash(SimpleNamespace(schema=schema, recipe=trained.recipe, model=trained.model))  # type: ignore

    assert hashed() == model_hash(trained)
    assert hashed(new=1) != model_hash(trained)


def test_another_version_is_refused_in_a_line(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("velbo.compress.writing.VERSION", 1)
    compress(trained, table(20), tmp_path / "x.vlb")
    with pytest.raises(DataError, match=r"^.*x.vlb: it is of format 1, and this velbo reads format 3; .*$"):
        decompress(tmp_path / "x.vlb", trained=trained)


@pytest.mark.parametrize(
    "rows",
    [
        np.random.default_rng(0).integers(0, 256, (10, 9, 11), dtype=np.uint8),
        np.random.default_rng(0).random((10, 150)) < 0.3,
        np.random.default_rng(0).normal(size=(10, 101)),
        np.random.default_rng(0).poisson(3.0, (10, 97)),
    ],
    ids=["grids that are alike", "tables", "floats on grids of their own", "tables of several sizes"],
)
def test_wide_rows_whose_cells_are_coded_side_by_side(rows, tmp_path):
    """With a number of cells that the number of sides does not divide, and cells that the model does not have."""
    trained = model_of(infer(rows))
    assert codec_of(trained).n_sides > 1
    odd = rows.copy()
    if odd.dtype.kind == "f":
        odd[::7, 3], odd[5, 100] = np.nan, 1e300
    if odd.dtype.kind == "i":
        odd[::7, 3], odd[5, 96] = -1, 10**9
    assert there_and_back(trained, odd, tmp_path)[1].tobytes() == odd.tobytes()


@pytest.mark.parametrize(("more", "n_heads"), [(1, 1), (0, 0), (0, 2)])
def test_stacks_that_velbo_does_not_make_are_refused(more, n_heads, trained):
    """Chunks larger than any, and none or two states where one is left of all."""
    codec = codec_of(trained)
    stack = Stack(fresh_heads(n_heads), np.zeros(9, np.uint32), (codec.most_rows + more,), 0)
    with pytest.raises(DataError, match="its chunks are too large, or its states too many or too few"):
        pop_rows(codec, stack, Patterns(np.ones((1, codec.n_dims), bool), np.array([1])))


def test_a_stack_is_as_long_as_the_bound_says():
    """2,000 rows of a model with random weights: within 0.3 % and 1 kB of the bound by one sample a row, whose own
    standard error is 4 bits a row over the root of the rows."""
    rows = np.random.default_rng(0).integers(0, 4, (2000, 6), dtype=np.uint8)
    trained = model_of(infer(rows[:, None, :], kind="byte", levels=4), latent=2)
    codec = codec_of(trained)
    placed = codec.placed(rows.astype(np.float64))
    stack = push_rows(codec, placed, *Patterns.of(placed.coded))
    bound = -trained.evaluate(rows[:, None, :], samples=64).elbo / np.log(2) * len(rows)
    taken = 32 * len(stack.words) + 64 * len(stack.heads)
    assert taken == pytest.approx(bound, rel=0.003, abs=8000)


def test_rows_in_any_order_of_many_lanes(tmp_path):
    """Lanes are begun with words of the stack before the numbers of a chunk's rows are popped."""
    rows = np.random.default_rng(0).integers(0, 4, (300, 3, 40), dtype=np.uint8)
    trained = model_of(infer(rows, kind="byte", levels=4))
    again = there_and_back(trained, rows, tmp_path, any_order=True)[1]
    assert sorted(row.tobytes() for row in again) == sorted(row.tobytes() for row in rows)
