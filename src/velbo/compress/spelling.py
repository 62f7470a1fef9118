"""How a column of a text writes its values: what its first rows show, found by trying.

token      blanks  value as the column writes it  blanks
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import DataError
from ..formats.cell_writing import Style
from ..formats.reading import ColumnReading
from ..rows import Field
from ..runtime.fixed_point import Floats
from .columns import ARROW_ERRORS, predicted, whole_column

BINARY = pa.large_binary()
MOST_NAMES = 4096


@dataclass(frozen=True)
class Spelling:
    """How a column writes its values.

    Attributes:
        how: "names" (a token for each category), "digits" (so many behind the point), or "style" (as the reader of
            texts writes cells); "" if it is not known.
        kind: Arrow's name of the type of the values.
        reading: of the column.
        model: a token of it.
        before: blanks before every value.
        after: blanks behind it.
        missing: the token of a missing value.
        digits: behind the point.
        names: tokens of the categories, in the order of their codes.
    """

    how: str = ""
    kind: str = "string"
    reading: ColumnReading = field(default_factory=ColumnReading)
    model: str = ""
    before: str = ""
    after: str = ""
    missing: str = ""
    digits: int = 0
    names: tuple[str, ...] = ()

    def tokens(self, v: Floats, f: Field, delimiter: str) -> pa.Array:
        """Of values (N, size); null if they are not known."""
        if self.how == "names":
            at = np.where(np.isnan(v[:, 0]), len(self.names), v[:, 0]).astype(np.int64)
            table = pa.array([*self.names, self.missing], pa.string())
            return table.take(pa.array(np.clip(at, 0, len(self.names)))).cast(BINARY)
        try:
            if self.how == "digits":
                said = [None if np.isnan(x) else f"{x:.{self.digits}f}" for x in v[:, 0].tolist()]
                cells = pa.array(said, pa.string())
                cells = pc.replace_substring(cells, ".", self.reading.decimal) if self.reading.decimal != "." else cells
            else:
                values = predicted(v, f, _type(self.kind))
                cells = Style(self.reading, self.model, delimiter).tokens(pa.chunked_array([values]))
        except (ValueError, *ARROW_ERRORS):
            return pa.nulls(len(v), BINARY)
        cells = whole_column(cells)
        if self.before or self.after:
            cells = pc.binary_join_element_wise(self.before, cells, self.after, "")
        return whole_column(pc.fill_null(cells, self.missing)).cast(BINARY)


def _type(name: str) -> pa.DataType:
    from ..rows.arrow import type_of

    try:
        return type_of(name)
    except (ValueError, AttributeError) as error:
        raise DataError(f"the file names a type {name!r} that there is not") from error


def n_others(found: pa.Array, known: pa.Array) -> int:
    return int(np.count_nonzero(~np.asarray(pc.fill_null(pc.equal(found, known), False)).astype(bool)))


def candidates(tokens: pa.StringArray, v: Floats, f: Field, kind: str, reading: ColumnReading) -> list[Spelling]:
    """Spellings to try."""
    texts = tokens.to_pylist()
    gone = np.isnan(v[:, 0]) if v.shape[1] else np.zeros(len(v), bool)
    missing = Counter(text for text, no in zip(texts, gone, strict=True) if no).most_common(1)
    blank = missing[0][0] if missing else ""
    model = next((text for text, no in zip(texts, gone, strict=True) if not no), "")
    before, after = model[: len(model) - len(model.lstrip())], model[len(model.rstrip()) :]
    plain = Spelling("style", kind, reading, model, "", "", blank)
    found = [plain, replace(plain, before=before, after=after)]
    if f.n_categories and v.shape[1] and f.n_categories <= MOST_NAMES:
        names = list[str]()
        for code in range(f.n_categories):
            seen = Counter(text for text, x in zip(texts, v[:, 0], strict=True) if x == code).most_common(1)
            names.append(seen[0][0] if seen else "")
        found.append(replace(plain, how="names", names=tuple(names)))
    elif v.shape[1]:
        bare = model.strip(' "')
        digits = len(bare.rpartition(reading.decimal)[2]) if reading.decimal in bare else 0
        for n in {digits, f.decimals or 0}:
            found += [replace(plain, how="digits", digits=n, before=b, after=a) for b, a in {("", ""), (before, after)}]
    return found
