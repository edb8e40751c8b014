"""Log messages of the nodes: through dbt's logger when dbt runs, the standard library's otherwise."""

from __future__ import annotations

import logging
from functools import cache
from typing import Protocol


class Logger(Protocol):
    """The methods that dbt's logger and the standard library's logger have in common."""

    def debug(self, msg: str) -> None:
        """Write a line for the log file."""
        ...

    def info(self, msg: str) -> None:
        """Write a line."""
        ...

    def warning(self, msg: str) -> None:
        """Write a warning."""
        ...


@cache
def logger() -> Logger:
    """Return dbt's logger, so that lines carry dbt's time stamp and land in `logs/dbt.log` too."""
    try:
        from dbt.adapters.events.logging import AdapterLogger
    except ImportError:
        return logging.getLogger("mlbridge")
    return AdapterLogger("mlbridge")


def debug(text: str) -> None:
    """Log what only a search for a fault needs."""
    logger().debug(text)


def info(node: str, text: str) -> None:
    """Log one line about the progress of a node."""
    # dbt's logger formats a message only if it gets arguments, so braces in the text are safe.
    logger().info(f"{node}: {text}")


def warn(node: str, text: str) -> None:
    """Log a warning about a node, on which the reader should act; the build continues."""
    logger().warning(f"{node}: {text}")
