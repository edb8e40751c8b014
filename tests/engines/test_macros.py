"""What the macros make of what a caller says, and what a type amounts to in SQL and in Python."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from rendering import Answer
from simulated import Package

from mlbridge.features.columns import family

NODE = "late_training"
NOW = datetime.datetime(2024, 7, 1, 6, 30, 0, 250_000)


def written(macro: str, *args: Any, **variables: Any) -> str:
    """Give what a macro returns for vars of the caller; a refusal is an AssertionError."""
    package = Package()
    package.names.update(
        model=SimpleNamespace(name=NODE),
        run_started_at=NOW,
        var=lambda name, default=None: variables.get(name, default),
    )
    return package.sql(macro, *args)


@pytest.mark.parametrize("found", ["true", "True", True, "yes", "1", 1])
def test_a_wish_trains_always(found: Any) -> None:
    assert written("retrain_mode", mlbridge_retrain=found) == "always"


@pytest.mark.parametrize("found", ["policy", "false", "False", False, "no", "none", None, "0", 0])
def test_else_the_policy_of_the_spec_decides(found: Any) -> None:
    assert written("retrain_mode", mlbridge_retrain=found) == "policy"
    assert written("retrain_mode") == "policy"


def test_never_is_never() -> None:
    assert written("retrain_mode", mlbridge_retrain="never") == "never"


@pytest.mark.parametrize(
    ("found", "shown", "hint"),
    [
        ("nevr", "'nevr'", " Did you mean 'never'?"),
        ("polcy", "'polcy'", " Did you mean 'policy'?"),
        ("2", "'2'", ""),
        ([1], "[1]", ""),
        (float("nan"), ".nan", ""),
    ],
)
def test_another_word_is_refused(found: Any, shown: str, hint: str) -> None:
    with pytest.raises(AssertionError) as refused:
        written("retrain_mode", mlbridge_retrain=found)
    message = f"{NODE}: the var `mlbridge_retrain` says {shown}.{hint} Allowed: true, false, policy, never."
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("found", "moment"),
    [
        (None, "2024-07-01 06:30:00.250000"),
        ("2024-07-01", "2024-07-01 00:00:00"),
        ("2024-07-01T06:30", "2024-07-01 06:30"),
        ("2024-07-01 06:30:00.25", "2024-07-01 06:30:00.25"),
    ],
)
def test_a_build_works_on_what_was_known_at_a_moment(found: str | None, moment: str) -> None:
    assert written("as_of", mlbridge_as_of=found) == moment


@pytest.mark.parametrize("found", ["2024-07-01 06:30:00.251", "2024-07-01 06:31", "2024-07-02", "9999-12-31"])
def test_a_clock_in_the_future_is_refused(found: str) -> None:
    with pytest.raises(AssertionError, match="lies in the future: it is 2024-07-01 06:30:00 in UTC"):
        written("as_of", mlbridge_as_of=found)


@pytest.mark.parametrize(
    "found",
    [
        "2024-02-30",
        "2024-13-01",
        "24-01-01",
        "2024-07-01 25:00",
        "soon",
        "0000-01-01",
        "٣024-07-01",
        0,
        False,
        2024,
        [],
        {},
    ],
)
def test_what_is_no_moment_is_refused(found: Any) -> None:
    with pytest.raises(AssertionError, match="vars: mlbridge_as_of: expected a moment in UTC such as"):
        written("as_of", mlbridge_as_of=found)


@pytest.mark.parametrize(
    ("found", "roles"),
    [
        (None, []),
        ("board", ["board"]),
        (["Board_2", "bi-reader", 'a "b"'], ["Board_2", '"bi-reader"', '"a ""b"""']),
        ('"bi-reader"', ['"bi-reader"']),
    ],
)
def test_a_role_is_quoted_where_it_must_be(found: Any, roles: list[str]) -> None:
    assert written("granted_roles", mlbridge_grant_select=found) == str(roles)


ROLES = "the name of a role or a list of names"
DAYS = "a number of days from 1 to 36500, or 'forever'"


@pytest.mark.parametrize(
    ("macro", "var", "found", "expected", "shown"),
    [
        ("models", "mlbridge_models", None, "a list of names such as [late_arrival]", "nothing"),
        ("models", "mlbridge_models", True, "a list of names such as [late_arrival]", "true"),
        ("models", "mlbridge_models", 5, "a list of names such as [late_arrival]", "5"),
        ("models", "mlbridge_models", {"a": 1}, "a list of names such as [late_arrival]", "{'a': 1}"),
        ("models", "mlbridge_models", [None], "names such as [late_arrival]", "[None]"),
        ("models", "mlbridge_models", [""], "names such as [late_arrival]", "['']"),
        ("step", "mlbridge_keep_steps", "maybe", "true or false", "'maybe'"),
        ("step", "mlbridge_keep_steps", None, "true or false", "nothing"),
        ("step", "mlbridge_keep_steps", 1, "true or false", "1"),
        ("refuses_memory", "mlbridge_refuse_memory", "maybe", "true or false", "'maybe'"),
        ("granted_roles", "mlbridge_grant_select", 5, ROLES, "5"),
        ("granted_roles", "mlbridge_grant_select", {"a": 1}, ROLES, "{'a': 1}"),
        ("granted_roles", "mlbridge_grant_select", [5], ROLES, "[5]"),
        ("granted_roles", "mlbridge_grant_select", "", ROLES, "''"),
        ("forget_runs", "mlbridge_keep_runs", "soon", DAYS, "'soon'"),
        ("forget_runs", "mlbridge_keep_runs", "7", DAYS, "'7'"),
        ("forget_runs", "mlbridge_keep_runs", 0, DAYS, "0"),
        ("forget_runs", "mlbridge_keep_runs", -1, DAYS, "-1"),
        ("forget_runs", "mlbridge_keep_runs", 10**9, DAYS, "1000000000"),
        ("forget_runs", "mlbridge_keep_runs", 1.5, DAYS, "1.5"),
        ("forget_runs", "mlbridge_keep_runs", True, DAYS, "true"),
        ("forget_runs", "mlbridge_keep_runs", None, DAYS, "nothing"),
        ("forget_runs", "mlbridge_keep_runs", float("nan"), DAYS, ".nan"),
    ],
)
def test_a_var_of_a_wrong_kind_is_refused(macro: str, var: str, found: Any, expected: str, shown: str) -> None:
    with pytest.raises(AssertionError) as refused:
        written(macro, **{var: found})
    assert str(refused.value) == f"vars: {var}: expected {expected}, found {shown}."


# Two types of one column, before and now, and whether a version that learnt from the first can read the second.
TYPES = (
    ("INTEGER", "BIGINT", True),
    ("TINYINT", "UHUGEINT", True),
    ("DECIMAL(9,2)", "DECIMAL(10,2)", True),
    ("DECIMAL(9,2)", "NUMERIC", True),
    ("FLOAT", "DOUBLE", True),
    ("REAL", "DOUBLE PRECISION", True),
    ("VARCHAR", "ENUM('a', 'b')", True),
    ("ENUM('a', 'b')", "ENUM('a', 'b', 'c')", True),
    ("CHARACTER VARYING(20)", "TEXT", True),
    ("TIMESTAMP", "TIMESTAMP WITHOUT TIME ZONE", True),
    ("INTEGER", "DOUBLE", False),
    ("INTEGER", "DECIMAL(9,0)", False),
    ("DOUBLE", "DECIMAL(9,2)", False),
    ("BOOLEAN", "INTEGER", False),
    ("DATE", "TIMESTAMP", False),
    ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", False),
    ("INTEGER", "VARCHAR", False),
)


@pytest.mark.parametrize(("before", "now", "same"), TYPES)
def test_a_type_amounts_to_the_same_in_sql_and_in_python(before: str, now: str, same: bool) -> None:
    assert (family(before) == family(now)) is same
    assert (written("family", before) == written("family", now)) is same


@pytest.mark.parametrize(
    ("engine", "sql"),
    [
        ("duckdb", "(t at time zone 'UTC' at time zone 'Asia/Kolkata')"),
        ("postgres", "(t at time zone 'UTC' at time zone 'Asia/Kolkata')"),
        ("snowflake", "convert_timezone('UTC', 'Asia/Kolkata', t)"),
        ("redshift", "convert_timezone('UTC', 'Asia/Kolkata', t)"),
        ("bigquery", "datetime(t, 'Asia/Kolkata')"),
        ("spark", "from_utc_timestamp(t, 'Asia/Kolkata')"),
    ],
)
def test_a_moment_is_told_by_the_clock_of_a_zone(engine: str, sql: str) -> None:
    assert Package(engine).sql("in_zone", "t", "Asia/Kolkata") == sql


@pytest.mark.parametrize(("one", "other"), [("timestamp_ntz", "TIMESTAMP"), ("char(3)", "VARCHAR")])
def test_what_a_server_calls_a_type_is_of_its_family(one: str, other: str) -> None:
    assert written("family", one) == written("family", other)


@pytest.mark.parametrize(("zone", "is_refused"), [("UTC", False), ("Etc/UTC", False), ("America/New_York", True)])
@pytest.mark.parametrize("selected", [True, False])
def test_sql_of_the_package_is_not_run_in_a_session_of_another_zone(
    zone: str, is_refused: bool, selected: bool
) -> None:
    package = Package("spark")
    ours = SimpleNamespace(unique_id="ours", package_name="host", name="late_split", depends_on=SimpleNamespace())
    ours.depends_on.macros = ["macro.mlbridge.split"]
    package.names["graph"].nodes = {"ours": ours}
    package.names.update(
        run_query=lambda _: Answer(["zone"], [(zone,)]), selected_resources=["ours"] if selected else []
    )
    if is_refused and selected:
        with pytest.raises(AssertionError, match=f"^late_split: the session's time zone is {zone}, and moments"):
            package.sql("check_session")
    else:
        assert not package.sql("check_session").strip()


@pytest.mark.parametrize(("answers", "taken_in", "is_emptied"), [(0, 0, False), (1, 1, True), (1, 0, False)])
def test_an_inbox_is_not_emptied_of_an_answer_that_came_meanwhile(
    answers: int, taken_in: int, is_emptied: bool
) -> None:
    """Where single rows cannot be deleted."""
    package, done = Package("spark"), []
    logbook = SimpleNamespace(database=None, schema="lab", identifier="late_training")
    columns = [SimpleNamespace(name=name) for name in package.packages["mlbridge"]["logbook_types"]()]
    package.names["adapter"].get_columns_in_relation = lambda _: columns
    package.names.update(
        run_query=lambda _: Answer(["answers", "taken_in"], [(answers, taken_in)]),
        statement=lambda *_, caller, **__: done.append(caller().strip()) or "",
    )
    package.sql("settle_inbox", logbook)
    assert done[0].startswith("refresh table ")
    assert any(each.startswith("truncate table ") for each in done) is is_emptied
