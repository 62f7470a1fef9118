"""A server that runs until it is told to end. On SIGTERM or SIGINT it takes no new connection, answers what is under
way, and ends with exit code 0; a second SIGINT ends it at once.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from types import FrameType

from ..errors import RunError, need
from ..trained_model import TrainedModel
from .app import make_app
from .settings import Settings

need("uvicorn", "serve")

import uvicorn  # noqa: E402


class Drained(uvicorn.Server):
    """Ends by itself when its last answer is sent, instead of by the signal once more."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def serve(
    trained: TrainedModel,
    host: str = "127.0.0.1",
    port: int = 8000,
    settings: Settings | None = None,
    ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve a model until SIGTERM or SIGINT.

    Args:
        trained: the model.
        host: address to listen at; "0.0.0.0" for all of the machine's.
        port: 0 for any that is free.
        settings: limits.
        ready: is told the address.

    Raises:
        RunError: if the address is taken, or is none of this machine.
        MissingExtraError: if fastapi or uvicorn is not installed.
    """
    settings = settings or Settings()
    try:
        listening = socket.create_server((host, port), backlog=1024)
    except (OSError, OverflowError) as error:
        raise RunError(f"nobody can listen at {host}, port {port}: {error}; give another --host or --port") from error
    config = uvicorn.Config(
        make_app(trained, settings),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=settings.drain_seconds,
    )
    with listening:
        ready(f"http://{host}:{listening.getsockname()[1]}")
        Drained(config).run(sockets=[listening])
