"""Trains a version: checks and reads its rows, fits the candidates, promotes the best or not, compiles it to SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mlbridge.engines.adapters import Relation
from mlbridge.engines.warehouse import Warehouse
from mlbridge.lifecycle.challenge import challenge
from mlbridge.lifecycle.retraining import RetrainingContext
from mlbridge.log import info, warn
from mlbridge.nodes.training_lineage import training_lineage
from mlbridge.nodes.training_rows import gather
from mlbridge.registry.logbook import CandidateRow, LogbookRow
from mlbridge.registry.versions import read_version, version_of
from mlbridge.scoring.champion import Incumbent, score_champion
from mlbridge.scoring.parity import score_difference
from mlbridge.scoring.rows import SPLIT
from mlbridge.scoring.sql import compile_and_verify, title
from mlbridge.scoring.stored_select import text_checksum
from mlbridge.split.checks import check_keys
from mlbridge.split.shortage import Shortage
from mlbridge.training.fitting import ONE_AT_A_TIME
from mlbridge.typing import Floats

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator


def new_version(
    context: RetrainingContext,
    own: Mapping[str, BaseEstimator],
    entry: LogbookRow,
    number: int,
    promoted: CandidateRow | None,
) -> Sequence[LogbookRow]:
    """Train version `number`; returns a row per candidate, or one row that says what the rows lack.

    `entry` has the fields that all rows share. `promoted` is the version promoted last, which the new one is compared
    with; None without one.
    """
    run, spec, warehouse, split = context.run, context.spec, context.warehouse, context.split
    check_keys(run.node, warehouse, warehouse.written(run.key_problem, split))
    with ONE_AT_A_TIME, warehouse.at_hand(split) as (here, copy):
        training = gather(run.node, here, copy, spec, own, context.rows, run.refuse_memory)
        if isinstance(training, Shortage):
            return [_not_trained(run.node, entry, training)]
        held = training.held.relation
        table = here.table(held, SPLIT)
        found = training_lineage(run, warehouse, split, spec, [each.feature.name for each in training.columns])
        training = replace(training, suspected=found.suspicions)

        def verify(row: CandidateRow, evaluated_scores: Floats) -> str | None:
            return score_difference(version_of(run.node, row, spec.trusted), here, table, evaluated_scores)

        incumbent = None if promoted is None else _incumbent(context, promoted, training.classes, here, held)
        warehouse.rest()
        fitted = challenge(training, incumbent, entry, number, verify)
        rows = [row if row.outcome == "runner_up" else replace(row, lineage=found.records) for row in fitted]
        scoring = ("promoted", "rejected") if spec.shadow else ("promoted",)
        return [_compiled(context, row) if row.outcome in scoring else row for row in rows]


def _incumbent(
    context: RetrainingContext, best: CandidateRow, classes: tuple[str, ...] | None, here: Warehouse, copy: Relation
) -> Incumbent:
    """Score the test rows with the version promoted last; a pin decides which version scores, not which is best."""
    version = read_version(context.run.node, context.warehouse, context.logbook, best, context.spec.trusted)
    return score_champion(here, here.table(copy, SPLIT), here.columns(copy), version, context.spec, classes)


def _not_trained(node: str, entry: LogbookRow, lacking: Shortage) -> LogbookRow:
    """Return a row `not_trained` with what the rows lack, and warn; a version in use goes on scoring."""
    reason = f"{entry.reason}; {lacking.reason}"
    warn(node, reason)
    return replace(entry, outcome="not_trained", reason=reason, decision={**(entry.decision or {}), **lacking.figures})


def _compiled(context: RetrainingContext, row: CandidateRow) -> CandidateRow:
    """Compile the new version to SQL, and keep the SELECT if it agrees with Python where it will run."""
    node = context.run.node
    split = context.warehouse.table(context.split, SPLIT)
    version = version_of(node, row, context.spec.trusted)
    found = compile_and_verify(version, title(row.model_name, row), context.warehouse, split)
    info(node, f"version {version.number} scores as SQL too" if found.sql else f"scores in Python only: {found.note}")
    md5 = None if found.sql is None else text_checksum(found.sql)
    return replace(
        row, scoring_sql=found.sql, scoring_sql_md5=md5, scoring_sql_note=found.note, scoring_cost=found.cost
    )
