"""What a run is told, in small groups of plain values.

One name in three places: a field here is a key of config.json and an option of the command line (batch_size,
"batch_size", --batch-size). Every field has a default, a type and, where it is a number, limits; in all three places
it is held to them (limits.py).
"""

# types here are values and no texts: groups of the command line inherit them into a module of their own

from dataclasses import dataclass, field
from typing import Annotated

from .errors import ConfigError, unknown
from .limits import COUNT, NOT_NEGATIVE, POSITIVE, ROWS, SEED, SHARE, Checked, Limits

COMPUTED_PRECISIONS = ("float32", "bf16", "bf16-products")
PRECISIONS = ("auto", *COMPUTED_PRECISIONS)
WIDTH = Limits(1, 65_536)
"""Of a layer."""
PROCESSES = Limits(1, 1024)
OF_NOISE = Limits(1e-3, 1e6)
"""Of noise and of the length of a row's gradient: beyond, epsilon or the steps are no numbers."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True)
class Recipe(Checked):
    """What the model is made of.

    Attributes:
        recipe: mlp, resmlp (residual MLP), conv (residual convolutions, for images), ladder (groups of latents, from
            the top down), diffusion (the row itself is noised, and a network learns the way back), autoregressive (of
            tables: each field given the latents and the fields before it), or auto: what suits such data, and why is
            said. Or your own, a function make(schema, recipe) that returns the model, by its import path,
            my_module:make; it is imported.
        latent: number of latents Z, of a ladder that of its top group; 16 if not given, but for auto, which has its
            own number, and diffusion, which has one for each number of a row.
        hidden: width of each layer (mlp), of each residual block (resmlp, autoregressive; ladder and diffusion of
            tables), or channels of each stage (conv; ladder and diffusion of images), as in 200,200; the recipe's own
            if empty.
        likelihood: of all fields that name none of their own, such as bernoulli or normal; auto takes for each what
            suits its kind. `velbo.likelihoods.LIKELIHOODS` has the names.
        dropout: share of the inner units of residual blocks dropped in training.
        prior: auto (standard, but for recipe auto, and for your own what it has), standard, learned (Normal), mixture
            (of Normals), vamp (mixture of the encoder's posteriors), real-nvp, spline, maf (masked autoregressive
            flow), autoregressive or diffusion.
        posterior: diagonal (Normal with independent latents), full (with correlated ones), mixture (of 4 diagonal
            ones), iaf (inverse autoregressive flow) or spline (neural spline flow).
        components: of prior mixture, vamp or autoregressive; the prior's own number if not given.
        groups: of recipe ladder, latents of each group below the top one, from the top, as in 8,8; for images at every
            place of the smallest map. The recipe's own if empty.
        order: of recipe autoregressive, all its fields, first to last; by how much they tell of each other if empty.
        refine: gradient steps by which each row's posterior is refined (semi-amortised); a step costs two decodings
            forwards and backwards.
        condition: fields that are given: the model is of the others given these.
        library_size: counts have their row's sum given, and the model is of their shares (single-cell counts).
        missing: at-random; or not, and the mask is modelled too: self-masked (by the cell's own value) or latent-masked
            (by that and the latents). Log-likelihoods are then those of cells and mask.
        mask_slope: where the dependence on a cell's value begins: 1 if large values are known to be missing more often,
            -1 for small ones.
    """

    recipe: str = "auto"
    latent: Annotated[int | None, WIDTH] = None
    hidden: Annotated[tuple[int, ...], WIDTH] = ()
    likelihood: str = "auto"
    dropout: Annotated[float, SHARE] = 0.0
    prior: str = "auto"
    posterior: str = "diagonal"
    components: Annotated[int | None, WIDTH] = None
    groups: Annotated[tuple[int, ...], WIDTH] = ()
    order: tuple[str, ...] = ()
    refine: Annotated[int, Limits(0, 1000)] = 0
    condition: tuple[str, ...] = ()
    library_size: bool = False
    missing: str = "at-random"
    mask_slope: Annotated[float, Limits(-1e6, 1e6)] = 0.0

    @property
    def n_latents(self) -> int:
        """Z of a recipe that leaves nothing open, of a ladder that of its top group."""
        if self.latent is None:
            raise ConfigError("the number of latents is still open; velbo.plan settles it")
        return self.latent


@dataclass(frozen=True)
class ObjectiveConfig(Checked):
    """Which bound is maximised.

    Attributes:
        objective: a name, options behind it if wanted: renyi or renyi:alpha=0.5 or renyi:alpha=0.5:samples=10. auto:
            iwae for tables with missing cells, elbo for all else. The ELBO: elbo, elbo-sampled (KL by Monte Carlo), stl
            (sticking the landing), score-function. Tighter bounds of several samples: iwae, dreg (IWAE with doubly
            reparameterised gradients), miwae (groups: samples in so many groups, IWAE in each), piwae (groups: IWAE for
            the decoder, miwae for the encoder), ciwae (mix: share of the ELBO beside IWAE), renyi (alpha: 0 is IWAE, 1
            the ELBO), tvo (points, first_point: of the thermodynamic path). The ELBO is reported and something else is
            climbed: beta-tc (mi_weight, tc_weight, kl_weight: of mutual information, total correlation and
            dimension-wise KL), info-vae (alpha, weight: alpha of the KL gives way to weight times an MMD; alpha=1 is
            the WAE), trimmed (trim: share of each batch, the rows that fit worst, that teaches nothing; for data with
            odd rows).
        samples: draws of z an observation: L of the ELBO, K of the others, of all groups together; the objective's own
            if not given (1 for the ELBO, beta-tc, info-vae and trimmed, 2 for score-function, 5 for iwae, dreg, ciwae
            and renyi, 8 for miwae and piwae, 10 for tvo).
        free_bits: nats that each latent may carry for nothing; with objective elbo.
        free_bits_per_group: count the free nats for each group of latents instead.
    """

    objective: str = "auto"
    samples: Annotated[int | None, COUNT] = None
    free_bits: Annotated[float, NOT_NEGATIVE] = 0.0
    free_bits_per_group: bool = False


@dataclass(frozen=True)
class Budget(Checked):
    """How long to train; whichever limit is reached first ends the run and closes the learning-rate schedule.

    Attributes:
        epochs: passes over the training rows; 100 if no limit is given at all.
        minutes: wall-clock minutes, validation included.
    """

    epochs: Annotated[int | None, ROWS] = None
    minutes: Annotated[float | None, POSITIVE] = None

    @property
    def n_epochs(self) -> int | None:
        return 100 if self.epochs is None and self.minutes is None else self.epochs


@dataclass(frozen=True)
class Optimisation(Checked):
    """Adam (AdamW with weight decay): warm-up, then cosine to zero.

    Attributes:
        batch_size: rows a step; the last batch of an epoch is as short as it is. If not given, 128 to 4,096, more
            for more rows; down to 32 in short runs.
        lr: peak learning rate; if not given, 0.002 (convolutions 0.004) for batches of 128 and with the square root of
            the batch beyond.
        weight_decay: decoupled, AdamW's.
        warmup: share of the run in which the learning rate rises to its peak.
        clip: longest gradient, as a multiple of the running average of their lengths; longer ones are shortened to it.
        ema: decay a step of the exponential moving average of the weights, which is what is evaluated and saved;
            0 turns it off.
    """

    batch_size: Annotated[int | None, ROWS] = None
    lr: Annotated[float | None, POSITIVE] = None
    weight_decay: Annotated[float, NOT_NEGATIVE] = 0.0
    warmup: Annotated[float, SHARE] = 0.02
    clip: Annotated[float, Limits(1, 1e30, above=True)] = 1.5
    ema: Annotated[float, SHARE] = 0.999


@dataclass(frozen=True)
class Weighting(Checked):
    """Weight of the rate in what is differentiated; the reported bound is always at beta = 1.

    Attributes:
        beta: final weight of the rate; 1 for the ELBO.
        beta_warmup: share of the run in which the weight rises linearly from 0 to beta; 0 for none.
        target_rate: nats; the weight follows from beta on until the rate is this, and nothing is warmed up.
        target_reconstruction: nats of the data; likewise, until E_q[log p(x|z)] is this.
    """

    beta: Annotated[float, NOT_NEGATIVE] = 1.0
    beta_warmup: Annotated[float, Limits(0, 1)] = 0.1
    target_rate: Annotated[float | None, POSITIVE] = None
    target_reconstruction: Annotated[float | None, Limits(-1e12, 1e12)] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(
            self.target_rate is None or self.target_reconstruction is None,
            "a run has one target: give target rate or target reconstruction, not both",
        )
        _require(not self.constrained or self.beta > 0, "a target needs a beta above 0 to begin with")

    @property
    def constrained(self) -> bool:
        """Whether the weight follows a target."""
        return self.target_rate is not None or self.target_reconstruction is not None


@dataclass(frozen=True)
class Validation(Checked):
    """Rows held out, to choose the best weights and, if asked, to stop early.

    Attributes:
        validation: share of the rows held out, 2,000 rows at most; none are from fewer than 10 rows.
        patience: epochs without a better bound of held-out rows, after the warm-up of beta, before training stops; 0
            never stops. If not given, a fifth of the epochs, 20 at least, for tables; 0 for images, runs by the clock
            and runs that follow a target.
    """

    validation: Annotated[float, SHARE] = 0.1
    patience: Annotated[int | None, Limits(0, ROWS.high)] = None


@dataclass(frozen=True)
class Privacy(Checked):
    """Differential privacy of the rows trained on (DP-SGD); there is none without epsilon. See training/privacy.py.

    Attributes:
        epsilon: train so that the weights are (epsilon, delta)-differentially private: 1 is strong, 10 weak. Needs the
            extra privacy.
        delta: but for outcomes of this probability; a tenth of 1 / number of rows if not given.
        row_clip: longest gradient of a row, nats; longer ones are shortened to it. 1 if not given.
        noise: standard deviation of the noise on the sum of these gradients, in units of row_clip; the least that
            epsilon allows if not given.
    """

    epsilon: Annotated[float | None, Limits(0, 1e6, above=True)] = None
    delta: Annotated[float | None, Limits(0, 1, above=True, below=True)] = None
    row_clip: Annotated[float | None, OF_NOISE] = None
    noise: Annotated[float | None, OF_NOISE] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        others = [name for name in ("delta", "row_clip", "noise") if getattr(self, name) is not None]
        _require(
            self.epsilon is not None or not others,
            f"{' and '.join(others)} are settings of private training, which epsilon asks for; give epsilon too, or "
            "leave them out",
        )

    @property
    def is_asked(self) -> bool:
        """Whether training is private."""
        return self.epsilon is not None


@dataclass(frozen=True)
class Machine(Checked):
    """Where and how to compute.

    Attributes:
        device: auto takes a GPU where there is one; else the name of a torch device.
        devices: train on so many devices, one process each, every batch dealt out among them; for several GPUs, as
            one process makes better use of the cores of a processor.
        precision: "float32"; "bf16": the trunks' layers in bfloat16, weights, parameters of distributions and bounds
            in float32; "bf16-products": only the factors of the trunks' matrix products in bfloat16; "auto": the
            fastest here, by what was measured and the layers' width. See runtime/precision.py.
        threads: of a processor; if not given, all that torch would take, or 1 where that is measured to be faster.
        compile: run the model through torch.compile.
        seed: of weights, order, noise and validation split.
    """

    device: str = "auto"
    devices: Annotated[int, PROCESSES] = 1
    precision: str = "auto"
    threads: Annotated[int | None, PROCESSES] = None
    compile: bool = False
    seed: Annotated[int, SEED] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.precision not in PRECISIONS:
            raise unknown("precision", self.precision, PRECISIONS)
        _require(
            not (self.compile and self.precision == "bf16-products"),
            "precision bf16-products and compile exclude each other; use precision float32 or bf16",
        )


@dataclass(frozen=True)
class TrainingConfig:
    """All of the above."""

    budget: Budget = field(default_factory=Budget)
    optimisation: Optimisation = field(default_factory=Optimisation)
    weighting: Weighting = field(default_factory=Weighting)
    validation: Validation = field(default_factory=Validation)
    machine: Machine = field(default_factory=Machine)
    privacy: Privacy = field(default_factory=Privacy)
