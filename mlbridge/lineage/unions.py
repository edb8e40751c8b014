"""Set operations: the queries that one combines, and the columns of a union by position or by name."""

from __future__ import annotations

from sqlglot import exp

from mlbridge.lineage.flows import EMPTY, Column, united
from mlbridge.lineage.prints import digest, print_of
from mlbridge.lineage.tables import Output, Table


def leaves_of(node: exp.Expr) -> list[exp.Expr]:
    """Return the queries that a chain of the same set operation combines, without recursion: chains can be long."""
    found: list[exp.Expr] = []
    while True:
        found.append(node.expression)
        left = node.this
        same = type(left) is type(node) and left.args.get("by_name") == node.args.get("by_name")
        if not same or left.args.get("with_") is not None or is_limited(left):
            return [left, *reversed(found)]
        node = left


def by_position(leaves: list[Table], printed: bool) -> Table:
    """Return a union whose columns are matched by their place."""
    first, *others = leaves
    outputs = []
    for index, output in enumerate(first.outputs):
        branches = [output.column]
        for other in others:
            at = other.outputs[index].column if index < len(other.outputs) else other.guess(output.key)
            branches.append(at or EMPTY)
        outputs.append(Output(output.key, output.name, united(branches, _print_of(branches, printed))))
    if not first.outputs:  # only a star over a table whose columns are not known: the names are those of the others
        return Table(by_name(leaves, printed).outputs, unknown=tuple(each for leaf in leaves for each in leaf.unknown))
    return Table(outputs, unknown=tuple(each for leaf in leaves for each in leaf.unknown), width=len(leaves))


def _print_of(branches: list[Column], printed: bool) -> str:
    return digest(map(print_of, branches)) if printed else ""


def by_name(leaves: list[Table], printed: bool) -> Table:
    """Return a union whose columns are matched by their names."""
    names = {output.key: output.name for leaf in reversed(leaves) for output in reversed(leaf.outputs)}
    ordered = dict.fromkeys(output.key for leaf in leaves for output in leaf.outputs)
    outputs = []
    for key in ordered:
        branches = [leaf.find(key) or leaf.guess(key) or EMPTY for leaf in leaves]
        outputs.append(Output(key, names[key], united(branches, _print_of(branches, printed))))
    return Table(outputs, unknown=tuple(each for leaf in leaves for each in leaf.unknown), width=len(leaves))


def is_limited(node: exp.Expr) -> bool:
    """Return whether a query gives only some of its rows."""
    return any(node.args.get(name) is not None for name in ("limit", "offset", "fetch"))
