"""Commands that use a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ..errors import ConfigError
from .app import app
from .options import Output, assignments
from .tables import ROWS_PER_BATCH, check_output, map_rows, read_rows, write_parts, write_rows


@app.command
def evaluate(
    run: Path,
    data: str,
    *,
    samples: int = 100,
    rows: int | None = None,
    chunk: int | None = None,
    seed: int = 0,
    precision: str = "float32",
    device: str = "auto",
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
        precision: float32; bf16 or bf16-products: faster where the hardware is, bf16 off by about 0.01 nats on MNIST.
        device: auto takes a GPU where there is one; else the name of a device.
        json: print one JSON object.
    """
    import json as json_module

    from ..fitted import FittedVAE

    fitted = FittedVAE.load(run)
    x = read_rows(fitted, data, rows, seed)
    result = fitted.evaluate(x, samples, chunk, seed, precision, device).to_json()
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
        output: .npy, .csv or .parquet file to write.
        seed: of the binarisation of grey images, where there is one.
    """
    from ..fitted import FittedVAE

    fitted = FittedVAE.load(run)
    map_rows(fitted, data, output, lambda rows: fitted.encode(rows, seed), "z")


@app.command
def decode(run: Path, latents: str, *, output: Output) -> None:
    """From latents back to data: the mean (or mode) of p(x|z).

    Args:
        run: folder of a trained model.
        latents: .npy, .npz or .csv file with one column a latent.
        output: .npy or .csv file to write.
    """
    from ..data import load
    from ..fitted import FittedVAE

    fitted = FittedVAE.load(run)
    write_rows(output, fitted.decode(load(latents).rows), "x", fitted.schema.names)


@app.command
def reconstruct(run: Path, data: str, *, output: Output, seed: int = 0) -> None:
    """Every row as the model sees it: the mean (or mode) of p(x|z) at its embedding.

    Args:
        run: folder of a trained model.
        data: as for fit.
        output: .npy, .csv or .parquet file to write.
        seed: of the binarisation of grey images, where there is one.
    """
    from ..fitted import FittedVAE

    fitted = FittedVAE.load(run)
    map_rows(fitted, data, output, lambda rows: fitted.reconstruct(rows, seed), "x", fitted.schema.names)


@app.command
def sample(
    run: Path,
    *,
    output: Output,
    n: Annotated[int, Parameter(name=["--n", "-n"])] = 100,
    seed: int = 0,
    mean: bool = False,
    given: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    balance: str | None = None,
) -> None:
    """New observations from the model.

    Args:
        run: folder of a trained model.
        output: .npy, .csv or .parquet file to write.
        n: how many.
        seed: of the draw.
        mean: write the mean (or mode) of p(x|z) for every drawn z instead of a draw of x.
        given: of a conditional model, column=value for every row; drawn from what training rows had if not given. May
            be given many times.
        balance: a column of the condition of which every category shall be as frequent.
    """
    from ..fitted import FittedVAE

    check_output(output)
    fitted = FittedVAE.load(run)
    pairs = assignments(given) or None
    if n <= ROWS_PER_BATCH or output.suffix == ".npy" or not fitted.schema.columns:
        write_rows(output, fitted.sample(n, seed, mean, pairs, balance), "x", fitted.schema.names)
        return
    starts = range(0, n, ROWS_PER_BATCH)
    parts = ([fitted.sample(min(ROWS_PER_BATCH, n - s), seed + s, mean, pairs, balance)] for s in starts)
    write_parts([output], parts)


@app.command
def score(
    run: Path,
    data: str,
    *,
    output: Output,
    samples: int = 100,
    explain: bool = False,
    seed: int = 0,
    device: str = "auto",
) -> None:
    """The log-likelihood of every row in nats (a lower bound), higher is more usual.

    Args:
        run: folder of a trained model.
        data: as for fit.
        output: .npy, .csv or .parquet file to write.
        samples: importance samples.
        explain: say of every cell what it is worth given the rest of its row, log p(cell | others) in nats, and which
            column is the oddest one: the furthest below that column's median.
        seed: of all noise.
        device: auto takes a GPU where there is one; else the name of a device.
    """
    from ..fitted import FittedVAE

    fitted = FittedVAE.load(run)
    if not explain:
        map_rows(fitted, data, output, lambda x: fitted.log_likelihood(x, samples, seed, device), "log_likelihood")
        return
    if output.suffix == ".npy":
        raise ConfigError("--explain writes names of columns beside numbers: name a .csv or .parquet file")
    map_rows(fitted, data, output, lambda rows: fitted.explain(rows, samples, seed), "x")


@app.command
def info(run: Path, *, json: bool = False) -> None:
    """What a run is: data, model, objective, training, and how far it has come.

    Args:
        run: its folder.
        json: print one JSON object.
    """
    import json as json_module

    from ..fitting import Plan
    from ..training import Run

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
        "choices": what.choices,
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
