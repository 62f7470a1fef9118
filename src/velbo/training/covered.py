"""What epsilon of private training (privacy.py) is said of, and what is refused or left out because it would tell more
of rows than that.

covered      the weights, and all that follows from them alone; samples, fillings and scores, which use the schema too,
             where it came from elsewhere
left out     held-out rows and the choice of weights by them, figures of training rows, their typical cells, report.html
refused      parts that begin from rows or keep some, bounds and targets that tie rows together, weights of rows,
             rows on disk, several processes, a budget of minutes alone
not covered  what is learned of the fields before the first step; see `NOT_COVERED`
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from torch import nn

from ..config import OF_NOISE, Privacy, TrainingConfig, Validation
from ..errors import ConfigError
from ..objectives import Objective, couples_rows
from .accountant import noise_for, spent

ROW_CLIP = 1.0
SHARE_OF_DELTA = 0.1
NOT_COVERED = (
    "Epsilon does not cover what velbo reads from the rows before the first step and keeps in config.json: kinds, "
    "names of categories and how often they occur, smallest and largest values, frequent and repeated values, "
    "decimals, digits, means and scales of fields, how many cells are missing, the order of fields and fixed "
    "combinations where such were learned, the number of rows, their fingerprint and the path of their file. New rows, "
    "fillings and scores use these fields as well as the weights: a new row ends at the smallest and the largest value "
    "of the rows. So epsilon covers them only where the schema was given and came from elsewhere. Nor does it cover "
    "figures that are measured on these rows afterwards, settings that were chosen by looking at them, or another "
    "training on the same rows, whose epsilon adds to this one."
)


def steps_of(config: TrainingConfig, n_rows: int) -> int:
    """Steps that the epochs of a closed configuration make."""
    o = config.optimisation
    return (config.budget.n_epochs or 0) * math.ceil(n_rows / (o.batch_size or n_rows))


def rate_of(config: TrainingConfig, n_rows: int) -> float:
    """Probability of a row to be in a step."""
    return min(1.0, (config.optimisation.batch_size or n_rows) / n_rows)


def spent_by(config: TrainingConfig, n_rows: int, steps: int) -> float:
    """epsilon of so many steps of a closed configuration."""
    p = config.privacy
    assert p.noise is not None
    assert p.delta is not None
    return spent(p.noise, rate_of(config, n_rows), steps, p.delta)


def allowed(config: TrainingConfig) -> tuple[TrainingConfig, dict[str, str]]:
    """A configuration of private training without what would tell of rows, and why.

    Raises:
        ConfigError: if something was asked for that cannot be private.
    """
    _require_settings(config)
    reasons = dict[str, str]()
    if config.validation.validation:
        reasons["validation"] = "0: figures of held-out rows, and weights chosen by them, would not be private"
    machine = replace(config.machine, precision="float32")
    return replace(config, validation=Validation(0.0, 0), machine=machine), reasons


def closed(config: TrainingConfig, n_rows: int) -> tuple[TrainingConfig, dict[str, str]]:
    """The same with its noise and all that this rests on, and why.

    Args:
        config: whose batch size is settled.
        n_rows: of the data.

    Raises:
        ConfigError: if noise was asked for that is too low for epsilon, or a delta too large for the rows.
        MissingExtraError: without opacus.
    """
    p, reasons = config.privacy, dict[str, str]()
    assert p.epsilon is not None
    delta = p.delta
    if delta is None:
        delta = SHARE_OF_DELTA / n_rows
        reasons["delta"] = f"{delta:.3g}, a tenth of 1 / {n_rows} rows: at 1 / n_rows a random row might be told"
    elif delta >= 1 / n_rows:
        raise ConfigError(
            f"delta {delta:g} is no less than 1 / {n_rows} rows, so that a row may be told as it is; leave delta out, "
            f"or give {SHARE_OF_DELTA / n_rows:.3g}, a tenth of that"
        )
    rate, steps = rate_of(config, n_rows), steps_of(config, n_rows)
    noise = p.noise or max(OF_NOISE.low, noise_for(p.epsilon, rate, steps, delta))
    if (found := spent(noise, rate, steps, delta)) > p.epsilon:
        raise ConfigError(
            f"noise {noise:g} makes {steps} steps ({found:.3g}, {delta:g})-differentially private, and epsilon "
            f"{p.epsilon:g} was asked for; leave noise out, or ask for epsilon {math.ceil(100 * found) / 100:g}"
        )
    clip = p.row_clip or ROW_CLIP
    if p.noise is None:
        reasons["privacy"] = (
            f"({p.epsilon:g}, {delta:.3g})-differential privacy of the weights by noise {noise:.4g} times row clip "
            f"{clip:g} in each of {steps} steps, which see {rate:.3g} of the rows; fields, their ranges and scales are "
            "read from the rows and not covered, no figures of training rows and no report are written"
        )
    return replace(config, privacy=Privacy(p.epsilon, delta, clip, noise)), reasons


def _require_settings(config: TrainingConfig) -> None:
    machine, cannot = config.machine, "private training "
    for wrong, message in (
        (config.weighting.constrained, "has no target: it would follow figures of rows; leave out target rate"),
        (bool(config.validation.patience), "holds no rows out that could end it; leave out patience"),
        (config.budget.n_epochs is None, "sets its noise by the number of steps; give epochs beside minutes"),
        (machine.devices > 1, "is one process's; leave out devices"),
        (machine.compile, "takes gradients row by row, which is not compiled; leave out compile"),
        (machine.precision not in ("auto", "float32"), "is in float32; leave out precision"),
    ):
        if wrong:
            raise ConfigError(f"{cannot}{message}, or leave out epsilon")


@dataclass(frozen=True)
class Asks:
    """How rows come to private training.

    Attributes:
        stream: they stay on disk.
        weighted: some count more often than others.
        n_processes: that train together.
        held_out: some are kept for validation.
    """

    stream: bool = False
    weighted: bool = False
    n_processes: int = 1
    held_out: bool = False


def require_private(model: nn.Module, objective: Objective, asks: Asks) -> None:
    """
    Raises:
        ConfigError: for a model, a bound or rows that private training does not cover.
    """
    begins = next((type(part).__name__ for part in model.modules() if hasattr(part, "start_from")), "")
    for wrong, message in (
        (
            couples_rows(objective),
            f"needs a bound that each row has by itself, which {type(objective).__name__} with these options is not; "
            "take objective elbo or iwae, without free bits",
        ),
        (
            begins,
            f"covers no part that begins from rows or keeps some, and {begins} does (prior 'vamp', a condition, a "
            "library size, recipe 'diffusion'); take another prior or recipe",
        ),
        (asks.stream, "draws its rows from memory; give a table that fits it, or a sample of the rows (--rows N)"),
        (asks.weighted, "counts every row once; leave out sample_weight"),
        (asks.held_out, "holds no rows out; leave out order"),
    ):
        if wrong:
            raise ConfigError(f"private training {message}, or leave out epsilon")
    require_one_process(asks.n_processes)


def require_one_process(n: int) -> None:
    """
    Raises:
        ConfigError: of private training by several.
    """
    if n > 1:
        raise ConfigError("private training is one process's; start one, or leave out epsilon")
