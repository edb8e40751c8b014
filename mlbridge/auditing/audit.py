"""Rows of a model's features made anew from sources cut at their time, and compared with the table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from sqlglot import exp

from mlbridge.auditing.rebuild import Chain
from mlbridge.engines.warehouse import Warehouse, column, subquery
from mlbridge.errors import SetupError
from mlbridge.lineage.nodes import place
from mlbridge.spec.specification import Spec
from mlbridge.typing import Row, Value

# Moments at which the sources are cut, spread over the rows: each costs as much as a build, so a large table has few.
FEWEST, MOST, ROWS_IN_ALL = 3, 24, 1_000_000
ROWS = 2_000  # the last rows before each of them, which are compared
ALIKE = 1e-9  # how far two numbers may differ that were added in another order
FUTURE, FINE, STALE = "used the future", "fine", "not as built"
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
    """What became of each feature of a model, and the nodes that no cut reached."""

    features: tuple[Audited, ...]
    cuts: tuple[datetime, ...]
    kept: tuple[str, ...] = field(default=())

    @property
    def used_the_future(self) -> tuple[str, ...]:
        """Return the features that did."""
        return tuple(each.feature for each in self.features if each.verdict == FUTURE)


def audit(chain: Chain, warehouse: Warehouse, spec: Spec, report: Report = lambda *_: None) -> Audit:
    """Compare the last rows before a few moments with what they would be if nothing later were known.

    Nothing is written. A value that differs has used what was not known at its moment, unless the whole sources give
    another value than the table, too: then the table is older than they are. Raises SetupError where there are no rows,
    or nothing says when it is known.
    """
    database, schema, name = place(chain.nodes[chain.features])
    table = exp.table_(name, db=schema, catalog=database, quoted=True)
    names = warehouse.names(table)
    features = [each for each in names if not spec.rules_out(each)]
    cuts = _cuts(warehouse, table, spec.time)
    found = {each: Audited(each) for each in [*features, WHOLE_ROW]}
    keys = [*dict.fromkeys([*spec.entity, spec.time])]
    for number, at in enumerate(cuts, 1):
        report(number - 1, len(cuts), f"as of {at}")
        sample = _sample(table, keys, features, spec.time, at)
        cut = warehouse.rows(_beside(sample, chain.query(at), keys, features))
        differing = [_differing(row, features) for row in cut]
        whole: Mapping[tuple[Value, ...], Row] = {}
        if any(differing):
            whole = {_key(row, keys): row for row in warehouse.rows(_beside(sample, chain.query(None), keys, features))}
        for row, others in zip(cut, differing, strict=True):
            _note(found, row, others, whole.get(_key(row, keys), row), keys)
    return Audit(tuple(each for each in found.values() if each.rows or each.differ), tuple(cuts), chain.kept)


def _cuts(warehouse: Warehouse, table: exp.Table, time: str) -> list[datetime]:
    """Return moments of rows, spread over the table so that as many rows lie between them."""
    moments = exp.select(exp.alias_(column(time), "at")).from_(table.copy()).where(column(time).is_(exp.null()).not_())
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


def _sample(table: exp.Table, keys: Sequence[str], features: Sequence[str], time: str, at: datetime) -> exp.Select:
    """Return the last rows of a table up to a moment."""
    moment = exp.cast(exp.Literal.string(at.isoformat(sep=" ")), "timestamp")
    order = [exp.Ordered(this=column(time), desc=True), *(column(each) for each in keys if each != time)]
    chosen = [column(each) for each in dict.fromkeys([*keys, *features])]
    found = exp.select(*chosen).from_(table.copy()).where(exp.LTE(this=column(time), expression=moment))
    return found.order_by(*order).limit(ROWS)


def _beside(sample: exp.Select, made: exp.Query, keys: Sequence[str], features: Sequence[str]) -> exp.Select:
    """Return each row of a sample beside what was made anew: `table_0` and `made_0`, and whether it `is_made`."""
    chosen = [exp.alias_(column(key, "stored"), f"key_{index}") for index, key in enumerate(keys)]
    for index, feature in enumerate(features):
        chosen += [
            exp.alias_(column(feature, "stored"), f"table_{index}"),
            exp.alias_(column(feature, "made"), f"made_{index}"),
        ]
    made_keys = exp.select(*(column(each) for each in dict.fromkeys([*keys, *features])), "1 as is_made")
    equal = [exp.EQ(this=column(key, "stored"), expression=column(key, "made")) for key in keys]
    return (
        exp.select(*chosen, exp.column("is_made", "made"))
        .from_(subquery(sample.copy(), "stored"))
        .join(subquery(made_keys.from_(subquery(made, "rebuilt")), "made"), on=exp.and_(*equal), join_type="left")
    )


def _key(row: Row, keys: Sequence[str]) -> tuple[Value, ...]:
    return tuple(row[f"key_{index}"] for index in range(len(keys)))


def _differing(row: Row, features: Sequence[str]) -> list[str]:
    """Return the features whose value differs, or `*` where the row is not there."""
    if row["is_made"] is None:
        return [WHOLE_ROW]
    return [each for index, each in enumerate(features) if not _is_same(row[f"table_{index}"], row[f"made_{index}"])]


def _is_same(one: Value, other: Value) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=ALIKE, abs_tol=ALIKE) or (math.isnan(one) and math.isnan(other))
    return bool(one == other)


def _note(found: Mapping[str, Audited], row: Row, differing: Sequence[str], whole: Row, keys: Sequence[str]) -> None:
    """Add a row to what was found: `whole` is the same row made of the whole sources."""
    names = [each for each in found if each != WHOLE_ROW]
    for index, name in enumerate(names):
        found[name].rows += row["is_made"] is not None
        if name in differing:
            made, all_of_it = row[f"made_{index}"], whole[f"made_{index}"]
            verdict = STALE if _is_same(made, all_of_it) else FUTURE
            _differs(
                found[name], verdict, row, keys, f"{_shown(row[f'table_{index}'])} in the table, {_shown(made)} by then"
            )
    found[WHOLE_ROW].rows += WHOLE_ROW in differing
    if WHOLE_ROW in differing:
        verdict = STALE if whole["is_made"] is None else FUTURE
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
