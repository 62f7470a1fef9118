"""velbo refit-prior: another prior for a trained model."""

from __future__ import annotations

from typing import Annotated

from ...config import Budget, Machine, Optimisation, TrainingConfig, Validation
from ..app import app, say
from ..options import Flat, Folder, OwnParts, ReadAs, ReadingOptions, SomeRows


@app.command
def refit_prior(
    run: Folder,
    data: str,
    *,
    to: Folder,
    prior: str = "real-nvp",
    components: int | None = None,
    rows: SomeRows = None,
    budget: Annotated[Budget, Flat] = Budget(),
    optimisation: Annotated[Optimisation, Flat] = Optimisation(),
    validation: Annotated[Validation, Flat] = Validation(),
    machine: Annotated[Machine, Flat] = Machine(),
    model: OwnParts = None,
    read: ReadAs = ReadingOptions(),
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
    from ...fitting import refit
    from ...trained_model import TrainedModel
    from ...training import Run
    from ..data import rows_for

    Run(to).refuse_if_taken()
    trained = TrainedModel.load(run, model)
    x = rows_for(trained, data, read, rows, machine.seed)
    training = TrainingConfig(budget, optimisation, validation=validation, machine=machine)
    changed, gain = refit(trained, x, prior, components, training)
    changed.save(to)
    say(f"wrote {to}: the ELBO of held-out rows gained {gain:.3f} nats. Measure it with: velbo evaluate {to} DATA")
