"""Exported files give what velbo gives: every recipe once, every likelihood once, both formats; and what is refused.

The full product of recipes and likelihoods is benchmarks/export_parity.py.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from contracts.commands import call
from contracts.exporting import IMAGES, heated, rows_for, untrained
from velbo import Recipe
from velbo.errors import ConfigError
from velbo.export import Decoder, Encoder, Score
from velbo.export.parity import difference, rows_within
from velbo.likelihoods import LIKELIHOODS

pytest.importorskip("onnxscript", reason="needs velbo[export]")
runtime = pytest.importorskip("onnxruntime", reason="needs velbo[export]")

TABLES = [name for name, head in LIKELIHOODS.items() if head.kinds[0] != "byte"]
DEALT = {"mlp": TABLES[:7], "resmlp": TABLES[7:13], "ladder": TABLES[13:]}
RECIPES = {
    "mlp": Recipe("mlp", 2, (8,)),
    "resmlp": Recipe("resmlp", 2, (8,)),
    "ladder": Recipe("ladder", 2, (8,), groups=(2,)),
}


def run(path, **inputs):
    """Outputs of an ONNX file, as someone without velbo has them."""
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_likelihood_scores_alike(recipe, tmp_path):
    """With parameters of cells up to 100, where log(sigmoid(x)) and its like are infinite."""
    x, kinds = rows_for(DEALT[recipe])
    model = heated(untrained(x, RECIPES[recipe], columns=kinds))
    assert model.export(tmp_path / "m.onnx", "score", samples=4).difference <= 1e-4


def test_a_decoder_of_several_likelihoods_and_what_is_given(tmp_path):
    """A mean by a series, one by a sum over nodes, a mode; a category and a number given."""
    x, kinds = rows_for(["discretized-mixture", "logit-normal", "ordered-logistic", "categorical", "normal"])
    model = untrained(x, Recipe("mlp", 2, (8,), condition=("categorical", "normal")), columns=kinds)
    made = model.export(tmp_path / "m.onnx", "decoder")
    assert made.inputs == ("z", "given")
    assert made.difference <= 1e-5


def test_an_encoder_of_images_is_for_any_number_of_rows(tmp_path):
    """The file's embedding of levels, which have no noise, is `encode`'s."""
    model = untrained(IMAGES, Recipe("conv", 2, (3, 4)))
    model.export(tmp_path / "m.onnx")
    for n in (1, 7, len(IMAGES)):
        mean, deviation = run(tmp_path / "m.onnx", values=IMAGES[:n].reshape(n, -1).astype(np.float64))
        np.testing.assert_allclose(mean, model.encode(IMAGES[:n]), atol=1e-5)
        assert (deviation > 0).all()


def test_a_diffusion_decodes(tmp_path):
    x, kinds = rows_for(["normal"], missing=False)
    made = untrained(x, Recipe("diffusion", hidden=(8,)), columns=kinds).export(tmp_path / "m.onnx", "decoder")
    assert made.difference <= 1e-5


@pytest.mark.parametrize("part", ["encoder", "decoder", "score"])
def test_files_of_torch_export_give_the_same_bits(part, tmp_path):
    """Of a conditional model with missing cells, categories, and a library size."""
    x, kinds = rows_for(["poisson", "categorical"])
    recipe = Recipe("mlp", 2, (8,), condition=("categorical",), library_size=True)
    made = untrained(x, recipe, columns=kinds).export(tmp_path / "m.pt2", part, samples=4)
    assert made.difference == 0
    assert made.inputs == (("z", "given", "library_size") if part == "decoder" else ("values",))


def test_what_a_file_takes_is_said_beside_it_and_in_it(tmp_path):
    """Enough to make the numbers of a row by hand: the place of every field, and the names of codes."""
    x, kinds = rows_for(["categorical", "normal"])
    model = untrained(x, Recipe("mlp", 2, (8,)), columns=kinds)
    model.export(tmp_path / "m.onnx")
    about = json.loads((tmp_path / "m.json").read_text())
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"))
    assert json.loads(session.get_modelmeta().custom_metadata_map["velbo"]) == about
    values = np.full((len(x), 3), np.nan)
    for field in about["fields"]:
        cells = x[field["name"]]
        codes = [field["categories"].index(v) for v in cells] if "categories" in field else cells
        values[:, field["first_cell"]] = codes
    np.testing.assert_allclose(run(tmp_path / "m.onnx", values=values)[0], model.encode(x), atol=1e-5)


def test_graphs_are_the_models_own_functions():
    """mean is `encode`, values are `decode` before rounding, and the score is `log_likelihood` by other noise: with 512
    draws each, of rows whose bounds scatter by 0.02 nats, the means over 62 rows are within 0.05.
    """
    x, kinds = rows_for(["student-t"], missing=False)
    model = untrained(x, Recipe("mlp", 2, (8,)), columns=kinds)
    values = torch.from_numpy(model.schema.numbers(x))
    with torch.no_grad():
        np.testing.assert_allclose(Encoder(model.model, model.plan)(values)[0], model.encode(x), atol=1e-6)
        z = torch.randn(5, 2)
        decoded = Decoder(model.model, model.plan)(z).numpy()[:, 0]
        np.testing.assert_allclose(decoded, model.decode(z.numpy())["student-t"], atol=1e-5)
        scores = Score(model.model, model.plan, 512)(values).numpy()
    assert abs((scores - model.log_likelihood(x, samples=512)).mean()) < 0.05


def test_noise_of_the_data_is_the_same_for_every_row():
    """Binarised images: equal rows have equal scores, in any company, and another seed gives another number."""
    model = untrained(IMAGES, Recipe("mlp", 2, (8,), likelihood="bernoulli"))
    values = torch.from_numpy(model.schema.numbers(IMAGES[[0, 1, 0]]).astype(np.float64))
    with torch.no_grad():
        a, b, c = Score(model.model, model.plan, 4)(values)
        other = Score(model.model, model.plan, 4, seed=1)(values)
    assert a == c != b
    assert other[0] != a


@pytest.mark.parametrize(
    ("recipe", "part", "says"),
    [
        ({"refine": 2}, "encoder", "'refine' takes gradients"),
        ({"prior": "diffusion"}, "score", "estimate along a path of random steps"),
        ({"missing": "self-masked"}, "score", r"why cells are missing .*write it as \.pt2"),
    ],
)
def test_what_has_no_graph_is_refused_by_name(recipe, part, says, tmp_path):
    x, kinds = rows_for(["normal"])
    model = untrained(x, Recipe("mlp", 2, (8,), **recipe), columns=kinds)
    with pytest.raises(ConfigError, match=says):
        model.export(tmp_path / "m.onnx", part)
    assert not list(tmp_path.iterdir())


def test_the_score_of_anomalies_is_refused_as_log_p_is_another_number(tmp_path):
    """Its encoder is not, and a model whose score is log p has a graph of it."""
    x, kinds = rows_for(["normal-narrow"] * 3)
    found = untrained(x, Recipe("mlp", 2, (8,)), columns=kinds)
    model = replace(found, plan=replace(found.plan, n_neighbors=20))
    with pytest.raises(ConfigError, match=r"latents of training rows.*AnomalyDetector\(n_neighbors=0\)"):
        model.export(tmp_path / "m.pt2", "score", samples=2)
    assert not (tmp_path / "m.pt2").exists()
    assert model.export(tmp_path / "m.pt2", "encoder").what == "encoder"
    assert found.export(tmp_path / "s.pt2", "score", samples=2).what == "score"


def test_other_suffixes_and_parts_are_refused(tmp_path):
    x, kinds = rows_for(["normal"])
    model = untrained(x, Recipe("mlp", 2, (8,)), columns=kinds)
    with pytest.raises(ConfigError, match=r"exported as \.onnx or \.pt2"):
        model.export(tmp_path / "m.h5")
    with pytest.raises(ConfigError, match=r"unknown part to export 'encode'\. Did you mean 'encoder'"):
        model.export(tmp_path / "m.pt2", "encode")


def test_a_file_that_gives_other_numbers_is_not_written(tmp_path, monkeypatch):
    x, kinds = rows_for(["normal"])
    model = untrained(x, Recipe("mlp", 2, (8,)), columns=kinds)
    right = Encoder.forward

    def wrong(self, *inputs):
        return tuple(t + 1e-4 * torch.compiler.is_compiling() for t in right(self, *inputs))

    monkeypatch.setattr(Encoder, "forward", wrong)
    with pytest.raises(ConfigError, match=r"would differ from velbo's by .*e-04, and 1e-05 is allowed"):
        model.export(tmp_path / "m.pt2")
    assert not list(tmp_path.iterdir())


def test_a_missing_number_is_no_small_difference():
    """NaN on one side, another shape, and units of the data: 3 decimals of a column with scale 1,000 are 1e-6."""
    x, kinds = rows_for(["normal"], missing=False)
    graph = Decoder((model := untrained(x, Recipe("mlp", 2, (8,)), columns=kinds)).model, model.plan)
    v = rows_within(model.plan).numpy()
    scale = model.schema.field("normal").one("scale")
    assert difference(graph, v, v) == 0
    assert difference(graph, v + scale, v) == pytest.approx(1, rel=0.9)
    assert difference(graph, np.where(v == v[0], np.nan, v), v) == np.inf
    assert difference(graph, v[1:], v) == np.inf


def test_the_verb(tmp_path):
    x, kinds = rows_for(["normal"])
    untrained(x, Recipe("mlp", 2, (8,)), columns=kinds).save(tmp_path / "model")
    code, _, err = call("export", tmp_path / "model", "-o", tmp_path / "m.pt2", "--what", "decoder")
    assert code == 0
    assert "wrote the decoder" in err
    assert "z -> values" in err


def test_a_decoder_whose_cells_depend_on_each_other(tmp_path):
    """One cell after another, each by the point estimates of those before it."""
    x, kinds = rows_for(["discretized-mixture", "ordered-logistic", "categorical", "normal"], missing=False)
    model = untrained(x, Recipe("autoregressive", 2, (8,)), columns=kinds)
    assert model.export(tmp_path / "m.onnx", "decoder").difference <= 1e-5
