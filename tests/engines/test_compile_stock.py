"""The stock candidates as mlbridge trains, stores and scores them, against the same as SQL."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pytest
from compiled import differences
from sqlglot import exp

from mlbridge import to_sql
from mlbridge.catalogue.candidates import is_out_of_core, trusted_with
from mlbridge.engines.warehouse import select
from mlbridge.features.columns import Feature, FetchedFeature
from mlbridge.features.frame import scoring_columns, scoring_frame
from mlbridge.registry.artifacts import dump, load
from mlbridge.training.candidates import Inputs, candidates_of
from mlbridge.training.fitting import fit, scores_of
from mlbridge.training.out_of_core import fit_out_of_core

FEATURES = (
    Feature("delay", "DOUBLE", "numeric"),
    Feature("seats", "BIGINT", "numeric"),
    Feature("price", "DECIMAL(9,2)", "numeric"),
    Feature("weekend", "BOOLEAN", "numeric"),
    Feature("at", "TIMESTAMP", "numeric"),
    Feature("carrier", "VARCHAR", "category"),
    Feature("plane", "VARCHAR", "category"),
)
ROWS = """
create table rows as select i as id, (i * 7919 % 1000) / 37.0 as y,
case when i % 13 = 0 then null when i % 17 = 0 then 'nan'::double else (i * 104729 % 2003) / 7.0 end as delay,
case when i % 19 > 0 then i * 31 % 400 end as seats, ((i * 53 % 999) / 100)::decimal(9, 2) as price,
case when i % 23 > 0 then i % 7 > 4 end as weekend,
case when i % 29 > 0 then timestamp '2013-01-01' + to_seconds(i * 4001) end as at,
case when i % 11 > 0 then chr(65 + (i * 13 % 9)::int) when i % 22 = 0 then '' end as carrier,
'N' || (i * 17 % 211) as plane from range(3000) as t(i)
"""


@pytest.fixture(scope="module")
def warehouse() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set threads = 1")
    connection.execute(ROWS)
    return connection


def relation(rows: str) -> exp.Select:
    """Give what a prediction reads, as `mlbridge.predict` asks for it."""
    table = exp.select("*").from_(exp.to_table("rows")).where(rows)
    columns = {"id": exp.column("id"), **scoring_columns(FEATURES)}
    return select(columns, table.subquery("split"))


@pytest.mark.parametrize(
    ("name", "classes", "tolerance"),
    [
        ("logistic_regression", 2, 1e-12),
        ("logistic_regression", 3, 1e-12),
        ("random_forest", 2, 0.0),
        ("random_forest", 3, 0.0),
        ("random_forest", 0, 0.0),
        ("hist_gradient_boosting", 2, 0.0),
        ("hist_gradient_boosting", 3, 1e-12),
        ("hist_gradient_boosting", 0, 0.0),
        ("ridge", 0, 1e-11),
        ("xgboost", 2, 0.0),
        ("xgboost", 3, 0.0),
        ("xgboost", 0, 0.0),
        ("lightgbm", 2, 0.0),
        ("lightgbm", 3, 0.0),
        ("lightgbm", 0, 0.0),
    ],
)
def test_parity(name: str, classes: int, tolerance: float, warehouse: duckdb.DuckDBPyConnection) -> None:
    fitted_on = warehouse.sql(relation("id < 1500").sql(dialect="duckdb")).to_arrow_table()
    frame = scoring_frame(fitted_on.to_batches()[0], FEATURES, None)
    y = warehouse.sql("select y + coalesce(seats, 0) / 50 as y from rows where id < 1500 order by id").fetchnumpy()["y"]
    target: Any = y if classes == 0 else np.digitize(y, np.quantile(y, np.arange(1, classes) / classes))
    columns = [FetchedFeature(each, each.type, {"carrier": 9, "plane": 211}.get(each.name)) for each in FEATURES]
    # Of the planes some are rare: their own code is that of an unseen one.
    texts = {"carrier": sorted(frame["carrier"].cat.categories), "plane": sorted(frame["plane"].cat.categories)[:99]}
    inputs = Inputs.of(columns, "classification" if classes else "regression", len(frame), classes, texts)
    candidate = candidates_of("node", [name], {}, inputs)[name]
    candidate.set_params(**smaller(candidate))
    fitted = (
        fit_out_of_core("node", name, candidate, lambda _: iter([(frame, target)]), classes, 2 * len(frame))
        if is_out_of_core(name)
        else fit("node", name, candidate, frame, target)
    )
    trusted = trusted_with([name])
    estimator = load("node", dump("node", name, fitted.estimator, trusted), trusted)

    sql = to_sql(estimator, relation("id >= 0"), keep=["id"])
    found = warehouse.execute(f"select * exclude id from ({sql}\n) order by id").fetchall()
    batch = warehouse.sql(relation("id >= 0").sql(dialect="duckdb") + " order by id").to_arrow_table().combine_chunks()
    rows = scoring_frame(batch.to_batches()[0], FEATURES, None)
    scores, predicted = scores_of(estimator, rows).reshape(len(rows), -1), estimator.predict(rows)
    if classes:
        expected = [(label, *row) for label, row in zip(predicted.tolist(), scores.tolist(), strict=True)]
    else:
        expected = [tuple(row) for row in scores.tolist()]
    assert not differences(expected, found, tolerance)


def smaller(candidate: Any) -> dict[str, int]:
    """Fewer trees, to save time."""
    return {key: 10 for key in candidate.get_params() if key.split("__")[-1] in ("n_estimators", "max_iter")} | {
        key: 1000 for key in candidate.get_params() if key == "logisticregression__max_iter"
    }
