"""What the materialization tells a Python model of the build that it is part of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import mlbridge
from mlbridge.errors import SetupError, listed, nearest

# What the var `mlbridge_retrain` may say, and what it asks for.
RETRAIN = {
    "true": "always", "1": "always", "yes": "always",
    "policy": "policy", "false": "policy", "0": "policy", "no": "policy", "none": "policy",
    "never": "never",
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One build, seen from one node. Times are UTC without zone.

    `exists`: the node's table is there already; `empty`: dbt builds schemas only (`--empty`); `spec`: what the
    training node of this model says in YAML. `retrain` is `always`, `policy` (as the spec's `retrain` says) or `never`.
    `drift` says how far the features have drifted from training: `value` (population stability index, weighed by
    importance), `rows` and `features` (value by name); None where nobody asks or there is nothing to compare.
    """

    node: str
    invocation_id: str
    as_of: datetime
    started_at: datetime
    retrain: str
    exists: bool
    empty: bool
    spec: Mapping[str, Any] | None
    package_version: str
    drift: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, dbt: Any) -> Run:
        """Read it off the `dbt` object; raises SetupError when the node is materialized as something else."""
        said = getattr(dbt, "mlbridge", None)
        if said is None:
            raise SetupError(
                f"{dbt.this.identifier}: this node must be materialized by mlbridge. Write `config: "
                "{materialized: mlbridge}` in its YAML."
            )
        if said["package_version"] != mlbridge.__version__:
            raise SetupError(
                f"{said['node']}: the dbt package mlbridge is {said['package_version']}, the Python package is "
                f"{mlbridge.__version__}. Install the same version of both (`dbt deps`, `pip install`)."
            )
        times = {key: datetime.fromisoformat(said[key]) for key in ("as_of", "started_at")}
        return cls(**{**said, **times, "retrain": _retrain(said["node"], said["retrain"])})

    def model(self, stage: str) -> str:
        """Give the model's name: the node's without the stage's word."""
        if not self.node.endswith(f"_{stage}"):
            raise SetupError(f"{self.node}: the node of this stage must be called `<model>_{stage}`.")
        return self.node.removesuffix(f"_{stage}")


def _retrain(node: str, found: Any) -> str:
    word = RETRAIN.get(str(found).lower())
    if word is None:
        allowed = ("true", "false", "policy", "never")
        raise SetupError(
            f"{node}: the var `mlbridge_retrain` says {found!r}.{nearest(found, allowed)} Allowed: {listed(allowed)}."
        )
    return word
