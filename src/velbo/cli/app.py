"""The application: exit codes, and every error as one plain line."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any

from cyclopts import App, CycloptsError

from .. import __version__
from ..errors import Interrupted, VelboError

app = App(
    name="velbo",
    help="Variational autoencoders with honest likelihoods: train, measure and use them.",
    version=__version__,
    help_format="plaintext",
)


def say(text: str) -> None:
    """Talk: to stderr, so that results can be piped."""
    print(text, file=sys.stderr, flush=True)


def _plain_warning(message: Any, *_: Any, **__: Any) -> None:
    say(f"velbo: warning: {message}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    warnings.showwarning = _plain_warning
    try:
        app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except Interrupted as error:
        say(f"velbo: {error}")
        return 130
    except KeyboardInterrupt:
        say("velbo: interrupted")
        return 130
    except (VelboError, CycloptsError) as error:
        say(f"velbo: {' '.join(str(error).split())}")
        return 2
    except BrokenPipeError:
        return 0
    return 0


def entry() -> None:
    """The console script."""
    sys.exit(main())
