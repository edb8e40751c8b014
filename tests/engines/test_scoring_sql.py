"""A champion as a SELECT: kept only when it says what Python says, and then the two are the same predictions."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from branch import Branch
from estimators import Steady
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from threadpoolctl import threadpool_limits

from mlbridge.compile.sql import dialects
from mlbridge.compile.sql.dialects import dialect_of
from mlbridge.engines.warehouse import DIALECT
from mlbridge.nodes import predictions
from mlbridge.scoring import sql as gate
from mlbridge.scoring.rows import PREDICTIONS, prediction_schema

FEATURES = {
    "gap": "case when i % 3 > 0 then x end",
    "many": "'t' || i % 60",
    "sold": "case when i % 7 > 0 then i % 2 = 0 end",
    "day": "date '2024-01-01' + i::integer",
    "price": "(i % 17)::decimal(9, 2)",
    'Größe "m"': "other",
}
SORTS = (
    "case when i < 400 then ['a', 'b', 'c'][1 + (case when x + noise > 0.5 then 2 when x > 0 then 1 else 0 end)] end"
)
KINDS: dict[str, dict[str, Any]] = {
    "booleans": {"columns": FEATURES},
    "texts": {"columns": {**FEATURES, "is_late": "case when i < 400 then if(x + noise > 0, 'yes', 'no') end"}},
    "numbers": {"columns": {**FEATURES, "is_late": "case when i < 400 then if(x + noise > 0, 7, 3) end"}},
    "many classes": {"columns": {**FEATURES, "is_late": SORTS}, "metric": "log_loss"},
    "regression": {
        "columns": {**FEATURES, "is_late": "case when i < 400 then x + noise end"},
        "task": "regression",
        "metric": "rmse",
    },
    "two keys": {"columns": {**FEATURES, "shop": "i % 2"}, "entity": ["id", "shop"]},
}


def trained(kind: str, **more: Any) -> Branch:
    spec = {"candidates": ["hist_gradient_boosting"], **KINDS[kind], **more}
    branch = Branch(spec.pop("columns"), **spec)
    with threadpool_limits(1):  # several OpenMP threads on so few rows wait for each other more than they work
        branch.train()
    return branch


def predicted(branch: Branch, way: str, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Score in one of the two ways, and give the rows but for what differs from build to build."""
    monkeypatch.setattr(predictions, "cheaper", lambda cost, rows: way)
    branch.execute("update late_training set scoring_cost = '{}' where scoring_cost is null")
    with threadpool_limits(1):
        found = branch.arrow_of_predict()
    assert found.schema.names == list(PREDICTIONS)
    assert found.schema.equals(prediction_schema())
    rows = found.drop_columns(["invocation_id"]).to_pylist()
    assert {row.pop("scored_by") for row in rows} == {way}
    return sorted(rows, key=lambda row: str(row["entity"]))


@pytest.mark.parametrize("kind", KINDS)
def test_sql_and_python_give_the_same_predictions(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    branch = trained(kind)
    by_python = predicted(branch, "python", monkeypatch)
    by_sql = predicted(branch, "sql", monkeypatch)
    assert len(by_python) == 100
    if kind == "many classes":  # numpy's exp is not the C library's: the last bit of a softmax may differ
        for row in (*by_python, *by_sql):
            row["probabilities"] = json.loads(row["probabilities"])
        for row in by_sql:
            row["probabilities"] = pytest.approx(row["probabilities"], rel=1e-12)
            row["probability"] = pytest.approx(row["probability"], rel=1e-12)
    assert by_sql == by_python


def test_the_logbook_keeps_the_select_its_version_and_what_it_costs() -> None:
    branch = trained("booleans")
    (row,) = branch.rows("from late_training")
    assert f"-- late version 1, artifact {row['artifact_sha256']}" in row["scoring_sql"]
    assert row["scoring_sql_note"] is None
    cost = json.loads(row["scoring_cost"])
    assert set(cost) == {"sql", "python"}
    assert all(each["fixed"] >= 0 and each["per_row"] >= 0 for each in cost.values())


def test_a_select_that_is_not_equal_to_the_last_bit_leaves_scoring_to_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_difference", lambda *answers: (1e-15, None))
    branch = trained("booleans")
    (row,) = branch.rows("from late_training")
    assert row["scoring_sql"]
    assert row["scoring_cost"] is None
    assert {each["scored_by"] for each in branch.predict()} == {"python"}


def test_what_is_not_covered_is_named_and_python_scores() -> None:
    branch = Branch(FEATURES, candidates=[], trusted=["estimators.Steady"])
    branch.train({"mine": Steady()})
    (row,) = branch.rows("from late_training")
    assert row["scoring_sql"] is None
    assert "estimators.Steady cannot be compiled to SQL" in row["scoring_sql_note"]
    assert {each["scored_by"] for each in branch.predict()} == {"python"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"probability": 0.25}, "differs from Python by up to"),
        ({"prediction": None}, "disagree on whether the entity"),
        ({"prediction": "maybe"}, "predict different classes"),
    ],
)
def test_a_select_that_says_something_else_is_not_kept(
    change: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = gate._in_sql

    def wrong(*arguments: Any) -> gate.Rows:
        found = right(*arguments)
        found[next(iter(found))] |= change
        return found

    monkeypatch.setattr(gate, "_in_sql", wrong)
    (row,) = trained("booleans").rows("from late_training")
    assert row["scoring_sql"] is None
    assert words in row["scoring_sql_note"]


def test_a_difference_near_nothing_is_measured_by_what_is_usual() -> None:
    def rows(*values: float) -> gate.Rows:
        nothing = {"probability": None, "probabilities": None}
        return {
            (index, None): {"prediction": str(value), "prediction_value": value, **nothing}
            for index, value in enumerate(values)
        }

    worst, note = gate._difference(rows(30.0, 20.0, 1e-14), rows(30.0, 20.0, 0.0))
    assert (worst, note) == (pytest.approx(1e-14 / 20), None)
    worst, note = gate._difference(rows(30.0, 20.0, 1e-10), rows(30.0, 20.0, 0.0))
    assert worst == pytest.approx(1e-10 / 20)
    assert note == "SQL differs from Python by up to 5.0e-12, relatively"


@pytest.mark.parametrize(
    ("limit", "most", "words"), [("largest", 1_000, "characters"), ("widest", 5, "columns in one of its steps")]
)
def test_a_select_beyond_the_budget_is_not_kept(
    limit: str, most: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(dialects.DIALECTS, DIALECT, replace(dialect_of(DIALECT), **{limit: most}))
    (row,) = trained("booleans").rows("from late_training")
    assert row["scoring_sql"] is None
    assert re.search(rf"would have [\d,]+ {words}; 'duckdb' takes {most:,}", row["scoring_sql_note"])


def test_a_compilation_that_takes_too_long_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "LONGEST_COMPILE", 0.0)
    (row,) = trained("booleans").rows("from late_training")
    assert row["scoring_sql"] is None
    assert row["scoring_sql_note"].startswith("compiling took")


def test_the_cheaper_way_is_chosen_by_the_rows() -> None:
    cost = {"sql": {"fixed": 2.0, "per_row": 1e-6}, "python": {"fixed": 0.5, "per_row": 1e-5}}
    assert gate.cheaper(cost, 1_000) == "python"
    assert gate.cheaper(cost, 1_000_000) == "sql"


@pytest.mark.parametrize("way", ["sql", "python"])
def test_a_row_that_cannot_be_scored_gets_no_prediction_in_both_ways(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    branch = trained("booleans")
    monkeypatch.setattr(predictions, "cheaper", lambda cost, rows: way)
    branch.execute("update late_split set x = 'infinity' where id = 'k410'")
    rows = branch.predict()
    assert len(rows) == 100
    assert {row["entity"]: row["not_scored_because"] for row in rows if row["prediction"] is None} == {
        "k410": "the feature 'x' is infinite"
    }


def test_a_row_without_a_prediction_ends_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    branch = trained("booleans")
    columns = '"entity", "time", "prediction_value", "probability", "probabilities", "not_scored_because"'
    branch.execute(
        "update late_training set scoring_sql_md5 = null, scoring_sql = 'WITH ml_columns AS (' || scoring_sql || "
        f"') SELECT {columns}, NULL AS \"prediction\" FROM ml_columns'"
    )
    monkeypatch.setattr(predictions, "cheaper", lambda cost, rows: "sql")
    with pytest.raises(Exception, match="version 1 gives no prediction for some rows"):
        pa.table(branch.arrow_of_predict())


FRAGILE = {
    "a step before": lambda: make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()),
    "a scaler": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
}
MISSING = "the feature 'other' is missing, which the version's estimator does not take"
NOT_TAKEN = "the feature 'other' has a value that the version's estimator does not take"


@pytest.mark.parametrize("own", FRAGILE)
@pytest.mark.parametrize("way", ["sql", "python"])
def test_a_row_that_the_estimator_refuses_says_which_feature_and_why_in_both_ways(
    own: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = {"x": "exp(x)", "other": "abs(other)", "is_late": "case when i < 400 then x + noise > 0 end"}
    branch = Branch(columns, candidates=[], features=["x", "other"])
    assert branch.train({"mine": FRAGILE[own]()})["outcome"] == "promoted"
    warned: list[str] = []
    monkeypatch.setattr("mlbridge.scoring.python.warn", lambda node, text: warned.append(text))
    monkeypatch.setattr(predictions, "cheaper", lambda cost, rows: way)
    branch.execute("update late_training set scoring_cost = '{}' where scoring_cost is null")
    values = "case i when 403 then null when 405 then -7 when 407 then null when 409 then -1 else abs(other) end"
    branch.split({**columns, "other": values})
    wanted = {"k403": MISSING, "k407": MISSING}
    if own == "a step before":
        wanted |= {"k405": NOT_TAKEN, "k409": NOT_TAKEN}
    assert _reasons(branch) == wanted
    rows = branch.predict()
    assert len(rows) == 100
    assert f"for {len(wanted)} row(s): " in warned[0]
    assert f"{MISSING} (k403, k407)" in warned[0]
    assert {row["entity"]: row["not_scored_because"] for row in rows if row["prediction"] is None} == wanted
    # Told once; and a row that is mended gets its prediction.
    assert branch.predict() == []
    branch.split({**columns, "other": "case i when 403 then null else abs(other) end"})
    mended = branch.predict()
    assert {row["entity"] for row in mended} == set(wanted) - {"k403"}
    assert all(row["prediction"] is not None for row in mended)


def _reasons(branch: Branch) -> dict[str, str]:
    """Ask the version's SELECT itself."""
    (sql,) = branch.values("select scoring_sql from late_training where outcome = 'promoted'")
    rows = 'select *, id as "ml entity", "at" as "ml time" from late_split where is_late is null'
    refused = branch.rows(f"with ml_split_rows as ({rows}) from ({sql}) where not_scored_because is not null")
    for row in refused:
        assert row["prediction"] is row["probability"] is None
    return {row["entity"]: row["not_scored_because"] for row in refused}
