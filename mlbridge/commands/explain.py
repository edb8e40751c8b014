"""`mlbridge explain`: what each feature of a row contributes to its prediction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlglot import exp

from mlbridge.commands.compile import chosen_version
from mlbridge.commands.versions import query_tables
from mlbridge.engines.warehouse import (
    DIALECT,
    Warehouse,
    as_text,
    column,
    non_empty_batches,
    parse_type,
    select,
    subquery,
)
from mlbridge.errors import SetupError, listed
from mlbridge.features.columns import TEMPORAL, Feature
from mlbridge.features.frame import scoring_columns, scoring_frame
from mlbridge.project.project import Project, place_of
from mlbridge.reference.profile import Bin, usual_value
from mlbridge.registry.logbook import CandidateRow, with_deferred
from mlbridge.registry.project_logbook import logbook_of
from mlbridge.registry.versions import Version
from mlbridge.scoring.background import BACKGROUND_ROWS, background_query
from mlbridge.scoring.contributions import Contributions, contributions, explained_score
from mlbridge.scoring.python import predicted
from mlbridge.typing import Row, Value

if TYPE_CHECKING:
    import pandas as pd

METHOD = "Shapley values by sampled orders against training rows"
NEAR = 3
RECORDED = ("prediction", "scored_at")


@dataclass(frozen=True)
class Explanation:
    """A row's prediction and what makes it: `value` is `base` plus the contributions of `features`.

    `explained` says what is explained: the probability of a class, or the predicted number. `base` is the mean over the
    background, training rows of the version. `recorded` is what a build recorded for the row with this version: the
    `prediction`, its probability or number as `value`, and `scored_at`; None if nothing. Times are UTC. A feature has
    its `value` in the row, the `usual` one in training (median, or most frequent; None: missing), the `contribution`
    and half the width of its 95 % interval, `error`.
    """

    model: str
    entity: str
    time: datetime
    version: int
    candidate: str
    prediction: str
    explained: str
    value: float
    base: float
    background_rows: int
    split: str
    recorded: Row | None
    features: list[Row]
    method: str = METHOD


@dataclass(frozen=True)
class _Facts:
    """What is read from the warehouse: the version, the row, and the model's input of it and of the background."""

    version: Version
    row: CandidateRow
    found: Row
    values: Row
    frame: pd.DataFrame
    recorded: Row | None


def explain(project: Project, model: str, key: Sequence[str], time: datetime | None, number: int | None) -> Explanation:
    """Explain the prediction of a version (None: the champion) for the row of a key at a time (None: its newest).

    `key` has a text for each entity column, or one text as in `ml_predictions.entity`. The rows are those of
    `<model>_split` as it is now. Raises SetupError if there is no such model, version or row, and ScoringError if the
    version cannot score the row.
    """
    facts = _read(project, model, key, time, number)  # the warehouse is closed again before the work begins
    version, frame = facts.version, facts.frame
    scores = version.scores(frame.iloc[:1])
    explained, score = explained_score(version, scores)
    made = contributions(score, frame)
    (prediction,) = predicted(scores, version.classes, version.numbers)["prediction"] or [None]
    return Explanation(
        model=model,
        entity=facts.found["entity"],
        time=facts.found["time"],
        version=version.number,
        candidate=facts.row.candidate,
        prediction=str(prediction),
        explained=explained,
        value=made.value,
        base=made.base,
        background_rows=len(frame) - 1,
        split=facts.found["ml_split"],
        recorded=facts.recorded,
        features=_features(facts, made),
    )


def _read(project: Project, model: str, key: Sequence[str], time: datetime | None, number: int | None) -> _Facts:
    """Read what `explain` needs, and close the warehouse, which a build may be waiting for."""
    warehouse = project.connect()
    row, version = chosen_version(project, warehouse, model, number)
    row = with_deferred(warehouse, logbook_of(project, warehouse, model), row, "profile")
    split = _split_of(project, warehouse, version, model)
    found = _row_of(warehouse, split, version, key, time)
    stored = {each.name: column(each.name) for each in version.features}
    return _Facts(
        version=version,
        row=row,
        found=found,
        values=warehouse.row(_at(select(stored, split), version, found)),
        frame=_frame(warehouse, split, version, row, found),
        recorded=_recorded(project, warehouse, model, found, version),
    )


def _split_of(project: Project, warehouse: Warehouse, version: Version, model: str) -> exp.Table:
    """Return the table of the split; raises SetupError if it is not there, or lacks what the version needs."""
    named = [place_of(each) for each in project.manifest["nodes"].values() if each["name"] == f"{model}_split"]
    types = warehouse.columns_of(*named[0]) if named else {}
    if not types:
        raise SetupError(f"the warehouse has no table '{model}_split' yet. Run `dbt build` first.")
    lacking = version.schema_difference(types)
    if lacking:
        raise SetupError(f"version {version.number} cannot score '{model}_split' any more: {lacking}.")
    database, schema, name = named[0]
    return exp.table_(name, db=schema, catalog=database, quoted=True)


def _row_of(warehouse: Warehouse, split: exp.Table, version: Version, key: Sequence[str], time: datetime | None) -> Row:
    """Return `entity`, `time` and `ml_split` of the row of a key; raises SetupError that names near ones."""
    entity = version.spec.entity
    if len(key) not in (1, len(entity)):
        raise SetupError(
            f"the key is {listed(entity)}; found {len(key)} values, {listed(key)}. Give a value for each column, in "
            "this order."
        )
    each: list[exp.Expression] = [as_text(entity)]
    if len(key) == len(entity):
        each = [exp.cast(column(name), "text") for name in entity]
    same = exp.and_(*(part.eq(exp.Literal.string(text)) for part, text in zip(each, key, strict=True)))
    moment = exp.cast(column(version.spec.time), "timestamp")
    columns = {"entity": as_text(entity), "time": moment, "ml_split": column("ml_split")}
    found = warehouse.rows(select(columns, split).where(same).order_by(exp.Ordered(this=moment.copy(), desc=True)))
    if not found:
        raise SetupError(
            f"'{split.name}' has no row of {listed(key)}. Near keys: {listed(_near(warehouse, split, entity, key))}."
        )
    chosen = [row for row in found if time in (None, row["time"])]
    if not chosen:
        raise SetupError(f"{listed(key)} has no row at {time} UTC; it has some at {listed(r['time'] for r in found)}.")
    return chosen[0]


def _near(warehouse: Warehouse, split: exp.Table, entity: Sequence[str], key: Sequence[str]) -> list[str]:
    """Return the keys that the fewest edits make of the one looked for (Levenshtein 1966)."""
    wanted = key[0] if len(key) == 1 else json.dumps(key, separators=(",", ":"), ensure_ascii=False)
    edits = exp.Levenshtein(this=column("entity"), expression=exp.Literal.string(wanted))
    keys = select({"entity": as_text(entity)}, split).distinct()
    query = exp.select("entity").from_(subquery(keys, "keys")).order_by(edits, column("entity")).limit(NEAR)
    return [str(row["entity"]) for row in warehouse.rows(query)]


def _frame(warehouse: Warehouse, split: exp.Table, version: Version, row: CandidateRow, found: Row) -> pd.DataFrame:
    """Return the model's input of the row and, below it, of the background."""
    import pyarrow as pa

    inputs = select(scoring_columns(version.features), split)
    background = background_query(split, version.features, version.spec, row.train_from, row.train_to)
    queries = [_at(inputs, version, found), background]
    batches = [batch for query in queries for batch in non_empty_batches(warehouse.batches(query, BACKGROUND_ROWS))]
    table = pa.Table.from_batches(batches).combine_chunks()
    if len(table) < 3:
        raise SetupError(
            f"'{split.name}' has {len(table) - 1} training rows of the time that version {version.number} was trained "
            "on, too few to explain it against. Explain a newer version."
        )
    return scoring_frame(table.to_batches()[0], version.features, version.categories)


def _at(query: exp.Select, version: Version, found: Row) -> exp.Select:
    """Restrict a query of the split to the row that was found."""
    moment = exp.cast(column(version.spec.time), "timestamp")
    return query.where(
        as_text(version.spec.entity).eq(exp.Literal.string(found["entity"])), moment.eq(_moment(found["time"]))
    )


def _moment(moment: datetime) -> exp.Expression:
    return exp.cast(exp.Literal.string(str(moment)), "timestamp")


def _recorded(project: Project, warehouse: Warehouse, model: str, found: Row, version: Version) -> Row | None:
    """Return what a build recorded for the row with this version."""
    facts = {"model": model, "entity": found["entity"]}
    same = [column(name).eq(exp.Literal.string(text)) for name, text in facts.items()]
    same += [column("time").eq(_moment(found["time"])), column("version").eq(exp.Literal.number(version.number))]
    query = exp.select("*").from_("ml_predictions").where(*same)
    rows = query_tables(project, warehouse, query.sql(dialect=DIALECT))
    value = "prediction_value" if version.classes is None else "probability"
    return next(({"value": row[value], **{each: row[each] for each in RECORDED}} for row in rows), None)


def _features(facts: _Facts, made: Contributions) -> list[Row]:
    """Return a row per feature, the greatest contribution first."""
    profile = facts.row.profile or ()
    rows = [
        {
            "feature": each.name,
            "value": facts.values[each.name],
            "usual": _usual(each, [bin_ for bin_ in profile if bin_["feature"] == each.name]),
            "contribution": made.by_feature[each.name],
            "error": made.errors[each.name],
        }
        for each in facts.version.features
    ]
    return sorted(rows, key=lambda row: (-abs(row["contribution"]), row["feature"]))


def _usual(feature: Feature, bins: Sequence[Bin]) -> Value:
    """Return the usual value of a feature in training as the warehouse has it, None if it is a missing one."""
    found, type_ = usual_value(bins), parse_type(feature.type)
    if not isinstance(found, float):
        return found
    if type_.is_type(exp.DataType.Type.BOOLEAN):
        return bool(found)
    if type_.is_type(*TEMPORAL):
        return datetime.fromtimestamp(0, UTC).replace(tzinfo=None) + timedelta(seconds=found)
    return int(found) if type_.is_type(*exp.DataType.INTEGER_TYPES) else found
