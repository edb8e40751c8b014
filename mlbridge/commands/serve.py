"""`mlbridge serve`: starts the server as a process of its own, and passes it the folder that builds publish to."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from mlbridge.commands.publish import served_folder
from mlbridge.errors import SetupError, listed
from mlbridge.listening import LOOPBACK, check_address, is_loopback
from mlbridge.project.project import Project

TOKENS = "MLBRIDGE_SERVE_TOKENS"
NEEDED = ("httptools", "msgspec", "prometheus_client", "starlette", "uvicorn")


def command(
    project: Project,
    models: Sequence[str],
    host: str,
    port: int,
    allow_remote: bool,
    requests: Path | None = None,
    redacted: Sequence[str] = (),
) -> tuple[list[str], dict[str, str]]:
    """Return the command line and the environment of the server over a project; `models` are all if none is named.

    `requests` is the folder to record requests in, and `redacted` are columns of which it holds no value.

    The warehouse is not opened, and nothing need be published yet: the server says so itself. Raises SetupError where a
    model is not declared, the port is taken, other machines could connect without a token and `allow_remote` is False,
    nothing is published from such a warehouse, or the packages of `mlbridge[serve]` are missing.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise SetupError(f"{listed(missing)} is not installed. Run `pip install 'mlbridge[serve]'`.")
    tokens = [each.strip() for each in os.environ.get(TOKENS, "").split(",") if each.strip()]
    danger = (
        f"ask for predictions, because no token is asked for. Name some in the environment variable {TOKENS}, or add "
        "--allow-remote if that is meant; docs/serve.md says what to put before it."
    )
    check_address(host, port, allow_remote or bool(tokens), danger, "--host")
    for model in models:
        project.chosen(model)
    folder = served_folder(project)
    if redacted and requests is None:
        raise SetupError("--redact says what is not recorded, and nothing is. Name a folder with --requests.")
    line = [sys.executable, "-m", "mlbridge.serving", str(folder), "--host", host, "--port", str(port)]
    line += [part for model in models for part in ("--model", model)]
    line += [part for model, each in _trusted(project) for part in ("--trust", model, each)]
    line += [] if requests is None else ["--requests", str(requests.absolute())]
    line += [part for name in redacted for part in ("--redact", name)]
    # A page elsewhere may not reach it by a name of its own for this machine; behind a proxy a token keeps pages away.
    if is_loopback(host) and not tokens:
        line += [part for name in dict.fromkeys((*LOOPBACK, "[::1]", host)) for part in ("--answers-to", name)]
    return line, {**os.environ, TOKENS: ",".join(tokens)}


def _trusted(project: Project) -> list[tuple[str, str]]:
    """Return the types that the specs of models trust, as the project has them since dbt parsed it last."""
    found = []
    with suppress(SetupError):
        nodes = {node["name"]: node for node in project.manifest["nodes"].values()}
        for model in project.models:
            config = nodes.get(f"{model}_training", {}).get("config", {})
            spec = (config.get("meta") or {}).get("mlbridge") or {}
            found += [(model, str(each)) for each in spec.get("trusted") or ()]
    return found
