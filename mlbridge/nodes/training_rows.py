"""The rows of a training: checked in the warehouse, then read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mlbridge.catalogue.candidates import is_out_of_core
from mlbridge.engines.adapters import Relation
from mlbridge.engines.warehouse import Warehouse
from mlbridge.features.columns import FetchedFeature, checked_columns, features_of, target_type
from mlbridge.features.frame import FETCH_BATCH_ROWS, FIT_SPLITS, read_frame, training_query
from mlbridge.features.large_numbers import check_large
from mlbridge.features.stream import Stream, frequent_texts, text_counts
from mlbridge.leaks.queries import run_leak_queries
from mlbridge.lifecycle.assessment import Training
from mlbridge.log import info
from mlbridge.reference.profile import CATEGORIES, TextCounts
from mlbridge.registry import artifacts, champions
from mlbridge.registry.logbook import LogbookRow
from mlbridge.registry.uses import test_set_uses
from mlbridge.scoring.rows import SPLIT
from mlbridge.spec.specification import Spec
from mlbridge.split.checks import check_labels, check_rows
from mlbridge.split.held_rows import Contents, held_rows
from mlbridge.split.holdout import blocks_of, numeric_targets
from mlbridge.split.shortage import Shortage, shortage
from mlbridge.training.candidates import MOST_TEXTS, Inputs, candidates_of
from mlbridge.training.room import Room, check_room

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator
    from sqlglot import exp


def gather(
    node: str,
    warehouse: Warehouse,
    split: Relation,
    spec: Spec,
    own: Mapping[str, BaseEstimator],
    rows: Sequence[LogbookRow],
    refuse_memory: bool = True,
) -> Training | Shortage:
    """Check the rows in the warehouse, then read them once, or return what is missing; `rows` is the logbook so far.

    All rows are checked. Read are those that the spec lets memory hold: all, or a sample, which the model is then
    evaluated and described on. A candidate that is fitted out of core reads all of them nevertheless. With
    `refuse_memory`, too little memory is an error, else a warning.
    """
    columns = warehouse.columns(split)
    table = warehouse.table(split, SPLIT)
    features = features_of(node, columns, spec)
    for each in features:
        if each.converted:
            info(node, f"reads the feature {each.converted}")
    target_as = target_type(node, columns, spec)
    every = Contents.of(warehouse, split, spec, features, target_as)
    check_rows(node, spec, every.summary)
    classes = check_labels(node, spec, every.labels) if spec.task == "classification" else None
    lacking = shortage(spec, every.summary, every.labels)
    if lacking is not None:
        return lacking
    read_as = checked_columns(node, features, every.summary)
    held = held_rows(node, warehouse, split, spec, features, target_as, every)
    if isinstance(held, Shortage):
        return held
    streams = any(map(is_out_of_core, spec.candidates))
    texts = frequent_texts(warehouse, table, read_as, MOST_TEXTS) if streams else None
    inputs = Inputs.of(read_as, spec.task, held.rows["train"], len(classes or ()), texts)
    candidates = candidates_of(node, spec.candidates, own, inputs)
    for name in own:
        artifacts.dump(node, name, candidates[name], spec.trusted)
    check_room(node, Room(read_as, held.rows, held.every, len(classes or ())), spec.candidates, refuse_memory)
    in_memory = warehouse.table(held.relation, SPLIT)
    query = training_query(read_as, spec, target_as, in_memory)
    frame = read_frame(warehouse.batches(query, FETCH_BATCH_ROWS), held.rows)
    check_large(node, frame.features, candidates)
    info(node, f"read {len(frame.features):,} rows x {len(features)} features{held.note}")
    times = {name: (row["first"], row["last"]) for name, row in every.summary.items()}
    labelled = [moment for name in FIT_SPLITS for moment in times[name]]
    found = run_leak_queries(warehouse, in_memory, features, spec, min(labelled), max(labelled))
    uses = test_set_uses(champions.trained(rows), spec, frame)
    stream = Stream(warehouse, table, read_as, spec, target_as) if held.sampled else None
    # Of a sample alone, the texts that it lacks would look to the monitor as if training had not had them.
    counts = _text_counts(warehouse, table, read_as, every) if held.sampled else {}
    training = Training(
        node, spec, read_as, frame, classes, candidates, times, {}, uses, held, found, stream=stream, text_counts=counts
    )
    targets = numeric_targets(training.truth("test"), len(classes or ()))
    return replace(training, blocks=blocks_of(warehouse, in_memory, spec, frame, targets))


def _text_counts(
    warehouse: Warehouse, table: exp.Expression, columns: Sequence[FetchedFeature], every: Contents
) -> dict[str, TextCounts]:
    """Count the texts of all training rows, for the profile."""
    train = every.summary["train"]
    places = {each.feature.name: index for index, each in enumerate(columns)}
    found = text_counts(warehouse, table, columns, CATEGORIES)
    return {
        name: TextCounts(texts, int(train[f"n_{places[name]}"]), int(train["rows"])) for name, texts in found.items()
    }
