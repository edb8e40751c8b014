"""How often the test rows have been used for promotion tests; each use raises the confidence that is required."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mlbridge.features.frame import Frame
from mlbridge.registry.logbook import CandidateRow
from mlbridge.spec.specification import Spec, stored_spec


def _was_tested_on_same_target(row: CandidateRow, spec: Spec) -> bool:
    """Return whether a version predicts the spec's target and was tested with enough blocks."""
    tests = () if row.promotion is None else row.promotion.get("tests", ())
    before = stored_spec(row.spec)
    same = (before.task, before.target, before.entity, before.time) == (spec.task, spec.target, spec.entity, spec.time)
    return same and not any(each["problem"] for each in tests)


def test_set_uses(versions: Iterable[CandidateRow], spec: Spec, frame: Frame) -> float:
    """Return how often today's test rows have been used for a promotion test, this time included; 1.0 if all are new.

    `versions` are the logbook's rows of the chosen candidates. Each version with the same target counts with the share
    of today's test rows that were its own test rows: those in its test period whose outcome was known when it was
    trained.
    """
    bounds = frame.bounds["test"]
    times, label_times = frame.times[bounds], frame.label_times[bounds]
    uses = 1.0
    for row in versions:
        if not _was_tested_on_same_target(row, spec):
            continue
        tested = label_times <= np.datetime64(row.as_of)
        if row.holdout_from is not None:
            tested &= times >= np.datetime64(row.holdout_from)
        uses += float(tested.mean())
    return uses
