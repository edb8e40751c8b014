"""The logbook of a model, its training node's own table: the record of a row, read and written here only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from sqlglot import exp

from mlbridge.engines import records
from mlbridge.engines.records import (
    AsJson,
    DeferredBytes,
    DeferredJson,
    DeferredText,
    Moment,
    Number,
    ShortWhole,
    Text,
    Whole,
    columns_of,
)
from mlbridge.engines.warehouse import Warehouse, column, select
from mlbridge.evaluation.evaluate import CalibrationRecord, MetricRecord
from mlbridge.reference.associations import PartneredBin
from mlbridge.reference.performance_estimation import EstimationRecord
from mlbridge.reference.windows import ReferenceRecord
from mlbridge.registry.documents import Costs, LineageRecord, Params, Promotion, StoredFeature
from mlbridge.training.importances import Importance
from mlbridge.typing import Document

if TYPE_CHECKING:
    import pyarrow as pa

USABLE_OUTCOMES = ("promoted", "rejected")
# The outcomes of rows that are versions; a withheld version is stored, but never used for scoring.
VERSION_OUTCOMES = (*USABLE_OUTCOMES, "withheld")


@dataclass(frozen=True, kw_only=True)
class LogbookRow:
    """A row of `<model>_training`: its columns, in their order. Times are UTC.

    A row without a version has the reason why nothing was trained. None is NULL: a column that does not apply, that an
    older table does not have yet, or a deferred one that was not requested.
    """

    model_name: Text
    version: ShortWhole | None = None
    candidate: Text | None = None
    outcome: Text
    reason: Text
    trained_at: Moment
    as_of: Moment
    invocation_id: Text
    spec: AsJson[Document]
    spec_hash: Text
    data_hash: Text | None = None
    rows_train: Whole | None = None
    rows_validation: Whole | None = None
    rows_test: Whole | None = None
    train_from: Moment | None = None
    train_to: Moment | None = None
    holdout_from: Moment | None = None
    features: AsJson[Sequence[StoredFeature]] | None = None
    params: AsJson[Params] | None = None
    metrics: DeferredJson[Sequence[MetricRecord]] | None = None
    importances: DeferredJson[Sequence[Importance]] | None = None
    profile: DeferredJson[Sequence[PartneredBin]] | None = None
    calibration: DeferredJson[Sequence[CalibrationRecord]] | None = None
    reference: DeferredJson[Sequence[ReferenceRecord]] | None = None
    estimation: DeferredJson[Sequence[EstimationRecord]] | None = None
    decision: AsJson[Document] | None = None
    promotion: AsJson[Promotion] | None = None
    leaks: DeferredJson[Sequence[Document]] | None = None
    lineage: DeferredJson[Sequence[LineageRecord]] | None = None
    categories: DeferredJson[Mapping[str, Sequence[str]]] | None = None
    artifact: DeferredBytes | None = None
    artifact_format: Text | None = None
    artifact_sha256: Text | None = None
    scoring_sql: DeferredText | None = None
    scoring_sql_md5: Text | None = None
    scoring_sql_note: Text | None = None
    scoring_cost: AsJson[Costs] | None = None
    fit_seconds: Number | None = None
    peak_memory_mb: Number | None = None
    library_versions: AsJson[Mapping[str, str]] | None = None

    def of_candidate(
        self,
        version: int,
        candidate: str,
        features: Sequence[StoredFeature],
        params: Params,
        library_versions: Mapping[str, str],
    ) -> CandidateRow:
        """Return the row of a candidate that the same build fitted; `replace` adds further columns."""
        fitted = {"version": version, "candidate": candidate, "features": features, "params": params}
        return CandidateRow(**{**vars(self), **fitted, "library_versions": library_versions})


@dataclass(frozen=True, kw_only=True)
class CandidateRow(LogbookRow):
    """A row of a fitted candidate."""

    version: int
    candidate: str
    features: Sequence[StoredFeature]
    params: Params
    library_versions: Mapping[str, str]


LOGBOOK = columns_of(LogbookRow)
Row = TypeVar("Row", bound=LogbookRow)


def history(warehouse: Warehouse, logbook: exp.Expression) -> list[LogbookRow]:
    """Read the logbook without its deferred columns, oldest first; a column that it does not have yet is NULL.

    Raises RegistryError for a document that is no JSON.
    """
    query = _select(warehouse, logbook, [name for name, each in LOGBOOK.items() if not each.deferred])
    query = query.order_by(*(column(name) for name in ("as_of", "trained_at", "version", "candidate")))
    found = []
    for row in warehouse.rows(query):
        kind = LogbookRow if row["version"] is None else CandidateRow
        where = f"{row['model_name']}_training: version {row['version']}, candidate '{row['candidate']}'"
        found.append(kind(**records.read_values(LogbookRow, row, where)))
    return found


def with_deferred(warehouse: Warehouse, logbook: exp.Expression, row: CandidateRow, *names: str) -> CandidateRow:
    """Return a version's row with the named deferred columns read; raises RegistryError for a damaged document."""
    query = _select(warehouse, logbook, names).where(
        column("version").eq(exp.Literal.number(row.version)), column("outcome").isin(*VERSION_OUTCOMES)
    )
    where = f"{row.model_name}_training: version {row.version}"
    return replace(row, **records.read_values(LogbookRow, warehouse.row(query), where))


def _select(warehouse: Warehouse, logbook: exp.Expression, names: Iterable[str]) -> exp.Select:
    there = warehouse.names(logbook)
    return select({name: column(name) if name in there else exp.null() for name in names}, logbook)


def rows_until(rows: Sequence[Row], as_of: datetime) -> list[Row]:
    """Return the rows that existed at `as_of` (UTC), so that a build of a past day does not see later versions."""
    return [row for row in rows if row.as_of <= as_of]


def next_version(rows: Iterable[LogbookRow]) -> int:
    """Return the number of the next version."""
    return 1 + max((row.version for row in rows if row.version is not None), default=0)


def as_table(rows: Iterable[LogbookRow]) -> pa.Table:
    """Return the rows to append as an Arrow table with all columns of `LOGBOOK`; documents are written as JSON."""
    return records.as_table(LogbookRow, rows)


def as_query(row: LogbookRow | None) -> exp.Select:
    """Return a row of a build that trained nothing as a SELECT; of None, one without rows."""
    return records.as_query(LogbookRow, row)
