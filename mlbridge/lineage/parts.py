"""Expressions that keep only a part of a value, so that different values may give the same."""

from __future__ import annotations

from sqlglot import exp

PARTIAL = (
    exp.IntDiv, exp.Div, exp.Mod, exp.Floor, exp.Ceil, exp.Round, exp.Trunc, exp.Sign, exp.BitwiseAnd,
    exp.BitwiseRightShift, exp.Left, exp.Right, exp.Substring, exp.SplitPart, exp.Length, exp.RegexpExtract,
    exp.StrPosition, exp.Predicate, exp.Bracket,
)  # fmt: skip


def is_part(node: exp.Expr, of: exp.Expr) -> bool:
    """Return whether only a part of a value comes through the expression that it stands in."""
    while node is not of and node.parent is not None:
        node = node.parent
        if isinstance(node, PARTIAL):
            return True
    return False
