"""`mlbridge retire`: the change of YAML that takes a version out for good, to be reviewed and committed."""

from __future__ import annotations

from dataclasses import dataclass

from mlbridge.errors import SetupError, listed
from mlbridge.project.project import Project
from mlbridge.project.spec_file import SpecFile
from mlbridge.registry.champions import promoted_last, trained
from mlbridge.registry.logbook import history
from mlbridge.registry.project_logbook import logbook_of, training_node
from mlbridge.spec.checks import Checks
from mlbridge.typing import Document


@dataclass(frozen=True)
class Retirement:
    """What retiring a version changes: the line of the file, and the champions before and after the next build.

    A champion is None where no version is in use.
    """

    model: str
    version: int
    file: str
    line: int
    diff: str
    champion: int | None
    next_champion: int | None
    written: bool

    @property
    def effect(self) -> str:
        """Say what the next build makes of it."""
        if self.next_champion is None:
            return f"No version is in use after the next build, so it trains '{self.model}'."
        if self.next_champion == self.champion:
            return f"Version {self.champion} stays the champion."
        return f"Version {self.next_champion} is the champion after the next build."


def retire(project: Project, model: str, version: int, write: bool) -> Retirement:
    """Add a version to `retire` in the spec of a model; the file is changed only if `write` is True.

    Raises SetupError if there is no such model or version, if the version is retired already or pinned, if there is no
    warehouse, or if the spec does not stand in a YAML file of the project.
    """
    project.chosen(model)
    node = training_node(project, model)
    warehouse = project.connect()
    rows = history(warehouse, logbook_of(project, warehouse, model))
    there = [row.version for row in trained(rows)]
    if version not in there:
        raise SetupError(f"'{model}' has no version {version}. Versions: {listed(there)}.")
    file = SpecFile.of(project, node)
    pin, retired = _said(file.spec, file.node)
    if version in retired:
        raise SetupError(f"version {version} of '{model}' is retired already: `retire` in '{file.shown_as}' names it.")
    if version == pin:
        raise SetupError(
            f"version {version} of '{model}' is pinned. Remove `pin: {version}` from '{file.shown_as}', or pin another "
            "version, and retire it then."
        )
    edit = file.with_item("retire", version)
    before, after = (pin or promoted_last(rows, gone) for gone in (retired, [*retired, version]))
    if write:
        file.write(edit)
    return Retirement(model, version, file.shown_as, edit.line, edit.diff, before, after, write)


def _said(spec: Document, node: str) -> tuple[int | None, tuple[int, ...]]:
    """Return `pin` and `retire` as they stand in the file, which may be newer than the last build."""
    checks, pin = Checks(node), spec.get("pin")
    if pin is not None:
        checks.positive_integer("pin", pin, "the number of a version in ml_versions")
    return pin, checks.versions("retire", spec.get("retire"), pin)
