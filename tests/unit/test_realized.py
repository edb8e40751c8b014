"""What versions turned out to be worth, against scikit-learn on rows written by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import pytest
from sklearn.metrics import average_precision_score, log_loss, root_mean_squared_error
from sqlglot import exp

from mlbridge.backtesting.realized import Realized, Span, realized
from mlbridge.engines.warehouse import Warehouse
from mlbridge.spec.reading import read_spec
from mlbridge.spec.specification import Spec

TABLES = {"split": exp.table_("rows_split", quoted=True), "predictions": exp.table_("rows_predictions", quoted=True)}
START, MIDDLE, END = datetime(2024, 1, 1), datetime(2024, 1, 2), datetime(2024, 1, 3)
SPANS = [Span(START, MIDDLE, 1), Span(MIDDLE, END, 2)]
SPEC = {"target": "outcome", "entity": ["id", "part"], "time": "at"}


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as found:
        yield found


def spec(task: str, metric: str, promote: dict[str, str] | None = None) -> Spec:
    return read_spec("rows_training", {**SPEC, "task": task, "metric": metric, "promote": promote})


def figures(found: Realized) -> tuple[float | None, int]:
    """Give what was measured, without its interval."""
    return found.value, found.n


def write(connection: duckdb.DuckDBPyConnection, type_: str, rows: list[tuple[Any, ...]]) -> Warehouse:
    """Write rows of (hour, outcome, version, score, probabilities); the first row is at the start itself."""
    connection.execute(f'create table rows_split (id int, part text, "at" timestamp, outcome {type_})')
    connection.execute(
        "create table rows_predictions (entity text, time timestamp, version int, prediction_value double, "
        "probability double, probabilities text)"
    )
    for number, (hour, outcome, version, score, many) in enumerate(rows):
        at = f"timestamp '2024-01-01' + interval ({hour}) hour"
        if version == 1:
            connection.execute(f"insert into rows_split values ({number}, 'a \"b\"', {at}, ?)", [outcome])
        entity = f"cast(json_array('{number if version == 1 else number - 1}', 'a \"b\"') as text)"
        connection.execute(
            f"insert into rows_predictions values ({entity}, {at}, {version}, ?, ?, ?)",
            [score, score, None if many is None else json.dumps(many)],
        )
    return Warehouse(connection)


def both(hour: int, outcome: Any, first: Any, second: Any, many: tuple[Any, Any] = (None, None)) -> list[Any]:
    """One row that both versions scored."""
    return [(hour, outcome, 1, first, many[0]), (hour, outcome, 2, second, many[1])]


def test_each_version_counts_in_its_span_only_and_only_where_the_outcome_is_known(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    rows = [
        *both(0, True, 0.9, 0.9),  # at the start itself: known when the first version was trained
        *both(5, True, 0.6, 0.1),
        *both(9, False, 0.7, 0.1),
        *both(24, True, 0.8, 0.1),  # the end of the first span belongs to it
        *both(30, False, 0.9, 0.2),
        *both(31, None, 0.9, 0.9),  # nobody knows yet
        *both(32, True, 0.1, 0.3),
        *both(48, False, 0.9, 0.4),
        *both(49, True, 0.9, 0.9),  # after the last step
    ]
    warehouse = write(connection, "boolean", rows)
    classes = {1: ("false", "true"), 2: ("false", "true")}
    each, together = realized(warehouse, TABLES, spec("classification", "average_precision"), SPANS, classes)
    truth, scores = [1, 0, 1, 0, 1, 0], [0.6, 0.7, 0.8, 0.2, 0.3, 0.4]
    assert [figures(found) for found in each] == [
        (pytest.approx(average_precision_score(truth[:3], scores[:3])), 3),
        (pytest.approx(average_precision_score(truth[3:], scores[3:])), 3),
    ]
    assert figures(together) == (pytest.approx(average_precision_score(truth, scores)), 6)
    assert together.low < together.value < together.high
    assert (together.block, together.blocks) == ("row", 6)


def test_versions_may_know_different_classes(connection: duckdb.DuckDBPyConnection) -> None:
    rows = [
        *both(5, "a", 0.7, None, ([0.7, 0.2, 0.1], [0.5, 0.5])),
        *both(9, "c", 0.6, None, ([0.3, 0.1, 0.6], [0.5, 0.5])),
        *both(30, "b", None, 0.9, ([1.0, 0.0, 0.0], [0.9, 0.1])),
        *both(31, "new", None, 0.2, ([1.0, 0.0, 0.0], [0.2, 0.8])),
    ]
    warehouse = write(connection, "text", rows)
    classes = {1: ("a", "b", "c"), 2: ("b", "c")}
    each, together = realized(warehouse, TABLES, spec("classification", "log_loss"), SPANS, classes)
    scores = np.array([[0.7, 0.2, 0.1, 0], [0.3, 0.1, 0.6, 0], [0, 0.1, 0.9, 0], [0, 0.8, 0.2, 0]])
    labels = ["a", "b", "c", "new"]
    truth = ["a", "c", "b", "new"]
    assert [figures(found) for found in each] == [
        (pytest.approx(log_loss(truth[:2], scores[:2], labels=labels)), 2),
        (pytest.approx(log_loss(truth[2:], scores[2:], labels=labels)), 2),
    ]
    assert figures(together) == (pytest.approx(log_loss(truth, scores, labels=labels)), 4)


def test_a_regression(connection: duckdb.DuckDBPyConnection) -> None:
    warehouse = write(connection, "decimal(9, 2)", [*both(5, 1.5, 2.0, 0.0), *both(30, 3.0, 0.0, 4.5)])
    each, together = realized(warehouse, TABLES, spec("regression", "rmse"), SPANS, {1: None, 2: None})
    assert [figures(found) for found in each] == [(pytest.approx(0.5), 1), (pytest.approx(1.5), 1)]
    assert figures(together) == (pytest.approx(root_mean_squared_error([1.5, 3.0], [2.0, 4.5])), 2)


def test_the_interval_is_by_the_unit_that_the_spec_names(connection: duckdb.DuckDBPyConnection) -> None:
    rows = [each for hour in range(1, 47) for each in both(hour, float(hour % 7), 3.0, 3.0)]
    warehouse = write(connection, "double", rows)
    by_hour, by_part = (
        realized(warehouse, TABLES, spec("regression", "rmse", {"block": block}), SPANS, {1: None, 2: None})[1]
        for block in ("hour", "part")
    )
    assert (by_hour.block, by_hour.blocks, by_part.block, by_part.blocks) == ("hour", 46, "part", 1)
    assert by_hour.low < by_hour.value < by_hour.high
    assert by_hour.value == by_part.value


@pytest.mark.parametrize("metric", ["average_precision", "accuracy"])
def test_without_rows_or_versions_nothing_is_measured(connection: duckdb.DuckDBPyConnection, metric: str) -> None:
    warehouse = write(connection, "boolean", both(90, True, 0.5, 0.5))
    raw_spec = spec("classification", metric)
    classes = {1: ("false", "true"), 2: ("false", "true")}
    assert realized(warehouse, TABLES, raw_spec, SPANS, classes) == ([Realized(None, 0)] * 2, Realized(None, 0))
    assert realized(warehouse, TABLES, raw_spec, [], {}) == ([], Realized(None, 0))
