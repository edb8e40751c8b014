"""What an artifact must not hold: more than it may become in memory, and trees that lead out of their arrays.

skops builds only trusted types, but does not look at what is in them. scikit-learn follows the indices of a tree
without checks, so a wrong one reads foreign memory or ends the process.
"""

from __future__ import annotations

import gc
import io
import json
import math
import zipfile
from collections.abc import Iterator
from itertools import chain
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from mlbridge.registry.booster_checks import check_lightgbm, check_range, check_xgboost
from mlbridge.typing import Json

if TYPE_CHECKING:
    from sklearn.ensemble import BaggingClassifier, GradientBoostingClassifier, HistGradientBoostingClassifier
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
    from sklearn.tree._tree import Tree

    from mlbridge.typing import Array

SCHEMA = "schema.json"
# A fitted estimator seldom shrinks to less than a twentieth when it is stored.
LARGEST_RATIO, ALWAYS_ALLOWED = 100, 16 * 2**20  # bytes
# An HistGradientBoosting has bitsets of 256 categories.
CATEGORIES = 256


def check_size(artifact: bytes) -> None:
    """Raise ValueError where an artifact would take more memory than what it has in bytes explains."""
    allowed = LARGEST_RATIO * len(artifact) + ALWAYS_ALLOWED
    with zipfile.ZipFile(io.BytesIO(artifact)) as archive:
        sizes = {each.filename: each.file_size for each in archive.infolist()}
        _check_total(sum(sizes.values()), allowed)
        schema = json.loads(archive.read(SCHEMA))
        files = [str(node["file"]) for node in _nodes(schema) if "file" in node]
        # A file that is named by several nodes is read once for each.
        _check_total(sum(sizes[name] for name in files), allowed)
        for name in set(files):
            _check_arrays(name, archive.read(name), allowed)


def check_texts(artifact: bytes) -> None:
    """Raise ValueError where a text is a LightGBM model with a tree that leads out of its arrays.

    To be called before the artifact is loaded. Every text is looked at that LightGBM would take for a model.
    """
    for text in _texts(artifact):
        if "Tree=" in text and "max_feature_idx" in text:
            check_lightgbm(text)


def _texts(artifact: bytes) -> Iterator[str]:
    """Iterate over the texts that an artifact holds: Python's own, and numpy's scalars, which are files."""
    with zipfile.ZipFile(io.BytesIO(artifact)) as archive:
        for node in _nodes(json.loads(archive.read(SCHEMA))):
            if node.get("__loader__") == "JsonNode":
                yield str(json.loads(node["content"]))
            elif node.get("__module__") == "numpy" and str(node.get("__class__")).startswith("str") and "file" in node:
                yield str(np.load(io.BytesIO(archive.read(node["file"]))))


def _check_total(size: int, allowed: int) -> None:
    if size > allowed:
        raise ValueError(f"it would take {size:,} bytes of memory; {allowed:,} are allowed for its size")


def _nodes(schema: Json) -> Iterator[dict[str, Any]]:
    """Iterate over the objects of a skops schema."""
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _check_arrays(name: str, content: bytes, allowed: int) -> None:
    """Compare what an array says of its shape with the bytes that follow; an archive of arrays likewise."""
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_total(sum(each.file_size for each in archive.infolist()), allowed)
            for inner in archive.namelist():
                _check_arrays(inner, archive.read(inner), allowed)
    elif content.startswith(np.lib.format.MAGIC_PREFIX):
        file = io.BytesIO(content)
        shape, dtype = _header(file)
        if math.prod(shape) * dtype.itemsize > len(content) - file.tell():
            raise ValueError(
                f"the array in {name} has {len(content) - file.tell():,} bytes, fewer than its shape {shape}"
            )


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"an array is written in numpy's format {version}")
    shape, _, dtype = read(file)
    return shape, dtype


def check_trees(estimator: object) -> None:
    """Raise ValueError where a tree in an estimator leads out of its arrays, or round in a circle."""
    from sklearn.ensemble._bagging import BaseBagging
    from sklearn.ensemble._forest import BaseForest
    from sklearn.ensemble._gb import BaseGradientBoosting
    from sklearn.ensemble._hist_gradient_boosting.gradient_boosting import BaseHistGradientBoosting
    from sklearn.tree import BaseDecisionTree
    from sklearn.tree._tree import Tree

    for part in _parts(estimator):
        if isinstance(part, Tree):
            _check_tree(part)
        elif isinstance(part, BaseDecisionTree) and hasattr(part, "tree_"):
            _check_width("a tree", part.tree_.n_features, part.n_features_in_)
        elif isinstance(part, BaseForest | BaseGradientBoosting) and hasattr(part, "estimators_"):
            for member in np.ravel(np.asarray(part.estimators_, dtype=object)):
                _check_width("a tree of an ensemble", member.tree_.n_features, part.n_features_in_)
            if isinstance(part, BaseGradientBoosting):
                _check_stages(part)
        elif isinstance(part, BaseBagging) and hasattr(part, "estimators_features_"):
            _check_drawn(part)
        elif isinstance(part, BaseHistGradientBoosting) and hasattr(part, "_predictors"):
            _check_histograms(part)
        elif f"{type(part).__module__}.{type(part).__qualname__}" == "xgboost.core.Booster":
            check_xgboost(part)


def _parts(whole: object) -> Iterator[Any]:
    """Iterate over all objects that one is made of, itself included."""
    seen: set[int] = set()
    waiting: list[Any] = [whole]
    while waiting:
        part = waiting.pop()
        if id(part) in seen or isinstance(part, type | ModuleType | FunctionType | BuiltinFunctionType):
            continue
        seen.add(id(part))
        yield part
        is_array = isinstance(part, np.ndarray) and part.dtype == object
        waiting.extend(part.ravel().tolist() if is_array else gc.get_referents(part))


def _check_tree(tree: Tree) -> None:
    if tree.node_count != tree.capacity or tree.node_count < 1:
        raise ValueError(f"a tree says that it has {tree.node_count} nodes, and has {tree.capacity}")
    if tree.n_outputs < 1 or tree.max_n_classes < 1:
        raise ValueError("a tree has no output")
    leaf = tree.children_left == -1
    _check_links(tree.children_left[~leaf], tree.children_right[~leaf], np.flatnonzero(~leaf), tree.node_count)
    check_range("the feature of a node", tree.feature[~leaf], tree.n_features)


def _check_links(left: Array, right: Array, own: Array, count: int) -> None:
    """Check that children stand behind their parent, as in each tree that scikit-learn grows."""
    for child in (left, right):
        check_range("the child of a node", child, count)
        if (child <= own).any():
            raise ValueError("a tree leads back to a node before")


def _check_width(what: str, found: int, expected: int) -> None:
    if found != expected:
        raise ValueError(f"{what} reads {found} features of {expected}")


def _check_stages(boosting: GradientBoostingClassifier) -> None:
    """Check that each stage has a tree for each of the numbers that the first guess gives."""
    row = np.zeros((1, boosting.n_features_in_), dtype=np.float32)
    _, width = boosting._raw_predict_init(row).shape
    if boosting.estimators_.ndim != 2 or boosting.estimators_.shape[1] != width:
        raise ValueError(f"a gradient boosting has stages of {boosting.estimators_.shape}, for {width} scores")


def _check_drawn(bagging: BaggingClassifier) -> None:
    """Check that each member of a bagging reads as many features as were drawn for it."""
    for member, drawn in zip(bagging.estimators_, bagging.estimators_features_, strict=True):
        _check_width("a member of a bagging", member.n_features_in_, len(drawn))
        check_range("a feature drawn for a bagging", np.asarray(drawn), bagging.n_features_in_)
        if len(drawn) > bagging.n_features_in_:
            raise ValueError("a bagging draws more features than it has")


def _check_histograms(boosting: HistGradientBoostingClassifier) -> None:
    features, mapper = boosting.n_features_in_, boosting._bin_mapper
    _check_width("a histogram gradient boosting", len(mapper.is_categorical_), features)
    _check_width("a histogram gradient boosting", len(mapper.bin_thresholds_), features)
    _check_encoded(boosting)
    categorical = np.asarray(mapper.is_categorical_, dtype=bool)
    for known in np.asarray(mapper.bin_thresholds_, dtype=object)[categorical]:
        check_range("a category", np.asarray(known), CATEGORIES)
    for predictor in chain(*boosting._predictors):
        _check_predictor(predictor, features, categorical)


def _check_encoded(boosting: HistGradientBoostingClassifier) -> None:
    """Check that what stands before the trees gives them a column for each feature."""
    encoder = boosting._preprocessor
    if encoder is not None:
        columns = np.zeros(boosting.n_features_in_)
        steps = [(type(step).__name__, len(columns[drawn])) for _, step, drawn in encoder.transformers_]
        kept = [(name, width) for name, width in steps if width]
        _check_width("the encoder of a boosting", sum(width for _, width in kept), boosting.n_features_in_)
        if not {name for name, _ in kept} <= {"OrdinalEncoder", "FunctionTransformer"}:
            raise ValueError(f"the encoder of a boosting has the steps {kept}")


def _check_predictor(predictor: TreePredictor, features: int, categorical: Array) -> None:
    nodes, bitsets = predictor.nodes, predictor.raw_left_cat_bitsets
    if len(nodes) < 1 or bitsets.shape[1:] != (CATEGORIES // 32,):
        raise ValueError(f"a tree has {len(nodes)} nodes and bitsets of the shape {bitsets.shape}")
    own = np.flatnonzero(nodes["is_leaf"] == 0)
    inner = nodes[own]
    _check_links(inner["left"].astype(np.int64), inner["right"].astype(np.int64), own, len(nodes))
    check_range("the feature of a node", inner["feature_idx"], features)
    by_category = inner[inner["is_categorical"] != 0]
    check_range("the bitset of a node", by_category["bitset_idx"], len(bitsets))
    if not categorical[by_category["feature_idx"]].all():
        raise ValueError("a node splits by categories of a feature that has none")
