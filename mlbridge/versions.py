"""A version read back from the logbook: all that scoring with it, or comparing with it, needs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mlbridge.artifacts import check, load
from mlbridge.errors import ScoringError, listed
from mlbridge.features import Feature
from mlbridge.registry import feature_changes, heavy_query
from mlbridge.spec import Spec, stored_spec
from mlbridge.train import scores_of

if TYPE_CHECKING:
    import pandas as pd
    from sqlglot import exp

    from mlbridge.warehouse import Warehouse


@dataclass(frozen=True)
class Version:
    """A trained version. `classes` are texts in the order of the scores' columns, None for a regression.

    `stored` says in which format the artifact was written, and its checksum. `as_of` (UTC) is the moment on whose
    knowledge it was trained. `numbers` are the classes as numbers, None for texts. `holdout_from` is the prediction
    moment (UTC) of its first test row where all test rows come after those it has seen, else None: rows from there on
    are new to it. `categories` are the texts of its training rows by feature, None where they were not kept yet.
    """

    node: str
    number: int
    as_of: datetime
    spec: Spec
    features: tuple[Feature, ...]
    classes: tuple[str, ...] | None
    numbers: tuple[float, ...] | None
    holdout_from: datetime | None
    artifact: bytes | None
    stored: Mapping[str, Any]
    trusted: tuple[str, ...]
    categories: Mapping[str, Sequence[str]] | None = None

    @cached_property
    def estimator(self) -> Any:
        """Build the fitted estimator; raises ArtifactError when it is damaged or holds a type that is not trusted."""
        what = f"{self.node}: the artifact of version {self.number}"
        return load(what, check(what, self.artifact, self.stored), self.trusted)

    def same_question(self, spec: Spec) -> bool:
        """Say whether it answers what the spec asks today: the same outcome of the same rows at the same moment."""
        mine, asked = self.spec, spec
        return (mine.task, mine.target, mine.entity, mine.time) == (asked.task, asked.target, asked.entity, asked.time)

    def lacks(self, columns: Mapping[str, str]) -> str | None:
        """Say what of it is gone from rows or of another type than in training, types by name; None for nothing."""
        keys = [*self.spec.entity, self.spec.time, self.spec.target]
        gone = [name for name in keys if name not in columns]
        if gone:
            return f"{listed(gone)}, which its spec names as entity, time or target, is gone from the split"
        before = {feature.name: feature.type for feature in self.features}
        return feature_changes(before, {name: columns[name] for name in before if name in columns}) or None

    def check_schema(self, columns: Mapping[str, str]) -> None:
        """Raise ScoringError for rows whose features are gone or of another type than in training; types by name."""
        lacking = self.lacks(columns)
        if lacking is not None:
            raise ScoringError(
                f"{self.node}: version {self.number} cannot score: {lacking}. Restore the column in the features "
                "node, or build the training node so that a new version learns without it."
            )

    def forbidden(self, spec: Spec, columns: Mapping[str, str]) -> list[str]:
        """Name the features that it rests on, that are there, and that a spec does not want as features any more."""
        return [each.name for each in self.features if each.name in columns and spec.refuses(each.name)]

    def scores(self, features: pd.DataFrame) -> np.ndarray[Any, Any]:
        """Score rows; raises ScoringError that names an infinite feature, or what the estimator could not do."""
        infinite = [
            str(name) for name, values in features.items() if values.dtype.kind == "f" and np.isinf(values).any()
        ]
        if infinite:
            raise ScoringError(
                f"{self.node}: version {self.number} cannot score: the feature {listed(infinite)} is infinite in "
                "some rows; a value that cannot be known should be NULL. Mend it in the features node."
            )
        estimator = self.estimator
        try:
            scores = scores_of(estimator, features)
        except Exception as error:
            raise ScoringError(f"{self.node}: version {self.number} failed to score: {error}") from error
        if not np.isfinite(scores).all():
            raise ScoringError(f"{self.node}: version {self.number} gives NaN or infinity for some rows. Pin another.")
        return scores


def read_version(
    node: str, warehouse: Warehouse, logbook: exp.Expression, row: Mapping[str, Any], trusted: Iterable[str]
) -> Version:
    """Read a logbook row and its artifact, which is not looked into before `estimator` is asked for."""
    number = row["version"]
    artifact = warehouse.row(heavy_query(logbook, number, "artifact"))["artifact"]
    categories = None
    if "categories" in warehouse.names(logbook):
        categories = warehouse.row(heavy_query(logbook, number, "categories"))["categories"]
    params = json.loads(row["params"])
    classes, numbers = params["classes"], params["numbers"]
    return Version(
        node=node,
        number=number,
        as_of=row["as_of"],
        spec=stored_spec(json.loads(row["spec"])),
        features=tuple(Feature(each["name"], each["type"], each["kind"]) for each in json.loads(row["features"])),
        classes=None if classes is None else tuple(classes),
        numbers=None if numbers is None else tuple(numbers),
        holdout_from=row["holdout_from"],
        artifact=artifact,
        stored={key: row[key] for key in ("artifact_format", "artifact_sha256")},
        trusted=tuple(trusted),
        categories=None if categories is None else json.loads(categories),
    )


def unwritten_version(node: str, spec: Spec, row: Mapping[str, Any]) -> Version:
    """Make the version of a logbook row that is not written yet; its artifact is read as a later build will read it."""
    params = row["params"]
    return Version(
        node=node,
        number=row["version"],
        as_of=row["as_of"],
        spec=spec,
        features=tuple(Feature(each["name"], each["type"], each["kind"]) for each in row["features"]),
        classes=params["classes"],
        numbers=params["numbers"],
        holdout_from=row["holdout_from"],
        artifact=row["artifact"],
        stored={key: row[key] for key in ("artifact_format", "artifact_sha256")},
        trusted=spec.trusted,
        categories=row["categories"],
    )
