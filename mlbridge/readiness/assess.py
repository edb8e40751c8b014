"""The assessment, from the question to the answer: settles what was not named, and scores each requirement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from mlbridge.errors import listed
from mlbridge.project.manifest import read_or_make
from mlbridge.project.project import Project
from mlbridge.readiness.assessment import Assessment, Question, Relation, Requirement, scored
from mlbridge.readiness.catalogue import REQUIREMENTS
from mlbridge.readiness.columns import column_requirements, unusable_columns
from mlbridge.readiness.enough import enough_requirements
from mlbridge.readiness.first_model import QUICKEST, FirstModel, first_model
from mlbridge.readiness.keys import check_unique, settle_entity
from mlbridge.readiness.moments import later_columns, moment_requirements
from mlbridge.readiness.outcomes import outcome_requirements
from mlbridge.readiness.proposal import settle
from mlbridge.readiness.relations import ReadinessError, columns_of, relation_of, snapshots_of
from mlbridge.readiness.rows import course, row_requirements
from mlbridge.readiness.sample import table_of, take
from mlbridge.readiness.settled import Settled
from mlbridge.readiness.source import open_source
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
)


def assess(
    project: Project,
    question: Question,
    as_of: datetime | None = None,
    report: Report = lambda done, total, doing: None,
) -> Assessment:
    """Answer whether a branch can grow on a relation; `as_of` (UTC) is the clock, None: now.

    Nothing is written. `report` is told of each step. Raises SetupError if the project or its warehouse cannot be read,
    and ReadinessError if what the question names does not exist or cannot be what it says.
    """
    clock = as_of or datetime.now(UTC).replace(tzinfo=None)

    def step(number: int) -> None:
        report(number, len(STEPS), STEPS[number])

    step(0)
    manifest, source = read_or_make(project), open_source(project)
    if question.relation is None:
        raise ReadinessError("name a relation")
    relation = relation_of(question.relation, manifest)
    columns = columns_of(relation, source)
    step(1)
    rows = source.count(table_of(relation))
    if not rows:
        raise ReadinessError(f"'{relation.name}' has no rows. Load them, and build it.")
    entity = settle_entity(question, relation, columns, manifest, source, rows)
    sample = take(source, relation, columns, entity.columns, rows)
    settled = settle(question, relation, sample, entity)
    repeated = check_unique(relation, entity, settled.time, source, rows)
    every = course(source, relation, columns, settled)
    step(2)
    requirements = [
        *row_requirements(every, repeated, settled.moments, clock, sample),
        *outcome_requirements(every, sample, settled),
    ]
    unusable = unusable_columns(columns, sample, settled.keys)
    requirements += column_requirements(columns, sample, settled.keys, unusable)
    later = later_columns(sample, settled.time.one, settled.keys)
    requirements += moment_requirements(sample, settled.time.one, settled.keys, later, snapshots_of(relation, manifest))
    step(3)
    spec = _spec(relation, settled, [*unusable, *later])
    requirements += enough_requirements(source, relation, sample, spec, every, clock)
    step(4)
    model = first_model(sample, spec, clock)
    requirements += _of_model(model, columns, settled, [*unusable, *later])
    suspected = {**later, **{each.feature: each.evidence for each in model.suspicions if each.feature in columns}}
    return Assessment(
        relation=relation,
        columns=columns,
        **vars(settled),
        as_of=clock,
        rows=rows,
        sampled=sample.limited,
        requirements=tuple(sorted(requirements, key=lambda each: list(REQUIREMENTS).index(each.code))),
        suspected={name: reason for name, reason in suspected.items() if name not in settled.keys},
        unusable={name: reason for name, (_, reason) in unusable.items()} | model.constant,
    )


def _spec(relation: Relation, settled: Settled, exclude: Sequence[str]) -> Spec:
    """Return the spec of the branch, with one quick candidate."""
    raw: Document = {**settled.spec, "candidates": [QUICKEST[settled.task.one]], "features": {"exclude": list(exclude)}}
    return read_spec(relation.name, raw)


def _of_model(
    model: FirstModel, columns: Mapping[str, str], settled: Settled, left_out: Sequence[str]
) -> list[Requirement]:
    """Score what the first model and its leak checks found."""
    names = [name for name in columns if name not in (*settled.keys, *left_out)]
    suspected = list(dict.fromkeys(each.feature for each in model.suspicions if each.feature in names))
    said = "; ".join(each.sentence for each in model.suspicions if each.feature in names)
    left = [name for name in names if name not in (*suspected, *model.constant)]
    share = None if model.requirement.score is None else 1 - len(suspected) / len(names) if names else 1.0
    rows = said or ("not looked at" if share is None else f"none of {len(names):,} columns")
    return [
        model.requirement,
        scored("no_leak_by_rows", share, rows, columns=listed(suspected)),
        scored(
            "features_left",
            float(bool(left)),
            f"{len(left):,} of {len(columns):,} columns: {listed(left)}",
            time=settled.time.one,
        ),
    ]
