"""Whether a SELECT of the logbook is what the compiler writes: its checksum, and what a parser finds in it.

A build asks `macros/score/stored_select.sql`, which has no parser; this one is for a person who looks.
"""

from __future__ import annotations

import hashlib
import re

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from mlbridge.engines.warehouse import DIALECT

# What a compiled SELECT is made of.
PARTS = (
    *(exp.Alias, exp.CTE, exp.Column, exp.DataType, exp.From, exp.Identifier, exp.Join, exp.Select, exp.Table),
    *(exp.TableAlias, exp.Tuple, exp.Values, exp.With),
    *(exp.Add, exp.BitwiseAnd, exp.Div, exp.DPipe, exp.Mul, exp.Neg, exp.Sub),
    *(exp.And, exp.EQ, exp.GT, exp.GTE, exp.Is, exp.LT, exp.LTE, exp.NEQ, exp.Not, exp.Or, exp.Paren),
    *(exp.Boolean, exp.Literal, exp.Null),
    *(exp.Abs, exp.Array, exp.Bracket, exp.Case, exp.Cast, exp.Coalesce, exp.Exp, exp.Greatest, exp.If, exp.Least),
    *(exp.Ln, exp.Nullif, exp.Pow, exp.Sqrt, exp.TimeToUnix),
)
FUNCTIONS = ("LIST_EXTRACT",)
RELATION = re.compile(r"ml_(split_rows|scored_rows|arrays|columns|step_[0-9]+)", re.IGNORECASE)


def text_checksum(sql: str) -> str:
    """Return the MD5 of a text in hexadecimal, which dbt's `local_md5` gives as well."""
    return hashlib.md5(sql.encode(), usedforsecurity=False).hexdigest()


def select_problem(sql: str, md5: str | None) -> str | None:
    """Say what makes a stored SELECT differ from what the compiler writes; None where nothing does.

    `md5` is what the logbook has, None for a version of an mlbridge that did not store it.
    """
    if md5 not in (None, text_checksum(sql)):
        return f"its MD5 is {text_checksum(sql)}, the logbook says {md5}"
    try:
        statements = sqlglot.parse(sql, dialect=DIALECT)
    except (SqlglotError, RecursionError) as error:
        return f"it is not one SELECT: {str(error).splitlines()[0]}"
    if len(statements) != 1 or not isinstance(statements[0], exp.Select):
        return "it is not one SELECT"
    return next((problem for part in statements[0].dfs() if (problem := _foreign(part))), None)


def _foreign(part: exp.Expr) -> str | None:
    """Say what a part of a query is, where the compiler writes no such thing."""
    if isinstance(part, exp.Anonymous):
        return None if part.name.upper() in FUNCTIONS else f"it calls `{part.name}`"
    if not isinstance(part, PARTS):
        return f"it has `{part.sql()[:60]}`"
    if isinstance(part, exp.Table) and not _is_of_the_query(part):
        return f"it reads `{part.sql()[:60]}`"
    return None


def _is_of_the_query(table: exp.Table) -> bool:
    name = table.this
    plain = isinstance(name, exp.Identifier) and not name.args.get("quoted") and RELATION.fullmatch(name.name)
    return bool(plain) and {key for key, value in table.args.items() if value} == {"this"}
