"""What dbt's own macros render to, as far as the package's models call them."""

from __future__ import annotations


def type_string() -> str:
    return "text"


def concat(parts: list[str]) -> str:
    return " || ".join(parts)


def type_bigint() -> str:
    return "bigint"
