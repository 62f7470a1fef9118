"""A plan is closed, and the same from Python, scikit-learn and the command line; JSON holds all of it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from contracts.commands import call
from velbo import ObjectiveConfig, Plan, Recipe, TrainedModel, TrainingConfig, VAEEstimator, fit, load, plan
from velbo.build import description
from velbo.config import Budget, Machine
from velbo.errors import ConfigError, RunError, SchemaError

DIGITS = load("digits")[:200]
ONE_EPOCH = TrainingConfig(Budget(epochs=1))


def test_plans_go_to_json_and_back():
    what = plan(DIGITS, Recipe("mlp"), objective=ObjectiveConfig("iwae", 5), training=ONE_EPOCH, source="digits")
    assert Plan.from_json(json.loads(json.dumps(what.to_json()))) == what
    frame = pd.DataFrame({"a": list("xyz") * 20, "b": np.arange(60) / 7, "c": [None, "Y"] * 30, "d": True})
    table = plan(frame, Recipe("mlp"), training=ONE_EPOCH)
    assert Plan.from_json(json.loads(json.dumps(table.to_json()))) == table


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d | {"recipee": 1}, "unknown key in config.json 'recipee'. Did you mean 'recipe'"),
        (
            lambda d: d | {"schema": {**d["schema"], "fields": [{**d["schema"]["fields"][0], "level": 3}]}},
            "unknown key in config.json: schema: fields 0 'level'. Did you mean 'levels'",
        ),
        (
            lambda d: d | {"recipe": d["recipe"] | {"latents": 3}},
            "config.json: recipe 'latents'. Did you mean 'latent'",
        ),
        (lambda d: d | {"recipe": d["recipe"] | {"latent": "three"}}, r"got `str` - at `\$.recipe.latent`"),
        (lambda d: d | {"recipe": d["recipe"] | {"latent": 0}}, "latent must be at least 1"),
        (lambda d: d | {"schema": {"fields": []}}, "no column is left"),
        (lambda d: d | {"training": 5}, r"at `\$.training`"),
    ],
)
def test_a_config_of_wrong_types_is_refused_with_its_place(change, said):
    what = plan(DIGITS, Recipe("mlp"), training=ONE_EPOCH).to_json()
    with pytest.raises((ConfigError, SchemaError), match=said):
        Plan.from_json(change(what))


def test_what_a_plan_says_is_told_without_its_parts():
    """For `velbo info`: of a part that is not there it tells the name; who makes a model of it is refused."""
    what = plan(DIGITS, Recipe("mlp"), training=ONE_EPOCH)
    assert Plan.facts(what.to_json()) == what
    record = what.to_json() | {"recipe": what.to_json()["recipe"] | {"recipe": "mpl"}}
    assert Plan.facts(record).recipe.recipe == "mpl"
    with pytest.raises(ConfigError, match=r"unknown recipe 'mpl'. Did you mean 'mlp'"):
        Plan.from_json(record)
    for n in (-1, 2**63):
        with pytest.raises(ConfigError, match=r"config.json: n_parameters must"):
            Plan.facts(what.to_json() | {"n_parameters": n})


def test_a_plan_whose_delta_was_left_out_is_still_told():
    """A config.json that somebody has edited; training it is refused elsewhere."""
    record = plan(DIGITS, Recipe("mlp"), training=ONE_EPOCH).to_json()
    record["training"]["privacy"] = {"epsilon": 3.0, "delta": None, "row_clip": 1.0, "noise": 1.0}
    assert description(Plan.facts(record))["privacy"] == "epsilon 3 at most"


def test_what_velbo_did_not_write_is_refused():
    for foreign in ({}, [], {"velbo": "0"}, None, {"versions": None}, {"versions": -1}, {"versions": "velbo"}):
        with pytest.raises(RunError, match="was not written by velbo"):
            Plan.from_json(foreign)


def frames() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(0)
    numbers = pd.DataFrame(
        {"rooms": rng.integers(1, 9, 80), "price": np.exp(rng.normal(5, 1, 80)), "x": rng.normal(size=80)}
    )
    mixed = numbers.assign(job=rng.choice(["nurse", "pilot"], 80), day=pd.date_range("2024-01-01", periods=80))
    mixed.loc[::5, "job"] = None
    return {"numbers": numbers, "mixed": mixed}


@pytest.mark.parametrize("name", ["numbers", "mixed"])
def test_a_frame_has_one_plan_from_python_scikit_learn_and_the_shell(name, tmp_path):
    """Fields, recipe, objective and choices agree; so do the weights after an epoch."""
    frame = frames()[name]
    frame.to_parquet(tmp_path / "rows.parquet")
    machine = Machine(device="cpu", seed=int(np.random.RandomState(0).randint(2**31)))
    python = fit(frame, "mlp", training=TrainingConfig(Budget(epochs=1), machine=machine))
    estimator = VAEEstimator(recipe="mlp", max_epochs=1, random_state=0, device="cpu").fit(frame).fitted_
    options = ["--recipe", "mlp", "--epochs", 1, "--seed", machine.seed, "--device", "cpu"]
    code, _, err = call("fit", tmp_path / "rows.parquet", "--run", tmp_path / "run", *options)
    assert code == 0, err
    shell = Plan.from_json(json.loads((tmp_path / "run" / "config.json").read_text()))

    def what(of: Plan) -> tuple[object, ...]:
        # the library's own names of types are those of the container that the rows came in
        fields = tuple(replace(f, native="", dtype="", reason=f.reason) for f in of.schema.fields)
        return fields, of.recipe, of.objective, of.training, of.choices

    assert what(python.plan) == what(estimator.plan) == what(shell)
    for a, b in zip(python.model.state_dict().values(), estimator.model.state_dict().values(), strict=True):
        assert a.equal(b)


def test_images_with_labels_have_one_plan_too(tmp_path):
    rows = {"image": DIGITS, "label": load("digits:image+label")["label"][:200]}
    np.savez(tmp_path / "rows.npz", **rows)
    recipe = Recipe("mlp", condition=("label",))
    python = plan(rows, recipe, training=ONE_EPOCH)
    name = f"{tmp_path / 'rows.npz'}:image+label"
    code, _, err = call("fit", name, "--run", tmp_path / "r", "--recipe", "mlp", "--condition", "label", "--epochs", 1)
    assert code == 0, err
    shell = Plan.from_json(json.loads((tmp_path / "r" / "config.json").read_text()))
    assert [replace(f, native="") for f in shell.schema.fields] == [replace(f, native="") for f in python.schema.fields]
    assert (shell.recipe, shell.choices, shell.data.fingerprint) == (
        python.recipe,
        python.choices,
        python.data.fingerprint,
    )


def test_every_saved_model_holds_its_whole_plan(tmp_path):
    """`info`, `resume` and `doctor` take what `save` and `refit-prior` wrote."""
    rows = tmp_path / "x.npy"
    np.save(rows, DIGITS)
    model = fit(DIGITS, Recipe("mlp", 2, (8,)), training=ONE_EPOCH, source=str(rows))
    model.save(tmp_path / "saved")
    refit = [
        "refit-prior",
        tmp_path / "saved",
        rows,
        "--to",
        tmp_path / "refitted",
        "--epochs",
        1,
        "--prior",
        "mixture",
    ]
    assert call(*refit)[0] == 0
    for folder in ("saved", "refitted"):
        code, out, err = call("info", tmp_path / folder, "--json")
        assert code == 0, err
        assert json.loads(out)["data"]["n_rows"] == 200
        learned = TrainedModel.load(tmp_path / folder).model.parameters()
        assert json.loads(out)["parameters"] == sum(p.numel() for p in learned)
        assert call("doctor", tmp_path / folder, rows, "--rows", 30, "--samples", 8)[0] == 0
    assert call("resume", tmp_path / "saved")[0] == 0
    assert "prior" in json.loads(call("info", tmp_path / "refitted", "--json")[1])["choices"]


def test_a_config_can_be_given_back(tmp_path):
    """The same plan, but for what is said beside it."""
    np.save(tmp_path / "x.npy", DIGITS)
    first = ["--recipe", "mlp", "--hidden", "8", "--latent", 3, "--epochs", 2, "--lr", 0.01, "--beta", 2]
    assert call("fit", tmp_path / "x.npy", "--run", tmp_path / "a", *first)[0] == 0
    again = ["--config", tmp_path / "a" / "config.json", "--epochs", 1, "--latent", 2]
    code, _, err = call("fit", tmp_path / "x.npy", "--run", tmp_path / "b", *again)
    assert code == 0, err
    a, b = (Plan.from_json(json.loads((tmp_path / n / "config.json").read_text())) for n in "ab")
    assert b.recipe == replace(a.recipe, latent=2)
    assert b.training == replace(a.training, budget=Budget(epochs=1))
    assert b.schema.fields[0].kind == a.schema.fields[0].kind


def test_rows_become_numbers_once_and_a_model_is_built_once(monkeypatch):
    """One fit converts the rows, draws the weights and decides the recipe a single time."""
    from velbo.build import defaults, models
    from velbo.rows.schema import Schema

    calls: dict[str, int] = {"numbers": 0, "build": 0, "recipe": 0}

    def counted(what: str, f):
        def call_(*arguments, **options):
            calls[what] += 1
            return f(*arguments, **options)

        return call_

    monkeypatch.setattr(Schema, "numbers", counted("numbers", Schema.numbers))
    monkeypatch.setattr(models, "build", counted("build", models.build))
    monkeypatch.setattr(defaults, "closed", counted("recipe", defaults.closed))
    fit(DIGITS, Recipe("mlp", 2, (8,)), training=ONE_EPOCH)
    assert calls == {"numbers": 1, "build": 1, "recipe": 1}
