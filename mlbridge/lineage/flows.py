"""What a query's columns come from: flows into a column."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

from mlbridge.lineage.graph import (
    AGGREGATED,
    COPIED,
    INFLUENCES,
    TRANSFORMED,
    VALUES,
    Conditions,
    one_of,
)
from mlbridge.lineage.moments import EXACT, UNKNOWN, Shift, only
from mlbridge.lineage.rows import NOTHING_BOUNDS, OWN, Bounds, Moment, moment


class Flow(NamedTuple):
    """A column of a relation of the graph, and how a column of a query comes from it; `bounds` is as in `rows.py`.

    `is_part`: only a part of the value comes along, such as the beginning of a text, so others may give the same one.
    """

    node: str
    column: str
    how: str = COPIED
    certain: bool = True
    conditions: Conditions = ()
    bounds: Bounds = OWN
    is_part: bool = False


Flows: TypeAlias = frozenset[Flow]
NULL = "NULL"  # the constant that is no value
MOST_ROWS = 4  # the rows from which a column comes into another, beyond which they are not told apart
MOST_WAYS = 8  # the flows from one column into another, beyond which they are one with all their ways
NOTHING: Flows = frozenset()


@dataclass(frozen=True, eq=False, slots=True)
class Column:
    """The flows into a column. A set operation keeps the column of each branch, a struct its fields by name.

    `print` is its fingerprint, as in `prints.py`; empty where none was asked for. `constant` is the text of a literal
    that the column is in every row, None for any other column. `shift` says how its value lies to the moment that it is
    made of, `plain` how it lies to the columns of relations that it comes from; both are unknown unless whoever makes a
    column says how.
    """

    flows: Flows = NOTHING
    branches: tuple[Column, ...] = ()
    fields: Mapping[str, Column] = field(default_factory=dict)
    print: str = ""
    constant: str | None = None
    shift: Shift = UNKNOWN
    plain: Shift = UNKNOWN

    def part(self, name: str) -> Column:
        """Return a field of a struct; where the field is not known all of it, which is not the moment that it holds."""
        return self.fields.get(name.lower()) or replace(self, shift=UNKNOWN, plain=UNKNOWN)


EMPTY = Column()


def column_of(relation: str, name: str, certain: bool = True) -> Column:
    """Return a column of a relation as it is."""
    return Column(frozenset({Flow(relation, name, certain=certain)}), shift=EXACT, plain=EXACT)


def united(branches: Sequence[Column], mark: str = "") -> Column:
    """Return the column of a set operation; `mark` is its fingerprint. What is NULL in a branch is no moment there."""
    valued = [each for each in branches if each.constant != NULL]
    shift, plain = only(each.shift for each in valued), only(each.plain for each in valued)
    if len(valued) < len(branches):
        shift, plain = (each if each == UNKNOWN else each._replace(nullable=True) for each in (shift, plain))
    # Nobody asks for the branches of a branch, which would double with each union of unions.
    own = tuple(replace(each, branches=()) if each.branches else each for each in branches)
    first, *others = (each.constant for each in branches)
    constant = first if all(each == first for each in others) else None
    return Column(merged(branches).flows, own, print=mark, constant=constant, shift=shift, plain=plain)


def merged(columns: Iterable[Column]) -> Column:
    """Return the column that comes from several, each as it is."""
    flows: set[Flow] = set()
    for each in columns:
        flows |= each.flows
    return Column(bundled(simplest(_in_few_rows(flows)), MOST_WAYS))


def _in_few_rows(flows: set[Flow]) -> set[Flow]:
    """Return flows in which no column comes from more than some rows: else self joins of self joins would multiply."""
    if len(flows) <= MOST_ROWS:
        return flows
    rows: defaultdict[tuple[str, str], set[Bounds]] = defaultdict(set)
    for each in flows:
        rows[each.node, each.column].add(each.bounds)
    return {
        each._replace(bounds=NOTHING_BOUNDS) if len(rows[each.node, each.column]) > MOST_ROWS else each
        for each in flows
    }


def bundled(flows: Flows, most: int) -> Flows:
    """Return flows in which a column that a value comes from on more than `most` ways has one flow for all of them.

    Else they would multiply with each window around windows over a union. Nothing is lost: see `OneOf`.
    """
    if len(flows) <= most:
        return flows
    ways: defaultdict[Flow, list[Flow]] = defaultdict(list)
    for each in flows:
        ways[each._replace(conditions=())].append(each)
    many = {flow: of for flow, of in ways.items() if len(of) > most}
    if not many:
        return flows
    fresh = {flow._replace(conditions=one_of(each.conditions for each in of)) for flow, of in many.items()}
    return flows.difference(*many.values()) | fresh


def simplest(flows: Iterable[Flow]) -> Flows:
    """Drop flows that a stronger one of the same column and conditions includes: transformed includes copied.

    A value that comes along whole and in part does so whole.
    """
    every = _whole(frozenset(flows))
    return frozenset(each for each in every if not (_weak(each) and _stronger(each, every)))


def _weak(flow: Flow) -> bool:
    return flow.how == COPIED or not flow.certain


def _stronger(flow: Flow, every: Flows) -> bool:
    stronger = [flow._replace(how=TRANSFORMED)] if flow.how == COPIED else []
    stronger += [] if flow.certain else [flow._replace(certain=True)]
    return any(each in every for each in stronger)


def _whole(flows: Flows) -> Flows:
    """Take parts for the whole where that comes along, too."""
    parts = [each for each in flows if each.is_part]
    if not parts:
        return flows
    whole = {each._replace(how=COPIED) for each in flows if not each.is_part}
    return frozenset(
        each._replace(is_part=each.is_part and each._replace(how=COPIED, is_part=False) not in whole) for each in flows
    )


def transformed(column: Column) -> Column:
    """Return a column that is computed from another."""
    return _with_how(column, TRANSFORMED, (COPIED,))


def aggregated(column: Column) -> Column:
    """Return a column that is computed over several rows of another."""
    return _with_how(column, AGGREGATED, (COPIED, TRANSFORMED))


def part_of(column: Column, of: Sequence[str] = VALUES) -> Column:
    """Return a column that holds only a part of another's value, as far as that came along in one of some ways."""
    return replace(
        column, flows=frozenset(each._replace(is_part=each.is_part or each.how in of) for each in column.flows)
    )


def influence(columns: Iterable[Column], how: str) -> Flows:
    """Return flows that decide about rows only. The influences on the columns themselves stay what they are."""
    return frozenset(
        each if each.how in INFLUENCES else each._replace(how=how) for column in columns for each in column.flows
    )


def places(column: Column) -> tuple[tuple[str, str], ...]:
    """Return the columns of relations that a column's value comes from, in a fixed order."""
    return tuple(sorted({(each.node, each.column) for each in column.flows if each.how in VALUES}))


def is_copied(column: Column) -> bool:
    """Return whether a column's value is another's as it is."""
    return all(each.how == COPIED and not each.is_part for each in column.flows if each.how in VALUES)


def moment_of(column: Column) -> Moment | None:
    """Return the moment that a column is, None where it is none that was read."""
    return moment({each.bounds for each in column.flows if each.how in VALUES}, places(column), column.shift)


def placed_by(column: Column) -> tuple[tuple[str, str], ...]:
    """Return the columns of relations that place a row in time by a column: of its number, those that order it."""
    rank = column.shift.rank
    return places(column) if rank is None else rank.order


def assumed(column: Column) -> Column:
    """Return a column of which the SQL does not say for sure that it comes from there."""
    return Column(frozenset(each._replace(certain=False) for each in column.flows))


def _with_how(column: Column, how: str, weaker: tuple[str, ...]) -> Column:
    if not column.flows:
        return Column(constant=column.constant)
    if not any(each.how in weaker for each in column.flows):
        return Column(column.flows)
    return Column(simplest(each._replace(how=how) if each.how in weaker else each for each in column.flows))
