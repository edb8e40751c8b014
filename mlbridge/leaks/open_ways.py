"""The ways of lineage on which a value that is known only later comes into a column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from mlbridge.leaks.column_sets import Place, copies, descendants, telling
from mlbridge.leaks.time_conditions import (
    ANYTHING,
    EARLIER,
    STRICTNESS,
    Beside,
    Clock,
    End,
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
    AHEAD,
    BEFORE,
    BESIDE,
    GAP,
    MOVES,
    OTHER,
    UNTIL,
    Condition,
    Conditions,
    Edge,
    Lineage,
    OneOf,
    moves,
    text_of,
)

MOST_PASSED = 8  # sets of what a way has passed that are kept apart at a place
# What a way has passed as long as it is at the row of the prediction, or one before it.
HERE: Place = ("", "")
Step: TypeAlias = "Callable[[Edge, Passed], Passed | None]"


@dataclass(frozen=True)
class OpenWay:
    """A shortest way on which a column that is known later comes into another, the nearest edge first.

    `lets_in` is `anything` where no condition on the way keeps later rows out, `other` where one does, but is about a
    row that nothing says to be the row of the prediction or an earlier one, or `earlier` where they are kept out, but
    what comes in may not be known yet. `of_other_row`: what comes in was known when another row was predicted.
    """

    late: Late
    lets_in: str
    edges: tuple[Edge, ...]
    of_other_row: bool = False

    @property
    def is_aggregated(self) -> bool:
        """Return whether values of several rows go into one."""
        return any(edge.how == AGGREGATED for edge in self.edges)

    def found_by(self, clock: Clock) -> list[Place]:
        """Return the columns by which rows are looked for that may be other ones than the row of the prediction."""
        every = (move for edge in self.edges for move in moves(edge.conditions) if not clock.is_own(move))
        return sorted({place for move in every for place in move.earlier})

    def is_of_row(self, clock: Clock) -> bool:
        """Return whether it is the row's own value that comes in, whatever the row itself is compared with."""
        if self.is_aggregated or self.lets_in != ANYTHING:
            return False
        return all(_is_of_row(each, clock) for edge in self.edges for each in edge.conditions)


def _is_of_row(each: Condition | OneOf, clock: Clock) -> bool:
    if isinstance(each, OneOf):
        return False
    return clock.is_own_row(each) if each.kind in MOVES else each.same_row or each.kind == BESIDE


def open_ways(lineage: Lineage, starts: Iterable[Place], late: Late, clock: Clock) -> dict[Place, OpenWay]:
    """Return for each column the way on which a column that is known later comes into it, if there is one."""
    moments = frozenset(copy for moment in late.moments for copy in copies(lineage, moment))
    below = descendants(lineage, [late.place])
    knowledge = Knowledge(telling(lineage, {late.place} | moments, below), moments, clock)
    certain, every = _Search(lineage, knowledge, (AHEAD,)), _Search(lineage, knowledge, MOVES)
    tries = [(certain, ANYTHING, ANYTHING), (every, ANYTHING, OTHER)]
    if clock.delayed or late.moments:
        tries.append((every, EARLIER, EARLIER))
    found = {}
    for start in starts:
        for search, least, lets_in in tries:
            way = _shortest(lineage, start, late.place, below, search.step(least))
            if way is not None:
                of_other_row = lets_in != EARLIER and search.is_of_other_row(way)
                found[start] = OpenWay(late, lets_in, search.opened(way), of_other_row)
                break
    return found


class _Search:
    """Tells which edges a late column comes along, given what is known of the rows that receive it.

    `leaving` are the kinds of moves that are taken to lead away from the row of the prediction, to a later one.
    A value that comes in until the moment of another row, such as a day of a calendar, is known at the prediction if
    that row is let in by that moment only before it. Conditions stand in the order in which values meet them, and one
    is noted only where its moment is of the value's row: so a later one is about the row that the one before let in.
    """

    def __init__(self, lineage: Lineage, knowledge: Knowledge, leaving: Sequence[str]) -> None:
        self._lineage, self._knowledge = lineage, knowledge
        self._ranks = Ranks(
            lambda each, here: STRICTNESS.index(let_in(each, knowledge, here=here)),
            lambda each: each.kind in leaving and not knowledge.is_kept(each),
        )
        self._left: dict[tuple[OneOf, frozenset[End], Passed, int], tuple[frozenset[End], Passed]] = {}

    def step(self, least: str) -> Step:
        """Return how an edge is taken that lets in no less than `least`: what is passed then, None where it is shut."""

        def step(edge: Edge, passed: Passed) -> Passed | None:
            found = self._through(edge, passed, STRICTNESS.index(least))
            return None if found is None else self._of_node(found, edge.from_node)

        return step

    def opened(self, way: Iterable[Edge]) -> tuple[Edge, ...]:
        """Return edges with the conditions of the way that lets in most."""
        return tuple(replace(each, condition=self._text(each)) for each in way)

    def _text(self, edge: Edge) -> str | None:
        """Write the conditions of an edge on the way that lets in most, and what leads to other rows."""
        loosest = self._ranks.loosest(edge.conditions)
        shown = (each for each in loosest if each.kind not in MOVES or not self._knowledge.is_kept(each))
        return text_of(tuple(shown), moves=True)

    def is_of_other_row(self, way: Iterable[Edge]) -> bool:
        """Return whether a way would let in less if all rows on it were the row of the prediction."""
        staying = Ranks(lambda each, _: STRICTNESS.index(let_in(each, self._knowledge)))
        return any(staying.of(each.conditions) < STRICTNESS.index(ANYTHING) for each in way)

    def _through(self, edge: Edge, passed: Passed, least: int) -> Passed | None:
        """Return what is known of the row of the parent that an edge takes its value from; None where it is shut."""
        beside = [each for each in passed if isinstance(each, Beside)]
        conditions = self._knowledge.clock.seen_from_row(edge, beside)
        found = self._along(conditions, frozenset({(2, HERE in passed)}), passed, least)
        if found is None:
            return None
        ends, passed = found
        return passed if all(at for _, at in ends) else passed - {HERE}

    def _along(
        self, conditions: Conditions, ends: frozenset[End], passed: Passed, least: int
    ) -> tuple[frozenset[End], Passed] | None:
        """Return how conditions are left, and what is known of the row then; None where they let in less than `least`.

        What a condition places before a moment that is passed is passed itself, until the way goes on to another row.
        """
        since: Passed = frozenset()
        for each in reversed(conditions):
            here = all(at for _, at in ends)
            if isinstance(each, OneOf) and passed - {HERE}:
                ends, passed = self._along_one_of(each, ends, passed | since, least)
            else:
                there = passed | since
                there = there.union(*(self._of_node(there, node) for node, _ in _later(each))) - {HERE}
                ends = frozenset(
                    (min(rank, more), at) for rank, was in ends for more, at in self._ends(each, there, was)
                )
                if not isinstance(each, OneOf) and each.kind in MOVES:
                    since = frozenset()
                passed |= _beside(each) | (self._before_prediction(each) if here else frozenset())
                since |= _before_passed(each, there, self._knowledge)
            ends = frozenset(end for end in ends if end[0] >= least)
            if not ends:
                return None
        return ends, passed | since

    def _along_one_of(
        self, each: OneOf, ends: frozenset[End], passed: Passed, least: int
    ) -> tuple[frozenset[End], Passed]:
        """Return the same of several ways: how any is left, and what is known on all."""
        key = each, ends, passed, least
        if key not in self._left:
            ways = [way for way in (self._along(way, ends, passed, least) for way in each.ways) if way is not None]
            known = frozenset.intersection(*(known for _, known in ways)) if ways else passed
            self._left[key] = frozenset().union(*(ends for ends, _ in ways)), known
        return self._left[key]

    def _ends(self, each: Condition | OneOf, there: Passed, here: bool) -> Iterable[End]:
        if isinstance(each, OneOf) or each.kind in (*MOVES, BESIDE) or not there:
            return self._ranks.end(each, here)
        return ((STRICTNESS.index(let_in(each, self._knowledge, there, here)), here),)

    def _before_prediction(self, each: Condition | OneOf) -> Passed:
        """Return the moment that a condition places before the prediction."""
        if (
            isinstance(each, OneOf)
            or len(each.earlier) != 1
            or kind_of(each, self._knowledge) not in (GAP, BEFORE, UNTIL)
        ):
            return frozenset()
        return frozenset(each.earlier if each.later and self._knowledge.clock.at_prediction(each.later) else ())

    def _of_node(self, passed: Passed, node: str) -> Passed:
        found: set[Place | Beside] = set()
        for each in passed:
            if isinstance(each, Beside):
                earlier, later = self._above(each.earlier, node), self._above(each.later, node)
                if earlier is not None and later is not None:
                    found.add(Beside(earlier, later))
            elif each == HERE:
                found.add(each)
            elif (above := self._above(each, node)) is not None:
                found.add(above)
        return frozenset(found)

    def _above(self, place: Place, node: str) -> Place | None:
        """Return a moment of a row as a node has it: the column itself, or the one there that alone makes it.

        None where it comes from elsewhere: it may be of another row than what comes from that node.
        """
        if place[0] == node:
            return place
        of = {(each.from_node, each.from_column) for each in self._lineage.edges_of(*place)}
        sole = next(iter(of)) if len(of) == 1 and self._lineage.is_told(*place) else None
        return sole if sole is not None and sole[0] == node else None


def _before_passed(each: Condition | OneOf, passed: Passed, knowledge: Knowledge) -> Passed:
    """Return the moment that a condition places before one that is passed."""
    if isinstance(each, OneOf) or len(each.earlier) != 1 or not each.later or not passed.issuperset(each.later):
        return frozenset()
    return frozenset(each.earlier if kind_of(each, knowledge) in (GAP, BEFORE, UNTIL) else ())


def _beside(each: Condition | OneOf) -> Passed:
    """Return the two moments of a row that a condition compares."""
    if isinstance(each, OneOf) or each.kind != BESIDE or len(each.earlier) != 1 or len(each.later) != 1:
        return frozenset()
    return frozenset({Beside(each.earlier[0], each.later[0])})


def _later(each: Condition | OneOf) -> Iterable[Place]:
    return () if isinstance(each, OneOf) else each.later


def _shortest(
    lineage: Lineage, start: Place, end: Place, among: frozenset[Place], step: Step
) -> tuple[Edge, ...] | None:
    """Return a shortest way on which no edge is shut, given what is known of the rows that the way comes from.

    A column is looked at again where less is known of its row than before, since more ways may be open then.
    """
    first = frozenset({HERE})
    queue: list[tuple[Place, Passed, tuple[Edge, ...]]] = [(start, first, ())] if start in among else []
    seen: dict[Place, list[Passed]] = {start: [first]}
    for at, passed, way in queue:
        if at == end:
            return way
        for edge in lineage.edges_of(*at):
            place = (edge.from_node, edge.from_column)
            more = step(edge, passed) if place in among else None
            if more is None:
                continue
            if len(seen.get(place, ())) >= MOST_PASSED:
                more &= first  # to know less opens ways only, and sets of all kinds would be too many
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

    ranks = Ranks(lambda each, _: int(not is_after(each)))

    def step(edge: Edge, passed: Passed) -> Passed | None:
        return passed if ranks.of(edge.conditions) else None

    way = _shortest(lineage, start, end, descendants(lineage, [end]), step)
    return frozenset(moments) if way is None else frozenset()


def in_words(way: Iterable[Edge], titles: Mapping[str, str]) -> str:
    """Write a way as a sentence's part: each step's column, and how it came from the next."""
    steps = [f"{titles.get(each.node, each.node)}.{each.column} ({_step(each)})" for each in way]
    return " from ".join(steps)


def _step(edge: Edge) -> str:
    return edge.how if edge.condition is None else f"{edge.how} by {edge.condition}"
