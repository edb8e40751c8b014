"""What can go wrong, one class per stage; every message says what came, what was expected and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MlbridgeError(Exception):
    """Root of every error that mlbridge raises on purpose."""


class SpecError(MlbridgeError):
    """`config.meta.mlbridge` of a training node says something that cannot be meant."""


class FeatureError(MlbridgeError):
    """A column of the split cannot be used as the feature, target, entity or time that the spec says it is."""


class SplitError(MlbridgeError):
    """The rows of the split do not allow a training: too few, unknown words, duplicated keys."""


class TrainingError(MlbridgeError):
    """A candidate cannot be fitted or scored."""


class RegistryError(MlbridgeError):
    """The logbook holds something that this build cannot go on from."""


class ArtifactError(RegistryError):
    """A stored model is damaged or holds a type that is not trusted."""


class CompileError(MlbridgeError):
    """A pipeline, or a part of it, cannot be written as SQL that gives the same predictions."""


class ScoringError(MlbridgeError):
    """The champion cannot score the rows as they are now."""


class SetupError(MlbridgeError):
    """The node, the profile or the installed versions do not fit together."""


class MonitorError(MlbridgeError):
    """The monitor is asked for something that the published tables do not hold."""


def nearest(word: object, allowed: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the nearest allowed word, or nothing when none is near."""
    found = difflib.get_close_matches(str(word), list(allowed), n=1, cutoff=0.6)
    return f" Did you mean '{found[0]}'?" if found else ""


def listed(words: Iterable[object], most: int = 20) -> str:
    """Write words for a sentence, quoted, at most `most` of them."""
    every = [f"'{word}'" for word in words]
    rest = f" and {len(every) - most:,} more" if len(every) > most else ""
    return (", ".join(every[:most]) or "none") + rest
