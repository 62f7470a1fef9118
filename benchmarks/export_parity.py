"""How far exported files are from velbo, for every recipe and likelihood, as the models begin and, of scores, with the
numbers that describe cells scaled to 100 (logarithms of means to 10): a table in Markdown, a line as soon as it is
measured.

    python benchmarks/export_parity.py [--recipe resmlp] [--together 5] [--suffix .onnx]

Units as in velbo/export/parity.py: encoder and decoder may differ by 1e-5, a score by 1e-4 nats.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from velbo import Recipe, TrainedModel
from velbo.errors import VelboError
from velbo.likelihoods import LIKELIHOODS

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from contracts.exporting import IMAGES, heated, rows_for, untrained

RECIPES = {
    "mlp": Recipe("mlp", 3, (16,)),
    "resmlp": Recipe("resmlp", 3, (16,)),
    "ladder": Recipe("ladder", 3, (16,), groups=(2, 2)),
    "diffusion": Recipe("diffusion", hidden=(16,)),
    "conv": Recipe("conv", 3, (4, 6)),
    "ladder of maps": Recipe("ladder", 3, (4, 6), groups=(2, 2)),
}
OTHERS = {
    **{f"posterior {name}": {"posterior": name} for name in ("full", "mixture", "iaf", "spline")},
    **{f"prior {name}": {"prior": name} for name in ("learned", "mixture", "vamp", "real-nvp", "spline", "maf")},
    **{f"prior {name}": {"prior": name} for name in ("autoregressive", "diffusion")},
    "refine": {"refine": 2},
    "condition": {"condition": ("categorical",)},
    "library size": {"library_size": True},
    "missing self-masked": {"missing": "self-masked"},
    "missing latent-masked": {"missing": "latent-masked"},
}
OF_COLUMNS = [name for name, head in LIKELIHOODS.items() if head.kinds[0] != "byte"]
OF_LEVELS = [name for name, head in LIKELIHOODS.items() if "byte" in head.suits()]
PARTS = ("encoder", "decoder", "score")
REASONS: list[str] = []


def found(model: TrainedModel, part: str, suffix: str) -> str:
    """The largest difference, or why there is no file."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return f"{model.export(Path(folder) / f'm{suffix}', part, samples=8).difference:.0e}"
        except VelboError as error:
            if str(error) not in REASONS:
                REASONS.append(str(error))
            return f"refused ({REASONS.index(str(error)) + 1})"


def batched(names: list[str], n: int) -> list[list[str]]:
    return [names[i : i + n] for i in range(0, len(names), n)]


def line(name: str, make, suffix: str) -> None:
    cells = [found(make(), part, suffix) for part in PARTS]
    hot = found(heated(make()), "score", suffix)
    print(f"| {name} | {' | '.join([*cells, hot])} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--recipe", choices=[*RECIPES, "others"])
    parser.add_argument("--together", type=int, default=1, help="likelihoods in one table, each a column of its own")
    parser.add_argument("--suffix", choices=[".onnx", ".pt2"], default=".onnx")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print("| model | encoder | decoder | score | score at 100 |")
    print("|---|---|---|---|---|", flush=True)
    for name, recipe in RECIPES.items():
        if asked.recipe not in (None, name):
            continue
        of_images = name in ("conv", "ladder of maps")
        for likelihood in OF_LEVELS if of_images else ():
            of_one = replace(recipe, likelihood=likelihood)
            line(f"{name}, {likelihood}", lambda: untrained(IMAGES, of_one), asked.suffix)  # noqa: B023
        for some in () if of_images else batched(OF_COLUMNS, asked.together):
            x, kinds = rows_for(some, missing=name != "diffusion")
            line(f"{name}, {' '.join(some)}", lambda: untrained(x, recipe, columns=kinds), asked.suffix)  # noqa: B023
    for name, options in OTHERS.items() if asked.recipe in (None, "others") else ():
        names = {"library size": ["poisson"], "prior vamp": ["student-t"]}.get(name, ["student-t", "categorical"])
        x, kinds = rows_for(names)
        line(name, lambda: untrained(x, Recipe("mlp", 3, (16,), **options), columns=kinds), asked.suffix)  # noqa: B023
    for i, reason in enumerate(REASONS, 1):
        print(f"\n({i}) {reason}")


if __name__ == "__main__":
    main()
