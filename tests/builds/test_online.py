"""Online tables in real builds: a key is answered as the build has predicted, and the table follows its view."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from dbt_host import Host, copy_of_host, once
from online_host import NAME, online_host
from rendering import Rendering
from starlette.testclient import TestClient
from warm import Warm

from mlbridge.errors import SetupError
from mlbridge.project.project import Project
from mlbridge.project.served import served_online
from mlbridge.publication.online import file_of, read_index
from mlbridge.serving import features
from mlbridge.serving.app import create_app
from mlbridge.serving.online import EPOCH
from mlbridge.serving.state import Versions

WEATHER, CREWS, TRAFFIC = "model.small.weather", "model.small.crews", "model.small.traffic"
# Three departures are predicted at this moment.
AS_OF = "2024-03-15 08:00:00"
VARS = ("--vars", json.dumps({"mlbridge_as_of": AS_OF}))


@pytest.fixture(scope="module")
def built(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Host:
    def build(folder: Path) -> Host:
        host = online_host(folder)
        warm.dbt(host.path, "deps")
        warm.dbt(host.path, "build", *VARS)
        return host

    return once(tmp_path_factory, "online", build)


def client_of(host: Host) -> TestClient:
    versions = Versions(host.published)
    versions.refresh()
    assert versions.problem is None
    return TestClient(create_app(versions))


def test_a_key_is_answered_as_the_build_predicted(built: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the rows whose features are of the newest rows of the views, at the moment of the prediction."""
    rows = built.rows(
        "select s.flight, s.origin, s.crew, s.load, s.wind_twice, s.due_at, p.prediction, p.probability "
        f"from {NAME}_split s join ml_predictions p on p.entity = s.flight and p.time = s.due_at "
        "join weather_online w on w.airport = s.origin and w.wind is not distinct from s.wind "
        "and s.due_at >= w.told_at"
    )
    assert len(rows) == 3
    with client_of(built) as client:
        for _, origin, crew, load, twice, due_at, prediction, probability in rows:
            moment = round((due_at - EPOCH).total_seconds() * 1e6)
            monkeypatch.setattr(features, "now", lambda moment=moment: moment)
            body = {"keys": [{"origin": origin, "crew": crew}], "rows": [{"load": load, "wind_twice": twice}]}
            answer = client.post(f"/predict/{NAME}", json=body)
            assert answer.status_code == 200, answer.text
            (found,) = answer.json()["predictions"]
            assert found["prediction"] == prediction
            assert found["probability"] == pytest.approx(probability, rel=1e-12)
        late = client.post(f"/predict/{NAME}", json={"keys": [{"origin": "JFK", "crew": 1, "due_at": "2024-06-01"}]})
    assert "beyond max_staleness (3 hours)" in late.json()["error"]


def test_what_is_published_and_from_where(built: Host) -> None:
    tables, models = read_index(built.published / "current")
    assert set(tables) == {WEATHER, CREWS, TRAFFIC}
    by_view = {each.view: each for each in models[NAME]}
    assert by_view[WEATHER].key == {"airport": "origin"}
    assert by_view[WEATHER].columns == {
        "wind": "wind", "sky": "sky", "sky_rain": "rain", "sky_gusts": "gusts", "sky_mown_on": "mown_on",
    }  # fmt: skip
    assert by_view[TRAFFIC].columns == {"load_1d": "load_1d", "departures_7d": "departures_7d"}
    assert (by_view[WEATHER].max_staleness, by_view[CREWS].look_back) == ("3 hours", "33600 hours")
    warehouse = built.database.stat()
    for view in tables:
        file = file_of(built.published / "current", view).stat()
        assert (file.st_mode & 0o777, file.st_gid) == (warehouse.st_mode & 0o666, warehouse.st_gid)


SAYS = {"entity": "airport", "time": "seen_at", "online": True}
# What may be said otherwise of the views and their online tables, by id.
OTHERWISE: dict[str, dict[str, dict[str, Any]]] = {
    "as it is": {},
    "one clock, and the older place of meta": {WEATHER: {"config": {"meta": {}}, "meta": {"mlbridge": SAYS}}},
    "online no more": {CREWS: {"config": {"meta": {"mlbridge": {**SAYS, "online": False}}}}},
    "an ordinary model": {f"{CREWS}_online": {"config": {"meta": {}}}},
    "another model is named first": {
        f"{WEATHER}_online": {"depends_on": {"nodes": ["model.small.departures", WEATHER]}}
    },
}


@pytest.mark.parametrize("case", OTHERWISE)
def test_a_build_and_the_command_know_the_same_views(built: Host, tmp_path: Path, case: str) -> None:
    """The rule stands in SQL for the build, and in Python for `mlbridge publish`."""
    host = copy_of_host(built, tmp_path)
    file = host.path / "target" / "manifest.json"
    manifest = json.loads(file.read_text())
    for id_, changes in OTHERWISE[case].items():
        node = manifest["nodes"][id_]
        node.update({**changes, "config": {**node["config"], **changes.get("config", {})}})
    file.write_text(json.dumps(manifest))
    in_sql = Rendering("duckdb", host).macro("served_online", [], within="ml_runs").sql
    in_python = json.loads(json.dumps(served_online(Project.at(host.path, None, None))))
    assert in_sql["views"] == in_python["views"]
    gone = any(id_.startswith(CREWS) for id_ in OTHERWISE[case])
    assert set(in_sql["views"]) == {WEATHER, CREWS, TRAFFIC} - ({CREWS} if gone else set())


@pytest.mark.parametrize("lacking", ["entity", "time"])
def test_a_view_that_says_too_little_is_not_published(built: Host, tmp_path: Path, lacking: str) -> None:
    host = copy_of_host(built, tmp_path)
    file = host.path / "target" / "manifest.json"
    manifest = json.loads(file.read_text())
    del manifest["nodes"][WEATHER]["config"]["meta"]["mlbridge"][lacking]
    file.write_text(json.dumps(manifest))
    with pytest.raises(SetupError, match=f"weather: `mlbridge.online`: .* the YAML must say `{lacking}`, too"):
        served_online(Project.at(host.path, None, None))


def test_later_builds(built: Host, warm: Warm, tmp_path: Path) -> None:
    """A view that changes; a build of one node, whose target folder does not know the features; a test of freshness."""
    host = copy_of_host(built, tmp_path)
    first = read_index(host.published / "current")
    files = {view: file_of(host.published / "current", view).stat().st_ino for view in first[0]}
    sql = (host.path / "models/weather.sql").read_text()
    # Rows are restated, one airport is gone, and another comes.
    changed = f"select * replace (wind + 1 as wind) from ({sql}) where airport <> 'LGA' union all select 'BOS', " + (
        "timestamp '2024-01-01', timestamp '2024-01-01', 1, 'fog', 0, true, date '2024-01-01'"
    )
    host.write({"models/weather.sql": changed})
    for leftover in (host.path / "target" / "compiled").glob("small/models/delayed*"):
        leftover.unlink()
    tests = {"data_tests": [{"mlbridge.recency": {"arguments": {"within": "1 hour"}, "config": {"where": "1 = 1"}}}]}
    declared = yaml.safe_load((host.path / "models/models.yml").read_text())
    declared["models"] += [{"name": "weather_online", **tests}, {"name": "crews_online", **tests}]
    (host.path / "models/models.yml").write_text(yaml.safe_dump(declared))
    output = warm.dbt(
        host.path, "build", "--select", "weather+1", "crews+1", "--exclude", f"{NAME}_features", *VARS, ok=False
    )
    assert "recency_weather_online" not in output.partition("Completed with")[2]
    assert "recency_crews_online" in output.partition("Completed with")[2]
    full = host.rows(
        f"select count(*) from weather_online where airport in ('JFK', 'EWR', 'BOS') and told_at <= '{AS_OF}'"
    )
    assert full == [(3,)]
    assert host.rows("select count(*) from weather_online") == [(3,)]
    tables, models = read_index(host.published / "current")
    assert models == first[1]
    assert tables[WEATHER]["digest"] != first[0][WEATHER]["digest"]
    current = host.published / "current"
    assert file_of(current, WEATHER).stat().st_ino != files[WEATHER]
    assert file_of(current, CREWS).stat().st_ino == files[CREWS]
    with client_of(host) as client:
        body = {"keys": [{"origin": "LGA", "crew": 1}], "rows": [{"load": 1, "wind_twice": 1}]}
        assert "\"LGA\", for which 'weather' has no row" in client.post(f"/predict/{NAME}", json=body).json()["error"]


def test_a_view_that_is_online_no_more(built: Host, warm: Warm, tmp_path: Path) -> None:
    """A later build that does not know the features publishes what servers can load, also over a damaged index."""
    host = copy_of_host(built, tmp_path)
    (host.path / "models/crews_online.sql").unlink()
    declared = (host.path / "models/models.yml").read_text()
    (host.path / "models/models.yml").write_text(declared.replace("time: rated_at, online: true", "time: rated_at"))
    for leftover in (host.path / "target" / "compiled").glob("small/models/delayed*"):
        leftover.unlink()
    warm.dbt(host.path, "run", "--select", "weather", "weather_online", *VARS)
    current = host.published / "current"
    tables, models = read_index(current)
    assert (set(tables), [each.view for each in models[NAME]]) == ({WEATHER, TRAFFIC}, [WEATHER, TRAFFIC])
    with client_of(host) as client:
        assert set(client.get("/v2/health/ready").json()["models"]) == {NAME}
    (current / "online.json").write_text('{"format": 2}')
    warm.dbt(host.path, "run", "--select", "weather", *VARS)
    assert read_index(host.published / "current") == ({}, {})


def test_what_is_wrong_stops_a_build_at_its_start(built: Host, warm: Warm, tmp_path: Path) -> None:
    host = copy_of_host(built, tmp_path)
    (host.path / "models/crews_online.sql").unlink()
    output = warm.dbt(host.path, "run", "--select", "departures", ok=False)
    assert "crews: `mlbridge.online`: no model keeps the online table. Add models/crews_online.sql" in output
