"""A user's own module with parts, in a folder of its own, as `--recipe` and ``model`` take it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATH = "my_parts:make"

SOURCE = '''
"""Parts of a user's own: an encoder that looks at cells and at their squares, and a logistic likelihood."""

import torch
from torch import nn
from torch.distributions import Independent, Normal

import velbo
from velbo.likelihoods import Bernoulli, Mixed
from velbo.nets import MLP, FieldFeatures, FillMissing
from velbo.posteriors import DiagonalNormal
from velbo.priors import LearnedNormal
from velbo.terms import PATHWISE

JITTER = torch.rand(3)  # a module that draws numbers when it is imported


class Squares(nn.Module):
    def forward(self, x):
        return torch.cat((x, x.square()), -1)


class Encoder(nn.Sequential):
    pass


def make(schema, recipe):
    front = FieldFeatures(schema.cells, schema.missing)
    width = recipe.hidden[0] if recipe.hidden else 8
    encoder = Encoder(front, Squares(), MLP(2 * front.n_features, width), DiagonalNormal(width, recipe.n_latents))
    decoder = nn.Sequential(MLP(recipe.n_latents, width), Mixed(width, schema.cells))
    return velbo.VAE(encoder, decoder, LearnedNormal(recipe.n_latents))


class TermsAndView(nn.Module):
    """What the protocol asks for, and nothing more."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def terms(self, x, samples=1, draw=PATHWISE):
        return self.model.terms(x, samples, draw)

    forward = terms

    def given(self, x):
        return self.model.given(x)


def viewed(schema, recipe):
    return TermsAndView(make(schema, recipe))


def three(schema, recipe):
    """It has three latents, whatever is asked for."""
    encoder = nn.Sequential(FillMissing(), MLP(schema.n_dims, 8), DiagonalNormal(8, 3))
    return velbo.VAE(encoder, nn.Sequential(MLP(3, 8), Mixed(8, schema.cells)), LearnedNormal(3))


def tuple_(schema, recipe):
    model = three(schema, recipe)
    model.encoder = nn.Sequential(FillMissing(), nn.Linear(schema.n_dims, 3), Pair())
    return model


class Pair(nn.Module):
    def forward(self, x):
        return x, x


def conditional(schema, recipe):
    given = schema.dims(recipe.condition)
    condition = velbo.conditional.Condition(schema.cells, given, schema.missing)
    front = FieldFeatures(schema.cells, schema.missing)
    encoder = nn.Sequential(front, MLP(front.n_features, 8), DiagonalNormal(8, 2))
    decoder = nn.Sequential(MLP(2 + condition.n_features, 8), Mixed(8, schema.cells, given))
    return velbo.Conditional(velbo.VAE(encoder, decoder, LearnedNormal(2)), condition)


def fails(schema, recipe):
    return 1 / 0


def nothing(schema, recipe):
    return {}


number = 3
'''


@contextmanager
def module_here(folder: Path, source: str = SOURCE, name: str = "my_parts") -> Iterator[None]:
    """The module lies in the folder; it is forgotten afterwards."""
    (folder / f"{name}.py").write_text(source)
    path = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = path
        sys.modules.pop(name, None)
