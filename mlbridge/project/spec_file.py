"""The YAML file in which the spec of a model stands, and a change of one key that touches nothing else of it."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

import yaml

from mlbridge.errors import SetupError, shown
from mlbridge.project.project import Project
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
        there = next((value for name, value in spec.value if name.value == key), None)
        if isinstance(there, yaml.SequenceNode) and there.value:
            return self._after(there, f"- {item}" if not there.flow_style else str(item))
        if there is None:
            return self._after(spec, f"{key}: [{item}]")
        start, end = there.start_mark.index, there.end_mark.index
        space = "" if self.text[start - 1].isspace() else " "
        return f"{self.text[:start]}{space}[{item}]{self.text[end:]}"

    def _after(self, node: yaml.CollectionNode, part: str) -> str:
        """Return the text with a part added to a list or mapping: in a line of its own if its other parts have one."""
        end = _end(node.value[-1])
        if node.flow_style:
            return f"{self.text[:end]}, {part}{self.text[end:]}"
        newline = "\r\n" if "\r\n" in self.text else "\n"
        line = " " * node.start_mark.column + part + newline
        ends = self.text.find("\n", end) + 1
        return self.text[:ends] + line + self.text[ends:] if ends else self.text + newline + line

    def _documents(self, text: str) -> Json:
        try:
            return _apart(yaml.safe_load(text))
        except yaml.YAMLError as error:
            raise SetupError(f"'{self.shown_as}' is no YAML: {error}") from error


def _apart(value: Json) -> Json:
    """Copy what YAML holds, so that what an alias repeats is there twice and changes once."""
    if isinstance(value, dict):
        return {key: _apart(each) for key, each in value.items()}
    return [_apart(each) for each in value] if isinstance(value, list) else value


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


def _end(part: yaml.Node | tuple[yaml.Node, yaml.Node]) -> int:
    """Return where the text of a part ends; that of a block ends with its last part, before comments that follow."""
    node = part[1] if isinstance(part, tuple) else part
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        return _end(node.value[-1])
    return int(node.end_mark.index)
