"""The columns of a SELECT list: expressions with their names, and what a star stands for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import translate

from sqlglot import exp

from mlbridge.lineage.expressions import value
from mlbridge.lineage.flows import Column, aggregated, merged, transformed
from mlbridge.lineage.links import Source
from mlbridge.lineage.prints import printed
from mlbridge.lineage.scope import Scope
from mlbridge.lineage.tables import Output


def outputs_of(select: exp.Select, scope: Scope) -> list[Output]:
    """Return the columns of a SELECT in order. A name given in the list can be used by what follows it."""
    outputs: list[Output] = []
    for each in select.expressions:
        for output in _outputs(each, scope):
            outputs.append(output)
            if isinstance(each, exp.Alias):
                scope.aliases[output.key] = output.column
    return outputs


def _outputs(node: exp.Expr, scope: Scope) -> Iterator[Output]:
    star = _star_of(node)
    if star is not None:
        yield from _starred(*star, scope)
    elif isinstance(node, exp.Aliases):
        column = value(node.this, scope)
        for each in node.args["expressions"]:
            yield Output(scope.names.key(each), scope.names.named(each), column)
    elif node.find(exp.Columns):
        yield from _many(node, scope)
    else:
        name = name_of(node)
        given = scope.names.named(name) if isinstance(name, exp.Identifier) else ""
        yield Output(scope.names.key(name), given, printed(value(node, scope), node, scope))


def name_of(node: exp.Expr) -> exp.Identifier | str:
    """Return the name that a SELECT list gives a column, or what engines call one without a name as a rule."""
    if isinstance(node, exp.Alias):
        return node.args["alias"]  # type: ignore[no-any-return] # sqlglot keeps it untyped
    inner = node.unnest()
    while isinstance(inner, exp.Cast):
        inner = inner.this
    if isinstance(inner, exp.Column):
        return inner.this  # type: ignore[no-any-return] # sqlglot keeps it untyped
    if isinstance(inner, exp.Dot):
        return inner.expression  # type: ignore[no-any-return] # sqlglot keeps it untyped
    if isinstance(inner, exp.Anonymous):
        return str(inner.this)
    return inner.output_name or (inner.sql_name() if isinstance(inner, exp.Func) else "")


def _star_of(node: exp.Expr) -> tuple[exp.Star, exp.Expr | None, re.Pattern[str] | None] | None:
    """Return a star with the source that it is limited to, and the pattern of the names that it is limited to."""
    pattern = None
    if isinstance(node, exp.Like | exp.ILike | exp.Glob | exp.SimilarTo):
        text = node.expression.name
        wild = translate(text if isinstance(node, exp.Glob) else text.replace("%", "*").replace("_", "?"))
        pattern = re.compile(text if isinstance(node, exp.SimilarTo) else wild, re.IGNORECASE)
        node = node.this
    if isinstance(node, exp.Columns):
        inner = node.this
        if isinstance(inner, exp.Literal):
            return exp.Star(), None, re.compile(f".*(?:{inner.name}).*", re.IGNORECASE)
        node = inner
    if isinstance(node, exp.Star):
        return node, None, pattern
    if isinstance(node, exp.Column) and isinstance(node.this, exp.Star):
        return node.this, node.args.get("table"), pattern
    return None


def _starred(star: exp.Star, table: exp.Expr | None, pattern: re.Pattern[str] | None, scope: Scope) -> Iterator[Output]:
    names = scope.names
    excluded = {names.key(_identifier(each)) for each in star.args.get("except_") or ()}
    replaced = {names.key(each.args["alias"]): each.this for each in star.args.get("replace") or ()}
    renamed = {names.key(_identifier(each.this)): each.args["alias"] for each in star.args.get("rename") or ()}
    for output in _listed(table, scope):
        if output.key in excluded or (pattern is not None and not pattern.fullmatch(output.name)):
            continue
        if output.key in replaced:
            new = replaced[output.key]
            yield output._replace(column=printed(value(new, scope), new, scope))
        elif output.key in renamed:
            fresh = renamed[output.key]
            yield Output(names.key(fresh), names.named(fresh), output.column)
        else:
            yield output


def _identifier(node: exp.Expr) -> exp.Expr:
    return node.this if isinstance(node, exp.Column) else node


def _listed(table: exp.Expr | None, scope: Scope) -> Iterator[Output]:
    """Yield the columns of all sources, or of one; those that `using` joins once."""
    if table is not None:
        key = scope.names.key(table)
        around: Scope | None = scope
        source = None
        while around is not None and source is None:
            source, around = around.source(key), around.outer
        yield from () if source is None else source.outputs
        return
    given = set()
    for source in scope.sources:
        if not source.shown:
            continue
        for output in source.outputs:
            column, of = scope.shared.get(output.key, (None, ()))
            if column is None or not _among(source, of):
                yield output
            elif output.key not in given:
                given.add(output.key)
                yield output._replace(column=column)


def _among(source: Source, of: tuple[Source, ...]) -> bool:
    return any(each is source for each in of)


def _many(node: exp.Expr, scope: Scope) -> Iterator[Output]:
    """Yield an output for each column that `columns(...)` within an expression stands for."""
    inner = node.find(exp.Columns)
    star = None if inner is None else _star_of(inner)
    if inner is None or star is None:
        return
    around = value(node, scope)  # what the rest of the expression comes from
    for output in _starred(*star, scope):
        parts: list[Column] = [output.column, around]
        column = transformed(merged(parts))
        if node.find(exp.AggFunc):
            column = aggregated(column)
        yield output._replace(column=column)
