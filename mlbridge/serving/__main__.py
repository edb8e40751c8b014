"""The server's own process: `mlbridge serve` has looked at the project, and gives its place to this one.

What dbt has imported to find the published folder would take 150 MB here, for as long as the server runs.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import uvicorn

from mlbridge.errors import SetupError
from mlbridge.serving.app import create_app
from mlbridge.serving.state import Versions

# More connections at a time are answered with 503, and requests that are being answered at a SIGTERM get so long.
MOST_CONNECTIONS, DRAIN_SECONDS = 2_000, 30


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
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


if __name__ == "__main__":
    main()
