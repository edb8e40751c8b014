"""`mlbridge impact`: which models' features a change of the project touches."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlbridge.engines.warehouse import Place
from mlbridge.errors import SetupError, few
from mlbridge.lineage.cache import Cache
from mlbridge.lineage.changes import Change, changes
from mlbridge.lineage.graph import EVERY
from mlbridge.lineage.nodes import is_read_off_sql, uncompiled
from mlbridge.lineage.project_lineage import CACHE, ProjectLineage, compiled_manifest, stored_columns, traced
from mlbridge.monitor.markdown import table, text
from mlbridge.project.project import Project
from mlbridge.typing import Document, Row

MOST_SHOWN = 12  # columns of a node in the table of changes


@dataclass(frozen=True)
class Touched:
    """A model that a change reaches: features whose values are computed otherwise, and those whose rows may differ."""

    model: str
    features: tuple[str, ...]
    features_by_rows: tuple[str, ...]
    of: int  # how many features the model has

    @property
    def by_rows(self) -> str:
        """Return the features whose rows may differ in words."""
        every = len(self.features) + len(self.features_by_rows) == self.of
        if every and len(self.features_by_rows) > MOST_SHOWN:
            return f"all {len(self.features_by_rows)} others" if self.features else f"all {self.of}"
        return few(self.features_by_rows, MOST_SHOWN) or "none"


@dataclass(frozen=True)
class Impact:
    """What a change touches: the nodes that differ, the other nodes whose columns do, and the models.

    `unread` names nodes whose SQL could not be read, with the reason.
    """

    changes: tuple[Change, ...]
    reached: Mapping[str, tuple[str, ...]]
    models: tuple[Touched, ...]
    unread: Mapping[str, str]


def impact(project: Project, state: Path) -> Impact:
    """Compare a project with the manifest of an earlier state; `state` is the target folder of a `dbt compile` of it.

    Columns of models are read off the SQL of each state, because the warehouse has only one of them. Raises SetupError
    if there is no such manifest, or one without compiled code.
    """
    (stored, why), manifest = stored_columns(project), compiled_manifest(project)
    earlier, cache = _manifest(state), Cache(state / CACHE)
    before = traced(earlier, _without_models(stored, earlier), why, cache)
    return compare(before, traced(manifest, _without_models(stored, manifest), why, cache))


def compare(before: ProjectLineage, now: ProjectLineage) -> Impact:
    """Return what differs between two states of a project, and what depends on it."""
    found = changes(before, now)
    values: dict[tuple[str, str], None] = {}
    rows: dict[tuple[str, str], None] = {}
    for each in found:
        known = before if each.kind == "removed" else now
        starts = [(each.node, column) for column in each.columns]
        for start in starts:
            for state in (before, now) if each.kind == "changed" else (known,):
                below = state.lineage.downstream(*start, influences=True, rows=False)
                values |= dict.fromkeys([start, *((way.node, way.column) for way in below)])
        for start in [*starts, *([(each.node, EVERY)] if each.rows else [])]:
            below = known.lineage.downstream(*start, influences=True)
            rows |= dict.fromkeys([start, *((way.node, way.column) for way in below)])
    changed = {each.node for each in found}
    reached: dict[str, list[str]] = {}
    for node, column in values:
        if node not in changed and now.titles.get(node) and now.nodes[node]["package_name"] != "mlbridge":
            reached.setdefault(now.titles[node], []).append(column)
    titles = {**before.titles, **now.titles}
    return Impact(
        tuple(Change(titles[each.node], each.kind, each.columns, each.rows, each.why) for each in found),
        {node: tuple(columns) for node, columns in reached.items()},
        tuple(_touched(before, now, values, rows)),
        {now.titles[node]: reason for node, reason in now.lineage.unread.items()},
    )


def _touched(
    before: ProjectLineage,
    now: ProjectLineage,
    values: Mapping[tuple[str, str], None],
    rows: Mapping[tuple[str, str], None],
) -> list[Touched]:
    """Return the models that are touched, those and their features included that are gone now."""
    found = []
    features: dict[tuple[str, str], dict[str, None]] = {}
    for model in (*now.models, *before.models):
        features.setdefault((model.name, str(model.nodes["split"])), {}).update(dict.fromkeys(model.features))
    for (name, split), every in features.items():
        of_values = tuple(each for each in every if (split, each) in values)
        all_rows = (split, EVERY) in rows
        of_rows = tuple(each for each in every if each not in of_values and (all_rows or (split, each) in rows))
        if of_values or of_rows:
            found.append(Touched(name, of_values, of_rows, len(every)))
    return found


def _manifest(state: Path) -> Document:
    file = state / "manifest.json"
    if not file.is_file():
        raise SetupError(
            f"'{file}' is not there. --state is the target folder of the state to compare with: check it out, run "
            "`dbt compile --target-path <folder>` there, and name that folder."
        )
    try:
        found: Document = json.loads(file.read_text())
    except ValueError as error:
        raise SetupError(f"'{file}' cannot be read: {error}. Run `dbt compile` for that state again.") from error
    if any(uncompiled(found)):
        raise SetupError(f"'{file}' has no compiled code. Run `dbt compile` for that state, not `dbt parse`.")
    return found


def _without_models(stored: Mapping[Place, Mapping[str, str]], manifest: Document) -> dict[Place, Mapping[str, str]]:
    """Return the columns of the warehouse without those of SQL models."""
    gone = {
        (str(node["database"]).lower(), str(node["schema"]).lower(), str(node["alias"]).lower())
        for node in manifest["nodes"].values()
        if is_read_off_sql(node)
    }
    return {place: columns for place, columns in stored.items() if place not in gone}


def rows_of(found: Impact) -> list[Row]:
    """Return a row per model for the table."""
    return [
        {
            "model": each.model,
            "features whose values change": ", ".join(each.features) or "none",
            "features whose rows may change": each.by_rows,
        }
        for each in found.models
    ]


def markdown(found: Impact) -> str:
    """Return the comment for a pull request."""
    if not found.changes:
        return "**mlbridge**: this change touches no column.\n"
    if not found.models:
        lines = [f"**mlbridge**: this change touches no feature of a model; {len(found.changes)} node(s) differ."]
    else:
        lines = ["**mlbridge**: this change touches features of models.", ""]
        rows = rows_of(found)
        lines.append(table(list(rows[0]), [[text(cell) for cell in row.values()] for row in rows]))
    changes = [
        [
            text(each.node),
            text(f"{each.kind} ({each.why})"),
            text(few(each.columns, MOST_SHOWN)) if each.columns else "",
            "may differ" if each.rows else "same",
        ]
        for each in found.changes
    ]
    lines += ["", "<details><summary>What differs</summary>", ""]
    lines += [table(["node", "what", "columns", "rows"], changes), "", "</details>"]
    lines += [f"\n{text(node)} could not be read: {text(why)}" for node, why in found.unread.items()]
    return "\n".join(lines) + "\n"
