"""How the command line prints the results of a command: tables for people, JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from mlbridge.errors import listed

if TYPE_CHECKING:
    from mlbridge.auditing.audit import Audit
    from mlbridge.grafting.changes import Change
    from mlbridge.grafting.graft import Graft
    from mlbridge.grafting.remains import Removal
    from mlbridge.readiness.assessment import Assessment, Requirement
    from mlbridge.typing import Row, Value


def show(rows: Sequence[Mapping[str, Value]], form: str) -> None:
    """Print rows, all with the same columns, as a table for people or as JSON."""
    if form == "json":
        click.echo(json.dumps(rows, default=str, indent=2))
        return
    names = list(rows[0]) if rows else []
    table = Table(box=None, pad_edge=False)
    for name in names:
        numeric = isinstance(rows[0][name], (int, float))
        table.add_column(name, justify="right" if numeric else "left", no_wrap=name != names[-1], overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    terminal = Console(markup=False)  # otherwise Rich would read '[churn]' as a style
    if terminal.is_terminal:
        terminal.print(table)
        return
    # In a pipe or a file, lines are not wrapped and end with their last word: Rich fills up the last column.
    unwrapped = Console(markup=False, width=10_000)
    with unwrapped.capture() as printed:
        unwrapped.print(table)
    click.echo("\n".join(line.rstrip() for line in printed.get().splitlines()))


def version_line(row: Mapping[str, Value]) -> Row:
    """Return a candidate's row in the table for people, by column title; `row` is one of `leaderboard`."""
    return {
        "model": row["model"],
        "version": row["version"],
        "candidate": row["candidate"],
        "outcome": ("champion" if row["champion"] else row["outcome"]) + (", retired" if row["retired"] else ""),
        "test metric": row["metric"],
        "value (95 % interval)": _interval(row),
        "baseline": " ".join(
            filter(None, (_cell(row["baseline"]), row["baseline_name"] and f"({row['baseline_name']})"))
        ),
        "strength": (row["strength"] or {}).get("word"),
        "n": row["n"],
    }


def health_line(row: Mapping[str, Value]) -> Row:
    """Return a model's row in the table for people, by column title; `row` is one of `ml_health`."""
    return {
        "model": row["model"],
        "verdict": row["verdict"],
        "metric": row["metric"],
        "value (95 % interval)": _interval(row),
        "threshold": row["threshold"],
        "since": "" if row["since"] is None else f"{row['since']:%Y-%m-%d}",
        "why and what to do": " ".join(filter(None, (row["reason"], row["action"]))),
    }


def incidents_line(rows: Sequence[Mapping[str, Value]]) -> str:
    """Return how many incidents there are beyond notes, and the first of them; `rows` are those of `ml_incidents`."""
    found = [row for row in rows if row["severity"] != "note"]
    if not found:
        return "no incident"
    first = found[0]
    since = "" if first["since"] is None else f" since {first['since']:%Y-%m-%d}"
    count = "1 incident" if len(found) == 1 else f"{len(found)} incidents, the first"
    return f"{count}: {first['severity']}{since}, {', '.join(first['models'])}: {first['message']}. {first['action']}"


def alert_line(row: Mapping[str, Value]) -> Row:
    """Return an alert's row in the table for people, by column title; `row` is one of `ml_alerts`."""
    return {
        "model": row["model"],
        "severity": row["severity"],
        "since": f"{row['since']:%Y-%m-%d}",
        "figures and what to do": f"{row['message']}. {row['action']}",
    }


def show_explanation(found: Mapping[str, Value]) -> None:
    """Print an `Explanation`, as a mapping: what was predicted, and a line per feature."""
    what, value, base = (found[name] for name in ("explained", "value", "base"))
    click.echo(
        f"{found['model']}, {found['entity']} at {found['time']} UTC, version {found['version']} "
        f"({found['candidate']})\n{what}: {_cell(value)}; the mean of {found['background_rows']} training rows: "
        f"{_cell(base)}. The contributions add up to the difference, {value - base:+.4g} ({found['method']}).\n"
    )
    titles = ("feature", "value", "usual in training", "contribution")
    show([dict(zip(titles, _contribution(row), strict=True)) for row in found["features"]], "table")
    recorded = found["recorded"]
    if found["split"] in ("train", "validation"):
        click.echo(f"\nThis is a {found['split']} row: the version, or another like it, may have been fitted on it.")
    elif recorded is None:
        click.echo("\nNo build has recorded a prediction of this version for the row.")
    elif recorded["value"] is not None and not math.isclose(recorded["value"], value, rel_tol=1e-9):
        click.echo(
            f"\n{_cell(recorded['value'])} ({recorded['prediction']}) was recorded at {recorded['scored_at']} UTC: the "
            "row's features have changed since."
        )


def show_audit(found: Audit) -> None:
    """Print an `Audit`: each feature with its rows, what no cut reached, and what follows for those looked at alone."""
    show([{**asdict(each), "example": each.example or ""} for each in found.features], "table")
    for each in found.kept:
        click.echo(f"{each} is read as it is stored, so what comes through it was not looked at")
    if found.uncut:
        click.echo(f"nothing says when these are known: {listed(found.uncut)}")
    for verdict, features in found.in_doubt.items():
        click.echo(f"{verdict}: {listed(features)}")
    cuts = f"as of {len(found.cuts)} moments from {found.cuts[0]} to {found.cuts[-1]}"
    fine = sum(each.verdict == "fine" for each in found.features)
    used = found.used_the_future
    click.echo(f"used the future: {listed(used)}" if used else f"{fine} of {len(found.features)} are fine {cuts}")


def show_impact(found: Mapping[str, Value], models: Sequence[Row]) -> None:
    """Print an `Impact`, as a mapping: what differs, and the models that it touches."""
    for each in found["changes"]:
        rows = "; its rows may differ" if each["rows"] else ""
        click.echo(f"{each['node']} {each['kind']} ({each['why']}): {', '.join(each['columns']) or 'no column'}{rows}")
    for node, why in found["unread"].items():
        click.echo(f"{node}: its SQL could not be read: {why}")
    click.echo()
    if models:
        show(models, "table")
    else:
        click.echo("no feature of a model is touched" if found["changes"] else "nothing differs")


LONGEST_WAY = 2  # columns of a way that are shown at each end


def show_lineage(found: Mapping[str, Value]) -> None:
    """Print an `Answer` of `mlbridge lineage`, as a mapping: sources, what depends on the column, and the models."""
    for title, key, none in (
        ("comes from", "comes_from", "comes from no other column."),
        ("goes to", "goes_to", "is used by no other column."),
    ):
        steps = found[key]
        click.echo(f"{found['column']} {title}:\n" if steps else f"{found['column']} {none}\n")
        if steps:
            titles = ("column", "how", "certainty")
            show([{**{name: step[name] for name in titles}, "by way of": _way(step["way"])} for step in steps], "table")
            click.echo()
    for model, features in found["models"].items():
        word = "feature" if len(features) == 1 else "features"
        click.echo(f"{model}: reaches {len(features)} {word}, {', '.join(features)}")
    for node, why in found["unread"].items():
        click.echo(f"{node}: its SQL could not be read, so its columns are taken from its parents by name: {why}")
    if found["without_warehouse"]:
        click.echo(f"The columns are those that the SQL and YAML name: {found['without_warehouse']}")


def _way(way: Sequence[str]) -> str:
    between = list(way[1:-1])
    if len(between) > 2 * LONGEST_WAY:
        between[LONGEST_WAY:-LONGEST_WAY] = [f"({len(between) - 2 * LONGEST_WAY} more)"]
    return ", ".join(between)


def _contribution(row: Mapping[str, Value]) -> tuple[str, ...]:
    shown = (_cell(row[name]) if row[name] is not None else "missing" for name in ("value", "usual"))
    return row["feature"], *shown, f"{row['contribution']:+.4f} ± {row['error']:.4f}"


def show_backtest(model: str, steps: Sequence[Mapping[str, Value]], policies: Sequence[Mapping[str, Value]]) -> None:
    """Print the results of a backtest for one model: its steps, the reasons of the decisions, and its policies."""
    from mlbridge.backtesting.replay import day

    metric = steps[0]["metric"]
    click.echo(f"{model}\n")
    shown = {"step": "step", "policy": "policy", "known rows": "known_rows", "labels": "labels"}
    shown |= {"decision": "decision", "version": "version", f"{metric} (95 % interval)": "interval", "n": "n"}
    rows = [{**row, "step": day(row["step"]), "interval": _interval(row)} for row in steps]
    show([{title: row[key] for title, key in shown.items()} for row in rows], "table")
    click.echo()
    for row in rows:
        if row["policy"] == "spec" and row["decision"] != "skipped":
            click.echo(f"{row['step']} spec {row['decision']}: {row['reason']}")
    click.echo()
    shown = {key: key for key in ("policy", "retrain", "trainings", "promotions")}
    shown |= {"seconds of training": "training_seconds", f"{metric} (95 % interval)": "interval", "n": "n"}
    policies = [{**row, "interval": _interval(row)} for row in policies]
    show([{title: row[key] for title, key in shown.items()} for row in policies], "table")
    click.echo()


def show_assessment(found: Assessment) -> None:
    """Print an assessment: what was settled, the requirements by group, the columns to leave out, and the verdict."""
    from mlbridge.readiness.catalogue import GROUPS

    sampled = "" if found.sampled is None else f", {found.sampled:,} of them sampled"
    click.echo(f"{found.relation.name}, {found.rows:,} rows{sampled}\n")
    choices = {key: getattr(found, key) for key in ("target", "entity", "time", "label_time", "task")}
    show(
        [{"key": key, "settled": ", ".join(each.columns), "because": each.reason} for key, each in choices.items()],
        "table",
    )
    for group, title in GROUPS.items():
        click.echo(f"\n{title}")
        show([_requirement(each) for each in found.requirements if each.group == group], "table")
    for title, reasons in (
        ("Columns that look like a leak", found.suspected),
        ("Columns that no model can learn from", found.unusable),
        ("Other relations that could be assessed", found.others),
    ):
        if reasons:
            click.echo(f"\n{title}")
            show([{"name": name, "because": reason} for name, reason in reasons.items()], "table")
    click.echo("".join(f"\n{grant}" for grant in found.grants))
    looked = [each for each in found.requirements if each.met is not None]
    click.echo(f"{found.verdict}: {len(looked) - len(found.failed)} of {len(looked)} requirements are met")


def _requirement(each: Requirement) -> Row:
    state = {None: "not looked at", True: "ok", False: each.level}[each.met]
    return {
        "requirement": each.code,
        "": state,
        "score": "" if each.score is None else f"{each.score:.2f}",
        "needs": f"{each.threshold:g}",
        "evidence and what to do": f"{each.evidence}. {each.fix}".strip(),
    }


def show_graft(done: Graft) -> None:
    """Print what grafting a model writes: new files whole, changes of others as diffs."""
    for change in done.changes:
        _show_change(change)
    found, new = done.found, sum(change.action == "create" for change in done.changes)
    if done.chosen:
        click.echo(f"from: {found.relation.name} is proposed; others: {listed(found.others)}.")
    for key in ("target", "entity", "time", "label_time", "task"):
        choice = getattr(found, key)
        if choice.proposed and choice.columns:
            click.echo(f"{key}: {', '.join(choice.columns)} is proposed: {choice.reason}.")
    for name, reason in done.left_out.items():
        click.echo(f"left out: {name}: {reason}")
    for each in found.requirements:
        if each.code == "no_leak_by_lineage" and each.score is None:
            click.echo(f"The SQL does not say for sure that no column is a leak: {each.evidence}.")
    click.echo(f"{new} new and {len(done.changes) - new} changed files: {_ends(done.written)}")
    if done.written:
        click.echo(f"Now run `dbt deps` and `dbt build`. `mlbridge ungraft {done.model}` takes all of it away again.")


def _ends(written: bool) -> str:
    return "written." if written else "nothing is written yet: add --apply."


def _show_change(change: Change) -> None:
    """Print a change: the whole text of a new file, or a diff; the record of what was grafted is only named."""
    from rich.syntax import Syntax

    from mlbridge.grafting.record import FILE

    title = {"create": "new", "edit": "changed", "delete": "deleted"}[change.action]
    click.echo(f"{change.path} ({title})")
    if change.path == FILE or change.after is None:
        return
    text, lexer = (change.after, change.path.rsplit(".", 1)[-1]) if change.before is None else (change.diff, "diff")
    terminal = Console()
    if terminal.is_terminal:
        terminal.print(Syntax(text.rstrip("\n"), lexer, background_color="default"))
    else:
        click.echo(text.rstrip("\n"))
    click.echo()


def show_ungraft(done: Removal) -> None:
    """Print what taking a model away changes, and what remains."""
    files = done.files
    for change in files.changes:
        _show_change(change)
    for path in files.edited:
        click.echo(f"{path} stays: it was edited since it was grafted. Delete it yourself, or say --force.")
    for name in files.readers:
        click.echo(f"'{name}' reads the model: have it read something else first.")
    _show_remains(done)
    click.echo(f"{len(files.changes)} files: {_ends(files.written)}")
    if files.written and done.drop and not files.last:
        click.echo("Now run `dbt build`: until then, views of the package read the tables that were dropped.")
    if files.written and files.last:
        click.echo("No model is left, so the package is gone too: `dbt deps` installs what packages remain.")


def _show_remains(done: Removal) -> None:
    """Print what a model has in the warehouse, and what becomes of it."""
    files, left = done.files, done.remains
    later = "remains" if files.last else "remains: the same command with --drop drops it"
    kept = later if files.written else "remains, unless you say --drop"
    ends = ("dropped" if files.written else "to be dropped") if done.drop else kept
    for name in left.relations:
        click.echo(f"{name}: {ends}")
    for name in files.kept:
        click.echo(f"{name}: stays, because a node of the project has this name")
    if files.gone and not files.last and not left.relations:
        click.echo("Nothing is found where tables of the model would be, so the record keeps its name.")
    for name, count in left.rows.items():
        click.echo(f"{name}: {count:,} rows of the model remain")
    if left.published is not None:
        click.echo(f"{left.published}: what builds have published remains; delete the folder when nobody reads it")


def _interval(row: Mapping[str, Value]) -> str:
    return "" if row["value"] is None else f"{_cell(row['value'])} ({_cell(row['low'])} to {_cell(row['high'])})"


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
