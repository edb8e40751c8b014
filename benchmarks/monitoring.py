"""Seconds and peak memory of the monitoring, as the scored rows grow, and what a build with nothing new pays for it.

One binary classification of 25 features (20 numbers, 5 categories, all with NULLs); 1, 4 and 10 million scored rows
with outcomes in 12 months. The version is fitted and its first rows are scored as usual; the other predictions are
written by SQL, because scoring is not what is measured. Ours: the nodes `ml_windows` to `ml_alerts`, from the first to
the last second of dbt's own timing, and the highest resident memory of the dbt process. By hand, in a process of its
own and not for 10 million rows: the rows fetched as one frame, then pandas, SciPy and scikit-learn give the same
metrics by month and the same distances to the training. What ours gives beyond that is not done by hand: distances to
the month before, correlations, thresholds, intervals and the estimated performance. Both use two threads of DuckDB. A
build with nothing new: the best of two, with and without the stage and its data tests, at 1 million rows. Publishing
what the app reads comes after the nodes, and is not in their seconds.
Run: .venv/bin/python benchmarks/monitoring.py
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
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
DBT = Path(sys.executable).with_name("dbt")
DATABASE = "churn.duckdb"
SIZES = (1_000_000, 4_000_000, 10_000_000)
NUMBERS = [f"x{number}" for number in range(20)]
CATEGORIES = [f"c{number}" for number in range(5)]
BY_HAND_ROWS = 4_000_000
FITTED_ROWS, FIRST_ROWS = 30_000, 1_000
MONITOR = ["mlbridge.monitor", "ml_thresholds"]
MEASURED = ["ml_windows", "ml_distributions", "ml_realized", "ml_drift", "ml_performance", "ml_alerts"]
COUNTED = ("ml_distributions", "ml_realized")
PUBLISHING = "mlbridge-on-run-end-2"
PSI_FLOOR = 1e-4

FILES = {
    "dbt_project.yml": (
        "name: bench\nversion: 1.0.0\nprofile: bench\nvars: {mlbridge_models: [churn]}\n"
        "flags: {require_ref_searches_node_package_before_root: true, send_anonymous_usage_stats: false}\n"
    ),
    "packages.yml": f"packages:\n  - local: {ROOT}\n",
    "profiles.yml": (
        "bench: {target: dev, outputs: {dev: {type: duckdb, threads: 2, keep_open: false, "
        f"path: {DATABASE}, config_options: {{threads: 2}}}}}}}}\n"
    ),
    "models/churn_split.sql": "{{ mlbridge.split(ref('churn_features')) }}\n",
    "models/churn_training.py": (
        "import mlbridge\n\n\ndef model(dbt, session):\n"
        '    return mlbridge.train(dbt, session, dbt.ref("churn_split"), dbt.config.meta_get("mlbridge"))\n'
    ),
    "models/churn_predictions.py": (
        "import mlbridge\n\n\ndef model(dbt, session):\n"
        '    return mlbridge.predict(dbt, session, dbt.ref("churn_split"), dbt.ref("churn_training"))\n'
    ),
    "models/churn.yml": (
        "models:\n  - {name: churn_features, config: {materialized: view}}\n"
        "  - {name: churn_split, config: {materialized: table}}\n"
        "  - name: churn_training\n    config:\n      materialized: mlbridge\n      meta: {mlbridge: "
        "{task: classification, target: churned, entity: id, time: seen_at, candidates: [hist_gradient_boosting]}}\n"
        "  - {name: churn_predictions, config: {materialized: mlbridge}}\n"
    ),
}
# The fitted rows are those of 2023. In 2024 five numbers rise from month to month, and each category has a value more.
FEATURES = """
with places as (
    select
        i,
        case
            when i < {fitted} then timestamp '2023-01-01' + to_seconds(i * 31536000 // {fitted})
            else timestamp '2024-01-01' + to_seconds((i - {fitted}) * 31622400 // {{{{ var("scored", {first}) }}}})
        end as seen_at
    from range({fitted} + {{{{ var("scored", {first}) }}}}) as t(i)
)

select i as id, seen_at, {columns}, hash(i, 99) % 100 + 40 * ((hash(i, 0) % 100000) / 100000.0) > 70 as churned
from places
"""
# The predictions of 2024, as `churn_predictions` would write them: a probability of its own for nearly every row.
PREDICTIONS = """
delete from churn_predictions where time >= timestamp '2024-01-01';
insert into churn_predictions
select seen.* replace (
    rows.entity as entity, rows.seen_at as time, score as probability,
    case when score >= 0.5 then 'true' else 'false' end as prediction,
    case when score >= 0.5 then 1 else 0 end as prediction_value
)
from (select * from churn_predictions limit 1) as seen
cross join (
    select
        cast(id as varchar) as entity, seen_at,
        least(0.2 + 0.006 * coalesce(x0, 50) + (hash(id, 77) % 1000000) / 1e7, 1) as score
    from churn_split
    where seen_at >= timestamp '2024-01-01'
) as rows
"""


def write_host(folder: Path) -> None:
    """Write a host of one model, whose var `scored` says how many rows come after those that are fitted."""
    columns = []
    for place, name in enumerate(NUMBERS):
        drift = " + month(seen_at) * (year(seen_at) - 2023)" if place < len(NUMBERS) // 4 else ""
        value = f"(hash(i, {place}) % 100000) / 1000.0{drift}"
        columns.append(f"case when hash(i, {100 + place}) % 20 > 0 then {value} end as {name}")
    for place, name in enumerate(CATEGORIES):
        value = f"'v' || hash(i, {200 + place}) % ({4 * (place + 1) ** 2} + (year(seen_at) - 2023))"
        columns.append(f"case when hash(i, {300 + place}) % 20 > 0 then {value} end as {name}")
    features = FEATURES.format(columns=", ".join(columns), fitted=FITTED_ROWS, first=FIRST_ROWS)
    for name, text in {**FILES, "models/churn_features.sql": features}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def run(command: list[Any], folder: Path) -> tuple[str, float, float]:
    """Run a process to its end; what it printed, its wall seconds and its peak resident MiB."""
    environment = {**os.environ, "DO_NOT_TRACK": "1", "DBT_PROFILES_DIR": str(folder)}
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
        output.seek(0)
        printed = output.read()
    if process.returncode:
        raise SystemExit(printed[-4000:])
    return printed, seconds, used.ru_maxrss / 1024


def dbt(folder: Path, *args: Any) -> tuple[float, float]:
    """Run dbt on the host; wall seconds and peak MiB of its process."""
    return run([DBT, "--no-use-colors", *args], folder)[1:]


def results(folder: Path) -> list[dict[str, Any]]:
    """Read what dbt ran last."""
    found: list[dict[str, Any]] = json.loads((folder / "target" / "run_results.json").read_text())["results"]
    return found


def timing(folder: Path) -> tuple[dict[str, float], float]:
    """Give the seconds of each node that dbt ran last, and from the first one's start to the last one's end."""
    done = results(folder)
    nodes = [each for each in done if not each["unique_id"].startswith("operation.")]
    moments = [step[key] for each in nodes for step in each["timing"] for key in ("started_at", "completed_at")]
    span = datetime.fromisoformat(max(moments)) - datetime.fromisoformat(min(moments))
    return {each["unique_id"].split(".")[2]: each["execution_time"] for each in done}, span.total_seconds()


def build_rows(folder: Path, rows: int) -> None:
    """Let the split hold this many rows to score, and the predictions all of them."""
    dbt(folder, "run", "--select", "churn_features", "churn_split", "--vars", json.dumps({"scored": rows}))
    with duckdb.connect(str(folder / DATABASE)) as warehouse:
        warehouse.execute(PREDICTIONS)


def idle(folder: Path, rows: int) -> str:
    """Build when nothing is new, with and without the stage: what that takes, its nodes and its data tests."""
    best, ran = [], []
    for exclude in ([], ["--exclude", *MONITOR]):
        command = ["build", "--vars", json.dumps({"scored": rows}), *exclude]
        best.append(min(dbt(folder, *command)[0] for _ in range(2)))
        kinds = [each["unique_id"].split(".")[0] for each in results(folder)]
        ran.append([kinds.count("model") + kinds.count("seed"), kinds.count("test")])
    count, tests = (whole - rest for whole, rest in zip(*ran, strict=True))
    return (
        f"nothing new: a build takes {best[0]:.1f} s, {best[1]:.1f} s without monitoring: {best[0] - best[1]:.1f} s "
        f"for {count} nodes and {tests} data tests"
    )


def distances(values: pd.Series[Any], baseline: pd.Series[Any]) -> dict[str, float]:
    """Compare one feature in one window with a baseline, by hand: distances between the values that are there."""
    import numpy as np
    from scipy import stats
    from scipy.spatial.distance import jensenshannon

    found = {"null_share_change": values.isna().mean() - baseline.isna().mean()}
    left, right = values.dropna(), baseline.dropna()
    if values.dtype.kind == "f":
        edges = np.unique(np.quantile(right, np.linspace(0, 1, 21)))[1:-1]
        counts: list[Any] = [
            np.bincount(np.searchsorted(edges, each), minlength=len(edges) + 1) for each in (left, right)
        ]
        found["ks"] = stats.ks_2samp(left, right, method="asymp").statistic
        found["wasserstein"] = stats.wasserstein_distance(left, right) / right.std()
    else:
        tables = [left.value_counts(), right.value_counts()]
        names = sorted(set(tables[0].index) | set(tables[1].index))
        counts = [each.reindex(names, fill_value=0).to_numpy() for each in tables]
        found["chi_square"] = stats.chi2_contingency(np.array(counts)).statistic
        found["unseen_share"] = 1 - left.isin(tables[1].index).mean()
    p, q = (_shares(each) for each in counts)
    found["psi"] = float(((p - q) * np.log(p / q)).sum())
    found["js_distance"] = float(jensenshannon(p, q))
    return found


def _shares(counts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = (counts / counts.sum()).clip(PSI_FLOOR)
    return found


def metrics_by_hand(window: pd.DataFrame) -> dict[str, float]:
    """Measure one window against its outcomes."""
    from sklearn import metrics

    truth, score = window["churned"].astype(bool), window["probability"]
    predicted = score >= 0.5
    return {
        "roc_auc": metrics.roc_auc_score(truth, score),
        "average_precision": metrics.average_precision_score(truth, score),
        "log_loss": metrics.log_loss(truth, score),
        "brier": metrics.brier_score_loss(truth, score),
        "accuracy": metrics.accuracy_score(truth, predicted),
        "precision": metrics.precision_score(truth, predicted),
        "recall": metrics.recall_score(truth, predicted),
        "f1": metrics.f1_score(truth, predicted),
    }


def by_hand(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Drift and performance as an experienced user would compute them without mlbridge; both written as tables."""
    import pandas as pd

    features = ", ".join(f"facts.{name}" for name in [*NUMBERS, *CATEGORIES])
    training = warehouse.sql(
        f"select {features} from churn_split as facts where seen_at <= (select max(train_to) from churn_training)"
    ).df()
    scored = warehouse.sql(
        f"select date_trunc('month', predictions.time) as start, probability, churned, {features} "
        "from churn_predictions as predictions join churn_split as facts "
        "on predictions.entity = cast(facts.id as varchar) and predictions.time = facts.seen_at "
        "where predictions.time >= timestamp '2024-01-01'"
    ).df()
    drift, performance = [], []
    for start, window in scored.groupby("start"):
        for name in [*NUMBERS, *CATEGORIES]:
            drift.append({"start": start, "feature": name} | distances(window[name], training[name]))
        performance.append({"start": start} | metrics_by_hand(window))
    for name, rows in (("drift_by_hand", drift), ("performance_by_hand", performance)):
        warehouse.register("arrived", pd.DataFrame(rows))
        warehouse.execute(f"create or replace table {name} as from arrived")


def measure_by_hand(path: str) -> None:
    """Compute by hand in this process, and print seconds and MiB."""
    with duckdb.connect(path, config={"threads": 2}) as warehouse:
        started = time.perf_counter()
        by_hand(warehouse)
        seconds = time.perf_counter() - started
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))


def main(sizes: tuple[int, ...]) -> None:
    """Print seconds and MiB of both ways, their ratios, and what a build with nothing new pays."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_host(folder)
        dbt(folder, "deps", "--quiet")
        dbt(folder, "build", "--exclude", "mlbridge.monitor")
        for rows in sizes:
            build_rows(folder, rows)
            with duckdb.connect(str(folder / DATABASE)) as warehouse:
                for table in COUNTED:
                    warehouse.execute(f"drop table if exists {table}")
            _, memory = dbt(folder, "run", "--select", *MEASURED)
            by_node, seconds = timing(folder)
            print(f"{rows:,} rows: {seconds:.1f} s and {memory:,.0f} MiB")
            print("  " + ", ".join(f"{node} {by_node[node]:.1f} s" for node in MEASURED))
            print(f"  publishing {by_node[PUBLISHING]:.1f} s", flush=True)
            if rows <= BY_HAND_ROWS:
                printed = run([sys.executable, __file__, "by_hand", folder / DATABASE], folder)[0]
                seconds_by_hand, memory_by_hand = json.loads(printed.splitlines()[-1])
                print(
                    f"  by hand {seconds_by_hand:.1f} s and {memory_by_hand:,.0f} MiB; ratios "
                    f"{seconds / seconds_by_hand:.2f} and {memory / memory_by_hand:.2f}",
                    flush=True,
                )
            if rows == sizes[0]:
                print(f"  {idle(folder, rows)}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["by_hand"]:
        measure_by_hand(sys.argv[2])
    else:
        main(tuple(int(size) for size in sys.argv[1:]) or SIZES)
