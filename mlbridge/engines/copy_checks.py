"""What a server may have and a copy of its rows on this machine cannot: said with the column and the way out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlglot import exp

from mlbridge.engines.duckdb import NAME as PYTHON_DIALECT
from mlbridge.engines.reader import ReadError
from mlbridge.typing import Row

# The first and the last moment of the calendar in which rows travel.
MOMENTS = ("0001-01-01", "9999-12-31 23:59:59.999999")
OF_TIME = (exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ, exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ)


def check_case(names: Iterable[str]) -> None:
    """Raise ReadError for names that only the server tells apart."""
    known: dict[str, str] = {}
    for name in names:
        other = known.setdefault(name.lower(), name)
        if other != name:
            raise ReadError(
                f"the columns '{other}' and '{name}' differ by case only, so that no copy of the rows can have both. "
                "Rename one of them in the features node."
            )


def moments_beyond(types: Mapping[str, str], table: exp.Expr) -> exp.Select | None:
    """Select for each date or timestamp of a table 1 if one lies beyond `MOMENTS`, else 0; None if it has none."""
    first, last = (exp.cast(exp.Literal.string(each), "timestamp") for each in MOMENTS)
    chosen = []
    for name, type_ in types.items():
        if exp.DataType.build(type_, dialect=PYTHON_DIALECT, udt=True).is_type(*OF_TIME):
            column = exp.column(exp.to_identifier(name, quoted=True))
            beyond = exp.Case(ifs=[exp.If(this=exp.or_(column < first, column > last), true="1")], default="0")
            chosen.append(exp.alias_(exp.Max(this=beyond), name, quoted=True))
    return exp.select(*chosen).from_(table) if chosen else None


def check_moments(found: Row) -> None:
    """Raise ReadError for the first column of which `moments_beyond` has found something."""
    for name in (name for name, is_beyond in found.items() if is_beyond):
        raise ReadError(
            f"'{name}' is infinite or beyond the years 1 to 9999 in some rows, and no training can read that; a moment "
            "that is not known should be NULL. Correct it in the features node."
        )
