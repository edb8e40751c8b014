"""The assessment, from the question to the answer: settles what was not named, and scores each requirement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain

from mlbridge.engines.rights import Right
from mlbridge.errors import listed
from mlbridge.project.manifest import read_or_make
from mlbridge.project.project import Project
from mlbridge.readiness.assessment import Assessment, Question, Relation, Requirement, scored
from mlbridge.readiness.candidates import candidates_of
from mlbridge.readiness.catalogue import REQUIREMENTS
from mlbridge.readiness.columns import column_requirements, unusable_columns
from mlbridge.readiness.enough import enough_requirements, split_parts
from mlbridge.readiness.examined import Examined, examine
from mlbridge.readiness.first_model import QUICKEST, FirstModel, first_model
from mlbridge.readiness.leaks_by_lineage import leaks_by_lineage
from mlbridge.readiness.moments import later_columns, moment_requirements
from mlbridge.readiness.outcomes import outcome_requirements
from mlbridge.readiness.relations import ReadinessError, relation_of, snapshots_of
from mlbridge.readiness.rights import may_read, may_write, rights_requirements
from mlbridge.readiness.room import room_of, room_requirements
from mlbridge.readiness.rows import Course, course, row_requirements
from mlbridge.readiness.source import Source, open_source
from mlbridge.spec.reading import read_spec
from mlbridge.spec.specification import Spec
from mlbridge.typing import Document

Report = Callable[[int, int, str], None]
STEPS = (
    "reading the project",
    "counting rows",
    "looking at the columns",
    "splitting the rows",
    "fitting a first model",
    "measuring the room",
)


def assess(
    project: Project,
    question: Question,
    as_of: datetime | None = None,
    cadence: str = "day",
    schema: str | None = None,
    report: Report = lambda done, total, doing: None,
) -> Assessment:
    """Answer whether a branch can grow on a relation; `as_of` (UTC) is the clock, None: now.

    `cadence` says how often builds will run: by day, week or month. `schema` is the `+schema` that the branch is to
    have, None to leave it to the project. `report` is told of each step. Nothing is written:
    what tries the rights of the role is rolled back. Raises SetupError if the project or its warehouse cannot be read,
    and ReadinessError if what the question names does not exist or cannot be what it says.
    """
    clock = as_of or datetime.now(UTC).replace(tzinfo=None)

    def step(number: int) -> None:
        report(number, len(STEPS), STEPS[number])

    step(0)
    manifest = read_or_make(project)
    named = None if question.relation is None else relation_of(question.relation, manifest)
    rights = may_write(project, manifest, schema)
    with open_source(project) as source:
        step(1)
        found, others = _chosen(project, question, named, manifest, source)
        rights += may_read(project, found.relation)
        every = course(source, found.relation, found.columns, found.settled)
        asked = _Asked(project, manifest, source, found, every, rights, clock, cadence)
        return replace(_answer(asked, step), others=others)


@dataclass(frozen=True)
class _Asked:
    """A relation with what every requirement is scored on."""

    project: Project
    manifest: Document
    source: Source
    found: Examined
    every: Course
    rights: Sequence[Right]
    clock: datetime
    cadence: str


def _answer(asked: _Asked, step: Callable[[int], None]) -> Assessment:
    """Score every requirement."""
    found, every, clock = asked.found, asked.every, asked.clock
    sample, settled = found.sample, found.settled
    step(2)
    unusable = unusable_columns(found.columns, sample, settled.keys)
    later = later_columns(sample, settled.time.one, settled.keys)
    snapshots = snapshots_of(found.relation, asked.manifest)
    of_lineage, by_lineage = leaks_by_lineage(asked.manifest, asked.source, found)
    beforehand = {**later, **of_lineage}
    requirements = [
        *row_requirements(every, found.repeated, settled.moments, clock, sample),
        *outcome_requirements(every, sample, settled),
        *column_requirements(found.columns, sample, settled.keys, unusable),
        *moment_requirements(sample, settled.time.one, settled.keys, later, snapshots),
        by_lineage,
        *rights_requirements(asked.rights),
    ]
    step(3)
    spec = _spec(found, [*unusable, *beforehand])
    parts = split_parts(asked.source, found.relation, sample, spec, clock)
    requirements += enough_requirements(parts, sample, spec, every, clock)
    step(4)
    model = first_model(sample, spec, clock)
    requirements += _of_model(model, found, [*unusable, *beforehand])
    suspected = {**beforehand, **_reasons(model, found.features)}
    useless = {name: reason for name, (_, reason) in unusable.items()} | dict(model.constant)
    step(5)
    kept = [name for name in sample.types if name not in suspected and name not in useless]
    room = room_of(asked.project, asked.source, found, every, kept, parts.rows(every.total), asked.cadence)
    requirements += room_requirements(room)
    order = list(REQUIREMENTS)
    return Assessment(
        **vars(settled),
        relation=found.relation,
        columns=found.columns,
        as_of=clock,
        rows=every.total,
        sampled=sample.limited,
        requirements=tuple(sorted(requirements, key=lambda each: order.index(each.code))),
        suspected=suspected,
        unusable=useless,
        grants=tuple(dict.fromkeys(chain.from_iterable(each.grants for each in asked.rights))),
        room=room,
    )


def _chosen(
    project: Project, question: Question, named: Relation | None, manifest: Document, source: Source
) -> tuple[Examined, dict[str, str]]:
    """Examine the named relation, or the likeliest of which all can be proposed; name other likely ones."""
    if named is not None:
        may_read(project, named)
        return examine(question, named, manifest, source), {}
    likely, problems = candidates_of(project, manifest, source), []
    for relation, _ in likely:
        try:
            found = examine(question, relation, manifest, source)
        except ReadinessError as error:
            problems.append(str(error))
            continue
        return found, {each.name: why for each, why in likely if each != relation}
    raise ReadinessError(
        f"no relation can be proposed. {' '.join(problems[:3]) or 'None is built that has a timestamp or a date.'} "
        "Name one, such as `mlbridge assess fct_orders`."
    )


def _spec(found: Examined, exclude: Sequence[str]) -> Spec:
    """Return the spec of the branch, with one quick candidate."""
    settled = found.settled
    left_out = [name for name in exclude if name in found.sample.types]  # others the sample does not have anyway
    raw: Document = {**settled.spec, "candidates": [QUICKEST[settled.task.one]], "features": {"exclude": left_out}}
    return read_spec(found.relation.name, raw)


def _reasons(model: FirstModel, names: Sequence[str]) -> Mapping[str, str]:
    """Return the columns that the checks of a training suspect, each with the evidence."""
    return {each.feature: each.evidence for each in model.suspicions if each.feature in names}


def _of_model(model: FirstModel, found: Examined, left_out: Sequence[str]) -> list[Requirement]:
    """Score what the first model and its leak checks found; `left_out` are columns that it was not given."""
    names = [name for name in found.features if name not in left_out]
    suspected = _reasons(model, names)
    said = "; ".join(f"'{name}': {evidence}" for name, evidence in suspected.items())
    left = [name for name in names if name not in suspected and name not in model.constant]
    if model.requirement.score is None and not suspected:
        rows = scored("no_leak_by_rows", None, "no model was fitted, so the rows were not searched")
    else:
        share = 1 - len(suspected) / len(names)
        rows = scored("no_leak_by_rows", share, said or f"none of {len(names):,} columns", columns=listed(suspected))
    counts = f"{len(left):,} of {len(found.columns):,} columns: {listed(left)}"
    return [
        model.requirement,
        rows,
        scored("features_left", float(bool(left)), counts, time=found.settled.time.one),
    ]
