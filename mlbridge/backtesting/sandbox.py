"""Sandbox: dbt, run in this process on a copy of the warehouse and never on the warehouse itself."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import sqlglot
import yaml
from sqlglot import exp

from mlbridge.engines.adapters import PYTHON_ENGINE
from mlbridge.engines.opening import connect
from mlbridge.engines.warehouse import DIALECT
from mlbridge.errors import MlbridgeError, SetupError
from mlbridge.project.dbt import invoke
from mlbridge.project.project import STAGES, Project
from mlbridge.typing import Json

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult
    from dbt.contracts.graph.manifest import Manifest
    from dbt.contracts.graph.nodes import ModelNode

RESULTS = "mlbridge_results"
REPLAYED = STAGES[1:]  # features do not depend on the clock
# Monitoring tables of the real history, which are dropped from the copy: a replay starts without them.
MONITORED = ("ml_windows", "ml_distributions", "ml_realized", "ml_drift", "ml_performance")


class ReplayError(MlbridgeError):
    """A build of the replay failed; the message is dbt's own, with the step and policy at which it happened."""


@dataclass(frozen=True)
class Branch:
    """The nodes of the models that are replayed, in a manifest made ready for it.

    Versions are numbered anew in a replay, so that pins are left out; hooks at the end of a run, which publish what
    was built, are left out too.
    """

    manifest: Manifest
    models: tuple[str, ...]
    every: tuple[str, ...]

    @classmethod
    def of(cls, project: Project, manifest: Manifest, models: Sequence[str]) -> Branch:
        """Check that the nodes are there and in the file; `models` are those replayed, of all that are declared."""
        from dbt.contracts.graph.nodes import HookNode

        branch = cls(manifest, tuple(models), tuple(project.models))
        for model in models:
            for stage in REPLAYED:
                node = branch.nodes.get(f"{model}_{stage}")
                if node is None:
                    raise SetupError(f"{' '.join(project.missing_nodes())} docs/graft.md shows each node.")
                _check_replayable(node, project)
            config = branch.nodes[f"{model}_training"].config.meta.get("mlbridge")
            if isinstance(config, dict):
                config.pop("pin", None)
                config.pop("retire", None)
        for node in branch.nodes.values():
            if node.package_name == "mlbridge":  # of another database there is no copy: a replay begins without them
                node.database = project.credentials.database
        for name, hook in list(manifest.nodes.items()):
            if isinstance(hook, HookNode) and ("on-run-end" in hook.tags or hook.package_name == "mlbridge"):
                del manifest.nodes[name]
        return branch

    @cached_property
    def nodes(self) -> dict[str, ModelNode]:
        """Return the models of the manifest by name."""
        from dbt.contracts.graph.nodes import ModelNode

        return {node.name: node for node in self.manifest.nodes.values() if isinstance(node, ModelNode)}

    def table(self, model: str, stage: str) -> exp.Table:
        """Name the table of a node."""
        return _table(self.nodes[f"{model}_{stage}"])

    def spec_of(self, model: str) -> Json:
        """Return the spec as YAML has it, without its pin."""
        return self.nodes[f"{model}_training"].config.meta.get("mlbridge")

    def select(self, *stages: str) -> list[str]:
        """Name the nodes of these stages for `--select`."""
        return [".".join(self.nodes[f"{model}_{stage}"].fqn) for model in self.models for stage in stages]

    @property
    def drop_statements(self) -> list[exp.Expr]:
        """Return the DROP statements for the models' logbooks, predictions and monitoring tables."""
        names = [f"{model}_{stage}" for model in self.every for stage in REPLAYED[1:]]
        nodes = [self.nodes[name] for name in names if name in self.nodes]
        nodes += [node for name in MONITORED if (node := self.nodes.get(name)) and node.config.materialized != "view"]
        return [_drop(_table(node)) for node in nodes]

    @property
    def fingerprint(self) -> list[Json]:
        """Return what decides a replay's result in the nodes and in the macros that they call."""
        chosen = [self.nodes[f"{model}_{stage}"] for model in self.models for stage in REPLAYED]
        macros = {name for node in chosen for name in node.depends_on.macros}
        ahead = list(macros)
        for name in ahead:  # the list grows during the loop: a traversal of the called macros
            more = set(self.manifest.macros[name].depends_on.macros) - macros
            macros |= more
            ahead += sorted(more)
        return [
            *([node.unique_id, node.checksum.checksum, node.config.to_dict()] for node in chosen),
            *([name, self.manifest.macros[name].macro_sql] for name in sorted(macros)),
        ]


def _check_replayable(node: ModelNode, project: Project) -> None:
    """Refuse a node that dbt does not train by itself, or of whose table there would be no copy."""
    if node.name.endswith("_training") and node.language == "sql":
        raise SetupError(f"{node.name} is SQL and trained by `mlbridge train`; a backtest needs it as a Python model.")
    if node.database != project.credentials.database:
        raise SetupError(
            f"{node.name} is built in another database, '{node.database}', of which there is no copy. "
            "A backtest needs split, training and predictions in the profile's own file."
        )


def _drop(table: exp.Table) -> exp.Expr:
    statement = sqlglot.parse_one("drop table if exists any_table", dialect=DIALECT)
    for named in list(statement.find_all(exp.Table)):
        named.replace(table)
    return statement


def _table(node: ModelNode) -> exp.Table:
    return exp.table_(node.alias, db=node.schema, quoted=True)


class Dbt:
    """dbt on a project whose warehouse is the file that stands in `folder/next`; what dbt writes goes to `folder`."""

    def __init__(self, project: Project, folder: Path) -> None:
        """Store the project and the work folder, which need not exist."""
        self.project = project
        self.folder = folder

    @property
    def logs(self) -> Path:
        """Return the folder of dbt's log and of what it prints."""
        return self.folder / "logs"

    def parse(self) -> Manifest:
        """Parse the project as it is now, with its own profile; no warehouse is opened."""
        from dbt.contracts.graph.manifest import Manifest

        project = self.project
        done, errors = self._invoke(None, "parse", "--profiles-dir", str(project.profiles), target=project.target)
        if not done.success or not isinstance(done.result, Manifest):
            raise SetupError(f"the project does not parse: {done.exception or ' '.join(errors)}")
        return done.result

    @contextmanager
    def profile(self, copy: Path, results: Path) -> Iterator[None]:
        """Write a profiles.yml like the project's own, pointed at the copy and readable by its owner only.

        It may contain passwords of the real profile, so it is removed in the end, also after an error.
        """
        profile = self.project.profile
        outputs = {
            profile.target_name: PYTHON_ENGINE.target(copy, like=self.project.output),
            RESULTS: PYTHON_ENGINE.target(results),
        }
        file = self.folder / "profiles.yml"
        self.folder.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        try:
            file.write_text(yaml.safe_dump({profile.profile_name: {"target": profile.target_name, "outputs": outputs}}))
            yield
        finally:
            file.unlink()

    def run(self, branch: Branch, select: Sequence[str], variables: Mapping[str, str | bool]) -> dict[str, float]:
        """Run nodes on the copy; returns the seconds that each took. Raises ReplayError with dbt's message."""
        # A fresh manifest each time, because dbt stores compiled code in it, which depends on the vars.
        manifest = branch.manifest.deepcopy()  # type: ignore[no-untyped-call]
        wanted = ("--select", *select, "--vars", json.dumps(variables))
        done, errors = self._invoke(manifest, "run", *wanted, "--profiles-dir", str(self.folder))
        results = getattr(done.result, "results", [])
        if not done.success:
            problems = [error_message(each.node.name, each.message) for each in results if each.status == "error"]
            raise ReplayError("\n".join(problems) or str(done.exception or "\n".join(errors)))
        return {each.node.name: each.execution_time for each in results}

    def execute(self, branch: Branch, statements: Sequence[exp.Expr], target: str | None = None) -> None:
        """Run statements on the copy, or on another target of the profile."""
        text = ";\n".join(each.sql(dialect=DIALECT) for each in statements)
        arguments = ("run_query", "--args", json.dumps({"sql": text}, ensure_ascii=False))
        manifest = branch.manifest.deepcopy()  # type: ignore[no-untyped-call]
        done, errors = self._invoke(
            manifest, "run-operation", *arguments, "--profiles-dir", str(self.folder), target=target
        )
        if not done.success:
            raise ReplayError(str(done.exception or "\n".join(errors)))

    def _invoke(
        self, manifest: Manifest | None, *args: str, target: str | None = None
    ) -> tuple[dbtRunnerResult, list[str]]:
        """Run a dbt command; returns its result and its error messages. Its output goes to `folder/logs`."""
        options = [*args, "--target-path", str(self.folder / "target")]
        options += [] if target is None else ["--target", target]
        return invoke(self.project, options, self.logs, manifest)


def error_message(node: str, message: str) -> str:
    """Return what went wrong in a node: without dbt's heading and macros, or the last error of a traceback."""
    lines = message.splitlines()
    starts = [index for index, line in enumerate(lines) if line.strip().startswith("Traceback (most recent call last)")]
    if starts:
        margin = len(lines[starts[-1]]) - len(lines[starts[-1]].lstrip())
        after = lines[starts[-1] + 1 :]
        first = next((index for index, line in enumerate(after) if len(line) - len(line.lstrip()) == margin), 0)
        kept = [line[margin:] for line in after[first:]]
    else:
        kept = [line.strip() for line in lines if not line.lstrip().startswith("> ")]
        kept = kept[1:] if kept and re.match(r"\w+ Error in model ", kept[0]) else kept
    text = "\n".join(kept).strip()
    return text if text.startswith(f"{node}:") else f"{node}: {text}"


def copy_warehouse(file: Path, to: Path) -> None:
    """Copy a warehouse file and its write-ahead log; raises SetupError if another process writes to it meanwhile."""
    connect(file)
    before = _parts(file)
    to.parent.mkdir(parents=True, exist_ok=True)
    for part in before:
        shutil.copyfile(part, to.with_name(part.name))
    if _parts(file) != before:
        raise SetupError(f"another process wrote to '{file}' while it was being copied. Start again when it has ended.")


def _parts(file: Path) -> dict[Path, tuple[int, int]]:
    parts = [each for each in PYTHON_ENGINE.files(file) if each.is_file()]
    return {each: (each.stat().st_size, each.stat().st_mtime_ns) for each in parts}
