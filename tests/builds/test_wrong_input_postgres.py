"""Wrong input on PostgreSQL: one clear error for each node, and nothing written."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from dbt_host import Host, small_host
from hosts import BY_MOMENT as SPEC
from portable import PREDICTIONS, TRAINING
from postgres import Postgres
from warm import Warm

from mlbridge.commands.train import Answer, train
from mlbridge.project.project import Project

MOMENT = "timestamp '2024-01-01' + i * interval '1 hour'"
COLUMNS = {
    "id": "'k' || i",
    "moment": MOMENT,
    "x": "i * 7919 % 1000",
    "y": "case when i < 220 then i * 7919 % 1000 + i * 104729 % 500 > 750 end",
}
ENDLESS = "is infinite or beyond the years 1 to 9999 in some rows"
NO_TYPE = "which no candidate can read. Turn it into numbers or text in the features node"
# By case: what its spec and its features say otherwise, and words of the one error.
CASES: dict[str, tuple[dict[str, Any], dict[str, str], list[str]]] = {
    "endless_past": ({}, {"moment": f"case i when 3 then '-infinity' else {MOMENT} end"},
                     ["'moment' lies before the year 1"]),
    "endless_label": ({"label_time": "due"}, {"due": f"case i when 3 then 'infinity' else {MOMENT} end"},
                      [f"'due' {ENDLESS}", "NULL"]),
    "endless_feature": ({}, {"z": f"case i when 3 then '-infinity' else {MOMENT} end"}, [f"'z' {ENDLESS}", "NULL"]),
    "endless_day": ({}, {"z": "case i when 3 then date '12000-01-01' else date '2024-01-01' + i end"},
                    [f"'z' {ENDLESS}"]),
    "infinite": ({}, {"z": "case when i = 3 then 'infinity'::float8 else i end"}, ["'z' is infinite in some rows"]),
    "point": ({}, {"z": "point(i, i)"}, ["'z' is a POINT", NO_TYPE]),
    "network": ({}, {"z": "('10.0.0.' || i)::inet"}, ["'z' is a INET", NO_TYPE]),
    "list": ({}, {"z": "array[i]"}, ["'z' is a", NO_TYPE]),
    "document": ({}, {"z": "jsonb_build_object('a', i)"}, ["'z' is a JSON", NO_TYPE]),
    "own_type": ({}, {"z": "(case i % 2 when 0 then 'odd' else 'even' end)::parity"},
                 ["'z' is a USER-DEFINED", NO_TYPE]),
    "nan_key": ({}, {"id": "case when i < 2 then 'NaN'::float8 else i end",
                     "moment": "timestamp '2024-01-01' + greatest(i, 1) * interval '1 hour'"},
                ["id = NaN at 2024-01-01 01:00:00 stands in 2 rows"]),
    "cased_twice": ({}, {"ID": "i % 7"}, ["the columns 'id' and 'ID' differ by case only", "Rename one of them"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def host(server: Postgres, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """Every case side by side, each of which has asked for a training, and a column that is named in another case."""
    host = small_host(tmp_path_factory.mktemp("wrong"), list(CASES))
    output = {"target": "dev", "outputs": {"dev": server.profile("wrong")}}
    host.write({"profiles.yml": yaml.safe_dump({"small": output})})
    with server.connection.cursor() as cursor:
        cursor.execute("create type parity as enum ('odd', 'even')")
    for case, (spec, columns, _) in {**CASES, "cased": ({"entity": "Id"}, {}, [])}.items():
        listed = ", ".join(f'{sql} as "{name}"' for name, sql in {**COLUMNS, **columns}.items())
        training = {"materialized": "mlbridge", "meta": {"mlbridge": {**SPEC, **spec}}}
        host.write(
            {
                f"models/{case}_features.sql": f"select {listed} from generate_series(0, 239) as t (i)\n",
                f"models/{case}_split.sql": f"{{{{ mlbridge.split(ref('{case}_features')) }}}}\n",
                f"models/{case}_training.sql": TRAINING.format(name=case),
                f"models/{case}_predictions.sql": PREDICTIONS.format(name=case),
                f"models/{case}.yml": yaml.safe_dump({"models": [{"name": f"{case}_training", "config": training}]}),
            }
        )
    warm.dbt(host.path, "deps")
    said = warm.dbt(host.path, "build", "--select", "small", "--exclude", "*_predictions", ok=False)
    assert said.count("ERROR creating") == 1
    assert "cased_split: `mlbridge.entity` names the column 'Id'" in said
    assert "Did you mean 'id'?" in said
    return host


@pytest.fixture(scope="module")
def answers(host: Host) -> dict[str, Answer]:
    return {each.model: each for each in train(Project.at(host.path, None, None), [])}


@pytest.mark.parametrize("case", CASES)
def test_one_error_names_the_column_and_the_way_out(case: str, answers: dict[str, Answer], server: Postgres) -> None:
    answer = answers[case]
    assert answer.outcome == "refused"
    assert answer.reason.startswith(f"{case}_training: ")
    for words in CASES[case][2]:
        assert words in answer.reason
    for table in (f"{case}_training", f"{case}_training_inbox"):
        assert server.rows(f"select count(*) from wrong.{table}") == [(0,)]


def test_a_schema_that_is_gone(host: Host, server: Postgres) -> None:
    server.rows("alter schema wrong rename to elsewhere; select 1")
    (answer,) = train(Project.at(host.path, None, None), ["point"])
    server.rows("alter schema elsewhere rename to wrong; select 1")
    assert answer.outcome is None
    assert "no build has asked" in answer.reason


@pytest.mark.parametrize("command", [("train", "point"), ("build", "--select", "point_split"), ("status",)])
def test_a_server_that_is_down(command: tuple[str, ...], host: Host, server: Postgres, warm: Warm) -> None:
    server.stop()
    running = warm.start(host.path, *command, cli=True)
    code = running.wait()
    server.start()
    assert code in (1, 2), running.output
    assert "Connection refused" in running.output
    assert "Traceback" not in running.output
