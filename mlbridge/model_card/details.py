"""What the version is: its estimator, the candidates it was chosen from, its artifact, and how to score with it."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote

from mlbridge.model_card.data import CardData
from mlbridge.model_card.document import Code, Facts, Interval, Paragraph, Section, Table
from mlbridge.monitor.markdown import count, moment, number
from mlbridge.monitor.version_changes import are_parts, format_value, parts_of
from mlbridge.typing import Json

MOST_COLUMNS = 10  # of a preprocessing step that are named


def details(found: CardData) -> Section:
    """Describe the version, its candidates, the artifact and how to score with it."""
    return Section("Model details", [_facts(found)], [_candidates(found), _scoring(found)])


def _facts(found: CardData) -> Facts:
    row, params = found.row, found.document("params")
    *before, last = _steps(params["estimator"])
    libraries = ", ".join(f"{name} {version}" for name, version in found.document("library_versions").items())
    looked_at = ", ".join(f"{key} {_figure(each)}" for key, each in found.document("decision").items())
    facts = {
        "Estimator": f"{row['candidate']}: {' → '.join(_class(each) for each in (*before, last))}",
        "Parameters": format_value({key: each for key, each in last.items() if key != "class"}),
        "Preprocessing": "; ".join(_prepared(each) for each in before),
        "Seed": str(params.get("seed")),
        "Trained": f"{moment(row['trained_at'])} UTC, on what was known at {moment(row['as_of'])} UTC; "
        f"the fit took {row['fit_seconds']:.1f} s",
        "Decision": f"{row['outcome']}: {row['reason']}",
        "Figures behind the decision": looked_at,
        "Artifact": f"{row['artifact_format']}, SHA-256 {row['artifact_sha256']}",
        "Libraries": libraries,
    }
    return Facts([(name, fact) for name, fact in facts.items() if fact])


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


def _candidates(found: CardData) -> Section:
    """Compare the candidates of the training by the metric of the spec."""
    metric = found.spec.metric
    figures = {
        (each["candidate"], each["split"]): each
        for each in found.metrics
        if each["slice"] == "all" and each["metric"] == metric
    }
    rows = []
    for each in found.candidates:
        compared, tested = (figures.get((each["candidate"], split), {}) for split in ("validation", "test"))
        rows.append(
            [
                each["candidate"], each["outcome"].replace("_", " "),
                compared.get("value"), Interval(compared.get("low"), compared.get("high")),
                tested.get("value"), Interval(tested.get("low"), tested.get("high")), each["fit_seconds"],
            ]
        )  # fmt: skip
    columns = [
        "candidate", "outcome", "validation rows", "95 % interval", "test rows", "95 % interval", "seconds of the fit",
    ]  # fmt: skip
    chosen = found.row["candidate"]
    why = f"{chosen} was the only candidate."
    if len(rows) > 1:
        why = f"{chosen} had the best {metric} on the validation rows. The test rows had no influence on this choice."
    return Section(f"Candidates, by {metric}", [Paragraph(why), Table(columns, rows)])


def _scoring(found: CardData) -> Section:
    model, version = found.model, found.version
    select = quote(f"+{model}_predictions+")
    lines = [
        f"dbt build --select {select}   # scores new rows with the version in use",
        f"mlbridge compile {quote(model)} --version {version}   # the version as a SELECT",
    ]
    note, promoted = found.row["scoring_sql_note"], found.row["outcome"] == "promoted"
    tried = (
        "Python and the compiled SELECT score alike." if promoted else "Scoring as SQL was not tried in its training."
    )
    by = f"There is no SELECT of this version: {note}." if note else tried
    return Section(
        "How to score with it",
        [
            Paragraph(
                f"Predictions are rows of ml_predictions, by model, entity and time. {by} The artifact is in "
                f"{model}_training; it is read only if its SHA-256 is the one above."
            ),
            Code("shell", lines),
        ],
    )
