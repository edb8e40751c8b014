"""The manifest of a project: that of dbt's last parse, or one that is made on the spot and kept nowhere."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from mlbridge.errors import SetupError
from mlbridge.project.dbt import invoke
from mlbridge.project.project import Project
from mlbridge.typing import Document


def read_or_make(project: Project) -> Document:
    """Return the manifest of dbt's last parse; without one, parse the project, and write nothing into it.

    Raises SetupError with dbt's message if the project does not parse.
    """
    if (project.target_folder / "manifest.json").is_file():
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
        return found
