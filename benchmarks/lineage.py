"""Lineage of columns: accuracy beside other tools, and time and memory for a project of 1,000 models.

The projects are generated with their true edges (tests/helpers/lineage_made.py), in three dialects. All tools get the
same manifest and catalog. Only values count, not joins and filters, which most tools do not tell. Each other tool runs
in an environment of its own; one that does not install is said to. Run:
PYTHONPATH=tests/helpers .venv/bin/python benchmarks/lineage.py [accuracy | speed]
"""

from __future__ import annotations

import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from lineage_made import DIALECTS, Made, Maker, found_edges
from lineage_others import TOOLS

from mlbridge.lineage.cache import Cache
from mlbridge.lineage.graph import VALUES
from mlbridge.lineage.trace import trace

PROJECTS, MODELS = 8, 15
LARGE = 1_000
SOURCES, WIDE = 100, 44  # sources of 50 columns
CHANGED = 10
UV = Path(sys.executable).with_name("uv")
PACKAGES = {"acryl-datahub": "acryl-datahub[sql-parser]"}
METADATA = {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "dbt_version": "1.11.0"}


def write_project(made: Made, folder: Path) -> None:
    """Write a project as dbt's manifest and catalog; every column is in the catalog."""
    folder.mkdir(parents=True, exist_ok=True)
    lineage = trace(made.relations, made.dialect)
    manifest: dict[str, dict[str, object]] = {"nodes": {}, "sources": {}, "parent_map": {}, "child_map": {}}
    manifest |= {"metadata": {**METADATA, "adapter_type": made.dialect, "project_name": "made"}, "exposures": {}}
    catalog: dict[str, dict[str, object]] = {"nodes": {}, "sources": {}, "metadata": {}}
    for each in made.relations:
        kind = "sources" if each.sql is None else "nodes"
        database, schema, name = each.place
        columns = {name: {"name": name, "data_type": "varchar"} for name in lineage.columns[each.id]}
        manifest[kind][each.id] = {
            "unique_id": each.id, "name": name, "alias": name, "identifier": name, "database": database,
            "schema": schema, "resource_type": kind.rstrip("s").replace("node", "model"), "package_name": "made",
            "relation_name": f'"{database}"."{schema}"."{name}"', "compiled_code": each.sql, "raw_code": each.sql,
            "columns": columns, "depends_on": {"nodes": list(each.parents), "macros": []}, "language": "sql",
            "config": {"materialized": "table", "enabled": True}, "path": f"{name}.sql", "source_name": "raw",
            "original_file_path": f"models/{name}.sql", "refs": [], "tags": [], "meta": {}, "description": "",
        }  # fmt: skip
        manifest["parent_map"][each.id] = list(each.parents)
        listed = {
            name: {"name": name, "type": "varchar", "index": index, "comment": None}
            for index, name in enumerate(columns, start=1)
        }
        metadata = {"database": database, "schema": schema, "name": name, "type": "BASE TABLE"}
        catalog[kind][each.id] = {"unique_id": each.id, "columns": listed, "metadata": metadata, "stats": {}}
    for each in made.relations:
        manifest["child_map"][each.id] = [other.id for other in made.relations if each.id in other.parents]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "catalog.json").write_text(json.dumps(catalog))


def pairs(edges: set[tuple[str, str, str, str, str]]) -> set[tuple[str, ...]]:
    """Give the pairs of columns between which a value flows; case does not count, because tools fold it."""
    return {
        (node.rsplit(".", 1)[-1], column.lower(), parent.rsplit(".", 1)[-1], origin.lower())
        for node, column, parent, origin, how in edges
        if how in VALUES
    }


def installed(tool: str, folder: Path) -> Path | None:
    """Install a tool into an environment of its own; gives its Python, None where that fails."""
    python = folder / tool / "bin" / "python"
    steps = (
        [UV, "venv", "-q", folder / tool],
        [UV, "pip", "install", "-q", "--python", python, PACKAGES.get(tool, tool)],
    )
    done = all(subprocess.run([*map(str, step)], capture_output=True, check=False).returncode == 0 for step in steps)
    return python if done else None


def accuracy(folder: Path) -> None:
    """Print how many edges each tool finds, and how many it invents."""
    projects = [Maker(seed, dialect).project(MODELS) for dialect in DIALECTS for seed in range(PROJECTS)]
    pythons = {tool: installed(tool, folder / "tools") for tool in TOOLS}
    counts = {tool: dict.fromkeys(DIALECTS, (0, 0, 0)) for tool in ("mlbridge", *TOOLS)}
    for index, made in enumerate(projects):
        place = folder / f"p{index}"
        write_project(made, place)
        truth = pairs(set(made.edges))
        answers = {"mlbridge": pairs(found_edges(trace(made.relations, made.dialect), made.dialect))}
        for tool, python in pythons.items():
            if python is not None:
                command = [python, Path(__file__).with_name("lineage_others.py"), tool, place, made.dialect]
                done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
                answers[tool] = {
                    (node, column.lower(), parent.lower(), origin.lower())
                    for node, column, parent, origin in json.loads(done.stdout or "[]")
                }
        nodes = {each.place[2].lower() for each in made.relations}
        for tool, every in answers.items():
            found = {edge for edge in every if edge[2] in nodes and edge[3] != "*"}  # a step within a node is no parent
            right, true, said = counts[tool][made.dialect]
            counts[tool][made.dialect] = (right + len(found & truth), true + len(truth), said + len(found))
    print("| tool | found | invented |" + "".join(f" found, {dialect} |" for dialect in DIALECTS))
    for tool, by_dialect in counts.items():
        if tool in pythons and pythons[tool] is None:
            print(f"| {tool} | does not install |")
            continue
        right, true, said = (sum(each) for each in zip(*by_dialect.values(), strict=True))
        cells = [f"{share(right, true)}", f"{share(said - right, said)}"]
        cells += [share(by_dialect[dialect][0], by_dialect[dialect][1]) for dialect in DIALECTS]
        print(f"| {tool} | {' | '.join(cells)} |")
    print(f"{sum(by_dialect[1] for by_dialect in counts['mlbridge'].values())} edges in {len(projects)} projects")


def share(part: int, whole: int) -> str:
    """Write a share in percent."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def speed(folder: Path) -> None:
    """Print seconds and memory of a first trace, one after a change of some models, and one without a change."""
    made = Maker(1, "duckdb").project(LARGE, sources=SOURCES, more=WIDE)
    file = folder / "cache.json"
    for what, changed in (("first", 0), ("10 models changed", CHANGED), ("nothing changed", CHANGED)):
        relations = [
            replace(each, sql=f"{each.sql} -- changed")
            if each.sql and index % (LARGE // CHANGED) == 1 and changed
            else each
            for index, each in enumerate(made.relations)
        ]
        start = time.perf_counter()
        lineage = trace(relations, made.dialect, Cache(file))
        seconds = time.perf_counter() - start
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        assert found_edges(lineage, made.dialect) == made.edges
        print(f"{what}: {seconds:.1f} s, {memory:.0f} MiB at most so far, {len(lineage.edges):,} edges")


if __name__ == "__main__":
    print(platform.machine(), platform.python_version())
    with tempfile.TemporaryDirectory() as name:
        for part in sys.argv[1:] or ("accuracy", "speed"):
            {"accuracy": accuracy, "speed": speed}[part](Path(name))
