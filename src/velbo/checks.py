"""The first two rows go through a model before any others do: what its parts give must have these shapes.

    encoder   x (B, D)     -> q(z|x)   batch shape (B,),    event shape (Z,)
    prior     ()           -> p(z)     batch shape (),      event shape (Z,), or one for each row, (B,)
    decoder   z (K, B, Z)  -> p(x|z)   batch shape (K, B),  event shape (D,)

torch broadcasts, so a part of another shape seldom fails by itself: it trains, towards a sum over the wrong cells.
Shapes are all that is looked at there. Training asks of its first rows too whether they lie in the support of p(x|z),
outside of which a likelihood is none. z is 0 here, so no random number is drawn; and whatever is in training mode is in
evaluation mode meanwhile, so that no running average moves.

No number that is not finite goes into a file or a result: weights and rows are refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.distributions import Distribution

from .errors import ConfigError, DataError, RunError, VelboError
from .rows import AnyRows, Store, Stream, store_of
from .rows.row_numbers import row_name
from .terms import Model, n_latents, view_of

B, K = 2, 3
ENDS = {
    "encoder": "velbo.posteriors.DiagonalNormal(F, Z)",
    "prior": "velbo.priors.StandardNormal(Z)",
    "decoder": "velbo.likelihoods.Normal(F, D)",
}
SHAPES = {
    "encoder": "batch shape (B,) and event shape (Z,)",
    "prior": "batch shape () and event shape (Z,)",
    "decoder": "batch shape (K, B) and event shape (D,)",
}


def rows_for(model: Model, x: AnyRows) -> Store:
    """Rows in memory, of which a model was shown the first two.

    Args:
        model: anything that gives terms.
        x: encoded rows, a store or a stream; or rows x, (N, D): a tensor, an array, a Dataset or a DataLoader, which is
            read once, in order (see `velbo.rows.any_rows`), and takes the precision of the model's weights.

    Raises:
        DataError: if these are no rows, or have more than one axis.
        ConfigError: if a part of the model gives another shape than it should.
    """
    data = store_of(x, _weight(model).dtype)
    check_first_rows(model, data)
    return data


def check_first_rows(model: Model, data: Store | Stream) -> None:
    """`check_parts` on the first two rows, if there are any."""
    if len(data):
        check_parts(model, data.subset(torch.arange(min(B, len(data)))).fixed(0))


def check_parts(model: Model, x: Tensor) -> None:
    """Refuse a model whose parts do not fit each other or x.

    Args:
        model: anything that gives terms.
        x: a row or two, (B, D).

    Raises:
        DataError: if a row has more than one axis.
        ConfigError: if a part gives no distribution, or one of another shape; the message names it.
    """
    if x.dim() != 2:
        row = tuple(x.shape[1:])
        raise DataError(
            f"rows x have shape {row}, and the encoder takes x of shape (N, D): give x.reshape(len(x), -1), here "
            f"(N, {prod(row)}); an encoder that wants the axes begins with torch.nn.Unflatten(-1, {row})"
        )
    x = x.to(_weight(model).device)
    with _in_evaluation(model), torch.no_grad():
        view = view_of(model, x)
        q = _given_by("encoder", lambda: view.encode(x), f"x of shape (B, D) = {tuple(x.shape)}", x.shape[1])
        _refuse_shape("encoder", q, q.batch_shape == x.shape[:1])
        (n,) = q.event_shape
        prior = _given_by("prior", view.prior, "nothing", n)
        _refuse_shape("prior", prior, prior.batch_shape in ((), (1,), x.shape[:1]))
        if prior.event_shape != q.event_shape:
            raise ConfigError(
                f"the encoder's z has {n} numbers and the prior's {prior.event_shape[0]}: give both the same "
                f"Z, such as velbo.priors.StandardNormal({n})"
            )
        z = x.new_zeros(K, len(x), n)
        p = _given_by("decoder", lambda: view.decode(z), f"z of shape (K, B, Z) = {tuple(z.shape)}", n)
        _refuse_shape("decoder", p, p.batch_shape == z.shape[:2])
        if p.event_shape != x.shape[1:]:
            raise ConfigError(
                f"the decoder's {type(p).__name__} is of {p.event_shape[0]} numbers a row, and x has {x.shape[1]}: end "
                f"it with {ENDS['decoder']}, D = {x.shape[1]}"
            )


@torch.no_grad()
def check_support(model: Model, x: Tensor) -> None:
    """
    Raises:
        DataError: if an observed cell of x (B, D) lies outside the support of its p(x_d|z).
    """
    view = view_of(model, x)
    p = view.decode(x.new_zeros(len(x), n_latents(view)))
    whole = ((torch.arange(x.shape[-1]), p),)
    for positions, part in getattr(p, "parts", whole):
        cells: Any = getattr(part, "cell", part)
        values = x.index_select(-1, positions.to(x.device))
        filled = values.masked_fill(values.isnan(), getattr(part, "inside", 0.0))
        if not bool(cells.support.check(filled).all()):
            raise DataError(
                f"the data lie outside the support of the likelihood, {cells.support}; encode them first, or "
                "choose a likelihood for such values"
            )


def _given_by(part: str, give: Callable[[], Any], taken: str, n: int) -> Distribution:
    """What a part gives.

    Raises:
        ConfigError: if it raises, or it gives no distribution.
    """
    try:
        found = give()
    except VelboError:
        raise
    except Exception as error:
        why = " ".join(str(error).split())
        raise ConfigError(
            f"the {part} raised {type(error).__name__} on {taken}: {why}; let it take {n} numbers a row, as "
            f"velbo.nets.MLP({n}, ...) does, and NaN where x is missing, as velbo.nets.FillMissing() does"
        ) from error
    if isinstance(found, Distribution):
        return found
    by_two = "return Independent(Normal(mean, (log_variance / 2).exp()), 1), or " if isinstance(found, tuple) else ""
    raise ConfigError(
        f"the {part} gives a {type(found).__name__}, and a torch distribution of {SHAPES[part]} is wanted: {by_two}end "
        f"it with {ENDS[part]}"
    )


def _refuse_shape(part: str, d: Distribution, fits: bool) -> None:
    if fits and len(d.event_shape) == 1:
        return
    batch, event = tuple(d.batch_shape), tuple(d.event_shape)
    how = "return torch.distributions.Independent(d, 1)" if not event else f"end it with {ENDS[part]}"
    raise ConfigError(
        f"the {part}'s {type(d).__name__} has batch shape {batch} and event shape {event}, and {SHAPES[part]} is "
        f"wanted: {how}"
    )


def _weight(model: Any) -> Tensor:
    """A weight, or what stands for one in a model that has none."""
    found = chain(model.parameters(), model.buffers()) if isinstance(model, nn.Module) else ()
    return next((t for t in found if t.is_floating_point()), torch.empty(0))


@contextmanager
def _in_evaluation(model: Any) -> Iterator[None]:
    changed = [m for m in model.modules() if m.training] if isinstance(model, nn.Module) else []
    for module in changed:
        module.training = False
    try:
        yield
    finally:
        for module in changed:
            module.training = True


def not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of the first tensor that holds NaN or an infinity; None if none does."""
    return next((name for name, t in tensors.items() if t.is_floating_point() and not t.isfinite().all()), None)


def refuse_not_finite(model: nn.Module, where: Path) -> None:
    """
    Raises:
        RunError: if a weight is no finite number.
    """
    name = not_finite(dict(model.named_parameters()))
    if name is not None:
        raise RunError(
            f"{where}: the tensor '{name}' holds a number that is not finite, and no result of such a model would be; "
            "restore it from a copy, or train again with a lower lr"
        )


def refuse_rows(wrong: NDArray[np.bool_] | np.bool_, what: str) -> None:
    """
    Raises:
        DataError: if one of the rows is wrong.
    """
    if wrong.any():
        raise DataError(
            f"{row_name(int(wrong.argmax()))}: its {what} is not finite; if its values are far from all that the "
            "model was trained on, leave the row out, else train again with a lower lr"
        )
