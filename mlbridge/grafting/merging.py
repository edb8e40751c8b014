"""A change of one text carried over to another one that has itself changed since."""

from __future__ import annotations

from difflib import SequenceMatcher


def merged(base: str | None, mine: str | None, other: str | None) -> tuple[bool, str | None]:
    """Return whether it is possible, and `mine` with the changes that lead from `base` to `other`, by lines.

    None stands for a file that is not there. It is not possible where `mine` differs from `base` in lines that `other`
    changes too, unless in the same way.
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
        block = next((each for each in kept if each.a <= start and end <= each.a + each.size), None)
        if block is None:
            return False, mine
        move = block.b - block.a
        now[start + move : end + move] = new[first:last]
    return True, "".join(now)
