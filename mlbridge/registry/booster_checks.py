"""Trees of LightGBM and XGBoost whose indices lead out of them: both libraries follow these without checks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

import numpy as np

from mlbridge.typing import Array, Document

LIGHTGBM_ARRAYS = (
    *("left_child", "right_child", "split_feature", "leaf_features", "decision_type"),
    *("cat_boundaries", "cat_threshold"),
)
# An index in LightGBM has 32 bits.
LIGHTGBM_MOST = 2**31 - 1


def check_lightgbm(text: str) -> None:
    """Raise ValueError where a tree in the text of a LightGBM model leads out of its arrays, or to a node twice.

    The text is checked, and not the booster: LightGBM writes to where the indices point while it reads the text. What
    it could read in another way than this function is refused: a key that comes twice, a number that is written oddly.
    """
    if "\r" in text or "\0" in text:
        raise ValueError("the text of a LightGBM model has other ends of lines than LightGBM writes")
    header, *trees = re.split(r"^(?=Tree=)", text, flags=re.MULTILINE)
    stated = _fields(filter(None, header.split("\n")))
    (highest,) = _integers(stated, "max_feature_idx")
    check_range("max_feature_idx", highest, LIGHTGBM_MOST)
    if "tree_sizes" in stated:
        end = trees[-1].find("end of trees") if trees else 0
        sizes = [len(tree.encode()) for tree in [*trees[:-1], *(tree[:end] for tree in trees[-1:])]]
        if _integers(stated, "tree_sizes").tolist() != sizes:
            raise ValueError("the trees are not where their sizes say")
    for tree in trees:
        block, end_of_block, _ = tree.partition("\n\n")
        lines = block.split("\n")
        if not end_of_block or not all("=" in line for line in lines):
            raise ValueError("a tree of a LightGBM model has a line without a key, or no end")
        _check_lightgbm_tree(_fields(lines), int(highest) + 1)


def _fields(lines: Iterable[str]) -> dict[str, str]:
    """Return the values by key, empty for a line that is a key only; raises ValueError for a key that comes twice."""
    fields: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition("=")
        if key in fields or not re.fullmatch("[A-Za-z_]+", key):
            raise ValueError("the text of a LightGBM model has a line without a key, or a key twice")
        fields[key] = value
    return fields


def _integers(fields: Mapping[str, str], name: str) -> Array:
    """Return the integers of a field; raises ValueError for digits that LightGBM does not read as Python does."""
    written = fields.get(name, "")
    if not re.fullmatch(r"(-?[0-9]{1,18}( -?[0-9]{1,18})*)?", written):
        raise ValueError(f"'{name}' of a LightGBM model is not a list of integers")
    return np.array(written.split(), dtype=np.int64)


def _check_lightgbm_tree(fields: Mapping[str, str], features: int) -> None:
    arrays = {name: _integers(fields, name) for name in LIGHTGBM_ARRAYS}
    if not re.fullmatch(r"[-+.0-9a-z ]*", fields.get("threshold", "")):
        raise ValueError("'threshold' of a LightGBM model is not a list of numbers")
    thresholds = np.array(fields.get("threshold", "").split(), dtype=np.float64)
    (leaves,), (categorical,) = (_integers(fields, name) for name in ("num_leaves", "num_cat"))
    children = np.concatenate([arrays["left_child"], arrays["right_child"]])
    if any(len(arrays[name]) != leaves - 1 for name in ("left_child", "right_child", "split_feature")):
        raise ValueError(f"a tree of {leaves} leaves has not {leaves - 1} splits")
    _check_children(children[children >= 0], leaves - 1)
    check_range("a leaf", -1 - children[children < 0], leaves)
    check_range("the feature of a node", np.concatenate([arrays["split_feature"], arrays["leaf_features"]]), features)
    by_category = arrays["decision_type"] & 1 == 1
    check_range("the categories of a node", thresholds[by_category], categorical)
    # Where the categories of each split begin, and where the last ones end.
    boundaries = arrays["cat_boundaries"]
    expected = [0, len(arrays["cat_threshold"])] if categorical else []
    found = [*boundaries[:1], *boundaries[-1:]]
    if (
        len(boundaries) != (categorical + 1 if categorical else 0)
        or (np.diff(boundaries) < 0).any()
        or found != expected
    ):
        raise ValueError("the boundaries of categories do not fit the categories")


def check_xgboost(booster: Any) -> None:
    """Raise ValueError where a tree of an XGBoost booster leads out of its arrays, or to a node twice."""
    learner = json.loads(bytes(booster.save_raw(raw_format="json")))["learner"]
    boosted = learner["gradient_booster"]
    model: Document = boosted.get("gbtree", boosted)["model"]
    for tree in model.get("trees", ()):  # a linear booster has none
        left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
        inner = left != -1
        _check_children(np.concatenate([left[inner], right[inner]]), len(left))
        check_range("the feature of a node", np.array(tree["split_indices"])[inner], booster.num_features())
        ends = np.add(tree["categories_segments"], tree["categories_sizes"])
        check_range("the end of a node's categories", ends, len(tree["categories"]) + 1)
        check_range("the node of categories", np.array(tree["categories_nodes"]), len(left))
    outputs = max(int(learner["learner_model_param"][name]) for name in ("num_class", "num_target"))
    check_range("the output of a tree", np.array(list(chain(model.get("tree_info", ())))), max(1, outputs))


def check_range(what: str, values: Array, count: int) -> None:
    """Raise ValueError for a value that is no index of `count` items."""
    wrong = values[(values < 0) | (values >= count)]
    if len(wrong):
        raise ValueError(f"{what} is {wrong[0]}, of {count}")


def _check_children(children: Array, count: int) -> None:
    """Check that each node is the child of one, and the root, which is node 0, of none: so there is no circle."""
    check_range("the child of a node", children, count)
    if len(np.unique(children)) != len(children) or (children == 0).any():
        raise ValueError("a tree leads to a node twice")
