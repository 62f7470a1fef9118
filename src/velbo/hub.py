"""Run folders to and from the Hugging Face Hub, by its own client (extra `hub`). Nothing that is downloaded is
executed: of a repository the plan, the weights and what goes with them are fetched, and read as any run folder is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .errors import RunError, need

FETCHED = ("config.json", "model.safetensors", "reference.safetensors", "typical.json", "estimator.json", "README.md")


def local_folder(name: str | Path, revision: str | None = None, token: str | None = None) -> Path:
    """The run folder of that path, or a copy of the repository of that name, in the Hub client's cache.

    Args:
        name: a folder, or "user/name".
        revision: branch, tag or commit of the repository; its main branch if not given.
        token: of the Hub, for repositories that are private; that of the Hub's login if not given.

    Raises:
        RunError: if there is neither, or the Hub cannot be reached.
        MissingExtraError: if huggingface_hub is not installed.
    """
    if Path(name).is_dir():
        return Path(name)
    hub = need("huggingface_hub", "hub")
    try:
        found = hub.snapshot_download(str(name), revision=revision, token=token, allow_patterns=list(FETCHED))
    except Exception as error:  # the client's own errors, and those of the network below it, have no common class
        raise _of_hub(f"{name} is no folder here, and no repository of the Hub that can be read", error) from error
    return Path(found)


def upload(
    folder: Path, name: str, private: bool | None = None, token: str | None = None, message: str | None = None
) -> str:
    """Put the files of a saved model into a repository, which is made if it is not there.

    Args:
        folder: of the model.
        name: "user/name".
        private: whether a new repository is; as the account's own setting if not given.
        token: of the Hub; that of the Hub's login if not given.
        message: of the commit.

    Returns:
        The address of the commit.

    Raises:
        RunError: if the Hub does not take it.
        MissingExtraError: if huggingface_hub is not installed.
    """
    hub = need("huggingface_hub", "hub")
    try:
        api: Any = hub.HfApi(token=token)
        api.create_repo(name, private=private, exist_ok=True)
        done = api.upload_folder(
            repo_id=name,
            folder_path=folder,
            commit_message=message or "A model of velbo",
            allow_patterns=list(FETCHED),
        )
    except Exception as error:
        raise _of_hub(f"{name} was not written to the Hub", error) from error
    return str(done.commit_url)


def _of_hub(what: str, error: Exception) -> RunError:
    why = " ".join(str(error).split())[:300]
    return RunError(f"{what} ({type(error).__name__}: {why}); check the name, the network and 'hf auth login'")
