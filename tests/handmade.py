"""A published build made by hand: tables as the package's YAML declares them, filled with the rows of a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import yaml
from conftest import ROOT

from mlbridge.monitor import State, open_folder

Rows = list[dict[str, Any]] | pd.DataFrame


def declared() -> dict[str, dict[str, str]]:
    """Give the columns of each table of the package, with their types."""
    found = {}
    for path in sorted((ROOT / "models").glob("*/_*.yml")):
        for model in yaml.safe_load(path.read_text()).get("models", []):
            columns = {each["name"]: each["data_type"] for each in model.get("columns", []) if "data_type" in each}
            if columns:
                found[model["name"]] = columns
    return found


def published(folder: Path, **tables: Rows) -> State:
    """Publish a build; a table that is not given is empty, a column that rows do not have is NULL."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = declared()
    with duckdb.connect() as connection:
        for name, types in columns.items():
            said = ", ".join(f'"{column}" {type_}' for column, type_ in types.items())
            connection.execute(f"create table {name} ({said})")
            rows = pd.DataFrame(tables.get(name, []))
            if len(rows):
                connection.register("given", rows)
                connection.execute(f"insert into {name} by name select * from given")
                connection.unregister("given")
            connection.execute(f"copy {name} to '{folder / f'a.{name}.parquet'}'")
    pointer = {
        "build": "made by hand", "slot": "a", "published_at": "2024-07-02 03:04:05", "as_of": "2024-07-02 00:00:00",
        "version": "0.3.0", "tables": sorted(columns),
    }  # fmt: skip
    (folder / "format0.json").write_text('{"format": 1}')
    (folder / "current.json").write_text(json.dumps(pointer))
    return open_folder(folder).state()
