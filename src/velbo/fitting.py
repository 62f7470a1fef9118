"""From rows to a fitted model: schema, recipe, objective and training put together; and the same again to resume."""

from __future__ import annotations

import copy
import platform
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from . import __version__
from .config import ObjectiveConfig, Recipe, TrainingConfig
from .data import Data, Rows, Schema, read, rows_of, understand
from .errors import ConfigError, RunError, unknown
from .files import read_json, read_tensors, write_json, write_tensors
from .fitted import FittedVAE
from .objectives import make_objective
from .recipes import build, encoding, reasons, resolve, settled
from .training import Alone, History, Logger, Run, Team, Trainer, decide, device_of, launch, refit_prior


@dataclass(frozen=True)
class Plan:
    """All that config.json says, and so all that a run can be rebuilt from."""

    schema: Schema
    recipe: Recipe
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    data: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, str] = field(default_factory=dict)
    """What was left open, what was chosen and why."""

    def to_json(self) -> dict[str, Any]:
        return {
            "velbo": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "schema": self.schema.to_json(),
            "recipe": self.recipe.to_json(),
            "objective": self.objective.to_json(),
            "training": self.training.to_json(),
            "data": self.data,
            "choices": self.choices,
        }

    @classmethod
    def from_json(cls, d: dict[str, Any]) -> Plan:
        """
        Raises:
            RunError: if a part is missing.
            ConfigError: if a key is unknown.
        """
        versions = {"velbo", "torch", "python"}
        parts = {"schema", "recipe", "objective", "training", "data", "choices"}
        for key in d:
            if key not in parts | versions:
                raise unknown("config key", key, parts | versions)
        try:
            return cls(
                Schema.from_json(d["schema"]),
                Recipe.from_json(d["recipe"]),
                ObjectiveConfig.from_json(d["objective"]),
                TrainingConfig.from_json(d["training"]),
                d["data"],
                d["choices"],
            )
        except (KeyError, TypeError) as error:
            raise RunError(f"config.json is not whole: {type(error).__name__}: {error}") from error

    def build(self) -> FittedVAE:
        """The untrained model; its initial weights are a function of the seed."""
        with torch.random.fork_rng():
            torch.manual_seed(self.training.machine.seed)
            return FittedVAE(build(self.recipe, self.schema), self.recipe, self.schema)


def plan(
    x: Any,
    recipe: Recipe,
    objective: ObjectiveConfig | None = None,
    training: TrainingConfig | None = None,
    schema: Schema | None = None,
    source: str = "",
) -> Plan:
    """What would be trained on these rows.

    Args:
        x: rows: an array; an array with labels, a `Data`; a data frame, whose columns are then modelled each by itself;
            or a `TableSource` on disk, which is trained on in a stream.
        recipe: the model.
        objective: the bound; the ELBO if not given.
        training: budget and the rest.
        schema: inferred from the rows if not given.
        source: where the rows come from, for `resume`.
    """
    training = training or TrainingConfig()
    device = device_of(training.machine.device)
    x = x.rows if isinstance(x, Data) and not recipe.condition else x
    schema = settled(schema or understand(x, as_array=recipe.likelihood not in ("auto", "mixed")))
    rows = rows_of(x, schema)
    objective = objective or ObjectiveConfig()
    samples = make_objective(**objective.to_json()).samples
    data = {"source": source, "rows": len(rows), "fingerprint": rows.fingerprint()}
    because, recipe = reasons(recipe, schema), resolve(recipe, schema)
    with torch.random.fork_rng(devices=[]):
        model = build(recipe, schema)
    training, choices = decide(training, len(rows), model, device)
    return Plan(schema, recipe, replace(objective, samples=samples), training, data, because | choices)


def fit(
    x: Any,
    what: Plan,
    run: Run | None = None,
    loggers: Sequence[Logger] = (),
) -> tuple[FittedVAE, History]:
    """Carry out a plan on its rows, continuing the run in the folder if there is one.

    Raises:
        Interrupted: on SIGINT or SIGTERM, after saving.
        TrainingError: if training cannot go on.
        RunError: if the rows are not those that the run was started on.
    """
    rows = rows_of(x, what.schema)
    if what.data and rows.fingerprint() != what.data["fingerprint"]:
        raise RunError(
            f"these data are not the ones that the run was started on ({what.data['rows']} rows, fingerprint "
            f"{what.data['fingerprint']}); give the same file, or start a new run"
        )
    machine = what.training.machine
    if machine.devices == 1:
        return _train(Alone(), what, rows, run, loggers)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        launch(
            machine.devices, device_of(machine.device).type, _work, what.to_json(), rows, run and run.path, loggers, out
        )
        fitted = what.build()
        fitted.model.load_state_dict(read_tensors(out / "model.safetensors"))
        fitted.model.eval()
        return fitted, History(**read_json(out / "history.json"))


def _train(team: Team, what: Plan, rows: Rows, run: Run | None, loggers: Sequence[Logger]) -> tuple[FittedVAE, History]:
    fitted = what.build()
    data = rows.encoded(encoding(what.recipe, what.schema))
    objective = make_objective(**what.objective.to_json())
    trainer = Trainer(fitted.model, data, objective, what.training, run, loggers, team)
    with ExitStack() as stack:
        for logger in loggers if team.rank == 0 else ():
            if isinstance(logger, AbstractContextManager):
                stack.enter_context(logger)
        history = trainer.run()
    fitted.model.to("cpu").eval()
    return fitted, history


def _work(
    team: Team, config: dict[str, Any], rows: Rows, run: Path | None, loggers: Sequence[Logger], out: Path
) -> None:
    """What each of several processes does."""
    fitted, history = _train(team, Plan.from_json(config), rows, Run(run) if run else None, loggers)
    if team.rank == 0:
        write_tensors(out / "model.safetensors", fitted.model.state_dict())
        write_json(out / "history.json", asdict(history))


def refit(
    fitted: FittedVAE, x: Any, prior: str, components: int | None = None, training: TrainingConfig | None = None
) -> tuple[FittedVAE, float]:
    """A model with a new prior, fitted to the aggregated posterior of its rows; see `refit_prior`.

    Args:
        fitted: trained; it is left as it is.
        x: rows that it was trained on.
        prior: a name, as in `Recipe`.
        components: of that prior, if it mixes.
        training: budget and the rest.

    Returns:
        The new model, and the gain of the ELBO in nats a row on held-out rows.
    """
    training = training or TrainingConfig()
    recipe = resolve(replace(fitted.recipe, prior=prior, components=components), fitted.schema)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.machine.seed)
        model = build(recipe, fitted.schema)
    for name in ("encoder", "decoder"):
        getattr(model, name).load_state_dict(getattr(fitted.model, name).state_dict())
    new, model.prior = model.prior, copy.deepcopy(fitted.model.prior)
    gain = refit_prior(model.eval(), fitted.store(x), new, training)
    return FittedVAE(model.eval(), recipe, fitted.schema), gain


def read_source(what: Plan, source: str | None) -> Any:
    """The rows of a run to be resumed.

    Raises:
        ConfigError: if neither the run nor the caller says where they are.
    """
    name = source or what.data.get("source")
    if not name:
        raise ConfigError("the run does not say where its data are; name them: velbo resume DIR --data DATA")
    if what.data.get("stream"):
        from .data.table_files import TableSource

        return TableSource(name)
    return read(name, what.schema)
