"""Quality and privacy of a synthetic table in one report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...errors import ConfigError
from ...rows import Field
from ...tables import preformatted
from ..samples import TwoSampleTest, two_sample_test
from .attack import Attack
from .columns import ColumnQuality, column_quality
from .efficacy import Efficacy, efficacy
from .features import features
from .pairs import PairQuality, pair_quality
from .privacy import QUANTILES, Privacy, copies, privacy
from .table import as_table

LEAST = 5  # one a fold of the classifier


@dataclass(frozen=True, repr=False)
class SyntheticReport:
    """Everything.

    Attributes:
        real: training rows.
        synthetic: synthetic rows.
        holdout: held-out rows, 0 without.
        columns: one entry a column, in the order given.
        pairs: associations of columns.
        classifier: can one tell synthetic rows from real ones? From held-out ones where there are any, for those alone
            are independent of the model; 1/2 is perfect.
        copies: synthetic rows that are equal to a training row, of all.
        efficacy: machine-learning efficacy; None without a target.
        privacy: against held-out rows; None without them.
    """

    real: int
    synthetic: int
    holdout: int
    columns: tuple[ColumnQuality, ...]
    pairs: PairQuality
    classifier: TwoSampleTest
    copies: int
    efficacy: Efficacy | None
    privacy: Privacy | None

    def to_json(self) -> dict[str, Any]:
        """Plain nested numbers."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Tables and sentences to print."""
        held = f" and {self.holdout:,} held out" if self.holdout else ""
        return [
            f"{self.synthetic:,} synthetic rows against {self.real:,} real ones{held}",
            *_columns(self.columns),
            *_pairs(self.pairs),
            *_classifier(self.classifier),
            *_efficacy(self.efficacy),
            *_privacy(self),
        ]

    def __repr__(self) -> str:
        return (
            f"SyntheticReport({self.synthetic:,} synthetic rows against {self.real:,} real ones: AUC "
            f"{self.classifier.auc:.3f}, {self.copies:,} copies)"
        )

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        return preformatted(str(self))


def synthetic_report(
    real_train: Any,
    synthetic: Any,
    columns: Sequence[Field],
    holdout: Any = None,
    target: str | None = None,
    seed: int = 0,
    *,
    estimators: Mapping[str, Any] | None = None,
    log_likelihoods: tuple[Any, Any] | None = None,
    rows: int = 10_000,
) -> SyntheticReport:
    """How good, and how private, is a synthetic table?

    Order of rows and columns changes nothing.

    Args:
        real_train: codes (N, D) that the model was trained on, NaN missing.
        synthetic: codes (M, D).
        columns: the D modelled ones.
        holdout: codes (L, D) from the same source that had no part in training; needed for privacy and efficacy.
        target: name of the column to predict, for machine-learning efficacy.
        seed: of everything random.
        estimators: see `efficacy`.
        log_likelihoods: log p(x) of ``real_train`` and of ``holdout``; see `privacy`.
        rows: most rows of each table for the classifier and the distances, drawn at random.

    Raises:
        ConfigError: for columns that are not modelled, a target or log-likelihoods without held-out rows, or fewer than
            5 rows to compare.
        DataError: for tables that do not fit the columns or have fewer than 5 rows; and as `efficacy`.
    """
    if holdout is None and (target is not None or log_likelihoods is not None):
        what = "target" if target is not None else "log_likelihoods"
        raise ConfigError(f"{what} needs rows that nobody trained on; give them as holdout")
    if rows < LEAST:
        raise ConfigError(f"{rows} rows are too few to compare: at least {LEAST} are needed")
    named = (
        (real_train, "real_train"),
        (synthetic, "synthetic"),
        *(() if holdout is None else ((holdout, "holdout"),)),
    )
    ordered = [as_table(t, columns, what, LEAST).in_order() for t, what in named]
    rng = np.random.default_rng(seed)
    unseen, fake = (t.some(rows, rng).codes for t in (ordered[-1] if holdout is not None else ordered[0], ordered[1]))
    inputs = [features(t, ordered[0].columns, ordered[0].codes) for t in (unseen, fake)]
    return SyntheticReport(
        real=len(ordered[0].codes),
        synthetic=len(ordered[1].codes),
        holdout=0 if holdout is None else len(ordered[2].codes),
        columns=column_quality(real_train, synthetic, columns, seed),
        pairs=pair_quality(real_train, synthetic, columns, seed=seed),
        classifier=two_sample_test(*inputs, seed=seed),
        copies=copies(real_train, synthetic, columns),
        efficacy=None
        if target is None
        else efficacy(real_train, synthetic, holdout, columns, target, estimators, seed),
        privacy=None
        if holdout is None
        else privacy(real_train, synthetic, holdout, columns, log_likelihoods=log_likelihoods, rows=rows, seed=seed),
    )


def _columns(columns: Sequence[ColumnQuality]) -> Iterator[str]:
    yield from ("", "Columns: share of cells that would have to change; in brackets what two real samples give")
    head = ("column", "kind", "distance", "", "moved by (sd)", "", "missing, real", "synthetic", "")
    body = [
        (
            c.name,
            c.kind,
            _number(c.distance),
            _chance(c.distance_by_chance),
            _number(c.wasserstein),
            _chance(c.wasserstein_by_chance),
            _number(c.missing_real),
            _number(c.missing_synthetic),
            _chance(c.missing_by_chance),
        )
        for c in columns
    ]
    yield from _aligned(head, body)


def _pairs(pairs: PairQuality) -> Iterator[str]:
    if not pairs.count:
        return
    yield from ("", f"Associations of {pairs.count} pairs of columns differ (two real samples in brackets)")
    yield f"  by {_number(pairs.mean)} {_chance(pairs.mean_by_chance)} on average"
    yield f"  by {_number(pairs.largest)} {_chance(pairs.largest_by_chance)} at most"
    yield from _aligned(
        ("", "", "real", "synthetic"),
        [(p.first, p.second, _number(p.real), _number(p.synthetic)) for p in pairs.worst],
    )


def _classifier(test: TwoSampleTest) -> Iterator[str]:
    yield from ("", "A classifier tells synthetic rows from real ones (0.5 is guessing)")
    yield f"  accuracy {test.accuracy:.3f}, AUC {test.auc:.3f}, p-value of equal tables {test.p_value:.2g}"


def _efficacy(found: Efficacy | None) -> Iterator[str]:
    if found is None:
        return
    yield from (
        "",
        f"Predicting {found.target} of held-out rows, {found.measure} (at random: {found.guess:.3f})",
    )
    body = [(name, _number(found.real[name]), _number(found.synthetic[name])) for name in found.real]
    body.append(("mean", _number(found.mean_real), _number(found.mean_synthetic)))
    yield from _aligned(("trained on", "real rows", "synthetic rows"), body)


def _privacy(report: SyntheticReport) -> Iterator[str]:
    found = report.privacy
    yield from ("", f"Privacy: {report.copies:,} of {report.synthetic:,} synthetic rows are copies of training rows")
    if found is None:
        yield "  whether that is more than chance, only held-out rows can tell; give them as holdout"
        return
    yield (
        f"  of {found.synthetic:,} synthetic rows, {found.closer:.1%} are closer to {found.rows:,} training than to as "
        f"many held-out rows (no leak: 50.0% +- {found.closer_error:.1%}; p-value {found.closer_p_value:.2g})"
    )
    yield from _attack("distance to the nearest synthetic row", found.distance_attack)
    if found.likelihood_attack is not None:
        yield from _attack("log-likelihood", found.likelihood_attack)
    middle = QUANTILES.index(0.5)
    body = [
        (name, f"{n:,}", _number(d[0]), _number(d[middle]), _number(r[0]), _number(r[middle]))
        for name, n, d, r in (
            ("training", found.copies_training, found.distance_training, found.ratio_training),
            ("held-out", found.copies_holdout, found.distance_holdout, found.ratio_holdout),
        )
    ]
    worst = f"{QUANTILES[0]:.0%} below"
    yield from _aligned(
        ("to rows", "copies", "distance", "", "ratio to 2nd", ""), [("", "", *(worst, "median") * 2), *body]
    )


def _attack(how: str, found: Attack) -> Iterator[str]:
    yield f"  an attacker who tells training rows by {how}"
    yield (
        f"    has an advantage of {found.advantage:.3f} (no leak: about {found.by_chance:.3f}; p-value "
        f"{found.p_value:.2g}), AUC {found.auc:.3f} +- {found.auc_error:.3f} (no leak: 0.5)"
    )


def _number(x: float | None) -> str:
    return "" if x is None else f"{x:.3f}"


def _chance(x: float | None) -> str:
    return "" if x is None else f"({x:.3f})"


def _aligned(head: Sequence[str], body: Sequence[Sequence[str]]) -> Iterator[str]:
    """Words to the left, numbers to the right."""
    widths = [max(len(row[j]) for row in (head, *body)) for j in range(len(head))]
    words = [j < 2 and not any(row[j][:1].isdigit() for row in body) for j in range(len(head))]
    for row in (head, *body):
        cells = [c.ljust(w) if left else c.rjust(w) for c, w, left in zip(row, widths, words, strict=True)]
        yield ("  " + "  ".join(cells)).rstrip()
