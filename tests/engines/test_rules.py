"""What SQL decides about versions and rows, on DuckDB and on PostgreSQL: the tables of cases in `tests/expected`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml
from dbt_host import ROOT
from decided import Ask, Decided, RefusedError, ask_of
from postgres import Postgres
from psycopg2.errors import UndefinedTable
from rendering import Column
from sqlglot import exp

from mlbridge.engines.warehouse import Warehouse as Session
from mlbridge.evaluation.long_texts import shortened
from mlbridge.features.columns import Feature
from mlbridge.reference.profile import bins_of, profile_rows
from mlbridge.registry.champions import promoted_last
from mlbridge.registry.logbook import history
from mlbridge.registry.versions import Version
from mlbridge.scoring.unscorable_rows import unscorable_reasons
from mlbridge.spec.reading import read_spec
from mlbridge.spec.specification import Spec


def cases(name: str) -> Any:
    return yaml.safe_load((ROOT / f"tests/expected/{name}.yml").read_text())


CHAMPIONS = cases("champions")
SPEC = {"task": "classification", "target": "is_late", "entity": "id", "time": "at"}
LOGBOOK = "version int, outcome text, as_of timestamp, trained_at timestamp, reason text"


class Warehouse:
    """A schema with tables to be made by hand, and the package's macros for its engine."""

    def __init__(self, macros: Decided, ask: Ask, execute: Callable[[str], Any]) -> None:
        self.macros, self.ask, self.execute = macros, ask, execute

    def make(self, table: str, columns: str, rows: Sequence[str]) -> None:
        """Make a table of `columns`, with rows written as SQL."""
        name = self.macros.table(table)
        self.execute(f"drop table if exists {name}")
        self.execute(f"create table {name} ({columns})")
        for row in rows:
            self.execute(f"insert into {name} values ({row})")

    def node(self, node: str, as_of: datetime | None = None, **spec: Any) -> Decided:
        """Give the macros as a node's build at a moment calls them; `spec` is added to the least one."""
        return self.macros.of(self.ask, node, as_of, {**SPEC, **spec})


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def warehouse(request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    if request.param == "duckdb":
        connection = duckdb.connect()
        yield Warehouse(Decided(), ask_of(connection), connection.execute)
        connection.close()
        return
    server: Postgres = request.getfixturevalue("server")

    def execute(statement: str) -> Any:
        cursor = server.connection.cursor()
        cursor.execute(statement)
        return cursor

    def ask(query: str) -> tuple[Sequence[str], Sequence[tuple[Any, ...]]]:
        cursor = execute(query)
        return [described[0] for described in cursor.description], cursor.fetchall()

    yield Warehouse(Decided("postgres", "postgres", "public"), ask, execute)


# --- documents that are damaged ----------------------------------------------------------------------------

WHOLE = {
    "[]": [],
    ' [ { } , {"bin" : -1.5e+2, "feature":"a", "more":[ ["b", 0.5], [] ]} ] ': [(None, None), ("a", -150.0)],
    r'[{"feature": "\u00e9 \" \\ ]}", "bin": null, "more": [true, 1]}]': [('é " \\ ]}', None)],
    '[{"feature": "\u2028 日本", "bin": 0}]': [("\u2028 日本", 0.0)],
}
DAMAGED = (
    *('', '[', '[{"feature": "a"', '[{"feature": "a", "bin": 1}', '[{"feature": "a" "bin": 1}]', '[{feature: 1}]'),
    *("[{'feature': 1}]", '[{"bin": 01}]', '[{"bin": nul}]', '[{"feature": "\\x"}]', '[{"feature": "\x01"}]'),
    *('[{"more": [1}]', '[{}{}]', '[{}] x'),
)  # fmt: skip
# Which DuckDB reads all the same.
LENIENT = ('[{"feature": "a",}]', '[{"feature": "a"},]', '[{"bin": NaN}]', '[{"more": [1,]}]')


def test_a_damaged_document_has_no_rows_and_leaves_those_of_others(warehouse: Warehouse) -> None:
    texts = [*WHOLE, *DAMAGED, *LENIENT]
    rows = [f"{number}, {warehouse.macros.call('text', text)}" for number, text in enumerate(texts)]
    warehouse.make("documents", "number int, metrics text", [*rows, "-1, null"])
    table, fields = warehouse.macros.table("documents"), {"feature": "text", "bin": "number"}
    found = warehouse.macros.call("unfold", table, "metrics", ["number"], fields)
    _, unfolded = warehouse.ask(f"select number, feature, bin from {found} as item")
    expected = {(number, *row) for number, (_, found) in enumerate(WHOLE.items()) for row in found}
    strict = len(WHOLE) + len(DAMAGED)
    assert {row for row in unfolded if row[0] < strict} == expected
    damaged = warehouse.macros.call("damaged_documents", ["metrics"])
    _, named = warehouse.ask(f"select {damaged} from {table} where number < {strict} order by number")
    assert named == [(None,)] * (1 + len(WHOLE)) + [("metrics",)] * len(DAMAGED)


# --- long categories -------------------------------------------------------------------------------------

LONG = (
    "x" * 200,
    "x" * 201,
    "x" * 300,
    "x" * 299 + "y",
    "é\u2028" * 100,
    "é\u2028" * 150,
    "日" * 199 + "🛬",
    "it's",
    "",
)


@pytest.mark.parametrize("stored_by", ["this mlbridge", "an earlier one"])
def test_a_long_category_is_in_the_bin_that_python_counted_it_in(warehouse: Warehouse, stored_by: str) -> None:
    frame = pd.DataFrame({"text": pd.Series([*LONG[:-1] * 2, None, "x" * 250], dtype="object")})
    records: list[dict[str, Any]] = [dict(each) for each in profile_rows(frame[:-1], {"text": "category"})]
    assert max(len(each["category"] or "") for each in records) == 200
    assert sum(each["rows"] for each in records if each["category"]) == 2 * (len(LONG) - 1)
    if stored_by != "this mlbridge":
        whole = {shortened(text): text for text in LONG}
        records = [{**each, "category": whole.get(each["category"])} for each in records]
    expected = bins_of(frame["text"], records)
    assert len({*expected}) == len(LONG) + 1
    call = warehouse.macros.call
    warehouse.make("profiles", "version int, profile text", [f"1, {call('text', json.dumps(records))}"])
    rows = [f"{number}, {call('text', value)}" for number, value in enumerate(frame["text"])]
    warehouse.make("facts", "number int, category text", rows)
    documents = {
        "logbook": warehouse.macros.table("profiles"),
        "version": 1,
        "features": [{"name": "text", "kind": "category"}],
        "profile": {"text": [each for each in records if each["bin"] >= 0]},
    }
    column = Column("category", "text", exp.DataType.build("text"))
    found = (
        f"with source as (select number, {call('value_of', column, 'category', 'facts')} as value_0 from "
        f"{warehouse.macros.table('facts')} as facts), listed as ({call('listed', documents)}) "
        f"select number, bin_0 from ({call('bins_of_features', documents, 100)}) as binned order by number"
    )
    assert [row[1] for row in warehouse.ask(found)[1]] == expected.tolist()


# --- choices ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 17, 64])
def test_a_number_is_within_the_first_limit_that_it_does_not_exceed(count: int, warehouse: Warehouse) -> None:
    limits = sorted(float(each // 2 * 2) for each in range(count))  # each twice, but for a last one
    values = sorted({*limits, *(each + 0.5 for each in limits), -1.0, 1e300})
    call = warehouse.macros.call
    found = call("up_to", "value", call("number_literals", limits), list(range(count)), -1)
    rows = ", ".join(f"({call('number', value)})" for value in values)
    _, chosen = warehouse.ask(f"select value, {found} from (values {rows}) as numbers (value) order by value")
    expected = [next((place for place, limit in enumerate(limits) if value <= limit), -1) for value in values]
    assert [int(row[1]) for row in chosen] == expected


@pytest.mark.parametrize("values", [["1.5e0"], ["0e0", "null", "-2.5e0"], [f"{each}e0" for each in range(100)]])
def test_a_number_is_looked_up_by_its_place(values: list[str], warehouse: Warehouse) -> None:
    found = warehouse.macros.call("lookup", "place", values)
    places = ", ".join(f"({each})" for each in range(len(values) + 2))
    _, rows = warehouse.ask(
        f"select {found} from (values {places}, (null)) as places (place) order by place nulls last"
    )
    assert [row[0] for row in rows] == [None if each == "null" else float(each) for each in values] + [None] * 3


def test_a_row_is_given_for_each_item(warehouse: Warehouse) -> None:
    """Also of a row that is NULL throughout; an item without a case is NULL, and no row gives none."""
    warehouse.make("some_rows", "kept int, amount double precision, word text", ["1, 1.5, 'a'", "2, null, null"])
    columns = {
        "value": {"type": "double precision", "cases": {0: "amount", 1: "2 * amount"}},
        "text": {"type": "text", "cases": {2: "word"}},
        "nothing": {"type": "double precision", "cases": {}},
    }
    for condition, expected in (
        (
            "1 = 1",
            [(1, 0, 1.5, None), (1, 1, 3.0, None), (1, 2, None, "a"), *((2, each, None, None) for each in range(3))],
        ),
        ("1 = 0", []),
    ):
        rows = f"(select * from {warehouse.macros.table('some_rows')} where {condition})"
        items = warehouse.macros.call("by_item", "some_rows", ["kept"], columns, 3)
        query = (
            f"with some_rows as {rows}, items as ({items}) select kept, item_no, value, text from items order by 1, 2"
        )
        assert warehouse.ask(query)[1] == expected


# --- which versions are in use ----------------------------------------------------------------------------


def written(row: Sequence[Any]) -> str:
    """Give a row of `LOGBOOK` from version, outcome, two days and, where it matters, the reason."""
    version, outcome, as_of, trained_at, *reason = row
    days = f"{moment(as_of)}, {moment(trained_at)}"
    return f"{'null' if version is None else version}, '{outcome}', {days}, '{reason[0] if reason else 'r'}'"


def moment(day: str | None) -> str:
    return "null" if day is None else f"cast('2024-{day}' as timestamp)"


def clock(case: Mapping[str, Any]) -> datetime | None:
    return datetime.fromisoformat(str(case["as_of"])) if "as_of" in case else None


@pytest.mark.parametrize("case", CHAMPIONS["cases"], ids=lambda case: case["name"])
def test_which_versions_are_in_use(case: dict[str, Any], warehouse: Warehouse) -> None:
    node, spec = CHAMPIONS["node"], {key: case[key] for key in ("pin", "retire") if key in case}
    warehouse.make("late_training", LOGBOOK, [written(row) for row in case["logbook"]])
    macros = warehouse.node(node, clock(case), **spec)
    logbook = macros.table("late_training")
    if "error" in case:
        with pytest.raises(RefusedError) as refused:
            macros.call("in_use", "late", logbook)
        assert str(refused.value) == f"{node}: {case['error']}"
    else:
        assert macros.call("in_use", "late", logbook) == dict(
            zip(("champion", "challenger", "promoted"), case["in_use"], strict=True)
        )


NOW = [case for case in CHAMPIONS["cases"] if "in_use" in case and "as_of" not in case]


@pytest.mark.parametrize("case", NOW, ids=lambda case: case["name"])
def test_what_the_command_line_foresees_is_what_a_build_decides(case: dict[str, Any]) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"create table late_training ({LOGBOOK})")
        for row in case["logbook"]:
            connection.execute(f"insert into late_training values ({written(row)})")
        rows = history(Session(connection), exp.to_table("late_training"))
    assert promoted_last(rows, case.get("retire", ())) == case["in_use"][2]


VERSIONS = (
    "model text, candidate text, rows_train bigint, train_from timestamp, train_to timestamp, "
    f"holdout_from timestamp, artifact_sha256 text, {LOGBOOK}"
)


@pytest.mark.parametrize("case", CHAMPIONS["cases"], ids=lambda case: case["name"])
def test_ml_champions_says_the_same(case: dict[str, Any], warehouse: Warehouse) -> None:
    spec = {"canary": 0.25, **{key: case[key] for key in ("pin", "retire") if key in case}}
    kept = [row for row in case["logbook"] if row[1] not in ("skipped", "not_trained")]
    rest = "'c', 1, null, null, null, 's'"
    rows = [f"'early', {rest}, {written([99, 'promoted', '12-01', '12-01'])}"]
    warehouse.make("ml_versions", VERSIONS, rows + [f"'late', {rest}, {written(row)}" for row in kept])
    macros = warehouse.node(CHAMPIONS["node"], clock(case), **spec)
    # How the host may materialize it is no part of the rule.
    macros.names["mlbridge"].output = lambda *_: ""
    sql = macros.file(ROOT / "models/register/ml_champions.sql")
    names, found = warehouse.ask(sql)
    champions = [dict(zip(names, row, strict=True)) for row in found]
    champion = case.get("in_use", [None])[0]
    canary = 0.25 if case.get("canary") else 0
    expected = [] if champion is None else [("late", champion, "pin" in case, canary)]
    assert [(row["model"], row["version"], row["pinned"], row["canary"]) for row in champions] == expected


# --- which rows wait --------------------------------------------------------------------------------------

WAITING = cases("waiting")
SPLIT = 'id text, part int, "at" timestamp, "the ""x""" double precision, is_late boolean, ml_split text'
BEFORE = "entity text, time timestamp, version int, prediction text, not_scored_because text"


@pytest.mark.parametrize("case", WAITING["cases"], ids=lambda case: case["name"])
def test_which_rows_wait(case: dict[str, Any], warehouse: Warehouse) -> None:
    rows = [
        f"'{id_}', {part}, {moment(at)}, {x}, {label}, '{split}'" for id_, part, at, x, label, split in WAITING["rows"]
    ]
    warehouse.make("late_split", SPLIT, rows)
    columns = BEFORE.replace(", not_scored_because text", "") if case.get("without_reasons") else BEFORE
    before = [f"'{entity}', {moment(at)}, {', '.join(map(str, rest))}" for entity, at, *rest in case.get("before", [])]
    warehouse.make("late_predictions", columns, before)
    spec = {**WAITING["spec"], **case.get("spec", {})}
    macros = warehouse.node("late_predictions")
    then, now = (macros.call("read_spec", "late_training", {**spec, **more}) for more in ({}, case.get("now", {})))
    holdout = case.get("holdout_from")
    version = {
        "number": 1,
        "spec": then,
        "features": WAITING["features"],
        "holdout_from": holdout and f"{holdout} 00:00:00",
    }
    split = macros.table("late_split")
    waiting = macros.call("waiting_rows", version, now, split, split)
    names, found = warehouse.ask(f"select * from ({waiting}) as waiting order by id")
    assert [row[0] for row in found] == case["waits"]
    assert names[-2:] == ["ml entity", "ml time"]


def test_the_select_of_a_version_is_run_only_where_a_row_waits(warehouse: Warehouse) -> None:
    """It reads a table that is not there, so that an engine that as much as plans it fails."""
    warehouse.make("late_split", SPLIT, [f"'a', 1, {moment('01-01')}, 1, null, 'score'"])
    scored = f"'a', {moment('01-01')}, 1, 'true', null"
    spec = {**WAITING["spec"], "entity": "id"}
    for before, waits in (([], True), ([scored], False)):
        warehouse.make("late_predictions", BEFORE, before)
        macros = warehouse.node("late_predictions")
        split, then = macros.table("late_split"), macros.call("read_spec", "late_training", spec)
        version = {
            "number": 1, "spec": then, "features": WAITING["features"], "holdout_from": None, "is_challenger": False,
            "sql": "select *, null as not_scored_because from gone",
        }  # fmt: skip
        version["waiting"] = macros.call("waiting_rows", version, then, split, split)
        if waits:
            with pytest.raises((duckdb.CatalogException, UndefinedTable), match="gone"):
                macros.call("scored_where_possible", "late", version, split)
        else:
            assert macros.call("scored_where_possible", "late", version, split) is None


@pytest.mark.parametrize("case", WAITING["cases"], ids=lambda case: case["name"])
def test_python_sees_the_same_question(case: dict[str, Any]) -> None:
    """What the champion is compared by in a training."""
    macros, spec = Decided(), {**WAITING["spec"], **case.get("spec", {})}
    changed = {**spec, **case.get("now", {})}
    by_sql = macros.call(
        "same_question", *(macros.call("read_spec", "late_training", each) for each in (spec, changed))
    )
    then, now = (read_spec("late_training", each) for each in (spec, changed))
    assert (version_of(then, {}).same_question(now) and then.split == now.split) is by_sql


# --- whether a version can score --------------------------------------------------------------------------

KEYS = cases("keys")


@pytest.mark.parametrize("case", KEYS["cases"], ids=lambda case: case["name"])
def test_what_is_wrong_with_the_keys(case: dict[str, Any], warehouse: Warehouse) -> None:
    columns = '''id text, "it's a part" int, "the ""time""" timestamp, "group" text'''
    warehouse.make(
        "late_split", columns, [f"{id_}, {part}, {moment(at)}, {group}" for id_, part, at, group in case["rows"]]
    )
    macros = warehouse.node("late_training")
    table, entity = macros.table("late_split"), case.get("entity", ["id"])
    query = macros.call("key_problem", entity, 'the "time"', case.get("group"), table)
    names, rows = warehouse.ask(query)
    assert names == ["problem"]
    assert rows == ([] if case["problem"] is None else [(case["problem"],)])


SCHEMAS = cases("schemas")


def version_of(spec: Spec, types: Mapping[str, str]) -> Version:
    features = tuple(Feature(name, type_, "numeric") for name, type_ in types.items())
    nothing: dict[str, Any] = dict.fromkeys(("classes", "numbers", "holdout_from", "artifact"))
    return Version("late", 1, datetime(2024, 1, 1), spec, features, trusted=(), **nothing)


@pytest.mark.parametrize("case", SCHEMAS["cases"], ids=lambda case: str(case["now"]))
def test_which_columns_keep_a_version_from_scoring(case: dict[str, Any]) -> None:
    columns = {name: type_ for name, type_ in {**SCHEMAS["columns"], **case["now"]}.items() if type_ is not None}
    trained = {name: SCHEMAS["columns"][name] for name in SCHEMAS["features"]}
    assert (
        version_of(read_spec("late_training", SCHEMAS["spec"]), trained).schema_difference(columns) == case["problem"]
    )
    features = [{"name": name, "type": type_} for name, type_ in trained.items()]
    version = {"spec": SCHEMAS["spec"], "features": features}
    assert Decided().call("schema_problem", version, columns) == case["problem"]


# --- rows that cannot be scored ---------------------------------------------------------------------------

NUMBERS = (
    "null", "0", "'nan'", "'infinity'", "'-infinity'", "3.4028234e38", "3.4028235677973362e38", "3.4028235677973366e38",
    "-3.4028235677973366e38", "-1e300", "1.7976931348623157e308",
)  # fmt: skip


def test_which_numbers_cannot_be_scored() -> None:
    """Python and SQL ask the same of a feature, in the same words."""
    connection = duckdb.connect()
    macros = Decided()
    features = (
        Feature("it's", "DOUBLE", "numeric"),
        Feature("y", "FLOAT", "numeric"),
        Feature("z", "INTEGER", "numeric"),
    )
    listed = ", ".join(f"(cast({value} as double))" for value in NUMBERS)
    connection.execute(
        f"""create table rows as select a.n as "it's", try_cast(b.n as float) as y, 1 as z
        from (values {listed}) as a (n), (values {listed}) as b (n)"""
    )
    version = {"features": [{"name": each.name, "type": each.type} for each in features]}
    types = {each.name: each.type for each in features}
    by_sql = [macros.call("unscorable_reason_of", version, types, "rows", kind) for kind in ("infinite", "large")]
    by_python = [each.sql(dialect="duckdb") for each in unscorable_reasons(features).values()]
    found = connection.sql(f"select {', '.join([*by_sql, *by_python])} from rows").fetchall()
    assert [row[:2] for row in found] == [row[2:] for row in found]
    large = "is beyond 3.4e38, which the version's estimator does not take"
    reasons = {text for row in found for text in row if text is not None}
    assert reasons == {
        f"the feature '{name}' {why}" for name, why in (("it's", "is infinite"), ("y", "is infinite"), ("it's", large))
    }
    alone = connection.sql(f"""select {by_sql[1]} is not null from rows where y = 0""").fetchall()
    assert [each for (each,) in alone] == [value is not None and large_in_32_bits(value) for value in NUMBERS]


def large_in_32_bits(value: str) -> bool:
    """Ask numpy: finite, but infinite as a 32-bit float."""
    number = float("nan") if value == "null" else float(value.strip("'"))
    with np.errstate(over="ignore"):
        return bool(np.isfinite(number) and np.isinf(np.float32(number)))
