"""What a run is told, in small groups of plain values.

One name in three places: a field here is a key of config.json and an option of the command line (batch_size,
"batch_size", --batch-size). Every field has a default; config.json is checked against these types (files.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .errors import ConfigError, unknown

COMPUTED_PRECISIONS = ("float32", "bf16", "bf16-products")
PRECISIONS = ("auto", *COMPUTED_PRECISIONS)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True)
class Recipe:
    """What the model is made of.

    Attributes:
        recipe: mlp, resmlp (residual MLP), conv (residual convolutions, for images), or auto: what suits such data, and
            why is said. Or your own, a function make(schema, recipe) that returns the model, by its import path,
            my_module:make; it is imported.
        latent: number of latents Z; 16 if not given, but for auto, which has its own number.
        hidden: width of each layer (mlp), of each residual block (resmlp), or channels of each stage (conv), as in
            200,200; the recipe's own if empty.
        likelihood: of all fields that name none of their own, such as bernoulli or normal; auto takes for each what
            suits its kind. `velbo.likelihoods.LIKELIHOODS` has the names.
        dropout: share of the inner units of residual blocks dropped in training.
        prior: auto (standard, but for recipe auto, and for your own what it has), standard, learned (Normal), mixture
            (of Normals), vamp (mixture of the encoder's posteriors), real-nvp, spline, maf (masked autoregressive flow)
            or autoregressive.
        posterior: diagonal (Normal with independent latents), full (with correlated ones), mixture (of 4 diagonal
            ones), iaf (inverse autoregressive flow) or spline (neural spline flow).
        components: of prior mixture, vamp or autoregressive; the prior's own number if not given.
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
    latent: int | None = None
    hidden: tuple[int, ...] = ()
    likelihood: str = "auto"
    dropout: float = 0.0
    prior: str = "auto"
    posterior: str = "diagonal"
    components: int | None = None
    refine: int = 0
    condition: tuple[str, ...] = ()
    library_size: bool = False
    missing: str = "at-random"
    mask_slope: float = 0.0

    def __post_init__(self) -> None:
        _require(self.latent is None or self.latent >= 1, f"latent must be at least 1, not {self.latent}")
        _require(all(h >= 1 for h in self.hidden), f"hidden must be 1 or more each, not {list(self.hidden)}")
        _require(0 <= self.dropout < 1, f"dropout must be in [0, 1), not {self.dropout}")
        _require(self.components is None or self.components >= 1, f"components must be >= 1, not {self.components}")
        _require(self.refine >= 0, f"refine is a number of steps, 0 or more, not {self.refine}")

    @property
    def n_latents(self) -> int:
        """Z of a recipe that leaves nothing open."""
        if self.latent is None:
            raise ConfigError("the number of latents is still open; velbo.plan settles it")
        return self.latent


@dataclass(frozen=True)
class ObjectiveConfig:
    """Which bound is maximised.

    Attributes:
        objective: a name, options behind it if wanted: renyi or renyi:alpha=0.5 or renyi:alpha=0.5:samples=10. The
            ELBO: elbo, elbo-sampled (KL by Monte Carlo), stl (sticking the landing), score-function. Tighter bounds of
            several samples: iwae, dreg (IWAE with doubly reparameterised gradients), miwae (groups: samples in so many
            groups, IWAE in each), piwae (groups: IWAE for the decoder, miwae for the encoder), ciwae (mix: share of the
            ELBO beside IWAE), renyi (alpha: 0 is IWAE, 1 the ELBO), tvo (points, first_point: of the thermodynamic
            path). The ELBO is reported and something else is climbed: beta-tc (mi_weight, tc_weight, kl_weight: of
            mutual information, total correlation and dimension-wise KL), info-vae (alpha, weight: alpha of the KL
            gives way to weight times an MMD; alpha=1 is the WAE), trimmed (trim: share of each batch, the rows that fit
            worst, that teaches nothing; for data with odd rows).
        samples: draws of z an observation: L of the ELBO, K of the others, of all groups together; the objective's own
            if not given (1 for the ELBO, beta-tc, info-vae and trimmed, 2 for score-function, 5 for iwae, dreg, ciwae
            and renyi, 8 for miwae and piwae, 10 for tvo).
        free_bits: nats that each latent may carry for nothing; with objective elbo.
        free_bits_per_group: count the free nats for each group of latents instead.
    """

    objective: str = "elbo"
    samples: int | None = None
    free_bits: float = 0.0
    free_bits_per_group: bool = False

    def __post_init__(self) -> None:
        _require(self.samples is None or self.samples >= 1, f"samples must be at least 1, not {self.samples}")
        _require(self.free_bits >= 0, f"free bits must be 0 or more nats, not {self.free_bits}")


@dataclass(frozen=True)
class Budget:
    """How long to train; whichever limit is reached first ends the run and closes the learning-rate schedule.

    Attributes:
        epochs: passes over the training rows; 100 if no limit is given at all.
        minutes: wall-clock minutes, validation included.
    """

    epochs: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        _require(self.epochs is None or self.epochs >= 1, f"epochs must be at least 1, not {self.epochs}")
        _require(self.minutes is None or self.minutes > 0, f"minutes must be positive, not {self.minutes}")

    @property
    def n_epochs(self) -> int | None:
        return 100 if self.epochs is None and self.minutes is None else self.epochs


@dataclass(frozen=True)
class Optimisation:
    """Adam (AdamW with weight decay): warm-up, then cosine to zero.

    Attributes:
        batch_size: rows a step; the last batch of an epoch is as short as it is. If not given, 128 to 2,048, more
            for more rows.
        lr: peak learning rate; if not given, 0.002 for batches of 128 and with the square root of the batch beyond.
        weight_decay: decoupled, AdamW's.
        warmup: share of the run in which the learning rate rises to its peak.
        clip: longest gradient, as a multiple of the running average of their lengths; longer ones are shortened to it.
        ema: decay a step of the exponential moving average of the weights, which is what is evaluated and saved;
            0 turns it off.
    """

    batch_size: int | None = None
    lr: float | None = None
    weight_decay: float = 0.0
    warmup: float = 0.02
    clip: float = 1.5
    ema: float = 0.999

    def __post_init__(self) -> None:
        _require(
            self.batch_size is None or self.batch_size >= 1, f"batch size must be at least 1, not {self.batch_size}"
        )
        _require(self.lr is None or self.lr > 0, f"lr must be positive, not {self.lr}")
        _require(self.weight_decay >= 0, f"weight decay must not be negative, it is {self.weight_decay}")
        _require(0 <= self.warmup < 1, f"warmup is a share of the run, in [0, 1), not {self.warmup}")
        _require(self.clip > 1, f"clip is a multiple of the average, more than 1, not {self.clip}")
        _require(0 <= self.ema < 1, f"ema must be in [0, 1), not {self.ema}")


@dataclass(frozen=True)
class Weighting:
    """Weight of the rate in what is differentiated; the reported bound is always at beta = 1.

    Attributes:
        beta: final weight.
        beta_warmup: share of the run in which the weight rises linearly from 0 to beta; 0 for none.
        target_rate: nats; the weight follows from beta on until the rate is this, and nothing is warmed up.
        target_reconstruction: nats of the data; likewise, until E_q[log p(x|z)] is this.
    """

    beta: float = 1.0
    beta_warmup: float = 0.1
    target_rate: float | None = None
    target_reconstruction: float | None = None

    def __post_init__(self) -> None:
        _require(self.beta >= 0, f"beta must not be negative, it is {self.beta}")
        _require(
            0 <= self.beta_warmup <= 1,
            f"beta warmup is a share of the run, in [0, 1], not {self.beta_warmup}",
        )
        _require(self.target_rate is None or self.target_rate > 0, f"target rate must be > 0, not {self.target_rate}")
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
class Validation:
    """Rows held out, to choose the best weights and, if asked, to stop early.

    Attributes:
        validation: share of the rows held out, 2,000 rows at most; none are from fewer than 10 rows.
        patience: evaluations (one an epoch) without a better bound before training stops; None never stops.
    """

    validation: float = 0.1
    patience: int | None = None

    def __post_init__(self) -> None:
        _require(0 <= self.validation < 1, f"validation is a share of the rows, in [0, 1), not {self.validation}")
        _require(self.patience is None or self.patience >= 1, f"patience must be at least 1, not {self.patience}")


@dataclass(frozen=True)
class Machine:
    """Where and how to compute.

    Attributes:
        device: "auto" takes a GPU where there is one; else a torch device name.
        devices: train on so many devices, one process each, every batch dealt out among them; for several GPUs, as
            one process makes better use of the cores of a processor.
        precision: "float32"; "bf16": the trunks' layers in bfloat16, weights, parameters of distributions and bounds
            in float32; "bf16-products": only the factors of the trunks' matrix products in bfloat16; "auto": the
            fastest here, by what was measured and the layers' width. See nets/precision.py.
        threads: of a processor; if not given, all that torch would take, or 1 where that is measured to be faster.
        compile: run the model through torch.compile.
        seed: of weights, order, noise and validation split.
    """

    device: str = "auto"
    devices: int = 1
    precision: str = "auto"
    threads: int | None = None
    compile: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise unknown("precision", self.precision, PRECISIONS)
        _require(
            not (self.compile and self.precision == "bf16-products"),
            "precision bf16-products and compile exclude each other; use precision float32 or bf16",
        )
        _require(self.threads is None or self.threads >= 1, f"threads must be at least 1, not {self.threads}")
        _require(self.devices >= 1, f"devices must be at least 1, not {self.devices}")
        _require(0 <= self.seed < 2**63, f"seed must be a whole number from 0, not {self.seed}")


@dataclass(frozen=True)
class TrainingConfig:
    """All of the above."""

    budget: Budget = field(default_factory=Budget)
    optimisation: Optimisation = field(default_factory=Optimisation)
    weighting: Weighting = field(default_factory=Weighting)
    validation: Validation = field(default_factory=Validation)
    machine: Machine = field(default_factory=Machine)
