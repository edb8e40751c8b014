"""The requirements of an ML branch: the one table that the assessment, its pages and the docs read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BLOCKS, WARNS, INFORMS = "blocks", "warns", "informs"
GROUPS: Final = {
    "data": "Does the data fit?",
    "leaks": "What would leak?",
    "rights": "May we?",
    "room": "How much room?",
}


@dataclass(frozen=True)
class Criterion:
    """One requirement: what it asks, and how its score from 0 to 1 comes about.

    It is met from `threshold` on. `level` says what it means if it is not: nothing can be trained (`blocks`), something
    should be mended first (`warns`), or it is good to know (`informs`). `fix` is the sentence that says what to do.
    """

    code: str
    group: str
    asks: str
    score: str
    threshold: float
    level: str
    fix: str


_REQUIREMENTS: Final = (
    Criterion(
        code="key_complete",
        group="data",
        asks="entity and time have a value in every row",
        score="the share of the rows with a complete key",
        threshold=1.0,
        level=BLOCKS,
        fix="Filter the rows without a key out in the features node.",
    ),
    Criterion(
        code="key_unique",
        group="data",
        asks="entity and time together are different in every row",
        score="the share of the rows that do not repeat another's key",
        threshold=1.0,
        level=BLOCKS,
        fix="Keep one row of each key in the features node, such as the newest.",
    ),
    Criterion(
        code="time_in_utc",
        group="data",
        asks="time and label time are timestamps without a time zone, or dates",
        score="the share of the two that are",
        threshold=1.0,
        level=WARNS,
        fix="Convert {columns} in the features node: `cast(... at time zone 'UTC' as timestamp)`.",
    ),
    Criterion(
        code="rows_enough",
        group="data",
        asks="the split leaves enough rows, and enough of each class, to train, validate and test",
        score="the least of what is there / what is needed",
        threshold=1.0,
        level=BLOCKS,
        fix="{advice}",
    ),
    Criterion(
        code="test_period",
        group="data",
        asks="the newest rows, on which a model is tested, span a week or more",
        score="days that the test rows span / 7",
        threshold=1.0,
        level=WARNS,
        fix="Wait for a longer period: a model that is tested on {days} days has not seen a whole week.",
    ),
    Criterion(
        code="fresh",
        group="data",
        asks="the newest row is no older than twice the longest stretch without rows (at least a day)",
        score="that stretch, twice / the age of the newest row",
        threshold=1.0,
        level=WARNS,
        fix="Find out why no row has come since {last}, and build the relation anew.",
    ),
    Criterion(
        code="no_gaps",
        group="data",
        asks="no long stretch of the period is without rows",
        score="1 - the longest stretch without rows / the period",
        threshold=0.95,
        level=WARNS,
        fix="Find out whether rows are missing between {start} and {end}; leave earlier rows out if they are.",
    ),
    Criterion(
        code="outcomes_known",
        group="data",
        asks="the outcome of most rows is known",
        score="the share of the rows with a known target",
        threshold=0.5,
        level=WARNS,
        fix="Find out why most outcomes are not known: if that depends on the outcome, a model learns what is not so.",
    ),
    Criterion(
        code="outcomes_steady",
        group="data",
        asks="the share of known outcomes is about the same in every period, but for the newest rows",
        score="the lowest share of a period / the median share",
        threshold=0.5,
        level=WARNS,
        fix="Find out why fewer outcomes are known in the period that begins on {start}, or leave it out.",
    ),
    Criterion(
        code="outcomes_soon",
        group="data",
        asks="95 % of the outcomes are known within the time that the test rows span",
        score="that time / the delay of 95 % of the outcomes",
        threshold=1.0,
        level=WARNS,
        fix="Predict an outcome that is known sooner: a model is trained on rows that are as old as this delay.",
    ),
    Criterion(
        code="target_varies",
        group="data",
        asks="no value of the target is nearly alone",
        score="the share of the rows with another value than the commonest",
        threshold=0.01,
        level=WARNS,
        fix="Widen the definition of the rare outcome, or leave out rows of which it is known beforehand.",
    ),
    Criterion(
        code="columns_readable",
        group="data",
        asks="columns are numbers, booleans, texts, dates or timestamps",
        score="the share of the columns",
        threshold=1.0,
        level=INFORMS,
        fix="Leave out {columns}, or turn them into numbers or texts in the features node.",
    ),
    Criterion(
        code="columns_filled",
        group="data",
        asks="columns have a value in 5 % of the rows or more",
        score="the share of the columns",
        threshold=1.0,
        level=INFORMS,
        fix="Leave out {columns}, or find out why they are empty.",
    ),
    Criterion(
        code="columns_vary",
        group="data",
        asks="columns have more than one value",
        score="the share of the columns",
        threshold=1.0,
        level=INFORMS,
        fix="Leave out {columns}.",
    ),
    Criterion(
        code="columns_repeat",
        group="data",
        asks="texts have values that occur again",
        score="the share of the texts",
        threshold=1.0,
        level=INFORMS,
        fix="Leave out {columns}, or take from them the part that repeats.",
    ),
    Criterion(
        code="columns_common",
        group="data",
        asks="texts have at most 50 distinct values; others are encoded by their mean outcome, cross-fitted",
        score="the share of the texts",
        threshold=1.0,
        level=INFORMS,
        fix="Group the values of {columns} in the features node if new ones keep coming.",
    ),
    Criterion(
        code="features_left",
        group="data",
        asks="a column is left that can be a feature",
        score="1 if there is one, else 0",
        threshold=1.0,
        level=BLOCKS,
        fix="Join columns that are known at '{time}' to the relation, in the features node.",
    ),
    Criterion(
        code="history_kept",
        group="data",
        asks="rows are not changed after the moment of their prediction",
        score="the share of the rows not updated after `time`",
        threshold=0.99,
        level=WARNS,
        fix="Take what changes from a snapshot, as of '{time}': the row holds what was known at its last change.",
    ),
    Criterion(
        code="first_model",
        group="data",
        asks="a first model beats the naive baseline on newer rows",
        score="1 if its 95 % interval lies beyond the baseline, 0.5 if only the value does, else 0",
        threshold=1.0,
        level=WARNS,
        fix="Add features that tell more, such as the entity's past: `mlbridge graft` writes the place for them.",
    ),
    Criterion(
        code="no_leak_by_moment",
        group="leaks",
        asks="columns hold no moment after `time`",
        score="the share of the moments",
        threshold=1.0,
        level=WARNS,
        fix="Leave out {columns}, and what is computed from there.",
    ),
    Criterion(
        code="no_leak_by_rows",
        group="leaks",
        asks="columns do not look like a leak in the checks that also run before a promotion",
        score="the share of the columns",
        threshold=1.0,
        level=WARNS,
        fix="Leave out {columns}, or say in `allow_leakage` why they are known at the prediction.",
    ),
    Criterion(
        code="outcome_later",
        group="leaks",
        asks="outcomes are known at the moment of the prediction or later",
        score="the share of the known outcomes",
        threshold=0.99,
        level=WARNS,
        fix="Correct '{label_time}' in the features node, or name another moment.",
    ),
    Criterion(
        code="no_leak_by_lineage",
        group="leaks",
        asks="columns do not come from what is known only with the outcome, nor from personal data",
        score="the share of the columns",
        threshold=1.0,
        level=WARNS,
        fix="Leave out {columns}, let in only what was known by then, or say why in `allow_leakage` or `allow_pii`.",
    ),
    Criterion(
        code="may_read",
        group="rights",
        asks="the profile's role may read the relation",
        score="the share of the relations read",
        threshold=1.0,
        level=BLOCKS,
        fix="{grants}",
    ),
    Criterion(
        code="may_write",
        group="rights",
        asks="the profile's role may create, fill, read and drop tables in each schema of the branch",
        score="the share of the schemas written",
        threshold=1.0,
        level=BLOCKS,
        fix="{grants}",
    ),
    Criterion(
        code="may_publish",
        group="rights",
        asks="the same in the schema that builds publish to for dashboards, where that is one",
        score="the share of the schemas written",
        threshold=1.0,
        level=WARNS,
        fix="Without it nothing is published. {grants}",
    ),
    Criterion(
        code="room_now",
        group="room",
        asks="the first build fits on the disk, with as much again to spare",
        score="free bytes / twice the bytes of a build",
        threshold=1.0,
        level=BLOCKS,
        fix="Make room of {bytes} beside the warehouse, or move it.",
    ),
    Criterion(
        code="room_year",
        group="room",
        asks="12 months of builds fit on the disk",
        score="free bytes / the bytes after 12 months",
        threshold=1.0,
        level=WARNS,
        fix="Build less often, delete old versions and predictions, or make room of {bytes}.",
    ),
)
REQUIREMENTS: Final[dict[str, Criterion]] = {each.code: each for each in _REQUIREMENTS}
