"""Random numbers of one's own: those of torch for the seed, whatever draws them; torch's own generator stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
import zuko
from torch import Tensor, nn
from torch import distributions as td
from torch.nn import functional

from velbo.runtime.generators import OwnGenerator, draws, generator, stream_seed, with_generator

X = torch.linspace(0.1, 2, 21).view(7, 3)

DRAWS: dict[str, Callable[[], Tensor]] = {
    "rand": lambda: torch.rand(3, 2),
    "rand in float64": lambda: torch.rand(3, dtype=torch.float64),
    "rand_like": lambda: torch.rand_like(X),
    "rand_like, transposed": lambda: torch.rand_like(X.T),
    "randn": lambda: torch.randn(3),
    "randn_like": lambda: torch.randn_like(X),
    "randint": lambda: torch.randint(5, (9,)),
    "randint from 2": lambda: torch.randint(2, 50, (9,)),
    "randint_like": lambda: torch.randint_like(X, 50),
    "randint_like from 2": lambda: torch.randint_like(X, 2, 50),
    "randperm": lambda: torch.randperm(20),
    "normal": lambda: torch.normal(X, X),
    "normal of numbers": lambda: torch.normal(0.0, 1.0, (4,)),
    "bernoulli": lambda: torch.bernoulli(X / 2),
    "poisson": lambda: torch.poisson(X),
    "multinomial": lambda: torch.multinomial(X, 2),
    "binomial": lambda: torch.binomial(torch.full_like(X, 9), X / 2),
    "normal_": lambda: torch.empty(5, 2).T.normal_(),
    "uniform_": lambda: torch.empty(5).uniform_(1, 2),
    "random_": lambda: torch.empty(5).random_(),
    "exponential_": lambda: torch.empty(5).exponential_(),
    "cauchy_": lambda: torch.empty(5).cauchy_(),
    "geometric_": lambda: torch.empty(5).geometric_(0.3),
    "log_normal_": lambda: torch.empty(5).log_normal_(),
    "bernoulli_": lambda: torch.empty(5).bernoulli_(0.5),
    "a layer's first weights": lambda: nn.Linear(4, 3).weight.detach(),
    "kaiming": lambda: nn.init.kaiming_normal_(torch.empty(4, 3)),
    "dropout": lambda: functional.dropout(X, 0.5, True),
    "rrelu": lambda: functional.rrelu(X - 1, training=True),
    "gumbel": lambda: functional.gumbel_softmax(X),
    "Gamma": lambda: td.Gamma(X, X).sample(),
    "Beta": lambda: td.Beta(X, X).sample(),
    "Dirichlet": lambda: td.Dirichlet(X).rsample(),
    "Student": lambda: td.StudentT(X).rsample(),
    "Categorical": lambda: td.Categorical(X).sample(torch.Size((4,))),
    "mixture": lambda: td.MixtureSameFamily(td.Categorical(X), td.Normal(X, X)).sample(),
    "negative binomial": lambda: td.NegativeBinomial(X, X / 3).sample(),
    "von Mises": lambda: td.VonMises(X, X).sample(),
    "full normal": lambda: td.MultivariateNormal(X[0], torch.eye(3)).sample(),
    "a flow of zuko": lambda: FLOW().sample(torch.Size((3,))).detach(),
}
FLOW = zuko.flows.NSF(2, transforms=1, hidden_features=(4,))


@pytest.mark.parametrize("name", DRAWS)
def test_the_numbers_are_those_of_torch_for_the_seed(name: str):
    draw = DRAWS[name]
    torch.manual_seed(7)
    wanted = draw(), draw()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    with OwnGenerator(7):
        found = draw(), draw()
    assert torch.equal(found[0], wanted[0])
    assert torch.equal(found[1], wanted[1])
    assert not torch.equal(found[0], found[1])
    assert torch.equal(torch.get_rng_state(), before)


def operators() -> Iterator[Any]:
    """All that torch has."""
    for schema in torch._C._jit_get_all_schemas():
        if schema.name.startswith("aten::"):
            packet = getattr(torch.ops.aten, schema.name.removeprefix("aten::"), None)
            if packet is not None and (schema.overload_name or "default") in packet.overloads():
                yield getattr(packet, schema.overload_name or "default")


def test_every_operator_of_torch_that_draws_has_a_form_with_a_generator_or_is_known_to_have_none():
    found = [o for o in operators() if draws(o)]
    assert len(found) > 100
    without = {o.overloadpacket.__name__ for o in found if with_generator(o) is None}
    known = ("dropout", "attention", "rnn", "gru", "lstm", "_fused_sdp_choice", "softmax")
    assert [name for name in without if not any(word in name for word in known)] == []
    assert {"dropout", "native_dropout"} <= without


def test_what_takes_no_generator_is_repeated_too_and_torchs_own_is_put_back():
    def draw() -> Tensor:
        return torch.native_dropout(X, 0.5, True)[0]

    before, found = torch.get_rng_state(), []
    for seed in (3, 3, 4):
        with OwnGenerator(seed):
            found += [draw(), draw()]
    assert torch.equal(torch.stack(found[:2]), torch.stack(found[2:4]))
    assert not torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[4])
    assert torch.equal(torch.get_rng_state(), before)


def test_a_generator_given_by_hand_stays():
    with OwnGenerator(0):
        found = torch.randn(3, generator=torch.Generator().manual_seed(5)), torch.randn(3)
        poisson = torch.poisson(X, torch.Generator().manual_seed(5))
    assert torch.equal(found[0], torch.randn(3, generator=torch.Generator().manual_seed(5)))
    assert torch.equal(found[1], torch.randn(3, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(poisson, torch.poisson(X, torch.Generator().manual_seed(5)))


def test_a_block_goes_on_where_it_was_and_one_inside_it_is_apart():
    own = OwnGenerator(0)
    with own:
        first = torch.randn(2)
        with OwnGenerator(1):
            inner = torch.randn(2)
    with own:
        second = torch.randn(2)
    alone = torch.Generator().manual_seed(0)
    assert torch.equal(torch.cat((first, second)), torch.cat([torch.randn(2, generator=alone) for _ in range(2)]))
    assert torch.equal(inner, torch.randn(2, generator=torch.Generator().manual_seed(1)))


def test_after_an_error_torch_draws_as_before():
    with pytest.raises(RuntimeError), OwnGenerator(0):
        raise RuntimeError
    torch.manual_seed(2)
    wanted = torch.randn(3, generator=torch.Generator().manual_seed(2))
    assert torch.equal(torch.randn(3), wanted)


@pytest.mark.parametrize("borrowing", [False, True])
def test_threads_have_blocks_of_their_own(borrowing: bool):
    """Twenty at once, while torch's own generator is used by all, or borrowed by all in turns."""

    def work(seed: int) -> Tensor:
        if not borrowing:
            torch.randn(1000)
        with OwnGenerator(seed):
            draws = [torch.native_dropout(X, 0.5, True)[0] if borrowing else torch.normal(X, X) for _ in range(30)]
            return torch.stack(draws)

    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(work, [*range(20), *range(20)]))
    for seed in range(20):
        assert torch.equal(found[seed], work(seed))
        assert torch.equal(found[20 + seed], found[seed])


def test_gradients_go_through():
    with OwnGenerator(0):
        x = X.clone().requires_grad_()
        (td.Normal(x, x).rsample() ** 2 + td.Gamma(x, x).rsample()).sum().backward()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        y = X.clone().requires_grad_()
        (td.Normal(y, y).rsample() ** 2 + td.Gamma(y, y).rsample()).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, y.grad)  # type: ignore[arg-type]


def test_streams_are_apart():
    """By name and by seed; the seed of the next use is no stream of this one."""
    seeds = {stream_seed(seed, name) for seed in range(-50, 50) for name in ("sample", "simulate", "1 sample")}
    assert len(seeds) == 300
    assert all(0 <= s < 2**63 for s in seeds)
    cpu = torch.device("cpu")
    with OwnGenerator(3, "sample"):
        assert torch.equal(torch.randn(4), torch.randn(4, generator=generator(3, "sample", cpu)))
