"""A recipe of one's own trains, is saved, loaded, resumed and refitted like any other; no file imports it."""

from __future__ import annotations

import json
import re
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from contracts.own_parts import PATH, module_here
from velbo import (
    Budget,
    Conditional,
    Plan,
    Recipe,
    TrainedModel,
    TrainingConfig,
    VAEEstimator,
    carry_out,
    fit,
    load,
    plan,
    refit,
)
from velbo.build import import_path
from velbo.build.own import maker
from velbo.config import Machine
from velbo.errors import ConfigError, RunError
from velbo.training import Run

SHORT = TrainingConfig(Budget(epochs=2))
RNG = np.random.default_rng(0)
ROWS = pd.DataFrame({"a": RNG.normal(size=80), "b": RNG.normal(size=80) * 3 + 1, "c": RNG.integers(0, 2, 80)})
ROWS.loc[3, "a"] = np.nan


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with module_here(tmp_path):
        yield tmp_path


def forget() -> None:
    """As in a new process."""
    sys.modules.pop("my_parts", None)


def test_it_is_trained_saved_and_loaded(here):
    recipe = Recipe(PATH, latent=2, hidden=(6,))
    trained = fit(ROWS, recipe, run="run", training=SHORT)
    assert trained.recipe.recipe == PATH
    assert type(trained.model.encoder).__name__ == "Encoder"
    assert trained.model.encoder[2][0].out_features == 6  # type: ignore[index]
    scores = trained.log_likelihood(ROWS, 20)
    trained.save("copy")
    make = maker(PATH)
    assert import_path(make) == PATH
    for path in ("run", "copy"):
        for model in (PATH, make):
            forget()
            again = load(path, model=model)
            assert isinstance(again, TrainedModel)
            np.testing.assert_array_equal(again.log_likelihood(ROWS, 20), scores)
            np.testing.assert_array_equal(again.encode(ROWS), trained.encode(ROWS))
            pd.testing.assert_frame_equal(again.sample(5), trained.sample(5))
            assert again.impute(ROWS).notna().all(axis=None)


def test_a_file_names_a_module_and_none_is_imported(here):
    """config.json may be a stranger's, and its module would run."""
    fit(ROWS, PATH, run="run", training=SHORT)
    VAEEstimator(recipe=PATH, max_epochs=1).fit(ROWS[["a", "b"]]).save("estimator")
    forget()
    said = re.escape(
        f"its parts are made by '{PATH}', and velbo runs no code that a file names; if that module is yours, say so: "
        f"--model {PATH} on the command line, model='{PATH}' in Python"
    )
    found = Plan.from_json(Run("run").config())
    for call in (
        lambda: load("run"),
        lambda: TrainedModel.load("run"),
        lambda: found.build(),
        lambda: carry_out(found, ROWS),
        lambda: VAEEstimator.load("estimator"),
    ):
        with pytest.raises(ConfigError, match=f"^{said}$"):
            call()
    assert "my_parts" not in sys.modules


def test_an_estimator_takes_the_path_that_was_given_again(here):
    x = ROWS[["a", "b"]]
    estimator = VAEEstimator(recipe=PATH, max_epochs=1, random_state=0).fit(x)
    estimator.save("estimator")
    again = VAEEstimator.load("estimator", model=maker(PATH))
    assert again.recipe == PATH
    np.testing.assert_array_equal(again.score_samples(x), estimator.score_samples(x))
    np.testing.assert_array_equal(again.fit(x).transform(x), estimator.transform(x))
    # a file that hides a path beside a harmless plan
    VAEEstimator(recipe="mlp", max_epochs=1).fit(x).save("other")
    record = json.loads((here / "other" / "estimator.json").read_text())
    record["parameters"]["recipe"] = PATH
    (here / "other" / "estimator.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match=r"names another recipe than config\.json"):
        VAEEstimator.load("other")


def test_a_run_that_was_stopped_ends_with_the_same_bits(here, monkeypatch):
    """Stopped after one epoch of three, and resumed by a plan that was read from its folder."""
    training = TrainingConfig(Budget(epochs=3))
    whole = fit(ROWS, PATH, run="whole", training=training)

    def stop(self, *_, **__):
        if len(Run("parted").metrics()) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("velbo.training.loop.Trainer._show", stop)
        patch.setattr("velbo.training.loop.CHECKPOINT_SECONDS", 0.0)
        with pytest.raises(KeyboardInterrupt):
            fit(ROWS, PATH, run="parted", training=training)
    forget()
    folder = Run("parted")
    saved = folder.read_checkpoint()
    assert saved is not None
    assert saved[0].epoch < 3
    resumed = carry_out(Plan.from_json(folder.config()), ROWS, folder, model=PATH)
    for name, t in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], t), name
    assert folder.metrics() == Run("whole").metrics()


def test_weights_are_a_function_of_the_seed_though_the_module_draws_numbers(here):
    """The module is imported by the first of two builds, and by that one alone."""
    forget()
    what = plan(ROWS, PATH, training=SHORT)
    forget()
    first, second = what.build(PATH).state_dict(), what.build(PATH).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = plan(ROWS, PATH, training=TrainingConfig(Budget(epochs=2), machine=Machine(seed=1))).build(PATH)
    assert not all(torch.equal(t, first[name]) for name, t in other.state_dict().items())


def test_the_plan_has_the_latents_that_the_model_has(here):
    assert plan(ROWS, "my_parts:three", training=SHORT).recipe.latent == 3
    assert plan(ROWS, Recipe(PATH, latent=5), training=SHORT).recipe.latent == 5
    said = "latent 5 was asked for, and recipe 'my_parts:three' gives 3 latents; let it use recipe.n_latents"
    with pytest.raises(ConfigError, match=said):
        plan(ROWS, Recipe("my_parts:three", latent=5))
    trained = fit(ROWS, "my_parts:three", training=SHORT)
    assert trained.encode(ROWS).shape == (80, 3)
    assert len(trained.decode(np.zeros((4, 3)))) == 4


def test_another_prior_by_name_goes_in_the_place_of_its_own(here):
    own, named = plan(ROWS, PATH, training=SHORT), plan(ROWS, Recipe(PATH, prior="mixture", components=4))
    assert type(own.build(PATH).prior).__name__ == "LearnedNormal"
    assert type(named.build(PATH).prior).__name__ == "MixturePrior"
    trained = fit(ROWS, PATH, training=SHORT)
    changed, gain = refit(trained, ROWS, "real-nvp", training=SHORT)
    assert np.isfinite(gain)
    assert type(trained.model.prior).__name__ == "LearnedNormal"
    changed.save("better")
    again = TrainedModel.load("better", PATH)
    np.testing.assert_array_equal(again.log_likelihood(ROWS, 5), changed.log_likelihood(ROWS, 5))


def test_a_model_with_terms_and_a_view_alone_does_all_that_it_does_with_parts(here):
    """The same model, hidden behind the protocol: the same bits everywhere; what needs the parts is refused."""
    parts, viewed = (
        fit(ROWS, Recipe(path, latent=2), training=SHORT, run=name)
        for path, name in ((PATH, "parts"), ("my_parts:viewed", "viewed"))
    )
    assert type(viewed.model).__name__ == "TermsAndView"
    viewed = TrainedModel.load("viewed", "my_parts:viewed")
    z = np.linspace(-1, 1, 8).reshape(4, 2)
    for call in (
        lambda t: t.encode(ROWS),
        lambda t: t.log_likelihood(ROWS, 5),
        lambda t: t.contributions(ROWS, 3),
        lambda t: t.decode(z).to_numpy(),
        lambda t: t.reconstruct(ROWS).to_numpy(),
        lambda t: t.sample(7, seed=3).to_numpy(),
        lambda t: t.sample(7, seed=3, mean=True).to_numpy(),
        lambda t: t.impute(ROWS, 20).to_numpy(),
        lambda t: t.interpolate(ROWS[:2], ROWS[2:4], 3),
    ):
        np.testing.assert_array_equal(call(viewed), call(parts))
    assert viewed.evaluate(ROWS, 5) == parts.evaluate(ROWS, 5)
    with pytest.raises(ConfigError, match=r"a prior is put into a VAE.* or a Hierarchy, and this model"):
        refit(viewed, ROWS, "learned", training=SHORT)
    with pytest.raises(ConfigError, match=r"gives a TermsAndView, and prior 'learned' goes into a velbo\.VAE"):
        plan(ROWS, Recipe("my_parts:viewed", prior="learned"))


def test_a_conditional_model_of_ones_own(here):
    recipe = Recipe("my_parts:conditional", condition=("c",))
    trained = fit(ROWS, recipe, run="run", training=SHORT)
    assert isinstance(trained.model, Conditional)
    again = TrainedModel.load("run", "my_parts:conditional")
    pd.testing.assert_frame_equal(again.sample(6, given={"c": 1}), trained.sample(6, given={"c": 1}))
    with pytest.raises(ConfigError, match=r"gives a model without a condition, and fields are given \(c\)"):
        plan(ROWS, Recipe(PATH, condition=("c",)))


def test_what_is_no_recipe_is_refused_before_anything_is_written(here):
    (here / "broken.py").write_text("x = 1\ndef make(:\n")
    (here / "needs.py").write_text("import a_module_that_is_not_there\n")
    for path, said in {
        "absent:make": r"recipe 'absent:make': there is no module 'absent' in this folder or on Python's path",
        "my_parts.absent:make": r"there is no module 'my_parts.absent'",
        "my_parts:maek": r"there is no function 'maek' in my_parts. Did you mean 'make'\?",
        "my_parts:number": r"there is no function 'number' in my_parts",
        ":make": r"recipe ':make': an import path is written module:function, as in my_module:make",
        "my_parts:": r"an import path is written module:function",
        ".my_parts:make": r"recipe '.my_parts:make' raised",
        "broken:make": r"recipe 'broken:make' raised SyntaxError: .* \(broken.py, line 2\)",
        "needs:make": r"raised ModuleNotFoundError: No module named 'a_module_that_is_not_there' \(.*, line \d+\)",
        "my_parts:fails": r"'my_parts:fails' raised ZeroDivisionError: division by zero \(my_parts.py, line \d+\)",
        "my_parts:nothing": r"gives a dict, and a torch module with terms and given is wanted: return",
        "os:getcwd": r"recipe 'os:getcwd' raised TypeError",
        "my_parts:tuple_": r"the encoder gives a tuple, and a torch distribution of batch shape \(B,\)",
    }.items():
        with pytest.raises(ConfigError, match=said):
            fit(ROWS, path, run="run", training=SHORT)
        assert not (here / "run").exists()
    fit(ROWS, "mlp", run="run", training=SHORT)
    for given in (PATH, maker(PATH)):
        with pytest.raises(ConfigError, match=r"recipe 'mlp' is velbo's and takes no parts from elsewhere"):
            TrainedModel.load("run", given)
    with pytest.raises(ConfigError, match=r"x\.npy is no run folder, as there is no config\.json in it"):
        load("x.npy", model=PATH)


def test_load_takes_rows_of_a_file_and_a_run_of_a_folder(here):
    fit(ROWS, "mlp", run="digits", training=SHORT)
    assert isinstance(load(here / "digits"), TrainedModel)
    assert isinstance(load("./digits"), TrainedModel)
    assert isinstance(load("digits"), np.ndarray)  # what is built in goes first, as in every verb
    np.save("x.npy", np.eye(3))
    np.testing.assert_array_equal(load("x.npy"), np.eye(3))


def test_weights_of_other_parts_are_refused(here):
    fit(ROWS, PATH, run="run", training=SHORT)
    with pytest.raises(RunError, match="come from different runs"):
        TrainedModel.load("run", "my_parts:three")
