"""Sandbox: dbt, run in this process on a copy of the warehouse and never on the warehouse itself."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlglot
import yaml
from sqlglot import exp

from mlbridge.errors import MlbridgeError, SetupError
from mlbridge.invoke import invoke
from mlbridge.project import STAGES, Project
from mlbridge.warehouse import DIALECT, connect

RESULTS = "mlbridge_results"
REPLAYED = STAGES[1:]  # features do not depend on the clock
# What the monitor has seen of the real history; a replay starts from nothing known.
MONITORED = ("ml_windows", "ml_distributions", "ml_realized", "ml_drift", "ml_performance")


class ReplayError(MlbridgeError):
    """A build of the replay failed; the message is dbt's own, with the step and policy at which it happened."""


@dataclass(frozen=True)
class Branch:
    """The nodes of the models that are replayed, in a manifest made ready for it.

    Versions are numbered anew in a replay, so that pins are left out; hooks at the end of a run, which publish what
    was built, are left out too.
    """

    manifest: Any
    models: tuple[str, ...]
    every: tuple[str, ...]

    @classmethod
    def of(cls, project: Project, manifest: Any, models: Sequence[str]) -> Branch:
        """Check that the nodes are there and in the file; `models` are those replayed, of all that are declared."""
        branch = cls(manifest, tuple(models), tuple(project.models))
        for model in models:
            for stage in REPLAYED:
                node = branch.nodes.get(f"{model}_{stage}")
                if node is None:
                    raise SetupError(f"{' '.join(project.missing_nodes())} The README's graft guide shows each node.")
                if node.database != project.credentials.database:
                    raise SetupError(
                        f"{node.name} is built in the attached database '{node.database}', of which there is no copy. "
                        "A backtest needs split, training and predictions in the profile's own file."
                    )
            said = branch.nodes[f"{model}_training"].config.meta.get("mlbridge")
            if isinstance(said, dict):
                said.pop("pin", None)
                said.pop("retire", None)
        for name, node in list(manifest.nodes.items()):
            if node.resource_type == "operation" and "on-run-end" in node.tags:
                del manifest.nodes[name]
        return branch

    @cached_property
    def nodes(self) -> dict[str, Any]:
        """Give the models of the manifest by name."""
        return {node.name: node for node in self.manifest.nodes.values() if node.resource_type == "model"}

    def table(self, model: str, stage: str) -> exp.Table:
        """Name the table of a node."""
        return _table(self.nodes[f"{model}_{stage}"])

    def said(self, model: str) -> Any:
        """Give the spec as YAML has it, without its pin."""
        return self.nodes[f"{model}_training"].config.meta.get("mlbridge")

    def select(self, *stages: str) -> list[str]:
        """Name the nodes of these stages for `--select`."""
        return [".".join(self.nodes[f"{model}_{stage}"].fqn) for model in self.models for stage in stages]

    @property
    def learned(self) -> list[exp.Expression]:
        """Give the statements that take out of a warehouse what its models have learned so far."""
        names = [f"{model}_{stage}" for model in self.every for stage in REPLAYED[1:]]
        nodes = [self.nodes[name] for name in names if name in self.nodes]
        nodes += [node for name in MONITORED if (node := self.nodes.get(name)) and node.config.materialized != "view"]
        return [_drop(_table(node)) for node in nodes]

    @property
    def fingerprint(self) -> list[Any]:
        """Give what decides a replay's result in the nodes and in the macros that they call."""
        chosen = [self.nodes[f"{model}_{stage}"] for model in self.models for stage in REPLAYED]
        macros = {name for node in chosen for name in node.depends_on.macros}
        ahead = list(macros)
        for name in ahead:  # the list grows as it is walked
            more = set(self.manifest.macros[name].depends_on.macros) - macros
            macros |= more
            ahead += sorted(more)
        return [
            *([node.unique_id, node.checksum.checksum, node.config.to_dict()] for node in chosen),
            *([name, self.manifest.macros[name].macro_sql] for name in sorted(macros)),
        ]


def _drop(table: exp.Table) -> Any:
    statement: Any = sqlglot.parse_one("drop table if exists any_table", dialect=DIALECT)
    for named in list(statement.find_all(exp.Table)):
        named.replace(table)
    return statement


def _table(node: Any) -> exp.Table:
    return exp.table_(node.alias, db=node.schema, quoted=True)


class Dbt:
    """dbt on a project whose warehouse is the file that stands in `folder/next`; what dbt writes goes to `folder`."""

    def __init__(self, project: Project, folder: Path) -> None:
        """Find the project; `folder` is the work folder, there or not."""
        self.project = project
        self.folder = folder

    @property
    def logs(self) -> Path:
        """Give the folder of dbt's log and of what it prints."""
        return self.folder / "logs"

    def parse(self) -> Any:
        """Parse the project as it is now, with its own profile; no warehouse is opened."""
        project = self.project
        done, heard = self._invoke(None, "parse", "--profiles-dir", str(project.profiles), target=project.target)
        if not done.success:
            raise SetupError(f"the project does not parse: {done.exception or ' '.join(heard)}")
        return done.result

    def write_profile(self, copy: Path, results: Path) -> None:
        """Write the profile of the replay, for the user's eyes only: the real one with another path.

        Databases that it attaches are attached for reading, so that nothing but the copy can be written to.
        """
        real = {**self.project.output, "keep_open": False}
        if isinstance(real.get("attach"), list):
            real["attach"] = [{**each, "read_only": True} for each in real["attach"]]
        profile = self.project.profile
        outputs = {
            profile.target_name: {**real, "path": str(copy)},
            RESULTS: {"type": DIALECT, "path": str(results), "keep_open": False},
        }
        file = self.folder / "profiles.yml"
        self.folder.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(yaml.safe_dump({profile.profile_name: {"target": profile.target_name, "outputs": outputs}}))

    def run(self, branch: Branch, select: Sequence[str], variables: Mapping[str, Any]) -> dict[str, float]:
        """Run nodes on the copy and give the seconds that each took; raises ReplayError with dbt's own words."""
        # A fresh manifest each time: dbt keeps in it what it compiled with other vars.
        manifest = branch.manifest.deepcopy()
        wanted = ("--select", *select, "--vars", json.dumps(variables))
        done, heard = self._invoke(manifest, "run", *wanted, "--profiles-dir", str(self.folder))
        results = getattr(done.result, "results", [])
        if not done.success:
            problems = [_own_words(each.node.name, each.message) for each in results if each.status == "error"]
            raise ReplayError("\n".join(problems) or str(done.exception or "\n".join(heard)))
        return {each.node.name: each.execution_time for each in results}

    def execute(self, branch: Branch, statements: Sequence[exp.Expression], target: str | None = None) -> None:
        """Run statements on the copy, or on another target of the profile."""
        text = ";\n".join(each.sql(dialect=DIALECT) for each in statements)
        said = ("run_query", "--args", json.dumps({"sql": text}, ensure_ascii=False))
        manifest = branch.manifest.deepcopy()
        done, heard = self._invoke(manifest, "run-operation", *said, "--profiles-dir", str(self.folder), target=target)
        if not done.success:
            raise ReplayError(str(done.exception or "\n".join(heard)))

    def _invoke(self, manifest: Any, *args: str, target: str | None = None) -> tuple[Any, list[str]]:
        """Run a dbt command; gives its result and the errors that it spoke of. Its output goes to `folder/logs`."""
        options = [*args, "--target-path", str(self.folder / "target")]
        options += [] if target is None else ["--target", target]
        return invoke(self.project, options, self.logs, manifest)


def _own_words(node: str, message: str) -> str:
    """Give what went wrong in a node: the last error of a traceback without the frames that lead to it."""
    lines = message.splitlines()
    starts = [place for place, line in enumerate(lines) if line.strip().startswith("Traceback (most recent call last)")]
    if not starts:
        return f"{node}: {message.strip()}"
    margin = len(lines[starts[-1]]) - len(lines[starts[-1]].lstrip())
    after = lines[starts[-1] + 1 :]
    first = next((place for place, line in enumerate(after) if len(line) - len(line.lstrip()) == margin), 0)
    words = "\n".join(line[margin:] for line in after[first:]).strip()
    words = re.sub(r"^mlbridge\.errors\.\w+: ", "", words)
    return words if words.startswith(f"{node}:") else f"{node}: {words}"


def copy_warehouse(file: Path, to: Path) -> None:
    """Copy a warehouse with what is not in its file yet; raises SetupError when somebody writes to it meanwhile."""
    connect(file)
    before = _parts(file)
    to.parent.mkdir(parents=True, exist_ok=True)
    for part in before:
        shutil.copyfile(part, to.with_name(part.name))
    if _parts(file) != before:
        raise SetupError(f"another process wrote to '{file}' while it was being copied. Start again when it has ended.")


def _parts(file: Path) -> dict[Path, tuple[int, int]]:
    parts = (file, file.with_name(f"{file.name}.wal"))
    return {each: (each.stat().st_size, each.stat().st_mtime_ns) for each in parts if each.is_file()}
