"""Published builds as no build happens to leave them: a copy of one, with some of its tables changed by SQL."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb
import sqlglot
from dbt_host import ROOT
from sqlglot import exp

from mlbridge.publication.folder import CURRENT, FACTS, Facts, new_build, read_facts

VIEWS = frozenset({"ml_health", "ml_incidents"})  # of what the other tables say


def changed(folder: Path, into: Path, tables: Mapping[str, str] | None = None) -> Path:
    """Copy a host's published folder; `tables` gives the new rows of some, in SQL over all of the old ones by name.

    `ml_health` and `ml_incidents` are what the host's views say of the new rows.
    """
    facts = read_facts(folder / CURRENT)
    into.mkdir(exist_ok=True)
    with duckdb.connect() as connection, new_build(into, folder / CURRENT / FACTS) as staging:
        for name in facts["tables"]:
            connection.execute(f"create table {name} as from '{folder / CURRENT / name}.parquet'")
        new = {name: f"from {name}" for name in facts["tables"]} | (tables or {})
        connection.execute("create schema new")
        connection.execute(f"create table new.ml_thresholds as from '{ROOT / 'seeds' / 'ml_thresholds.csv'}'")
        for name, sql in new.items():
            connection.execute(f"create table new.{name} as {sql}")
        for (model,) in connection.execute("select distinct model from ml_nodes where model is not null").fetchall():
            rows = f"from new.ml_predictions where model = '{model}'"
            connection.execute(f'create view new."{model}_predictions" as {rows}')
        for view in VIEWS.difference(tables or {}):
            connection.execute(f"create or replace table new.{view} as {view_query(folder, view)}")
        for name in new:
            connection.execute(f"copy new.{name} to '{staging / name}.parquet' (format parquet)")
        build_facts = f"{facts['build']} {staging.name}", facts["as_of"], facts["version"], tuple(facts["tables"])
        Facts.now(*build_facts).write(staging)
    return into


def view_query(folder: Path, name: str) -> str:
    """Give a view of the warehouse beside a published folder, over the tables of the schema `new`."""
    warehouse = folder.parent.with_name(folder.parent.name.removesuffix(".published"))
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        ((view,),) = connection.execute("select sql from duckdb_views() where view_name = ?", [name]).fetchall()
    query = sqlglot.parse_one(view, dialect="duckdb").expression
    for table in query.find_all(exp.Table):
        if table.args.get("db"):
            table.replace(exp.table_(table.name, db="new", alias=table.alias))
    return str(query.sql(dialect="duckdb"))


def only(model: str, **tables: str) -> dict[str, str]:
    """Leave one model's rows in every table that has a column `model`; `tables` says otherwise for some."""
    of_models = (
        "ml_versions", "ml_champions", "ml_metrics", "ml_importances", "ml_profiles", "ml_predictions", "ml_windows",
        "ml_distributions", "ml_drift", "ml_performance", "ml_alerts", "ml_decisions", "ml_leaks", "ml_lineage",
    )  # fmt: skip
    kept = {name: f"select * from {name} where model = '{model}'" for name in of_models}
    kept["ml_nodes"] = f"select * from ml_nodes where model is null or model = '{model}'"
    return kept | tables


def without(*tables: str) -> dict[str, str]:
    """Empty some tables."""
    return {name: f"select * from {name} where false" for name in tables}


UNSEEN = without(
    "ml_champions", "ml_predictions", "ml_windows", "ml_distributions", "ml_drift", "ml_performance", "ml_alerts"
)
# No training yet: only the nodes know the model.
NEVER_TRAINED = UNSEEN | without(
    "ml_versions", "ml_metrics", "ml_importances", "ml_profiles", "ml_decisions", "ml_leaks", "ml_lineage"
)
# The rows have not sufficed for a training yet.
FEW_ROWS = NEVER_TRAINED | {
    "ml_decisions": "select * replace ('not_trained' as outcome, null::integer as version, "
    "'not trained, because train has 12 of at least 50 rows' as reason, '{\"rows_train\": 12}' as decision) "
    "from ml_decisions",
}
# Every training was rejected.
NO_CHAMPION = UNSEEN | {
    "ml_versions": "select * replace (case outcome when 'promoted' then 'rejected' else outcome end as outcome) "
    "from ml_versions",
    "ml_decisions": "select * replace ('rejected' as outcome, 'not better than the naive baseline' as reason) "
    "from ml_decisions",
}
NO_LABELS = {
    "ml_runs": "select * replace (timestamp '2024-07-01' as as_of) from ml_runs",
    "ml_predictions": "select * replace (null::varchar as actual, null::double as actual_value) from ml_predictions",
    "ml_windows": "select * replace (0::bigint as rows_labelled) from ml_windows",
    "ml_performance": "select * from ml_performance where kind = 'estimated'",
    "ml_drift": "select * from ml_drift where feature <> 'ml_target'",
    "ml_alerts": "select * from ml_alerts where false",
}
# Of each version the first.
FIRST = "qualify {} = min({}) over (partition by model, version)"
ONE_WINDOW = {
    "ml_windows": f"select * from ml_windows {FIRST.format('window_start', 'window_start')}",
    "ml_drift": f"""select * from ml_drift where baseline = 'training' {FIRST.format('"window"', '"window"')}""",
    "ml_performance": f"""select * from ml_performance where version = 2 {FIRST.format('"window"', '"window"')}""",
    "ml_alerts": "select * from ml_alerts where false",
}
NO_SLICES = {"ml_performance": "select * from ml_performance where slice = 'all'"}
HOSTILE = "<script>alert(1)</script> *x* `y` [z](javascript:alert(2)) | $$a$$"
NAMED = f"case when feature like 'ml_%' then feature else feature || '{HOSTILE}' end as feature"
# The first build failed before anything was trained.
FAILED_AT_ONCE = NEVER_TRAINED | {
    "ml_runs": "select * replace ('error' as status, 'no such column' as message) from ml_runs"
}
# A champion of which no window has a figure, though its rows were scored.
NOT_MEASURED = without("ml_performance")
# A build of which every node was skipped, because a test of what it reads failed.
ALL_SKIPPED = {
    "ml_runs": "select * replace ('skipped' as status, null::timestamp as started_at) from ml_runs",
}
# The next build was expected long ago: none came, or none could open the warehouse.
OVERDUE = {"ml_health": "select * replace (timestamp '2024-08-02 05:00' as next_build_expected_by) from ml_health"}
# The version before was asked another question: one of two classes that are called otherwise.
OF_ANOTHER_KIND = {
    "ml_versions": """select * replace (
        case when version = 1 then replace(spec, '"regression"', '"classification"') else spec end as spec,
        case when version = 1 then replace(params, '"classes": null', '"classes": ["late", "on time"]') else params end
        as params
    ) from ml_versions"""
}
HOSTILE_NAMES = {
    name: f"select * replace ({NAMED}) from {name}"
    for name in ("ml_drift", "ml_distributions", "ml_profiles", "ml_importances")
} | {
    "ml_decisions": f"select * replace ('1. {HOSTILE} www.example.com' as reason) from ml_decisions",
    "ml_runs": f"select * replace ('error' as status, '{HOSTILE}' as message) from ml_runs",
}
# Ten times the features, or more: each of them again under other names.
AGAIN = "select * replace ({name}) from {table}, range({times}) as t(i) where i = 0 or feature not like 'ml_%'"
COPY = "case when i = 0 then feature else feature || '_' || i end as feature"


def many_features(folder: Path, least: int) -> dict[str, str]:
    """Give each feature again and again under other names until every model has that many."""
    file = folder / CURRENT / "ml_drift.parquet"
    known = duckdb.sql(
        f"select model, count(distinct feature) from '{file}' where feature not like 'ml_%' group by model"
    ).fetchall()
    times = -(-least // min(number for _, number in known))
    return {
        table: f"select * exclude (i) from ({AGAIN.format(name=COPY, table=table, times=times)})"
        for table in ("ml_drift", "ml_distributions", "ml_profiles", "ml_importances")
    }


def many_models(folder: Path, times: int) -> dict[str, str]:
    """Give every model again under other names until there are so many times as many; `ml_health` is not of them."""
    place = folder / CURRENT
    tables = read_facts(place)["tables"]
    described = {name: duckdb.sql(f"from '{place / name}.parquet'").columns for name in tables}
    name = "case when i = 0 then model else model || '_' || i end as model"
    node = ", case when i = 0 then node else node || '_' || i end as node"
    return {
        table: f"select * exclude (i) replace ({name}{node if table == 'ml_nodes' else ''}) "
        f"from {table}, range({times}) as t(i) where i = 0 or model is not null"
        for table, columns in described.items()
        if "model" in columns
    }


def many_days(days: int) -> dict[str, str]:
    """Give the newest whole window of each model's second version again for each of so many days, with a course."""
    moved = "{end} - to_days(cast(i as integer))"
    wave = "(1 + 0.05 * sin(i / 9.0) + 0.02 * cos(i * 1.7))"

    def repeated(table: str, start: str, also: str = "") -> str:
        latest = (
            f"select * from {table} where version = 2 "
            f'and "{start}" < (select max(as_of) from ml_runs) - interval 40 day '
            f'qualify dense_rank() over (partition by model order by "{start}" desc) = 1'
        )
        first = moved.format(end="(select date_trunc('day', max(as_of)) from ml_runs)")
        end = f", {first} + interval 1 day as window_end" if table != "ml_distributions" else ""
        return (
            f'select * exclude (i) replace ({first} as "{start}"{end}{also}) '
            f"from ({latest}) as latest, range({days}) as t(i)"
        )

    size = ", 'day' as window_size"
    return {
        "ml_versions": 'select * replace (replace(spec, \'"window": "month"\', \'"window": "day"\') as spec) '
        "from ml_versions",
        "ml_windows": repeated("ml_windows", "window_start", size),
        "ml_distributions": repeated("ml_distributions", "window_start", size)
        + " union all from ml_distributions where period = 'training'",
        "ml_performance": repeated(
            "ml_performance", "window", f", value * {wave} as value, low * {wave} as low, high * {wave} as high"
        ),
        "ml_drift": repeated("ml_drift", "window", f", value * {wave} as value"),
        "ml_predictions": f"""select * replace (
            (select max(as_of) from ml_runs) - to_days(cast(hash(entity) % {days} as integer)) as time
        ) from ml_predictions""",
    }
