"""Peak memory of a training by rows: of the frame alone, of stock candidates, some of them out of core, and by hand.

25 features: 10 whole numbers of 0 to 99, 11 with decimals, 2 truth values and 2 texts of 30 values. Out of core a
sample of 200,000 rows is held and the others are read batch by batch; `by hand` is a pandas frame of the same rows,
its texts as categories, and `XGBClassifier.fit`. Each figure is of a process of its own: seconds, the highest
resident memory in MiB, and by how much that is more than what the process has before it reads (the imports, the
warehouse). The warehouse may take 500 MB, and 20 trees are made. What is by hand is ended where it would take more
than 8,000 MiB.
Run: .venv/bin/python benchmarks/training_memory.py [rows ...] [frame|logistic_regression|...|by_hand ...]
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb

import mlbridge
from mlbridge.catalogue.candidates import is_out_of_core

SPEC = {"task": "classification", "target": "y", "entity": "id", "time": "at"}
WAYS = ("frame", "logistic_regression", "random_forest", "hist_gradient_boosting", "xgboost", "lightgbm", "by_hand")
HELD = 200_000
# Out of core; memory does not depend on how many there are, and time does.
TREES = 20
MOST_MIB = 8_000


def columns() -> str:
    """Give the features as SQL over a number `i`."""
    found = [f"(hash(i, {number}) % 100)::int as whole{number}" for number in range(10)]
    found += [f"(hash(i, {number}) % 1000003) / 997.0 as number{number}" for number in range(10, 21)]
    found += [f"hash(i, {number}) % 3 = 0 as flag{number}" for number in (21, 22)]
    found += [f"'t' || hash(i, {number}) % 30 as text{number}" for number in (23, 24)]
    return ", ".join(found)


def prepare(path: Path, rows: int) -> None:
    """Write labelled rows: 70 % to train on, 15 % each to validate and test."""
    with duckdb.connect(str(path), config={"memory_limit": "1GB"}) as warehouse:
        warehouse.execute(
            f"create table split as select i as id, timestamp '2020-01-01' + to_seconds(i) as at, {columns()}, "
            "whole0 + number10 / 10 + hash(i, 99) % 40 > 120 as y, case when i < "
            f"{rows} * 0.7 then 'train' when i < {rows} * 0.85 then 'validation' else 'test' end as ml_split "
            f"from range({rows}) as t(i)"
        )


def node(spec: dict[str, Any]) -> Any:
    """Stand in for what the materialization gives a Python model."""
    moment = "2030-01-01 00:00:00"
    run = {"node": "rows_training", "invocation_id": "benchmark", "as_of": moment, "started_at": moment}
    run |= {"retrain": False, "exists": False, "empty": False, "spec": spec, "package_version": mlbridge.__version__}
    run["key_problem"] = "select 'twice' as problem from ml_split_relation group by id, at having count(*) > 1 limit 1"
    return SimpleNamespace(this="rows_training", mlbridge=run)


def peak() -> float:
    """Give the highest resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def train(how: str, warehouse: duckdb.DuckDBPyConnection) -> None:
    """Train with one candidate, or read the frame alone."""
    import mlbridge.nodes.new_version
    import mlbridge.training.candidates

    if how == "frame":
        mlbridge.nodes.new_version.challenge = lambda training, *_: training.frame.part("train").shape and []
    mlbridge.training.candidates.MOST_TREES = TREES
    spec = {**SPEC, "candidates": ["hist_gradient_boosting" if how == "frame" else how]}
    if is_out_of_core(how):
        spec["sample"] = {"rows": HELD}
    mlbridge.train(node(spec), warehouse, warehouse.sql("select * from split"), spec)


def by_hand(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Train as one does without mlbridge: everything as a frame, and the library's own `fit`."""
    from xgboost import XGBClassifier

    frame = warehouse.execute('select * exclude (id, "at") from split').df()
    frame = frame.astype({name: "category" for name in frame.columns if name.startswith("text")})
    parts = {name: frame[frame["ml_split"] == name] for name in ("train", "validation")}
    features, target = zip(*((each.drop(columns=["y", "ml_split"]), each["y"]) for each in parts.values()), strict=True)
    model = XGBClassifier(
        n_estimators=TREES, early_stopping_rounds=20, learning_rate=0.1, max_depth=5, min_child_weight=5,
        enable_categorical=True, n_jobs=-1,
    )  # fmt: skip
    model.fit(features[0], target[0], eval_set=[(features[1], target[1])], verbose=False)


def measure(how: str, path: str) -> None:
    """Train in one way, and print seconds and MiB, above what there was and in all."""
    # What is imported counts as what the process has before.
    import lightgbm  # noqa: F401
    import xgboost  # noqa: F401

    import mlbridge.nodes.new_version  # noqa: F401

    if how == "by_hand":  # or it would take all there is
        resource.setrlimit(resource.RLIMIT_DATA, (MOST_MIB * 2**20, MOST_MIB * 2**20))
    with duckdb.connect(path, read_only=True, config={"memory_limit": "500MB"}) as warehouse:
        before, started = peak(), time.perf_counter()
        by_hand(warehouse) if how == "by_hand" else train(how, warehouse)
        print(json.dumps([time.perf_counter() - started, peak() - before, peak()]))


def main(counts: list[int], ways: list[str]) -> None:
    """Print seconds and MiB by rows and candidate."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for rows in counts:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.duckdb"
            # A process of its own: what one holds when it starts another counts as the other's highest.
            subprocess.run([sys.executable, __file__, "prepare", str(path), str(rows)], check=True)
            for how in ways:
                command = [sys.executable, __file__, "measure", how, str(path)]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    print(f"{rows:,} rows, {how}: {done.stderr.strip().splitlines()[-1]}", flush=True)
                    continue
                seconds, more, memory = json.loads(done.stdout.splitlines()[-1])
                print(f"{rows:,} rows, {how}: {seconds:.1f} s, {more:,.0f} MiB more, {memory:,.0f} in all", flush=True)


if __name__ == "__main__":
    given = sys.argv[1:]
    if given[:1] == ["prepare"]:
        prepare(Path(given[1]), int(given[2]))
    elif given[:1] == ["measure"]:
        measure(*given[1:])
    else:
        counts = [int(each) for each in given if each.isdigit()]
        main(counts or [1_000_000], [each for each in given if each in WAYS] or list(WAYS))
