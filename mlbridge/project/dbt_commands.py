"""Runs dbt commands whose output is shown as it comes: dbt 1 in this process, dbt 2 as the command that it is."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlbridge.errors import SetupError
from mlbridge.project.project import Project

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

FAILED_NODES = 1  # dbt's exit code where it ran and a node failed; a greater one is no result


@dataclass(frozen=True)
class Done:
    """What became of a dbt command: names of the nodes that it ran and that failed, and what dbt 1 has parsed.

    `failed` is without tests: what they judge is built.
    """

    success: bool
    nodes: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    manifest: Manifest | None = None


@dataclass(frozen=True)
class Dbt2:
    """dbt 2, which is a program and no library: its path, and its version."""

    path: str
    version: str


def dbt_2() -> Dbt2 | None:
    """Return dbt 2 if that is what `dbt` means here; dbt 1 is a script of Python."""
    path = shutil.which("dbt")
    if path is None or _is_script(Path(path)):
        return None
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    version = next((word for word in said.split() if word.startswith("2.")), None)
    return None if version is None else Dbt2(path, version)


def run(
    project: Project, command: Sequence[str], arguments: Sequence[str], program: Dbt2 | None, manifest: Manifest | None
) -> Done:
    """Run a dbt command on a project; `program` is None for dbt 1.

    `manifest` is of a parse with the same options, so that dbt 1 need not parse again. Raises SetupError where dbt
    gives no result, and KeyboardInterrupt if it was interrupted.
    """
    places = ["--project-dir", str(project.path), "--profiles-dir", str(project.profiles)]
    target = [] if project.target is None else ["--target", project.target]
    words = [*command, *places, *target, *arguments]
    with chdir(project.start_folder):
        return _in_process(words, command[-1], manifest) if program is None else _by(program.path, words, project)


def _is_script(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(2) == b"#!"


def _in_process(words: list[str], verb: str, manifest: Manifest | None) -> Done:
    from dbt.cli.main import dbtRunner

    done = dbtRunner(manifest=manifest).invoke(words)
    if isinstance(done.exception, KeyboardInterrupt):
        raise done.exception
    if done.exception is not None:
        raise SetupError(f"dbt {verb}: {done.exception}")
    if verb == "parse":
        return Done(done.success, manifest=done.result)  # type: ignore[arg-type] # of a parse, it is the manifest
    ran = [(each.node.name, each.node.resource_type, each.status) for each in getattr(done.result, "results", [])]
    return _done(done.success, ran)


def _by(program: str, words: list[str], project: Project) -> Done:
    results = project.target_folder / "run_results.json"
    results.unlink(missing_ok=True)  # those of an earlier command are none of this one
    code = subprocess.run([program, *words], check=False).returncode  # noqa: S603 - the user's own dbt
    if code > FAILED_NODES or code < 0 or (code and not results.is_file()):
        raise SetupError(f"dbt ended with exit code {code}; what it says stands above.")
    ran = json.loads(results.read_text())["results"] if results.is_file() else []
    ids = [str(each["unique_id"]).split(".") for each in ran]
    return _done(code == 0, [(id_[2], id_[0], each["status"]) for id_, each in zip(ids, ran, strict=True)])


def _done(success: bool, ran: Sequence[tuple[str, str, str]]) -> Done:
    """Return what became of nodes by name, type and status."""
    failed = [name for name, type_, status in ran if status == "error" and type_ not in ("test", "unit_test")]
    return Done(success, tuple(name for name, *_ in ran), tuple(failed))
