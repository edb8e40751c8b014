"""What earlier traces found, node by node, so that only what changed is read again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from mlbridge.lineage.graph import Condition, Edge, Relation
from mlbridge.typing import Json
from mlbridge.version import __version__

FORMAT = 1


class Cache:
    """Edges and columns of nodes by what they depend on: SQL, dialect, columns, and those of the parents.

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

    def key(self, node: Relation, dialect: str, parents: Iterable[tuple[Relation, tuple[str, ...]]]) -> str:
        """Return what a node's lineage depends on, as one text; parents are given with their columns."""
        known = [(each.id, each.place, columns) for each, columns in parents]
        facts = [self._versions, dialect, node.id, node.sql, list(node.columns), known]
        return hashlib.md5(json.dumps(facts).encode(), usedforsecurity=False).hexdigest()

    def get(self, key: str) -> tuple[list[Edge], tuple[str, ...]] | None:
        """Return the edges and columns of a node, None where they must be read."""
        found = self._used.get(key) or self._stored.get(key)
        if found is None:
            return None
        try:
            conditions = [Condition(text, kind, _pairs(a), _pairs(b)) for text, kind, a, b in found["conditions"]]
            edges = [
                Edge(node, column, parent, origin, how, certainty, text, tuple(conditions[index] for index in indices))
                for node, column, parent, origin, how, certainty, text, indices in found["edges"]
            ]
            columns = tuple(map(str, found["columns"]))
        except (ValueError, TypeError, KeyError, IndexError):
            return None
        self._used[key] = found
        return edges, columns

    def put(self, key: str, edges: Iterable[Edge], columns: tuple[str, ...]) -> None:
        """Keep the edges and columns of a node."""
        conditions: dict[Condition, int] = {}
        rows = []
        for each in edges:
            indices = [conditions.setdefault(condition, len(conditions)) for condition in each.conditions]
            what = (each.node, each.column, each.from_node, each.from_column, each.how, each.certainty)
            rows.append([*what, each.condition, indices])
        listed = [[each.text, each.kind, each.earlier, each.later] for each in conditions]
        self._used[key] = {"columns": columns, "conditions": listed, "edges": rows}

    def save(self) -> None:
        """Write what the trace used, in place of the file at once; where nothing may be written, nothing is kept."""
        if self._file is None or self._used.keys() == self._stored.keys():
            return
        fresh = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        with suppress(OSError):
            fresh.write_text(json.dumps({"format": FORMAT, "nodes": self._used}))
            fresh.replace(self._file)


def _pairs(found: Iterable[Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((str(node), str(column)) for node, column in found)
