"""A project on PostgreSQL: `mlbridge serve` answers as its builds predict, and what was asked becomes rows there."""

from __future__ import annotations

import json
import shutil
import signal

import pandas as pd
import pytest
from asking import get, serving
from dbt_host import Host
from online_host import NAME, on_server
from postgres import Postgres
from warm import Warm

pytestmark = pytest.mark.slow

NO_TESTS = ("--exclude-resource-type", "test", "unit_test")
# As of this moment; three departures are predicted at it.
AS_OF = "2024-03-15 08:00:00"
# Rows of the split whose features are of the newest rows of the views.
NEWEST = (
    "select s.flight, s.origin, s.crew, s.load, s.wind_twice, s.due_at, p.prediction, p.probability, "
    "p.probabilities "
    f"from there.{NAME}_split s join there.{NAME}_predictions p on p.entity = s.flight and p.time = s.due_at "
    "join there.weather_online w on w.airport = s.origin and w.wind is not distinct from s.wind "
    f"and s.due_at >= w.told_at where s.due_at = '{AS_OF}' order by s.flight"
)
ASKED = 40


@pytest.fixture(scope="module")
def host(server: Postgres, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Host:
    host = on_server(server, "there", tmp_path_factory.mktemp("served") / "small")
    warm.dbt(host.path, "deps")
    warm.mlbridge(host.path, "build", *NO_TESTS, "--vars", json.dumps({"mlbridge_as_of": AS_OF}))
    return host


def test_what_was_asked_by_key_is_answered_as_predicted_and_monitored(host: Host, server: Postgres, warm: Warm) -> None:
    published, requests = host.path / "mlbridge.published", host.path / "requests"
    assert (published.stat().st_mode & 0o777, (published / ".gitignore").read_text()) == (0o700, "*\n")
    # What is published by hand is what the build has published, taken over from there.
    artifact = published / "dev" / "current" / f"{NAME}.version"
    before = artifact.stat().st_ino
    warm.mlbridge(host.path, "publish")
    assert artifact.stat().st_ino == before
    rows = server.rows(NEWEST)
    assert len(rows) == 3
    late = [{"flight": f"late {number}", "due_at": f"2024-05-01T{number % 24:02}:00+02:00"} for number in range(ASKED)]
    loads = [number / ASKED for number in range(ASKED)]
    with serving(host, "--requests", str(requests)) as (address, process):
        keys = [{"origin": origin, "crew": crew, "due_at": str(at)} for _, origin, crew, _, _, at, *_ in rows]
        given = [{"load": load, "wind_twice": twice} for _, _, _, load, twice, *_ in rows]
        status, answer = get(f"{address}/predict/{NAME}", {"keys": keys, "rows": given})
        assert status == 200, answer
        answers = answer["predictions"]
        facts = get(f"{address}/v2/models/{NAME}")[1]["parameters"]["online"]
        with_features = {**given[0], "origin": rows[0][1], "rating": 1, "wind": None, "sky": "fo\0g", "sky_rain": None}
        with_features |= {"sky_gusts": True, "sky_mown_on": None, "load_1d": 0.5, "departures_7d": 100}
        asked = [{**with_features, **key, "load": load} for key, load in zip(late, loads, strict=True)]
        status, later = get(f"{address}/predict/{NAME}", {"rows": asked})
        assert status == 200, later
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    for found, (*_, prediction, probability, probabilities) in zip(answers, rows, strict=True):
        assert (found["prediction"], found["probability"]) == (prediction, probability)
        assert list(found["probabilities"].values()) == json.loads(probabilities)
    assert {each["view"]: each["known_at"] for each in facts} == {
        "weather": "2024-03-15T07:45:00Z",
        "crews": "2024-01-02T15:00:00Z",
        "traffic": "2024-03-15T08:00:00Z",
    }

    warm.mlbridge(host.path, "build", *NO_TESTS)
    kept = (
        "select entity, prediction, probability, cast(probabilities as json) "
        f"from there.{NAME}_predictions where scored_by = 'request' order by entity"
    )
    expected = sorted(
        (key["flight"], each["prediction"], each["probability"], list(each["probabilities"].values()))
        for key, each in zip(late, later["predictions"], strict=True)
    )
    assert server.rows(kept) == expected
    figures = "select requests, row_count, rows_kept, rows_left_out, left_out_because from there.ml_requests"
    ((count, *of_rows),) = server.rows(figures)
    assert (count, of_rows) == (2, [ASKED + 3, ASKED, 3, "a column of the key is missing or of another type"])
    # Drift of what was asked, in the bins of the version's profile.
    profile = "select upper from there.ml_profiles where feature = 'load' and bin >= 0 order by bin"
    uppers = [upper for (upper,) in server.rows(profile)]
    edges = [-float("inf"), *uppers[:-1], float("inf")]
    counted = pd.cut(pd.Series(loads), edges, labels=False).value_counts()
    found = server.rows(
        f"select least(bin, {len(uppers) - 1}), sum(n) from there.ml_distributions where feature = 'load' "
        "and slice = 'all' and period = 'scored' and window_start in ('2024-04-01', '2024-05-01') group by 1"
    )
    assert {bin_: int(n) for bin_, n in found} == counted.to_dict()

    # A build again adds nothing; a file that is gone takes its rows out of the figures, and no prediction. Outcomes
    # come in, so the performance of what was asked is known; what a build has left that failed is not served.
    shutil.rmtree(requests)
    requests.mkdir()
    outcomes = ["none" if number % 3 else "short" for number in range(ASKED)]
    with server.connection.cursor() as cursor:
        for key, outcome in zip(late, outcomes, strict=True):
            cursor.execute(
                "insert into field.departures (flight, origin, crew, due_at, load, delayed) "
                "values (%s, 'JFK', 1, cast(%s as timestamptz) at time zone 'UTC', 0.5, %s)",
                (key["flight"], key["due_at"], outcome),
            )
    fails = f"select 1 / (count(*) * 0) as x from {{{{ ref('{NAME}_predictions') }}}}"
    host.write({"models/fails.sql": f"{{{{ config(materialized='table') }}}} {fails}"})
    served = (published / "dev" / "current").resolve()
    warm.mlbridge(host.path, "build", *NO_TESTS, code=1)
    assert (published / "dev" / "current").resolve() == served
    assert server.rows(kept) == expected
    assert server.rows(figures) == []
    ((accuracy, n),) = server.rows(
        "select sum(value * n) / sum(n), sum(n) from there.ml_performance where version = 1 and kind = 'realized' "
        "and metric = 'accuracy' and slice = 'all' and \"window\" >= '2024-04-01'"
    )
    right = [each["prediction"] == outcome for each, outcome in zip(later["predictions"], outcomes, strict=True)]
    assert (accuracy, n) == (pytest.approx(sum(right) / ASKED, abs=1e-12), ASKED)

    warm.dbt(host.path, "run-operation", "mlbridge.drop_tables", "--args", "{really: true}")
    left = "select count(*) from information_schema.tables where table_name like '%\\_recorded'"
    assert server.rows(left) == [(0,)]
