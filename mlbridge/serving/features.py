"""The features of a key at a moment, from published online tables: by the rule of `mlbridge.point_in_time`.

What is found is JSON, as a client would have given it, so that a row by key is read, checked, scored and recorded as
any other. The moment is the server's clock (UTC), or the model's time column where the row has it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from functools import cache
from itertools import islice
from uuid import UUID

from sqlglot import exp

from mlbridge.engines.warehouse import parse_type
from mlbridge.errors import listed
from mlbridge.features.columns import Feature
from mlbridge.publication.online import key_text
from mlbridge.serving.inputs import NAMED, InputError, Problem, no_feature, shown
from mlbridge.serving.moments import DATES, moment_of
from mlbridge.serving.online import ModelOnline, OnlineView, written
from mlbridge.serving.requests import RefusedError
from mlbridge.typing import Document, Json

Type = exp.DataType.Type


def now() -> int:
    """Return the moment in microseconds since 1970 (UTC)."""
    return time.time_ns() // 1_000


def completed(
    online: ModelOnline,
    model: str,
    keys: Sequence[Json],
    rows: Sequence[Json] | None,
    features: Sequence[Feature],
    beside: Sequence[str],
    time_column: str,
) -> list[Document]:
    """Return rows with the features of their keys; what `rows` give goes first, then columns of keys that are features.

    `beside` are columns that a row may have besides the features. Raises RefusedError, and InputError that names keys.
    """
    if online.problem is not None:
        raise RefusedError(503, "not_online", f"the online tables cannot be read: {online.problem}")
    if not online.views:
        raise RefusedError(
            422, "no_online_features", f"'{model}' has no features of online views, so `keys` find none; give `rows`."
        )
    given = [{}] * len(keys) if rows is None else rows
    if len(given) != len(keys):
        raise RefusedError(
            422, "lengths", f"there are {len(keys)} `keys` and {len(given)} `rows`; give one key for each row."
        )
    allowed = list(dict.fromkeys([*online.keys, *beside]))
    both = enumerate(zip(keys, given, strict=True))
    wrong = (each for number, (key, row) in both for each in _contradicted(number, key, row, allowed))
    # Of very many problems no more are looked for than are shown.
    problems = list(islice(wrong, NAMED + 1))
    if problems:
        raise InputError(problems)
    names = {each.name for each in features} | set(beside)
    found: list[Document] = [
        {**{name: value for name, value in key.items() if name in names}, **row}
        for key, row in zip(keys, given, strict=True)
    ]
    clock = now()
    moments: list[int] = []
    for number, row in enumerate(found):
        moment = _moment(number, row, time_column, clock)
        if isinstance(moment, Problem):
            problems.append(moment)
            moment = clock
        if len(problems) > NAMED:
            raise InputError(problems)
        moments.append(moment)
    not_found: Counter[str] = Counter()
    for view in online.views:
        problems += _add(view, keys, moments, found, {each.name for each in features}, not_found)
    if problems:
        raise InputError(sorted(problems, key=lambda each: each.row or 0), not_found)
    return found


def _contradicted(number: int, key: Json, row: Json, allowed: Sequence[str]) -> list[Problem]:
    """Return what is wrong with a key and the row beside it, of which one column has one value."""
    problems = _unknown(number, key, allowed)
    if not isinstance(row, dict):
        problems.append(Problem(number, "rows", f"is {shown(row)}; a row is an object of values by feature"))
    if problems:
        return problems
    return [
        Problem(number, name, f"is {shown(value)} in the key and {shown(row[name])} in the row")
        for name, value in key.items()
        if name in row and value != row[name]
    ]


def _unknown(number: int, key: Json, allowed: Sequence[str]) -> list[Problem]:
    """Return what is wrong with the names of a key; no more of very many are looked at than are shown."""
    if not isinstance(key, dict):
        return [Problem(number, "keys", f"is {shown(key)}; a key is an object of values by column: {listed(allowed)}")]
    others = islice((name for name in key if name not in allowed), NAMED + 1)
    return [
        replace(no_feature(number, name, allowed), problem=f"is no column of a key. Known: {listed(allowed)}")
        for name in others
    ]


def _moment(number: int, row: Document, name: str, clock: int) -> int | Problem:
    """Return the moment of a row: that of its time column, else the server's clock."""
    value = row.get(name)
    try:
        return clock if value is None else moment_of(value)
    except (ValueError, OverflowError):
        wanted = "a moment such as 2014-01-31T12:00:00Z, or null: then it is now"
        return Problem(number, name, f"is {shown(value)}; expected {wanted}")


def _add(
    view: OnlineView,
    keys: Sequence[Document],
    moments: Sequence[int],
    rows: list[Document],
    used: set[str],
    not_found: Counter[str],
) -> list[Problem]:
    """Add the features of one view to the rows that lack some of them; returns what is wrong with their keys.

    `not_found` counts the keys without a row that counts; no more of them are named than are shown.
    """
    wanted = {name: column for name, column in view.asked.columns.items() if name in used}
    lacking = [number for number, row in enumerate(rows) if not wanted.keys() <= row.keys()]
    if not lacking:
        return []
    if view.table is None:
        raise RefusedError(
            503,
            "not_online",
            f"the online table of '{view.name}' was not published, so {listed(wanted)} must be given: {view.problem}",
        )
    problems: list[Problem] = []
    asked: dict[int, str] = {}
    for number in lacking:
        parts = [_part(keys[number], view.asked.key[column], type_) for column, type_ in view.table.entity.items()]
        wrong = [each for each in parts if isinstance(each, Problem)]
        if len(problems) > NAMED:
            return problems
        for each in wrong:
            why = f"{each.problem}; by it '{view.name}' gives {listed(wanted)}"
            problems.append(Problem(number, each.feature, why))
        if not wrong:
            asked[number] = key_text([str(each) for each in parts])
    answers = view.table.rows(list(asked.values()), list(wanted.values()))
    for number, found in zip(asked, answers, strict=True):
        why_not = _why_not(view, found, moments[number])
        if found is None or why_not is not None:
            not_found[view.name] += 1
            if len(problems) > NAMED:
                continue
            names = list(view.asked.key.values())
            key = ", ".join(shown(keys[number][name]) for name in names)
            why = f"is {key}, for which '{view.name}' {why_not}; so {listed(wanted)} are not known"
            problems.append(Problem(number, names[0], why))
            continue
        rows[number] = {**dict(zip(wanted, found[2:], strict=True)), **rows[number]}
    return problems


def _why_not(view: OnlineView, found: Sequence[Json] | None, moment: int) -> str | None:
    """Say why a row does not count at a moment; None where it does. `point_in_time` says the same in SQL."""
    if found is None:
        return "has no row"
    happened, known = found[:2]
    counts_from = max(known + (view.embargo or 0), happened)
    if moment < counts_from:
        return f"has only a row that counts from {written(counts_from)} on"
    if view.max_staleness is not None and moment > known + view.max_staleness:
        return (
            f"has only a row that became known at {written(known)}, beyond max_staleness ({view.asked.max_staleness})"
        )
    if view.look_back is not None and moment > happened + view.look_back:
        return f"has only a row that happened at {written(happened)}, beyond look_back ({view.asked.look_back})"
    return None


def _part(key: Document, name: str, type_: str) -> str | Problem:
    """Return a column of a key as the text that the table has of it, or what is wrong with it."""
    value = key.get(name)
    if value is None:
        return Problem(None, name, "is null; a key needs a value" if name in key else "is missing in the key")
    wanted, as_text = _written_as(type_)
    text = as_text(value)
    return Problem(None, name, f"is {shown(value)}; expected {wanted}") if text is None else text


@cache
def _written_as(type_: str) -> tuple[str, Callable[[Json], str | None]]:
    """Say what a request gives for a column of a key, and how it becomes the table's text; None for anything else."""
    parsed = parse_type(type_)
    return next(((wanted, as_text) for types, wanted, as_text in KEYS if parsed.is_type(*types)), TEXT)


def _whole(value: Json) -> str | None:
    return str(value) if type(value) is int else None


def _flag(value: Json) -> str | None:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else None


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _date(value: Json) -> str | None:
    if isinstance(value, str) and DATES.fullmatch(value):
        with suppress(ValueError):
            return date.fromisoformat(value).isoformat()
    return None


def _uuid(value: Json) -> str | None:
    if isinstance(value, str):
        with suppress(ValueError):
            return str(UUID(value))
    return None


TEXT: tuple[str, Callable[[Json], str | None]] = ("a text", _text)
# Of a key's column: its types, what a request gives for it, and how that is written as the table's text.
KEYS: tuple[tuple[Collection[exp.DType], str, Callable[[Json], str | None]], ...] = (
    (exp.DataType.INTEGER_TYPES, "a whole number", _whole),
    ((Type.BOOLEAN,), "true or false", _flag),
    ((Type.DATE, Type.DATE32), "a date such as 2014-01-31", _date),
    ((Type.UUID,), "a UUID", _uuid),
)
