"""A trained model with its plan: data in, data out, in the units of the data.

This is what Python, the scikit-learn estimators and the command line share. Encoding and scoring are deterministic:
posterior means, and Monte Carlo noise fixed by row and seed. Rows come back as they came in: arrays as arrays, frames
in their own library, and of these only what the model fills in or makes anew is changed.
"""

from __future__ import annotations

import copy
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from .build import Maker, Plan, description, made_for, made_of
from .build.size import least_parameters
from .card import card
from .checks import refuse_not_finite, refuse_rows
from .conditional import AnyModel, Conditional
from .config import Recipe
from .errors import ConfigError, DataError, RunError, unknown
from .evaluation import Evaluation, contributions, evaluate, impute, multiple_imputations, score_rows
from .evaluation.bounds.log_likelihood import chunk_sizes, numbers_per_row
from .hub import local_folder, upload
from .model import LatentVariableModel, Viewed
from .prediction import Known, Prediction
from .rows import Schema, Store
from .rows.arrays import as_rows
from .rows.given import given_fields, given_names, given_numbers
from .runtime.devices import device_of
from .runtime.generators import stream_seed
from .tables import Shown, Table
from .terms import device_of_model
from .training import History, Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS_PER_CHUNK = 1024


@dataclass(frozen=True, repr=False)
class TrainedModel(Shown):
    """A model and the plan that it was made by.

    Attributes:
        model: in evaluation mode.
        plan: all that it was built from and trained with.
        history: of its training; empty for a model without a run.
        typical: what a cell of each column is worth in most training rows, nats (see `velbo.evaluation.typical`), for
            `explain`; empty where nothing is known.
        dtype: of all computation; float64 makes scores independent of the order and number of rows to 1e-12.
    """

    model: AnyModel
    plan: Plan
    history: History = field(default_factory=History)
    dtype: torch.dtype = torch.float32
    typical: tuple[float, ...] = ()

    def __repr__(self) -> str:
        best = f"; best bound {self.history.best:.3f} nats" if self.history.metrics else ""
        return f"TrainedModel({made_of(self.plan)}; {made_for(self.plan)}{best})"

    def table(self) -> Table:
        """What it is made of and was trained on."""
        lines = description(self.plan) | {"parameters": f"{sum(p.numel() for p in self.model.parameters()):,}"}
        if self.history.metrics:
            lines["best bound"] = f"{self.history.best:.3f} nats, after {self.history.steps} steps"
        return Table(tuple((name, text) for name, text in lines.items() if text))

    @property
    def schema(self) -> Schema:
        """What the rows are."""
        return self.plan.schema

    @property
    def recipe(self) -> Recipe:
        """What the model is made of."""
        return self.plan.recipe

    @property
    def given(self) -> tuple[str, ...]:
        """What the likelihood is conditioned on: names of fields, and "library size" for the sum l of a row's counts.
        Every figure of such a model is one of log p(x|given), which is another number than log p(x).
        """
        return (*self.recipe.condition, *(("library size",) if self.recipe.library_size else ()))

    @property
    def n_latents(self) -> int:
        """Z, of all groups together."""
        return self._with_parts.n_latents

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
        return replace(found, history=run.history())

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
        Run(path).save(self.plan.to_json(), self.model.state_dict(), self.typical, others, text)

    # the Hugging Face Hub

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

    def store(self, x: Any, what: str = "data") -> Store:
        """Check rows against the schema and encode them; rows that are encoded are given back.

        Raises:
            DataError: if they are no rows.
            SchemaError: if they do not fit.
        """
        if isinstance(x, Store):
            return x
        return Store.from_rows(self.schema.numbers(x, what), self.plan.encoding, self.dtype)

    # embeddings and back

    @torch.no_grad()
    def encode(self, x: Any, seed: int = 0) -> NDArray[Any]:
        """Posterior means, (N, Z)."""
        z = self._map(self.store(x), seed, lambda rows: self._with_parts.encode(rows).mean).numpy()
        refuse_rows(~np.isfinite(z).all(-1), "embedding")
        return z

    @torch.no_grad()
    def decode(self, z: Any) -> Any:
        """Point estimates of p(x|z) in the data's units, as rows of the data came.

        Raises:
            DataError: if the latents are not (N, Z) finite numbers.
            ConfigError: if the model is conditional.
        """
        latents, n_latents = as_rows(z, "latents"), self.n_latents
        if latents.ndim != 2 or latents.shape[1] != n_latents or np.isnan(latents).any():
            raise DataError(f"latents: {n_latents} finite numbers a row are needed, not shape {latents.shape}")
        parts = torch.tensor(latents, dtype=self.dtype).split(ROWS_PER_CHUNK)
        return self.schema.new(self._values(torch.cat([self._flat.point(part) for part in parts])))

    @torch.no_grad()
    def reconstruct(self, x: Any, seed: int = 0) -> Any:
        """x with every modelled cell as the model sees it: point estimates of p(x|z) at the posterior means. What is
        given, and all that is no part of the model, is as it was.
        """
        return self._remade(x, self._map(self.store(x), seed, self._with_parts.reconstruct))

    def sample(
        self,
        n: int,
        seed: int = 0,
        mean: bool = False,
        given: Any = None,
        balance: str | None = None,
        missing: bool = False,
    ) -> Any:
        """n new observations: draws of x, or with ``mean`` the point estimates of p(x|z).

        Columns stay within the range that training data had. Memory is that of the rows alone, however many, as
        they are drawn in chunks; all chunks before the last are the same for every n.

        Args:
            n: how many.
            seed: of the draw.
            mean: point estimates instead of draws.
            given: what is given in every row: a container of n rows with some of the fields, or a value a field. Of a
                conditional model fields of its condition are drawn from their empirical law if not given. Other fields
                may be given to any model: the rest of the row is then drawn by importance sampling, see
                `velbo.evaluation.draw_given`.
            balance: a given field of names, all of which shall be as frequent.
            missing: leave cells out as often as they were missing in training, field by field and at random. Without it
                every cell has a value, but of fields for which missing is a value of its own.

        Raises:
            DataError: if n is less than 1, ``given`` has not n rows, or it is too rare for the model to draw by.
            ConfigError: if ``given`` names a field that there is not, or not all that the model is conditioned on
                beside others; or if ``balance`` is no field of the condition.
            SchemaError: if it holds categories that training did not have.
        """
        if n < 1:
            raise DataError(f"the number of samples must be at least 1, not {n}")
        if given is None and balance is None:
            x = self._in_chunks(n, seed, lambda at, own: self._with_parts.sample(at.stop - at.start, own, mean))
            return self._new(x, seed if missing else None)
        if given is not None and not set(given_names(given)) <= set(self.recipe.condition):
            if balance is not None:
                raise ConfigError("rows are balanced by fields of the condition, and others are given; leave one out")
            x, known = self._known.draws(n, given, seed, mean)
            return self._new(x, seed if missing else None, known)
        c = self._condition(given, n) if given is not None else None
        if balance is not None:
            even = self._balanced(balance, n, seed)
            c = even if c is None else torch.where(c.isnan(), even.to(c), c)
        model = self._conditional
        x = self._in_chunks(
            n, seed, lambda at, own: model.sample(at.stop - at.start, own, mean, None if c is None else c[at])
        )
        return self._new(x, seed if missing else None)

    def _in_chunks(self, n: int, seed: int, drawn: Callable[[slice, int], Tensor]) -> Tensor:
        """n rows, drawn for (where they stand, a seed of their own), few enough at a time for a p(x|z) of a few MB.

        How many those are follows from the width of the model alone, so that a seed gives the same rows on any machine.
        """
        nothing = Store.from_rows(np.full((1, self.schema.n_dims), math.nan), self.plan.encoding, self.dtype)
        size = min(ROWS_PER_CHUNK, chunk_sizes(1, numbers_per_row(self.model, nothing), None)[0])
        parts = [slice(start, min(start + size, n)) for start in range(0, n, size)]
        return torch.cat([drawn(at, stream_seed(seed, f"rows from {at.start}") if at.start else seed) for at in parts])

    def variations(self, x: Any, n: int, groups: int = 1, seed: int = 0, mean: bool = False) -> list[Any]:
        """Rows like those of x: the first groups of latents are each row's own, those below are drawn anew.

        Args:
            x: rows.
            n: how many of each.
            groups: how many groups, from the top, are the row's own; a model of one group has no others.
            seed: of the draw.
            mean: point estimates of p(x|z) instead of draws.

        Returns:
            n times x, its modelled cells made by the model.

        Raises:
            ConfigError: for more groups than the model has.
        """
        if n < 1:
            raise DataError(f"the number of variations must be at least 1, not {n}")
        made = self._with_parts.variations(self.store(x).fixed(seed), n, groups, seed, mean)
        return [self._remade(x, each) for each in made]

    def what_if(self, x: Any, changes: Mapping[str, Any], seed: int = 0) -> Any:
        """Rows as they would be, were other values given: each row's own z, decoded under the changed condition.

        Args:
            x: rows as a conditional model was trained on.
            changes: given field -> its new value.
            seed: of all noise.

        Returns:
            x with its modelled cells as point estimates, and the changed fields of the condition.
        """
        model, now = self._conditional, self.store(x).fixed(seed)
        new = self._condition(changes, len(now))
        changed = model.changed(now, torch.where(new.isnan(), now, new))
        return self._remade(x, changed, set(changes))

    @torch.no_grad()
    def interpolate(self, start: Any, end: Any, steps: int = 8) -> NDArray[Any]:
        """Point estimates on the lines between the embeddings of rows (N, *shape), (steps, N, *shape)."""
        a, b = (self.store(x).fixed(0) for x in (start, end))
        line = self._flat.interpolate(a, b, steps)
        return np.stack([np.asarray(self.schema.new(self._values(x))) for x in line])

    # missing cells

    def impute(self, x: Any, samples: int = 1000, seed: int = 0) -> Any:
        """x with its missing cells filled, observed cells untouched: the conditional mean of numbers, the likeliest
        category, by ``samples`` importance samples; see `velbo.evaluation.impute`. A field that had one value in
        training is filled with it. What is not filled, and why, is said by `why_left`.
        """
        data = self.store(x)
        return self._filled(x, impute(self.model, data, samples, seed).x)

    def impute_many(self, x: Any, n: int, samples: int = 100, steps: int = 20, seed: int = 0) -> list[Any]:
        """n fillings of x, drawn from what the model believes of the missing cells given the observed ones; see
        `velbo.evaluation.multiple_imputations`.
        """
        draws = multiple_imputations(self.model, self.store(x), n, samples=samples, steps=steps, seed=seed)
        return [self._filled(x, draw) for draw in draws]

    def why_left(self, name: str) -> str:
        """Why missing cells of a field are not filled; nothing if they are. A sentence without its end."""
        f = next((f for f in self.schema.fields if f.name == name), None)
        if f is None or f.kind == "drop":
            return "the model was trained without it"
        if None in f.categories:
            return "missing is a value of its own there"
        if name in self.recipe.condition:
            return "it is given to the model, which fills the others alone"
        if name not in self.schema.places and f.value is None:
            return "it held no value in training"
        return ""

    def _filled(self, x: Any, filled: Tensor) -> Any:
        return self.schema.filled(x, self._finite(self.schema.clipped(self._values(filled))))

    # one column given others

    def predict(
        self,
        x: Any,
        column: str,
        given: Sequence[str] | None = None,
        values: Sequence[Any] | None = None,
        samples: int = 1000,
        seed: int = 0,
    ) -> Prediction:
        """The law of a column given what is known of each row: masses of its values, or densities; mean and spread.

        Args:
            x: rows with any of the fields; what they hold in the column itself is not looked at.
            column: a field of single cells that is modelled.
            given: the fields that are looked at; all that x has, if not said.
            values: at which values p(column | given) is told; all categories, or all whole numbers that training data
                had, if not said, and of other numbers none.
            samples: importance samples.
            seed: of all noise.

        Returns:
            See `Prediction`, which tells the effective sample size of every row too.

        Raises:
            ConfigError: for a field that there is not, or that is given to the model.
            SchemaError: for a cell that does not fit, or a value that training did not have.
        """
        return self._known.predict(x, column, given, values, samples, seed)

    @property
    def _known(self) -> Known:
        return Known(self.model, self.plan, self.dtype)

    # numbers

    def log_likelihood(self, x: Any, samples: int = 100, seed: int = 0, device: str = "auto") -> NDArray[np.float64]:
        """log p of each row in the data's units, nats, (N,): the importance-weighted bound of ``samples`` draws; of a
        conditional model log p(x|given).
        """
        data = self.store(x)
        found = score_rows(self._on(device), data, samples, seed=seed).log_likelihood.numpy()
        refuse_rows(~np.isfinite(found), "log-likelihood")
        return found

    def evaluate(
        self,
        x: Any,
        samples: int = 100,
        chunk: int | None = None,
        seed: int = 0,
        precision: str = "float32",
        device: str = "auto",
    ) -> Evaluation:
        """Means and standard errors over rows; see `velbo.evaluate`."""
        found = evaluate(self._on(device), self.store(x), samples, chunk, seed, precision)
        return replace(found, given=self.given)

    def contributions(self, x: Any, samples: int = 100, seed: int = 0) -> NDArray[np.float64]:
        """log p of every cell given the rest of its row, nats in the data's units, (N, D); NaN where missing or given.
        Low is anomalous. See `velbo.evaluation.contributions`.
        """
        data = self.store(x)
        return contributions(self.model, data, samples, seed).numpy()

    def explain(self, x: Any, samples: int = 100, seed: int = 0) -> pa.Table:
        """Why rows are anomalous: a table with log_likelihood, the cell that is furthest below the median of its column
        over training rows, and log p(cell | rest of the row) of every cell.

        The medians are kept with the model, and no other row of x counts. Where rows are too wide for them, as images
        are, none are kept, and the most anomalous cell is the one of least log p.
        """
        each, names = self.contributions(x, samples, seed), [cell.name for cell in self.schema.cells]
        modelled = [d for d in range(len(names)) if d not in set(self.schema.dims(self.recipe.condition))]
        each = each[:, modelled]
        # a column without a median, as every cell was missing, is held against no nats; a missing cell is the last one
        usual = np.nan_to_num(np.array(self.typical)[modelled]) if self.typical else 0.0
        below = np.nan_to_num(each - usual, nan=np.inf)
        worst = [names[modelled[d]] for d in below.argmin(-1)]
        columns = {
            f"{names[d]} given the rest": pa.array(v, from_pandas=True) for d, v in zip(modelled, each.T, strict=True)
        }
        scores = self.log_likelihood(x, samples, seed)
        return pa.table({"log_likelihood": scores, "most_anomalous": worst, **columns})

    # pictures; see velbo.report.plots

    def plot_learning_curve(self) -> Figure:
        """The bound and its two terms while training, nats an observation."""
        from .report.learning import curve_of

        return curve_of(self.history.metrics)

    def plot_kl(self, x: Any, seed: int = 0) -> Figure:
        """Mean KL of each latent, and of each group of latents, nats."""
        return self._drawn("kl", x, seed)

    def plot_latents(self, x: Any, labels: Any = None, seed: int = 0) -> Figure:
        """A map of posterior means, coloured by labels: (N,) numbers or names, or the name of a field of x."""
        return self._drawn("latents", x, seed, labels)

    def plot_reconstructions(self, x: Any, seed: int = 0) -> Figure:
        """Rows beside the point estimates of p(x|z)."""
        return self._drawn("reconstructions", x, seed)

    def plot_samples(self, n: int = 60, seed: int = 0) -> Figure:
        """A sheet of n new images."""
        from .report.samples import new_images

        return new_images(self, n, seed)

    def plot_columns(self, x: Any, seed: int = 0) -> Figure:
        """Each column of x beside that of as many new rows."""
        return self._drawn("columns", x, seed)

    def plot_pairs(self, x: Any, seed: int = 0) -> Figure:
        """Associations of every two columns, in x and in as many new rows."""
        return self._drawn("pairs", x, seed)

    def plot_missing(self, x: Any) -> Figure:
        """Which cells of x are missing, and which together."""
        return self._drawn("missing", x)

    def plot_calibration(self, x: Any, seed: int = 0) -> Figure:
        """Shares of cells below the quantiles that p(x|z) gives for them."""
        return self._drawn("calibration", x, seed)

    def plot_residuals(self, x: Any, seed: int = 0) -> Figure:
        """The rows of lowest log p(x), and what is anomalous in them."""
        return self._drawn("residuals", x, seed)

    def report(
        self, x: Any, path: str | Path, train: Any = None, labels: Any = None, rows: int = 500, seed: int = 0
    ) -> None:
        """Write one page of this model and rows x as an HTML file; see `velbo.report.page.report`."""
        from .report.page import report

        report(self, x, path, train, labels, rows, seed)

    def _drawn(self, what: str, x: Any, seed: int = 0, labels: Any = None) -> Figure:
        from .report.plots import draw

        return draw(self, what, x, seed, labels)

    def _on(self, device: str) -> AnyModel:
        """The model on a device; a copy, unless it is there, as others may be using it meanwhile."""
        target, here = device_of(device), device_of_model(self.model)
        return self.model if here == target else copy.deepcopy(self.model).to(target)

    def _map(self, data: Store, seed: int, f: Callable[[Tensor], Tensor]) -> Tensor:
        return torch.cat([f(part.fixed(seed)) for part in data.chunks(ROWS_PER_CHUNK)])

    def _values(self, x: Tensor) -> NDArray[np.float64]:
        """x (N, D) in the units of the data."""
        return self.plan.encoding.restore(x.cpu()).double().numpy()

    def _finite(self, v: NDArray[np.float64]) -> NDArray[np.float64]:
        """v (N, D) of rows that the model has made, or DataError; given cells may be missing."""
        made = np.delete(v, self.schema.dims(self.recipe.condition), axis=1)
        refuse_rows(~np.isfinite(made).all(-1), "cell that the model has made")
        return v

    def _new(self, x: Tensor, missing: int | None = None, known: NDArray[np.float64] | None = None) -> Any:
        """New rows, in which what is known is as it was given; with a seed ``missing``, without the cells that it
        leaves out.
        """
        v = self._finite(self.schema.clipped(self._values(x)))
        v = v if known is None else np.where(np.isnan(known), v, known)
        if missing is not None:
            share = [f.has_missing * f.n_missing / (self.plan.data.n_rows * f.size) for f in self.schema.modelled]
            of_cells = np.repeat(share, [f.size for f in self.schema.modelled])
            v[np.random.default_rng(missing).random(v.shape) < of_cells] = np.nan
        return self.schema.new(v)

    def _remade(self, x: Any, made: Tensor, also: set[str] = frozenset()) -> Any:  # type: ignore[assignment]
        """Rows x with their modelled cells, and those of the given fields ``also``, as the model made them."""
        v = self._finite(self._values(made))
        kept = self.schema.dims(name for name in self.recipe.condition if name not in also)
        at = np.ones(v.shape, dtype=bool)
        at[:, kept] = False
        return self.schema.changed(x, at, v)

    # what is given

    @property
    def _flat(self) -> LatentVariableModel:
        if isinstance(self.model, Conditional):
            raise ConfigError("this model is conditional, and z alone does not say what is given; use what_if, sample")
        return cast(LatentVariableModel, self._with_parts)

    @property
    def _with_parts(self) -> AnyModel:
        """The model, or its view where it is one of a user's own without parts."""
        model: Any = self.model
        return model if isinstance(model, LatentVariableModel | Conditional) else Viewed(model, self.schema.n_dims)

    @property
    def _conditional(self) -> Conditional:
        if not isinstance(self.model, Conditional):
            raise ConfigError("nothing is given to this model; train one with Recipe(condition=...), --condition")
        return self.model

    def _balanced(self, name: str, n: int, seed: int) -> Tensor:
        model = self._conditional
        (chosen,) = given_fields(self.schema, self.recipe.condition, [name])
        if not chosen.n_categories:
            coded = [f.name for f in given_fields(self.schema, self.recipe.condition) if f.n_categories]
            raise unknown("given field of names", name, coded)
        return model.balanced(n, self.schema.dims([name])[0], chosen.n_categories, seed)

    def _condition(self, given: Any, n: int) -> Tensor:
        """x of what is given, (n, D), NaN elsewhere."""
        self._conditional  # noqa: B018 (it refuses)
        whole = given_numbers(self.schema, self.recipe.condition, given, n)
        return self.plan.encoding.store(whole, self.dtype).to(self.dtype)


def _forms(tensors: Mapping[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (t.shape, t.dtype) for name, t in tensors.items()}
