"""Score: which rows the champion scores, that it scores them once, and what a prediction looks like."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from branch import LABELLED, Branch
from decided import RefusedError
from estimators import Steady

import mlbridge
from mlbridge.errors import ArtifactError, ScoringError
from mlbridge.scoring.python import predicted
from mlbridge.scoring.rows import PREDICTIONS, prediction_schema


def _seen(branch: Branch, version: int = 1) -> list[Any]:
    """Give the predictions of a version for rows that `late_then`, its training's split, used."""
    return branch.values(
        'select entity from late_predictions join late_then on entity = id and time = "at" '
        f"where version = {version} and ml_split in ('train', 'validation')"
    )


def _remember(branch: Branch) -> None:
    branch.execute("create or replace table late_then as from late_split")


# --- which rows -------------------------------------------------------------------------------------------


def test_the_held_out_and_the_open_rows_are_scored_once() -> None:
    branch = Branch()
    branch.train()
    rows = branch.predict()
    assert {row["entity"] for row in rows} == {f"k{i}" for i in range(340, 440)}
    assert branch.predict() == []
    branch.split(where="i < 460")
    assert {row["entity"] for row in branch.predict()} == {f"k{i}" for i in range(440, 460)}
    assert len(branch.predictions()) == 120


def test_a_row_that_was_scored_before_its_outcome_is_not_scored_again_after_it() -> None:
    branch = Branch()
    branch.train()
    branch.predict()
    branch.split({"is_late": "case when i < 430 then x + noise > 0 end"})
    assert branch.predict() == []


def test_a_new_champion_scores_again_and_the_old_predictions_stay() -> None:
    branch = Branch(candidates=[], trusted=["estimators.Steady"])
    branch.train({"mine": Steady(1)})
    old = branch.predict()
    branch.train({"mine": Steady()})
    new = branch.predict()
    assert ({row["version"] for row in old}, {row["version"] for row in new}) == ({1}, {2})
    assert [row["entity"] for row in old] == [row["entity"] for row in new]
    assert branch.predictions() == old + new


LATER = "case when i < {0} then 'train' when i < {1} then 'validation' when i < {2} then 'test' else 'score' end"


@pytest.mark.parametrize(
    ("words", "labelled"),
    [
        # More outcomes: the cut-offs move on, and rows trained on come to lie in the gap before them.
        ("case when i < 300 then 'train' when i < 320 then 'score' when i < 370 then 'validation' when i < 380 "
         "then 'score' when i < 440 then 'test' else 'score' end", 440),
        # Fewer: the cut-offs move back, and rows trained on are called test.
        (LATER.format(200, 240, 300), 300),
    ],
)  # fmt: skip
def test_cut_offs_that_move_bring_no_trained_row_into_the_predictions(words: str, labelled: int) -> None:
    branch = Branch()
    branch.train()
    _remember(branch)
    branch.split({"ml_split": words, "is_late": f"case when i < {labelled} or i < 340 then x + noise > 0 end"},
                 where="i < 460")  # fmt: skip
    assert branch.predict()
    assert _seen(branch) == []
    assert len(branch.predictions()) == 120


@pytest.mark.parametrize("then", [{"by": "hash"}, {"by": "word"}])
def test_a_champion_of_another_split_scores_no_row_that_it_was_trained_on(then: dict[str, str]) -> None:
    mixed = "case when i >= 400 then 'score' else ['train', 'test', 'validation', 'train', 'train'][1 + i % 5] end"
    branch = Branch({"ml_split": mixed, "word": "i % 3"}, split=then, features=["x"], candidates=[],
                    trusted=["estimators.Steady"])  # fmt: skip
    branch.train({"mine": Steady()})
    _remember(branch)
    branch.split({"word": "i % 3"})
    assert branch.train({"mine": Steady(1)}, split={"by": "time"}, pin=1)["version"] == 2
    assert branch.predict()
    assert _seen(branch) == []
    assert {row["entity"] for row in branch.predictions()} == {f"k{i}" for i in range(LABELLED, 440)}


def test_no_champion_gives_no_rows_with_all_columns() -> None:
    branch = Branch({"is_late": "case when i < 400 then other > 0 end"})
    branch.train()
    found = branch.arrow_of_predict()
    assert (found.num_rows, found.schema) == (0, prediction_schema())


# --- keys of the rows -------------------------------------------------------------------------------------


def test_hostile_values_are_only_values() -> None:
    values = ['select "x"', "'); drop table late_split; --", "🛬", "", "a\nb", "%s {0} \\", "null"]
    branch = Branch(entity=["id", "leg"])
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    columns = {"id": f"[{quoted}][1 + i % 7]", "leg": "i // 7", "carrier": f"[{quoted}][1 + (i * 3) % 7]"}
    branch.split(columns)
    branch.train(monitor={"slices": ["carrier"]})
    rows = branch.predict()
    assert [json.loads(row["entity"]) for row in rows] == [[values[i % 7], str(i // 7)] for i in range(340, 440)]
    assert branch.predict() == []
    branch.split(columns, where="i < 441")
    assert len(branch.predict()) == 1


@pytest.mark.parametrize(
    ("sql", "text"),
    [("i", "340"), ("i % 2 = 0", "true"), ("cast(i as decimal(9, 2))", "340.00"), ("['', '🛫'][1 + i % 2]", "")],
)
def test_an_entity_of_any_type_is_written_as_the_warehouse_writes_it(sql: str, text: str) -> None:
    branch = Branch({"id": sql})
    branch.train()
    assert branch.predict()[0]["entity"] == text
    assert branch.predict() == []


def test_moments_keep_their_microseconds() -> None:
    branch = Branch({"at": "timestamp '2024-01-01 00:00:00.000001' + to_hours(i)"})
    branch.train()
    assert {row["time"].microsecond for row in branch.predict()} == {1}
    assert branch.predict() == []


# --- what a prediction is ---------------------------------------------------------------------------------


def test_the_types_are_those_of_the_contract_and_the_rows_come_as_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    branch = Branch()
    branch.train()
    monkeypatch.setattr("mlbridge.nodes.predictions.cheaper", lambda cost, rows: "python")
    found = mlbridge.predict(
        branch._dbt("late_predictions"), branch.connection, branch._ref("late_split"), branch._ref("late_training")
    )
    assert isinstance(found, pa.RecordBatchReader)
    assert found.schema == prediction_schema()
    assert found.schema.names == list(PREDICTIONS)
    assert found.schema.field("time").type == found.schema.field("scored_at").type == pa.timestamp("us")
    assert found.schema.field("version").type == pa.int32()
    rows = found.read_all().to_pylist()
    assert {row["scored_at"] for row in rows} == {branch.as_of}
    assert {row["model_name"] for row in rows} == {"late"}
    assert all(row["entity"] and row["time"] and row["prediction"] for row in rows)


def test_scores_become_predictions() -> None:
    two = predicted(np.array([[0.5, 0.5], [0.2, 0.8]]), ["no", "yes"], None)
    assert (two["prediction"], two["prediction_value"]) == (["no", "yes"], None)
    assert two["probability"].tolist() == [0.5, 0.8]
    many = predicted(np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]]), ["-1", "0", "7"], [-1.0, 0.0, 7.0])
    assert (many["prediction"], many["prediction_value"].tolist()) == (["0", "-1"], [0.0, -1.0])
    assert many["probability"].tolist() == [0.5, 0.4]
    assert (two["probabilities"], many["probabilities"]) == (None, ["[0.2, 0.5, 0.3]", "[0.4, 0.2, 0.4]"])
    number = predicted(np.array([0.1, 1e300]), None, None)
    assert (number["prediction"], number["probability"]) == (["0.1", "1e+300"], None)
    assert number["probabilities"] is None


def test_of_many_classes_all_probabilities_are_kept_in_the_order_of_the_classes() -> None:
    branch = Branch({"is_late": "case when i < 400 then ['b', 'a', 'c'][2 + sign(round(x + noise))::int] end"})
    row = branch.train()
    assert json.loads(row["params"])["classes"] == ["a", "b", "c"]
    for row in branch.predict():
        each = dict(zip("abc", json.loads(row["probabilities"]), strict=True))
        assert sum(each.values()) == pytest.approx(1)
        assert each[row["prediction"]] == row["probability"] == max(each.values())


def test_predictions_that_an_older_version_began_go_on() -> None:
    branch = Branch()
    branch.train()
    branch.predict()
    branch.execute("alter table late_predictions drop column probabilities")
    assert branch.arrow_of_predict().num_rows == 0


# --- when it cannot score ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"y": None}, ["version 1 cannot score: 'y' is gone", "Restore the column"]),
        ({"y": "cast(i as varchar)"}, ["'y' was DOUBLE and is VARCHAR", "or build the training node"]),
        ({"y": "cast(other as decimal(9, 2))"}, ["'y' was DOUBLE and is DECIMAL(9,2)"]),
    ],
)
def test_a_feature_that_is_gone_or_another_is_named(columns: dict[str, str | None], words: list[str]) -> None:
    branch = Branch({"y": "other"})
    branch.train()
    branch.predict()
    branch.split(columns, where="i < 460")
    branch.refuses_to_predict(RefusedError, *words)
    # The way out that the message names.
    assert branch.train()["outcome"] == "promoted"
    assert {row["version"] for row in branch.predict()} == {2}


def test_another_width_of_a_number_is_no_obstacle() -> None:
    branch = Branch({"y": "other"})
    branch.train()
    branch.predict()
    branch.split({"y": "cast(other as float)"}, where="i < 460")
    assert {row["version"] for row in branch.predict()} == {1}
    assert branch.train()["outcome"] == "skipped"


def test_a_new_column_is_no_obstacle() -> None:
    branch = Branch()
    branch.train()
    branch.split({"y": "other"})
    assert len(branch.predict()) == 100


@pytest.mark.parametrize("value", ["null", "cast('nan' as double)"])
def test_a_missing_value_is_scored(value: str) -> None:
    branch = Branch({"y": f"case when i < 400 then other else {value} end"})
    branch.train()
    rows = branch.predict()
    assert len(rows) == 100
    assert all(np.isfinite(row["probability"]) for row in rows)


def test_a_failing_champion_is_named() -> None:
    branch = Branch({"y": "other"}, candidates=[], trusted=["estimators.Steady"])
    branch.train({"mine": Steady()})
    branch.execute("update late_training set features = json_array(json_object('name', 'y', 'type', 'DOUBLE', "
                   "'kind', 'numeric'))")  # fmt: skip
    branch.refuses_to_predict(ScoringError, "version 1 failed to score: 'x'")


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"id": "case when i < 430 then i end"}, ["'id' is NULL in 10 row(s)", "Filter those rows out"]),
        ({"id": "least(i, 438)", "at": "timestamp '2024-01-01' + to_hours(least(i, 438)::int)"}, ["stands in 2 rows"]),
    ],
)
def test_a_key_that_is_missing_or_stands_twice_is_refused_without_a_training(
    columns: dict[str, str], words: list[str]
) -> None:
    branch = Branch()
    branch.train()
    branch.split(columns)
    assert branch.train()["outcome"] == "skipped"
    branch.refuses_to_predict(RefusedError, *words)


# --- in shadow --------------------------------------------------------------------------------------------


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what the predictions node warns of."""
    warnings: list[str] = []
    monkeypatch.setattr("mlbridge.nodes.predictions.warn", lambda node, text: warnings.append(f"{node}: {text}"))
    return warnings


def _challenged(columns: dict[str, str] | None = None, **spec: Any) -> Branch:
    """Make a champion (version 1), and a challenger (version 2) that was rejected."""
    branch = Branch(columns, candidates=[], trusted=["estimators.Steady"], **spec)
    branch.train({"mine": Steady()})
    assert branch.train({"mine": Steady(1)}, **({"features": {"exclude": []}} if spec else {}))["outcome"] == "rejected"
    branch.spec["shadow"] = True
    return branch


def _alone(branch: Branch, pin: int) -> list[Any]:
    """Give what a version would predict by itself."""
    before, branch.spec = branch.spec, {**branch.spec, "pin": pin, "shadow": False}
    rows = [(row["entity"], row["version"], row["probability"]) for row in branch.arrow_of_predict().to_pylist()]
    branch.spec = before
    return rows


def test_a_rejected_challenger_scores_beside_the_champion_and_both_once(warned: list[str]) -> None:
    branch = _challenged()
    expected = _alone(branch, 1) + _alone(branch, 2)
    assert len(expected) == 200
    assert [(row["entity"], row["version"], row["probability"]) for row in branch.predict()] == expected
    assert branch.predict() == []
    branch.split(where="i < 460")
    assert [row["version"] for row in branch.predict()] == [1] * 20 + [2] * 20
    assert warned == []


def test_without_shadow_the_challenger_is_silent() -> None:
    branch = _challenged()
    branch.spec["shadow"] = False
    assert {row["version"] for row in branch.predict()} == {1}
    branch.spec["shadow"] = True
    assert {row["version"] for row in branch.predict()} == {2}


def test_the_challenger_is_the_newest_version_that_is_not_in_use() -> None:
    branch = _challenged()
    own = {"mine": Steady(3)}
    assert branch.train(own)["version"] == 3
    branch.predict()
    assert branch.values("select distinct version from late_predictions order by 1") == [1, 3]
    branch.spec["pin"] = 3
    assert {row["version"] for row in branch.predict()} == {2}


def test_a_newer_version_is_the_challenger_of_an_older_one_that_is_pinned() -> None:
    branch = Branch(candidates=[], trusted=["estimators.Steady"], shadow=True)
    branch.train({"mine": Steady(1)})
    assert {row["version"] for row in branch.predict()} == {1}
    assert branch.train({"mine": Steady()})["outcome"] == "promoted"
    branch.spec["pin"] = 1
    assert [row["version"] for row in branch.predict()] == [2] * 100
    branch.split(where="i < 460")
    assert [row["version"] for row in branch.predict()] == [1] * 20 + [2] * 20


def test_a_past_day_knows_no_later_challenger() -> None:
    branch = _challenged()
    branch.execute("update late_training set as_of = as_of + interval 1 day where version = 2")
    assert {row["version"] for row in branch.predict()} == {1}
    branch.as_of += timedelta(days=1)
    assert {row["version"] for row in branch.predict()} == {2}


def test_without_a_champion_nothing_is_scored_in_shadow(warned: list[str]) -> None:
    branch = Branch({"is_late": "case when i < 400 then other > 0 end"}, shadow=True)
    assert branch.train()["outcome"] == "rejected"
    assert branch.predict() == []
    assert "late has no champion yet" in warned[0]


def test_both_streams_are_written_by_another_cursor_as_dbt_does() -> None:
    branch = _challenged()
    found = mlbridge.predict(
        branch._dbt("late_predictions"), branch.connection, branch._ref("late_split"), branch._ref("late_training")
    )
    writer = branch.connection.cursor()
    writer.register("arriving", found)
    writer.execute("create table late_predictions as from arriving")
    assert branch.values("select count(*) from late_predictions group by version") == [100, 100]


def _damaged(branch: Branch) -> None:
    branch.execute("update late_training set artifact = 'x'::blob where version = 2")


def _without_its_feature(branch: Branch) -> None:
    branch.split({"z": "other"})


def _of_another_type(branch: Branch) -> None:
    branch.split({"y": "'y'", "z": "other"})


def _failing(branch: Branch) -> None:
    branch.execute("update late_training set features = json_array(json_object('name', 'y', 'type', 'DOUBLE', "
                   "'kind', 'numeric')) where version = 2")  # fmt: skip


def _by_a_key_that_stands_twice(branch: Branch) -> None:
    branch.execute("update late_training set spec = json_merge_patch(spec, '{\"entity\": [\"carrier\"], \"time\": "
                   "\"day\"}') where version = 2")  # fmt: skip
    branch.split({"y": "other", "z": "other", "day": "timestamp '2024-01-01' + to_days((i // 24)::int)"})


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_damaged, "does not score in shadow: late_predictions: the artifact of version 2 is damaged"),
        (_without_its_feature, "does not score in shadow: 'y' is gone"),
        (_of_another_type, "does not score in shadow: 'y' was DOUBLE and is VARCHAR"),
        (_by_a_key_that_stands_twice, "does not score in shadow: carrier = AA at 2024-01-01 00:00:00 stands in 8 rows"),
        (_failing, "stopped scoring in shadow: late_predictions: version 2 failed to score: 'x'"),
    ],
)
def test_a_challenger_that_fails_is_warned_of_and_the_champion_scores(harm: Any, words: str, warned: list[str]) -> None:
    branch = _challenged({"y": "other", "z": "other"}, features={"exclude": ["y"]})
    branch.predict()
    branch.execute("create or replace table late_predictions as from late_predictions where false")
    harm(branch)
    assert [row["version"] for row in branch.predict()] == [1] * 100
    assert len(warned) == 1
    assert warned[0].startswith(f"late_predictions: the challenger (version 2) {words}")
    # Nothing new for the champion is no way out of the challenger's trouble either.
    assert branch.predict() == []
    assert len(warned) == 2


def test_a_champion_that_fails_is_not_replaced_by_its_challenger() -> None:
    branch = _challenged()
    branch.execute("update late_training set artifact = 'x'::blob where version = 1")
    branch.refuses_to_predict(ArtifactError, "version 1 is damaged")
