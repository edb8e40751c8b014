"""CPU seconds of what precedes a training, by the number of features: 20,000 rows of numbers.

Features: all that is checked of the rows in the warehouse. Profile: the bins, statistics and partners of the features
that a version stores. Drift: the macro that `retrain: {max_drift: ...}` asks, in a `dbt compile`, less one that asks
for nothing. Run: .venv/bin/python benchmarks/wide.py [features ...]
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import duckdb
from build import dbt, small_host

from mlbridge.engines.warehouse import Warehouse
from mlbridge.features.columns import checked_columns, features_of, split_summary_query
from mlbridge.features.frame import FETCH_BATCH_ROWS, Frame, read_frame, training_query
from mlbridge.leaks.queries import run_leak_queries
from mlbridge.reference.associations import with_partners
from mlbridge.reference.profile import feature_stats, profile_rows
from mlbridge.spec.reading import read_spec

ROWS, NEWER = 20_000, 5_000
NAME = "wide"
SPEC = {"task": "classification", "target": "y", "entity": "id", "time": "seen_at"}
DECLARED = """models:
  - {name: wide_split, config: {materialized: table}}
  - name: wide_training
    config:
      meta: {mlbridge: {task: classification, target: y, entity: id, time: seen_at, retrain: {max_drift: 0.3}}}
"""
Result = TypeVar("Result")


def timed(function: Callable[[], Result]) -> tuple[Result, float]:
    """Call a function; gives its result and the CPU seconds of all threads."""
    before = time.process_time()
    return function(), time.process_time() - before


def write_split(connection: duckdb.DuckDBPyConnection, features: int) -> None:
    """Write rows of which the last ones came after the training; neighbouring features go together."""
    columns = ", ".join(
        f"(hash(i, {each // 4}) % 100003) / 997.0 + (hash(i, {1000 + each}) % 997) / 31.0 as f{each}"
        for each in range(features)
    )
    connection.execute(
        f"create table {NAME}_split as select i as id, timestamp '2020-01-01' + to_hours(i) as seen_at, {columns}, "
        "hash(i, 9999) % 10 < 4 as y, case when i < 14000 then 'train' when i < 17000 then 'validation' "
        f"when i < {ROWS} then 'test' else 'score' end as ml_split from range({ROWS + NEWER}) as t(i)"
    )


def checked(connection: duckdb.DuckDBPyConnection) -> Frame:
    """Check and read the rows as the training node does."""
    warehouse, relation = Warehouse(connection), connection.sql(f"select * from {NAME}_split")
    spec, table = read_spec(NAME, SPEC, None), warehouse.table(relation, "split")
    features = features_of(NAME, warehouse.columns(relation), spec)
    summary = {row["ml_split"]: row for row in warehouse.rows(split_summary_query(features, spec, table))}
    columns = checked_columns(NAME, features, summary)
    run_leak_queries(warehouse, table, features, spec, datetime(2020, 1, 1), datetime(2022, 4, 1))
    query = training_query(columns, spec, "boolean", table)
    return read_frame(warehouse.batches(query, FETCH_BATCH_ROWS), {name: row["rows"] for name, row in summary.items()})


def profiled(frame: Frame) -> list[dict[str, object]]:
    """Describe the training rows as a version stores them."""
    rows = frame.part("train")
    kinds = dict.fromkeys(map(str, rows.columns), "numeric")
    feature_stats(rows, kinds)
    return [dict(each) for each in with_partners(rows, profile_rows(rows, kinds))]


def write_logbook(connection: duckdb.DuckDBPyConnection, frame: Frame, profile: list[dict[str, object]]) -> None:
    """Write the version that the macro compares with."""
    names = [str(name) for name in frame.features.columns]
    target = {"feature": "ml_target", "kind": "category", "bin": 0, "category": "true", "rows": 1}
    documents = {
        "features": [{"name": name, "kind": "numeric"} for name in names],
        "params": {"classes": ["false", "true"]},
        "profile": [*profile, target],
        "estimation": [],
        "importances": [{"feature": name, "mean": 1.0} for name in names],
    }
    connection.execute(
        f"create table {NAME}_training as select 1 as version, 'promoted' as outcome, timestamp '2022-04-12' as as_of, "
        + ", ".join(f"? as {name}" for name in documents),
        [json.dumps(each) for each in documents.values()],
    )


def drift(folder: Path) -> float:
    """Give the CPU seconds of asking for the drift in dbt, for the warehouse in a host's folder."""
    used = []
    for asked in (f"{{{{ mlbridge.drift_facts('{NAME}', 1) if execute }}}}", "select 1 as nothing"):
        (folder / "models" / f"{NAME}_training.sql").write_text(asked)
        dbt(folder, "parse")
        used.append(dbt(folder, "compile", "--select", f"{NAME}_training").cpu)
    return used[0] - used[1]


def main(counts: list[int]) -> None:
    """Print the seconds by number of features."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; CPU seconds")
    for features in counts:
        with tempfile.TemporaryDirectory() as folder:
            host = small_host(Path(folder), [])
            host.write({f"models/{NAME}_split.sql": "select 1 as id", f"models/{NAME}.yml": DECLARED})
            dbt(host.path, "deps")
            with duckdb.connect(str(host.database)) as connection:
                write_split(connection, features)
                frame, checking = timed(lambda connection=connection: checked(connection))  # type: ignore[misc]
                profile, profiling = timed(lambda frame=frame: profiled(frame))  # type: ignore[misc]
                write_logbook(connection, frame, profile)
            drifting = drift(host.path)
        print(
            f"{features} features: features {checking:.1f}, profile {profiling:.1f}, drift {drifting:.1f}", flush=True
        )


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]] or [125, 250, 500])
