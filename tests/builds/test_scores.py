"""`ml_scores_<model>` on DuckDB and PostgreSQL: which rows it has, what it says of each, where it is published."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest
import yaml
from dbt_host import ROOT, Host
from postgres import Postgres
from warm import Warm

from mlbridge.commands import publish as command
from mlbridge.commands.doctor import run_checks
from mlbridge.project.project import Project

ENGINES = ("duckdb", "postgres")
MADE = '\'{"as_of": "2024-03-10 12:00:00"}\''
V1, V2 = "2024-03-01", "2024-03-04"
# Asked, ended, whether late: known after 2 and 24 hours; too old; not too old; to come; due; before the test rows of
# both versions; without a prediction.
RIDES = [
    (1, "2024-03-01 10:00", "2024-03-01 12:00", "true"),
    (2, "2024-03-05 20:00", "2024-03-06 20:00", "false"),
    (3, "2024-03-09 11:00", None, None),
    (4, "2024-03-09 13:00", None, None),
    (5, "2024-03-10 11:00", "2024-03-10 15:00", None),
    (6, "2024-03-08 09:00", "2024-03-08 10:00", None),
    (7, "2024-02-20 09:00", None, None),
    (8, "2024-03-10 10:00", None, None),
]
# Of which ride, by which version, when, what: a version's own test rows begin at V1 and V2; 9 has left the split.
RIDE_PREDICTIONS = [
    (1, 1, "2024-03-02", "true", 0.9), (1, 2, "2024-03-09", "false", 0.1),
    (2, 1, "2024-03-06", "true", 0.8), (2, 2, "2024-03-06", "false", 0.2),
    (3, 2, "2024-03-09", "true", 0.7), (4, 1, "2024-03-10", "true", 0.6), (5, 2, "2024-03-10", "false", 0.4),
    (6, 2, "2024-03-09", "false", 0.3), (7, 2, "2024-03-09", "false", 0.3), (8, 2, "2024-03-10", None, None),
    (9, 2, "2024-03-09", "true", 0.9),
]  # fmt: skip
SPECS: dict[str, dict[str, Any]] = {
    "ride": {
        "task": "classification", "target": "late?", "entity": ["Shop", "ride"], "time": "asked_at",
        "label_time": "ended_at", "report": ["a \"city\""], "time_zone": "Asia/Kolkata",
    },
    "fare": {"task": "regression", "target": "euros", "entity": "ride", "time": "day", "time_zone": "America/New_York"},
}  # fmt: skip
WRONG = {"lost": {"report": ["citi"]}, "zoned": {"time_zone": "Asia/Kolkatta"}, "taken": {"report": ["version"]}}
SPECS |= {name: SPECS["ride"] | given for name, given in WRONG.items()}
CALL = "{{{{ mlbridge.scores(ref('{0}_split'), ref('{0}_training'), ref('{0}_predictions')) }}}}\n"
TRAINING = """
select 1 as version, 'promoted' as outcome, 'better' as reason, cast('{v1} 12:00:00' as timestamp) as as_of,
    cast('{v1} 12:00:00' as timestamp) as trained_at, cast('{v1}' as timestamp) as holdout_from
union all
select 2, 'promoted', 'better', cast('{v2} 12:00:00' as timestamp),
    cast('{v2} 12:00:00' as timestamp), cast('{v2}' as timestamp)
union all
select 2, 'runner_up', 'worse', cast('{v2} 12:00:00' as timestamp),
    cast('{v2} 12:00:00' as timestamp), cast('{v2}' as timestamp)
union all
select cast(null as integer), 'skipped', 'nothing new', cast('{v2} 12:00:00' as timestamp),
    cast('{v2} 12:00:00' as timestamp), null
"""


def text(value: object) -> str:
    return "null" if value is None else f"'{value}'"


def union(selects: list[str]) -> str:
    return "\nunion all\n".join(selects)


def predicted(version: int, target: str, **given: object) -> str:
    """Select one prediction; what is not given of `prediction`, `prediction_value` and `probability` is NULL."""
    why = "NULL" if given.get("prediction") else "'the feature ''x'' is infinite'"
    columns = {
        "entity": (text(given["entity"]), "varchar"), "time": (text(given["time"]), "timestamp"),
        "version": (version, "int"), "target": (text(target), "varchar"),
        "prediction": (text(given.get("prediction")), "varchar"),
        "prediction_value": (given.get("value") or "null", "double precision"),
        "probability": (given.get("probability") or "null", "double precision"),
        "scored_at": (text(given["at"]), "timestamp"), "invocation_id": ("'i'", "varchar"),
        "scored_by": ("'sql'", "varchar"), "not_scored_because": (why, "varchar"),
    }  # fmt: skip
    return "select " + ", ".join(f"cast({value} as {type_}) as {name}" for name, (value, type_) in columns.items())


def tables() -> dict[str, str]:
    """The nodes of two models, as if built: the split, the logbook and the predictions."""
    times = {ride: asked_at for ride, asked_at, *_ in RIDES} | {9: "2024-03-06 10:00"}
    rides = [
        f"select 'north' as \"Shop\", cast({ride} as bigint) as ride, cast('{at}' as timestamp) as asked_at, "
        f'cast({text(ended)} as timestamp) as ended_at, cast({late or "null"} as boolean) as "late?", '
        f'\'Pune\' as "a ""city""", 1.5 as version, \'test\' as ml_split, {MADE} as ml_split_definition'
        for ride, at, ended, late in RIDES
    ]
    scored = [
        predicted(version, "late?", entity=f'["north","{ride}"]', time=times[ride], prediction=given,
                  probability=probability, at=at)
        for ride, version, at, given, probability in RIDE_PREDICTIONS
    ]  # fmt: skip
    # What an earlier spec predicted, which is no answer to today's question.
    tip = {"entity": '["north","3"]', "time": times[3], "prediction": "true", "probability": 0.99}
    scored.append(predicted(2, "tip", **tip, at="2024-03-10 11:00"))
    fares = [
        f"select {ride} as ride, cast('2024-03-0{ride}' as date) as day, "
        f"cast({euros or 'null'} as decimal(9, 2)) as euros, 'score' as ml_split, {MADE} as ml_split_definition"
        for ride, euros in ((4, "12.50"), (5, None))
    ]
    priced = [
        predicted(2, "euros", entity=ride, time=f"2024-03-0{ride}", prediction="11.25", value=11.25, at=V2)
        for ride in (4, 5)
    ]
    return {
        "ride_split": union(rides), "ride_predictions": union(scored), "ride_training": TRAINING.format(v1=V1, v2=V2),
        "fare_split": union(fares), "fare_predictions": union(priced), "fare_training": TRAINING.format(v1=V1, v2=V2),
    }  # fmt: skip


@pytest.fixture(scope="module")
def host(server: Postgres, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The tables on both engines, with `ml_scores_ride` and `ml_scores_fare` over them, built and published."""
    folder = tmp_path_factory.mktemp("scores") / "small"
    host = Host(folder, folder / "small.duckdb")
    targets = {
        "dev": {"type": "duckdb", "path": "small.duckdb", "schema": "scores"},
        "postgres": server.profile("scores"),
    }
    flags = {"require_ref_searches_node_package_before_root": True, "send_anonymous_usage_stats": False}
    project = {"name": "small", "version": "1.0.0", "profile": "small", "flags": flags}
    models = [
        {"name": f"{name}_training", "config": {"materialized": "table", "meta": {"mlbridge": spec}}}
        for name, spec in SPECS.items()
    ]
    host.write(
        {
            "dbt_project.yml": yaml.safe_dump(project | {"models": {"small": {"+materialized": "table"}}}),
            "profiles.yml": yaml.safe_dump({"small": {"target": "dev", "outputs": targets}}),
            "packages.yml": f"packages:\n  - local: {ROOT}\n",
            "models/all.yml": yaml.safe_dump({"models": models}),
            **{f"models/{name}.sql": sql for name, sql in tables().items()},
            **{f"models/ml_scores_{name}.sql": CALL.format(name) for name in ("ride", "fare")},
            **{f"models/{name}_training.sql": "select 1 as version" for name in WRONG},
        }
    )
    warm.dbt(host.path, "deps")
    for target in ("postgres", "dev"):  # the manifest is of the last one
        warm.dbt(host.path, "run", "--select", "ride_split+", "ride_training+", "ride_predictions+", "fare_split+",
                 "fare_training+", "fare_predictions+", "ml_runs", "ml_nodes", "--target", target)  # fmt: skip
    return host


def rows_of(host: Host, server: Postgres, engine: str, query: str) -> list[tuple[Any, ...]]:
    return host.rows(query) if engine == "duckdb" else server.rows(query)


@pytest.mark.parametrize("engine", ENGINES)
def test_each_row_is_there_once_with_what_is_known_of_it(engine: str, host: Host, server: Postgres) -> None:
    """Whose version's test rows begin later, who predicted another target, and who left the split, is not in it."""
    query = (
        'select "Shop", ride, asked_at, "a ""city""", local_date, prediction, probability, outcome, outcome_state, '
        "version, not_scored_because from scores.ml_scores_ride order by ride"
    )
    why = "the feature 'x' is infinite"
    days = [datetime.fromisoformat(at) for _, at, *_ in RIDES]
    assert rows_of(host, server, engine, query) == [
        ("north", 1, days[0], "Pune", date(2024, 3, 1), True, 0.9, True, "known", 1, None),
        ("north", 2, days[1], "Pune", date(2024, 3, 6), False, 0.2, False, "known", 2, None),
        ("north", 3, days[2], "Pune", date(2024, 3, 9), True, 0.7, None, "never", 2, None),
        ("north", 4, days[3], "Pune", date(2024, 3, 9), True, 0.6, None, "pending", 1, None),
        ("north", 5, days[4], "Pune", date(2024, 3, 10), False, 0.4, None, "pending", 2, None),
        ("north", 6, days[5], "Pune", date(2024, 3, 8), False, 0.3, None, "never", 2, None),
        ("north", 8, days[7], "Pune", date(2024, 3, 10), None, None, None, "pending", 2, why),
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_number_is_a_number_and_a_date_has_no_zone(engine: str, host: Host, server: Postgres) -> None:
    """Without a `label_time` nothing says that an outcome is due."""
    found = rows_of(host, server, engine, "select * from scores.ml_scores_fare order by ride")
    assert [row[:-2] for row in found] == [
        (4, date(2024, 3, 4), date(2024, 3, 4), 11.25, None, Decimal("12.50"), "known", 2),
        (5, date(2024, 3, 5), date(2024, 3, 5), 11.25, None, None, "pending", 2),
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_it_joins_with_the_table_of_the_host(engine: str, host: Host, server: Postgres) -> None:
    query = (
        "select count(*) from scores.ml_scores_ride as scores inner join scores.ride_split as rides "
        'on scores."Shop" = rides."Shop" and scores.ride = rides.ride and scores.asked_at = rides.asked_at'
    )
    assert rows_of(host, server, engine, query) == [(7,)]


def test_it_is_published(host: Host, server: Postgres) -> None:
    file = host.published / "current" / "ml_scores_ride.parquet"
    query = "select * from {} order by ride"
    ours = host.rows(query.format("scores.ml_scores_ride"))
    assert duckdb.sql(query.format(f"'{file}'")).fetchall() == ours
    with duckdb.connect(str(host.published / "bi.duckdb"), read_only=True) as views:
        assert views.sql(query.format("ml_scores_ride")).fetchall() == ours
    theirs = server.rows(query.format("scores.ml_scores_ride"))
    assert server.rows(query.format("scores_published.ml_scores_ride")) == theirs
    assert [row[:9] for row in theirs] == [row[:9] for row in ours]
    published = command.publish(Project.at(host.path, None, None))
    assert {"ml_scores_ride", "ml_scores_fare", "ml_runs"} <= set(published.tables)


def test_it_is_a_node_of_its_model(host: Host) -> None:
    assert host.rows("select name, model, stage from scores.ml_nodes where name like 'ml_scores%' order by 1") == [
        ("ml_scores_fare", "fare", "score"), ("ml_scores_ride", "ride", "score")
    ]  # fmt: skip
    assert host.rows("select node, status from scores.ml_runs where node = 'ml_scores_ride'") == [
        ("ml_scores_ride", "success")
    ]


def test_what_cannot_be_is_refused_by_name(host: Host, warm: Warm) -> None:
    wrong = {f"ml_scores_{name}": CALL.format("ride") for name in WRONG}
    for name, call in wrong.items():
        taken = {f"models/{name}.sql": call.replace("ride_training", f"{name[10:]}_training")}
        host.write(taken)
    host.write({"models/scores_of_ride.sql": CALL.format("ride")})
    given = " ".join(warm.dbt(host.path, "run", "--select", *wrong, "scores_of_ride", ok=False).split())
    for name in (*wrong, "scores_of_ride"):
        (host.path / "models" / f"{name}.sql").unlink()
    assert "ml_scores_lost: `mlbridge.report` names the column 'citi', which the features node does not have." in given
    assert "ml_scores_zoned: `mlbridge.time_zone`: found 'Asia/Kolkatta'. Did you mean 'Asia/Kolkata'?" in given
    assert "ml_scores_taken: 'version' is the name of a column that this table adds. Rename it" in given
    assert "scores_of_ride: a node that calls mlbridge.scores must be called `ml_scores_<model>`." in given


def test_somebody_elses_table_is_not_replaced(host: Host, warm: Warm) -> None:
    with duckdb.connect(str(host.database)) as warehouse:
        warehouse.execute("alter table scores.ml_scores_fare rename to kept")
        warehouse.execute("create table scores.ml_scores_fare as select 1 as ours")
    doubted = next(each for each in run_checks(lambda: Project.at(host.path, None, None)) if each.check == "names")
    given = warm.dbt(host.path, "run", "--select", "ml_scores_fare", ok=False)
    assert host.rows("from scores.ml_scores_fare") == [(1,)]
    with duckdb.connect(str(host.database)) as warehouse:
        warehouse.execute("drop table scores.ml_scores_fare")
        warehouse.execute("alter table scores.kept rename to ml_scores_fare")
    assert "is there already, and is not mlbridge's: it lacks 'local_date', 'prediction'" in " ".join(given.split())
    assert not doubted.fine
    assert "'scores.ml_scores_fare' is not mlbridge's" in doubted.finding


def test_it_goes_with_the_branch(host: Host, warm: Warm) -> None:
    given = warm.dbt(host.path, "run-operation", "mlbridge.drop_tables", "--vars", json.dumps({"mlbridge_models": []}))
    assert 'would drop "small"."scores"."ml_scores_ride"' in given


@pytest.mark.parametrize("engine", ENGINES)
def test_without_rows_it_is_written_all_the_same(engine: str, host: Host, server: Postgres, warm: Warm) -> None:
    """The last tests change the host."""
    target = "dev" if engine == "duckdb" else engine
    warm.dbt(host.path, "run", "--empty", "--select", "ml_scores_ride", "ml_scores_fare", "--target", target)
    for name in ("ride", "fare"):
        assert rows_of(host, server, engine, f"select count(*) from scores.ml_scores_{name}") == [(0,)]


def test_without_tables_it_is_compiled_all_the_same(host: Host, warm: Warm) -> None:
    with duckdb.connect(str(host.database)) as warehouse:
        warehouse.execute("drop table scores.ride_split")
    warm.dbt(host.path, "compile", "--select", "ml_scores_ride")
