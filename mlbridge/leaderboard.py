"""The leaderboard of a project's models, read from the package's tables."""

from __future__ import annotations

import json
from typing import Any

import sqlglot
from sqlglot import exp

from mlbridge.errors import SetupError, listed, nearest
from mlbridge.project import Project
from mlbridge.warehouse import DIALECT, connect

QUERY = """
select
    v.model, v.version, v.candidate, v.outcome, v.reason, v.trained_at, v.fit_seconds, v.spec,
    c.version is not null and v.outcome <> 'runner_up' as champion, v.is_retired as retired,
    m.metric, m.value, m.low, m.high, m.baseline, m.n
from ml_versions as v
inner join ml_metrics as m
    on v.model = m.model and v.version = m.version and v.candidate = m.candidate
    and m.split = 'test' and m.slice = 'all'
left join ml_champions as c on v.model = c.model and v.version = c.version
order by v.model, v.as_of desc, v.version desc, v.outcome = 'runner_up', v.candidate
"""

# Of each model's newest training what was found, and is not allowed.
SUSPECTED = """
select l.model, l.version, l.feature, l.level, l.evidence
from ml_leaks as l
inner join (select model, max(version) as version from ml_versions group by model) as newest
    on l.model = newest.model and l.version = newest.version
where l.level <> 'none' and not l.allowed
order by l.model, l.level desc, l.feature, l."check"
"""


def leaderboard(project: Project, model: str | None) -> list[dict[str, Any]]:
    """Give one row per model, version and candidate: the spec's metric on the test rows with its 95 % interval.

    Newest version first, the champion marked. Raises SetupError when there is no such model, or no warehouse.
    """
    rows = _asked(project, QUERY)
    known = sorted({row["model"] for row in rows})
    if model is not None and model not in known:
        raise SetupError(f"there is no model '{model}'.{nearest(model, known)} Models with versions: {listed(known)}.")
    return [
        {key: value for key, value in row.items() if key != "spec"}
        for row in rows
        if model in (None, row["model"]) and row["metric"] == json.loads(row["spec"])["metric"]
    ]


def suspected(project: Project) -> list[dict[str, Any]]:
    """Give what in each model's newest training looks like a leak and is not allowed; raises SetupError as above.

    One row per model, version, feature and check: `model, version, feature, level (withhold, warn), evidence`.
    """
    return _asked(project, SUSPECTED)


def _asked(project: Project, sql: str) -> list[dict[str, Any]]:
    """Ask the package's tables, named as the project has them; raises SetupError where one is not there, or older."""
    warehouse = connect(project.warehouse_file)
    query: Any = sqlglot.parse_one(sql, dialect=DIALECT)
    for table in list(query.find_all(exp.Table)):
        schema, name = project.relation(table.name)
        found = exp.table_(name, db=schema, quoted=True, alias=table.alias)
        if not warehouse.has(schema, name):
            raise SetupError(f"the warehouse has no table '{schema}.{name}' yet. Run `dbt build` first.")
        if name == "ml_versions" and "is_retired" not in warehouse.names(exp.table_(name, db=schema, quoted=True)):
            raise SetupError(f"'{schema}.{name}' is of an earlier mlbridge. Run `dbt build` first.")
        table.replace(found)
    return warehouse.rows(query)
