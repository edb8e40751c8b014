"""Train: the fits, what they may be, how one is chosen, and that the same rows give the same model."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import estimators
import numpy as np
import pytest
from branch import START, WORDS, Branch
from estimators import Steady
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC

from mlbridge.errors import ArtifactError, SpecError, SplitError, TrainingError
from mlbridge.evaluation.metrics import measure
from mlbridge.evaluation.sample import Sample
from mlbridge.training.candidates import describe

TRUSTED = [f"estimators.{name}" for name in vars(estimators)]


def _own(**changes: Any) -> Branch:
    return Branch(candidates=[], trusted=TRUSTED, **changes)


def _document(row: dict[str, Any], name: str) -> Any:
    return json.loads(row[name])


# --- candidates that cannot be fitted or scored -----------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"mine": estimators.NoEstimator()}, ["'mine' is no scikit-learn estimator for classification: NoEstimator"]),
        ({"mine": LogisticRegression}, ["'mine'", "the class LogisticRegression, not an instance"]),
        ({"mine": "logistic_regression"}, ["'mine' is no scikit-learn estimator", ": str."]),
        ({"mine": None}, ["'mine' is no scikit-learn estimator", ": NoneType."]),
        ({"mine": LinearRegression()}, ["'mine'", "for classification: LinearRegression", "Give a pipeline"]),
        ({"mine": LinearSVC()}, ["'mine' has no `predict_proba`", "CalibratedClassifierCV"]),
        ({"mine": make_pipeline(LinearSVC())}, ["'mine' has no `predict_proba`"]),
        ({"mine": estimators.NoScores()}, ["'mine' has no `predict_proba`"]),
        ([LogisticRegression()], ["`candidates` must be a dict of estimators by name", "found list"]),
        ({3: LogisticRegression()}, ["`candidates` must be a dict", "found ['tripwire', 3]"]),
        ({"": LogisticRegression()}, ["`candidates` must be a dict", "found ['tripwire', '']"]),
    ],
)
def test_what_is_no_candidate_is_refused_before_any_fit(own: Any, words: list[str]) -> None:
    if isinstance(own, dict):
        own = {"tripwire": estimators.Tripwire(), **own}
    Branch(candidates=[], trusted=TRUSTED).refuses(TrainingError, *words, own=own)


def test_a_classifier_cannot_do_a_regression() -> None:
    branch = Branch({"is_late": "case when i < 400 then x end"}, task="regression", metric="rmse", candidates=[])
    message = "'mine' is no scikit-learn estimator for regression: LogisticRegression"
    branch.refuses(TrainingError, message, own={"mine": LogisticRegression()})


def test_a_stock_name_is_taken() -> None:
    own = {"logistic_regression": estimators.Tripwire()}
    Branch().refuses(SpecError, "`mlbridge.candidates`", "'logistic_regression' is a stock candidate's name", own=own)


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        (estimators.Tripwire(), ["failed to fit: a fit has begun"]),
        (estimators.FailsToScore(), ["failed to score: out of ink"]),
        (estimators.GivesNan(), ["gives NaN or infinity for 60 of 60 rows"]),
        (estimators.OneColumn(), ["scores of the shape (60, 1); expected (60, 2)"]),
        (LogisticRegression(), ["failed to fit: could not convert string to float"]),
    ],
)
def test_a_candidate_that_fails_is_named_and_nothing_is_written(candidate: Any, words: list[str]) -> None:
    branch = _own()
    branch.train({"steady": Steady()})
    branch.refuses(TrainingError, "the candidate 'mine' ", *words, own={"mine": candidate, "steady": Steady()})
    assert [row["candidate"] for row in branch.logbook()] == ["steady"]


def test_a_type_that_is_not_trusted_is_refused_before_any_fit_and_let_in_by_the_spec() -> None:
    branch = Branch(candidates=[])
    own = {"mine": Steady()}
    branch.refuses(ArtifactError, "'mine' holds types that are not trusted: 'estimators.Steady'", "`trusted: [...]`",
                   own={**own, "tripwire": estimators.Tripwire()}, trusted=["estimators.Tripwire"])  # fmt: skip
    assert branch.train(own, trusted=["estimators.Steady"])["outcome"] == "promoted"
    assert len(branch.predict()) == 100


def test_a_function_without_a_name_cannot_be_read_back_and_is_refused_before_any_fit() -> None:
    own = {"mine": make_pipeline(FunctionTransformer(lambda frame: frame[["x"]]), LogisticRegression())}
    message = Branch(candidates=[]).refuses(
        ArtifactError, "'mine' cannot be read back", "in an installed module",
        own={"tripwire": estimators.Tripwire(), **own}, trusted=[f"{__name__}.<lambda>", *TRUSTED],
    )  # fmt: skip
    assert "<lambda>" in message


# --- the choice -------------------------------------------------------------------------------------------


def test_the_best_on_validation_is_promoted_and_the_others_say_by_how_much_they_are_behind() -> None:
    branch = _own()
    branch.train({"sharp": Steady(), "blunt": Steady(1)})
    rows = {row["candidate"]: row for row in branch.logbook()}
    assert (rows["sharp"]["outcome"], rows["blunt"]["outcome"]) == ("promoted", "runner_up")
    assert rows["sharp"]["version"] == rows["blunt"]["version"] == 1
    figures = {
        name: next(
            each["value"] for each in _document(row, "metrics")
            if (each["split"], each["slice"], each["metric"]) == ("validation", "all", "roc_auc")
        )
        for name, row in rows.items()
    }  # fmt: skip
    assert rows["blunt"]["reason"] == (
        f"roc_auc {figures['blunt']:.4g} on validation, sharp has {figures['sharp']:.4g}"
    )
    assert rows["blunt"]["artifact"] is None
    assert rows["sharp"]["artifact"]


def test_the_reason_says_how_much_skill_there_is_and_the_logbook_holds_it() -> None:
    branch = _own()
    branch.train({"mine": Steady(), "turned": estimators.Turned()})
    rows = {row["candidate"]: row for row in branch.logbook()}
    found = _document(rows["mine"], "promotion")["strength"]
    assert (found["word"], found["fell"], found["below_chance"]) == ("strong", False, False)
    assert found["skill"] == pytest.approx(2 * found["auc"] - 1)
    assert (
        f"; strong: {100 * found['skill']:.0f} % of the way from baseline to perfect, ROC AUC "
        in rows["mine"]["reason"]
    )
    assert rows["turned"]["promotion"] is None
    assert "; it is below chance, as if its sign were inverted: ROC AUC 0." in rows["turned"]["reason"]


def test_a_rejected_candidate_below_chance_says_so() -> None:
    row = _own().train({"turned": estimators.Turned()})
    assert row["outcome"] == "rejected"
    assert "; none: -" in row["reason"]
    assert "; it is below chance, " in row["reason"]
    assert _document(row, "promotion")["strength"]["below_chance"]


def test_noise_is_rejected_against_the_baseline_and_not_tried_again() -> None:
    branch = Branch({"is_late": "case when i < 400 then other > 0 end"})
    row = branch.train()
    assert (row["outcome"], row["version"]) == ("rejected", 1)
    assert row["reason"].startswith("no version yet; not better than the naive baseline (")
    assert "): roc_auc 0." in row["reason"]
    assert " of the naive baseline (" in row["reason"]
    assert ") on the same 60 rows" in row["reason"]
    assert branch.train()["outcome"] == "skipped"
    assert branch.predict() == []
    assert [each["outcome"] for each in branch.logbook()] == ["rejected", "skipped"]


def test_a_worse_challenger_is_rejected_against_the_champion_with_figures() -> None:
    branch = _own()
    branch.train({"mine": Steady()})
    row = branch.train({"mine": Steady(1)})
    assert (row["outcome"], row["version"]) == ("rejected", 2)
    assert row["reason"].startswith(
        "the spec changed: the definition of a candidate; not better than the champion (version 1): roc_auc 0."
    )
    assert "of the champion (version 1) on the same 60 rows: -0." in row["reason"]
    assert "99.2 % interval" in row["reason"]
    assert {each["version"] for each in branch.predict()} == {1}


def test_a_better_challenger_is_promoted_over_the_champion() -> None:
    branch = _own()
    branch.train({"mine": Steady(1)})
    row = branch.train({"mine": Steady()})
    assert (row["outcome"], row["version"]) == ("promoted", 2)
    assert "of the champion (version 1) on the same 60 rows: +0." in row["reason"]
    assert {each["version"] for each in branch.predict()} == {2}


def test_a_gain_smaller_than_asked_for_is_no_promotion() -> None:
    branch = _own(promote={"min_gain": 0.3})
    branch.train({"mine": Steady(1)})
    row = branch.train({"mine": Steady()})
    assert row["outcome"] == "rejected"
    assert "more than +0.300 is required" in row["reason"]


def test_a_champion_of_another_target_is_not_compared() -> None:
    branch = Branch({"is_early": "case when i < 400 then x < other end"})
    branch.train(features=["x", "carrier"])
    row = branch.train(target="is_early")
    assert row["outcome"] == "promoted"
    assert "not compared with the champion (version 1): it predicts another target" in row["reason"]


def test_a_champion_without_its_feature_is_not_compared() -> None:
    branch = Branch({"y": "other"})
    branch.train()
    branch.split()
    row = branch.train()
    assert (row["outcome"], row["version"]) == ("promoted", 2)
    assert row["reason"].startswith("the features changed: 'y' is gone; ")
    assert "not compared with the champion (version 1): " in row["reason"]
    assert "it could not score these rows: 'y' is gone; " in row["reason"]


# --- the tasks --------------------------------------------------------------------------------------------


def test_a_task_of_many_classes() -> None:
    classes = (
        "case when i < 400 then case when x + noise < -0.5 then 'early' when x + noise > 0.5 then '' else '🛬' end end"
    )
    branch = Branch({"is_late": classes})
    assert branch.train()["outcome"] == "promoted"
    rows = branch.predict()
    assert {row["prediction"] for row in rows} == {"", "early", "🛬"}
    assert all(row["prediction_value"] is None and row["probability"] > 1 / 3 for row in rows)
    right = branch.values(
        f"select avg((prediction = {classes})::int) from late_predictions join base on entity = 'k' || i where i < 400"
    )
    assert right[0] > 0.6


def test_whole_numbers_as_classes() -> None:
    branch = Branch({"is_late": "case when i < 400 then case when x + noise > 0 then 10 else -2 end end"})
    assert branch.train()["outcome"] == "promoted"
    rows = branch.predict()
    assert {(row["prediction"], row["prediction_value"]) for row in rows} == {("10", 10.0), ("-2", -2.0)}
    assert all((row["probability"] >= 0.5) == (row["prediction"] == "10") for row in rows)


def test_truth_values_as_classes_predict_the_probability_of_true() -> None:
    branch = Branch()
    branch.train()
    for row in branch.predict():
        assert (row["prediction"], row["prediction_value"]) in (("true", 1.0), ("false", 0.0))
        assert (row["probability"] > 0.5) == (row["prediction"] == "true")
    agree = branch.values("select corr(probability, x) from late_predictions join base on entity = 'k' || i")
    assert agree[0] > 0.8


@pytest.mark.parametrize("type_", ["double", "decimal(9, 3)", "integer"])
def test_a_regression(type_: str) -> None:
    branch = Branch(
        {"is_late": f"case when i < 400 then cast(100 * (x + noise) as {type_}) end"},
        task="regression", metric="rmse", candidates=["ridge"],
    )  # fmt: skip
    row = branch.train()
    assert row["outcome"] == "promoted"
    assert _document(row, "params")["classes"] is None
    rows = branch.predict()
    assert all(each["probability"] is None for each in rows)
    assert all(float(each["prediction"]) == each["prediction_value"] for each in rows)
    agree = branch.values("select corr(prediction_value, x) from late_predictions join base on entity = 'k' || i")
    assert agree[0] > 0.99


# --- what is written down, and that it is the same every time ---------------------------------------------

DIFFERS = ("trained_at", "invocation_id", "fit_seconds", "peak_memory_mb", "scoring_cost")


def test_two_trainings_of_the_same_rows_are_equal_bit_for_bit() -> None:
    first, second = (Branch(candidates=["logistic_regression", "random_forest"]) for _ in range(2))
    first.train()
    # The order in which the rows lie in the table must not matter.
    second.execute("create or replace table base as select * from base order by hash(i)")
    second.split()
    second.train()
    known = [[{k: v for k, v in row.items() if k not in DIFFERS} for row in b.logbook()] for b in (first, second)]
    assert known[0] == known[1]
    assert first.predict()
    assert second.predict()
    query = "select * exclude (invocation_id, scored_by) from late_predictions order by entity"
    assert first.rows(query) == second.rows(query)


def test_asked_to_train_again_on_the_same_rows_gives_the_same_figures_and_no_promotion() -> None:
    branch = Branch()
    first, second = branch.train(), branch.retrain()
    assert (second["outcome"], second["version"]) == ("rejected", 2)
    assert second["reason"].startswith("requested by mlbridge_retrain; not better than the champion (version 1)")
    assert "+0.000 (99.2 % interval +0.000 to +0.000)" in second["reason"]
    for name in ("metrics", "importances", "profile", "calibration", "data_hash", "params"):
        assert first[name] == second[name]


def test_the_metrics_are_on_rows_that_the_fit_never_saw_with_interval_and_baseline() -> None:
    branch = Branch(monitor={"slices": ["carrier"]})
    metrics = _document(branch.train(), "metrics")
    assert {(each["split"], each["slice"]) for each in metrics} == {
        (split, name)
        for split in ("validation", "test")
        for name in ("all", *(f"carrier={c}" for c in ("AA", "B6", "UA")))
    }
    overall = [each for each in metrics if each["slice"] == "all"]
    assert {each["n"] for each in overall} == {60}
    assert all(each["low"] <= each["value"] <= each["high"] for each in overall)
    assert next(each["baseline"] for each in overall if each["metric"] == "roc_auc") == 0.5


def test_the_figures_of_a_dummy_are_those_of_the_constants() -> None:
    branch = Branch({"season": WORDS}, candidates=[], split={"by": "season"})
    row = branch.train({"dummy": DummyClassifier()})
    assert row["outcome"] == "rejected"
    metrics = _document(row, "metrics")
    named = {each["metric"]: each["baseline_name"] for each in metrics if each["split"] == "test"}
    del named["recall"]  # of which no constant is the measure
    assert named == {
        **dict.fromkeys(("average_precision", "roc_auc", "log_loss", "brier"), "class rates"),
        "accuracy": "majority class",
        **dict.fromkeys(("precision", "f1"), "always positive"),
    }
    of_dummy = [each for each in metrics if each["baseline_name"] in ("class rates", "majority class")]
    assert all(each["value"] == each["baseline"] for each in of_dummy)


# From the first test row on, outcomes lie higher: what `x` says is still true, but the last weeks know the level.
LIFTED = {
    "is_late": "3 * x + case when i >= 1300 then 3.7 else 0 end + noise",
    "at": "timestamp '2024-01-01' + to_hours(12 * i)",
    "known": "timestamp '2024-01-01' + to_hours(12 * i + 1)",
    "ml_split": "case when i < 1000 then 'train' when i < 1300 then 'validation' else 'test' end",
}


def _lifted(**changes: Any) -> dict[str, Any]:
    spec = {"task": "regression", "metric": "r2", "candidates": ["ridge"], "label_time": "known", "features": ["x"]}
    branch = Branch(**spec, **changes)
    branch.split({**LIFTED, "season": LIFTED["ml_split"]}, where="i < 1700")
    branch.as_of = START + timedelta(days=900)
    return branch.train()


def test_a_regression_that_the_last_thirty_days_beat_is_refused_with_that_sentence() -> None:
    row = _lifted()
    assert row["outcome"] == "rejected"
    metrics = {each["metric"]: each for each in _document(row, "metrics") if each["split"] == "test"}
    assert -0.6 < metrics["r2"]["value"] < metrics["r2"]["high"] < 0
    assert metrics["r2"]["value"] < metrics["r2"]["baseline"]
    assert {name: each["baseline_name"] for name, each in metrics.items()} == {
        "rmse": "recent mean", "mae": "recent median", "r2": "recent mean", "median_absolute_error": "recent median"
    }  # fmt: skip
    assert "; not better than the naive baseline (recent mean): r2 -0." in row["reason"]


def test_without_a_before_the_same_regression_beats_the_constant() -> None:
    row = _lifted(split={"by": "season"})
    assert row["outcome"] == "promoted"
    assert " of the naive baseline (mean) on the same 400 rows" in row["reason"]


def test_a_changed_numpy_number_is_another_candidate() -> None:
    assert describe(Ridge(alpha=np.float32(3))) != describe(Ridge(alpha=np.float32(30)))
    assert describe(Ridge(alpha=np.float32(3))) == describe(Ridge(alpha=3.0))


def test_a_row_without_a_group_is_refused() -> None:
    branch = Branch({"crew": "case when i % 2 = 0 then i % 37 end"}, split={"by": "hash", "group": "crew"})
    branch.refuses(SplitError, "'crew' is NULL in 220 row(s)", "or the split's group")


@pytest.mark.parametrize("candidate", ["logistic_regression", "random_forest", "hist_gradient_boosting"])
def test_the_stored_version_scores_the_test_rows_as_they_were_measured(candidate: str) -> None:
    """The frame holds narrow numbers, rows to score come as doubles: the scores are the same to the last bit."""
    branch = Branch({"day": "date '2024-01-01' + (i % 40)::int", "few": "(i % 5)::tinyint"}, candidates=[candidate])
    stated = {}
    row = branch.train()
    for each in json.loads(row["metrics"]):
        if (each["split"], each["slice"]) == ("test", "all"):
            stated[each["metric"]] = each["value"]
    branch.predict()
    found = branch.rows(
        "select p.probability, s.is_late from late_predictions p join late_split s on s.id = p.entity "
        "where s.ml_split = 'test' order by s.at, s.id"
    )
    positive = np.array([each["probability"] for each in found])
    truth = np.array([each["is_late"] for each in found]).astype(int)
    assert measure(Sample(truth, np.column_stack([1 - positive, positive])))["log_loss"] == stated["log_loss"]
