"""`<model>_training` as a `.sql` node: `mlbridge train` between two builds, on DuckDB, PostgreSQL and Spark."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from dbt_host import Host, copy_of_host
from portable import MODELS, OF_THE_BUILD, Row, in_sql, near, on_cluster, on_server, plain, profile
from postgres import Postgres
from spark import Spark
from sqlglot import exp
from warm import Warm

from mlbridge.commands.train import train
from mlbridge.engines.opening import opened
from mlbridge.engines.reader import ReadError
from mlbridge.engines.spark_session import SparkWarehouse
from mlbridge.errors import FeatureError, SetupError
from mlbridge.features.columns import features_of
from mlbridge.nodes import new_version
from mlbridge.project.project import Project
from mlbridge.registry.logbook import LOGBOOK
from mlbridge.spec.reading import read_spec

NO_TESTS = ("--exclude-resource-type", "test", "unit_test")
SCORED = "model_name, entity, time, version, target, prediction, prediction_value, probability, not_scored_because"
Ask = Callable[[str], list[Row]]


def on_duckdb(host: Host) -> Ask:
    def ask(query: str) -> list[Row]:
        with duckdb.connect(str(host.database), read_only=True) as connection:
            found = connection.sql(query)
            return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]

    return ask


def on(server: Postgres) -> Ask:
    def ask(query: str) -> list[Row]:
        with server.connection.cursor() as cursor:
            cursor.execute(query)
            names = [each[0] for each in cursor.description or []]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        return [{name: bytes(v) if isinstance(v, memoryview) else v for name, v in row.items()} for row in rows]

    return ask


def versions(ask: Ask, schema: str, name: str) -> list[Row]:
    return ask(f"select * from {schema}_lab.{name}_training order by as_of, version, candidate")


def predictions(ask: Ask, schema: str, name: str) -> list[Row]:
    rows = ask(f"select {SCORED} from {schema}_lab.{name}_predictions")
    return sorted(rows, key=lambda row: (row["version"], row["entity"], row["time"]))


def counted(ask: Ask, schema: str, name: str, ending: str) -> int:
    return int(ask(f"select count(*) as n from {schema}_lab.{name}_training{ending}")[0]["n"])


@pytest.fixture(scope="module")
def portable(empty_shop: Host, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The second host with SQL nodes, built once by `mlbridge build`."""
    host = in_sql(copy_of_host(empty_shop, tmp_path_factory.mktemp("portable")))
    warm.mlbridge(host.path, "build", *NO_TESTS)
    return host


@pytest.fixture(scope="module")
def served(empty_shop: Host, server: Postgres, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The same on the server, its tests as well."""
    host = on_server(empty_shop, server, "there", tmp_path_factory.mktemp("served"))
    warm.mlbridge(host.path, "build")
    return host


@dataclass(frozen=True)
class Elsewhere:
    """A host that is built on a server, by processes with some variables of their environment."""

    host: Host
    ask: Ask
    env: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module", params=["postgres", pytest.param("spark", marks=pytest.mark.slow)])
def elsewhere(request: pytest.FixtureRequest, empty_shop: Host, warm: Warm, tmp_path_factory: Any) -> Elsewhere:
    """The second host with SQL nodes on each server, in the schema `there`, its tests as well."""
    if request.param == "postgres":
        return Elsewhere(request.getfixturevalue("served"), on(request.getfixturevalue("server")))
    cluster: Spark = request.getfixturevalue("cluster")
    host = on_cluster(empty_shop, cluster, "there", tmp_path_factory.mktemp("clustered"))
    elsewhere = Elsewhere(host, cluster.rows, {"TZ": "America/New_York"})  # its client gives moments on that clock
    warm.mlbridge(host.path, "build", env=elsewhere.env)
    return elsewhere


# --- both shapes, all engines ---------------------------------------------------------------------------------


def test_an_sql_node_trains_what_a_python_node_trains(portable: Host, shop: Host) -> None:
    (by_python,), (by_sql,) = (versions(on_duckdb(host), "main", "amount") for host in (shop, portable))
    assert list(by_sql) == list(by_python) == list(LOGBOOK)
    assert plain(by_sql) == plain(by_python)
    assert by_sql["artifact"] == by_python["artifact"]
    same_predictions(*(predictions(on_duckdb(host), "main", "amount") for host in (portable, shop)), rel=1e-12)
    types = "select column_name, data_type from information_schema.columns where table_name = 'amount_training'"
    assert on_duckdb(portable)(types) == on_duckdb(shop)(types)


@pytest.mark.parametrize("name", MODELS)
def test_a_server_trains_and_scores_what_duckdb_does(name: str, portable: Host, elsewhere: Elsewhere) -> None:
    expected, found = versions(on_duckdb(portable), "main", name), versions(elsewhere.ask, "there", name)
    assert len(found) == len(expected) == 1
    kept = [each for each in LOGBOOK if each not in (*OF_THE_BUILD, "scoring_sql", "scoring_sql_md5")]
    for mine, theirs in zip(map(plain, found), map(plain, expected), strict=True):
        for column in kept:
            if column not in ("artifact", "artifact_sha256", "data_hash"):
                assert mine[column] == near(theirs[column], 1e-9), column
    assert found[0]["outcome"] == "promoted"
    assert found[0]["scoring_sql_note"] is None
    there, here = predictions(elsewhere.ask, "there", name), predictions(on_duckdb(portable), "main", name)
    same_predictions(there, here, rel=1e-9)


def same_predictions(found: list[Row], expected: list[Row], rel: float) -> None:
    """A number as text is compared as a number."""
    assert len(found) == len(expected) > 500
    for mine, theirs in zip(found, expected, strict=True):
        texts = {"prediction": float(theirs["prediction"])} if theirs["probability"] is None else {}
        read = {**mine, **{name: float(mine[name]) for name in texts}}
        assert read == {name: near(value, rel) for name, value in {**theirs, **texts}.items()}


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("ml_champions", "model, version"),
        ("ml_metrics", "model, version, candidate, split, slice, metric, value, low, high, n"),
        ("ml_drift", "model, version, feature, baseline, metric, window_start, value, threshold, alert, rows_used"),
        ("ml_alerts", "model, what, version, about, since, is_current, message, severity, action"),
    ],
)
def test_the_tables_of_the_branch_are_the_same(table: str, columns: str, portable: Host, elsewhere: Elsewhere) -> None:
    query = f"select {columns} from {{}}_insight.{table}"
    expected, found = on_duckdb(portable)(query.format("main")), elsewhere.ask(query.format("there"))
    assert len(found) == len(expected) > 0
    for mine, theirs in zip(sorted(found, key=key_of), sorted(expected, key=key_of), strict=True):
        assert mine == {name: near(value, 1e-9) for name, value in theirs.items()}


def key_of(row: Row) -> tuple[str, ...]:
    return tuple(str(each) for each in row.values() if not isinstance(each, float))


def test_a_row_that_cannot_be_scored_has_no_prediction_on_a_server(served: Host, server: Postgres, warm: Warm) -> None:
    ask = on(server)
    before = predictions(ask, "there", "amount")
    chosen = max(before, key=lambda row: row["time"])
    row = f"customer = '{chosen['entity']}' and ml_split = 'score'"
    ((usual,),) = (
        tuple(each.values()) for each in ask(f"select amount_of_four_weeks from there_lab.amount_split where {row}")
    )
    with server.connection.cursor() as cursor:
        cursor.execute(f"update there_lab.amount_split set amount_of_four_weeks = 'infinity' where {row}")
        cursor.execute(f"delete from there_lab.amount_predictions where entity = '{chosen['entity']}'")
    said = warm.dbt(served.path, "run", "--select", "amount_predictions")
    assert "no prediction for 1 row(s): the feature 'amount_of_four_weeks' is infinite" in " ".join(said.split())
    found = predictions(ask, "there", "amount")
    assert [each for each in found if each["prediction"] is None] == [
        chosen
        | dict.fromkeys(("prediction", "prediction_value", "probability"))
        | {"not_scored_because": "the feature 'amount_of_four_weeks' is infinite"}
    ]
    assert [each for each in found if each["prediction"] is not None] == [each for each in before if each != chosen]
    # What is mended is scored.
    with server.connection.cursor() as cursor:
        cursor.execute("update there_lab.amount_split set amount_of_four_weeks = %s where " + row, [usual])
    warm.dbt(served.path, "run", "--select", "amount_predictions")
    assert [each for each in predictions(ask, "there", "amount") if each["prediction"] is not None] == before


# --- again, and on request -------------------------------------------------------------------------------------


def test_a_build_with_nothing_new_only_says_so_and_a_request_trains_once(elsewhere: Elsewhere, warm: Warm) -> None:
    host, ask = elsewhere.host, elsewhere.ask
    before = {name: predictions(ask, "there", name) for name in MODELS}
    said = warm.mlbridge(host.path, "build", *NO_TESTS, env=elsewhere.env)
    assert said.count("skipped: nothing to do: version 1 was trained on this spec and these features") == 2
    for name in MODELS:
        assert [row["outcome"] for row in versions(ask, "there", name)] == ["promoted", "skipped"]
        assert predictions(ask, "there", name) == before[name]
        assert [counted(ask, "there", name, each) for each in ("_inbox", "_request")] == [0, 0]
    asked = ("build", *NO_TESTS, "--select", "amount_training", "--vars", "mlbridge_retrain: true")
    assert "amount: rejected: requested by mlbridge_retrain" in warm.mlbridge(host.path, *asked, env=elsewhere.env)
    assert [row["version"] for row in versions(ask, "there", "amount")] == [1, None, 2]
    assert len(versions(ask, "there", "basket")) == 2
    assert "no build has asked for anything" in warm.mlbridge(host.path, "train", "amount")
    assert len(versions(ask, "there", "amount")) == 3


def test_two_trainings_of_one_request_do_not_both_land(served: Host, server: Postgres, warm: Warm) -> None:
    warm.dbt(served.path, "run", "--select", "basket_training", "--vars", "mlbridge_retrain: true")
    both = [warm.start(served.path, "train", "basket", cli=True) for _ in range(2)]
    assert [each.wait() for each in both] == [0, 0]
    said = " ".join(each.output for each in both)
    assert sum(words in said for words in ("answered first", "waits to be taken in")) == 1
    assert counted(on(server), "there", "basket", "_inbox") == 1
    for number in (2, 2):  # the second build finds nothing to take in, and asks
        warm.dbt(served.path, "run", "--select", "basket_training")
        assert max(row["version"] or 0 for row in versions(on(server), "there", "basket")) == number
    assert len([row for row in versions(on(server), "there", "basket") if row["version"] == 2]) == 1


# --- killed between any two steps ------------------------------------------------------------------------------

INSERT, DELETE = 'insert into .*amount_training"', "delete from .*amount_training_inbox"
KILLED: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "before the fit": (("train",), {"kill_in": ["mlbridge.nodes.new_version.challenge"]}),
    "before it is handed in": (("train",), {"kill_in": ["mlbridge.registry.inbox.as_table"]}),
    "while it is taken in": (("run", "--select", "amount_training"), {"kill_at": [INSERT, "after"]}),
    "before the inbox is emptied": (("run", "--select", "amount_training"), {"kill_at": [DELETE, "before"]}),
    "after the inbox is emptied": (("run", "--select", "amount_training"), {"kill_at": [DELETE, "after"]}),
    "between training and the last build": (("build", *NO_TESTS), {"kill_in": ["mlbridge.commands.build._rest"]}),
}


OFTEN = ("before it is handed in", "while it is taken in")


@pytest.mark.parametrize(
    "moment", [pytest.param(each, marks=() if each in OFTEN else pytest.mark.slow) for each in KILLED]
)
def test_a_command_that_is_killed_is_run_again(moment: str, portable: Host, warm: Warm, tmp_path: Path) -> None:
    command, kill = KILLED[moment]
    host, retrain = copy_of_host(portable, tmp_path), ("--vars", "mlbridge_retrain: true")
    first = predictions(on_duckdb(host), "main", "amount")
    is_cli = command[0] in ("train", "build")
    if command[0] != "build":
        warm.dbt(host.path, "run", "--select", "amount_training", *retrain)
    if command[0] == "run":
        warm.mlbridge(host.path, "train", "amount")
    line = command if command[0] != "build" else (*command, "--select", "amount_training", *retrain)
    assert warm.start(host.path, *line, cli=is_cli, **kill).wait() == -9
    assert [row["version"] for row in versions(on_duckdb(host), "main", "amount")] == [1]
    if command[0] == "train":
        warm.mlbridge(host.path, "train", "amount")
    warm.dbt(host.path, "run", "--select", "amount_training", "amount_predictions")
    rows = versions(on_duckdb(host), "main", "amount")
    assert [row["version"] for row in rows] == [1, 2]
    assert rows[1]["reason"].startswith("requested by mlbridge_retrain")
    assert rows[1]["artifact_sha256"] == rows[0]["artifact_sha256"]
    assert counted(on_duckdb(host), "main", "amount", "_inbox") == 0
    assert predictions(on_duckdb(host), "main", "amount") == first


# --- what is wrong ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("train", "amont"), "there is no model 'amont'. Did you mean 'amount'? Declared: 'basket', 'amount'."),
        (("build", "--selector", "nightly"), "name it with --select"),
        (("build", "--no-such-option"), "no-such-option"),
    ],
)
def test_what_is_not_there_is_misuse(args: tuple[str, ...], words: str, portable: Host, warm: Warm) -> None:
    assert words in warm.mlbridge(portable.path, *args, code=2)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("train", "amount"), "amount_training is a Python model, which `dbt build` runs"),
        (("train",), "`dbt build` itself trains 'basket', 'amount': no training node is SQL."),
        (("build",), "`dbt build` itself trains 'basket', 'amount': no training node is SQL."),
    ],
)
def test_python_nodes_are_left_to_dbt(args: tuple[str, ...], words: str, shop: Host, warm: Warm) -> None:
    assert words in warm.mlbridge(shop.path, *args, code=2)


@pytest.fixture
def asked(served: Host, server: Postgres, warm: Warm) -> Iterator[Project]:
    """The host on the server, which has asked for a training of `amount`."""
    warm.dbt(served.path, "run", "--select", "amount_training", "--vars", "mlbridge_retrain: true")
    before = versions(on(server), "there", "amount")
    yield Project.at(served.path, None, None)
    assert versions(on(server), "there", "amount") == before
    assert counted(on(server), "there", "amount", "_inbox") == 0


def test_a_server_that_is_gone_in_the_middle_of_a_fit(
    asked: Project, server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenge = new_version.challenge

    def interrupted(*args: Any) -> Any:
        server.stop()
        return challenge(*args)

    monkeypatch.setattr(new_version, "challenge", interrupted)
    (answer,) = train(asked, ["amount"])
    server.start()
    assert answer.outcome == "refused"
    assert answer.reason.startswith("amount_training: ")
    assert "refused" in answer.reason or "closed the connection" in answer.reason or "terminating" in answer.reason


def test_a_role_that_may_not_write_into_the_inbox(asked: Project, server: Postgres) -> None:
    with server.connection.cursor() as cursor:
        for statement in (
            "create role reads login",
            "grant usage on schema there_lab, till to reads",
            "grant select on all tables in schema there_lab to reads",
        ):
            cursor.execute(statement)
    as_reader = Project.at(asked.path, None, None)
    profile(Host(asked.path, asked.path), {**server.profile("there"), "user": "reads"})
    (answer,) = train(as_reader, ["amount"])
    profile(Host(asked.path, asked.path), server.profile("there"))
    assert (answer.outcome, answer.reason) == (
        "refused",
        "amount_training: permission denied for table amount_training_inbox",
    )


def test_a_role_that_may_not_create(served: Host, server: Postgres, warm: Warm, tmp_path: Path) -> None:
    with server.connection.cursor() as cursor:
        cursor.execute("create role visitor login")
    host = copy_of_host(served, tmp_path)
    profile(host, {**server.profile("elsewhere"), "user": "visitor"})
    said = warm.mlbridge(host.path, "build", code=2)
    assert "permission denied for database postgres" in said
    assert on(server)("select 1 from pg_namespace where nspname like 'elsewhere%'") == []


# --- Spark, here because one worker then starts one server ------------------------------------------------------


@pytest.mark.slow
def test_types_that_no_model_takes_are_named_and_a_schema_may_be_missing(cluster: Spark) -> None:
    cluster.session.sql("create schema if not exists odd")
    cluster.session.sql(
        "create table odd.types as "
        "select 1 as id, date '2024-01-01' as day, array(1) as many, map('a', 1) as pairs, "
        "cast('1' as decimal(9, 2)) as price"
    )
    with opened(SimpleNamespace(**cluster.profile("odd"))) as warehouse:
        types = warehouse.columns_of("", "odd", "types")
        assert types == {
            "id": "INTEGER",
            "day": "DATE",
            "many": "INT[]",
            "pairs": "MAP(TEXT, INT)",
            "price": "DECIMAL(9, 2)",
        }
        rows = warehouse.relation(("", "odd", "types")).to_arrow_reader(10).read_all().to_pylist()
        assert rows == [{"id": 1, "day": datetime(2024, 1, 1), "many": "[1]", "pairs": "{a -> 1}", "price": 1.0}]
        spec = read_spec("m_training", {"task": "regression", "target": "price", "entity": "id", "time": "day"})
        with pytest.raises(FeatureError, match=r"'many' is a INT\[\]"):
            features_of("m_training", types, spec)
        with pytest.raises(SetupError, match=r"^the warehouse has no table 'nowhere.t'. Run `dbt build` first.$"):
            warehouse.relation(("", "nowhere", "t"))


@pytest.mark.slow
def test_a_reader_sees_what_others_write_also_after_its_session_has_ended(cluster: Spark) -> None:
    warehouse = SparkWarehouse(SimpleNamespace(**cluster.profile("odd")))
    cluster.session.sql("create schema if not exists odd")
    cluster.session.sql("create table odd.read using parquet as select 1 as n")
    for n in (1, 2, 3):
        assert [*warehouse.frame("select n from `odd`.`read` order by n", {})["n"]] == [*range(1, n + 1)]
        if n == 2:
            warehouse.use(lambda spark: spark.client.release_session())  # as a server does that has waited for long
        cluster.session.sql(f"insert into odd.read values ({n + 1})")
    whether = exp.select("1").from_("odd.read")
    with pytest.raises(ReadError, match=r"^`odd`.`read` and its new rows differ by 'm'\. Run `dbt build` first\.$"):
        warehouse.append(("", "odd", "read"), pa.table({"n": [5], "m": [5]}), whether, whether.sql("spark"))
    warehouse.close()


# dbt opens its session in one of its threads.
SHARED = """
import sys
from threading import Thread
from types import SimpleNamespace
from pyspark.sql import SparkSession
from mlbridge.engines.adapters import engine_of

def connect():
    found.append(SparkSession.builder.enableHiveSupport().config("spark.remote", sys.argv[1]).getOrCreate())

for number in range(2):
    found = []
    thread = Thread(target=connect)
    thread.start()
    thread.join()
    assert found[0].sql("select 1").collect()
    engine_of("spark").rest(SimpleNamespace(server_side_parameters={"spark.remote": sys.argv[1]}))
    assert found[0].is_stopped
"""


@pytest.mark.slow
def test_the_session_of_dbt_is_ended_and_another_one_opens(cluster: Spark) -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", SHARED, cluster.remote], check=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*RETRIES_EXCEEDED")  # the client says it as well
def test_a_cluster_that_is_gone_is_not_waited_for_long(cluster: Spark) -> None:
    with opened(SimpleNamespace(**cluster.profile("odd"))) as warehouse:
        assert warehouse.columns_of("", "default", "nothing") == {}
        cluster.stop()
        try:
            with pytest.raises(ReadError):
                warehouse.columns_of("", "default", "nothing")
        finally:
            cluster.start()
