"""One inherited suite a family: a new member writes a factory and gets every check.

``from contracts import LikelihoodContract`` in a test module, and a class ``TestMember(LikelihoodContract)``. What
several test modules share beside a suite (commands, cases, models) is in a module of its own in this folder.
"""

from .cell_kinds import gauss_legendre
from .kinds import KindContract, ModelledContract
from .likelihoods import LikelihoodContract
from .posteriors import PosteriorContract
from .priors import PriorContract
from .sizes import D, F
from .trunks import TrunkContract

__all__ = [
    "D",
    "F",
    "KindContract",
    "LikelihoodContract",
    "ModelledContract",
    "PosteriorContract",
    "PriorContract",
    "TrunkContract",
    "gauss_legendre",
]
