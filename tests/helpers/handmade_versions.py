"""Versions made by hand from real estimators: rows of `ml_versions` and `ml_metrics`."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from mlbridge.spec.reading import read_spec
from mlbridge.training.candidates import describe

SPEC: dict[str, Any] = {"task": "regression", "target": "spent", "entity": "id", "time": "at"}
FEATURES = {"visits": "INTEGER", "city": "VARCHAR", "discount": "DOUBLE"}


def pipeline(alpha: float, numbers: list[str], texts: list[str]) -> Any:
    prepared = make_column_transformer((SimpleImputer(), numbers), (OneHotEncoder(), texts), ("passthrough", []))
    return make_pipeline(prepared, Ridge(alpha=alpha))


RIDGE = pipeline(1.0, ["visits", "discount"], ["city"])


def version(number: int, **changes: Any) -> dict[str, Any]:
    """Write a version's row as the logbook has it."""
    spec = read_spec("spent_training", {**SPEC, **changes.pop("spec", {})}).as_dict()
    features = changes.pop("features", FEATURES)
    stats = {"rows": 90, "nulls": 9, "distinct": 7, "mean": 1.5, "std": 0.5, "min": -1.0, "max": 12.25}
    documents = {
        "spec": spec,
        "features": [
            {"name": name, "type": type_, "kind": "category" if type_ == "VARCHAR" else "numeric", **stats}
            for name, type_ in features.items()
        ],
        "params": {
            "estimator": describe(changes.pop("estimator", RIDGE)),
            "seed": 0,
            "classes": None,
            "numbers": None,
            **changes.pop("params", {}),
        },
        "library_versions": {"mlbridge": "0.3.0", "scikit-learn": "1.9.1", **changes.pop("libraries", {})},
        "calibration": [{"bin": 0, "n": 15, "mean_predicted": 4.5, "observed": 5.25}],
    }
    row = {
        "model": "spent", "version": number, "candidate": "ridge", "outcome": "promoted", "reason": "better",
        "trained_at": datetime(2024, 5, number, 4), "as_of": datetime(2024, 5, 1), "data_hash": "abc",
        "rows_train": 1090, "rows_validation": 20, "rows_test": 15, "train_from": datetime(2024, 1, 1),
        "train_to": datetime(2024, 4, 1, 12, 30), "holdout_from": datetime(2024, 4, 20), "fit_seconds": 1.25,
        "peak_memory_mb": 512.0, "artifact_format": "skops-1", "artifact_sha256": "f00d", "invocation_id": "i",
    }  # fmt: skip
    return {**row, **{key: json.dumps(value) for key, value in documents.items()}, **changes}


def metric(version: int, candidate: str, split: str, name: str, value: float | None, **more: Any) -> dict[str, Any]:
    low, high = (None, None) if value is None else (value - 0.5, value + 0.5)
    row = {"model": "spent", "version": version, "candidate": candidate, "split": split, "metric": name}
    return {**row, "slice": "all", "value": value, "low": low, "high": high, "n": 15, "baseline": 9.5, **more}
