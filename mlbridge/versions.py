"""A version read back from the logbook: all that scoring with it, or comparing with it, needs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mlbridge.artifacts import check, load
from mlbridge.errors import ScoringError
from mlbridge.features import Feature
from mlbridge.registry import artifact_query, feature_changes
from mlbridge.spec import Spec, stored_spec

if TYPE_CHECKING:
    from sqlglot import exp

    from mlbridge.warehouse import Warehouse


@dataclass(frozen=True)
class Version:
    """A trained version. `classes` are texts in the order of the scores' columns, None for a regression.

    `stored` says in which format the artifact was written, and its checksum.
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
    artifact: bytes | None
    stored: Mapping[str, Any]
    trusted: tuple[str, ...]

    @cached_property
    def estimator(self) -> Any:
        """Build the fitted estimator; raises ArtifactError when it is damaged or holds a type that is not trusted."""
        what = f"{self.node}: the artifact of version {self.number}"
        return load(what, check(what, self.artifact, self.stored), self.trusted)

    def check_schema(self, columns: Mapping[str, str]) -> None:
        """Refuse to score rows whose features are gone or of another type than in training; types by name."""
        before = {feature.name: feature.type for feature in self.features}
        changed = feature_changes(before, {name: columns[name] for name in before if name in columns})
        if changed:
            raise ScoringError(
                f"{self.node}: version {self.number} cannot score: {changed}. Restore the column in the features "
                "node, or build the training node so that a new version learns without it."
            )


def read_version(
    node: str, warehouse: Warehouse, logbook: exp.Expression, row: Mapping[str, Any], trusted: Iterable[str]
) -> Version:
    """Read a logbook row and its artifact, which is not looked into before `estimator` is asked for."""
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
        artifact=artifact,
        stored={key: row[key] for key in ("artifact_format", "artifact_sha256")},
        trusted=tuple(trusted),
    )
