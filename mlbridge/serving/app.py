"""The server: routes, who may ask, and what becomes of an error. What is answered is decided elsewhere."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from mlbridge.compile.arrays.program import Columns
from mlbridge.errors import MlbridgeError
from mlbridge.serving.inputs import InputError, columns_of_rows, read_columns
from mlbridge.serving.metrics import Metrics
from mlbridge.serving.openapi import document, page
from mlbridge.serving.protocol import columns_of_tensors, model_metadata, server_metadata, tensors
from mlbridge.serving.recorder import Answered, Recorder
from mlbridge.serving.requests import MOST_EXPLAINED, RefusedError, check_count, json_body
from mlbridge.serving.served import Served
from mlbridge.serving.state import NotServedError, Versions
from mlbridge.typing import Document, Json

LOG = logging.getLogger("mlbridge.serve")
# How often a newer build is looked for, in seconds.
EVERY = 1.0
# More rows are scored in a thread, so that other requests need not wait for them.
INLINE_ROWS = 50
# What may be asked without a token.
OPEN = ("/v2/health/live", "/v2/health/ready")
PREDICT_KEYS = ("rows", "explain")

Handler = Callable[[Request], Awaitable[Response]]


class Answer(Response):
    """A JSON answer; NaN in it is an error, never NaN."""

    media_type = "application/json"

    def render(self, content: Json) -> bytes:
        """Write the content."""
        return json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()


def create_app(
    versions: Versions,
    tokens: Sequence[str] = (),
    hosts: Sequence[str] = (),
    requests: Path | None = None,
    redacted: Sequence[str] = (),
) -> ASGIApp:
    """Make the server of some versions: with `tokens` one is asked for, with `hosts` only these names are answered.

    `requests` is the folder to record requests in, without the values of the `redacted` columns; None: nowhere. Raises
    SetupError where there is no such folder and none can be made.
    """
    return _Guarded(_Server(versions, requests, redacted).app, tokens, hosts)


class _Server:
    def __init__(self, versions: Versions, requests: Path | None, redacted: Sequence[str]) -> None:
        self._versions, self.metrics = versions, Metrics()
        # One at a time: an explanation scores thousands of rows.
        self._explaining = asyncio.Semaphore(1)
        self._recorder = None if requests is None else Recorder(requests, redacted, self.metrics.lost.inc)
        model = "/v2/models/{model}"
        self.app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/openapi.json", self._openapi),
                Route("/metrics", self._metrics),
                Route("/predict/{model}", self._answering(self._predict), methods=["POST"]),
                Route("/v2", self._server),
                Route("/v2/health/live", self._live),
                Route("/v2/health/ready", self._ready),
                *(
                    route
                    for path in (model, f"{model}/versions/{{version}}")
                    for route in (
                        Route(path, self._answering(self._model)),
                        Route(f"{path}/ready", self._answering(self._model_ready)),
                        Route(f"{path}/infer", self._answering(self._infer), methods=["POST"]),
                    )
                ),
            ],
            exception_handlers={HTTPException: _as_json, Exception: self._failed},
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._tell()
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            if self._recorder is not None:
                await asyncio.to_thread(self._recorder.close)

    async def _watch(self) -> None:
        """Take over newer builds; requests that are being answered keep the version that they began with."""
        before = self._versions.problem
        while True:
            await asyncio.sleep(EVERY)
            changed = await asyncio.to_thread(self._versions.refresh)
            if changed or self._versions.problem != before:
                before = self._versions.problem
                self._tell()

    def _tell(self) -> None:
        state = self._versions.state
        for name, served in state.models.items():
            self.metrics.version.labels(name).set(served.version)
        self.metrics.current.set(self._versions.problem is None)
        LOG.info("state", extra={"facts": self._versions.readiness})

    def _answering(self, answer: Callable[[Request], Awaitable[Response]]) -> Handler:
        """Turn what a handler raises into an answer, and log it."""

        async def handler(request: Request) -> Response:
            identity = request.headers.get("x-request-id", "")[:100] or uuid4().hex
            request.state.identity = identity
            try:
                return await answer(request)
            except RefusedError as refused:
                return self._refused(request, identity, refused)
            except NotServedError as error:
                status = 404 if self._versions.state.models else 503
                return self._refused(request, identity, RefusedError(status, "not_served", str(error)))
            except InputError as error:
                return self._refused(request, identity, RefusedError(422, "input", str(error), error.problems))
            except MlbridgeError as error:
                LOG.error("failed", extra={"facts": {"id": identity, "path": request.url.path, "error": str(error)}})
                self.metrics.failed.inc()
                return Answer({"error": str(error), "id": identity}, 500)

        return handler

    def _refused(self, request: Request, identity: str, refused: RefusedError) -> Response:
        self.metrics.refused.labels(refused.reason).inc()
        facts = {"id": identity, "path": request.url.path[:200], "status": refused.status, "reason": refused.reason}
        LOG.warning("refused", extra={"facts": facts})
        answer: Document = {"error": refused.message, "id": identity}
        if refused.problems:
            answer["problems"] = [vars(each) for each in refused.problems]
        return Answer(answer, refused.status)

    async def _failed(self, request: Request, _: Exception) -> Response:
        """Answer where the server itself is wrong; what was raised goes on, and uvicorn logs it."""
        self.metrics.failed.inc()
        return Answer(
            {"error": "the server failed; its log says why.", "id": getattr(request.state, "identity", None)}, 500
        )

    def _served(self, request: Request) -> Served:
        return self._versions.state.served(request.path_params["model"], request.path_params.get("version"))

    async def _predict(self, request: Request) -> Response:
        began = time.perf_counter()
        served = self._served(request)
        body = await json_body(request)
        rows, explain = _rows_of(body)
        features = served.scorer.version.features
        columns = read_columns(columns_of_rows(rows, features, served.key), features)
        predictions = await _scored(served, columns, len(rows))
        if explain:
            async with self._explaining:
                found = await asyncio.to_thread(served.explain, columns, len(rows))
            for each, why in zip(predictions, found, strict=True):
                each["explanation"] = why
        self._answered(request, served, rows, predictions, began)
        return Answer({"model": served.model, "version": served.version, "predictions": predictions})

    async def _infer(self, request: Request) -> Response:
        began = time.perf_counter()
        served = self._served(request)
        body = await json_body(request)
        features = served.scorer.version.features
        given, rows = columns_of_tensors(body, features, served.key)
        check_count(rows)
        predictions = await _scored(served, read_columns(given, features), rows)
        each_row = [dict(zip(given, values, strict=True)) for values in zip(*given.values(), strict=True)]
        self._answered(request, served, each_row, predictions, began)
        identity = body.get("id")
        return Answer(tensors(served, predictions, identity if isinstance(identity, str) else None))

    def _answered(
        self,
        request: Request,
        served: Served,
        rows: Sequence[Document],
        predictions: Sequence[Document],
        began: float,
    ) -> None:
        """Count an answer, and record it."""
        seconds = time.perf_counter() - began
        self.metrics.answered(served.model, served.version, len(rows), seconds)
        if self._recorder is not None:
            received = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=seconds)
            facts = request.state.identity, served.model, served.version, received, seconds
            self._recorder.add(Answered(*facts, served.key, rows, predictions))

    async def _model(self, request: Request) -> Response:
        return Answer(model_metadata(self._served(request)))

    async def _model_ready(self, request: Request) -> Response:
        served = self._served(request)
        return Answer({"name": served.model, "ready": True})

    async def _server(self, _: Request) -> Response:
        return Answer(server_metadata())

    async def _live(self, _: Request) -> Response:
        return Answer({"live": True})

    async def _ready(self, _: Request) -> Response:
        return Answer(self._versions.readiness, 200 if self._versions.is_ready else 503)

    async def _metrics(self, _: Request) -> Response:
        return Response(self.metrics.written(), media_type="text/plain; version=0.0.4")

    async def _openapi(self, _: Request) -> Response:
        return Answer(document(self._versions.state.models))

    async def _page(self, _: Request) -> Response:
        return HTMLResponse(page(document(self._versions.state.models)))


def _rows_of(body: Json) -> tuple[list[Json], bool]:
    if not isinstance(body, dict) or not isinstance(body.get("rows"), list):
        raise RefusedError(422, "no_rows", '`rows` is missing; the body is {"rows": [{...}]}, an object for each row.')
    unknown = [name for name in body if name not in PREDICT_KEYS]
    if unknown:
        raise RefusedError(
            422, "unknown_key", f"the body has '{str(unknown[0])[:40]}'; known are `rows` and `explain`."
        )
    explain = body.get("explain", False)
    if not isinstance(explain, bool):
        raise RefusedError(422, "explain", "`explain` is true or false.")
    rows = body["rows"]
    check_count(len(rows))
    if explain and len(rows) > MOST_EXPLAINED:
        raise RefusedError(413, "too_many_rows", f"at most {MOST_EXPLAINED} rows are explained at a time.")
    return rows, explain


async def _scored(served: Served, columns: Columns, rows: int) -> list[Document]:
    if rows <= INLINE_ROWS and served.scorer.program is not None:
        return served.predict(columns, rows)
    return await asyncio.to_thread(served.predict, columns, rows)


async def _as_json(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 (what it is registered for)
    return Answer({"error": str(error.detail)}, error.status_code, error.headers)


class _Guarded:
    """Asks for a token, and for a name of this machine, before anything else is done."""

    def __init__(self, app: ASGIApp, tokens: Sequence[str], hosts: Sequence[str]) -> None:
        self._app, self._tokens, self._hosts = app, [each.encode() for each in tokens], frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            host = headers.get(b"host", b"").decode("latin-1")
            host = host if host.endswith("]") else host.rsplit(":", 1)[0]
            if self._hosts and host not in self._hosts:
                await Answer({"error": "this host's name is not served."}, 400)(scope, receive, send)
                return
            if self._tokens and scope["path"] not in OPEN and not self._knows(headers.get(b"authorization", b"")):
                challenge = {"www-authenticate": "Bearer"}
                await Answer({"error": "a token is needed: `Authorization: Bearer ...`."}, 401, challenge)(
                    scope, receive, send
                )
                return
        await self._app(scope, receive, send)

    def _knows(self, header: bytes) -> bool:
        scheme, _, token = header.partition(b" ")
        # Each is compared, so that the time tells nothing.
        found = [hmac.compare_digest(token, each) for each in self._tokens]
        return scheme.lower() == b"bearer" and any(found)
