"""What a value in a node's YAML may be: each check gives the value back, or raises the one error that names it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

from mlbridge.errors import SpecError, listed, nearest

DURATION = re.compile(r"(\d{1,8}) (minute|hour|day|week)s?", re.ASCII)
LONGEST = timedelta(days=36_500)


def span(duration: str) -> timedelta:
    """Give the length of a duration such as '90 days', which has been checked."""
    number, unit = duration.split(" ")
    return timedelta(**{f"{unit.removesuffix('s')}s": int(number)})


class Checks:
    """The checks of one node's YAML; every error is a SpecError that names the node, the key and what was found."""

    def __init__(self, node: str) -> None:
        """Take the node's name for the messages."""
        self.node = node

    def fail(self, key: str, problem: str) -> SpecError:
        """Make the error."""
        return SpecError(f"{self.node}: `mlbridge.{key}`: {problem}")

    def known(self, path: str, said: Any, allowed: Iterable[str]) -> Mapping[str, Any]:
        """Take keys that are all among the allowed ones; nothing said is no keys."""
        if said is None:
            return {}
        if not isinstance(said, Mapping):
            raise self.fail(path, f"expected keys among {listed(allowed)}, found {said!r}.")
        for key in said:
            if key not in allowed:
                name = f"{path}.{key}" if path else str(key)
                raise self.fail(name, f"unknown key.{nearest(key, allowed)} Allowed: {listed(allowed)}.")
        return said

    def word(self, key: str, found: Any, allowed: Iterable[str]) -> str:
        """Take one of the allowed words."""
        if found not in allowed:
            hint = nearest(found, allowed)
            raise self.fail(key, f"found {found!r}.{hint} Allowed: {listed(allowed)}.")
        return str(found)

    def column(self, key: str, found: Any, what: str = "a column") -> str:
        """Take one name."""
        if not isinstance(found, str) or not found:
            raise self.fail(key, f"expected the name of {what}, found {found!r}.")
        return found

    def columns(self, key: str, found: Any, what: str = "a column") -> tuple[str, ...]:
        """Take one name or a list of different names; nothing said is no names."""
        if found is None:
            return ()
        names = (found,) if isinstance(found, str) else found
        if not isinstance(names, (list, tuple)):
            raise self.fail(key, f"expected the name of {what} or a list of such, found {found!r}.")
        if len(set(map(str, names))) < len(names):
            raise self.fail(key, f"names something twice: {listed(names)}.")
        return tuple(self.column(key, name, what) for name in names)

    def number(self, key: str, found: Any, wanted: str, fits: Callable[[float], bool] = lambda _: True) -> float:
        """Take a finite number that fits; `wanted` says in words which do."""
        number = isinstance(found, (int, float)) and not isinstance(found, bool)
        if not number or not abs(found) <= sys.float_info.max or not fits(found):
            raise self.fail(key, f"expected {wanted}, found {found!r}.")
        return float(found)

    def share(self, key: str, found: Any, above: float = 0.0) -> float:
        """Take a number between two others, both left out: `above` and 1."""
        return self.number(key, found, f"a number between {above:g} and 1", lambda number: above < number < 1)

    def whole(self, key: str, found: Any, wanted: str) -> int:
        """Take a whole number from 1 on."""
        if isinstance(found, bool) or not isinstance(found, int) or found < 1:
            raise self.fail(key, f"expected {wanted}, found {found!r}.")
        return int(found)

    def flag(self, key: str, found: Any) -> bool:
        """Take true or false."""
        if not isinstance(found, bool):
            raise self.fail(key, f"expected true or false, found {found!r}.")
        return found

    def duration(self, key: str, found: Any) -> str:
        """Take a duration such as '7 days'."""
        said = str(found)
        if not DURATION.fullmatch(said) or span(said) > LONGEST:
            raise self.fail(
                key, f"expected e.g. '7 days' (minutes, hours, days or weeks; at most 100 years), found {said!r}."
            )
        return said

    def versions(self, key: str, found: Any, pin: Any) -> tuple[int, ...]:
        """Take a list of numbers of versions, the pinned one not among them; nothing said is none."""
        numbers = [] if found is None else found
        if not isinstance(numbers, (list, tuple)):
            raise self.fail(key, f"expected a list of versions such as [3], found {found!r}.")
        versions = {self.whole(key, each, "the number of a version in ml_versions") for each in numbers}
        if pin in versions:
            raise self.fail(key, f"names version {pin}, which `pin` names as well. Remove one of the two.")
        return tuple(sorted(versions))

    def reasons(self, key: str, found: Any) -> dict[str, str]:
        """Take a reason in words by the name of a column; nothing said is none."""
        said = {} if found is None else found
        if not isinstance(said, Mapping):
            raise self.fail(key, f"expected reasons by the name of a column, found {found!r}.")
        for name, reason in said.items():
            self.column(key, name)
            if not isinstance(reason, str) or not reason.strip():
                raise self.fail(f"{key}.{name}", f"expected the reason as a text, found {reason!r}.")
        return dict(said)
