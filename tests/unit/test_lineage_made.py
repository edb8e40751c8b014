"""Lineage of generated projects, whose true edges are known, and the SQL that tools often read wrongly."""

from __future__ import annotations

import time

import duckdb
import pytest
from lineage_made import DIALECTS, Made, Maker, found_edges

from mlbridge.lineage.graph import AGGREGATED, COPIED, EVERY, FILTERED, JOINED, TRANSFORMED, Relation
from mlbridge.lineage.trace import trace

PROJECTS, MODELS = 12, 10


def built(made: Made) -> None:
    """Create every relation as a view in DuckDB: what is generated is SQL, and has the columns that it should."""
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as db")
        for relation in made.relations:
            name = f"db.main.{relation.place[2]}"
            if relation.sql is None:
                columns = ", ".join(f'"{column}" varchar' for column in relation.columns)
                connection.execute(f"create table {name} ({columns})")
            else:
                connection.execute(f"create view {name} as {relation.sql}")


@pytest.mark.parametrize("seed", range(PROJECTS))
def test_the_generated_sql_runs(seed: int) -> None:
    built(Maker(seed, "duckdb").project(MODELS))


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("seed", range(PROJECTS))
def test_every_edge_is_found_and_none_invented(seed: int, dialect: str) -> None:
    made = Maker(seed, dialect).project(MODELS)
    lineage = trace(made.relations, dialect)
    assert not lineage.unread
    assert found_edges(lineage, dialect) == made.edges
    assert all(each.certainty == "certain" for each in lineage.edges)


SALES = Relation("sales", ("db", "main", "sales"), None, dict.fromkeys(("id", "at", "amount", "kind"), ""))
SHOPS = Relation("shops", ("db", "main", "shops"), None, dict.fromkeys(("id", "opened_at", "sale"), ""))


def edges(sql: str, *columns: str, dialect: str = "duckdb") -> set[tuple[str, ...]]:
    """Trace one SELECT over both tables; `columns` are those that the warehouse has of it."""
    node = Relation("made", ("db", "main", "made"), sql, dict.fromkeys(columns, ""), ("sales", "shops"))
    lineage = trace([SALES, SHOPS, node], dialect)
    assert not lineage.unread
    return {(each.column, f"{each.from_node}.{each.from_column}", each.how, each.certainty) for each in lineage.edges}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select * like 'a%' from sales", {("at", "sales.at", COPIED), ("amount", "sales.amount", COPIED)}),
        ("select max(columns('^am')) from sales", {("amount", "sales.amount", AGGREGATED)}),
        ("from sales select id", {("id", "sales.id", COPIED)}),
        ("select s.amount + 1 as x from sales s, shops", {("x", "sales.amount", TRANSFORMED)}),
        ("select amount / sum(amount) over () as x from sales",
         {("x", "sales.amount", TRANSFORMED), ("x", "sales.amount", AGGREGATED)}),
        ("select list_transform([id], x -> x + amount) as x from sales",
         {("x", "sales.id", TRANSFORMED), ("x", "sales.amount", TRANSFORMED)}),
        ("select opened_at from shops where exists (select 1 from sales where sale = id)",
         {("opened_at", "shops.opened_at", COPIED), (EVERY, "shops.sale", FILTERED), (EVERY, "sales.id", FILTERED)}),
        ("select sales from sales", {("sales", f"sales.{name}", TRANSFORMED) for name in SALES.columns}),
        ("pivot sales on kind in ('a') using sum(amount) group by id",
         {("id", "sales.id", COPIED), ("a", "sales.amount", AGGREGATED), ("a", "sales.kind", FILTERED),
          (EVERY, "sales.id", FILTERED)}),
        ("select arg_max(amount, at) as x from sales",
         {("x", "sales.amount", AGGREGATED), ("x", "sales.at", AGGREGATED)}),
        ("select string_agg(kind, ',' order by at) as x from sales",
         {("x", "sales.kind", AGGREGATED), ("x", "sales.at", AGGREGATED)}),
        ("select s.id from (sales s join shops o on s.id = o.sale)",
         {("id", "sales.id", COPIED), (EVERY, "sales.id", JOINED), (EVERY, "shops.sale", JOINED)}),
        ("select opened_at from shops semi join sales on sale = sales.id where id > 1",
         {("opened_at", "shops.opened_at", COPIED), (EVERY, "shops.sale", JOINED), (EVERY, "sales.id", JOINED),
          (EVERY, "shops.id", FILTERED)}),
    ],
)  # fmt: skip
def test_single_clauses(sql: str, expected: set[tuple[str, str, str]]) -> None:
    assert edges(sql) == {(*each, "certain") for each in expected}


BRANCHES = """
select amount from (select null as entry, amount from sales union all select id, id from shops) as both_of_them where {}
"""


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "redshift"])
@pytest.mark.parametrize(
    ("condition", "is_read"),
    [
        ("entry is not null", False),
        ("(not (entry is null))", False),
        ("not (not (entry is not null))", False),
        ("entry is null", True),
        ("not entry is not null", True),
        ("not (entry is not null)", True),
        ("not (not entry is null)", True),
    ],
)
def test_a_branch_is_left_out_only_where_its_null_contradicts(condition: str, is_read: bool, dialect: str) -> None:
    branch = ("amount", "sales.amount", COPIED, "certain")
    assert (branch in edges(BRANCHES.format(condition), dialect=dialect)) == is_read


@pytest.mark.parametrize("dialect", ["duckdb", "postgres"])
def test_a_percentile_is_of_what_it_is_ordered_by(dialect: str) -> None:
    sql = "select percentile_cont(0.5) within group (order by amount) as x from sales"
    assert edges(sql, dialect=dialect) == {("x", "sales.amount", AGGREGATED, "certain")}


def test_long_conditions_and_sums_are_read() -> None:
    many = range(2_000)
    sql = f"select {' + '.join('amount' for _ in many)} as x from sales where {' and '.join(f'id > {n}' for n in many)}"
    assert edges(sql) == {("x", "sales.amount", TRANSFORMED, "certain"), (EVERY, "sales.id", FILTERED, "certain")}


def test_columns_without_a_name_have_that_of_the_warehouse() -> None:
    found = edges("select id, max(amount) from sales group by 1", "id", "max(amount)")
    assert ("max(amount)", "sales.amount", AGGREGATED, "certain") in found


def test_a_column_that_is_not_built_yet_has_the_name_of_the_sql() -> None:
    first, second = "select id, at as fresh from sales", "select b.fresh, s.id from built b, sales s"
    built = Relation("built", ("db", "main", "built"), first, {"id": "", "old": ""}, ("sales",))
    after = Relation("after", ("db", "main", "after"), second, {}, ("built", "sales"))
    lineage = trace([SALES, built, after], "duckdb")
    found = {(each.node, each.column, each.from_column, each.certainty) for each in lineage.edges}
    assert found == {
        ("built", "id", "id", "certain"), ("built", "fresh", "at", "certain"),
        ("after", "fresh", "fresh", "certain"), ("after", "id", "id", "certain"),
    }  # fmt: skip


def test_what_may_come_from_two_relations_is_assumed() -> None:
    assert edges("select id from sales, shops") == {("id", "sales.id", COPIED, "assumed")}


def test_a_relation_whose_columns_are_unknown_is_asked_for_any() -> None:
    parent = Relation("parent", ("db", "main", "parent"))
    node = Relation("node", ("db", "main", "node"), "select *, x + 1 as y from parent", {"x": "", "y": ""}, ("parent",))
    found = {(each.column, each.from_column, each.certainty) for each in trace([parent, node], "duckdb").edges}
    assert found == {("x", "x", "certain"), ("y", "x", "certain")}


@pytest.mark.parametrize(
    ("dialect", "table", "name"),
    [
        ("duckdb", "read_parquet('year=2024/*.parquet')", "read_parquet('year=2024/*.parquet')"),
        ("duckdb", "'landing/*.csv' as f", "'landing/*.csv'"),
        ("duckdb", "postgres_scan('host=h password=p', 'public', 't')", "postgres_scan('...', 'public', 't')"),
        ("duckdb", "f('a', password => 'x', size = 3)", "f('a', password => '...', size = 3)"),
        ("duckdb", "f('a', auth = {api_key: 'x', kind: 'y'})", "f('a', auth = {'api_key': '...', 'kind': 'y'})"),
        ("duckdb", "f('a', secrets := ['x', 'y'])", "f('a', secrets := ['...', '...'])"),
        ("duckdb", "f('a', headers = map {'token': 'x'})", "f('a', headers = MAP {'token': '...'})"),
        ("duckdb", """f('a', '{"kind": "y"}', '{"password": "x"}')""", """f('a', '{"kind": "y"}', '...')"""),
        ("postgres", "generate_series(1, 9) as f(a)", "generate_series(1, 9)"),
        ("postgres", "generate_series(1, 9) as a", "generate_series(1, 9)"),
    ],
)
def test_a_table_function_is_a_source_of_its_own(dialect: str, table: str, name: str) -> None:
    sql = f"select a as b, s.amount from {table} left join sales s on true"
    found = trace([SALES, Relation("made", ("db", "main", "made"), sql, {}, ("sales",))], dialect)
    assert not found.unread
    edges = {(each.column, each.from_node, each.from_column, each.how, each.certainty) for each in found.edges}
    assert edges == {("b", name, "a", "copied", "certain"), ("amount", "sales", "amount", "copied", "certain")}
    assert found.columns[name] == ("a",)


def test_sql_that_cannot_be_read_is_named_and_stops_nothing() -> None:
    broken = Relation("broken", ("db", "main", "broken"), "select from where", {"id": ""}, ("sales",))
    after = Relation("after", ("db", "main", "after"), "select id from broken", {}, ("broken",))
    lineage = trace([SALES, broken, after], "duckdb")
    assert list(lineage.unread) == ["broken"]
    assert [(way.node, way.column, way.certainty) for way in lineage.upstream("after", "id")] == [
        ("sales", "id", "assumed")
    ]


def test_declared_columns_of_a_python_node() -> None:
    node = Relation(
        "python", ("db", "main", "python"), None, dict.fromkeys(("id", "amount", "new"), ""), ("sales", "shops"),
        {"*": (("sales", "*"),), "new": (("shops", "opened_at"),)},
    )  # fmt: skip
    found = {
        (each.column, each.from_node, each.from_column, each.certainty)
        for each in trace([SALES, SHOPS, node], "").edges
    }
    assert found == {
        ("id", "sales", "id", "certain"),
        ("amount", "sales", "amount", "certain"),
        ("new", "shops", "opened_at", "certain"),
    }


STREAM = """
with stream as (
    select id as shop, null as entry, at as moment, amount as value from sales
    union all
    select id, id, opened_at, 0 from shops
)
select
    entry,
    sum(value) over (
        partition by shop order by moment range between interval 7 days preceding and current row
    ) as recent
from stream qualify entry is not null
"""


def test_a_window_over_a_union_says_what_places_the_rows_that_give_the_value() -> None:
    node = Relation("made", ("db", "main", "made"), STREAM, {}, ("sales", "shops"))
    (edge,) = [
        each for each in trace([SALES, SHOPS, node], "duckdb").edges if each.column == "recent" and each.is_value
    ]
    (condition,) = edge.conditions
    assert condition.kind == "until"
    assert condition.earlier == (("sales", "at"),)
    assert condition.later == (("shops", "opened_at"),)
    assert "ORDER BY moment" in str(edge.condition)


def test_a_join_says_what_is_compared() -> None:
    sql = "select o.id, s.amount from shops o left join sales s on s.id = o.sale and s.at < o.opened_at"
    node = Relation("made", ("db", "main", "made"), sql, {}, ("sales", "shops"))
    found = {each.column: each.conditions for each in trace([SALES, SHOPS, node], "duckdb").edges if each.is_value}
    (condition,) = found["amount"]
    assert (condition.kind, condition.earlier, condition.later) == (
        "before", (("sales", "at"),), (("shops", "opened_at"),),
    )  # fmt: skip
    assert found["id"] == ()


def test_windows_around_windows_over_a_wide_union_take_as_long_as_there_are_windows() -> None:
    names = [f"s{index}" for index in range(12)]
    sources = [Relation(name, ("db", "raw", name), None, dict.fromkeys("ktv", "")) for name in names]
    before = "over (partition by k order by t rows between unbounded preceding and 1 preceding)"
    steps = [f"w{n} as (select k, t, sum(v) {before} + v as v from w{n - 1})" for n in range(1, 9)]
    union = " union all ".join(f"select * from raw.{name}" for name in names)
    sql = f"with w0 as ({union}), {', '.join(steps)} select * from w8"
    node = Relation("made", ("db", "main", "made"), sql, {}, tuple(names))
    started = time.process_time()
    found = trace([*sources, node], "duckdb").edges
    assert time.process_time() - started < 15  # seconds; each window once took twelve times as long as the one before
    of_v = {("v", "aggregated"), ("v", "transformed"), ("k", "filtered by"), ("t", "filtered by")}
    edges = {(each.column, each.from_node, each.from_column, each.how) for each in found}
    assert edges == {
        *(("v", name, *how) for name in names for how in of_v),
        *((column, name, column, "copied") for name in names for column in "kt"),
    }
