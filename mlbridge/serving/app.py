"""The server: routes, and what becomes of an error. What is answered is decided elsewhere."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from mlbridge.errors import MlbridgeError, SetupError, listed, nearest
from mlbridge.serving.answer import Answer
from mlbridge.serving.asked import read_rows, read_tensors
from mlbridge.serving.beside import Beside, Part, Shadow, merged, parts_of
from mlbridge.serving.guard import Guarded
from mlbridge.serving.inputs import InputError
from mlbridge.serving.metrics import Metrics
from mlbridge.serving.online import ModelOnline
from mlbridge.serving.openapi import document, page
from mlbridge.serving.protocol import model_metadata, server_metadata, tensors
from mlbridge.serving.recorder import CHAMPION, Answered, Recorder
from mlbridge.serving.requests import RefusedError, body_of, refuse_binary
from mlbridge.serving.served import Served
from mlbridge.serving.state import NotServedError, Versions
from mlbridge.typing import Document

LOG = logging.getLogger("mlbridge.serve")
# How often a newer build is looked for, in seconds.
EVERY = 1.0
# Larger bodies, or more values, are read, and more rows scored and written, in a thread: other requests need not wait.
INLINE_BYTES, INLINE_VALUES, INLINE_ROWS = 2**16, 1_000, 50
FAILED = "the server failed; its log says why."

Result = TypeVar("Result")
Handler = Callable[[Request], Awaitable[Response]]
# A part of a request, and the predictions for its rows.
Scored = tuple[Part, list[Document]]


def create_app(
    versions: Versions,
    tokens: Sequence[str] = (),
    hosts: Sequence[str] = (),
    requests: Path | None = None,
    redacted: Sequence[str] = (),
) -> ASGIApp:
    """Make the server of some versions: with `tokens` one is asked for, with `hosts` only these names are answered.

    `requests` is the folder to record requests in, without the values of the `redacted` columns; None: nowhere. Raises
    SetupError where there is no such folder and none can be made, and where no model that is served has such a column.
    """
    server = _Server(versions, bool(tokens), requests, redacted)
    return Guarded(server.app, tokens, hosts, server.metrics)


class _Server:
    def __init__(
        self, versions: Versions, asks_for_tokens: bool, requests: Path | None, redacted: Sequence[str]
    ) -> None:
        self._asks_for_tokens = asks_for_tokens
        # Not the pool that predictions and explanations run in: a newer version waits for none of them.
        self._loader = ThreadPoolExecutor(1)
        self._versions, self.metrics, self._redacted = versions, Metrics(), tuple(redacted)
        unknown = self._unknown_columns()
        if unknown is not None:
            raise SetupError(f"--redact: {unknown}")
        # One at a time: an explanation scores thousands of rows.
        self._explaining = asyncio.Semaphore(1)
        self._recorder = None if requests is None else Recorder(requests, redacted, self.metrics.lost.inc)
        # What nobody would read is not scored: without a recorder there is no shadow.
        self._shadow = None if self._recorder is None else Shadow(
            self._recorder.add, self.metrics.scored_in_shadow, self.metrics.shadow_dropped.inc
        )  # fmt: skip
        model = "/v2/models/{model}"
        self.app = Starlette(
            routes=[
                Route("/", self._answering(self._page)),
                Route("/openapi.json", self._answering(self._openapi)),
                Route("/metrics", self._answering(self._metrics)),
                Route("/predict/{model}", self._answering(self._predict), methods=["POST"]),
                Route("/v2", self._answering(self._server)),
                Route("/v2/health/live", self._answering(self._live)),
                Route("/v2/health/ready", self._answering(self._ready)),
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
            exception_handlers={HTTPException: _as_json},
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._tell()
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            try:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching
            finally:
                self._loader.shutdown(wait=False)
                if self._shadow is not None:
                    await asyncio.to_thread(self._shadow.close)
                if self._recorder is not None:
                    await asyncio.to_thread(self._recorder.close)

    async def _watch(self) -> None:
        """Take over newer builds; requests that are being answered keep the version that they began with."""
        before = self._versions.problem
        while True:
            await asyncio.sleep(EVERY)
            try:
                changed = await asyncio.get_running_loop().run_in_executor(self._loader, self._versions.refresh)
                if changed or self._versions.problem != before:
                    before = self._versions.problem
                    self._tell()
            except Exception:
                LOG.exception("not_refreshed")

    def _tell(self) -> None:
        self.metrics.state(self._versions)
        LOG.info("state", extra={"facts": self._versions.readiness})
        unknown = self._unknown_columns()
        if unknown is not None:
            LOG.error("not_recorded", extra={"facts": {"redact": unknown}})

    def _unknown_columns(self) -> str | None:
        """Say which redacted columns no model has: what was meant would be recorded. None where nothing is served."""
        models = self._versions.state.models.values()
        if not models or not self._redacted:
            return None
        known = {name for each in models for name in (*each.key, *(one.name for one in each.scorer.version.features))}
        unknown = [name for name in self._redacted if name not in known]
        if not unknown:
            return None
        return f"no model that is served has a column {listed(unknown)}.{nearest(unknown[0], known)}"

    def _answering(self, answer: Callable[[Request], Awaitable[Response]]) -> Handler:
        """Turn what a handler raises into an answer, log it, and give each answer its id."""

        async def handler(request: Request) -> Response:
            identity = request.headers.get("x-request-id", "")[:100] or uuid4().hex
            request.state.identity = identity
            try:
                found = await self._outcome(request, identity, answer)
            except Exception as error:
                facts = {"id": identity, "path": request.scope["path"][:200], "error": str(error)}
                LOG.error("failed", extra={"facts": facts}, exc_info=not isinstance(error, MlbridgeError))
                self.metrics.failed.inc()
                known = isinstance(error, MlbridgeError)
                found = Answer({"error": str(error) if known else FAILED, "id": identity}, 500)
            found.headers["x-request-id"] = identity
            return found

        return handler

    async def _outcome(
        self, request: Request, identity: str, answer: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        try:
            return await answer(request)
        except RefusedError as refused:
            return self._refused(request, identity, refused)
        except NotServedError as error:
            status = 404 if self._versions.state.models else 503
            return self._refused(request, identity, RefusedError(status, "not_served", str(error)))
        except InputError as error:
            for view, keys in error.not_found.items():
                self.metrics.not_found.labels(view).inc(keys)
            told = {"not_found": error.not_found} if error.not_found else {}
            return self._refused(request, identity, RefusedError(422, "input", str(error), error.problems), **told)

    def _refused(self, request: Request, identity: str, refused: RefusedError, **more: object) -> Response:
        self.metrics.refused.labels(refused.reason).inc()
        # Not `request.url`: older Starlettes make it of the host's name too, and raise for one that is none.
        path = request.scope["path"][:200]
        facts = {"id": identity, "path": path, "status": refused.status, "reason": refused.reason, **more}
        LOG.warning("refused", extra={"facts": facts})
        answer: Document = {"error": refused.message, "id": identity}
        if refused.problems:
            answer["problems"] = [vars(each) for each in refused.problems]
        return Answer(answer, refused.status)

    def _asked(self, request: Request) -> tuple[Served, Beside | None, ModelOnline]:
        """Return the version in use, the challenger beside it, and its online tables, all of one published build.

        No request asks for a challenger by its number.
        """
        state, model, version = self._versions.state, request.path_params["model"], request.path_params.get("version")
        beside = state.beside.get(model) if version is None else None
        return state.served(model, version), beside, state.online.of(model)

    async def _predict(self, request: Request) -> Response:
        began = time.perf_counter()
        served, beside, online = self._asked(request)
        body = await body_of(request)
        rows, explain, columns = await _threaded(_is_much(body), read_rows, body, served, online)
        # An explanation is one of the version in use.
        parts = await _scored(parts_of(served, None if explain else beside, columns, rows))
        predictions = merged(parts, served)
        if explain:
            async with self._explaining:
                found = await asyncio.to_thread(served.explain, columns, len(rows))
            for each, why in zip(predictions, found, strict=True):
                each["explanation"] = why
        self._answered(request, parts, beside, len(body), began)
        answer = {"model": served.model, "version": served.version, "predictions": predictions}
        return await _threaded(len(rows) > INLINE_ROWS, Answer, answer)

    async def _infer(self, request: Request) -> Response:
        began = time.perf_counter()
        served, beside, online = self._asked(request)
        refuse_binary(request)
        body = await body_of(request)
        asked = await _threaded(_is_much(body), read_tensors, body, served, online)
        parts = await _scored(parts_of(served, beside, asked.columns, asked.rows))
        self._answered(request, parts, beside, len(body), began)
        answer = tensors(served, merged(parts, served), asked.outputs, asked.identity)
        return await _threaded(len(asked.rows) > INLINE_ROWS, Answer, answer)

    def _answered(
        self, request: Request, parts: Sequence[Scored], beside: Beside | None, size: int, began: float
    ) -> None:
        """Count an answer, and record it, but not where a column that is not to be recorded is none of the models'."""
        seconds = time.perf_counter() - began
        received = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=seconds)
        # Asked each time, because another version may have been taken over a moment ago.
        is_recorded = self._recorder is not None and self._unknown_columns() is None
        rows = sum(len(part.rows) for part, _ in parts)
        for part, predictions in parts:
            served = part.served
            self.metrics.answered(served.model, served.version, len(part.rows), seconds)
            if self._recorder is None:
                continue
            if not is_recorded:
                self.metrics.lost.inc(len(part.rows))
                continue
            facts = request.state.identity, served.model, served.version, received, seconds
            columns = served.key, served.names, served.numbers
            share = size * len(part.rows) // max(rows, 1)
            answered = Answered(*facts, *columns, share, part.rows, predictions, part.role, part.places)
            self._recorder.add(answered)
            if self._shadow is not None and beside is not None and beside.shadow and part.role == CHAMPION:
                self._shadow.add(beside, part.columns, answered)

    async def _model(self, request: Request) -> Response:
        state, place = self._versions.state, request.path_params
        served = state.served(place["model"], place.get("version"))
        return Answer(model_metadata(served, state.online.described(served.model)))

    async def _model_ready(self, request: Request) -> Response:
        served, _, _ = self._asked(request)
        return Answer({"name": served.model, "ready": True})

    async def _server(self, _: Request) -> Response:
        return Answer(server_metadata())

    async def _live(self, _: Request) -> Response:
        return Answer({"live": True})

    async def _ready(self, _: Request) -> Response:
        return Answer(self._versions.readiness, 200 if self._versions.is_ready else 503)

    async def _metrics(self, _: Request) -> Response:
        return Response(self.metrics.written(), media_type="text/plain; version=0.0.4")

    def _document(self) -> Document:
        state = self._versions.state
        return document(state.models, state.online.models, self._asks_for_tokens)

    async def _openapi(self, _: Request) -> Response:
        return Answer(self._document())

    async def _page(self, _: Request) -> Response:
        return HTMLResponse(page(self._document()))


def _is_much(body: bytes) -> bool:
    """Return whether a body takes long to read: it is long, or short with many values, such as keys to look up."""
    return len(body) > INLINE_BYTES or body.count(b",") > INLINE_VALUES


async def _threaded(is_much: bool, work: Callable[..., Result], *facts: Any) -> Result:
    return await asyncio.to_thread(work, *facts) if is_much else work(*facts)


async def _scored(parts: Sequence[Part]) -> list[Scored]:
    found = []
    for part in parts:
        rows, served = len(part.rows), part.served
        is_much = rows > INLINE_ROWS or served.scorer.program is None
        found.append((part, await _threaded(is_much, served.predict, part.columns, rows)))
    return found


async def _as_json(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 (what it is registered for)
    return Answer({"error": str(error.detail)}, error.status_code, error.headers)
