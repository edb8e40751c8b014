"""Scoring as SQL, against what a user would pick instead: from table to table on DuckDB, each way in its own process.

1 million rows of 25 features (15 normal, 5 whole, 4 texts of 3 to 40 values, one of 3,000; 3 % missing), two classes,
prepared as the stock candidates do. `sql` runs `mlbridge.to_sql`; `python` is how the prediction node scores in Python
(Arrow batches, side by side); `by_hand` is a dbt Python model as an experienced user writes it (`dbt.ref().df()`,
`predict_proba`, return the frame); `predict` is `predict_proba` alone on a matrix that is there already. Seconds are by
the clock, memory is the process's highest resident one. Run: .venv/bin/python benchmarks/scoring_sql.py [rows [model]]
"""

from __future__ import annotations

import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from sqlglot import exp

import mlbridge

NUMBERS = [f"x{number}" for number in range(20)]
CODED = {"carrier": 16, "origin": 3, "hour_word": 24, "maker": 40}
ENCODED = {"plane": 3000}
FEATURES = [*NUMBERS, *CODED, *ENCODED]
FITTED_ROWS = 50_000
MODELS = ("gradient_boosting", "random_forest", "logistic_regression")


def for_trees() -> Any:
    """Prepare the columns for trees."""
    from sklearn.compose import make_column_transformer
    from sklearn.preprocessing import OrdinalEncoder, TargetEncoder

    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan)
    return make_column_transformer(
        ("passthrough", NUMBERS), (codes, list(CODED)), (TargetEncoder(target_type="binary"), list(ENCODED))
    )


def model(name: str) -> Any:
    """Give a pipeline that is not fitted yet."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

    if name == "gradient_boosting":
        places = list(range(len(NUMBERS), len(NUMBERS) + len(CODED)))
        return make_pipeline(
            for_trees(),
            HistGradientBoostingClassifier(
                max_iter=100, max_leaf_nodes=31, early_stopping=False, categorical_features=places, random_state=0
            ),
        )
    if name == "random_forest":
        return make_pipeline(for_trees(), RandomForestClassifier(100, max_depth=8, n_jobs=2, random_state=0))
    prepared = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), NUMBERS),
        (OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20), list(CODED)),
        (make_pipeline(TargetEncoder(target_type="binary"), StandardScaler()), list(ENCODED)),
    )
    return make_pipeline(prepared, LogisticRegression(max_iter=300))


def prepare(folder: Path, rows: int, models: Sequence[str]) -> None:
    """Write the rows, and the fitted models."""
    import skops.io

    with duckdb.connect(str(folder / "rows.duckdb")) as warehouse:
        warehouse.execute("select setseed(0.5)")
        columns = [f"sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) as {name}" for name in NUMBERS[:15]]
        columns += [f"floor(random() * 24) as {name}" for name in NUMBERS[15:]]
        columns += [f"'{name} ' || floor(random() * {many})::int as {name}" for name, many in (CODED | ENCODED).items()]
        warehouse.execute(f"create table full_rows as select i as id, {', '.join(columns)} from range({rows}) t(i)")
        holed = ", ".join(f"case when random() > 0.03 then {name} end as {name}" for name in FEATURES)
        warehouse.execute(f"create table rows as select id, {holed} from full_rows")
        warehouse.execute("drop table full_rows")
        fitted = warehouse.execute(f"select * from rows where id < {FITTED_ROWS}").df()[FEATURES]
    known = fitted[NUMBERS].fillna(0)
    score = 2 * known.x0 + known.x1 * known.x2 + np.sin(known.x17) + 0.3 * known.iloc[:, 5:15].sum(axis=1)
    score += (fitted["carrier"] == "carrier 3") * 2.0 - (fitted["maker"] == "maker 7") + (fitted["plane"] < "plane 2")
    target = score + np.random.default_rng(0).normal(size=len(score)) > 0
    for name in models:
        skops.io.dump(model(name).fit(fitted, target), folder / f"{name}.skops")


def load(folder: Path, name: str) -> Any:
    """Read a model back; forests add up in one thread, or the last bit varies."""
    import skops.io

    path = folder / f"{name}.skops"
    estimator = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    return estimator.set_params(**{key: None for key in estimator.get_params() if key.split("__")[-1] == "n_jobs"})


def sql(folder: Path, name: str) -> dict[str, Any]:
    """Compile, and score in the warehouse."""
    estimator = load(folder, name)
    with duckdb.connect(str(folder / "rows.duckdb"), config={"threads": 2}) as warehouse:
        started = time.perf_counter()
        query = mlbridge.to_sql(estimator, "rows", keep=["id"])
        compiled, cpu = time.perf_counter(), time.process_time()
        warehouse.execute(f"create or replace table scored_sql as {query}")
        facts = {"compile": compiled - started, "size": len(query)}
        return {"seconds": time.perf_counter() - compiled, "cpu": time.process_time() - cpu, **facts}


def by_hand(folder: Path, name: str) -> dict[str, Any]:
    """Score as a dbt Python model written by hand."""
    estimator = load(folder, name)
    with duckdb.connect(str(folder / "rows.duckdb"), config={"threads": 2}) as warehouse:
        started, cpu = time.perf_counter(), time.process_time()
        frame = warehouse.sql("select * from rows").df()
        frame["probability"] = estimator.predict_proba(frame[FEATURES])[:, 1]
        warehouse.register("result", frame[["id", "probability"]])
        warehouse.execute("create or replace table scored_by_hand as from result")
        return {"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu}


def python(folder: Path, name: str) -> dict[str, Any]:
    """Score as the prediction node does in Python."""
    from mlbridge.engines.warehouse import Warehouse, select
    from mlbridge.features.columns import Feature
    from mlbridge.registry.versions import Version
    from mlbridge.scoring.python import SCORING_BATCH_ROWS, score
    from mlbridge.scoring.rows import prediction_schema, scored_columns
    from mlbridge.spec.reading import read_spec

    spec = read_spec(name, {"task": "classification", "target": "late", "entity": "id", "time": "at"})
    features = tuple(
        Feature(each, "DOUBLE" if each in NUMBERS else "VARCHAR", "numeric" if each in NUMBERS else "category")
        for each in FEATURES
    )
    version = Version(name, 1, datetime(2024, 1, 1), spec, features, ("no", "yes"), None, None, None, {}, ())
    version.__dict__["estimator"] = load(folder, name)
    with duckdb.connect(str(folder / "rows.duckdb"), config={"threads": 2}) as warehouse:
        started, cpu = time.perf_counter(), time.process_time()
        split = exp.select("*", "timestamp '2024-01-01' as at").from_("rows").subquery("split")
        rows = Warehouse(warehouse.cursor()).batches(select(scored_columns(version), split), SCORING_BATCH_ROWS)
        facts = {"model_name": name, "scored_at": datetime(2024, 1, 1), "invocation_id": "one"}
        result = pa.RecordBatchReader.from_batches(prediction_schema(), score(name, rows, version, facts))
        warehouse.register("result", result)
        warehouse.execute("create or replace table scored_python as from result")
        return {"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu}


def predict(folder: Path, name: str) -> dict[str, Any]:
    """Run `predict_proba` alone."""
    estimator = load(folder, name)
    with duckdb.connect(str(folder / "rows.duckdb"), read_only=True) as warehouse:
        matrix = estimator[:-1].transform(warehouse.sql("select * exclude id from rows").df())
    started, cpu = time.perf_counter(), time.process_time()
    estimator[-1].predict_proba(matrix)
    return {"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu}


WAYS: dict[str, Callable[[Path, str], dict[str, Any]]] = {
    "sql": sql, "python": python, "by_hand": by_hand, "predict": predict,
}  # fmt: skip


def measured(folder: Path, way: str, name: str) -> dict[str, Any]:
    """Run one way in a process of its own."""
    command = [sys.executable, __file__, "run", way, str(folder), name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def difference(folder: Path) -> tuple[int, float]:
    """Give how many rows differ between SQL and scikit-learn, and the largest relative difference."""
    with duckdb.connect(str(folder / "rows.duckdb"), read_only=True) as warehouse:
        counted = warehouse.execute(
            "select count(*) filter (where s.probability_true is distinct from h.probability), "
            "coalesce(max(abs(s.probability_true - h.probability) / h.probability), 0) "
            "from scored_sql s join scored_by_hand h using (id)"
        ).fetchone()
    assert counted is not None
    return counted[0], counted[1]


def main(rows: int, models: Sequence[str]) -> None:
    """Print seconds and MiB of each way, and the ratios."""
    print(f"{platform.machine()}, Python {platform.python_version()}, DuckDB {duckdb.__version__}, {rows:,} rows")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, rows, models)
        for each in models:
            found = {way: measured(folder, way, each) for way in WAYS}
            different, largest = difference(folder)
            print(f"{each}: compiled in {found['sql']['compile']:.1f} s to {found['sql']['size'] / 1024:,.0f} KiB")
            for way, figures in found.items():
                print(f"  {way}: {figures['seconds']:.1f} s, {figures['cpu']:.1f} CPU s, {figures['memory']:,.0f} MiB")
            for way in ("sql", "python"):
                mine, hand = found[way], found["by_hand"]
                print(
                    f"  {way} took {mine['seconds'] / hand['seconds']:.2f} of the time and "
                    f"{mine['memory'] / hand['memory']:.2f} of the memory by hand, and "
                    f"{mine['seconds'] / found['predict']['seconds']:.2f} of the time of predict_proba alone"
                )
            print(f"  {different:,} rows differ, by at most {largest:.1g}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        figures = WAYS[sys.argv[2]](Path(sys.argv[3]), sys.argv[4])
        print(json.dumps({**figures, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 1_000_000, sys.argv[2:] or MODELS)
