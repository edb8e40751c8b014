"""How a project names the dbt package: the file in which it does, and the entry."""

from __future__ import annotations

import json
import os
import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlparse

import yaml

from mlbridge.errors import GraftError
from mlbridge.grafting.yaml_edits import YamlFile
from mlbridge.typing import Document, Json

PACKAGES, DEPENDENCIES = "packages.yml", "dependencies.yml"
REMOTE = re.compile(r"^(https?|ssh|git|file)://|^git@|\.git$")
WORDS = "a folder such as ../mlbridge, or a git address, with @ and a revision"


def package_file(packages: str | None, dependencies: str | None) -> str:
    """Return the file in which the packages stand or are to stand, from the texts of both; None: not there."""
    if dependencies is not None and YamlFile(DEPENDENCIES, dependencies).at(("packages",)) is not None:
        return DEPENDENCIES
    return PACKAGES if packages is not None or dependencies is None else DEPENDENCIES


def names_package(folder: Path, text: str | None, file: str) -> bool:
    """Return whether the packages of a project in a folder include mlbridge, by whatever address."""
    entries = YamlFile(file, text or "").at(("packages",)) or []
    return any(_is_mlbridge(folder, entry) for entry in entries if isinstance(entry, dict))


def _is_mlbridge(folder: Path, entry: Document) -> bool:
    if "local" in entry:
        return is_package(folder / str(entry["local"]))
    address = str(entry.get("git") or entry.get("package") or entry.get("tarball") or "").rstrip("/")
    return address.removesuffix(".git").rsplit("/", 1)[-1] == "mlbridge" or entry.get("name") == "mlbridge"


def is_package(folder: Path) -> bool:
    """Return whether a folder holds the dbt package mlbridge."""
    try:
        found: Json = yaml.safe_load((folder / "dbt_project.yml").read_text())
    except (OSError, ValueError, yaml.YAMLError):
        return False
    return isinstance(found, dict) and found.get("name") == "mlbridge"


def package_entry(folder: Path, named: str | None) -> Document:
    """Return the entry for a project in a folder: what is named, or else where the Python package comes from.

    Raises GraftError if the folder that is named is not the package, or nothing is named and it comes from an index.
    """
    if named is not None:
        return _entry_of(folder, named)
    source = Path(__file__).resolve().parents[2]
    if is_package(source):
        return {"local": _path_to(source, folder)}
    origin = _origin()
    address = urlparse(str(origin.get("url", "")))
    if address.scheme == "file" and is_package(Path(unquote(address.path))):
        return {"local": _path_to(Path(unquote(address.path)), folder)}
    if "vcs_info" in origin:
        return {"git": origin["url"], "revision": origin["vcs_info"]["commit_id"]}
    raise GraftError(f"where the dbt package mlbridge comes from is not known. Name it with --package: {WORDS}.")


def _entry_of(folder: Path, named: str) -> Document:
    address, mark, revision = named.rpartition("@")
    if not mark or "/" in revision or ":" in revision:
        address, revision = named, ""
    if REMOTE.search(address):
        return {"git": address, "revision": revision} if revision else {"git": address}
    if not is_package(folder / named):
        raise GraftError(f"--package: '{named}' holds no dbt package mlbridge, as seen from '{folder}'. Name {WORDS}.")
    return {"local": named}


def _origin() -> Document:
    """Return what the installer noted of where the Python package comes from; empty if it is an index."""
    try:
        noted = distribution("mlbridge").read_text("direct_url.json")
    except PackageNotFoundError:
        return {}
    found: Document = json.loads(noted) if noted else {}
    return found


def _path_to(package: Path, folder: Path) -> str:
    return Path(os.path.relpath(package, folder.resolve())).as_posix()
