"""What a server has answered, as rows of the predictions: in the drift, in the performance, and once each."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest
from asking import get, serving
from dbt_host import Host, copy_of_host, once
from hosts import two_models
from sklearn.metrics import roc_auc_score
from warm import Warm

from mlbridge.engines.records import as_table
from mlbridge.serving.beside import is_of_share
from mlbridge.serving.recorder import RequestRow

SERVED = '{{{{ config(materialized="view") }}}} {{{{ mlbridge.requests("{folder}") }}}}'
TRAINED, ASKED = 2000, 2500
# Times, and features that were not recorded, of requests that no server of today would write.
BY_HAND = (
    ("2024-06-01T12:00:00+02:00", ()),
    ("2024-06-02", ("age",)),
    ("infinity", ()),
    ("9999-12-31T00:00:00", ()),
    ("2024-06-03T00:00:00 Europe/Paris", ()),
)
APRIL = "model = 'churned' and period = 'scored' and window_start = '2024-04-01'"
OF_LAST = f"cast(entity as int) >= {ASKED}"
FEATURES = ("visits", "age", "basket")


@pytest.fixture(scope="module")
def trained(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """A host whose classification and regression take in requests; built once."""

    def build(folder: Path) -> Host:
        host = two_models(folder / "host")
        host.write({"models/served.sql": SERVED.format(folder=host.path / "requests")})
        for name in ("churned", "spent"):
            own = host.path / "models" / name / f"{name}_predictions.py"
            own.write_text(own.read_text().replace('_training"))', '_training"), dbt.ref("served"))'))
        warm.dbt(host.path, "deps")
        warm.dbt(host.path, "build")
        return host

    return once(tmp_path_factory, "requests", build)


def shoppers(first: int, last: int) -> list[dict[str, Any]]:
    """Give the rows of the host's features by the same formulas, 5 older each, as JSON has them."""
    query = (
        "select i as customer_id, strftime(timestamp '2024-01-01' + interval (i) hour, '%Y-%m-%dT%H:%M:%S') as at, "
        "(hash(i) % 1000) / 1000.0 as visits, (hash(i + 1000000) % 100) / 10.0 + 5 as age, "
        f"case when i % 13 = 0 then null else (hash(i + 2000000) % 7) end as basket from range({first}, {last}) t(i)"
    )
    relation = duckdb.sql(query)
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def ask(host: Host, *bodies: list[dict[str, Any]], model: str = "churned") -> list[dict[str, Any]]:
    """Serve, ask for rows of a model, and wait until the answers are recorded; returns them."""
    found = []
    with serving(host, "--requests", str(host.path / "requests")) as (address, process):
        for rows in bodies:
            status, answer = get(f"{address}/predict/{model}", {"rows": rows})
            assert status == 200, answer
            found.extend(answer["predictions"])
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    return found


def record_by_hand(folder: Path, requests: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Write requests of one row each by the first version, for the entities 90001 and so on."""
    rows = [
        RequestRow(
            request_id=f"by hand {number}",
            number=0,
            model="churned",
            version=1,
            received_at=datetime.now(UTC).replace(tzinfo=None),
            key=json.dumps({"customer_id": number, "at": at}),
            features=json.dumps({name: 1.0 for name in FEATURES if name not in redacted}),
            prediction="true",
            prediction_value=1.0,
            probability=0.75,
            not_scored_because=None,
            latency_ms=1.0,
            probabilities=None,
            role="champion",
        )
        for number, (at, redacted) in enumerate(requests, 90001)
    ]
    pq.write_table(as_table(RequestRow, rows), folder / "by_hand.parquet")


def table(host: Host, query: str) -> pd.DataFrame:
    with duckdb.connect(str(host.database), read_only=True) as connection:
        return connection.sql(query).df()


def test_requests_are_predictions_that_are_monitored(trained: Host, warm: Warm, tmp_path: Path) -> None:
    host = copy_of_host(trained, tmp_path)
    host.write({"models/served.sql": SERVED.format(folder=host.path / "requests")})
    asked = shoppers(TRAINED, ASKED)
    no_key = [{name: value for name, value in row.items() if name in FEATURES} for row in asked[:7]]
    again = [{**row, "age": 1.0} for row in asked[:5]]
    old = shoppers(10, 13)  # two were trained on; one has no outcome, and the build has scored it
    answers = ask(host, asked[:250], asked[250:], no_key, again, old)
    numbers = ask(host, asked[:30], asked[:30], model="spent")
    record_by_hand(host.path / "requests", BY_HAND)
    warm.dbt(host.path, "build")
    of_model = "select * from ml_predictions where scored_by = 'request' and model = '{}' order by time"
    # A regression; what was asked a second time is one prediction.
    spent = table(host, of_model.format("spent"))
    assert list(spent["entity"]) == [str(row["customer_id"]) for row in asked[:30]]
    assert numbers[:30] == numbers[30:]
    assert list(spent["prediction_value"]) == [each["prediction"] for each in numbers[:30]]
    assert list(map(float, spent["prediction"])) == list(spent["prediction_value"])
    assert spent["probability"].isna().all()
    assert counted(host, "champion", "spent") == [2, 60, 30, 30, 0]
    found = table(host, of_model.format("churned"))
    assert list(found["entity"].iloc[-2:]) == ["90001", "90002"]
    assert str(found["time"].iloc[-2]) == "2024-06-01 10:00:00"
    found = found.iloc[:-2]
    # One of the two has all features. What is left out opens no window, and is no newer row to the monitor.
    windows = table(
        host,
        "select window_start, rows_scored, rows_there from ml_windows "
        "where model = 'churned' and window_start > '2024-05-01'",
    )
    assert [(str(start.date()), *rest) for start, *rest in windows.values.tolist()] == [("2024-06-01", 2, 1)]
    assert table(host, "select sum(rows_not_whole) as n from ml_requests")["n"].tolist() == [1]
    assert list(found["entity"]) == [str(row["customer_id"]) for row in asked]
    assert list(found["prediction"]) == [each["prediction"] for each in answers[: len(asked)]]
    assert list(found["probability"]) == [each["probability"] for each in answers[: len(asked)]]
    assert found["actual"].isna().all()
    # Nothing is lost in silence.
    assert counted(host, "champion") == [10, 520, 502, 6, 12]
    reasons = table(host, "select left_out_because from ml_requests")["left_out_because"].str.cat(sep=", ")
    assert set(reasons.split(", ")) == {
        "a column of the key is missing or of another type",
        "the version may have been trained on the row",
        "the time is no moment",
        "the time is more than a day after the request",
    }
    # Drift of what was asked, by hand from the version's profile: only the requests lie in April.
    april = pd.Series([row["age"] for row in asked if row["at"] >= "2024-04"])
    assert_counted(host, april)
    before = table(host, f"select * from ml_distributions where {APRIL}")

    # The second build adds nothing.
    warm.dbt(host.path, "build")
    assert counted(host, "champion") == [10, 520, 502, 6, 12]
    assert len(table(host, of_model.format("churned"))) == len(asked) + 2
    assert len(table(host, of_model.format("spent"))) == 30
    pd.testing.assert_frame_equal(before, table(host, f"select * from ml_distributions where {APRIL}"))

    # The outcomes come with the rows of the split, in which everybody is 5 years younger; and a challenger is trained.
    specified = host.path / "models" / "churned" / "churned.yml"
    host.write(
        {
            "models/churned/churned.yml": specified.read_text().replace(
                "candidates:", "shadow: true, canary: 0.5, promote: {min_gain: 0.4}, candidates:"
            )
        }
    )
    later = f"{{rows: {ASKED}, mlbridge_retrain: true}}"
    warm.dbt(host.path, "build", "--vars", later)
    found = table(
        host,
        "select * from ml_predictions where model = 'churned' and version = 1 and time >= '2024-04-01' "
        "and time < '2024-05-01'",
    )
    assert set(found["scored_by"]) == {"request"}
    labelled = found.dropna(subset="actual")
    assert len(labelled) > 250
    (value,) = table(
        host,
        "select value from ml_performance where model = 'churned' and version = 1 and kind = 'realized' "
        "and slice = 'all' and metric = 'roc_auc' and \"window\" = '2024-04-01'",
    )["value"]
    assert value == pytest.approx(roc_auc_score(labelled["actual"] == "true", labelled["probability"]), abs=1e-12)
    assert_counted(host, april)
    assert list(
        table(host, "select challenger, shadow, canary from ml_champions where model = 'churned'").iloc[0][1:]
    ) == [
        True,
        0.5,
    ]

    # The challenger beside the version in use: by the MD5 of the key, and in shadow.
    asked = shoppers(ASKED, ASKED + 100)
    answers = ask(host, asked)
    chosen = [is_of_share([str(row["customer_id"])], 0.5) for row in asked]
    warm.dbt(host.path, "build", "--vars", f"{{rows: {ASKED}}}")
    found = table(
        host,
        "select * from ml_predictions where model = 'churned' and scored_by <> 'build' "
        f"and {OF_LAST} order by time, version",
    )
    # The gain that is asked for is out of reach: the second version is a challenger that beats the naive baselines.
    ((champion, challenger),) = table(
        host, "select version, challenger from ml_champions where model = 'churned'"
    ).values.tolist()
    assert (champion, challenger) == (1, 2)
    for row, answer, is_canary in zip(asked, answers, chosen, strict=True):
        mine = found[found["entity"] == str(row["customer_id"])].set_index("version")
        assert answer.get("version", champion) == (challenger if is_canary else champion)
        assert dict(mine["scored_by"]) == ({2: "request"} if is_canary else {1: "request", 2: "shadow"})
        assert mine.loc[answer.get("version", champion), "probability"] == answer["probability"]
    assert counted(host, "canary") == [1, sum(chosen), sum(chosen), 0, 0]
    assert counted(host, "shadow") == [1, 100 - sum(chosen), 100 - sum(chosen), 0, 0]


def counted(host: Host, role: str, model: str = "churned") -> list[float]:
    """Give requests and rows by what became of them."""
    query = (
        "select sum(requests), sum(row_count), sum(rows_kept), sum(rows_repeated), sum(rows_left_out) from ml_requests"
    )
    return list(map(float, table(host, f"{query} where role = '{role}' and model = '{model}'").iloc[0]))


def assert_counted(host: Host, values: pd.Series[float]) -> None:
    """Compare what the first version's drift has counted of a feature in April with values, in its profile's bins."""
    bins = table(
        host,
        "select bin, upper from ml_profiles where model = 'churned' and version = 1 and feature = 'age' and bin >= 0 "
        "order by bin",
    )
    edges = [-float("inf"), *bins["upper"].iloc[:-1], float("inf")]
    expected = pd.cut(values, edges, labels=False).value_counts().sort_index()
    # Beyond the greatest value of the training is a bin of its own.
    found = table(
        host,
        f"select least(bin, {len(bins) - 1}) as bin, sum(n) as n, sum(value_sum) as total from ml_distributions "
        f"where {APRIL} and version = 1 and feature = 'age' and slice = 'all' group by 1 order by 1",
    )
    assert dict(zip(found["bin"], found["n"], strict=True)) == expected.to_dict()
    assert found["total"].sum() == pytest.approx(values.sum())
    (used,) = table(
        host,
        "select rows_used from ml_drift where model = 'churned' and version = 1 and feature = 'age' and metric = 'psi' "
        "and baseline = 'training' and \"window\" = '2024-04-01'",
    )["rows_used"]
    assert used == len(values)
