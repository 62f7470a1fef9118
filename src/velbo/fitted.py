"""A trained model with its schema: data in, data out, in the units of the data.

This is what the scikit-learn face and the command line share. Encoding and scoring are deterministic: posterior means,
and Monte Carlo noise fixed by row and seed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import __version__
from .conditional import ConditionalVAE
from .config import Recipe
from .data import Column, Data, Schema, Store, as_frame, as_rows, column_names, is_frame, repeated, values
from .data.labelled import parted
from .errors import ConfigError, DataError, RunError, unknown
from .evaluation import Evaluation, contributions, evaluate, impute, multiple_imputations, score_rows
from .files import write_json, write_tensors
from .model import VAE
from .recipes import build, encoding
from .training import Run, device_of

ROWS_PER_CHUNK = 1024


@dataclass(frozen=True)
class FittedVAE:
    """A model, what it was made of, and what its data are.

    Attributes:
        model: in evaluation mode.
        recipe: how it was composed.
        schema: what its inputs are.
        dtype: of all computation; float64 makes scores independent of the order and number of rows to 1e-12.
    """

    model: VAE | ConditionalVAE
    recipe: Recipe
    schema: Schema
    dtype: torch.dtype = torch.float32

    @classmethod
    def load(cls, path: str | Path) -> FittedVAE:
        """Rebuild a model from a run folder (or one written by `save`); nothing in it is executed.

        Raises:
            RunError: if the folder is no run, or its files are damaged or do not belong together.
        """
        run = Run(path)
        config = run.config()
        try:
            schema, recipe = Schema.from_json(config["schema"]), Recipe.from_json(config["recipe"])
        except (KeyError, TypeError) as error:
            raise RunError(f"{run.config_file}: not a whole config ({type(error).__name__}: {error})") from error
        weights = run.read_model()
        with torch.random.fork_rng():
            model = build(recipe, schema)
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise RunError(f"{run.model_file} does not fit {run.config_file}: they come from different runs") from error
        return cls(model.eval(), recipe, schema)

    def save(self, path: str | Path) -> None:
        """Write config.json and model.safetensors into a folder."""
        folder = Path(path)
        config = {"velbo": __version__, "schema": self.schema.to_json(), "recipe": self.recipe.to_json()}
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", config)
        write_tensors(folder / "model.safetensors", self.model.state_dict())

    def to(self, dtype: torch.dtype) -> FittedVAE:
        """The same model computing in another precision; this one is left as it is."""
        if dtype == self.dtype:
            return self
        with torch.random.fork_rng():
            model = build(self.recipe, self.schema)
        model.load_state_dict(self.model.state_dict())
        return FittedVAE(model.to(dtype).eval(), self.recipe, self.schema, dtype)

    def store(self, x: Any, what: str = "data") -> Store:
        """Check rows, and the names of their columns if they have some, against the schema and encode them.

        Raises:
            DataError: if they are not numbers.
            SchemaError: if they do not fit.
        """
        rows = values(x, self.schema, what)
        return Store.from_rows(rows, self.schema, encoding(self.recipe, self.schema), self.dtype)

    # embeddings and back

    @torch.no_grad()
    def encode(self, x: Any, seed: int = 0) -> NDArray[Any]:
        """Posterior means, (N, Z)."""
        return self._map(self.store(x), seed, lambda rows: self.model.encode(rows).mean)

    @torch.no_grad()
    def decode(self, z: Any) -> Any:
        """Point estimates of p(x|z) in the data's units, (N, *shape), or a data frame where the data were a table.

        Raises:
            DataError: if the latents are not (N, Z) finite numbers.
            ConfigError: if the model is conditional.
        """
        latents = as_rows(z, "latents")
        n_latents = self.recipe.n_latents
        if latents.ndim != 2 or latents.shape[1] != n_latents or np.isnan(latents).any():
            raise DataError(f"latents: {n_latents} finite numbers a row are needed, not shape {latents.shape}")
        parts = torch.from_numpy(latents).to(self.dtype).split(ROWS_PER_CHUNK)
        return self._values(torch.cat([self._flat.point(part) for part in parts]))

    @torch.no_grad()
    def reconstruct(self, x: Any, seed: int = 0) -> Any:
        """Point estimates of p(x|z) at the posterior means, as x came in."""
        x_hat = self._map(self.store(x), seed, self.model.reconstruct)
        return self._values(torch.from_numpy(x_hat), like=x)

    def sample(self, n: int, seed: int = 0, mean: bool = False, given: Any = None, balance: str | None = None) -> Any:
        """n new observations, (n, *shape) or a data frame: draws of x, or with ``mean`` the point estimates of p(x|z).

        Columns of a table stay within the range that training data had.

        Args:
            n: how many.
            seed: of the draw.
            mean: point estimates instead of draws.
            given: of a conditional model, what is given in every row: a data frame of n rows with those columns, or
                a value a column. Drawn from their empirical law if not given.
            balance: a coded column of the condition, all of whose categories shall be as frequent.

        Raises:
            DataError: if n is less than 1, or ``given`` has not n rows.
            ConfigError: if ``given`` names other columns than the model was conditioned on.
        """
        if n < 1:
            raise DataError(f"the number of samples must be at least 1, not {n}")
        if given is None and balance is None:
            return self._values(self.model.sample(n, seed, mean), clip=True)
        c = self._condition(given, n) if given is not None else None
        if balance is not None:
            even = self._balanced(balance, n, seed)
            c = even if c is None else torch.where(c.isnan(), even.to(c), c)
        return self._values(self._conditional.sample(n, seed, mean, c), clip=True)

    def what_if(self, x: Any, changes: Mapping[str, Any], seed: int = 0) -> Any:
        """Rows as they would be, were other values given: each row's own z, decoded under the changed condition.

        Args:
            x: rows of the table that a conditional model was trained on.
            changes: column of the condition -> its new value.
            seed: of all noise.

        Returns:
            Point estimates, as x came in.
        """
        model, now = self._conditional, self.store(x).fixed(seed)
        new = self._condition(changes, len(now))
        return self._values(model.changed(now, torch.where(new.isnan(), now, new)), like=x)

    @torch.no_grad()
    def interpolate(self, start: Any, end: Any, steps: int = 8) -> NDArray[Any]:
        """Point estimates on the lines between the embeddings of rows (N, *shape), (steps, N, *shape)."""
        a, b = (self.store(x).fixed(0) for x in (start, end))
        line = self._flat.interpolate(a, b, steps)
        return np.stack([np.asarray(self._values(x)) for x in line])

    # missing cells

    def impute(self, x: Any, samples: int = 1000, seed: int = 0) -> Any:
        """x with its missing cells filled, observed cells untouched: the conditional mean of numbers, the likeliest
        category, by ``samples`` importance samples; see `velbo.evaluation.impute`.
        """
        data = self.store(x)
        return self._filled(x, impute(self.model, data, samples, seed).x)

    def impute_many(self, x: Any, n: int, samples: int = 100, steps: int = 20, seed: int = 0) -> list[Any]:
        """n fillings of x, drawn from what the model believes of the missing cells given the observed ones; see
        `velbo.evaluation.multiple_imputations`.
        """
        draws = multiple_imputations(self.model, self.store(x), n, samples=samples, steps=steps, seed=seed)
        return [self._filled(x, draw) for draw in draws]

    def _filled(self, x: Any, filled: Tensor) -> Any:
        from .data import frames

        codes = encoding(self.recipe, self.schema).restore(filled).numpy()
        if self.schema.label is not None:
            return Data(_fill(as_rows(x.rows), codes[:, :-1]), x.names, x.labels)
        if not self.schema.columns:
            return _fill(as_rows(x), codes)
        codes = frames.clip_to_observed(codes, self.schema.columns)
        if is_frame(x):
            return frames.fill(x, codes, self.schema.columns)
        names = [c.name for c in self.schema.columns]
        return np.column_stack([c.to_numpy() for c in frames.fill(as_frame(x, names), codes, self.schema.columns)])

    # numbers

    def log_likelihood(self, x: Any, samples: int = 100, seed: int = 0, device: str = "auto") -> NDArray[np.float64]:
        """log p of each row in the data's units, nats, (N,): the importance-weighted bound of ``samples`` draws."""
        data = self.store(x)
        with self._on(device):
            scores = score_rows(self.model, data, samples, seed=seed)
        return (scores.log_likelihood + data.log_det()).numpy()

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
        data = self.store(x)
        with self._on(device):
            return evaluate(self.model, data, samples, chunk, seed, precision)

    def contributions(self, x: Any, samples: int = 100, seed: int = 0) -> NDArray[np.float64]:
        """log p of every cell given the rest of its row, nats in the data's units, (N, D); NaN where missing. Low is
        odd. See `velbo.evaluation.cells.weighted.contributions`.
        """
        data = self.store(x)
        found = contributions(self.model, data, samples, seed)
        return (found + data.cell_log_det())[:, : self.schema.n_dims].numpy()

    def explain(self, x: Any, samples: int = 100, seed: int = 0) -> Any:
        """Why rows are odd: a pyarrow table with log_likelihood, the column whose cell is furthest below that column's
        median, and log p(cell | rest of the row) of every column.
        """
        each, names = self.contributions(x, samples, seed), self.schema.names or range(self.schema.n_dims)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a column of which every cell is missing
            below = np.nan_to_num(each - np.nanmedian(each, 0), nan=np.inf)
        numbers = np.column_stack([self.log_likelihood(x, samples, seed), each])
        table = as_frame(numbers, ["log_likelihood", *(f"{name} given the rest" for name in names)])
        return table.add_column(1, "oddest", [[str(names[d]) for d in below.argmin(-1)]])

    @contextmanager
    def _on(self, device: str) -> Iterator[None]:
        """The model computes on the device inside the block, and is back after it."""
        self.model.to(device_of(device))
        try:
            yield
        finally:
            self.model.to("cpu")

    def _map(self, data: Store, seed: int, f: Callable[[Tensor], Tensor]) -> NDArray[Any]:
        return torch.cat([f(part.fixed(seed)) for part in data.chunks(ROWS_PER_CHUNK)]).numpy()

    def _values(self, x: Tensor, like: Any = None, clip: bool = False) -> Any:
        from .data import frames

        restored = encoding(self.recipe, self.schema).restore(x.cpu()).numpy()
        columns = self.schema.columns
        if self.schema.label is not None:
            return parted(restored, self.schema)
        if not columns:
            return restored.reshape(len(x), *self.schema.shape)
        if clip:
            restored = frames.clip_to_observed(restored, columns)
        backend = frames.backend_of(like) if like is not None and is_frame(like) else self.schema.frame
        table = frames.rebuild(restored, columns, backend or "pyarrow")
        return table if backend else np.column_stack([c.to_numpy() for c in table.columns])

    @property
    def _flat(self) -> VAE:
        if isinstance(self.model, ConditionalVAE):
            raise ConfigError("this model is conditional, and z alone does not say what is given; use what_if, sample")
        return self.model

    @property
    def _conditional(self) -> ConditionalVAE:
        if not isinstance(self.model, ConditionalVAE):
            raise ConfigError("nothing is given to this model; train one with Recipe(condition=...), --condition")
        return self.model

    def _balanced(self, name: str, n: int, seed: int) -> Tensor:
        model = self._conditional
        places = {c.name: d for d, c in self._given().items() if c.n_categories}
        if name not in places:
            raise unknown("column of categories that the model is conditioned on", name, places)
        return model.balanced(n, places[name], self._given()[places[name]].n_categories, seed)

    def _given(self) -> dict[int, Column]:
        """Positions and columns of what is given."""
        condition = self._conditional.condition
        return {d: condition.features.columns[d] for d in condition.given}

    def _condition(self, given: Any, n: int) -> Tensor:
        """x of what is given, (n, D), NaN elsewhere."""
        from .data import frames

        table = given if is_frame(given) else repeated(given, n)
        places = {c.name: d for d, c in self._given().items()}
        for name in column_names(table):
            if name not in places:
                raise unknown("column that the model is conditioned on", name, places)
        chosen = {d: c for d, c in self._given().items() if c.name in column_names(table)}
        codes = frames.codes(table, list(chosen.values()), "given")
        if len(codes) != n:
            raise DataError(f"given: {n} rows are needed, one for each new row, not {len(codes)}")
        location, scale = (np.array([getattr(c, part) for c in chosen.values()]) for part in ("location", "scale"))
        rows = np.full((n, len(self._conditional.condition.features.columns)), np.nan)
        rows[:, list(chosen)] = (codes - location) / scale
        return torch.from_numpy(rows).to(self.dtype)


def _fill(rows: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
    """Rows with their missing cells as in values (N, D)."""
    return np.where(np.isnan(rows), values.reshape(rows.shape), rows) if rows.dtype.kind == "f" else rows
