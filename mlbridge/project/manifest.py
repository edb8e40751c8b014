"""The manifest of a project as its files are: that of dbt's last parse, or one that is made and kept nowhere."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from mlbridge.errors import SetupError
from mlbridge.project.dbt import invoke
from mlbridge.project.project import Project
from mlbridge.typing import Document


def read_or_make(project: Project) -> Document:
    """Return the manifest of dbt's last parse; else parse the project, and write nothing into it.

    It is parsed where there is no manifest, where a file is newer than it, and for a target that is named, because the
    manifest may be of another one. Raises SetupError with dbt's message if the project does not parse.
    """
    if project.target is None and not is_old(project):
        return project.manifest
    with TemporaryDirectory(prefix="mlbridge_") as name:
        folder = Path(name)
        options = ["--target-path", str(folder), "--profiles-dir", str(project.profiles)]
        options += [] if project.target is None else ["--target", project.target]
        done, errors = invoke(project, ["parse", *options], folder / "logs")
        if not done.success:
            said = " ".join(errors) or str(done.exception)
            raise SetupError(
                f"dbt cannot parse the project: {' '.join(said.split())} Mend it until `dbt parse` passes."
            )
        found: Document = json.loads((folder / "manifest.json").read_text())
        return found if project.target is not None else _with_code(found, project)


def _with_code(manifest: Document, project: Project) -> Document:
    """Return a manifest with what dbt compiled before of the nodes whose SQL would be the same today.

    It is taken only if dbt_project.yml, which may set vars, is older than what was compiled.
    """
    settings = (project.path / "dbt_project.yml").stat().st_mtime
    with suppress(SetupError, OSError):
        earlier = project.manifest
        if settings > (project.target_folder / "manifest.json").stat().st_mtime:
            return manifest
        for id_, node in manifest["nodes"].items():
            code = earlier["nodes"].get(id_, {}).get("compiled_code")
            if code and _inputs(id_, manifest) == _inputs(id_, earlier):
                node["compiled_code"] = code
    return manifest


def _inputs(id_: str, manifest: Document) -> dict[str, Document | str | None]:
    """Return the texts that make a node's SQL: its own, and those of the macros and ephemeral models in it."""
    found: dict[str, Document | str | None] = {}
    left = [id_]
    while left:
        id_ = left.pop()
        if id_ not in found:
            made = manifest["nodes"].get(id_) or manifest["macros"].get(id_) or {}
            found[id_] = made.get("macro_sql") or made.get("checksum")
            depends_on = made.get("depends_on", {})
            parents = [each for each in depends_on.get("nodes", []) if _is_ephemeral(manifest["nodes"].get(each, {}))]
            left += [*depends_on.get("macros", []), *parents]
    return found


def _is_ephemeral(node: Document) -> bool:
    """Return whether a node's SQL is put into that of others."""
    return bool(node.get("config", {}).get("materialized") == "ephemeral")


def is_old(project: Project) -> bool:
    """Return whether there is no manifest, or a file that dbt parses is newer than it."""
    manifest = project.target_folder / "manifest.json"
    if not manifest.is_file():
        return True
    written, config = manifest.stat().st_mtime, project.config
    folders = {*config.model_paths, *config.macro_paths, *config.seed_paths, *config.snapshot_paths}
    files = [file for folder in folders for file in (project.path / folder).rglob("*") if file.is_file()]
    return any(file.stat().st_mtime > written for file in (project.path / "dbt_project.yml", *files))
