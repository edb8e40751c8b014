"""What servers were asked, and how fast they answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlbridge.monitor.models import model as model_row
from mlbridge.monitor.source import State

if TYPE_CHECKING:
    import pandas as pd

REQUESTS = """
select
    started_at, version, role, requests, requests / 3600.0 as per_second, row_count, rows_kept, rows_repeated,
    rows_left_out, left_out_because, latency_p50, latency_p95, latency_p99, latency_max
from ml_requests
where model = :model
order by started_at, version, role
"""


def requests(state: State, model: str) -> pd.DataFrame:
    """Return a row for each hour with requests, version and role, as `ml_requests` has them; times are naive UTC.

    `per_second` is the mean of the hour. Empty where the model's predictions take in no requests. Raises MonitorError
    for a model that is not there.
    """
    model_row(state, model)
    return state.ask(REQUESTS, model=model)
