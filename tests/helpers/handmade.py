"""A published build made by hand: tables as the package's YAML declares them, filled with the rows of a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import yaml
from dbt_host import ROOT

from mlbridge.monitor import State, open_folder
from mlbridge.publication.folder import Facts, new_build

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
    with duckdb.connect() as connection, new_build(folder, Path(__file__)) as staging:
        for name, types in columns.items():
            columns_sql = ", ".join(f'"{column}" {type_}' for column, type_ in types.items())
            connection.execute(f"create table {name} ({columns_sql})")
            rows = pd.DataFrame(tables.get(name, []))
            if "window" in rows and "window_start" in types:  # one moment under two names
                rows = rows.assign(window_start=rows["window"])
            if len(rows):
                connection.register("given", rows)
                connection.execute(f"insert into {name} by name select * from given")
                connection.unregister("given")
            connection.execute(f"copy {name} to '{staging / name}.parquet'")
        moments = "2024-07-02 03:04:05", "2024-07-02 00:00:00"
        Facts("made by hand", *moments, "0.3.0", tuple(sorted(columns))).write(staging)
    return open_folder(folder).state()
