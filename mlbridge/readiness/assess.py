"""The assessment, from the question to the answer: settles what was not named, and scores each requirement."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlglot import exp

from mlbridge.project.manifest import read_or_make
from mlbridge.project.project import Project
from mlbridge.readiness.assessment import Assessment, Question
from mlbridge.readiness.keys import settle_entity
from mlbridge.readiness.proposal import settle
from mlbridge.readiness.relations import ReadinessError, columns_of, relation_of
from mlbridge.readiness.sample import table_of, take
from mlbridge.readiness.source import open_source


def assess(project: Project, question: Question, as_of: datetime | None = None) -> Assessment:
    """Answer whether a branch can grow on a relation; `as_of` (UTC) is the clock, None: now.

    Nothing is written. Raises SetupError if the project or its warehouse cannot be read, and ReadinessError if what the
    question names does not exist or cannot be what it says.
    """
    clock = as_of or datetime.now(UTC).replace(tzinfo=None)
    manifest, source = read_or_make(project), open_source(project)
    if question.relation is None:
        raise ReadinessError("name a relation")
    relation = relation_of(question.relation, manifest)
    columns = columns_of(relation, source)
    rows = int(source.rows(exp.select(exp.alias_(exp.Count(this=exp.Star()), "n")).from_(table_of(relation)))[0]["n"])
    entity = settle_entity(question, relation, columns, manifest, source, rows)
    sample = take(source, relation, columns, entity.columns, rows)
    settled = settle(question, relation, sample, entity)
    return Assessment(
        relation=relation, columns=columns, entity=entity, as_of=clock, rows=rows, sampled=sample.limited, **settled
    )
