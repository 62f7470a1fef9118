"""How much of a sparse matrix is made dense."""

from __future__ import annotations

import pytest

from velbo.rows.sparse import SparseRows


def rows_made_dense(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each array has that is made of a sparse matrix, from now on."""
    made = list[int]()
    whole = SparseRows._dense

    def dense(self, rows):
        found = whole(self, rows)
        made.append(len(found))
        return found

    monkeypatch.setattr(SparseRows, "_dense", dense)
    return made
