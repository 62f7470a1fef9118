"""The same bits: whatever the batch, the number of threads, and the kernels that BLAS, NumPy and torch choose."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import velbo
import velbo.formats
from contracts.compressed import model_of, table
from velbo.compress import compress
from velbo.compress.model import WholeModel
from velbo.compress.networks import Affine, whole
from velbo.errors import ConfigError
from velbo.likelihoods.laws import Below
from velbo.rows import infer
from velbo.runtime import fixed_point as fixed


def numbers(model: WholeModel, x: np.ndarray, k: np.ndarray) -> list[np.ndarray]:
    """All that a coder asks of a model, for some rows and latents."""
    law = model.posterior(x)
    found = [law.mean, law.scale]
    for at, head in model.heads(k):
        if isinstance(head, Below):
            found += [head.below(i, np.full(len(k), 0.3)) for i in range(len(at))]
        else:
            found.append(head.masses(np.arange(len(at)), 5))
    return found


@pytest.mark.parametrize(("recipe", "hidden"), [("mlp", (32, 16)), ("resmlp", (32,)), ("conv", (8, 8))])
def test_every_batch_gives_the_same_bits(recipe, hidden):
    r = np.random.default_rng(0)
    if recipe == "conv":
        rows = r.integers(0, 256, (300, 8, 9), dtype=np.uint8)
        x = rows.reshape(300, -1) / 255
    else:
        rows = table(300).select(["real", "integer", "count", "name", "positive", "gaps"])
        x = None
    trained = model_of(infer(rows), recipe=recipe, hidden=hidden)
    model = WholeModel(trained.model)
    x = trained.store(rows).fixed(0).double().numpy()[:256] if x is None else x[:256]
    k = r.integers(0, model.steps.n, (256, model.n_latents))
    all_at_once = numbers(model, x, k)
    for size in (1, 7):
        for start in (0, 5, 255 - size):
            some = slice(start, start + size)
            for a, b in zip(numbers(model, x[some], k[some]), all_at_once, strict=True):
                assert (a == b[some]).all()


CODE = """
import sys, hashlib
import torch
torch.set_num_threads(int(sys.argv[1]))
from velbo import TrainedModel
from velbo.compress import compress
trained = TrainedModel.load(sys.argv[2])
compress(trained, sys.argv[3], sys.argv[4])
print(hashlib.sha256(open(sys.argv[4], "rb").read()).hexdigest())
"""


def of_a_process(folder, n_threads: int, **environment: str) -> str:
    here = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"} | environment
    names = (str(folder / name) for name in ("run", "x.parquet", f"{len(environment)}.vlb"))
    command = [sys.executable, "-c", CODE, str(n_threads), *names]
    done = subprocess.run(command, env=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_processor_gives_the_same_file(tmp_path):
    """Kernels for SSE4.2, AVX2 and AVX-512 (those that this processor has not fall back to what it has), NumPy without
    any of its own, one thread and two."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    trained = model_of(infer(table(200), {"text": "drop"}), hidden=(96,), latent=6)
    trained.save(tmp_path / "run")
    velbo.formats.write_table(table(60, seed=4), tmp_path / "x.parquet")
    compress(trained, tmp_path / "x.parquet", tmp_path / "here.vlb")
    first = hashlib.sha256((tmp_path / "here.vlb").read_bytes()).hexdigest() + "\n"
    own = " ".join(name for name in __cpu_dispatch__ if __cpu_features__.get(name))
    assert of_a_process(tmp_path, 2, OPENBLAS_NUM_THREADS="2", OPENBLAS_CORETYPE="Haswell") == first
    old = {"OPENBLAS_CORETYPE": "Nehalem", "ATEN_CPU_CAPABILITY": "default", "NPY_DISABLE_CPU_FEATURES": own}
    assert of_a_process(tmp_path, 1, **old) == first
    new = {"OPENBLAS_CORETYPE": "SkylakeX", "ATEN_CPU_CAPABILITY": "avx512", "DNNL_MAX_CPU_ISA": "AVX512_CORE"}
    assert of_a_process(tmp_path, 1, MKL_ENABLE_INSTRUCTIONS="AVX512", **new) == first


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 300), st.integers(0, 2**31))
def test_no_order_of_summation_matters(n, seed):
    """A layer at inputs as large as there are: the products in another order, and in whole numbers of any size."""
    r = np.random.default_rng(seed)
    layer = torch.nn.Linear(n, 4)
    affine = Affine(layer.weight, layer.bias)
    a = np.rint((r.random((3, n)) * 2 - 1) * fixed.MOST)
    known = [
        [sum(int(x) * int(w) for x, w in zip(row, column, strict=True)) for column in affine.weight.T] for row in a
    ]
    exact = np.array(known, dtype=object) + affine.bias.astype(np.int64).astype(object)
    order = r.permutation(n)
    assert ((a[:, order] @ affine.weight[order] + affine.bias).astype(np.int64) == exact).all()


def test_networks_in_whole_numbers_are_the_networks():
    """To a few multiples of 2^-12, of which every layer rounds to one."""
    torch.manual_seed(0)
    from velbo.nets import MLP, ConvDecoder, ConvEncoder, ResidualMLP

    r = np.random.default_rng(0)
    for net, n in ((MLP(9, 16, 8), 9), (ResidualMLP(9, 16, 8), 9), (ConvEncoder((9, 8, 2), (4, 6), 5), 144)):
        x = r.normal(size=(20, n))
        with torch.no_grad():
            known = net.double().eval()(torch.from_numpy(x)).numpy()
        assert abs(whole(net)(fixed.rounded(x)) / fixed.ONE - known).max() < 0.01
    net, z = ConvDecoder(3, (9, 8, 1), (4, 6)).double().eval(), r.normal(size=(6, 3))
    with torch.no_grad():
        known = net(torch.from_numpy(z)).numpy()
    assert abs(whole(net)(fixed.rounded(z)) / fixed.ONE - known).max() < 0.01


def test_what_has_no_whole_numbers_is_refused():
    with pytest.raises(ConfigError, match="GELU has no form in whole numbers"):
        whole(torch.nn.GELU())
    layer = torch.nn.Linear(4, 4)
    with torch.no_grad():
        layer.weight.fill_(1e9)
    with pytest.raises(ConfigError, match="weights are too large for whole numbers"):
        whole(layer)
