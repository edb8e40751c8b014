"""Reads a spec from a node's YAML: checks every key, and fills in defaults for keys that are not set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, fields

from mlbridge.catalogue.candidates import candidates_for, default_candidates, trusted_with
from mlbridge.catalogue.drift import DRIFT_METRICS
from mlbridge.catalogue.metrics import default_metric, metrics_for
from mlbridge.errors import SpecError, listed, shown
from mlbridge.spec.checks import Checks
from mlbridge.spec.specification import (
    LEAST_SAMPLE,
    SAMPLED_BY,
    TASKS,
    WINDOWS,
    Monitor,
    Promote,
    Retrain,
    RowSample,
    Spec,
    Split,
)
from mlbridge.typing import Json

KEYS = tuple(field.name for field in fields(Spec) if field.name != "exclude")


def read_spec(node: str, raw: object, own_candidates: Iterable[str] | None = ()) -> Spec:
    """Check the spec of a model and fill in the defaults.

    `raw` is `config.meta.mlbridge` of the training node. `own_candidates` are the names of the pipelines that the
    training node adds; None if the caller does not know them, and then the names of candidates are not checked. Raises
    SpecError with the node, the key, the value found, the allowed values and the most similar one.
    """
    return _Reader(node, None if own_candidates is None else tuple(own_candidates)).spec(raw)


class _Reader(Checks):
    """Reads one spec, key by key."""

    def __init__(self, node: str, own: tuple[str, ...] | None) -> None:
        super().__init__(node)
        self.own = own

    def spec(self, raw: object) -> Spec:
        if not isinstance(raw, Mapping):
            raise SpecError(
                f"{self.node}: found no `config: {{meta: {{mlbridge: ...}}}}` on a node of this name. Write there at "
                "least task, target, entity and time."
            )
        self.mapping("", raw, KEYS)
        for key in ("task", "target", "entity", "time"):
            if key not in raw:
                raise self.fail(key, f"is missing; found only {listed(raw)}. Name it in the node's YAML.")
            if raw[key] in (None, "", []):
                raise self.fail(key, "is empty. Say in the node's YAML what it is.")
        task = self.one_of("task", raw["task"], TASKS)
        features, exclude = self.features(raw.get("features"))
        label_time, time_zone = raw.get("label_time"), raw.get("time_zone")
        candidates = self.candidates(task, raw.get("candidates"))
        trusted = self.columns("trusted", raw.get("trusted"), "a type")
        return Spec(
            task=task,
            target=self.column("target", raw["target"]),
            entity=self.columns("entity", raw["entity"]),
            time=self.column("time", raw["time"]),
            label_time=None if label_time is None else self.column("label_time", label_time),
            features=features,
            exclude=exclude,
            split=self.split(raw.get("split")),
            candidates=candidates,
            metric=self.metric(task, raw.get("metric")),
            promote=self.promote(raw.get("promote")),
            retrain=self.retrain(raw.get("retrain")),
            shadow=False if raw.get("shadow") is None else self.boolean("shadow", raw["shadow"]),
            canary=0.0 if raw.get("canary") is None else self.fraction("canary", raw["canary"]),
            monitor=self.monitor(task, raw.get("monitor")),
            pin=self.pin(raw.get("pin")),
            trusted=tuple(dict.fromkeys((*trusted, *trusted_with(candidates)))),
            retire=self.versions("retire", raw.get("retire"), raw.get("pin")),
            allow_leakage=self.reasons("allow_leakage", raw.get("allow_leakage")),
            allow_pii=self.reasons("allow_pii", raw.get("allow_pii")),
            report=self.columns("report", raw.get("report")),
            time_zone="UTC" if time_zone is None else self.column("time_zone", time_zone, "a time zone"),
            sample=self.sample(raw.get("sample")),
        )

    def features(self, found: object) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
        if isinstance(found, Mapping):
            keys = self.mapping("features", found, ("exclude",))
            return None, self.columns("features.exclude", keys.get("exclude"))
        return (None if found is None else self.columns("features", found)), ()

    def split(self, found: object) -> Split:
        merged = {**asdict(Split()), **self.mapping("split", found, asdict(Split()))}
        by = self.column("split.by", merged["by"], words="'time', 'hash' or ")
        gap = self.duration("split.gap", merged["gap"])
        if by != "time" and not gap.startswith("0 "):
            raise self.fail("split.gap", f"a gap needs `by: time`, found `by: {by}`. Drop the gap.")
        if by != "hash" and merged["group"] is not None:
            raise self.fail("split.group", f"a group needs `by: hash`, found `by: {by}`. Drop the group.")
        validation = self.fraction("split.validation", merged["validation"])
        test = self.fraction("split.test", merged["test"])
        if validation + test >= 1:
            raise self.fail(
                "split", f"validation {validation:g} and test {test:g} leave no rows to train on. Make them smaller."
            )
        group = None if merged["group"] is None else self.column("split.group", merged["group"])
        return Split(by=by, validation=validation, test=test, gap=gap, group=group)

    def candidates(self, task: str, found: object) -> tuple[str, ...]:
        stock = candidates_for(task)
        names = default_candidates(task) if found is None else self.columns("candidates", found, "a candidate")
        if self.own is None:
            return names
        for name in self.own:
            if name in stock:
                raise self.fail("candidates", f"{name!r} is a stock candidate's name; choose another for your own.")
        for name in names:
            self.one_of("candidates", name, (*stock, *self.own))
        every = tuple(dict.fromkeys((*names, *self.own)))
        if not every:
            raise self.fail("candidates", f"is empty. Name one of {listed(stock)}, or add your own.")
        return every

    def metric(self, task: str, found: object) -> str:
        return default_metric(task) if found is None else self.one_of("metric", found, metrics_for(task))

    def promote(self, found: object) -> Promote:
        merged = {**asdict(Promote()), **self.mapping("promote", found, asdict(Promote()))}
        return Promote(
            confidence=self.fraction("promote.confidence", merged["confidence"], above=0.5),
            min_gain=self.gain("promote.min_gain", merged["min_gain"]),
            block=None if merged["block"] is None else self.column("promote.block", merged["block"]),
        )

    def gain(self, key: str, found: object) -> float:
        return self.number(key, found, "a number from 0 on, in the metric's unit", lambda number: number >= 0)

    def retrain(self, found: object) -> Retrain:
        given = {
            key: value for key, value in self.mapping("retrain", found, asdict(Retrain())).items() if value is not None
        }
        read: dict[str, Callable[[str, Json], Json]] = {
            "max_age": self.duration,
            "max_drift": lambda key, value: self.number(key, value, "a number above 0", lambda number: number > 0),
            "max_decay": self.gain,
            "min_new_labels": lambda key, value: self.positive_integer(key, value, "a whole number from 1 on"),
            "cool_down": self.duration,
        }
        return Retrain(**{key: read[key](f"retrain.{key}", value) for key, value in given.items()})

    def monitor(self, task: str, found: object) -> Monitor:
        merged = {**asdict(Monitor()), **self.mapping("monitor", found, asdict(Monitor()))}
        by_feature = merged["feature_thresholds"]
        if by_feature is not None and not isinstance(by_feature, Mapping):
            raise self.fail(
                "monitor.feature_thresholds",
                f"expected a mapping from feature names to thresholds, found {shown(by_feature)}.",
            )
        return Monitor(
            window=self.one_of("monitor.window", merged["window"], WINDOWS),
            slices=self.columns("monitor.slices", merged["slices"]),
            thresholds=self.thresholds("monitor.thresholds", merged["thresholds"], metrics_for(task)),
            feature_thresholds={
                self.column("monitor.feature_thresholds", name, "a feature"): self.thresholds(
                    f"monitor.feature_thresholds.{name}", thresholds
                )
                for name, thresholds in (by_feature or {}).items()
            },
        )

    def thresholds(self, path: str, found: object, metrics: tuple[str, ...] = ()) -> dict[str, float]:
        """Read a mapping from metrics to thresholds; that of a drift metric must not be negative."""
        read = {}
        for metric, value in self.mapping(path, found, (*DRIFT_METRICS, *metrics)).items():
            if metric in DRIFT_METRICS:
                read[metric] = self.number(f"{path}.{metric}", value, "a number from 0 on", lambda number: number >= 0)
            else:
                read[metric] = self.number(f"{path}.{metric}", value, "a number")
        return read

    def sample(self, found: object) -> RowSample:
        merged = {**asdict(RowSample()), **self.mapping("sample", found, asdict(RowSample()))}
        wanted = f"a whole number from {LEAST_SAMPLE} on"
        rows = None if merged["rows"] is None else self.positive_integer("sample.rows", merged["rows"], wanted)
        if rows is not None and rows < LEAST_SAMPLE:
            raise self.fail("sample.rows", f"expected {wanted}, found {rows}.")
        return RowSample(rows, self.one_of("sample.by", merged["by"], SAMPLED_BY))

    def pin(self, found: object) -> int | None:
        return None if found is None else self.positive_integer("pin", found, "the number of a version in ml_versions")
