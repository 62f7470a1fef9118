"""velbo schema: what every field of the data is taken for, and why."""

from __future__ import annotations

from ...files import shown
from ..app import app, say
from ..options import ColumnKinds, FieldChoice, ReadAs, ReadingOptions, SchemaFile, SomeOutput
from ..output import print_json, print_table
from ..pages import DATA


@app.command(group=DATA)
def schema(
    data: str,
    *,
    column: ColumnKinds = (),
    kind: str | None = None,
    read: ReadAs = ReadingOptions(),
    output: SomeOutput = None,
    json: bool = False,
) -> None:
    """What every field of the data is taken for, and why.

    And how a text was read, and what is in doubt.

    Args:
        data: rows: a file or folder of any format, or the name of an embedded set, as for fit.
        column: what a column is instead, age=count; id=drop leaves one out. May be given many times.
        kind: of all fields, such as count.
        output: .json file to write, to be edited and given back: velbo fit DATA --schema FILE.
        json: print one JSON object.
    """
    from ...build.defaults import settled
    from ...config import Recipe
    from ...files import as_json, write_json
    from ...formats import open_source
    from ...rows import infer
    from ..options import assignments

    source = open_source(data, read.reading())
    found = settled(infer(source, assignments(column, "--column age=count"), kind), Recipe())
    choices = tuple(FieldChoice(f.name, f.kind, f.likelihood, f.reason, f.doubts) for f in found.fields)
    file = as_json(SchemaFile(choices, source.reading()))
    notes = [*source.notes()]
    if output is not None:
        write_json(output, file)
        say(f"wrote {shown(output)}")
    if json:
        print_json({**file, "notes": [as_json(note) for note in notes]})
        return
    print_table(found.records())
    for note in notes:
        about = f"{note.column}: " if note.column else ""
        say(
            f"{'doubt' if note.in_doubt else 'read'}: {about}{note.text}"
            + (f" If not: {note.option}" if note.option else "")
        )
    for doubt in found.doubts():
        say(f"doubt: {doubt}")
