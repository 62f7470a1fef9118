"""How good are samples: real rows against fake ones, on any features of them.

rows.py          two sets of rows, checked and brought to one scale
neighbours.py    precision, recall, density, coverage
discrepancy.py   maximum mean discrepancy and its permutation test
classifier.py    can a classifier tell them apart?
together.py      all of it
"""

from .classifier import TwoSampleTest, two_sample_auc, two_sample_test
from .discrepancy import MMD, mmd
from .neighbours import PRDC, precision_recall_density_coverage
from .rows import Floats, as_matrix
from .together import SampleQuality, sample_quality

__all__ = [
    "MMD",
    "PRDC",
    "Floats",
    "SampleQuality",
    "TwoSampleTest",
    "as_matrix",
    "mmd",
    "precision_recall_density_coverage",
    "sample_quality",
    "two_sample_auc",
    "two_sample_test",
]
