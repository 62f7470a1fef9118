"""Where options come from: flag > environment > file > default.

    VELBO_FIT_EPOCHS=5    an option of one verb
    VELBO_EPOCHS=5        of every verb that has it
    --config FILE         YAML, TOML or JSON: options by their names, and those of one verb below its name

      seed: 1             # of every verb that is called with this file
      fit:
        epochs: 5         # of fit alone; goes before what stands outside

A name that no verb has is an error, in the file and in the environment.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, need
from ..files import as_path

if TYPE_CHECKING:
    from cyclopts import App

PREFIX, FLAG = "VELBO_", "--config"
LIKE = "--like"


def with_sources(app: App, arguments: Sequence[str]) -> list[str]:
    """Have the application look into environment and file too; returns the arguments without --config.

    Raises:
        ConfigError: for a file that cannot be read, or a variable that is no option.
    """
    path, rest = _taken(arguments)
    path = path or os.environ.get(f"{PREFIX}CONFIG", "")
    variables = [name for name in os.environ if name.startswith(PREFIX) and name != f"{PREFIX}CONFIG"]
    sources: list[Any] = []
    if variables:
        from cyclopts.config import Env

        _refuse_unknown(app, variables)
        sources += [Env(PREFIX, show=False), Env(PREFIX, command=False, show=False)]
    if path:
        from cyclopts.config import Dict

        values = read_values(as_path(path))
        if _is_plan(values):
            rest = _taken_again(rest, path)
        else:
            sources.append(Dict(_by_verb(app, values, path), source=path))
    app.config = sources
    return rest


def _taken_again(arguments: Sequence[str], path: str) -> list[str]:
    """A run's config.json is a plan, which fit alone can take again."""
    if arguments[:1] != ["fit"]:
        raise ConfigError(
            f"{path} is the plan of a run, which 'velbo fit' takes again; other verbs want names of options"
        )
    return ["fit", LIKE, path, *arguments[1:]]


def _taken(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """(the file of --config, all other arguments)."""
    rest, path, at = list[str](), "", 0
    while at < len(arguments):
        text = arguments[at]
        if text == "--":
            return path, rest + list(arguments[at:])
        if text == FLAG:
            if at + 1 == len(arguments):
                raise ConfigError(f"{FLAG} needs a file: {FLAG} velbo.toml")
            path, at = arguments[at + 1], at + 1
        elif text.startswith(f"{FLAG}="):
            path = text.partition("=")[2]
        else:
            rest.append(text)
        at += 1
    return path, rest


def read_values(path: Path) -> dict[str, Any]:
    """What a YAML, TOML or JSON file holds.

    Raises:
        ConfigError: if it is none of them, cannot be read, or holds no names and values.
    """
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise ConfigError(f"{path}: options are read from files that end in {', '.join(sorted(READERS))}")
    try:
        found = READERS[suffix](path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # JSON's, TOML's and that of bytes that are no text
        raise ConfigError(f"{path}: is no {suffix[1:].upper()} file: {error}") from error
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise ConfigError(f"{path}: names and values are needed, such as epochs = 5")
    return found


def _toml(text: str) -> Any:
    import tomllib

    return tomllib.loads(text)


def _yaml(text: str) -> Any:
    yaml: Any = need("yaml", "yaml")
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(error) from error


READERS: dict[str, Callable[[str], Any]] = {".json": json.loads, ".toml": _toml, ".yaml": _yaml, ".yml": _yaml}


def _is_plan(values: Mapping[str, Any]) -> bool:
    """Whether the file is config.json of a run, whose plan is to be taken again."""
    versions = values.get("versions")
    return isinstance(versions, Mapping) and "velbo" in versions


def _by_verb(app: App, values: Mapping[str, Any], path: str) -> dict[str, dict[str, Any]]:
    """Verb -> its options: those of all verbs, and its own before them."""
    verbs = {name: values[name] for name in verbs_of(app) if isinstance(values.get(name), Mapping)}
    for name, value in values.items():
        if isinstance(value, Mapping) and name not in verbs:
            raise ConfigError(f"{path}: there is no verb '{name}'.{_meant(name, verbs_of(app))}")
    shared = {name: value for name, value in values.items() if name not in verbs}
    return {verb: shared | dict(verbs.get(verb, {})) for verb in verbs_of(app)}


def verbs_of(app: App) -> list[str]:
    """The names of all verbs."""
    return [name for name in app if not name.startswith("-")]


def _refuse_unknown(app: App, variables: Sequence[str]) -> None:
    """Raise ConfigError for a variable that is no option of any verb."""
    known = set[str]()
    for verb in verbs_of(app):
        for argument in app[verb].assemble_argument_collection():
            names = [_variable(name) for name in argument.names]
            known.update(names, (f"{_variable(verb)}_{name}" for name in names))
    for variable in sorted(variables):
        name = variable.removeprefix(PREFIX)
        if name not in known:
            hint = get_close_matches(name, known, n=1)
            meant = f" Did you mean {PREFIX}{hint[0]}?" if hint else ""
            raise ConfigError(f"the environment variable {variable} is no option of any verb.{meant}")


def _variable(name: str) -> str:
    return name.lstrip("-").replace("-", "_").upper()


def _meant(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f" Did you mean '{close[0]}'?" if close else ""
