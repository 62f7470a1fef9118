"""velbo refit-prior: another prior for a trained model."""

from __future__ import annotations

from pathlib import Path

from ...config import Budget, Machine, Optimisation, TrainingConfig, Validation
from ...files import shown
from ..app import app, say
from ..options import (
    Folder,
    OfBudget,
    OfMachine,
    OfOptimisation,
    OfValidation,
    OwnParts,
    ReadAs,
    ReadingOptions,
    SomeRows,
)
from ..pages import TRAIN


@app.command(group=TRAIN)
def refit_prior(
    run: Folder,
    data: str,
    *,
    to: Folder,
    prior: str = "real-nvp",
    components: int | None = None,
    rows: SomeRows = None,
    budget: OfBudget = Budget(),
    optimisation: OfOptimisation = Optimisation(),
    validation: OfValidation = Validation(),
    machine: OfMachine = Machine(),
    model: OwnParts = None,
    read: ReadAs = ReadingOptions(),
) -> None:
    """Another prior for a trained model.

    It is fitted to where the encoder puts the data; encoder and decoder stay as they are.

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
    from ..data import chosen, open_for

    Run(to).refuse_if_taken()
    trained = TrainedModel.load(run, model)
    picked = chosen(open_for(trained, data, read), rows, machine.seed)
    training = TrainingConfig(budget, optimisation, validation=validation, machine=machine)
    with picked.numbered():
        changed, gain = refit(trained, picked.rows, prior, components, training)
    changed.save(to)
    say(f"wrote {shown(to)}: {verdict(gain, run, to)}")


def verdict(gain: float, old: Path, new: Path) -> str:
    """What the new prior has brought, and what to do."""
    if gain <= 0:
        return f"the ELBO of held-out rows lost {-gain:.3f} nats; keep the old one, {old}"
    return f"the ELBO of held-out rows gained {gain:.3f} nats. Measure it with: velbo evaluate {new} DATA"
