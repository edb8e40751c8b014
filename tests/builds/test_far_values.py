"""Numbers too far out to be summed, in rows of the training period that nobody trained on."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from dbt_host import Host, copy_of_host
from monitored import build, frame, monitored_host, write_rows
from warm import Warm

pytestmark = pytest.mark.slow

SPEC = {
    "task": "regression", "target": "y", "entity": "id", "time": "moment", "label_time": "moment",
    "candidates": ["ridge"],
}  # fmt: skip
WASSERSTEIN = (
    'select feature, "window", value, threshold, muted, alert from ml_drift '
    "where metric = 'wasserstein' and baseline = 'training' and feature in ('x', 'z') order by all"
)


def world(*far: float) -> pa.Table:
    """Rows of every third hour of half a year; the first ones of February have `far` as `x` and no outcome."""
    rng = np.random.default_rng(3)
    moment = np.arange(np.datetime64("2024-01-01", "us"), np.datetime64("2024-07-01", "us"), np.timedelta64(3, "h"))
    x, z = rng.normal(size=(2, len(moment)))
    y = x + z + rng.normal(size=len(moment))
    index = int(np.flatnonzero(moment >= np.datetime64("2024-02-01"))[0])
    y[index : index + 3] = np.nan
    x[index : index + len(far)] = far
    known = pa.array(y, from_pandas=True)
    return pa.table({"id": np.arange(len(moment)), "moment": moment, "x": x, "z": z, "y": known})


def until_may(rows: pa.Table) -> pa.Table:
    return rows.filter(pa.array(rows["moment"].to_numpy() < np.datetime64("2024-05-01")))


def monitored(host: Host, warm: Warm, rows: pa.Table) -> pd.DataFrame:
    write_rows(host, "trip", until_may(rows))
    build(warm, host, "2024-05-01")
    write_rows(host, "trip", rows)
    build(warm, host, "2024-07-01")
    return frame(host, WASSERSTEIN)


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Host:
    host = monitored_host(tmp_path_factory.mktemp("far") / "host", {"trip": (world(), SPEC)})
    warm.dbt(host.path, "deps")
    warm.parse(host.path)
    return host


def test_a_far_value_leaves_the_thresholds_of_all_features_as_they_are(
    declared: Host, tmp_path: Path, warm: Warm
) -> None:
    plain = monitored(copy_of_host(declared, tmp_path / "plain"), warm, world())
    host = copy_of_host(declared, tmp_path / "far")
    far = monitored(host, warm, world(np.inf, -np.inf, 1e300))
    assert far["muted"].isna().any()
    assert far["muted"].equals(plain["muted"])
    assert far["threshold"].to_numpy() == pytest.approx(plain["threshold"].to_numpy(), rel=0.2)
    assert far["value"].to_numpy() == pytest.approx(plain["value"].to_numpy(), rel=0.2)
    with duckdb.connect(str(host.database), read_only=True) as connection:
        summed = "select max(abs(value_sum)), max(abs(overshoot)) from ml_distributions where feature = 'x'"
        ((sums, overshoot),) = connection.execute(summed).fetchall()
    assert sums < 1e4
    assert overshoot < 1e4


def test_a_feature_of_unknown_importance_counts_as_relied_on(declared: Host, tmp_path: Path, warm: Warm) -> None:
    host = copy_of_host(declared, tmp_path)
    rows = world()
    moved = np.where(rows["moment"].to_numpy() >= np.datetime64("2024-05-01"), 9.0, 0.0)
    noise = np.random.default_rng(4).normal(size=len(rows))
    monitored(host, warm, rows.set_column(3, "z", pa.array(noise + moved)))
    severities = (
        "select distinct severity from ml_alerts where what = 'drift of z' and message like '%against training%'"
    )
    assert host.rows(severities) == [("note",)]
    with duckdb.connect(str(host.database)) as connection:
        sql = connection.execute("select sql from duckdb_views() where view_name = 'ml_importances'").fetchone()
        assert sql is not None
        connection.execute("alter view ml_importances rename to importances_known")
        connection.execute(
            "create view ml_importances as select model, version, feature, "
            "case when feature <> 'z' then mean end as mean, std, n from importances_known"
        )
    build(warm, host, "2024-07-01", command=("run", "--select", "ml_alerts"))
    assert host.rows(severities) == [("look",)]
