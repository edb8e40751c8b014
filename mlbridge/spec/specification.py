"""The specification of one model: `config.meta.mlbridge` of its training node, checked when it is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Annotated, TypeVar

from mlbridge.typing import Document, Json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

TASKS = ("classification", "regression")
SPLIT_NAMES = ("train", "validation", "test", "score")
WINDOWS = ("day", "week", "month")
SAMPLED_BY = ("entity", "row")
# The columns that are monitored besides the features, by their names in `ml_profiles` and `ml_drift`.
MONITORED_OUTPUTS = ("ml_prediction", "ml_target")
# Fewer rows say too little about a version, and holding all of so few costs nothing.
LEAST_SAMPLE = 1_000
# Keys that do not influence what is trained: a change of one of them is no reason to train.
NON_TRAINING_KEYS = ("retrain", "shadow", "canary", "monitor", "pin", "retire", "report", "time_zone")
# Keys that a later mlbridge added enter the hash only if they are set, so that an update alone trains nothing.
HASHED_IF_SET = ("allow_leakage", "allow_pii")


Part = TypeVar("Part", bound="DataclassInstance")


@dataclass(frozen=True)
class Split:
    """How rows are split into train, validation and test."""

    by: Annotated[
        str,
        "`time`; `hash`, of the entity or of `group`; or the name of a column that says `train`, `validation`, `test` "
        "or `score`",
    ] = "time"
    validation: Annotated[float, "the share of the rows on which candidates are compared"] = 0.15
    test: Annotated[float, "the share of the rows on which the chosen candidate is evaluated and tested"] = 0.15
    gap: Annotated[str, "how long before each cut-off rows are left out, such as `7 days`; by `time` only"] = "0 days"
    group: Annotated[str | None, "a column whose rows with equal values stay together; by `hash` only"] = None


@dataclass(frozen=True)
class Promote:
    """What a challenger must show against the champion on the same rows."""

    confidence: Annotated[float, "at which confidence the gain must be above `min_gain`"] = 0.95
    min_gain: Annotated[float, "the least gain, in the metric's unit"] = 0.0
    block: Annotated[
        str | None,
        "which rows [belong together](docs/train.md#blocks): `row`, a period (`hour`, `day`, `week`, `month`), "
        "`entity`, or a column; without it, that is chosen from the data",
    ] = None


@dataclass(frozen=True)
class Retrain:
    """When to train again although nothing in the spec changed; a key that is None is not checked.

    Exceeding a limit `max_*` is a reason to train. `min_new_labels` is a condition that must be met as well; if it is
    the only key, meeting it is the reason. During `cool_down` after a training nothing is a reason.
    """

    max_age: Annotated[str | None, "the greatest age of the newest training, such as `90 days`"] = None
    max_drift: Annotated[
        float | None,
        "the greatest drift of the features since the training: population stability index, weighted by importance; "
        "for example 0.3",
    ] = None
    max_decay: Annotated[
        float | None, "the greatest loss of the champion's metric on newer rows, in the metric's unit; for example 0.02"
    ] = None
    min_new_labels: Annotated[
        int | None,
        "how many outcomes must have become known since the training before one of the limits counts; alone, it is a "
        "reason itself",
    ] = None
    cool_down: Annotated[str, "how long after a training nothing is a reason"] = "7 days"


@dataclass(frozen=True)
class Monitor:
    """What is monitored, by which window, and beyond which values it alerts."""

    window: Annotated[str, "the period of each figure: `day`, `week` (from Monday) or `month`"] = "month"
    slices: Annotated[
        tuple[str, ...],
        "columns by whose values metrics are given as well (a value of more than 200 characters by its first 160 and "
        "its MD5)",
    ] = ()
    thresholds: Annotated[
        Mapping[str, float], "[thresholds](docs/monitor.md) of your own, by performance metric or drift metric"
    ] = field(default_factory=dict)
    feature_thresholds: Annotated[
        Mapping[str, Mapping[str, float]],
        "the same for one feature, or for `ml_prediction` or `ml_target`: by name, then by drift metric",
    ] = field(default_factory=dict)


@dataclass(frozen=True)
class RowSample:
    """Which of the labelled rows are held in memory: those whose key has a low hash; all if `rows` is None."""

    rows: Annotated[
        int | None,
        "about how many labelled rows are held in memory, as a "
        "[sample](docs/train.md#more-rows-than-memory-holds); without it, all are",
    ] = None
    by: Annotated[str, "`entity`: all rows of an entity or none; `row`: each row by itself"] = "entity"


@dataclass(frozen=True)
class Spec:
    """One model, as its owner wrote it, with defaults filled in. What a key means stands beside its type.

    `exclude` is no key: it is what `features: {exclude: ...}` names. `features` None means all columns without another
    role, less `exclude`.
    """

    task: Annotated[str, "`classification` or `regression`"]
    target: Annotated[str, "the column to predict; NULL where the outcome is not known yet"]
    entity: Annotated[tuple[str, ...], "the key of what is predicted about; with `time`, the key of a row"]
    time: Annotated[str, "the column with the moment at which the prediction is made (UTC)"]
    label_time: Annotated[
        str | None,
        "the column with the moment at which the outcome is known (UTC), NULL if it is not yet; without it, outcomes "
        "count as known at `time`",
    ]
    features: Annotated[
        tuple[str, ...] | None,
        "the columns that the model may use, or `{exclude: [...]}`; without it, every column that has no other role",
    ]
    exclude: tuple[str, ...]
    split: Split
    candidates: Annotated[
        tuple[str, ...],
        "[stock candidates](docs/train.md#candidates); your own are passed as "
        '`mlbridge.train(..., candidates={"mine": pipeline})`',
    ]
    metric: Annotated[str, "what candidates are chosen and promoted by: one of [these](docs/train.md#figures)"]
    promote: Promote
    retrain: Retrain
    shadow: Annotated[
        bool,
        "also score with the challenger, the newest version that is not in use; `ml_performance` shows both",
    ]
    canary: Annotated[
        float,
        "the share of the entities that the challenger answers in "
        "[`mlbridge serve`](docs/serve.md#the-challenger-beside-it), such as 0.1",
    ]
    monitor: Monitor
    pin: Annotated[
        int | None,
        "the version that scores, whatever was promoted since; this is how to roll back, with a reviewed commit",
    ]
    trusted: Annotated[tuple[str, ...], "types that a stored model of your own may hold beyond the closed list"]
    retire: Annotated[
        tuple[int, ...],
        "versions that are taken [out of scoring and of every comparison](docs/register.md#versions-taken-out)",
    ] = ()
    allow_leakage: Annotated[
        Mapping[str, str],
        "columns that only [look like a leak](docs/train.md#leaks), each with the reason why it is none",
    ] = field(default_factory=dict)
    allow_pii: Annotated[
        Mapping[str, str],
        "features that come from [personal data](docs/train.md#personal-data), each with the reason why it may be used",
    ] = field(default_factory=dict)
    report: Annotated[
        tuple[str, ...],
        "columns of the features that `ml_scores_<model>` shows beside the key, such as `[country, plan]`",
    ] = ()
    time_zone: Annotated[str, "the zone of `local_date` in `ml_scores_<model>`, such as `Europe/Amsterdam`"] = "UTC"
    sample: RowSample = field(default_factory=RowSample)

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
        if self.sample.rows is None:
            del hashed["sample"]
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
    parts = {"split": Split, "promote": Promote, "retrain": Retrain, "monitor": Monitor, "sample": RowSample}
    values: Document = {key: _construct(part, stored.get(key, {})) for key, part in parts.items()}
    nothing: Document = {"label_time": None, "features": None, "pin": None}
    absent: Document = {**nothing, "exclude": (), "trusted": (), "shadow": False, "canary": 0.0}
    return Spec(**{**absent, **_known(Spec, stored), **values})


def _construct(part: type[Part], stored: Mapping[str, Json]) -> Part:
    return part(**_known(part, stored))


def _known(part: type[DataclassInstance], stored: Mapping[str, Json]) -> Document:
    names = {field.name for field in fields(part)}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in stored.items() if key in names}
