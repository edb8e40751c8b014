"""What the tables cannot say of a version, who may read its predictions, and what is known to be weak."""

from __future__ import annotations

from collections import Counter

from mlbridge.model_card.data import CardData
from mlbridge.model_card.document import Paragraph, Points, Section, Table
from mlbridge.monitor.markdown import count, number


def ethics(found: CardData) -> Section:
    """Say what no table holds about people."""
    text = (
        "Not measured. The tables do not say whether rows are about people, which features are sensitive or stand for "
        "something sensitive, what a wrong prediction costs and whom, or how the data were obtained. Who uses the "
        "model for decisions about people has to answer this first."
    )
    return Section("Ethical considerations", [Paragraph(text)])


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
    """Say over which test rows the metric of the spec is undefined, or no better than the naive baseline."""
    metric, notes = found.spec.metric, []
    whole = next((each for each in found.figures("test") if each["metric"] == metric), None)
    if whole is None or whole["value"] is None or whole["baseline"] is None:
        notes.append(f"Not measured: {metric} is not defined on the test rows.")
    elif found.is_worse(whole["value"], whole["baseline"]):
        notes.append(f"On the test rows its {metric} is not better than that of the naive baseline.")
    parts = [each for each in found.figures("test", None) if each["metric"] == metric]
    undefined = [each["slice"] for each in parts if each["value"] is None]
    worse = [
        f"{each['slice']} ({number(each['value'])} against {number(each['baseline'])}, {count(each['n'])} rows)"
        for each in parts
        if each["value"] is not None and each["baseline"] is not None and found.is_worse(each["value"], each["baseline"])
    ]
    if worse:
        notes.append(f"Slices of the test rows whose {metric} is not better than the naive baseline's: {', '.join(worse)}.")
    if undefined:
        notes.append(f"Slices of the test rows on which {metric} is not defined: {', '.join(undefined)}.")
    return notes


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
    counts = Counter((what, each["muted"]) for what, rows in about.items() for each in rows if each["muted"] is not None)
    if not counts:
        return Section(title, [Paragraph("None: every figure that was measured since the training can alert.")])
    rows = [[what, why, n] for (what, why), n in sorted(counts.items(), key=lambda item: (item[0][0], -item[1]))]
    return Section(title, [Table(["figures of", "why", "figures"], rows)])
