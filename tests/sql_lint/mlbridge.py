"""What the package's macros render to, roughly: the linter reads the models without running dbt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def each_model(caller: Callable[[str], str]) -> str:
    return caller("example")


def unfold(document: str, _fields: Mapping[str, str]) -> str:
    return f"unfold({document}) as item"


def pins() -> str:
    return "select version from versions"


def no_rows() -> str:
    return "select 1 as example"


def quoted(name: str) -> str:
    return f'"{name}"'


def key_as_text(columns: list[str], table: str) -> str:
    return f"{table}.{columns[0]}"


def as_number(_relation: str, name: str, table: str) -> str:
    return f"cast({table}.{name} as double precision)"


def spec(_model: str) -> dict[str, Any]:
    return {"entity": ["entity"], "time": "time", "target": "target"}


def split(features: str) -> str:
    return f"select * from {features}"


def grant() -> str:
    return ""


def as_of() -> str:
    return "2013-07-01 00:00:00"


def text(value: object) -> str:
    return f"'{value}'"
