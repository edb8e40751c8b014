"""What the version predicts and for whom, by which groups it was measured, and by which metric it was judged."""

from __future__ import annotations

from mlbridge.catalogue.metrics import METRICS
from mlbridge.model_card.data import CardData
from mlbridge.model_card.document import Paragraph, Points, Section


def use(found: CardData) -> Section:
    """Say what is predicted, in the owner's words too, and what the version is not meant for."""
    spec = found.spec
    what = f"the number {spec.target}"
    if found.classes is not None:
        what = f"which of {', '.join(found.classes)} {spec.target} will be"
        what += "" if found.positive is None else f", with the probability of {found.positive}"
    known = "at the same moment" if spec.label_time is None else f"at {spec.label_time}"
    summary = (
        f"For each {' and '.join(spec.entity)}, at the moment {spec.time} and from what is known then, it predicts "
        f"{what}. The outcome is known {known}."
    )
    nodes = {"features": f"{found.model}_features", "training": f"{found.model}_training"}
    nodes |= {"predictions": f"{found.model}_predictions", "report": f"ml_scores_{found.model}"}
    described = [(what, found.description(name)) for what, name in nodes.items()]
    words = [Paragraph(f"In its owner's words, of the {what}: {text}") for what, text in described if text]
    limits = Points(
        [
            "Meant for new rows of the same kind as those it was trained on: the same source, the same columns with "
            "the same meaning.",
            "Not meant for another target, another prediction time, or kinds of rows that the training data left out.",
            "It uses features that are associated with the outcome, which need not cause it: changing a feature on "
            "purpose need not change the outcome.",
        ]
    )
    return Section("Intended use", [Paragraph(summary), *words, limits])


def factors(found: CardData) -> Section:
    """Name the groups of rows by which it was measured."""
    columns = ", ".join(found.spec.monitor.slices)
    if not columns:
        text = "The spec names no slices: whether it does worse for some group of rows was not measured."
    else:
        text = f"Measured for the values of {columns}, and for no other groups; the table is below."
    return Section("Factors", [Paragraph(text)])


def metrics(found: CardData) -> Section:
    """Say which metric decides, what it takes to be promoted, and what intervals and baselines are."""
    spec, metric = found.spec, found.spec.metric
    better = "higher" if found.greater else "lower"
    decides = (
        f"{metric} decides: {METRICS[metric].meaning} ({better} is better). A version is promoted when it is better "
        f"than the naive baseline, and better than the version in use by more than {spec.promote.min_gain:g}, on the "
        f"same test rows with {100 * spec.promote.confidence:g} % confidence over all uses of these rows, with errors "
        "by block of dependent rows."
    )
    intervals = (
        "Intervals are 95 % intervals by block; those of versions before 0.6 are bootstrap intervals that treat rows "
        "as independent. The naive baseline is the strongest prediction that uses no feature: the best constant for "
        "the metric or, in a split by time, the outcomes of the last 30 days."
    )
    return Section("Metrics", [Paragraph(decides), Paragraph(intervals), Points(_thresholds(found))])


def _thresholds(found: CardData) -> list[str]:
    """Say how a class is decided on, what errors cost, and which thresholds of the monitor are the spec's own."""
    notes = []
    if found.classes is not None:
        at = "" if found.positive is None else f", so {found.positive} from a probability of 0.5 on"
        notes.append(
            f"The predicted class is the most probable one{at}, unless the estimator sets a threshold of its own. The "
            "spec states no costs of wrong predictions, so the threshold is not chosen by them. Accuracy, precision, "
            "recall and F1 are of the predicted class."
        )
    if found.classes is not None and found.positive is None:
        notes.append("Precision, recall, F1, ROC AUC and average precision are means over the classes.")
    own = {"": found.spec.monitor.thresholds, **found.spec.monitor.feature_thresholds}
    given = [
        f"{metric}{' of ' if name else ''}{name} {value:g}"
        for name, each in own.items()
        for metric, value in each.items()
    ]
    if given:
        notes.append(f"Thresholds of the monitor that the spec gives: {', '.join(given)}. All others are computed.")
    else:
        notes.append("The thresholds of the monitor are computed from the training rows; the spec gives none.")
    return notes
