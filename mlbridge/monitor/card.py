"""The model card of a version, with the sections of Mitchell et al., *Model Cards for Model Reporting* (2019)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mlbridge.catalogue.metrics import METRICS
from mlbridge.monitor.card_tables import calibration, figures, importances, slices
from mlbridge.monitor.markdown import count, moment, number, text
from mlbridge.monitor.models import checked_version, model_fields
from mlbridge.monitor.records import document, records
from mlbridge.monitor.source import Build, State
from mlbridge.monitor.version_changes import are_parts, format_value, parts_of
from mlbridge.monitor.versions import METRIC_ORDER
from mlbridge.spec.specification import Spec, stored_spec
from mlbridge.typing import Json, Row

VERSION = """
select
    v.candidate, v.outcome, v.reason, v.trained_at, v.as_of, v.spec, v.features, v.params, v.calibration, v.decision,
    v.rows_train, v.rows_validation, v.rows_test, v.train_from, v.train_to, v.holdout_from, v.data_hash,
    v.artifact_format, v.artifact_sha256, v.fit_seconds, v.library_versions, c.version as in_use, c.pinned
from ml_versions as v
left join ml_champions as c on v.model = c.model and v.version = c.version
where v.model = :model and v.version = :version and v.outcome <> 'runner_up'
"""
FIGURES = """
select split, slice, metric, value, low, high, n, baseline
from ml_metrics
where model = :model and version = :version and candidate = :candidate
"""
IMPORTANCES = "select feature, mean, std, n from ml_importances where model = :model and version = :version"
MOST_COLUMNS = 10  # of a preprocessing step that are named
DESCRIPTION = "select description from ml_nodes where name = :name and kind = 'model'"


@dataclass(frozen=True)
class CardData:
    """The data of a model card: a version's row of `ml_versions`, its figures, and the build they are from."""

    model: str
    version: int
    build: Build
    row: Row
    spec: Spec
    classes: list[str] | None
    positive: str | None
    greater: bool
    description: str
    metrics: list[Row]
    importances: list[Row]

    def document(self, column: str) -> Json:
        """Read a JSON document of the version; a NULL is an empty one."""
        return document(self.row[column])


def card(state: State, model: str, version: int) -> str:
    """Write the model card of a version as Markdown.

    Figures are those of the training, on rows that the fit did not see, with 95 % intervals, numbers of rows and the
    naive baseline. What the tables do not hold is marked as not measured. Names and data are escaped. Raises
    MonitorError if there is no such model or version.
    """
    checked_version(state, model, version)
    found = _card_data(state, model, int(version))
    body = (f"## {title}\n\n{write(found)}" for title, write in SECTIONS.items())
    return "\n\n".join([f"# Model card: {text(model)}, version {found.version}", _status(found), *body]) + "\n"


def _card_data(state: State, model: str, version: int) -> CardData:
    which = {"model": model, "version": version}
    (row,) = records(state.ask(VERSION, **which))
    known = model_fields(document(row["spec"]), document(row["params"]))
    metrics = state.ask(FIGURES, **which, candidate=row["candidate"])
    metrics = metrics.assign(order=metrics["metric"].map(METRIC_ORDER)).sort_values("order", kind="stable")
    described = state.ask(DESCRIPTION, name=f"{model}_features")["description"].fillna("")
    return CardData(
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


def _status(found: CardData) -> str:
    used = "in use, pinned by the spec" if found.row["pinned"] else "in use"
    status = {
        "promoted": "not in use any more",
        "rejected": "not in use: it was not promoted",
        "withheld": "not in use: something looks like a leak",
    }[found.row["outcome"]]
    is_used = found.row["in_use"] == found.version
    build = f"the build published {moment(found.build.published_at)} UTC"
    return f"**{used if is_used else status}** as of {moment(found.build.as_of)} UTC, by {build}."


def _details(found: CardData) -> str:
    row, params = found.row, found.document("params")
    *before, last = _steps(params["estimator"])
    chain = " → ".join(text(_class(each)) for each in (*before, last))
    libraries = ", ".join(f"{name} {version}" for name, version in found.document("library_versions").items())
    looked_at = ", ".join(f"{key} {_figure(each)}" for key, each in found.document("decision").items())
    lines = {
        "Estimator": f"{text(row['candidate'])}: {chain}",
        "Parameters": text(format_value({key: each for key, each in last.items() if key != "class"})),
        "Preprocessing": text("; ".join(_prepared(each) for each in before)) if before else None,
        "Seed": text(params.get("seed")),
        "Trained": f"{moment(row['trained_at'])} UTC, on what was known at {moment(row['as_of'])} UTC; "
        f"the fit took {row['fit_seconds']:.1f} s",
        "Decision": f"{row['outcome']}: {text(row['reason'])}",
        "Figures behind the decision": text(looked_at) if looked_at else None,
        "Artifact": f"{text(row['artifact_format'])}, SHA-256 {text(row['artifact_sha256'])}",
        "Libraries": text(libraries),
    }
    return "\n".join(f"- **{title}**: {line}" for title, line in lines.items() if line is not None)


def _figure(value: object) -> str:
    """Write a figure behind a decision: a count, or a measurement, alone or by feature."""
    if isinstance(value, Mapping):
        return format_value({key: number(each) for key, each in value.items()})
    return (
        number(value) if isinstance(value, float) else count(value) if isinstance(value, int) else format_value(value)
    )


def _steps(estimator: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    """Return the steps of a pipeline, or the estimator itself."""
    steps = estimator.get("steps")
    return [part for _, part in steps if isinstance(part, Mapping)] if are_parts(steps) else [estimator]


def _prepared(step: Mapping[str, Json]) -> str:
    """Describe a preprocessing step; for a ColumnTransformer, the columns of each transformer."""
    if not are_parts(step.get("transformers")):
        return format_value(parts_of(step))
    named = []
    for name, part, *columns in step["transformers"]:
        what = " → ".join(map(_class, _steps(part))) if isinstance(part, Mapping) else part
        if any(columns):
            named.append(f"{name} ({what}): {format_value(_some(columns[0]))}")
    return "; ".join(named)


def _some(columns: Json) -> Json:
    """Return the first columns of a long list, and how many more there are: the table of features has all of them."""
    if not isinstance(columns, list) or len(columns) <= MOST_COLUMNS:
        return columns
    return [*columns[:MOST_COLUMNS], f"and {len(columns) - MOST_COLUMNS} more"]


def _class(described: Mapping[str, Json]) -> str:
    return str(described["class"]).rsplit(".", 1)[-1]


def _use(found: CardData) -> str:
    spec = found.spec
    entity, time, target = " and ".join(map(text, spec.entity)), text(spec.time), text(spec.target)
    what = f"the number {target}"
    if found.classes is not None:
        what = f"which of {', '.join(map(text, found.classes))} {target} will be"
        what += "" if found.positive is None else f", with the probability of {text(found.positive)}"
    known = "at the same moment" if spec.label_time is None else f"at {text(spec.label_time)}"
    quote = f"In its owner's words, of the features: {text(found.description)}\n\n" if found.description else ""
    return (
        f"For each {entity}, at the moment {time} and from what is known then, it predicts {what}. The outcome is "
        f"known {known}.\n\n{quote}"
        "- Meant for new rows of the same kind as those it was trained on: the same source, the same columns with the "
        "same meaning.\n"
        "- Not meant for another target, another prediction time, or kinds of rows that the training data left out.\n"
        "- It uses features that are associated with the outcome, which need not cause it: changing a feature on "
        "purpose need not change the outcome."
    )


def _factors(found: CardData) -> str:
    columns = ", ".join(map(text, found.spec.monitor.slices))
    if not columns:
        return "The spec names no slices: whether it does worse for some group of rows was not measured."
    return f"Measured for the values of {columns}, and for no other groups; the table is below."


def _metric(found: CardData) -> str:
    spec, metric = found.spec, found.spec.metric
    better = "higher" if found.greater else "lower"
    by_class = " Accuracy, precision, recall and F1 are of the most probable class." if found.classes else ""
    if found.classes is not None and found.positive is None:
        by_class += " Precision, recall, F1, ROC AUC and average precision are means over the classes."
    return (
        f"**{metric}** decides: {METRICS[metric].meaning} ({better} is better).{by_class} "
        "A version is promoted when it is better than the naive baseline, and better than the version in use by more "
        f"than {spec.promote.min_gain:g}, on the same test rows with {100 * spec.promote.confidence:g} % confidence "
        "over all uses of these rows, with errors by block of dependent rows.\n\n"
        "Intervals are 95 % intervals by block; those of versions before 0.6 are bootstrap intervals that treat rows "
        "as independent. The naive baseline is the strongest prediction that uses no feature: the best constant for "
        "the metric or, in a split by time, the outcomes of the last 30 days."
    )


def _evaluation(found: CardData) -> str:
    row, split = found.row, found.spec.split
    validation, test = count(row["rows_validation"]), count(row["rows_test"])
    rows = f"The candidate was chosen on {validation} validation rows and evaluated on {test} other test rows."
    if split.by == "time":
        begin = "" if row["holdout_from"] is None else f", which begin at {moment(row['holdout_from'])} UTC"
        gap = f"with a gap of {text(split.gap)}"
        return f"{rows} The split is by time, {gap}: training rows first, then validation, then test rows{begin}."
    keys = [split.group] if split.group else found.spec.entity
    by = f"a hash of {', '.join(map(text, keys))}" if split.by == "hash" else text(split.by)
    return f"{rows} The split is by {by}, so the test rows need not be later than those of the training."


def _training(found: CardData) -> str:
    row, features = found.row, found.document("features")
    return (
        f"{count(row['rows_train'])} rows with a known outcome, from {moment(row['train_from'])} to "
        f"{moment(row['train_to'])} UTC; {count(len(features))} features, described with their importance below. "
        f"SHA-256 of the rows that were read: {text(row['data_hash'])}."
    )


def _quantities(found: CardData) -> str:
    metric, features = found.spec.metric, found.document("features")
    blocks = {
        "All rows": figures(found.metrics),
        f"Slices, {metric} on the test rows": slices(found.metrics, metric),
        "Calibration on the test rows": calibration(found.document("calibration"), found.classes, found.positive),
        "Features and their importance": importances(found.importances, features, metric),
    }
    return "\n\n".join(f"### {title}\n\n{block}" for title, block in blocks.items())


def _ethics(_: CardData) -> str:
    return (
        "Not measured. The tables do not say whether rows are about people, which features are sensitive or stand for "
        "something sensitive, what a wrong prediction costs and whom, or how the data were obtained. Who uses the "
        "model for decisions about people has to answer this first."
    )


def _caveats(found: CardData) -> str:
    notes = [
        "The figures are from the time of the test rows. Later performance is shown by the monitor.",
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


SECTIONS: dict[str, Callable[[CardData], str]] = {
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
