"""How far from log p(x) are the estimates? On data of the model's own the truth is held between two bounds.

    x ~ p(x|z*), z* ~ p(z):     E[annealed forwards from p(z)]  <=  log p(x)  <=  E[annealed backwards from z*]

The width bounds the error of either side, and what importance sampling misses shows against them. For the data
themselves no exact posterior sample is known, so there annealing and importance sampling are lower bounds: the higher
one is the better one, and the width on the model's own data tells how good it is as far as the two are alike.

Source: On the quantitative analysis of decoder-based generative models, Wu, Burda, Salakhutdinov and Grosse, 2017,
https://arxiv.org/abs/1611.04273 (sections 3.2, 4.3); Sandwiching the marginal likelihood using bidirectional Monte
Carlo, Grosse, Ghahramani and Adams, 2015, https://arxiv.org/abs/1511.02543.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from ...checks import rows_for
from ...conditional import Conditional
from ...errors import ConfigError
from ...likelihoods.mixed import row_and_mask
from ...rows import AnyRows, Store
from ...runtime.generators import OwnGenerator
from ...tables import Figure, Shown, Table, explained
from ...terms import Model, View, view_of
from .annealing import Annealing, anneal, anneal_backwards
from .log_likelihood import score_rows
from .summary import standard_error


@dataclass(frozen=True)
class Bracket(Shown):
    """Means over rows in nats of the data (rows/units.py), on which the width does not depend.

    Attributes:
        rows: of the data, and of the model's own.
        temperatures, chains, samples: of the estimates.
        acceptance: of the proposals, on the data.
        annealed: lower bound of log p(x) of the data; ``_se`` is a standard error over rows.
        importance: the importance-weighted bound of the same rows.
        own_importance: the importance-weighted bound of the model's own data.
        own_annealed: their lower bound.
        own_above: their upper bound.
        width: own_above - own_annealed, whose standard error is that of its own rows.
    """

    rows: int
    temperatures: int
    chains: int
    samples: int
    acceptance: float
    annealed: float
    annealed_se: float
    importance: float
    importance_se: float
    own_importance: float
    own_importance_se: float
    own_annealed: float
    own_annealed_se: float
    own_above: float
    own_above_se: float
    width: float
    width_se: float

    def to_json(self) -> dict[str, Any]:
        return {k: None if v != v else v for k, v in asdict(self).items()}

    def __repr__(self) -> str:
        return (
            f"Bracket({self.rows} rows: at least {max(self.annealed, self.importance):.3f} nats, {self.width:.3f} wide)"
        )

    def table(self) -> Table:
        """Every figure with its standard error and its meaning."""
        own = "of the model's own rows"
        return explained(
            (
                Figure("rows", self.rows, f"{self.temperatures} temperatures, {self.chains} chains a row"),
                Figure("annealed", self.annealed, "lower bound of log p(x) of the data, nats a row", self.annealed_se),
                Figure(
                    "importance-weighted", self.importance, f"another, of {self.samples} samples", self.importance_se
                ),
                Figure("own rows: above", self.own_above, f"upper bound of log p(x) {own}", self.own_above_se),
                Figure("  annealed", self.own_annealed, "lower bound of the same", self.own_annealed_se),
                Figure("  importance-weighted", self.own_importance, "another", self.own_importance_se),
                Figure("  width", self.width, "between both: what annealing may be wrong by", self.width_se),
                Figure("acceptance", self.acceptance, "of the proposals"),
            )
        )


@torch.no_grad()
def simulate(view: View, n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """(x, z), z ~ p(z), x ~ p(x|z), (n, D) and (n, Z): data whose exact posterior sample is known.

    Where the mask is modelled, x has missing cells, as the model says.
    """
    with OwnGenerator(seed, "simulate"):
        z = view.prior().sample(torch.Size((n,)))
        return row_and_mask(view.decode(z)), z


def bracket(model: Model, data: AnyRows, settings: Annealing = Annealing(), samples: int = 1000) -> Bracket:
    """Anneal the data forwards, and as many rows of the model's own both ways, beside importance sampling.

    Args:
        model: in evaluation mode, on the CPU.
        data: rows x, (N, D), of any container; see `velbo.checks.rows_for`. A hundred cost minutes.
        settings: how long to anneal.
        samples: of importance sampling.

    Raises:
        ConfigError: for a conditional model.
    """
    if isinstance(model, Conditional):
        raise ConfigError(
            "the bracket draws data of the model's own, and a conditional model draws no c for them; use score_rows "
            "and anneal, which bound log p(x|c) from below"
        )
    data = rows_for(model, data)
    x, z = simulate(view_of(model, data.fixed(settings.seed)), len(data), settings.seed)
    own = Store.from_tensor(x, data.units)
    run = anneal(model, data.fixed(settings.seed), settings)
    annealed = run.bound + data.log_det()
    below, above = anneal(model, x, settings).bound, anneal_backwards(model, x, z, settings).bound
    below, above = below + own.log_det(), above + own.log_det()
    importance, own_importance = (score_rows(model, d, samples, seed=settings.seed).log_likelihood for d in (data, own))
    return Bracket(
        rows=len(data),
        temperatures=settings.temperatures,
        chains=settings.chains,
        samples=samples,
        acceptance=run.acceptance,
        annealed=float(annealed.mean()),
        annealed_se=standard_error(annealed),
        importance=float(importance.mean()),
        importance_se=standard_error(importance),
        own_importance=float(own_importance.mean()),
        own_importance_se=standard_error(own_importance),
        own_annealed=float(below.mean()),
        own_annealed_se=standard_error(below),
        own_above=float(above.mean()),
        own_above_se=standard_error(above),
        width=float((above - below).mean()),
        width_se=standard_error(above - below),
    )
