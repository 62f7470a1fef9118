"""What must hold between the columns of one row, as a user declares it:

    start <= end            one column, or a number, and another; <, > and >= likewise, and chains 0 <= a <= b
    a + b = c               a sum
    education with number   fixed combinations: those that training rows have, and no others

Names stand as they are, or in backticks: `+` <= total.

A constraint says of values whether they break it, and which values nearby keep it. It adds nothing to p(x): scores are
those of the model. Rows that velbo makes keep it (keeping.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from .combination import Combination
from .linear import Linear

Constraint = Linear | Combination


@dataclass(frozen=True)
class Constraints:
    """All of a schema.

    Attributes:
        linear: inequalities and sums.
        combinations: fixed combinations.
    """

    linear: tuple[Linear, ...] = ()
    combinations: tuple[Combination, ...] = ()

    @property
    def all(self) -> tuple[Constraint, ...]:
        return self.linear + self.combinations

    @property
    def texts(self) -> tuple[str, ...]:
        """As they were declared; a chain once."""
        return tuple(dict.fromkeys(c.text for c in self.all))


__all__ = ["Combination", "Constraint", "Constraints", "Linear"]
