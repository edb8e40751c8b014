"""What a build publishes on PostgreSQL: copies in a schema of their own, at any moment of one build."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import psycopg2
import pytest
import yaml
from dbt_host import Host, small_host
from postgres import Postgres
from warm import Warm

RUN = ("run", "--select", "ml_runs", "ml_nodes", "ml_champions", "ml_decisions")
NEWEST = "select count(distinct invocation_id), count(*), count(distinct node) from {}.ml_runs"


@pytest.fixture(scope="module")
def host(server: Postgres, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """A host without a model on the server, whose tables a role of the dashboards may read, as built once."""
    host = small_host(tmp_path_factory.mktemp("served") / "small", [])
    target = {"target": "dev", "outputs": {"dev": server.profile("served")}}
    host.write({"profiles.yml": yaml.safe_dump({"small": target})})
    project = host.path / "dbt_project.yml"
    granted = '"mlbridge_grant_select": ["board", "bi-reader"], "mlbridge_models": []'
    project.write_text(project.read_text().replace("mlbridge_models: []", granted))
    with server.connection.cursor() as cursor:
        cursor.execute('create role board login; create role "bi-reader" login')
    warm.dbt(host.path, "deps")
    warm.dbt(host.path, "run", "--select", "package:mlbridge")
    return host


def test_a_build_publishes_every_table(host: Host, server: Postgres) -> None:
    built, published = (
        {
            name
            for (name,) in server.rows(
                f"select table_name from information_schema.tables where table_schema = '{name}'"
            )
        }
        for name in ("served", "served_published")
    )
    assert published == {name for name in built if name.startswith("ml_")} - {"ml_predictions_latest", "ml_thresholds"}
    assert server.rows("select count(*) from served_published.ml_runs") == server.rows(
        "select count(*) from served.ml_runs"
    )


@pytest.mark.parametrize("role", ["board", "bi-reader"])
def test_a_dashboard_reads_it_and_nothing_else(host: Host, server: Postgres, role: str) -> None:
    login = {"host": "127.0.0.1", "port": server.port, "dbname": "postgres", "sslmode": "disable"}
    assert server.rows(f"select has_table_privilege('{role}', 'served.ml_decisions', 'select')") == [(True,)]
    with psycopg2.connect(user=role, **login) as board, board.cursor() as cursor:
        cursor.execute("select count(*) from served_published.ml_runs")
        assert cursor.fetchall()[0][0] > 10
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("delete from served_published.ml_runs")


def test_what_a_dashboard_has_built_on_it_stays(host: Host, server: Postgres, warm: Warm) -> None:
    with server.connection.cursor() as cursor:
        cursor.execute("create view on_the_board as select * from served_published.ml_champions")
    warm.dbt(host.path, *RUN)
    assert server.rows("select count(*) from on_the_board") == [(0,)]


def test_a_table_of_another_shape_is_made_anew(host: Host, server: Postgres, warm: Warm) -> None:
    with server.connection.cursor() as cursor:
        cursor.execute("alter table served_published.ml_nodes drop column kind")
    warm.dbt(host.path, *RUN)
    assert server.rows("select count(kind) from served_published.ml_nodes") == server.rows(
        "select count(*) from served.ml_nodes"
    )


def test_a_reader_sees_one_build_or_the_next(host: Host, server: Postgres, warm: Warm) -> None:
    """Two questions in one transaction are about one build; `ml_runs` has four rows more after each."""
    ended, seen, wrong = threading.Event(), [], []

    def read() -> None:
        login = {"host": "127.0.0.1", "port": server.port, "dbname": "postgres", "sslmode": "disable"}
        try:
            with psycopg2.connect(user="board", **login) as board:
                board.set_session(isolation_level="REPEATABLE READ", readonly=True)
                while not ended.is_set():
                    with board.cursor() as cursor:
                        cursor.execute("select count(*) from served_published.ml_runs")
                        runs = cursor.fetchall()[0][0]
                        cursor.execute(
                            "select count(*) from served_published.ml_nodes where name like 'ml!_%' escape '!'"
                        )
                        seen.append((runs, cursor.fetchall()[0][0]))
                    board.commit()
        except Exception as error:
            wrong.append(error)

    (before,) = server.rows("select count(*) from served_published.ml_runs")[0]
    (nodes,) = server.rows("select count(*) from served_published.ml_nodes where name like 'ml!_%' escape '!'")[0]
    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(3):
        warm.dbt(host.path, *RUN)
    ended.set()
    reader.join()
    assert not wrong
    assert {runs for runs, _ in seen} <= {before + 4 * number for number in range(4)}
    assert {number for _, number in seen} == {nodes}
    assert seen[0][0] == before
    (after,) = server.rows("select count(*) from served_published.ml_runs")[0]
    assert after == before + 12


def test_who_may_not_make_the_schema_is_told(host: Host, server: Postgres, warm: Warm, tmp_path: Path) -> None:
    with server.connection.cursor() as cursor:
        cursor.execute("create role builder login; create schema shut authorization builder")
    profile = {**server.profile("shut"), "user": "builder"}
    host.write({"profiles.yml": yaml.safe_dump({"small": {"target": "dev", "outputs": {"dev": profile}}})})
    command = ("run", "--select", "ml_runs", "ml_nodes", "--vars", json.dumps({"mlbridge_grant_select": []}))
    output = warm.dbt(host.path, *command)
    assert "this user may not make the schema shut_published. Make it, and give it to this user." in output
    assert server.rows("select count(*) from shut.ml_runs")[0][0] > 0


def test_nothing_is_left_of_what_was_published(host: Host, server: Postgres, warm: Warm) -> None:
    profile = yaml.safe_dump({"small": {"target": "dev", "outputs": {"dev": server.profile("served")}}})
    host.write({"profiles.yml": profile})
    with server.connection.cursor() as cursor:
        cursor.execute("drop view if exists on_the_board")
    output = warm.dbt(host.path, "run-operation", "mlbridge.drop_tables", "--args", "{really: true}")
    assert 'dropped "postgres"."served_published"."ml_runs"' in output
    left = "select table_name from information_schema.tables where table_schema in ('served', 'served_published')"
    assert server.rows(left) == []
    assert server.rows("select count(*) from pg_namespace where nspname = 'served_published'") == [(0,)]
