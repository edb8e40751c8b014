"""Where the features of a version come from, column by column, as `ml_lineage` traced it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlbridge.errors import few
from mlbridge.typing import Row

# How a value comes from another; `joined on` and `filtered by` only decide which rows there are.
VALUES = ("copied", "transformed", "aggregated")
MOST = 6  # columns of a source that are named for one feature


@dataclass(frozen=True)
class Origin:
    """The columns of sources that a feature comes from, and whether the project declares one on the way as personal."""

    columns: Sequence[str]
    is_personal: bool

    def __str__(self) -> str:
        """Name the columns, at most `MOST` of them."""
        return few(self.columns, MOST)


def origins(edges: Sequence[Row]) -> Mapping[str, Origin]:
    """Return the origin of each column that no other comes from, by its name; `edges` are rows of `ml_lineage`."""
    above: dict[str, list[str]] = defaultdict(list)
    names, personal = {}, set()
    for each in edges:
        if each["how"] in VALUES:
            column = f"{each['node']}.{each['column_name']}"
            above[column].append(f"{each['from_node']}.{each['from_column']}")
            names[column] = str(each["column_name"])
            personal |= {column} if each["is_pii"] else set()
    inner = {column for columns in above.values() for column in columns}
    return {
        name: Origin(sorted(_ends(column, above)), column in personal)
        for column, name in names.items()
        if column not in inner
    }


def _ends(column: str, above: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the columns that one comes from and that come from no other."""
    ahead = [column]
    for each in ahead:  # the list grows during the loop: a traversal upstream
        ahead += [one for one in above.get(each, ()) if one not in ahead]
    return {each for each in ahead if each not in above}
