"""The graph from the sources to the package's tables, with the result of each node's last run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlbridge.monitor.models import model as model_row
from mlbridge.monitor.source import State

if TYPE_CHECKING:
    import pandas as pd

NEVER = "never"
COLUMNS = [
    "node", "name", "kind", "stage", "model", "package", "materialized", "description", "status", "seconds", "rows",
    "tests_failed", "ran_at", "invocation_id",
]  # fmt: skip
NODES = """
select node, name, kind, stage, model, package, materialized, description, parents
from ml_nodes
order by node
"""
# A skipped node has no start time; the start of its command is taken instead.
LAST = """
select node as name, status, seconds, "rows", tests_failed, ran_at, invocation_id
from (
    select
        r.node, r.status, case when r.status <> 'skipped' then r.seconds end as seconds, r."rows", r.tests_failed,
        r.invocation_id,
        coalesce(r.started_at, i.begun) as ran_at,
        row_number() over (partition by r.node order by i.begun desc, r.invocation_id asc) as recency
    from ml_runs as r
    inner join (
        select invocation_id, coalesce(min(started_at), max(as_of)) as begun from ml_runs group by invocation_id
    ) as i
        on r.invocation_id = i.invocation_id
) as numbered
where recency = 1
"""
Parents = Mapping[str, list[str]]


def pipeline(state: State, model: str | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the nodes and the edges of the branch and of what leads to it.

    Nodes, by `node` (dbt's unique id): `name, kind (source|seed|snapshot|model), stage, model` (NULL where it belongs
    to none), `package, materialized, description`; of its last run `status` (success, error, skipped, or `never`;
    sources are not run), `seconds, rows, tests_failed, ran_at` (UTC) and `invocation_id`, NULL without one. Edges:
    `parent, child`.

    With `model`: its nodes, all their ancestors, and their descendants, except the nodes of other models and what
    depends on them alone. Raises MonitorError for an unknown model.
    """
    import pandas as pd

    if model is not None:
        model_row(state, model)
    nodes = state.ask(NODES)
    parents = {node: json.loads(text) for node, text in zip(nodes["node"], nodes["parents"], strict=True)}
    ran = state.ask(LAST)
    runnable = nodes["kind"] != "source"
    found = pd.concat([nodes[runnable].merge(ran, on="name", how="left"), nodes[~runnable]])
    found = found.assign(status=found["status"].fillna(NEVER))
    if model is not None:
        found = found[found["node"].isin(_of_model(model, nodes, parents))]
    found = found.sort_values("node")[COLUMNS].reset_index(drop=True)
    types = {"seconds": "float64", "rows": "Int64", "tests_failed": "Int64", "ran_at": "datetime64[us]"}
    kept = set(found["node"])
    edges = [(parent, node) for node in found["node"] for parent in dict.fromkeys(parents[node]) if parent in kept]
    return found.astype(types), pd.DataFrame(edges, columns=["parent", "child"], dtype="str")


def _of_model(model: str, nodes: pd.DataFrame, parents: Parents) -> set[str]:
    own = set(nodes.loc[nodes["model"] == model, "node"])
    others = set(nodes.loc[nodes["model"].notna() & (nodes["model"] != model), "node"])
    children: dict[str, list[str]] = {}
    for node, above in parents.items():
        for parent in above:
            if node not in others:
                children.setdefault(parent, []).append(node)
    return _reached(own, parents) | _reached(own, children)


def _reached(start: set[str], links: Mapping[str, list[str]]) -> set[str]:
    reached, waiting = set(start), list(start)
    while waiting:
        for node in links.get(waiting.pop(), []):
            if node not in reached:
                reached.add(node)
                waiting.append(node)
    return reached
