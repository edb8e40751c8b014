"""The columns of the split that scoring reads, and the columns that it writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlglot import exp

from mlbridge.compile.reasons import BECAUSE
from mlbridge.engines.records import Moment, Number, ShortWhole, Text, columns_of, schema_of
from mlbridge.engines.warehouse import as_text, column, error_expression, subquery
from mlbridge.features.frame import scoring_columns
from mlbridge.registry.versions import Version
from mlbridge.scoring.unscorable_rows import unscorable_reasons

if TYPE_CHECKING:
    import pyarrow as pa

SPLIT, SCORED = "split", "scored"
ENTITY, TIME = "ml entity", "ml time"


@dataclass(frozen=True)
class Prediction:
    """A row of `<model>_predictions`: its columns, in their order. Times are UTC.

    A row that a version cannot score has no prediction; `not_scored_because` has the reason.
    """

    model_name: Text
    entity: Text
    time: Moment
    version: ShortWhole
    target: Text
    prediction: Text | None
    prediction_value: Number | None
    probability: Number | None
    probabilities: Text | None
    scored_by: Text
    scored_at: Moment
    invocation_id: Text
    not_scored_because: Text | None


PREDICTIONS = columns_of(Prediction)
# The columns that have the same value in every row of one build.
ConstantColumns = Mapping[str, str | datetime]


def recorded_reasons(version: Version, scored: exp.Expression) -> exp.Select:
    """Select time, entity and reason of the rows for which this version recorded no prediction."""
    why = column("not_scored_because", SCORED)
    mine = column("version", SCORED).eq(exp.Literal.number(version.number))
    reasons = exp.select(column("time", SCORED), column("entity", SCORED), why).from_(scored)
    return reasons.where(mine, exp.not_(why.copy().is_(exp.null())))


def scored_columns(version: Version) -> dict[str, exp.Expression]:
    """Return the columns that scoring in Python reads of the split: key, time, features, and unscorable reasons."""
    return {**_key(version), **scoring_columns(version.features), **unscorable_reasons(version.features)}


def keyed_rows(version: Version, rows: exp.Select) -> exp.Select:
    """Add the columns `ml entity` and `ml time` to rows of the split, which a version's SELECT expects."""
    return rows.select(*(exp.alias_(value, name, quoted=True) for name, value in _key(version).items()))


def _key(version: Version) -> dict[str, exp.Expression]:
    return {ENTITY: as_text(version.spec.entity), TIME: exp.cast(column(version.spec.time), "timestamp")}


def refused_query() -> dict[str, exp.Expression]:
    """Return the column that counts, over a version's SELECT, the rows that it gives no prediction."""
    return {"refused": exp.Count(this=column(BECAUSE))}


def unscorable_query(version: Version, rows: exp.Select) -> exp.Select:
    """Count the rows with a reason why they may be unscorable: one row, one column `unscorable`."""
    first, second = unscorable_reasons(version.features).values()
    why = exp.Coalesce(this=first, expressions=[second])
    return exp.select(exp.alias_(exp.Count(this=why), "unscorable")).from_(subquery(rows, SPLIT))


def answer_columns(version: Version, constant_columns: ConstantColumns) -> dict[str, exp.Expression]:
    """Return the columns of `<model>_predictions` by name, as expressions over a version's SELECT.

    A missing prediction ends the query with an error.
    """
    types = {"string": "text", "timestamp[us]": "timestamp", "int32": "int", "double": "double"}
    same = {**constant_columns, "version": version.number, "target": version.spec.target, "scored_by": "sql"}
    refused = error_expression(f"version {version.number} gives no prediction for some rows. Pin another.")
    found: dict[str, exp.Expression] = {}
    for name, kept in PREDICTIONS.items():
        value: exp.Expression = exp.null() if name == "not_scored_because" else column(name)
        if name in same:
            value = exp.Literal.string(str(same[name]))
        value = exp.Coalesce(this=value, expressions=[refused]) if name == "prediction" else value
        found[name] = exp.cast(value, types[kept.type])
    return found


def prediction_schema() -> pa.Schema:
    """Return the Arrow schema of `<model>_predictions`."""
    return schema_of(Prediction)
