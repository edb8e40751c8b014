"""Backtest: history replayed under several policies, and what each of them would have been worth, as two tables."""

from __future__ import annotations

import calendar
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from sqlglot import exp

import mlbridge
from mlbridge import registry
from mlbridge.errors import SetupError
from mlbridge.hindsight import Realized, Span, realized
from mlbridge.project import Project
from mlbridge.replay import POLICIES, Replay, Report
from mlbridge.sandbox import RESULTS, Branch, Dbt
from mlbridge.spec import read_spec
from mlbridge.warehouse import DIALECT, connect, parse_type

STEPS = ("day", "week", "month")
FOLDER = "mlbridge_backtest"
# As many copies of the warehouse may stand beside each other for a moment: first, one per policy, the next, the last.
COPIES = 6
# Grain: model, policy, step. Times are UTC.
STEPS_TABLE = {
    "model": "varchar",
    "policy": "varchar",
    "step": "timestamp",
    "until": "timestamp",
    "known_rows": "bigint",
    "labels": "bigint",
    "decision": "varchar",
    "reason": "varchar",
    "version": "integer",
    "metric": "varchar",
    "value": "double",
    "low": "double",
    "high": "double",
    "n": "bigint",
    "block": "varchar",
    "blocks": "bigint",
    "training_seconds": "double",
}
# Grain: model, policy.
POLICIES_TABLE = {
    "model": "varchar",
    "policy": "varchar",
    "retrain": "varchar",
    "trainings": "bigint",
    "promotions": "bigint",
    "training_seconds": "double",
    "metric": "varchar",
    "value": "double",
    "low": "double",
    "high": "double",
    "n": "bigint",
    "block": "varchar",
    "blocks": "bigint",
}
TABLES = {"ml_backtest": STEPS_TABLE, "ml_backtest_policies": POLICIES_TABLE}


@dataclass(frozen=True)
class Backtest:
    """What was asked and is stored: the rows of both tables, and the file that holds them."""

    file: Path
    tables: Mapping[str, Sequence[Mapping[str, Any]]]


def backtest(project: Project, model: str | None, moments: Sequence[datetime], report: Report) -> Backtest:
    """Replay the declared models, or the one that is named, at these moments, or read what was replayed before.

    The warehouse is only read. Raises SetupError when something that a replay needs is not there, and ReplayError,
    in dbt's words, when a build of it fails; asked again, it goes on from the last step that was done.
    """
    models = project.chosen(model)
    connect(project.warehouse_file)
    file = cast(Path, project.warehouse_file)
    home = project.target_folder / FOLDER
    with _alone(home):
        report(0, 1, "parsing the project")
        branch = Branch.of(project, Dbt(project, home / "parsed").parse(), models)
        specs = {name: read_spec(f"{name}_training", branch.said(name), own_candidates=None) for name in models}
        dbt = Dbt(project, home / _key(branch, moments, file))
        replay = Replay(file, branch, specs, tuple(moments), dbt, report)
        results = dbt.folder / f"backtest.{DIALECT}"
        if not results.is_file():
            _check_space(home, file)
            _fill(results, replay)
        replay.remove_states()
    warehouse = connect(results)
    tables = {name: warehouse.rows(exp.select("*").from_(exp.table_(name, quoted=True))) for name in TABLES}
    return Backtest(results, tables)


def moment(option: str, said: str) -> datetime:
    """Read a moment as `mlbridge_as_of` takes it, UTC without zone; raises SetupError that names the option."""
    try:
        found = datetime.fromisoformat(said)
    except ValueError as error:
        raise SetupError(
            f"{option}: found '{said}'; expected a moment in UTC such as '2013-07-01' or '2013-07-01 12:00:00'."
        ) from error
    return found if found.tzinfo is None else found.astimezone(UTC).replace(tzinfo=None)


def moments(first: datetime, last: datetime, step: str) -> list[datetime]:
    """Give the moments from the first on, one every day, week or month, and at the end the last one.

    A month later is the same day of the next month, or its last day where it is shorter. Raises SetupError when the
    first does not come before the last.
    """
    if first >= last:
        raise SetupError(f"--from {first} does not come before --to {last}. Exchange them, or choose others.")
    found: list[datetime] = []
    while (each := _after(first, step, len(found))) < last:
        found.append(each)
    return [*found, last]


def _after(first: datetime, step: str, times: int) -> datetime:
    if step != "month":
        return first + times * timedelta(days={"day": 1, "week": 7}[step])
    year, month = divmod(first.year * 12 + first.month - 1 + times, 12)
    day = min(first.day, calendar.monthrange(year, month + 1)[1])
    return first.replace(year=year, month=month + 1, day=day)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Hold the folder for this process; the system lets go of it when the process ends, however it ends."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise SetupError(
                f"another backtest of this project is running (process {lock.read()}). Wait for its end, or end it."
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _fill(results: Path, replay: Replay) -> None:
    """Replay, and put the file with both tables in place once it is whole."""
    fresh = replay.dbt.folder / "results" / results.name
    shutil.rmtree(fresh.parent, ignore_errors=True)
    fresh.parent.mkdir(parents=True)
    replay.dbt.write_profile(replay.copy, fresh)
    replay.run()
    replay.dbt.execute(replay.branch, list(_statements(_results(replay))), RESULTS)
    fresh.replace(results)


def _check_space(home: Path, file: Path) -> None:
    used, free = file.stat().st_size, shutil.disk_usage(home).free
    if free < COPIES * used:
        raise SetupError(
            f"a backtest keeps up to {COPIES} copies of the warehouse, {COPIES * used / 1e9:.1f} GB, and '{home}' has "
            f"room for {free / 1e9:.1f} GB. Make room, or name another folder as dbt's target-path."
        )


def _key(branch: Branch, moments: Sequence[datetime], file: Path) -> str:
    """Give a short hash of all that determines the results."""
    stat = file.stat()
    facts = [
        mlbridge.__version__, branch.models, moments, stat.st_size, stat.st_mtime_ns, branch.fingerprint,
    ]  # fmt: skip
    document = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.md5(document.encode(), usedforsecurity=False).hexdigest()[:12]


def _results(replay: Replay) -> dict[str, list[dict[str, Any]]]:
    """Make the rows of both tables."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for model, spec in replay.specs.items():
        by_policy = {policy: _of_policy(replay, model, policy) for policy in POLICIES}
        by_step = zip(*(steps for steps, _ in by_policy.values()), strict=True)
        found["ml_backtest"] += [row for rows in by_step for row in rows]
        for policy, (steps, together) in by_policy.items():
            outcomes = [row["decision"] for row in steps]
            said = replay.branch.said(model).get("retrain")
            found["ml_backtest_policies"].append(
                {
                    "model": model,
                    "policy": policy,
                    "retrain": policy if policy != "spec" else None if said is None else json.dumps(said),
                    "trainings": sum(outcome in registry.KEPT for outcome in outcomes),
                    "promotions": outcomes.count("promoted"),
                    "training_seconds": sum(row["training_seconds"] for row in steps),
                    "metric": spec.metric,
                    **asdict(together),
                }
            )
    return found


def _of_policy(replay: Replay, model: str, policy: str) -> tuple[list[dict[str, Any]], Realized]:
    """Make the rows of one model under one policy, and measure all of them together."""
    spec = replay.specs[model]
    facts = [row for row in replay.facts(policy) if row["model"] == model]
    ends: list[datetime | None] = [*replay.moments[1:], None]
    spans = {
        place: Span(replay.moments[place], end, row["version"])
        for place, (row, end) in enumerate(zip(facts, ends, strict=True))
        if end is not None and row["version"] is not None
    }
    warehouse = replay.state(policy)
    tables = {stage: replay.branch.table(model, stage) for stage in ("split", "training", "predictions")}
    used = {span.version for span in spans.values()}
    classes = {
        row["version"]: json.loads(row["params"])["classes"]
        for row in registry.history(warehouse, tables["training"])
        if row["version"] in used and row["outcome"] == "promoted"
    }
    each, together = realized(warehouse, tables, spec, list(spans.values()), classes)
    measured = dict(zip(spans, each, strict=True))
    rows = []
    for place, (row, end) in enumerate(zip(facts, ends, strict=True)):
        came = measured.get(place, Realized(None, 0))
        rows.append(
            {
                "model": model,
                "policy": policy,
                "step": replay.moments[place],
                "until": end,
                "known_rows": row["rows"],
                "labels": row["labels"],
                "decision": row["decision"],
                "reason": row["reason"],
                "version": row["version"],
                "metric": spec.metric,
                **asdict(came),
                "training_seconds": row["seconds"],
            }
        )
    return rows, together


def _statements(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[exp.Expression]:
    for name, rows in tables.items():
        table = exp.table_(name, quoted=True)
        columns = [
            exp.ColumnDef(this=exp.to_identifier(column, quoted=True), kind=parse_type(type_))
            for column, type_ in TABLES[name].items()
        ]
        yield exp.Create(this=exp.Schema(this=table, expressions=columns), kind="TABLE")
        values = exp.values([tuple(row[column] for column in TABLES[name]) for row in rows])
        yield exp.Insert(this=table.copy(), expression=values)
