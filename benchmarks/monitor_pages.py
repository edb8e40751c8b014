"""Seconds and peak memory of what the monitor's pages ask, over 10 million predictions of one model.

Three published builds (`monitor_tables.py`), each with 10 million predictions of twelve months in two versions, nine
tenths with outcome: two classes, twenty classes, numbers with one value far out. The other tables are as large as those
of a model with 200 features watched for 24 months. What takes longer than 2 s is marked. Ours: each function in a
process of its own that has imported what the app imports (Streamlit, Altair, pandas, PyArrow); seconds on an open
build, median of five; the highest resident memory of the process. `all of them` calls one after the other in one
process, as an app does that stays open. By hand: the predictions are read into one pandas frame, and the same is
aggregated there; the seconds of reading are stated apart, because each visit pays them that does not keep the frame.
Both use two threads.
Run: .venv/bin/python benchmarks/monitor_pages.py [millions of predictions]
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor_tables import ENTITY, FEATURE, MODEL, WINDOW, write_build

if TYPE_CHECKING:
    import pandas as pd

    from mlbridge.monitor import State

KINDS = ("binary", "many", "number")
PERIOD = {"since": WINDOW, "until": datetime(2024, 9, 1)}
TARGET = 2.0  # seconds in which a page should stand


def ours(kind: str) -> dict[str, Callable[[State], Any]]:
    """Name what the pages ask about a model of a kind."""
    from mlbridge import monitor as m

    one: dict[str, Any] = {"model": MODEL, "version": 2}
    cell: dict[str, Any] = {**one, "feature": FEATURE}
    metric = "rmse" if kind == "number" else "roc_auc"
    questions: dict[str, Callable[[State], Any]] = {
        "models": m.models,
        "overview": m.overview,
        "incidents": m.incidents,
        "pipeline": m.pipeline,
        "history": lambda s: m.history(s, MODEL),
        "volumes": lambda s: m.volumes(s, MODEL),
        "prediction_bins": lambda s: m.prediction_bins(s, MODEL),
        "against": lambda s: m.against(s, **one),
        "drift": lambda s: m.drift(s, **one),
        "drift_history": lambda s: m.drift_history(s, **cell),
        "distribution": lambda s: m.distribution(s, **cell, window=WINDOW),
        "distributions": lambda s: m.distributions(s, **cell),
        "outcomes_by_bin": lambda s: m.outcomes_by_bin(s, **cell, window=WINDOW),
        "associations": lambda s: m.associations(s, **one, window=WINDOW),
        "clues": lambda s: m.clues(s, **one, metric=metric, window=WINDOW),
        "worst_rows": lambda s: m.worst_rows(s, **one, **PERIOD),
        "lookup": lambda s: m.lookup(s, MODEL, ENTITY),
        "entities": lambda s: m.entities(s, MODEL, "C-00000"),
        "entities, none typed": lambda s: m.entities(s, MODEL, ""),
        "rows, 100,000": lambda s: m.rows(s, MODEL),
        "rows of a month": lambda s: m.rows(s, MODEL, **PERIOD),
    }
    if kind == "binary":
        questions["scores"] = lambda s: m.scores(s, **one)
        questions["calibration"] = lambda s: m.calibration(s, **one)
        questions["curve"] = lambda s: m.curve(m.score_steps(s, **one), m.design_effects(s, **one))
        questions["curve of a slice"] = lambda s: m.curve(m.score_steps(s, **one, slice="column=3"))
        questions["curve of the test rows"] = lambda s: m.curve(m.holdout_steps(s, **one))
        questions["gain"] = lambda s: m.gain(m.curve(m.score_steps(s, **one)), 0.05)
        questions["costs"] = lambda s: m.costs(m.curve(m.score_steps(s, **one)), 1.0, 5.0)
    if kind == "number":
        questions["residuals"] = lambda s: m.residuals(s, **one)
        questions["within"] = lambda s: m.within(s, **one, tolerance=15.0)
    questions |= {"confusion_classes": lambda s: m.confusion_classes(s, **one, at_least=0.3)} if kind == "many" else {}
    return questions


def month(frame: pd.DataFrame) -> pd.Series[Any]:
    """Give each row's month."""
    return frame["time"].dt.to_period("M")


def labelled(frame: pd.DataFrame) -> pd.DataFrame:
    """Choose the rows that outcomes are compared for."""
    return frame[(frame["version"] == 2) & frame["actual"].notna()]


def steps(frame: pd.DataFrame, count: int) -> Any:
    """Count by steps of the probability."""
    known = labelled(frame)
    place = (known["probability"] * count).astype(int).clip(0, count - 1)
    grouped = known.assign(right=known["actual"] == "true").groupby(place)
    return grouped.agg(n=("right", "size"), positives=("right", "sum"), total=("probability", "sum"))


def ends(values: pd.Series[Any]) -> Any:
    """Give the values between which all but half a percent at each end lie."""
    return values.quantile([0.005, 0.995])


def residuals(frame: pd.DataFrame) -> Any:
    """Make the histogram of the residuals."""
    import numpy as np

    known = labelled(frame)
    off = known["actual_value"] - known["prediction_value"]
    edges = np.linspace(*ends(off), 61)
    return np.histogram(off.clip(edges[0], edges[-1]), edges)


def within(frame: pd.DataFrame) -> Any:
    """Find how many are off by at most a tolerance."""
    known = labelled(frame)
    return ((known["actual_value"] - known["prediction_value"]).abs() <= 15.0).mean()


def cells(frame: pd.DataFrame) -> Any:
    """Count predicted against actual numbers."""
    import numpy as np

    known = labelled(frame)
    both = [known[name] for name in ("prediction_value", "actual_value")]
    edges = np.linspace(min(ends(each).min() for each in both), max(ends(each).max() for each in both), 41)
    return np.histogram2d(*(each.clip(edges[0], edges[-1]) for each in both), edges)


def crossed(frame: pd.DataFrame, least: float) -> Any:
    """Count predicted against actual classes."""
    known = labelled(frame)
    return known[known["probability"] >= least].groupby(["actual", "prediction"]).size()


def binned(frame: pd.DataFrame, column: str) -> Any:
    """Count a column by month and bin."""
    import numpy as np
    import pandas as pd

    place = pd.cut(frame[column], np.linspace(*ends(frame[column]), 21))
    return frame.groupby([month(frame), place], observed=True).size()


def beginning(frame: pd.DataFrame, start: str) -> Any:
    """Find entities by how they begin."""
    return frame[frame["entity"].str.startswith(start)].groupby("entity")["time"].agg(["size", "max"]).head(20)


def by_hand(kind: str) -> dict[str, Callable[[pd.DataFrame], Any]]:
    """Do the same on one pandas frame of all predictions."""
    questions: dict[str, Callable[[pd.DataFrame], Any]] = {
        "volumes": lambda f: f.groupby([month(f), "version"]).agg(n=("time", "size"), labelled=("actual", "count")),
        "lookup": lambda f: f[f["entity"] == ENTITY].sort_values("time"),
        "entities": lambda f: beginning(f, "C-00000"),
        "entities, none typed": lambda f: beginning(f, ""),
        "rows, 100,000": lambda f: f.sort_values("time").head(100_000),
        "rows of a month": lambda f: f[f["time"].between(*PERIOD.values())].sort_values("time").head(100_000),
    }
    of_kind: dict[str, dict[str, Callable[[pd.DataFrame], Any]]] = {
        "binary": {
            "prediction_bins": lambda f: binned(f, "probability"),
            "against": lambda f: steps(f, 200),
            "scores": lambda f: steps(f, 200),
            "calibration": lambda f: steps(f, 10_000),
        },
        "many": {
            "prediction_bins": lambda f: f.groupby([month(f), "prediction"]).size(),
            "against": lambda f: crossed(f, 0),
            "confusion_classes": lambda f: crossed(f, 0.3),
        },
        "number": {
            "prediction_bins": lambda f: binned(f, "prediction_value"),
            "against": cells,
            "residuals": residuals,
            "within": within,
        },
    }
    return questions | of_kind[kind]


def peak() -> float:
    """Give this process's highest resident memory in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def timed(work: Callable[[], Any], times: int) -> float:
    """Give the median of some runs, in seconds."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def measure(folder: Path, kind: str, what: str) -> dict[str, Any]:
    """Measure in this process: one of our functions, all of them, or everything by hand."""
    import altair  # noqa: F401 - what the app has imported as well
    import pyarrow  # noqa: F401
    import streamlit  # noqa: F401

    if what == "by hand":
        import pandas as pd

        frames = []
        reading = timed(lambda: frames.append(pd.read_parquet(folder / "current" / "ml_predictions.parquet")), 1)
        done = {name: timed(lambda ask=ask: ask(frames[0]), 1) for name, ask in by_hand(kind).items()}  # type: ignore[misc]
        return {"reading": reading, "seconds": done, "peak": peak()}
    from mlbridge.monitor import open_folder

    state = open_folder(folder).state()
    base = peak()
    chosen = ours(kind) if what == "all of them" else {what: ours(kind)[what]}
    seconds = {name: timed(lambda ask=ask: ask(state), 5) for name, ask in chosen.items()}  # type: ignore[misc]
    return {"seconds": seconds, "peak": peak(), "base": base}


def apart(folder: Path, kind: str, what: str) -> dict[str, Any]:
    """Measure in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, str(folder), kind, what], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr[-4000:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def report(folder: Path, kind: str) -> None:
    """Print one kind's table."""
    hand = apart(folder, kind, "by hand")
    print(f"\n{kind}: by hand reading takes {hand['reading']:.1f} s, the peak is {hand['peak']:,.0f} MiB")
    print(f"{'':22}{'s':>7}{'MiB':>7}{'by hand s':>11}{'ratio':>7}{'with reading':>14}{'MiB ratio':>11}")
    for name in [*ours(kind), "all of them"]:
        found = apart(folder, kind, name)
        seconds, theirs = sum(found["seconds"].values()), hand["seconds"].get(name)
        line = f"{name:22}{seconds:7.2f}{found['peak']:7.0f}"
        if theirs is not None:
            line += f"{theirs:11.2f}{seconds / theirs:7.2f}{seconds / (theirs + hand['reading']):14.3f}"
            line += f"{found['peak'] / hand['peak']:11.2f}"
        print(line + (" over 2 s" if max(found["seconds"].values()) > TARGET else ""), flush=True)
    print(f"the process before it asks: {found['base']:.0f} MiB")


def main() -> None:
    """Make the builds, measure, print."""
    rows = int(float(sys.argv[1] if len(sys.argv) > 1 else 10) * 1_000_000)
    print(f"{platform.machine()}, Python {platform.python_version()}, {rows:,} predictions")
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            write_build(Path(folder) / kind, kind, rows)
            report(Path(folder) / kind, kind)


if __name__ == "__main__":
    if len(sys.argv) == 4:
        print(json.dumps(measure(Path(sys.argv[1]), sys.argv[2], sys.argv[3])))
    else:
        main()
