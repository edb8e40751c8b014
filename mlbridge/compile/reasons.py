"""Why a row has no prediction: the feature that is the reason, and whether it is missing or its value is rejected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import exp

from mlbridge.compile.sql.columns import Column, Raw
from mlbridge.compile.sql.expressions import Lookup, Named, Node, Ref, Source, case, either, is_null, ref

BECAUSE = "not_scored_because"
TOGETHER = "its features together are nothing that the version's estimator takes"


def missing(feature: str) -> str:
    """Return the reason for a missing value of a feature that an estimator does not take."""
    return f"the feature '{feature}' is missing, which the version's estimator does not take"


def not_taken(feature: str) -> str:
    """Return the reason for a value of a feature that an estimator does not take."""
    return f"the feature '{feature}' has a value that the version's estimator does not take"


def by_feature(refused: Sequence[Node], columns: Sequence[Column]) -> dict[str | None, Node]:
    """Join the conditions that refuse a row by the feature that decides them, in the features' order.

    None stands for those that several features decide together.
    """
    found: dict[str | None, list[Node]] = {column.name: [] for column in columns if isinstance(column, Raw)}
    found[None] = []
    known: dict[Node, frozenset[str]] = {}
    for node in refused:
        names = _features(node, known)
        found[next(iter(names)) if len(names) == 1 else None].append(node)
    return {name: Named("refused", either([ref(node) for node in nodes])) for name, nodes in found.items() if nodes}


def _features(node: Node, known: dict[Node, frozenset[str]]) -> frozenset[str]:
    """Give the names of the columns that a node is computed from."""
    if node not in known:
        if isinstance(node, Source):
            known[node] = frozenset([node.hint])
        elif isinstance(node, Lookup):
            known[node] = _features(node.source, known)
        elif isinstance(node, Named):
            below = (_features(each.this, known) for each in node.expression.find_all(Ref))
            known[node] = frozenset().union(*below)
        else:
            known[node] = frozenset()
    return known[node]


def because(reasons: Mapping[str | None, Node], columns: Sequence[Column]) -> exp.Expression:
    """Write why a row is refused, by the first feature that refuses it; NULL where none does."""
    raw = {column.name: column for column in columns if isinstance(column, Raw)}
    branches = []
    for name, condition in reasons.items():
        reason: exp.Expression = exp.Literal.string(TOGETHER)
        if name is not None:
            column = raw[name]
            # A column that is not read as a number may be a text.
            value = column.number.node if "number" in vars(column) else column.source
            texts = exp.Literal.string(missing(name)), exp.Literal.string(not_taken(name))
            reason = case([(is_null(ref(value)), texts[0])], texts[1])
        branches.append((ref(condition), reason))
    return exp.Cast(this=case(branches, None), to=exp.DataType.build("text"))
