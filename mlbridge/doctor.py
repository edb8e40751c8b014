"""Doctor: whether everything that a build needs is there and fits together."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

import mlbridge
from mlbridge.errors import SetupError, listed
from mlbridge.leaderboard import suspected, waiting
from mlbridge.project import Project
from mlbridge.warehouse import connect

# A rebuilt table stands beside its predecessor until it takes its place.
SPARE_BYTES = 1024**3


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: whether it is fine, and otherwise what to do."""

    check: str
    fine: bool
    finding: str


def examine(project: Callable[[], Project]) -> list[Finding]:
    """Look at versions, project, profile, packages, lock, trainings and disk, in order, whatever the others say."""
    findings = list(_versions())
    try:
        found = project()
    except SetupError as error:
        return [*findings, Finding("project", False, str(error))]
    checks: dict[str, Callable[[Project], str]] = {
        "project": lambda each: f"{each.path}",
        "profile": _profile,
        "package": _package,
        "models": _models,
        "leaks": _leaks,
        "lock": _lock,
        "trained": _trained,
        "disk": _disk,
    }
    for name, check in checks.items():
        try:
            findings.append(Finding(name, True, check(found)))
        except SetupError as error:
            findings.append(Finding(name, False, str(error)))
    return findings


def _versions() -> Iterator[Finding]:
    yield Finding("python", sys.version_info >= (3, 11), f"{sys.version.split()[0]}; 3.11 or newer is needed")
    for text in requires("mlbridge") or []:
        need = Requirement(text)
        if need.marker is not None and not need.marker.evaluate():
            continue
        try:
            have = version(need.name)
        except PackageNotFoundError:
            yield Finding(need.name, False, f"is not installed; run `pip install '{text}'`")
            continue
        fits = need.specifier.contains(have, prereleases=True)
        yield Finding(need.name, fits, have if fits else f"{have}, but {text} is needed; install that")


def _profile(project: Project) -> str:
    kind = project.credentials.type
    if kind != "duckdb":
        raise SetupError(f"'{kind}': training and scoring in Python run on duckdb only so far.")
    return f"{kind}, {project.profiles}"


def _package(project: Project) -> str:
    found = project.package_version
    if found is None:
        raise SetupError("the dbt package mlbridge is not installed. Name it in packages.yml and run `dbt deps`.")
    if found != mlbridge.__version__:
        raise SetupError(
            f"the dbt package is {found}, the Python package {mlbridge.__version__}. Install the same of both."
        )
    return f"{found}, like the Python package"


def _models(project: Project) -> str:
    lacking = project.missing_nodes()
    if lacking:
        raise SetupError(f"{' '.join(lacking)} The README's graft guide shows each node.")
    if not project.models:
        return "none is declared; name yours in dbt_project.yml below `vars: mlbridge_models`"
    return f"{listed(project.models)}: features, split, training and predictions are there"


def _leaks(project: Project) -> str:
    file = project.warehouse_file
    if file is None or not file.exists():
        return "no warehouse here yet, so nothing was looked at"
    try:
        found = suspected(project)
    except SetupError as error:
        return f"nothing was looked at: {error}"
    said = [f"{each['model']} version {each['version']}: '{each['feature']}', {each['evidence']}" for each in found]
    if any(each["level"] == "withhold" for each in found):
        raise SetupError(
            f"a version is withheld. {'; '.join(said)}. Exclude the column, or allow it in `allow_leakage`."
        )
    return "; ".join(said) or "no feature of the newest versions looks like one"


def _lock(project: Project) -> str:
    file = project.warehouse_file
    if file is None or not file.exists():
        return "no warehouse yet, so nobody holds it"
    connect(file)
    return f"nobody writes to {file}"


def _trained(project: Project) -> str:
    """Say what the last build said of models whose rows do not suffice yet; that is a state, and nothing to mend."""
    file = project.warehouse_file
    if file is None or not file.exists():
        return "no warehouse yet, so nothing is trained"
    try:
        lacking = waiting(project, connect(file))
    except SetupError as error:
        return f"not known: {error}"
    return " ".join(f"{row['model']}: {row['reason']}." for row in lacking) or "no model waits for rows"


def _disk(project: Project) -> str:
    file = project.warehouse_file
    if file is None:
        return "the warehouse is no file here"
    if not file.parent.is_dir():
        raise SetupError(f"there is no folder '{file.parent}' for the warehouse. Make it.")
    used = file.stat().st_size if file.exists() else 0
    free = shutil.disk_usage(file.parent).free
    said = f"{free / 1e9:.1f} GB free beside a warehouse of {used / 1e9:.1f} GB"
    if free < used + SPARE_BYTES:
        raise SetupError(f"{said}; a build may need as much again and 1 GB. Make room, or move the warehouse.")
    return said


def summary(findings: list[Finding]) -> str:
    """Say in one line how it stands."""
    bad = [each.check for each in findings if not each.fine]
    return f"needs attention: {listed(bad)}" if bad else "all is well"
