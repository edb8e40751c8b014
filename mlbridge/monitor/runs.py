"""What the last dbt commands did: each as a whole, and node by node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlbridge.monitor.models import check_choice
from mlbridge.monitor.models import model as model_row
from mlbridge.monitor.source import State

if TYPE_CHECKING:
    import pandas as pd

LAST = 100  # invocations; the pages draw a point for each and node
# A skipped node has no start time, so an invocation starts with its first node that has one; if all were skipped, its
# `as_of` is taken.
BEGUN = """
select invocation_id, begun, row_number() over (order by begun desc, invocation_id asc) as recency
from (
    select invocation_id, coalesce(min(started_at), max(as_of)) as begun from ml_runs group by invocation_id
) as each_invocation
"""
RUNS = f"""
select
    r.invocation_id, coalesce(r.started_at, i.begun) as started_at, r.node, r.model, r.stage, r.status,
    case when r.status <> 'skipped' then r.seconds end as seconds, r."rows", r.rows_per_second, r.tests_passed,
    r.tests_warned, r.tests_failed, r.message, r.as_of, i.recency
from ml_runs as r
inner join ({BEGUN}) as i on r.invocation_id = i.invocation_id
where i.recency <= :last
order by i.recency, r.started_at nulls last, r.node
"""  # noqa: S608 - put together of constants only
STAGES = "select distinct stage from ml_runs"
FAILED = ("error", "fail")
COUNTS = ("rows", "tests_passed", "tests_warned", "tests_failed")


def invocations(state: State, last: int = LAST) -> pd.DataFrame:
    """One row per dbt command that ran nodes of the branch, the newest first, at most `last`.

    `invocation_id, started_at, as_of` (the clock of the build), `seconds` from the start of its first
    node to the end of its last (0 where all were skipped), `nodes`, of these `failed` and `skipped`, and
    `tests_failed`, NULL where it was not counted yet.
    """
    import pandas as pd

    found = _read_runs(state, last)
    ends = found["started_at"] + pd.to_timedelta(found["seconds"], unit="s")
    found = found.assign(end=ends, failed=found["status"].isin(FAILED), skipped=found["status"] == "skipped")
    grouped = found.groupby(["recency", "invocation_id"])
    answer = grouped.agg(
        started_at=("started_at", "min"), as_of=("as_of", "max"), end=("end", "max"), nodes=("node", "size"),
        failed=("failed", "sum"), skipped=("skipped", "sum"),
    )  # fmt: skip
    answer["seconds"] = (answer["end"] - answer["started_at"]).dt.total_seconds().fillna(0.0)
    answer["tests_failed"] = grouped["tests_failed"].sum(min_count=1)
    columns = ["invocation_id", "started_at", "as_of", "seconds", "nodes", "failed", "skipped", "tests_failed"]
    return answer.reset_index()[columns].astype(
        {"nodes": "int64", "failed": "int64", "skipped": "int64", "tests_failed": "Int64"}
    )


def runs(state: State, stage: str | None = None, model: str | None = None, last: int = LAST) -> pd.DataFrame:
    """One row per command and node, the newest command first, its nodes as they started; of the `last` commands.

    `invocation_id, started_at` (of the node; of the command where it was skipped), `node, model` (NULL where it is of
    none), `stage, status` (success, error or skipped), `seconds` (NULL where it was skipped), `rows, rows_per_second`
    (NULL for views, and where it failed), `tests_passed, tests_warned, tests_failed` (NULL where they were not counted
    yet), and `message`, what went wrong.
    """
    if stage is not None:
        check_choice(stage, sorted(state.ask(STAGES)["stage"]), "stage with runs")
    if model is not None:
        model_row(state, model)
    found = _read_runs(state, last)
    wanted = found["stage"].notna() if stage is None else found["stage"] == stage
    if model is not None:
        wanted &= found["model"] == model
    return found[wanted].drop(columns=["as_of", "recency"]).reset_index(drop=True)


def _read_runs(state: State, last: int) -> pd.DataFrame:
    types = {"started_at": "datetime64[us]", "seconds": "float64", **dict.fromkeys(COUNTS, "Int64")}
    return state.ask(RUNS, last=last).astype(types)
