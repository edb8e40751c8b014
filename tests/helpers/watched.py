"""Models of every kind with their predictions, published by hand: what the tests of the monitor's frames read."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import handmade
import numpy as np
import pandas as pd

from mlbridge.monitor import State
from mlbridge.spec.reading import read_spec

START = datetime(2024, 4, 1)
AS_OF = datetime(2024, 7, 2)
HOSTILE = 'it\'s "odd" <script>%s {x}'
BINARY, MANY, NUMBER = "binary", "many", "number"
CLASSES = {
    BINARY: ["no", "yes"],
    MANY: ["", "%s", "<script>", "a'b", "ä"],
    HOSTILE: ["<b>", "it's"],
    "unlabelled": ["false", "true"],
    "rejected": ["0", "1"],
}
# Values on the edges of bins, where a product in floating point misses: 0.29 x 200 is 57.99999999999999.
EDGES = [0.0, 0.145, 0.28, 0.29, 0.295, 0.57, 0.575, 0.58, 0.7, 0.995, 1.0]
ROWS = 4_000
SINCE, UNTIL = datetime(2024, 5, 3, 4, 5, 6), datetime(2024, 6, 10)
PERIODS = [(None, None), (SINCE, None), (None, UNTIL), (SINCE, UNTIL)]


def spec(task: str, **options: Any) -> str:
    """Write a spec as the logbook keeps it."""
    declared = {"task": task, "target": "t", "entity": "id", "time": "at", **options}
    return json.dumps(read_spec("a", declared).as_dict())


def version(model: str, number: int, outcome: str, as_of: datetime, **options: Any) -> dict[str, Any]:
    """Give a row of `ml_versions`."""
    classes = options.pop("classes", CLASSES.get(model))
    task = "regression" if classes is None else "classification"
    return {
        "model": model, "version": number, "candidate": f"candidate {number}", "outcome": outcome,
        "reason": f"reason {number}", "trained_at": as_of + timedelta(days=200), "as_of": as_of,
        "spec": spec(task, **options),
        "params": json.dumps({"classes": classes, "estimator": {"class": "sklearn.dummy.Dummy"}, "seed": 0}),
        "features": "[]", "decision": "{}", "library_versions": "{}", "data_hash": "d", "artifact_format": "a",
        "artifact_sha256": "s", "fit_seconds": 1.5, "peak_memory_mb": 100.0, "rows_train": 100, "rows_validation": 20,
        "rows_test": 20, "train_from": as_of, "train_to": as_of, "holdout_from": None,
        "calibration": json.dumps(
            [{"bin": 0, "n": 40, "mean_predicted": 0.25, "observed": 0.2},
             {"bin": 1, "n": 10, "mean_predicted": 0.75, "observed": 1.0}]
        ),
    }  # fmt: skip


def predictions(model: str, number: int, seed: int, rows: int = ROWS) -> pd.DataFrame:
    """Draw predictions of April to July of which every fifth has no outcome yet; some lie on the edges of bins."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "model": model,
            "version": number,
            "entity": [f"{'kAé<'[index % 4]}-{index % (rows // 3):04d}" for index in range(rows)],
            "time": [START + timedelta(minutes=int(each)) for each in rng.integers(0, 92 * 24 * 60, rows)],
            "scored_at": AS_OF,
        }
    ).drop_duplicates(["entity", "time"], ignore_index=True)
    known = np.arange(len(frame)) % 5 > 0
    classes = CLASSES.get(model)
    columns = _numbers(rng, len(frame)) if classes is None else _classes(rng, len(frame), classes)
    for name in ("actual", "actual_value"):
        columns[name] = np.where(known, columns[name], None)
    types = dict.fromkeys(("prediction_value", "probability", "actual_value"), "float64")
    return frame.assign(**columns).astype({**types, "prediction": "str", "actual": "str"})


def _numbers(rng: np.random.Generator, rows: int) -> dict[str, Any]:
    predicted = np.round(rng.normal(20, 30, rows), 1)
    actual = np.round(predicted + rng.normal(0, 15, rows), 1)
    actual[7] = 1e7  # one value far out
    return {
        "prediction": [repr(float(each)) for each in predicted],
        "prediction_value": predicted,
        "probability": None,
        "actual": np.array([repr(float(each)) for each in actual], dtype=object),
        "actual_value": actual.astype(object),
    }


def _classes(rng: np.random.Generator, rows: int, classes: Sequence[str]) -> dict[str, Any]:
    names = np.array(classes, dtype=object)
    if len(classes) == 2:
        probability = np.where(np.arange(rows) % 7 == 0, rng.choice(EDGES, rows), rng.beta(1, 3, rows))
        predicted = names[(probability >= 0.5).astype(int)]
        actual = names[(rng.random(rows) < probability).astype(int)]
    else:
        index = rng.integers(0, len(classes), rows)
        predicted, probability = names[index], rng.uniform(1 / len(classes), 1, rows)
        right = rng.random(rows) < probability
        actual = np.where(right, predicted, names[rng.integers(0, len(classes), rows)])
    numbers = {"0": 0.0, "1": 1.0, "false": 0.0, "true": 1.0}
    return {
        "prediction": predicted,
        "prediction_value": [numbers.get(each) for each in predicted],
        "probability": probability,
        "actual": actual,
        "actual_value": np.array([numbers.get(each) for each in actual], dtype=object),
    }


def every_prediction() -> pd.DataFrame:
    """Give `ml_predictions`; the champion's version of `unlabelled` has one window only and no outcome."""
    unlabelled = predictions("unlabelled", 1, 5, 300).assign(actual=pd.Series(dtype="str"), actual_value=np.nan)
    parts = [
        predictions(BINARY, 1, 1), predictions(BINARY, 2, 2), predictions(MANY, 1, 3), predictions(NUMBER, 1, 4),
        predictions(HOSTILE, 1, 6, 600), unlabelled[unlabelled["time"] < datetime(2024, 5, 1)],
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def measured(models: Iterable[tuple[str, int, str]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Give `ml_performance` and `ml_windows` of versions, each with its metric: April to July, July not over."""
    performance, windows = [], []
    moments = [datetime(2024, month, 1) for month in range(4, 9)]
    for model, number, metric in models:
        for index, (start, end) in enumerate(itertools.pairwise(moments)):
            key = {"model": model, "version": number, "window_end": end}
            windows.append({**key, "window_start": start, "rows_scored": 100 + index, "rows_labelled": 80 + index})
            for name in (metric, "another"):
                for part, n in (("all", 90), ("carrier=AA", 50), (f"carrier=a={HOSTILE}", 40), ("place=", 90)):
                    for kind in ("realized", "estimated"):
                        value = None if kind == "realized" and index == 3 else 0.5 + index / 10 + n / 1000
                        performance.append(
                            {**key, "window": start, "slice": part, "kind": kind, "metric": name, "n": n,
                             "value": value, "low": value and value - 0.1, "high": value and value + 0.1,
                             "threshold": 0.45, "reference": 0.55, "baseline": 0.5,
                             "muted": None if part == "all" else "few rows", "alert": index == 2 and part == "all",
                             "is_comparable": end <= AS_OF}
                        )  # fmt: skip
    return performance, windows


def tables() -> dict[str, handmade.Rows]:
    """Give the rows of the tables."""
    day = datetime
    versions = [
        version(BINARY, 1, "promoted", day(2024, 4, 1), metric="roc_auc"),
        version(BINARY, 2, "promoted", day(2024, 6, 1), metric="roc_auc"),
        version(BINARY, 3, "rejected", day(2024, 6, 20), metric="roc_auc"),
        {**version(BINARY, 2, "runner_up", day(2024, 6, 1), metric="roc_auc"), "candidate": "other"},
        version(MANY, 1, "promoted", day(2024, 4, 1), metric="accuracy", monitor={"window": "week"}),
        version(NUMBER, 1, "promoted", day(2024, 4, 1), metric="mae", monitor={"window": "day"}),
        version(HOSTILE, 1, "promoted", day(2024, 4, 1)),
        version("rejected", 1, "rejected", day(2024, 4, 1)),
        version("unlabelled", 1, "promoted", day(2024, 4, 1)),
    ]
    champions = [(BINARY, 2), (MANY, 1), (NUMBER, 1), (HOSTILE, 1), ("unlabelled", 1)]
    moment = {"candidate": "candidate 1", "reason": "r", "trained_at": day(2024, 12, 1)}
    performance, windows = measured(
        [(BINARY, 1, "roc_auc"), (BINARY, 2, "roc_auc"), (MANY, 1, "accuracy"), (NUMBER, 1, "mae")]
    )
    return {
        "ml_versions": versions,
        "ml_champions": [
            {**moment, "model": name, "version": number, "pinned": name == NUMBER} for name, number in champions
        ],
        "ml_predictions": every_prediction(),
        "ml_performance": performance,
        "ml_windows": windows,
        "ml_health": health(dict(champions)),
        **of_the_build([*dict.fromkeys(each["model"] for each in versions), "never"]),
    }


def health(champions: dict[str, int]) -> list[dict[str, Any]]:
    """Give the verdicts, one of each kind."""
    verdicts = {
        BINARY: "fine", MANY: "look", NUMBER: "act", HOSTILE: "cannot tell", "unlabelled": "cannot tell",
        "rejected": "look", "never": "cannot tell",
    }  # fmt: skip
    return [
        {
            "model": model, "verdict": verdict, "reason": f"{verdict}, because", "version": champions.get(model),
            "candidate": "candidate 1" if model in champions else None, "last_build_state": "success",
            "last_build_at": datetime(2024, 7, 2, 1), "last_build_as_of": AS_OF, "last_decision": f"second of {model}",
            "trained_as_of": datetime(2024, 6, 1) if model in champions else None,
            "threshold": 0.45, "reference": 0.55, "alerts_act": int(model == NUMBER),
            "alerts_look": 2 * (model == MANY), "alerts_note": int(model in (MANY, HOSTILE)),
        }
        for model, verdict in verdicts.items()
    ]  # fmt: skip


def of_the_build(models: Sequence[str]) -> dict[str, handmade.Rows]:
    """Give nodes, runs, decisions, alerts and drift."""
    at = datetime(2024, 7, 2, 1)
    nodes = [
        {"node": f"model.h.{model}_{end}", "name": f"{model}_{end}", "kind": "model", "package": "h", "model": model,
         "stage": stage, "parents": "[]"}
        for model in models for end, stage in (("split", "split"), ("training", "train"))
    ]  # fmt: skip
    shared = {"kind": "model", "model": None, "parents": "[]"}
    nodes += [
        {**shared, "node": "model.h.staging", "name": "staging", "package": "h", "stage": "host"},
        {**shared, "node": "model.mlbridge.ml_drift", "name": "ml_drift", "package": "mlbridge", "stage": "monitor"},
    ]
    runs = [
        {"invocation_id": build, "node": node["name"], "model": node["model"], "stage": node["stage"],
         "status": "success", "started_at": moment, "seconds": 1.0, "as_of": AS_OF, "tests_passed": 1,
         "tests_warned": 0, "tests_failed": 0}
        for build, moment in (("first", at - timedelta(days=9)), ("second", at)) for node in nodes
        if not (build == "second" and node["model"] == "never")
    ]  # fmt: skip
    drift = [
        {"model": BINARY, "version": 2, "feature": feature, "window": month, "window_end": end, "baseline": "training",
         "metric": metric, "value": value, "threshold": threshold, "alert": False, "is_comparable": end <= AS_OF,
         "muted": "no value" if value is None else None}
        for month, end in ((datetime(2024, 5, 1), datetime(2024, 6, 1)), (datetime(2024, 6, 1), datetime(2024, 7, 1)),
                           (datetime(2024, 7, 1), datetime(2024, 8, 1)))
        for feature, metric, value, threshold in (
            ("a", "psi", 0.3, 0.2), ("a", "ks", 0.1, 0.2), ("b", "psi", -0.5, 0.2), ("c", "psi", 0.01, 0.2),
            ("d", "ks", 0.01, 0.0), ("e", "ks", 0.0, 0.0), ("f", "ks", None, 0.2),
        )
    ]  # fmt: skip
    alert = {"window": START, "window_end": AS_OF, "version": 1, "about": "performance", "since": START,
             "severity": "look", "action": "look at it.", "kind": "realized", "slice": "all",
             "metric": "accuracy", "incident": "both"}  # fmt: skip
    incident = {"severity": "look", "about": "performance", "since": START, "message": "m", "action": "look at it."}
    return {
        "ml_nodes": nodes,
        "ml_runs": runs,
        "ml_decisions": [
            {"model": model, "invocation_id": build, "decided_at": moment, "as_of": AS_OF, "outcome": outcome,
             "version": number, "reason": f"{build} of {model}", "decision": "{}"}
            for model in models[:-1]
            for build, moment, outcome, number in (
                ("first", at - timedelta(days=9), "promoted", 1), ("second", at, "skipped", None)
            )
        ],
        "ml_alerts": [
            {**alert, "model": MANY, "what": "x", "is_current": True, "message": "<script> above"},
            {**alert, "model": MANY, "what": "y", "is_current": True, "message": "another"},
            {**alert, "model": MANY, "what": "w", "is_current": True, "message": "noted", "severity": "note"},
            {**alert, "model": HOSTILE, "what": "w", "is_current": True, "message": "noted", "severity": "note"},
            {**alert, "model": MANY, "what": "z", "is_current": False, "message": "over", "incident": None},
            {**alert, "model": NUMBER, "what": "x", "is_current": True, "message": "one", "severity": "act",
             "metric": "mae", "incident": "lost"},
        ],
        "ml_incidents": [
            {**incident, "incident": "both", "models": f"{MANY}, {HOSTILE}", "alerts": 4, "sources": "raw.shared"},
            {**incident, "incident": "lost", "models": NUMBER, "alerts": 1, "severity": "act"},
            {**incident, "incident": "build", "models": NUMBER, "alerts": 0, "severity": "act", "about": "build"},
        ],
        "ml_drift": drift,
    }  # fmt: skip


def published(folder: Path, **changes: handmade.Rows) -> State:
    """Publish it, some tables changed."""
    return handmade.published(folder, **{**tables(), **changes})
