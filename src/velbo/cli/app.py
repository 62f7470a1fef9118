"""The application: exit codes, and every error as one plain line."""

from __future__ import annotations

import gc
import io
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cyclopts import App, CycloptsError, MissingArgumentError, Parameter

from .. import __version__
from ..errors import Interrupted, RunError, VelboError
from ..files import write_text
from ..runtime.ranks import forget_ranks, is_first, ranks_here
from .pages import ALL, EPILOGUE, OPTIONS, OTHERS, Panel, asked_for_all, default_text
from .sources import with_sources

INTERRUPTED, UNFORESEEN, NO_READER = 130, 70, 141
"""Exit codes: of a program that SIGINT has stopped; EX_SOFTWARE of sysexits.h; of one that SIGPIPE has ended."""

NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc", "failed to map segment")
"""How torch and the loader of libraries say it."""

app = App(
    name="velbo",
    help="Variational autoencoders with honest likelihoods: train, measure and use them.",
    version=__version__,
    help_format="plaintext",
    help_flags=("--help", "-h", ALL),
    help_formatter=Panel(),
    help_epilogue=EPILOGUE,
    group_parameters=OPTIONS,
    group_commands=OTHERS,
    default_parameter=Parameter(show_default=default_text, negative_iterable=""),
    suppress_keyboard_interrupt=False,  # main() says so
)

LONGEST = 2000


TOGETHER = "fit", "resume", "score", "encode", "reconstruct", "impute", "evaluate"
"""Verbs that several processes carry out together; all others are carried out by the first alone."""


def say(text: str) -> None:
    """Talk: to stderr, so that results can be piped; to nobody if that is closed. Of several processes the first
    talks.
    """
    if is_first():
        say_at_any_rank(text)


def say_at_any_rank(text: str) -> None:
    """The same for a process that is not the first."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(text, file=sys.stderr, flush=True)


def one_line(error: object) -> str:
    """A message as one line that a terminal shows as it is: names in it may hold anything."""
    text = " ".join(str(error).split())
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _plain_warning(message: Any, *_: Any, **__: Any) -> None:
    say(f"velbo: warning: {one_line(message)}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        return _ended(arguments)
    except KeyboardInterrupt:  # a second one, while the first was being told of
        return INTERRUPTED


def _ended(arguments: Sequence[str] | None) -> int:
    warnings.showwarning = _plain_warning
    try:
        asked = sys.argv[1:] if arguments is None else arguments
        if ranks_here() is not None and not set(asked[:1]) & set(TOGETHER):
            if not is_first():
                return 0
            forget_ranks()
        with asked_for_all(asked):
            app(with_sources(app, asked), exit_on_error=False, print_error=False, result_action="return_value")
        if sys.stdout is not None:
            sys.stdout.flush()
    except Interrupted as error:
        say(f"velbo: {error}")
        return INTERRUPTED
    except KeyboardInterrupt:
        say("velbo: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _give_up_stdout()
        return NO_READER
    except (VelboError, CycloptsError, OSError) as error:
        say(f"velbo: {one_line(_what_is_missing(error) if isinstance(error, MissingArgumentError) else error)}")
        if isinstance(error, OSError):
            _give_up_stdout()
        return 2
    except Exception as error:
        if isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY):
            said = one_line(error)[:200]
            say(f"velbo: there is not enough memory for this; take fewer rows or samples, or a smaller model ({said})")
            return 2
        return unforeseen(error, arguments)
    return 0


def _what_is_missing(error: MissingArgumentError) -> str:
    """A sentence about an option without a value, or what a verb needs and was not given, in the words of its help."""
    argument, chain = error.argument, error.command_chain
    if argument is None or not chain or error.keyword or argument.tokens:
        return str(error)
    documented = app[chain[-1]].assemble_argument_collection(parse_docstring=True)
    helps = [a.parameter.help for a in documented if a.name == argument.name]
    name = argument.name.lstrip("-").upper() if argument.field_info.is_positional else argument.name
    return f"{' '.join(chain)} needs {name}: {(helps[0] or '').rstrip('.')}"


def unforeseen(error: Exception, arguments: Sequence[str] | None) -> int:
    """Write what is needed to mend velbo into a file, and say where it is."""
    command = " ".join(sys.argv if arguments is None else arguments)
    text = f"velbo {__version__}: {command}\n\n{''.join(traceback.format_exception(error))}"
    text = text.encode(errors="backslashreplace").decode()  # a name may hold bytes that are no text
    said = one_line(f"{type(error).__name__}: {error}")[:300]
    say_at_any_rank(
        f"velbo: an error that nobody foresaw, {said}; please report it with the file {_written(text, arguments)}"
    )
    return UNFORESEEN


def _written(text: str, arguments: Sequence[str] | None) -> Path | None:
    """The file, in the run folder if there is one; None if there is nowhere to write to."""
    with suppress(Exception):
        _, bound, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
        folder = bound.arguments["run"]
        if folder.is_dir():
            write_text(folder / "error.txt", text)
            return folder / "error.txt"
    with suppress(OSError, RunError):
        path = Path(tempfile.mkdtemp(prefix="velbo-error-")) / "error.txt"
        write_text(path, text)
        return path
    return None


def _give_up_stdout() -> None:
    """What is left in the buffer goes nowhere: the interpreter would fail with it once more at its end."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def entry() -> None:
    """The console script. A terminal that lacks a letter shows its number."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    # what is imported stays: four searches of all of it for garbage took a quarter of a second, one at the end a half
    gc.set_threshold(*gc.get_threshold()[:2], 100)
    code = main()
    gc.freeze()
    sys.exit(code)
