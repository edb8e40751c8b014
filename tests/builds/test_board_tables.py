"""The files of the ready boards against what a build publishes: the tables and columns that they name are there.

`tests/browser/test_boards.py` opens them in the real clients.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from dbt_host import ROOT, Host

BOARDS = ROOT / "boards"
Columns = Callable[[str], set[str]]


@pytest.fixture(scope="module")
def columns(flights: Host) -> Iterator[Columns]:
    """Run a query on the published tables; gives the names of its columns."""
    with duckdb.connect(str(flights.published / "bi.duckdb"), read_only=True) as published:
        yield lambda sql: set(published.sql(sql).columns)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_dbt_charts(flights: Host, columns: Columns) -> None:
    board = BOARDS / "dbt_charts"
    files = read(board / "dbt_charts.yml")["sources"]["mlbridge"]["files"]
    for file in files.values():
        assert (flights.published / file.removeprefix("published/")).is_file()
    named = {name: Path(file).stem for name, file in files.items()}
    made = read(board / "charts" / "models.yml")
    queries = {name: query["sql"].replace("ml_scores", named["ml_scores"]) for name, query in made["queries"].items()}
    given = {name: columns(sql) for name, sql in queries.items()}
    for chart in made["charts"].values():
        wanted = {*chart.get("conditional_formatting", {}), *chart.get("style", {}).get("columns", {})}
        wanted |= {chart[axis] for axis in ("x", "y", "color") if axis in chart}
        assert wanted <= given[chart["query"]]
    assert set(made["rows"]) == set(made["charts"])


def test_evidence(flights: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = BOARDS / "evidence"
    (tmp_path / "published").symlink_to(flights.published)
    monkeypatch.chdir(tmp_path)
    given = {file.stem: set(duckdb.sql(file.read_text()).columns) for file in board.glob("sources/mlbridge/*.sql")}
    page = (board / "pages" / "index.md").read_text()
    assert set(re.findall(r"from mlbridge\.(\w+)", page)) == set(given)
    parts = re.findall(r"<(?:DataTable|LineChart)\s+data=\{(\w+)(.*?)(?=<DataTable|<LineChart|\Z)", page, re.DOTALL)
    assert {name for name, _ in parts} == set(given)
    for name, text in parts:
        assert set(re.findall(r"(?:<Column id|\bx|\by|series)=(\w+)", text)) <= given[name], name


def test_superset(columns: Columns) -> None:
    board = BOARDS / "superset"
    (database,) = (read(file) for file in board.glob("databases/*.yaml"))
    datasets = {each["uuid"]: each for each in map(read, board.glob("datasets/*/*.yaml"))}
    for dataset in datasets.values():
        named = {column["column_name"] for column in dataset["columns"]}
        assert named | {dataset["main_dttm_col"]} == named == columns(dataset["sql"])
        assert dataset["database_uuid"] == database["uuid"]
    charts = {each["uuid"]: each for each in map(read, board.glob("charts/*.yaml"))}
    for chart in charts.values():
        dataset, said = datasets[chart["dataset_uuid"]], chart["params"]
        wanted = {*said.get("all_columns", ()), *said.get("groupby", ()), *said.get("column_config", ())}
        wanted |= {json.loads(each)[0] for each in said.get("order_by_cols", ())}
        wanted |= {each["subject"] for each in said.get("adhoc_filters", ())}
        wanted |= {said["x_axis"]} if "x_axis" in said else set()
        assert wanted <= {column["column_name"] for column in dataset["columns"]}
        assert set(said.get("metrics", ())) <= {metric["metric_name"] for metric in dataset["metrics"]}
        assert said["viz_type"] == chart["viz_type"]
    (dashboard,) = (read(file) for file in board.glob("dashboards/*.yaml"))
    shown = [
        part["meta"] for part in dashboard["position"].values() if isinstance(part, dict) and part["type"] == "CHART"
    ]
    assert {each["uuid"]: each["sliceName"] for each in shown} == {
        uuid: chart["slice_name"] for uuid, chart in charts.items()
    }
