"""The rows that a prediction is explained against: training rows of the time that the version was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlglot import exp

from mlbridge.engines.warehouse import as_text, column, select
from mlbridge.features.columns import Feature
from mlbridge.features.frame import scoring_columns
from mlbridge.spec.specification import Spec

BACKGROUND_ROWS = 256


def background_query(
    split: exp.Table, features: Sequence[Feature], spec: Spec, train_from: datetime | None, train_to: datetime | None
) -> exp.Select:
    """Select a version's inputs of at most `BACKGROUND_ROWS` training rows, chosen by the hash of their key.

    `train_from` and `train_to` (UTC) are of its row of the logbook; an older one does not say.
    """
    moment = exp.cast(column(spec.time), "timestamp")
    query = select(scoring_columns(features), split).where(column("ml_split").eq(exp.Literal.string("train")))
    if train_from is not None and train_to is not None:
        query = query.where(exp.Between(this=moment, low=_moment(train_from), high=_moment(train_to)))
    keys = [as_text(spec.entity), exp.cast(moment.copy(), "text")]
    return query.order_by(*(exp.MD5(this=each) for each in keys)).limit(BACKGROUND_ROWS)


def _moment(moment: datetime) -> exp.Expression:
    return exp.cast(exp.Literal.string(str(moment)), "timestamp")
