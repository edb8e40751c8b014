"""The facts about a build that the materialization `mlbridge` passes to a Python model, or to `mlbridge train`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypedDict

from mlbridge.errors import SetupError
from mlbridge.typing import Json
from mlbridge.version import __version__


class This(Protocol):
    """The relation of a node, which renders as its quoted name."""

    identifier: str


class DbtModel(Protocol):
    """What dbt hands to `model(dbt, session)`; the materialization adds `mlbridge` to it."""

    this: This


class Drift(TypedDict):
    """The drift of the features since training: population stability index, weighted by importance.

    `features` has the index by feature name, `rows` is the number of compared rows.
    """

    value: float
    rows: int
    features: Mapping[str, float]


class Scoring(TypedDict):
    """A version that scores.

    `waiting` is the query of its rows, which reads the split as `ml_split_relation`. `select_problem` says why its
    `scoring_sql` must not run, None where it may.
    """

    number: int
    is_challenger: bool
    waiting: str
    select_problem: str | None


@dataclass(frozen=True)
class Run:
    """One dbt invocation, as one node sees it, with what the macros have decided for it. Times are naive UTC.

    `as_of` is the clock of the build (the var `mlbridge_as_of`), `started_at` the time at which dbt started. `exists`:
    the node's table exists already. `empty`: dbt builds schemas only (`--empty`). `spec`: the unchecked spec in the
    YAML of the model's training node, None without one. `retrain` is `always`, `policy` (the spec's `retrain` decides)
    or `never`, read from the var by `macros/spec/retrain.sql`. `drift` is None if the spec sets no `max_drift` or
    there is nothing to compare.

    `in_use` has version numbers by role: `champion`, `challenger`, and `promoted`, the version promoted last; it is
    empty before the first training. `scoring` are the versions that score. `key_problem` is a query that returns one
    text if keys of the split are NULL or not unique; it reads the split as `ml_split_relation`. `unique_id` is the
    node's in dbt's manifest, `compiled_path` the file that dbt wrote its code to, from the project's folder.
    `refuse_memory` says whether too little memory refuses a training, or is warned of.
    `takes_requests` says whether the node reads a model whose rows of requests the materialization has taken in.
    """

    node: str
    invocation_id: str
    as_of: datetime
    started_at: datetime
    retrain: str
    exists: bool
    empty: bool
    spec: Mapping[str, Json] | None
    package_version: str
    drift: Drift | None = None
    in_use: Mapping[str, int | None] = field(default_factory=dict)
    scoring: Sequence[Scoring] = ()
    key_problem: str = ""
    unique_id: str = ""
    compiled_path: str | None = None
    refuse_memory: bool = True
    takes_requests: bool = False

    @classmethod
    def of(cls, dbt: DbtModel) -> Run:
        """Read the run from the `dbt` object.

        Raises SetupError if the node is not materialized by mlbridge, or if the versions of the two packages differ.
        """
        raw = getattr(dbt, "mlbridge", None)
        if raw is None:
            raise SetupError(
                f"{dbt.this.identifier}: this node must be materialized by mlbridge. Write `config: "
                "{materialized: mlbridge}` in its YAML."
            )
        return cls.read(raw)

    @classmethod
    def read(cls, raw: Mapping[str, Json]) -> Run:
        """Read the run from what the macros have written; raises SetupError if the versions of the packages differ."""
        if raw["package_version"] != __version__:
            raise SetupError(
                f"{raw['node']}: the dbt package mlbridge is {raw['package_version']}, the Python package is "
                f"{__version__}. Install the same version of both (`dbt deps`, `pip install`)."
            )
        times = {key: datetime.fromisoformat(raw[key]) for key in ("as_of", "started_at")}
        return cls(**{**raw, **times})

    def model(self, stage: str) -> str:
        """Return the model's name: the node's name without `_<stage>`; raises SetupError if it does not end so."""
        if not self.node.endswith(f"_{stage}"):
            raise SetupError(f"{self.node}: the node of this stage must be called `<model>_{stage}`.")
        return self.node.removesuffix(f"_{stage}")
