"""The spec: each key, what it may say, and how the error reads when it says something else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbridge.errors import SpecError
from mlbridge.spec.reading import KEYS, read_spec
from mlbridge.spec.specification import (
    NON_TRAINING_KEYS,
    Monitor,
    Retrain,
    RowSample,
    Spec,
    Split,
    stored_spec,
)

NODE = "late_training"
LEAST = {"task": "classification", "target": "is_late", "entity": "id", "time": "at"}


def _read(*own: str, **changes: Any) -> Spec:
    return read_spec(NODE, {**LEAST, **changes}, own)


def _error(raw: Any, *own: str) -> str:
    with pytest.raises(SpecError) as caught:
        read_spec(NODE, raw, own)
    assert str(caught.value).startswith(f"{NODE}: ")
    return str(caught.value)


# --- what is there ----------------------------------------------------------------------------------------


def test_the_defaults_are_those_of_the_manual() -> None:
    assert _read().as_dict() == {
        "task": "classification",
        "target": "is_late",
        "entity": ("id",),
        "time": "at",
        "label_time": None,
        "features": None,
        "exclude": (),
        "split": {"by": "time", "validation": 0.15, "test": 0.15, "gap": "0 days", "group": None},
        "candidates": ("logistic_regression", "random_forest", "hist_gradient_boosting"),
        "metric": "average_precision",
        "promote": {"confidence": 0.95, "min_gain": 0.0, "block": None},
        "retrain": {
            "max_age": None, "max_drift": None, "max_decay": None, "min_new_labels": None, "cool_down": "7 days",
        },
        "shadow": False,
        "canary": 0.0,
        "monitor": {"window": "month", "slices": (), "thresholds": {}, "feature_thresholds": {}},
        "pin": None,
        "trusted": (),
        "retire": (),
        "allow_leakage": {},
        "allow_pii": {},
        "report": (),
        "time_zone": "UTC",
        "sample": {"rows": None, "by": "entity"},
    }  # fmt: skip
    regression = _read(task="regression")
    assert regression.metric == "rmse"
    assert regression.candidates == ("ridge", "random_forest", "hist_gradient_boosting")


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("entity", ["origin", "flight"], ("origin", "flight")),
        ("label_time", "landed_at", "landed_at"),
        ("features", ["x", "y"], ("x", "y")),
        ("features", "x", ("x",)),
        ("split", {"gap": "2 weeks"}, Split(gap="2 weeks")),
        ("split", {"by": "hash", "group": "plane"}, Split(by="hash", group="plane")),
        ("split", {"by": "word", "validation": 0.2}, Split(by="word", validation=0.2)),
        ("candidates", "random_forest", ("random_forest",)),
        ("candidates", ["random_forest", "logistic_regression"], ("random_forest", "logistic_regression")),
        ("metric", "log_loss", "log_loss"),
        ("pin", 3, 3),
        ("trusted", ["my.Type"], ("my.Type",)),
        ("retire", [4, 3, 4], (3, 4)),
        ("allow_leakage", {"x": "known at booking"}, {"x": "known at booking"}),
        ("allow_pii", {"x": "they agreed"}, {"x": "they agreed"}),
        ("sample", {"rows": 1000000}, RowSample(1_000_000)),
        ("sample", {"rows": 1000, "by": "row"}, RowSample(1000, "row")),
        ("retrain", {"max_age": "90 days"}, Retrain(max_age="90 days")),
        ("retrain", {"max_age": "1 minute", "cool_down": "0 days"}, Retrain(max_age="1 minute", cool_down="0 days")),
        ("retrain", {"max_drift": 0.3, "max_decay": 0}, Retrain(max_drift=0.3, max_decay=0.0)),
        ("retrain", {"min_new_labels": 5000, "cool_down": None}, Retrain(min_new_labels=5000)),
        ("shadow", True, True),
        ("canary", 0.1, 0.1),
        ("monitor", {"thresholds": {"psi": 0.2, "roc_auc": 0.7}}, Monitor(thresholds={"psi": 0.2, "roc_auc": 0.7})),
        ("monitor", {"feature_thresholds": {"x": {"ks": 0}, "ml_target": {"psi": 1}}},
         Monitor(feature_thresholds={"x": {"ks": 0.0}, "ml_target": {"psi": 1.0}})),
        ("monitor", {"thresholds": None, "feature_thresholds": None}, Monitor()),
        ("monitor", {"feature_thresholds": {"x": None}}, Monitor(feature_thresholds={"x": {}})),
    ],
)  # fmt: skip
def test_each_key_is_read(key: str, value: Any, read: Any) -> None:
    assert getattr(_read(**{key: value}), key) == read


def test_nested_keys_are_read_and_the_others_keep_their_defaults() -> None:
    spec = _read(
        promote={"min_gain": 0.01},
        monitor={"slices": ["carrier"]},
        features={"exclude": ["x"]},
        retrain={"max_age": None},
    )
    assert (spec.promote.confidence, spec.promote.min_gain) == (0.95, 0.01)
    assert (spec.monitor.window, spec.monitor.slices) == ("month", ("carrier",))
    assert (spec.features, spec.exclude) == (None, ("x",))


@pytest.mark.parametrize("key", [key for key in KEYS if key not in LEAST])
def test_a_key_left_empty_is_the_default(key: str) -> None:
    assert _read(**{key: None}) == _read()


def test_own_candidates_stand_beside_the_named_ones() -> None:
    assert _read("mine", candidates=["random_forest"]).candidates == ("random_forest", "mine")
    assert _read("mine", candidates=["mine"]).candidates == ("mine",)
    assert _read("mine", candidates=[]).candidates == ("mine",)


def test_columns_with_a_role_are_no_features() -> None:
    spec = _read(entity=["id", "leg"], label_time="landed_at", split={"by": "hash", "group": "plane"})
    added = {"ml_split", "ml_split_definition"}
    assert spec.role_columns() == {"id", "leg", "at", "landed_at", "is_late", "plane", *added}
    assert _read(split={"by": "word"}).role_columns() == {"id", "at", "is_late", "word", *added}


# --- what is wrong ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [None, "classification", ["task"], 3])
def test_no_spec_at_all(raw: Any) -> None:
    assert "found no `config: {meta: {mlbridge: ...}}`" in _error(raw)


@pytest.mark.parametrize("key", LEAST)
@pytest.mark.parametrize("empty", [None, "", [], "absent"])
def test_a_missing_key_is_named(key: str, empty: Any) -> None:
    raw: dict[str, Any] = {**LEAST, key: empty}
    if empty == "absent":
        del raw[key]
    error = _error(raw)
    assert f"`mlbridge.{key}`: is {'missing' if empty == 'absent' else 'empty'}" in error
    assert "in the node's YAML" in error


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "clasification"}, ["task", "found 'clasification'", "mean 'classification'", "'regression'"]),
        ({"task": ["classification"]}, ["task", "Allowed: 'classification', 'regression'"]),
        ({"metirc": "roc_auc"}, ["mlbridge.metirc", "unknown key", "mean 'metric'", "'label_time'"]),
        ({"metric": "auc"}, ["metric", "found 'auc'", "mean 'roc_auc'", "'log_loss'"]),
        ({"metric": "rmse"}, ["metric", "found 'rmse'", "'average_precision'"]),
        ({"metric": 0}, ["metric", "found 0"]),
        ({"task": "regression", "metric": "roc_auc"}, ["metric", "found 'roc_auc'", "'rmse', 'mae'"]),
        ({"candidates": ["logistic_regresion"]}, ["candidates", "mean 'logistic_regression'", "'random_forest'"]),
        ({"candidates": ["ridge"]}, ["candidates", "found 'ridge'", "'logistic_regression'"]),
        ({"candidates": []}, ["candidates", "is empty", "'logistic_regression'"]),
        ({"candidates": [3]}, ["candidates", "name of a candidate", "found 3"]),
        ({"candidates": {"a": 1}}, ["candidates", "name of a candidate or a list"]),
        ({"candidates": ["random_forest", "random_forest"]}, ["candidates", "holds a name twice"]),
        ({"target": 3}, ["target", "name of a column", "found 3"]),
        ({"target": {"a": 1}}, ["target", "name of a column"]),
        ({"entity": ["id", None]}, ["entity", "name of a column", "found nothing"]),
        ({"entity": ["id", "id"]}, ["entity", "holds a name twice"]),
        ({"time": ["at"]}, ["time", "name of a column", "found ['at']"]),
        ({"label_time": ""}, ["label_time", "name of a column"]),
        ({"features": {"exlude": ["x"]}}, ["mlbridge.features.exlude", "unknown key", "mean 'exclude'"]),
        ({"features": {"exclude": 7}}, ["features.exclude", "found 7"]),
        ({"features": 7}, ["features", "found 7"]),
        ({"split": "time"}, ["mlbridge.split`", "expected keys among 'by'", "found 'time'"]),
        ({"split": {"ratio": 0.2}}, ["mlbridge.split.ratio", "unknown key", "'validation'"]),
        ({"split": {"by": 3}}, ["split.by", "'time', 'hash' or", "found 3"]),
        ({"split": {"validation": 0}}, ["split.validation", "between 0 and 1", "found 0"]),
        ({"split": {"test": "15 %"}}, ["split.test", "between 0 and 1", "found '15 %'"]),
        ({"split": {"test": True}}, ["split.test", "found true"]),
        ({"split": {"test": float("nan")}}, ["split.test", "found .nan"]),
        ({"split": {"validation": 0.5, "test": 0.5}}, ["mlbridge.split`", "leave no rows to train on"]),
        ({"split": {"gap": "a week"}}, ["split.gap", "'7 days'", "found 'a week'"]),
        ({"split": {"gap": 7}}, ["split.gap", "found 7"]),
        ({"split": {"gap": "1 month"}}, ["split.gap", "minutes, hours, days or weeks"]),
        ({"split": {"by": "hash", "gap": "1 day"}}, ["split.gap", "needs `by: time`", "found `by: hash`"]),
        ({"split": {"group": "plane"}}, ["split.group", "needs `by: hash`", "found `by: time`"]),
        ({"promote": {"confidense": 0.9}}, ["promote.confidense", "mean 'confidence'"]),
        ({"promote": {"confidence": 95}}, ["promote.confidence", "between 0.5 and 1", "found 95"]),
        ({"promote": {"min_gain": -0.1}}, ["promote.min_gain", "from 0 on", "found -0.1"]),
        ({"promote": {"min_gain": float("inf")}}, ["promote.min_gain", "found .inf"]),
        ({"promote": 0.9}, ["mlbridge.promote`", "expected keys among 'confidence', 'min_gain'", "found 0.9"]),
        ({"retrain": {"max_age": "3 months"}}, ["retrain.max_age", "'7 days'", "found '3 months'"]),
        ({"retrain": {"max_age": "30 days\n"}}, ["retrain.max_age", "found '30 days\\n'"]),
        ({"retrain": {"max_age": 30}}, ["retrain.max_age", "minutes, hours, days or weeks", "found 30"]),
        ({"retrain": {"max_age": "5218 weeks"}}, ["retrain.max_age", "at most 100 years"]),
        ({"retrain": {"max_age": "9" * 5000 + " weeks"}}, ["retrain.max_age", "at most 100 years"]),
        ({"retrain": {"cool_down": "soon"}}, ["retrain.cool_down", "found 'soon'"]),
        ({"retrain": {"max_drift": 0}}, ["retrain.max_drift", "a number above 0", "found 0"]),
        ({"retrain": {"max_drift": "0.3"}}, ["retrain.max_drift", "found '0.3'"]),
        ({"retrain": {"max_drift": 10**400}}, ["retrain.max_drift", "found 1000"]),
        ({"retrain": {"max_decay": -0.01}}, ["retrain.max_decay", "from 0 on, in the metric's unit", "found -0.01"]),
        ({"retrain": {"max_decay": True}}, ["retrain.max_decay", "found true"]),
        ({"retrain": {"min_new_labels": 0}}, ["retrain.min_new_labels", "a whole number from 1 on", "found 0"]),
        ({"retrain": {"min_new_labels": 1e3}}, ["retrain.min_new_labels", "found 1000.0"]),
        ({"retrain": {"min_new_labels": True}}, ["retrain.min_new_labels", "found true"]),
        ({"retrain": {"maximum": 1}}, ["retrain.maximum", "unknown key", "'max_decay'"]),
        ({"retrain": {"max_drfit": 1}}, ["retrain.max_drfit", "mean 'max_drift'?"]),
        ({"retrain": "90 days"}, ["mlbridge.retrain`", "expected keys among 'max_age'", "found '90 days'"]),
        ({"shadow": "yes"}, ["mlbridge.shadow`", "expected true or false", "found 'yes'"]),
        ({"shadow": 1}, ["mlbridge.shadow`", "found 1"]),
        ({"canary": 1}, ["mlbridge.canary`", "a number between 0 and 1", "found 1"]),
        ({"canary": True}, ["mlbridge.canary`", "found true"]),
        ({"shado": True}, ["mlbridge.shado`", "mean 'shadow'?"]),
        ({"monitor": {"thresholds": {"psy": 0.2}}}, ["monitor.thresholds.psy", "mean 'psi'?", "'wasserstein'"]),
        ({"monitor": {"thresholds": {"rmse": 3}}}, ["monitor.thresholds.rmse", "unknown key", "'average_precision'"]),
        ({"task": "regression", "monitor": {"thresholds": {"roc_auc": 0.7}}},
         ["monitor.thresholds.roc_auc", "unknown key", "'median_absolute_error'"]),
        ({"monitor": {"thresholds": {"psi": -0.1}}}, ["monitor.thresholds.psi", "a number from 0 on", "found -0.1"]),
        ({"monitor": {"thresholds": {"roc_auc": None}}}, ["monitor.thresholds.roc_auc", "a number", "found nothing"]),
        ({"monitor": {"thresholds": {"f1": float("nan")}}}, ["monitor.thresholds.f1", "found .nan"]),
        ({"monitor": {"thresholds": 0.2}}, ["monitor.thresholds`", "expected keys among 'psi'", "found 0.2"]),
        ({"monitor": {"feature_thresholds": {"x": {"roc_auc": 1}}}},
         ["monitor.feature_thresholds.x.roc_auc", "unknown key", "'psi'"]),
        ({"monitor": {"feature_thresholds": {"x": 0.2}}}, ["monitor.feature_thresholds.x`", "found 0.2"]),
        ({"monitor": {"feature_thresholds": ["x"]}}, ["monitor.feature_thresholds`", "feature names to thresholds"]),
        ({"monitor": {"feature_thresholds": {3: {"psi": 1}}}}, ["monitor.feature_thresholds`", "found 3"]),
        ({"monitor": {"window": "year"}}, ["monitor.window", "found 'year'", "'month'"]),
        ({"monitor": {"slice": "carrier"}}, ["monitor.slice", "mean 'slices'"]),
        ({"monitor": {"slices": 0}}, ["monitor.slices", "found 0"]),
        ({"pin": 0}, ["pin", "number of a version in ml_versions", "found 0"]),
        ({"pin": True}, ["pin", "found true"]),
        ({"pin": "3"}, ["pin", "found '3'"]),
        ({"trusted": [3]}, ["trusted", "name of a type", "found 3"]),
        ({"retire": 3}, ["retire", "a list of versions such as [3]", "found 3"]),
        ({"retire": [0]}, ["retire", "number of a version in ml_versions", "found 0"]),
        ({"retire": ["3"]}, ["retire", "found '3'"]),
        ({"retire": [2, 3], "pin": 3}, ["retire", "names version 3, which `pin` names as well"]),
        ({"allow_leakage": ["x"]}, ["allow_leakage`", "from column names to reasons", "found ['x']"]),
        ({"allow_leakage": {"x": ""}}, ["allow_leakage.x`", "the reason as a text", "found ''"]),
        ({"allow_leakage": {"x": True}}, ["allow_leakage.x`", "found true"]),
        ({"allow_pii": {"x": ""}}, ["allow_pii.x`", "the reason as a text", "found ''"]),
        ({"allow_leakage": {3: "known"}}, ["allow_leakage`", "name of a column", "found 3"]),
        ({"sample": 1000}, ["sample`", "expected keys among 'rows', 'by'", "found 1000"]),
        ({"sample": {"rows": 999}}, ["sample.rows", "a whole number from 1000 on", "found 999"]),
        ({"sample": {"rows": 1e6}}, ["sample.rows", "a whole number from 1000 on", "found 1000000.0"]),
        ({"sample": {"rows": 1000, "by": "id"}}, ["sample.by", "found 'id'", "'entity', 'row'"]),
        ({3: 4}, ["mlbridge.3", "unknown key"]),
    ],
)  # fmt: skip
def test_the_error_says_what_came_what_is_allowed_and_the_nearest_word(
    changes: dict[Any, Any], words: list[str]
) -> None:
    error = _error({**LEAST, **changes})
    for word in words:
        assert word in error


def test_an_own_candidate_must_not_take_a_stock_name() -> None:
    error = _error(LEAST, "random_forest")
    assert "'random_forest' is a stock candidate's name; choose another for your own" in error


def test_a_misspelt_own_candidate_is_found() -> None:
    assert "Did you mean 'my_forest'?" in _error({**LEAST, "candidates": ["my_forst"]}, "my_forest")


@given(st.sampled_from(KEYS), st.data())
def test_a_key_with_one_letter_dropped_is_recognized(key: str, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(key) - 1))
    found = key[:index] + key[index + 1 :]
    error = _error({**LEAST, found: 1})
    assert f"`mlbridge.{found}`: unknown key." in error
    assert f"'{key}'" in error
    if len(key) > 3:
        assert f"Did you mean '{key}'?" in error


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(KEYS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=6), JUNK, max_size=4))
@settings(max_examples=300)
def test_whatever_stands_there_is_read_or_refused_by_the_name_of_the_node(raw: dict[str, Any]) -> None:
    try:
        spec = read_spec(NODE, {**LEAST, **raw})
    except SpecError as error:
        assert str(error).startswith(f"{NODE}: `mlbridge.")  # noqa: PT017
    else:
        assert stored_spec(json.loads(json.dumps(spec.as_dict()))) == spec


# --- kept and compared ------------------------------------------------------------------------------------


def test_a_stored_spec_comes_back_equal() -> None:
    spec = _read(
        entity=["a", "b"],
        features={"exclude": ["x"]},
        split={"by": "hash", "group": "g"},
        monitor={"slices": "c", "thresholds": {"psi": 0.2}, "feature_thresholds": {"x": {"ks": 0.3}}},
        retrain={"max_age": "90 days", "max_drift": 0.3, "max_decay": 0.02, "min_new_labels": 5, "cool_down": "1 day"},
        shadow=True,
        canary=0.1,
    )
    assert stored_spec(json.loads(json.dumps(spec.as_dict()))) == spec


CHANGES: dict[str, Any] = {
    "task": "regression",
    "target": "other",
    "entity": ["id", "leg"],
    "time": "other",
    "label_time": "landed_at",
    "features": {"exclude": ["x"]},
    "split": {"test": 0.2},
    "candidates": ["random_forest"],
    "metric": "roc_auc",
    "promote": {"min_gain": 0.1},
    "retrain": {"max_age": "90 days", "cool_down": "1 day"},
    "shadow": True,
    "canary": 0.1,
    "monitor": {"window": "week", "thresholds": {"psi": 1}, "feature_thresholds": {"x": {"ks": 1}}},
    "pin": 2,
    "trusted": ["my.Type"],
    "retire": [2],
    "allow_leakage": {"x": "known at booking"},
    "allow_pii": {"x": "they agreed"},
    "report": ["region"],
    "time_zone": "Europe/Amsterdam",
    "sample": {"rows": 1000},
}


@pytest.mark.parametrize("key", KEYS)
def test_the_hash_changes_with_what_defines_the_training_and_with_nothing_else(key: str) -> None:
    changed = _read(**{key: CHANGES[key]})
    assert (changed.hash({}) == _read().hash({})) == (key in NON_TRAINING_KEYS)


def test_the_hash_changes_with_the_definition_of_a_candidate() -> None:
    spec = _read("mine")
    assert spec.hash({"mine": {"depth": 3}}) == spec.hash({"mine": {"depth": 3}})
    assert spec.hash({"mine": {"depth": 3}}) != spec.hash({"mine": {"depth": 4}})


# What mlbridge 0.1.0 wrote into a logbook for the specs below, before it knew any of today's other keys.
OLD_DOCUMENT = {
    "task": "regression", "target": "delay", "entity": ["id", "leg"], "time": "at", "label_time": "landed_at",
    "features": None, "exclude": ["y"],
    "split": {"by": "time", "validation": 0.15, "test": 0.15, "gap": "2 days", "group": None},
    "candidates": ["ridge", "random_forest", "hist_gradient_boosting", "mine"], "metric": "rmse",
    "promote": {"confidence": 0.95, "min_gain": 0.0},
    "retrain": {"max_age": None, "max_drift": None, "max_decay": None, "min_new_labels": None},
    "monitor": {"window": "week", "slices": ["carrier"]}, "pin": 2, "trusted": ["a.B"],
}  # fmt: skip
OLD_SPEC: dict[str, Any] = {
    "task": "regression", "target": "delay", "entity": ["id", "leg"], "time": "at", "label_time": "landed_at",
    "features": {"exclude": ["y"]}, "split": {"gap": "2 days"}, "monitor": {"window": "week", "slices": ["carrier"]},
    "pin": 2, "trusted": ["a.B"],
}  # fmt: skip


def test_a_spec_that_an_older_version_stored_is_read_and_hashes_as_it_did() -> None:
    assert _read().hash({}) == "812ca50caa9063eb0557fe2f0ee287f4"
    spec = read_spec(NODE, OLD_SPEC, ("mine",))
    assert stored_spec(OLD_DOCUMENT) == spec
    assert spec.hash({"mine": {"depth": 3}}) == "797058ee7cd9338c67bbe7e549883fdb"
