"""The specification of one model: `config.meta.mlbridge` of its training node, checked once at the border."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from mlbridge.errors import SpecError, listed, nearest

TASKS = ("classification", "regression")
SPLIT_WORDS = ("train", "validation", "test", "score")
WINDOWS = ("day", "week", "month")
DURATION = re.compile(r"^(\d+) (minute|hour|day|week)s?$")
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
# What a change of these means is a new decision about the same model, not another model.
NOT_TRAINING = ("retrain", "monitor", "pin")


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
    """What a challenger must show: a gain above `min_gain` (in the metric's unit) at this confidence."""

    confidence: float = 0.95
    min_gain: float = 0.0


@dataclass(frozen=True)
class Retrain:
    """When to train again although nothing in the spec changed; none of it is acted upon yet."""

    max_age: str | None = None
    max_drift: float | None = None
    max_decay: float | None = None
    min_new_labels: int | None = None


@dataclass(frozen=True)
class Monitor:
    """The window of the monitor's figures, and the columns by whose values metrics are also given."""

    window: str = "month"
    slices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Spec:
    """One model, as its owner wrote it, with defaults filled in. `entity` is the key of a row."""

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
    monitor: Monitor
    pin: int | None
    trusted: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Give the spec as plain JSON types."""
        return asdict(self)

    def hash(self, candidates: Mapping[str, Any]) -> str:
        """Give the md5 of all that defines the training; `candidates` describes the estimators themselves."""
        said = {key: value for key, value in self.as_dict().items() if key not in NOT_TRAINING}
        document = json.dumps([said, candidates], sort_keys=True, default=str)
        return hashlib.md5(document.encode(), usedforsecurity=False).hexdigest()

    def not_features(self) -> set[str]:
        """Name the columns that say what a row is, when, and how it came out, and so are no features."""
        roles = {*self.entity, self.time, self.target, self.label_time, self.split.group, "ml_split"}
        if self.split.by not in ("time", "hash"):
            roles.add(self.split.by)
        return {role for role in roles if role is not None}


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
    absent: dict[str, Any] = {"label_time": None, "features": None, "exclude": (), "pin": None, "trusted": ()}
    return Spec(**{**absent, **_known(Spec, said), **values})


def _construct(part: Any, said: Mapping[str, Any]) -> Any:
    return part(**_known(part, said))


def _known(part: Any, said: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(part)}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in said.items() if key in names}


class _Reader:
    """Reads one spec; holds the node's name for the messages."""

    def __init__(self, node: str, own: tuple[str, ...] | None) -> None:
        self.node = node
        self.own = own

    def fail(self, key: str, problem: str) -> SpecError:
        return SpecError(f"{self.node}: `mlbridge.{key}`: {problem}")

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
            monitor=self.monitor(said.get("monitor")),
            pin=self.pin(said.get("pin")),
            trusted=self.columns("trusted", said.get("trusted"), "a type"),
        )

    def known(self, path: str, said: Any, allowed: Iterable[str]) -> Mapping[str, Any]:
        if said is None:
            return {}
        if not isinstance(said, Mapping):
            raise self.fail(path, f"expected keys among {listed(allowed)}, found {said!r}.")
        for key in said:
            if key not in allowed:
                name = f"{path}.{key}" if path else str(key)
                raise self.fail(name, f"unknown key.{nearest(key, allowed)} Allowed: {listed(allowed)}.")
        return said

    def word(self, key: str, found: Any, allowed: Iterable[str]) -> str:
        if found not in allowed:
            hint = nearest(found, allowed)
            raise self.fail(key, f"found {found!r}.{hint} Allowed: {listed(allowed)}.")
        return str(found)

    def column(self, key: str, found: Any, what: str = "a column") -> str:
        if not isinstance(found, str) or not found:
            raise self.fail(key, f"expected the name of {what}, found {found!r}.")
        return found

    def columns(self, key: str, found: Any, what: str = "a column") -> tuple[str, ...]:
        if found is None:
            return ()
        names = (found,) if isinstance(found, str) else found
        if not isinstance(names, (list, tuple)):
            raise self.fail(key, f"expected the name of {what} or a list of such, found {found!r}.")
        if len(set(map(str, names))) < len(names):
            raise self.fail(key, f"names something twice: {listed(names)}.")
        return tuple(self.column(key, name, what) for name in names)

    def share(self, key: str, found: Any, above: float = 0.0) -> float:
        if isinstance(found, bool) or not isinstance(found, (int, float)) or not above < found < 1:
            raise self.fail(key, f"expected a number between {above:g} and 1, found {found!r}.")
        return float(found)

    def gain(self, key: str, found: Any) -> float:
        if isinstance(found, bool) or not isinstance(found, (int, float)) or not 0 <= found < math.inf:
            raise self.fail(key, f"expected a number from 0 on, in the metric's unit, found {found!r}.")
        return float(found)

    def features(self, found: Any) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
        if isinstance(found, Mapping):
            said = self.known("features", found, ("exclude",))
            return None, self.columns("features.exclude", said.get("exclude"))
        return (None if found is None else self.columns("features", found)), ()

    def split(self, found: Any) -> Split:
        said = {**asdict(Split()), **self.known("split", found, asdict(Split()))}
        by = self.column("split.by", said["by"])
        gap = str(said["gap"])
        if not DURATION.match(gap):
            raise self.fail("split.gap", f"expected e.g. '7 days' (minutes, hours, days or weeks), found {gap!r}.")
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
        )

    def retrain(self, found: Any) -> Retrain:
        for key, value in self.known("retrain", found, asdict(Retrain())).items():
            if value is not None:
                raise self.fail(f"retrain.{key}", "this version trains again on request only; leave it null.")
        return Retrain()

    def monitor(self, found: Any) -> Monitor:
        said = {**asdict(Monitor()), **self.known("monitor", found, asdict(Monitor()))}
        window = self.word("monitor.window", said["window"], WINDOWS)
        return Monitor(window=window, slices=self.columns("monitor.slices", said["slices"]))

    def pin(self, found: Any) -> int | None:
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int) or found < 1:
            raise self.fail("pin", f"expected the number of a version in ml_versions, found {found!r}.")
        return int(found)
