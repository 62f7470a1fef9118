"""The pictures of the road to diffusion, from the same functions as its pages.

python docs/road/pictures               all of them, in a few minutes, into docs/images/road
python docs/road/pictures samplers      some of them
"""

from __future__ import annotations

import sys

import torch
from denoisers import flow_density, samplers, targets
from drawing import FOLDER, save
from layers import exact_hierarchy, jensen, nats_by_group, two_levels
from noise import hierarchy_of_noise, noising, schedules, three_terms
from uses import guidance, priors, traps

PICTURES = (
    jensen,
    nats_by_group,
    two_levels,
    exact_hierarchy,
    noising,
    hierarchy_of_noise,
    three_terms,
    schedules,
    targets,
    samplers,
    flow_density,
    priors,
    guidance,
    traps,
)

FOLDER.mkdir(parents=True, exist_ok=True)
for draw in PICTURES:
    if not sys.argv[1:] or draw.__name__ in sys.argv[1:]:
        torch.manual_seed(0)
        save(draw(), FOLDER / f"{draw.__name__}.png")
