"""velbo --install-completion: verbs and options completed by the shell."""

from __future__ import annotations

from typing import Literal

from ...errors import ConfigError
from ..app import app, say
from ..options import SomeOutput
from ..pages import OTHERS

BASH = "complete -F"


@app.command(name="--install-completion", group=OTHERS)
def install_completion(
    *, shell: Literal["bash", "zsh", "fish", "powershell"] | None = None, output: SomeOutput = None
) -> None:
    """Have the shell complete verbs and options.

    A script is written where the shell looks for it, and a line that loads it into the shell's own start file.

    Args:
        shell: the one that is running if not given.
        output: write the script into this file instead, and change no other.
    """
    from cyclopts.completion.detect import ShellDetectionError, detect_shell

    try:
        shell = shell or detect_shell()
    except ShellDetectionError as error:
        raise ConfigError("which shell this is cannot be told; name it: velbo --install-completion --shell bash") from (
            error
        )
    path = app.install_completion(shell=shell, output=output, add_to_startup=output is None)
    if shell == "bash":  # names of files too, where an argument may be one of them
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(BASH, BASH.replace("complete", "complete -o default")), encoding="utf-8")
    say(f"wrote {path}; it works in every new {shell}, and in this one after: source {path}")
