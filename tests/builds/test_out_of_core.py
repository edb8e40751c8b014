"""A build whose model is fitted on all rows while memory holds a sample of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dbt_host import Host, copy_of_host, specify
from hosts import TRAINING, two_models
from portable import in_sql, on_server
from postgres import Postgres
from warm import Warm

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def host(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Host:
    host = two_models(tmp_path_factory.mktemp("sampled"))
    for model, stock in (("churned", "logistic_regression"), ("spent", "ridge")):
        host.write({f"models/{model}/{model}_training.py": TRAINING.format(name=model)})
        spec = next(host.path.rglob(f"{model}.yml"))
        more = f"[xgboost, {stock}], sample: {{rows: 1000}}"
        spec.write_text(spec.read_text().replace(f"[{stock}]", more))
    warm.dbt(host.path, "deps")
    warm.dbt(host.path, "build", "--vars", "{rows: 4000, mlbridge_as_of: '2024-08-01'}")
    return host


@pytest.mark.parametrize(("model", "stock"), [("churned", "logistic_regression"), ("spent", "ridge")])
def test_each_candidate_says_how_many_rows_it_was_fitted_and_measured_on(model: str, stock: str, host: Host) -> None:
    found = {
        candidate: (json.loads(params)["sample"], train, test)
        for candidate, params, train, test in host.rows(
            f"select candidate, params, rows_train, rows_test from ml_versions where model = '{model}'"
        )
    }
    sample, train, test = found["xgboost"]
    assert train == sample["of"]["train"] > 2000
    assert found[stock] == (sample, sample["rows"]["train"], sample["rows"]["test"])
    assert test == sample["rows"]["test"] < 250
    ((measured,),) = host.rows(
        f"select distinct n from ml_metrics where model = '{model}' and split = 'test' and slice = 'all'"
    )
    assert measured == test


def test_the_predictions_are_complete_and_say_what_scored_them(host: Host) -> None:
    rows = host.rows("select model, count(*), count(prediction) from ml_predictions group by 1 order by 1")
    assert [model for model, _, _ in rows] == ["churned", "spent"]
    assert all(made == wanted > 500 for _, wanted, made in rows)
    assert host.rows("select distinct scoring_sql_note from churned_training where outcome = 'promoted'") == [(None,)]


def test_a_server_holds_the_same_sample_and_trains_alike(
    empty_shop: Host, server: Postgres, warm: Warm, tmp_path: Path
) -> None:
    """The rows are copied to a file beside the training first, so the server takes no part in it."""
    here = in_sql(copy_of_host(empty_shop, tmp_path / "here"))
    there = on_server(empty_shop, server, "sampled", tmp_path / "there")
    for host in (here, there):
        specify(host, "amount", candidates=["xgboost"], sample={"rows": 1000, "by": "row"})
        warm.mlbridge(host.path, "build", "--exclude-resource-type", "test", "unit_test")
    wanted = "candidate, params, rows_train, rows_test, scoring_sql_note from {}_lab.amount_training"
    (expected,) = here.rows(f"select {wanted.format('main')}")
    with server.connection.cursor() as cursor:
        cursor.execute(f"select {wanted.format('sampled')}")
        assert cursor.fetchall() == [expected]
    assert sum(json.loads(expected[1])["sample"]["rows"].values()) == pytest.approx(1000, rel=0.1)
