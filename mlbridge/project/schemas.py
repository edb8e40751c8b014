"""The schemas in which dbt would build nodes that the project does not have yet, by the project's own rule."""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import PurePosixPath

from mlbridge.errors import SetupError
from mlbridge.project.project import Project
from mlbridge.typing import Document, Json

# Where the nodes of ML models are, in a project that has none yet.
FOLDER = "ml"


def schemas_of(project: Project, manifest: Document, models: Sequence[tuple[str, str, str | None]]) -> list[str]:
    """Return the schemas of models that would lie in the folder `ml` of a package.

    Each is given by its name, its package, and its own `+schema`, None without. The project's macro
    `generate_schema_name` decides, or dbt's where it has none. Raises SetupError if that fails.
    """
    if not models:
        return []
    from dbt.adapters.factory import adapter_management, register_adapter
    from dbt.clients.jinja import MacroGenerator
    from dbt.config.runtime import RuntimeConfig
    from dbt.context.providers import generate_generate_name_macro_context
    from dbt.contracts.graph.manifest import Manifest
    from dbt.contracts.graph.nodes import Macro
    from dbt.flags import get_flags
    from dbt_common.exceptions import DbtBaseException

    try:
        flags = get_flags()  # type: ignore[no-untyped-call]
        config = RuntimeConfig.from_parts(project.config, project.profile, flags, {})  # the macros are in the manifest
        macros = Manifest(macros={name: Macro.from_dict(each) for name, each in manifest["macros"].items()})
        with adapter_management():
            register_adapter(config, get_context("spawn"))
            rule = macros.find_generate_macro_by_name("schema", config.project_name)
            if rule is None:
                raise SetupError("the manifest has no macro generate_schema_name. Run `dbt parse`, which writes it.")
            generate = MacroGenerator(rule, generate_generate_name_macro_context(rule, config, macros))
            nodes = [_node(project, *each) for each in models]
            return [str(generate(node["config"]["schema"], node)).strip() for node in nodes]
    except DbtBaseException as error:
        raise SetupError(f"the project's generate_schema_name fails: {' '.join(str(error).split())}") from error


def configured_schema(project: Project, path: str) -> str | None:
    """Return the `+schema` that dbt_project.yml gives a node of the project's own by its file's path, None without."""
    file = PurePosixPath(path)
    home = next(each for each in project.config.model_paths if file.is_relative_to(each))
    return _configured(project, [str(project.config.project_name), *file.relative_to(home).parent.parts, file.stem])


def folder_schema(project: Project, name: str) -> str | None:
    """Return the `+schema` that dbt_project.yml gives a model in the folder `ml` on this target."""
    return _configured(project, [str(project.config.project_name), FOLDER, name])


def _node(project: Project, name: str, package: str, schema: str | None) -> Document:
    """Return what a rule may ask of a node."""
    fqn = [package, FOLDER, name]
    return {
        "name": name,
        "alias": name,
        "resource_type": "model",
        "package_name": package,
        "fqn": fqn,
        "path": f"{FOLDER}/{name}.sql",
        "original_file_path": f"{project.config.model_paths[0]}/{FOLDER}/{name}.sql",
        "tags": [],
        "config": {"schema": schema or _configured(project, fqn), "materialized": "table", "tags": [], "meta": {}},
    }


def _configured(project: Project, fqn: Sequence[str]) -> str | None:
    """Return the `+schema` that dbt_project.yml gives a model: that of the innermost folder, else of all models."""
    found: str | None = None
    level: Json = project.config.models
    for part in (*fqn, None):
        if not isinstance(level, dict):
            break
        found = level.get("+schema", level.get("schema", found))
        level = level.get(part)
    return found
