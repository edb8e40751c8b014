"""Start the monitor's app: a process of its own that is told where the published build is."""

from __future__ import annotations

import errno
import os
import socket
import sys

from mlbridge.errors import SetupError
from mlbridge.project import Project

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def command(project: Project, address: str, port: int, headless: bool) -> tuple[list[str], dict[str, str]]:
    """Give the command line and the environment of the app over a project.

    The warehouse is not opened and need not be there yet: the app says so itself. Raises SetupError when the port is
    taken, or the profile does not load.
    """
    _check_free(address, port)
    line = [sys.executable, "-m", "mlbridge.app", "--server.address", address]
    line += ["--server.port", str(port), "--server.headless", str(headless).lower()]
    if address in LOOPBACK:  # a page elsewhere may not reach it by a name of its own for this machine
        line += [part for host in LOOPBACK for part in ("--server.allowedHosts", host)]
    if ":" in address:
        line += ["--browser.serverAddress", f"[{address}]"]
    environment = dict(os.environ)
    folder = project.published_folder
    if folder is not None:
        environment["MLBRIDGE_PUBLISHED"] = str(folder)
        return line, environment
    environment.pop("MLBRIDGE_PUBLISHED", None)
    environment |= {"MLBRIDGE_PROJECT_DIR": str(project.path), "DBT_PROFILES_DIR": str(project.profiles)}
    if project.target is not None:
        environment["MLBRIDGE_TARGET"] = project.target
    return line, environment


def _check_free(address: str, port: int) -> None:
    if not address.strip():
        raise SetupError("the address is empty, which would be every address of this machine. Say so with 0.0.0.0.")
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.create_server((address, port), family=family):
            return
    except OSError as error:
        other = "--port" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "--address"
        raise SetupError(f"{address}:{port} cannot be listened on: {error}. Choose another {other}.") from error
