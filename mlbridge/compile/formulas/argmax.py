"""Which class a row is of: the first among those with the greatest number."""

from __future__ import annotations

from collections.abc import Sequence

from mlbridge.compile.formulas.links import greatest
from mlbridge.compile.sql.expressions import Named, Node, at_least, both, ref

FEW = 4


def first_greatest(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Return conditions equivalent to numpy's argmax: the first true one is the class; if none is, the last class."""
    if len(nodes) > FEW:
        top = greatest(nodes)
        return tuple(Named("wins", at_least(ref(node), ref(top))) for node in nodes[:-1])
    return tuple(
        Named("wins", both([at_least(ref(node), ref(other)) for other in nodes[index + 1 :]]))
        for index, node in enumerate(nodes[:-1])
    )
