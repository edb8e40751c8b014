"""The example, as `make demo` built it: what its tables must say, and that a second build has nothing to do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from dbt_host import Host
from numpy import trapezoid
from sklearn.metrics import mean_squared_error, roc_auc_score
from warm import Warm

from mlbridge import monitor

MODELS = ("late_arrival", "arrival_delay")


def test_late_arrival_reaches_its_auc(flights: Host) -> None:
    ((value, low, n),) = flights.rows(
        "select m.value, m.low, m.n from ml_metrics m join ml_champions c using (model, version, candidate) "
        "where model = 'late_arrival' and split = 'test' and slice = 'all' and metric = 'roc_auc'"
    )
    assert value >= 0.72
    assert low >= 0.71
    assert n == pytest.approx(0.15 * 327_346, rel=0.01)


def test_arrival_delay_beats_its_baseline(flights: Host) -> None:
    ((value, baseline, reason),) = flights.rows(
        "select m.value, m.baseline, c.reason from ml_metrics m "
        "join ml_champions c using (model, version, candidate) "
        "where model = 'arrival_delay' and split = 'test' and slice = 'all' and metric = 'rmse'"
    )
    assert value < baseline
    assert "97 % interval +" in reason  # the paired interval of the gain, both ends above zero
    assert "interval +0.00 to" not in reason


def test_the_stated_metrics_are_those_of_the_predictions(flights: Host) -> None:
    """From the tables that BI reads, by scikit-learn: the figures of the test rows come out again."""
    query = (
        "select p.actual_value, coalesce(p.probability, p.prediction_value) from ml_predictions p join {0}_split s "
        "on s.flight_id = p.entity and s.predicted_at = p.time where model = '{0}' and ml_split = 'test'"
    )
    stated = dict(
        flights.rows(
            "select model || ' ' || metric, m.value "
            "from ml_metrics m join ml_champions using (model, version, candidate) "
            "where split = 'test' and slice = 'all'"
        )
    )
    actual, probability = zip(*flights.rows(query.format("late_arrival")), strict=True)
    assert roc_auc_score(actual, probability) == pytest.approx(stated["late_arrival roc_auc"], abs=1e-12)
    actual, predicted = zip(*flights.rows(query.format("arrival_delay")), strict=True)
    assert mean_squared_error(actual, predicted) ** 0.5 == pytest.approx(stated["arrival_delay rmse"], rel=1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_no_row_of_the_training_is_scored(flights: Host, model: str) -> None:
    found = flights.rows(
        f"select ml_split, count(*) from {model}_predictions p join {model}_split s "
        "on s.flight_id = p.entity group by ml_split"
    )
    assert {word for word, _ in found} == {"test", "score"}


def test_cancelled_flights_are_scored_and_have_no_outcome(flights: Host) -> None:
    ((cancelled, known),) = flights.rows(
        "select count(*), count(actual) from ml_predictions_latest join flights on flight_id = entity "
        "where model = 'late_arrival' and status = 'cancelled'"
    )
    assert cancelled > 8_000
    assert known == 0


@pytest.mark.parametrize("part", ["all", "origin=JFK"])
def test_the_curve_is_that_of_the_predictions(flights: Host, part: str) -> None:
    """The counts by step and outcome rank the rows nearly as their scores do."""
    of = "" if part == "all" else "and f.origin = 'JFK'"
    rows = flights.rows(f"""
        select p.actual = 'true', p.probability
        from ml_predictions as p
        join late_arrival_features as f on p.entity = cast(f.flight_id as varchar) and p.time = f.predicted_at
        where p.model = 'late_arrival' and p.version = 1 and p.actual is not null {of}
    """)
    state = monitor.open_folder(flights.published).state()
    points = monitor.curve(monitor.score_steps(state, "late_arrival", 1, slice=part))
    assert points["n"].iloc[0] == len(rows)
    assert points["positives"].iloc[0] == sum(late for late, _ in rows)
    area = trapezoid(points["recall"], points["false_positive_rate"])
    assert area == pytest.approx(roc_auc_score(*zip(*rows, strict=True)), abs=0.005)


def test_every_node_of_the_branch_is_in_ml_runs(flights: Host) -> None:
    found = dict(flights.rows("select node, rows from ml_runs where status = 'success'"))
    assert found["late_arrival_features"] == 336_776
    assert {
        f"{model}_{stage}" for model in MODELS for stage in ("features", "split", "training", "predictions")
    } <= set(found)
    assert {"ml_versions", "ml_champions", "ml_metrics", "ml_predictions"} <= set(found)


def test_a_second_build_has_nothing_to_do(flights: Host, warm: Warm, tmp_path: Path) -> None:
    again = Host(flights.path, tmp_path / flights.database.name)
    shutil.copy(flights.database, again.database)
    before = {model: again.rows(f"from {model}_predictions order by all") for model in MODELS}
    tables = again.rows("select table_name from information_schema.tables order by all")
    environment = {"FLIGHTS_DUCKDB": str(again.database)}
    asked = ("build", "--exclude-resource-type", "test", "unit_test", "--target-path", str(tmp_path / "target"))
    warm.dbt(again.path, *asked, env=environment)
    assert again.rows("select table_name from information_schema.tables order by all") == tables
    for model in MODELS:
        assert again.rows(f"from {model}_predictions order by all") == before[model]
        query = f"select outcome, version, reason from {model}_training order by trained_at desc limit 1"
        ((outcome, version, reason),) = again.rows(query)
        assert (outcome, version) == ("skipped", None)
        assert reason.startswith("nothing to do: version 1 was trained on this spec and these features")


def test_docs_show_the_whole_way(flights: Host) -> None:
    manifest = json.loads((flights.path / "target" / "manifest.json").read_text())
    parents = manifest["parent_map"]

    def above(node: str) -> set[str]:
        return {node}.union(*(above(parent) for parent in parents.get(node, [])))

    assert {
        "source.flights.raw.flights",
        "model.flights.stg_flights",
        "model.flights.flights",
        "model.flights.late_arrival_features",
        "model.flights.late_arrival_split",
        "model.flights.late_arrival_training",
        "model.flights.late_arrival_predictions",
        "model.mlbridge.ml_predictions",
    } <= above("exposure.mlbridge.ml_dashboard")
