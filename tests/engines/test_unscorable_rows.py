"""Numbers that an estimator cannot take: refused by name before a fit, and scored around afterwards."""

from __future__ import annotations

import json
from typing import Any

import pytest
from branch import Branch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mlbridge import TrainingError
from mlbridge.errors import FeatureError, ScoringError
from mlbridge.scoring.rows import PREDICTIONS

INFINITE = "the feature 'y' is infinite"
LARGE = "the feature 'y' is beyond 3.4e38, which the version's estimator does not take"


def _y(**changed: str) -> dict[str, str | None]:
    """Give a feature `y` with other values in some open rows: `k410="1e39"`."""
    cases = " ".join(f"when {entity[1:]} then {value}::double" for entity, value in changed.items())
    return {"y": f"case i {cases} else other end" if cases else "other"}


def _trained(candidate: str = "random_forest", **spec: Any) -> Branch:
    branch = Branch(_y(), candidates=[candidate], **spec)
    assert branch.train()["outcome"] == "promoted"
    return branch


def _reasons(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Give why the rows without a prediction have none; all that a prediction consists of is NULL there."""
    nothing = [row for row in rows if row["not_scored_because"] is not None]
    for row in rows:
        assert (row["prediction"] is None) == (row["probability"] is None) == (row in nothing)
    return {row["entity"]: row["not_scored_because"] for row in nothing}


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what scoring warns of."""
    warnings: list[str] = []
    monkeypatch.setattr("mlbridge.scoring.python.warn", lambda node, text: warnings.append(f"{node}: {text}"))
    return warnings


# --- before a fit -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [3, 300, 390])
@pytest.mark.parametrize("value", ["1e39", "-1e300", "3.4028235677973366e38"])
def test_a_number_beyond_a_float_is_refused_by_name_before_a_forest_is_fitted(index: int, value: str) -> None:
    branch = Branch({"y": f"case when i in ({index}, {index + 1}) then {value}::double else other end"})
    branch.refuses(
        FeatureError,
        "the candidate 'random_forest' takes no number beyond 3.4e38",
        "the feature 'y' has such a number in 2 row(s)",
        repr(float(value)),
        'features: {exclude: ["y"]}',
        candidates=["hist_gradient_boosting", "random_forest"],
    )


def test_the_greatest_float_is_no_obstacle() -> None:
    branch = Branch({"y": "case when i = 3 then 3.4028235677973362e38::double else other end"},
                    candidates=["random_forest"])  # fmt: skip
    assert branch.train()["outcome"] == "promoted"


def test_an_estimator_that_takes_them_is_trained_and_scores_them() -> None:
    branch = Branch(_y(k3="1e39", k350="-1e300", k410="1e39"), candidates=["hist_gradient_boosting"])
    assert branch.train()["outcome"] == "promoted"
    assert _reasons(branch.predict()) == {}


def test_a_tree_of_ones_own_is_refused_and_one_behind_a_scaler_is_tried() -> None:
    branch = Branch(_y(k3="1e39"), features=["x", "y"])
    tree = DecisionTreeClassifier(max_depth=2, random_state=0)
    branch.refuses(FeatureError, "the candidate 'mine' takes no number", own={"mine": tree}, candidates=[])
    assert branch.train({"mine": make_pipeline(StandardScaler(), tree)})["outcome"] in ("promoted", "rejected")


def test_where_a_pipeline_of_ones_own_fails_the_feature_is_named() -> None:
    branch = Branch(_y(k3="1e300"), features=["x", "y"], candidates=[])
    own = {"mine": make_pipeline(StandardScaler(), LogisticRegression())}
    branch.refuses(TrainingError, "the candidate 'mine' failed to fit", "the feature 'y' has such a number in 1 row(s)",
                   "1e+300 the largest in size", own=own)  # fmt: skip


# --- one row does not stop the others ---------------------------------------------------------------------


def test_rows_that_cannot_be_scored_say_why_and_the_others_are_scored(warned: list[str]) -> None:
    branch = _trained()
    before = {row["entity"]: row["probability"] for row in branch.arrow_of_predict().to_pylist()}
    branch.split(_y(k410="1e39", k412="'-inf'", k414="-1e300", k416="'inf'", k418="'nan'"))
    rows = branch.predict()
    assert _reasons(rows) == {"k410": LARGE, "k412": INFINITE, "k414": LARGE, "k416": INFINITE}
    changed = {"k410", "k412", "k414", "k416", "k418"}
    assert {row["entity"]: row["probability"] for row in rows if row["entity"] not in changed} == {
        entity: value for entity, value in before.items() if entity not in changed
    }
    assert warned == [
        "late_predictions: version 1 gives no prediction for 4 row(s): "
        f"{LARGE} (k410, k414); {INFINITE} (k412, k416). Correct these values in the features node; a later build then "
        "scores the rows."
    ]


def test_only_the_first_rows_are_named(warned: list[str]) -> None:
    branch = _trained()
    branch.split({"y": "case when i >= 400 then 'inf'::double else other end"})
    branch.predict()
    assert f"for 40 row(s): {INFINITE} (k400, k401, k402 and 37 more)." in warned[0]


def test_every_row_may_be_one_that_cannot_be_scored() -> None:
    branch = _trained()
    branch.split({"y": "'inf'::double"})
    assert len(_reasons(branch.predict())) == 100


@pytest.mark.parametrize("candidate", ["logistic_regression", "hist_gradient_boosting"])
def test_an_estimator_that_takes_large_numbers_scores_them_and_no_infinite_ones(candidate: str) -> None:
    branch = _trained(candidate)
    branch.split(_y(k410="1e39", k412="'inf'"))
    assert _reasons(branch.predict()) == {"k412": INFINITE}


def test_a_row_is_told_once_and_scored_when_its_value_is_mended(warned: list[str]) -> None:
    branch = _trained()
    branch.split(_y(k410="1e39", k412="'inf'"))
    assert len(branch.predict()) == 100
    assert branch.predict() == []
    assert len(warned) == 1
    # Another reason is news; and the row that is mended gets its prediction.
    branch.split(_y(k410="'inf'"))
    rows = branch.predict()
    assert _reasons(rows) == {"k410": INFINITE}
    assert [(row["entity"], row["prediction"] is None) for row in rows] == [("k410", True), ("k412", False)]
    branch.split(_y())
    assert _reasons(branch.predict()) == {}
    assert branch.predict() == []
    assert len(branch.predictions()) == 103


def test_the_challenger_in_shadow_scores_around_them_too() -> None:
    branch = _trained("logistic_regression")
    branch.overrides = {"retrain": "always"}
    assert branch.train(candidates=["random_forest"])["version"] == 2
    branch.overrides = {}
    branch.spec |= {"shadow": True, "pin": 1}
    branch.split(_y(k410="1e39", k412="'inf'"))
    rows = branch.predict()
    assert _reasons([row for row in rows if row["version"] == 1]) == {"k412": INFINITE}
    assert _reasons([row for row in rows if row["version"] == 2]) == {"k410": LARGE, "k412": INFINITE}


def test_predictions_of_before_the_column_are_taken_as_they_are() -> None:
    branch = _trained()
    branch.predict()
    branch.execute("alter table late_predictions drop column not_scored_because")
    branch.split(_y(k410="'inf'", k440="'inf'"), where="i < 442")
    rows = branch.arrow_of_predict().to_pylist()
    assert [(row["entity"], row["not_scored_because"]) for row in rows] == [("k440", INFINITE), ("k441", None)]


def test_another_failure_still_ends_the_build() -> None:
    branch = _trained()
    # Without a measured cost Python scores.
    branch.execute("update late_training set scoring_cost = null, "
                   "features = json_array(json_object('name', 'y', 'type', 'DOUBLE', 'kind', 'numeric'))")  # fmt: skip
    branch.refuses_to_predict(ScoringError, "version 1 failed to score")


@pytest.mark.parametrize("task", ["regression", "classes"])
def test_a_regression_and_many_classes_have_such_rows_too(task: str) -> None:
    spec: dict[str, Any] = {"task": "regression", "metric": "rmse"}
    target = "case when i < 400 then x + noise end"
    if task == "classes":
        spec, target = {"metric": "log_loss"}, "case when i < 400 then 'c' || (x + noise > 0)::int + (x > 0)::int end"
    branch = Branch({"is_late": target, **_y()}, candidates=["random_forest"], **spec)
    assert branch.train()["outcome"] == "promoted"
    branch.split({"is_late": target, **_y(k410="1e39", k412="'inf'")})
    rows = branch.predict()
    assert {row["entity"] for row in rows if row["prediction"] is None} == {"k410", "k412"}
    for row in rows:
        if row["probabilities"] is not None:
            assert sum(json.loads(row["probabilities"])) == pytest.approx(1)
        if row["prediction"] is None:
            assert all(row[name] is None for name in ("prediction_value", "probability", "probabilities"))
    assert list(rows[0]) == list(PREDICTIONS)
