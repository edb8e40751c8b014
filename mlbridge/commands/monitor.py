"""`mlbridge monitor`: starts the app as a process of its own, and passes it the folder of the published build."""

from __future__ import annotations

import os
import sys

from mlbridge.listening import LOOPBACK, check_address, is_loopback
from mlbridge.project.project import Project


def command(
    project: Project, address: str, port: int, headless: bool, allow_remote: bool = False
) -> tuple[list[str], dict[str, str]]:
    """Return the command line and the environment of the app over a project.

    The warehouse is not opened and need not be there yet: the app says so itself. Raises SetupError when the port is
    taken, the profile does not load, or other machines could connect and `allow_remote` is False.
    """
    danger = (
        "read every prediction, because the monitor has no login. Add --allow-remote if that is meant; docs/app.md "
        "shows how to put a proxy with a login before it."
    )
    check_address(address, port, allow_remote, danger, "--address")
    line = [sys.executable, "-m", "mlbridge.app", "--server.address", address]
    line += ["--server.port", str(port), "--server.headless", str(headless).lower()]
    if is_loopback(address):  # a page elsewhere may not reach it by a name of its own for this machine
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
