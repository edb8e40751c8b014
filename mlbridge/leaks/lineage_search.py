"""The leak search by lineage: features that are computed from what is known only with the outcome, or later."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from mlbridge.leaks.catalogue import NONE, WARN, WITHHOLD, Suspicion, percent
from mlbridge.leaks.declared import Declared
from mlbridge.leaks.lineage_queries import RowQueries
from mlbridge.leaks.time_conditions import (
    ANYTHING,
    Clock,
    Late,
    OpenWay,
    Place,
    ancestors,
    copies,
    in_words,
    open_ways,
)
from mlbridge.lineage.graph import AGGREGATED, EVERY, FILTERED, Lineage
from mlbridge.spec.specification import Spec

# A moment that lies after the prediction in at most this share of the rows counts as known by then: clocks differ.
MAX_LATER_SHARE = 0.01
# Of the rows in which any column of the target is NULL, a column that is NULL in this share comes with the outcome.
MIN_NULL_SHARE = 0.5
LEVELS = (WITHHOLD, WARN, NONE)


@dataclass(frozen=True)
class LineageContext:
    """What the search works on: the columns of `node`, which the rows of a model are read from or copied from.

    `titles` names nodes for people, `unread` says of which nodes above the SQL is not known.
    """

    lineage: Lineage
    spec: Spec
    node: str
    features: Sequence[str]
    declared: Declared
    queries: RowQueries
    titles: Mapping[str, str]
    unread: Mapping[str, str]

    @cached_property
    def clock(self) -> Clock:
        """What the columns say about time."""
        delayed = self.spec.label_time not in (None, self.spec.time)
        return Clock(self.lineage, (self.node, self.spec.time), delayed, self._is_later)

    def _is_later(self, place: Place) -> bool | None:
        share = self.queries.share_later(place)
        return None if share is None else share > MAX_LATER_SHARE

    def named(self, place: Place) -> str:
        """Name a column for a sentence."""
        return f"{self.titles.get(place[0], place[0])}.{place[1]}"


def search_lineage(context: LineageContext) -> list[Suspicion]:
    """Return one suspicion a feature and check, with the way that shows why, or what was looked for in vain."""
    return [*_shared_with_target(context), *_known_later(context)]


def _shared_with_target(context: LineageContext) -> Iterator[Suspicion]:
    check = "shared_with_target"
    late, undecided = outcome_columns(context)
    ways = _ways(context, late)
    names = ", ".join(context.named(each.place) for each in late)
    for feature in context.features:
        found = ways.get((context.node, feature))
        if found is not None:
            of = context.named(found.late.place)
            way = in_words(found.edges, context.titles)
            level = WITHHOLD if found.lets_in == ANYTHING else WARN
            evidence = (
                f"it comes from {of}, which the target '{context.spec.target}' comes from: {way}; {_lacking(found)}"
            )
        elif not late:
            level, evidence = NONE, f"not decidable: {undecided}"
        else:
            level, evidence = NONE, f"nothing of {names} comes into it from its own row or later ones{_unread(context)}"
        yield Suspicion(feature, check, level, evidence)


def outcome_columns(context: LineageContext) -> tuple[list[Late], str]:
    """Return the columns that the target comes from and that are known only with it; if there is none, also why.

    What the time of the prediction or the key is computed from is known before. Of the others, those are known with the
    outcome that are NULL where the outcome is not known; if only one is left, it is.
    """
    lineage, spec, target = context.lineage, context.spec, (context.node, context.spec.target)
    origins = {(way.node, way.column) for way in lineage.upstream(*target)}
    if not origins:
        return [], f"the lineage does not say what the target '{spec.target}' comes from{_unread(context)}"
    before = ancestors(lineage, [(context.node, name) for name in (spec.time, *spec.entity)])
    left = sorted(origins - before)
    if len(left) > 1:
        left = [place for place in left if place in _with_outcome(context, left)]
    names = ", ".join(context.named(each) for each in sorted(origins))
    why = f"of {names}, which the target comes from, none is NULL where others are; say `known_at` of what comes late"
    moments = frozenset({(context.node, spec.label_time)}) if spec.label_time not in (None, spec.time) else frozenset()
    late = context.declared.late
    return [Late(*each, moments | (late[each].moments if each in late else frozenset())) for each in left], why


def _with_outcome(context: LineageContext, places: Iterable[Place]) -> set[Place]:
    """Return the columns that are NULL where any of the target's columns of the same node is."""
    by_node = defaultdict(list)
    for node, name in places:
        by_node[node].append(name)
    found = set()
    for node, names in by_node.items():
        shares = context.queries.null_shares(node, names) or {}
        found |= {(node, name) for name, share in shares.items() if share >= MIN_NULL_SHARE}
    return found


def _known_later(context: LineageContext) -> Iterator[Suspicion]:
    check = "known_later"
    ways = defaultdict(list)
    for late in context.declared.late.values():
        for start, found in _open_ways(context, late).items():
            ways[start].append(found)
    for feature in context.features:
        suspicions = [_declared_later(context, check, feature, found) for found in ways[context.node, feature]]
        nothing = "none of what it comes from is declared as known later" + _unread(context)
        suspicions.append(Suspicion(feature, check, NONE, nothing))
        yield min(suspicions, key=lambda each: LEVELS.index(each.level))


def _declared_later(context: LineageContext, check: str, feature: str, found: OpenWay) -> Suspicion:
    """Judge a feature by the rows: whether what comes into it is known only after the prediction."""
    of, way = context.named(found.late.place), in_words(found.edges, context.titles)
    (moment,) = found.late.moments
    start = f"it comes from {of}, which is known at {context.named(moment)}: {way}"
    if found.lets_in != ANYTHING:
        return Suspicion(feature, check, WARN, f"{start}; {_lacking(found)}")
    if found.is_aggregated and not _by_entity(context, found):
        return Suspicion(feature, check, WITHHOLD, f"{start}; {_lacking(found)}")
    share = context.queries.share_later(moment)
    if share is None:
        asked = "no table has both that moment and the key, so it cannot be compared with the prediction's row by row"
        return Suspicion(feature, check, WARN, f"{start}; {asked}")
    level = WITHHOLD if share > MAX_LATER_SHARE else NONE
    lies = f"'{moment[1]}' lies after '{context.spec.time}' in {percent(share)} of the rows"
    return Suspicion(feature, check, level, f"{start}; {lies}")


def _by_entity(context: LineageContext, found: OpenWay) -> bool:
    """Return whether each step that aggregates does so within the entity."""
    same = {place for name in context.spec.entity for place in copies(context.lineage, (context.node, name))}
    for edge in found.edges:
        if edge.how == AGGREGATED:
            above = context.lineage.above
            beside = [*above.get((edge.node, edge.column), ()), *above.get((edge.node, EVERY), ())]
            if not any(each.how == FILTERED and (each.from_node, each.from_column) in same for each in beside):
                return False
    return True


def _ways(context: LineageContext, late: Iterable[Late]) -> dict[Place, OpenWay]:
    """Return for each feature the worst way on which one of several columns comes into it."""
    found: dict[Place, OpenWay] = {}
    for each in late:
        for start, way in _open_ways(context, each).items():
            if start not in found or (way.lets_in == ANYTHING and found[start].lets_in != ANYTHING):
                found[start] = way
    return found


def _open_ways(context: LineageContext, late: Late) -> dict[Place, OpenWay]:
    starts = [(context.node, name) for name in context.features]
    return open_ways(context.lineage, starts, late, context.clock)


def _lacking(found: OpenWay) -> str:
    """Say what is missing on a way."""
    if found.lets_in != ANYTHING:
        return (
            "only earlier rows come in, but what they hold may not be known yet: order or compare by the moment at "
            "which it is known, or leave a gap"
        )
    if not found.is_aggregated:
        return "no time condition on the way lets only earlier rows in"
    return (
        "it is aggregated over rows of any time: let only those in that were known by then, such as `where known_at <= "
        "predicted_at` or a window that ends before the row"
    )


def _unread(context: LineageContext) -> str:
    names = ", ".join(context.titles.get(id_, id_) for id_ in context.unread)
    return f"; not looked at: {names}" if names else ""
