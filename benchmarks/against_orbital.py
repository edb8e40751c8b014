"""Scoring as SQL against orbital 0.6, which writes scikit-learn pipelines as SQL too, for what both can write.

300,000 rows of 20 normal numbers on DuckDB with 2 threads, from table to table; each export and each scoring in a
process of its own. An export that takes longer than 3 minutes is given up; orbital is therefore also run without its
optimizer, and with a column for each tree. Differences are from what scikit-learn says: the largest absolute and
relative one of all outputs, and the rows with another class.

orbital brings onnx and skl2onnx with it, hence an environment of its own. Run, from the repository's folder:

    uv venv ../orbital && uv pip install --python ../orbital/bin/python -c constraints.txt -e . orbital==0.6.0
    ../orbital/bin/python benchmarks/against_orbital.py [rows [model]]
"""

from __future__ import annotations

import json
import pickle
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

FEATURES = [f"x{number}" for number in range(20)]
FITTED_ROWS = 20_000
LONGEST_EXPORT = 180  # seconds
RATIOS = ("export", "export_cpu", "size", "seconds", "cpu")
# Gives the SQL of a pipeline, its column of the prediction, and how its columns of probabilities begin.
Way = Callable[[Any], tuple[str, str, str]]


def models() -> dict[str, Any]:
    """Give the pipelines, not fitted yet."""
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    return {
        "linear_regression": make_pipeline(StandardScaler(), LinearRegression()),
        "logistic_regression": make_pipeline(StandardScaler(), LogisticRegression()),
        "decision_tree": make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=8, random_state=0)),
        "gradient_boosting": make_pipeline(StandardScaler(), GradientBoostingClassifier(random_state=0)),
        "random_forest": make_pipeline(
            StandardScaler(), RandomForestClassifier(50, max_depth=8, n_jobs=2, random_state=0)
        ),
    }


def prepare(folder: Path, rows: int, names: Sequence[str]) -> None:
    """Write the rows, the fitted pipelines, and what scikit-learn says of the rows."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(rows, len(FEATURES))), columns=FEATURES)
    fitted = frame.iloc[:FITTED_ROWS]
    score = (
        2 * fitted["x0"] + fitted["x1"] * fitted["x2"] + np.sin(3 * fitted["x3"]) + fitted.iloc[:, 4:].sum(axis=1) / 5
    )
    score += rng.normal(size=len(fitted))
    with duckdb.connect(str(folder / "rows.duckdb")) as warehouse:
        warehouse.execute("create table rows as select row_number() over () as id, * from frame")
    for name in names:
        pipeline = models()[name].fit(fitted, score if name == "linear_regression" else (score > 0).astype(int))
        pipeline.set_params(**{key: None for key in pipeline.get_params() if key.endswith("__n_jobs")})
        (folder / f"{name}.pickle").write_bytes(pickle.dumps(pipeline))
        predicted = [pipeline.predict(frame)]
        if hasattr(pipeline, "predict_proba"):
            predicted += list(pipeline.predict_proba(frame).T)
        np.save(folder / f"{name}.npy", np.column_stack(predicted))


def mlbridge_way() -> Way:
    """Give what writes the SQL, and says how its column of the prediction and those of probabilities begin."""
    from mlbridge import to_sql

    return lambda pipeline: (to_sql(pipeline, "rows", keep=["id"]), "prediction", "probability_")


def orbital_way(**options: bool) -> Way:
    """Give the same of orbital, with options of its `export_sql`."""
    import orbital
    from orbital.types import DoubleColumnType

    def way(pipeline: Any) -> tuple[str, str, str]:
        parsed = orbital.parse_pipeline(pipeline, {name: DoubleColumnType() for name in FEATURES})
        sql = orbital.export_sql("rows", parsed, dialect="duckdb", **options)
        classifies = hasattr(pipeline, "predict_proba")
        return sql, "output_label" if classifies else "variable", "output_probability."

    return way


WAYS: dict[str, Callable[[], Way]] = {
    "mlbridge": mlbridge_way,
    "orbital": orbital_way,
    "orbital, not optimized": partial(orbital_way, optimize=False),
    "orbital, separate trees": partial(orbital_way, optimize=False, separate_trees=True),
}


def export(folder: Path, way: str, name: str) -> dict[str, Any]:
    """Write the SQL, and say how long it took."""
    pipeline, write = pickle.loads((folder / f"{name}.pickle").read_bytes()), WAYS[way]()
    started, cpu = time.perf_counter(), time.process_time()
    sql, prediction, probability = write(pipeline)
    (folder / "query.sql").write_text(sql)
    return {
        "export": time.perf_counter() - started,
        "export_cpu": time.process_time() - cpu,
        "size": len(sql.encode()) / 1024,
        "prediction": prediction,
        "probability": probability,
    }


def score(folder: Path, prediction: str, probability: str, name: str) -> dict[str, Any]:
    """Score, and compare."""
    sql = (folder / "query.sql").read_text()
    with duckdb.connect(str(folder / "rows.duckdb"), config={"threads": 2}) as warehouse:
        started, cpu = time.perf_counter(), time.process_time()
        warehouse.execute(f"create or replace table scored as {sql}")
        facts = {"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu}
        found = warehouse.execute(
            "select * from scored"
        ).df()  # a table keeps the order of the rows that it was made of
    predicted = np.load(folder / f"{name}.npy")
    columns = [prediction, *sorted(each for each in found.columns if each.startswith(probability))]
    numbers = found[columns].to_numpy(dtype=np.float64)
    first = 1 if numbers.shape[1] > 1 else 0
    difference = np.abs(numbers - predicted)[:, first:]
    classes = int((numbers[:, 0] != predicted[:, 0]).sum()) if first else 0
    relative = difference / np.maximum(np.abs(predicted[:, first:]), 1e-290)
    return {**facts, "absolute": difference.max(), "relative": relative.max(), "classes": classes}


def measured(*arguments: str, limit: float | None = None) -> dict[str, Any]:
    """Run a part in a process of its own; raises TimeoutExpired."""
    command = [sys.executable, __file__, "run", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=limit)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(rows: int, names: Sequence[str]) -> None:
    """Print what each way takes and gives, and the ratios to mlbridge's."""
    print(f"{platform.machine()}, Python {platform.python_version()}, DuckDB {duckdb.__version__}, {rows:,} rows")
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        prepare(folder, rows, names)
        for name in names:
            print(name)
            mine: dict[str, Any] = {}
            for way in WAYS:
                try:
                    facts = measured("export", path, way, name, limit=LONGEST_EXPORT)
                except subprocess.TimeoutExpired:
                    print(f"  {way}: no SQL within {LONGEST_EXPORT} s")
                    continue
                facts |= measured("score", path, facts["prediction"], facts["probability"], name)
                mine = mine or facts
                print(
                    f"  {way}: exported in {facts['export']:.2f} s ({facts['export_cpu']:.2f} CPU s) to "
                    f"{facts['size']:,.0f} KiB, scored in {facts['seconds']:.2f} s ({facts['cpu']:.2f} CPU s); "
                    f"differs by {facts['absolute']:.1g}, relatively {facts['relative']:.1g}, "
                    f"{facts['classes']:,} rows of another class"
                )
                if way != "mlbridge":
                    ratios = {key: facts[key] / mine[key] for key in RATIOS}
                    print("    of mlbridge's: " + ", ".join(f"{key} {ratio:.2f}" for key, ratio in ratios.items()))


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        part, where, *arguments = sys.argv[2:]
        print(json.dumps({"export": export, "score": score}[part](Path(where), *arguments)))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 300_000, sys.argv[2:] or list(models()))
