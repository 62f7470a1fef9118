"""The demo: the whole of velbo on handwritten digits that ship with scikit-learn, in under a minute."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .config import Budget, Optimisation, Recipe, TrainingConfig, Weighting
from .errors import need
from .fitting import carry_out, plan
from .formats.loading import load
from .report.latents import draw_points, flat_map
from .report.learning import draw_curve
from .report.pictures import caption, figure, plain, save
from .report.reconstructions import draw_bottleneck, draw_reconstructions
from .report.samples import draw_samples
from .trained_model import TrainedModel
from .training import Run

RECIPE = Recipe("resmlp", latent=8, hidden=(128,), dropout=0.2)
OPTIMISATION = Optimisation(batch_size=64, lr=2e-3, weight_decay=0.05)
N_TEST = 360


def run_demo(folder: Path, epochs: int, say: Callable[[str], None]) -> None:
    """Train, evaluate and draw into ``folder``; the table of results goes to stdout.

    Raises:
        RunError: if the folder holds a run already.
        MissingExtraError: if matplotlib is not installed.
    """
    need("matplotlib", "report")
    digits = load("digits:image+label")
    order = np.random.default_rng(0).permutation(len(digits["label"]))
    images, labels = digits["image"][order], digits["label"][order]
    train, test = images[N_TEST:], images[:N_TEST]
    training = TrainingConfig(Budget(epochs=epochs), OPTIMISATION, Weighting(beta_warmup=0.2))
    what = plan(train, RECIPE, training=training)
    run = Run(folder)
    run.create(what.to_json())
    say(f"training on {len(train)} digits of {what.schema.describe()} ...")
    fitted = carry_out(what, train, run)
    history = fitted.history
    assert history is not None
    say(f"trained for {history.steps} steps in {history.seconds:.1f} s; measuring {len(test)} other digits ...")
    result = fitted.evaluate(test, samples=500)
    print(result)
    paths = draw(folder, fitted, run.metrics(), test, labels[:N_TEST])
    say("pictures: " + ", ".join(str(p) for p in paths))
    say(f"next: velbo evaluate {folder} digits    or in Python: velbo.TrainedModel.load('{folder}')")


def draw(folder: Path, fitted: TrainedModel, metrics: list[dict[str, Any]], test: Any, labels: Any) -> list[Path]:
    """Four pictures, all of them on one sheet, and the bottleneck; returns their paths."""
    top = fitted.schema.fields[0].levels - 1
    x_hat, z, samples = fitted.reconstruct(test[:20]), fitted.encode(test), fitted.sample(60, seed=1, mean=True)
    panels = {
        "reconstructions": lambda a: draw_reconstructions(a, test[:20], x_hat, top),
        "samples": lambda a: draw_samples(a, samples, 12, top),
        "latents": lambda a: draw_map(a, z, labels),
        "curve": lambda a: draw_curve(a, metrics),
    }
    paths = []
    sheet = figure(11, 6.6)
    for (name, panel), axes in zip(panels.items(), sheet.subplots(2, 2, height_ratios=(1, 1.5)).flat, strict=True):
        single = figure(6, 3.6)
        panel(single.subplots())
        panel(axes)
        paths.append(folder / f"{name}.png")
        save(single, paths[-1])
    paths.append(folder / "overview.png")
    save(sheet, paths[-1])
    paths.append(folder / "bottleneck.png")
    save(bottleneck(fitted, test[0], top), paths[-1])
    return paths


def draw_map(axes: Any, z: Any, labels: Any) -> None:
    """Posterior means by t-SNE, which tells ten digits apart on paper."""
    draw_points(axes, flat_map(z), labels)
    caption(axes, f"Latent space: posterior means of {z.shape[1]} latents, by t-SNE")
    axes.set_xticks([])
    axes.set_yticks([])
    plain(axes)


def bottleneck(fitted: TrainedModel, image: Any, top: float) -> Any:
    """One image on its way through the model."""
    q = fitted.model.encode(fitted.store(image[None]).fixed(0))
    mean, scale = (t[0].detach().numpy() for t in (q.mean, q.stddev))
    fig = figure(8.5, 2.9)
    axes = fig.subplots(1, 3, width_ratios=(1, 2, 1))
    draw_bottleneck(axes, image, mean, scale, fitted.reconstruct(image[None])[0], top)
    return fig
