"""The rows that a version was trained and judged on, where they come from, and what was looked for in them."""

from __future__ import annotations

import json
from collections import Counter

from mlbridge.model_card.data import CardData
from mlbridge.model_card.document import Block, Paragraph, Section, Table
from mlbridge.monitor.markdown import count, moment
from mlbridge.typing import Row


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
    suspected = [each for each in found.leaks if each["level"] != "none"]
    looked = ", ".join(f"{check} ({count(n)})" for check, n in sorted(checks.items()))
    text = f"Looked for, with the number of columns: {looked}. "
    undecided = Counter(each["check"] for each in found.leaks if each["evidence"].startswith("not decidable"))
    if undecided:
        text += (
            f"Not decidable of these: {', '.join(f'{each} ({count(n)})' for each, n in sorted(undecided.items()))}. "
        )
    blocks: list[Block] = [
        Paragraph(
            text
            + (
                "Nothing else was found."
                if undecided and not suspected
                else "Nothing was found."
                if not suspected
                else "This was found:"
            )
        )
    ]
    if suspected:
        columns = ["column", "check", "level", "evidence", "allowed, because"]
        rows = [[*(each[name] for name in ("feature", "check", "level", "evidence", "reason"))] for each in suspected]
        blocks.append(Table(columns, rows))
    return Section(title, blocks)
