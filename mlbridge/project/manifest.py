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
    """Return a manifest with what dbt compiled before of the nodes that have not changed since."""
    with suppress(SetupError):
        earlier = project.manifest["nodes"]
        for id_, node in manifest["nodes"].items():
            before = earlier.get(id_, {})
            if before.get("compiled_code") and before.get("checksum") == node.get("checksum"):
                node["compiled_code"] = before["compiled_code"]
    return manifest


def is_old(project: Project) -> bool:
    """Return whether there is no manifest, or a file that dbt parses is newer than it."""
    manifest = project.target_folder / "manifest.json"
    if not manifest.is_file():
        return True
    written, config = manifest.stat().st_mtime, project.config
    folders = {*config.model_paths, *config.macro_paths, *config.seed_paths, *config.snapshot_paths}
    files = [file for folder in folders for file in (project.path / folder).rglob("*") if file.is_file()]
    return any(file.stat().st_mtime > written for file in (project.path / "dbt_project.yml", *files))
