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
    c.version is not null and v.outcome <> 'runner_up' as champion,
    m.metric, m.value, m.low, m.high, m.baseline, m.n
from ml_versions as v
inner join ml_metrics as m
    on v.model = m.model and v.version = m.version and v.candidate = m.candidate
    and m.split = 'test' and m.slice = 'all'
left join ml_champions as c on v.model = c.model and v.version = c.version
order by v.model, v.as_of desc, v.version desc, v.outcome = 'runner_up', v.candidate
"""


def leaderboard(project: Project, model: str | None) -> list[dict[str, Any]]:
    """Give one row per model, version and candidate: the spec's metric on the test rows with its 95 % interval.

    Newest version first, the champion marked. Raises SetupError when there is no such model, or no warehouse.
    """
    warehouse = connect(project.warehouse_file)
    query: Any = sqlglot.parse_one(QUERY, dialect=DIALECT)
    for table in list(query.find_all(exp.Table)):
        schema, name = project.relation(table.name)
        if not warehouse.has(schema, name):
            raise SetupError(f"the warehouse has no table '{schema}.{name}' yet. Run `dbt build` first.")
        table.replace(exp.table_(name, db=schema, quoted=True, alias=table.alias))
    rows = warehouse.rows(query)
    known = sorted({row["model"] for row in rows})
    if model is not None and model not in known:
        raise SetupError(f"there is no model '{model}'.{nearest(model, known)} Models with versions: {listed(known)}.")
    return [
        {key: value for key, value in row.items() if key != "spec"}
        for row in rows
        if model in (None, row["model"]) and row["metric"] == json.loads(row["spec"])["metric"]
    ]
