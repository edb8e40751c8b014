"""Fits on all rows, batch by batch, while memory holds a sample of them: the same trees as from a frame."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from branch import Branch
from estimators import Steady
from lightgbm import LGBMClassifier, LGBMRegressor, early_stopping
from xgboost import XGBClassifier, XGBRegressor

from mlbridge.catalogue.candidates import trusted_with
from mlbridge.errors import TrainingError
from mlbridge.features import frame
from mlbridge.features.columns import Feature, FetchedFeature
from mlbridge.registry import artifacts
from mlbridge.training import candidates, out_of_core, room, rows_file

SPLITS = "case when i < 1400 then 'train' when i < 1700 then 'validation' else 'test' end"
# 300 planes are more than XGBoost is given; each is there five times or so.
FEATURES = {"gap": "case when i % 3 > 0 then other end", "plane": "'N' || (i * 17 % 300)", "seats": "i * 31 % 400"}
TARGETS = {
    "two": "x + noise > 0",
    "many": "case when x + noise > 0.5 then 'late' when x + noise > -0.5 then 'fair' else 'early' end",
    "number": "x + noise",
}
NAMES = ("xgboost", "lightgbm")
TRUSTED = trusted_with(NAMES)
SAMPLE = {"rows": 1000, "by": "row"}


def _branch(target: str = "two", **spec: Any) -> Branch:
    """A branch of 2,000 labelled rows."""
    task = {"task": "regression", "metric": "rmse"} if target == "number" else {}
    branch = Branch(**{"candidates": ["xgboost"], **task, **spec})
    branch.split({**FEATURES, "is_late": TARGETS[target], "ml_split": SPLITS}, where="i < 2000")
    return branch


def _trees(row: dict[str, Any]) -> list[str]:
    read = artifacts.load("it", row["artifact"], TRUSTED)
    return _dump(read[-1])


def _dump(model: Any) -> list[str]:
    if isinstance(model, LGBMClassifier | LGBMRegressor):
        trees = model.booster_.model_to_string(num_iteration=model.best_iteration_).partition("end of trees")[0]
        # Up to the first tree stand the sizes of their texts, and facts of the features.
        return [each.partition("\nshrinkage=")[0] for each in trees.split("\nTree=")[1:]]
    found: list[str] = model.get_booster().get_dump(dump_format="json", with_stats=True)
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("target", TARGETS)
def test_a_fit_on_batches_is_the_fit_from_a_frame(target: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_file, "BATCH_CELLS", 3000)
    whole = _branch(target, candidates=[name]).train()
    monkeypatch.setattr(frame, "FETCH_BATCH_CELLS", 485)
    sampled = _branch(target, candidates=[name]).train(sample=SAMPLE)
    assert sampled["artifact"] == whole["artifact"]
    assert sampled["rows_train"] == whole["rows_train"] == 1400
    assert (whole["rows_validation"], whole["rows_test"]) == (300, 300)
    document = json.loads(sampled["params"])["sample"]
    assert document["of"] == {"train": 1400, "validation": 300, "test": 300}
    assert document["by"] == "row"
    assert (document["rows"]["validation"], document["rows"]["test"]) == (
        sampled["rows_validation"], sampled["rows_test"],
    )  # fmt: skip
    assert 900 < sum(document["rows"].values()) < 1100
    assert "sample" not in json.loads(whole["params"])
    assert sampled["data_hash"] != whole["data_hash"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("target", TARGETS)
def test_in_one_batch_it_is_the_fit_of_the_library_itself(target: str, name: str) -> None:
    branch = _branch(target, candidates=[name])
    row = branch.train()
    read = artifacts.load("it", row["artifact"], TRUSTED)
    rows = branch.rows("from late_split order by id[2:]::int")
    texts = list(read[0].named_transformers_["frequent"].categories_[-1])
    known = {text: code for code, text in enumerate(texts[:-1])}
    carriers = {"AA": 0, "B6": 1, "UA": 2}
    inputs = np.array([[each["x"], np.nan if each["gap"] is None else each["gap"], each["seats"],
                        carriers[each["carrier"]], known.get(each["plane"], 254)] for each in rows])  # fmt: skip
    labels = sorted({each["is_late"] for each in rows}) if target != "number" else []
    outcome = np.array([labels.index(each["is_late"]) if labels else each["is_late"] for each in rows])
    params = json.loads(row["params"])["estimator"]["steps"][-1][-1]
    parts = [(inputs[begin:end], outcome[begin:end]) for begin, end in ((0, 1400), (1400, 1700))]
    assert _trees(row) == BY_HAND[name](target, params, *parts)
    assert len(texts) == 255


def _xgboost_by_hand(target: str, params: dict[str, Any], train: Any, validation: Any) -> list[str]:
    booster = XGBRegressor if target == "number" else XGBClassifier
    chosen = ("n_estimators", "early_stopping_rounds", "learning_rate", "max_depth",
              "min_child_weight", "tree_method", "max_bin", "random_state")  # fmt: skip
    by_hand = booster(
        **{name: params[name] for name in chosen}, enable_categorical=True, feature_types=["q", "q", "q", "c", "c"]
    )
    by_hand.fit(*train, eval_set=[validation], verbose=False)
    found: list[str] = by_hand.get_booster()[: by_hand.best_iteration + 1].get_dump(dump_format="json", with_stats=True)
    return found


def _lightgbm_by_hand(target: str, params: dict[str, Any], train: Any, validation: Any) -> list[str]:
    booster = LGBMRegressor if target == "number" else LGBMClassifier
    chosen = ("n_estimators", "learning_rate", "num_leaves", "min_child_samples", "deterministic",
              "force_col_wise", "random_state", "verbosity")  # fmt: skip
    by_hand = booster(**{name: params[name] for name in chosen})
    stop = early_stopping(20, verbose=False)
    by_hand.fit(*train, eval_X=validation[0], eval_y=validation[1], categorical_feature=[3, 4], callbacks=[stop])
    return _dump(by_hand)


BY_HAND = {"xgboost": _xgboost_by_hand, "lightgbm": _lightgbm_by_hand}


def test_it_stops_by_the_loss_that_scoring_has_where_texts_are_unseen() -> None:
    branch = _branch(features=["x", "port"])
    port = "case when i < 1400 then 'p' || (10 + i % 40) else 'new' || i end"
    late = "x + noise > case when i < 1400 and i % 40 > 20 then 1 else -1 end"
    branch.split({"port": port, "is_late": late, "ml_split": SPLITS}, where="i < 2000")
    row = branch.train()
    stopped = artifacts.load("it", row["artifact"], TRUSTED)[-1].get_booster().attr("best_score")
    (loss,) = (
        each["value"] for each in json.loads(row["metrics"])
        if (each["split"], each["slice"], each["metric"]) == ("validation", "all", "log_loss")
    )  # fmt: skip
    assert float(stopped) == pytest.approx(loss, rel=1e-5)
    assert row["scoring_sql_note"] is None  # SQL gives for these rows what Python does


@pytest.mark.parametrize("name", NAMES)
def test_a_version_scores_as_sql_what_it_scores_in_python_and_the_gate_had_the_sampled_rows(name: str) -> None:
    branch = _branch("many", candidates=[name], sample=SAMPLE)
    row = branch.train()
    assert (row["outcome"], row["scoring_sql_note"]) == ("promoted", None)
    figures = [each for each in json.loads(row["metrics"]) if each["split"] == "test" and each["slice"] == "all"]
    assert {each["n"] for each in figures} == {row["rows_test"]} != {300}
    rows = branch.predict()
    assert len(rows) == 300
    assert {each["prediction"] for each in rows} == {"late", "fair", "early"}


def test_a_candidate_that_needs_the_frame_is_fitted_on_the_sample() -> None:
    branch = _branch(sample=SAMPLE)
    branch.train(candidates=["xgboost", "logistic_regression"])
    rows = {row["candidate"]: row for row in branch.logbook()}
    sample = json.loads(rows["logistic_regression"]["params"])["sample"]
    assert rows["logistic_regression"]["rows_train"] == sample["rows"]["train"] < 800
    assert rows["xgboost"]["rows_train"] == sample["of"]["train"] == 1400
    assert rows["xgboost"]["rows_test"] == rows["logistic_regression"]["rows_test"] == sample["rows"]["test"]


def test_a_sample_is_of_every_part_of_a_split_by_hash() -> None:
    branch = _branch(sample={"rows": 1000})
    words = "case when md5(id) < '3' then 'validation' when md5(id) < '6' then 'test' else 'train' end"
    columns = {**FEATURES, "id": "'k' || i % 500", "is_late": TARGETS["two"]}
    branch.split({**columns, "ml_split": "''"}, where="i < 2000")
    branch.execute(f"update late_split set ml_split = {words}")
    row = branch.train(split={"by": "ml_split"})
    sample = json.loads(row["params"])["sample"]
    assert sample["by"] == "entity"
    for part, rows in sample["of"].items():
        assert sample["rows"][part] == pytest.approx(rows / 2, rel=0.25), part
        assert sample["rows"][part] % 4 == 0  # an entity has four rows, all of one part


def test_the_sample_is_the_same_whatever_the_order_of_the_rows() -> None:
    branch = _branch(sample=SAMPLE, candidates=["logistic_regression"])
    first = branch.train()
    branch.execute("create or replace table late_split as from late_split order by hash(id)")
    assert branch.retrain()["data_hash"] == first["data_hash"]


def test_a_sample_that_is_too_small_trains_nothing_and_says_what_it_lacks() -> None:
    branch = _branch()
    branch.execute("update late_split set is_late = (substring(id, 2)::int % 50 = 0)")  # 6 rows of 300
    row = branch.train(sample={"rows": 1000})
    assert row["outcome"] == "not_trained"
    assert "because the sample is too small: " in row["reason"]
    assert "rows of the class" in row["reason"]
    assert row["reason"].endswith("Raise `sample.rows`, or sample `by: row`")


def test_a_sample_in_which_a_feature_is_constant_trains_nothing() -> None:
    branch = _branch()
    branch.execute("alter table late_split add column rare int default 0")
    low = "select id from late_split where ml_split = 'train' order by md5('ml_sample ' || id) desc limit 1"
    branch.execute(f"update late_split set rare = 1 where id = ({low})")
    reason = branch.train(sample={"rows": 1000})["reason"]
    assert "too small: the feature 'rare' is constant: 0" in reason


def test_what_the_sample_lacks_is_in_the_profile() -> None:
    """The monitor takes for new only what no training row had, whatever the sample has."""
    branch = _branch(candidates=["logistic_regression"], sample={"rows": 1000})
    branch.execute("alter table late_split add column customer text")
    branch.execute("update late_split set customer = case when id != 'k3' then id end")  # a text names the entity
    bins = [each for each in json.loads(branch.train()["profile"]) if each["feature"] == "customer"]
    listed = {each["category"] for each in bins if each["category"]}
    assert listed == {f"k{i}" for i in range(1400) if i != 3}
    assert {each["bin"]: each["rows"] for each in bins if each["category"] is None} == {-1: 1, 1399: 0}
    assert sum(each["share"] for each in bins) == pytest.approx(1)


@pytest.mark.parametrize(
    "change",
    ["update late_split set is_late = not is_late where id = (select max(id) from late_split where ml_split = 'test' "
     "and md5('ml_sample ' || id || \"at\") < '4')",
     "update late_split set carrier = 'ZZ' where carrier = 'UA'"],
    ids=["an outcome of a test row", "the name of a text"],
)  # fmt: skip
def test_the_hash_is_of_all_that_was_read(change: str) -> None:
    branch = _branch(sample=SAMPLE)
    before = branch.train()["data_hash"]
    assert branch.retrain()["data_hash"] == before
    branch.execute(change)
    assert branch.retrain()["data_hash"] != before


def test_a_version_scores_on_when_the_spec_names_other_candidates() -> None:
    branch = _branch()
    assert branch.train()["outcome"] == "promoted"
    row = branch.train(candidates=["logistic_regression"])
    assert "of the champion (version 1)" in row["reason"]  # one that cannot be read is not compared


def test_a_disk_without_room_is_said_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out_of_core.shutil, "disk_usage", lambda _: SimpleNamespace(free=1700 * 6 * 5 - 1))
    _branch().refuses(TrainingError, "'xgboost' needs about 0.0 GiB for temporary files", "Set TMPDIR", own=None)


@pytest.mark.parametrize("name", NAMES)
def test_the_number_of_threads_does_not_move_the_trees(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    built, found = candidates._BUILD[name], []
    for threads in (1, 2):
        with monkeypatch.context() as patch:
            patch.setitem(
                candidates._BUILD,
                name,
                lambda inputs, threads=threads: _with_threads(built(inputs), threads),
            )
            found.append(_trees(_branch(candidates=[name]).train()))
    assert found[0] == found[1]


def _with_threads(pipeline: Any, threads: int) -> Any:
    pipeline[-1].set_params(n_jobs=threads)
    return pipeline


@pytest.mark.parametrize("name", NAMES)
def test_a_package_that_is_not_installed_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    needs, remedy = f"the candidate '{name}' needs a package", f"Install `mlbridge[{name}]`"
    _branch(candidates=[name]).refuses(TrainingError, needs, remedy, own=None)


def test_a_number_beyond_32_bits_is_named() -> None:
    branch = _branch()
    branch.execute("alter table late_split alter x type double")
    branch.execute("update late_split set x = 1e39 where id = 'k7'")
    branch.refuses(TrainingError, "too large for a 32-bit float", "the feature 'x'", own=None)


# --- room -------------------------------------------------------------------------------------------------


def test_a_training_that_memory_does_not_hold_is_refused_before_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "FIXED", 0)
    monkeypatch.setattr(room, "free_bytes", lambda: 300_000)
    _branch(candidates=["hist_gradient_boosting"]).refuses(
        TrainingError, "for 2,000 rows x 5 features in memory, and 0.0 GiB are free",
        "Hold a sample of them, `sample: {rows: 1", "; `xgboost` or `lightgbm` would have all rows.",
    )  # fmt: skip
    monkeypatch.setattr(room, "free_bytes", lambda: 20_000)
    _branch().refuses(TrainingError, "take a machine with more, or fewer features", f"{room.OVERRULE}: false", own=None)


def test_of_too_little_memory_the_var_and_a_candidate_of_ones_own_are_only_warned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    warned: list[str] = []
    monkeypatch.setattr(room, "warn", lambda node, text: warned.append(text))
    monkeypatch.setattr(room, "FIXED", 0)
    monkeypatch.setattr(room, "free_bytes", lambda: 200_000)
    branch = _branch(candidates=[], trusted=["estimators.Steady"])
    assert branch.train({"mine": Steady()})["candidate"] == "mine"
    branch.overrides = {"refuse_memory": False}
    assert branch.train(candidates=["hist_gradient_boosting"])["candidate"] == "hist_gradient_boosting"
    assert ["the training needs about" in each for each in warned] == [True, True]


# MiB of the whole process by millions of rows, 25 features, 200,000 of them held: docs/train.md.
MEASURED = {5: 999, 10: 1043, 20: 1480}


def test_the_need_out_of_core_grows_as_was_measured() -> None:
    feature = Feature("x", "DOUBLE", "numeric")
    columns = [FetchedFeature(feature, "float", None)] * 25
    held = {"train": 140_000, "validation": 30_000, "test": 30_000}

    def needed(millions: int, classes: int = 2) -> float:
        every = {name: rows * 5 * millions for name, rows in held.items()}
        return room.Room(columns, held, every, classes).needed(["xgboost"]) / 2**20

    assert needed(20) - needed(5) == pytest.approx(MEASURED[20] - MEASURED[5], rel=0.1)
    for millions, measured in MEASURED.items():  # without the warehouse's 500 MB and what the process has before
        assert needed(millions) < measured < needed(millions) + 500 + 250, millions
    assert needed(20, 10) - needed(20, 2) == pytest.approx(9 * 34 * 20e6 / 2**20, rel=0.02)


def test_the_hungriest_fit_counts_and_one_of_ones_own_as_the_hungriest_on_the_frame() -> None:
    rows = {"train": 700_000, "validation": 150_000, "test": 150_000}
    columns = [FetchedFeature(Feature("x", "DOUBLE", "numeric"), "double", None)] * 3
    need = room.Room(columns, rows, rows, 30)
    assert need.needed(["ridge", "random_forest"]) == need.needed(["ridge"]) > need.needed(["random_forest"])
    assert need.needed(["mine"]) == max(
        map(need.needed, (["ridge"], ["logistic_regression"], ["hist_gradient_boosting"]))
    )
