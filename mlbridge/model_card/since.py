"""What happened to the model and to the version since it was trained: decisions, performance, alerts and drift."""

from __future__ import annotations

from mlbridge.model_card.data import CardData
from mlbridge.model_card.document import Block, Cell, Interval, Paragraph, Section, Table
from mlbridge.monitor.markdown import count, moment
from mlbridge.typing import Row

MOST_DECISIONS = 20
MOST_WINDOWS = 12


def decisions(found: CardData) -> Section:
    """Return what builds decided about training, and which versions the spec pins or retires."""
    trained = [each for each in found.decisions if each["outcome"] != "skipped"]
    skipped = len(found.decisions) - len(trained)
    pinned = "The spec pins this version." if found.row["pinned"] else "The spec does not pin this version."
    retired = ", ".join(map(str, found.retired)) or "none"
    text = f"{pinned} Versions that the spec retires: {retired}. Builds that saw no reason to train: {count(skipped)}."
    if len(trained) > MOST_DECISIONS:
        text += f" The newest {MOST_DECISIONS} of {count(len(trained))} other decisions:"
    blocks: list[Block] = [Paragraph(text)]
    if trained:
        rows = [[each[name] for name in ("decided_at", "outcome", "version", "reason")] for each in trained]
        blocks.append(Table(["decided (UTC)", "outcome", "version", "reason"], rows[:MOST_DECISIONS]))
    return Section("Decisions about the model", blocks)


def since_training(found: CardData) -> Section:
    """Return the verdict of the monitor, performance where outcomes are known, alerts and drift."""
    return Section("Since the training", _verdict(found), [_performance(found), _alerts(found), _drift(found)])


def _verdict(found: CardData) -> list[Block]:
    health = found.health
    if health is None or health["version"] != found.version:
        return [Paragraph("The monitor judges the version in use only, and this one is not.")]
    what = " ".join(filter(None, (health["reason"], health["action"])))
    return [Paragraph(f"The verdict of the monitor is {health['verdict']}. {what}")]


def _performance(found: CardData) -> Section:
    """Return the metric of the spec by window: by outcomes where they are known, else as estimated."""
    metric, shown = found.spec.metric, {}
    of_metric = [row for row in found.performance if (row["metric"], row["slice"]) == (metric, "all")]
    for row in of_metric:  # `realized` comes before `estimated`
        if (row["kind"] == "realized" and row["n"]) or row["window_start"] not in shown:
            shown[row["window_start"]] = row
    title = f"Performance, {metric} by window"
    if not shown:
        return Section(title, [Paragraph("No window of scored rows has been measured yet.")])
    rows = [_window(row) for row in list(shown.values())[:MOST_WINDOWS]]
    text = (
        "By outcomes where they are known (realized), else as expected from the features if the relation to the "
        f"outcome has not changed (estimated). The newest {len(rows)} of {len(shown)} windows:"
    )
    columns = ["window (UTC)", "kind", "value", "95 % interval", "baseline", "threshold", "alert", "n"]
    return Section(title, [Paragraph(text), Table(columns, rows)])


def _window(row: Row) -> list[Cell]:
    interval = Interval(row["low"], row["high"])
    alert = "muted" if row["muted"] is not None else "yes" if row["alert"] else "no"
    return [
        row["window_start"],
        row["kind"],
        row["value"],
        interval,
        row["baseline"],
        row["threshold"],
        alert,
        row["n"],
    ]


def _alerts(found: CardData) -> Section:
    title = "Current alerts"
    if not found.alerts:
        text = "There is none." if found.is_used else "Only versions in use have alerts."
        return Section(title, [Paragraph(text)])
    rows = [[each[name] for name in ("severity", "since", "message", "action")] for each in found.alerts]
    return Section(title, [Table(["severity", "since (UTC)", "figures", "what to do"], rows)])


def _drift(found: CardData) -> Section:
    """Return the features, in the newest window that can be compared, whose distance from the training is an alert."""
    title = "Drift from the training rows"
    if not found.drift:
        return Section(title, [Paragraph("No window of scored rows can be compared with the training yet.")])
    over = [each for each in found.drift if each["alert"]]
    far, every = (len({each["feature"] for each in rows}) for rows in (over, found.drift))
    text = (
        f"In the window that begins {moment(found.drift[0]['window_start'])} UTC, the newest that can be compared, "
        f"{far} of {every} columns are farther from the training rows than their thresholds."
    )
    rows = [[each[name] for name in ("feature", "metric", "value", "threshold")] for each in over]
    table = [Table(["column", "drift metric", "value", "threshold"], rows)] if rows else []
    return Section(title, [Paragraph(text), *table])
