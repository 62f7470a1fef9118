"""A trained model with its schema: data in, data out, in the units of the data.

This is what the scikit-learn face and the command line share. Encoding and scoring are deterministic: posterior means,
and Monte Carlo noise fixed by row and seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import __version__
from .config import Recipe
from .data import Schema, Store, as_rows, column_names
from .errors import DataError, RunError
from .evaluation import Evaluation, evaluate, score_rows
from .files import write_json, write_tensors
from .likelihoods import point_estimate
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

    model: VAE
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
        self.schema.check_names(column_names(x), what)
        return Store.from_rows(as_rows(x, what), self.schema, encoding(self.recipe, self.schema), self.dtype)

    # embeddings and back

    @torch.no_grad()
    def encode(self, x: Any, seed: int = 0) -> NDArray[Any]:
        """Posterior means, (N, Z)."""
        return self._map(self.store(x), seed, lambda rows: self.model.encode(rows).mean)

    @torch.no_grad()
    def decode(self, z: Any) -> NDArray[Any]:
        """Point estimates of p(x|z) in the data's units, (N, *shape).

        Raises:
            DataError: if the latents are not (N, Z) finite numbers.
        """
        latents = as_rows(z, "latents")
        n_latents = self.recipe.n_latents
        if latents.ndim != 2 or latents.shape[1] != n_latents or np.isnan(latents).any():
            raise DataError(f"latents: {n_latents} finite numbers a row are needed, not shape {latents.shape}")
        parts = torch.from_numpy(latents).to(self.dtype).split(ROWS_PER_CHUNK)
        return self._values(torch.cat([point_estimate(self.model.decode(part)) for part in parts]))

    @torch.no_grad()
    def reconstruct(self, x: Any, seed: int = 0) -> NDArray[Any]:
        """Point estimates of p(x|z) at the posterior means, (N, *shape)."""
        x_hat = self._map(self.store(x), seed, self.model.reconstruct)
        return self._values(torch.from_numpy(x_hat))

    def sample(self, n: int, seed: int = 0, mean: bool = False) -> NDArray[Any]:
        """n new observations, (n, *shape): draws of x, or with ``mean`` the point estimates of p(x|z).

        Raises:
            DataError: if n is less than 1.
        """
        if n < 1:
            raise DataError(f"the number of samples must be at least 1, not {n}")
        return self._values(self.model.sample(n, seed, mean))

    @torch.no_grad()
    def interpolate(self, start: Any, end: Any, steps: int = 8) -> NDArray[Any]:
        """Point estimates on the lines between the embeddings of rows (N, *shape), (steps, N, *shape)."""
        a, b = (self.store(x).fixed(0) for x in (start, end))
        line = self.model.interpolate(a, b, steps)
        return np.stack([self._values(x) for x in line])

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

    def _values(self, x: Tensor) -> NDArray[Any]:
        restored = encoding(self.recipe, self.schema).restore(x)
        return restored.numpy().reshape(len(x), *self.schema.shape)
