"""Register: when a build trains and when it does not, which version is in use, and what a row of the logbook says."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from branch import LABELLED, SPEC, START, Branch, This
from decided import RefusedError
from estimators import Steady

from mlbridge.engines.warehouse import Warehouse
from mlbridge.errors import ArtifactError, RegistryError, SetupError, SpecError
from mlbridge.registry import logbook
from mlbridge.registry.logbook import LOGBOOK, as_table

# --- why a build trains -----------------------------------------------------------------------------------


def test_a_first_build_trains_and_a_second_says_why_it_does_not() -> None:
    branch = Branch()
    assert branch.train()["reason"].startswith("no version yet; roc_auc 0.")
    row = branch.train()
    assert (row["outcome"], row["version"], row["candidate"]) == ("skipped", None, None)
    assert row["reason"] == "nothing to do: version 1 was trained on this spec and these features"
    assert row["spec"]
    assert row["artifact"] is None


def test_more_rows_alone_are_no_reason() -> None:
    branch = Branch()
    branch.train()
    branch.split(where="i < 460")
    assert branch.train()["outcome"] == "skipped"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"metric": "log_loss"}, "the spec changed: metric; "),
        ({"promote": {"confidence": 0.9}, "metric": "brier"}, "the spec changed: metric, promote; "),
        ({"features": {"exclude": ["y"]}}, "the features changed: the spec no longer wants 'y'; "),
        ({"trusted": ["my.Type"]}, "the spec changed: trusted; "),
    ],
)
def test_a_changed_spec_trains_and_names_the_keys(changes: dict[str, Any], reason: str) -> None:
    branch = Branch({"y": "other"})
    branch.train()
    row = branch.train(**changes)
    assert (row["version"], row["reason"].startswith(reason)) == (2, True)
    assert branch.train()["outcome"] == "skipped"


@pytest.mark.parametrize("changes", [{"monitor": {"window": "day"}}, {"retrain": {"max_age": None}}, {"pin": 1}])
def test_a_decision_about_the_same_model_does_not_train(changes: dict[str, Any]) -> None:
    branch = Branch()
    branch.train()
    assert branch.train(**changes)["outcome"] == "skipped"


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"y": None}, "the features changed: 'y' is gone; "),
        ({"y": "cast(i % 7 as integer)"}, "the features changed: 'y' was DOUBLE and is INTEGER; "),
        ({"y": "other", "z": "other + x"}, "the features changed: 'z' is new; "),
        ({"y": None, "z": "other"}, "the features changed: 'y' is gone, 'z' is new; "),
    ],
)
def test_changed_features_train_and_are_named(columns: dict[str, str | None], reason: str) -> None:
    branch = Branch({"y": "other"})
    branch.train()
    branch.split(columns)
    row = branch.train()
    assert (row["version"], row["reason"].startswith(reason)) == (2, True)


def test_another_definition_of_an_own_candidate_trains() -> None:
    branch = Branch(candidates=[], trusted=["estimators.Steady"])
    branch.train({"mine": Steady(3)})
    assert branch.train({"mine": Steady(3)})["outcome"] == "skipped"
    assert branch.train({"mine": Steady(4)})["reason"].startswith("the spec changed: the definition of a candidate; ")


@pytest.mark.parametrize(("before", "trains"), [("9.1.0", True), ("0.0.7", False)])
def test_another_major_version_of_the_package_trains(before: str, trains: bool) -> None:
    branch = Branch()
    branch.train()
    branch.execute(
        "update late_training set library_versions = "
        f'json_merge_patch(library_versions, \'{{"mlbridge": "{before}"}}\')'
    )
    row = branch.train()
    assert (row["outcome"] != "skipped") is trains
    assert row["reason"].startswith(f"mlbridge went from {before} to ") is trains


def test_asked_for() -> None:
    branch = Branch()
    branch.train()
    row = branch.retrain()
    assert (row["version"], row["reason"].split(";")[0]) == (2, "requested by mlbridge_retrain")


# --- which version is in use ------------------------------------------------------------------------------


def _two_versions() -> Branch:
    # The second use of sixty test rows is asked for more than they can show at 95 %.
    branch = Branch(candidates=[], trusted=["estimators.Steady"], promote={"confidence": 0.8})
    branch.train({"mine": Steady(1)})
    branch.train({"mine": Steady()})
    assert [row["outcome"] for row in branch.logbook()] == ["promoted", "promoted"]
    return branch


def test_a_pin_rolls_back_without_training_and_without_it_the_last_promoted_is_back() -> None:
    branch = _two_versions()
    own = {"mine": Steady()}
    assert {row["version"] for row in branch.predict()} == {2}
    assert branch.train(own, pin=1)["outcome"] == "skipped"
    assert {row["version"] for row in branch.predict()} == {1}
    assert len(branch.predictions()) == 200
    assert branch.train(own, pin=None)["outcome"] == "skipped"
    assert branch.predict() == []


def test_a_challenger_meets_the_version_promoted_last_whatever_is_pinned() -> None:
    branch = _two_versions()
    row = branch.train({"mine": Steady(2)}, pin=1)
    assert "the champion (version 2)" in row["reason"]


def test_retiring_the_champion_trains_where_no_other_version_is_left_and_only_once() -> None:
    branch = Branch(candidates=[], trusted=["estimators.Steady"])
    branch.train({"mine": Steady()})
    assert branch.train({"mine": Steady(1)})["outcome"] == "rejected"
    row = branch.train({"mine": Steady(1)}, retire=[1])
    assert row["reason"].startswith("version 1 is retired, and no other is in use; ")
    assert (row["version"], row["outcome"]) == (3, "promoted")
    assert branch.train({"mine": Steady(1)})["outcome"] == "skipped"


def test_a_rejected_version_can_be_pinned() -> None:
    branch = Branch(candidates=[], trusted=["estimators.Steady"])
    branch.train({"mine": Steady()})
    assert branch.train({"mine": Steady(1)})["outcome"] == "rejected"
    branch.train({"mine": Steady(1)}, pin=2)
    assert {row["version"] for row in branch.predict()} == {2}


def test_a_pin_to_a_version_that_does_not_exist_is_refused() -> None:
    branch = _two_versions()
    words = ("`mlbridge.pin`", "no version 3 that this build knows; the logbook has 1, 2", "Pin one that is there")
    branch.refuses(RefusedError, *words, pin=3)
    branch.refuses_to_predict(RefusedError, *words)


def test_a_skipped_build_does_not_change_the_champion_and_versions_have_no_gaps() -> None:
    branch = _two_versions()
    branch.train({"mine": Steady()})
    assert branch.train({"mine": Steady(5)})["version"] == 3
    assert [row["version"] for row in branch.logbook()] == [1, 2, None, 3]


# --- what stands around it --------------------------------------------------------------------------------


def test_a_node_that_is_materialized_as_something_else_is_told_so() -> None:
    class Dbt:
        this = This("late_training")

    branch = Branch()
    for verb in (branch.arrow_of_train, branch.arrow_of_predict):
        branch._dbt = lambda _: Dbt  # type: ignore[method-assign, assignment, return-value]
        branch.execute("create table if not exists late_training (a int)")
        with pytest.raises(SetupError, match="must be materialized by mlbridge"):
            verb()


@pytest.mark.parametrize("more", [{}, {"a_key_of_tomorrow": 1}])
def test_another_version_of_the_dbt_package_is_told_first(more: dict[str, Any]) -> None:
    branch = Branch()
    branch.overrides = {"package_version": "0.0.1", **more}
    branch.refuses(SetupError, "the dbt package mlbridge is 0.0.1, the Python package is", "`dbt deps`, `pip install`")


def test_a_node_with_a_wrong_name_is_told_so() -> None:
    branch = Branch()
    with pytest.raises(SetupError, match="late_train: the node of this stage must be called `<model>_training`"):
        branch.arrow_of_train(node="late_train")
    branch.train()
    with pytest.raises(SetupError, match="late_scores: the node of this stage must be called `<model>_predictions`"):
        branch.arrow_of_predict(node="late_scores")


def test_a_node_without_a_spec_is_told_so() -> None:
    branch = Branch()
    branch.spec = None  # type: ignore[assignment]
    with pytest.raises(SpecError, match="late_training: found no `config: "):
        branch.arrow_of_train()


# --- the rows ---------------------------------------------------------------------------------------------


def test_a_row_says_all_that_was_used() -> None:
    branch = Branch()
    row = branch.train()
    assert json.loads(row["spec"])["entity"] == [SPEC["entity"]]
    assert row["invocation_id"] == "build 1"
    assert row["as_of"] == branch.as_of
    assert (row["model_name"], row["artifact_format"]) == ("late", "skops-1")
    assert set(json.loads(row["library_versions"])) >= {"mlbridge", "python", "scikit-learn", "skops", "numpy"}
    assert json.loads(row["params"])["seed"] == 0
    assert {each["role"] for each in json.loads(row["profile"])} == {"feature", "prediction", "target"}
    assert [each["feature"] for each in json.loads(row["importances"])] == ["x", "carrier"]
    assert sum(each["n"] for each in json.loads(row["calibration"])) == 60
    assert row["fit_seconds"] > 0
    assert row["peak_memory_mb"] > 10


def test_the_columns_of_the_logbook_have_one_type_whatever_the_row_holds() -> None:
    branch = Branch()
    trained = _types(branch, branch.arrow_of_train())
    branch.train()
    skipped = _types(branch, branch.arrow_of_train())
    assert trained == skipped == _types(branch, as_table([]))
    assert list(trained) == list(LOGBOOK)
    assert (trained["artifact"], trained["version"], trained["trained_at"]) == ("BLOB", "INTEGER", "TIMESTAMP")


def test_a_build_that_trains_nothing_makes_no_arrow_table() -> None:
    """Pyarrow would import pandas for it, which costs more than all else that such a build does for a model."""
    branch = Branch()
    branch.train()
    answer = branch.answer_of_train()
    assert isinstance(answer, duckdb.DuckDBPyRelation)
    assert answer.project("model_name, outcome, version").fetchall() == [("late", "skipped", None)]


def test_a_row_that_arrives_as_a_query_is_the_row() -> None:
    row = logbook.LogbookRow(
        model_name="it's \\ \"late\"\n", outcome="skipped", reason="%s {{ x }} -- é", trained_at=START, as_of=START,
        invocation_id="'); drop table t; --", spec={"a": [1, 0.1, "\\'"]}, spec_hash="", decision=None,
        rows_train=2**40, fit_seconds=0.1,
    )  # fmt: skip
    arrived = Warehouse(duckdb.connect()).lazy(logbook.as_query(row)).to_arrow_table().to_pylist()
    assert arrived == as_table([row]).to_pylist()


def _types(branch: Branch, rows: pa.Table) -> dict[str, str]:
    """Give the types of the columns of a table that is made of rows."""
    found = branch.connection.from_arrow(rows)
    return {name: str(type_) for name, type_ in zip(found.columns, found.types, strict=True)}


def test_a_row_is_read_back_as_it_was_written_and_heavy_columns_where_they_are_named() -> None:
    branch = Branch()
    row = branch.train()
    branch.train()
    warehouse, table = Warehouse(branch.connection), Warehouse.table("late_training", "logbook")
    first, last = logbook.history(warehouse, table)
    assert isinstance(first, logbook.CandidateRow)
    assert not isinstance(last, logbook.CandidateRow)
    assert (first.version, first.as_of, last.outcome, last.params) == (1, row["as_of"], "skipped", None)
    assert (first.spec, first.params) == (json.loads(row["spec"]), json.loads(row["params"]))
    left_out = {name for name in LOGBOOK if row[name] is not None and getattr(first, name) is None}
    assert {"artifact", "metrics", "profile", "scoring_sql"} <= left_out
    whole = logbook.with_deferred(warehouse, table, first, *left_out)
    assert (whole.artifact, whole.scoring_sql) == (row["artifact"], row["scoring_sql"])
    assert (whole.metrics, whole.profile) == (json.loads(row["metrics"]), json.loads(row["profile"]))


def test_a_damaged_champion_does_not_stop_a_training() -> None:
    branch = Branch()
    branch.train()
    branch.predict()
    branch.execute("update late_training set artifact = 'x'::blob")
    row = branch.retrain()
    assert (row["outcome"], row["version"]) == ("promoted", 2)
    assert (
        "not compared with the champion (version 1): late_training: the artifact of version 1 is damaged"
        in row["reason"]
    )
    assert {each["version"] for each in branch.predict()} == {2}
    branch.train(pin=1)
    branch.split(where="i < 450")
    branch.refuses_to_predict(ArtifactError, "version 1 is damaged")


def test_a_damaged_document_is_refused_by_name() -> None:
    branch = Branch(candidates=[], trusted=["estimators.Steady"])
    branch.train({"mine": Steady()})
    branch.execute("update late_training set params = '{'")
    branch.refuses(
        RegistryError, "version 1, candidate 'mine': `params` is no JSON (", "Restore the row from a backup."
    )
    branch.execute("update late_training set features = left(features, 20)")
    branch.refuses_to_predict(
        RefusedError, "version 1 cannot score: its `spec` or its `features` in the logbook is no JSON"
    )


# --- the clock --------------------------------------------------------------------------------------------


def test_a_past_day_built_again_knows_no_later_version_and_dethrones_nobody() -> None:
    branch = Branch()
    branch.train()
    branch.predict()
    now, branch.as_of = branch.as_of, START + timedelta(days=17)
    row = branch.train()
    assert (row["version"], row["outcome"]) == (2, "promoted")
    assert row["reason"].startswith("no version yet; ")
    assert {each["version"] for each in branch.predict()} == {2}
    branch.as_of = now
    assert branch.train()["outcome"] == "skipped"
    branch.split(where="i < 450")
    assert {each["version"] for each in branch.predict()} == {1}


def test_a_logbook_without_a_later_column_is_read() -> None:
    branch = Branch()
    branch.train()
    branch.execute("alter table late_training drop column holdout_from")
    branch.execute('update late_training set spec = json_merge_patch(spec, \'{"monitor": null, "unheard": 1}\')')
    assert logbook.history(Warehouse(branch.connection), Warehouse.table("late_training", "logbook"))
    assert branch.predict()


def test_a_champion_that_rests_on_a_feature_which_the_spec_excludes_is_not_met() -> None:
    branch = Branch({"y": "other"})
    branch.train()
    branch.split({"y": "case when i = 395 then 'infinity'::double else other end"})
    row = branch.train(features={"exclude": ["y"]})
    assert row["outcome"] == "promoted"
    assert row["reason"].startswith("the features changed: the spec no longer wants 'y'; ")
    assert "the spec now excludes 'y', which that version uses as a feature" in row["reason"]
    assert "Restore" not in row["reason"]


@pytest.mark.parametrize(
    "column", ["['a', 'b', 'c'][1 + i % 3]::enum('a', 'b', 'c', 'd')", "['a', 'b', 'c'][1 + i % 3]"]
)
def test_one_more_word_in_an_enum_is_no_other_feature(column: str) -> None:
    branch = Branch({"kind": "['a', 'b', 'c'][1 + i % 3]::enum('a', 'b', 'c')"})
    branch.train()
    branch.split({"kind": column})
    assert branch.train()["outcome"] == "skipped"
    assert branch.predict()


@pytest.mark.parametrize(("key", "value"), [("entity", ["id", "crew"]), ("time", "later")])
def test_a_version_of_another_key_is_not_compared_and_scores_nothing_it_may_have_learnt(key: str, value: Any) -> None:
    trained_part = (
        "case when md5(i::varchar) < '4' then 'validation' when md5(i::varchar) < '8' then 'test' else 'train' end"
    )
    words = f"case when i >= {LABELLED} then 'score' else {trained_part} end"
    branch = Branch(
        {"crew": "i % 7", "later": "timestamp '2025-01-01' - to_hours(i)", "ml_split": words},
        split={"by": "hash"},
        features=["x", "carrier"],
    )
    branch.train()
    row = branch.train(**{key: value})
    assert row["outcome"] == "promoted"
    assert "not compared with the champion (version 1): it predicts another target, or its entity" in row["reason"]
    branch.train(**{key: value}, pin=1)
    assert len(branch.predict()) == len([1 for each in branch.rows("from late_split") if each["is_late"] is None])


def test_a_pin_does_not_keep_an_empty_logbook_from_its_first_version() -> None:
    branch = Branch()
    assert branch.train(pin=1)["outcome"] == "promoted"
    assert {row["version"] for row in branch.predict()} == {1}
