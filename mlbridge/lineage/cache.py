"""What earlier traces found, node by node, so that only what changed is read again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from mlbridge.lineage.graph import Condition, Conditions, Edge, OneOf, Relation, one_of, text_of
from mlbridge.lineage.moments import Rank, Shift
from mlbridge.lineage.reading import Reading
from mlbridge.typing import Json
from mlbridge.version import __version__

FORMAT = 6


class Cache:
    """What was read of nodes by what it depends on: SQL, dialect, columns, and those of the parents with their shifts.

    A file that cannot be read, or of another format, counts as empty. Nothing is kept that the last trace did not use.
    """

    def __init__(self, file: Path | None = None) -> None:
        """Read a file, which need not exist; None keeps what is found in memory only."""
        self._file = file
        self._versions = (FORMAT, __version__, version("sqlglot"))
        self._stored: dict[str, Json] = {}
        self._used: dict[str, Json] = {}
        with suppress(OSError, ValueError, AttributeError, TypeError, KeyError):
            found = json.loads(file.read_text()) if file is not None else {}
            self._stored = dict(found["nodes"]) if found.get("format") == FORMAT else {}

    def key(self, node: Relation, dialect: str, parents: Iterable[tuple[Relation, Reading]]) -> str:
        """Return what a node's lineage depends on, as one text; parents are given with what was read of them."""
        known = [(each.id, each.place, read.columns, read.shifts, read.bounds) for each, read in parents]
        facts = [self._versions, dialect, node.id, node.sql, list(node.columns), known]
        return hashlib.md5(json.dumps(facts).encode(), usedforsecurity=False).hexdigest()

    def get(self, key: str) -> Reading | None:
        """Return what was read of a node, None where it must be read."""
        found = self._used.get(key) or self._stored.get(key)
        if found is None:
            return None
        try:
            conditions = _read(found["conditions"])
            edges = [_edge(each, conditions) for each in found["edges"]]
            columns = tuple(map(str, found["columns"]))
            shifts = {str(name): _shift(each) for name, each in found["shifts"].items()}
            bounds = {str(name): list(each) for name, each in found["bounds"].items()}
            branches = tuple({str(name): _pairs(of) for name, of in each.items()} for each in found["branches"])
        except (AttributeError, ValueError, TypeError, KeyError, IndexError):
            return None
        self._used[key] = found
        return Reading(edges, columns, shifts, branches, bounds)

    def put(self, key: str, read: Reading) -> None:
        """Keep what was read of a node."""
        conditions: dict[Condition | OneOf, int] = {}
        rows = []
        for each in read.edges:
            what = (each.node, each.column, each.from_node, each.from_column, each.how, each.certainty, each.is_part)
            rows.append([*what, _indices(each.conditions, conditions)])
        listed = [_written(each, conditions) for each in tuple(conditions)]
        self._used[key] = {
            "columns": read.columns, "conditions": listed, "edges": rows, "shifts": read.shifts,
            "branches": read.branches, "bounds": read.bounds,
        }  # fmt: skip

    def save(self) -> None:
        """Write what the trace used, in place of the file at once; where nothing may be written, nothing is kept."""
        if self._file is None or self._used.keys() == self._stored.keys():
            return
        fresh = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        with suppress(OSError):
            fresh.write_text(json.dumps({"format": FORMAT, "nodes": self._used}))
            fresh.replace(self._file)


def _indices(held: Conditions, known: dict[Condition | OneOf, int]) -> list[int]:
    """Return the places of conditions in a list, to which they are added after those that they are made of."""
    for each in held:
        if each not in known:
            for way in each.ways if isinstance(each, OneOf) else ():
                _indices(way, known)
            known[each] = len(known)
    return [known[each] for each in held]


def _written(each: Condition | OneOf, known: dict[Condition | OneOf, int]) -> Json:
    if isinstance(each, OneOf):
        return [[known[part] for part in way] for way in each.ways]
    return [each.text, each.kind, each.earlier, each.later, each.plain, each.same_row, each.compared]


def _read(listed: Iterable[Json]) -> list[Condition | OneOf]:
    found: list[Condition | OneOf] = []
    for each in listed:
        if isinstance(each[0], list):
            (one,) = one_of(tuple(found[index] for index in way) for way in each)
            found.append(one)
        else:
            text, kind, earlier, later, plain, same_row, compared = each
            places = _pairs(earlier), _pairs(later)
            found.append(Condition(text, kind, *places, plain, bool(same_row), tuple(map(str, compared))))
    return found


def _edge(row: Iterable[Json], conditions: Sequence[Condition | OneOf]) -> Edge:
    node, column, parent, origin, how, certainty, is_part, indices = row
    held = tuple(conditions[index] for index in indices)
    return Edge(node, column, parent, origin, how, certainty, text_of(held), held, bool(is_part))


def _shift(found: Sequence[Json]) -> Shift:
    shift = Shift(*found)
    if shift.rank is None:
        return shift
    order, within, backwards = shift.rank
    return shift._replace(rank=Rank(_pairs(order), _pairs(within), bool(backwards)))


def _pairs(found: Iterable[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((str(node), str(column)) for node, column in found)
