"""Outcomes that change after they were measured: withdrawn, swapped, deleted, or gone with the oldest rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from dbt_host import Host, copy_of_host
from monitored import build, frame, monitored_host, write_rows
from warm import Warm

TRAINED, NOW, LATER = "2024-05-01", "2024-07-01", "2024-07-02"
SPEC = {
    "task": "classification", "target": "late", "entity": "id", "time": "moment", "label_time": "moment",
    "candidates": ["logistic_regression"], "monitor": {"slices": ["side"]},
}  # fmt: skip
NODES = ("build", "--exclude-resource-type", "test", "--select", "trip_features+", "--exclude", "trip_training")
MAY = np.datetime64("2024-05-01")


def world() -> pa.Table:
    """Rows of every hour of half a year."""
    rng = np.random.default_rng(1)
    moment = np.arange(np.datetime64("2024-01-01", "us"), np.datetime64("2024-07-01", "us"), np.timedelta64(1, "h"))
    x = rng.normal(size=len(moment))
    late = np.where(x + rng.normal(size=len(moment)) > 0, "yes", "no")
    side = np.where(np.arange(len(moment)) % 2, "left", "right")
    return pa.table({"id": np.arange(len(moment)), "moment": moment, "x": x, "side": side, "late": late})


def since(rows: pa.Table, first: Any, until: Any = None) -> pa.Table:
    """Keep the rows from a moment on, up to another one."""
    moment = rows["moment"].to_numpy()
    kept = np.ones(len(moment), dtype=bool) if first is None else moment >= first
    return rows.filter(pa.array(kept if until is None else kept & (moment < until)))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Host:
    """Trained on what was known in May, and built again at the end of June. Tests copy it."""
    host = monitored_host(tmp_path_factory.mktemp("outcomes") / "host", {"trip": (world(), SPEC)})
    warm.dbt(host.path, "deps")
    warm.parse(host.path)
    write_rows(host, "trip", since(world(), None, MAY))
    build(warm, host, TRAINED)
    write_rows(host, "trip", world())
    build(warm, host, NOW, command=NODES)
    return host


def in_may(rows: pa.Table) -> Any:
    moment = rows["moment"].to_numpy()
    return (moment >= MAY) & (moment < np.datetime64("2024-06-01"))


def relabelled(rows: pa.Table, late: Any) -> pa.Table:
    index = rows.schema.get_field_index("late")
    return rows.set_column(index, "late", pa.array(late, type=pa.string(), from_pandas=True))


def accuracies(host: Host) -> dict[str, tuple[Any, int]]:
    """Give accuracy and rows by month, of all rows."""
    rows = host.rows(
        "select strftime(window_start, '%m'), value, n from ml_realized where metric = 'accuracy' and slice = 'all'"
    )
    return {month: (value, n) for month, value, n in rows}


def truth(host: Host) -> tuple[float, int]:
    """Give accuracy and rows of May as they are now, of the predictions."""
    ((value, n),) = host.rows(
        "select avg((prediction = late)::int), count(late) from trip_predictions p join trip_split s "
        "on p.entity = s.id::varchar where p.time >= '2024-05-01' and p.time < '2024-06-01' and late is not null"
    )
    return value, n


def changed(built: Host, folder: Path, warm: Warm, rows: pa.Table, *more: str) -> Host:
    host = copy_of_host(built, folder)
    write_rows(host, "trip", rows)
    build(warm, host, LATER, *more, command=NODES)
    return host


def withdrawn(rows: pa.Table) -> pa.Table:
    """Take back every third outcome of May, and turn as many others."""
    late = rows["late"].to_numpy(zero_copy_only=False).astype(object)
    index = np.arange(len(late))
    other = np.where(late == "yes", "no", "yes")
    late = np.where(in_may(rows) & (index % 3 == 1), other, late)
    late[in_may(rows) & (index % 3 == 0)] = None
    return relabelled(rows, late)


def deleted(rows: pa.Table) -> pa.Table:
    """Leave out every other row of May."""
    return rows.filter(pa.array(~(in_may(rows) & (np.arange(len(rows)) % 2 == 0))))


def swapped(rows: pa.Table) -> pa.Table:
    """Let each two rows of May that follow each other swap their outcomes: as many of each class as before."""
    late = rows["late"].to_numpy(zero_copy_only=False).astype(object)
    first = np.flatnonzero(in_may(rows))[::2]
    late[first], late[first + 1] = late[first + 1].copy(), late[first].copy()
    return relabelled(rows, late)


@pytest.mark.parametrize("change", [withdrawn, deleted, swapped])
def test_a_window_is_measured_again_whenever_its_outcomes_change(
    change: Any, built: Host, tmp_path: Path, warm: Warm
) -> None:
    before = accuracies(built)
    assert before["05"] == (pytest.approx(truth(built)[0]), truth(built)[1])
    host = changed(built, tmp_path, warm, change(world()))
    after = accuracies(host)
    assert after["05"] == (pytest.approx(truth(host)[0]), truth(host)[1])
    assert after["05"] != before["05"]
    assert after["06"] == before["06"]


def test_where_all_outcomes_were_withdrawn_no_figure_is_left(built: Host, tmp_path: Path, warm: Warm) -> None:
    rows = world()
    late = np.where(in_may(rows), None, rows["late"].to_numpy(zero_copy_only=False).astype(object))
    host = changed(built, tmp_path, warm, relabelled(rows, late))
    assert accuracies(host)["05"] == (None, 0)
    assert frame(host, "select * from ml_realized where month(window_start) = 5 and slice <> 'all'").empty
    found = frame(host, "select distinct muted, alert, low from ml_performance where n = 0 and kind = 'realized'")
    assert found.to_dict("records") == [
        {"muted": "its outcomes were withdrawn", "alert": False, "low": pytest.approx(np.nan, nan_ok=True)}
    ]
    write_rows(host, "trip", rows)
    build(warm, host, LATER, command=NODES)
    assert accuracies(host)["05"] == accuracies(built)["05"]


def counts(host: Host) -> list[tuple[Any, ...]]:
    """Give rows and features of each month that was counted, of what was scored."""
    return host.rows(
        "select month(window_start), sum(n), count(distinct feature) filter (feature <> 'ml_nothing') "
        "from ml_distributions where period = 'scored' group by all order by all"
    )


def test_a_window_of_which_all_rows_were_deleted_has_no_figures(built: Host, tmp_path: Path, warm: Warm) -> None:
    """That is noticed once: a build that counted again would put 0 in place of the 7."""
    before = counts(built)
    rows = world()
    host = changed(built, tmp_path, warm, rows.filter(pa.array(~in_may(rows))))
    assert [each for each in counts(host) if each[0] != 5] == [each for each in before if each[0] != 5]
    assert [each[1:] for each in counts(host) if each[0] == 5] == [(0, 0)]
    assert frame(host, 'select * from ml_drift where month("window") = 5').empty
    assert accuracies(host)["05"] == (None, 0)
    with duckdb.connect(str(host.database)) as connection:
        for table in ("ml_distributions", "ml_realized"):
            connection.execute(f"update {table} set n = 7 where month(window_start) = 5")
    build(warm, host, LATER, command=NODES)
    assert {each[1] for each in counts(host) if each[0] == 5} == {7}
    assert {n for _, n in [accuracies(host)["05"]]} == {7}
    write_rows(host, "trip", rows)
    build(warm, host, LATER, command=NODES)
    assert counts(host) == before
    assert accuracies(host) == accuracies(built)


def test_a_window_that_left_before_it_was_counted_is_not_opened(built: Host, tmp_path: Path, warm: Warm) -> None:
    host = copy_of_host(built, tmp_path)
    with duckdb.connect(str(host.database)) as connection:
        for table in ("ml_distributions", "ml_realized"):
            connection.execute(f"delete from {table} where month(window_start) = 5")
    write_rows(host, "trip", since(world(), np.datetime64("2024-06-01")))
    build(warm, host, LATER, command=NODES)
    assert {month for month, *_ in counts(host)} == {month for month, *_ in counts(built)} - {5}
    (written,) = (host.path / "target" / "compiled").rglob("ml_distributions.sql")
    assert "2024-05-01" not in written.read_text()


def test_what_left_a_split_of_recent_rows_is_history(built: Host, tmp_path: Path, warm: Warm) -> None:
    """Half of May has left. What is left of it may even be corrected: it is not the month any more."""
    recent = since(withdrawn(world()), np.datetime64("2024-05-15"))
    host = changed(built, tmp_path, warm, recent)
    assert accuracies(host) == accuracies(built)
    ((there, left, scored),) = host.rows(
        "select rows_there, rows_left, rows_scored from ml_windows where month(window_start) = 5"
    )
    assert (there, left) == (17 * 24, 14 * 24)
    assert scored == there + left
    gone = changed(host, tmp_path / "gone", warm, recent.slice(0, 0))
    assert accuracies(gone) == accuracies(built)


def test_history_survives_a_full_refresh_and_a_table_of_before(built: Host, tmp_path: Path, warm: Warm) -> None:
    """The rows are gone, so nothing could be counted again; a table without the newer columns gets them."""
    recent = since(world(), np.datetime64("2024-06-01"))
    host = copy_of_host(built, tmp_path)
    newer = (
        "baseline",
        "skill_se",
        "support",
        "low",
        "high",
        "events",
        "block",
        "blocks",
        "df",
        "optimism",
        "skewness",
        "rows_there",
        "rows_left",
    )
    with duckdb.connect(str(host.database)) as connection:
        for column in newer:
            connection.execute(f"alter table ml_realized drop column {column}")
    write_rows(host, "trip", recent)
    build(warm, host, LATER, "--full-refresh", command=NODES)
    assert accuracies(host) == accuracies(built)
    counted = "select * from ml_distributions where month(window_start) = 5 order by all"
    assert len(host.rows(counted)) == len(built.rows(counted))
    of_may = frame(host, "select distinct muted from ml_performance where month(\"window\") = 5 and kind = 'realized'")
    assert set(of_may["muted"]) == {"nothing known of the naive baseline on these rows"}
    of_june = frame(host, "select baseline from ml_performance where month(\"window\") = 6 and kind = 'realized'")
    assert of_june["baseline"].notna().all()


def test_a_version_of_before_is_judged_by_its_test_as_a_whole(built: Host, tmp_path: Path, warm: Warm) -> None:
    host = copy_of_host(built, tmp_path)
    with duckdb.connect(str(host.database)) as connection:
        ((text,),) = connection.execute("select reference from trip_training where version = 1").fetchall()
        old = [{key: value for key, value in each.items() if key != "baseline"} for each in json.loads(text)]
        connection.execute("update trip_training set reference = ?", [json.dumps(old)])
        ((stated,),) = connection.execute(
            "select value from ml_metrics where version = 1 and split = 'test' and slice = 'all' "
            "and metric = 'roc_auc' and candidate = (select candidate from ml_champions)"
        ).fetchall()
    build(warm, host, LATER, command=("run", "--select", "ml_versions", "ml_performance"))
    found = frame(
        host,
        'select month("window") as month, reference, threshold, muted from ml_performance '
        "where metric = 'roc_auc' and slice = 'all' and kind = 'realized'",
    ).set_index("month")
    assert set(found["reference"]) == {stated}
    assert found.loc[4, "muted"] == "the only rows to compare with are among its own"
    assert found.loc[[5, 6], "muted"].isna().all()
    assert 0.5 < found.loc[6, "threshold"] < stated
