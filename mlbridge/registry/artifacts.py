"""Artifacts: fitted estimators serialized with skops, which loads without unpickling, and their checksums."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from mlbridge.errors import ArtifactError, listed
from mlbridge.registry.artifact_checks import SCHEMA, check_size, check_texts, check_trees
from mlbridge.typing import Json

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

FORMAT = "skops-1"
# Types within scikit-learn's own estimators that skops does not trust by itself; they are data or pure functions.
TRUSTED = (
    "functools.partial",
    "numpy.asarray",
    "numpy.clip",
    "numpy.dtype",
    "numpy.nan_to_num",
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "scipy.interpolate._bsplines.BSpline",
    "sklearn._loss.loss.HalfTweedieLoss",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.feature_selection._mutual_info.mutual_info_classif",
    "sklearn.feature_selection._mutual_info.mutual_info_regression",
    "sklearn.feature_selection._univariate_selection.chi2",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.feature_selection._univariate_selection.f_regression",
    "sklearn.feature_selection._univariate_selection.r_regression",
    "sklearn.metrics._classification.accuracy_score",
    "sklearn.metrics._classification.balanced_accuracy_score",
    "sklearn.metrics._classification.brier_score_loss",
    "sklearn.metrics._classification.f1_score",
    "sklearn.metrics._classification.log_loss",
    "sklearn.metrics._classification.matthews_corrcoef",
    "sklearn.metrics._classification.precision_score",
    "sklearn.metrics._classification.recall_score",
    "sklearn.metrics._ranking.average_precision_score",
    "sklearn.metrics._ranking.roc_auc_score",
    "sklearn.metrics._regression.explained_variance_score",
    "sklearn.metrics._regression.max_error",
    "sklearn.metrics._regression.mean_absolute_error",
    "sklearn.metrics._regression.mean_absolute_percentage_error",
    "sklearn.metrics._regression.mean_gamma_deviance",
    "sklearn.metrics._regression.mean_pinball_loss",
    "sklearn.metrics._regression.mean_poisson_deviance",
    "sklearn.metrics._regression.mean_squared_error",
    "sklearn.metrics._regression.median_absolute_error",
    "sklearn.metrics._regression.r2_score",
    "sklearn.metrics._regression.root_mean_squared_error",
    "sklearn.metrics._scorer._CurveScorer",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.metrics._scorer._Scorer",
    "sklearn.model_selection._search_successive_halving.HalvingGridSearchCV",
    "sklearn.model_selection._search_successive_halving.HalvingRandomSearchCV",
    "sklearn.model_selection._split.GroupKFold",
    "sklearn.model_selection._split.GroupShuffleSplit",
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.RepeatedKFold",
    "sklearn.model_selection._split.RepeatedStratifiedKFold",
    "sklearn.model_selection._split.ShuffleSplit",
    "sklearn.model_selection._split.StratifiedGroupKFold",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.model_selection._split.StratifiedShuffleSplit",
    "sklearn.model_selection._split.TimeSeriesSplit",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    "sklearn.utils._metadata_requests.MetadataRequest",
    "sklearn.utils._metadata_requests.MethodMetadataRequest",
    "sklearn.utils.validation.check_array",
)


@dataclass(frozen=True)
class Artifact:
    """An artifact as the logbook has it: its bytes, the format they are in, and the SHA-256 that they should have."""

    content: bytes | None
    format: str | None
    sha256: str | None


def checksum(artifact: bytes) -> str:
    """Return the SHA-256 of an artifact, in hexadecimal."""
    return hashlib.sha256(artifact).hexdigest()


def dump(node: str, candidate: str, estimator: BaseEstimator, trusted: Iterable[str]) -> bytes:
    """Serialize an estimator; raises ArtifactError if a later build could not load it, or would not trust it."""
    import skops.io

    what = f"{node}: the candidate '{candidate}'"
    try:
        artifact = _canonical(skops.io.dumps(estimator))
    except Exception as error:
        raise ArtifactError(f"{what} cannot be stored: {error}. Use parts that skops can write.") from error
    load(what, artifact, trusted)
    return artifact


def _canonical(artifact: bytes) -> bytes:
    """Rewrite a skops file so that equal estimators give the same bytes in every process.

    skops identifies objects, and names their files, by memory address, and dates the files. Here both are numbered in
    order of occurrence, and the date is the earliest of the zip format.
    """
    numbers: dict[int, int] = {}
    files: dict[str, str] = {}

    def renumbered(node: Json) -> Json:
        if isinstance(node, list):
            return [renumbered(each) for each in node]
        if not isinstance(node, dict):
            return node
        if node.get("__loader__") == "SetNode":
            # The iteration order of a set of strings differs between processes.
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


def check(what: str, artifact: Artifact) -> bytes:
    """Return the artifact's bytes; `what` names it in the error.

    Raises ArtifactError if they are missing, of another format, or fail their checksum.
    """
    if artifact.content is None:
        raise ArtifactError(f"{what} is missing from the logbook. Pin another version, or train again.")
    if artifact.format != FORMAT:
        raise ArtifactError(f"{what} has the format '{artifact.format}'; this mlbridge reads '{FORMAT}'. Train again.")
    if checksum(artifact.content) != artifact.sha256:
        raise ArtifactError(
            f"{what} is damaged: its SHA-256 is {checksum(artifact.content)}, the logbook says {artifact.sha256}. "
            "Restore the logbook from a backup, pin another version, or train again with "
            "--vars '{mlbridge_retrain: true}'."
        )
    return artifact.content


def load(what: str, artifact: bytes, trusted: Iterable[str]) -> BaseEstimator:
    """Load the estimator; raises ArtifactError for a type that is not trusted, before anything is loaded.

    The same for an artifact that would take more memory than its size explains, and for a tree whose indices lead out
    of it.
    """
    import skops.io

    try:
        check_size(artifact)
        found = list(skops.io.get_untrusted_types(data=artifact))
        _refuse_untrusted(what, found, trusted)
        check_texts(artifact)
        estimator = skops.io.loads(artifact, trusted=found)
        check_trees(estimator)
        return estimator
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
