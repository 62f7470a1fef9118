"""What every kind of model owes: one class of models is one `Kind`, and nothing below asks which."""

from __future__ import annotations

import copy
import math
import os
import signal
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_wine
from torch import Tensor

import velbo
from contracts.elsewhere import ELSEWHERE, there, watched
from velbo import Budget, Optimisation, Plan, Recipe, TrainedModel, TrainingConfig, Validation
from velbo.conditional import AnyModel
from velbo.errors import Interrupted
from velbo.evaluation.cells.weighted import cells_of
from velbo.objectives import ELBO
from velbo.posteriors import Pathwise, RowDraw
from velbo.priors import Estimated, log_prior
from velbo.rows import Store
from velbo.terms import PATHWISE, view_of
from velbo.training import Run
from velbo.training.team import Forward

IMAGES = load_digits().images.astype(np.uint8)[:120]
TABLE = load_wine(as_frame=True).frame[::2].copy()
TABLE["target"] = TABLE["target"].map(["barolo", "grignolino", "barbera"].__getitem__)
TABLE.iloc[::4, 2] = np.nan
TABLE.iloc[1::5, 6] = np.nan
WHOLE = TABLE.dropna(axis="columns")
DATA: dict[str, Any] = {"images": IMAGES, "table": TABLE, "whole table": WHOLE}
SHORT = TrainingConfig(Budget(epochs=3), Optimisation(batch_size=32), validation=Validation(validation=0.2))


@dataclass(frozen=True)
class Kind:
    """A kind of model: a recipe and the data that it is for."""

    data: str
    recipe: Recipe

    @cached_property
    def plan(self) -> Plan:
        return velbo.plan(DATA[self.data], self.recipe, training=SHORT)

    @cached_property
    def fitted(self) -> TrainedModel:
        """After three epochs; nobody changes it."""
        return velbo.carry_out(self.plan, DATA[self.data])

    @property
    def double(self) -> AnyModel:
        """The fitted model in float64, a new one each time."""
        return copy.deepcopy(self.fitted.model).double().eval()

    def rows(self, n: int) -> Store:
        """The first n, in float64."""
        return Store.from_rows(self.plan.schema.numbers(DATA[self.data][:n]), self.plan.encoding, torch.float64)


class AtTheMean(Pathwise):
    """No noise in z, so that the gradient of a batch is one number whoever computes it."""

    def noise(self, q: Any, n_samples: int) -> Tensor:
        return torch.zeros_like(super().noise(q, n_samples))

    def sample(self, q: Any, n_samples: int) -> Tensor:
        return q.mean.expand(n_samples, *q.mean.shape)


class StopAfter:
    """A logger that asks for a stop, as a signal would."""

    def __init__(self, n_epochs: int) -> None:
        self.n_epochs = n_epochs

    def log_metrics(self, metrics: dict[str, Any], step: int) -> None:
        if metrics["epoch"] == self.n_epochs:
            os.kill(os.getpid(), signal.SIGTERM)

    def log_progress(self, share: float, text: str) -> None:
        pass


@pytest.mark.filterwarnings("ignore::velbo.errors.CollapseWarning")  # three epochs are few
class ModelContract:
    """A member gives ``kind``."""

    kind: Kind
    n_samples = 4000

    def test_one_pass_says_what_the_view_says(self):
        """log p(x|z), log p(z), log q(z|x) of the terms are those of decoder, prior and encoder at the same z, to
        1e-9; of a prior whose density is an estimate the first and the last.
        """
        model, data = self.kind.double, self.kind.rows(6)
        x = data.fixed(0)
        terms, view = model.terms(x, 3, RowDraw(data.kept, 0)), view_of(model, x)
        assert terms.z.shape == (3, 6, model.n_latents)
        torch.testing.assert_close(terms.log_px_z, view.decode(terms.z).log_prob(x), rtol=0, atol=1e-9)
        torch.testing.assert_close(terms.log_qz, view.encode(x).log_prob(terms.z), rtol=0, atol=1e-9)
        log_pz, is_weight = log_prior(view.prior(), terms.z, RowDraw(data.kept, 0))
        assert terms.is_weight == is_weight
        if not isinstance(view.prior(), Estimated):
            torch.testing.assert_close(terms.log_pz, log_pz, rtol=0, atol=1e-9)
        assert terms.kl is None or terms.group_kl.shape == (6, len(terms.groups))

    def test_a_pass_computes_where_the_model_is_and_waits_for_nothing(self):
        """So that a GPU is given a whole step at once."""
        model, x = there(self.kind.plan.build()), self.kind.rows(8).fixed(0).float().to(ELSEWHERE)
        with watched():
            bound = ELBO()(model.terms(x), torch.ones((), device=ELSEWHERE))
            bound.surrogate.sum().backward()
        assert all(p.grad is None or p.grad.device == ELSEWHERE for p in model.parameters())

    def test_the_rate_in_closed_form_is_that_of_samples(self):
        """Their difference has mean 0, within 5 standard errors of two independent means over `n_samples` samples of 4
        rows (one false alarm in 400,000): the rate of upper groups, or of noise, is a mean over samples too.
        """
        model, k, x = self.kind.double, self.n_samples, self.kind.rows(4).fixed(0)
        if model.terms(x).kl is None:
            pytest.skip("this prior has none in closed form")
        with torch.no_grad():
            terms, others = model.terms(x, k), model.terms(x, k)
        assert terms.kl is not None
        sampled = others.log_qz - others.log_pz
        error = (sampled.mean(0) - terms.kl.sum(-1)).abs()
        assert (error <= 5 * sampled.std(0) * math.sqrt(2 / k) + 1e-9).all()

    def test_scores_depend_on_no_chunk_and_no_neighbour(self):
        model, data = self.kind.double, self.kind.rows(5)
        whole = velbo.score_rows(model, data, 7, chunk=7)
        parts = velbo.score_rows(model, data, 7, chunk=3)
        alone = velbo.score_rows(model, data.subset(torch.tensor([3])), 7)
        for name in ("log_likelihood", "reconstruction", "rate", "kl", "group_kl", "posterior_mean"):
            torch.testing.assert_close(getattr(parts, name), getattr(whole, name), rtol=0, atol=1e-8)
            torch.testing.assert_close(getattr(alone, name), getattr(whole, name)[3:4], rtol=0, atol=1e-8)
        torch.testing.assert_close(whole.group_kl.sum(-1), whole.rate, rtol=0, atol=1e-9)

    def test_every_parameter_learns(self):
        """After one step from where it begins, each has a gradient that is finite and not 0."""
        model = self.kind.plan.build().double()
        x = self.kind.rows(8).fixed(0)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        for _ in range(2):
            optimizer.zero_grad()
            (-model.terms(x, 2).log_w.mean()).backward()
            optimizer.step()
        for name, p in model.named_parameters():
            assert p.grad is not None, name
            assert p.grad.isfinite().all(), name
            assert p.grad.abs().sum() > 0, name

    @property
    def last(self) -> int:
        """A cell that the first rows have and that the laws of others do not depend on."""
        observed = (~self.kind.rows(4).fixed(0).isnan()).all(0)
        observed[self.kind.plan.schema.dims(self.kind.recipe.condition)] = False
        return int(observed.nonzero()[-1])

    def test_a_missing_cell_counts_for_nothing(self):
        """log p(x|z) of a row is the sum over its observed cells; a cell that is taken away counts exactly 0 and leaves
        the others' as they are, and gradients stay finite.
        """
        model, data = self.kind.double, self.kind.rows(4)
        x = data.fixed(0)
        z = model.terms(x, 2, RowDraw(data.kept, 0)).z.detach()
        less = x.clone()
        less[:, self.last] = math.nan
        p = cells_of(view_of(model, x).decode(z))
        cells, others = p.log_prob_cells(x), p.log_prob_cells(less)
        torch.testing.assert_close(p.log_prob(x), cells.sum(-1), rtol=0, atol=1e-9)
        torch.testing.assert_close(p.log_prob(less), others.sum(-1), rtol=0, atol=1e-9)
        assert (cells[..., self.last] != 0).all()
        cells[..., self.last] = 0
        assert (others[..., self.last] == 0).all()
        torch.testing.assert_close(others, cells, rtol=0, atol=1e-9)
        if self.kind.plan.schema.missing:  # an encoder that knows of missing cells
            (-model.terms(less, 1).log_w.mean()).backward()
            assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())

    def test_what_a_user_does(self):
        """Embeddings and back, samples, lines between rows; the same at every call."""
        fitted, rows = self.kind.fitted, DATA[self.kind.data][:5]
        z = fitted.encode(rows)
        assert z.shape == (5, fitted.n_latents)
        assert np.array_equal(z, fitted.encode(rows))
        new, again = fitted.sample(4, seed=1), fitted.sample(4, seed=1)
        assert len(new) == len(fitted.reconstruct(rows)[:4]) == 4
        assert np.array_equal(np.asarray(new), np.asarray(again)) or new.equals(again)
        result = fitted.evaluate(rows, samples=4)
        assert math.isfinite(result.log_likelihood)
        if not self.kind.recipe.condition:
            assert len(fitted.decode(z)) == 5

    def test_missing_cells_are_filled(self):
        if not self.kind.plan.schema.missing:
            pytest.skip("these rows have all their cells")
        fitted, rows = self.kind.fitted, TABLE[:9]
        for full in (fitted.impute(rows, samples=5), *fitted.impute_many(rows, 2, samples=4, steps=2)):
            assert not full.isna().any().any()
            assert full.where(rows.notna()).equals(rows)

    def test_a_folder_gives_it_back(self, tmp_path):
        self.kind.fitted.save(tmp_path / "model")
        again = velbo.load(tmp_path / "model")
        assert isinstance(again, TrainedModel)
        rows = DATA[self.kind.data][:6]
        assert np.array_equal(again.log_likelihood(rows, 3), self.kind.fitted.log_likelihood(rows, 3))

    def test_stopped_and_resumed_it_ends_bit_equal(self, tmp_path):
        run, plan, rows = Run(tmp_path / "run"), self.kind.plan, DATA[self.kind.data]
        run.create(plan.to_json())
        for epoch in (1, 2):
            with pytest.raises(Interrupted):
                velbo.carry_out(plan, rows, run, [StopAfter(epoch)])
        resumed = velbo.carry_out(plan, rows, run).model.state_dict()
        for name, weight in self.kind.fitted.model.state_dict().items():
            assert torch.equal(weight, resumed[name]), name

    def test_it_compiles(self):
        """In float64 the traced terms are the eager ones to 1e-8, with z at the mean; what makes machine code of the
        trace is torch's, and left out here.
        """
        model, x = self.kind.double, self.kind.rows(4).fixed(0)
        torch.compiler.reset()
        forward = torch.compile(Forward(model), backend="eager")
        with torch.no_grad():
            found, wanted = forward(x, 2, AtTheMean()), model.terms(x, 2, AtTheMean())
        torch.testing.assert_close(found.log_px_z, wanted.log_px_z, rtol=0, atol=1e-8)
        torch.testing.assert_close(found.log_qz, wanted.log_qz, rtol=0, atol=1e-8)

    def test_samples_of_a_row_have_noise_of_their_own(self):
        """In no latent two of four samples agree, in training and evaluation alike."""
        model, data = self.kind.double, self.kind.rows(3)
        for draw in (PATHWISE, RowDraw(data.kept, 0)):
            z = model.terms(data.fixed(0), 4, draw).z
            for i in range(4):
                for j in range(i):
                    assert (z[i] != z[j]).all()
