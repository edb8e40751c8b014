"""On PostgreSQL, `mlbridge train` or the server is killed at any moment, and then started again: nothing is half."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import yaml
from dbt_host import Host
from portable import on_server
from postgres import SUPERUSER, Postgres
from warm import Warm

MOMENTS = 20
ASK = ("run", "--select", "amount_training", "--vars", "mlbridge_retrain: true")
TAKE_IN = ("run", "--select", "amount_training")
KEPT = "version, candidate, outcome, artifact, artifact_sha256, metrics, profile"
INSERT, DELETE = 'insert into .*amount_training"', "delete from .*amount_training_inbox"


@pytest.fixture(scope="module")
def killed(empty_shop: Host, server: Postgres, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The second host on the server, `amount` trained once."""
    host = on_server(empty_shop, server, "killed", tmp_path_factory.mktemp("killed"))
    warm.mlbridge(host.path, "build", "--exclude-resource-type", "test", "--select", "+amount_training")
    return host


def whole(server: Postgres, table: str) -> list[int]:
    """Assert that every row of a logbook or an inbox is complete; give the versions."""
    rows = server.rows(f"select {KEPT} from killed_lab.{table} where outcome <> 'skipped'")
    for _, _, outcome, artifact, checksum, metrics, profile in rows:
        if outcome in ("promoted", "rejected"):
            assert hashlib.sha256(artifact).hexdigest() == checksum
            assert metrics is not None
            assert profile is not None
    chosen = [row[0] for row in rows if row[2] in ("promoted", "rejected")]
    assert {row[0] for row in rows} == set(chosen)
    return sorted(chosen)


@pytest.fixture
def asked(killed: Host, server: Postgres, warm: Warm) -> Iterator[list[int]]:
    """A build has asked for a training; gives the versions so far. In the end one more has come, once."""
    warm.dbt(killed.path, *ASK)
    before = whole(server, "amount_training")
    yield before
    warm.dbt(killed.path, *TAKE_IN)
    assert whole(server, "amount_training") == [*before, len(before) + 1]
    assert whole(server, "amount_training_inbox") == []


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["training", "server"])
def test_killed_at_twenty_moments_of_a_training(
    victim: str, asked: list[int], killed: Host, server: Postgres, warm: Warm
) -> None:
    """At stepped moments of a training that would otherwise last until its answer lies in the inbox."""
    next_one = [len(asked) + 1]
    started = time.monotonic()
    warm.mlbridge(killed.path, "train", "amount")
    seconds = time.monotonic() - started
    assert whole(server, "amount_training_inbox") == next_one
    answered = 0
    for moment in range(MOMENTS):
        server.rows("delete from killed_lab.amount_training_inbox returning 1")
        command = warm.start(killed.path, "train", "amount", cli=True)
        time.sleep(seconds * (moment + 0.5) / MOMENTS)
        if victim == "training":
            command.kill()
            assert command.wait() in (-9, 0), command.output
        else:
            server.stop()
            code = command.wait()
            server.start()
            assert "Traceback" not in command.output
            assert code in (0, 1, 2), command.output
            assert code == 0 or command.output.strip(), "it says why"
        assert whole(server, "amount_training") == asked
        left = whole(server, "amount_training_inbox")
        assert left in ([], next_one)
        answered += left == next_one
    assert answered < MOMENTS, "some moments lay within the training, also where others load the machine"
    warm.mlbridge(killed.path, "train", "amount")
    assert whole(server, "amount_training_inbox") == next_one


@pytest.mark.slow
@pytest.mark.parametrize(("statement", "when"), [(INSERT, "after"), (DELETE, "before"), (DELETE, "after")])
def test_killed_while_an_answer_is_taken_in(
    statement: str, when: str, asked: list[int], killed: Host, server: Postgres, warm: Warm
) -> None:
    warm.mlbridge(killed.path, "train", "amount")
    command = warm.start(killed.path, *TAKE_IN, kill_at=(statement, when))
    assert command.wait() == -9, command.output
    assert whole(server, "amount_training") == asked
    assert whole(server, "amount_training_inbox") == [len(asked) + 1]


@pytest.mark.slow
def test_a_build_waits_for_another_that_takes_in_the_same_answer(
    asked: list[int], killed: Host, server: Postgres, warm: Warm
) -> None:
    warm.mlbridge(killed.path, "train", "amount")
    other = psycopg2.connect(host="127.0.0.1", port=server.port, user=SUPERUSER, dbname="postgres", sslmode="disable")
    with other.cursor() as cursor:
        cursor.execute(
            "select string_agg(quote_ident(column_name), ', ') from information_schema.columns "
            "where table_schema = 'killed_lab' and table_name = 'amount_training'"
        )
        (names,) = cursor.fetchone() or ()
        cursor.execute(
            f"insert into killed_lab.amount_training ({names}) select {names} from killed_lab.amount_training_inbox"
        )
        started, command = time.monotonic(), warm.start(killed.path, *TAKE_IN)
        waiting = "select 1 from pg_locks where not granted and relation = 'killed_lab.amount_training'::regclass"
        while not server.rows(waiting):
            time.sleep(0.1)
            assert time.monotonic() - started < 60, "it waits"
        other.commit()
    other.close()
    assert command.wait() == 0, command.output
    assert whole(server, "amount_training") == [*asked, len(asked) + 1]


@pytest.mark.slow
def test_an_answer_is_taken_in_with_autocommit_in_the_profile(
    asked: list[int], killed: Host, server: Postgres, warm: Warm, tmp_path: Path
) -> None:
    warm.mlbridge(killed.path, "train", "amount")
    output = {**server.profile("killed"), "autocommit": True}
    profiles = {"shop": {"target": "dev", "outputs": {"dev": output}}}
    (tmp_path / "profiles.yml").write_text(yaml.safe_dump(profiles))
    warm.dbt(killed.path, *TAKE_IN, "--profiles-dir", str(tmp_path))
    assert whole(server, "amount_training") == [*asked, len(asked) + 1]
    assert whole(server, "amount_training_inbox") == []
