"""The errors, one class per stage; every message says what was found, what was expected and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class MlbridgeError(Exception):
    """Root of every error that mlbridge raises on purpose."""


class SpecError(MlbridgeError):
    """`config.meta.mlbridge` of a training node is invalid."""


class FeatureError(MlbridgeError):
    """A column of the split cannot be used as the feature, target, entity or time that the spec says it is."""


class SplitError(MlbridgeError):
    """The rows of the split are wrong: unknown values of `ml_split`, NULL or duplicate keys, infinite targets.

    Too few rows are no error but a `Shortage`.
    """


class TrainingError(MlbridgeError):
    """A candidate cannot be fitted or scored."""


class RegistryError(MlbridgeError):
    """The logbook lacks a version that the spec names, or holds rows that this build cannot use."""


class ArtifactError(RegistryError):
    """A stored model is damaged or holds a type that is not trusted."""


class CompileError(MlbridgeError):
    """A pipeline, or a part of it, cannot be written as SQL that gives the same predictions."""


class ScoringError(MlbridgeError):
    """A version cannot score the rows as they are now."""


class SetupError(MlbridgeError):
    """The project, profile, node, warehouse or installed packages are missing or do not match each other."""


class GraftError(MlbridgeError):
    """A branch cannot be written into the project, or taken away from it, as it was asked for."""


class MonitorError(MlbridgeError):
    """The monitor needs something that the published tables do not hold."""


def nearest(value: object, allowed: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the most similar allowed word; empty when none is similar.

    Similar is what shares half of its pairs of letters (Dice's coefficient), as `macros/base/nearest.sql` has it.
    """
    best, most, pairs = None, 0.5, _letter_pairs(value)
    for other in allowed:
        others = _letter_pairs(other)
        share = 2 * sum(pair in others for pair in pairs) / (len(pairs) + len(others))
        if share >= most:
            best, most = other, share
    return "" if best is None else f" Did you mean '{best}'?"


def _letter_pairs(value: object) -> list[str]:
    letters = f" {value} ".lower()
    return [letters[index : index + 2] for index in range(len(letters) - 1)]


def listed(values: Iterable[object], most: int = 20) -> str:
    """Write words for a sentence, quoted, at most `most` of them."""
    return few([f"'{value}'" for value in values], most) or "none"


def few(words: Sequence[str], most: int) -> str:
    """Write words as they are, at most `most` of them, and how many more there are; empty without any."""
    rest = f" and {len(words) - most:,} more" if len(words) > most else ""
    return ", ".join(words[:most]) + rest


LONGEST_SHOWN = 200


def shown(value: object) -> str:
    """Write a value of a YAML file for a sentence, as YAML spells it; a text is quoted, a long one is cut."""
    special = {"None": "nothing", "True": "true", "False": "false", "nan": ".nan", "inf": ".inf", "-inf": "-.inf"}
    text = special.get(repr(value), repr(value))
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}... ({len(text):,} characters)"
