"""Checks of values in a node's YAML. Each check returns the value, or raises a SpecError that names the key.

`macros/spec/checks.sql` checks the keys that SQL reads, with the same messages; `tests/expected/specs.yml` has cases
of both.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta

from mlbridge.errors import SpecError, listed, nearest, shown
from mlbridge.typing import Json

DURATION = re.compile(r"(\d{1,8}) (minute|hour|day|week)s?", re.ASCII)
LONGEST = timedelta(days=36_500)
GREATEST = sys.float_info.max


def to_timedelta(duration: str) -> timedelta:
    """Convert a duration such as '90 days', which `Checks.duration` has accepted."""
    number, unit = duration.split(" ")
    return timedelta(**{f"{unit.removesuffix('s')}s": int(number)})


class Checks:
    """The checks of one node's YAML; every error is a SpecError that names the node, the key and what was found."""

    def __init__(self, node: str) -> None:
        """Take the node's name for the messages."""
        self.node = node

    def fail(self, key: str, problem: str) -> SpecError:
        """Return the error for a key; the caller raises it."""
        return SpecError(f"{self.node}: `mlbridge.{key}`: {problem}")

    def mapping(self, path: str, raw: object, allowed: Iterable[str]) -> Mapping[str, Json]:
        """Return a mapping whose keys are all allowed; None gives an empty mapping."""
        if raw is None:
            return {}
        if not isinstance(raw, Mapping):
            raise self.fail(path, f"expected keys among {listed(allowed)}, found {shown(raw)}.")
        for key in raw:
            if key not in allowed:
                word = key if isinstance(key, str) else shown(key)
                name = f"{path}.{word}" if path else word
                raise self.fail(name, f"unknown key.{nearest(key, allowed)} Allowed: {listed(allowed, 60)}.")
        return raw

    def one_of(self, key: str, found: object, allowed: Collection[str]) -> str:
        """Return a value that is one of the allowed ones."""
        if found not in allowed:
            hint = nearest(found, allowed)
            raise self.fail(key, f"found {shown(found)}.{hint} Allowed: {listed(allowed)}.")
        return str(found)

    def column(self, key: str, found: object, what: str = "a column", words: str = "") -> str:
        """Return a name, which is a non-empty string; `what` and the other `words` allowed describe it in the error."""
        if not isinstance(found, str) or not found:
            raise self.fail(key, f"expected {words}the name of {what}, found {shown(found)}.")
        return found

    def columns(self, key: str, found: object, what: str = "a column") -> tuple[str, ...]:
        """Return the names of a list without duplicates, or one name; None gives no names."""
        if found is None:
            return ()
        names = (found,) if isinstance(found, str) else found
        if not isinstance(names, (list, tuple)):
            raise self.fail(key, f"expected the name of {what} or a list of names, found {shown(found)}.")
        if len(set(map(str, names))) < len(names):
            raise self.fail(key, f"holds a name twice: {listed(names)}.")
        return tuple(self.column(key, name, what) for name in names)

    def number(self, key: str, found: object, wanted: str, fits: Callable[[float], bool] = lambda _: True) -> float:
        """Return a finite number that `fits` accepts; `wanted` describes the accepted numbers in the error."""
        if (
            isinstance(found, bool)
            or not isinstance(found, (int, float))
            or not abs(found) <= GREATEST
            or not fits(found)
        ):
            raise self.fail(key, f"expected {wanted}, found {shown(found)}.")
        return float(found)

    def fraction(self, key: str, found: object, above: float = 0.0) -> float:
        """Return a number greater than `above` and less than 1."""
        return self.number(key, found, f"a number between {above:g} and 1", lambda number: above < number < 1)

    def positive_integer(self, key: str, found: object, wanted: str) -> int:
        """Return an integer of at least 1."""
        if isinstance(found, bool) or not isinstance(found, int) or found < 1:
            raise self.fail(key, f"expected {wanted}, found {shown(found)}.")
        return int(found)

    def boolean(self, key: str, found: object) -> bool:
        """Return a boolean."""
        if not isinstance(found, bool):
            raise self.fail(key, f"expected true or false, found {shown(found)}.")
        return found

    def duration(self, key: str, found: object) -> str:
        """Return a duration such as '7 days', as text."""
        text = str(found)
        if not DURATION.fullmatch(text) or to_timedelta(text) > LONGEST:
            raise self.fail(
                key,
                "expected e.g. '7 days' (a whole number in the digits 0 to 9, of minutes, hours, days or weeks; at "
                f"most 100 years), found {shown(found)}.",
            )
        return text

    def versions(self, key: str, found: object, pin: object) -> tuple[int, ...]:
        """Return the version numbers of a list, ascending; the pinned one must not be among them; None gives none."""
        numbers = [] if found is None else found
        if not isinstance(numbers, (list, tuple)):
            raise self.fail(key, f"expected a list of versions such as [3], found {shown(found)}.")
        versions = {self.positive_integer(key, each, "the number of a version in ml_versions") for each in numbers}
        if pin in versions:
            raise self.fail(key, f"names version {pin}, which `pin` names as well. Remove one of the two.")
        return tuple(sorted(versions))

    def reasons(self, key: str, found: object) -> dict[str, str]:
        """Return a mapping from column names to non-empty reasons; None gives an empty mapping."""
        by_column = {} if found is None else found
        if not isinstance(by_column, Mapping):
            raise self.fail(key, f"expected a mapping from column names to reasons, found {shown(found)}.")
        for name, reason in by_column.items():
            self.column(key, name)
            if not isinstance(reason, str) or not reason.strip():
                raise self.fail(f"{key}.{name}", f"expected the reason as a text, found {shown(reason)}.")
        return dict(by_column)
