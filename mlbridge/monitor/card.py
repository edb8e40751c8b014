"""The model card of a version, with the sections of Mitchell et al., *Model Cards for Model Reporting* (2019)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlbridge.monitor.cardtables import calibration, figures, importances, slices
from mlbridge.monitor.changes import are_parts, parts_of, said
from mlbridge.monitor.markdown import count, moment, number, text
from mlbridge.monitor.models import checked_version, facts
from mlbridge.monitor.plain import document, records
from mlbridge.monitor.source import Build, State
from mlbridge.monitor.versions import METRIC_PLACES
from mlbridge.spec import Spec, stored_spec

VERSION = """
select
    v.candidate, v.outcome, v.reason, v.trained_at, v.as_of, v.spec, v.features, v.params, v.calibration, v.decision,
    v.rows_train, v.rows_validation, v.rows_test, v.train_from, v.train_to, v.holdout_from, v.data_hash,
    v.artifact_format, v.artifact_sha256, v.fit_seconds, v.library_versions, c.version as in_use, c.pinned
from ml_versions as v
left join ml_champions as c on v.model = c.model and v.version = c.version
where v.model = :model and v.version = :version and v.outcome <> 'runner_up'
"""
METRICS = """
select split, slice, metric, value, low, high, n, baseline
from ml_metrics
where model = :model and version = :version and candidate = :candidate
"""
IMPORTANCES = "select feature, mean, std, n from ml_importances where model = :model and version = :version"
DESCRIPTION = "select description from ml_nodes where name = :name and kind = 'model'"
MEANS = {
    "average_precision": "precision averaged over all recalls; without a model it is the share of positives",
    "roc_auc": "the chance that a positive gets a higher score than a negative; 0.5 is no skill",
    "log_loss": "the mean negative logarithm of the probability that the outcome had",
    "brier": "the mean squared distance of probability and outcome",
    "accuracy": "the share of rows whose class is predicted right",
    "precision": "the share of the predicted positives that are positive",
    "recall": "the share of the positives that are predicted as such",
    "f1": "the harmonic mean of precision and recall",
    "rmse": "the root of the mean squared error, in the unit of the target",
    "mae": "the mean absolute error, in the unit of the target",
    "r2": "the share of the target's variance that is explained; 0 is no better than the mean",
    "median_absolute_error": "the error that half of the rows stay within, in the unit of the target",
}


@dataclass(frozen=True)
class Facts:
    """What a card is written from: a version's row and documents, its figures, and where they were read."""

    model: str
    version: int
    build: Build
    row: Mapping[str, Any]
    spec: Spec
    classes: list[str] | None
    positive: str | None
    greater: bool
    description: str
    metrics: list[dict[str, Any]]
    importances: list[dict[str, Any]]

    def document(self, column: str) -> Any:
        """Read a JSON document of the version; a NULL is an empty one."""
        return document(self.row[column])


def card(state: State, model: str, version: int) -> str:
    """Write the model card of a version as Markdown.

    Figures are those of the training, on rows that the fit never saw, with 95 % intervals, rows and the naive
    baseline; what the tables cannot know is said to be not measured. Whatever stands in names and data is only text.
    """
    checked_version(state, model, version)
    found = _facts(state, model, int(version))
    body = (f"## {title}\n\n{write(found)}" for title, write in SECTIONS.items())
    return "\n\n".join([f"# Model card: {text(model)}, version {found.version}", _status(found), *body]) + "\n"


def _facts(state: State, model: str, version: int) -> Facts:
    which = {"model": model, "version": version}
    (row,) = records(state.ask(VERSION, **which))
    known = facts(document(row["spec"]), document(row["params"]))
    metrics = state.ask(METRICS, **which, candidate=row["candidate"])
    metrics = metrics.assign(place=metrics["metric"].map(METRIC_PLACES)).sort_values("place", kind="stable")
    described = state.ask(DESCRIPTION, name=f"{model}_features")["description"].fillna("")
    return Facts(
        model=model,
        version=version,
        build=state.build,
        row=row,
        spec=stored_spec(document(row["spec"])),
        classes=known["classes"],
        positive=known["positive"],
        greater=known["greater_is_better"],
        description="".join(described.head(1)),
        metrics=records(metrics),
        importances=records(state.ask(IMPORTANCES, **which)),
    )


def _status(found: Facts) -> str:
    used = "in use, pinned by the spec" if found.row["pinned"] else "in use"
    status = {
        "promoted": "not in use any more",
        "rejected": "not in use: it was not promoted",
        "withheld": "not in use: something looks like a leak",
    }[found.row["outcome"]]
    is_used = found.row["in_use"] == found.version
    build = f"the build published {moment(found.build.published_at)} UTC"
    return f"**{used if is_used else status}** as of {moment(found.build.as_of)} UTC, by {build}."


def _details(found: Facts) -> str:
    row, params = found.row, found.document("params")
    *before, last = _steps(params["estimator"])
    chain = " → ".join(text(_class(each)) for each in (*before, last))
    libraries = ", ".join(f"{name} {version}" for name, version in found.document("library_versions").items())
    looked_at = ", ".join(f"{key} {_figure(each)}" for key, each in found.document("decision").items())
    lines = {
        "Estimator": f"{text(row['candidate'])}: {chain}",
        "Parameters": text(said({key: each for key, each in last.items() if key != "class"})),
        "Preprocessing": text("; ".join(_prepared(each) for each in before)) if before else None,
        "Seed": text(params.get("seed")),
        "Trained": f"{moment(row['trained_at'])} UTC, on what was known at {moment(row['as_of'])} UTC; "
        f"the fit took {row['fit_seconds']:.1f} s",
        "Decision": f"{row['outcome']}: {text(row['reason'])}",
        "Figures that it was decided on": text(looked_at) if looked_at else None,
        "Artifact": f"{text(row['artifact_format'])}, SHA-256 {text(row['artifact_sha256'])}",
        "Libraries": text(libraries),
    }
    return "\n".join(f"- **{title}**: {line}" for title, line in lines.items() if line is not None)


def _figure(value: Any) -> str:
    """Write what a decision looked at: counts, and measurements alone or by feature."""
    if isinstance(value, Mapping):
        return said({key: number(each) for key, each in value.items()})
    return number(value) if isinstance(value, float) else count(value) if isinstance(value, int) else said(value)


def _steps(estimator: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give the steps of a pipeline, or the estimator itself."""
    steps = estimator.get("steps")
    return [part for _, part in steps if isinstance(part, Mapping)] if are_parts(steps) else [estimator]


def _prepared(step: Mapping[str, Any]) -> str:
    """Say what a step does before the last one: of a transformer by columns, which columns go where."""
    if not are_parts(step.get("transformers")):
        return said(parts_of(step))
    named = []
    for name, part, *columns in step["transformers"]:
        what = " → ".join(map(_class, _steps(part))) if isinstance(part, Mapping) else part
        if any(columns):
            named.append(f"{name} ({what}): {said(columns[0])}")
    return "; ".join(named)


def _class(described: Mapping[str, Any]) -> str:
    return str(described["class"]).rsplit(".", 1)[-1]


def _use(found: Facts) -> str:
    spec = found.spec
    entity, time, target = " and ".join(map(text, spec.entity)), text(spec.time), text(spec.target)
    what = f"the number {target}"
    if found.classes is not None:
        what = f"which of {', '.join(map(text, found.classes))} {target} will be"
        what += "" if found.positive is None else f", with the probability of {text(found.positive)}"
    known = "at the same moment" if spec.label_time is None else f"at {text(spec.label_time)}"
    words = f"In its owner's words, of the features: {text(found.description)}\n\n" if found.description else ""
    return (
        f"For each {entity}, at the moment {time} and from what is known then, it predicts {what}. The outcome is "
        f"known {known}.\n\n{words}"
        "- Meant for new rows of the same kind as those it was trained on: the same source, the same columns with the "
        "same meaning.\n"
        "- Not meant for another target, another moment, or rows that the training was not to learn from.\n"
        "- It says what goes with the outcome, not what causes it: to change a feature on purpose need not change "
        "the outcome."
    )


def _factors(found: Facts) -> str:
    columns = ", ".join(map(text, found.spec.monitor.slices))
    if not columns:
        return "The spec names no slices: whether it does worse for some group of rows was not measured."
    return f"Measured for the values of {columns}, and for no other groups; the table is below."


def _metric(found: Facts) -> str:
    spec, metric = found.spec, found.spec.metric
    better = "higher" if found.greater else "lower"
    by_class = " Accuracy, precision, recall and F1 are of the most probable class." if found.classes else ""
    if found.classes is not None and found.positive is None:
        by_class += " Precision, recall, F1, ROC AUC and average precision are means over the classes."
    return (
        f"**{metric}** decides: {MEANS.get(metric, 'as the docs define it')} ({better} is better).{by_class} "
        "A version is promoted when it is better than the naive baseline, and better than the version in use by more "
        f"than {spec.promote.min_gain:g}, on the same test rows with {100 * spec.promote.confidence:g} % confidence "
        "over all uses of these rows, counted by blocks of rows that belong together.\n\n"
        "Intervals are 95 % intervals by block; those of versions before 0.6 are bootstrap intervals that take rows "
        "for independent. The naive baseline is the strongest of those "
        "that know no feature: the best constant for the metric or, by time, what the outcomes of the last 30 days say."
    )


def _evaluation(found: Facts) -> str:
    row, split = found.row, found.spec.split
    validation, test = count(row["rows_validation"]), count(row["rows_test"])
    rows = f"{validation} validation rows chose the candidate; {test} test rows, which had no say in that, judged it."
    if split.by == "time":
        begin = "" if row["holdout_from"] is None else f", which begin at {moment(row['holdout_from'])} UTC"
        gap = f"with a gap of {text(split.gap)}"
        return f"{rows} The split is by time, {gap}: training, validation, then the test rows{begin}."
    keys = [split.group] if split.group else found.spec.entity
    by = f"a hash of {', '.join(map(text, keys))}" if split.by == "hash" else text(split.by)
    return f"{rows} The split is by {by}, so the test rows need not be later than those of the training."


def _training(found: Facts) -> str:
    row, features = found.row, found.document("features")
    return (
        f"{count(row['rows_train'])} rows with a known outcome, from {moment(row['train_from'])} to "
        f"{moment(row['train_to'])} UTC; {count(len(features))} features, described with their importance below. "
        f"SHA-256 of the rows that were read: {text(row['data_hash'])}."
    )


def _quantities(found: Facts) -> str:
    metric, features = found.spec.metric, found.document("features")
    blocks = {
        "All rows": figures(found.metrics),
        f"Slices, {metric} on the test rows": slices(found.metrics, metric),
        "Calibration on the test rows": calibration(found.document("calibration"), found.classes, found.positive),
        "Features and their importance": importances(found.importances, features, metric),
    }
    return "\n\n".join(f"### {title}\n\n{block}" for title, block in blocks.items())


def _ethics(_: Facts) -> str:
    return (
        "Not measured. The tables do not say whether rows are about people, which features are sensitive or stand for "
        "something sensitive, what a wrong prediction costs and whom, or how the data were obtained. Who uses the "
        "model for decisions about people has to answer this first."
    )


def _caveats(found: Facts) -> str:
    notes = [
        "The figures are of the time of the test rows. The monitor says how the version has done since.",
        "Not measured: causes, robustness against rows made to deceive it, and what people do because of a prediction.",
    ]
    if found.classes is not None:
        notes.append("It can only predict the outcomes that the training had.")
    if found.spec.split.by != "time":
        notes.append("How it does on rows later than those of the training was not measured when it was trained.")
    metric = found.spec.metric
    tested = [
        each for each in found.metrics if (each["split"], each["slice"], each["metric"]) == ("test", "all", metric)
    ]
    value, naive = (tested[0][key] if tested else None for key in ("value", "baseline"))
    if value is None or naive is None:
        notes.append(f"Not measured: {metric} is not defined on the test rows.")
    elif (value <= naive) if found.greater else (value >= naive):
        notes.append(f"On the test rows its {metric} is not better than that of the naive baseline.")
    return "\n".join(f"- {note}" for note in notes)


SECTIONS: dict[str, Callable[[Facts], str]] = {
    "Model details": _details,
    "Intended use": _use,
    "Factors": _factors,
    "Metrics": _metric,
    "Evaluation data": _evaluation,
    "Training data": _training,
    "Quantitative analyses": _quantities,
    "Ethical considerations": _ethics,
    "Caveats and recommendations": _caveats,
}
