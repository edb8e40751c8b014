"""One place where the branch speaks: dbt's own log when dbt runs it, the standard library's otherwise."""

from __future__ import annotations

import logging
from functools import cache
from typing import Any


@cache
def logger() -> Any:
    """Give dbt's logger, so that lines carry dbt's time stamp and land in `logs/dbt.log` too."""
    try:
        from dbt.adapters.events.logging import AdapterLogger
    except ImportError:
        return logging.getLogger("mlbridge")
    return AdapterLogger("mlbridge")


def say(node: str, text: str) -> None:
    """Write one line of progress of a node."""
    # dbt's logger formats its message with `%`-free str.format semantics only when arguments follow.
    logger().info(f"{node}: {text}")


def warn(node: str, text: str) -> None:
    """Write one line that the reader should act upon; the build goes on."""
    logger().warning(f"{node}: {text}")
