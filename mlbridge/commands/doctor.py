"""`mlbridge doctor`: whether everything that a build needs is there and fits together."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from mlbridge.commands.versions import models_without_training, suspected
from mlbridge.engines.adapters import ENGINES, PYTHON_ENGINE, engine_of
from mlbridge.engines.warehouse import DIALECT, lowered
from mlbridge.errors import SetupError, listed
from mlbridge.project.dbt_commands import dbt_2
from mlbridge.project.project import Project, is_built, place_of
from mlbridge.registry.champions import trained
from mlbridge.registry.logbook import history, with_deferred
from mlbridge.registry.project_logbook import logbook_of
from mlbridge.scoring.stored_select import select_problem
from mlbridge.typing import Document
from mlbridge.version import __version__

AWAY = (
    "Rename it, or give the tables of mlbridge a schema of their own in dbt_project.yml, "
    "`models: {mlbridge: {+schema: ml}}`, or only this one another name, with `+alias`."
)
FLAG = "Say `flags: {require_ref_searches_node_package_before_root: true}` in dbt_project.yml, or rename the model."
# dbt keeps the old table until the new one replaces it, so both need space at the same time.
SPARE_BYTES = 1024**3


@dataclass(frozen=True)
class Finding:
    """The result of one check: whether it passed, and otherwise what to do."""

    check: str
    fine: bool
    finding: str


def run_checks(project: Callable[[], Project]) -> list[Finding]:
    """Run all checks in order; a check that fails does not stop the others, but a missing project does."""
    findings = list(_versions())
    try:
        found = project()
    except SetupError as error:
        return [*findings, Finding("project", False, str(error))]
    checks: dict[str, Callable[[Project], str]] = {
        "project": lambda each: f"{each.path}",
        "profile": _profile,
        "package": _package,
        "dbt packages": _dbt_packages,
        "models": _models,
        "configuration": _configuration,
        "names": _names,
        "leaks": _leaks,
        "lock": _lock,
        "scoring_sql": _scoring_sql,
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
    """Compare what is installed with what the package's metadata asks for; an extra counts where it is installed."""
    facts = metadata("mlbridge")
    python, running = SpecifierSet(facts["Requires-Python"]), sys.version.split()[0]
    yield Finding("python", python.contains(running, prereleases=True), f"{running}; {python} is needed")
    for text in requires("mlbridge") or []:
        need = Requirement(text)
        always = _applies(need, "")
        if not always and not any(_applies(need, each) for each in facts.get_all("Provides-Extra", [])):
            continue
        requirement = f"{need.name}{need.specifier}"
        try:
            have = version(need.name)
        except PackageNotFoundError:
            if always:
                yield Finding(need.name, False, f"is not installed; run `pip install '{requirement}'`")
            continue
        fits = need.specifier.contains(have, prereleases=True)
        if always or not fits:
            yield Finding(need.name, fits, have if fits else f"{have}, but {requirement} is needed; install that")


def _applies(need: Requirement, extra: str) -> bool:
    return need.marker is None or need.marker.evaluate({"extra": extra})


def _dbt_packages(project: Project) -> str:
    """Compare dbt with `require-dbt-version` of each package that `dbt deps` installed, mlbridge among them.

    It is the dbt that builds: dbt 2 where that is on the PATH.
    """
    from dbt.version import get_installed_version
    from dbt_common.semver import VersionSpecifier, versions_compatible

    program, needs = dbt_2(), project.dbt_versions_needed()
    installed = VersionSpecifier.from_version_string(program.version) if program else get_installed_version()
    wrong = [
        f"{name} needs dbt {', '.join(texts)}"
        for name, texts in needs.items()
        if not versions_compatible(installed, *map(VersionSpecifier.from_version_string, texts))
    ]
    have = installed.to_version_string(skip_matcher=True)
    if wrong:
        raise SetupError(
            f"{'; '.join(wrong)}, and {have} is installed. Install that, or another version of the package."
        )
    return f"{listed(needs)}: dbt {have} fits" if needs else "none says which dbt it needs"


def _profile(project: Project) -> str:
    kind = project.credentials.type
    if not engine_of(kind).trains:
        able = listed(engine.name for engine in ENGINES.values() if engine.trains)
        raise SetupError(f"'{kind}': models are trained on {able} only so far. docs/engines.md says what works here.")
    in_python = [node for model in project.models for node in _python_nodes(project, model)]
    if kind != DIALECT and in_python:
        raise SetupError(
            f"'{kind}': Python nodes run on {DIALECT} only so far. Make {listed(in_python)} SQL nodes; docs/engines.md "
            "shows how."
        )
    return f"{kind}, {project.profiles}"


def _python_nodes(project: Project, model: str) -> list[str]:
    """Return the nodes of a model that are written in Python, by their files."""
    folders = [project.path / folder for folder in project.config.model_paths]
    names = (f"{model}_training", f"{model}_predictions")
    return [name for name in names if any(next(folder.rglob(f"{name}.py"), None) for folder in folders)]


def _package(project: Project) -> str:
    found = project.package_version
    if found is None:
        raise SetupError("the dbt package mlbridge is not installed. Name it in packages.yml and run `dbt deps`.")
    if found != __version__:
        raise SetupError(f"the dbt package is {found}, the Python package {__version__}. Install the same of both.")
    return f"{found}, like the Python package"


def _models(project: Project) -> str:
    lacking = project.missing_nodes()
    if lacking:
        raise SetupError(f"{' '.join(lacking)} docs/graft.md shows each node.")
    if not project.models:
        return "none is declared; name yours in dbt_project.yml below `vars: mlbridge_models`"
    return f"{listed(project.models)}: features, split, training and predictions are there"


def _configuration(project: Project) -> str:
    """Compare the settings of the package's tables with those that `macros/register/outputs.sql` asks for."""
    wrong = [
        f"{node['name']}: `{key}` is {node['config'].get(key)} by the configuration of this project; needed: "
        f"{' or '.join(map(str, values))}"
        for node in project.manifest["nodes"].values()
        for key, values in (node["config"].get("meta") or {}).get("mlbridge_needs", {}).items()
        if node["config"].get(key) not in values
    ]
    if wrong:
        raise SetupError(f"{'; '.join(wrong)}. Remove the setting from dbt_project.yml, or the build refuses it.")
    return "the package's tables keep the settings they need, as of the last parse"


def _names(project: Project) -> str:
    """Look for models and tables that have the name of one of the package's tables.

    `macros/register/names.sql` refuses the same before it builds anything, or dbt does when it parses the project.
    """
    try:
        manifest: Document = project.manifest["nodes"]
    except SetupError:
        manifest = {}  # as before the first parse, or where a name that stands twice has never let dbt get through one
    ours = [node for node in manifest.values() if is_built(node) and node["package_name"] == "mlbridge"]
    scores = [node for node in project.scores_nodes if is_built(node)] if manifest else []
    problems = [*_namesakes(project, manifest), *_strange_tables(project, ours + scores)]
    for node in ours:
        others = [each for each in _read_by(node, manifest) if f"model.mlbridge.{manifest[each]['name']}" in manifest]
        problems += [f"{node['name']} reads '{each}' for mlbridge's of the same name. {FLAG}" for each in others]
    if problems:
        raise SetupError(" ".join(problems))
    return "no model and no table of this project is in the way of mlbridge's"


def _namesakes(project: Project, manifest: Document) -> list[str]:
    """Return a sentence for each model of the project's own that would be built where a table of the package is."""
    package = project.path / project.config.packages_install_path / "mlbridge" / "models"
    names = {file.stem for file in package.rglob("ml_*.sql")}
    own = [file for folder in project.config.model_paths for file in (project.path / folder).rglob("*")]
    apart = {
        node["name"]
        for node in manifest.values()
        if node["package_name"] != "mlbridge"
        and (ours := manifest.get(f"model.mlbridge.{node['name']}")) is not None
        and place_of(node) != place_of(ours)
    }
    return [
        f"'{file.relative_to(project.path)}' has the name of a table of mlbridge. {AWAY}"
        for file in own
        if file.suffix in (".sql", ".py") and file.stem in names - apart
    ]


def _read_by(node: Document, manifest: Document) -> list[str]:
    """Return the nodes outside of the package that one of its nodes reads."""
    return [
        each
        for each in node["depends_on"].get("nodes", [])
        if each in manifest and not each.startswith("model.mlbridge.")
    ]


def _strange_tables(project: Project, ours: list[Document]) -> list[str]:
    """Return a sentence for each table that stands in the place of one of the package's and is none of it."""
    file = project.warehouse_file
    if file is None or not file.exists():
        return []
    try:
        warehouse = project.connect()
    except SetupError:
        return []  # another check says that it cannot be opened
    every, found = warehouse.every_column(), []
    for node in ours:
        _, schema, name = place = place_of(node)
        there = [each.lower() for each in every.get(lowered(*place), {})]
        columns = (node["config"].get("meta") or {}).get("mlbridge_scores") or list(node["columns"])
        lacking = [each for each in columns[:4] if there and each not in there]
        if lacking:
            found.append(f"'{schema}.{name}' is not mlbridge's: it lacks {listed(lacking)}. {AWAY}")
    return found


def _leaks(project: Project) -> str:
    file = project.warehouse_file
    if file is None or not file.exists():
        return "no warehouse here yet, so nothing was looked at"
    try:
        found = suspected(project)
    except SetupError as error:
        return f"not checked: {error}"
    suspicions = [
        f"{each['model']} version {each['version']}: '{each['feature']}', {each['evidence']}" for each in found
    ]
    if any(each["level"] == "withhold" for each in found):
        raise SetupError(
            f"a version is withheld. {'; '.join(suspicions)}. Exclude the column, or allow it in `allow_leakage`."
        )
    return "; ".join(suspicions) or "no feature of the newest versions looks like one"


def _lock(project: Project) -> str:
    file = project.warehouse_file
    if file is None or not file.exists():
        return "no warehouse yet, so no process holds it"
    tables = project.tables_file
    for each in {file} if tables is None or not tables.exists() else {file, tables}:
        PYTHON_ENGINE.check_free(each)
    return f"nobody reads or writes {file}, so a build can"


def _scoring_sql(project: Project) -> str:
    """Parse the SELECT of every version in the logbooks."""
    file = project.warehouse_file
    if file is None or not file.exists():
        return "no warehouse here yet, so nothing was looked at"
    warehouse, wrong, count = project.connect(), [], 0
    for model in project.models:
        try:
            logbook = logbook_of(project, warehouse, model)
        except SetupError:
            continue
        for light in trained(history(warehouse, logbook)):
            row = with_deferred(warehouse, logbook, light, "scoring_sql")
            if row.scoring_sql is not None:
                count += 1
                problem = select_problem(row.scoring_sql, row.scoring_sql_md5)
                wrong += [f"{model} version {row.version}: {problem}"] if problem else []
    if wrong:
        raise SetupError(
            f"the logbook has a `scoring_sql` that mlbridge did not write. {'; '.join(wrong)}. Find out who can write "
            "to the warehouse; train again, or restore the logbook."
        )
    return f"{count} SELECTs in the logbooks, each one query over the rows to score"


def _trained(project: Project) -> str:
    """Return the reason of each model that has too few rows to train yet, which is no failure."""
    file = project.warehouse_file
    if file is None or not file.exists():
        return "no warehouse yet, so nothing is trained"
    try:
        lacking = models_without_training(project, project.connect())
    except SetupError as error:
        return f"not known: {error}"
    return " ".join(f"{row['model']}: {row['reason']}." for row in lacking) or "no model waits for rows"


def _disk(project: Project) -> str:
    file = project.warehouse_file
    if file is None:
        return "the warehouse is no file here"
    if not file.parent.is_dir():
        raise SetupError(f"there is no folder '{file.parent}' for the warehouse. Create it.")
    used = file.stat().st_size if file.exists() else 0
    free = shutil.disk_usage(file.parent).free
    space = f"{free / 1e9:.1f} GB free beside a warehouse of {used / 1e9:.1f} GB"
    if free < used + SPARE_BYTES:
        raise SetupError(f"{space}; a build may need as much again and 1 GB. Make room, or move the warehouse.")
    return space


def summary(findings: list[Finding]) -> str:
    """Return one line on whether all checks passed, or which did not."""
    bad = [each.check for each in findings if not each.fine]
    return f"needs attention: {listed(bad)}" if bad else "all is well"
