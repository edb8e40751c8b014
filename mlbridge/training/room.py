"""What a training will need of memory, estimated before it begins: from rows, columns and classes, by candidate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mlbridge.catalogue.candidates import CANDIDATES, Candidate, is_out_of_core, is_stock
from mlbridge.errors import TrainingError, listed
from mlbridge.features.columns import FetchedFeature
from mlbridge.log import warn
from mlbridge.memory import free_bytes
from mlbridge.spec.specification import LEAST_SAMPLE

# What a column of the frame takes of each row, by the type that it is fetched as; a text is held by its number.
FRAME_BYTES = {"tinyint": 1, "smallint": 2, "int": 4, "bigint": 8, "float": 4, "double": 8, "text": 4}
# Beside the features a row has its target, its window and two moments.
BESIDE = 32
# Libraries, and what is computed of at most so many rows.
FIXED = 200 * 2**20
# The var that says whether too little memory refuses a training.
OVERRULE = "mlbridge_refuse_memory"


@dataclass(frozen=True)
class Room:
    """What the need of a training depends on: `held` rows by part are in memory, `every` row is read out of core.

    `classes` is 0 for a regression.
    """

    columns: Sequence[FetchedFeature]
    held: Mapping[str, int]
    every: Mapping[str, int]
    classes: int

    def needed(self, candidates: Iterable[str]) -> int:
        """Estimate the bytes that a training needs.

        One candidate is fitted at a time, so that the one that needs most counts, beside the frame. One of a user's own
        counts as the hungriest of the stock that are fitted on the frame.
        """
        on_frame = [each for each in CANDIDATES.values() if not each.out_of_core]
        fits = [self._fit(each) for name in candidates for each in ([CANDIDATES[name]] if is_stock(name) else on_frame)]
        row = BESIDE + sum(FRAME_BYTES[each.fetch_as] for each in self.columns)
        return FIXED + sum(self.held.values()) * row + max(fits, default=0)

    def _fit(self, candidate: Candidate) -> int:
        rows = self.every["train"] + self.every["validation"] if candidate.out_of_core else self.held["train"]
        scores = self.classes if self.classes > 2 else 1
        return rows * (candidate.bytes_a_cell * len(self.columns) + candidate.bytes_a_row * scores)


def check_room(node: str, room: Room, candidates: Sequence[str], refuse: bool) -> None:
    """Raise TrainingError if the machine has less memory left than a training needs; it says what can be done.

    It only warns unless `refuse` is true, and of candidates of a user's own, whose need is not known.
    """
    free = free_bytes()
    stock = [name for name in candidates if is_stock(name)]
    if refuse and room.needed(stock) > free:
        overrule = f"If that is wrong, `--vars '{{{OVERRULE}: false}}'` only warns."
        raise TrainingError(f"{node}: {_too_little(room, stock, free)} {overrule}")
    if room.needed(candidates) > free:
        warn(node, _too_little(room, candidates, free))


def _too_little(room: Room, candidates: Sequence[str], free: int) -> str:
    rows, needed = sum(room.held.values()), room.needed(candidates)
    fixed = replace(room, held=dict.fromkeys(room.held, 0)).needed(candidates)
    fitting = int(rows * 0.8 * (free - fixed) / (needed - fixed)) if needed > fixed else 0
    return (
        f"the training needs about {_gib(needed)} for {rows:,} rows x {len(room.columns)} features in memory, and "
        f"{_gib(free)} are free. {_remedy(fitting, candidates)}"
    )


def _remedy(fitting: int, candidates: Sequence[str]) -> str:
    """Propose a sample, of two digits; `fitting` is how many rows there is room for."""
    rows = fitting // (step := 10 ** max(0, len(str(fitting)) - 2)) * step
    if rows < LEAST_SAMPLE:
        return "That is too little for a sample, too: take a machine with more, or fewer features."
    streamed = [name for name in candidates if is_out_of_core(name)]
    would = "`xgboost` or `lightgbm` would have all rows"
    every = f"{listed(streamed)} is fitted on all rows nevertheless" if streamed else would
    return f"Hold a sample of them, `sample: {{rows: {rows}}}`; {every}."


def _gib(number: int) -> str:
    return f"{number / 2**30:,.1f} GiB"
