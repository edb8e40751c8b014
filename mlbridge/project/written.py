"""What a dbt project says in its files as they are written: dbt, which takes seconds to load, is not asked.

A shell asks at each key for what it completes.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import yaml

from mlbridge.errors import MlbridgeError
from mlbridge.project.project import declared_models
from mlbridge.publication.folder import CURRENT, file_of, folder_of
from mlbridge.typing import Document

ENV_VAR = re.compile(r"""\{\{\s*env_var\(\s*(['"])(\w+)\1\s*(?:,\s*(['"])(.*?)\3\s*)?\)\s*\}\}""")
UNREADABLE = (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError, MlbridgeError)

USABLE = """
select distinct version
from ml_versions
where model = :model and outcome in ('promoted', 'rejected') and not is_retired
order by version desc
"""


def written_models(path: Path) -> list[str]:
    """Return the models that the dbt_project.yml in a folder declares; none where it cannot be read."""
    try:
        found = _read(path / "dbt_project.yml")
        return declared_models(dict(found["vars"]), str(found["name"]))
    except UNREADABLE:
        return []


def published_versions(path: Path, profiles: Path | None, target: str | None, model: str) -> list[int]:
    """Return the versions of a model that are in use or can be, as the last build published them, the newest first.

    None where the profile is not plain YAML with `env_var` at most, is of no file, or nothing is published.
    """
    try:
        return _versions(file_of(_published(path, profiles, target) / CURRENT, "ml_versions"), model)
    except UNREADABLE:
        return []


def _published(path: Path, profiles: Path | None, target: str | None) -> Path:
    beside = (path / "profiles.yml").is_file()
    folder = profiles or (path if beside else Path.home() / ".dbt")
    profile = _read(folder / "profiles.yml")[_plain(_read(path / "dbt_project.yml")["profile"])]
    target = target or _plain(profile.get("target", "default"))
    warehouse = Path(_plain(profile["outputs"][target]["path"]))
    return folder_of(warehouse if warehouse.exists() else path / warehouse, target)


def _plain(text: str) -> str:
    """Return a text of YAML with its `env_var` calls evaluated; raises KeyError for a variable that is not set."""
    return ENV_VAR.sub(lambda found: os.environ.get(found[2], found[4]) or os.environ[found[2]], text)


def _versions(file: Path, model: str) -> list[int]:
    from mlbridge.engines.opening import read_files

    answer = read_files({"ml_versions": file}).frame(USABLE, {"model": model}, {})
    return [int(version) for version in answer["version"]]


def _read(file: Path) -> Document:
    return dict(yaml.safe_load(file.read_text()))
