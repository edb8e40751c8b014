"""Expressions that keep only a part of a value, so that different values may give the same."""

from __future__ import annotations

from sqlglot import exp

_PARTIAL = (
    exp.IntDiv, exp.Mod, exp.Floor, exp.Ceil, exp.Round, exp.Trunc, exp.Sign, exp.BitwiseAnd,
    exp.BitwiseRightShift, exp.Left, exp.Right, exp.Substring, exp.SplitPart, exp.Length, exp.RegexpExtract,
    exp.StrPosition, exp.Predicate, exp.Bracket, exp.Least, exp.Greatest,
)  # fmt: skip


def is_partial(node: exp.Expr) -> bool:
    """Return whether an expression keeps only a part of what it is made of. A field of a struct is a value of its own.

    What a predicate is, is true or false, of a value that was computed before, too. The others may as well take off
    what was put on before, such as the prefix of a key: `is_sure_part` tells them apart.
    """
    if isinstance(node, exp.Bracket):
        return not (len(node.expressions) == 1 and node.expressions[0].is_string)
    if isinstance(node, exp.Sub):  # as in `id - id % 10`
        return bool(_columns(node.this) & _columns(node.expression))
    if isinstance(node, exp.Cast) and node.to.is_type(*exp.DataType.INTEGER_TYPES):
        return isinstance(node.this.unnest(), exp.Div)
    # `typed`: whole numbers give a whole number, as in PostgreSQL
    return isinstance(node, _PARTIAL) or (isinstance(node, exp.Div) and bool(node.args.get("typed")))


def _columns(node: exp.Expr) -> set[str]:
    return {each.sql() for each in node.find_all(exp.Column)}


def is_sure_part(node: exp.Expr) -> bool:
    """Return whether an expression keeps only a part, whatever was computed before: true or false, or what is left."""
    return isinstance(node, exp.Predicate | exp.Sub)


def around(node: exp.Expr, of: exp.Expr) -> list[exp.Expr]:
    """Return the expressions around one that keep only a part, up to the whole that it stands in."""
    found = []
    while node is not of and node.parent is not None:
        inner, node = node, node.parent
        if is_partial(node) or (isinstance(node, exp.Case) and inner is node.args.get("this")):
            found.append(node)
    return found
