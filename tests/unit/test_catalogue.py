"""The catalogue is the one table: what is computed, in Python and in SQL, and what is written have the same names."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping

import duckdb
import made
import pytest
import sklearn.base
from dbt_host import ROOT
from simulated import Package

from mlbridge.catalogue.candidates import CANDIDATES, candidates_for
from mlbridge.catalogue.drift import DRIFT_METRICS
from mlbridge.catalogue.metrics import METRICS, default_metric, metrics_for
from mlbridge.errors import TrainingError
from mlbridge.evaluation import influence, metrics
from mlbridge.evaluation.metrics import naive
from mlbridge.evaluation.sample import Sample
from mlbridge.spec.specification import TASKS
from mlbridge.training import candidates


@pytest.mark.parametrize("path", [made.SEED, *made.BLOCKS])
def test_what_is_made_is_current(path: str) -> None:
    assert made.made()[path] == (ROOT / path).read_text(), "run `make catalogue`"


def test_every_metric_is_of_a_task() -> None:
    assert {metric.task for metric in METRICS.values()} == set(TASKS)
    assert [default_metric(task) for task in TASKS] == ["average_precision", "rmse"]


def test_every_metric_has_its_value_and_its_influence() -> None:
    assert set(metrics._VALUES) == set(influence._INFLUENCES) == set(METRICS)


def test_every_metric_has_a_naive_value() -> None:
    classes = Sample([0, 1, 1], [[0.6, 0.4], [0.3, 0.7], [0.8, 0.2]])
    numbers = Sample([0.0, 1.0, 3.0], [0.0, 2.0, 2.0])
    assert {*naive(classes)} == {*metrics_for("classification")}
    assert {*naive(numbers)} == {*metrics_for("regression")}


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_perfect_at_one_of_its_bounds(name: str) -> None:
    assert METRICS[name].perfect == (1 if METRICS[name].greater_is_better else 0)


@pytest.mark.parametrize(("task", "macro"), [("classification", "class_metrics"), ("regression", "number_figures")])
def test_the_macros_compute_the_same_metrics(task: str, macro: str) -> None:
    assert tuple(Package().packages["mlbridge"][macro]()) == metrics_for(task)


def test_the_macros_have_the_same_defaults() -> None:
    decides = (ROOT / "macros/monitor/alerts/declared.sql").read_text()
    regression, classification = default_metric("regression"), default_metric("classification")
    assert f"('{regression}' if spec.task == 'regression' else '{classification}')" in decides


def test_the_sql_has_the_same_shares() -> None:
    found = re.findall(r"'(\w+)'", Package().packages["mlbridge"]["share_metrics"]())
    assert found == [name for name, metric in METRICS.items() if metric.is_share]


@pytest.fixture(scope="module")
def drift_metrics() -> Mapping[str, Mapping[str, object]]:
    """The drift metrics in SQL: the properties of each, with the defaults of those that it leaves out."""
    macros = Package().packages["mlbridge"]
    defaults = macros["drift_metric_defaults"]()
    return {name: {**defaults, **metric} for name, metric in macros["drift_metrics"]().items()}


def test_the_macros_compute_the_same_drift_metrics(drift_metrics: Mapping[str, Mapping[str, object]]) -> None:
    assert list(drift_metrics) == list(DRIFT_METRICS)
    assert all("value" in metric for metric in drift_metrics.values())


@pytest.mark.parametrize("name", DRIFT_METRICS)
def test_the_macros_have_the_same_greatest_values(name: str, drift_metrics: Mapping[str, Mapping[str, object]]) -> None:
    row = "(select 0e0 as baseline_null_share)"
    query = f"select {drift_metrics[name]['greatest']}, {drift_metrics[name]['usual_share']} from {row}"
    assert duckdb.sql(query).fetchall() == [
        pytest.approx((DRIFT_METRICS[name].greatest, DRIFT_METRICS[name].usual_share))
    ]


def test_the_recipes_name_files_that_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    recipes = [recipe.split("\n## ")[0] for recipe in text.split("\n### Add ")[1:]]
    counts = [int(count) for count in re.findall(r"\(#add-[a-z-]+\): (\d) steps", text)]
    for recipe, count in zip(recipes, counts, strict=True):
        assert len(re.findall(r"^\d\. ", recipe, re.MULTILINE)) == count
        for path in re.findall(r"`((?:mlbridge|macros|models|tests)/[\w/.]+)`", recipe):
            assert (ROOT / path).exists(), path


def test_a_broken_library_is_named_without_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    inputs = candidates.Inputs("regression", 100, 0, ("x",), (), ())
    with pytest.raises(TrainingError, match="Install `mlbridge`, or take it out"):
        candidates.candidates_of("node", ["random_forest"], {}, inputs)


def test_every_candidate_is_built_for_its_tasks() -> None:
    assert set(candidates._BUILD) == set(CANDIDATES)
    for task in TASKS:
        inputs = candidates.Inputs(task, 100, 2 if task == "classification" else 0, ("x",), (), ())
        for name, built in candidates.candidates_of("node", candidates_for(task), {}, inputs).items():
            assert sklearn.base.is_classifier(built) == (task == "classification")
            assert type(built[-1]).__name__ in CANDIDATES[name].what
