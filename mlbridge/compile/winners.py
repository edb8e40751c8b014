"""Which class a row is of: the first among those with the greatest number."""

from __future__ import annotations

from collections.abc import Sequence

from mlbridge.compile.expressions import Named, Node, at_least, both, ref
from mlbridge.compile.links import greatest

FEW = 4


def first_greatest(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Give the tests that numpy's argmax amounts to, for all classes but the last, to be asked in their order."""
    if len(nodes) > FEW:
        top = greatest(nodes)
        return tuple(Named("wins", at_least(ref(node), ref(top))) for node in nodes[:-1])
    return tuple(
        Named("wins", both([at_least(ref(node), ref(other)) for other in nodes[place + 1 :]]))
        for place, node in enumerate(nodes[:-1])
    )
