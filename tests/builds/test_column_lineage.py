"""The lineage of the example project against edges that were read off its SQL by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from assessed import shop_of
from dbt_host import Host, small_host
from lineage_truth import ROOT_OF_TRUTH, Truth, true_edges
from postgres import Postgres

from mlbridge.commands.lineage import answer
from mlbridge.errors import SetupError
from mlbridge.lineage.project_lineage import ProjectLineage, project_lineage, stored_columns, traced
from mlbridge.project.project import Project


@pytest.fixture(scope="module")
def lineage(flights: Host) -> ProjectLineage:
    return project_lineage(Project.at(flights.path, None, None))


def of_flights(lineage: ProjectLineage) -> set[Truth]:
    """Give what was traced in the form of the truth, without the tables of the package."""
    return {
        (lineage.titles[each.node], each.column, lineage.titles[each.from_node], each.from_column, each.how)
        for each in lineage.lineage.edges
        if lineage.nodes[each.node]["package_name"] == "flights"
    }


def features_of(lineage: ProjectLineage, name: str) -> tuple[str, ...]:
    return next(model.features for model in lineage.models if model.name == name)


def test_every_edge_of_the_flights_is_found_and_none_invented(lineage: ProjectLineage) -> None:
    truth = true_edges(ROOT_OF_TRUTH)
    assert len(truth) > 1_300
    days = "generate_series(CAST('2013-01-01' AS DATE), CAST('2014-12-31' AS DATE), INTERVAL '1' DAY)"
    assert of_flights(lineage) == truth | {("ml_days", "day", days, "day", "transformed")}
    assert lineage.lineage.unread == {}
    assert lineage.without_warehouse is None


def test_features_and_predictions_are_known_before_anything_is_built(lineage: ProjectLineage) -> None:
    unbuilt = traced(lineage.manifest, {}, "nothing is built")
    truth = true_edges(ROOT_OF_TRUTH)
    found = {edge for edge in of_flights(unbuilt) if edge[0] != "ml_days"}
    # Nobody can tell then that the Python node leaves the target of its parent out.
    assert {edge for edge in found - truth if edge[3] != "is_late"} == set()
    assert {edge[3] for edge in truth - found} <= {"version"}
    assert features_of(unbuilt, "late_arrival") == features_of(lineage, "late_arrival")


def test_a_feature_back_and_a_source_forward(lineage: ProjectLineage) -> None:
    back = answer(lineage, "late_arrival.carrier_late_1d", rows=False)
    ways = {step.column: step for step in back.comes_from}
    assert ways["raw.flights.arr_delay"].how == "aggregated"
    assert "late_arrival_flights.is_late" in ways["raw.flights.arr_delay"].way
    assert "OVER (PARTITION BY ml_key_1 ORDER BY ml_moment" in ways["raw.flights.arr_delay"].conditions[0]
    assert ways["raw.flights.carrier"].how == "filtered by"
    forward = answer(lineage, "raw.planes.seats", rows=False)
    assert forward.models == {"late_arrival": ("seats",), "arrival_delay": ("seats",)}
    assert {"late_arrival_predictions.probability", "ml_scores_late_arrival.prediction"} <= {
        step.column for step in forward.goes_to
    }
    every = features_of(lineage, "late_arrival")
    assert answer(lineage, "raw.planes.seats", rows=True).models["late_arrival"] == every


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("late_arrival.seat", "Did you mean 'seats'?"),
        ("stg_plane.seats", "Did you mean 'stg_planes'?"),
        ("carier_late_1d", "Did you mean 'carrier_late_1d'?"),
        ("arrived_at", "Say which"),
    ],
)
def test_what_is_misspelt_is_answered_with_the_nearest(lineage: ProjectLineage, column: str, message: str) -> None:
    with pytest.raises(SetupError) as raised:
        lineage.find_column(column)
    assert message in str(raised.value)


def test_the_columns_of_a_server(server: Postgres, tmp_path: Path) -> None:
    host = small_host(tmp_path, [])
    profile = {"small": {"target": "dev", "outputs": {"dev": server.profile("public")}}}
    host.write({"profiles.yml": yaml.safe_dump(profile)})
    with server.connection.cursor() as cursor:
        cursor.execute('create table "Sold" (id integer, "Order Date" date)')
    try:
        stored, why = stored_columns(Project.at(host.path, None, None))
    finally:
        with server.connection.cursor() as cursor:
            cursor.execute('drop table "Sold"')
    assert why is None
    assert stored["postgres", "public", "sold"] == {"id": "INTEGER", "Order Date": "DATE"}


def test_a_warehouse_that_is_not_there_is_said(tmp_path: Path) -> None:
    stored, why = stored_columns(Project.at(small_host(tmp_path, []).path, None, None))
    assert stored == {}
    assert "there is no warehouse" in str(why)


def test_dbt_may_keep_the_warehouse_open(tmp_path: Path) -> None:
    project = shop_of(tmp_path, {"fct_orders": "select 1 as order_id"})
    shutil.rmtree(tmp_path / "target")
    (tmp_path / "models").mkdir()
    (tmp_path / "models/fct_orders.sql").write_text("select {{ 1 }} as order_id")
    found = project_lineage(project)
    assert found.without_warehouse is None
    assert found.lineage.columns == {"model.shop.fct_orders": ("order_id",)}
