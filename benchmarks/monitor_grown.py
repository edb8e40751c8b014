"""A published build made of that of the flights, for the benchmarks of the monitor: many models, features and windows.

The two models of the flights become 50, 25 of a kind, their months 1,095 windows of a day each; two of the models, one
of a kind, have 500 features (names with a number added), the others those of the flights. Half of the models were
trained anew each quarter, the others once. A figure is that of the model it grew from, in one of its complete windows,
for 45 days, times a random factor; a twentieth of the features has moved for the last 20 days. Alerts and incidents are
what the package's own SQL makes of that.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import pyarrow as pa

from mlbridge.publication.folder import Facts, file_of, new_build

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))
from simulated import STEPS, package

THINGS = (
    "churn", "basket_value", "fraud", "delivery_days", "complaint", "order_value", "returned", "demand", "default_risk",
    "lifetime_value",
)  # fmt: skip
COUNTRIES = ("brazil", "france", "germany", "japan", "united_kingdom")
FEATURES, WIDE, VERSIONS, PREDICTIONS = 500, 2, 12, 40_000
KINDS = ("late_arrival", "arrival_delay")
FACTS = f"""
create table champions as select model as base, version as base_version from ml_champions;

create table grown as
select
    thing || '_' || country as model, base, base_version, 'raw.' || country as source,
    thing_no <= {WIDE} and country = '{COUNTRIES[0]}' as is_wide,
    case when hash(thing, country) % 2 = 0 then {VERSIONS} else 1 end as versions
from unnest({list(THINGS)}) with ordinality as t(thing, thing_no), unnest({list(COUNTRIES)}) as u(country)
join champions on base = case when thing_no % 2 = 1 then '{KINDS[0]}' else '{KINDS[1]}' end;

-- the version that scored on each day
create table scored as
select
    grown.*, d as day, timestamp '2023-01-01' + to_days(cast(d as integer)) as day_start, d >= {{days}} - 20 as is_late,
    cast(1 + d * versions // {{days}} as integer) as own_version
from range({{days}}) as t(d) cross join grown;

create table versions as
select model, base, base_version, is_wide, own_version, min(day_start) as begun from scored group by all;

create table newest as select model, max(own_version) as own_version from versions group by model;

-- complete windows of the flights, each of which 45 days repeat
create table placed as
select scored.*, w.base_start
from scored
join (
    select
        base, window_start as base_start, count(*) over (partition by base) as places,
        row_number() over (partition by base order by window_start) - 1 as place
    from ml_windows join champions on model = base and version = base_version
    where rows_scored > 20000
) as w on scored.base = w.base and day // 45 % places = place;

create table features as
select model, f.base_feature, base_feature || case when k < places then '' else '_' || k // places end as own_feature
from grown
join (
    select
        model as base, feature as base_feature, count(*) over (partition by model) as places,
        row_number() over (partition by model order by feature) - 1 as place
    from (select distinct model, feature from ml_importances)
) as f using (base), range({FEATURES}) as t(k)
where k % places = place and (is_wide or k < places)
union all
select model, name, name from grown, unnest(['ml_prediction', 'ml_target', 'ml_estimate']) as t(name);
"""
OF_WINDOW = "join placed as p on b.model = p.base and b.version = p.base_version and b.window_start = p.base_start"
OF_VERSION = "join versions as p on b.model = p.base and b.version = p.base_version"
NEWEST = f"{OF_VERSION} join newest as n on p.model = n.model and p.own_version = n.own_version"
OF_FEATURE = "join features as f on p.model = f.model and b.feature = f.base_feature"
OWN = "p.model as model, p.own_version as version"
DAY = "p.day_start as window_start, p.day_start + interval 1 day as window_end"
AGO = "to_seconds(cast(epoch(b.as_of) - epoch(p.begun) as bigint))"
TABLES = {
    "ml_versions": f"""
        select b.* replace (
            {OWN}, replace(b.spec, '"month"', '"day"') as spec, p.begun as as_of, b.train_from - {AGO} as train_from,
            p.begun + interval 4 hour as trained_at, b.train_to - {AGO} as train_to,
            b.holdout_from - {AGO} as holdout_from, case when p.is_wide then d.features else b.features end as features
        )
        from ml_versions as b {OF_VERSION} join documents as d on b.model = d.base
    """,
    "ml_champions": f"""
        select b.* replace ({OWN}, p.begun as trained_at)
        from ml_champions as b {NEWEST}
    """,
    "ml_metrics": f"select b.* replace ({OWN}) from ml_metrics as b {OF_VERSION}",
    **{
        name: f"select b.* replace ({OWN}, f.own_feature as feature) from {name} as b {OF_VERSION} {OF_FEATURE}"
        for name in ("ml_importances", "ml_profiles", "ml_leaks")
    },
    "ml_lineage": f"""
        select b.* replace (
            {OWN}, p.begun + interval 4 hour as trained_at, replace(b.node, b.model, p.model) as node,
            replace(b.from_node, b.model, p.model) as from_node,
            coalesce(f.own_feature, b.column_name) as column_name,
            case when b.from_column = b.column_name then coalesce(f.own_feature, b.from_column)
                else b.from_column end as from_column
        )
        from ml_lineage as b {OF_VERSION}
        left join features as f on p.model = f.model and b.column_name = f.base_feature
    """,
    "ml_decisions": """
        select
            p.model, 'build ' || day as invocation_id, day_start + interval 28 hour as decided_at,
            day_start + interval 1 day as as_of, coalesce(b.outcome, 'skipped') as outcome, p.own_version as version,
            coalesce(b.reason, 'no reason to train: the version is ' || day % 91 || ' days old') as reason,
            coalesce(b.decision, '{{}}') as decision
        from scored as p
        left join versions as v on p.model = v.model and p.day_start = v.begun
        left join ml_decisions as b on v.base = b.model and b.version = v.base_version and b.outcome = 'promoted'
    """,
    "ml_windows": f"""
        select b.* replace ({OWN}, {DAY}, 'day' as window_size, b.rows_scored // 30 as rows_scored,
            case when day < {{days}} - 7 then b.rows_labelled // 30 else 0 end as rows_labelled)
        from ml_windows as b {OF_WINDOW}
    """,
    "ml_drift": f"""
        select
            * exclude (drawn), coalesce(is_comparable and muted is null and value > threshold, false) as alert
        from (
            select
                b.* exclude (alert) replace (
                    {OWN}, f.own_feature as feature, p.day_start as "window", {DAY}, b.rows_used // 30 as rows_used,
                    b.rows_baseline // 30 as rows_baseline,
                    case
                        when p.is_late and hash(p.model, f.own_feature) % 20 = 0 then b.threshold * (1.1 + drawn)
                        when b.threshold > 0 then least(b.value, b.threshold) * (0.4 + 0.55 * drawn)
                        else b.value
                    end as value
                ),
                drawn
            from ml_drift as b {OF_WINDOW} {OF_FEATURE},
                lateral (select hash(p.model, f.own_feature, p.day, b.metric) % 1000 / 1000 as drawn)
        )
    """,
    "ml_performance": f"""
        select b.* replace (
            {OWN}, p.day_start as "window", {DAY}, b.n // 30 as n, b.value * f as value, b.low * f as low,
            b.high * f as high
        )
        from ml_performance as b {OF_WINDOW},
            lateral (select 0.98 + 0.04 * (hash(p.model, p.day, b.metric, b.slice) % 1000) / 1000 as f)
        where b.kind = 'estimated' or p.day < {{days}} - 7
    """,
    "ml_distributions": f"""
        select b.* replace (
            {OWN}, f.own_feature as feature, 'day' as window_size, p.day_start as window_start, b.n // 30 as n,
            b.outcomes // 30 as outcomes, b.outcome_sum * (b.outcomes // 30) / nullif(b.outcomes, 0) as outcome_sum,
            b.value_sum * (b.n // 30) / nullif(b.n, 0) as value_sum
        )
        from ml_distributions as b {OF_WINDOW} {OF_FEATURE}
        where b.period = 'scored'
        union all
        select b.* replace ({OWN}, f.own_feature as feature)
        from ml_distributions as b {OF_VERSION} {OF_FEATURE}
        where b.period = 'training'
    """,
    "ml_predictions": f"""
        select b.* exclude (place) replace (
            {OWN}, b.entity || '-' || p.day as entity, p.day_start + to_seconds(86399 * place // {PREDICTIONS}) as time,
            p.day_start + interval 28 hour as scored_at
        )
        from (
            select *, row_number() over (partition by model order by entity, time) as place
            from ml_predictions join champions on model = base and version = base_version
        ) as b
        join scored as p on b.model = p.base and b.place % {{days}} = p.day and b.place <= {PREDICTIONS}
    """,
    "ml_runs": """
        select b.* replace (
            'build ' || d as invocation_id, coalesce(g.model, b.model) as model,
            replace(b.node, coalesce(g.base, ''), coalesce(g.model, '')) as node,
            b.seconds * (0.8 + 0.4 * random()) as seconds,
            timestamp '2023-01-02 04:00' + to_days(cast(d as integer))
                + to_seconds(epoch(b.started_at) - min(epoch(b.started_at)) over ()) as started_at,
            timestamp '2023-01-02' + to_days(cast(d as integer)) as as_of
        )
        from (
            select * from ml_runs
            qualify invocation_id = last_value(invocation_id) over (
                order by started_at rows between unbounded preceding and unbounded following)
        ) as b left join grown as g on b.model = g.base, range({days}) as t(d)
    """,
    "ml_health": f"""
        select b.* replace (
            {OWN}, coalesce(a.severity, 'fine') as verdict, coalesce(a.message, b.reason) as reason, a.action as action,
            coalesce(a.since, b.since) as since, a.act as alerts_act, a.look as alerts_look, a.note as alerts_note,
            p.begun as trained_as_of, timestamp '2023-01-01' + to_days({{days}}) as newest_row_at,
            timestamp '2023-01-01 04:00' + to_days({{days}}) as last_build_at
        )
        from ml_health as b {NEWEST}
        left join (
            select
                model, count(*) filter (severity = 'act') as act, count(*) filter (severity = 'look') as look,
                count(*) filter (severity = 'note') as note, min(since) as since,
                case when act > 0 then 'act' when look > 0 then 'look' end as severity,
                arg_min(message, severity) filter (severity <> 'note') as message,
                arg_min(action, severity) filter (severity <> 'note') as action
            from made_alerts where is_current group by model
        ) as a on p.model = a.model
    """,
}
CANDIDATES = """
create table int_ml_alert_candidates as
select
    model, version, 'drift' as about, 'drift of ' || feature as what, feature, cast(null as text) as kind,
    cast(null as text) as slice, window_start, window_end, min(baseline) filter (alert) as baseline,
    (feature = 'ml_target')::int as needs_outcomes,
    max(alert::int) as is_alert, max(alert::int) * (1 + (hash(feature) % 3 = 0)::int) as severity, 0 as is_missing,
    'Ask who changed it.' as action, min(metric) filter (alert) as metric,
    string_agg(
        metric || ' ' || round(value, 4) || ' against ' || baseline || ' (threshold ' || round(threshold, 4) || ')',
        ', '
    ) filter (alert) as figures
from made_drift
where is_comparable and (model, version) in (from newest)
group by model, version, feature, window_start, window_end
"""


def grow(published: Path, folder: Path, days: int) -> None:
    """Publish a build that is what was published, grown."""
    with (
        tempfile.TemporaryDirectory() as place,
        duckdb.connect(f"{place}/grown.duckdb", config={"threads": 2}) as found,
    ):
        files = {path.stem: path for path in (published / "current").glob("ml_*.parquet") if "scores" not in path.stem}
        found.execute("set timezone = 'UTC'; set memory_limit = '5GB'; set enable_progress_bar = false")
        for name, path in files.items():
            found.execute(f"create view {name} as from '{path}'")
        found.execute(FACTS.format(days=days))
        documents(found)
        folder.mkdir(parents=True, exist_ok=True)
        with new_build(folder, Path(__file__)) as into:
            for name in sorted(set(files) - set(TABLES)):
                found.execute(f"copy (from {name} limit 0) to '{file_of(into, name)}' (format parquet)")
            for name, sql in TABLES.items():
                if name == "ml_health":
                    alerts(found, into)
                started = time.perf_counter()
                columns = ", ".join(f'"{each[0]}"' for each in found.execute(f"describe {name}").fetchall())
                made = f"select {columns} from ({sql.format(days=days)})"
                found.execute(f"copy ({made}) to '{file_of(into, name)}' (format parquet)")
                (count,) = found.execute(f"select count(*) from '{file_of(into, name)}'").fetchone() or (0,)
                print(f"{name:20}{count:13,} rows, {time.perf_counter() - started:.0f} s", flush=True)
            nodes(found).write_parquet(str(file_of(into, "ml_nodes")))
            Facts.now("wide", "2026-01-01 00:00:00", "0.17.0", tuple(sorted(files))).write(into)


def documents(found: duckdb.DuckDBPyConnection) -> None:
    """Write what the versions with many features say of them."""
    found.execute("create table documents (base text, features text)")
    for base, text in found.execute(
        "select model, any_value(features) from ml_versions join champions on model = base and version = base_version "
        "group by model"
    ).fetchall():
        given = {each["name"]: each for each in json.loads(text)}
        own = found.execute(
            "select base_feature, own_feature from features join grown using (model) where is_wide and base = ?",
            [base],
        ).fetchall()
        written = [{**given[old], "name": new} for old, new in own if old in given]
        found.execute("insert into documents values (?, ?)", [base, json.dumps(written)])


def alerts(found: duckdb.DuckDBPyConnection, into: Path) -> None:
    """Make alerts and incidents of the drift, by the package's SQL."""
    found.execute(f"create view made_drift as from '{file_of(into, 'ml_drift')}'")
    found.execute(CANDIDATES)
    found.execute(
        "create table int_ml_model_sources as select model, source, min(model) over (partition by source) as origin "
        "from grown"
    )
    nothing = "'' as model, 1 as version, timestamp '2023-01-01' as window_start, '' as features"
    found.execute(f"create table int_ml_moved_features as select {nothing} where false")
    found.execute(
        "create table int_ml_findings as select '' as model, 1 as finding_rank, '' as about, '' as verdict, "
        "'' as reason, '' as action, timestamp '2023-01-01' as since where false"
    )
    for name in ("ml_alerts", "ml_incidents"):
        found.execute(f"drop view {name}")
    steps = ("int_ml_lasting_alerts", "int_ml_alert_causes", "ml_alerts", "int_ml_incident_names", "ml_incidents")
    for name in steps:
        started = time.perf_counter()
        file = (STEPS if name.startswith("int_ml_") else STEPS.parent) / f"{name}.sql"
        found.execute(f"create table {name} as {package().file(file)}")
        (count,) = found.execute(f"select count(*) from {name}").fetchone() or (0,)
        print(f"{name:30}{count:13,} rows, {time.perf_counter() - started:.1f} s", flush=True)
    found.execute("create view made_alerts as from ml_alerts")
    for name in ("ml_alerts", "ml_incidents"):
        found.execute(f"copy {name} to '{file_of(into, name)}' (format parquet)")


def nodes(found: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    """Give the graph: what belongs to a model of the flights belongs to all that grew from it."""
    grown: dict[str | None, list[str]] = {}
    for base, model in found.execute("select base, model from grown order by model").fetchall():
        grown.setdefault(base, []).append(model)

    def named(text: str, base: str | None, model: str | None) -> list[str]:
        """Name a node for one model; or, of a node of no model, those of all."""
        of = next((each for each in KINDS if each in text), None)
        if of is None:
            return [text]
        return [text.replace(of, each) for each in ([model] if model is not None and of == base else grown[of])]

    rows = []
    for row in found.sql("from ml_nodes").to_arrow_table().to_pylist():
        base = row["model"]
        for model in grown.get(base, [None]):
            (node,), (name,) = (named(row[key], base, model) if model else [row[key]] for key in ("node", "name"))
            parents = [new for old in json.loads(row["parents"]) for new in named(old, base, model)]
            rows.append({**row, "node": node, "name": name, "model": model, "parents": json.dumps(parents)})
    made = pa.Table.from_pylist(rows)
    return found.from_arrow(made)
