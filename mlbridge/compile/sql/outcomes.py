"""The outcome of a predictor for a row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mlbridge.compile.sql.expressions import Node
from mlbridge.errors import CompileError, listed


@dataclass(frozen=True)
class Regression:
    """The outcome of a regressor: a number per output."""

    values: tuple[Node, ...]
    refused: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Classification:
    """The outcome of a classifier: the first class whose node of `wins` is true, else the last one.

    `decisions` are its decision function's (one number for two classes); a classifier has these, or probabilities,
    or both.
    """

    classes: tuple[Any, ...]
    wins: tuple[Node, ...]
    probabilities: tuple[Node, ...] = ()
    decisions: tuple[Node, ...] = ()
    refused: tuple[Node, ...] = field(default=())

    def __post_init__(self) -> None:
        """Raise CompileError for an estimator that was fitted on one class, but has scores for a second one."""
        numbers = len(self.classes), len(self.wins) + 1, len(self.probabilities) or len(self.classes)
        if len(set(numbers)) > 1:
            raise CompileError(
                f"a classifier was fitted on rows of {len(self.classes)} class(es): {listed(map(str, self.classes))}. "
                "Fit it on rows of every class that it has to distinguish."
            )


@dataclass(frozen=True)
class Several:
    """The outcomes of an estimator with several outputs, one per output."""

    outcomes: tuple[Classification, ...]


Outcome = Regression | Classification | Several
