"""A version read from the logbook, for scoring and for comparison with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mlbridge.catalogue.candidates import trusted_with
from mlbridge.errors import ScoringError, listed
from mlbridge.features.columns import Feature
from mlbridge.registry.artifacts import Artifact, check, load
from mlbridge.registry.changes import feature_changes
from mlbridge.registry.logbook import CandidateRow, with_deferred
from mlbridge.spec.specification import Spec, stored_spec
from mlbridge.training.fitting import scores_of
from mlbridge.typing import Floats

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.base import BaseEstimator
    from sqlglot import exp

    from mlbridge.engines.warehouse import Warehouse


@dataclass(frozen=True)
class Version:
    """A trained version, read from the logbook.

    `classes` are texts in the order of the scores' columns, None for a regression; `numbers` are the same classes as
    numbers, None if they are texts. `as_of` (UTC) is the clock of the build that trained it. `holdout_from` (UTC) is
    the prediction time of the first test row if all test rows are later than the training and validation rows, else
    None; rows from then on are unseen by the version. `categories` are the texts of the training rows by feature, None
    for a version of an mlbridge that did not store them.
    """

    node: str
    number: int
    as_of: datetime
    spec: Spec
    features: tuple[Feature, ...]
    classes: tuple[str, ...] | None
    numbers: tuple[float, ...] | None
    holdout_from: datetime | None
    artifact: Artifact
    trusted: tuple[str, ...]
    categories: Mapping[str, Sequence[str]] | None = None

    @cached_property
    def estimator(self) -> BaseEstimator:
        """Build the fitted estimator; raises ArtifactError when it is damaged or holds a type that is not trusted."""
        what = f"{self.node}: the artifact of version {self.number}"
        return load(what, check(what, self.artifact), self.trusted)

    def same_question(self, spec: Spec) -> bool:
        """Return whether task, target, entity and time column are the same as in today's spec.

        `same_question` in `macros/score/waiting.sql` also requires the same split.
        """
        mine = self.spec
        return (mine.task, mine.target, mine.entity, mine.time) == (spec.task, spec.target, spec.entity, spec.time)

    def schema_difference(self, columns: Mapping[str, str]) -> str | None:
        """Describe the needed columns that are gone or changed their type since training; None if there are none.

        `schema_problem` in `macros/score/checks.sql` says the same.
        """
        keys = [*self.spec.entity, self.spec.time, self.spec.target]
        gone = [name for name in keys if name not in columns]
        if gone:
            return f"{listed(gone)}, which its spec names as entity, time or target, is gone from the split"
        before = {feature.name: feature.type for feature in self.features}
        return feature_changes(before, {name: columns[name] for name in before if name in columns}) or None

    def excluded_features(self, spec: Spec, columns: Mapping[str, str]) -> list[str]:
        """Return the version's features that exist in the split but are excluded by today's spec."""
        return [each.name for each in self.features if each.name in columns and spec.rules_out(each.name)]

    def scores(self, features: pd.DataFrame) -> Floats:
        """Score rows; raises ScoringError for an infinite feature, and for any error of the estimator."""
        infinite = [
            str(name) for name, values in features.items() if values.dtype.kind == "f" and np.isinf(values).any()
        ]
        if infinite:
            raise ScoringError(
                f"{self.node}: version {self.number} cannot score: the feature {listed(infinite)} is infinite in "
                "some rows; an unknown value should be NULL. Correct it in the features node."
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
    node: str, warehouse: Warehouse, logbook: exp.Expression, row: CandidateRow, trusted: Iterable[str]
) -> Version:
    """Read the artifact of a logbook row, which is not deserialized before `estimator` is used."""
    return version_of(node, with_deferred(warehouse, logbook, row, "artifact", "categories"), trusted)


def version_of(node: str, row: CandidateRow, trusted: Iterable[str]) -> Version:
    """Return the version of a logbook row with its artifact; the row need not be stored yet."""
    classes, numbers = row.params["classes"], row.params["numbers"]
    return Version(
        node=node,
        number=row.version,
        as_of=row.as_of,
        spec=stored_spec(row.spec),
        features=tuple(Feature(each["name"], each["type"], each["kind"]) for each in row.features),
        classes=None if classes is None else tuple(classes),
        numbers=None if numbers is None else tuple(numbers),
        holdout_from=row.holdout_from,
        artifact=Artifact(row.artifact, row.artifact_format, row.artifact_sha256),
        # A stock candidate's types stay trusted when the spec names other candidates.
        trusted=(*trusted, *trusted_with([row.candidate])),
        categories=row.categories,
    )
