"""The ways of lineage on which a value that is known only later comes into a column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from mlbridge.leaks.column_sets import Place, copies, descendants, telling
from mlbridge.leaks.time_conditions import (
    ANYTHING,
    EARLIER,
    KNOWN,
    STRICTNESS,
    Clock,
    Knowledge,
    Late,
    Passed,
    Ranks,
    kind_of,
    let_in,
)
from mlbridge.lineage.graph import (
    AFTER,
    AGGREGATED,
    ANY,
    Condition,
    Edge,
    Lineage,
    OneOf,
    text_of,
)

MOST_PASSED = 8  # sets of what a way has passed that are kept apart at a place


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
    below = descendants(lineage, [late.place])
    search = _Search(lineage, Knowledge(telling(lineage, {late.place} | moments, below), moments, clock))
    found = {}
    for start in starts:
        way = _shortest(lineage, start, late.place, below, search.is_half_open, search.beyond)
        if way is not None:
            found[start] = OpenWay(late, ANYTHING, search.opened(way))
        elif clock.delayed or late.moments:
            way = _shortest(lineage, start, late.place, below, search.is_shut, search.beyond)
            if way is not None:
                found[start] = OpenWay(late, EARLIER, search.opened(way))
    return found


class _Search:
    """Tells which edges a late column comes along, given what is known of the rows that receive it.

    A value that comes in until the moment of another row, such as a day of a calendar, is known at the prediction if
    that row is let in by that moment only before it. Conditions stand in the order in which values meet them, and one
    is noted only where its moment is of the value's row: so a later one is about the row that the one before let in.
    """

    def __init__(self, lineage: Lineage, knowledge: Knowledge) -> None:
        self._lineage, self._knowledge = lineage, knowledge
        self._ranks = Ranks(lambda each: STRICTNESS.index(let_in(each, knowledge)))

    def is_shut(self, edge: Edge, passed: Passed) -> bool:
        return self._lets_in(edge, passed) == KNOWN

    def is_half_open(self, edge: Edge, passed: Passed) -> bool:
        return self._lets_in(edge, passed) != ANYTHING

    def opened(self, way: Iterable[Edge]) -> tuple[Edge, ...]:
        """Return edges with the conditions of the way that lets in most."""
        return tuple(replace(each, condition=text_of(tuple(self._ranks.loosest(each.conditions)))) for each in way)

    def beyond(self, edge: Edge, passed: Passed) -> Passed:
        """Return what is known of the row of the parent that an edge takes its value from."""
        for each in reversed(edge.conditions):
            passed |= self._placed(each)
        return self._of_node(passed, edge.from_node)

    def _lets_in(self, edge: Edge, passed: Passed) -> str:
        least = self._ranks.of(edge.conditions)
        for each in reversed(edge.conditions):
            if isinstance(each, Condition):
                there = passed.union(*(self._of_node(passed, node) for node, _ in each.later))
                least = min(least, STRICTNESS.index(let_in(each, self._knowledge, there))) if there else least
            passed |= self._placed(each)
        return STRICTNESS[least]

    def _placed(self, each: Condition | OneOf) -> Passed:
        """Return the moment that a condition places before the prediction."""
        if isinstance(each, OneOf) or len(each.earlier) != 1 or kind_of(each, self._knowledge) in (ANY, AFTER):
            return frozenset()
        return frozenset(each.earlier if each.later and self._knowledge.clock.at_prediction(each.later) else ())

    def _of_node(self, passed: Passed, node: str) -> Passed:
        return frozenset(above for each in passed if (above := self._above(each, node)) is not None)

    def _above(self, place: Place, node: str) -> Place | None:
        """Return a moment of a row as a node has it: the column itself, or the one there that alone makes it.

        None where it comes from elsewhere: it may be of another row than what comes from that node.
        """
        if place[0] == node:
            return place
        of = {(each.from_node, each.from_column) for each in self._lineage.edges_of(*place)}
        sole = next(iter(of)) if len(of) == 1 and self._lineage.is_told(*place) else None
        return sole if sole is not None and sole[0] == node else None


def _shortest(
    lineage: Lineage,
    start: Place,
    end: Place,
    among: frozenset[Place],
    is_shut: Callable[[Edge, Passed], bool],
    beyond: Callable[[Edge, Passed], Passed] = lambda edge, passed: passed,
) -> tuple[Edge, ...] | None:
    """Return a shortest way on which no edge is shut, given what is known of the rows that the way comes from.

    A column is looked at again where less is known of its row than before, since more ways may be open then.
    """
    queue: list[tuple[Place, Passed, tuple[Edge, ...]]] = [(start, frozenset(), ())] if start in among else []
    seen: dict[Place, list[Passed]] = {start: [frozenset()]}
    for at, passed, way in queue:
        if at == end:
            return way
        for edge in lineage.edges_of(*at):
            place = (edge.from_node, edge.from_column)
            if place not in among or is_shut(edge, passed):
                continue
            more = beyond(edge, passed)
            if len(seen.get(place, ())) >= MOST_PASSED:
                more = frozenset()  # to know less opens ways only, and sets of all kinds would be too many
            if not any(each <= more for each in seen.setdefault(place, [])):
                seen[place].append(more)
                queue.append((place, more, (*way, edge)))
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
    way = _shortest(lineage, start, end, descendants(lineage, [end]), lambda edge, _: ranks.of(edge.conditions) == 0)
    return frozenset(moments) if way is None else frozenset()


def in_words(way: Iterable[Edge], titles: Mapping[str, str]) -> str:
    """Write a way as a sentence's part: each step's column, and how it came from the next."""
    steps = [f"{titles.get(each.node, each.node)}.{each.column} ({_step(each)})" for each in way]
    return " from ".join(steps)


def _step(edge: Edge) -> str:
    return edge.how if edge.condition is None else f"{edge.how} by {edge.condition}"
