"""`mlbridge build`: `dbt build` up to the training nodes in SQL, `mlbridge train`, and `dbt build` of what follows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from mlbridge.commands.publish import publish
from mlbridge.commands.train import NOTHING_ASKED, REFUSED, Answer, load_requests, train, trained_in_sql
from mlbridge.commands.versions import NotBuiltError
from mlbridge.engines.adapters import engine_of
from mlbridge.errors import SetupError, listed
from mlbridge.log import info
from mlbridge.project.dbt_commands import Done, dbt_2, run
from mlbridge.project.project import Project

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
    """Run the three commands by the dbt that is on the PATH; returns its exit code, 1 if one was refused.

    `arguments` are those of `dbt build` but for folders and target. Where the first command fails, nothing is trained,
    and what comes after is not built. What depends on a refused training is not built either. `tell` gets what became
    of the trainings. Where dbt cannot publish the tables itself, this does it. Raises SetupError for a selection by a
    selector or another profile, if no training node is SQL, or the warehouse does not answer.
    """
    chosen = Selection.of(arguments)
    engine = engine_of(project.credentials.type)
    engine.check(project.credentials)
    project = replace(project)  # one that has not read the manifest of an earlier parse
    program = dbt_2()
    dbt = partial(run, project, program=program)
    parsed = dbt(["--quiet", "parse"], chosen.of_a_parse, manifest=None)
    if not parsed.success:
        return FAILED
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
    load_requests(project)
    up_to_them = [*chosen.others, *_option("--select", chosen.items), *_option("--exclude", _on(after))]
    first = dbt(["build"], up_to_them, manifest=None if chosen.refreshes else parsed.manifest)
    if not first.success:
        return _code(first)
    asking = [nodes[name] for name in first.nodes if name in nodes]
    engine.rest(project.credentials)
    answers = train(project, asking) if asking and "--empty" not in chosen.others else []
    tell(answers)
    last = dbt(["build"], [*chosen.others, *_rest(chosen, nodes, answers)], manifest=None)
    # What a dbt that runs Python publishes to files, its build has published.
    is_server = project.published_folder is None
    if (is_server or program is not None) and project.served_folder is not None and "--empty" not in chosen.others:
        if is_server and last.failed:  # the tables of a file are published all the same, for the monitor to show it
            info("publish", f"what is served stays as it was, because {listed(last.failed)} failed")
        else:
            with suppress(NotBuiltError):  # a selection without the package's tables
                publish(project)
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


def _code(done: Done) -> int:
    return 0 if done.success else FAILED
