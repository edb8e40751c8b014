"""Whether a value that is known only later comes along a way of lineage from earlier rows only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from mlbridge.lineage.graph import (
    AFTER,
    AGGREGATED,
    ANY,
    BEFORE,
    COPIED,
    GAP,
    UNTIL,
    Condition,
    Conditions,
    Edge,
    Lineage,
    OneOf,
    text_of,
)

Place = tuple[str, str]  # the id of a node, and a column
# A condition lets in only what is known by then; only earlier rows, whose value may not be known by then; or anything.
KNOWN, EARLIER, ANYTHING = STRICTNESS = "known", "earlier", "anything"


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
        """The columns that are computed from the time of the prediction, such as its day."""
        return descendants(self.lineage, self.same_as_time)

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


def let_in(condition: Condition, known: frozenset[Place], moments: frozenset[Place], clock: Clock) -> str:
    """Return what a condition lets in of a column that is known later: `known`, `earlier` or `anything`.

    `known` are the columns that say when it is known, `moments` those of them that are that moment as they are. What a
    parent cut off or shifted counts as it is only where it is that moment itself, or lies so on both sides.
    """
    earlier, later = set(condition.earlier), set(condition.later)
    as_they_are = earlier == later or (earlier <= moments and later <= clock.same_as_time)
    kind = condition.plain if as_they_are else condition.kind
    if kind in (ANY, AFTER) or not earlier or not later:
        return ANYTHING
    by_knowledge = bool(earlier & known)
    if by_knowledge and kind != AFTER and clock.at_prediction(later):
        return KNOWN
    if earlier == later:  # both rows are placed by the same column: the moment itself does not matter
        if kind == UNTIL or (by_knowledge and kind == BEFORE):
            return ANYTHING
        return KNOWN if kind == GAP and not by_knowledge else EARLIER
    if condition.same_row or by_knowledge or not clock.at_prediction(later):
        return ANYTHING
    return KNOWN if kind == GAP else EARLIER


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


@dataclass(frozen=True)
class OpenWay:
    """A shortest way on which a column that is known later comes into another, the nearest edge first.

    `lets_in` is `anything` where no condition on the way keeps later rows out, or `earlier` where they are kept out,
    but what comes in may not be known yet.
    """

    late: Late
    lets_in: str
    edges: tuple[Edge, ...]

    @property
    def is_aggregated(self) -> bool:
        """Return whether values of several rows go into one."""
        return any(edge.how == AGGREGATED for edge in self.edges)


def open_ways(lineage: Lineage, starts: Iterable[Place], late: Late, clock: Clock) -> dict[Place, OpenWay]:
    """Return for each column the way on which a column that is known later comes into it, if there is one."""
    moments = frozenset(copy for moment in late.moments for copy in copies(lineage, moment))
    known = descendants(lineage, {late.place} | moments)  # what is made of either says when it is known, too
    ranks = Ranks(lambda each: STRICTNESS.index(let_in(each, known, moments, clock)))

    def is_shut(edge: Edge) -> bool:
        return STRICTNESS[ranks.of(edge.conditions)] == KNOWN

    def is_half_open(edge: Edge) -> bool:
        return STRICTNESS[ranks.of(edge.conditions)] != ANYTHING

    def opened(way: Iterable[Edge]) -> tuple[Edge, ...]:
        return tuple(replace(each, condition=text_of(tuple(ranks.loosest(each.conditions)))) for each in way)

    below = descendants(lineage, [late.place])
    found = {}
    for start in starts:
        way = _shortest(lineage, start, late.place, below, is_half_open)
        if way is not None:
            found[start] = OpenWay(late, ANYTHING, opened(way))
        elif clock.delayed or late.moments:
            way = _shortest(lineage, start, late.place, below, is_shut)
            if way is not None:
                found[start] = OpenWay(late, EARLIER, opened(way))
    return found


def _shortest(
    lineage: Lineage, start: Place, end: Place, among: frozenset[Place], is_shut: Callable[[Edge], bool]
) -> tuple[Edge, ...] | None:
    found: dict[Place, tuple[Edge, ...]] = {start: ()} if start in among else {}
    queue = list(found)
    for at in queue:
        if at == end:
            return found[at]
        for edge in lineage.edges_of(*at):
            place = (edge.from_node, edge.from_column)
            if place in among and place not in found and not is_shut(edge):
                found[place] = (*found[at], edge)
                queue.append(place)
    return None


def later_rows(lineage: Lineage, start: Place, end: Place) -> frozenset[Place]:
    """Return what places the rows that a column takes another one's values from, if it takes them from later rows only.

    Such is the target of next week, made of the column that says the same of this week. Empty where a way takes them
    from other rows, too.
    """
    moments: set[Place] = set()

    def is_after(condition: Condition) -> bool:
        moments.update(condition.earlier if condition.kind == AFTER else ())
        return condition.kind == AFTER

    ranks = Ranks(lambda each: int(not is_after(each)))
    way = _shortest(lineage, start, end, descendants(lineage, [end]), lambda edge: ranks.of(edge.conditions) == 0)
    return frozenset(moments) if way is None else frozenset()


def sole_origins(lineage: Lineage, place: Place) -> Iterator[Place]:
    """Yield what a column is made of as long as that is one column alone, row by row, up to its source."""
    at = place
    while True:
        edges = {(e.from_node, e.from_column): e for e in lineage.edges_of(*at)}
        if len(edges) != 1:
            return
        (at,), (edge,) = edges, edges.values()
        if edge.how == AGGREGATED or edge.conditions:
            return
        yield at


def copies(lineage: Lineage, place: Place) -> frozenset[Place]:
    """Return a column with those that it is a copy of, and their copies."""
    up = _closure({place}, lambda at: ((e.from_node, e.from_column) for e in lineage.edges_of(*at) if _is_copy(e)))
    return _closure(up, lambda at: ((e.node, e.column) for e in lineage.below.get(at, ()) if _is_copy(e)))


def descendants(lineage: Lineage, places: Iterable[Place]) -> frozenset[Place]:
    """Return columns with all that their values go into."""
    return _closure(places, lambda at: ((e.node, e.column) for e in lineage.below.get(at, ()) if e.is_value))


def ancestors(lineage: Lineage, places: Iterable[Place]) -> frozenset[Place]:
    """Return columns with all that their values come from."""
    return _closure(places, lambda at: ((e.from_node, e.from_column) for e in lineage.edges_of(*at)))


def _is_copy(edge: Edge) -> bool:
    return edge.how == COPIED


def _closure(places: Iterable[Place], beside: Callable[[Place], Iterable[Place]]) -> frozenset[Place]:
    found = dict.fromkeys(places)
    queue = list(found)
    for at in queue:
        for each in beside(at):
            if each not in found:
                found[each] = None
                queue.append(each)
    return frozenset(found)


def in_words(way: Iterable[Edge], titles: Mapping[str, str]) -> str:
    """Write a way as a sentence's part: each step's column, and how it came from the next."""
    steps = [f"{titles.get(each.node, each.node)}.{each.column} ({_step(each)})" for each in way]
    return " from ".join(steps)


def _step(edge: Edge) -> str:
    return edge.how if edge.condition is None else f"{edge.how} by {edge.condition}"
