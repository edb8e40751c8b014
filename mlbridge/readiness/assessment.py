"""What is asked of a project, and what an assessment answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from mlbridge.readiness.catalogue import BLOCKS, REQUIREMENTS, WARNS
from mlbridge.readiness.settled import Settled

YES, WITH_WARNINGS, NO = "can work", "can work, with warnings", "cannot work"


@dataclass(frozen=True)
class Question:
    """What a user names: a relation of the project and columns of it; None, or an empty entity, is to be proposed."""

    relation: str | None = None
    target: str | None = None
    entity: tuple[str, ...] = ()
    time: str | None = None
    label_time: str | None = None
    task: str | None = None


@dataclass(frozen=True)
class Relation:
    """A table or view of the warehouse; `name` is what the project calls it, `node` its unique id in the manifest."""

    name: str
    node: str
    database: str
    schema: str
    identifier: str

    @property
    def place(self) -> tuple[str, str, str]:
        """Return database, schema and identifier."""
        return self.database, self.schema, self.identifier


@dataclass(frozen=True)
class Requirement:
    """A requirement of the catalogue, scored from 0 to 1; a `score` of None: it was not looked at.

    `threshold`, `group` and `level` are the catalogue's. `evidence` says in figures what was found, `fix` in a
    sentence what to do; it is empty where the requirement is met.
    """

    code: str
    score: float | None
    evidence: str
    fix: str = ""

    @property
    def group(self) -> str:
        """Return the question that it belongs to: data, leaks, rights or room."""
        return REQUIREMENTS[self.code].group

    @property
    def level(self) -> str:
        """Return what it means if it is not met: blocks, warns or informs."""
        return REQUIREMENTS[self.code].level

    @property
    def threshold(self) -> float:
        """Return the lowest score with which it is met."""
        return REQUIREMENTS[self.code].threshold

    @property
    def met(self) -> bool | None:
        """Return whether the score reaches the threshold; None where nothing was looked at."""
        return None if self.score is None else self.score >= self.threshold


def scored(code: str, score: float | None, evidence: str, **words: object) -> Requirement:
    """Return a requirement with its score, between 0 and 1; `words` fill the catalogue's fix if it is not met."""
    score = None if score is None else min(max(score, 0.0), 1.0)
    found = Requirement(code, score, evidence)
    return replace(found, fix=REQUIREMENTS[code].fix.format(**words)) if found.met is False else found


@dataclass(frozen=True)
class Room:
    """The bytes of a branch by part, of the first build and after twelve months, and those that are free.

    `free` is None where the warehouse is no file. `spare` is what a table takes
    that is written anew beside the old one.
    """

    first: Mapping[str, int]
    year: Mapping[str, int]
    spare: int
    free: int | None
    cadence: str


@dataclass(frozen=True)
class Assessment(Settled):
    """The answer: what was settled, the scored requirements, and the columns that should not become features.

    `columns` gives the relation's columns with their types as the engine writes them. `suspected` are columns that look
    like a leak, `unusable` those that no model can learn from, each with the reason. `as_of` is the moment (UTC) at
    which it was asked, and `sampled` the number of rows that figures of columns and of the first model come from, None
    where those are all rows. `grants` are the statements for rights that lack, and `room` is what a branch takes.
    `others` are further relations that could be assessed, with the reason; there are some only if none was named.
    """

    relation: Relation
    columns: Mapping[str, str]
    as_of: datetime
    rows: int = 0
    sampled: int | None = None
    requirements: tuple[Requirement, ...] = ()
    suspected: Mapping[str, str] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    grants: tuple[str, ...] = ()
    room: Room | None = None

    @property
    def failed(self) -> tuple[Requirement, ...]:
        """Return the requirements that are not met, blocking ones first."""
        order = (BLOCKS, WARNS)
        found = [each for each in self.requirements if each.met is False]
        return tuple(sorted(found, key=lambda each: order.index(each.level) if each.level in order else len(order)))

    @property
    def verdict(self) -> str:
        """Return whether a branch can work: no if something blocks it."""
        levels = {each.level for each in self.failed}
        return NO if BLOCKS in levels else WITH_WARNINGS if WARNS in levels else YES

    @property
    def exit_code(self) -> int:
        """Return 1 if a branch cannot work, else 0."""
        return int(self.verdict == NO)
