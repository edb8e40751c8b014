"""The server: routes, who may ask, and what becomes of an error. What is answered is decided elsewhere."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from mlbridge.compile.arrays.program import Columns
from mlbridge.errors import MlbridgeError, SetupError, listed, nearest
from mlbridge.serving.beside import Beside, Part, Shadow, merged, parts_of
from mlbridge.serving.features import completed
from mlbridge.serving.inputs import InputError, columns_of_rows, read_columns
from mlbridge.serving.metrics import Metrics
from mlbridge.serving.online import ModelOnline
from mlbridge.serving.openapi import document, page
from mlbridge.serving.protocol import columns_of_tensors, model_metadata, outputs_of, server_metadata, tensors
from mlbridge.serving.recorder import CHAMPION, Answered, Recorder
from mlbridge.serving.requests import MOST_EXPLAINED, RefusedError, body_of, check_count, json_of, refuse_binary
from mlbridge.serving.served import Served
from mlbridge.serving.state import NotServedError, Versions
from mlbridge.typing import Document, Json

LOG = logging.getLogger("mlbridge.serve")
# How often a newer build is looked for, in seconds.
EVERY = 1.0
# Larger bodies are read, and more rows scored and written, in a thread: other requests need not wait for them.
INLINE_BYTES, INLINE_ROWS = 2**16, 50
# More requests at a time are answered with 503.
MOST_REQUESTS = 1_000
# What may be asked without a token.
OPEN = ("/v2/health/live", "/v2/health/ready")
PREDICT_KEYS = ("rows", "keys", "explain")
# The name in a header `Host`, without its port.
HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(?::[0-9]*)?")

FAILED = "the server failed; its log says why."

Result = TypeVar("Result")
Handler = Callable[[Request], Awaitable[Response]]
# A part of a request, and the predictions for its rows.
Scored = tuple[Part, list[Document]]


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
    SetupError where there is no such folder and none can be made, and where no model that is served has such a column.
    """
    server = _Server(versions, bool(tokens), requests, redacted)
    return _Guarded(server.app, tokens, hosts, server.metrics)


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
            return self._refused(request, identity, RefusedError(422, "input", str(error), error.problems))

    def _refused(self, request: Request, identity: str, refused: RefusedError) -> Response:
        self.metrics.refused.labels(refused.reason).inc()
        # Not `request.url`: older Starlettes make it of the host's name too, and raise for one that is none.
        path = request.scope["path"][:200]
        facts = {"id": identity, "path": path, "status": refused.status, "reason": refused.reason}
        LOG.warning("refused", extra={"facts": facts})
        answer: Document = {"error": refused.message, "id": identity}
        if refused.problems:
            answer["problems"] = [vars(each) for each in refused.problems]
        return Answer(answer, refused.status)

    def _served(self, request: Request) -> Served:
        return self._versions.state.served(request.path_params["model"], request.path_params.get("version"))

    def _online(self, request: Request) -> ModelOnline:
        return self._versions.state.online.models.get(request.path_params["model"], ModelOnline())

    def _asked(self, request: Request) -> tuple[Served, Beside | None]:
        """Return the version in use, and the challenger beside it, which no request asks for by its number."""
        state, model, version = self._versions.state, request.path_params["model"], request.path_params.get("version")
        return state.served(model, version), state.beside.get(model) if version is None else None

    async def _predict(self, request: Request) -> Response:
        began = time.perf_counter()
        (served, beside), online = self._asked(request), self._online(request)
        body = await body_of(request)
        rows, explain, columns = await _threaded(len(body) > INLINE_BYTES, _read_rows, body, served, online)
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
        (served, beside), online = self._asked(request), self._online(request)
        refuse_binary(request)
        body = await body_of(request)
        asked = await _threaded(len(body) > INLINE_BYTES, _read_tensors, body, served, online)
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
        served = self._served(request)
        return Answer(model_metadata(served, self._versions.state.online.described(served.model)))

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

    def _document(self) -> Document:
        state = self._versions.state
        return document(state.models, state.online.models, self._asks_for_tokens)

    async def _openapi(self, _: Request) -> Response:
        return Answer(self._document())

    async def _page(self, _: Request) -> Response:
        return HTMLResponse(page(self._document()))


def _rows_of(body: Json) -> tuple[list[Json] | None, list[Json] | None, bool]:
    """Return the rows and the keys that a body has, of which one may be missing, and whether to explain."""
    given = [body.get(name) for name in ("rows", "keys")] if isinstance(body, dict) else [None, None]
    if given == [None, None] or not all(isinstance(each, list | None) for each in given):
        raise RefusedError(
            422, "no_rows", '`rows` is missing; the body is {"rows": [{...}]}, an object for each row, or has `keys`.'
        )
    unknown = [name for name in body if name not in PREDICT_KEYS]
    if unknown:
        raise RefusedError(
            422, "unknown_key", f"the body has '{str(unknown[0])[:40]}'; known are `rows`, `keys` and `explain`."
        )
    explain = body.get("explain", False)
    if not isinstance(explain, bool):
        raise RefusedError(422, "explain", "`explain` is true or false.")
    rows, keys = given
    for each in given:
        if each is not None:
            check_count(len(each))
            if explain and len(each) > MOST_EXPLAINED:
                raise RefusedError(413, "too_many_rows", f"at most {MOST_EXPLAINED} rows are explained at a time.")
    return rows, keys, explain


def _read_rows(body: bytes, served: Served, online: ModelOnline) -> tuple[list[Json], bool, Columns]:
    rows, keys, explain = _rows_of(json_of(body))
    version = served.scorer.version
    if keys is not None:
        rows = completed(online, served.model, keys, rows, version.features, served.key, version.spec.time)
    assert rows is not None  # noqa: S101 (one of both is there)
    columns = columns_of_rows(rows, version.features, served.key, version.spec.time)
    return rows, explain, read_columns(columns, version.features)


@dataclass(frozen=True)
class _Asked:
    """What a request asks for by tensors: `rows` are its columns turned, as they are recorded."""

    columns: Columns
    rows: Sequence[Document]
    outputs: Sequence[str]
    identity: str | None


def _read_tensors(body: bytes, served: Served, online: ModelOnline) -> _Asked:
    found, version = json_of(body), served.scorer.version
    features = version.features
    given, rows = columns_of_tensors(found, features, served.key, version.spec.time, online)
    check_count(rows)
    each_row = [dict(zip(given, values, strict=True)) for values in zip(*given.values(), strict=True)]
    if not all(each.name in given for each in features):
        keys = [{name: row[name] for name in online.keys if name in row} for row in each_row]
        known = {*(each.name for each in features), *served.key}
        plain = [{name: value for name, value in row.items() if name in known} for row in each_row]
        each_row = completed(online, served.model, keys, plain, features, served.key, version.spec.time)
        given = {each.name: [row[each.name] for row in each_row] for each in features}
    identity = found.get("id")
    return _Asked(
        read_columns(given, features),
        each_row,
        outputs_of(found, served),
        identity if isinstance(identity, str) else None,
    )


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


class _Guarded:
    """Asks for a name of this machine, a token and a free place before anything else; health needs only the name."""

    def __init__(self, app: ASGIApp, tokens: Sequence[str], hosts: Sequence[str], metrics: Metrics) -> None:
        self._app, self._tokens, self._metrics = app, [each.encode() for each in tokens], metrics
        self._hosts = frozenset(each.lower() for each in hosts)
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = self._refusal(scope)
        if refused is not None:
            await refused(scope, receive, send)
            return
        self._running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running -= 1

    def _refusal(self, scope: Scope) -> Response | None:
        headers, is_open = dict(scope["headers"]), scope["path"] in OPEN
        host = HOST.fullmatch(headers.get(b"host", b"").decode("latin-1").lower())
        if self._hosts and (host is None or host[1] not in self._hosts):
            return self._refused(scope, "host", "this host's name is not served.", 400)
        if self._tokens and not is_open and not self._knows(headers.get(b"authorization", b"")):
            challenge = {"www-authenticate": "Bearer"}
            return self._refused(scope, "token", "a token is needed: `Authorization: Bearer ...`.", 401, challenge)
        if self._running >= MOST_REQUESTS and not is_open:
            return self._refused(scope, "busy", f"{MOST_REQUESTS:,} requests are being answered.", 503)
        return None

    def _refused(
        self, scope: Scope, reason: str, message: str, status: int, headers: dict[str, str] | None = None
    ) -> Response:
        self._metrics.refused.labels(reason).inc()
        LOG.warning("refused", extra={"facts": {"path": scope["path"][:200], "status": status, "reason": reason}})
        return Answer({"error": message}, status, headers)

    def _knows(self, header: bytes) -> bool:
        scheme, _, token = header.partition(b" ")
        # Each is compared, so that the time tells nothing.
        found = [hmac.compare_digest(token, each) for each in self._tokens]
        return scheme.lower() == b"bearer" and any(found)
