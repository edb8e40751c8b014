"""The leaderboard of a project's models, read from the package's tables."""

from __future__ import annotations

import json
from typing import Any

import sqlglot
from sqlglot import exp

from mlbridge.errors import SetupError, listed, nearest
from mlbridge.project import Project
from mlbridge.warehouse import DIALECT, Warehouse, connect

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
inner join ml_metrics as m
    on v.model = m.model and v.version = m.version and v.candidate = m.candidate
    and m.split = 'test' and m.slice = 'all'
left join ml_champions as c on v.model = c.model and v.version = c.version
order by v.model, v.as_of desc, v.version desc, v.outcome = 'runner_up', v.candidate
"""
# What a model lacks for a training, where no training has come since.
WAITING = """
select model, reason, decided_at
from (
    select
        model, outcome, reason, decided_at,
        row_number() over (partition by model order by decided_at desc, as_of desc, invocation_id desc) as place
    from ml_decisions
    where outcome <> 'skipped'
) as decided
where place = 1 and outcome = 'not_trained'
order by model
"""

# Of each model's newest training what was found, and is not allowed.
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


def leaderboard(project: Project, model: str | None) -> list[dict[str, Any]]:
    """Give one row per model, version and candidate: the spec's metric on the test rows with its 95 % interval.

    Newest version first, the champion marked; `strength` is what its training found of its skill. A model whose rows
    do not suffice for a training yet comes with the reason, as `not_trained`, and without figures. Raises SetupError
    when there is no such model, or no warehouse.
    """
    warehouse = connect(project.warehouse_file)
    rows, lacking = _asked(project, warehouse, QUERY), waiting(project, warehouse)
    known = sorted({row["model"] for row in (*rows, *lacking)})
    if model is not None and model not in known:
        raise SetupError(f"there is no model '{model}'.{nearest(model, known)} Models with versions: {listed(known)}.")
    versions = [
        {**row, "strength": json.loads(row["promotion"] or "{}").get("strength")}
        for row in rows
        if row["metric"] == json.loads(row["spec"])["metric"]
    ]
    nothing = dict.fromkeys(FIGURES) | {"outcome": "not_trained", "champion": False, "retired": False}
    every = [*({**nothing, **row} for row in lacking), *({key: row[key] for key in FIGURES} for row in versions)]
    chosen = [row for row in every if model in (None, row["model"])]
    return sorted(chosen, key=lambda row: str(row["model"]))


def waiting(project: Project, warehouse: Warehouse) -> list[dict[str, Any]]:
    """Give `model, reason, trained_at` of each model whose last training did not begin because rows are lacking."""
    return [
        {"model": row["model"], "reason": row["reason"], "trained_at": row["decided_at"]}
        for row in _asked(project, warehouse, WAITING)
    ]


def suspected(project: Project) -> list[dict[str, Any]]:
    """Give what in each model's newest training looks like a leak and is not allowed; raises SetupError as above.

    One row per model, version, feature and check: `model, version, feature, level (withhold, warn), evidence`.
    """
    return _asked(project, connect(project.warehouse_file), SUSPECTED)


def _asked(project: Project, warehouse: Warehouse, sql: str) -> list[dict[str, Any]]:
    """Ask the package's tables, wherever the project keeps them; raises SetupError where one is not there, or older."""
    query: Any = sqlglot.parse_one(sql, dialect=DIALECT)
    for table in list(query.find_all(exp.Table)):
        schema, name = project.relation(table.name)
        if not warehouse.has(schema, name):
            raise SetupError(f"the warehouse has no table '{schema}.{name}' yet. Run `dbt build` first.")
        if name == "ml_versions" and "is_retired" not in warehouse.names(exp.table_(name, db=schema, quoted=True)):
            raise SetupError(f"'{schema}.{name}' is of an earlier mlbridge. Run `dbt build` first.")
        table.replace(exp.table_(name, db=schema, quoted=True, alias=table.alias))
    return warehouse.rows(query)
