"""`<model>_features.sql`: every usable column of a relation by name, with what to look at as comments."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence

import sqlglot
from sqlglot import TokenType, exp

from mlbridge.engines.warehouse import column, parse_type
from mlbridge.features.columns import TEMPORAL, WITH_ZONE
from mlbridge.grafting.style import SqlStyle
from mlbridge.readiness.assessment import Assessment

WIDTH = 100
JINJA = ("{{", "{%", "{#")
NOT_IN_A_FILE = "its name would be read as Jinja in a file of dbt"


# Words that PostgreSQL and its kin reserve and that sqlglot takes for names; a word too many is only quoted.
RESERVED = {
    "analyse", "asymmetric", "at", "authorization", "both", "by", "cast", "check", "coalesce", "collation",
    "columns", "concurrently", "deferrable", "do", "extract", "foreign", "freeze", "generated", "group",
    "grouping", "grouping_id", "initially", "inout", "lambda", "leading", "national", "none", "nullif", "only",
    "order", "overlay", "placing", "position", "precision", "primary", "setof", "similar", "substring",
    "symmetric", "to", "trailing", "treat", "trim", "try_cast", "tuple", "unpack", "user", "variadic", "verbose",
}  # fmt: skip


def column_sql(name: str, dialect: str) -> str:
    """Write the name of a column, quoted where it is no plain word of the dialect."""
    if re.fullmatch(r"[a-z_][a-z0-9_]*", name) and name not in RESERVED:
        tokens = sqlglot.tokenize(name, dialect=dialect)
        if [token.token_type for token in tokens] == [TokenType.VAR]:
            return name
    return exp.to_identifier(name, quoted=True).sql(dialect=dialect)


def selected_sql(name: str, type_: str, dialect: str) -> str:
    """Write a column as it is selected: a moment with a time zone becomes one without, in UTC."""
    plain = column_sql(name, dialect)
    if not parse_type(type_).is_type(*WITH_ZONE):
        return plain
    moment = exp.AtTimeZone(this=column(name), zone=exp.Literal.string("UTC")).sql(dialect=dialect)
    return f"{moment} as {plain}"


def left_out(found: Assessment) -> dict[str, str]:
    """Return the columns that do not become features, each with the reason."""
    odd = {name: NOT_IN_A_FILE for name in found.columns if any(mark in name for mark in JINJA)}
    reasons = {**found.suspected, **found.unusable, **odd}
    return {name: reasons[name] for name in found.columns if name in reasons and name not in found.keys}


def features_of(found: Assessment) -> list[str]:
    """Return the columns that become features, in the order of the relation."""
    without = left_out(found)
    return [name for name in found.columns if name not in found.keys and name not in without]


def features_sql(found: Assessment, reference: str, style: SqlStyle, dialect: str) -> str:
    """Write the node; `reference` is the call of `ref` or `source` for the relation."""
    time, usable = found.time.one, features_of(found)
    key = row_key(found)
    dated = [name for name in usable if parse_type(found.columns[name]).is_type(*TEMPORAL)]
    outcome = (found.target.one, *(name for name in found.label_time.columns if name not in key))
    parts: list[tuple[list[str], Sequence[str]]] = [
        (["The key of a row, and the moment of the prediction."], key),
        ([_of_outcome(found)], outcome),
        (_hints(found, time, dated), usable),
    ]
    lines = [*comment(f"One row per {in_words(key)}, with what is known at {time} (UTC)."), style.word("select")]
    columns, written = [*key, *outcome, *usable], 0
    for hints, names in parts:
        lines += [style.indent + line for hint in hints for line in comment(hint)] if names else []
        for name in names:
            lines.append(_line(selected_sql(name, found.columns[name], dialect), written, len(columns), style))
            written += 1
    without = left_out(found)
    if without:
        lines.append(style.indent + "-- Left out:")
        for name, reason in without.items():
            lines += [style.indent + line for line in comment(f"{name}: {reason}", "  ")]
    lines.append(f"{style.word('from')} {{{{ {reference} }}}}")
    return "".join(f"{line}\n" for line in lines)


def row_key(found: Assessment) -> list[str]:
    """Return the columns of a row's key: the entity's and the time."""
    return list(dict.fromkeys((*found.entity.columns, found.time.one)))


def in_words(names: Sequence[str]) -> str:
    """Write names for a sentence."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _line(column: str, before: int, every: int, style: SqlStyle) -> str:
    if style.leading_commas:
        return f"{style.indent}{', ' if before else ''}{column}"
    return f"{style.indent}{column}{',' if before + 1 < every else ''}"


def _of_outcome(found: Assessment) -> str:
    target, known = found.target.one, found.label_time.column
    when = f", and {known} when it is" if known else "; without a label time it counts as known at the prediction"
    return f"The outcome: {target} is NULL while it is not known{when}."


def _hints(found: Assessment, time: str, dated: Sequence[str]) -> list[str]:
    """Say what to check about the features, in sentences."""
    entity = ", ".join(found.entity.columns)
    hints = [
        f"The features. Each may hold only what was known at {time}: take out a column that is filled in or "
        "overwritten later. History comes from earlier rows, such as sum(...) over (partition by "
        f"{entity} order by {time} rows between 3 preceding and 1 preceding)."
    ]
    if dated:
        hints.append(f"Moments, set by {time} at the latest, as a plan is that lies after it: {', '.join(dated)}.")
    return hints


def comment(text: str, indent: str = "") -> list[str]:
    """Write a text as comment lines that neither end early nor hold Jinja."""
    plain = re.sub(r"(?<=[{}%#])(?=[{}%#])", " ", " ".join(text.split()))
    return [f"-- {indent}{line}" for line in textwrap.wrap(plain, WIDTH)]


def described(names: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """Return what a project says of columns, without Jinja; nothing for those that it does not describe."""
    texts = {name: " ".join(known.get(name, "").split()) for name in names}
    return {name: text for name, text in texts.items() if text and not any(mark in text for mark in JINJA)}
