"""What a condition on the way of a value that is known only later lets in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from mlbridge.leaks.column_sets import Place, copies, is_sure, made_of, sole_origins
from mlbridge.lineage.graph import (
    AFTER,
    ANY,
    BEFORE,
    GAP,
    UNTIL,
    Condition,
    Conditions,
    Lineage,
    OneOf,
)

# A condition lets in only what is known by then; only earlier rows, whose value may not be known by then; or anything.
KNOWN, EARLIER, ANYTHING = STRICTNESS = "known", "earlier", "anything"
Passed = frozenset[Place]  # moments of a row that lie before the prediction


@dataclass(frozen=True)
class Late:
    """A column that is known only at a later moment: `moments` are columns that say when, none where none does.

    `of_later_rows`: the target takes it from later rows, so of a row itself it is known at the moment of that row.
    """

    node: str
    column: str
    moments: frozenset[Place] = frozenset()
    of_later_rows: bool = False

    @property
    def place(self) -> Place:
        """Return node and column."""
        return self.node, self.column


@dataclass(frozen=True)
class Clock:
    """What the columns of a lineage say about time, seen from the rows of a model.

    `time` is the column that says when the prediction is made. `is_later(place)` compares a column with it row by row:
    whether it lies after it, None where rows cannot be compared. `delayed`: an outcome is known only after its row's
    time.
    """

    lineage: Lineage
    time: Place
    delayed: bool
    is_later: Callable[[Place], bool | None] = field(default=lambda place: None)

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

    @cached_property
    def _sure(self) -> dict[Place, bool]:
        return {}

    def is_sure(self, place: Place) -> bool:
        """Return whether it is known how a column lies to what is declared, or to a source."""
        if place not in self._sure:
            self._sure[place] = is_sure(self.clock.lineage, place, self._declared)
        return self._sure[place]


def let_in(condition: Condition, knowledge: Knowledge, passed: frozenset[Place] = frozenset()) -> str:
    """Return what a condition lets in of a column that is known later: `known`, `earlier` or `anything`.

    What a parent made of a moment counts as it is only where it is that moment itself, or the time of the prediction.
    `passed` are moments of the receiving row of which a later condition says that they lie before the prediction.
    """
    earlier, later = set(condition.earlier), set(condition.later)
    known, clock = knowledge.known, knowledge.clock
    kind = kind_of(condition, knowledge)
    if kind in (ANY, AFTER) or not earlier or not later or not all(map(knowledge.is_sure, earlier | later)):
        return ANYTHING
    by_knowledge = earlier <= known
    if by_knowledge and (later <= passed or clock.at_prediction(later)):
        return KNOWN
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


class Ranks:
    """Ranks conditions that must all hold by the lowest rank of them, and of other ways by the highest.

    `rank` gives 0 to a condition that lets in least; without any, the rank is the highest that there is, 2.
    """

    def __init__(self, rank: Callable[[Condition], int]) -> None:
        """Take the rank of one condition, which is asked once."""
        self._rank = rank
        self._known: dict[Condition | OneOf, int] = {}

    def of(self, conditions: Conditions) -> int:
        """Return the rank of conditions."""
        return min(map(self._of, conditions), default=2)

    def loosest(self, conditions: Conditions) -> Iterator[Condition]:
        """Yield the conditions of the way that lets in most."""
        for each in conditions:
            if isinstance(each, OneOf):
                yield from self.loosest(max(each.ways, key=self.of))
            else:
                yield each

    def _of(self, each: Condition | OneOf) -> int:
        if each not in self._known:
            self._known[each] = max(map(self.of, each.ways)) if isinstance(each, OneOf) else self._rank(each)
        return self._known[each]
