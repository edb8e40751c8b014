"""Artifacts: what is stored is checked before it is read, and nothing is built that is not trusted."""

from __future__ import annotations

import io
import pickle
import zipfile
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from branch import Branch
from catboost import CatBoostClassifier
from compile_cases import CASES
from estimators import Steady
from hypothesis import given
from hypothesis import strategies as st
from lightgbm import LGBMClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier

from mlbridge import to_sql
from mlbridge.errors import ArtifactError
from mlbridge.registry import artifacts

WHOLE = artifacts.dump("late_training", "mine", LogisticRegression(), ())
STORED = artifacts.Artifact(WHOLE, artifacts.FORMAT, artifacts.checksum(WHOLE))


def _trained() -> Branch:
    branch = Branch(candidates=[], trusted=["estimators.Steady"])
    branch.train({"mine": Steady()})
    return branch


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("artifact = artifact || 'x'::blob", ["is damaged: its SHA-256 is ", "the logbook says", "Restore"]),
        ("artifact = ''::blob", ["is damaged"]),
        ("artifact_sha256 = 'abc'", ["is damaged", "the logbook says abc"]),
        ("artifact_sha256 = null", ["is damaged", "the logbook says None"]),
        ("artifact = null", ["is missing from the logbook", "Pin another version, or train again"]),
        ("artifact_format = 'skops-7'", ["has the format 'skops-7'; this mlbridge reads 'skops-1'. Train again"]),
    ],
)
def test_a_damaged_artifact_is_refused_by_the_prediction(damage: str, words: list[str]) -> None:
    branch = _trained()
    branch.execute(f"update late_training set {damage}")
    branch.refuses_to_predict(ArtifactError, "the artifact of version 1 ", *words)


def test_a_type_that_is_no_longer_trusted_is_refused_by_the_prediction() -> None:
    branch = _trained()
    branch.spec["trusted"] = []
    branch.refuses_to_predict(
        ArtifactError, "version 1 holds types that are not trusted: 'estimators.Steady'", "`trusted: [...]`"
    )


def test_a_type_that_is_not_installed_any_more_is_named() -> None:
    branch = _trained()
    kept = Steady.__module__
    foreign = type("Gone", (Steady,), {"__module__": kept})
    import estimators

    estimators.Gone = foreign  # type: ignore[attr-defined]
    artifact = artifacts.dump("late_training", "mine", foreign(), ["estimators.Gone"])
    del estimators.Gone  # type: ignore[attr-defined]
    branch.connection.execute(
        "update late_training set artifact = ?, artifact_sha256 = ?", [artifact, artifacts.checksum(artifact)]
    )
    branch.spec["trusted"] = ["estimators.Gone"]
    branch.refuses_to_predict(ArtifactError, "version 1 cannot be read back", "Gone", "install what the version was")


def test_a_pickle_is_not_opened() -> None:
    bomb = pickle.dumps(LogisticRegression())
    branch = _trained()
    branch.connection.execute(
        "update late_training set artifact = ?, artifact_sha256 = ?", [bomb, artifacts.checksum(bomb)]
    )
    branch.refuses_to_predict(ArtifactError, "version 1 cannot be read")


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_one_changed_byte_is_found(place: int, change: int) -> None:
    damaged = bytearray(WHOLE)
    damaged[place] ^= change
    with pytest.raises(ArtifactError, match="what is damaged: its SHA-256"):
        artifacts.check("what", replace(STORED, content=bytes(damaged)))


def test_a_whole_artifact_is_given_back_and_built() -> None:
    assert artifacts.check("what", STORED) == WHOLE
    assert artifacts.load("what", WHOLE, ()).get_params() == LogisticRegression().get_params()


def test_the_types_trusted_by_default_are_data_and_pure_functions_of_the_libraries() -> None:
    assert {name.split(".")[0] for name in artifacts.TRUSTED} <= {"functools", "numpy", "sklearn", "scipy"}
    assert list(artifacts.TRUSTED) == sorted(artifacts.TRUSTED)


@pytest.mark.parametrize(
    ("task", "candidate", "metric"),
    [
        ("classification", "logistic_regression", "roc_auc"),
        ("classification", "random_forest", "roc_auc"),
        ("classification", "hist_gradient_boosting", "roc_auc"),
        ("regression", "ridge", "rmse"),
        ("regression", "random_forest", "rmse"),
        ("regression", "hist_gradient_boosting", "rmse"),
    ],
)
def test_every_stock_candidate_can_be_stored_and_predicts_after_it(task: str, candidate: str, metric: str) -> None:
    sql = "x + noise > 0" if task == "classification" else "x + noise"
    columns = {
        "many": "'t' || i % 60",
        "is_late": f"case when i < 400 then {sql} end",
        "gap": "case when i % 3 > 0 then x end",
    }
    branch = Branch(columns, task=task, candidates=[candidate], metric=metric)
    # Several OpenMP threads on so few rows wait for each other more than they work.
    with threadpool_limits(1):
        row = branch.train()
        assert row["candidate"] == candidate
        assert len(branch.predict()) == 100
    # A module of mlbridge may move: none may be named where a later one reads.
    with zipfile.ZipFile(io.BytesIO(row["artifact"])) as stored:
        assert stored.namelist()[0] == artifacts.SCHEMA
        assert not any(b"mlbridge" in stored.read(name) for name in stored.namelist())


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("sklearn.")])
def test_what_is_scikit_learns_own_is_stored_without_a_word_of_trust(name: str) -> None:
    """Every estimator that is covered as SQL: searches with their scorers, selectors, thresholds, perceptrons."""
    stored = artifacts.dump("node", "mine", CASES[name][0].fitted(), trusted=())
    assert type(artifacts.load("it", stored, trusted=())) is type(CASES[name][0].fitted())


def test_splines_are_stored_without_a_word_of_trust() -> None:
    """The example's own candidate: what a fitted SplineTransformer holds is scipy's."""
    rows = pd.DataFrame({"x": np.linspace(0, 1, 50), "y": np.linspace(0, 2, 50) ** 2})
    fitted = make_pipeline(SplineTransformer(), Ridge()).fit(rows, rows["x"] + rows["y"])
    read = artifacts.load("it", artifacts.dump("node", "splines", fitted, trusted=()), trusted=())
    assert np.array_equal(read.predict(rows), fitted.predict(rows))


# What skops must be told to trust, for each library that mlbridge does not know.
LIGHT = ["collections.OrderedDict", "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMClassifier"]
EXTREME = ["xgboost.core.Booster", "xgboost.sklearn.XGBClassifier"]
BOOSTED = {
    "LightGBM": (lambda: LGBMClassifier(n_estimators=9, n_jobs=1, verbose=-1), LIGHT),
    "CatBoost": (
        lambda: CatBoostClassifier(iterations=9, thread_count=1, verbose=0, allow_writing_files=False),
        ["catboost.core.CatBoostClassifier"],
    ),
    "XGBoost": (lambda: XGBClassifier(n_estimators=9, n_jobs=1, enable_categorical=True), EXTREME),
}


@pytest.mark.parametrize("library", BOOSTED)
def test_a_boosted_candidate_is_stored_where_its_types_are_trusted(library: str) -> None:
    make, trusted = BOOSTED[library]
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"x": rng.normal(size=300), "gap": np.where(rng.random(300) < 0.2, np.nan, 1.0)})
    fitted, again = (make_pipeline(StandardScaler(), make()).fit(rows, rows["x"] > 0) for _ in range(2))
    with pytest.raises(ArtifactError, match=r"the candidate 'mine' holds types that are not trusted: .*`trusted: "):
        artifacts.dump("late_training", "mine", fitted, ())
    stored = artifacts.dump("late_training", "mine", fitted, trusted)
    read = artifacts.load("it", stored, trusted)
    assert np.array_equal(read.predict_proba(rows), fitted.predict_proba(rows))
    assert to_sql(read, "t") == to_sql(fitted, "t") == to_sql(again, "t")
    if library != "CatBoost":  # which dates what it saves
        assert artifacts.dump("late_training", "mine", again, trusted) == stored


@pytest.mark.parametrize("library", BOOSTED)
def test_a_boosted_champion_is_a_select_that_says_the_same_to_the_last_bit(library: str) -> None:
    make, trusted = BOOSTED[library]
    texts = {"carrier": None} if library == "CatBoost" else {}
    branch = Branch({"gap": "case when i % 3 > 0 then other end", **texts}, candidates=[], trusted=trusted)
    assert branch.train({"mine": make()})["outcome"] == "promoted"
    (row,) = branch.rows("from late_training")
    assert (row["scoring_sql_note"], row["scoring_cost"] is None) == (None, False)
    assert len(branch.predict()) == 100


@pytest.mark.parametrize("outcome", ["if(x + noise > 0, 'yes', 'no')", "if(x + noise > 0, 7, 3)"])
@pytest.mark.parametrize("inside", [lambda each: each, lambda each: make_pipeline(StandardScaler(), each)])
def test_xgboost_is_given_the_classes_by_number_and_predicts_them_by_name(outcome: str, inside: Any) -> None:
    make, trusted = BOOSTED["XGBoost"]
    columns = {"is_late": f"case when i < 400 then {outcome} end", "carrier": None}
    branch = Branch(columns, candidates=[], trusted=trusted)
    row = branch.train({"mine": inside(make())})
    assert (row["outcome"], row["scoring_sql_note"]) == ("promoted", None)
    rows = branch.predict()
    assert {each["prediction"] for each in rows} == ({"yes", "no"} if "yes" in outcome else {"7", "3"})
    second = "yes" if "yes" in outcome else "7"
    assert all((each["probability"] > 0.5) == (each["prediction"] == second) for each in rows)
    known = {each["id"]: each["is_late"] for each in branch.rows("from late_split where is_late is not null")}
    hits = [str(known[each["entity"]]) == each["prediction"] for each in rows if each["entity"] in known]
    assert sum(hits) > 0.7 * len(hits)


def test_a_feature_that_lightgbm_calls_otherwise_is_scored_by_python() -> None:
    make, trusted = BOOSTED["LightGBM"]
    branch = Branch({"the gap": "case when i % 3 > 0 then other end"}, candidates=[], trusted=trusted)
    branch.train({"mine": make()})
    (row,) = branch.rows("from late_training")
    assert row["scoring_sql"] is None
    assert row["scoring_sql_note"].startswith(
        "the estimator knows features named 'the_gap', and the split has no such columns"
    )
    assert len(branch.predict()) == 100
