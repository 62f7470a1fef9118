"""Pages of help: options in panels by task, the usual ones first, the rest with --help-all.

A panel is a group of cyclopts with a formatter of its own, `Panel`, that knows which of its options are usual. Line
breaks of docstrings are those of the source and say nothing: text is filled to the width of the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cyclopts import Group

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

ALL = "--help-all"
EPILOGUE = (
    "Every option may also stand in a file (--config FILE) or in the environment (VELBO_SEED=1). "
    "velbo VERB --help shows the usual options of a verb, velbo VERB --help-all all of them."
)
_all_options = ContextVar("all_options", default=False)


@contextmanager
def asked_for_all(arguments: Sequence[str]) -> Iterator[None]:
    """Inside the block a page of help has every option, if --help-all is among the arguments."""
    token = _all_options.set(ALL in arguments)
    try:
        yield
    finally:
        _all_options.reset(token)


@dataclass(frozen=True)
class Panel:
    """The formatter of a group, or of all groups that have none.

    Attributes:
        usual: the options that are always shown; all of them if it is None.
    """

    usual: frozenset[str] | None = None

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Print a panel, unless nothing of it is to be shown."""
        from cyclopts.help import DefaultFormatter

        shown = [self._plain(entry) for entry in panel.entries if self._is_shown(entry)]
        if shown:
            DefaultFormatter()(console, options, panel.copy(entries=shown))

    def render_usage(self, console: Console, options: ConsoleOptions, usage: Any) -> None:
        from cyclopts.help import DefaultFormatter

        DefaultFormatter().render_usage(console, options, usage)

    def render_description(self, console: Console, options: ConsoleOptions, description: Any) -> None:
        """Its paragraphs, each filled."""
        text = _text_of(description)
        paragraphs = [_filled(part) for part in text.split("\n\n") if part.strip()]
        if paragraphs:
            console.print("\n\n".join(paragraphs) + "\n", markup=False, highlight=False)

    def _is_shown(self, entry: HelpEntry) -> bool:
        return self.usual is None or _all_options.get() or bool(self.usual & set(entry.names))

    def _plain(self, entry: HelpEntry) -> HelpEntry:
        """Without --no-..., which every switch has, and with its text filled."""
        return entry.copy(negative_names=(), negative_shorts=(), description=_filled(_text_of(entry.description)))


def _text_of(description: Any) -> str:
    """The text of what cyclopts makes of a docstring."""
    inner = getattr(description, "primary_renderable", description)
    return "" if inner is None else str(getattr(inner, "plain", inner))


def _filled(text: str) -> str:
    return " ".join(text.split())


def default_text(value: Any) -> str | None:
    """A default in a page of help; none where it says nothing."""
    if value in (None, "", ()) or value is False:
        return None
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "yes" if value is True else str(value)


def _group(title: str, place: int, usual: str = "") -> Group:
    names = frozenset(f"--{name}" for name in usual.split())
    return Group(title, sort_key=place, help_formatter=Panel(names))


OPTIONS = Group("Options", sort_key=0)
OTHERS = Group("Other", sort_key=9)
FIELDS = _group("Fields of the data", 1, "column")
MODEL = _group("Model", 2, "recipe latent hidden likelihood prior posterior condition")
BOUND = _group("Bound", 3, "objective samples beta target-rate")
TRAINING = _group("Training", 4, "epochs minutes batch-size lr validation")
PRIVACY = _group("Privacy", 5, "epsilon")
MACHINE = _group("Machine", 6, "device seed")
READING = _group("How files are read", 7)
OWN = _group("Parts of your own", 8)

DATA, TRAIN, USE, MEASURE, SHARE = (
    Group(title, sort_key=place)
    for place, title in enumerate(
        ("Look at data", "Train a model", "Use a model", "Measure a model", "Hand a model on"), start=1
    )
)
"""Groups of verbs."""
