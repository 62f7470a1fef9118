"""How a text is to be read, and how it was read: what a user may say, and what was found where nothing was said.

Text has no types. Whatever could be read in two ways is decided here or refused: delimiter, header, decimal mark,
order of day and month, words for missing values, types of columns. Formats with types of their own ignore all of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MISSING_WORDS = ("", "nan", "na", "n/a", "null", "none", "?")
"""Words for a missing value in text, in any case, blanks around them; never in data that have types."""

COLUMN_TYPES = ("integer", "number", "boolean", "date", "time", "text")
"""What a column of a text may hold: whole numbers, numbers, true and false, days, days with times, anything."""


@dataclass(frozen=True)
class ColumnReading:
    """How the cells of one column of a text become values.

    Attributes:
        type: one of COLUMN_TYPES.
        decimal: mark before the fraction of a number, "." or ",".
        thousands: mark between groups of three digits: "" for none, or one of , . ' and blank.
        affix: what stands beside every number and does not count, such as "%" or "EUR"; "" for none.
        date_format: of dates and times, in the letters of strptime; "" is ISO 8601.
    """

    type: str = "text"
    decimal: str = "."
    thousands: str = ""
    affix: str = ""
    date_format: str = ""


@dataclass(frozen=True)
class Reading:
    """What is said of how rows are to be read. None, or a column that is not named, is found out.

    Attributes:
        format: name of a format (csv, parquet, ...), where the suffix does not tell.
        delimiter: between the cells of a text.
        decimal: mark before the fraction of all numbers of a text, "." or ",".
        date_format: of all dates of a text, in the letters of strptime.
        header: whether the first line of a text holds the names of the columns.
        missing_words: words for a missing value in a text; MISSING_WORDS if None.
        columns: name of a column -> how it is read; also what an earlier file has shown, so that a later one is read
            with the same types.
        labels: of a folder of images: "folders" (the name of the folder that an image is in) or "table" (a labels.csv
            or metadata.csv beside the images), as fields of their own; "" for images alone.
    """

    format: str = ""
    delimiter: str | None = None
    decimal: str | None = None
    date_format: str | None = None
    header: bool | None = None
    missing_words: tuple[str, ...] | None = None
    columns: dict[str, ColumnReading] = field(default_factory=dict)
    labels: str = ""

    def of_columns(self) -> Reading:
        """What holds for later files too: types and words, and not how the cells of this file are told apart."""
        return Reading(missing_words=self.missing_words, columns=self.columns)


@dataclass(frozen=True)
class Note:
    """Something that was understood of a source, to be shown to the user.

    Attributes:
        text: one sentence, such as "The delimiter is ';'."
        option: what to type for another reading, such as "--delimiter ,"; empty where there is none.
        column: that it is about; empty if it is about the whole source.
        in_doubt: whether another reading is likely enough to be asked for.
    """

    text: str
    option: str = ""
    column: str = ""
    in_doubt: bool = False

    def __str__(self) -> str:
        about = f"{self.column}: " if self.column else ""
        return about + self.text + (f" If not: {self.option}" if self.option else "")
