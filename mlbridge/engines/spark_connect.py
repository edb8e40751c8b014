"""How a session of Spark is opened, by Spark Connect or with a driver in this process, and what to say if it is not."""

from __future__ import annotations

import os
import socket
from typing import Any
from urllib.parse import urlsplit

from mlbridge.engines.reader import Credentials, message_of
from mlbridge.errors import SetupError

METHOD = "session"  # the only one of dbt-spark's methods by which rows travel as Arrow
REMOTE = "spark.remote"
PORT = 15002  # of Spark Connect, where its address names none
SECONDS = 5  # within which the server has to answer at all
RETRIES = 5  # some 20 seconds; the client itself tries for ten minutes
INSTALL = "`pip install 'mlbridge[spark]'`"
ZONE = "spark.sql.session.timeZone"
# What cannot be computed is an error, as it is with Spark's own defaults from 4.0 on.
SETTINGS = {"spark.sql.ansi.enabled": "true"}


def opened(credentials: Credentials) -> Any:
    """Open a session with the settings of a profile, as dbt does; raises SetupError where there is none to be had."""
    check_session(credentials)
    remote = remote_of(credentials)
    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise SetupError(f"the client of Spark is not installed ({error}): {INSTALL}.") from error
    builder = SparkSession.builder.config(map={**credentials.server_side_parameters, **SETTINGS})
    try:
        if remote is None:
            return builder.enableHiveSupport().getOrCreate()
        session = builder.config(REMOTE, remote).create()
    except ImportError as error:  # of a library that the client by Connect needs, which is a PySparkException as well
        raise SetupError(f"the client of Spark lacks something ({first_line(error)}): {INSTALL}.") from error
    except PySparkException as error:
        raise SetupError(
            f"Spark did not start: {first_line(error)} In this process it needs Java 17 or later (`java -version`); "
            f"elsewhere, a server of Spark Connect: `server_side_parameters: {{{REMOTE}: 'sc://host:{PORT}'}}`."
        ) from error
    _give_up_sooner(session)
    return session


def check_session(credentials: Credentials) -> None:
    """Raise SetupError for a profile that is not read, and where no server listens: its client tries for minutes."""
    if credentials.method != METHOD:
        raise SetupError(
            f"the profile's method is '{credentials.method}'; mlbridge reads Spark by '{METHOD}', such as from a "
            f"server of Spark Connect: `server_side_parameters: {{{REMOTE}: 'sc://host:{PORT}'}}`. See docs/engines.md."
        )
    zone = credentials.server_side_parameters.get(ZONE)
    if zone != "UTC":
        raise SetupError(
            f"the profile's session is in the time zone {zone or 'of the server'}, and moments are in UTC here. Write "
            f"`{ZONE}: UTC` below `server_side_parameters` in profiles.yml."
        )
    remote = remote_of(credentials)
    if remote is None:
        return
    host, port = _address(remote)
    try:
        socket.create_connection((host, port), SECONDS).close()
    except OSError as error:
        raise SetupError(
            f"no server of Spark Connect answers at '{host}:{port}' ({error.strerror or error}). Start it, or correct "
            f"`{REMOTE}` in profiles.yml."
        ) from error


def end_shared_session(credentials: Credentials) -> None:
    """End the session of a server that everybody in this process shares who does not open an own one, such as dbt."""
    remote = remote_of(credentials)
    if remote is not None:
        from pyspark.sql import SparkSession

        SparkSession.builder.config(REMOTE, remote).getOrCreate().stop()


def remote_of(credentials: Credentials) -> str | None:
    """Return the address of the server of Spark Connect; None for a driver in this process."""
    found = credentials.server_side_parameters.get(REMOTE) or os.environ.get("SPARK_REMOTE")
    return str(found) if found else None


def _address(remote: str) -> tuple[str, int]:
    """Return host and port; what else stands in an address may be a secret, and is never shown."""
    try:
        address = urlsplit(remote)
        if address.scheme == "sc" and address.hostname:
            return address.hostname, address.port or PORT
    except ValueError:  # of a port that is none
        pass
    raise SetupError(
        f"`{REMOTE}` in profiles.yml is not the address of a server of Spark Connect, such as 'sc://host:{PORT}'. "
        "Without it, Spark starts in the process of the command itself: `local[*]` is not read."
    )


def _give_up_sooner(session: Any) -> None:
    from pyspark.sql.connect.client.retries import DefaultPolicy

    session.client.set_retry_policies([DefaultPolicy(max_retries=RETRIES)])


def first_line(error: Exception) -> str:
    """Return Spark's message without the plan and the calls that follow it."""
    return message_of(Exception(str(error).strip().split("\n")[0]))
