"""`mlbridge versions`: the leaderboard of a project's models, read from the package's tables."""

from __future__ import annotations

from sqlglot import exp

from mlbridge.engines.opening import connect
from mlbridge.engines.records import read_document
from mlbridge.engines.warehouse import Warehouse, parse_query
from mlbridge.errors import SetupError, listed, nearest
from mlbridge.project.project import Project
from mlbridge.publication.folder import CURRENT, VIEWS, current_build, read_facts
from mlbridge.typing import Document, Row

FIGURES = (
    "model", "version", "candidate", "outcome", "reason", "trained_at", "fit_seconds", "champion", "retired",
    "metric", "value", "low", "high", "baseline", "baseline_name", "n", "strength",
)  # fmt: skip
QUERY = """
select
    v.model, v.version, v.candidate, v.outcome, v.reason, v.trained_at, v.fit_seconds, v.spec, v.promotion,
    c.version is not null and v.outcome <> 'runner_up' as champion, v.is_retired as retired,
    m.metric, m.value, m.low, m.high, m.baseline, m.baseline_name, m.n
from ml_versions as v
left join ml_metrics as m
    on v.model = m.model and v.version = m.version and v.candidate = m.candidate
    and m.split = 'test' and m.slice = 'all'
left join ml_champions as c on v.model = c.model and v.version = c.version
where
    m.metric is not null
    or not exists (
        select 1 from ml_metrics as f where f.model = v.model and f.version = v.version and f.candidate = v.candidate
    )
order by v.model, v.as_of desc, v.version desc, v.outcome = 'runner_up', v.candidate
"""
# The last decision of each model, other than `skipped`, if it was `not_trained`.
WAITING = """
select model, reason, decided_at
from (
    select
        model, outcome, reason, decided_at,
        row_number() over (partition by model order by decided_at desc, as_of desc, invocation_id desc) as age_rank
    from ml_decisions
    where outcome <> 'skipped'
) as decided
where age_rank = 1 and outcome = 'not_trained'
order by model
"""

# The suspicions of each model's newest version that is not retired, without those that the spec allows.
SUSPECTED = """
select l.model, l.version, l.feature, l.level, l.evidence
from ml_leaks as l
inner join (
    select model, max(case when not is_retired then version end) as version from ml_versions group by model
) as newest
    on l.model = newest.model and l.version = newest.version
where l.level <> 'none' and not l.allowed
order by l.model, l.level desc, l.feature, l."check"
"""


def leaderboard(project: Project, model: str | None) -> list[Row]:
    """Return one row per model, version and candidate: the spec's metric on the test rows with its 95 % interval.

    Newest version first, the champion marked; `strength` describes the skill on the test rows. A candidate whose
    metrics are damaged has no figures. A model with too few rows for a training has one row with the outcome
    `not_trained`, the reason, and no figures. Raises SetupError when there is no such model, or no warehouse, and
    RegistryError for a damaged spec.
    """
    warehouse = project.connect()
    rows, lacking = query_tables(project, warehouse, QUERY), models_without_training(project, warehouse)
    known = sorted({row["model"] for row in (*rows, *lacking)})
    if model is not None and model not in known:
        raise SetupError(f"there is no model '{model}'.{nearest(model, known)} Models with versions: {listed(known)}.")
    versions = [
        {**row, "strength": _document(row, "promotion").get("strength")}
        for row in rows
        if row["metric"] in (None, _document(row, "spec")["metric"])
    ]
    nothing = dict.fromkeys(FIGURES) | {"outcome": "not_trained", "champion": False, "retired": False}
    every = [*({**nothing, **row} for row in lacking), *({key: row[key] for key in FIGURES} for row in versions)]
    chosen = [row for row in every if model in (None, row["model"])]
    return sorted(chosen, key=lambda row: str(row["model"]))


def _document(row: Row, name: str) -> Document:
    where = f"{row['model']}_training: version {row['version']}, candidate '{row['candidate']}': `{name}`"
    return dict(read_document(row[name] or "{}", where))


def models_without_training(project: Project, warehouse: Warehouse) -> list[Row]:
    """Return `model, reason, trained_at` of each model whose last training did not begin because of too few rows."""
    return [
        {"model": row["model"], "reason": row["reason"], "trained_at": row["decided_at"]}
        for row in query_tables(project, warehouse, WAITING)
    ]


def suspected(project: Project) -> list[Row]:
    """Return what looks like a leak in each model's newest version that is not retired, without what the spec allows.

    One row per model, version, feature and check: `model, version, feature, level (withhold, warn), evidence`. Raises
    SetupError if there is no warehouse, or a table of the package is missing or older.
    """
    return query_tables(project, project.connect(), SUSPECTED)


class NotBuiltError(SetupError):
    """A table of the package is not there yet."""


def query_tables(project: Project, warehouse: Warehouse, sql: str) -> list[Row]:
    """Query the package's tables in the project's schema; raises SetupError where one is not there, or older."""
    query = parse_query(sql)
    for table in list(query.find_all(exp.Table)):
        database, schema, name = project.relation(table.name)
        there = warehouse.columns_of(database, schema, name)
        if not there:
            raise NotBuiltError(f"the warehouse has no table '{schema}.{name}' yet. Run `dbt build` first.")
        if table.name == "ml_versions" and "is_retired" not in there:
            raise SetupError(f"'{schema}.{name}' is of an earlier mlbridge. Run `dbt build` first.")
        table.replace(exp.table_(name, db=schema, catalog=database, quoted=True, alias=table.alias))
    return warehouse.rows(query)


def query_published(project: Project, sql: str) -> list[Row]:
    """Query the package's tables as the last build published them: no build waits for this, and this waits for none.

    Where the warehouse is no file, nothing is published to files, and it is asked itself. Raises SetupError if no build
    has published yet, or an earlier mlbridge has.
    """
    folder = project.published_folder
    if folder is None:
        return query_tables(project, project.connect(), sql)
    if current_build(folder) is None or not (folder / VIEWS).is_file():
        raise SetupError(f"no build has been published to '{folder}' yet. Run `dbt build` first.")
    query, published = parse_query(sql), read_facts(folder / CURRENT)["tables"]
    lacking = [table.name for table in query.find_all(exp.Table) if table.name not in published]
    if lacking:
        raise SetupError(f"what was published to '{folder}' lacks {listed(lacking)}. Run `dbt build` first.")
    return connect(folder / VIEWS).rows(query)
