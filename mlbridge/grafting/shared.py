"""The files of the project that all models of a branch share: what each of them says with the branch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlbridge.errors import GraftError
from mlbridge.grafting.yaml_edits import YamlFile
from mlbridge.project.project import declared_models
from mlbridge.project.yaml_text import newline_of
from mlbridge.typing import Document

PROJECT_FILE, IGNORE_FILE = "dbt_project.yml", ".gitignore"
FLAG = "require_ref_searches_node_package_before_root"


@dataclass(frozen=True)
class Shared:
    """What a branch needs beside its models' own files; it is the same for all models of a project.

    `package` is the entry for `package_file`, None where the project names the package already. `schema` is the
    `+schema` of the package's tables, None to leave it to the project; `kinds` are the keys below which it stands.
    `ignored` are lines for .gitignore.
    """

    package_file: str
    package: Document | None
    schema: str | None
    ignored: tuple[str, ...]
    kinds: tuple[str, ...] = ("models", "seeds")

    @property
    def files(self) -> tuple[str, ...]:
        """Return the paths of the files in the project that can change."""
        return PROJECT_FILE, self.package_file, IGNORE_FILE

    def with_models(self, originals: Mapping[str, str | None], models: Sequence[str]) -> dict[str, str | None]:
        """Return the texts with the branch of these models; None: there is no such file.

        A text that says all of it already stays as it is, and without a model that is not declared yet all do. Raises
        GraftError if one is spelt in a way in which it cannot be added to.
        """
        project = YamlFile(PROJECT_FILE, originals[PROJECT_FILE] or "")
        declared = declared_in(project)
        new = [model for model in models if model not in declared]
        if not new:
            return dict(originals)
        for model in new:
            project = project.with_item(_path_of_models(project), model)
        if project.at(("flags", FLAG)) is None:
            project = project.with_value(("flags", FLAG), True)
        for kind in self.kinds if self.schema is not None else ():
            if project.at((kind, "mlbridge", "+schema")) is None:
                project = project.with_value((kind, "mlbridge", "+schema"), self.schema)
        found = {**originals, PROJECT_FILE: project.text}
        if self.package is not None:
            packages = YamlFile(self.package_file, originals[self.package_file] or "")
            if self.package not in list(packages.at(("packages",)) or []):
                found[self.package_file] = packages.with_item(("packages",), self.package).text
        found[IGNORE_FILE] = self._with_ignored(originals[IGNORE_FILE])
        return found

    def _with_ignored(self, text: str | None) -> str | None:
        there = [line.strip() for line in (text or "").splitlines()]
        missing = [line for line in self.ignored if line not in there]
        if not missing:
            return text
        newline = newline_of(text or "")
        start = newline if text and not text.endswith("\n") else ""
        return (text or "") + start + "".join(line + newline for line in missing)


def declared_in(project: YamlFile) -> list[str]:
    """Return the models that a dbt_project.yml declares.

    Raises GraftError, or SetupError, where it says so in a form of its own.
    """
    variables = project.at(("vars",))
    if variables is not None and not isinstance(variables, dict):
        raise GraftError(
            f"'{PROJECT_FILE}' says `vars: {variables}`, where a mapping is expected. Write the vars there, one a line."
        )
    name = str(project.at(("name",)))
    return declared_models(
        {key: value for key, value in (variables or {}).items() if isinstance(value, dict) or key == "mlbridge_models"},
        name,
    )


def _path_of_models(project: YamlFile) -> tuple[str, ...]:
    """Return where the models are declared: below the package's name if the project does so already."""
    scoped = ("vars", "mlbridge")
    inside = project.at(scoped)
    return (*scoped, "mlbridge_models") if inside and "mlbridge_models" in inside else ("vars", "mlbridge_models")
