"""What the moments of a row tell: columns of times after the prediction, and rows that were updated after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mlbridge.engines.warehouse import column
from mlbridge.errors import listed
from mlbridge.features.columns import TEMPORAL
from mlbridge.leaks.catalogue import percent
from mlbridge.readiness.assessment import Requirement, scored
from mlbridge.readiness.sample import Sample
from mlbridge.readiness.words import CHANGES, PLANS, says
from mlbridge.typing import Times

# A moment is later than the prediction if it is in more than this share of the rows.
MOST_LATER = 0.01
# Columns with at most so many distances from `time`, none of them longer, are the same moment in the clock of another
# zone, which may have two times a year.
MOST_DISTANCES, LONGEST_DISTANCE = 3, np.timedelta64(14, "h")


def later_columns(sample: Sample, time: str, keys: Sequence[str]) -> dict[str, str]:
    """Return the columns with a moment after `time`, by name, each with the reason; plans by their names are none."""
    found = {}
    for name in sample.types:
        if name in keys or not sample.is_a(name, *TEMPORAL) or says(name, PLANS):
            continue
        distances = _distances(sample, time, name)
        share = float((distances > np.timedelta64(0)).mean()) if len(distances) else 0.0
        if share > MOST_LATER and not _is_same_moment(distances):
            found[name] = f"it lies after '{time}' in {percent(share)} of {len(distances):,} rows with a value"
    return found


def _is_same_moment(distances: Times) -> bool:
    """Return whether a column is a fixed time before or after another, or the same one in another clock."""
    each = np.unique(distances)
    return len(each) == 1 or (len(each) <= MOST_DISTANCES and bool(np.abs(each).max() <= LONGEST_DISTANCE))


def _distances(sample: Sample, time: str, name: str) -> Times:
    """Return how far a column lies after `time`; where it only has dates, by days."""
    moments = sample.arrays({"time": column(time), "other": column(name)})
    there = ~np.isnat(moments["other"]) & ~np.isnat(moments["time"])
    start, other = moments["time"][there], moments["other"][there]
    if (other == other.astype("datetime64[D]")).all():
        start = start.astype("datetime64[D]")
    return np.asarray(other - start)


def moment_requirements(
    sample: Sample, time: str, keys: Sequence[str], later: Mapping[str, str], snapshots: Sequence[str]
) -> Iterator[Requirement]:
    """Score the columns that hold moments; `later` are those of `later_columns`."""
    others = [name for name in sample.types if name not in keys and sample.is_a(name, *TEMPORAL)]
    said = "; ".join(f"'{name}': {reason}" for name, reason in later.items())
    share = 1 - len(later) / len(others) if others else 1.0
    none = "there is no other moment"
    if others:
        none = f"none of {len(others):,} other moments lies after '{time}', plans such as a due date left out"
    yield scored("no_leak_by_moment", share, said or none, columns=listed(later))
    yield _history(sample, time, snapshots)


def _history(sample: Sample, time: str, snapshots: Sequence[str]) -> Requirement:
    changes = [name for name in sample.types if name != time and sample.is_a(name, *TEMPORAL) and says(name, CHANGES)]
    kept = f"; snapshots of the project: {listed(snapshots)}" if snapshots else "; the project has no snapshot"
    if not changes:
        none = f"no column says when a row was changed last, so nothing can be seen{kept}"
        return scored("history_kept", None, none)
    distances = _distances(sample, time, changes[0])
    late = float((distances > np.timedelta64(0)).mean()) if len(distances) else 0.0
    evidence = f"{percent(late)} of {len(distances):,} rows were changed after '{time}', as '{changes[0]}' says{kept}"
    return scored("history_kept", 1 - late, evidence, time=time)
