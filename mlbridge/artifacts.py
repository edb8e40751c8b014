"""Artifacts: a fitted estimator as bytes that nothing is unpickled from (skops), with a checksum."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from mlbridge.errors import ArtifactError, listed

FORMAT = "skops-1"
SCHEMA = "schema.json"
# What scikit-learn's own estimators hold beyond the types that skops trusts by itself: data, or pure functions.
TRUSTED = (
    "functools.partial",
    "numpy.asarray",
    "numpy.dtype",
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "scipy.interpolate._bsplines.BSpline",
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
        artifact = _canonical(skops.io.dumps(estimator))
    except Exception as error:
        raise ArtifactError(f"{what} cannot be stored: {error}. Use parts that skops can write.") from error
    load(what, artifact, trusted)
    return artifact


def _canonical(artifact: bytes) -> bytes:
    """Write a skops file anew so that the same estimator gives the same bytes in every process.

    skops numbers objects, and names their files, by their address in memory, and dates the files: here both are
    numbered as they come, and the date is the first that a zip file can hold.
    """
    numbers: dict[int, int] = {}
    files: dict[str, str] = {}

    def renumbered(node: Any) -> Any:
        if isinstance(node, list):
            return [renumbered(each) for each in node]
        if not isinstance(node, dict):
            return node
        if node.get("__loader__") == "SetNode":
            # The order of a set of texts is another one in every process.
            node["content"] = sorted(node["content"], key=lambda each: json.dumps(each.get("content"), default=str))
        number, file = node.get("__id__"), node.get("file")
        if isinstance(number, int):
            node["__id__"] = numbers.setdefault(number, len(numbers))
        if isinstance(file, str):
            node["file"] = files.setdefault(file, f"{len(files)}{PurePath(file).suffix}")
        return {key: renumbered(each) for key, each in node.items()}

    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(artifact)) as read, zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as write:
        schema = json.dumps(renumbered(json.loads(read.read(SCHEMA))))
        for name, content in {SCHEMA: schema.encode(), **{new: read.read(old) for old, new in files.items()}}.items():
            write.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return written.getvalue()


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
