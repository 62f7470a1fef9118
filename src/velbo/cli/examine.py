"""Commands that look closely at a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from ..config import Budget, Machine, Optimisation, TrainingConfig, Validation
from ..errors import VelboError, need
from .app import app, say
from .options import Flat, Output
from .tables import absolute, check_output, pick_rows, print_record, read_rows, write_rows


@app.command
def doctor(
    run: Path,
    data: str,
    *,
    train: str | None = None,
    rows: int = 1000,
    samples: int = 256,
    seed: int = 0,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    json: bool = False,
) -> None:
    """What is wrong with a model, in plain words, each with the figure that shows it and the option to try.

    Args:
        run: folder of a trained model.
        data: rows that it has not seen, as for fit.
        train: the rows it was trained on; those that the run itself names, if they are still there.
        rows: look at a seeded random subset of so many of either, at most.
        samples: importance samples of the bound, a power of two.
        seed: of the subset and of all noise.
        output: .png file to draw, with what the findings rest on.
        json: print one JSON object.
    """
    import json as json_module

    from ..doctor import diagnose, draw, examine, write
    from ..fitted import FittedVAE
    from ..training import Run

    if output is not None:
        need("matplotlib", "report")
    fitted, folder = FittedVAE.load(run), Run(run)
    test = _at_most(read_rows(fitted, data), rows, seed)
    found = examine(
        fitted, test, _training_rows(fitted, folder.config(), data, train, rows, seed), folder.metrics(), samples, seed
    )
    findings = diagnose(found)
    if output is not None:
        draw(found, findings, output)
        say(f"wrote {output}")
    if json:
        print(json_module.dumps([finding.to_json() for finding in findings]))
    else:
        print(write(findings))


def _at_most(x: Any, n: int, seed: int) -> Any:
    return pick_rows(x, min(n, len(x)), seed)


def _model_and_rows(run: Path, data: str, rows: int | None, seed: int) -> tuple[Any, Any]:
    """A trained model and encoded rows, so many at most."""
    from ..fitted import FittedVAE

    fitted = FittedVAE.load(run)
    x = read_rows(fitted, data)
    return fitted.model, fitted.store(x if rows is None else _at_most(x, rows, seed))


def _training_rows(fitted: Any, config: dict[str, Any], data: str, named: str | None, n: int, seed: int) -> Any:
    """Rows of the file that is named here or in the run; None, said so, where there are none to compare with."""
    if named is not None:
        return _at_most(read_rows(fitted, named), n, seed)
    said = config.get("data", {})
    source = said.get("source")
    if not source or said.get("subset"):
        return None
    if source == absolute(data):
        say("these are the rows that the model was trained on: what it does to others cannot be seen")
        return None
    try:
        return _at_most(read_rows(fitted, source), n, seed)
    except VelboError as error:
        say(f"the rows that it was trained on cannot be read ({error}); name them with --train")
        return None


@app.command
def gaps(
    run: Path,
    data: str,
    *,
    rows: int | None = None,
    samples: int = 500,
    steps: int = 300,
    lr: float = 0.03,
    temperatures: int = 0,
    seed: int = 0,
    json: bool = False,
) -> None:
    """The gap between log p(x) and the ELBO, taken apart: what the posterior's family costs, what the encoder costs.

    Args:
        run: folder of a trained model.
        data: as for fit.
        rows: look at a seeded random subset of so many rows.
        samples: of every bound.
        steps: of the ascent to the best posterior of each row.
        lr: of the ascent.
        temperatures: anneal too, over so many; 0 leaves it.
        seed: of the subset and of all noise.
        json: print one JSON object.
    """
    from ..evaluation import Annealing, Ascent
    from ..evaluation import gaps as take_apart

    model, chosen = _model_and_rows(run, data, rows, seed)
    annealing = Annealing(temperatures, seed=seed) if temperatures else None
    found = take_apart(model, chosen, samples, Ascent(steps, lr), annealing, seed)
    print_record(found.to_json(), json)


@app.command
def anneal(
    run: Path,
    data: str,
    *,
    rows: int = 100,
    temperatures: int = 1000,
    chains: int = 16,
    leapfrog: int = 10,
    seed: int = 0,
    json: bool = False,
) -> None:
    """log p(x) by annealed importance sampling, and on data of the model's own a bracket that holds the true value.

    Args:
        run: folder of a trained model.
        data: as for fit.
        rows: anneal a seeded random subset of so many rows, and as many of the model's own.
        temperatures: from prior to posterior; the bracket narrows as they grow.
        chains: of each row.
        leapfrog: steps of one proposal.
        seed: of the subset and of all noise.
        json: print one JSON object.
    """
    from ..evaluation import Annealing, bracket

    model, chosen = _model_and_rows(run, data, rows, seed)
    found = bracket(model, chosen, Annealing(temperatures, chains, leapfrog, seed))
    print_record(found.to_json(), json)


@app.command
def rate_distortion(
    run: Path,
    data: str,
    *,
    output: Output,
    rows: int = 100,
    temperatures: int = 1000,
    chains: int = 16,
    leapfrog: int = 10,
    seed: int = 0,
) -> None:
    """What the model trades: nats of rate for nats of distortion, a curve of columns b, rate, distortion.

    Args:
        run: folder of a trained model.
        data: as for fit.
        output: .csv or .npy file to write.
        rows: of a seeded random subset.
        temperatures: from prior to posterior, one line each.
        chains: of each row.
        leapfrog: steps of one proposal.
        seed: of the subset and of all noise.
    """
    import numpy as np

    from ..evaluation import Annealing
    from ..evaluation import rate_distortion as trace

    check_output(output)
    model, chosen = _model_and_rows(run, data, rows, seed)
    curve = trace(model, chosen, Annealing(temperatures, chains, leapfrog, seed))
    columns = np.stack([t.numpy() for t in (curve.b, curve.rates, curve.distortions)], 1)
    write_rows(output, columns, "", ("b", "rate", "distortion"))
    print_record(dict(zip(("encoder_rate", "encoder_distortion"), curve.encoder, strict=True)), False)


@app.command
def refit_prior(
    run: Path,
    data: str,
    *,
    to: Path,
    prior: str = "real-nvp",
    components: int | None = None,
    rows: int | None = None,
    budget: Annotated[Budget, Flat] = Budget(),
    optimisation: Annotated[Optimisation, Flat] = Optimisation(),
    validation: Annotated[Validation, Flat] = Validation(),
    machine: Annotated[Machine, Flat] = Machine(),
) -> None:
    """A new prior, fitted to where the encoder puts the data; encoder and decoder stay as they are.

    Args:
        run: folder of a trained model.
        data: rows that it was trained on.
        to: folder to write the model with its new prior into; must not hold a run.
        prior: as for fit.
        components: as for fit.
        rows: fit to a seeded random subset of so many rows.
    """
    from ..fitted import FittedVAE
    from ..fitting import refit
    from ..training import Run

    fitted = FittedVAE.load(run)
    x = read_rows(fitted, data, rows, machine.seed)
    training = TrainingConfig(budget, optimisation, validation=validation, machine=machine)
    Run(to).refuse_if_taken()
    changed, gain = refit(fitted, x, prior, components, training)
    changed.save(to)
    say(f"wrote {to}: the ELBO of held-out rows gained {gain:.3f} nats. Measure it with: velbo evaluate {to} DATA")


def _compared(fitted: Any, real: Any, fake: Any, features: str) -> tuple[Any, Any]:
    """Both as numbers whose distances mean something: embeddings, values, or a table's columns as numbers."""
    from ..data import values
    from ..evaluation.synthetic import features as of_table

    if features == "latent":
        return fitted.encode(real), fitted.encode(fake)
    columns = fitted.schema.modelled
    if fitted.schema.label is not None:
        return real.rows, fake.rows
    if not columns:
        return real, fake
    codes = values(real, fitted.schema)
    return of_table(codes, columns), of_table(values(fake, fitted.schema), columns, codes)


@app.command
def quality(
    run: Path,
    data: str,
    *,
    features: Literal["raw", "latent"] = "raw",
    rows: int = 2000,
    neighbours: int = 5,
    seed: int = 0,
    json: bool = False,
) -> None:
    """Are samples like the data? Precision, recall, density, coverage, MMD, and a classifier that tries to tell them.
    For synthetic tables, column by column and with their privacy, see 'velbo compare'.

    Args:
        run: folder of a trained model.
        data: as for fit, best not what it was trained on; missing cells are refused.
        features: what is compared: values (of a table one-hot and standardised), or posterior means.
        rows: of a seeded random subset at most, and as many samples.
        neighbours: of the radii of precision and the rest.
        seed: of the subset, the samples and the tests.
        json: print one JSON object.
    """
    import json as json_module

    from ..evaluation.samples import sample_quality
    from ..fitted import FittedVAE

    fitted = FittedVAE.load(run)
    real = _at_most(read_rows(fitted, data), rows, seed)
    fake = fitted.sample(len(real), seed)
    real, fake = _compared(fitted, real, fake, features)
    found = sample_quality(real, fake, k=neighbours, seed=seed).to_json()
    if json:
        print(json_module.dumps(found))
        return
    nested = {name: value if isinstance(value, dict) else {"": value} for name, value in found.items()}
    flat = {f"{name} {part}".strip(): number for name, parts in nested.items() for part, number in parts.items()}
    print_record(flat, False)
