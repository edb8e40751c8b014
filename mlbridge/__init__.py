"""A machine-learning branch for a dbt project: train, evaluate, register and score inside `dbt build`."""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from mlbridge.compile.select import to_sql
    from mlbridge.nodes import predict, train

__version__ = "0.6.0"

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

# OpenMP reads this once, when scikit-learn loads it. By default its threads spin while they wait for each other. That
# is faster on idle cores (a gradient boosting of 1.0 s takes 2.7 s without), but beside another fit the same one took
# anything from 3 to 20 s, and 2 to 3 s with sleeping threads (benchmarks/waiting_threads.py): a build shares its cores.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# The verbs pull in numpy, pyarrow and scikit-learn: only who calls one pays for it.
_VERBS = {"predict": "mlbridge.nodes", "to_sql": "mlbridge.compile.select", "train": "mlbridge.nodes"}


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        return getattr(importlib.import_module(_VERBS[name]), name)
    raise AttributeError(f"module 'mlbridge' has no attribute {name!r}")


class _Package(ModuleType):
    """Keeps `mlbridge.train` the verb: importing the module of that name would put the module there."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _VERBS:
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
