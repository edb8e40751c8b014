"""Which logbook rows are versions, and the newest of them. The macro `versions_in_use` decides which are in use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlbridge.registry.logbook import USABLE_OUTCOMES, VERSION_OUTCOMES, CandidateRow, LogbookRow


def chosen(rows: Iterable[LogbookRow], version: int | None) -> CandidateRow | None:
    """Return the row of a version that can be in use; None without a number, and where there is no such version."""
    return next((row for row in trained(rows) if row.version == version and row.outcome in USABLE_OUTCOMES), None)


def trained(rows: Iterable[LogbookRow]) -> list[CandidateRow]:
    """Keep the chosen candidate's row of each training, promoted or not."""
    return [row for row in rows if isinstance(row, CandidateRow) and row.outcome in VERSION_OUTCOMES]


def promoted_last(rows: Iterable[LogbookRow], retired: Sequence[int]) -> int | None:
    """Return the number of the version promoted last that is not retired, None if there is none.

    `rows` as `history` orders them. Without a pin it is the champion: `versions_in_use` decides so in builds, and this
    foresees what the next one will decide.
    """
    usable = [row.version for row in trained(rows) if row.outcome == "promoted" and row.version not in retired]
    return next(reversed(usable), None)


def last_trained(rows: Iterable[LogbookRow]) -> CandidateRow | None:
    """Return the chosen candidate's row of the newest training, promoted or not; `rows` as `history` orders them."""
    return next(reversed(trained(rows)), None)


def reason_after_retirement(rows: Iterable[LogbookRow], champion: int | None, retire: Sequence[int]) -> str | None:
    """Return the reason to train if every usable version is retired, else None.

    It is None, too, if the newest training already took place with the same versions retired.
    """
    last = last_trained(rows)
    if last is None or not retire or champion is not None:
        return None
    if last.version not in retire and set(last.spec.get("retire", ())) == set(retire):
        return None
    numbers = ", ".join(map(str, sorted(retire)))
    return f"version {numbers} {'is' if len(set(retire)) == 1 else 'are'} retired, and no other is in use"
