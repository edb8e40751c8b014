"""Deep trees as walks over arrays on DuckDB, beside scikit-learn: the same bits, wherever the row leaves the tree."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from compiled import answer_function, differences, row_answers, rows_that_hurt, sql_of
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OrdinalEncoder, TargetEncoder
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier

from mlbridge import CompileError, to_sql
from mlbridge.compile.trees import array_walks

ROWS = 8000
WALKS = "LIST_EXTRACT"


def fitted_on(missing: bool) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"x": rng.normal(size=ROWS), "y z": rng.normal(size=ROWS) * 1e3, "ml_left": rng.random(ROWS)})
    frame["count"] = rng.integers(0, 9, ROWS).astype(np.float64)
    if missing:
        frame = frame.mask(rng.random(frame.shape) < 0.1)
    frame["city"] = pd.Series([f"c{each}" for each in rng.integers(0, 30, ROWS)], dtype=object)
    return frame


def target(frame: pd.DataFrame, kind: str) -> Any:
    noise = np.random.default_rng(4).normal(size=len(frame))
    score = (frame["x"].fillna(0.4) * frame["count"].fillna(3) + frame["y z"].fillna(0) / 5e2 + noise).to_numpy()
    three = np.digitize(score, np.quantile(score, [0.3, 0.7]))
    return {
        "number": score,
        "numbers": np.column_stack([score, noise - score]),
        "two": score > 0,
        "three": np.array(["low", "it's", "High"], dtype=object)[three],
        "pairs": np.column_stack([three, score > 1]),
    }[kind]


SEED = {"random_state": 0}
MADE: dict[str, tuple[Any, str]] = {
    "forest": (RandomForestClassifier(7, max_depth=9, **SEED), "two"),
    "deep forest": (RandomForestClassifier(5, **SEED), "three"),
    "forest of pairs": (RandomForestClassifier(3, max_depth=9, **SEED), "pairs"),
    "numbers": (RandomForestRegressor(6, max_depth=9, **SEED), "number"),
    "several numbers": (RandomForestRegressor(3, max_depth=9, **SEED), "numbers"),
    "extra trees": (ExtraTreesRegressor(5, max_depth=10, **SEED), "number"),
    "extra classes": (ExtraTreesClassifier(5, max_depth=10, **SEED), "two"),
    "tree": (DecisionTreeClassifier(**SEED), "two"),
    "tree of numbers": (DecisionTreeRegressor(max_depth=11, **SEED), "number"),
    "extra tree": (ExtraTreeClassifier(max_depth=12, **SEED), "three"),
    "isolation": (IsolationForest(n_estimators=9, max_samples=1000, **SEED), "number"),
}


def edges(estimator: Any, most: int = 60) -> list[float]:
    """Give thresholds of the trees, in the doubles that scikit-learn holds and those that are rounded to floats."""
    trees = getattr(estimator, "estimators_", [estimator])
    found = np.concatenate([each.tree_.threshold[each.tree_.children_left >= 0] for each in trees])
    found = found[np.isfinite(found)]
    chosen = np.random.default_rng(5).choice(found, min(most, len(found)), replace=False)
    return [*chosen.tolist(), *chosen.astype(np.float32).astype(np.float64).tolist()]


def run(sql: str, rows: pd.DataFrame) -> list[tuple[Any, ...]]:
    engine = duckdb.connect(config={"threads": 1})
    engine.register("rows_frame", rows.assign(id=range(len(rows))))
    engine.execute("create table t as from rows_frame")
    return engine.execute(f"select * exclude id from ({sql}\n) order by id").fetchall()


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])
@pytest.mark.parametrize("name", MADE)
def test_a_walk_says_what_the_tree_says(name: str, missing: bool) -> None:
    estimator, kind = MADE[name]
    frame = fitted_on(missing).drop(columns="city")
    if missing and name == "extra tree":  # scikit-learn allows it no missing value
        frame = frame.fillna(-1)
    estimator.fit(frame, target(frame, kind))
    sql = sql_of(estimator)
    assert WALKS in sql
    rows = rows_that_hurt(frame.iloc[:700], edges(estimator))
    expected = row_answers(answer_function(estimator), rows)
    wrong = differences(expected, run(sql, rows), 1e-12 if name == "isolation" else 0.0)
    assert not wrong, (len(wrong), rows.iloc[wrong[0][0]].to_dict(), wrong[:3])


def test_walks_behind_joined_tables_and_before_others() -> None:
    """Categories of many values are joined; the arrays come after that, whatever follows the forest."""
    frame = fitted_on(True)
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    prepared = make_column_transformer(
        (codes, ["city"]), (TargetEncoder(target_type="binary"), ["city"]), ("passthrough", ["x", "y z", "count"])
    )
    forest = make_pipeline(prepared, RandomForestClassifier(5, max_depth=9, **SEED))
    binned = make_pipeline(KBinsDiscretizer(12, strategy="uniform"), LogisticRegression())
    stack = StackingClassifier([("forest", forest)], final_estimator=binned, cv="prefit")
    forest.fit(frame, target(frame, "two"))
    stack.fit(frame, target(frame, "two"))
    for estimator, tolerance in ((forest, 0.0), (stack, 1e-12)):
        sql = sql_of(estimator)
        assert WALKS in sql
        assert "VALUES" in sql
        assert sql.index("CROSS JOIN ml_arrays") > sql.rindex("VALUES")
        rows = frame.iloc[:400]
        assert not differences(row_answers(answer_function(estimator), rows), run(sql, rows), tolerance)


def test_other_engines_compare() -> None:
    frame = fitted_on(False).drop(columns="city")
    forest = RandomForestClassifier(3, max_depth=9, **SEED).fit(frame, target(frame, "two"))
    assert "ml_arrays" in to_sql(forest, "t")
    assert "ml_arrays" not in to_sql(forest, "t", "postgres")


@pytest.mark.parametrize("depth", range(1, 6))
def test_small_trees_are_compared(depth: int) -> None:
    frame = fitted_on(False).drop(columns="city")
    forest = RandomForestClassifier(3, max_depth=depth, **SEED).fit(frame, target(frame, "two"))
    assert "ml_arrays" not in to_sql(forest, "t")
    leaf = DecisionTreeRegressor().fit(frame, np.ones(len(frame)))
    assert "ml_arrays" not in to_sql(leaf, "t")


def test_the_relation_may_have_columns_called_as_the_arrays() -> None:
    frame = fitted_on(False)[["x", "y z"]]
    for made in (DecisionTreeRegressor(max_depth=9), RandomForestRegressor(3, max_depth=9, **SEED)):
        estimator = made.fit(frame, target(fitted_on(False), "number"))
        taken = frame.assign(ml_left=1, ml_feature=2, ml_threshold=3, ml_value=4, ml_row=5, place=6, ml_arrays=7)
        found = run(sql_of(estimator), taken)
        assert [row[0] for row in found] == estimator.predict(frame).tolist()


def test_what_is_too_large_is_refused_before_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = fitted_on(False).drop(columns="city")
    forest = RandomForestClassifier(3, max_depth=9, **SEED).fit(frame, target(frame, "two"))
    monkeypatch.setattr(array_walks, "MOST_NODES", 1000)
    with pytest.raises(CompileError, match=r"3 trees with [\d,]+ nodes are too large for a SELECT; 1,000 can be"):
        to_sql(forest, "t")
