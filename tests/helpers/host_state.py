"""All that a host has: what it is compared by before a branch is grafted, and after it is taken away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb

# When and where a node was parsed says nothing about it.
OF_THE_RUN = ("created_at", "root_path", "build_path")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(text)


def state(host: Path) -> dict[str, Any]:
    """Read all that a host has: files, nodes, and relations with a hash of their rows."""
    manifest = json.loads((host / "target" / "manifest.json").read_text())
    kinds = ("nodes", "sources", "macros", "exposures", "groups", "unit_tests")
    nodes = {name: each for kind in kinds for name, each in manifest[kind].items() if each["package_name"] != "dbt"}
    with duckdb.connect(str(host / "shop.duckdb"), read_only=True) as warehouse:
        warehouse.execute(f"set file_search_path = '{host}'")  # views may read files of the project
        named = warehouse.sql("select schema_name from duckdb_schemas() where not internal order by all").fetchall()
        tables = warehouse.sql("select table_schema, table_name, table_type from information_schema.tables").fetchall()
        hashed = 'select count(*), sum(hash(rows)::hugeint) from "{}"."{}" as rows'
        rows = {each: warehouse.sql(hashed.format(*each[:2])).fetchall() for each in tables}
    files = [path for path in host.rglob("*") if not {"target", "logs"} & set(path.relative_to(host).parts)]
    return {
        "files": {
            str(path.relative_to(host)): path.read_bytes()
            for path in files
            if path.is_file() and path.suffix not in (".duckdb", ".wal")
        },
        "folders": {str(path.relative_to(host)) for path in files if path.is_dir()},
        "nodes": {
            name: {key: value for key, value in each.items() if key not in OF_THE_RUN}
            for name, each in nodes.items()
            if not name.startswith(("macro.dbt.", "macro.dbt_duckdb."))
        },
        "schemas": named,
        "rows": rows,
    }
