"""What a condition on the way of a value that is known only later lets in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, TypeAlias

from mlbridge.leaks.column_sets import Place, copies, holding, is_sure, made_of, sole_origins
from mlbridge.lineage.graph import (
    BEFORE,
    BESIDE,
    GAP,
    MOVES,
    OVER_ROWS,
    PART,
    UNTIL,
    Condition,
    Conditions,
    Edge,
    Lineage,
    OneOf,
    moves,
    seen,
    without,
)

# A condition lets in only what is known by then; only earlier rows, whose value may not be known by then; or anything.
KNOWN, EARLIER, ANYTHING = STRICTNESS = "known", "earlier", "anything"


@dataclass(frozen=True)
class Late:
    """A column that is known only at a later moment: `moments` are columns that say when, none where none does.

    `of_later_rows`: the target takes it from later rows, so of a row itself it is known at the moment of that row.
    `of_label_time`: the moment at which the outcome is known comes from it, not the outcome.
    """

    node: str
    column: str
    moments: frozenset[Place] = frozenset()
    of_later_rows: bool = False
    of_label_time: bool = False

    @property
    def place(self) -> Place:
        """Return node and column."""
        return self.node, self.column


class Beside(NamedTuple):
    """Two moments of a row, of which the first is not later than the second."""

    earlier: Place
    later: Place


# Moments of a row that lie before the prediction, and pairs of its moments.
Passed: TypeAlias = "frozenset[Place | Beside]"


@dataclass(frozen=True)
class Clock:
    """What the columns of a lineage say about time, seen from the rows of a model.

    `time` is the column that says when the prediction is made. `is_later(place)` compares a column with it row by row:
    whether it lies after it, None where rows cannot be compared; `is_time(place)`: whether it is the same moment.
    `delayed`: an outcome is known only after its row's time. `key` are the columns of the entity. `is_unique(names)`:
    whether no two rows have the same in some columns. `is_one_moment(places, time)`: whether the rows of a node that
    are alike in some columns have the same time; `has_later(places, time)`: whether rows of a node that have the key of
    a row of the model in some columns have a later time. Both are None where the node's rows cannot be read.
    """

    lineage: Lineage
    time: Place
    delayed: bool
    is_later: Callable[[Place], bool | None] = field(default=lambda place: None)
    is_time: Callable[[Place], bool] = field(default=lambda place: False)
    key: tuple[Place, ...] = ()
    is_unique: Callable[[tuple[str, ...]], bool] = field(default=lambda names: False)
    is_one_moment: Callable[[frozenset[Place], Place], bool | None] = field(default=lambda places, time: None)
    has_later: Callable[[tuple[Place, ...], Place], bool | None] = field(default=lambda places, time: None)

    @cached_property
    def same_as_time(self) -> frozenset[Place]:
        """The columns that are copies of the time of the prediction, or that it is a copy of."""
        return copies(self.lineage, self.time)

    @cached_property
    def made_of_time(self) -> frozenset[Place]:
        """The columns that are computed from the time of the prediction alone, such as its day."""
        return made_of(self.lineage, self.same_as_time)

    @cached_property
    def makes_time(self) -> frozenset[Place]:
        """The columns that alone make up the time of the prediction, such as the date that it is a cast of."""
        return frozenset(sole_origins(self.lineage, self.time))

    @cached_property
    def _keys(self) -> list[frozenset[Place]]:
        is_one = bool(self.key) and self.is_unique(tuple(name for _, name in self.key))
        return [holding(self.lineage, each) for each in self.key] if is_one else []

    def is_own(self, move: Condition) -> bool:
        """Return whether the rows that values are taken from are of the same prediction, or of the same moment."""
        same = list(zip(move.earlier, move.later, strict=True))
        if any(all(map(self._is_time, pair)) for pair in same):
            return True
        parts = set(same) - {pair for pair, how in zip(same, move.compared, strict=True) if how != PART}
        by_key = [self._key_of(key, holds, same, parts) for key, holds in zip(self.key, self._keys, strict=False)]
        if by_key and None not in by_key:
            return self._none_later(tuple(pair[0] for pair in by_key if pair is not None))
        if any(self._is_row(pair) for pair in same if pair not in parts):
            return True
        is_within = move.earlier == move.later  # the rows of one node that are alike, as in a group or a window
        return is_within and not parts and self._are_of_one_moment(frozenset(move.earlier))

    def is_own_row(self, move: Condition) -> bool:
        """Return the same, but not of rows of which the key was computed over several rows, such as the one before."""
        return OVER_ROWS not in move.compared and self.is_own(move)

    def _key_of(
        self, key: Place, holds: frozenset[Place], same: Iterable[tuple[Place, Place]], parts: set[tuple[Place, Place]]
    ) -> tuple[Place, Place] | None:
        """Return the columns in which rows have the same key: no part of it, but maybe one of what is made of it."""
        plain = copies(self.lineage, key)
        found = [each for each in same if holds.issuperset(each) and not (each in parts and plain.issuperset(each))]
        return found[0] if found else None

    def _none_later(self, keys: tuple[Place, ...]) -> bool:
        """Return whether of the rows that have the key of a model's row none is later, as far as the rows can be asked.

        Such are all orders of a customer of whom one is labelled. Columns that only hold the key cannot be compared.
        """
        nodes = {node for node, _ in keys}
        is_plain = all(place in copies(self.lineage, key) for place, key in zip(keys, self.key, strict=True))
        if len(nodes) > 1 or not is_plain:
            return True
        return {self.has_later(keys, time) for time in self._times(*nodes)} != {True}

    def _are_of_one_moment(self, alike: frozenset[Place]) -> bool:
        """Return whether rows that are alike in some columns have the same time, such as the lines of an order."""
        nodes = {node for node, _ in alike}
        return len(nodes) == 1 and {self.is_one_moment(alike, time) for time in self._times(*nodes)} == {True}

    def _times(self, node: str) -> list[Place]:
        """Return the copies of the time that a node's row has of itself, not of another row."""
        return sorted(each for each in self.same_as_time if each[0] == node and self._is_of_row(each))

    def _is_of_row(self, time: Place) -> bool:
        """Return whether a copy of the time comes with what says which row a node's row is, not of another row."""
        edges = [
            each for each in self.lineage.edges_of(*time) if (each.from_node, each.from_column) in self.same_as_time
        ]
        row = self._moves_of_row(time[0])
        return all(
            each.condition is None
            and row.issuperset(moves(each.conditions))
            and self._is_of_row((each.from_node, each.from_column))
            for each in edges
        )

    def _is_row(self, same: tuple[Place, Place]) -> bool:
        """Return whether two columns are copies of one that is another one in each row of the model."""
        one, other = (copies(self.lineage, each) for each in same)
        return any(self.is_unique((name,)) for node, name in sorted(one & other) if node == self.time[0])

    def _is_time(self, place: Place) -> bool:
        return place in self.made_of_time | self.makes_time or self.is_time(place)

    @cached_property
    def _anchors(self) -> Mapping[str, Sequence[Place]]:
        """The columns that say which row a node's row is: copies of the key, else of the time of the prediction."""
        found: dict[str, list[Place]] = {}
        for places in (frozenset().union(*(copies(self.lineage, each) for each in self.key)), self.same_as_time):
            nodes = {node for node, _ in places} - found.keys()
            found |= {at: [(node, name) for node, name in places if node == at] for at in nodes}
        return found

    @cached_property
    def _moves(self) -> dict[str, frozenset[Condition]]:
        return {}

    def _moves_of_row(self, node: str) -> frozenset[Condition]:
        """Return the moves by which a node's row is found: those of all columns that say which row it is."""
        if node not in self._moves:
            found = [self._moves_of(each) for each in self._anchors.get(node, ())]
            self._moves[node] = frozenset.intersection(*found) if found else frozenset()
        return self._moves[node]

    def _moves_of(self, place: Place) -> frozenset[Condition]:
        return frozenset(move for edge in self.lineage.edges_of(*place) for move in moves(edge.conditions))

    def seen_from_row(self, edge: Edge, beside: Iterable[Beside]) -> Conditions:
        """Return the conditions of an edge as they are seen from the node's row, without moves to earlier rows.

        `beside` are moments of the node's row, of which the first is not later than the second.
        """
        found = seen(edge.conditions, self._moves_of_row(edge.node))
        settled = [self._moves_of(each.earlier) - self._moves_of(each.later) for each in beside]
        return without(found, frozenset().union(*settled)) if settled else found

    def at_prediction(self, places: Iterable[Place]) -> bool:
        """Return whether a row that is placed by these columns is placed at the time of its prediction, or before."""
        return all(self._at_prediction(each) for each in places)

    def _at_prediction(self, place: Place) -> bool:
        if place in self.same_as_time:
            return True
        later = self.is_later(place)
        return place in self.made_of_time | self.makes_time if later is None else not later


@dataclass(frozen=True)
class Knowledge:
    """What says when a column is known: `known` are all such columns, `moments` those that are that moment as it is."""

    known: frozenset[Place]
    moments: frozenset[Place]
    clock: Clock

    @cached_property
    def _declared(self) -> frozenset[Place]:
        return self.moments | self.clock.same_as_time

    def is_kept(self, move: Condition) -> bool:
        """Return whether a move leads to rows of the same prediction or moment, or to earlier ones by declaration."""
        pairs = zip(move.earlier, move.later, strict=True)
        times = self.clock.same_as_time
        return any(one in self._declared and other in times for one, other in pairs) or self.clock.is_own(move)

    @cached_property
    def _sure(self) -> dict[Place, bool]:
        return {}

    def is_sure(self, place: Place) -> bool:
        """Return whether it is known how a column lies to what is declared, or to a source."""
        if place not in self._sure:
            self._sure[place] = is_sure(self.clock.lineage, place, self._declared)
        return self._sure[place]


def let_in(condition: Condition, knowledge: Knowledge, passed: Passed = frozenset(), here: bool = True) -> str:
    """Return what a condition lets in of a column that is known later: `known`, `earlier` or `anything`.

    What a parent made of a moment counts as it is only where it is that moment itself, or the time of the prediction.
    `passed` are moments of the receiving row of which a later condition says that they lie before the prediction. That
    row's own time does only if it is `here`: the row of the prediction, or one before it.
    """
    earlier, later = set(condition.earlier), set(condition.later)
    known, clock = knowledge.known, knowledge.clock
    kind = kind_of(condition, knowledge)
    if kind not in (GAP, BEFORE, UNTIL) or not earlier or not later or not all(map(knowledge.is_sure, earlier | later)):
        return ANYTHING
    by_knowledge = earlier <= known
    if by_knowledge and (later <= passed or (here and clock.at_prediction(later))):
        return KNOWN
    if not here:
        return ANYTHING
    of_knowledge = bool(earlier & known)
    is_same = earlier == later or earlier | later <= clock.same_as_time
    if is_same:  # both rows are placed by the same column: the moment itself does not matter
        if kind == UNTIL or (of_knowledge and kind == BEFORE):
            return ANYTHING
        return KNOWN if kind == GAP and not of_knowledge else EARLIER
    if condition.same_row or by_knowledge or not clock.at_prediction(later):
        return ANYTHING
    return KNOWN if kind == GAP else EARLIER


def kind_of(condition: Condition, knowledge: Knowledge) -> str:
    """Return how far a condition's moments lie apart: as they are where they are what is declared, else what they are
    made of."""
    earlier, later = set(condition.earlier), set(condition.later)
    moments, times = knowledge.moments, knowledge.clock.same_as_time
    as_they_are = (earlier <= moments and later <= times) or (earlier == later and earlier <= moments | times)
    return condition.plain if as_they_are else condition.kind


End = tuple[int, bool]  # a rank, and whether the row that is reached is still here, as `let_in` asks


class Ranks:
    """Ranks conditions that must all hold by the lowest rank of them, and of other ways by the highest.

    `rank` gives 0 to a condition that lets in least, of a row that is here or is not; without any, the rank is the
    highest that there is, 2. `leaves` says of a move whether it leads away from here.
    """

    def __init__(
        self, rank: Callable[[Condition, bool], int], leaves: Callable[[Condition], bool] = lambda each: False
    ) -> None:
        """Take the rank of one condition, and whether it leads away; each is asked once."""
        self._rank, self._leaves = rank, leaves
        self._known: dict[tuple[Condition | OneOf, bool], frozenset[End]] = {}

    def of(self, conditions: Conditions, here: bool = True) -> int:
        """Return the rank of conditions."""
        return max(rank for rank, _ in self.ends(conditions, here))

    def ends(self, conditions: Conditions, here: bool) -> frozenset[End]:
        """Return the ranks of the ways that conditions leave, each with whether it stays here."""
        found = frozenset({(2, here)})
        for each in reversed(conditions):
            found = frozenset((min(rank, more), at) for rank, was in found for more, at in self.end(each, was))
        return found

    def loosest(self, conditions: Conditions) -> Iterator[Condition]:
        """Yield the conditions of the way that lets in most."""
        for each in conditions:
            if isinstance(each, OneOf):
                yield from self.loosest(max(each.ways, key=self.of))
            else:
                yield each

    def end(self, each: Condition | OneOf, here: bool) -> frozenset[End]:
        """Return the same of one condition."""
        if (each, here) not in self._known:
            if isinstance(each, OneOf):
                found = frozenset().union(*(self.ends(way, here) for way in each.ways))
            elif each.kind == BESIDE:
                found = frozenset({(2, here)})
            elif each.kind in MOVES:
                found = frozenset({(2, here and not self._leaves(each))})
            else:
                found = frozenset({(self._rank(each, here), here)})
            self._known[each, here] = found
        return self._known[each, here]
