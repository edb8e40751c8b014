"""`mlbridge monitor`: starts the app as a process of its own, and passes it the folder of the published build."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import sys

from mlbridge.errors import SetupError
from mlbridge.project.project import Project

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def command(
    project: Project, address: str, port: int, headless: bool, allow_remote: bool = False
) -> tuple[list[str], dict[str, str]]:
    """Return the command line and the environment of the app over a project.

    The warehouse is not opened and need not be there yet: the app says so itself. Raises SetupError when the port is
    taken, the profile does not load, or other machines could connect and `allow_remote` is False.
    """
    if not allow_remote and not _is_loopback(address):
        raise SetupError(
            f"whoever reaches {address}:{port} could read every prediction, because the monitor has no login. Add "
            "--allow-remote if that is meant; docs/app.md shows how to put a proxy with a login before it."
        )
    _check_free(address, port)
    line = [sys.executable, "-m", "mlbridge.app", "--server.address", address]
    line += ["--server.port", str(port), "--server.headless", str(headless).lower()]
    if _is_loopback(address):  # a page elsewhere may not reach it by a name of its own for this machine
        line += [part for host in dict.fromkeys((*LOOPBACK, address)) for part in ("--server.allowedHosts", host)]
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


def _is_loopback(address: str) -> bool:
    """Return whether an address is of this machine only; a name other than localhost may be of any."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _check_free(address: str, port: int) -> None:
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        socket.getaddrinfo(address, port, family)  # of a name that no machine can have it opens no socket
        with socket.create_server((address, port), family=family):
            return
    except (OSError, UnicodeError) as error:  # a name that cannot be one of a machine is a UnicodeError
        taken = isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EACCES)
        other = "--port" if taken else "--address"
        raise SetupError(f"{address}:{port} cannot be listened on: {error}. Choose another {other}.") from error
