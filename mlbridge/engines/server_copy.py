"""The copy of a server's rows on this machine; what it cannot have is said with the column and the way out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from sqlglot import exp

from mlbridge.engines.adapters import PYTHON_ENGINE, Relation, Session
from mlbridge.engines.duckdb import NAME as PYTHON_DIALECT
from mlbridge.engines.reader import ReadError
from mlbridge.typing import Row

BATCH_ROWS = 100_000
# The first and the last moment of the calendar in which rows travel.
MOMENTS = ("0001-01-01", "9999-12-31 23:59:59.999999")
OF_TIME = (exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ, exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ)


@contextmanager
def copied(
    relation: Relation, types: Mapping[str, str], table: exp.Expr, ask: Callable[[exp.Query], Row]
) -> Iterator[tuple[Session, Relation]]:
    """Hold the rows of a relation in a database of their own for as long as they are worked with.

    `types` are those of its columns; `ask` gives the one row of a query that reads `table`, which stands for it on the
    server. Raises ReadError for names and moments that the copy cannot have.
    """
    check_case(types)
    with ExitStack() as stack:
        try:
            copy = stack.enter_context(PYTHON_ENGINE.copied(relation.to_arrow_reader(BATCH_ROWS), types))
        except PYTHON_ENGINE.error:
            beyond = moments_beyond(types, table)
            check_moments({} if beyond is None else ask(beyond))
            raise
        yield copy


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
