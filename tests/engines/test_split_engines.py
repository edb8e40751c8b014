"""The split and the published tables on two engines, DuckDB and PostgreSQL, through dbt: the same rows on both."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import yaml
from dbt_host import ROOT, Host
from postgres import Postgres
from warm import Warm

Row = dict[str, Any]
AS_OF = datetime(2024, 3, 1, 12)
# Names that only hold when they are quoted.
ROW, ENTITY, WORD, GROUP = "row", 'order "id"', "shop; drop table rows; --", "group by % d'or"
TIME, KNOWN, TARGET, FOLD = "at time", "Known At", "select", 'fold ""'
COLUMNS = {
    ROW: "INTEGER", ENTITY: "BIGINT", WORD: "VARCHAR", GROUP: "VARCHAR", TIME: "TIMESTAMP", KNOWN: "TIMESTAMP",
    TARGET: "DOUBLE", FOLD: "VARCHAR",
}  # fmt: skip
# Each case's part of the spec, beside target and time.
CASES: dict[str, dict[str, Any]] = {
    "plain": {"entity": ENTITY},
    "known_later": {"entity": ENTITY, "label_time": KNOWN},
    "gap_of_days": {
        "entity": ENTITY, "label_time": KNOWN, "split": {"validation": 0.2, "test": 0.1, "gap": "3 days"},
    },
    "gap_of_minutes": {"entity": ENTITY, "split": {"validation": 0.333, "test": 0.333, "gap": "90 minutes"}},
    "gap_of_a_week": {"entity": ENTITY, "label_time": KNOWN, "split": {"validation": 0.3, "gap": "1 week"}},
    "hash": {"entity": ENTITY, "split": {"by": "hash"}},
    "hash_of_two": {"entity": [WORD, ENTITY], "split": {"by": "hash", "validation": 0.4, "test": 0.001}},
    "hash_of_a_group": {"entity": ENTITY, "label_time": KNOWN, "split": {"by": "hash", "group": GROUP}},
    "column": {"entity": ENTITY, "label_time": KNOWN, "split": {"by": FOLD}},
}  # fmt: skip


def drawn(count: int, seed: int) -> list[Row]:
    """Draw rows with ties in time, missing values everywhere, and texts of all kinds."""
    chance = random.Random(seed)
    # On a grid that the gaps fall on too, so that rows stand exactly at a cut-off and exactly one gap before it.
    moments = [
        datetime(2024, 1, 1) + timedelta(hours=12 * chance.randrange(160), minutes=chance.choice([0, 0, -90]))
        for _ in range(count // 4)
    ]
    words = ["", "a", "A", "ä", "日本", "o'clock", '"', "\\", "a,b", " ", "%s", "\n"]

    def maybe(value: Any, missing: float = 0.04) -> Any:
        return None if chance.random() < missing else value

    rows = []
    for number in range(count):
        moment = maybe(chance.choice(moments))
        known = None if moment is None else moment + timedelta(hours=chance.choice([0, 1.5, 12, 96]))
        rows.append(
            {
                ROW: number,
                ENTITY: chance.randrange(-(10**12), 10**12),
                WORD: maybe(chance.choice(words)),
                GROUP: maybe(f"{chance.choice(words)}{number % 97}"),
                TIME: moment,
                KNOWN: maybe(known),
                TARGET: maybe(chance.choice([0.0, 1.0, -0.5]), 0.2),
                FOLD: chance.choice(["train", "validation", "test"]),
            }
        )
    return rows


# --- an independent calculation --------------------------------------------------------------------------------


def expected(rows: list[Row], case: Mapping[str, Any]) -> dict[int, tuple[str, float | None]]:
    """Give the word and the target that each row must get, by number of row; rows of the future are left out."""
    split = {"by": "time", "validation": 0.15, "test": 0.15, "gap": "0 days", "group": None, **case.get("split", {})}
    known_at = case.get("label_time", TIME)
    there = [dict(row) for row in rows if row[TIME] is None or row[TIME] <= AS_OF]
    for row in there:
        if row[known_at] is None or row[known_at] > AS_OF:
            row[TARGET] = None
    part = by_time(there, split, known_at) if split["by"] == "time" else by_key(split, case["entity"])
    return {row[ROW]: ("score" if row[TARGET] is None else part(row), row[TARGET]) for row in there}


def by_time(rows: list[Row], split: Mapping[str, Any], known_at: str) -> Callable[[Row], str]:
    labelled = [row for row in rows if row[TARGET] is not None]
    moments = sorted(row[TIME] for row in labelled if row[TIME] is not None)

    def cutoff(share_before: float) -> datetime:
        # The first moment by which more than this share of the labelled rows has been.
        return next(m for m in moments if sum(each <= m for each in moments) > share_before * len(labelled) + 1e-9)

    test_from, validation_from = cutoff(1 - split["test"]), cutoff(1 - split["test"] - split["validation"])
    count, unit = split["gap"].split()
    gap = timedelta(**{unit.rstrip("s") + "s": int(count)})

    def part(row: Row) -> str:
        time, known = row[TIME], row[known_at]
        if time is None or known is None:
            return "score"
        if time >= test_from:
            return "test"
        end, name = (test_from, "validation") if time >= validation_from else (validation_from, "train")
        return name if known <= end and time < end - gap else "score"

    return part


def by_key(split: Mapping[str, Any], entity: str | list[str]) -> Callable[[Row], str]:
    key = [split["group"]] if split["group"] else [entity] if isinstance(entity, str) else entity

    def digits(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    def part(row: Row) -> str:
        if split["by"] == FOLD:
            return str(row[FOLD])
        if any(row[name] is None for name in key):
            return "train"
        hashes = [digits(str(row[name])) for name in key]
        fraction = int((hashes[0] if len(hashes) == 1 else digits("".join(hashes)))[:8], 16) / 2**32
        if fraction < split["validation"]:
            return "validation"
        return "test" if fraction < split["validation"] + split["test"] else "train"

    return part


# --- the two engines -------------------------------------------------------------------------------------------


def host_on_both(folder: Path, server: Postgres, models: list[str], schema: str) -> Host:
    """Write a host with the targets `duckdb` and `postgres`."""
    host = Host(folder, folder / "here.duckdb")
    targets = {
        "duckdb": {"type": "duckdb", "path": str(host.database), "schema": schema, "threads": 2},
        "postgres": server.profile(schema),
    }
    project = {
        "name": "both",
        "version": "1.0.0",
        "profile": "both",
        "flags": {"require_ref_searches_node_package_before_root": True, "send_anonymous_usage_stats": False},
        "vars": {"mlbridge_models": models},
    }
    host.write(
        {
            "dbt_project.yml": yaml.safe_dump(project),
            "profiles.yml": yaml.safe_dump({"both": {"target": "duckdb", "outputs": targets}}),
            "packages.yml": f"packages:\n  - local: {ROOT}\n",
        }
    )
    return host


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return drawn(900, seed=5)


@pytest.fixture(scope="module")
def splits(
    tmp_path_factory: pytest.TempPathFactory, server: Postgres, warm: Warm, rows: list[Row]
) -> dict[str, dict[str, dict[int, tuple[str, float | None]]]]:
    """The word and the target of each row, by engine and case."""
    host = host_on_both(tmp_path_factory.mktemp("splits"), server, [], "splits")
    declared = [{"name": "raw", "schema": "raw", "tables": [{"name": "rows"}]}]
    models: list[dict[str, Any]] = [{"name": f"{case}_split", "config": {"materialized": "table"}} for case in CASES]
    for case, case_spec in CASES.items():
        spec = {"task": "regression", "target": TARGET, "time": TIME, **case_spec}
        models.append({"name": f"{case}_training", "config": {"meta": {"mlbridge": spec}}})
        host.write(
            {
                f"models/{case}_features.sql": "select * from {{ source('raw', 'rows') }}",
                f"models/{case}_split.sql": f"{{{{ mlbridge.split(ref('{case}_features')) }}}}",
                f"models/{case}_training.sql": "select 1 as stands_for_the_training",
            }
        )
    host.write({"models/all.yml": yaml.safe_dump({"sources": declared, "models": models})})
    warm.dbt(host.path, "deps")
    schema = pa.schema(
        [(name, {"INTEGER": pa.int32(), "BIGINT": pa.int64(), "VARCHAR": pa.string(), "TIMESTAMP": pa.timestamp("us"),
                 "DOUBLE": pa.float64()}[type_]) for name, type_ in COLUMNS.items()]
    )  # fmt: skip
    with duckdb.connect(str(host.database)) as connection:
        connection.execute("create schema raw")
        connection.from_arrow(pa.Table.from_pylist(rows, schema=schema)).create("raw.rows")
    server.load("raw", "rows", COLUMNS, [list(row.values()) for row in rows])
    command = ("run", "--exclude", "package:mlbridge", "--vars", f"{{mlbridge_as_of: '{AS_OF}'}}", "--target")
    for engine in ("duckdb", "postgres"):
        warm.dbt(host.path, *command, engine)
    query = f'select "{ROW}", ml_split, "{TARGET}" from splits.%s_split'
    ask = {"duckdb": host.rows, "postgres": server.rows}
    return {
        engine: {case: {row: (part, target) for row, part, target in ask[engine](query % case)} for case in CASES}
        for engine in ask
    }


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
@pytest.mark.parametrize("case", CASES)
def test_each_row_gets_the_word_that_python_gives_it(
    case: str, engine: str, rows: list[Row], splits: dict[str, dict[str, dict[int, tuple[str, float | None]]]]
) -> None:
    assert splits[engine][case] == expected(rows, CASES[case])


@pytest.mark.parametrize("case", CASES)
def test_each_word_occurs(case: str, splits: dict[str, dict[str, dict[int, tuple[str, float | None]]]]) -> None:
    found = [part for part, _ in splits["duckdb"][case].values()]
    words = ("train", "validation", "score") if case == "hash_of_two" else ("train", "validation", "test", "score")
    assert all(found.count(part) >= 5 for part in words)


# --- the published tables --------------------------------------------------------------------------------------

PUBLISHED = (
    "ml_versions", "ml_champions", "ml_metrics", "ml_importances", "ml_profiles", "ml_predictions",
    "ml_predictions_latest", "ml_windows", "ml_distributions", "ml_drift", "ml_realized", "ml_performance", "ml_alerts",
    "ml_decisions", "ml_leaks", "ml_lineage",
)  # fmt: skip
SHOP_MODELS = ("basket", "amount")
HISTORY = ("ml_runs", "ml_distributions", "ml_realized", "ml_lineage")
ON_POSTGRES = ("--target", "postgres", "--vars", "{mlbridge_grant_select: [analysts]}")
Tables = dict[str, list[tuple[Any, ...]]]


def nodes_of_the_shop(server: Postgres, database: Path) -> list[str]:
    """Copy the splits, logbooks and predictions of the second host to PostgreSQL, and name them."""
    names = [f"{model}_{stage}" for model in SHOP_MODELS for stage in ("split", "training", "predictions")]
    with duckdb.connect(str(database), read_only=True) as connection:
        for name in names:
            table = connection.sql(f"from main_lab.{name}")
            types = {column: str(type_) for column, type_ in zip(table.columns, table.types, strict=True)}
            server.load("lab", name, types, table.fetchall())
    return names


@pytest.fixture(scope="module")
def shop_there(tmp_path_factory: pytest.TempPathFactory, server: Postgres, warm: Warm, aged_shop: Host) -> Host:
    """The package's tables on PostgreSQL, made from the shop's own logbooks by two builds."""
    host = host_on_both(tmp_path_factory.mktemp("published"), server, list(SHOP_MODELS), "published")
    names = nodes_of_the_shop(server, aged_shop.path / "earlier.duckdb")
    # both models read one source, as in the shop: their alerts are incidents together
    shared = f"-- depends_on: {{{{ source('lab', '{names[0]}') }}}}"
    host.write({f"models/{name}.sql": f"{shared}\nselect * from {{{{ source('lab', '{name}') }}}}" for name in names})
    declared = [{"name": "lab", "schema": "lab", "tables": [{"name": name} for name in names]}]
    models = [
        {"name": each["name"], "config": {"meta": each["config"]["meta"]}}
        for model in SHOP_MODELS
        for each in yaml.safe_load((aged_shop.path / "models" / "ml" / model / f"{model}.yml").read_text())["models"]
        if "meta" in each["config"]
    ]
    host.write({"models/all.yml": yaml.safe_dump({"sources": declared, "models": models})})
    warm.dbt(host.path, "deps")
    with server.connection.cursor() as cursor:
        cursor.execute("create role analysts")
    warm.dbt(host.path, "run", "--select", "+ml_distributions", "+ml_realized", *ON_POSTGRES)
    nodes_of_the_shop(server, aged_shop.database)
    warm.dbt(host.path, "build", *ON_POSTGRES)
    return host


@pytest.fixture(scope="module")
def copied(shop_there: Host, server: Postgres, aged_shop: Host) -> dict[str, Tables]:
    """The published tables by engine: those of the shop, and those made on PostgreSQL."""
    return {
        "duckdb": {name: aged_shop.rows(f"from main_insight.{name}") for name in PUBLISHED},
        "postgres": {name: server.rows(f"select * from published.{name}") for name in PUBLISHED},
    }


def exact_texts(row: tuple[Any, ...]) -> list[str]:
    # The engines write the same double differently as text: 90.0 and 90.
    return [str(value).removesuffix(".0") for value in row if not isinstance(value, float)]


@pytest.mark.slow
@pytest.mark.parametrize("table", PUBLISHED)
def test_a_published_table_is_the_same_on_both(table: str, copied: dict[str, Tables]) -> None:
    ours, theirs = (sorted(copied[engine][table], key=exact_texts) for engine in ("duckdb", "postgres"))
    assert ours
    assert [exact_texts(row) for row in theirs] == [exact_texts(row) for row in ours]
    for one, other in zip(ours, theirs, strict=True):
        numbers = [value for value in one if isinstance(value, float)]
        assert [value for value in other if isinstance(value, float)] == pytest.approx(numbers, rel=1e-9, abs=1e-12)


def test_verdicts_rest_on_the_same_figures_on_both(
    aged_shop: Host, server: Postgres, copied: dict[str, Tables]
) -> None:
    """What tells of the last build differs, because each engine had its own."""
    sql = """
        select
            model, metric, unit, greater_is_better, version, candidate, trained_as_of, kind, value, low, high, n,
            baseline, threshold, reference, window_start, window_end, alerts_act, alerts_look, alerts_note,
            newest_row_at
        from {}.ml_health order by model
    """
    ours, theirs = aged_shop.rows(sql.format("main_insight")), server.rows(sql.format("published"))
    assert [exact_texts(row) for row in theirs] == [exact_texts(row) for row in ours]
    assert {row[0] for row in ours} == set(SHOP_MODELS)
    for (verdict,) in server.rows("select verdict from published.ml_health"):
        assert verdict in ("act", "look", "cannot tell", "fine")


def test_what_is_compared_is_there(aged_shop: Host) -> None:
    """Both models, with everything that a monitor can show."""
    found = {
        "drift": "select distinct model, baseline from main_insight.ml_drift where value is not null",
        "performance": "select distinct model, kind from main_insight.ml_performance where value is not null",
        "alerts": "select distinct about from main_insight.ml_alerts",
    }
    expected = {
        "drift": {(model, baseline) for model in SHOP_MODELS for baseline in ("training", "previous")},
        "performance": {(model, kind) for model in SHOP_MODELS for kind in ("realized", "estimated")},
        "alerts": {("drift",), ("performance",)},
    }
    assert {name: set(aged_shop.rows(query)) for name, query in found.items()} == expected


def test_a_window_of_an_old_version_gains_the_outcomes_that_come_later(aged_shop: Host) -> None:
    sql = """
        select model, rows_labelled from main_insight.ml_realized
        where version = 1 and window_start = '2024-06-01' and slice = 'all' and metric in ('accuracy', 'mae')
    """
    earlier = Host(aged_shop.path, aged_shop.path / "earlier.duckdb")
    assert dict(earlier.rows(sql)) == {"amount": 200, "basket": 48}
    assert dict(aged_shop.rows(sql)) == {"amount": 400, "basket": 248}


def test_runs_are_logged_on_postgres(server: Postgres, copied: dict[str, Any]) -> None:
    runs = server.rows("select node, status, seconds, started_at from published.ml_runs")
    assert {status for _, status, *_ in runs} == {"success"}
    assert {node for node, *_ in runs} >= {*PUBLISHED, "basket_training", "amount_predictions"}
    assert all(seconds > 0 and started is not None for *_, seconds, started in runs)


def test_who_is_named_may_read_the_published_tables_and_no_other(server: Postgres, copied: dict[str, Any]) -> None:
    may = server.rows("""
        select relname from pg_class join pg_namespace as place on relnamespace = place.oid
        where nspname in ('published', 'lab') and has_table_privilege('analysts', pg_class.oid, 'select')
    """)
    assert {name for (name,) in may} == {
        *PUBLISHED, "ml_runs", "ml_nodes", "ml_access", "ml_incidents", "ml_health", "ml_requests",
    }  # fmt: skip


def columns_of(server: Postgres) -> set[tuple[str, ...]]:
    return set(
        server.rows("select table_name, column_name, data_type from information_schema.columns "
                    "where table_schema = 'published' and table_name like 'ml_%'")
    )  # fmt: skip


def test_an_empty_build_gives_typed_tables_and_keeps_history(shop_there: Host, server: Postgres, warm: Warm) -> None:
    """The last test empties the tables."""
    columns = columns_of(server)
    before = {name: set(server.rows(f"select * from published.{name}")) for name in HISTORY}
    warm.dbt(shop_there.path, "build", "--empty", "--select", "package:mlbridge", *ON_POSTGRES)
    assert columns_of(server) == columns
    for name in PUBLISHED:
        rows = server.rows(f"select * from published.{name}")
        assert set(rows) >= before[name] if name in before else not rows, name
    assert set(server.rows("select * from published.ml_runs")) > before["ml_runs"]
