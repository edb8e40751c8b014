"""The true edges of a project, as `tests/expected/flights_lineage.txt` writes them."""

from __future__ import annotations

from pathlib import Path

from mlbridge.lineage.graph import AGGREGATED, COPIED, FILTERED, JOINED, TRANSFORMED

ROOT_OF_TRUTH = Path(__file__).parents[1] / "expected" / "flights_lineage.txt"
SIGNS = {"=": COPIED, "~": TRANSFORMED, "+": AGGREGATED, "&": JOINED, "|": FILTERED}
# Node, column, the node and the column that it comes from, and how.
Truth = tuple[str, str, str, str, str]


def true_edges(file: Path) -> set[Truth]:
    """Read a file of true edges."""
    found: set[Truth] = set()
    node, letters, first, words = "", {}, "", {}
    for line in file.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if " := " in line:
            name, _, text = line.partition(" := ")
            words[name] = _spelled(text, words)
        elif ": " in line:
            node, _, parents = line.partition(": ")
            letters = dict(each.split(" = ") for each in parents.split(", "))
            first = next(iter(letters.values()))
        else:
            found |= _edges(node, _spelled(line, words), letters, first)
    return found


def _spelled(text: str, words: dict[str, list[str]]) -> list[str]:
    return [part for word in text.split() for part in (words[word[1:]] if word.startswith("$") else [word])]


def _edges(node: str, words: list[str], letters: dict[str, str], first: str) -> set[Truth]:
    (at,) = (index for index, word in enumerate(words) if word in SIGNS)
    columns, origins, found = words[:at], words[at + 1 :], set()
    for column in columns:
        for origin in [column] if origins == ["."] else origins:
            letter, dot, name = origin.partition(".")
            found.add((node, column, letters[letter] if dot else first, name if dot else origin, SIGNS[words[at]]))
    return found
