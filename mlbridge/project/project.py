"""The dbt project around a command: its profile, its manifest, and where its tables are."""

from __future__ import annotations

import json
import os
from collections import Counter
from contextlib import chdir, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from mlbridge.engines.adapters import PYTHON_ENGINE, engine_of
from mlbridge.engines.opening import connect, file_of
from mlbridge.engines.reader import Credentials
from mlbridge.engines.warehouse import Warehouse
from mlbridge.errors import SetupError, listed, nearest, shown
from mlbridge.publication.folder import OF_A_SERVER, folder_of
from mlbridge.typing import Document

if TYPE_CHECKING:
    from dbt.config.profile import Profile
    from dbt.config.project import Project as DbtProject

STAGES = ("features", "split", "training", "predictions")


def place_of(node: Document) -> tuple[str, str, str]:
    """Return database, schema and name of the table of a node of the manifest."""
    return str(node["database"] or ""), str(node["schema"]), str(node["alias"])


def is_built(node: Document) -> bool:
    """Return whether a node of the manifest is a table or view in the warehouse."""
    return node["resource_type"] in ("model", "seed") and node["config"]["materialized"] != "ephemeral"


def declared_models(variables: Document, project: str) -> list[str]:
    """Return the models that the vars of a project declare; raises SetupError if they are no list of names."""
    of_package, of_project = (variables.get(name) or {} for name in ("mlbridge", project))
    names = of_package.get("mlbridge_models", variables.get("mlbridge_models"))
    if names is None and "mlbridge_models" in of_project:
        raise SetupError(
            f"dbt_project.yml says mlbridge_models below '{project}', where dbt hides it from the package: no model is "
            "trained. Put it directly below `vars:`."
        )
    if not isinstance(names, list | None):
        raise SetupError(
            f"vars: mlbridge_models: expected a list of names such as [late_arrival], found {shown(names)}."
        )
    twice = [str(name) for name, count in Counter(names or []).items() if count > 1]
    if twice:
        raise SetupError(f"vars: mlbridge_models: {listed(twice)} is listed twice. Name each model once.")
    return [str(name) for name in names or []]


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
        """Return the project at a path; without `profiles`, profiles.yml is looked up in it, else in `~/.dbt`."""
        if profiles is None:
            beside = (path / "profiles.yml").is_file()
            profiles = path if beside else Path.home() / ".dbt"
        return cls(path.absolute(), profiles.absolute(), target)

    @cached_property
    def profile(self) -> Profile:
        """Load the profile through dbt; raises SetupError with dbt's message when it does not load."""
        from dbt.cli.flags import Flags
        from dbt.cli.types import Command
        from dbt.config.runtime import load_profile
        from dbt.flags import set_flags
        from dbt_common.context import set_invocation_context
        from dbt_common.events.event_manager_client import cleanup_event_logger
        from dbt_common.exceptions import DbtBaseException

        cleanup_event_logger()  # a build shows dbt's warnings; here they would mix with the output
        set_invocation_context(os.environ)
        try:
            folders = {"profiles_dir": str(self.profiles), "project_dir": str(self.path)}
            set_flags(Flags.from_dict(Command.PARSE, folders))  # type: ignore[no-untyped-call]
            return load_profile(str(self.path), {}, None, self.target)
        except DbtBaseException as error:
            raise SetupError(f"the profile does not load: {' '.join(str(error).split())}") from error

    @cached_property
    def config(self) -> DbtProject:
        """Load dbt_project.yml through dbt, so that its paths and vars are those that dbt works with.

        It loads without a valid profile too, as in `dbt deps`. Raises SetupError with dbt's message.
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
            raise SetupError(f"dbt_project.yml does not load: {' '.join(str(error).split())}") from error

    @property
    def credentials(self) -> Credentials:
        """Return the connection settings of the target."""
        return self.profile.credentials

    @property
    def output(self) -> Document:
        """Return the profile's target as it stands in profiles.yml: `env_var` calls are not evaluated."""
        from dbt.config.profile import read_profile

        found = read_profile(str(self.profiles))[self.profile.profile_name]["outputs"][self.profile.target_name]
        return dict(found)

    @property
    def warehouse_file(self) -> Path | None:
        """Return the path of the warehouse file, which need not exist; None for a server or an in-memory database.

        dbt takes a relative path from the folder it is started in. So the file is looked for in the working
        directory first, and if it is not there, in the project's folder, where dbt is usually started.
        """
        file = file_of(self.credentials)
        return file if file is None else file.absolute() if file.exists() else self.path / file

    def connect(self) -> Warehouse:
        """Open every database of the profile read-only.

        Raises SetupError if it is no file, does not exist, or another process holds it.
        """
        with chdir(self.start_folder):
            return connect(self.warehouse_file, self.credentials)

    @property
    def tables_file(self) -> Path | None:
        """Return the path of the file with the package's tables, which need not exist; links are followed.

        It is the file of the database of the tables, which may be another than the profile's own. None if they are on a
        server or in memory.
        """
        database = self.credentials.database
        with suppress(SetupError):
            database = self.manifest["nodes"].get("model.mlbridge.ml_runs", {}).get("database", database)
        path = engine_of(self.credentials.type).path_of(self.credentials, database)
        if path is None:
            return None
        return (Path(path) if Path(path).exists() else self.path / path).resolve()

    @property
    def published_folder(self) -> Path | None:
        """Return the folder that the target's builds publish to, beside the tables' file, or None without a file."""
        file = self.tables_file
        if file is None:
            return None
        return folder_of(file, self.profile.target_name)

    @property
    def served_folder(self) -> Path | None:
        """Return the folder that `mlbridge serve` reads: the published one, or of a server one in the project's folder.

        None for what is in memory, and for an engine that nothing is served from.
        """
        engine = engine_of(self.credentials.type)
        if engine is PYTHON_ENGINE or not engine.serves:
            return self.published_folder
        return folder_of(self.path / OF_A_SERVER, self.profile.target_name)

    @property
    def start_folder(self) -> Path:
        """Return the working directory if the warehouse's relative path exists there, else the project's folder."""
        file = file_of(self.credentials)
        found_here = file is not None and not file.is_absolute() and file.exists()
        return Path.cwd() if found_here else self.path

    @property
    def target_folder(self) -> Path:
        """Return dbt's target folder (`target-path`)."""
        return self.path / str(self.config.target_path)

    @cached_property
    def manifest(self) -> Document:
        """Read the manifest of dbt's last parse; raises SetupError if there is none."""
        file = self.target_folder / "manifest.json"
        if not file.is_file():
            raise SetupError(f"'{file}' is not there yet. Run `dbt build` first.")
        try:
            found: Document = json.loads(file.read_text())
        except ValueError as error:
            raise SetupError(f"'{file}' cannot be read: {error}. Run `dbt parse`, which writes it anew.") from error
        for node in found["nodes"].values():  # dbt 2 leaves these out for seeds and hooks
            node.setdefault("config", {}).setdefault("materialized", node["resource_type"])
        return found

    @property
    def package_version(self) -> str | None:
        """Return the version of the dbt package mlbridge that `dbt deps` installed, None without it."""
        found = self._packages().get("mlbridge")
        return None if found is None else str(found["version"])

    def dbt_versions_needed(self) -> dict[str, list[str]]:
        """Return what installed packages say in `require-dbt-version`, as comparisons such as `>=1.11.0`, by name."""
        requirements = {name: package.get("require-dbt-version") or [] for name, package in self._packages().items()}
        parts = {name: [each] if isinstance(each, str) else each for name, each in requirements.items()}
        return {
            name: [text.strip() for each in texts for text in str(each).split(",")]
            for name, texts in parts.items()
            if texts
        }

    def _packages(self) -> dict[str, Document]:
        """Read the dbt_project.yml of each package that `dbt deps` installed, by the folder's name."""
        folder = self.path / self.config.packages_install_path
        return {file.parent.name: yaml.safe_load(file.read_text()) for file in sorted(folder.glob("*/dbt_project.yml"))}

    def relation(self, table: str) -> tuple[str, str, str]:
        """Return database, schema and name of one of the package's tables."""
        place = self.tables.get(table)
        if place is None:
            raise SetupError(
                f"the project has no table '{table}': the dbt package mlbridge is not part of it. Name it in "
                "packages.yml and run `dbt deps` and `dbt build`."
            )
        return place

    @property
    def tables(self) -> dict[str, tuple[str, str, str]]:
        """Return database, schema and name of the package's tables and views by name, as of the last parse.

        Steps of the monitor are left out: they are written into what reads them.
        """
        return {
            str(node["name"]): place_of(node)
            for node in self.manifest["nodes"].values()
            if node["resource_type"] == "model"  # hooks have a materialization too
            and node["package_name"] == "mlbridge"
            and node["config"]["materialized"] in ("table", "view", "incremental")
            and not node["name"].startswith("int_ml_")
        }

    @property
    def published_tables(self) -> dict[str, tuple[str, str, str]]:
        """Return those that builds publish, as `macros/monitor/builds/publish.sql` does, `ml_scores_<model>` too."""
        scores = {str(node["name"]): place_of(node) for node in self.scores_nodes if is_built(node)}
        return {name: place for name, place in self.tables.items() if name != "ml_predictions_latest"} | scores

    @property
    def scores_nodes(self) -> list[Document]:
        """Return the nodes `ml_scores_<model>`, which the project has by a call of `mlbridge.scores`."""
        models = (node for node in self.manifest["nodes"].values() if node["resource_type"] == "model")
        return [node for node in models if "mlbridge_scores" in (node["config"].get("meta") or {})]

    @property
    def models(self) -> list[str]:
        """Return the declared models: the var `mlbridge_models` as the dbt package resolves it."""
        variables = self.config.vars.to_dict()  # type: ignore[no-untyped-call]
        return declared_models(variables, str(self.config.project_name))

    def chosen(self, model: str | None) -> list[str]:
        """Return the declared models, or the one that is named; raises SetupError when it is not among them."""
        models = self.models
        if not models:
            raise SetupError("no model is declared. Name yours in dbt_project.yml below `vars: mlbridge_models`.")
        if model is None:
            return models
        if model not in models:
            raise SetupError(f"there is no model '{model}'.{nearest(model, models)} Declared: {listed(models)}.")
        return [model]

    def missing_nodes(self) -> list[str]:
        """Return a sentence for each declared model that lacks nodes, with the most similar existing name.

        The project's nodes are found by file name, because dbt cannot parse a project with a missing node. Nodes of
        other packages are taken from the last manifest.
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
