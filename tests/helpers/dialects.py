"""What engines are known to refuse, or to take for something else, although sqlglot reads it in their dialects.

A rule gives what is wrong with a statement for an engine, in words. The words that an engine reserves are sqlfluff's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise

import sqlglot
from sqlfluff.core.dialects import dialect_selector
from sqlglot import exp
from sqlglot.tokens import Token, TokenType

# Functions that every one of these engines has under this name, with this meaning.
EVERYWHERE = {
    "abs", "avg", "ceil", "coalesce", "concat", "count", "exp", "first_value", "floor", "greatest", "lag", "lead",
    "least", "length", "ln", "max", "md5", "min", "mod", "nullif", "power", "replace", "row_number", "sqrt",
    "stddev_samp", "substring", "sum",
}  # fmt: skip
FUNCTIONS = {
    "postgres": {
        "acldefault", "aclexplode", "date_trunc", "extract", "has_schema_privilege", "has_table_privilege",
        "jsonb_to_recordset", "lower", "regexp_replace", "string_agg", "to_json", "unnest",
    },
    "snowflake": {
        "array_construct", "check_json", "date_part", "date_trunc", "dateadd", "flatten", "get", "listagg",
        "parse_json", "to_json", "to_number",
    },
    "bigquery": {
        "datetime_add", "format", "if", "is_nan", "json_query_array", "json_value", "string_agg", "timestamp",
        "timestamp_trunc", "to_hex", "to_json_string", "unix_micros", "unnest",
    },
    "spark": {
        "add_months", "array", "array_join", "assert_true", "collect_list", "conv", "date", "date_add", "date_trunc",
        "explode", "from_json", "get", "get_json_object", "nvl2", "sort_array", "to_json", "to_timestamp",
        "to_unix_timestamp", "unix_micros",
    },
    "redshift": {
        "array", "date_trunc", "dateadd", "extract", "is_valid_json", "is_valid_json_array",
        "json_extract_array_element_text", "json_parse", "json_serialize", "listagg", "strtol",
    },
}  # fmt: skip
# What may stand before a bracket and is no function.
WORDS = {
    "all", "and", "as", "by", "case", "cast", "decimal", "else", "exists", "from", "group", "in", "join", "lateral",
    "not", "on", "or", "over", "select", "then", "values", "when", "where", "with",
}  # fmt: skip
COMMON_TYPES = {"bigint", "integer", "timestamp", "boolean"}
TYPES = {
    "postgres": {
        "text", "text[]", "integer[]", "double precision", "double precision[]", "decimal(18, 4)", "jsonb", "bit(28)",
    },
    "snowflake": {"text", "double precision", "decimal(18, 4)"},
    "bigquery": {"string", "int64", "float64", "datetime"},
    "spark": {"string", "double", "int", "decimal(18, 4)"},
    "redshift": {"text", "double precision", "decimal(18, 4)"},
}  # fmt: skip
RESERVED_BY = {"spark": "sparksql"}  # the others have one name for sqlglot and sqlfluff
LATERAL = {"postgres": ("JSONB_TO_RECORDSET", "ACLEXPLODE"), "snowflake": ("FLATTEN",)}


@dataclass(frozen=True)
class Statement:
    """One statement for one engine."""

    engine: str
    sql: str

    @cached_property
    def tree(self) -> exp.Expression:
        tree: exp.Expression = sqlglot.parse_one(self.sql, dialect=self.engine)
        return tree

    @cached_property
    def tokens(self) -> list[Token]:
        return sqlglot.tokenize(self.sql, read=self.engine)


Rule = Callable[[Statement], Iterator[str]]


def unread(statement: Statement) -> Iterator[str]:
    """Find what sqlglot passes on as it is."""
    yield from (f"not understood: {found.sql()[:60]}" for found in statement.tree.find_all(exp.Command))


def unknown_functions(statement: Statement) -> Iterator[str]:
    """Find functions that are not known to be there."""
    known = EVERYWHERE | FUNCTIONS[statement.engine] | WORDS
    before = ""
    for token, following in pairwise(statement.tokens):
        is_name = token.token_type not in (TokenType.STRING, TokenType.IDENTIFIER) and token.text.isidentifier()
        has_columns = before in ("as", ".")  # an alias, or a table that rows go into
        is_call = is_name and not has_columns and following.token_type is TokenType.L_PAREN
        if is_call and token.text.lower() not in known:
            yield f"function {token.text}"
        before = token.text.lower()


def unknown_types(statement: Statement) -> Iterator[str]:
    """Find the types in casts that the engine does not know by that name."""
    opened: list[tuple[bool, int]] = []  # for each open bracket: whether it is of a cast, and where the type begins
    before = statement.tokens[0]
    for token in statement.tokens:
        if token.token_type is TokenType.L_PAREN:
            opened.append((before.text.lower() == "cast", 0))
        elif token.text.lower() == "as" and opened:
            opened[-1] = (opened[-1][0], token.end + 1)
        elif token.token_type is TokenType.R_PAREN:
            is_cast, start = opened.pop()
            name = " ".join(statement.sql[start : token.start].lower().split())
            if is_cast and name not in COMMON_TYPES | TYPES[statement.engine]:
                yield f"type {name}"
        before = token


@cache
def reserved(engine: str) -> frozenset[str]:
    return frozenset(dialect_selector(RESERVED_BY.get(engine, engine)).sets("reserved_keywords"))


def reserved_names(statement: Statement) -> Iterator[str]:
    """Find names without quotes that are words of the engine's own."""
    for name in statement.tree.find_all(exp.Identifier):
        if not name.args.get("quoted") and name.name.upper() in reserved(statement.engine):
            yield f"name {name.name}"


def tokens_refused(statement: Statement) -> Iterator[str]:
    """Find operators and literals that mean something else or nothing."""
    for token, following in pairwise(statement.tokens):
        if token.token_type is TokenType.DCOLON:
            yield "a cast by ::"
        if token.token_type is TokenType.MOD and statement.engine == "bigquery":
            yield "the operator %"
        if token.token_type is following.token_type is TokenType.STRING and token.end + 1 == following.start:
            yield "a doubled quote in a literal"  # which is a backslash and a quote here
        is_long = token.token_type is TokenType.STRING and "\n" in statement.sql[token.start : token.end]
        if is_long and statement.engine == "bigquery":
            yield "a literal of several lines"


def clauses_refused(statement: Statement) -> Iterator[str]:
    """Find clauses that the engine does not have, or not in this shape."""
    engine, tree = statement.engine, statement.tree
    for select in tree.find_all(exp.Select):
        if select.args.get("windows") and engine in ("snowflake", "redshift"):
            yield "a named window"
        if select.args.get("where") and not select.args.get("from_") and engine == "bigquery":
            yield "a WHERE without a FROM"
        if select.args.get("qualify") and engine in ("postgres", "spark"):
            yield "QUALIFY"
    if tree.find(exp.Filter) and engine in ("snowflake", "bigquery", "redshift"):
        yield "an aggregate with FILTER"
    if any(each.args.get("on") for each in tree.find_all(exp.Distinct)) and engine != "postgres":
        yield "DISTINCT ON"
    if any(any(each.args.values()) for each in tree.find_all(exp.Star)):
        yield "a star without some columns"
    if any(each.args.get("all") for each in tree.find_all(exp.Group)):
        yield "GROUP BY ALL"
    yield from laterals_refused(statement)
    yield from frames_missing(statement)


def laterals_refused(statement: Statement) -> Iterator[str]:
    """Find another LATERAL than those by which the engine takes rows out of a document, or grants out of a list."""
    words = [token.text.upper() for token in statement.tokens if token.token_type is not TokenType.STRING]
    for word, following in pairwise(words):
        if word == "LATERAL" and following not in LATERAL.get(statement.engine, ()):
            yield f"LATERAL {following}"


def frames_missing(statement: Statement) -> Iterator[str]:
    """Redshift takes no running aggregate without a frame."""
    for window in statement.tree.find_all(exp.Window):
        running = isinstance(window.this, exp.AggFunc) and not isinstance(window.this, exp.Lag | exp.Lead)
        if statement.engine == "redshift" and running and window.args.get("order") and not window.args.get("spec"):
            yield "a running aggregate without a frame"


RULES: Mapping[str, Rule] = {
    rule.__name__: rule
    for rule in (unread, unknown_functions, unknown_types, reserved_names, tokens_refused, clauses_refused)
}
