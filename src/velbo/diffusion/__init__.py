"""Diffusion: x is noised step by step, and a network learns the way back.

schedule     how much noise at what time                       (12) (13) (19)
steps        one step, with x known and with x predicted       (14) (15)
bound        the three terms, by one time or a whole path      (16) (17)
prediction   x, noise, score and velocity are one prediction   (18)
samplers     ancestral, DDIM, Heun                             (20) (21)
flow         the density of the flow                           (22)
prior        p(z) of a VAE                                     (23)
model        of rows x
guidance     beyond what is given                              (24)
"""

from .bound import (
    ContinuousTime,
    DiscreteTime,
    Path,
    Times,
    by_one_time,
    by_path,
    end_of_path,
    expected_end,
    from_first,
    prior_matching,
)
from .conv_network import LevelConv
from .denoiser import Denoiser, GaussianDenoiser, Preconditioned
from .flow import exact_trace, flow_log_prob, hutchinson_trace
from .guidance import ConditionalDenoiser, Guided
from .model import Diffusion, Embedding
from .network import LevelMLP
from .prediction import Prediction
from .prior import Diffused, DiffusionPrior, FirstLatents, Process, diffusion_prior
from .samplers import DDIM, Ancestral, Heun, Sampler
from .schedule import CosineSchedule, LinearSchedule, MonotoneSchedule, Schedule, alpha, sigma, snr
from .steps import Step
from .weighting import MinSNR, Sigmoid, Weighting, simple

__all__ = [
    "DDIM",
    "Ancestral",
    "ConditionalDenoiser",
    "ContinuousTime",
    "CosineSchedule",
    "Denoiser",
    "Diffused",
    "Diffusion",
    "DiffusionPrior",
    "DiscreteTime",
    "Embedding",
    "FirstLatents",
    "GaussianDenoiser",
    "Guided",
    "Heun",
    "LevelConv",
    "LevelMLP",
    "LinearSchedule",
    "MinSNR",
    "MonotoneSchedule",
    "Path",
    "Preconditioned",
    "Prediction",
    "Process",
    "Sampler",
    "Schedule",
    "Sigmoid",
    "Step",
    "Times",
    "Weighting",
    "alpha",
    "by_one_time",
    "by_path",
    "diffusion_prior",
    "end_of_path",
    "exact_trace",
    "expected_end",
    "flow_log_prob",
    "from_first",
    "hutchinson_trace",
    "prior_matching",
    "sigma",
    "simple",
    "snr",
]
