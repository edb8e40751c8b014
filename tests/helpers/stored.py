"""What a build and `mlbridge doctor` say of a SELECT as it stands in the logbook."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from decided import Decided

from mlbridge.scoring.stored_select import select_problem

# A parser needs 2 seconds for a million characters.
PARSED = 30_000


@cache
def macros(engine: str) -> Decided:
    return Decided(engine)


def by_build(sql: str, engine: str = "duckdb") -> Any:
    """Give what the macro finds that the compiler does not write."""
    return macros(engine).call("foreign_part", sql)


def check_compiled(sql: str, engine: str = "duckdb") -> None:
    """Fail where a SELECT of the compiler over the table `t` would not be run from the logbook."""
    stored = re.sub(r"\bFROM t$", "FROM ml_split_rows", sql, flags=re.MULTILINE)
    assert by_build(stored, engine) is None
    if engine == "duckdb" and len(stored) < PARSED:
        assert select_problem(stored, None) is None
