"""What the monitor's pages show, as frames: each function takes the state of a published build first.

The tables that they read are computed in SQL: `models/monitor` and `macros/monitor`.
"""

from mlbridge.errors import MonitorError
from mlbridge.monitor.clues import clues, worst_rows
from mlbridge.monitor.column_lineage import column_lineage, traced_columns
from mlbridge.monitor.curves import costs, curve, design_effects, gain, holdout_steps, score_steps
from mlbridge.monitor.distribution import distribution, distributions, outcomes_by_bin
from mlbridge.monitor.download import ESCAPED, csv
from mlbridge.monitor.drift import LAST as LAST_WINDOWS
from mlbridge.monitor.drift import associations, drift, drift_history, drift_metrics
from mlbridge.monitor.incidents import NOTE, Alert, incidents
from mlbridge.monitor.models import ENOUGH_ROWS, models, version_facts
from mlbridge.monitor.outcomes import (
    against,
    calibration,
    confusion,
    confusion_classes,
    rates,
    residuals,
    scores,
    stored_calibration,
    within,
)
from mlbridge.monitor.overview import COURSE, overview
from mlbridge.monitor.performance import by_slice, history, metrics, promotions, slices, windows
from mlbridge.monitor.pipeline import pipeline
from mlbridge.monitor.predictions import entities, lookup, prediction_bins, rows, volumes
from mlbridge.monitor.requests import requests
from mlbridge.monitor.runs import invocations, runs
from mlbridge.monitor.source import Build, Nothing, Republished, Source, State, open_folder, open_source
from mlbridge.monitor.version_changes import changes
from mlbridge.monitor.versions import decisions, importances, leaderboard, leaks

__all__ = [
    "COURSE",
    "ENOUGH_ROWS",
    "ESCAPED",
    "LAST_WINDOWS",
    "NOTE",
    "Alert",
    "Build",
    "MonitorError",
    "Nothing",
    "Republished",
    "Source",
    "State",
    "against",
    "associations",
    "by_slice",
    "calibration",
    "changes",
    "clues",
    "column_lineage",
    "confusion",
    "confusion_classes",
    "costs",
    "csv",
    "curve",
    "decisions",
    "design_effects",
    "distribution",
    "distributions",
    "drift",
    "drift_history",
    "drift_metrics",
    "entities",
    "gain",
    "history",
    "holdout_steps",
    "importances",
    "incidents",
    "invocations",
    "leaderboard",
    "leaks",
    "lookup",
    "metrics",
    "models",
    "open_folder",
    "open_source",
    "outcomes_by_bin",
    "overview",
    "pipeline",
    "prediction_bins",
    "promotions",
    "rates",
    "requests",
    "residuals",
    "rows",
    "runs",
    "score_steps",
    "scores",
    "slices",
    "stored_calibration",
    "traced_columns",
    "version_facts",
    "volumes",
    "windows",
    "within",
    "worst_rows",
]
