"""What was settled of the question: which columns the branch would have as its keys and its target."""

from __future__ import annotations

from dataclasses import dataclass

from mlbridge.typing import Document


@dataclass(frozen=True)
class Choice:
    """What was settled for a key of the spec, and why: named by the user, or proposed.

    `columns` are empty where there is none, such as a label time that neither is named nor was found.
    """

    columns: tuple[str, ...]
    reason: str
    proposed: bool

    @property
    def column(self) -> str | None:
        """Return the only column; None without one."""
        return self.columns[0] if self.columns else None

    @property
    def one(self) -> str:
        """Return the first column, or the task; there is one except for a label time."""
        return self.columns[0]


@dataclass(frozen=True)
class Settled:
    """Target, entity, time, label time and task, each named by the user or proposed."""

    target: Choice
    entity: Choice
    time: Choice
    label_time: Choice
    task: Choice

    @property
    def moments(self) -> tuple[str, ...]:
        """Return time and, if there is one, label time."""
        return (*self.time.columns, *self.label_time.columns)

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the columns that cannot be features: those of the key, the target and the label time."""
        return tuple(dict.fromkeys((*self.entity.columns, *self.moments, *self.target.columns)))

    @property
    def spec(self) -> Document:
        """Return what the model's spec would say: task, target, entity, time and, if there is one, label_time."""
        entity = self.entity.columns
        found: Document = {
            "task": self.task.one,
            "target": self.target.one,
            "entity": entity[0] if len(entity) == 1 else list(entity),
            "time": self.time.one,
        }
        return found if self.label_time.column is None else {**found, "label_time": self.label_time.column}
