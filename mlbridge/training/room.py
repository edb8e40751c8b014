"""What a training will need of memory, estimated before it begins: rows x columns x bytes, by the kind of candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlbridge.catalogue.candidates import bytes_a_cell, is_out_of_core
from mlbridge.errors import TrainingError, listed
from mlbridge.features.columns import FetchedFeature
from mlbridge.memory import free_bytes
from mlbridge.spec.specification import LEAST_SAMPLE

# What a column of the frame takes of each row, by the type that it is fetched as; a text is held by its number.
FRAME_BYTES = {"tinyint": 1, "smallint": 2, "int": 4, "bigint": 8, "float": 4, "double": 8, "text": 4}
# Beside the features a row has its target, its window and two moments.
BESIDE = 32
# Libraries, and what is computed of at most so many rows.
FIXED = 200 * 2**20


def bytes_needed(
    columns: Sequence[FetchedFeature], candidates: Sequence[str], held: Mapping[str, int], every: Mapping[str, int]
) -> int:
    """Estimate the memory of a training; `held` rows by part are in memory, `every` row there is read out of core.

    One candidate is fitted at a time, so that the one that needs most counts, beside the frame.
    """
    frame = sum(held.values()) * (BESIDE + sum(FRAME_BYTES[each.fetch_as] for each in columns))
    streamed = every["train"] + every["validation"]
    cells = {name: len(columns) * (streamed if is_out_of_core(name) else held["train"]) for name in candidates}
    return int(FIXED + frame + max(bytes_a_cell(name) * read for name, read in cells.items()))


def check_room(
    node: str,
    columns: Sequence[FetchedFeature],
    candidates: Sequence[str],
    held: Mapping[str, int],
    every: Mapping[str, int],
) -> None:
    """Raise TrainingError if the machine has less memory left than a training needs; it says what can be done."""
    free, needed = free_bytes(), bytes_needed(columns, candidates, held, every)
    if needed <= free:
        return
    rows = sum(held.values())
    nothing = dict.fromkeys(held, 0)
    fixed = bytes_needed(columns, candidates, nothing, every)
    fitting = int(rows * 0.8 * (free - fixed) / (needed - fixed))
    raise TrainingError(
        f"{node}: the training needs about {_gib(needed)} for {rows:,} rows x {len(columns)} features in memory, and "
        f"{_gib(free)} are free. {_remedy(fitting, candidates)}"
    )


def _remedy(fitting: int, candidates: Sequence[str]) -> str:
    """Propose a sample, of two digits; `fitting` is how many rows there is room for."""
    rows = fitting // (step := 10 ** max(0, len(str(fitting)) - 2)) * step
    if rows < LEAST_SAMPLE:
        return "That is too little for a sample, too: take a machine with more, or fewer features."
    streamed = [name for name in candidates if is_out_of_core(name)]
    every = f"{listed(streamed)} is fitted on all rows nevertheless" if streamed else "`xgboost` would have all rows"
    return f"Hold a sample of them, `sample: {{rows: {rows}}}`; {every}."


def _gib(number: int) -> str:
    return f"{number / 2**30:,.1f} GiB"
