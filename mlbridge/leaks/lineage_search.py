"""The leak search by lineage: features that are computed from what is known only with the outcome, or later."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from mlbridge.leaks.catalogue import NONE, UNDECIDED, WARN, WITHHOLD, Suspicion, percent
from mlbridge.leaks.column_sets import Place, ancestors, copies
from mlbridge.leaks.declared import Declared, personal
from mlbridge.leaks.lineage_queries import RowQueries
from mlbridge.leaks.open_ways import OpenWay, in_words, later_rows, open_ways
from mlbridge.leaks.time_conditions import ANYTHING, EARLIER, Clock, Late
from mlbridge.lineage.graph import AGGREGATED, EVERY, FILTERED, JOINED, Lineage, text_of
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
        key = tuple((self.node, name) for name in self.spec.entity)
        return Clock(
            self.lineage,
            (self.node, self.spec.time),
            delayed,
            self._is_later,
            self._is_time,
            key,
            self.queries.is_unique,
            self.queries.is_one_moment,
            self.queries.has_later,
        )

    def _is_later(self, place: Place) -> bool | None:
        share = self.queries.share_later(place)
        return None if share is None else share > MAX_LATER_SHARE

    def _is_time(self, place: Place) -> bool:
        share = self.queries.share_other(place)
        return share is not None and share <= MAX_LATER_SHARE

    def named(self, place: Place) -> str:
        """Name a column for a sentence."""
        return f"{self.titles.get(place[0], place[0])}.{place[1]}"


def search_lineage(context: LineageContext) -> list[Suspicion]:
    """Return one suspicion a feature and check, with the way that shows why, or what was looked for in vain."""
    return [*_shared_with_target(context), *_known_later(context), *_personal(context)]


def _shared_with_target(context: LineageContext) -> Iterator[Suspicion]:
    check = "shared_with_target"
    late, undecided = outcome_columns(context)
    ways = _ways(context, late)
    names = ", ".join(context.named(each.place) for each in late)
    for feature in context.features:
        nothing = f"nothing of {names} comes into it from its own row or later ones{unread(context)}"
        suspicions = []
        for found in ways[context.node, feature]:
            start = (
                f"it comes from {context.named(found.late.place)}, which the target '{context.spec.target}' comes from"
            )
            if found.late.of_label_time:
                # a comparison with a later moment is how one counts what is still open
                if found.is_of_row(context.clock):
                    suspicions.append(Suspicion(feature, check, WITHHOLD, _of_label_time(context, found)))
                continue
            if found.late.of_later_rows:
                suspicions.append(_by_rows(context, check, feature, found, f"{start}, of later rows"))
                continue
            level = WITHHOLD if found.lets_in == ANYTHING else WARN
            evidence = f"{start}: {in_words(found.edges, context.titles)}; {_lacking(context, found)}"
            suspicions.append(Suspicion(feature, check, level, evidence))
        suspicions.append(Suspicion(feature, check, NONE, nothing if late else f"{UNDECIDED}{undecided}"))
        yield min(suspicions, key=_badness)


def _of_label_time(context: LineageContext, found: OpenWay) -> str:
    origin, moment = context.named(found.late.place), context.spec.label_time
    return (
        f"it is computed from {origin}, from which the label time '{moment}' comes: that is known only with the "
        f"outcome: {in_words(found.edges, context.titles)}; leave it out, or declare `known_at` if it is known before"
    )


def _badness(each: Suspicion) -> int:
    return LEVELS.index(each.level)


def outcome_columns(context: LineageContext) -> tuple[list[Late], str]:
    """Return the columns that the target comes from and that are known only with it; if there is none, also why.

    What the time of the prediction or the key is computed from is known before. Of the others, those are known with the
    outcome that are NULL where the outcome is not known; if only one is left, it is. What the label time comes from is
    known with it where both are NULL in the source, too: a moment that is planned is there before.
    """
    spec = context.spec
    late = [_outcome_column(context, each) for each in sorted(_come_with_outcome(context, spec.target))]
    if spec.label_time is not None and _are_null_together(context, spec.target, spec.label_time):
        moments = frozenset({(context.node, spec.label_time)})
        more = _with_outcome(context, _left(context, spec.label_time)) - {each.place for each in late}
        late += [Late(*each, moments, of_label_time=True) for each in sorted(more)]
    origins = _origins(context, spec.target)
    names = ", ".join(context.named(each) for each in sorted(origins))
    why = f"of {names}, which the target comes from, none is NULL where others are; say `known_at` of what comes late"
    if not origins:
        why = f"the lineage does not say what the target '{spec.target}' comes from{unread(context)}"
    return late, why


def _origins(context: LineageContext, name: str) -> frozenset[Place]:
    """Return the columns that one of the model comes from in the end."""
    return frozenset((way.node, way.column) for way in context.lineage.upstream(context.node, name))


def _left(context: LineageContext, name: str) -> frozenset[Place]:
    """Return the columns that one comes from and that are not known with the time of the prediction or the key."""
    known = [(context.node, each) for each in (context.spec.time, *context.spec.entity)]
    return _origins(context, name) - ancestors(context.lineage, known)


def _come_with_outcome(context: LineageContext, name: str) -> frozenset[Place]:
    left = _left(context, name)
    return left & _with_outcome(context, left) if len(left) > 1 else left


def _are_null_together(context: LineageContext, *names: str) -> bool:
    shares = context.queries.null_shares(context.node, names)
    return shares is not None and min(shares.values()) >= MIN_NULL_SHARE


def _outcome_column(context: LineageContext, place: Place) -> Late:
    """Return a column that the target comes from, with the columns that say when it is known.

    If it is taken from later rows only, those that place the rows, since of the row itself it is known by then.
    """
    spec, late = context.spec, context.declared.late
    of_rows = later_rows(context.lineage, (context.node, spec.target), place)
    if of_rows:
        return Late(*place, of_rows, of_later_rows=True)
    moments = set(late[place].moments) if place in late else set()
    if spec.label_time is not None and spec.label_time != spec.time:
        moments.add((context.node, spec.label_time))
    return Late(*place, frozenset(moments))


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
    ways = _ways(context, context.declared.late.values())
    for feature in context.features:
        nothing = "none of what it comes from is declared as known later" + unread(context)
        suspicions = []
        for found in ways[context.node, feature]:
            (moment,) = found.late.moments
            start = f"it comes from {context.named(found.late.place)}, which is known at {context.named(moment)}"
            suspicions.append(_by_rows(context, check, feature, found, start))
        suspicions.append(Suspicion(feature, check, NONE, nothing))
        yield min(suspicions, key=_badness)


def _by_rows(context: LineageContext, check: str, feature: str, found: OpenWay, start: str) -> Suspicion:
    """Judge a feature by the rows: whether what comes into it is known only after the prediction."""
    start = f"{start}: {in_words(found.edges, context.titles)}"
    worst = WITHHOLD if found.lets_in == ANYTHING else WARN
    if found.lets_in == EARLIER or (found.is_aggregated and not _by_entity(context, found)):
        return Suspicion(feature, check, worst, f"{start}; {_lacking(context, found)}")
    by_time = f"'{context.spec.time}'"
    for moment in sorted(found.late.moments):
        share = context.queries.share_later(moment, of_entity=found.is_aggregated)
        if share is not None:
            lies = f"'{moment[1]}' lies after {by_time} in {percent(share)} of the rows"
            return Suspicion(feature, check, worst if share > MAX_LATER_SHARE else NONE, f"{start}; {lies}")
    if context.clock.at_prediction(found.late.moments):
        return Suspicion(feature, check, NONE, f"{start}; that is not later than {by_time}")
    asked = "no table has both that moment and the key, so it cannot be compared with the prediction's row by row"
    return Suspicion(feature, check, WARN, f"{start}; {asked}")


def _by_entity(context: LineageContext, found: OpenWay) -> bool:
    """Return whether each step that aggregates does so within the entity: grouped by it, and joined on nothing else."""
    same = {place for name in context.spec.entity for place in copies(context.lineage, (context.node, name))}
    above = context.lineage.above
    for edge in found.edges:
        if edge.how == AGGREGATED:
            beside = [*above.get((edge.node, edge.column), ()), *above.get((edge.node, EVERY), ())]
            grouped = {(each.from_node, each.from_column) for each in beside if each.how == FILTERED}
            joined = {(each.from_node, each.from_column) for each in beside if each.how == JOINED}
            if text_of(edge.conditions) is not None or not grouped & same or joined - same:
                return False
    return True


def _personal(context: LineageContext) -> Iterator[Suspicion]:
    check = "pii"
    for feature in context.features:
        way = personal(context.lineage, context.declared.pii, (context.node, feature))
        if way is None:
            yield Suspicion(feature, check, NONE, f"no column with `pii: true` comes into it{unread(context)}")
            continue
        origin = (way[-1].from_node, way[-1].from_column) if way else (context.node, feature)
        evidence = f"it comes from {context.named(origin)}, which is personal data"
        evidence += f": {in_words(way, context.titles)}" if way else ""
        yield Suspicion(feature, check, WITHHOLD, evidence, context.spec.allow_pii.get(feature))


def _ways(context: LineageContext, late: Iterable[Late]) -> Mapping[Place, Sequence[OpenWay]]:
    """Return for each feature the ways on which some columns come into it."""
    starts = [(context.node, name) for name in context.features]
    found: dict[Place, list[OpenWay]] = {start: [] for start in starts}
    for each in late:
        for start, way in open_ways(context.lineage, starts, each, context.clock).items():
            found[start].append(way)
    return found


def _lacking(context: LineageContext, found: OpenWay) -> str:
    """Say what is missing on a way."""
    if found.lets_in == EARLIER:
        return (
            "only earlier rows come in, but what they hold may not be known yet: order or compare by the moment at "
            "which it is known, or leave a gap"
        )
    if found.of_other_row and found.lets_in == ANYTHING:
        return "it was known only when a later row was predicted: take it from earlier rows, or from the row itself"
    if found.of_other_row:
        columns = ", ".join(map(context.named, found.found_by(context.clock)))
        by = f", one that is found by {columns}" if columns else ""
        return (
            f"it was known when another row was predicted{by}, and nothing says that this was not later: take it from "
            "rows of the same key or moment, or from earlier ones, by `lag` or `past.predicted_at <= predicted_at`"
        )
    if not found.is_aggregated:
        return "no time condition on the way lets only earlier rows in"
    return (
        "it is aggregated over rows of any time: let only those in that were known by then, such as `where known_at <= "
        "predicted_at` or a window that ends before the row"
    )


def unread(context: LineageContext) -> str:
    """Say which nodes above the model were not read; empty where all were."""
    names = ", ".join(context.titles.get(id_, id_) for id_ in context.unread)
    return f"; not looked at: {names}" if names else ""
