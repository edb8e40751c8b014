"""A change of one text carried over to another one that has itself changed since."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import Match, SequenceMatcher


def merged(base: str | None, mine: str | None, other: str | None) -> tuple[bool, str | None]:
    """Return whether it is possible, and `mine` with the changes that lead from `base` to `other`, by lines.

    None stands for a file that is not there. It is not possible where `mine` differs from `base` in lines that `other`
    changes too, unless they are in `mine` what they are in `other`, or some that `other` lacks are gone already.
    """
    if base in (mine, other) or mine == other:
        return True, other if base == mine else mine
    if base is None or mine is None or other is None:
        return False, mine
    old, new, now = (text.splitlines(keepends=True) for text in (base, other, mine))
    kept = SequenceMatcher(None, old, now, autojunk=False).get_matching_blocks()
    for tag, start, end, first, last in reversed(SequenceMatcher(None, old, new, autojunk=False).get_opcodes()):
        if tag == "equal":
            continue
        before, after = _place(start - 1, kept), _place(end, kept)
        block = next((each for each in kept if each.a <= start and end <= each.a + each.size), None)
        if block is not None:
            move = block.b - block.a
            now[start + move : end + move] = new[first:last]
        elif before is None or after is None or not _done(now[before + 1 : after], old[start:end], new[first:last]):
            return False, mine
        else:
            now[before + 1 : after] = new[first:last]
    return True, "".join(now)


def _done(lines: Sequence[str], before: Sequence[str], after: Sequence[str]) -> bool:
    """Return whether lines are already what a change makes of them, or only lack some that it takes out anyway."""
    rest = iter(before)
    return lines == after or (not after and all(line in rest for line in lines))


def _place(line: int, kept: Sequence[Match]) -> int | None:
    """Return where a line of the base is in the other text, also just before the first and after the last one."""
    if line < 0:
        return line
    return next((each.b + line - each.a for each in kept if each.a <= line < each.a + max(each.size, 1)), None)
