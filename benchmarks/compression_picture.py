"""Where the bits of a compressed table go, as a picture: docs/images/compression.svg.

python benchmarks/compression_picture.py RUN DATA [--rows 4000] -o docs/images/compression.svg
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import matplotlib as mpl
import numpy as np

import velbo
from velbo import TrainedModel
from velbo.compress import compress
from velbo.compress.cells import coded
from velbo.compress.codec import codec_of
from velbo.compress.coder import Coder

mpl.use("svg")
import matplotlib.pyplot as plt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data")
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("-o", "--output", type=Path, default=Path("compression.svg"))
    options = parser.parse_args()
    trained = TrainedModel.load(options.run)
    table = velbo.open_source(options.data, trained.plan.data.reading.of_columns()).read().slice(0, options.rows)
    codec, n = codec_of(trained), len(table)
    placed = codec.placed(np.asarray(trained.schema.numbers(table), np.float64))
    coder, bits = Coder(n), np.zeros(codec.n_dims)
    codec.model.prior.pop(coder, n)  # random heads, so that z is a draw
    before = coder.n_bits
    z = codec.model.posterior((placed.v - codec.location) / codec.scale).pop(coder, n)
    codec.model.prior.push(coder, z)
    latents = (coder.n_bits - before) / n
    for at, law in codec.model.heads(z):
        for make in coded(at, law, codec.grids, n):
            cells = make()
            _, freqs = cells.starts_and_freqs(placed.k[:, list(cells.places)])
            for i, d in enumerate(cells.places):
                own = cells.bits(i) - np.log2(freqs[:, i]) + np.log2(codec.grids[d].sizes(placed.k[:, d]))
                bits[d] = np.where(placed.coded[:, d], own, 0).mean()
    with tempfile.TemporaryDirectory() as folder:
        done = compress(trained, table, Path(folder) / "x.vlb")
    whole = 8 * (done.n_bytes - done.n_head) / n
    names = [cell.name for cell in trained.schema.cells]
    values = [*bits, latents, whole - bits.sum() - latents]
    labels = [*names, "latents: KL(q || p)", "missing cells, lanes, index"]
    order = [*np.argsort(bits)[::-1], len(names), len(names) + 1]
    figure, axes = plt.subplots(figsize=(6.4, 0.24 * len(values) + 0.8))
    colors = ["#4477aa"] * len(names) + ["#cc6677", "#999999"]
    axes.barh([labels[i] for i in order], [values[i] for i in order], color=[colors[i] for i in order])
    axes.invert_yaxis()
    axes.set_xlabel(f"bits a row ({whole:.1f} in all)")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(options.output, metadata={"Date": None})
    for i in order:
        print(f"{labels[i]:32s} {values[i]:7.3f}")


if __name__ == "__main__":
    main()
