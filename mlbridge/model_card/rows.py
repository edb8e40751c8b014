"""The rows that a version was trained and judged on, where they come from, and what was looked for in them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from mlbridge.errors import few
from mlbridge.leaks.catalogue import NONE, UNDECIDED
from mlbridge.model_card.data import CardData
from mlbridge.model_card.document import Cell, Paragraph, Section, Table
from mlbridge.monitor.markdown import count, moment
from mlbridge.typing import Row

MOST = 6  # columns that are named of those for which a check could not be decided


def evaluation_data(found: CardData) -> Section:
    """Describe validation and test rows, and the split that they come from."""
    row, split = found.row, found.spec.split
    validation, test = count(row["rows_validation"]), count(row["rows_test"])
    rows = f"The candidate was chosen on {validation} validation rows and evaluated on {test} other test rows."
    if split.by == "time":
        begin = "" if row["holdout_from"] is None else f", which begin at {moment(row['holdout_from'])} UTC"
        text = (
            f"{rows} The split is by time, with a gap of {split.gap}: training rows first, then validation, then test "
            f"rows{begin}."
        )
    else:
        keys = [split.group] if split.group else found.spec.entity
        by = f"a hash of {', '.join(keys)}" if split.by == "hash" else split.by
        text = f"{rows} The split is by {by}, so the test rows need not be later than those of the training."
    return Section("Evaluation data", [Paragraph(text)])


def training_data(found: CardData) -> Section:
    """Describe the training rows by number and period, their sources, and the search for leaks among them."""
    row, spec = found.row, found.spec
    known = "its own moment" if spec.label_time is None else spec.label_time
    summary = (
        f"{count(row['rows_train'])} rows with a known outcome, from {moment(row['train_from'])} to "
        f"{moment(row['train_to'])} UTC; {count(len(found.document('features')))} features, described with their "
        f"importance below. A row counts as known from {known} on. SHA-256 of the rows that were read: "
        f"{row['data_hash']}."
    )
    sample = found.document("params").get("sample")
    if sample is not None:
        summary += (
            f" Validation, test, and all that is described below are of a sample by {sample['by']}: "
            f"{count(sum(sample['rows'].values()))} of {count(sum(sample['of'].values()))} rows with a known outcome."
        )
    table = Table(
        ["rows", "number", "from (UTC)", "to (UTC)"],
        [
            ["train", row["rows_train"], row["train_from"], row["train_to"]],
            ["validation", row["rows_validation"], None, None],
            ["test", row["rows_test"], row["holdout_from"], None],
        ],
    )
    return Section("Training data", [Paragraph(summary), table], [_sources(found), _leaks(found)])


def _sources(found: CardData) -> Section:
    """Name the nodes without parents from which a path leads to the model's split, as dbt's graph has them."""
    nodes = {each["node"]: each for each in found.nodes}
    ahead = [id_ for id_, each in nodes.items() if (each["model"], each["stage"]) == (found.model, "split")]
    for id_ in ahead:  # the list grows during the loop: a traversal upstream
        ahead += [parent for parent in _parents(nodes[id_]) if parent in nodes and parent not in ahead]
    rows = sorted((nodes[id_]["name"], nodes[id_]["description"]) for id_ in ahead if not _parents(nodes[id_]))
    if not rows:
        return Section("Sources", [Paragraph("The graph of the last build does not lead to sources of this model.")])
    text = "Where its rows come from in the dbt project, as of the last build; the graph knows nodes, not columns."
    return Section("Sources", [Paragraph(text), Table(["source", "description"], rows)])


def _parents(node: Row) -> list[str]:
    return list(json.loads(node["parents"]))


def _leaks(found: CardData) -> Section:
    """Say which checks for leaks were made, what they found, and what the spec allows for which reason."""
    title = "Leaks that were looked for"
    if not found.leaks:
        return Section(title, [Paragraph("The training did not look for leaks, so nothing is known of them.")])
    checks = Counter(each["check"] for each in found.leaks)
    looked = ", ".join(f"{check} ({count(n)})" for check, n in sorted(checks.items()))
    suspected, undecided = _suspected(found.leaks), _undecided(found.leaks)
    what = "This was found, or could not be decided:" if undecided else "This was found:"
    what = what if suspected or undecided else "Nothing was found."
    text = f"Looked for, with the number of columns: {looked}. {what}"
    columns = ["column", "check", "level", "evidence", "allowed, because"]
    table = [Table(columns, [*suspected, *undecided])] if suspected or undecided else []
    return Section(title, [Paragraph(text), *table])


def _suspected(leaks: Sequence[Row]) -> list[list[Cell]]:
    names = ("feature", "check", "level", "evidence", "reason")
    return [[each[name] for name in names] for each in leaks if each["level"] != NONE]


def _undecided(leaks: Sequence[Row]) -> list[list[Cell]]:
    """Return a row for each check and reason for which it could not be decided, with the columns."""
    names: dict[tuple[str, str], list[str]] = {}
    for each in leaks:
        if each["level"] == NONE and each["evidence"].startswith(UNDECIDED):
            names.setdefault((each["check"], each["evidence"].removeprefix(UNDECIDED)), []).append(each["feature"])
    return [[few(of, MOST), check, "not decided", why, None] for (check, why), of in names.items()]
