"""A trained model with its plan: data in, data out, in the units of the data.

This is what Python, the scikit-learn estimators and the command line share. Encoding and scoring are deterministic:
posterior means, and Monte Carlo noise fixed by row and seed.

base        rows to numbers and back
filling     rows whose missing cells the model fills
making      rows that the model makes
measuring   what it says of rows
showing     pictures, pages, files to take along
"""

from __future__ import annotations

import copy
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..build import Maker, Plan, description, made_for, made_of
from ..build.size import least_parameters, n_parameters
from ..card import card
from ..checks import refuse_not_finite
from ..conditional import AnyModel
from ..errors import RunError
from ..evaluation import Evaluation, Reference
from ..hub import local_folder, upload
from ..tables import Shown, Table
from ..training import History, Run
from .making import Making
from .measuring import Measuring
from .showing import Showing


@dataclass(frozen=True, repr=False)
class TrainedModel(Making, Measuring, Showing, Shown):
    """A model and the plan that it was made by.

    Attributes:
        model: in evaluation mode.
        plan: all that it was built from and trained with.
        history: of its training; empty for a model without a run.
        typical: what a cell of each column is worth in most training rows, nats (see `velbo.evaluation.typical`), for
            `explain`; empty where nothing is known.
        reference: latents of training rows, by which `scores` tells how usual a row is; None where that is log p.
        dtype: of all computation; float64 makes scores independent of the order and number of rows to 1e-12.
    """

    model: AnyModel
    plan: Plan
    history: History = field(default_factory=History)
    dtype: torch.dtype = torch.float32
    typical: tuple[float, ...] = ()
    reference: Reference | None = None

    def __repr__(self) -> str:
        best = f"; best bound {self.history.best:.3f} nats" if math.isfinite(self.history.best) else ""
        return f"TrainedModel({made_of(self.plan)}; {made_for(self.plan)}{best})"

    def table(self) -> Table:
        """What it is made of and was trained on."""
        lines = description(self.plan) | {"parameters": f"{n_parameters(self.model):,}"}
        if math.isfinite(self.history.best):
            lines["best bound"] = f"{self.history.best:.3f} nats, after {self.history.steps} steps"
        return Table(tuple((name, text) for name, text in lines.items() if text))

    @classmethod
    def load(cls, path: str | Path, model: Maker | str | None = None) -> TrainedModel:
        """Rebuild a model from a run folder (or one written by `save`); nothing in it is executed.

        Args:
            path: of the folder.
            model: what makes the model, where its recipe is an import path, my_module:make: that path once more, which
                is then imported, or the function itself. The path that the folder names is imported for nobody.

        Raises:
            RunError: if the folder is no run, or its files are damaged or do not belong together.
            ConfigError: if config.json holds a value of another type or an unknown key, or names an import path that
                was not given once more.
        """
        run = Run(path)
        plan = Plan.from_json(run.config(), str(run.config_file))
        found = cls.rebuilt(plan, run.read_model(), run.read_typical(), model, (run.model_file, run.config_file))
        refuse_not_finite(found.model, run.model_file)
        return replace(found.with_reference(run.read_reference()), history=run.history())

    @classmethod
    def rebuilt(
        cls,
        plan: Plan,
        weights: Mapping[str, Tensor],
        typical: tuple[float, ...] = (),
        model: Maker | str | None = None,
        where: tuple[str | Path, str | Path] = ("the weights", "the plan"),
    ) -> TrainedModel:
        """From its parts.

        Args:
            plan: that it was built from.
            weights: of all its parts.
            typical: see the attribute.
            model: as for `load`.
            where: names of weights and plan in messages.

        Raises:
            RunError: if they do not belong together.
        """
        # what a small file says of a large model is not believed, and no memory asked for
        fits = least_parameters(plan.schema, plan.recipe) <= sum(t.numel() for t in weights.values())
        built = plan.build(model) if fits else None
        if built is None or _forms(built.state_dict()) != _forms(weights):
            raise RunError(f"{where[0]} does not fit {where[1]}: they come from different runs")
        if len(typical) not in (0, plan.schema.n_dims):
            raise RunError(f"typical.json does not fit {where[1]}: they come from different runs")
        built.load_state_dict(weights)
        return cls(built.eval(), plan, typical=typical)

    def with_reference(self, tensors: Mapping[str, Tensor] | None) -> TrainedModel:
        """The same with latents of training rows, as `Reference.tensors` gave them, if its plan asks for them.

        Raises:
            RunError: if they are none of this model.
        """
        if tensors is None or not self.plan.n_neighbors:
            return self
        return replace(self, reference=Reference.of(tensors, self.plan.n_neighbors, self.n_latents))

    def save(
        self, path: str | Path, others: Mapping[str, Any] | None = None, evaluation: Evaluation | None = None
    ) -> None:
        """Write config.json, model.safetensors, typical.json and the card README.md into a folder, over a model that
        was saved there.

        Args:
            path: of the folder.
            others: name of a further JSON file -> what it holds.
            evaluation: figures for the card.

        Raises:
            RunError: if the folder holds a training run, or cannot be written, or weights are not finite.
        """
        refuse_not_finite(self.model, Path(path))
        text = card(self.plan, self.history.metrics, evaluation)
        known = None if self.reference is None else self.reference.tensors()
        Run(path).save(self.plan.to_json(), self.model.state_dict(), self.typical, others, text, known)

    def save_pretrained(self, path: str | Path, evaluation: Evaluation | None = None) -> None:
        """`save`, under the name that users of the Hugging Face Hub know."""
        self.save(path, evaluation=evaluation)

    @classmethod
    def from_pretrained(
        cls, name: str | Path, revision: str | None = None, token: str | None = None, model: Maker | str | None = None
    ) -> TrainedModel:
        """`load` a folder, or a repository of the Hub by its name, "user/name"; nothing in it is executed.

        Args:
            name: of the folder or the repository.
            revision: branch, tag or commit of a repository.
            token: of the Hub; that of its login if not given.
            model: as for `load`.

        Raises:
            RunError: if there is neither, the Hub cannot be reached, or the files are damaged.
            MissingExtraError: if huggingface_hub is needed and not installed.
        """
        return cls.load(local_folder(name, revision, token), model)

    def push_to_hub(
        self,
        name: str,
        private: bool | None = None,
        token: str | None = None,
        message: str | None = None,
        evaluation: Evaluation | None = None,
    ) -> str:
        """Write the model and its card into a repository of the Hub, and return the commit's address.

        The card tells names, ranges and categories of the fields; the plan holds more. See that they may be seen.

        Args:
            name: "user/name"; the repository is made if it is not there.
            private: whether a new repository is.
            token: of the Hub; that of its login if not given.
            message: of the commit.
            evaluation: figures for the card.

        Raises:
            RunError: if the Hub does not take it.
            MissingExtraError: if huggingface_hub is not installed.
        """
        with tempfile.TemporaryDirectory() as folder:
            self.save(folder, evaluation=evaluation)
            return upload(Path(folder), name, private, token, message)

    def to(self, dtype: torch.dtype) -> TrainedModel:
        """The same model computing in another precision; this one is left as it is."""
        if dtype == self.dtype:
            return self
        return replace(self, model=copy.deepcopy(self.model).to(dtype), dtype=dtype)


def _forms(tensors: Mapping[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (t.shape, t.dtype) for name, t in tensors.items()}
