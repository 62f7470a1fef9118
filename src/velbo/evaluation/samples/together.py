"""All measures of samples on the same features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...errors import DataError
from ...tables import Figure, Number, Shown, Table, explained
from .classifier import TwoSampleTest, two_sample_test
from .discrepancy import MMD, mmd
from .neighbours import PRDC, precision_recall_density_coverage
from .rows import as_matrix


@dataclass(frozen=True, repr=False)
class SampleQuality(Shown):
    """The three together.

    Attributes:
        real: N.
        fake: M.
        width: number of features.
        neighbours: precision, recall, density, coverage.
        mmd: maximum mean discrepancy.
        classifier: two-sample test.
    """

    real: int
    fake: int
    width: int
    neighbours: PRDC
    mmd: MMD
    classifier: TwoSampleTest

    def to_json(self) -> dict[str, Any]:
        """Plain nested numbers."""
        return asdict(self)

    def __repr__(self) -> str:
        near = self.neighbours
        return (
            f"SampleQuality({self.fake} samples against {self.real} rows: precision {near.precision:.3f}, recall "
            f"{near.recall:.3f}, AUC {self.classifier.auc:.3f})"
        )

    def table(self) -> Table:
        """Every figure with its meaning."""
        near = self.neighbours
        return explained(
            (
                Figure("rows", self.real, f"against {self.fake} samples, {self.width} features"),
                Figure("precision", near.precision, "share of samples that are near a row"),
                Figure("recall", near.recall, "share of rows that are near a sample"),
                Figure("density", near.density, "how crowded the rows are where samples are; 1 is as it should be"),
                Figure("coverage", near.coverage, "share of rows with a sample near them"),
                Figure(
                    "MMD^2", Number(f"{self.mmd.value:.2e}"), f"distance; p-value of equal laws {self.mmd.p_value:.2g}"
                ),
                Figure(
                    "accuracy",
                    self.classifier.accuracy,
                    "of a classifier that tells samples from rows; 0.5 is guessing",
                ),
                Figure(
                    "  AUC", self.classifier.auc, f"of the same; p-value of equal laws {self.classifier.p_value:.2g}"
                ),
            )
        )


def sample_quality(
    real: Any,
    fake: Any,
    features: Callable[[Any], Any] | None = None,
    *,
    k: int = 5,
    bandwidth: float | None = None,
    permutations: int = 200,
    folds: int = 5,
    classifier: Any = None,
    seed: int = 0,
) -> SampleQuality:
    """All three measures on the same features.

    Args:
        real: (N, ...).
        fake: (M, ...).
        features: (n, ...) -> (n, ...), called once on ``real`` and once on ``fake`` as they are given; None compares
            the rows themselves. Pixels are poor features: Euclidean distance sees no content.
        k: see `precision_recall_density_coverage`.
        bandwidth: see `mmd`.
        permutations: see `mmd`.
        folds: see `two_sample_test`.
        classifier: see `two_sample_test`.
        seed: of everything random.

    Raises:
        DataError: as the three, or if ``features`` does not give one row for each row.
        ConfigError: as the three.
    """
    if features is not None:
        real, fake = _apply(features, real, "real"), _apply(features, fake, "fake")
    x, y = as_matrix(real, "real"), as_matrix(fake, "fake")
    return SampleQuality(
        real=len(x),
        fake=len(y),
        width=x.shape[1],
        neighbours=precision_recall_density_coverage(x, y, k),
        mmd=mmd(x, y, bandwidth, permutations, seed),
        classifier=two_sample_test(x, y, seed, folds, classifier),
    )


def _apply(features: Callable[[Any], Any], rows: Any, what: str) -> Any:
    found = features(rows)
    if np.shape(found)[:1] != np.shape(rows)[:1]:
        raise DataError(
            f"{what}: features turned shape {tuple(np.shape(rows))} into {tuple(np.shape(found))}; it must give one "
            "row for each row"
        )
    return found
