"""A model grafted onto a project: what would be written where, worked out before anything is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from mlbridge.engines.adapters import PYTHON_ENGINE
from mlbridge.errors import GraftError
from mlbridge.grafting.changes import Change, changed, missing_folders, read, write
from mlbridge.grafting.features import left_out
from mlbridge.grafting.names import check_free, check_name, nodes_of
from mlbridge.grafting.own_files import Wish, own_files
from mlbridge.grafting.package import DEPENDENCIES, PACKAGES, names_package, package_entry, package_file
from mlbridge.grafting.record import FILE, Record
from mlbridge.grafting.shared import PROJECT_FILE, Shared, declared_in
from mlbridge.grafting.yaml_edits import YamlFile
from mlbridge.project.manifest import read_or_make
from mlbridge.project.project import Project
from mlbridge.project.schemas import configured_schema
from mlbridge.publication.folder import folder_of
from mlbridge.readiness.assess import Report, assess
from mlbridge.readiness.assessment import NO, Assessment
from mlbridge.readiness.catalogue import BLOCKS


@dataclass(frozen=True)
class Graft:
    """What grafting a model changes.

    `left_out` are columns of the relation that are no features, with the reason; `chosen`: nobody named the relation.
    """

    model: str
    found: Assessment
    changes: tuple[Change, ...]
    left_out: Mapping[str, str]
    chosen: bool
    written: bool = False

    def apply(self, project: Path) -> Graft:
        """Write all of it, or nothing; raises GraftError if that cannot be."""
        write(project, self.changes)
        return replace(self, written=True)


def graft(project: Project, wish: Wish, report: Report) -> Graft:
    """Work out what grafting a model changes; nothing is written. `report` is told of each step.

    Raises GraftError if the name, a file or the project is not as it must be, and the errors of `assess`.
    """
    check_name(wish.name)
    folder = project.path
    texts = {name: read(folder, name) for name in (PROJECT_FILE, PACKAGES, DEPENDENCIES)}
    declared = declared_in(YamlFile(PROJECT_FILE, texts[PROJECT_FILE] or ""))
    record = Record.of(folder)
    shared = _shared(project, wish, texts, record)
    now = {name: read(folder, name) for name in shared.files}
    named = names_package(folder, now[shared.package_file], shared.package_file)
    after = (replace(shared, package=None) if named else shared).with_models(now, [*declared, wish.name])
    manifest = read_or_make(project)
    check_free(wish.name, manifest, declared)
    found = assess(project, wish.question, schema=wish.schema, report=report)
    _check(found)
    own = own_files(project, wish, found, manifest)
    taken = [path for path in own if read(folder, path) is not None]
    if taken:
        raise GraftError(f"there is a file '{taken[0]}' already. Choose another name, or move it.")
    originals = now if record is None else record.without_branch(now, declared)
    record = Record(shared, originals) if record is None else replace(record, originals=originals)
    paths = {PurePosixPath(path).stem: path for path in own}
    schemas = {name: wish.schema or configured_schema(project, paths[name]) for name in nodes_of(wish.name)}
    record = record.with_model(wish.name, own, missing_folders(folder, own), schemas)
    changes = (*changed({}, own), *changed(now, after), Change(FILE, read(folder, FILE), record.text))
    return Graft(wish.name, found, changes, left_out(found), wish.question.relation is None)


def _check(found: Assessment) -> None:
    """Raise GraftError if an assessment says that a branch cannot work."""
    blocking = [each for each in found.failed if each.level == BLOCKS]
    if found.verdict == NO:
        said = " ".join(f"{each.evidence.rstrip('.')}. {each.fix}".strip() for each in blocking)
        raise GraftError(f"a branch cannot grow on '{found.relation.name}' yet: {said}")


def _shared(project: Project, wish: Wish, texts: Mapping[str, str | None], record: Record | None) -> Shared:
    if record is not None:
        if wish.package is not None:
            raise GraftError(
                f"--package: '{record.shared.package_file}' names the package already. Change it there, and leave "
                "--package out."
            )
        return record.shared
    file = package_file(texts[PACKAGES], texts[DEPENDENCIES])
    there = wish.package is None and names_package(project.path, texts[file], file)
    package = None if there else package_entry(project.path, wish.package)
    return Shared(file, package, wish.schema, _ignored(project))


def _ignored(project: Project) -> tuple[str, ...]:
    """Return the lines of .gitignore for a warehouse in the project's folder and what builds publish beside it.

    Lines that a .gitignore of the repository above the project has already are left out.
    """
    file = project.warehouse_file
    if file is None or not file.resolve().is_relative_to(project.path.resolve()):
        return ()
    published = folder_of(file, project.profile.target_name).parent
    names = [*(each.name for each in PYTHON_ENGINE.files(file)), f"{published.name}/"]
    above = {line.strip() for each in _above(project.path) for line in (read(each, ".gitignore") or "").split("\n")}
    lines = (f"*{name.removeprefix(file.stem)}" if file.suffix else name for name in names)
    return tuple(line for line in lines if line not in above)


def _above(folder: Path) -> Sequence[Path]:
    """Return the folders above one up to that of its repository; none where it is in no repository."""
    upwards = [folder.resolve(), *folder.resolve().parents]
    roots = [number for number, each in enumerate(upwards) if (each / ".git").exists()]
    return upwards[1 : roots[0] + 1] if roots else ()
