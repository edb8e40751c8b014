"""A published build on a PostgreSQL server: the same tables, read through the profile of a dbt project."""

from __future__ import annotations

from pathlib import Path

import duckdb
import yaml
from dbt_host import small_host
from postgres import Postgres
from warm import Warm

from mlbridge.project.project import Project


def project_on(server: Postgres, warm: Warm, folder: Path, schema: str) -> Project:
    """Write a dbt project whose warehouse is the server, and parse it; nothing is built."""
    host = small_host(folder, [])
    target = {"target": "dev", "outputs": {"dev": server.profile(schema)}}
    host.write({"profiles.yml": yaml.safe_dump({"small": target})})
    warm.dbt(folder, "deps")
    warm.dbt(folder, "parse")
    return Project.at(folder, folder, None)


def load(server: Postgres, published: Path, schema: str) -> None:
    """Put the tables of a published folder where the project's own would be."""
    for file in sorted((published / "current").glob("*.parquet")):
        name, table = file.stem, duckdb.read_parquet(str(file))
        types = {column: str(type_) for column, type_ in zip(table.columns, table.types, strict=True)}
        server.load(schema, name, types, table.fetchall())
