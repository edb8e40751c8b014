"""The challenger beside the version in use: the share of entities that it answers, and what it scores in shadow."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from branch import NAME, Branch
from serving import publish, rows_of, served_branch, tensors
from starlette.testclient import TestClient

from mlbridge.publication.versions import read_index
from mlbridge.serving import beside
from mlbridge.serving.app import create_app
from mlbridge.serving.beside import is_of_share
from mlbridge.serving.recorder import Answered
from mlbridge.serving.served import Served
from mlbridge.serving.state import Versions


@pytest.fixture(scope="module")
def branch() -> Branch:
    """A branch of two versions: gradient boosting, and a logistic regression."""
    branch = served_branch()
    branch.spec["candidates"] = ["logistic_regression"]
    assert branch.train()["version"] == 2
    return branch


@contextmanager
def client_of(folder: Path, requests: Path | None = None) -> Iterator[TestClient]:
    versions = Versions(folder)
    versions.refresh()
    with TestClient(create_app(versions, requests=requests), raise_server_exceptions=False) as client:
        yield client


def ask(client: TestClient, rows: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    answer = client.post(f"/predict/{NAME}", json={"rows": rows, **more})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def recorded(branch: Branch, folder: Path) -> list[dict[str, Any]]:
    return list(branch.rows(f"from '{folder}/*.parquet' order by number, role"))


def test_a_share_of_the_entities_is_answered_by_the_challenger(branch: Branch, tmp_path: Path) -> None:
    publish(branch, tmp_path / "dev", 1, challenger=2, canary=0.3)
    rows = rows_of(branch)[:200]
    nobody = {name: value for name, value in rows[0].items() if name != "id"}
    with client_of(tmp_path / "dev", tmp_path / "requests") as client:
        ready = client.get("/v2/health/ready").json()
        assert ready["challengers"] == {NAME: {"version": 2, "shadow": False, "canary": 0.3}}
        found = ask(client, [*rows, nobody])
        alone = [ask(client, [row])["predictions"][0] for row in rows[:30]]
        explained = ask(client, rows[:3], explain=True)
        text = client.get("/metrics").text
    assert found["version"] == 1
    # By the MD5 of the key, as anybody can compute it.
    chosen = [int(hashlib.md5(str(row["id"]).encode()).hexdigest()[8:16], 16) < 0.3 * 2**32 for row in rows]
    assert [each.get("version") for each in found["predictions"]] == [*(2 if yes else None for yes in chosen), None]
    assert alone == found["predictions"][:30]
    assert all("version" not in each for each in explained["predictions"])
    assert f'mlbridge_canary_share{{model="{NAME}",version="2"}} 0.3' in text
    # Each part is what its version alone answers.
    for version in (1, 2):
        publish(branch, tmp_path / f"only{version}", version)
        with client_of(tmp_path / f"only{version}") as client:
            own = ask(client, [*rows, nobody])["predictions"]
        for mine, each in zip(own, found["predictions"], strict=True):
            if each.get("version", 1) == version:
                assert each == (mine if version == 1 else {**mine, "version": 2})
    rows_recorded = recorded(branch, tmp_path / "requests")
    assert {(each["role"], each["version"]) for each in rows_recorded} == {("champion", 1), ("canary", 2)}
    whole = {each["number"]: each for each in rows_recorded if each["number"] >= 30}
    assert [whole[place]["version"] == 2 for place in range(30, 200)] == chosen[30:]


def test_by_the_protocol_the_versions_are_an_output(branch: Branch, tmp_path: Path) -> None:
    publish(branch, tmp_path / "dev", 1, challenger=2, canary=0.5)
    rows = rows_of(branch)[:20]
    key = {"name": "id", "shape": [20], "datatype": "BYTES", "data": [row["id"] for row in rows]}
    with client_of(tmp_path / "dev") as client:
        path = f"/v2/models/{NAME}"
        answer = client.post(f"{path}/infer", json={"inputs": [*tensors(rows), key]}).json()
        only = client.post(f"{path}/versions/1/infer", json={"inputs": [*tensors(rows), key]}).json()
        plain = ask(client, rows)["predictions"]
    outputs = {each["name"]: each for each in answer["outputs"]}
    assert outputs["version"]["data"] == [each.get("version", 1) for each in plain]
    assert outputs["version"]["shape"] == [20]
    assert outputs["probability"]["data"] == [each["probability"] for each in plain]
    assert "version" not in {each["name"] for each in only["outputs"]}


def test_a_share_is_a_part_of_a_larger_one_and_of_the_right_size() -> None:
    keys = [[str(number)] for number in range(20_000)]
    small, large = ({tuple(key) for key in keys if is_of_share(key, share)} for share in (0.1, 0.25))
    assert small < large
    assert len(small) / len(keys) == pytest.approx(0.1, abs=0.01)
    assert len(large) / len(keys) == pytest.approx(0.25, abs=0.01)
    # Not the rows that a split by hash takes to validate and test, which are those of the lowest hash.
    held = {tuple(key) for key in keys if hashlib.md5(key[0].encode()).hexdigest()[:8] < f"{int(0.3 * 2**32):08x}"}
    assert len(small & held) / len(small) == pytest.approx(0.3, abs=0.05)
    assert not is_of_share(None, 0.99)
    assert is_of_share(["a", "b"], 0.999999)


def test_in_shadow_the_challenger_scores_what_was_answered(branch: Branch, tmp_path: Path) -> None:
    publish(branch, tmp_path / "dev", 1, challenger=2, shadow=True)
    rows = rows_of(branch)[:20]
    with client_of(tmp_path / "dev", tmp_path / "requests") as client:
        found = ask(client, rows)
        assert all("version" not in each for each in found["predictions"])
        until(lambda: f'mlbridge_shadow_rows_total{{model="{NAME}",version="2"}} 20.0' in client.get("/metrics").text)
    publish(branch, tmp_path / "other", 2)
    with client_of(tmp_path / "other") as client:
        expected = ask(client, rows)["predictions"]
    found = recorded(branch, tmp_path / "requests")
    assert [(each["role"], each["version"]) for each in found] == [("champion", 1), ("shadow", 2)] * 20
    shadow = found[1::2]
    assert [each["probability"] for each in shadow] == [each["probability"] for each in expected]
    assert [json.loads(each["key"])["id"] for each in shadow] == [row["id"] for row in rows]
    assert [each["features"] for each in shadow] == [each["features"] for each in found[::2]]


def test_a_slow_challenger_holds_nobody_up_and_is_counted(
    branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(branch, tmp_path / "dev", 1, challenger=2, shadow=True)
    monkeypatch.setattr(beside, "MOST_WAITING", 5)
    going_on, predict = threading.Event(), Served.predict

    def slow(served: Served, *facts: Any) -> Any:
        if served.version == 2:
            assert going_on.wait(60)
        return predict(served, *facts)

    monkeypatch.setattr(Served, "predict", slow)
    rows = rows_of(branch)[:4]
    with client_of(tmp_path / "dev", tmp_path / "requests") as client:
        for _ in range(3):
            ask(client, rows)
        assert "mlbridge_shadow_dropped_total 8.0" in client.get("/metrics").text
        going_on.set()
        until(lambda: "mlbridge_shadow_rows_total{" in client.get("/metrics").text)
    roles = [each["role"] for each in recorded(branch, tmp_path / "requests")]
    assert (roles.count("champion"), roles.count("shadow")) == (12, 4)


def test_a_challenger_that_fails_is_counted_and_the_answer_stands(
    branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(branch, tmp_path / "dev", 1, challenger=2, shadow=True)
    predict = Served.predict

    def failing(served: Served, *facts: Any) -> Any:
        if served.version == 2:
            raise ValueError("unforeseen")
        return predict(served, *facts)

    monkeypatch.setattr(Served, "predict", failing)
    with client_of(tmp_path / "dev", tmp_path / "requests") as client:
        ask(client, rows_of(branch)[:4])
        until(lambda: "mlbridge_shadow_dropped_total 4.0" in client.get("/metrics").text)
        ask(client, rows_of(branch)[:4])
    assert {each["role"] for each in recorded(branch, tmp_path / "requests")} == {"champion"}


def test_a_challenger_is_published_only_where_it_serves(branch: Branch, tmp_path: Path) -> None:
    place = publish(branch, tmp_path / "dev", 1, challenger=2)
    assert "beside" not in read_index(place)[NAME]
    assert not list(place.glob("*.challenger.*"))
    place = publish(branch, tmp_path / "dev", 1, challenger=2, shadow=True)
    first = {file.name: file.stat().st_ino for file in place.glob("*.challenger.*")}
    assert len(first) == 2
    place = publish(branch, tmp_path / "dev", 1, challenger=2, canary=0.1)  # the files of the build before
    assert {file.name: file.stat().st_ino for file in place.glob("*.challenger.*")} == first
    assert read_index(place)[NAME]["beside"]["canary"] == 0.1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "features = replace(features, '\"x\"', '\"y\"')",
            "version 2: its features 'y' are not among those of version 1",
        ),
        ("artifact_sha256 = 'other'", "version 2: "),
    ],
)
def test_a_challenger_that_cannot_serve_takes_nothing_with_it(change: str, said: str, tmp_path: Path) -> None:
    branch = served_branch("logistic_regression")
    branch.spec["candidates"] = ["random_forest"]
    branch.train()
    branch.execute(f"update {NAME}_training set {change} where version = 2 and outcome <> 'runner_up'")
    publish(branch, tmp_path / "dev", 1, challenger=2, canary=0.9)
    with client_of(tmp_path / "dev") as client:
        ready = client.get("/v2/health/ready").json()
        assert ready["not_beside"][NAME].startswith(said)
        assert (ready["challengers"], ready["models"]) == ({}, {NAME: 1})
        assert all("version" not in each for each in ask(client, rows_of(branch)[:20])["predictions"])


def test_a_table_of_champions_from_before_there_were_challengers_is_published(branch: Branch, tmp_path: Path) -> None:
    place = publish(branch, tmp_path / "dev", champions=f"select '{NAME}' as model, 1 as version")
    assert (read_index(place)[NAME]["version"], "beside" in read_index(place)[NAME]) == (1, False)


def test_what_waits_when_the_server_ends_is_dropped_and_counted(branch: Branch) -> None:
    """Of three requests one is being scored, with the thread held up; the other two never are."""
    begun, going_on, dropped = threading.Event(), threading.Event(), []
    scored: list[int] = []

    def score(served: Any, _rows: int) -> None:
        begun.set()
        assert going_on.wait(60)
        scored.append(served)

    shadow = beside.Shadow(lambda _answered: None, score, dropped.append)
    challenger = SimpleNamespace(version=2, numbers=None, predict=lambda _columns, rows: [{}] * rows)
    answered = Answered("r", NAME, 1, datetime(2024, 1, 1), 0.0, (), (), None, 10, [{}] * 3, [{}] * 3)
    for _ in range(3):
        shadow.add(beside.Beside(challenger, shadow=True, canary=0), {}, answered)  # type: ignore[arg-type]
    assert begun.wait(60)
    closing = threading.Thread(target=shadow.close)
    closing.start()
    until(lambda: shadow._is_closed)
    going_on.set()
    closing.join(60)
    assert (len(scored), dropped) == (1, [3, 3])


def until(holds: Any) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
