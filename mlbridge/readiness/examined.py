"""A relation of which target, entity and moments are settled, with its sample: what every requirement is scored on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlbridge.readiness.assessment import Question, Relation
from mlbridge.readiness.keys import check_unique, settle_entity
from mlbridge.readiness.proposal import settle
from mlbridge.readiness.relations import ReadinessError, columns_of
from mlbridge.readiness.sample import Sample, table_of, take
from mlbridge.readiness.settled import Settled
from mlbridge.readiness.source import Source
from mlbridge.typing import Document


@dataclass(frozen=True)
class Examined:
    """A relation, its columns with their types in the warehouse, a sample of its rows, and what was settled.

    `repeated` is the number of rows that have the entity and time of another.
    """

    relation: Relation
    columns: Mapping[str, str]
    sample: Sample
    settled: Settled
    repeated: int

    @property
    def features(self) -> tuple[str, ...]:
        """Return the columns that could be features: those without another role."""
        return tuple(name for name in self.columns if name not in self.settled.keys)


def examine(question: Question, relation: Relation, manifest: Document, source: Source) -> Examined:
    """Settle the question for a relation.

    Raises ReadinessError if the relation or a column is not there or has no rows, if something cannot be proposed, or
    if entity and time are no key.
    """
    columns = columns_of(relation, source)
    rows = source.count(table_of(relation))
    if not rows:
        raise ReadinessError(f"'{relation.name}' has no rows. Load them, and build it.")
    entity, unique = settle_entity(question, relation, columns, manifest, source, rows)
    sample = take(source, relation, columns, entity.columns, rows)
    settled = settle(question, relation, sample, entity)
    repeated = 0 if unique else check_unique(relation, settled.entity, settled.time, source, rows)
    return Examined(relation, columns, sample, settled, repeated)
