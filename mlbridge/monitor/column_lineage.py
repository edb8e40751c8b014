"""What the features of a model come from, column by column, and what depends on a source column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlbridge.errors import MonitorError, listed, nearest
from mlbridge.monitor.models import model as model_row
from mlbridge.monitor.source import State

if TYPE_CHECKING:
    import pandas as pd

EDGES = """
select node, column_name, from_node, from_column, how, certainty, condition, is_pii
from ml_lineage
where model = :model
    and version = (
        select max(traced.version)
        from ml_lineage as traced
        inner join ml_versions as kept  -- not of an earlier model of this name, whose logbook is gone
            on traced.model = kept.model and traced.version = kept.version and traced.trained_at = kept.trained_at
        where traced.model = :model
    )
order by node, column_name, from_node, from_column, how
"""
VALUES = ("copied", "transformed", "aggregated")
COLUMNS = ["side", "node", "column_name", "from_node", "from_column", "how", "certainty", "condition", "is_pii"]
Links = Mapping[str, list[str]]


def traced_columns(state: State, model: str) -> pd.DataFrame:
    """Return the ends of a model's lineage: `column` (`node.column`) and `kind`, `feature` before `source`.

    A feature is a column from which no other comes: the target, keys and times of the model are among them. No rows
    where the newest version was trained by an mlbridge that did not trace its lineage. Raises MonitorError for an
    unknown model.
    """
    import pandas as pd

    edges = _edges(state, model)
    above, below = set(edges["from"]), set(edges["to"])
    ends = [(name, "feature") for name in sorted(below - above)] + [(name, "source") for name in sorted(above - below)]
    return pd.DataFrame(ends, columns=["column", "kind"], dtype="str")


def column_lineage(state: State, model: str, column: str) -> pd.DataFrame:
    """Return the ways of values to and from a column, given as `node.column`: one row an edge, as in `ml_lineage`.

    `side` is `above` for what it comes from and `below` for what depends on it; then the columns of `ml_lineage`. Joins
    and filters on the way are left out. Raises MonitorError for an unknown model or column.
    """
    edges = _edges(state, model)
    known = sorted({*edges["from"], *edges["to"]})
    if column not in known:
        raise MonitorError(
            f"{model}: there is no column '{column}' in its lineage.{nearest(column, known)} There are: "
            f"{listed(known, 60)}."
        )
    above, below = _reached(column, _links(edges, "to", "from")), _reached(column, _links(edges, "from", "to"))
    up, down = edges["to"].isin(above), edges["from"].isin(below)
    found = edges.assign(side=up.map({True: "above", False: "below"}))[up | down]
    return found.sort_values(["side", "to", "from"])[COLUMNS].reset_index(drop=True)


def _edges(state: State, model: str) -> pd.DataFrame:
    """Return the edges of values, with `to` and `from` as `node.column`."""
    import pandas as pd

    model_row(state, model)
    if "ml_lineage" not in state.tables:
        return pd.DataFrame(columns=[*COLUMNS[1:], "to", "from"], dtype="str")
    edges = state.ask(EDGES, model=model)
    edges = edges[edges["how"].isin(VALUES)].astype({"is_pii": "bool"})
    return edges.assign(
        **{"to": edges["node"] + "." + edges["column_name"], "from": edges["from_node"] + "." + edges["from_column"]}
    )


def _links(edges: pd.DataFrame, end: str, other: str) -> Links:
    found: dict[str, list[str]] = {}
    for each, beyond in zip(edges[end], edges[other], strict=True):
        found.setdefault(each, []).append(beyond)
    return found


def _reached(start: str, links: Links) -> set[str]:
    reached, waiting = {start}, [start]
    while waiting:
        for each in links.get(waiting.pop(), []):
            if each not in reached:
                reached.add(each)
                waiting.append(each)
    return reached
