"""What shows a trained model, or takes it along: pictures, a page, files that run without velbo.

The pictures are those of `velbo.report.plots`; what draws and exports is imported when it is asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from ..rows import Store
from .base import Base

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..export import Exported
    from ..export.explorer import Explored
    from .model import TrainedModel


class Showing(Base):
    """Pictures, pages and files."""

    def plot_learning_curve(self) -> Figure:
        """The bound and its two terms while training, nats an observation."""
        from ..report.learning import curve_of

        return curve_of(self.history.metrics)

    def plot_kl(self, x: Any, seed: int = 0) -> Figure:
        """Mean KL of each latent, and of each group of latents, nats."""
        return self._drawn("kl", x, seed)

    def plot_latents(self, x: Any, labels: Any = None, seed: int = 0) -> Figure:
        """A map of posterior means, coloured by labels: (N,) numbers or names, or the name of a field of x."""
        return self._drawn("latents", x, seed, labels)

    def plot_reconstructions(self, x: Any, seed: int = 0) -> Figure:
        """Rows beside the point estimates of p(x|z)."""
        return self._drawn("reconstructions", x, seed)

    def plot_samples(self, n: int = 60, seed: int = 0) -> Figure:
        """A sheet of n new images."""
        from ..report.samples import new_images

        return new_images(self._whole, n, seed)

    def plot_columns(self, x: Any, seed: int = 0) -> Figure:
        """Each column of x beside that of as many new rows."""
        return self._drawn("columns", x, seed)

    def plot_pairs(self, x: Any, seed: int = 0) -> Figure:
        """Associations of every two columns, in x and in as many new rows."""
        return self._drawn("pairs", x, seed)

    def plot_missing(self, x: Any) -> Figure:
        """Which cells of x are missing, and which together."""
        return self._drawn("missing", x)

    def plot_calibration(self, x: Any, seed: int = 0) -> Figure:
        """Shares of cells below the quantiles that p(x|z) gives for them."""
        return self._drawn("calibration", x, seed)

    def plot_residuals(self, x: Any, seed: int = 0) -> Figure:
        """The rows of lowest log p(x), and what is anomalous in them."""
        return self._drawn("residuals", x, seed)

    def report(
        self, x: Any, path: str | Path, train: Any = None, labels: Any = None, rows: int = 500, seed: int = 0
    ) -> None:
        """Write one page of this model and rows x as an HTML file; see `velbo.report.page.report`."""
        from ..report.page import report

        report(self._whole, x, path, train, labels, rows, seed)

    def export(self, path: str | Path, what: str = "encoder", samples: int = 100, seed: int = 0) -> Exported:
        """Write the encoder, the decoder or the score as a file that runs without velbo, .onnx or .pt2 (torch.export),
        and what it takes and gives as .json beside it; see `velbo.export`. It is tried before it is kept.

        Args:
            path: of the file.
            what: encoder, values of the data -> mean and standard deviation of q(z|x); decoder, z -> values of the
                data; score, values -> the bound of log p(x) in nats.
            samples: of a score.
            seed: of the noise in it, which is the same for every row.

        Raises:
            ConfigError: for what cannot be exported, or if the file would give other numbers than velbo.
            MissingExtraError: for .onnx without velbo[export].
        """
        from ..export import export

        return export(self._with_parts, self.plan, Path(path), what, samples, seed)

    def explore(
        self, x: Any, path: str | Path, labels: Any = None, rows: int = 2000, seed: int = 0, title: str = ""
    ) -> Explored:
        """Write one HTML file that shows the posterior means of rows as a map and decodes, in the browser and without
        network, whatever is pointed at; see `velbo.export.explorer`.

        Args:
            x: rows.
            path: of the page.
            labels: what points are coloured by: the name of a field of x, or one value a row.
            rows: show a seeded random subset of so many, at most.
            seed: of the subset.
            title: of the page.

        Raises:
            ConfigError: for a label that is no field, or a decoder that the page cannot run.
        """
        from ..export.explorer import Points, explore
        from ..rows.labels import labels_of

        numbers, (of_rows, name) = self.schema.numbers(x), labels_of(x, labels)
        chosen = np.sort(np.random.default_rng(seed).permutation(len(numbers))[:rows])
        kept = numbers[chosen].astype(np.float64)
        data = Store.from_rows(kept, self.plan.encoding, self.dtype)
        with torch.no_grad():
            z = self._map(data, seed, lambda part: self._with_parts.encode(part).mean).double().numpy()
        shown = [of_rows[i] for i in chosen] if of_rows else []
        return explore(self._with_parts, self.plan, Points(z, kept, chosen, shown, name), Path(path), title)

    @property
    def _whole(self) -> TrainedModel:
        """This, by the one class that is made."""
        return cast("TrainedModel", self)

    def _drawn(self, what: str, x: Any, seed: int = 0, labels: Any = None) -> Figure:
        from ..report.plots import draw

        return draw(self._whole, what, x, seed, labels)
