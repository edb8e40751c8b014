"""The names of a model's nodes, and where in a project their files go."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from mlbridge.errors import GraftError, listed
from mlbridge.project.project import STAGES
from mlbridge.project.schemas import FOLDER
from mlbridge.typing import Document

# PostgreSQL's names have at most 63 characters, and a build adds these to that of the model for a while.
LONGEST = 63 - len("_predictions") - len("__dbt_backup")


def nodes_of(model: str) -> tuple[str, ...]:
    """Return the names of a model's nodes, in the order in which they are built."""
    return (*(f"{model}_{stage}" for stage in STAGES), f"ml_scores_{model}")


def exposure_of(model: str) -> str:
    """Return the name of the exposure of a model."""
    return f"{model}_in_use"


def check_name(name: str) -> None:
    """Raise GraftError if a name cannot be that of a model."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise GraftError(
            f"'{name}' cannot be the name of a model: its nodes are called '{name}_features' and so on. Use letters, "
            "digits and _, and begin with a letter."
        )
    if len(name) > LONGEST:
        raise GraftError(
            f"'{name}' has {len(name)} characters; a model's name may have {LONGEST}, so that those of its tables are "
            "not too long for any engine. Choose a shorter one."
        )


def check_free(name: str, manifest: Document, declared: Sequence[str]) -> None:
    """Raise GraftError if a project has a model of this name already, or nodes that are called as its would be."""
    if name.lower() in (each.lower() for each in declared):
        raise GraftError(
            f"'{name}' is declared already, in `vars: mlbridge_models`. Choose another name; or, if it has no nodes "
            "yet, take it out of the list first."
        )
    there = {str(node["name"]).lower(): node for node in manifest["nodes"].values() if node["resource_type"] != "test"}
    there |= {str(each["name"]).lower(): each for each in manifest.get("exposures", {}).values()}
    taken = [each for each in (*nodes_of(name), exposure_of(name)) if each.lower() in there]
    if taken:
        files = (there[each.lower()]["original_file_path"] for each in taken)
        raise GraftError(
            f"the project has {listed(taken)} already, in {listed(dict.fromkeys(files))}. Choose another name."
        )


def folder_for(
    name: str, manifest: Document, package: str, paths: Sequence[str], project: Path, relation: Document
) -> str:
    """Return the folder, by its path in the project, for the files of a new model.

    It lies beside the models that are there; else in a folder `ml` of the project, which is made where its relation is.
    `paths` are dbt's model-paths, `relation` is the node of the relation.
    """
    nodes = [node for node in manifest["nodes"].values() if node["package_name"] == package]
    trained = [
        PurePosixPath(node["original_file_path"]).parent
        for node in nodes
        if node["config"].get("materialized") == "mlbridge" and str(node["name"]).endswith("_training")
    ]
    names = {str(node["name"]).removesuffix("_training") for node in nodes}
    if trained:
        newest = trained[-1]
        return str(newest.parent / name if newest.name in names else newest)
    for path in paths:
        if FOLDER in re.split(r"[^a-z]+", PurePosixPath(path).name.lower()):
            return f"{path}/{name}"
    for path in paths:
        if (project / path / FOLDER).is_dir():
            return f"{path}/{FOLDER}/{name}"
    file = PurePosixPath(relation["original_file_path"]) if relation["package_name"] == package else PurePosixPath()
    home = next((path for path in paths if file.is_relative_to(path)), paths[0])
    return f"{home}/{FOLDER}/{name}"
