"""The output columns of a SELECT, from the outcome of a predictor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from mlbridge.compile.sql.expressions import Named, Node, case, double, either, ref
from mlbridge.compile.sql.outcomes import Classification, Outcome, Several


def outputs_of(outcome: Outcome) -> dict[str, exp.Expression]:
    """Name the outputs; in a row that is refused each of them is NULL."""
    if isinstance(outcome, Several):
        return {
            name: value
            for index, each in enumerate(outcome.outcomes)
            for name, value in _classified(each, f"_{index}").items()
        }
    if isinstance(outcome, Classification):
        return _classified(outcome, "")
    refused = _any(outcome.refused)
    several = len(outcome.values) > 1
    return {
        f"prediction_{index}" if several else "prediction": _unless(refused, ref(value))
        for index, value in enumerate(outcome.values)
    }


def _classified(outcome: Classification, suffix: str) -> dict[str, exp.Expression]:
    *firsts, last = [_literal(label) for label in outcome.classes]
    wins = [(ref(win), label) for win, label in zip(outcome.wins, firsts, strict=True)]
    refused = _any(outcome.refused)
    outputs = {f"prediction{suffix}": _unless(refused, case(wins, last))}
    named = {
        f"probability{suffix}_{class_name(label)}": node
        for label, node in zip(outcome.classes, outcome.probabilities, strict=False)
    }
    if not named:
        several = len(outcome.decisions) > 1
        ends = [f"_{class_name(label)}" if several else "" for label in outcome.classes]
        named = {f"decision{suffix}{end}": node for end, node in zip(ends, outcome.decisions, strict=False)}
    outputs |= {name: _unless(refused, ref(node)) for name, node in named.items()}
    return outputs


def _any(refused: Sequence[Node]) -> Node | None:
    return Named("refused", either([ref(node) for node in refused])) if refused else None


def _unless(refused: Node | None, value: exp.Expression) -> exp.Expression:
    return value if refused is None else case([(ref(refused), exp.null())], value)


def _literal(label: Any) -> exp.Expression:
    label = label.item() if hasattr(label, "item") else label
    if isinstance(label, bool):
        return exp.Boolean(this=label)
    if isinstance(label, int):
        return exp.Literal.number(label)
    return double(label) if isinstance(label, float) else exp.Literal.string(str(label))


def class_name(label: Any) -> str:
    """Return the ending of the name of a class's column."""
    label = label.item() if hasattr(label, "item") else label
    return str(label).lower() if isinstance(label, bool) else str(label)
