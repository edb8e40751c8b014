"""The specification of one model: `config.meta.mlbridge` of its training node, checked once at the border."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from mlbridge.checks import Checks
from mlbridge.errors import SpecError, listed

TASKS = ("classification", "regression")
SPLIT_WORDS = ("train", "validation", "test", "score")
WINDOWS = ("day", "week", "month")
CANDIDATES = {
    "classification": ("logistic_regression", "random_forest", "hist_gradient_boosting"),
    "regression": ("ridge", "random_forest", "hist_gradient_boosting"),
}
METRICS = {
    "classification": (
        "average_precision", "roc_auc", "log_loss", "brier", "accuracy", "precision", "recall", "f1",
    ),
    "regression": ("rmse", "mae", "r2", "median_absolute_error"),
}  # fmt: skip
DRIFT_METRICS = (
    "psi", "js_distance", "ks", "wasserstein", "chi_square", "null_share_change", "unseen_share",
    "association_change", "association_shift",
)  # fmt: skip
# What is watched beside the features, by the name that it has there.
WATCHED = ("ml_prediction", "ml_target")
# What a change of these means is a new decision about the same model, not another model.
NOT_TRAINING = ("retrain", "shadow", "monitor", "pin", "retire")
# What a later mlbridge added is hashed only where it is said, so that an update by itself trains nothing.
HASHED_IF_SAID = ("allow_leakage",)


@dataclass(frozen=True)
class Split:
    """How rows become train, validation and test: `by` time, hash, or a column that says it."""

    by: str = "time"
    validation: float = 0.15
    test: float = 0.15
    gap: str = "0 days"
    group: str | None = None


@dataclass(frozen=True)
class Promote:
    """What a challenger must show: a gain above `min_gain` (in the metric's unit) at this confidence.

    `block` says which rows belong together: one of `mlbridge.blocks.UNITS` or a column; None: chosen from the data.
    """

    confidence: float = 0.95
    min_gain: float = 0.0
    block: str | None = None


@dataclass(frozen=True)
class Retrain:
    """When to train again although nothing in the spec changed; None is no reason.

    The `max_*` are limits, each of which is a reason once exceeded: the age of the newest training, the drift of the
    features (population stability index, weighed by importance), what the champion's metric lost (in its own unit).
    `min_new_labels` must be reached as well; alone it is the reason. Within `cool_down` after a training none counts.
    """

    max_age: str | None = None
    max_drift: float | None = None
    max_decay: float | None = None
    min_new_labels: int | None = None
    cool_down: str = "7 days"


@dataclass(frozen=True)
class Monitor:
    """The window of the monitor's figures, the columns by whose values metrics are also given, and when to alert.

    `thresholds` are by metric, `feature_thresholds` by feature (or one of `WATCHED`) and then by drift metric.
    """

    window: str = "month"
    slices: tuple[str, ...] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    feature_thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Spec:
    """One model, as its owner wrote it, with defaults filled in.

    `entity` is the key of a row; `shadow` lets a challenger score beside the champion. `retire` are the versions that
    neither score nor are compared with; `allow_leakage` gives by column the reason why what looks like a leak is none.
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

    def as_dict(self) -> dict[str, Any]:
        """Give the spec as plain JSON types."""
        return asdict(self)

    def hash(self, candidates: Mapping[str, Any]) -> str:
        """Give the md5 of all that defines the training; `candidates` describes the estimators themselves."""
        said = {
            key: value
            for key, value in self.as_dict().items()
            if key not in NOT_TRAINING and (value or key not in HASHED_IF_SAID)
        }
        if self.promote.block is None:
            del said["promote"]["block"]
        document = json.dumps([said, candidates], sort_keys=True, default=str)
        return hashlib.md5(document.encode(), usedforsecurity=False).hexdigest()

    def not_features(self) -> set[str]:
        """Name the columns that say what a row is, when, and how it came out, and so are no features."""
        roles = {*self.entity, self.time, self.target, self.label_time, self.split.group, "ml_split"}
        if self.split.by not in ("time", "hash"):
            roles.add(self.split.by)
        return {role for role in roles if role is not None}

    def refuses(self, name: str) -> bool:
        """Say whether it does not want a column as a feature, there or not."""
        listed_out = self.features is not None and name not in self.features
        return listed_out or name in self.exclude or name in self.not_features()


KEYS = tuple(field.name for field in fields(Spec) if field.name != "exclude")


def read_spec(node: str, said: Any, own_candidates: Iterable[str] | None = ()) -> Spec:
    """Check what stands in YAML and fill in the defaults.

    `own_candidates` are the names of the pipelines that the node adds itself, None where only the training node
    knows them. Raises SpecError that names the node, the key, what was found, what is allowed and the nearest
    allowed word.
    """
    return _Reader(node, None if own_candidates is None else tuple(own_candidates)).spec(said)


def stored_spec(said: Mapping[str, Any]) -> Spec:
    """Build a spec again from what `as_dict` gave, as the logbook keeps it; it was checked before it was stored.

    What an older or newer mlbridge knew and this one does not is left out, and the other way round the default.
    """
    parts = {"split": Split, "promote": Promote, "retrain": Retrain, "monitor": Monitor}
    values: dict[str, Any] = {key: _construct(part, said.get(key, {})) for key, part in parts.items()}
    nothing: dict[str, Any] = {"label_time": None, "features": None, "pin": None}
    absent: dict[str, Any] = {**nothing, "exclude": (), "trusted": (), "shadow": False}
    return Spec(**{**absent, **_known(Spec, said), **values})


def _construct(part: Any, said: Mapping[str, Any]) -> Any:
    return part(**_known(part, said))


def _known(part: Any, said: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(part)}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in said.items() if key in names}


class _Reader(Checks):
    """Reads one spec, key by key."""

    def __init__(self, node: str, own: tuple[str, ...] | None) -> None:
        super().__init__(node)
        self.own = own

    def spec(self, said: Any) -> Spec:
        if not isinstance(said, Mapping):
            raise SpecError(
                f"{self.node}: found no `config: {{meta: {{mlbridge: ...}}}}` on this node. Write there at least "
                "task, target, entity and time."
            )
        self.known("", said, KEYS)
        for key in ("task", "target", "entity", "time"):
            if said.get(key) in (None, "", []):
                raise self.fail(key, f"is missing; found only {listed(said)}. Name it in the node's YAML.")
        task = self.word("task", said["task"], TASKS)
        features, exclude = self.features(said.get("features"))
        label_time = said.get("label_time")
        return Spec(
            task=task,
            target=self.column("target", said["target"]),
            entity=self.columns("entity", said["entity"]),
            time=self.column("time", said["time"]),
            label_time=None if label_time is None else self.column("label_time", label_time),
            features=features,
            exclude=exclude,
            split=self.split(said.get("split")),
            candidates=self.candidates(task, said.get("candidates")),
            metric=self.metric(task, said.get("metric")),
            promote=self.promote(said.get("promote")),
            retrain=self.retrain(said.get("retrain")),
            shadow=False if said.get("shadow") is None else self.flag("shadow", said["shadow"]),
            monitor=self.monitor(task, said.get("monitor")),
            pin=self.pin(said.get("pin")),
            trusted=self.columns("trusted", said.get("trusted"), "a type"),
            retire=self.versions("retire", said.get("retire"), said.get("pin")),
            allow_leakage=self.reasons("allow_leakage", said.get("allow_leakage")),
        )

    def features(self, found: Any) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
        if isinstance(found, Mapping):
            said = self.known("features", found, ("exclude",))
            return None, self.columns("features.exclude", said.get("exclude"))
        return (None if found is None else self.columns("features", found)), ()

    def split(self, found: Any) -> Split:
        said = {**asdict(Split()), **self.known("split", found, asdict(Split()))}
        by = self.column("split.by", said["by"])
        gap = self.duration("split.gap", said["gap"])
        if by != "time" and not gap.startswith("0 "):
            raise self.fail("split.gap", f"a gap needs `by: time`, found `by: {by}`. Drop the gap.")
        if by != "hash" and said["group"] is not None:
            raise self.fail("split.group", f"a group needs `by: hash`, found `by: {by}`. Drop the group.")
        validation = self.share("split.validation", said["validation"])
        test = self.share("split.test", said["test"])
        if validation + test >= 1:
            raise self.fail(
                "split", f"validation {validation:g} and test {test:g} leave no rows to train on. Make them smaller."
            )
        group = None if said["group"] is None else self.column("split.group", said["group"])
        return Split(by=by, validation=validation, test=test, gap=gap, group=group)

    def candidates(self, task: str, found: Any) -> tuple[str, ...]:
        stock = CANDIDATES[task]
        names = stock if found is None else self.columns("candidates", found, "a candidate")
        if self.own is None:
            return names
        for name in self.own:
            if name in stock:
                raise self.fail("candidates", f"{name!r} is a stock candidate's name; call your own otherwise.")
        for name in names:
            self.word("candidates", name, (*stock, *self.own))
        every = tuple(dict.fromkeys((*names, *self.own)))
        if not every:
            raise self.fail("candidates", f"is empty. Name one of {listed(stock)}, or add your own.")
        return every

    def metric(self, task: str, found: Any) -> str:
        return METRICS[task][0] if found is None else self.word("metric", found, METRICS[task])

    def promote(self, found: Any) -> Promote:
        said = {**asdict(Promote()), **self.known("promote", found, asdict(Promote()))}
        return Promote(
            confidence=self.share("promote.confidence", said["confidence"], above=0.5),
            min_gain=self.gain("promote.min_gain", said["min_gain"]),
            block=None if said["block"] is None else self.column("promote.block", said["block"]),
        )

    def gain(self, key: str, found: Any) -> float:
        return self.number(key, found, "a number from 0 on, in the metric's unit", lambda number: number >= 0)

    def retrain(self, found: Any) -> Retrain:
        said = {
            key: value for key, value in self.known("retrain", found, asdict(Retrain())).items() if value is not None
        }
        read: dict[str, Callable[[str, Any], Any]] = {
            "max_age": self.duration,
            "max_drift": lambda key, value: self.number(key, value, "a number above 0", lambda number: number > 0),
            "max_decay": self.gain,
            "min_new_labels": lambda key, value: self.whole(key, value, "a whole number from 1 on"),
            "cool_down": self.duration,
        }
        return Retrain(**{key: read[key](f"retrain.{key}", value) for key, value in said.items()})

    def monitor(self, task: str, found: Any) -> Monitor:
        said = {**asdict(Monitor()), **self.known("monitor", found, asdict(Monitor()))}
        by_feature = said["feature_thresholds"]
        if by_feature is not None and not isinstance(by_feature, Mapping):
            raise self.fail(
                "monitor.feature_thresholds", f"expected thresholds by the name of a feature, found {by_feature!r}."
            )
        return Monitor(
            window=self.word("monitor.window", said["window"], WINDOWS),
            slices=self.columns("monitor.slices", said["slices"]),
            thresholds=self.thresholds("monitor.thresholds", said["thresholds"], METRICS[task]),
            feature_thresholds={
                self.column("monitor.feature_thresholds", name, "a feature"): self.thresholds(
                    f"monitor.feature_thresholds.{name}", thresholds
                )
                for name, thresholds in (by_feature or {}).items()
            },
        )

    def thresholds(self, path: str, found: Any, metrics: tuple[str, ...] = ()) -> dict[str, float]:
        """Read one number by metric; a drift metric is a distance, which is never negative."""
        read = {}
        for metric, value in self.known(path, found, (*DRIFT_METRICS, *metrics)).items():
            if metric in DRIFT_METRICS:
                read[metric] = self.number(f"{path}.{metric}", value, "a number from 0 on", lambda number: number >= 0)
            else:
                read[metric] = self.number(f"{path}.{metric}", value, "a number")
        return read

    def pin(self, found: Any) -> int | None:
        return None if found is None else self.whole("pin", found, "the number of a version in ml_versions")
