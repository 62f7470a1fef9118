"""Tables one after another as tables of one schema, in which the categories of a column only ever grow.

Arrow's file format asks for it, and a category keeps its code.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .base import UnfitError
from .typed import UNFIT, called, cast


class Conformed:
    """Table -> the same in the types of a schema.

    Args:
        schema: of all tables.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self._categories: dict[str, Any] = {}

    def __call__(self, table: pa.Table) -> pa.Table:
        """The same table in the types of the schema.

        Raises:
            UnfitError: if a column has values that its type does not hold.
        """
        columns = [self._column(table.column(field.name), field) for field in self.schema]
        return pa.Table.from_arrays(columns, schema=self.schema)

    def _column(self, column: Any, field: pa.Field) -> Any:
        try:
            column = cast(column, field.type)
        except UNFIT as error:
            raise UnfitError(
                f"column '{field.name}' is {called(column.type)} here and {called(field.type)} in the file ({error}); "
                "give `writers` a schema that holds both, likes=[...]"
            ) from error
        return self._coded(column, field) if pa.types.is_dictionary(field.type) else column

    def _coded(self, column: Any, field: pa.Field) -> Any:
        column = column.unify_dictionaries().combine_chunks()
        known = self._categories.setdefault(field.name, column.dictionary)
        if column.dictionary.equals(known):
            return column
        if field.type.ordered:
            raise UnfitError(f"column '{field.name}' has other ordered categories than in the tables before")
        new = column.dictionary.filter(pc.invert(pc.is_in(column.dictionary, known)))
        known = self._categories[field.name] = pa.concat_arrays([known, new])
        try:
            codes = pc.index_in(column.dictionary, known).take(column.indices).cast(field.type.index_type)
        except pa.ArrowInvalid as error:
            raise UnfitError(
                f"column '{field.name}' has {len(known)} categories, and codes of type {field.type.index_type}, which "
                "has too few of them; give `writers` a schema with more, likes=[...]"
            ) from error
        return pa.DictionaryArray.from_arrays(codes, known)
