"""`<model>_predictions` as a `.sql` node of one macro call: what the Python node says, on DuckDB and on PostgreSQL."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from dbt_host import Host, copy_of_host, small_host, specify
from postgres import Postgres
from sqlglot import exp
from warm import Warm

from mlbridge.commands.doctor import run_checks
from mlbridge.engines.warehouse import Warehouse
from mlbridge.project.project import Project
from mlbridge.registry.logbook import CandidateRow, history
from mlbridge.registry.versions import read_version
from mlbridge.scoring.rows import PREDICTIONS
from mlbridge.scoring.sql import scoring_sql, title
from mlbridge.scoring.stored_select import text_checksum

MODELS = ("basket", "amount")
CALL = "{{{{ mlbridge.predict(ref('{name}_split'), ref('{name}_training')) }}}}\n"
BOTH = ("--select", "basket_predictions", "amount_predictions")
# What a build decides, not a row.
OF_THE_BUILD = ("scored_by", "scored_at", "invocation_id")
Row = dict[str, Any]


def as_sql(host: Host, *models: str) -> Host:
    """Replace the Python prediction nodes of a host by SQL ones; their YAML says no materialization."""
    for name in models:
        folder = host.path / "models" / "ml" / name
        (folder / f"{name}_predictions.py").unlink()
        (folder / f"{name}_predictions.sql").write_text(CALL.format(name=name))
        declared = yaml.safe_load((folder / f"{name}.yml").read_text())
        declared["models"] = [each for each in declared["models"] if each["name"] != f"{name}_predictions"]
        (folder / f"{name}.yml").write_text(yaml.safe_dump(declared))
    return host


def predictions(host: Host, name: str, condition: str = "true") -> list[Row]:
    with duckdb.connect(str(host.database), read_only=True) as warehouse:
        found = warehouse.sql(f"from main_lab.{name}_predictions where {condition} order by version, entity, time")
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def types_of(host: Host, name: str) -> dict[str, str]:
    with duckdb.connect(str(host.database), read_only=True) as warehouse:
        found = warehouse.sql(f"from main_lab.{name}_predictions")
        return dict(zip(found.columns, map(str, found.types), strict=True))


def alike(row: Row) -> Row:
    """A row without what the build decides; the linear models of this host are equal to 1e-12."""
    scores = {"probability", "prediction_value"}
    found = {name: value for name, value in row.items() if name not in OF_THE_BUILD}
    found |= {name: pytest.approx(found[name], rel=1e-12, nan_ok=False) for name in scores if found[name] is not None}
    if found["probabilities"] is not None:
        found["probabilities"] = pytest.approx(json.loads(found["probabilities"]), rel=1e-12)
    if found["prediction_value"] is not None and found["probability"] is None:
        found["prediction"] = pytest.approx(float(found["prediction"]), rel=1e-12)
    return found


def read(row: Row) -> Row:
    """A row as `alike` compares it."""
    found = {name: value for name, value in row.items() if name not in OF_THE_BUILD}
    if found["probabilities"] is not None:
        found["probabilities"] = json.loads(found["probabilities"])
    if found["prediction_value"] is not None and found["probability"] is None:
        found["prediction"] = float(found["prediction"])
    return found


@pytest.fixture(scope="module")
def scored(shop: Host, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The built shop, its predictions dropped and made again by SQL nodes."""
    host = as_sql(copy_of_host(shop, tmp_path_factory.mktemp("scored")), *MODELS)
    with duckdb.connect(str(host.database)) as warehouse:
        for name in MODELS:
            warehouse.execute(f"drop table main_lab.{name}_predictions")
    warm.dbt(host.path, "run", *BOTH)
    return host


@pytest.mark.parametrize("name", MODELS)
def test_the_sql_node_says_what_the_python_node_says(name: str, scored: Host, shop: Host) -> None:
    expected, found = predictions(shop, name), predictions(scored, name)
    assert len(expected) > 500
    assert [read(row) for row in found] == [alike(row) for row in expected]
    assert {row["scored_by"] for row in found} == {"sql"}
    assert list(types_of(scored, name)) == list(PREDICTIONS)
    assert types_of(scored, name) == types_of(shop, name)


def test_a_second_build_adds_nothing_and_the_tables_of_the_branch_take_it(
    scored: Host, warm: Warm, tmp_path: Path
) -> None:
    host = copy_of_host(scored, tmp_path)
    before = {name: predictions(host, name) for name in MODELS}
    warm.dbt(host.path, "build", "--select", "basket_predictions+", "amount_predictions+")
    assert {name: predictions(host, name) for name in MODELS} == before
    with duckdb.connect(str(host.database), read_only=True) as warehouse:
        counted = dict(
            warehouse.execute("select model, count(*) from main_insight.ml_predictions group by 1").fetchall()
        )
    assert counted == {name: len(rows) for name, rows in before.items()}


def test_the_build_with_empty_gives_no_rows(scored: Host, warm: Warm, tmp_path: Path) -> None:
    host = copy_of_host(scored, tmp_path)
    before = predictions(host, "basket")
    warm.dbt(host.path, "run", "--empty", *BOTH)
    assert predictions(host, "basket") == before


def test_the_champion_that_is_pinned_and_the_challenger_in_shadow(aged_shop: Host, warm: Warm, tmp_path: Path) -> None:
    host = as_sql(copy_of_host(aged_shop, tmp_path), *MODELS)
    by_python = predictions(host, "amount", "version = 1")
    with duckdb.connect(str(host.database)) as warehouse:
        warehouse.execute("delete from main_lab.amount_predictions where version = 1")
        (note,) = warehouse.execute(
            "select scoring_sql_note from main_lab.amount_training where version = 2 and outcome = 'rejected'"
        ).fetchone() or (None,)
    assert note is None
    # The second version is pinned, but was rejected, so nobody wrote it as a SELECT.
    output = warm.dbt(host.path, "run", "--select", "amount_predictions", ok=False)
    assert "version 2 is no SELECT: it was not compiled when it was trained" in output
    specify(host, "amount", pin=1, shadow=True)
    output = warm.dbt(host.path, "run", "--select", "amount_predictions")
    assert "the challenger (version 2) does not score in shadow: it is no SELECT" in output
    by_sql = {(row["entity"], row["time"]): read(row) for row in predictions(host, "amount", "version = 1")}
    assert len(by_sql) >= len(by_python) > 0
    assert [by_sql[row["entity"], row["time"]] for row in by_python] == [alike(row) for row in by_python]


def test_a_challenger_that_is_a_select_scores_beside_the_champion(shop: Host, warm: Warm, tmp_path: Path) -> None:
    host = as_sql(copy_of_host(shop, tmp_path), "amount")
    specify(host, "amount", shadow=True)
    warm.dbt(host.path, "run", "--select", "amount_training", "amount_predictions", "--vars", "mlbridge_retrain: true")
    with duckdb.connect(str(host.database), read_only=True) as warehouse:
        outcomes = dict(
            warehouse.execute(
                "select version, outcome from main_lab.amount_training where outcome in ('promoted', 'rejected')"
            ).fetchall()
        )
    assert outcomes == {1: "promoted", 2: "rejected"}
    rows = predictions(host, "amount")
    second = [row for row in rows if row["version"] == 2]
    assert {row["scored_by"] for row in second} == {"sql"}
    # Trained on the same rows by the same recipe, it says the same of the same rows.
    first = {(row["entity"], row["time"]): row["prediction_value"] for row in rows if row["version"] == 1}
    assert {(row["entity"], row["time"]): row["prediction_value"] for row in second} == pytest.approx(first, rel=1e-12)
    # What the challenger cannot do never keeps the champion from scoring.
    for change, words in (
        ("features = replace(features, 'visits', 'visited')", "does not score in shadow: 'visited' is gone"),
        ("scoring_sql_md5 = null, "
         "scoring_sql = replace(scoring_sql, '\"prediction\" AS \"prediction_value\"', 'null as prediction_value'), "
         "features = replace(features, 'visited', 'visits')", "Completed successfully"),
    ):  # fmt: skip
        with duckdb.connect(str(host.database)) as warehouse:
            warehouse.execute(f"update main_lab.amount_training set {change} where version = 2")
            warehouse.execute("delete from main_lab.amount_predictions")
        output = " ".join(warm.dbt(host.path, "run", "--select", "amount_predictions").split())
        assert words in output
        assert len([row for row in predictions(host, "amount") if row["version"] == 1]) == len(first)


WRONG = {
    "no champion": (
        "update main_lab.amount_training set outcome = 'rejected'",
        {},
        "amount has no champion yet, so nothing is scored",
        True,
    ),
    "no rows at all": (
        "delete from main_lab.amount_split; delete from main_lab.amount_predictions",
        {},
        "Completed successfully",
        True,
    ),
    "no such pin": ("", {"pin": 7}, "there is no version 7 that this build knows; the logbook has 1", False),
    "no select": (
        "update main_lab.amount_training set scoring_sql = null, scoring_sql_note = 'it''s too large'",
        {},
        "version 1 is no SELECT: it's too large",
        False,
    ),
    "a feature is gone": (
        "alter table main_lab.amount_split drop column amount_of_four_weeks",
        {},
        "version 1 cannot score: 'amount_of_four_weeks' is gone",
        False,
    ),
    "a feature is of another type": (
        "alter table main_lab.amount_split alter amount_of_four_weeks type varchar",
        {},
        "version 1 cannot score: 'amount_of_four_weeks' was",
        False,
    ),
    "a key is missing": (
        "update main_lab.amount_split set customer = null where visits = 1",
        {},
        "'customer' is NULL in",
        False,
    ),
    "a key stands twice": (
        "insert into main_lab.amount_split from main_lab.amount_split limit 1",
        {},
        "stands in 2 rows; entity and time together must be unique",
        False,
    ),
    "a number is too large": (
        "update main_lab.amount_training set scoring_sql_md5 = null, scoring_sql = "
        "replace(scoring_sql, ' AS \"prediction_value\"', ' + 1e999 AS \"prediction_value\"'); "
        "delete from main_lab.amount_predictions",
        {},
        "version 1 gives no prediction for some rows, because",
        False,
    ),
    "a select that was edited": (
        "update main_lab.amount_training set scoring_sql = scoring_sql || chr(10)",
        {},
        "version 1 has a `scoring_sql` in the logbook that mlbridge did not write, and that is not run: its MD5 is",
        False,
    ),
    "a select that reads a file": (
        "update main_lab.amount_training set scoring_sql_md5 = null, scoring_sql = replace(scoring_sql, "
        "'FROM ml_split_rows', 'FROM read_csv(''profiles.yml'') as ml_split_rows')",
        {},
        "and that is not run: `READ_CSV`. Make this node a Python model",
        False,
    ),
    "a pin that is no number": (
        "",
        {"pin": "first"},
        "expected the number of a version in ml_versions, found 'first'",
        False,
    ),
}


BY_DOCTOR = {
    "a select that was edited": "amount version 1: its MD5 is ",
    "a select that reads a file": "amount version 1: it reads `READ_CSV('profiles.yml')",
}


OFTEN = ("no champion", "a feature is gone", "a select that reads a file")


@pytest.mark.parametrize(
    "problem", [pytest.param(each, marks=() if each in OFTEN else pytest.mark.slow) for each in WRONG]
)
def test_what_is_wrong_is_said(problem: str, scored: Host, warm: Warm, tmp_path: Path) -> None:
    statements, changes, words, ok = WRONG[problem]
    host = copy_of_host(scored, tmp_path)
    if changes:
        specify(host, "amount", **changes)
    with duckdb.connect(str(host.database)) as warehouse:
        for statement in filter(None, statements.split("; ")):
            warehouse.execute(statement)
    before = predictions(host, "amount")
    output = " ".join(warm.dbt(host.path, "run", "--select", "amount_predictions", ok=ok).split())
    assert words in output
    assert predictions(host, "amount") == before
    (by_doctor,) = (
        each for each in run_checks(lambda: Project.at(host.path, None, None)) if each.check == "scoring_sql"
    )
    assert by_doctor.fine == (problem not in BY_DOCTOR)
    assert BY_DOCTOR.get(problem, "each one query over the rows to score") in by_doctor.finding
    if not ok:
        warm.dbt(host.path, "compile", "--select", "amount_predictions")  # not of a build: it says nothing


# Of rows that wait: infinite, beyond a 32-bit float, and both.
ODD = (
    "update main_lab.amount_split set amount_of_four_weeks = case customer when 'north/7' then 'infinity'::double "
    "when 'north/8' then '-infinity' else 1e39 end "
    "where ml_split = 'score' and customer in ('north/7', 'north/8', 'north/9')"
)
WHY = {
    "north/7": "the feature 'amount_of_four_weeks' is infinite",
    "north/8": "the feature 'amount_of_four_weeks' is infinite",
    "north/9": "the feature 'amount_of_four_weeks' is beyond 3.4e38, which the version's estimator does not take",
}


def change(host: Host, *statements: str) -> None:
    with duckdb.connect(str(host.database)) as warehouse:
        for statement in statements:
            warehouse.execute(statement)


def warning(output: str) -> str:
    """What a node warns of, in one line."""
    found = re.search(r"version 1 gives no prediction.*?a later build then scores the rows\.", " ".join(output.split()))
    return found[0] if found else ""


@pytest.fixture(scope="module")
def odd(shop: Host, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Host, str]]:
    """A host by candidate whose Python node has scored rows that cannot all be scored, and what it warned of."""
    found = {}
    for candidate in ("hist_gradient_boosting", "random_forest"):
        host = copy_of_host(shop, tmp_path_factory.mktemp(candidate))
        change(host, "drop table main_lab.amount_training", "drop table main_lab.amount_predictions")
        specify(host, "amount", candidates=[candidate])
        features = host.path / "models" / "ml" / "amount" / "amount_features.sql"
        features.write_text(features.read_text().replace("    visits,", "    cast(visits as decimal(9, 2)) as visits,"))
        warm.dbt(host.path, "run", "--select", "+amount_training")
        change(host, ODD)
        output = warm.dbt(host.path, "run", "--select", "amount_predictions")
        found[candidate] = (host, warning(output))
    return found


@pytest.mark.parametrize("candidate", ["hist_gradient_boosting", "random_forest"])
def test_rows_that_cannot_be_scored_are_the_same_in_the_same_words(
    candidate: str, odd: dict[str, tuple[Host, str]], warm: Warm, tmp_path: Path
) -> None:
    """Gradient boosting takes 1e39, a forest does not; neither is asked about infinity."""
    by_python, warned = odd[candidate]
    expected = predictions(by_python, "amount")
    host = as_sql(copy_of_host(by_python, tmp_path), "amount")
    change(host, "drop table main_lab.amount_predictions")
    output = warm.dbt(host.path, "run", "--select", "amount_predictions")
    found = predictions(host, "amount")
    assert {row["scored_by"] for row in found} == {"sql"}
    assert [read(row) for row in found] == [alike(row) for row in expected]
    why = {name: words for name, words in WHY.items() if candidate == "random_forest" or "beyond" not in words}
    without = {(row["entity"], row["time"]): row["not_scored_because"] for row in found if row["prediction"] is None}
    assert {entity: words for (entity, _), words in without.items()} == why
    assert warning(output) == warned
    assert f"no prediction for {len(why)} row(s)" in warned
    # Nothing is told twice, and what is mended is scored.
    assert "gives no prediction" not in warm.dbt(host.path, "run", "--select", "amount_predictions")
    assert predictions(host, "amount") == found
    change(host, "update main_lab.amount_split set amount_of_four_weeks = 20 "
           "where ml_split = 'score' and customer in ('north/7', 'north/9')")  # fmt: skip
    warm.dbt(host.path, "build", "--select", "amount_predictions+")
    scored = {(row["entity"], row["time"]) for row in predictions(host, "amount", "prediction is not null")}
    assert {entity for entity, _ in scored & set(without)} == set(why) - {"north/8"}
    with duckdb.connect(str(host.database), read_only=True) as warehouse:
        for table in ("ml_predictions", "ml_predictions_latest"):
            reasons = warehouse.execute(
                f"select entity, not_scored_because from main_insight.{table} "
                "where model = 'amount' and prediction is null"
            ).fetchall()
            assert reasons == [("north/8", WHY["north/8"])]
        (counted,) = warehouse.execute(
            "select sum(rows_scored) from main_insight.ml_windows where model = 'amount'"
        ).fetchone() or (None,)
        (there,) = warehouse.execute(
            "select count(*) from main_insight.ml_predictions where model = 'amount' and prediction is not null"
        ).fetchone() or (None,)
    assert counted == there


REFUSED = "the feature 'visits' is missing, which the version's estimator does not take"


def test_rows_that_the_select_refuses_are_told_once_beside_the_others(
    odd: dict[str, tuple[Host, str]], warm: Warm, tmp_path: Path
) -> None:
    """The SELECT's own reason comes after those that the features give."""
    host = as_sql(copy_of_host(odd["hist_gradient_boosting"][0], tmp_path), "amount")
    words = REFUSED.replace("'", "''")
    refused = """("entity" = 'north/5' OR "entity" = 'north/7')"""
    before = "WITH ml_columns AS ("
    after = f""") SELECT "entity", "time", "prediction_value", "probability", "probabilities",
        CASE WHEN NOT {refused} THEN "prediction" END AS "prediction",
        CASE WHEN {refused} THEN '{words}' END AS "not_scored_because"
        FROM ml_columns"""
    with duckdb.connect(str(host.database)) as warehouse:
        warehouse.execute("drop table main_lab.amount_predictions")
        warehouse.execute(
            "update main_lab.amount_training set scoring_sql_md5 = null, scoring_sql = ? || scoring_sql || ?",
            [before, after],
        )
    output = warning(warm.dbt(host.path, "run", "--select", "amount_predictions"))
    assert f"{REFUSED} (north/5" in output
    found = predictions(host, "amount")
    why = {row["entity"]: row["not_scored_because"] for row in found if row["not_scored_because"]}
    assert why["north/5"] == REFUSED
    assert {why["north/7"], why["north/8"]} <= {WHY["north/7"], REFUSED}
    assert "gives no prediction" not in warm.dbt(host.path, "run", "--select", "amount_predictions")
    assert predictions(host, "amount") == found


def test_predictions_of_before_the_column_are_kept_as_they_are(
    odd: dict[str, tuple[Host, str]], warm: Warm, tmp_path: Path
) -> None:
    """An earlier mlbridge wrote no `not_scored_because`, and failed where a row could not be scored."""
    host = as_sql(copy_of_host(odd["random_forest"][0], tmp_path), "amount")
    change(
        host,
        "delete from main_lab.amount_predictions where prediction is null",
        "alter table main_lab.amount_predictions drop column not_scored_because",
    )
    before = predictions(host, "amount")
    output = warm.dbt(host.path, "build", "--select", "amount_predictions+")
    assert f"no prediction for {len(WHY)} row(s)" in warning(output)
    found = predictions(host, "amount")
    reasons = {row["entity"]: row["not_scored_because"] for row in found if row["prediction"] is None}
    assert reasons == WHY
    old = [{name: row[name] for name in before[0]} for row in found if row["prediction"] is not None]
    assert old == before
    assert types_of(host, "amount")["not_scored_because"] == "VARCHAR"


def test_a_node_of_another_name_is_refused(scored: Host, warm: Warm, tmp_path: Path) -> None:
    host = copy_of_host(scored, tmp_path)
    (host.path / "models" / "ml" / "amount" / "amount_guesses.sql").write_text(CALL.format(name="amount"))
    output = warm.dbt(host.path, "run", "--select", "amount_guesses", ok=False)
    assert "amount_guesses: the node of this stage must be called `<model>_predictions`" in output


# --- on a server -----------------------------------------------------------------------------------------------


def for_postgres(warehouse: Warehouse, name: str) -> list[Row]:
    """Give a model's logbook with each version's SELECT as PostgreSQL wants it."""
    logbook = exp.table_(f"{name}_training", db="main_lab", quoted=True)
    rows = []
    for light in history(warehouse, logbook):
        row = warehouse.row(exp.select("*").from_(logbook).where(exp.column("candidate").eq(light.candidate)))
        if isinstance(light, CandidateRow) and light.outcome == "promoted":
            version = read_version(name, warehouse, logbook, light, ())
            row["scoring_sql"] = scoring_sql(version, title(name, light), dialect="postgres")
            row["scoring_sql_md5"] = text_checksum(row["scoring_sql"])
        rows.append(row)
    return rows


def on_server(source: Host, name: str, server: Postgres, folder: Path) -> Host:
    """Put a model's split and logbook into the server's schema `loaded`, and a host beside it that scores there."""
    host = small_host(folder, [])
    spec = next(
        each["config"]["meta"]
        for each in yaml.safe_load((source.path / "models" / "ml" / name / f"{name}.yml").read_text())["models"]
        if each["name"] == f"{name}_training"
    )
    with server.connection.cursor() as cursor:
        cursor.execute(f"drop table if exists loaded.{name}_split, loaded.{name}_training cascade")
        cursor.execute(f"drop schema if exists scored_{name} cascade")
    host.write(
        {
            f"models/{name}_split.sql": f"select * from loaded.{name}_split",
            f"models/{name}_training.sql": f"select * from loaded.{name}_training",
            f"models/{name}_predictions.sql": CALL.format(name=name),
            "models/ml.yml": yaml.safe_dump(
                {"models": [{"name": f"{name}_training", "config": {"meta": spec, "materialized": "view"}}]}
            ),
            "profiles.yml": yaml.safe_dump(
                {"small": {"target": "server", "outputs": {"server": server.profile(f"scored_{name}")}}}
            ),
        }
    )
    with duckdb.connect(str(source.database), read_only=True) as connection:
        warehouse = Warehouse(connection)
        table = connection.sql(f"from main_lab.{name}_split")
        types = {column: str(type_) for column, type_ in zip(table.columns, table.types, strict=True)}
        server.load("loaded", f"{name}_split", types, table.fetchall())
        logbook = connection.sql(f"from main_lab.{name}_training limit 0")
        types = {column: str(type_) for column, type_ in zip(logbook.columns, logbook.types, strict=True)}
        rows = [tuple(row.values()) for row in for_postgres(warehouse, name)]
        server.load("loaded", f"{name}_training", types, rows)
    return host


def scored_there(server: Postgres, name: str) -> list[Row]:
    found = server.rows(
        f"select {', '.join(PREDICTIONS)} from scored_{name}.{name}_predictions "
        'order by version, entity collate "C", time'
    )
    return [read(dict(zip(PREDICTIONS, row, strict=True))) for row in found]


@pytest.mark.parametrize("name", MODELS)
def test_postgres_scores_without_python(name: str, shop: Host, server: Postgres, warm: Warm, tmp_path: Path) -> None:
    host = on_server(shop, name, server, tmp_path / "host")
    warm.dbt(host.path, "deps")
    for _ in range(2):  # the second adds nothing
        warm.dbt(host.path, "run", "--select", f"+{name}_predictions")
        assert scored_there(server, name) == [alike(row) for row in predictions(shop, name)]


def test_postgres_leaves_out_the_rows_that_cannot_be_scored(
    odd: dict[str, tuple[Host, str]], server: Postgres, warm: Warm, tmp_path: Path
) -> None:
    by_python, warned = odd["random_forest"]
    expected = [alike(row) for row in predictions(by_python, "amount")]
    assert {row["entity"] for row in expected if row["prediction"] is None} == set(WHY)
    host = on_server(by_python, "amount", server, tmp_path / "host")
    warm.dbt(host.path, "deps")
    output = warm.dbt(host.path, "run", "--select", "+amount_predictions")
    assert scored_there(server, "amount") == expected
    assert warning(output) == warned
    assert "gives no prediction" not in warm.dbt(host.path, "run", "--select", "+amount_predictions")
    assert scored_there(server, "amount") == expected
