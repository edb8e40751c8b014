"""A machine-learning branch for a dbt project: train, evaluate, register and score inside `dbt build`."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

from mlbridge.errors import (
    ArtifactError,
    CompileError,
    FeatureError,
    MlbridgeError,
    RegistryError,
    ScoringError,
    SetupError,
    SpecError,
    SplitError,
    TrainingError,
)
from mlbridge.version import __version__

if TYPE_CHECKING:
    from mlbridge.compile.select import to_sql
    from mlbridge.nodes.predictions import predict
    from mlbridge.nodes.training import train

__all__ = [
    "ArtifactError",
    "CompileError",
    "FeatureError",
    "MlbridgeError",
    "RegistryError",
    "ScoringError",
    "SetupError",
    "SpecError",
    "SplitError",
    "TrainingError",
    "__version__",
    "predict",
    "to_sql",
    "train",
]

# OpenMP reads this variable once, when scikit-learn is imported. By default, waiting OpenMP threads spin. On idle cores
# that is faster: a gradient boosting fit takes 1.0 s, and 2.7 s with sleeping threads. But beside a second fit it took
# 3 to 20 s, and 2 to 3 s with sleeping threads (benchmarks/waiting_threads.py). A build shares its cores, so threads
# sleep.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# These functions import numpy, pyarrow and scikit-learn, so they are imported on first use.
_LAZY_FUNCTIONS = {
    "predict": "mlbridge.nodes.predictions",
    "to_sql": "mlbridge.compile.select",
    "train": "mlbridge.nodes.training",
}


def __getattr__(name: str) -> object:
    if name in _LAZY_FUNCTIONS:
        return getattr(importlib.import_module(_LAZY_FUNCTIONS[name]), name)
    raise AttributeError(f"module 'mlbridge' has no attribute {name!r}")
