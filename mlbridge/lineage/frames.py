"""Which rows a window sees: how far they lie before the row that it is computed for."""

from __future__ import annotations

from math import ceil

from sqlglot import exp

from mlbridge.lineage.graph import AFTER, ANY, BEFORE, GAP, UNTIL
from mlbridge.lineage.moments import UNKNOWN, Shift, common, grid_of
from mlbridge.lineage.spans import constant

ENDS = ("start", "end")


def window_kind(window: exp.Expr, order: exp.Expr | None, spec: exp.Expr | None) -> str:
    """Return the `kind` of a window's condition: where the rows lie that its frame, or its offset, lets in.

    `order` and `spec` are its own or those of the named window that it takes them from.
    """
    if order is None:
        return ANY
    backwards = bool(order.expressions[0].args.get("desc"))
    function = window_function(window)
    if isinstance(function, exp.Lag | exp.Lead):
        return _of_offset(function, backwards)
    end = _end(spec, backwards)
    excluded = str((spec.args.get("exclude") if spec is not None else None) or "").upper()
    return BEFORE if end == UNTIL and excluded in ("CURRENT ROW", "GROUP") else end


def looks_ahead(kind: str, order: exp.Expr | None, spec: exp.Expr | None) -> bool:
    """Return whether a window of some `kind` lets later rows in because of its order.

    A frame of all rows does not: in whatever order, it is the whole partition.
    """
    if kind == AFTER or order is None or spec is None:
        return kind == AFTER
    backwards = bool(order.expressions[0].args.get("desc"))
    start, end = ((str(spec.args.get(part)).upper(), str(spec.args.get(f"{part}_side")).upper()) for part in ENDS)
    if (start[0], end[0]) == ("UNBOUNDED", "UNBOUNDED"):
        return False
    return start[1] == "PRECEDING" if backwards else end[1] == "FOLLOWING"


def window_span(order: exp.Expr | None, spec: exp.Expr | None) -> float:
    """Return how many seconds before the row a frame ends at least; 0 where it leaves no gap, or one of any length."""
    backwards = order is not None and bool(order.expressions[0].args.get("desc"))
    if spec is None or _end(spec, backwards) != GAP:
        return 0.0
    span = constant(spec.args["start" if backwards else "end"])
    return 0.0 if span is None else span.low


def kind_in_order(kind: str, giving: Shift) -> str:
    """Return the `kind` of a window whose rows are all ordered by one value: an unknown one need not grow with time."""
    return ANY if giving == UNKNOWN else kind


def kind_of_moments(kind: str, span: float, giving: Shift, receiving: Shift) -> str:
    """Return what the `kind` of a window says about moments that its rows are ordered by with a shift.

    `giving` is the shift of the row that gives a value, `receiving` of the one that receives it: the first may lie
    later by their difference, less the `span` of seconds that the frame leaves out. Values on a grid differ by whole
    steps.
    """
    if giving.terms != receiving.terms or UNKNOWN in (giving, receiving):
        return ANY
    grid = common(grid_of(giving), grid_of(receiving)).seconds
    least = ceil(span / grid) * grid if grid else span
    return ANY if kind in (GAP, BEFORE, UNTIL) and receiving.high - giving.low > least else kind


def window_function(window: exp.Expr) -> exp.Expr:
    """Return the function of a window, without `ignore nulls` and `filter` around it."""
    function: exp.Expr = window.this
    while isinstance(function, exp.IgnoreNulls | exp.RespectNulls | exp.Filter):
        function = function.this
    return function


def _of_offset(function: exp.Expr, backwards: bool) -> str:
    offset = function.args.get("offset")
    text = "1" if offset is None else offset.sql()
    if not text.lstrip("-").isdigit():
        return ANY
    rows = int(text) * (1 if isinstance(function, exp.Lag) else -1) * (-1 if backwards else 1)
    return BEFORE if rows > 0 else UNTIL if rows == 0 else AFTER


def _end(spec: exp.Expr | None, backwards: bool) -> str:
    """Return where the frame ends that looks back; in a descending order it is the frame's start."""
    if spec is None:
        return ANY if backwards else UNTIL
    start, end = (spec.args.get(part) for part in ("start", "end"))
    if _is_ahead(end if backwards else start, str(spec.args.get("end_side" if backwards else "start_side")), backwards):
        return AFTER
    side = str(spec.args.get("start_side" if backwards else "end_side") or "").upper()
    edge = start if backwards else end
    if edge is None or str(edge).upper() == "CURRENT ROW":
        return UNTIL
    if side != ("FOLLOWING" if backwards else "PRECEDING") or str(edge).upper() == "UNBOUNDED":
        return ANY
    if isinstance(edge, exp.Literal) and edge.name in ("0", "0.0"):
        return UNTIL
    return GAP if str(spec.args.get("kind") or "").upper() == "RANGE" else BEFORE


def _is_ahead(edge: object, side: str, backwards: bool) -> bool:
    """Return whether a frame begins after the row."""
    is_constant = isinstance(edge, exp.Expr) and not (isinstance(edge, exp.Literal) and edge.name in ("0", "0.0"))
    return is_constant and side.upper() == ("PRECEDING" if backwards else "FOLLOWING")
