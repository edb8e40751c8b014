"""What the tables cannot say of a version, who may read its predictions, and what is known to be weak."""

from __future__ import annotations

from collections import Counter

from mlbridge.catalogue.metrics import greater_is_better
from mlbridge.model_card.data import CardData
from mlbridge.model_card.document import Paragraph, Points, Section, Table
from mlbridge.monitor.markdown import count, number
from mlbridge.typing import Row


def ethics(found: CardData) -> Section:
    """Say what no table holds about people."""
    text = (
        "Not measured. The tables do not say whether rows are about people, which features are sensitive or stand for "
        "something sensitive, what a wrong prediction costs and whom, or how the data were obtained. Who uses the "
        "model for decisions about people has to answer this first."
    )
    return Section("Ethical considerations", [Paragraph(text)], [_access(found)])


def _access(found: CardData) -> Section:
    """List the roles that may read the predictions, and of which inputs that is more than they may read themselves."""
    title = "Who may read the predictions"
    if not found.access:
        what = (
            "The build does not say who may read them."
            if found.access is None
            else "The project configures no grants on them, and no catalog of the warehouse names any: whoever can "
            "open the warehouse can read them."
        )
        return Section(title, [Paragraph(what)])
    rows = [
        [each[name] for name in ("node", "grantee", "is_configured", "is_observed", "unreadable_inputs")]
        for each in found.access
    ]
    text = (
        "By the grants of the project and, where its catalog can be read, of the warehouse. A role that may read them, "
        "but not an input that they descend from, learns something of rows that it may not read."
    )
    columns = ["table", "role", "configured", "in the warehouse", "inputs that it may not read"]
    return Section(title, [Paragraph(text), Table(columns, rows)])


def caveats(found: CardData) -> Section:
    """List what was not measured, what cannot be judged, and where it is no better than the naive baseline."""
    notes = [
        "The figures of the training are from the time of the test rows.",
        "Not measured: causes, robustness against rows made to deceive it, and what people do because of a prediction.",
    ]
    if found.classes is not None:
        notes.append("It can only predict the outcomes that the training had.")
    if found.spec.split.by != "time":
        notes.append("How it does on rows later than those of the training was not measured when it was trained.")
    if found.health is not None and found.health["verdict"] == "cannot tell":
        notes.append(f"It cannot be told whether it can be relied on now: {found.health['reason']}")
    notes += _baselines(found)
    return Section("Caveats and recommendations", [Points(notes)], [_unscored(found), _muted(found)])


def _baselines(found: CardData) -> list[str]:
    """Say by which metrics, and in which slices by that of the spec, the test rows show no skill or cannot tell."""
    metric, notes = found.spec.metric, []
    whole = found.figures("test")
    parts = [each for each in found.figures("test", None) if each["metric"] == metric]
    if not any(each["metric"] == metric and each["value"] is not None for each in whole):
        notes.append(f"Not measured: {metric} is not defined on the test rows.")
    worse = ", ".join(f"{each['metric']} ({_against(each)})" for each in whole if _is_no_better(each))
    if worse:
        notes.append(f"On the test rows it is not better than the naive baseline by {worse}.")
    worse = ", ".join(
        f"{each['slice']} ({_against(each)}, {count(each['n'])} rows)" for each in parts if _is_no_better(each)
    )
    if worse:
        notes.append(f"Slices of the test rows whose {metric} is not better than the naive baseline's: {worse}.")
    undefined = ", ".join(each["slice"] for each in parts if each["value"] is None)
    if undefined:
        notes.append(f"Slices of the test rows on which {metric} is not defined: {undefined}.")
    return notes


def _is_no_better(each: Row) -> bool:
    """Return whether a metric is no better than the naive baseline's; one that is not defined is not judged."""
    value, baseline = each["value"], each["baseline"]
    if value is None or baseline is None:
        return False
    return bool(value <= baseline if greater_is_better(each["metric"]) else value >= baseline)


def _against(each: Row) -> str:
    return f"{number(each['value'])} against {number(each['baseline'])}"


def _unscored(found: CardData) -> Section:
    title = "Rows without a prediction"
    if not found.unscored:
        return Section(title, [Paragraph(f"None; it has scored {count(found.scored)} rows that it is judged on.")])
    rows = [[each["reason"], each["n"]] for each in found.unscored]
    text = f"It could not score these rows, besides {count(found.scored)} that it is judged on."
    return Section(title, [Paragraph(text), Table(["why", "rows"], rows)])


def _muted(found: CardData) -> Section:
    """Count the figures that cannot alert, by what they are about and why."""
    title = "Figures that cannot alert"
    about = {"performance": found.performance, "drift in the newest window": found.drift}
    counts = Counter(
        (what, each["muted"]) for what, rows in about.items() for each in rows if each["muted"] is not None
    )
    if not counts:
        return Section(title, [Paragraph("None: every figure that was measured since the training can alert.")])
    rows = [[what, why, n] for (what, why), n in sorted(counts.items(), key=lambda item: (item[0][0], -item[1]))]
    return Section(title, [Table(["figures of", "why", "figures"], rows)])
