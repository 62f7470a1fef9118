"""The endpoints.

POST /encode  /decode  /score  /sample  /impute  /predict        rows in, rows out
GET  /health  /metrics  /model  /openapi.json                    about the server and its model
"""

# pyright: reportUnusedFunction=false
# (FastAPI knows its endpoints by their decorators)

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

import pyarrow as pa

from .. import __version__
from ..errors import VelboError, need
from ..evaluation.cells.imputation import ROUNDS
from ..rows.results import as_table
from ..trained_model import TrainedModel
from .described import row_schema, rows_schema
from .settings import Settings
from .wire import ARROW, JSON, PARQUET, Refused, latents_of, of_prediction

need("fastapi", "serve")

from fastapi import FastAPI, Query, Request, Response  # noqa: E402
from fastapi.exceptions import RequestValidationError  # noqa: E402
from fastapi.responses import JSONResponse, PlainTextResponse  # noqa: E402
from starlette.exceptions import HTTPException  # noqa: E402
from starlette.requests import ClientDisconnect  # noqa: E402

from .service import Service  # noqa: E402

Samples = Annotated[int, Query(ge=1, le=100_000, description="importance samples of each row")]
Seed = Annotated[int, Query(ge=0, lt=2**63, description="of all noise: the same seed and rows give the same bits")]
Unknown = Annotated[
    Literal["refuse", "report"],
    Query(description="what becomes of categories that training did not have: refused, or missing and reported"),
]


def make_app(trained: TrainedModel, settings: Settings | None = None) -> FastAPI:
    """The application of a model, for any ASGI server.

    Args:
        trained: the model.
        settings: limits.

    Raises:
        MissingExtraError: if fastapi is not installed.
    """
    service = Service(trained, settings or Settings())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.worker.start()
        yield
        await service.worker.stop()

    app = FastAPI(
        title="velbo",
        version=__version__,
        description=trained.schema.describe(),
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    _count(app, service)
    _say_refusals(app)
    _about(app, service)
    _latents(app, service)
    _measuring(app, service)
    _filling(app, service)
    _without_rows(app, service)
    _describe(app, service)
    return app


def _body(row: str, required: bool = True) -> dict[str, Any]:
    """What OpenAPI says of a body."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    content = {JSON: {"schema": rows_schema(row)}, ARROW: binary, PARQUET: binary}
    return {"requestBody": {"required": required, "content": content}}


def _count(app: FastAPI, service: Service) -> None:
    @app.middleware("http")
    async def counted(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        start, request.state.n_rows = time.monotonic(), 0
        response = await go_on(request)
        route = request.scope.get("route")
        endpoint = getattr(route, "path", "other")
        service.counters.add(endpoint, response.status_code, time.monotonic() - start, request.state.n_rows)
        return response


def _say_refusals(app: FastAPI) -> None:
    """Every refusal is an object with one line."""

    def line(status: int, why: object) -> JSONResponse:
        return JSONResponse({"error": one_line(why)}, status, {"Retry-After": "1"} if status == 503 else None)

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> JSONResponse:
        return line(error.status, error)

    @app.exception_handler(VelboError)
    async def not_usable(_: Request, error: VelboError) -> JSONResponse:
        return line(422, error)

    @app.exception_handler(RequestValidationError)
    async def no_such_option(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return line(422, f"{first['loc'][-1]}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def no_such_place(_: Request, error: HTTPException) -> JSONResponse:
        return line(error.status_code, error.detail)

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, __: ClientDisconnect) -> JSONResponse:
        return line(400, "the client went away")

    @app.exception_handler(Exception)
    async def unforeseen(_: Request, error: Exception) -> JSONResponse:
        return line(500, f"an error that nobody foresaw, {type(error).__name__}; the server's log has more")


def one_line(text: object) -> str:
    """Printable, at most 1,000 letters."""
    plain = " ".join(str(text).split())[:1000]
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in plain)


def _about(app: FastAPI, service: Service) -> None:
    @app.get("/health")
    async def health() -> dict[str, Any]:
        """Whether the server answers, and what it serves."""
        return {"status": "ok", "model": service.trained.schema.describe(), "waiting": service.worker.queue.qsize()}

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> str:
        """Counts, times and memory for Prometheus."""
        return service.counters.text(service.worker.queue.qsize())

    @app.get("/model")
    async def model() -> dict[str, Any]:
        """Fields, likelihoods and what the model is made of."""
        trained = service.trained
        return {
            "fields": trained.schema.records(),
            "latents": trained.n_latents,
            "given": list(trained.given),
            "recipe": trained.plan.recipe.recipe,
            "velbo": __version__,
        }


async def _sent(service: Service, request: Request) -> pa.Table:
    """The rows of a body.

    Raises:
        Refused: if there are none.
    """
    table = await service.rows(request)
    if table is None:
        raise Refused(400, 'there is no body; send rows, as {"rows": [{"name": value}]}')
    return table


def _latents(app: FastAPI, service: Service) -> None:
    @app.post("/encode", openapi_extra=_body("Row"))
    async def encode(request: Request, seed: Seed = 0, unknown: Unknown = "refuse") -> Response:
        """Embeddings: the posterior means of rows, in columns z0, z1, ..."""
        table = await _sent(service, request)
        return await service.answered(
            request, table, lambda m, x: as_table(m.encode(x, seed), "z"), True, unknown == "report"
        )

    @app.post("/decode", openapi_extra=_body("Latents"))
    async def decode(request: Request) -> Response:
        """Point estimates of rows with such embeddings."""
        return await service.answered(
            request, await _sent(service, request), lambda m, x: m.decode(latents_of(x, m.n_latents))
        )


def _measuring(app: FastAPI, service: Service) -> None:
    @app.post("/score", openapi_extra=_body("Row"))
    async def score(
        request: Request,
        samples: Samples = 100,
        seed: Seed = 0,
        reasons: Annotated[bool, Query(description="log p of every cell given the others too")] = False,
        unknown: Unknown = "refuse",
    ) -> Response:
        """log p of rows in nats, a lower bound, or the score of a model of anomalies; low is anomalous.

        With reasons, the most anomalous cell of each row too.
        """
        table = await _sent(service, request)
        service.refuse_draws(len(table), samples, service.trained.schema.n_dims + 1 if reasons else 1)

        def compute(m: TrainedModel, x: Any) -> pa.Table:
            if reasons:
                return m.explain(x, samples, seed)
            return as_table(m.scores(x, samples, seed, "cpu"), m.score_name)

        return await service.answered(request, table, compute, True, unknown == "report")


def _filling(app: FastAPI, service: Service) -> None:
    @app.post("/impute", openapi_extra=_body("Row"))
    async def impute(
        request: Request, samples: Samples | None = None, seed: Seed = 0, unknown: Unknown = "refuse"
    ) -> Response:
        """Rows with their missing cells filled: means of numbers, likeliest categories; all else as it was sent."""
        table = await _sent(service, request)
        service.refuse_draws(len(table), samples or ROUNDS[-1])
        return await service.answered(
            request, table, lambda m, x: m.impute(x, samples, seed), report_unknown=unknown == "report"
        )

    @app.post("/predict", openapi_extra=_body("Row"))
    async def predict(
        request: Request,
        column: Annotated[str, Query(description="whose law is told")],
        given: Annotated[list[str] | None, Query(description="columns that are looked at; all that are sent")] = None,
        samples: Samples = 1000,
        seed: Seed = 0,
        unknown: Unknown = "refuse",
    ) -> Response:
        """One column given any others: the likeliest value, masses p(value) or mean and spread, and the effective
        sample size. Rows may lack columns.
        """
        table = await _sent(service, request)
        service.refuse_draws(len(table), samples)
        return await service.answered(
            request,
            table,
            lambda m, x: of_prediction(m.predict(x, column, given, samples=samples, seed=seed)),
            report_unknown=unknown == "report",
        )


def _without_rows(app: FastAPI, service: Service) -> None:
    @app.post("/sample", openapi_extra=_body("Row", required=False))
    async def sample(
        request: Request,
        n: Annotated[int, Query(ge=1, description="how many rows")] = 1,
        seed: Seed = 0,
        mean: Annotated[bool, Query(description="point estimates of p(x|z) instead of draws")] = False,
    ) -> Response:
        """New rows. A body is what is given: one row, for all, or a row for each."""
        given = await service.rows(request)
        if n > service.settings.max_rows:
            raise Refused(413, f"{n:,} rows are asked for, and {service.settings.max_rows:,} are the most")
        request.state.n_rows = n
        if given is not None and len(given) == 1:
            given = pa.concat_tables([given.slice(0, 1)] * n)

        def compute(m: TrainedModel, x: Any) -> pa.Table:
            return m.sample(n, seed, mean, given=x)

        return await service.answered(request, given, compute)


def _describe(app: FastAPI, service: Service) -> None:
    """OpenAPI with the fields of the data."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        found = plain()
        n = service.trained.n_latents
        latents = {"type": "object", "properties": {f"z{i}": {"type": "number"} for i in range(n)}}
        known = found.setdefault("components", {}).setdefault("schemas", {})
        row = row_schema(service.trained.schema, service.trained.recipe.condition)
        known |= {"Row": row, "Latents": latents}
        return found

    app.openapi = described  # type: ignore[method-assign]
