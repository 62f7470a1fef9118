"""The contract of models, for every kind of model that a recipe makes."""

from __future__ import annotations

import velbo
from contracts.models import SHORT, TABLE, Kind, ModelContract
from velbo import Recipe


class TestFlat(ModelContract):
    kind = Kind("table", Recipe("resmlp", 4, (16,)))


class TestFlatConvolutions(ModelContract):
    kind = Kind("images", Recipe("conv", 4, (4, 6)))


class TestFlatConditional(ModelContract):
    kind = Kind("table", Recipe("resmlp", 4, (16,), condition=("target",)))


class TestFlatBelowADiffusion(ModelContract):
    """log p(z) is an estimate: by one time in training, by a whole path in evaluation."""

    kind = Kind("table", Recipe("resmlp", 4, (16,), prior="diffusion"))


class TestDiffusion(ModelContract):
    """Whole paths by convolutions in float64 are slow, so its rate is held against fewer samples."""

    n_samples = 400
    kind = Kind("images", Recipe("diffusion", hidden=(4, 6)))


class TestDiffusionConditional(ModelContract):
    kind = Kind("whole table", Recipe("diffusion", hidden=(16,), condition=("target",)))


class TestLadder(ModelContract):
    kind = Kind("table", Recipe("ladder", 4, (16,), groups=(3, 2)))


class TestLadderConditional(ModelContract):
    kind = Kind("table", Recipe("ladder", 4, (16,), groups=(3, 2), condition=("target",)))


class TestLadderOfMaps(ModelContract):
    kind = Kind("images", Recipe("ladder", 4, (4, 6), groups=(2, 1)))


class TestLadderBelowAFlow(ModelContract):
    """The top group has no closed-form KL."""

    kind = Kind("table", Recipe("ladder", 4, (16,), groups=(3, 2), prior="real-nvp"))


class TestLadderBelowADiffusion(ModelContract):
    """As of every diffusion, whole paths are slow."""

    n_samples = 400
    kind = Kind("table", Recipe("ladder", 4, (16,), groups=(3, 2), prior="diffusion"))


class TestAutoregressive(ModelContract):
    kind = Kind("table", Recipe("autoregressive", 4, (16,), order=(*reversed(TABLE.columns),)))

    @property
    def last(self) -> int:
        return 0


class TestAutoregressiveConditional(TestAutoregressive):
    kind = Kind("table", Recipe("autoregressive", 4, (16,), condition=("target",), order=(*TABLE.columns[12::-1],)))


def test_a_run_of_groups_records_the_rate_of_each():
    """From the top, of the held-out rows; by the ELBO, which has them in closed form, their sum is the rate."""
    for kind, n in ((TestLadder.kind, 3), (TestFlat.kind, 0)):
        for line in velbo.fit(TABLE, kind.recipe, objective="elbo", training=SHORT).history.metrics:
            rates = [line[f"validation_rate_{group}"] for group in range(1, n + 1)]
            assert sum(name.startswith("validation_rate_") for name in line) == n
            assert not rates or abs(sum(rates) - line["validation_rate"]) < 1e-5
