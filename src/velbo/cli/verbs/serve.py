"""velbo serve: a model over HTTP."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from ...files import shown
from ...limits import Limits
from ...serve import Settings
from ..app import app, say
from ..options import Folder, OwnParts
from ..pages import SHARE

Port = Annotated[int, Parameter(validator=Limits(0, 65_535).validate)]


@app.command(group=SHARE)
def serve(
    run: Folder,
    *,
    host: str = "127.0.0.1",
    port: Port = 8000,
    settings: Annotated[Settings, Parameter(name="*")] = Settings(),
    model: OwnParts = None,
) -> None:
    """Serve a model over HTTP: encode, decode, score, sample, impute and predict, until SIGTERM.

    Args:
        run: folder of a trained model.
        host: address to listen at; 0.0.0.0 for all of the machine's.
        port: 0 takes any that is free.
    """
    from ...serve.server import serve as run_server
    from ...trained_model import TrainedModel

    trained = TrainedModel.load(run, model)
    name = shown(run)
    run_server(trained, host, port, settings, lambda where: say(f"serving {name} at {where}, see {where}/openapi.json"))
