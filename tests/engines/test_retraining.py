"""Retrain: which facts make a build train, which keep it from it, and that every decision says its figures."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from branch import START, Branch
from estimators import Steady
from sklearn.metrics import log_loss, roc_auc_score, root_mean_squared_error

from mlbridge.errors import FeatureError
from mlbridge.lifecycle.retraining import CONDITION, POLICY_CHECKS
from mlbridge.spec.specification import Retrain

SAME = "nothing to do: version 1 was trained on this spec and these features"
OUTCOME = "x + noise > 0"
# From row 400 on the outcome says the contrary of what it said before.
TURNED = "case when i < 400 then x + noise > 0 else x + noise < 0 end"
DRIFT = {"value": 0.31, "rows": 440, "features": {"x": 0.12, "carrier": 0.9, "a": 0.0, "b": 0.25, "c": 0.2}}


def _at(hours: float) -> Any:
    return START + timedelta(hours=hours)


def _grow(branch: Branch, labelled: int, outcome: str = OUTCOME, **columns: str) -> None:
    """Let time go on until so many rows have an outcome, the last 15 % of them for the test."""
    train, validation = (int(labelled * share) for share in (0.7, 0.85))
    words = f"when i < {train} then 'train' when i < {validation} then 'validation' when i < {labelled} then 'test'"
    outcome = f"case when i < {labelled} then {outcome} end"
    branch.split({"is_late": outcome, "ml_split": f"case {words} else 'score' end", **columns}, f"i < {labelled + 40}")
    branch.as_of = _at(labelled)


def _branch(outcome: str = OUTCOME, columns: dict[str, str] | None = None, **spec: Any) -> Branch:
    """Train a version on 400 rows, all of whose outcomes are known by then."""
    branch = Branch(**spec)
    _grow(branch, 400, outcome, **(columns or {}))
    assert branch.train()["outcome"] == "promoted"
    return branch


def _figures(row: dict[str, Any]) -> Any:
    return None if row["decision"] is None else json.loads(row["decision"])


def _stated(branch: Branch, metric: str) -> float:
    """Give what the first version's logbook row says of the test rows."""
    (row,) = (row for row in branch.logbook() if row["version"] == 1)
    (found,) = (
        each["value"]
        for each in json.loads(row["metrics"])
        if (each["split"], each["slice"], each["metric"]) == ("test", "all", metric)
    )
    return float(found)


def _newer(branch: Branch, version: int = 1) -> tuple[Any, Any]:
    """Give the outcomes and the scores of the rows after number 400 that have an outcome, by a version."""
    branch.predict()
    rows = branch.rows(
        "select is_late, coalesce(probability, prediction_value) as score from late_split join late_predictions "
        f"on id = entity where version = {version} and is_late is not null "
        "and time > timestamp '2024-01-01' + to_hours(400) order by time"
    )
    return np.array([row["is_late"] for row in rows]), np.array([row["score"] for row in rows])


# --- each key alone ---------------------------------------------------------------------------------------


def test_every_key_of_the_spec_is_looked_at() -> None:
    assert [*POLICY_CHECKS, "cool_down"] == list(vars(Retrain()))


def test_without_keys_nothing_is_looked_at() -> None:
    branch = _branch(retrain={"cool_down": "1 day"})
    branch.as_of += timedelta(days=4000)
    row = branch.train()
    assert (row["outcome"], row["reason"], row["decision"]) == ("skipped", SAME, None)


def test_an_old_version_is_trained_again_once_it_is_older_than_allowed() -> None:
    branch = _branch(retrain={"max_age": "10 days"})
    assert branch.logbook()[0]["decision"] is None
    branch.as_of += timedelta(days=10)
    row = branch.train()
    assert (row["outcome"], row["reason"]) == ("skipped", f"{SAME}; 10 days old of at most 10")
    assert _figures(row) == {"age_days": 10.0, "max_age_days": 10.0}
    branch.as_of += timedelta(hours=1)
    row = branch.train()
    assert (row["version"], row["outcome"]) == (2, "rejected")
    assert row["reason"].startswith("max_age is exceeded: 10.04 days old of at most 10; not better than the champion")
    assert _figures(row) == {"age_days": pytest.approx(10 + 1 / 24), "max_age_days": 10.0}


def test_the_age_is_that_of_the_newest_training_whatever_became_of_it() -> None:
    branch = _branch(retrain={"max_age": "10 days"})
    branch.as_of += timedelta(days=11)
    assert branch.train()["outcome"] == "rejected"
    branch.as_of += timedelta(days=9)
    assert branch.train()["reason"] == f"{SAME.replace('1', '2')}; 9 days old of at most 10"


@pytest.mark.parametrize(("value", "trains"), [(0.31, False), (0.3101, True)])
def test_drift_above_the_limit_trains_and_names_the_features(value: float, trains: bool) -> None:
    branch = _branch(retrain={"max_drift": 0.31})
    branch.as_of += timedelta(days=8)
    branch.overrides = {"drift": {**DRIFT, "value": value}}
    row = branch.train()
    sentence = f"drift {value} of at most 0.31 (mostly carrier 0.9, b 0.25, c 0.2)"
    assert row["reason"].startswith(
        f"max_drift is exceeded: {sentence}; not better" if trains else f"{SAME}; {sentence}"
    )
    assert (row["version"] == 2) is trains
    assert _figures(row) == {
        "drift": value, "max_drift": 0.31, "drift_rows": 440,
        "drifted": {"carrier": 0.9, "b": 0.25, "c": 0.2, "x": 0.12, "a": 0.0},
    }  # fmt: skip


def test_drift_that_nobody_knows_is_no_reason() -> None:
    branch = _branch(retrain={"max_drift": 0.01})
    branch.as_of += timedelta(days=8)
    row = branch.train()
    assert row["reason"] == f"{SAME}; drift unknown: there is nothing to compare yet"
    assert _figures(row) == {"drift": None, "max_drift": 0.01}


def test_of_many_features_those_that_drifted_most_are_kept() -> None:
    branch = _branch(retrain={"max_drift": 9})
    branch.as_of += timedelta(days=8)
    features = {f"x{number}": number / 100 for number in range(300)}
    branch.overrides = {"drift": {"value": 0.0, "rows": 7, "features": features}}
    row = branch.train()
    assert row["reason"].endswith("; drift 0 of at most 9 (mostly x299 2.99, x298 2.98, x297 2.97)")
    assert _figures(row)["drifted"] == {f"x{number}": number / 100 for number in range(290, 300)}
    branch.overrides = {"drift": {"value": 0.0, "rows": 7, "features": {"x": 0.0}}}
    assert branch.train()["reason"].endswith("; drift 0 of at most 9")


@pytest.mark.parametrize(("label_time", "known"), [(None, 194), ("landed", 199)])
def test_outcomes_that_became_known_after_the_training_count(label_time: str | None, known: int) -> None:
    """Rows 401 to 405 were predicted before the training and landed after it; 400 and 405 came at that very moment."""
    landed = {"landed": "timestamp '2024-01-01' + to_hours(i + 5)"}
    branch = Branch(label_time=label_time, features=["x", "carrier"], retrain={CONDITION: known + 1})
    _grow(branch, 400, **landed)
    branch.as_of = _at(405)
    branch.train()
    branch.as_of = _at(605)
    assert branch.train()["reason"] == f"{SAME}; 0 new labels of {known + 1}"
    _grow(branch, 600, **landed)
    branch.as_of = _at(605)
    row = branch.train()
    assert row["reason"] == f"{SAME}; {known} new labels of {known + 1}"
    assert _figures(row) == {"new_labels": known, "min_new_labels": known + 1}
    row = branch.train(retrain={CONDITION: known})
    assert row["reason"].startswith(f"min_new_labels is reached: {known} new labels of {known}; ")
    assert (row["version"], _figures(row)) == (2, {"new_labels": known, "min_new_labels": known})


# --- decay ------------------------------------------------------------------------------------------------


def test_a_champion_that_got_worse_is_trained_again() -> None:
    branch = _branch(retrain={"max_decay": 0.3})
    _grow(branch, 600, TURNED)
    truth, scores = _newer(branch)
    lost = _stated(branch, "roc_auc") - roc_auc_score(truth, scores)
    assert len(truth) == 199
    assert lost > 0.5
    row = branch.train()
    assert row["version"] == 2
    assert row["reason"].startswith(f"max_decay is exceeded: roc_auc fell by {lost:.3f}".rstrip("0"))
    assert " of at most 0.3 on 199 newer rows, from 0." in row["reason"]
    figures = _figures(row)
    middle = (figures.pop("decay_low") + figures.pop("decay_high")) / 2
    assert figures == {"decay": pytest.approx(lost, abs=1e-12), "max_decay": 0.3, "decay_rows": 199}
    assert middle == pytest.approx(lost, abs=1e-12)


def test_a_decay_below_the_limit_is_no_reason_and_at_the_limit_neither() -> None:
    branch = _branch(retrain={"max_decay": 1})
    _grow(branch, 600, TURNED)
    row = branch.train()
    assert row["outcome"] == "skipped"
    assert row["reason"].startswith(f"{SAME}; roc_auc fell by 0.")
    lost = _figures(row)["decay"]
    assert branch.train(retrain={"max_decay": lost})["outcome"] == "skipped"
    assert branch.train(retrain={"max_decay": lost - 1e-9})["version"] == 2


def test_a_metric_of_which_less_is_better_decays_when_it_rises() -> None:
    branch = _branch(metric="log_loss", retrain={"max_decay": 0})
    _grow(branch, 600, TURNED)
    truth, scores = _newer(branch)
    lost = log_loss(truth, scores) - _stated(branch, "log_loss")
    row = branch.train()
    assert row["reason"].startswith("max_decay is exceeded: log_loss rose by ")
    assert _figures(row)["decay"] == pytest.approx(lost, abs=1e-12)


@pytest.mark.parametrize(("noise", "words"), [("noise / 9", "rmse fell by "), ("9 * noise", "rmse rose by ")])
def test_a_regression(noise: str, words: str) -> None:
    outcome = f"case when i < 400 then 100 * (x + noise) else 100 * (x + {noise}) end"
    branch = _branch(outcome, task="regression", metric="rmse", candidates=["ridge"], retrain={"max_decay": 1000})
    _grow(branch, 600, outcome)
    lost = root_mean_squared_error(*_newer(branch)) - _stated(branch, "rmse")
    row = branch.train()
    assert (row["outcome"], lost > 0) == ("skipped", "rose" in words)
    assert f"; {words}{abs(lost):.0f}" in row["reason"]
    assert f" {'of at most 1,000' if lost > 0 else '(limit: 1,000 worse)'} on 199 newer rows, from " in row["reason"]
    assert _figures(row)["decay"] == pytest.approx(lost, rel=1e-12)


def test_many_classes() -> None:
    outcome = "case when {0} < -0.5 then 'early' when {0} > 0.5 then '' else '🛬' end"
    branch = _branch(outcome.format("x + noise"), metric="accuracy", retrain={"max_decay": 0.9})
    _grow(branch, 600, outcome.format("case when i < 400 then 1 else -1 end * (x + noise)"))
    branch.predict()
    (right,) = branch.values(
        "select avg((prediction = is_late)::int) from late_predictions join late_split on id = entity "
        "where is_late is not null and time > timestamp '2024-01-01' + to_hours(400)"
    )
    row = branch.train()
    assert _figures(row)["decay"] == pytest.approx(_stated(branch, "accuracy") - right, abs=1e-12)
    assert row["reason"].startswith(f"{SAME}; accuracy fell by 0.")


def test_the_version_that_is_in_use_is_measured_and_named_where_it_is_not_the_newest() -> None:
    branch = _two_versions(retrain={"max_decay": 0.9})
    own = {"mine": Steady()}
    _grow(branch, 600, TURNED)
    row = branch.train(own, pin=1)
    truth, scores = _newer(branch)
    assert "; roc_auc of version 1 fell by 0." in row["reason"]
    assert _figures(row)["decay"] == pytest.approx(_stated(branch, "roc_auc") - roc_auc_score(truth, scores))
    assert "; roc_auc fell by 0." in branch.train(own, pin=None)["reason"]


def _two_versions(**spec: Any) -> Branch:
    """Train two versions on the same rows, both promoted: a blunt one, then a sharp one."""
    branch = Branch(candidates=[], trusted=["estimators.Steady"], **spec)
    _grow(branch, 400)
    assert branch.train({"mine": Steady(1)})["outcome"] == branch.train({"mine": Steady()})["outcome"] == "promoted"
    return branch


def test_a_loss_that_chance_may_explain_trains_nothing() -> None:
    """In a world that stands still the newer rows are sometimes worse by more than a small limit."""
    branch = _branch(retrain={"max_decay": 0.0})
    _grow(branch, 600, "case when i < 400 then x + noise > 0 else x + 1.15 * noise > 0 end")
    row = branch.train()
    figures = _figures(row)
    assert figures["decay"] > 0
    assert figures["decay_low"] < 0 < figures["decay_high"]
    assert row["outcome"] == "skipped"
    assert row["reason"].endswith(", which chance may explain)")


@pytest.mark.parametrize(("labelled", "rows"), [(500, 99), (501, 100)])
def test_a_hundred_rows_are_needed(labelled: int, rows: int) -> None:
    branch = _branch(retrain={"max_decay": 0})
    _grow(branch, labelled, TURNED)
    branch.as_of = _at(900)
    row = branch.train()
    assert _figures(row)["decay_rows"] == rows
    if rows == 100:
        assert row["version"] == 2
    else:
        assert row["reason"] == f"{SAME}; decay of version 1 unknown: only 99 newer rows of at least 100"
        assert _figures(row) == {"decay": None, "max_decay": 0.0, "decay_rows": 99}


def test_an_outcome_of_an_older_row_that_came_late_is_left_out() -> None:
    """Every third row lands after the training, also of those before its test rows; they are none of its newer ones."""
    landed = {"landed": "timestamp '2024-01-01' + to_hours(i + case when i % 3 = 0 then 300 else 0 end)"}
    branch = _branch(columns=landed, label_time="landed", features=["x"], retrain={"max_decay": 9, CONDITION: 9999})
    (held,) = branch.values("select holdout_from from late_training")
    assert held == _at(340)
    _grow(branch, 600, **landed)
    row = branch.train()
    late = [i for i in range(600) if i + (300 if i % 3 == 0 else 0) > 400]
    assert _figures(row)["new_labels"] == len(late)
    assert _figures(row)["decay_rows"] == len([i for i in late if i >= 340]) < len(late)


def _no_champion() -> Branch:
    branch = Branch(retrain={"max_decay": 0})
    _grow(branch, 400, "other > 0")
    assert branch.train()["outcome"] == "rejected"
    _grow(branch, 600, "other > 0")
    return branch


def _damaged() -> Branch:
    branch = _branch(retrain={"max_decay": 0})
    _grow(branch, 600, TURNED)
    branch.execute("update late_training set artifact = 'x'::blob")
    return branch


def _without_its_feature() -> Branch:
    branch = _branch(columns={"y": "other"}, retrain={"max_decay": 0})
    _grow(branch, 600, TURNED)
    branch.as_of = _at(400)
    assert branch.train()["version"] == 2
    branch.spec["pin"] = 1
    branch.as_of = _at(600)
    return branch


def _another_question() -> Branch:
    branch = _branch(columns={"early": f"not ({OUTCOME})"}, features=["x"], retrain={"max_decay": 0})
    assert branch.train(target="early")["version"] == 2
    _grow(branch, 600, early=TURNED)
    branch.spec["pin"] = 1
    return branch


def _without_its_label_time() -> Branch:
    branch = _branch(columns={"landed": '"at"'}, label_time="landed", features=["x"], retrain={"max_decay": 0})
    assert branch.train(label_time=None)["version"] == 2
    _grow(branch, 600, TURNED)
    branch.spec["pin"] = 1
    return branch


def _another_class() -> Branch:
    branch = _branch("case when x + noise > 0 then 'late' else 'not' end", retrain={"max_decay": 0})
    _grow(branch, 600, "case when i = 500 then 'lost' when x + noise > 0 then 'late' else 'not' end")
    return branch


def _one_class() -> Branch:
    branch = _branch(retrain={"max_decay": 0})
    _grow(branch, 600, "i >= 400 or x + noise > 0")
    return branch


def _infinite() -> Branch:
    branch = _branch(columns={"y": "other"}, retrain={"max_decay": 0})
    _grow(branch, 600, y="case when i = 450 then 'infinity'::double else other end")
    return branch


def _another_type() -> Branch:
    branch = _branch(retrain={"max_decay": 0})
    _grow(branch, 600, "x + noise")
    return branch


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (_no_champion, "decay unknown: no version is in use"),
        (_damaged, "decay of version 1 unknown: late_training: the artifact of version 1 is damaged"),
        (_without_its_feature, "decay of version 1 unknown: it cannot score the newer rows: 'y' is gone"),
        (_another_question, "decay of version 1 unknown: it predicts another target, or its entity or time column"),
        (_without_its_label_time, "decay of version 1 unknown: the split lacks the column 'landed', which tells when"),
        (_another_class, "decay of version 1 unknown: the outcome 'lost' is none of its classes 'late', 'not'"),
        (_one_class, "decay of version 1 unknown: roc_auc is not defined on the 199 newer rows"),
        (_another_type, "decay of version 1 unknown: late_training: the target 'is_late' is a DOUBLE"),
    ],
)
def test_a_decay_that_nobody_can_know_is_said_and_no_reason(made: Any, words: str) -> None:
    branch = made()
    row = branch.train()
    assert (row["outcome"], _figures(row)["decay"]) == ("skipped", None)
    assert f"; {words}" in row["reason"]


def test_a_row_that_cannot_be_scored_does_not_hide_the_decay_of_the_others() -> None:
    figures = _figures(_infinite().train())
    assert figures["decay"] is not None
    assert figures["decay_rows"] == 199


def test_a_metric_that_the_test_rows_did_not_define_is_no_measure() -> None:
    branch = _branch(retrain={"max_decay": 0})
    branch.execute("update late_training set metrics = replace(metrics, 'roc_auc', 'another')")
    _grow(branch, 600, TURNED)
    assert branch.train()["reason"] == f"{SAME}; decay of version 1 unknown: roc_auc was not defined on its test rows"


# --- keys together ----------------------------------------------------------------------------------------


def _all(branch: Branch, **changes: Any) -> dict[str, Any]:
    branch.overrides = {"drift": DRIFT}
    limits = {"max_age": "90 days", "max_drift": 0.5, "max_decay": 0.9, CONDITION: 199}
    return branch.train(retrain={**limits, **changes})


def _short(figure: float) -> str:
    return f"{figure:.3f}".rstrip("0")


def test_all_keys_are_said_in_one_sentence_and_one_document() -> None:
    branch = _branch()
    _grow(branch, 600, TURNED)
    row = _all(branch)
    figures = _figures(row)
    lost, low, high = figures["decay"], figures["decay_low"], figures["decay_high"]
    assert row["outcome"] == "skipped"
    between = f"from {_stated(branch, 'roc_auc'):.3f} to {_stated(branch, 'roc_auc') - lost:.3f}"
    assert row["reason"] == (
        f"{SAME}; 8.3 days old of at most 90; drift 0.31 of at most 0.5 (mostly carrier 0.9, b 0.25, c 0.2); "
        f"roc_auc fell by {lost:.3f} of at most 0.9 on 199 newer rows, {between} "
        f"(95 % interval of the loss {_short(low)} to {_short(high)}); 199 new labels of 199"
    )
    assert _figures(row) == {
        "age_days": pytest.approx(200 / 24), "max_age_days": 90.0, "drift": 0.31, "max_drift": 0.5, "drift_rows": 440,
        "drifted": DRIFT["features"], "decay": lost, "max_decay": 0.9, "decay_rows": 199,
        "decay_low": low, "decay_high": high, "new_labels": 199, "min_new_labels": 199,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "opening"),
    [
        ({"max_age": "8 days"}, "max_age is exceeded: "),
        ({"max_drift": 0.3}, "max_drift is exceeded: "),
        ({"max_decay": 0.3}, "max_decay is exceeded: "),
        ({"max_age": "8 days", "max_decay": 0.3}, "max_age and max_decay are exceeded: "),
        ({"max_age": "8 days", "max_drift": 0.3, "max_decay": 0.3}, "max_age, max_drift and max_decay are exceeded: "),
        ({"max_age": "8 days", CONDITION: None}, "max_age is exceeded: "),
    ],
)
def test_any_limit_is_a_reason_when_there_are_enough_new_labels(changes: dict[str, Any], opening: str) -> None:
    branch = _branch()
    _grow(branch, 600, TURNED)
    row = _all(branch, **changes)
    assert (row["version"], row["reason"].startswith(opening)) == (2, True)


def test_too_few_new_labels_hold_every_limit_back() -> None:
    branch = _branch()
    _grow(branch, 600, TURNED)
    row = _all(branch, max_age="8 days", max_drift=0.3, max_decay=0.3, min_new_labels=200)
    assert row["outcome"] == "skipped"
    assert row["reason"].startswith(f"{SAME}; 8.33 days old of at most 8; drift 0.31 of at most 0.3 ")
    assert row["reason"].endswith("; 199 new labels of 200")


def test_every_row_of_the_build_holds_the_figures() -> None:
    branch = _branch(candidates=["logistic_regression", "random_forest"], retrain={"max_age": "1 week"})
    branch.as_of += timedelta(days=8)
    branch.train()
    rows = [row for row in branch.logbook() if row["version"] == 2]
    assert len(rows) == 2
    assert [_figures(row) for row in rows] == [{"age_days": 8.0, "max_age_days": 7.0}] * 2


# --- cooling down -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "own", "outcome"), [(Steady(1), Steady(), "promoted"), (Steady(), Steady(1), "rejected")]
)
def test_nothing_is_trained_again_before_it_has_cooled_down(first: Any, own: Any, outcome: str) -> None:
    branch = Branch(candidates=[], trusted=["estimators.Steady"], retrain={"max_drift": 0.3, "cool_down": "3 days"})
    _grow(branch, 400)
    branch.train({"mine": first})
    assert branch.train({"mine": own})["outcome"] == outcome
    branch.overrides = {"drift": DRIFT}
    branch.as_of = _at(400 + 71)
    row = branch.train({"mine": own})
    assert row["outcome"] == "skipped"
    assert row["reason"].endswith("; drift 0.31 of at most 0.3 (mostly carrier 0.9, b 0.25, c 0.2); cooling down until "
                                  "2024-01-20 16:00:00")  # fmt: skip
    assert _figures(row)["cooling_down_until"] == "2024-01-20 16:00:00"
    branch.as_of = _at(400 + 72)
    row = branch.train({"mine": own})
    assert (row["version"], row["reason"].startswith("max_drift is exceeded: ")) == (3, True)
    assert "cooling_down_until" not in _figures(row)


def test_midnight_is_said_as_a_day_and_a_week_is_the_default() -> None:
    branch = _branch(retrain={"max_age": "1 hour"})
    branch.as_of = _at(24 * 17)
    assert branch.retrain()["version"] == 2
    branch.as_of = _at(24 * 24 - 1)
    assert branch.train()["reason"].endswith("; 6.96 days old of at most 0.04; cooling down until 2024-01-25")
    branch.as_of = _at(24 * 24)
    assert branch.train()["version"] == 3


def test_the_same_knowledge_trains_once_however_short_the_time_to_cool_down() -> None:
    branch = _branch(retrain={"max_drift": 0.3, "cool_down": "0 days"})
    branch.overrides = {"drift": DRIFT}
    assert branch.train()["reason"].endswith("; cooling down until 2024-01-17 16:00:00")
    branch.as_of += timedelta(microseconds=1)
    assert branch.train()["version"] == 2
    assert branch.train()["outcome"] == "skipped"


def test_a_changed_spec_and_a_wish_wait_for_nothing() -> None:
    branch = _branch(retrain={"max_age": "1 day"})
    row = branch.train(metric="brier")
    assert (row["version"], row["reason"].split(";")[0], row["decision"]) == (2, "the spec changed: metric", None)
    row = branch.retrain()
    assert (row["version"], row["reason"].split(";")[0], row["decision"]) == (3, "requested by mlbridge_retrain", None)


def test_the_end_of_time_is_no_obstacle() -> None:
    branch = _branch(retrain={"max_age": "1 day"})
    branch.as_of = START.max
    assert branch.train()["version"] == 2
    assert branch.train()["reason"].endswith("; cooling down until 9999-12-31 23:59:59")


# --- what the caller asks for -----------------------------------------------------------------------------


def test_a_wish_trains() -> None:
    branch = _branch()
    branch.overrides = {"retrain": "always"}
    assert branch.train()["version"] == 2


def test_else_the_policy_decides() -> None:
    branch = _branch(retrain={"max_age": "1 day"})
    assert branch.train()["outcome"] == "skipped"
    branch.as_of += timedelta(days=8)
    assert branch.train()["version"] == 2


def test_never_trains_the_first_version_and_no_other() -> None:
    branch = Branch({"y": "other"}, retrain={"max_age": "1 day", "max_drift": 0.1})
    branch.overrides = {"retrain": "never", "drift": DRIFT}
    assert branch.train()["version"] == 1
    branch.as_of += timedelta(days=9)
    row = branch.train()
    assert (row["reason"], row["decision"]) == (f"{SAME}; mlbridge_retrain says never", None)
    row = branch.train(metric="brier")
    assert row["reason"] == "nothing is trained, although the spec changed: metric; mlbridge_retrain says never"
    branch.split()
    row = branch.train()
    assert row["outcome"] == "skipped"
    assert (
        row["reason"] == "nothing is trained, although the features changed: 'y' is gone; mlbridge_retrain says never"
    )


# --- around it --------------------------------------------------------------------------------------------


def test_a_past_day_decides_by_what_was_known_then() -> None:
    branch = _branch(retrain={"max_age": "20 days", "max_decay": 0.3})
    _grow(branch, 800, TURNED)
    assert branch.train()["version"] == 2
    _grow(branch, 500, TURNED)
    row = branch.train()
    assert row["reason"] == (
        f"{SAME}; 4.2 days old of at most 20; decay of version 1 unknown: only 99 newer rows of at least 100; "
        "cooling down until 2024-01-24 16:00:00"
    )
    branch.as_of = _at(399)
    assert branch.train()["reason"].startswith("no version yet; ")


def test_the_challenger_meets_the_champion_on_the_newest_outcomes_that_neither_has_seen() -> None:
    """Both are held against the same rows, in figures that scikit-learn gives too from what both predicted."""
    branch = _branch(columns={"y": "other"}, retrain={"max_decay": 0.05}, shadow=True)
    turned = f"case when i < 400 then {OUTCOME} else x - other + noise > 0 end"
    _grow(branch, 2000, turned, y="other")
    row = branch.train()
    assert (row["version"], row["outcome"], row["rows_test"]) == (2, "promoted", 300)
    branch.predict()
    found = branch.rows(
        "select is_late, version, probability from late_split join late_predictions on id = entity "
        "where ml_split = 'test' order by version, time"
    )
    assert [each["version"] for each in found] == [1] * 300 + [2] * 300
    old, new = (
        roc_auc_score(*zip(*[(each["is_late"], each["probability"]) for each in part], strict=True))
        for part in (found[:300], found[300:])
    )
    compared = "of the champion (version 1) on the same 300 rows of 14 days"
    sentence = f"roc_auc {new:.3f} against {old:.3f} {compared}: +{new - old:.3f} ("
    assert f"; {sentence}" in row["reason"]


def test_thresholds_of_a_feature_that_is_none_are_refused() -> None:
    branch = Branch(
        monitor={"feature_thresholds": {"x": {"psi": 1}, "ml_target": {"psi": 1}, "ml_prediction": {"ks": 1}}}
    )
    assert branch.train()["version"] == 1
    words = ("`mlbridge.monitor.feature_thresholds` names 'carier', which is no feature of this model.",
             "Did you mean 'carrier'?", "Allowed: 'x', 'carrier', 'ml_prediction', 'ml_target'")  # fmt: skip
    branch.refuses(FeatureError, *words, monitor={"feature_thresholds": {"carier": {"psi": 1}}})
    branch.refuses(FeatureError, "names 'id'", monitor={"feature_thresholds": {"id": {"psi": 1}}})
