"""A build killed at any moment leaves a warehouse on which the next one ends well: nothing half, nothing lost."""

from __future__ import annotations

import hashlib
import re
import shutil
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from dbt_host import Host
from hosts import two_models
from warm import Command, Warm

MODELS = ("churned", "spent")
CANDIDATES = {"churned": {"logistic_regression", "shallow_tree"}, "spent": {"ridge", "shallow_tree"}}
MOMENTS = 20
# A change is tested with some moments; the slower set has all.
OFTEN = (3, 8, 13)
KILLED = -signal.SIGKILL
BUILD = ("build", "--exclude-resource-type", "test")
# What every build after a kill builds; of the other nodes those that the killed one had begun.
LINE = ("+churned_predictions", "+spent_predictions", "+ml_champions", "ml_runs", "ml_nodes")
BEGUN = re.compile(r"START (?:sql|python|seed) .*\.(\w+) \.")
MORE_ROWS = count(2000, 30)
# A champion scores in Python or as SQL, whichever was quicker when it was measured; both ways pass one of these.
SCORING = ["mlbridge.scoring.python.predicted", "mlbridge.nodes.predictions.answer_columns"]


@dataclass(frozen=True)
class Facts:
    """What must never change once it is there, and the tables' names."""

    tables: frozenset[str]
    logbook: frozenset[tuple[Any, ...]]
    predictions: frozenset[tuple[Any, ...]]

    @classmethod
    def of(cls, host: Host) -> Facts:
        if not host.database.exists():
            return cls(frozenset(), frozenset(), frozenset())
        tables = frozenset(name for (name,) in host.rows("select table_name from information_schema.tables"))
        logbooks = [f"{name}_training" for name in MODELS if f"{name}_training" in tables]
        scored = [f"{name}_predictions" for name in MODELS if f"{name}_predictions" in tables]
        return cls(
            tables,
            frozenset(row for name in logbooks for row in host.rows(f"from {name}")),
            frozenset(row for name in scored for row in host.rows(f"from {name}")),
        )


@dataclass(frozen=True)
class Warehouse:
    """The host's warehouse, with the means to build on it and to throw it away."""

    host: Host
    warm: Warm
    lines: int = 0  # that a whole build prints

    @property
    def whole_build(self) -> Path:
        """The folder with the warehouse as the first builds left it, and with what they published."""
        return self.host.path / "whole_build"

    @property
    def files(self) -> list[Path]:
        return [*self.host.path.glob("small.duckdb*")]

    def start(self, rows: int, retrain: bool, *more: str, **limits: Any) -> Command:
        variables = f"{{rows: {rows}, mlbridge_retrain: {retrain}}}"
        return self.warm.start(self.host.path, *BUILD, "--vars", variables, *more, parsed=True, **limits)

    def build(self, rows: int, *more: str, retrain: bool = False) -> int:
        """Build to the end; gives how many lines that printed."""
        command = self.start(rows, retrain, *more)
        assert command.wait() == 0, command.output[-8000:]
        return command.output.count("\n")

    def keep(self) -> None:
        self.whole_build.mkdir()
        copy(self.files, self.whole_build)

    def start_empty(self) -> None:
        for file in self.files:
            shutil.rmtree(file) if file.is_dir() else file.unlink()

    def start_built(self) -> None:
        """Go on with the warehouse as it is, unless a build that began with nothing left the monitor out."""
        if "ml_alerts" not in Facts.of(self.host).tables:
            self.start_empty()
            copy(self.whole_build.iterdir(), self.host.path)


def copy(files: Iterable[Path], folder: Path) -> None:
    for file in files:
        if file.is_dir():
            shutil.copytree(file, folder / file.name, symlinks=True)
        else:
            shutil.copy(file, folder / file.name)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Warehouse:
    host = two_models(tmp_path_factory.mktemp("killed"))
    # Its rows are independent of each other, and each training is to promote, however many rows there are by then.
    for name in MODELS:
        spec = host.path / f"models/{name}/{name}.yml"
        spec.write_text(spec.read_text().replace("candidates:", "promote: {block: row}, candidates:"))
    warm.dbt(host.path, "deps")
    warm.parse(host.path)
    built = Warehouse(host, warm)
    built.build(1900)
    lines = built.build(1950, retrain=True)
    whole(host)
    everything_scored(host)
    built.keep()
    return Warehouse(host, warm, lines)


def whole(host: Host) -> Facts:
    """Assert that every version is complete and no prediction stands twice."""
    facts = Facts.of(host)
    for name in MODELS:
        if f"{name}_training" in facts.tables:
            rows = host.rows(
                "select version, candidate, outcome, artifact, artifact_sha256, metrics, importances, profile "
                f"from {name}_training where outcome <> 'skipped'"
            )
            versions = sorted({row[0] for row in rows})
            assert versions == list(range(1, len(versions) + 1))
            for version in versions:
                mine = [row for row in rows if row[0] == version]
                assert sorted(row[1] for row in mine) == sorted(CANDIDATES[name])
                chosen = [row for row in mine if row[2] in ("promoted", "rejected")]
                assert len(chosen) == 1
                assert hashlib.sha256(chosen[0][3]).hexdigest() == chosen[0][4]
                assert all(document is not None for document in chosen[0][5:])
        if f"{name}_predictions" in facts.tables:
            twice = "group by entity, time, version having count(*) > 1"
            assert host.rows(f"select 1 from {name}_predictions {twice}") == []
            assert host.rows(f"select 1 from {name}_predictions anti join {name}_training using (version)") == []
    return facts


def everything_scored(host: Host) -> None:
    """Assert that the champion has scored each row that it has not seen, and no other."""
    for name in MODELS:
        missing_or_seen = host.rows(f"""
            with champion as (from ml_champions where model = '{name}'),
            unseen as (
                select customer_id::varchar as entity, "at" as time from {name}_split, champion
                where ml_split in ('test', 'score') or "at" >= holdout_from
            ),
            scored as (
                select entity, time from {name}_predictions where version = (select version from champion)
            )
            (from unseen except from scored) union all (from scored except from unseen)
        """)
        assert host.rows(f"from ml_champions where model = '{name}'")
        assert missing_or_seen == []


def killed_then_built(warehouse: Warehouse, rows: int, before: Facts, killed: Command) -> Facts:
    """Check what a killed build left, build again, and check that; gives what the killed build left."""
    host = warehouse.host
    left = whole(host)
    assert before.logbook <= left.logbook
    assert before.predictions <= left.predictions
    warehouse.build(rows, "--select", *LINE, *BEGUN.findall(killed.output))
    after = whole(host)
    assert left.logbook <= after.logbook
    assert left.predictions <= after.predictions
    assert not [name for name in after.tables if "__dbt_" in name]
    everything_scored(host)
    return left


@pytest.mark.parametrize(
    "moment",
    [each if each in OFTEN else pytest.param(each, marks=pytest.mark.slow) for each in range(MOMENTS)],
)
def test_killed_at(moment: int, warehouse: Warehouse) -> None:
    """After a share of its lines, and at different times after a line; only the last moments may be after its end."""
    if moment % 2:
        warehouse.start_empty()
    else:
        warehouse.start_built()
    before, rows = Facts.of(warehouse.host), next(MORE_ROWS)
    command = warehouse.start(rows, retrain=True)
    while command.output.count("\n") < warehouse.lines * moment // MOMENTS:
        assert "Completed" not in command.output
        time.sleep(0.001)
    time.sleep(moment % 5 * 0.02)
    command.kill()
    code = command.wait()
    assert code == KILLED or moment >= MOMENTS - 4, f"the build had ended already: {code}"
    killed_then_built(warehouse, rows, before, command)


def statement(node: str, start: str) -> str:
    """Match a statement of a node by its first words; dbt puts the node's name in a comment before it."""
    return rf'{node}"}} \*/\s*{start}'


@pytest.mark.parametrize("node", ["churned_training", "spent_predictions"])
def test_killed_while_a_node_makes_its_table(node: str, warehouse: Warehouse) -> None:
    warehouse.start_empty()
    where = {"kill_at": (statement(node, "alter table"), "after")}
    rows = next(MORE_ROWS)
    command = warehouse.start(rows, retrain=True, **where)
    assert command.wait() == KILLED
    left = killed_then_built(warehouse, rows, Facts.of(Host(Path(), Path("no warehouse"))), command)
    assert node not in left.tables


# The model, the stage, and where its node is killed.
ADDING: dict[str, tuple[str, str, dict[str, Any]]] = {
    "fitted": ("churned", "training", {"kill_in": ["mlbridge.lifecycle.challenge.importance_rows"]}),
    "rows counted": ("spent", "training", {"kill_at": (statement("spent_training", "select count"), "before")}),
    "before the rows": ("churned", "training", {"kill_at": (statement("churned_training", "insert into"), "before")}),
    "after the rows": ("churned", "training", {"kill_at": (statement("churned_training", "insert into"), "after")}),
    "tidied up": ("spent", "training", {"kill_at": (statement("spent_training", "drop table"), "after")}),
    "while it scores": ("churned", "predictions", {"kill_in": SCORING}),
    "scored": ("churned", "predictions", {"kill_at": (statement("churned_predictions", "insert into"), "after")}),
    "scores tidied up": ("spent", "predictions", {"kill_at": (statement("spent_predictions", "drop table"), "after")}),
}
ADDING_OFTEN = ("before the rows", "tidied up", "while it scores", "scored")


@pytest.mark.parametrize(
    "moment", [pytest.param(each, marks=() if each in ADDING_OFTEN else pytest.mark.slow) for each in ADDING]
)
def test_killed_while_a_node_adds_rows(moment: str, warehouse: Warehouse) -> None:
    model, node, where = ADDING[moment]
    warehouse.start_built()
    before, rows = Facts.of(warehouse.host), next(MORE_ROWS)
    command = warehouse.start(rows, retrain=True, **where)
    assert command.wait() == KILLED
    left = killed_then_built(warehouse, rows, before, command)
    kept, added = (before.logbook, left.logbook) if node == "training" else (before.predictions, left.predictions)
    assert not [row for row in added - kept if row[0] == model], "the node had not committed"


def test_killed_while_the_runs_are_logged(warehouse: Warehouse) -> None:
    warehouse.start_built()
    before, rows = Facts.of(warehouse.host), next(MORE_ROWS)
    command = warehouse.start(rows, retrain=True)
    while "START hook" not in command.output:
        time.sleep(0.001)
    command.kill()
    assert command.wait() in (KILLED, 0)
    killed_then_built(warehouse, rows, before, command)


def test_the_tests_of_the_branch_pass_after_all_this(warehouse: Warehouse) -> None:
    warehouse.start_built()
    warehouse.warm.dbt(warehouse.host.path, "build", parsed=True)
    assert warehouse.host.rows("select node, message from ml_runs where status = 'error'") == []
