"""The dbt project around a command: its profile, its manifest, and where its tables are."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from mlbridge.errors import SetupError, listed


@dataclass(frozen=True)
class Project:
    """A dbt project as dbt itself finds it: the folder, the profile's folder, and the target."""

    path: Path
    profiles: Path
    target: str | None = None

    def __post_init__(self) -> None:
        """Refuse a folder that is no dbt project."""
        if not (self.path / "dbt_project.yml").is_file():
            raise SetupError(
                f"'{self.path}' holds no dbt_project.yml. Change into the dbt project, or name it with --project-dir."
            )

    @classmethod
    def at(cls, path: Path, profiles: Path | None, target: str | None) -> Project:
        """Find the profile as dbt does: beside the project, else in the home folder."""
        if profiles is None:
            beside = (path / "profiles.yml").is_file()
            profiles = path if beside else Path.home() / ".dbt"
        return cls(path.absolute(), profiles.absolute(), target)

    @cached_property
    def credentials(self) -> Any:
        """Load the profile through dbt; raises SetupError with dbt's own words when it does not load."""
        from dbt.config.runtime import load_profile
        from dbt.flags import set_from_args
        from dbt_common.context import set_invocation_context
        from dbt_common.exceptions import DbtBaseException

        args: Any = Namespace(profiles_dir=str(self.profiles), project_dir=str(self.path))
        set_from_args(args, {})
        set_invocation_context(os.environ)
        try:
            return load_profile(str(self.path), {}, None, self.target).credentials
        except DbtBaseException as error:
            raise SetupError(f"the profile does not load: {error}") from error

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Read what dbt parsed last; raises SetupError when it has not parsed yet."""
        file = self.path / "target" / "manifest.json"
        if not file.is_file():
            raise SetupError(f"'{file}' is not there yet. Run `dbt build` first.")
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    @property
    def package_version(self) -> str | None:
        """Give the version of the dbt package mlbridge that `dbt deps` installed, None without it."""
        file = self.path / "dbt_packages" / "mlbridge" / "dbt_project.yml"
        return str(yaml.safe_load(file.read_text())["version"]) if file.is_file() else None

    def relation(self, table: str) -> tuple[str, str]:
        """Give schema and name of one of the package's tables."""
        node = self.manifest["nodes"].get(f"model.mlbridge.{table}")
        if node is None:
            raise SetupError(
                f"the project has no table '{table}': the dbt package mlbridge is not part of it. Name it in "
                "packages.yml and run `dbt deps` and `dbt build`."
            )
        return str(node["schema"]), str(node["alias"])

    def models_without_nodes(self) -> list[str]:
        """Name the training nodes that lack one of the nodes of the line."""
        names = {node["name"] for node in self.manifest["nodes"].values() if node["resource_type"] == "model"}
        trained = {name.removesuffix("_training") for name in names if name.endswith("_training")}
        stages = ("features", "split", "training", "predictions")
        return [
            f"{model} ({listed(missing)})"
            for model in sorted(trained)
            if (missing := [f"{model}_{stage}" for stage in stages if f"{model}_{stage}" not in names])
        ]
