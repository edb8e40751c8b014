"""Values of JSON as a version's inputs, as the build reads the same values of the split, or the refusal of them.

A number is a double (NaN: missing), as `Feature.value` casts it: a boolean 0 or 1, a date or timestamp the seconds
since 1970 (UTC). A text is itself (None: missing). What the build would not find in the warehouse's column is refused,
with its row and name: nothing gets a default.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from types import NoneType
from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.arrays.program import Columns
from mlbridge.engines.warehouse import parse_type
from mlbridge.errors import MlbridgeError, nearest
from mlbridge.features.columns import TEMPORAL, WITH_ZONE, Feature
from mlbridge.serving.moments import is_moment, seconds_of
from mlbridge.typing import Document, Floats, Json

# So many problems are named.
NAMED = 10
# So many characters of a wrong value or name are shown, and so many may a value of the key have.
LONGEST, LONGEST_KEY = 40, 1_000
MOMENT_EXPECTED = "expected a date, a moment such as 2014-01-31T12:00:00Z, or null"
Type = exp.DataType.Type
# How many bits of a number count in each signed type; an unsigned one begins at 0.
SIGNED = {Type.TINYINT: 7, Type.SMALLINT: 15, Type.INT: 31, Type.BIGINT: 63, Type.INT128: 127}
UNSIGNED = {Type.UTINYINT: 8, Type.USMALLINT: 16, Type.UINT: 32, Type.UBIGINT: 64, Type.UINT128: 128}
LARGEST_FLOAT = float(np.finfo(np.float32).max)
# Above it doubles are further apart than whole numbers.
EXACT = 2.0**53


@dataclass(frozen=True)
class Problem:
    """What is wrong with a value, or with a column of a row; `row` counts from 0, None: of all rows."""

    row: int | None
    feature: str
    problem: str

    def __str__(self) -> str:
        """Say it with its place."""
        return (
            f"'{self.feature}' {self.problem}"
            if self.row is None
            else f"row {self.row}: '{self.feature}' {self.problem}"
        )


class InputError(MlbridgeError):
    """The rows of a request are not what the version takes."""

    def __init__(self, problems: Sequence[Problem], not_found: Mapping[str, int] | None = None) -> None:
        """Take what is wrong, and of how many keys views had no row that counts, by the view's name."""
        self.not_found = not_found or {}
        self.problems = list(problems[:NAMED])
        more = "; and more" if len(problems) > NAMED else ""
        super().__init__("; ".join(str(each).rstrip(".") for each in self.problems) + more)


class NoJson:
    """What Python's parser takes for a number, and JSON does not know: NaN or an infinity."""

    def __init__(self, text: str) -> None:
        """Take the word."""
        self.text = text


def columns_of_rows(
    rows: Sequence[Json], features: Sequence[Feature], beside: Iterable[str], time: str
) -> dict[str, list[Json]]:
    """Turn rows, objects by column, into columns; raises InputError for a column that is missing or unknown.

    `beside` are columns that a row may have, but need not: those of its key, of which `time` is its moment. They are
    checked, and not returned.
    """
    beside = tuple(beside)
    names = [each.name for each in features]
    needed, allowed = frozenset(names), {*names, *beside}
    # A row of the features alone, none of which is of the key, needs no closer look.
    plain = needed if needed.isdisjoint(beside) else None
    problems: list[Problem] = []
    for index, row in enumerate(rows):
        if isinstance(row, dict) and row.keys() == plain:
            continue
        if not isinstance(row, dict):
            problems.append(Problem(index, "rows", f"is {shown(row)}; a row is an object of values by feature"))
            continue
        problems += [
            wrong for name in beside if name in row and (wrong := key_problem(index, name, row[name], name == time))
        ]
        if needed <= row.keys() <= allowed:
            continue
        problems += [
            Problem(index, name, "is missing; give null where it is not known") for name in names if name not in row
        ]
        # A row may have very many names: no more are looked at than are shown.
        unknown = islice((name for name in row if name not in allowed), NAMED + 1)
        problems += [no_feature(index, name, names) for name in unknown]
        if len(problems) > NAMED:
            break
    if problems:
        raise InputError(problems)
    return {name: [row[name] for row in rows] for name in names}


def no_feature(row: int | None, name: str, names: Iterable[str]) -> Problem:
    """Say that a name is not one of the features', of which the nearest is shown."""
    short = name if len(name) <= LONGEST else f"{name[:LONGEST]}..."
    return Problem(row, short, f"is no feature.{nearest(short, names)}")


def key_problem(row: int, name: str, value: Json, is_time: bool) -> Problem | None:
    """Return what is wrong with a value of the key, which no version reads, but which may be recorded."""
    if is_time:
        return (
            None if value is None or is_moment(value) else Problem(row, name, f"is {shown(value)}; {MOMENT_EXPECTED}")
        )
    if value is not None and not isinstance(value, str | int | float):
        return Problem(row, name, f"is {shown(value)}; expected a text, a number, true, false or null")
    if isinstance(value, str) and len(value) > LONGEST_KEY:
        return Problem(row, name, f"has more than {LONGEST_KEY:,} characters")
    return None if not isinstance(value, float) or math.isfinite(value) else Problem(row, name, "is infinite")


def read_columns(columns: Mapping[str, Sequence[Json]], features: Sequence[Feature]) -> Columns:
    """Read the columns of all features; raises InputError that names the first wrong value of each column."""
    found: dict[str, Floats | list[str | None]] = {}
    problems: list[Problem] = []
    for feature in features:
        values = columns[feature.name]
        try:
            found[feature.name] = _reader(feature)(values)
        except _Wrong as wrong:
            problems.append(Problem(wrong.row, feature.name, str(wrong)))
    if problems:
        raise InputError(problems)
    return found


class _Wrong(Exception):  # noqa: N818 - becomes an InputError with a name
    def __init__(self, row: int, problem: str) -> None:
        super().__init__(problem)
        self.row = row


@cache
def _reader(feature: Feature) -> Callable[[Sequence[Json]], Any]:
    if feature.kind == "category":
        return _texts
    type_ = parse_type(feature.type)
    if type_.is_type(Type.BOOLEAN):
        return _booleans
    if type_.is_type(*TEMPORAL):
        return lambda values: _moments(values, feature.type, type_)
    if type_.is_type(*exp.DataType.INTEGER_TYPES):
        return lambda values: _whole_numbers(values, feature.type, type_)
    if type_.is_type(Type.FLOAT):
        return _short_numbers
    if type_.is_type(Type.DECIMAL) and len(type_.expressions) == 2:
        digits, scale = (int(each.name) for each in type_.expressions)
        return lambda values: _decimals(values, feature.type, digits, scale)
    return _numbers


def _check_types(values: Sequence[Json], allowed: set[type], wanted: str) -> None:
    if not set(map(type, values)) <= allowed:
        row = next(row for row, value in enumerate(values) if type(value) not in allowed)
        raise _Wrong(row, f"is {shown(values[row])}; expected {wanted} or null")


def shown(value: Json) -> str:
    """Write a value as a message shows it: as JSON, a long one cut."""
    if isinstance(value, NoJson):
        return f"{value.text}, which JSON does not know"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _texts(values: Sequence[Json]) -> list[str | None]:
    _check_types(values, {str, NoneType}, "a text")
    return list(values)


def _booleans(values: Sequence[Json]) -> Floats:
    _check_types(values, {bool, NoneType}, "true, false")
    return np.array(values, dtype=np.float64)  # None becomes NaN


def _numbers(values: Sequence[Json]) -> Floats:
    _check_types(values, {int, float, NoneType}, "a number")
    try:
        found = np.array(values, dtype=np.float64)  # None becomes NaN
    except OverflowError:
        found = np.array([math.nan if each is None else _double(each) for each in values])
    return _finite(found, "a double")


def _finite(found: Floats, type_: str) -> Floats:
    if np.isinf(found).any():
        row = int(np.flatnonzero(np.isinf(found))[0])
        raise _Wrong(row, f"is infinite, or too large for {type_}; an unknown value is null")
    return found


def _short_numbers(values: Sequence[Json]) -> Floats:
    with np.errstate(over="ignore"):
        return _finite(_numbers(values).astype(np.float32).astype(np.float64), "32 bits")


def _decimals(values: Sequence[Json], name: str, digits: int, scale: int) -> Floats:
    """Read numbers that are no larger and no finer than the type; what a double cannot tell apart is not refused."""
    found = _numbers(values)
    parts = found * 10.0**scale
    is_wrong = np.abs(found) >= 10.0 ** (digits - scale)
    is_wrong |= (np.abs(parts) < EXACT) & (np.rint(parts) / 10.0**scale != found)
    if is_wrong.any():
        row = int(np.flatnonzero(is_wrong)[0])
        raise _Wrong(row, f"is {shown(values[row])}, which no {name} is")
    return found


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _whole_numbers(values: Sequence[Json], name: str, type_: exp.DataType) -> Floats:
    found = _numbers(values)
    kind = type_.this
    if kind in SIGNED or kind in UNSIGNED:
        low, high = (-(2.0 ** SIGNED[kind]) if kind in SIGNED else 0.0), 2.0 ** (SIGNED | UNSIGNED)[kind]
        # As a double the largest number of more than 53 bits is the power of 2 above it.
        is_wrong = (found < low) | ((found >= high) if high <= EXACT else (found > high))
        if is_wrong.any():
            row = int(np.flatnonzero(is_wrong)[0])
            raise _Wrong(row, f"is {shown(values[row])}, which no {name} is")
    if float not in map(type, values):
        return found
    with np.errstate(invalid="ignore"):
        broken = np.flatnonzero(found != np.trunc(found))
    broken = broken[~np.isnan(found[broken])]
    if len(broken):
        row = int(broken[0])
        raise _Wrong(row, f"is {shown(values[row])}; expected a whole number or null")
    return found


def _moments(values: Sequence[Json], name: str, type_: exp.DataType) -> Floats:
    is_date, zoned = type_.is_type(Type.DATE, Type.DATE32), type_.is_type(*WITH_ZONE)
    wanted = "a date such as 2014-01-31" if is_date else "a moment such as 2014-01-31T12:00:00Z"
    _check_types(values, {str, NoneType}, wanted)
    found = []
    for row, value in enumerate(values):
        try:
            found.append(math.nan if value is None else seconds_of(value, is_date, zoned))
        except (ValueError, OverflowError):
            raise _Wrong(row, f"is {shown(value)}; expected {wanted} ({name}) or null") from None
    return np.array(found, dtype=np.float64)


def unseen_texts(columns: Columns, known: Mapping[str, frozenset[str]], rows: int) -> list[list[str]] | None:
    """Return for each row the features whose text the training rows did not have; None where there is no such row."""
    found: list[list[str]] | None = None
    for name, texts in known.items():
        for row, value in enumerate(columns[name]):
            if value is not None and value not in texts:
                found = [[] for _ in range(rows)] if found is None else found
                found[row].append(name)
    return found


def described_input(feature: Feature) -> str:
    """Say what JSON gives for a feature, in the word that OpenAPI has."""
    return str(value_schema(feature)["type"][0])


def value_schema(feature: Feature) -> Document:
    """Return the JSON schema of a feature's value in a row: what it allows is taken, but for digits of a DECIMAL."""
    type_ = parse_type(feature.type)
    if feature.kind == "category":
        return _schema("string")
    if type_.is_type(Type.BOOLEAN):
        return _schema("boolean")
    if type_.is_type(*TEMPORAL):
        return _schema("string", format="date" if type_.is_type(Type.DATE, Type.DATE32) else "date-time")
    if type_.is_type(*exp.DataType.INTEGER_TYPES):
        bits = (SIGNED | UNSIGNED).get(type_.this)
        if bits is None:
            return _schema("integer")
        return _schema("integer", minimum=-(2**bits) if type_.this in SIGNED else 0, maximum=2**bits - 1)
    if type_.is_type(Type.FLOAT):
        return _schema("number", minimum=-LARGEST_FLOAT, maximum=LARGEST_FLOAT)
    if type_.is_type(Type.DECIMAL) and len(type_.expressions) == 2:
        digits, scale = (int(each.name) for each in type_.expressions)
        return _schema("number", exclusiveMinimum=-(10 ** (digits - scale)), exclusiveMaximum=10 ** (digits - scale))
    return _schema("number")


def _schema(type_: str, **limits: Json) -> Document:
    return {"type": [type_, "null"], **limits}
