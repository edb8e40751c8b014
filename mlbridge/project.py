"""The dbt project around a command: its profile, its manifest, and where its tables are."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from mlbridge.errors import SetupError, listed, nearest
from mlbridge.warehouse import DIALECT, file_of

STAGES = ("features", "split", "training", "predictions")
# Paths of databases in memory and on other machines; a drive has one letter.
NO_FILE = re.compile(r"$|:|[A-Za-z][A-Za-z0-9+.-]+:")


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
    def profile(self) -> Any:
        """Load the profile through dbt; raises SetupError with dbt's own words when it does not load."""
        from dbt.cli.flags import Flags
        from dbt.cli.types import Command
        from dbt.config.runtime import load_profile
        from dbt.flags import set_flags
        from dbt_common.context import set_invocation_context
        from dbt_common.events.event_manager_client import cleanup_event_logger
        from dbt_common.exceptions import DbtBaseException

        cleanup_event_logger()  # what dbt warns of is said by a build; here it would stand among the output
        set_invocation_context(os.environ)
        try:
            folders = {"profiles_dir": str(self.profiles), "project_dir": str(self.path)}
            set_flags(Flags.from_dict(Command.PARSE, folders))  # type: ignore[no-untyped-call]
            return load_profile(str(self.path), {}, None, self.target)
        except DbtBaseException as error:
            raise SetupError(f"the profile does not load: {error}") from error

    @cached_property
    def config(self) -> Any:
        """Load dbt_project.yml through dbt, so that its paths and vars are those that dbt works with.

        Without a profile as well, as `dbt deps` does. Raises SetupError with dbt's own words.
        """
        from dbt.config.runtime import UnsetProfile, load_project
        from dbt_common.exceptions import DbtBaseException

        try:
            profile = self.profile
        except SetupError:
            profile = UnsetProfile()  # type: ignore[no-untyped-call]
        try:
            return load_project(str(self.path), False, profile, {})
        except DbtBaseException as error:
            raise SetupError(f"dbt_project.yml does not load: {error}") from error

    @property
    def credentials(self) -> Any:
        """Give what the profile says of the target's warehouse."""
        return self.profile.credentials

    @property
    def output(self) -> dict[str, Any]:
        """Give the profile's target as it stands in profiles.yml: what it asks of the environment stays a question."""
        from dbt.config.profile import read_profile

        found = read_profile(str(self.profiles))[self.profile.profile_name]["outputs"][self.profile.target_name]
        return dict(found)

    @property
    def warehouse_file(self) -> Path | None:
        """Find the file that the warehouse lives in, there or not; None when it is a server or in memory.

        dbt takes a relative path from the folder it is started in. So the file is looked for in the working
        directory first, and when there is none in the project's folder, where most start dbt.
        """
        file = file_of(self.credentials)
        return file if file is None else file.absolute() if file.exists() else self.path / file

    @property
    def tables_file(self) -> Path | None:
        """Find the file that the package's tables are in, there or not: the profile's own, or one that it attaches.

        Links are followed, as the engine does. None when the tables are on a server or in memory.
        """
        said = self.credentials
        if said.type != DIALECT:
            return None
        places = {said.path_derived_database_name(said.path): said.path}
        places |= {each.alias or said.path_derived_database_name(each.path): each.path for each in said.attach or []}
        database = said.database
        with suppress(SetupError):
            database = self.manifest["nodes"].get("model.mlbridge.ml_runs", {}).get("database", database)
        path = places.get(database, said.path)
        if NO_FILE.match(path):
            return None
        return (Path(path) if Path(path).exists() else self.path / path).resolve()

    @property
    def published_folder(self) -> Path | None:
        """Find the folder that builds publish to, there or not: beside that file, None without one."""
        file = self.tables_file
        return file if file is None else file.with_name(f"{file.name}.published")

    @property
    def start_folder(self) -> Path:
        """Find the folder that dbt is started in, as far as the warehouse's path tells; else the project's."""
        file = file_of(self.credentials)
        found_here = file is not None and not file.is_absolute() and file.exists()
        return Path.cwd() if found_here else self.path

    @property
    def target_folder(self) -> Path:
        """Give the folder that dbt writes what it makes of the project to."""
        return self.path / str(self.config.target_path)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Read what dbt parsed last; raises SetupError when it has not parsed yet."""
        file = self.target_folder / "manifest.json"
        if not file.is_file():
            raise SetupError(f"'{file}' is not there yet. Run `dbt build` first.")
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    @property
    def package_version(self) -> str | None:
        """Give the version of the dbt package mlbridge that `dbt deps` installed, None without it."""
        file = self.path / self.config.packages_install_path / "mlbridge" / "dbt_project.yml"
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

    @property
    def models(self) -> list[str]:
        """Name the ML models that the host declares, as the package's tables see them."""
        said = self.config.vars.to_dict()
        of_package, of_project = (said.get(name) or {} for name in ("mlbridge", self.config.project_name))
        names = of_package.get("mlbridge_models", said.get("mlbridge_models"))
        if names is None and "mlbridge_models" in of_project:
            raise SetupError(
                f"dbt_project.yml says mlbridge_models below '{self.config.project_name}', where dbt hides it from the "
                "package: no model is trained. Put it directly below `vars:`."
            )
        if not isinstance(names, list | None):
            raise SetupError(f"vars: mlbridge_models: expected a list of names such as [churn], found: {names!r}")
        return [str(name) for name in names or []]

    def chosen(self, model: str | None) -> list[str]:
        """Give the declared models, or the one that is asked for; raises SetupError when it is not among them."""
        models = self.models
        if not models:
            raise SetupError("no model is declared. Name yours in dbt_project.yml below `vars: mlbridge_models`.")
        if model is None:
            return models
        if model not in models:
            raise SetupError(f"there is no model '{model}'.{nearest(model, models)} Declared: {listed(models)}.")
        return [model]

    def missing_nodes(self) -> list[str]:
        """Say for each declared model which nodes of the line it lacks, with the nearest word that is there.

        Files tell what the project itself has: where a node is missing, dbt does not parse. The last manifest tells
        what other packages have.
        """
        models = self.models
        nodes = {
            file.stem
            for folder in self.config.model_paths
            for file in (self.path / folder).rglob("*")
            if file.suffix in (".sql", ".py")
        }
        with suppress(SetupError):
            nodes |= {
                node["name"]
                for node in self.manifest["nodes"].values()
                if node["resource_type"] == "model" and node["package_name"] != self.config.project_name
            }
        expected = {f"{model}_{stage}" for model in models for stage in STAGES}
        spare = nodes - expected
        others = {name.removesuffix(end) for name in spare for end in map("_{}".format, STAGES) if name.endswith(end)}
        found = []
        for model in models:
            missing = [name for stage in STAGES if (name := f"{model}_{stage}") not in nodes]
            if missing:
                hint = nearest(model, others) if len(missing) == len(STAGES) else nearest(missing[0], spare)
                found.append(f"the model '{model}' lacks {listed(missing)}.{hint}")
        return found
