"""A version read back from the logbook: all that scoring with it, or comparing with it, needs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mlbridge.artifacts import check, load
from mlbridge.features import Feature
from mlbridge.registry import artifact_query
from mlbridge.spec import Spec, stored_spec

if TYPE_CHECKING:
    from sqlglot import exp

    from mlbridge.warehouse import Warehouse


@dataclass(frozen=True)
class Version:
    """A trained version. `classes` are texts in the order of the scores' columns, None for a regression.

    `holdout_from` is the prediction moment (UTC) of its first test row where its split was by time, else None:
    rows from there on were neither fitted on nor used to choose among the candidates.
    """

    node: str
    number: int
    candidate: str
    spec: Spec
    features: tuple[Feature, ...]
    classes: tuple[str, ...] | None
    holdout_from: datetime | None
    artifact: bytes
    trusted: tuple[str, ...]

    @cached_property
    def estimator(self) -> Any:
        """Build the fitted estimator; raises ArtifactError for a type that is not trusted."""
        return load(f"{self.node}: the artifact of version {self.number}", self.artifact, self.trusted)


def read_version(
    node: str, warehouse: Warehouse, logbook: exp.Expression, row: Mapping[str, Any], trusted: Iterable[str]
) -> Version:
    """Read a logbook row and its artifact; raises ArtifactError when that is damaged."""
    number = row["version"]
    artifact = warehouse.row(artifact_query(logbook, number))["artifact"]
    classes = json.loads(row["params"])["classes"]
    return Version(
        node=node,
        number=number,
        candidate=row["candidate"],
        spec=stored_spec(json.loads(row["spec"])),
        features=tuple(Feature(each["name"], each["type"], each["kind"]) for each in json.loads(row["features"])),
        classes=None if classes is None else tuple(classes),
        holdout_from=row["holdout_from"],
        artifact=check(f"{node}: the artifact of version {number}", artifact, row),
        trusted=tuple(trusted),
    )
