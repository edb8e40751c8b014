"""The versions in use, published for `mlbridge serve` in a build's folder.

    serving.json                     what is there: version and checksum by model, or version and why it `failed`
    <model>.version                  the row of the logbook, with its artifact, as Parquet
    <model>.background               training rows as the version's inputs, at most `BACKGROUND_ROWS`, as Parquet
    <model>.challenger.version       the same of the challenger, where the spec lets it score in shadow or answer a
    <model>.challenger.background    share of the requests; `beside` in the index says which

A version that the build before had published as well is taken over from there, so that a build with nothing to do
writes nothing anew.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlglot import exp

from mlbridge.engines.warehouse import Warehouse, column
from mlbridge.log import info
from mlbridge.typing import Document, Row

INDEX, FORMAT = "serving.json", 1
ENDS = ("version", "background")
# What a background is chosen by, and what tells versions apart.
FACTS = ("version", "artifact_sha256", "features", "spec", "train_from", "train_to")


@dataclass(frozen=True)
class Branch:
    """Where a model's split and logbook are (database, schema, name)."""

    split: Sequence[str]
    logbook: Sequence[str]


# Gives the query of a version's background from the table of its split and its row of the logbook.
Background = Callable[[exp.Table, Row], exp.Select]


@dataclass(frozen=True)
class _Places:
    """Where the versions of a model are read, and written: `former` is the folder of the build before."""

    warehouse: Warehouse
    branch: Branch
    background: Background
    place: Path
    former: Path | None


def publish_versions(
    warehouse: Warehouse,
    champions: Sequence[str],
    branches: Mapping[str, Branch],
    background: Background,
    place: Path,
    former: Path | None,
) -> None:
    """Write the versions in use into a build's new folder; `former` is that of the build before.

    `champions` is where `ml_champions` is; where it cannot be read nothing is written: servers keep what they have.
    Of a model whose version cannot be read only the number and the reason are published; both are logged.
    """
    # All columns: of a table that an earlier mlbridge built, without challengers, versions are published as well.
    query = (
        exp.select("*")
        .from_(_table(champions))
        .where(exp.column("model").is_(exp.null()).not_(), exp.column("version").is_(exp.null()).not_())
    )
    index: dict[str, Document] = {}
    before = _of_former(former)
    try:
        in_use = warehouse.rows(query)
    except warehouse.error as error:  # it is not built yet, or a build failed before it came to it
        info("publish", f"no versions are published for serving, because those in use cannot be read: {error}")
        return
    for row in in_use:
        branch = branches.get(row["model"])
        if branch is None:
            continue
        model, places = row["model"], _Places(warehouse, branch, background, place, former)
        known = before.get(model, {})
        index[model] = _attempt(places, model, row["version"], known)
        if row.get("challenger") is not None and (row["shadow"] or row["canary"]):
            found = _attempt(places, beside(model), row["challenger"], known.get("beside", {}))
            index[model]["beside"] = {**found, "shadow": row["shadow"], "canary": row["canary"]}
    (place / INDEX).write_text(json.dumps({"format": FORMAT, "models": index}), encoding="utf-8")


def read_index(place: Path) -> dict[str, Document]:
    """Return what is known of the published versions by model: `version`, and `sha256` or why it `failed`.

    `beside` is the same of a challenger that serves as well: with `shadow`, and `canary`, its share of the entities.

    It is empty where none are published. Raises OSError or ValueError for a file of another format or a damaged one.
    """
    file = place / INDEX
    if not file.is_file():
        return {}
    found = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("models"), dict):
        raise ValueError(f"{INDEX} is of another format than {FORMAT}, which this mlbridge reads and writes.")
    return dict(found["models"])


def file_of(place: Path, stem: str, end: str) -> Path:
    """Return the file of a `version` or `background` in a build's folder; `stem` is the model, or `beside` of it."""
    return place / f"{stem}.{end}"


def beside(model: str) -> str:
    """Return how the files of a model's challenger begin."""
    return f"{model}.challenger"


def _of_former(former: Path | None) -> Mapping[str, Document]:
    """Return what the build before has; what is damaged there is written anew here."""
    try:
        return {} if former is None else read_index(former)
    except (OSError, ValueError):
        return {}


def _attempt(places: _Places, stem: str, version: int, before: Document) -> Document:
    """Publish a version in files that begin with `stem`, if it can be read; returns its entry in the index."""
    try:
        return _published(places, stem, version, before)
    except (places.warehouse.error, LookupError) as error:
        info("publish", f"version {version} of {stem} is not published for serving: {error}")
        return {"version": version, "failed": str(error)}


def _published(places: _Places, stem: str, version: int, before: Document) -> Document:
    warehouse, branch, former = places.warehouse, places.branch, places.former
    logbook = _table(branch.logbook)
    same = column("version").eq(exp.Literal.number(version))
    condition = exp.and_(same, column("outcome").isin("promoted", "rejected"))
    rows = warehouse.rows(exp.select(*map(column, FACTS)).from_(logbook).where(condition))
    if not rows:
        raise LookupError("the logbook does not have it")
    entry = {"version": rows[0]["version"], "sha256": rows[0]["artifact_sha256"]}
    files = [file_of(places.place, stem, end) for end in ENDS]
    is_same = all(before.get(key) == value for key, value in entry.items())
    if former is not None and is_same and all((former / file.name).is_file() for file in files):
        for file in files:
            taken_over(former / file.name, file)
        return entry
    warehouse.export_rows(exp.select("*").from_(logbook.copy()).where(condition.copy()), files[0])
    try:
        warehouse.export_rows(places.background(_table(branch.split), rows[0]), files[1])
    except warehouse.error as error:  # the split has changed since the training
        info("publish", f"no rows are published to check and explain version {version} of {stem} by: {error}")
    return entry


def taken_over(file: Path, new: Path) -> None:
    """Give a published file a second name; where the file system has no such thing, copy it."""
    try:
        os.link(file, new)
    except OSError:
        shutil.copyfile(file, new)


def _table(place: Sequence[str]) -> exp.Table:
    database, schema, name = place
    return exp.table_(name, db=schema, catalog=database, quoted=True)
