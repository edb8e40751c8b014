"""Measure how often `mlbridge assess` proposes the wrong target, entity, time and label time where nothing is named.

    python benchmarks/proposals.py [--wrong]

Over the made relations of `tests/helpers/proposed.py`. Prints the rows of the table in docs/assess.md; `--wrong` also
names each error.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

from proposed import KEYS, World, proposed, read_worlds, verdicts  # noqa: E402


def counted(worlds: list[World], explain: bool) -> dict[str, Counter[str]]:
    """Count the verdicts by key of the spec."""
    found: dict[str, Counter[str]] = {key: Counter() for key in KEYS}
    with TemporaryDirectory() as folder:
        for world, said, refusal in proposed(Path(folder), worlds):
            for key, verdict in verdicts(world, said).items():
                found[key][verdict] += 1
                if explain and verdict != "right":
                    print(f"{world.name}: {key} {verdict}: {said[key] or refusal}, not {world.truth[key]}")
    return found


def main() -> None:
    """Print the table."""
    explain = "--wrong" in sys.argv
    print("| relations | asked for | right | wrong | nothing proposed |\n|---|---|---:|---:|---:|")
    for title, worlds in read_worlds().items():
        for key, each in counted(worlds, explain).items():
            print(f"| {len(worlds)} {title} | `{key}` | {each['right']} | {each['wrong']} | {each['refused']} |")


if __name__ == "__main__":
    main()
