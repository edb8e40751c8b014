"""Artifacts: a fitted estimator as bytes that nothing is unpickled from (skops), with a checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from mlbridge.errors import ArtifactError, listed

FORMAT = "skops-1"
# What scikit-learn's own estimators hold beyond the types that skops trusts by itself: data, or pure functions.
TRUSTED = (
    "functools.partial",
    "numpy.asarray",
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.tree._tree.Tree",
    "sklearn.utils.validation.check_array",
)


def checksum(artifact: bytes) -> str:
    """Give the SHA-256 of an artifact, in hexadecimal."""
    return hashlib.sha256(artifact).hexdigest()


def dump(node: str, candidate: str, estimator: Any, trusted: Iterable[str]) -> bytes:
    """Write an estimator; raises ArtifactError when a later build would refuse, or not be able, to read it."""
    import skops.io

    what = f"{node}: the candidate '{candidate}'"
    try:
        artifact = bytes(skops.io.dumps(estimator))
    except Exception as error:
        raise ArtifactError(f"{what} cannot be stored: {error}. Use parts that skops can write.") from error
    load(what, artifact, trusted)
    return artifact


def check(what: str, artifact: bytes | None, row: Mapping[str, Any]) -> bytes:
    """Give the artifact if it is there and whole; `what` names it in the error, `row` is its logbook row."""
    if artifact is None:
        raise ArtifactError(f"{what} is missing from the logbook. Pin another version, or train again.")
    format_, sha256 = row["artifact_format"], row["artifact_sha256"]
    if format_ != FORMAT:
        raise ArtifactError(f"{what} has the format '{format_}'; this mlbridge reads '{FORMAT}'. Train again.")
    if checksum(artifact) != sha256:
        raise ArtifactError(
            f"{what} is damaged: its SHA-256 is {checksum(artifact)}, the logbook says {sha256}. Restore the "
            "logbook from a backup, pin another version, or train again with "
            "--vars '{mlbridge_retrain: true}'."
        )
    return artifact


def load(what: str, artifact: bytes, trusted: Iterable[str]) -> Any:
    """Build the estimator again; raises ArtifactError for a type that is not trusted, before it is built."""
    import skops.io

    try:
        found = list(skops.io.get_untrusted_types(data=artifact))
        _refuse_untrusted(what, found, trusted)
        return skops.io.loads(artifact, trusted=found)
    except ArtifactError:
        raise
    except Exception as error:
        raise ArtifactError(
            f"{what} cannot be read back: {error}. Keep functions and classes of your own by name in an installed "
            "module, and install what the version was trained with."
        ) from error


def _refuse_untrusted(what: str, found: Iterable[str], trusted: Iterable[str]) -> None:
    allowed = {*TRUSTED, *trusted}
    refused = [name for name in found if name not in allowed]
    if refused:
        raise ArtifactError(
            f"{what} holds types that are not trusted: {listed(refused)}. If you know where they come from, name "
            "them in the spec: `trusted: [...]`."
        )
