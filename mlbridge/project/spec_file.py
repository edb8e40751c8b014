"""The YAML file in which the spec of a model stands, and a change of one key that touches nothing else of it."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

import yaml

from mlbridge.errors import SetupError, shown
from mlbridge.project.project import Project
from mlbridge.project.yaml_text import after, apart, filled, is_empty, value_of
from mlbridge.typing import Document, Json

PLACE = ("config", "meta", "mlbridge")


@dataclass(frozen=True)
class Edit:
    """A changed text of a file: the number of the first line that differs, and the change as a unified diff."""

    text: str
    line: int
    diff: str


@dataclass(frozen=True)
class SpecFile:
    """A YAML file of the project, its text as it stands, and the training node in it."""

    path: Path
    shown_as: str
    text: str
    node: str

    @classmethod
    def of(cls, project: Project, node: Document) -> SpecFile:
        """Find the file by what dbt parsed last; raises SetupError if the node is described in none of the project."""
        package, _, name = str(node.get("patch_path") or "").partition("://")
        path = project.path / name
        if package != project.config.project_name or not path.is_file():
            raise SetupError(
                f"no YAML file of this project describes '{node['name']}', as of dbt's last parse. Write the key into "
                "the spec where it stands."
            )
        with path.open(newline="") as file:  # line ends stay what they are
            return cls(path, name, file.read(), str(node["name"]))

    @property
    def spec(self) -> Document:
        """Return the spec as it stands in the file; raises SetupError if there is none."""
        return _spec_in(self._documents(self.text), self.node, self.shown_as)

    def with_item(self, key: str, item: int) -> Edit:
        """Return the text with an item added to the list under a key of the spec, which need not be there yet.

        Comments, order and spelling of all else stay. Raises SetupError if that cannot be, such as for a spec that two
        models share by an alias.
        """
        text = self._with_item(key, item)
        wanted = self._documents(self.text)
        spec = _spec_in(wanted, self.node, self.shown_as)
        spec[key] = [*(spec.get(key) or []), item]
        try:
            same = self._documents(text) == wanted
        except SetupError:
            same = False
        if not same:
            raise SetupError(
                f"'{self.shown_as}' is spelt in a way in which `{key}` cannot be written by itself. Write "
                f"`{key}: {spec[key]}` into the spec of '{self.node}' yourself."
            )
        before, after = self.text.splitlines(keepends=True), text.splitlines(keepends=True)
        diff = "".join(difflib.unified_diff(before, after, self.shown_as, self.shown_as, n=2))
        pairs = enumerate(zip(before, after, strict=False), start=1)
        return Edit(text, next((number for number, (old, new) in pairs if old != new), len(before) + 1), diff)

    def write(self, edit: Edit) -> None:
        """Put the changed text in place of the file at once, with the mode that it has."""
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            with fresh.open("w", newline="") as file:
                file.write(edit.text)
            fresh.chmod(self.path.stat().st_mode)
            fresh.replace(self.path)
        finally:
            fresh.unlink(missing_ok=True)

    def _with_item(self, key: str, item: int) -> str:
        spec = _mapping(yaml.compose(self.text, Loader=yaml.SafeLoader), self.node)
        there = value_of(spec, key)
        if there is None:
            return after(self.text, spec, f"{key}: [{item}]")
        if is_empty(there):
            return filled(self.text, there, f"[{item}]")
        if not isinstance(there, yaml.CollectionNode):
            return self.text
        return after(self.text, there, str(item) if there.flow_style else f"- {item}")

    def _documents(self, text: str) -> Json:
        try:
            return apart(yaml.safe_load(text))
        except yaml.YAMLError as error:
            raise SetupError(f"'{self.shown_as}' is no YAML: {error}") from error


def _spec_in(document: Json, node: str, file: str) -> Document:
    """Return the spec of a node in what a file holds."""
    models = document.get("models") if isinstance(document, dict) else None
    named = [each for each in models or [] if isinstance(each, dict) and each.get("name") == node]
    found: Json = named[0] if named else None
    for part in PLACE:
        found = found.get(part) if isinstance(found, dict) else None
    if not isinstance(found, dict):
        raise SetupError(
            f"'{file}' has no `{'.'.join(PLACE)}` for '{node}', but {shown(found)}. Write the key into the spec "
            "where it stands."
        )
    return found


def _mapping(root: Json, node: str) -> yaml.MappingNode:
    """Return the node of the spec in a tree of YAML nodes; `_spec_in` has found the same by value."""

    def of(mapping: yaml.MappingNode, key: str) -> Json:
        return next(value for name, value in mapping.value if name.value == key)

    found: yaml.MappingNode = next(each for each in of(root, "models").value if of(each, "name").value == node)
    for part in PLACE:
        found = of(found, part)
    return found
