"""The error tree. Every message says what is wrong, where, and what to do instead.

VelboError
  DataError            the data cannot be used as it is         (also a ValueError)
    SchemaError        the data are not what the model was trained on
  ConfigError          an option or a config file is wrong      (also a ValueError)
  RunError             a run folder or checkpoint is missing, damaged or foreign
  TrainingError        training cannot go on                    (also a RuntimeError)
    LostProcessError   another process of the training has ended
  Interrupted          the user asked training to stop; the run can be resumed
  MissingExtraError    an optional dependency is not installed  (also an ImportError)
  MissingMethodError   a part does not say what is asked of it  (also a NotImplementedError)
VelboWarning           something works, but not as the user may think
  CollapseWarning      the posterior has collapsed onto the prior
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from types import ModuleType


class VelboError(Exception):
    """Root of everything that velbo raises on purpose."""


class DataError(VelboError, ValueError):
    """The data cannot be used as they are."""


class SchemaError(DataError):
    """The data do not fit the schema that the model was trained on."""


class ConfigError(VelboError, ValueError):
    """An option or a config file is wrong."""


class RunError(VelboError):
    """A run folder or one of its files is missing, damaged or not velbo's."""


class TrainingError(VelboError, RuntimeError):
    """Training cannot go on; what was reached is saved where a run folder was given."""


class LostProcessError(TrainingError):
    """Another process of the training has ended, or cannot be reached; what was saved is whole."""


class Interrupted(VelboError):
    """Training stopped because the user asked for it; everything is saved."""


class MissingExtraError(VelboError, ImportError):
    """An optional dependency is not installed."""


class MissingMethodError(VelboError, NotImplementedError):
    """A part does not say what is asked of it."""


class VelboWarning(UserWarning):
    """Something works, but not as the user may think."""


class CollapseWarning(VelboWarning):
    """The posterior carries (almost) no information about x."""


def need(module: str, extra: str) -> ModuleType:
    """Import an optional dependency, or say which extra brings it.

    Raises:
        MissingExtraError: if ``module`` is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise MissingExtraError(
            f"{name} is needed here and is not installed; install it with: pip install 'velbo[{extra}]'"
        ) from error


def unknown(what: str, name: object, known: Iterable[str]) -> ConfigError:
    """The error for a name that is not in a registry, with the nearest spelling."""
    return ConfigError(f"unknown {what} '{name}'.{nearest(str(name), known)}")


def nearest(name: str, known: Iterable[str], shown: int = 40) -> str:
    """What may have been meant, and what there is."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    more = f", ... ({len(names)})" if len(names) > shown else ""
    return f"{hint} Known: {', '.join(names[:shown])}{more}."
