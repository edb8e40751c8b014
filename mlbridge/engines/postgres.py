"""PostgreSQL: its tables are read through dbt's adapter; Python models do not run there."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import sqlglot
from sqlglot import exp

from mlbridge.engines.duckdb import NAME as PYTHON_DIALECT
from mlbridge.engines.engine import Engine
from mlbridge.engines.reader import Credentials, ServerConnection
from mlbridge.engines.server_session import ServerSession

NAME = "postgres"


class Postgres(Engine):
    """PostgreSQL, whose tables can be read while builds run."""

    # A build replaces tables that views depend on: a reader that waits for a lock may form a deadlock with the build,
    # and the server may then end the build. So the reader gives up before the server looks for deadlocks.
    settings = ("set lock_timeout = '300ms'", "set statement_timeout = '60s'")

    def __init__(self) -> None:
        """Take its name."""
        super().__init__(NAME)

    def server_session(self, credentials: Credentials) -> ServerSession:
        """Open the warehouse of a dbt profile for queries in the dialect of Python models; the first one connects."""
        return ServerSession(ServerConnection(credentials, self.settings), translated)


def translated(sql: str) -> str:
    """Write a query of the dialect of Python models for PostgreSQL, with what sqlglot leaves as it is."""
    return sqlglot.parse_one(sql, dialect=PYTHON_DIALECT).transform(_replaced).sql(dialect=NAME)


def _replaced(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.IsNan):
        return exp.paren(node.this.eq(exp.cast(exp.Literal.string("NaN"), "double")))
    if isinstance(node, exp.JSONArray):
        return _json_array(node.expressions)
    if isinstance(node, exp.Levenshtein):
        return _differing_from_the_start(node.this, node.expression)
    if isinstance(node, exp.Cast) and node.is_type(exp.DataType.Type.TINYINT):
        return exp.cast(node.this, "int")  # a boolean can be cast to no narrower one
    return node


def _json_array(texts: list[exp.Expression]) -> exp.Expression:
    """Write texts as a JSON array without spaces, as `json_array` in `macros/engines/default.sql` does."""
    items = [exp.cast(exp.Anonymous(this="to_json", expressions=[each]), "text") for each in texts]
    commas = itertools.chain.from_iterable((exp.Literal.string(","), each) for each in items)
    parts = [exp.Literal.string("["), *itertools.islice(commas, 1, None), exp.Literal.string("]")]
    return exp.paren(_summed(exp.DPipe, parts))


def _differing_from_the_start(text: exp.Expression, wanted: exp.Expression) -> exp.Expression:
    """Count the characters of `wanted`, a literal, from the first on that differs: a distance between keys.

    The Levenshtein distance itself is part of an extension that a server need not have.
    """
    lengths = range(1, len(wanted.name) + 1)
    starts = [exp.Literal.string(wanted.name[:length]) for length in lengths]
    differs = [
        exp.Case(
            ifs=[exp.If(this=exp.Left(this=text.copy(), expression=exp.Literal.number(length)).eq(start), true="0")],
            default=exp.Literal.number(1),
        )
        for length, start in zip(lengths, starts, strict=True)
    ]
    return exp.paren(_summed(exp.Add, [exp.Literal.number(0), *differs]))


def _summed(operator: type[exp.Binary], parts: Sequence[exp.Expr]) -> exp.Expr:
    whole = parts[0]
    for each in parts[1:]:
        whole = operator(this=whole, expression=each)
    return whole
