"""Sets of columns of a lineage: those that a column is a copy of, is made of, or goes into."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from mlbridge.lineage.graph import AGGREGATED, COPIED, Edge, Lineage

Place = tuple[str, str]  # the id of a node, and a column


def sole_origins(lineage: Lineage, place: Place) -> Iterator[Place]:
    """Yield what a column is made of as long as that is one column alone, row by row, up to its source."""
    at = place
    while True:
        edges = {(e.from_node, e.from_column): e for e in lineage.edges_of(*at)}
        if len(edges) != 1:
            return
        (at,), (edge,) = edges, edges.values()
        if edge.how == AGGREGATED or edge.condition is not None:
            return
        yield at


def copies(lineage: Lineage, place: Place, of_branches: bool = True) -> frozenset[Place]:
    """Return a column with those that it is a copy of, and their copies: those that are copies in each of their rows.

    Where it is a union, it is a copy of the column that each branch takes, but none of them has all its values: they
    are left out without `of_branches`.
    """

    def above(at: Place) -> Iterator[Place]:
        edges = tuple(lineage.edges_of(*at))
        if of_branches or (lineage.is_told(*at) and len({(each.from_node, each.from_column) for each in edges}) == 1):
            yield from ((each.from_node, each.from_column) for each in edges if _is_copy(each))

    up = _closure({place}, above)
    return _made_alone(lineage, up, lambda edge: _is_copy(edge) and lineage.is_told(edge.node, edge.column))


def made_of(lineage: Lineage, places: Iterable[Place]) -> frozenset[Place]:
    """Return columns with all that is made of them alone, in each of their rows, in a way that was read."""
    return _made_alone(lineage, places, lambda edge: lineage.is_told(edge.node, edge.column))


def holding(lineage: Lineage, place: Place) -> frozenset[Place]:
    """Return the copies of a column with what is computed of one in the same row, and not of a part of its value.

    Such is the hash of a key, but not its first letters. A part of what was computed may be the whole value, such as a
    key that a prefix is taken off again.
    """

    def below(at: Place) -> Iterator[Place]:
        found = (each for each in lineage.below.get(at, ()) if each.is_value and each.how != AGGREGATED)
        return ((each.node, each.column) for each in found if not (each.is_part and at in same))

    same = copies(lineage, place)
    return _closure(same, below)


def is_sure(lineage: Lineage, place: Place, declared: frozenset[Place]) -> bool:
    """Return whether a column is made, in ways that were read, of columns of sources or of declared ones alone."""
    seen = {place}
    queue = [place]
    for at in queue:
        if at in declared:
            continue
        above = {(each.from_node, each.from_column) for each in lineage.edges_of(*at)}
        if above and not lineage.is_told(*at):
            return False
        queue += above - seen
        seen |= above
    return True


def telling(lineage: Lineage, places: Iterable[Place], late: frozenset[Place]) -> frozenset[Place]:
    """Return columns that say when something is known: what is made of such columns alone says it, too.

    Of a union that holds in the branches which `late` columns come into; what places the rows of others is not asked.
    """
    found = made_of(lineage, places)
    while True:
        more = {
            (node, column)
            for node, branches in lineage.branches.items()
            if (carrying := [each for each in branches if any(late.intersection(of) for of in each.values())])
            for column in carrying[0]
            if all(each[column] and found.issuperset(each[column]) for each in carrying)
        }
        if more <= found:
            return found
        found = made_of(lineage, found | more)


def _made_alone(lineage: Lineage, places: Iterable[Place], counts: Callable[[Edge], bool]) -> frozenset[Place]:
    found = set(places)

    def below(at: Place) -> Iterator[Place]:
        for each in lineage.below.get(at, ()):
            of = tuple(lineage.edges_of(each.node, each.column)) if each.is_value else ()
            if of and all(counts(edge) and (edge.from_node, edge.from_column) in found for edge in of):
                found.add((each.node, each.column))
                yield each.node, each.column

    return _closure(found, below)


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
