"""The specification of one model: `config.meta.mlbridge` of its training node, checked when it is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, TypeVar

from mlbridge.typing import Document, Json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

TASKS = ("classification", "regression")
SPLIT_NAMES = ("train", "validation", "test", "score")
WINDOWS = ("day", "week", "month")
# The columns that are monitored besides the features, by their names in `ml_profiles` and `ml_drift`.
MONITORED_OUTPUTS = ("ml_prediction", "ml_target")
# Keys that do not influence what is trained: a change of one of them is no reason to train.
NON_TRAINING_KEYS = ("retrain", "shadow", "monitor", "pin", "retire", "report", "time_zone")
# Keys that a later mlbridge added enter the hash only if they are set, so that an update alone trains nothing.
HASHED_IF_SET = ("allow_leakage",)


Part = TypeVar("Part", bound="DataclassInstance")


@dataclass(frozen=True)
class Split:
    """How rows are split into train, validation and test.

    `by` is `time`, `hash`, or the name of a column that holds the split. `validation` and `test` are shares of the
    rows. `gap` is a duration before each cut-off whose rows are left out (split by time only). Rows with equal values
    of the column `group` stay together (split by hash only).
    """

    by: str = "time"
    validation: float = 0.15
    test: float = 0.15
    gap: str = "0 days"
    group: str | None = None


@dataclass(frozen=True)
class Promote:
    """What a challenger must show: a gain above `min_gain` (in the metric's unit) at this confidence.

    `block` is the unit of dependent rows: one of `mlbridge.evaluation.blocks.UNITS`, or a column name; None: it is
    chosen from the data.
    """

    confidence: float = 0.95
    min_gain: float = 0.0
    block: str | None = None


@dataclass(frozen=True)
class Retrain:
    """When to train again although nothing in the spec changed; a key that is None is not checked.

    Exceeding a limit `max_*` is a reason to train: the age of the newest training (a duration), the drift of the
    features (population stability index, weighted by importance), the loss of the champion's metric (in its unit).
    `min_new_labels` is a condition that must be met as well; if it is the only key, meeting it is the reason. During
    `cool_down` after a training nothing is a reason.
    """

    max_age: str | None = None
    max_drift: float | None = None
    max_decay: float | None = None
    min_new_labels: int | None = None
    cool_down: str = "7 days"


@dataclass(frozen=True)
class Monitor:
    """What is monitored: `window` is the period of each figure; metrics are also computed by value of each of `slices`.

    `thresholds` maps a metric to the value beyond which it alerts; `feature_thresholds` maps a feature (or one of
    `MONITORED_OUTPUTS`) to thresholds by drift metric.
    """

    window: str = "month"
    slices: tuple[str, ...] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    feature_thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Spec:
    """One model, as its owner wrote it, with defaults filled in.

    `entity` and `time` together identify a row. `label_time` is the column of the time at which the outcome became
    known; None: `time`. `features` None means all columns without another role, less `exclude`. `shadow`: the
    challenger scores beside the champion. `pin` fixes the version in use. `trusted` names types that artifacts may
    contain. The versions in `retire` neither score nor are compared. `allow_leakage` maps a column to the reason why it
    is no leak. `report` names the columns that `ml_scores_<model>` shows beside the key, `time_zone` the zone of its
    local date.
    """

    task: str
    target: str
    entity: tuple[str, ...]
    time: str
    label_time: str | None
    features: tuple[str, ...] | None
    exclude: tuple[str, ...]
    split: Split
    candidates: tuple[str, ...]
    metric: str
    promote: Promote
    retrain: Retrain
    shadow: bool
    monitor: Monitor
    pin: int | None
    trusted: tuple[str, ...]
    retire: tuple[int, ...] = ()
    allow_leakage: Mapping[str, str] = field(default_factory=dict)
    report: tuple[str, ...] = ()
    time_zone: str = "UTC"

    def as_dict(self) -> Document:
        """Return the spec as plain JSON types."""
        return asdict(self)

    def hash(self, candidates: Mapping[str, Json]) -> str:
        """Return the MD5 (hexadecimal) of everything that defines the training.

        `candidates` describes the user's own estimators by name, as `mlbridge.training.candidates.describe` does.
        """
        hashed = {
            key: value
            for key, value in self.as_dict().items()
            if key not in NON_TRAINING_KEYS and (value or key not in HASHED_IF_SET)
        }
        if self.promote.block is None:
            del hashed["promote"]["block"]
        document = json.dumps([hashed, candidates], sort_keys=True, default=str)
        return hashlib.md5(document.encode(), usedforsecurity=False).hexdigest()

    def role_columns(self) -> set[str]:
        """Return the columns with another role than feature: entity, time, target, label time, and split columns."""
        added = ("ml_split", "ml_split_definition")
        roles = {*self.entity, self.time, self.target, self.label_time, self.split.group, *added}
        if self.split.by not in ("time", "hash"):
            roles.add(self.split.by)
        return {role for role in roles if role is not None}

    def rules_out(self, name: str) -> bool:
        """Return whether the spec rules out a column as a feature; the column need not exist."""
        not_listed = self.features is not None and name not in self.features
        return not_listed or name in self.exclude or name in self.role_columns()


def stored_spec(stored: Mapping[str, Json]) -> Spec:
    """Rebuild a spec from the document that `as_dict` gave and the logbook stores; it is not checked again.

    Keys that this mlbridge does not know are ignored; keys that the document lacks get their defaults.
    """
    parts = {"split": Split, "promote": Promote, "retrain": Retrain, "monitor": Monitor}
    values: Document = {key: _construct(part, stored.get(key, {})) for key, part in parts.items()}
    nothing: Document = {"label_time": None, "features": None, "pin": None}
    absent: Document = {**nothing, "exclude": (), "trusted": (), "shadow": False}
    return Spec(**{**absent, **_known(Spec, stored), **values})


def _construct(part: type[Part], stored: Mapping[str, Json]) -> Part:
    return part(**_known(part, stored))


def _known(part: type[DataclassInstance], stored: Mapping[str, Json]) -> Document:
    names = {field.name for field in fields(part)}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in stored.items() if key in names}
