"""`mlbridge build`: `dbt build` up to the training nodes in SQL, `mlbridge train`, and `dbt build` of what follows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import chdir
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlbridge.commands.train import NOTHING_ASKED, REFUSED, Answer, train, trained_in_sql
from mlbridge.engines.adapters import engine_of
from mlbridge.errors import SetupError
from mlbridge.project.project import Project

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult
    from dbt.contracts.graph.manifest import Manifest

SELECT = ("--select", "-s", "--models", "--model", "-m")
# What the trainings between the two runs of dbt would not know.
REFUSED_OPTIONS = {
    "--selector": "`mlbridge build` divides what is selected into two: name it with --select.",
    "--profile": "`mlbridge build` trains with the profile of dbt_project.yml: name it there.",
    "--target-path": "`mlbridge build` trains with the target folder of dbt_project.yml: name it there.",
}
# The options that `dbt parse` needs as well, and whether a value follows.
OF_A_PARSE = {
    "--vars": True,
    "--warn-error-options": True,
    "--warn-error": False,
    "--no-warn-error": False,
    "--partial-parse": False,
    "--no-partial-parse": False,
    "--version-check": False,
    "--no-version-check": False,
}
FAILED = 1
Tell = Callable[[Sequence[Answer]], None]


def build(project: Project, arguments: Sequence[str], tell: Tell) -> int:
    """Run the three commands; returns dbt's exit code, 1 also where a training was refused.

    `arguments` are those of `dbt build` but for folders and target. Where the first command fails, nothing is trained,
    and what comes after is not built. What depends on a refused training is not built either. `tell` gets what became
    of the trainings. Raises SetupError for a selection by a selector or another
    profile, if no training node is SQL, or the warehouse does not answer.
    """
    chosen = Selection.of(arguments)
    engine = engine_of(project.credentials.type)
    engine.check(project.credentials)
    project = replace(project)  # one that has not read the manifest of an earlier parse
    parsed = _dbt(project, ["--quiet", "parse"], chosen.of_a_parse)
    manifest = project.manifest
    if not chosen.items and any(each.get("default") for each in manifest.get("selectors", {}).values()):
        raise SetupError(f"the project has a default selector. {REFUSED_OPTIONS['--selector']}")
    nodes = {f"{model}_training": model for model in trained_in_sql(project, manifest)}
    children = {
        child
        for id_, node in manifest["nodes"].items()
        if node["name"] in nodes
        for child in manifest["child_map"][id_]
        if not child.startswith(("test.", "unit_test."))
    }
    after = [".".join(manifest["nodes"][child]["fqn"]) for child in sorted(children & set(manifest["nodes"]))]
    up_to_them = [*chosen.others, *_option("--select", chosen.items), *_option("--exclude", _on(after))]
    known = None if chosen.refreshes else parsed.result
    first = _dbt(project, ["build"], up_to_them, known)  # type: ignore[arg-type] # of a parse, it is the manifest
    if not first.success:
        return _code(first)
    results = getattr(first.result, "results", [])
    asking = [nodes[each.node.name] for each in results if each.node.name in nodes]
    engine.rest(project.credentials)
    answers = train(project, asking) if asking and "--empty" not in chosen.others else []
    tell(answers)
    last = _dbt(project, ["build"], [*chosen.others, *_rest(chosen, nodes, answers)])
    return _code(last) or (FAILED if any(each.outcome == REFUSED for each in answers) else 0)


def _rest(chosen: Selection, nodes: Iterable[str], answers: Sequence[Answer]) -> list[str]:
    """Select what comes after the trainings: the nodes that were answered, to take that in, and all that depends."""
    refused = [f"{each.model}_training" for each in answers if each.outcome == REFUSED]
    idle = [f"{each.model}_training" for each in answers if each.reason == NOTHING_ASKED]
    return [*_option("--select", chosen.within(_on(nodes))), *_option("--exclude", [*_on(refused), *idle])]


@dataclass(frozen=True)
class Selection:
    """The arguments of `dbt build`: what `--select` names, and all others."""

    items: tuple[str, ...]
    others: tuple[str, ...]

    @classmethod
    def of(cls, arguments: Iterable[str]) -> Selection:
        """Take the arguments apart as dbt does: a selection ends where the next option begins."""
        items: list[str] = []
        others: list[str] = []
        is_selection = False
        for each in arguments:
            option, _, value = each.partition("=") if each.startswith("-") else ("", "", each)
            if option in REFUSED_OPTIONS:
                raise SetupError(REFUSED_OPTIONS[option])
            is_selection = option in SELECT if option else is_selection
            if is_selection:
                items += value.split()
            else:
                others.append(each)
        return cls(tuple(items), tuple(others))

    @property
    def of_a_parse(self) -> list[str]:
        """Return those of the others that decide what a parse finds. Of repeated ones dbt takes the last."""
        found: list[str] = []
        for place, each in enumerate(self.others):
            option, equals, _ = each.partition("=")
            if option in OF_A_PARSE:
                found += self.others[place : place + (2 if OF_A_PARSE[option] and not equals else 1)]
        return found

    @property
    def refreshes(self) -> bool:
        """Return whether `--full-refresh` is asked for, which the project may read and `dbt parse` does not take."""
        return "--full-refresh" in self.others or any(re.fullmatch("-[a-z]*f[a-z]*", each) for each in self.others)

    def within(self, names: Iterable[str]) -> list[str]:
        """Return what is selected and belongs to one of some names, as dbt's selection writes it."""
        return [",".join(filter(None, (item, name))) for name in names for item in self.items or ("",)]


def _on(names: Iterable[str]) -> list[str]:
    """Select nodes with all that depends on them."""
    return [f"{name}+" for name in names]


def _option(name: str, values: Sequence[str]) -> list[str]:
    return [name, *values] if values else []


def _dbt(
    project: Project, command: Sequence[str], arguments: Sequence[str], manifest: Manifest | None = None
) -> dbtRunnerResult:
    """Run dbt in this process, which has imported it already; its output is shown as it comes.

    `manifest` is of a parse with the same options, so that dbt need not parse again.
    """
    from dbt.cli.main import dbtRunner

    places = ["--project-dir", str(project.path), "--profiles-dir", str(project.profiles)]
    target = [] if project.target is None else ["--target", project.target]
    with chdir(project.start_folder):
        done = dbtRunner(manifest=manifest).invoke([*command, *places, *target, *arguments])
    if isinstance(done.exception, KeyboardInterrupt):
        raise done.exception
    if done.exception is not None:
        raise SetupError(f"dbt {command[-1]}: {done.exception}")
    return done


def _code(done: dbtRunnerResult) -> int:
    return 0 if done.success else FAILED
