"""The command line: talk on stderr, results on stdout or in the file that -o names.

Exit codes: 0; 2 for an error that the user can mend, as one plain line; 130 for an interrupt. Options have the names of
the fields in config.py. Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter, Token

from . import __version__
from .config import (
    Budget,
    Machine,
    ObjectiveConfig,
    Optimisation,
    Recipe,
    TrainingConfig,
    Validation,
    Weighting,
)
from .errors import ConfigError, DataError, Interrupted, VelboError

app = App(
    name="velbo",
    help="Variational autoencoders with honest likelihoods: train, measure and use them.",
    version=__version__,
    help_format="plaintext",
)

Flat = Parameter(name="*")
Output = Annotated[Path, Parameter(name=["--output", "-o"])]


def _widths(type_: Any, tokens: Sequence[Token]) -> tuple[int, ...]:
    try:
        return tuple(int(part) for token in tokens for part in token.value.split(",") if part.strip())
    except ValueError:
        raise ConfigError(f"hidden is a list of whole numbers such as 200,200, not '{tokens[0].value}'") from None


@dataclass(frozen=True)
class RecipeOptions(Recipe):
    """Recipe, its widths written 200,200."""

    hidden: Annotated[tuple[int, ...], Parameter(converter=_widths, n_tokens=1)] = ()


def say(text: str) -> None:
    """Talk: to stderr, so that results can be piped."""
    print(text, file=sys.stderr, flush=True)


@app.command
def fit(
    data: str,
    *,
    run: Path,
    recipe: Annotated[RecipeOptions, Flat] = RecipeOptions(),
    objective: Annotated[ObjectiveConfig, Flat] = ObjectiveConfig(),
    budget: Annotated[Budget, Flat] = Budget(),
    optimisation: Annotated[Optimisation, Flat] = Optimisation(),
    weighting: Annotated[Weighting, Flat] = Weighting(),
    validation: Annotated[Validation, Flat] = Validation(),
    machine: Annotated[Machine, Flat] = Machine(),
    kind: str | None = None,
    levels: int | None = None,
    rows: int | None = None,
    tensorboard: bool = False,
) -> None:
    """Train a model on data and write a run folder.

    Args:
        data: .npy, .npz (file.npz:key picks an array), .csv, a folder of images, or the name of an embedded set.
        run: folder to write.
        kind: what every dimension is: binary, byte or real; guessed if not given.
        levels: number of levels of byte data; guessed if not given.
        rows: train on a seeded random subset of so many rows.
        tensorboard: write TensorBoard's event files into the run folder too.
    """
    from .data import as_rows, infer, load
    from .fitting import plan
    from .recipes import check

    plain_recipe = Recipe(**asdict(recipe))
    check(plain_recipe)
    training = TrainingConfig(budget, optimisation, weighting, validation, machine)
    loaded = load(data)
    chosen = as_rows(pick_rows(loaded.rows, rows, machine.seed))
    schema = infer(chosen, loaded.names, kind, levels)
    what = plan(chosen, plain_recipe, objective, training, schema, _absolute(data))
    what.data["subset"] = rows
    say(f"data: {len(chosen)} rows of {schema.describe()} (override with --kind, --levels)")
    _carry_out(what, chosen, run, tensorboard, new=True)


@app.command
def resume(run: Path, *, data: str | None = None, tensorboard: bool = False) -> None:
    """Continue a run that was interrupted or killed; it ends as if it had been left alone.

    Args:
        run: its folder.
        data: where its data are now, if they have moved.
        tensorboard: write TensorBoard's event files into the run folder too.
    """
    from .data import as_rows
    from .fitting import Plan, read_source
    from .training import Run

    what = Plan.from_json(Run(run).config())
    rows = pick_rows(read_source(what, data).rows, what.data.get("subset"), what.training.machine.seed)
    _carry_out(what, as_rows(rows), run, tensorboard, new=False)


def _carry_out(what: Any, rows: Any, folder: Path, tensorboard: bool, new: bool) -> None:
    from .fitting import fit as fit_model
    from .training import ProgressBar, Run, TensorBoard

    what.build()
    run = Run(folder)
    if new:
        run.create(what.to_json())
    loggers: list[Any] = [TensorBoard(folder / "tensorboard")] if tensorboard else []
    recipe = what.recipe
    say(
        f"model: {recipe.recipe}, hidden {','.join(map(str, recipe.hidden))}, {recipe.latent} latents, "
        f"likelihood {recipe.likelihood}; objective {what.objective.objective} with {what.objective.samples} sample(s)"
    )
    try:
        if sys.stderr.isatty():
            with ProgressBar() as bar:
                _, history = fit_model(rows, what, run, [*loggers, bar])
        else:
            _, history = fit_model(rows, what, run, loggers)
    except Interrupted as error:
        raise Interrupted(f"{error}; everything is saved. Continue with: velbo resume {folder}") from None
    last = history.metrics[-1]
    split = "validation" if "validation_bound" in last else "train"
    say(
        f"done: {history.steps} steps in {history.seconds:.1f} s"
        + (f", {history.skipped} skipped (not finite)" if history.skipped else "")
        + f"; best {split} bound {history.best:.3f} nats. Measure it with: velbo evaluate {folder} DATA"
    )


@app.command
def evaluate(
    run: Path,
    data: str,
    *,
    samples: int = 100,
    rows: int | None = None,
    chunk: int | None = None,
    seed: int = 0,
    json: bool = False,
) -> None:
    """Bounds of the log-likelihood with standard errors, bits per dimension, and what the latents do.

    Args:
        run: folder of a trained model.
        data: as for fit.
        samples: importance samples K of the log-likelihood bound.
        rows: evaluate a seeded random subset of so many rows.
        chunk: samples at a time; the result does not depend on it.
        seed: of the subset and of all noise.
        json: print one JSON object.
    """
    import json as json_module

    from .fitted import FittedVAE

    fitted = FittedVAE.load(run)
    result = fitted.evaluate(_rows(fitted, data, rows, seed), samples, chunk, seed).to_json()
    if json:
        print(json_module.dumps(result))
        return
    for name, value in result.items():
        if name != "kl_per_latent":
            print(f"{name:20s} {value:.4f}" if isinstance(value, float) else f"{name:20s} {value}")
    print(f"{'kl_per_latent':20s} {' '.join(f'{k:.2f}' for k in sorted(result['kl_per_latent'], reverse=True))}")


@app.command
def encode(run: Path, data: str, *, output: Output, seed: int = 0) -> None:
    """Embeddings: the posterior mean of every row.

    Args:
        run: folder of a trained model.
        data: as for fit.
        output: .npy or .csv file to write.
        seed: of the binarisation of grey images, where there is one.
    """
    from .fitted import FittedVAE

    fitted = FittedVAE.load(run)
    _write(output, fitted.encode(_rows(fitted, data), seed), "z")


@app.command
def decode(run: Path, latents: str, *, output: Output) -> None:
    """From latents back to data: the mean (or mode) of p(x|z).

    Args:
        run: folder of a trained model.
        latents: .npy, .npz or .csv file with one column a latent.
        output: .npy or .csv file to write.
    """
    from .data import load
    from .fitted import FittedVAE

    fitted = FittedVAE.load(run)
    _write(output, fitted.decode(load(latents).rows), "x", fitted.schema.names)


@app.command
def reconstruct(run: Path, data: str, *, output: Output, seed: int = 0) -> None:
    """Every row as the model sees it: the mean (or mode) of p(x|z) at its embedding.

    Args:
        run: folder of a trained model.
        data: as for fit.
        output: .npy or .csv file to write.
        seed: of the binarisation of grey images, where there is one.
    """
    from .fitted import FittedVAE

    fitted = FittedVAE.load(run)
    _write(output, fitted.reconstruct(_rows(fitted, data), seed), "x", fitted.schema.names)


@app.command
def sample(
    run: Path,
    *,
    output: Output,
    n: Annotated[int, Parameter(name=["--n", "-n"])] = 100,
    seed: int = 0,
    mean: bool = False,
) -> None:
    """New observations from the model.

    Args:
        run: folder of a trained model.
        output: .npy or .csv file to write.
        n: how many.
        seed: of the draw.
        mean: write the mean (or mode) of p(x|z) for every drawn z instead of a draw of x.
    """
    from .fitted import FittedVAE

    fitted = FittedVAE.load(run)
    _write(output, fitted.sample(n, seed, mean), "x", fitted.schema.names)


@app.command
def score(run: Path, data: str, *, output: Output, samples: int = 100, seed: int = 0) -> None:
    """The log-likelihood of every row in nats (a lower bound), higher is more usual.

    Args:
        run: folder of a trained model.
        data: as for fit.
        output: .npy or .csv file to write.
        samples: importance samples.
        seed: of all noise.
    """
    from .fitted import FittedVAE

    fitted = FittedVAE.load(run)
    _write(output, fitted.log_likelihood(_rows(fitted, data), samples, seed), "log_likelihood")


@app.command
def info(run: Path, *, json: bool = False) -> None:
    """What a run is: data, model, objective, training, and how far it has come.

    Args:
        run: its folder.
        json: print one JSON object.
    """
    import json as json_module

    from .fitting import Plan
    from .training import Run

    folder = Run(run)
    config = folder.config()
    what = Plan.from_json({k: v for k, v in config.items() if k != "format"})
    metrics = folder.metrics()
    record = {
        "schema": what.schema.describe(),
        "recipe": what.recipe.to_json(),
        "parameters": sum(p.numel() for p in what.build().model.parameters()),
        "objective": what.objective.to_json(),
        "training": what.training.to_json(),
        "data": what.data,
        "versions": {k: config.get(k) for k in ("velbo", "torch", "python")},
        "trained": folder.model_file.exists(),
        "last": metrics[-1] if metrics else None,
    }
    if json:
        print(json_module.dumps(record))
        return
    for name, value in record.items():
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        print(f"{name:12s} {text}")


@app.command
def demo(*, output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("demo"), epochs: int = 80) -> None:
    """Train on handwritten digits, measure, and draw four pictures; under a minute on 2 cores.

    Args:
        output: folder for the run and the pictures; must not hold a run.
        epochs: passes over the digits.
    """
    from .demo import run_demo

    run_demo(output, epochs, say)


# files in and out


def pick_rows(x: Any, n: int | None, seed: int) -> Any:
    """A seeded random subset of n rows, in their order; all rows if n is None.

    Raises:
        ConfigError: if n is less than 1 or more than there are.
    """
    if n is None:
        return x
    if not 1 <= n <= len(x):
        raise ConfigError(f"--rows must be between 1 and {len(x)}, the number of rows there are, not {n}")
    import numpy as np

    return x[np.sort(np.random.default_rng(seed).choice(len(x), n, replace=False))]


def _rows(fitted: Any, source: str, n: int | None = None, seed: int = 0) -> Any:
    """Rows for a trained model, their names held against its schema."""
    from .data import load

    data = load(source)
    fitted.schema.check_names(data.names, source)
    return pick_rows(data.rows, n, seed)


def _absolute(source: str) -> str:
    from .data import EMBEDDED

    if source in EMBEDDED:
        return source
    path, separator, key = source.partition(".npz:")
    return str(Path(path).resolve()) + separator + key


def _write(path: Path, values: Any, prefix: str, names: Sequence[str] = ()) -> None:
    import numpy as np

    from .files import write_atomically

    def as_csv(target: Path) -> None:
        table = values.reshape(len(values), -1)
        width = table.shape[1]
        single = [prefix] if values.ndim == 1 else [f"{prefix}{i}" for i in range(width)]
        header = ",".join(_quoted(n) for n in (names if len(names) == width else single))
        np.savetxt(target, table, delimiter=",", header=header, comments="", fmt="%.9g")

    def as_npy(target: Path) -> None:
        with target.open("wb") as file:
            np.save(file, values, allow_pickle=False)

    writers = {".csv": as_csv, ".npy": as_npy}
    if path.suffix not in writers:
        raise DataError(f"cannot write '{path}': name a .npy or .csv file")
    write_atomically(path, writers[path.suffix])
    say(f"wrote {values.shape[0]} rows to {path}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if set(name) & set(',"\n') else name


def _plain_warning(message: Any, *_: Any, **__: Any) -> None:
    say(f"velbo: warning: {message}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    warnings.showwarning = _plain_warning
    try:
        app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except Interrupted as error:
        say(f"velbo: {error}")
        return 130
    except KeyboardInterrupt:
        say("velbo: interrupted")
        return 130
    except (VelboError, CycloptsError) as error:
        say(f"velbo: {' '.join(str(error).split())}")
        return 2
    except BrokenPipeError:
        return 0
    return 0


def entry() -> None:
    """The console script."""
    sys.exit(main())
