"""`mlbridge backtest`: replays history under several policies, and writes the performance of each to two tables."""

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
from typing import cast

from sqlglot import exp

from mlbridge.backtesting.realized import Realized, Span, realized
from mlbridge.backtesting.replay import POLICIES, Replay, Report
from mlbridge.backtesting.sandbox import RESULTS, Branch, Dbt
from mlbridge.engines.opening import connect
from mlbridge.engines.warehouse import DIALECT, parse_type
from mlbridge.errors import SetupError
from mlbridge.project.project import Project
from mlbridge.registry.champions import trained
from mlbridge.registry.logbook import VERSION_OUTCOMES, history
from mlbridge.spec.reading import read_spec
from mlbridge.typing import Row
from mlbridge.version import __version__

STEPS = ("day", "week", "month")
FOLDER = "mlbridge_backtest"
# Copies of the warehouse that can exist at the same time: the first step's, one per policy, the next, and the last.
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
    """The result: the rows of both tables, and the file that holds them."""

    file: Path
    tables: Mapping[str, Sequence[Row]]


def backtest(project: Project, model: str | None, moments: Sequence[datetime], report: Report) -> Backtest:
    """Replay the declared models, or the named one, at these moments (naive UTC); a finished replay is only read.

    `report` gets the numbers of completed and of all steps, and the current activity. The warehouse is only read.
    Raises SetupError if something that a replay needs is missing, and ReplayError with dbt's message if a build fails;
    called again, it continues after the last completed step.
    """
    models = project.chosen(model)
    connect(project.warehouse_file)
    file = cast(Path, project.warehouse_file)
    home = project.target_folder / FOLDER
    with _exclusive(home):
        report(0, 1, "parsing the project")
        branch = Branch.of(project, Dbt(project, home / "parsed").parse(), models)
        specs = {name: read_spec(f"{name}_training", branch.spec_of(name), own_candidates=None) for name in models}
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


def moment(option: str, text: str) -> datetime:
    """Read a moment as `mlbridge_as_of` takes it, UTC without zone; raises SetupError that names the option."""
    try:
        found = datetime.fromisoformat(text)
        return found if found.tzinfo is None else found.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        raise SetupError(
            f"{option}: found '{text}'; expected a moment in UTC such as '2013-07-01' or '2013-07-01 12:00:00'."
        ) from error


def moments(first: datetime, last: datetime, step: str) -> list[datetime]:
    """Return the moments from the first on, one every day, week or month, and at the end the last one.

    One month later is the same day of the next month, or its last day if the month is shorter. Raises SetupError if the
    first is not before the last, or the last is in the future (UTC).
    """
    now = datetime.now(UTC).replace(tzinfo=None)
    if last > now:
        raise SetupError(
            f"--to {last} lies in the future: it is {now:%Y-%m-%d %H:%M:%S} in UTC. Choose a moment that has passed."
        )
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
def _exclusive(home: Path) -> Iterator[None]:
    """Lock the folder for this process; the operating system releases the lock when the process ends."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise SetupError(
                f"another backtest of this project is running (process {lock.read()}). Wait until it ends, or stop it."
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
    with replay.dbt.profile(replay.copy, fresh):
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
    """Return a short hash of all that determines the results."""
    stat = file.stat()
    facts = [
        __version__, branch.models, moments, stat.st_size, stat.st_mtime_ns, branch.fingerprint,
    ]  # fmt: skip
    document = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.md5(document.encode(), usedforsecurity=False).hexdigest()[:12]


def _results(replay: Replay) -> dict[str, list[Row]]:
    """Make the rows of both tables."""
    found: dict[str, list[Row]] = {name: [] for name in TABLES}
    for model, spec in replay.specs.items():
        by_policy = {policy: _of_policy(replay, model, policy) for policy in POLICIES}
        by_step = zip(*(steps for steps, _ in by_policy.values()), strict=True)
        found["ml_backtest"] += [row for rows in by_step for row in rows]
        for policy, (steps, together) in by_policy.items():
            outcomes = [row["decision"] for row in steps]
            retrain = replay.branch.spec_of(model).get("retrain")
            found["ml_backtest_policies"].append(
                {
                    "model": model,
                    "policy": policy,
                    "retrain": policy if policy != "spec" else None if retrain is None else json.dumps(retrain),
                    "trainings": sum(outcome in VERSION_OUTCOMES for outcome in outcomes),
                    "promotions": outcomes.count("promoted"),
                    "training_seconds": sum(row["training_seconds"] for row in steps),
                    "metric": spec.metric,
                    **asdict(together),
                }
            )
    return found


def _of_policy(replay: Replay, model: str, policy: str) -> tuple[list[Row], Realized]:
    """Make the rows of one model under one policy, and measure all of them together."""
    spec = replay.specs[model]
    facts = [row for row in replay.facts(policy) if row["model"] == model]
    ends: list[datetime | None] = [*replay.moments[1:], None]
    spans = {
        index: Span(replay.moments[index], end, row["version"])
        for index, (row, end) in enumerate(zip(facts, ends, strict=True))
        if end is not None and row["version"] is not None
    }
    warehouse = replay.state(policy)
    tables = {stage: replay.branch.table(model, stage) for stage in ("split", "training", "predictions")}
    used = {span.version for span in spans.values()}
    classes = {
        row.version: row.params["classes"]
        for row in trained(history(warehouse, tables["training"]))
        if row.version in used and row.outcome == "promoted"
    }
    each, together = realized(warehouse, tables, spec, list(spans.values()), classes)
    measured = dict(zip(spans, each, strict=True))
    rows = []
    for index, (row, end) in enumerate(zip(facts, ends, strict=True)):
        result = measured.get(index, Realized(None, 0))
        rows.append(
            {
                "model": model,
                "policy": policy,
                "step": replay.moments[index],
                "until": end,
                "known_rows": row["rows"],
                "labels": row["labels"],
                "decision": row["decision"],
                "reason": row["reason"],
                "version": row["version"],
                "metric": spec.metric,
                **asdict(result),
                "training_seconds": row["seconds"],
            }
        )
    return rows, together


def _statements(tables: Mapping[str, Sequence[Row]]) -> Iterator[exp.Expression]:
    for name, rows in tables.items():
        table = exp.table_(name, quoted=True)
        columns = [
            exp.ColumnDef(this=exp.to_identifier(column, quoted=True), kind=parse_type(type_))
            for column, type_ in TABLES[name].items()
        ]
        yield exp.Create(this=exp.Schema(this=table, expressions=columns), kind="TABLE")
        values = exp.values([tuple(row[column] for column in TABLES[name]) for row in rows])
        yield exp.Insert(this=table.copy(), expression=values)
