"""PostgreSQL: its tables are read through dbt's adapter; Python models do not run there."""

from __future__ import annotations

from mlbridge.engines.engine import Engine


class Postgres(Engine):
    """PostgreSQL, whose tables can be read while builds run."""

    # A build replaces tables that views depend on: a reader that waits for a lock may form a deadlock with the build,
    # and the server may then end the build. So the reader gives up before the server looks for deadlocks.
    settings = ("set lock_timeout = '300ms'", "set statement_timeout = '60s'")

    def __init__(self) -> None:
        """Take its name."""
        super().__init__("postgres")
