"""How good, and how private, are synthetic tables: codes (N, D), NaN missing, and their columns.

table.py       checked codes; one order of rows and columns
chance.py      what two samples of one distribution differ by
columns.py     each column
pairs.py       associations of columns
features.py    a table as numbers, for classifiers
efficacy.py    train on synthetic, test on real
distances.py   Gower's distance and nearest rows
attack.py      membership inference from scores
privacy.py     training rows against held-out ones
report.py      all of it
"""

from .attack import Attack, attack
from .columns import ColumnQuality, column_quality
from .efficacy import SDGYM, Efficacy, efficacy
from .features import features
from .pairs import PairDifference, PairQuality, associations, pair_quality
from .privacy import Privacy, copies, privacy
from .report import SyntheticReport, synthetic_report

__all__ = [
    "SDGYM",
    "Attack",
    "ColumnQuality",
    "Efficacy",
    "PairDifference",
    "PairQuality",
    "Privacy",
    "SyntheticReport",
    "associations",
    "attack",
    "column_quality",
    "copies",
    "efficacy",
    "features",
    "pair_quality",
    "privacy",
    "synthetic_report",
]
