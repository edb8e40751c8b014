"""Drift on the flights: what the season does is no alert; what was done to a feature on purpose is one."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
import yaml
from dbt_host import Host, copy_of_flights
from warm import Warm

pytestmark = pytest.mark.slow

MONITOR = ("ml_windows", "ml_distributions", "ml_drift")
MONTHS = ("2013-08-01", "2013-09-01", "2013-10-01", "2013-11-01", "2013-12-01")
# Weather, schedule and fleet; the other features say how late flights have been, and that did change.
WEATHER = (
    "temperature_f", "dew_point_f", "humidity", "wind_speed_mph", "wind_direction_deg", "visibility_miles",
    "precipitation_in", "pressure_change_mb",
)  # fmt: skip
SCHEDULE = ("departure_minute", "weekday", "distance_miles", "scheduled_minutes", "scheduled_departures_1h")
FLEET = ("seats", "plane_age")
NUMBERS = WEATHER + SCHEDULE + FLEET
CATEGORIES = ("carrier", "origin", "destination", "route")
FEATURES = NUMBERS + CATEGORIES
# In which month something is done to a feature: another one than to those that it goes with.
PLANTED = {name: MONTHS[index % len(MONTHS)] for index, name in enumerate(FEATURES)}
# How many of these may go without an alert.
MOST_MISSES = {"shifted": 1, "scaled": 1, "emptied": 0, "shuffled": 1}


@pytest.fixture(scope="module")
def host(flights: Host, tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Host:
    """The flights with one version, trained on what was known on the first of September."""
    copied = copy_of_flights(tmp_path_factory.mktemp("planted"))
    spec = copied.path / "models" / "ml" / "late_arrival" / "_late_arrival.yml"
    config = yaml.safe_load(spec.read_text())
    (training,) = (each for each in config["models"] if each["name"] == "late_arrival_training")
    training["config"]["meta"]["mlbridge"] |= {"candidates": ["logistic_regression"], "monitor": {"window": "month"}}
    spec.write_text(yaml.safe_dump(config))
    project = copied.path / "dbt_project.yml"
    config = yaml.safe_load(project.read_text())
    config["vars"]["mlbridge_models"] = ["late_arrival"]
    project.write_text(yaml.safe_dump(config))
    warm.dbt(copied.path, "deps")
    warm.parse(copied.path)
    shutil.copy(flights.database, copied.database)
    with duckdb.connect(str(copied.database)) as connection:
        for table in ("late_arrival_training", "late_arrival_predictions", "ml_distributions", "ml_realized"):
            connection.execute(f"drop table {table}")
    line = ("late_arrival_split", "late_arrival_training", "late_arrival_predictions")
    for as_of, nodes in (("2013-09-01", line), ("2014-02-01", (*line, "ml_versions", "ml_profiles", *MONITOR))):
        build(copied, warm, nodes, as_of)
    return copied


def build(host: Host, warm: Warm, nodes: tuple[str, ...], as_of: str = "2014-02-01", *more: str) -> None:
    variables = f"{{mlbridge_as_of: '{as_of}'}}"
    environment = {"FLIGHTS_DUCKDB": str(host.database)}
    warm.dbt(host.path, "run", "--select", *nodes, "--vars", variables, *more, env=environment, parsed=True)


def alarmed(host: Host) -> set[tuple[str, str]]:
    """Give the features and months with an alert."""
    months = ", ".join(f"'{month}'" for month in MONTHS)
    rows = host.rows(
        "select distinct feature, strftime(\"window\", '%Y-%m-%d') from ml_drift "
        f'where alert and "window" in ({months})'
    )
    return {(feature, month) for feature, month in rows}


@pytest.fixture
def planted(request: pytest.FixtureRequest, host: Host, tmp_path: Path, warm: Warm) -> Host:
    """Do something to each feature in one month, and count anew."""
    changed = Host(host.path, tmp_path / host.database.name)
    shutil.copy(host.database, changed.database)
    with duckdb.connect(str(changed.database)) as connection:
        for name, month in PLANTED.items():
            rows = f"from late_arrival_split where date_trunc('month', predicted_at) = '{month}'"
            connection.execute(
                f"update late_arrival_split set {name} = planted.value "
                f"from ({HOW[request.param](name, rows)}) as planted "
                "where planted.flight_id = late_arrival_split.flight_id"
            )
        ((schema,),) = connection.execute(
            "select table_schema from information_schema.tables where table_name = 'ml_distributions'"
        ).fetchall()
        connection.execute(f"drop table {schema}.ml_distributions")
    build(changed, warm, ("ml_distributions", "ml_drift"), "2014-02-01")
    return changed


def shifted(name: str, rows: str) -> str:
    """Move a number by two standard deviations; give a category another name."""
    usual = f"(select stddev({name}) from late_arrival_split where predicted_at < '2013-06-15')"
    moved = f"{name} + 2 * {usual}" if name in NUMBERS else f"'x' || {name}"
    return f"select flight_id, {moved} as value {rows}"


def scaled(name: str, rows: str) -> str:
    """Double a number."""
    return f"select flight_id, {f'2 * {name}' if name in NUMBERS else name} as value {rows}"


def emptied(name: str, rows: str) -> str:
    """Take all values away."""
    return f"select flight_id, null as value {rows}"


def shuffled(name: str, rows: str) -> str:
    """Give each row the value of another one of its month, by an order that has nothing to do with the rows."""
    return (
        f"select flight_id, value from (select flight_id, row_number() over (order by flight_id) as place {rows}) "
        f"join (select {name} as value, row_number() over (order by hash(flight_id, '{name}')) as place {rows}) "
        "using (place)"
    )


HOW = {"shifted": shifted, "scaled": scaled, "emptied": emptied, "shuffled": shuffled}


def test_a_fixed_rule_alarms_on_the_season_and_ours_does_not(host: Host) -> None:
    ((windows, naive, alerts),) = host.rows(
        """select count(*), count(*) filter (where value > 0.2), count(*) filter (where alert) from ml_drift
        where feature = 'temperature_f' and metric = 'psi' and baseline = 'training' and rows_used > 5000"""
    )
    assert windows >= 5
    assert naive == windows
    assert alerts == 0


def test_what_nobody_touched_hardly_alarms(host: Host) -> None:
    found = alarmed(host)
    quiet = [(feature, month) for feature in FEATURES for month in MONTHS]
    false = sorted(set(quiet) & found)
    assert len(false) <= 0.08 * len(quiet), false


@pytest.mark.parametrize("planted", HOW, indirect=True)
def test_what_was_done_to_a_feature_is_an_alert(planted: Host, request: pytest.FixtureRequest) -> None:
    how = request.node.callspec.params["planted"]
    every = {(name, month) for name, month in PLANTED.items() if name in NUMBERS or how != "scaled"}
    missed = sorted(every - alarmed(planted))
    assert len(missed) <= MOST_MISSES[how], missed
