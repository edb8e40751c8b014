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
MORNING = "2013-12-31 12:00:00"  # what `make demo` builds as of


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
    assert {part for part, _ in found} == {"test", "score"}


def test_cancelled_flights_are_scored_and_have_no_outcome(flights: Host) -> None:
    ((cancelled, known),) = flights.rows(
        "select count(*), count(actual) from ml_predictions_latest join flights on flight_id = entity "
        "where model = 'late_arrival' and status = 'cancelled'"
    )
    assert cancelled > 8_000
    assert known == 0


def test_the_scores_are_of_flights_of_one_kind(flights: Host) -> None:
    """All flights since the test rows began, cancelled ones in their true share, and some that may still land."""
    rows = flights.rows(
        f"select outcome_state, status = 'arrived', arrived_at <= timestamp '{MORNING}', "
        "scheduled_departure_local::date - local_date, count(*) "
        "from ml_scores_late_arrival join flights using (flight_id) group by all"
    )
    states = [state for state, *_, count in rows for _ in range(count)]
    assert 150 < states.count("pending") < 300
    assert states.count("never") < 0.05 * len(states)
    assert all((state == "known") == bool(landed) for state, _, landed, *_ in rows)
    assert not [each for each in rows if each[0] == "never" and each[1]]
    assert {days for *_, days, _ in rows} <= {0, 1}  # the prediction is made two hours before the departure
    ((share, risk),) = flights.rows(
        "select avg(outcome::int), avg(probability) filter (outcome_state = 'known') from ml_scores_late_arrival"
    )
    assert risk == pytest.approx(share, abs=0.05)


def test_the_semantic_layer_speaks_of_columns_that_are_there(flights: Host) -> None:
    """Each measure and dimension is an expression that the warehouse computes, and each metric has its measures."""
    manifest = json.loads((flights.path / "target" / "semantic_manifest.json").read_text())
    measures = set()
    for model in manifest["semantic_models"]:
        table = model["node_relation"]["alias"]
        for each in (*model["dimensions"], *model["measures"]):
            flights.rows(f"select {each['expr'] or each['name']} from {table} limit 1")
        measures |= {each["name"] for each in model["measures"]}
    metrics = {metric["name"] for metric in manifest["metrics"]}
    for metric in manifest["metrics"]:
        definition = metric["type_params"]
        if metric["type"] == "simple":
            assert definition["measure"]["name"] in measures
        else:
            assert {definition["numerator"]["name"], definition["denominator"]["name"]} <= metrics
    assert {"share_late", "late_arrival_average_precision", "models_to_look_at"} <= metrics
    assert flights.rows("select count(*) from ml_days") == [(730,)]


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
    command = ("build", "--exclude-resource-type", "test", "unit_test", "--target-path", str(tmp_path / "target"))
    warm.dbt(again.path, *command, "--vars", f"{{mlbridge_as_of: '{MORNING}'}}", env=environment)
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
