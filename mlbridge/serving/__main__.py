"""The server's own process: `mlbridge serve` has looked at the project, and gives its place to this one.

What dbt has imported to find the published folder would take 150 MB here, for as long as the server runs.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mlbridge.errors import SetupError
from mlbridge.serving.app import create_app
from mlbridge.serving.state import Versions

# A connection is closed after so many seconds without the head of a request, and so many after a SIGTERM.
HEAD_SECONDS, DRAIN_SECONDS = 10, 30


class _AsJson(logging.Formatter):
    """A line of JSON for each record."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": moment, "level": record.levelname.lower(), "event": record.getMessage()}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps({**line, **getattr(record, "facts", {})}, default=str)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--model", "models", multiple=True)
@click.option("--trust", "trusted", multiple=True, type=(str, str))
@click.option("--host", required=True)
@click.option("--port", type=int, required=True)
@click.option("--answers-to", "hosts", multiple=True)
@click.option("--requests", type=click.Path(path_type=Path))
@click.option("--redact", "redacted", multiple=True)
def main(  # noqa: PLR0913 - what the command passes
    folder: Path,
    models: tuple[str, ...],
    trusted: tuple[tuple[str, str], ...],
    host: str,
    port: int,
    hosts: tuple[str, ...],
    requests: Path | None,
    redacted: tuple[str, ...],
) -> None:
    """Serve what builds publish to FOLDER until SIGTERM or Ctrl-C; what is being answered then is answered."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_AsJson())
    for name, level in (("mlbridge.serve", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
    versions = Versions(
        folder, models, {model: [each for name, each in trusted if name == model] for model, _ in trusted}
    )
    versions.refresh()
    tokens = [each for each in os.environ.pop("MLBRIDGE_SERVE_TOKENS", "").split(",") if each]
    try:
        app = create_app(versions, tokens, hosts, requests, redacted)
    except SetupError as error:
        raise click.ClickException(str(error)) from error
    _allow_connections()
    # What uvicorn raises again once it has answered: the server was asked to end, and has.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # A full collection of garbage looks through all that was imported and loaded, and stops the server for 0.1 seconds.
    gc.collect()
    gc.freeze()
    try:
        uvicorn.Server(configured(app, host, port)).run()
    finally:
        gc.unfreeze()  # else what is still there at the end is taken for leaked


def _allow_connections() -> None:
    """Open as many connections as the system lets this process."""
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        with suppress(OSError, ValueError):  # a hard limit that is higher than the kernel's own
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def configured(app: ASGIApp, host: str, port: int) -> uvicorn.Config:
    """Return how uvicorn runs the server."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=_Connection,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


class _Connection(HttpToolsProtocol):
    """A connection that is closed where no head of a request comes: uvicorn waits for the first one without end."""

    _closing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        self._stop()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._stop()
        self._closing = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None


if __name__ == "__main__":
    main()
