"""What was understood of a text, in sentences, each with the option to type for another reading.

A note is in doubt if another reading explains all cells as well, or words of a text may be values.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from .cell_values import ISO_DAY, values
from .column_guess import ColumnGuess
from .date_cells import day_of
from .decisions import Decision, Decisions
from .dialect import OF_SUFFIX
from .encoding import suffixes_of
from .header import Header
from .reading import MISSING_WORDS, ColumnReading, Note

WHY_TEXT = {
    "zeros": "some of its numbers begin with 0, such as {}",
    "long": "some of its whole numbers have more digits than 64 bits hold, such as {}",
    "exponents": "some of its cells may be codes, such as {}",
    "quotes": "all of its cells are in quotes, such as {}, and those of other columns are not",
}
COMPACT_DAY = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
MARKS = {",": "comma", ".": "point", "'": "apostrophe", " ": "blank", ";": "semicolon", "\t": "tab", "|": "bar"}


def dialect_notes(path: Path, delimiter: str, header: Header, width: int) -> Iterator[Note]:
    """On how a file is cut."""
    own = OF_SUFFIX.get(suffixes_of(path)[0])
    if not delimiter:
        yield Note("There is one column: the commas are decimal marks.", "--delimiter ,", in_doubt=True)
    elif delimiter != own:
        other = own or ("," if delimiter != "," else ";")
        yield Note(
            f"The delimiter is {_named(delimiter)}.", "--delimiter " + ("tab" if other == "\t" else shlex.quote(other))
        )
    if not header.is_there:
        names = "0" if width == 1 else f"0 to {width - 1}"
        text = f"There is no header: the first line is a row, and the columns are called {names}."
        yield Note(text, "--header yes", in_doubt=header.in_doubt)
    elif header.in_doubt:
        yield Note("The first line is the header, though it has numbers above numbers.", "--header no", in_doubt=True)


def _named(mark: str) -> str:
    return f"a {MARKS[mark]} ({mark!r})" if mark in MARKS else repr(mark)


def column_notes(decisions: Decisions, decided: Mapping[str, Decision]) -> Iterator[Note]:
    """On what the columns are."""
    for name, decision in decided.items():
        guess = decisions.guesses[name]
        if guess.given is None:
            yield from _numbers(name, decision, guess, decisions.is_plain)
            yield from _dates(name, decision, guess)
            yield from _codes(name, decision, guess)
        yield from _words(name, decision, guess, decisions)
    yield from _missing(decisions, decided)


def _type(name: str, kind: str) -> str:
    return "--type " + shlex.quote(f"{name}={kind}")


def _numbers(name: str, decision: Decision, guess: ColumnGuess, is_plain: bool) -> Iterator[Note]:
    reading = decision.reading
    if reading.type not in ("integer", "number"):
        return
    other = decision.rival
    option, in_doubt = _type(name, "text"), False
    if other is not None:
        option, in_doubt = f"--decimal {other.decimal}", True
    said = []
    if reading.type == "number" and (reading.decimal == "," or (other and not is_plain)):
        said.append(f"the {MARKS[reading.decimal]} is the decimal mark")
    if reading.thousands:
        said.append(f"the {MARKS[reading.thousands]} stands between thousands")
    if reading.affix:
        said.append(f"'{reading.affix}' does not count")
    if guess.has_brackets:
        said.append("brackets are a minus")
    if said:
        example = guess.example_of_marks or guess.example
        yield Note(f"In '{name}' {_joined(said)}, as in '{example}'.", option, name, in_doubt)
    if reading.type == "number" and not reading.thousands and (pair := guess.two_spellings):
        text = f"'{name}' has both '{pair[0]}' and '{pair[1]}', which are one number; are they versions or codes?"
        yield Note(text, _type(name, "text"), name, in_doubt=True)


def _joined(said: list[str]) -> str:
    return said[0] if len(said) == 1 else ", ".join(said[:-1]) + " and " + said[-1]


def _dates(name: str, decision: Decision, guess: ColumnGuess) -> Iterator[Note]:
    reading = decision.reading
    if reading == ColumnReading("integer") and COMPACT_DAY.fullmatch(guess.example):
        text = f"'{name}' has whole numbers such as {guess.example}; are they days?"
        yield Note(text, f"{_type(name, 'date')} --date-format %Y%m%d", name, in_doubt=True)
    if reading.type not in ("date", "time"):
        return
    if "%z" in reading.date_format:
        yield Note(f"The times of '{name}' have offsets; they are compared in UTC.", _type(name, "text"), name)
    if not reading.date_format or reading.date_format.startswith(ISO_DAY):
        return
    value = values(pa.array([guess.example]), reading, decision.kind)[0]
    text = f"The dates of '{name}' are read as {reading.date_format}: '{guess.example}' is {value}"
    if decision.rival is None:
        yield Note(f"{text}.", _type(name, "text"), name)
    else:
        option = "--date-format " + day_of(decision.rival.date_format)
        yield Note(f"{text}. No cell of it tells the day from the month.", option, name, in_doubt=True)


def _codes(name: str, decision: Decision, guess: ColumnGuess) -> Iterator[Note]:
    if decision.code:
        example = repr(guess.codes.get(decision.code, guess.example))
        why = WHY_TEXT[decision.code].format(example)
        option = _type(name, guess.left[0].reading.type if guess.left else "number")
        yield Note(f"'{name}' is text: {why}.", option, name, in_doubt=decision.code != "long")


def _words(name: str, decision: Decision, guess: ColumnGuess, decisions: Decisions) -> Iterator[Note]:
    """Words in a column of text may be values."""
    if decision.reading.type != "text":
        return
    missing, texts = guess.words, Counter[str]()
    if decisions.quotes_count:
        texts = guess.quoted_words
    else:
        missing = missing + guess.quoted_words
    asked = MISSING_WORDS if decisions.asked.missing_words is None else decisions.asked.missing_words
    for word, n in missing.items():
        if word:
            others = [other for other in asked if other and other != word.lower()]
            text = f"'{name}' is text, and {_cells(n, word)} counted as missing."
            yield Note(text, _missing_words(others), name, in_doubt=True)
    for word, n in texts.items():
        text = f"'{name}' is text, and {_cells(n, word)} in quotes and therefore not counted as missing."
        yield Note(text, _missing_words([word for word in asked if word]), name, in_doubt=True)


def _missing(decisions: Decisions, decided: Mapping[str, Decision]) -> Iterator[Note]:
    """All words for missing values with their numbers."""
    counts: Counter[str] = Counter()
    for name, guess in decisions.guesses.items():
        counts += guess.words
        if decided[name].reading.type != "text" or not decisions.quotes_count:
            counts += guess.quoted_words
    if counts:
        said = [f"{n} {repr(word) if word else 'blank'}" for word, n in counts.most_common()]
        yield Note(f"Cells that count as missing: {', '.join(said)}.", "--missing-words WORD,WORD")


def _missing_words(words: Sequence[str]) -> str:
    return "--missing-words " + shlex.quote(",".join(words))


def _cells(n: int, word: str) -> str:
    what = repr(word) if word else "empty"
    return f"1 cell that is {what} is" if n == 1 else f"{n} cells that are {what} are"
