"""Groups of options, as the functions of the command line take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter, Token

from ..config import Budget, Machine, ObjectiveConfig, Optimisation, Privacy, Recipe, Validation, Weighting
from ..errors import ConfigError
from ..files import as_path
from ..formats.reading import COLUMN_TYPES, ColumnReading, Reading
from ..limits import COUNT, POSITIVE, ROWS, SEED, Limits
from . import pages

Count = Annotated[int, Parameter(validator=COUNT.validate)]
SomeCount = Annotated[int | None, Parameter(validator=COUNT.validate)]
CountOr0 = Annotated[int, Parameter(validator=Limits(0, COUNT.high).validate)]
Positive = Annotated[float, Parameter(validator=POSITIVE.validate)]
Rows = Annotated[int, Parameter(validator=ROWS.validate)]
SomeRows = Annotated[int | None, Parameter(validator=ROWS.validate)]
Seed = Annotated[int, Parameter(validator=SEED.validate)]


def _path(type_: Any, tokens: Sequence[Token]) -> Path:
    return as_path(tokens[0].value)


Folder = Annotated[Path, Parameter(converter=_path)]
Output = Annotated[Path, Parameter(name=["--output", "-o"], converter=_path)]
SomeOutput = Annotated[Path | None, Parameter(name=["--output", "-o"], converter=_path)]
File = Folder
SomeFile = Annotated[Path | None, Parameter(converter=_path)]
OwnParts = Annotated[
    str | None,
    Parameter(
        name="--model",
        group=pages.OWN,
        help="the import path of the run's own parts, my_module:make, as it was given to 'velbo fit --recipe'; the one "
        "that the run names is not imported by itself.",
    ),
]
Assignments = Annotated[tuple[str, ...], Parameter(negative="")]
Logs = Annotated[tuple[Literal["tensorboard", "mlflow", "wandb"], ...], Parameter(consume_multiple=False)]
Cluster = Annotated[str | None, Parameter(group=pages.MACHINE)]
Workers = Annotated[int, Parameter(group=pages.MACHINE, validator=COUNT.validate)]
ColumnKinds = Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=False)]


def assignments(texts: Sequence[str], example: str = "column=value") -> dict[str, str]:
    """name=value -> {name: value}; the last "=" counts, as names may hold one.

    Raises:
        ConfigError: if one is not of that form.
    """
    pairs = [text.rpartition("=") for text in texts]
    for text, (name, _, value) in zip(texts, pairs, strict=True):
        if not name or not value:
            raise ConfigError(f"write {example}, not '{text}'")
    return {name: value for name, _, value in pairs}


def _widths(type_: Any, tokens: Sequence[Token]) -> tuple[int, ...]:
    try:
        return tuple(int(part) for token in tokens for part in token.value.split(",") if part.strip())
    except ValueError:
        raise ConfigError(f"hidden and groups are whole numbers such as 200,200, not '{tokens[0].value}'") from None


def _names(type_: Any, tokens: Sequence[Token]) -> tuple[str, ...]:
    return tuple(part.strip() for token in tokens for part in token.value.split(",") if part.strip())


@dataclass(frozen=True)
class RecipeOptions(Recipe):
    """Recipe, its lists written 200,200."""

    hidden: Annotated[tuple[int, ...], Parameter(converter=_widths, n_tokens=1)] = ()
    groups: Annotated[tuple[int, ...], Parameter(converter=_widths, n_tokens=1)] = ()
    condition: Annotated[tuple[str, ...], Parameter(converter=_names, n_tokens=1)] = ()
    order: Annotated[tuple[str, ...], Parameter(converter=_names, n_tokens=1)] = ()

    def plain(self) -> Recipe:
        return Recipe(**asdict(self))


@dataclass(frozen=True)
class ReadingOptions:
    """How files are read, where that shall not be found out.

    Attributes:
        format: name of the format, where the suffix does not tell: csv, parquet, npy, ...
        delimiter: between the cells of a text.
        decimal: mark before the fraction of numbers in a text, "." or ",".
        date_format: of dates in a text, such as %d/%m/%Y.
        header: whether the first line of a text holds the names of the columns.
        missing_words: words for a missing value in a text, separated by commas; an empty cell is always one.
        type: what a column of a text holds, name=text; one of integer, number, boolean, date, time, text. May be given
            many times.
        labels: fields beside the images of a folder: the name of the folder that each is in (folders), or the columns
            of a labels.csv beside them (table).
    """

    format: str = ""
    delimiter: str | None = None
    decimal: str | None = None
    date_format: str | None = None
    header: Literal["auto", "yes", "no"] = "auto"
    missing_words: str | None = None
    type: ColumnKinds = ()
    labels: Literal["none", "folders", "table"] = "none"

    def reading(self, base: Reading = Reading()) -> Reading:
        """As one value, with what is not said here as in ``base``.

        Raises:
            ConfigError: for a type of no known name.
        """
        types = assignments(self.type, "--type column=text")
        for name, kind in types.items():
            if kind not in COLUMN_TYPES:
                raise ConfigError(f"--type {name}={kind}: a column holds one of {', '.join(COLUMN_TYPES)}")
        words = base.missing_words if self.missing_words is None else ("", *_split(self.missing_words))
        return Reading(
            format=self.format or base.format,
            delimiter={"tab": "\t", "\\t": "\t"}.get(self.delimiter or "", self.delimiter) or base.delimiter,
            decimal=self.decimal or base.decimal,
            date_format=self.date_format or base.date_format,
            header={"yes": True, "no": False}.get(self.header, base.header),
            missing_words=words,
            columns={**base.columns, **{name: ColumnReading(kind) for name, kind in types.items()}},
            labels=base.labels if self.labels == "none" else self.labels,
        )


def _split(words: str) -> tuple[str, ...]:
    return tuple(word.strip().lower() for word in words.split(",") if word.strip())


def _flat(group: Group) -> Parameter:
    """The fields of a dataclass as options of a panel."""
    return Parameter(name="*", group=group)


ReadAs = Annotated[ReadingOptions, _flat(pages.READING)]
OfModel = Annotated[RecipeOptions, _flat(pages.MODEL)]
OfBound = Annotated[ObjectiveConfig, _flat(pages.BOUND)]
OfWeighting = Annotated[Weighting, _flat(pages.BOUND)]
OfBudget = Annotated[Budget, _flat(pages.TRAINING)]
OfOptimisation = Annotated[Optimisation, _flat(pages.TRAINING)]
OfValidation = Annotated[Validation, _flat(pages.TRAINING)]
OfPrivacy = Annotated[Privacy, _flat(pages.PRIVACY)]
OfMachine = Annotated[Machine, _flat(pages.MACHINE)]


@dataclass(frozen=True)
class ClusterOptions:
    """Who works where a folder of parts is written.

    Attributes:
        cluster: write a folder of Parquet files, one for each block of rows, by workers of Ray: "local" starts it here,
            else its address, auto or ray://host:port; "none" is this process alone. The same command continues what was
            stopped or killed. Workers must reach the data, the run and the folder by their names.
        workers: of Ray.
    """

    cluster: str | None = None
    workers: Annotated[int, Parameter(validator=COUNT.validate)] = 2


InParts = Annotated[ClusterOptions, _flat(pages.MACHINE)]


@dataclass(frozen=True)
class FieldChoice:
    """A line of a schema file.

    Attributes:
        name: of the field.
        kind: of the field.
        likelihood: of the field; its kind's default if empty.
        reason: why the kind was guessed.
        doubts: what else it may be.
    """

    name: str
    kind: str
    likelihood: str = ""
    reason: str = ""
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class SchemaFile:
    """What fields are and how a text is read, to be looked at, edited and given back.

    Attributes:
        fields: in the order of the data.
        reading: of the text.
    """

    fields: tuple[FieldChoice, ...]
    reading: Reading = field(default_factory=Reading)

    def columns(self) -> dict[str, str]:
        """Field -> "kind:likelihood"."""
        return {f.name: f"{f.kind}:{f.likelihood}".rstrip(":") for f in self.fields}


@dataclass(frozen=True)
class FieldOptions:
    """What the fields of the data are, where that shall not be guessed.

    Attributes:
        column: what a column is, age=count, and its likelihood if wanted, age=count:poisson; id=drop leaves one out;
            'velbo schema DATA' shows what was guessed. May be given many times.
        constraint: what holds between columns and shall hold in all rows that are made, 'start <= end', 'a + b = c',
            'city with country' (fixed combinations). May be given many times.
        kind: what every field is that --column does not name, such as count or real.
        levels: number of levels of fields of kind byte.
        schema: a file that 'velbo schema DATA -o FILE' wrote, edited perhaps; --column goes before it.
    """

    column: ColumnKinds = ()
    constraint: ColumnKinds = ()
    kind: str | None = None
    levels: int | None = None
    schema: SomeFile = None

    def known(self, read: ReadingOptions, base: Reading = Reading()) -> tuple[Reading, dict[str, str]]:
        """(how to read, field -> kind) by these options and the schema file, which goes before ``base``.

        Raises:
            RunError: if the schema file cannot be read.
            ConfigError: if it holds a value of another type or an unknown key.
        """
        from ..files import from_json, read_json

        asked = assignments(self.column, "--column age=count")
        if self.schema is None:
            return read.reading(base), asked
        file = from_json(SchemaFile, read_json(self.schema), str(self.schema))
        return read.reading(file.reading), {**file.columns(), **asked}


OfFields = Annotated[FieldOptions, _flat(pages.FIELDS)]
