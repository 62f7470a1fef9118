"""All measures of samples on the same features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...errors import DataError
from .classifier import TwoSampleTest, two_sample_test
from .discrepancy import MMD, mmd
from .neighbours import PRDC, precision_recall_density_coverage
from .rows import as_matrix


@dataclass(frozen=True)
class SampleQuality:
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
