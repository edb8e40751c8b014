"""What another tool says about a project: `lineage_others.py TOOL FOLDER`, run by the Python that has the tool.

FOLDER holds manifest.json and catalog.json as dbt writes them. Prints a JSON list of [node, column, parent, column].
`lineage.py` beside it runs this for each tool.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

Edges = list[tuple[str, str, str, str]]


def tables(folder: Path) -> list[tuple[str, str | None, list[str]]]:
    """Give each relation's name, SQL and columns, parents first."""
    manifest, catalog = (json.loads((folder / f"{name}.json").read_text()) for name in ("manifest", "catalog"))
    columns = {id_: list(each["columns"]) for kind in ("sources", "nodes") for id_, each in catalog[kind].items()}
    every = {**manifest["sources"], **manifest["nodes"]}
    return [(each["name"], each.get("compiled_code"), columns[id_]) for id_, each in every.items()]


def sqllineage(folder: Path, dialect: str) -> Edges:
    """Ask sqllineage, with the columns of the parents as its metadata."""
    from sqllineage.core.metadata.dummy import DummyMetaDataProvider
    from sqllineage.runner import LineageRunner

    found, known = [], {}
    for name, sql, columns in tables(folder):
        known[f"main.{name.lower()}"] = columns
        if sql is None:
            continue
        plain = sql.replace('"db".', "").replace("db.main", "main")
        with contextlib.suppress(Exception):  # what it cannot read has no edges
            provider = DummyMetaDataProvider(
                {key: each for key, each in known.items() if key != f"main.{name.lower()}"}
            )
            runner = LineageRunner(f"create table main.{name} as {plain}", dialect=dialect, metadata_provider=provider)
            for path in runner.get_column_lineage():
                (parent, origin), (_, column) = (str(end).rsplit(".", 1) for end in (path[0], path[-1]))
                found.append((name, column, parent.split(".")[-1].strip('"'), origin))
    return found


def datahub(folder: Path, dialect: str) -> Edges:
    """Ask the parser of DataHub, with the columns of all relations in its schema resolver."""
    from datahub.sql_parsing.schema_resolver import SchemaResolver
    from datahub.sql_parsing.sqlglot_lineage import sqlglot_lineage

    resolver = SchemaResolver(platform=dialect)
    every, found = tables(folder), []
    for name, _, columns in every:
        urn = f"urn:li:dataset:(urn:li:dataPlatform:{dialect},db.main.{name},PROD)"
        resolver.add_raw_schema_info(urn, dict.fromkeys(columns, "VARCHAR"))
    for name, sql, _ in every:
        if sql is None:
            continue
        with contextlib.suppress(Exception):
            result = sqlglot_lineage(sql, resolver, default_db="db", default_schema="main", override_dialect=dialect)
            for each in result.column_lineage or []:
                for origin in each.upstreams:
                    parent = origin.table.split(",")[1].rsplit(".", 1)[-1]
                    found.append((name, each.downstream.column, parent, origin.column))
    return found


def colibri(folder: Path, dialect: str) -> Edges:
    """Ask dbt-colibri, which reads both files."""
    out = folder / "colibri"
    command = [
        str(Path(sys.executable).with_name("colibri")),
        "generate",
        "--output-dir",
        str(out),
        "--disable-telemetry",
    ]
    command += ["--manifest", str(folder / "manifest.json"), "--catalog", str(folder / "catalog.json")]
    subprocess.run(command, check=True, capture_output=True)
    found = json.loads((out / "colibri-manifest.json").read_text())
    edges = found["lineage"]["edges"] if isinstance(found["lineage"], dict) else found["lineage"]
    return [
        (
            each["target"].rsplit(".", 1)[-1],
            each["targetColumn"],
            each["source"].rsplit(".", 1)[-1],
            each["sourceColumn"],
        )
        for each in edges
        if each.get("targetColumn") and each.get("sourceColumn")
    ]


def dbt_column_lineage(folder: Path, dialect: str) -> Edges:
    """Ask dbt-column-lineage, column by column, as its web page does for one step."""
    target = folder / "target"
    target.mkdir(exist_ok=True)
    for name in ("manifest.json", "catalog.json"):
        shutil.copy(folder / name, target / name)
    os.environ |= {"SQLGLOT_DIALECT": dialect, "DBT_PROJECT_DIR": str(folder)}
    from dbt_column_lineage.lineage import DbtSqlglot

    found = []
    for name, sql, columns in tables(folder):
        for column in columns if sql is not None else ():
            with contextlib.suppress(Exception):
                asked = DbtSqlglot(logging.getLogger("silent"), 1)
                asked.column_lineage(name, column, False)
                labels = {str(each["id"]): each["data"]["name"] for each in asked.nodes}
                for each in asked.edges:
                    if labels.get(each["source"], "").lower() == name.lower():
                        origin = each["targetHandle"].removesuffix("__target")
                        found.append((name, column, labels[each["target"]], origin))
    return found


TOOLS = {
    "sqllineage": sqllineage,
    "acryl-datahub": datahub,
    "dbt-colibri": colibri,
    "dbt-column-lineage": dbt_column_lineage,
}

if __name__ == "__main__":
    tool, folder, dialect = sys.argv[1:]
    with contextlib.redirect_stdout(io.StringIO()):
        edges = TOOLS[tool](Path(folder), dialect)
    print(json.dumps(sorted(set(edges))))
