"""What a build publishes for `mlbridge serve`, from a branch without dbt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from branch import NAME, Branch

import mlbridge
from mlbridge.engines.warehouse import Warehouse
from mlbridge.publication.folder import Facts, current_build, new_build
from mlbridge.publication.versions import Branch as Places
from mlbridge.publication.versions import publish_versions
from mlbridge.serving.publishing import background_of

# Features of every type that JSON has a word for, or needs one of its own.
TYPED = {
    "whole": "cast(i % 7 as integer)",
    "flag": "i % 5 < 2",
    "day": "date '2024-01-01' + cast(i % 40 as integer)",
    "moment": "timestamp '2024-01-01 00:00:00.25' + to_minutes(i * 7)",
    "zoned": "timestamptz '2024-01-01 00:00:00+00' + to_minutes(i * 11)",
    "small": "cast(x + other as float)",
    "price": "cast(round(abs(x) * 10, 2) as decimal(9, 2))",
    "gaps": "case when i % 4 > 0 then other end",
}


def served_branch(candidate: str = "hist_gradient_boosting", **spec: Any) -> Branch:
    """Train a first version on features of many types, and score."""
    branch = Branch(TYPED, candidates=[candidate], **spec)
    branch.train()
    branch.predict()
    return branch


def publish(
    branch: Branch,
    folder: Path,
    version: int | None = 1,
    champions: str | None = None,
    challenger: int | None = None,
    shadow: bool = False,
    canary: float = 0,
) -> Path:
    """Publish a version as the one in use, or what a query gives as these; returns the build's folder."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    warehouse = folder.parent / "warehouse"
    warehouse.touch()
    champion = "null" if version is None else version
    beside = f"cast({'null' if challenger is None else challenger} as int) as challenger, {shadow} as shadow"
    chosen = champions or (
        f"select '{NAME}' as model, cast({champion} as int) as version, {beside}, cast({canary} as double) as canary"
    )
    branch.execute(f"create or replace table champions as {chosen}")
    there = "memory", "main"
    places = {NAME: Places((*there, f"{NAME}_split"), (*there, f"{NAME}_training"))}
    with new_build(folder, warehouse) as place:
        former = current_build(folder)
        publish_versions(Warehouse(branch.connection), (*there, "champions"), places, background_of, place, former)
        Facts.now("a build", "2024-03-01 00:00:00", mlbridge.__version__, ()).write(place)
    return place


def rows_of(branch: Branch, where: str = "true") -> list[dict[str, Any]]:
    """Give rows of the split as JSON has them: features, entity and time."""
    there = branch.rows(f"from {NAME}_split limit 1")[0]
    names = [each for each in ("id", "at", "x", "carrier", *TYPED) if each in there]
    listed = ", ".join(f'"{name}"' for name in names)
    found = branch.rows(f"select {listed} from {NAME}_split where {where} order by id")
    return list(json.loads(json.dumps(found, default=_as_json)))


def tensors(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give rows as tensors of their features."""
    types = {"whole": "INT64", "flag": "BOOL", "x": "FP64", "small": "FP64", "price": "FP64", "gaps": "FP64"}
    names = [name for name in rows[0] if name not in ("id", "at")]
    return [
        {
            "name": name,
            "shape": [len(rows), 1],
            "datatype": types.get(name, "BYTES"),
            "data": [row[name] for row in rows],
        }
        for name in names
    ]


def _as_json(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else float(value)
