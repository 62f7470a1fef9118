"""A fitted estimator as a folder and as a pickle. Both hold the plan and the weights once, and nothing that is made of
them: neither copies in other precisions nor the optimizer's moments.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .. import __version__
from ..build import Maker, Plan, import_path, is_own
from ..errors import RunError
from ..files import read_json
from ..trained_model import TrainedModel
from ..training import Run

ESTIMATOR_FILE = "estimator.json"
MADE = ("module_", "_exact", "_moments")
"""Attributes that follow from others."""
SCORES = {"offset": "offset_", "mean": "score_mean_", "deviation": "score_deviation_"}


class Saved:
    """`save` and `load`, and what pickle asks for."""

    fitted_: TrainedModel
    recipe: Any

    def _keep(self, fitted: TrainedModel, history: list[dict[str, Any]]) -> None:
        raise NotImplementedError

    def save(self, path: str | Path) -> None:
        """Write a folder that `load` and the command line can read."""
        check_is_fitted(self)
        parameters = self.get_params()  # type: ignore[attr-defined]
        if not isinstance(parameters["random_state"], int | None):
            parameters["random_state"] = None
        record = {
            "velbo": __version__,
            "parameters": parameters,
            "n_iter": self.n_iter_,  # type: ignore[attr-defined]
            "history": self.history_,  # type: ignore[attr-defined]
            **{name: getattr(self, attribute) for name, attribute in SCORES.items()},
        }
        if hasattr(self, "decision_scores_"):
            record["decision_scores"] = self.decision_scores_.tolist()  # type: ignore[attr-defined]
        self.fitted_.save(path, {ESTIMATOR_FILE: record})

    @classmethod
    def load(cls, path: str | Path, model: Maker | str | None = None) -> Self:
        """The inverse of `save`; nothing in the files is executed.

        Args:
            path: of the folder.
            model: what makes the model, where its recipe is an import path; see `TrainedModel.load`.

        Raises:
            RunError: if the folder was not written by `save`, or is damaged.
            ConfigError: for such a recipe without ``model``.
        """
        record = read_json(Run(path).file(ESTIMATOR_FILE))
        try:
            given = record["parameters"].items()
            parameters: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in given}
            estimator, history = cls(**parameters), record["history"]
            for name, attribute in SCORES.items():
                setattr(estimator, attribute, record[name])
            if "decision_scores" in record:
                estimator._keep_scores(np.array(record["decision_scores"], np.float64))  # type: ignore[attr-defined]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RunError(f"{path}: not a saved estimator ({error})") from error
        estimator._keep(TrainedModel.load(path, model), history)
        if model is not None:  # fit imports it again: what was given here, not what the file names
            estimator.recipe = model if isinstance(model, str) else import_path(model)
        elif is_own(estimator.recipe):
            raise RunError(f"{path}: estimator.json names another recipe than config.json; save it again")
        schema = estimator.fitted_.schema
        estimator.n_features_in_ = sum(f.size for f in schema.fields)  # type: ignore[attr-defined]
        estimator._moments = {}  # type: ignore[attr-defined]
        if schema.container != "array" and all(f.key is None for f in schema.fields):
            names = np.asarray([f.name for f in schema.fields], dtype=object)
            estimator.feature_names_in_ = names  # type: ignore[attr-defined]
        return estimator

    def __getstate__(self) -> Any:
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        if "fitted_" not in state:
            return state
        kept = {name: value for name, value in state.items() if name not in MADE}
        return {**kept, "fitted_": _packed(self.fitted_)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        packed = state.get("fitted_")
        super().__setstate__(state)  # type: ignore[misc]
        if packed is not None:
            self._keep(_unpacked(packed), state["history_"])
            self._moments = {}


def _packed(fitted: TrainedModel) -> dict[str, Any]:
    from safetensors.torch import save

    weights = {name: t.detach().cpu().contiguous().clone() for name, t in fitted.model.state_dict().items()}
    packed = {"plan": fitted.plan.to_json(), "weights": save(weights), "typical": fitted.typical}
    return packed if fitted.reference is None else {**packed, "reference": save(fitted.reference.tensors())}


def _unpacked(packed: dict[str, Any]) -> TrainedModel:
    from safetensors.torch import load

    plan = Plan.from_json(packed["plan"])
    own = plan.recipe.recipe if is_own(plan.recipe.recipe) else None  # whoever unpickles runs code anyway
    known = load(packed["reference"]) if "reference" in packed else None
    return TrainedModel.rebuilt(plan, load(packed["weights"]), packed["typical"], own).with_reference(known)
