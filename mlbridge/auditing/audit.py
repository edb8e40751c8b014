"""Rows of a model's features made anew from sources cut at their time, and compared with the table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from sqlglot import exp

from mlbridge.auditing.rebuild import Chain, up_to
from mlbridge.engines.warehouse import Warehouse, column, in_utc, subquery
from mlbridge.errors import SetupError
from mlbridge.lineage.nodes import place
from mlbridge.spec.specification import Spec
from mlbridge.typing import Row, Value

# Moments at which the sources are cut, spread over the rows: each costs as much as a build, so a large table has few.
FEWEST, MOST, ROWS_IN_ALL = 3, 24, 1_000_000
ROWS = 2_000  # the last rows before each of them, which are compared
ALIKE = 1e-9  # how far two numbers may differ that were added in another order
FUTURE, FINE, STALE = "used the future", "fine", "not as built"
UNSTABLE, NOT_LOOKED_AT, NOT_COMPARED = "not the same twice", "not looked at", "not compared"
WHOLE_ROW = "*"
Report: TypeAlias = Callable[[int, int, str], None]


@dataclass
class Audited:
    """A feature: of how many rows it was compared, and in how many it was another one; `example` is of such a row."""

    feature: str
    verdict: str = FINE
    rows: int = 0
    differ: int = 0
    example: str | None = None


@dataclass(frozen=True)
class Audit:
    """What became of each feature of a model; `kept` nodes were read as stored, `uncut` ones have no moment."""

    features: tuple[Audited, ...]
    cuts: tuple[datetime, ...]
    kept: tuple[str, ...] = ()
    uncut: tuple[str, ...] = ()

    def of(self, verdict: str) -> tuple[str, ...]:
        """Return the features with a verdict."""
        return tuple(each.feature for each in self.features if each.verdict == verdict)

    @property
    def used_the_future(self) -> tuple[str, ...]:
        """Return the features that did."""
        return self.of(FUTURE)

    @property
    def in_doubt(self) -> Mapping[str, tuple[str, ...]]:
        """The features that are neither accused nor found fine, by verdict."""
        every = (UNSTABLE, NOT_LOOKED_AT, NOT_COMPARED, STALE)
        return {verdict: named for verdict in every if (named := self.of(verdict))}

    @property
    def exit_code(self) -> int:
        """1 if a feature used the future, 2 if no row of one could be compared, else 0."""
        return 1 if self.used_the_future else 2 if self.of(NOT_COMPARED) else 0


def audit(chain: Chain, warehouse: Warehouse, spec: Spec, report: Report = lambda *_: None) -> Audit:
    """Compare the last rows before a few moments with what they would be if nothing later were known.

    Nothing is written. A value that differs has used what was not known at its moment, unless the whole sources give
    another value than the table, too: then the table is older than they are; or another one each time: then it is not
    the same twice. Raises SetupError where there are no rows, or nothing says when it is known.
    """
    database, schema, name = place(chain.nodes[chain.features])
    table = exp.table_(name, db=schema, catalog=database, quoted=True)
    types = warehouse.types(table)
    features = [each for each in types if not spec.rules_out(each)]
    cuts = _cuts(warehouse, table, spec.time, types[spec.time])
    found = {each: Audited(each) for each in [*features, WHOLE_ROW]}
    keys = [*dict.fromkeys([*spec.entity, spec.time])]
    compared: list[tuple[Row, list[str]]] = []
    doubtful: list[exp.Select] = []
    for number, at in enumerate(cuts, 1):
        report(number - 1, len(cuts), f"as of {at}")
        sample = _sample(table, keys, features, up_to(spec.time, types[spec.time], at), spec.time)
        rows = warehouse.rows_made(_beside(sample, chain.query(at), keys, features))
        differing = [_differing(row, features) for row in rows]
        compared += zip(rows, differing, strict=True)
        doubtful += [sample] if any(differing) else []
    # Only what differs is made of the whole sources: an engine leaves out the windows and joins of all else.
    asked = [each for each in features if any(each in differing for _, differing in compared)]
    once, again = ({}, {}) if not doubtful else (_whole(chain, warehouse, doubtful, keys, asked) for _ in range(2))
    unstable = {
        name
        for row, others in compared
        for name in others
        if not _is_same(once[_key(row, keys)][name], again[_key(row, keys)][name])
    }
    for row, others in compared:
        _note(found, row, others, once.get(_key(row, keys), {}), keys)
    for each in found.values():
        if each.feature in unstable:
            each.verdict = UNSTABLE
        elif not each.rows:
            each.verdict = NOT_COMPARED
        elif each.verdict == FINE and not chain.is_looked_at(each.feature):
            each.verdict = NOT_LOOKED_AT
    told = (each for each in found.values() if each.feature != WHOLE_ROW or each.differ)
    return Audit(tuple(told), tuple(cuts), chain.kept, chain.uncut)


def _whole(
    chain: Chain, warehouse: Warehouse, samples: Sequence[exp.Select], keys: Sequence[str], features: Sequence[str]
) -> Mapping[tuple[Value, ...], Row]:
    """Return what the whole sources make of the rows of samples, by their keys: features, and `*`: whether it is."""
    every: exp.Query = exp.select("*").from_(subquery(samples[0].copy(), "sample"))
    for sample in samples[1:]:
        every = every.union(exp.select("*").from_(subquery(sample.copy(), "sample")))
    rows = warehouse.rows_made(_beside(every, chain.query(None), keys, features))
    return {
        _key(row, keys): {
            WHOLE_ROW: row["is_made"],
            **{name: row[f"made_{index}"] for index, name in enumerate(features)},
        }
        for row in rows
    }


def _cuts(warehouse: Warehouse, table: exp.Table, time: str, type_: str) -> list[datetime]:
    """Return moments of rows (UTC), spread over the table so that as many rows lie between them."""
    moments = (
        exp.select(exp.alias_(in_utc(time, type_), "at")).from_(table.copy()).where(column(time).is_(exp.null()).not_())
    )
    counted = exp.select(exp.alias_(exp.Count(this=exp.Star()), "n")).from_(subquery(moments, "moments"))
    count = int(str(warehouse.row(counted)["n"]))
    if not count:
        raise SetupError(f"'{table.name}' has no rows with a time yet. Build it first.")
    wanted = max(FEWEST, min(MOST, ROWS_IN_ALL // count))
    places = sorted({count * (number + 1) // (wanted + 1) for number in range(wanted)})
    rows = (warehouse.rows(moments.order_by(column(time)).limit(1).offset(each)) for each in places)
    return sorted({_moment(found[0]["at"]) for found in rows})


def _moment(found: Value) -> datetime:
    if isinstance(found, datetime):
        return found
    return datetime.fromisoformat(str(found))


def _sample(
    table: exp.Table, keys: Sequence[str], features: Sequence[str], until: exp.Expression, time: str
) -> exp.Select:
    """Return the last rows of a table until a moment, a condition."""
    order = [exp.Ordered(this=column(time), desc=True), *(column(each) for each in keys if each != time)]
    chosen = [column(each) for each in dict.fromkeys([*keys, *features])]
    return exp.select(*chosen).from_(table.copy()).where(until).order_by(*order).limit(ROWS)


def _beside(sample: exp.Query, made: exp.Query, keys: Sequence[str], features: Sequence[str]) -> exp.Select:
    """Return each row of a sample beside what was made anew: `table_0` and `made_0`, and whether it `is_made`."""
    chosen = [exp.alias_(column(key, "stored"), f"key_{index}") for index, key in enumerate(keys)]
    for index, feature in enumerate(features):
        chosen += [exp.alias_(column(feature, "stored"), f"table_{index}"), exp.column(f"made_{index}", "made")]
    of_made = [exp.alias_(column(key), f"made_key_{index}") for index, key in enumerate(keys)]
    of_made += [exp.alias_(column(feature), f"made_{index}") for index, feature in enumerate(features)]
    rebuilt = exp.select(*of_made, "1 as is_made").from_(subquery(made, "rebuilt"))
    equal = [
        exp.EQ(this=column(key, "stored"), expression=exp.column(f"made_key_{index}", "made"))
        for index, key in enumerate(keys)
    ]
    return (
        exp.select(*chosen, exp.column("is_made", "made"))
        .from_(subquery(sample.copy(), "stored"))
        .join(subquery(rebuilt, "made"), on=exp.and_(*equal), join_type="left")
    )


def _key(row: Row, keys: Sequence[str]) -> tuple[Value, ...]:
    return tuple(row[f"key_{index}"] for index in range(len(keys)))


def _differing(row: Row, features: Sequence[str]) -> list[str]:
    """Return the features whose value differs, or `*` where the row is not there."""
    if row["is_made"] is None:
        return [WHOLE_ROW]
    return [each for index, each in enumerate(features) if not _is_same(row[f"table_{index}"], row[f"made_{index}"])]


def _is_same(one: Value, other: Value) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isclose(one, other, rel_tol=ALIKE, abs_tol=ALIKE):
        return True
    # Only NaN is not equal to itself, as a double or as a decimal.
    return bool(one == other or (one != one and other != other))


def _note(found: Mapping[str, Audited], row: Row, differing: Sequence[str], whole: Row, keys: Sequence[str]) -> None:
    """Add a row to what was found: `whole` has what differs of it, made of the whole sources."""
    names = [each for each in found if each != WHOLE_ROW]
    for index, name in enumerate(names):
        found[name].rows += row["is_made"] is not None
        if name in differing:
            made = row[f"made_{index}"]
            verdict = STALE if _is_same(made, whole[name]) else FUTURE
            _differs(
                found[name], verdict, row, keys, f"{_shown(row[f'table_{index}'])} in the table, {_shown(made)} by then"
            )
    found[WHOLE_ROW].rows += WHOLE_ROW in differing
    if WHOLE_ROW in differing:
        verdict = STALE if whole[WHOLE_ROW] is None else FUTURE
        _differs(found[WHOLE_ROW], verdict, row, keys, "the row is not there by then")


def _differs(found: Audited, verdict: str, row: Row, keys: Sequence[str], what: str) -> None:
    """Count a difference; the future outweighs what is only older than its sources."""
    if found.verdict == FUTURE and verdict == STALE:
        return
    if found.verdict != verdict:
        found.verdict, found.differ = verdict, 0
        values = (f"{key} {_shown(value)}" for key, value in zip(keys, _key(row, keys), strict=True))
        found.example = f"{', '.join(values)}: {what}"
    found.differ += 1


def _shown(value: Value) -> str:
    return "NULL" if value is None else str(value)
