"""Crafted artifacts: what would end the process, or fill its memory, is refused when it is loaded."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from lightgbm import LGBMClassifier
from scipy import sparse
from sklearn import ensemble as en
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier

from mlbridge.errors import ArtifactError
from mlbridge.registry import artifacts

RANDOM = np.random.default_rng(0)
ROWS = np.column_stack([RANDOM.normal(size=(120, 2)), RANDOM.integers(0, 9, 120)])
TWO, THREE = (ROWS[:, 0] + ROWS[:, 2] > 4).astype(int), RANDOM.integers(0, 3, 120)
ESTIMATORS: dict[str, Callable[[], Any]] = {
    "tree": lambda: DecisionTreeClassifier(max_depth=3).fit(ROWS, TWO),
    "forest": lambda: en.RandomForestClassifier(3, max_depth=3).fit(ROWS, TWO),
    "boosting": lambda: en.GradientBoostingClassifier(n_estimators=3).fit(ROWS, THREE),
    "histograms": lambda: en.HistGradientBoostingClassifier(max_iter=3, categorical_features=[2]).fit(ROWS, TWO),
    "isolation": lambda: en.IsolationForest(n_estimators=3, max_features=2).fit(ROWS),
    "bagging": lambda: en.BaggingClassifier(n_estimators=3, max_features=2).fit(ROWS, TWO),
}
Craft = Callable[[Any], None]
Change = Callable[[str], str]


def fitted(name: str) -> Any:
    with threadpool_limits(1):
        return ESTIMATORS[name]()


def node(column: str, value: int) -> Craft:
    """Change the first node of the first tree."""

    def craft(estimator: Any) -> None:
        tree = (estimator if hasattr(estimator, "tree_") else estimator.estimators_[0]).tree_
        state = tree.__getstate__()
        state["nodes"][column][0] = value
        tree.__setstate__(state)

    return craft


def split(**values: int) -> Craft:
    """Change the first node of the first tree of a histogram gradient boosting."""

    def craft(estimator: Any) -> None:
        for column, value in values.items():
            estimator._predictors[0][0].nodes[column][0] = value

    return craft


def with_attributes(**values: Any) -> Craft:
    return lambda estimator: vars(estimator).update(values)


def with_category(value: float) -> Craft:
    def craft(estimator: Any) -> None:
        estimator._bin_mapper.bin_thresholds_[0] = np.array([0.0, value])

    return craft


def of_fewer_features(estimator: Any) -> None:
    estimator.estimators_[0] = DecisionTreeClassifier(max_depth=2).fit(np.c_[ROWS, ROWS], TWO)


def of_fewer_columns(estimator: Any) -> None:
    estimator._preprocessor.transformers_ = [("encoder", "drop", [0, 1, 2])]


def with_a_narrow_guess(estimator: Any) -> None:
    estimator.init_ = en.GradientBoostingClassifier(n_estimators=1).fit(ROWS, TWO).init_
    estimator._loss = en.GradientBoostingClassifier(n_estimators=1).fit(ROWS, TWO)._loss


CRAFTED: dict[str, tuple[str, Craft, str]] = {
    "a child far away": ("tree", node("left_child", 2**30), "the child of a node is 1073741824, of "),
    "a negative child": ("tree", node("right_child", -7), "the child of a node is -7"),
    "a circle": ("forest", node("left_child", 0), "leads back to a node before"),
    "a feature far away": ("forest", node("feature", 2**40), "the feature of a node is 1099511627776, of 3"),
    "a negative feature": ("boosting", lambda each: node("feature", -1)(each.estimators_[0, 0]), "is -1, of 3"),
    "rows narrower than the tree": ("tree", with_attributes(n_features_in_=1), "a tree reads 3 features of 1"),
    "rows narrower than the forest": (
        "forest",
        with_attributes(n_features_in_=1),
        "a tree of an ensemble reads 3 features of 1",
    ),
    "a tree wider than the forest": ("forest", of_fewer_features, "a tree of an ensemble reads 6 features of 3"),
    "stages wider than the guess": ("boosting", with_a_narrow_guess, "has stages of (3, 3), for 1 scores"),
    "members that read more": ("isolation", with_attributes(estimators_features_=[[0]] * 3), "reads 2 features of 1"),
    "members that read what is not there": (
        "bagging",
        with_attributes(estimators_features_=[[0, 9]] * 3),
        "is 9, of 3",
    ),
    "histograms: a child far away": ("histograms", split(left=2**30), "the child of a node is 1073741824, of "),
    "histograms: a circle": ("histograms", split(right=0), "leads back to a node before"),
    "histograms: a feature far away": ("histograms", split(feature_idx=10**6), "is 1000000, of 3"),
    "histograms: a bitset far away": ("histograms", split(is_categorical=1, bitset_idx=2**31), "is 2147483648, of "),
    "histograms: no categories": ("histograms", split(is_categorical=1, feature_idx=1), "of a feature that has none"),
    "histograms: a category far away": ("histograms", with_category(2.0**31), "a category is 2147483648.0, of 256"),
    "histograms: rows narrower": ("histograms", with_attributes(n_features_in_=1), "reads 3 features of 1"),
    "histograms: an encoder that drops": ("histograms", of_fewer_columns, "has the steps [('str', 3)]"),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_what_was_fitted_is_loaded(name: str) -> None:
    artifacts.dump("late_training", name, fitted(name), ())


@pytest.mark.parametrize("case", CRAFTED)
def test_a_crafted_tree_is_refused(case: str) -> None:
    name, craft, words = CRAFTED[case]
    estimator = fitted(name)
    craft(estimator)
    with pytest.raises(ArtifactError, match="what cannot be read back: ") as raised:
        artifacts.load("what", skops.io.dumps(estimator), ())
    assert words in str(raised.value)


def light(change: Change) -> bytes:
    """Give the artifact of a LightGBM model, its text changed. The library itself must never read such a text."""
    rows = pd.DataFrame({"x": ROWS[:, 0], "c": pd.Categorical(ROWS[:, 2].astype(int))})
    model = LGBMClassifier(n_estimators=2, num_leaves=5, n_jobs=1, verbose=-1, min_data_per_group=5).fit(rows, TWO)

    def changed(schema: bytes) -> bytes:
        document = json.loads(schema)
        text = handle_of(document)
        text["content"] = json.dumps(change(json.loads(text["content"])))
        return json.dumps(document).encode()

    return rewritten(skops.io.dumps(model), schema=changed)


def handle_of(document: Any) -> Any:
    return document["content"]["content"]["_Booster"]["content"]["content"]["_handle"]


def put(column: str, value: str) -> Change:
    """Put a value first in a column of each tree of a LightGBM model, without the sizes of the trees."""

    def change(text: str) -> str:
        text = re.sub(f"^({column}=)[^ \\n]+", rf"\g<1>{value}", text, flags=re.MULTILINE)
        return re.sub("tree_sizes=.*\n", "", text)

    return change


def as_numpy(artifact: bytes) -> bytes:
    """Put a scalar of numpy in the place of the text of a LightGBM model: it can be encoded as well."""
    model = LogisticRegression().fit(ROWS, TWO)
    with zipfile.ZipFile(io.BytesIO(artifact)) as archive:
        model.note = np.str_(json.loads(handle_of(json.loads(archive.read("schema.json")))["content"]))
    return skops.io.dumps(model)


def extreme(column: str, value: int) -> bytes:
    """Give the artifact of an XGBoost model, with a value put first in a column of each tree."""
    model = XGBClassifier(n_estimators=2, max_depth=2, n_jobs=1).fit(ROWS, THREE)
    document = json.loads(bytes(model.get_booster().save_raw("json")))
    boosted = document["learner"]["gradient_booster"]["model"]
    for part in (boosted,) if column == "tree_info" else boosted["trees"]:
        part[column][0] = value
    model.get_booster().load_model(bytearray(json.dumps(document).encode()))
    return skops.io.dumps(model)


BOOSTED: dict[str, tuple[Callable[[], bytes], str]] = {
    "lightgbm: a child far away": (lambda: light(put("left_child", "1073741824")), "a node is 1073741824, of "),
    "lightgbm: a leaf far away": (lambda: light(put("right_child", "-1000")), "a leaf is 999, of "),
    "lightgbm: a circle": (lambda: light(put("left_child", "0")), "a tree leads to a node twice"),
    "lightgbm: a feature far away": (lambda: light(put("split_feature", "70000")), "is 70000, of 2"),
    "lightgbm: fewer splits": (lambda: light(put("num_leaves", "9")), "a tree of 9 leaves has not 8 splits"),
    "lightgbm: a second number of features": (
        lambda: light(lambda text: text.replace("\nTree=0", "\nmax_feature_idx=70000\nTree=0", 1)),
        "a key twice",
    ),
    "lightgbm: the number of features as a key only": (
        lambda: light(lambda text: text.replace("\nTree=0", "\nmax_feature_idx\nTree=0", 1)),
        "a key twice",
    ),
    "lightgbm: a key behind another sign": (
        lambda: light(lambda text: text.replace("\nTree=0", "\n=max_feature_idx=0\nTree=0", 1)),
        "a line without a key",
    ),
    "lightgbm: digits of Python": (lambda: light(put("max_feature_idx", "7_0000")), "is not a list of integers"),
    "lightgbm: more features than an index has bits": (lambda: light(put("max_feature_idx", "4294967297")), "of 2147"),
    "lightgbm: a tree within a tree": (
        lambda: light(lambda text: re.sub("tree_sizes=.*\n", "", text).replace("\n\n\nTree=1", "\nTree=1")),
        "no end",
    ),
    "lightgbm: a second child": (
        lambda: light(put("left_child", "0\nleft_child=1")),
        "a key twice",
    ),
    "lightgbm: a line without a key": (lambda: light(put("num_cat", "1\nleft_child")), "a line without a key"),
    "lightgbm: another end of a line": (lambda: light(put("num_cat", "1\r")), "other ends of lines"),
    "lightgbm: categories that end early": (lambda: light(put("cat_boundaries", "5 1")), "boundaries of categories"),
    "lightgbm: a text of numpy": (lambda: as_numpy(light(put("split_feature", "70000"))), "is 70000, of 2"),
    "lightgbm: sizes that hide a tree": (
        lambda: light(lambda text: re.sub("tree_sizes=.*", "tree_sizes=9 9", text)),
        "the trees are not where their sizes say",
    ),
    "xgboost: a child far away": (lambda: extreme("left_children", 2**30), "a node is 1073741824, of "),
    "xgboost: a circle": (lambda: extreme("right_children", 0), "a tree leads to a node twice"),
    "xgboost: a feature far away": (lambda: extreme("split_indices", 70000), "is 70000, of 3"),
    "xgboost: an output far away": (lambda: extreme("tree_info", 9), "the output of a tree is 9, of 3"),
}


@pytest.mark.parametrize("case", BOOSTED)
def test_a_crafted_booster_is_refused(case: str) -> None:
    made, words = BOOSTED[case]
    artifact = made()
    with pytest.raises(ArtifactError) as raised:
        artifacts.load("what", artifact, skops.io.get_untrusted_types(data=artifact))
    assert words in str(raised.value)


@pytest.mark.parametrize("made", [lambda: light(str), lambda: extreme("left_children", 1)])
def test_a_booster_that_was_fitted_is_loaded(made: Callable[[], bytes]) -> None:
    artifact = made()
    artifacts.load("what", artifact, skops.io.get_untrusted_types(data=artifact))


def test_a_category_may_be_called_as_trees_are() -> None:
    model = LogisticRegression().fit(ROWS, TWO)
    model.note = "Christmas Tree=large"
    artifacts.load("what", skops.io.dumps(model), ())


def rewritten(artifact: bytes, **files: Callable[[bytes], bytes]) -> bytes:
    """Write an artifact again: its `schema`, or its `arrays`, changed."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(artifact)) as read, zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as write:
        for name in read.namelist():
            change = files.get("schema" if name == "schema.json" else "arrays", bytes)
            write.writestr(name, change(read.read(name)))
    return written.getvalue()


def test_a_tree_that_says_it_has_fewer_nodes_is_refused() -> None:
    def counted(schema: bytes) -> bytes:
        return json.dumps(changed(json.loads(schema))).encode()

    def changed(part: Any) -> Any:
        if isinstance(part, dict):
            new = {"node_count": {**part["node_count"], "content": "1", "__id__": -1}} if "node_count" in part else {}
            return {key: changed(value) for key, value in part.items()} | new
        return [changed(each) for each in part] if isinstance(part, list) else part

    with pytest.raises(ArtifactError, match="a tree says that it has 1 nodes, and has "):
        artifacts.load("what", rewritten(skops.io.dumps(fitted("tree")), schema=counted), ())


def bombs() -> dict[str, tuple[bytes, str]]:
    """Give small artifacts that want much memory, and what is said of each."""
    artifact = skops.io.dumps(LogisticRegression().fit(ROWS, TWO))
    huge = io.BytesIO()
    np.lib.format.write_array_header_1_0(huge, {"descr": "<f8", "fortran_order": False, "shape": (2**28,)})
    model = LogisticRegression().fit(ROWS, TWO)
    model.note = np.zeros(2**20)
    repeated = skops.io.dumps(model)
    with_sparse = LogisticRegression().fit(ROWS, TWO)
    with_sparse.note = sparse.csr_matrix((np.zeros(2**22), np.zeros(2**22, dtype=np.int32), [0, 2**22]))
    more = json.dumps({"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode", "type": "numpy"})
    (name,) = (each.filename for each in zipfile.ZipFile(io.BytesIO(repeated)).infolist() if each.file_size > 2**22)

    def named_often(schema: bytes) -> bytes:
        document = json.loads(schema)
        copies = [{**json.loads(more), "file": name, "__id__": number} for number in range(500)]
        document["content"]["content"]["copies"] = {
            "__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": copies, "__id__": -2
        }  # fmt: skip
        return json.dumps(document).encode()

    return {
        "a file that unpacks to 64 MB": (rewritten(artifact, arrays=lambda _: bytes(2**26)), "bytes of memory"),
        "an array that says it has 2 GB": (
            rewritten(artifact, arrays=lambda _: huge.getvalue()),
            "fewer than its shape",
        ),
        "one file, 500 times": (rewritten(repeated, schema=named_often), "bytes of memory"),
        "a packed matrix": (skops.io.dumps(with_sparse, compression=zipfile.ZIP_DEFLATED), "bytes of memory"),
    }


LIMITED = """
import resource, sys
from pathlib import Path
import skops.io, sklearn.linear_model, scipy.sparse
from mlbridge.errors import ArtifactError
from mlbridge.registry import artifacts
def used(): return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
for file in sorted(Path(sys.argv[1]).iterdir()):
    limit = used() + 100 * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    try:
        artifacts.load(file.name, file.read_bytes(), ())
    except ArtifactError as error:
        print(error)
"""


def test_bombs_are_refused_before_they_take_memory(tmp_path: Path) -> None:
    found = bombs()
    for name, (content, _) in found.items():
        assert len(content) < 2**21
        (tmp_path / name).write_bytes(content)
    output = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path], capture_output=True, text=True, check=True
    ).stdout
    for name, (_, words) in found.items():
        (line,) = (each for each in output.splitlines() if each.startswith(name))
        assert words in line
