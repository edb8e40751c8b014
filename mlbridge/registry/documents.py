"""The JSON documents of the logbook that are read again; a key that a later mlbridge added may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypeAlias, TypedDict

from mlbridge.reference.profile import Stats
from mlbridge.split.held_rows import Sampled
from mlbridge.typing import Document, Json


class StoredFeature(Stats):
    """A feature as `Feature` describes it, and its values among the training rows."""

    name: str
    type: str
    kind: str


class Params(TypedDict):
    """An estimator's parameters as `describe` gives them, and the classes of the target, None for a regression.

    `classes` are texts in the order of the scores' columns, `numbers` the same as numbers, None for texts. `sample` is
    there if the version was evaluated and described on a sample of the rows.
    """

    estimator: Json
    seed: int
    classes: Sequence[str] | None
    numbers: Sequence[float] | None
    sample: NotRequired[Sampled]


class Promotion(TypedDict, total=False):
    """The tests on the test rows, how often these had been used, the confidence in the spec, and the skill."""

    uses: float
    confidence: float
    tests: Sequence[Document]
    strength: Document


class Cost(TypedDict):
    """Seconds that a scoring takes: a fixed part, and one for each row."""

    fixed: float
    per_row: float


# By `sql` and `python`.
Costs: TypeAlias = Mapping[str, Cost]


class LineageRecord(TypedDict):
    """A row of `ml_lineage`: a column, and one that it comes from. `is_pii` is 1 where personal data is in it."""

    node: str
    column_name: str
    from_node: str
    from_column: str
    how: str
    certainty: str
    condition: str | None
    is_pii: int
