"""`mlbridge serve` over what a branch on a DuckDB in memory publishes: answers, refusals, changes of the version."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from branch import NAME, Branch
from browser import free_port
from serving import TYPED, publish, rows_of, served_branch, tensors
from starlette.testclient import TestClient

from mlbridge.errors import SetupError
from mlbridge.publication.versions import INDEX
from mlbridge.serving import __main__ as process
from mlbridge.serving import app as server
from mlbridge.serving import guard, recorder, requests, scorer, state
from mlbridge.serving.app import create_app
from mlbridge.serving.served import Served
from mlbridge.serving.state import Versions

STOCK = {
    "classification": ("logistic_regression", "random_forest", "hist_gradient_boosting"),
    "regression": ("ridge", "random_forest", "hist_gradient_boosting"),
}
LINEAR = ("logistic_regression", "ridge")


def client_of(folder: Path, *models: str, trusted: Sequence[str] = (), **facts: Any) -> TestClient:
    versions = Versions(folder, models, {NAME: trusted})
    versions.refresh()
    return TestClient(create_app(versions, **facts), raise_server_exceptions=False)


@pytest.fixture(scope="module")
def branch() -> Branch:
    return served_branch()


@pytest.fixture(scope="module")
def folder(branch: Branch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published") / "dev"
    publish(branch, folder)
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with client_of(folder) as client:
        yield client


def predict(client: TestClient, rows: Any, **more: Any) -> Any:
    return client.post(f"/predict/{NAME}", json={"rows": rows, **more})


@pytest.mark.parametrize(("task", "candidate"), [(task, each) for task, names in STOCK.items() for each in names])
def test_an_answer_is_the_row_of_the_predictions(task: str, candidate: str, tmp_path: Path) -> None:
    spec = {"task": task}
    if task == "regression":
        spec |= {"target": "amount", "metric": "rmse"}
        columns: dict[str, str | None] = {"is_late": None, "amount": "case when i < 400 then 3 * x + noise end"}
    else:
        columns = {}
    branch = Branch({**TYPED, **columns}, candidates=[candidate], **spec)
    branch.train()
    scored = {each["entity"]: each for each in branch.predict()}
    publish(branch, tmp_path / "dev")
    rows = [row for row in rows_of(branch) if row["id"] in scored]
    assert len(rows) == len(scored) > 10
    with client_of(tmp_path / "dev") as client:
        answer = predict(client, rows).json()
        metadata = client.get(f"/v2/models/{NAME}").json()["parameters"]
    assert metadata["scored_by"] == "numpy", metadata["serving_note"]
    assert (answer["model"], answer["version"]) == (NAME, 1)
    tolerance = 1e-12 if candidate in LINEAR else 0
    for row, found in zip(rows, answer["predictions"], strict=True):
        expected = scored[row["id"]]
        if task == "regression":
            assert found["prediction"] == pytest.approx(expected["prediction_value"], rel=tolerance, abs=0)
        else:
            assert found["prediction"] == expected["prediction"]
            assert found["probability"] == pytest.approx(expected["probability"], rel=tolerance, abs=0)
    assert metadata["largest_difference"] <= tolerance
    assert metadata["checked_rows"] > 256


def test_tensors_give_what_rows_give(client: TestClient, branch: Branch) -> None:
    rows = rows_of(branch)[:30]
    by_rows = predict(client, rows).json()["predictions"]
    for path in (f"/v2/models/{NAME}/infer", f"/v2/models/{NAME}/versions/1/infer"):
        answer = client.post(path, json={"id": "7", "inputs": tensors(rows)}).json()
        assert (answer["id"], answer["model_name"], answer["model_version"]) == ("7", NAME, "1")
        by_name = {each["name"]: each for each in answer["outputs"]}
        for name in ("prediction", "probability"):
            assert by_name[name]["shape"] == [30]
            assert by_name[name]["data"] == [each[name] for each in by_rows]


def test_what_the_protocol_asks_for_is_there(client: TestClient) -> None:
    assert set(client.get("/v2").json()) == {"name", "version", "extensions"}
    assert client.get("/v2/health/live").json() == {"live": True}
    ready = client.get("/v2/health/ready")
    assert (ready.status_code, ready.json()["models"]) == (200, {NAME: 1})
    assert client.get(f"/v2/models/{NAME}/ready").json() == {"name": NAME, "ready": True}
    model = client.get(f"/v2/models/{NAME}/versions/1").json()
    assert {each["name"]: each["datatype"] for each in model["inputs"]}["flag"] == "BOOL"
    facts = model["parameters"]
    assert (facts["target"], facts["version"], len(facts["sha256"])) == ("is_late", 1, 64)
    assert {each["name"]: each.get("categories") for each in facts["features"]}["carrier"] == ["AA", "B6", "UA"]


def test_the_description_has_every_feature(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()["paths"][f"/predict/{NAME}"]["post"]["requestBody"]
    row = schema["content"]["application/json"]["schema"]["properties"]["rows"]["items"]
    assert set(row["required"]) == {"x", "carrier", *TYPED}
    assert set(row["properties"]) == {"id", "at", *row["required"]}
    assert row["additionalProperties"] is False
    assert f"POST /predict/{NAME}" in client.get("/").text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": "1"}, "row 0: 'x' is \"1\"; expected a number or null"),
        ({"x": True}, "'x' is true; expected a number"),
        ({"x": [1]}, "'x' is [1]; expected a number"),
        ({"x": 10**400}, "'x' is infinite"),
        ({"whole": 1.5}, "'whole' is 1.5; expected a whole number or null"),
        ({"flag": 1}, "'flag' is 1; expected true, false"),
        ({"carrier": 3}, "'carrier' is 3; expected a text"),
        ({"day": "2024-01-01T10:00:00"}, "'day' is \"2024-01-01T10:00:00\"; expected a date"),
        ({"moment": "yesterday"}, "'moment' is \"yesterday\"; expected a moment"),
        ({"moment": 1704067200}, "'moment' is 1704067200; expected a moment"),
        ({"moment": "2024-01-01T00:00:00.123456789"}, "expected a moment such as"),
        ({"day": "20240101"}, "expected a date such as 2014-01-31"),
        ({"day": "2024-W01-1"}, "expected a date such as 2014-01-31"),
        ({"small": 1e39}, "'small' is infinite, or too large for 32 bits"),
        ({"whole": 10**30}, "which no INTEGER is"),
        ({"whole": 2**31}, "'whole' is 2147483648, which no INTEGER is"),
        ({"whole": -(2**31) - 1}, "which no INTEGER is"),
        ({"price": 1e20}, "which no DECIMAL(9,2) is"),
        ({"price": 0.123456}, "'price' is 0.123456, which no DECIMAL(9,2) is"),
        ({"id": [1]}, "'id' is [1]; expected a text, a number"),
        ({"id": {"a": 1}}, "'id' is {\"a\": 1}; expected a text, a number"),
        ({"id": "a" * 1001}, "'id' has more than 1,000 characters"),
        ({"zoned": "2024-01-01T00:00:00"}, "'zoned' is"),
        ({"carier": "AA"}, "'carier' is no feature. Did you mean 'carrier'?"),
        ({"is_late": True}, "'is_late' is no feature"),
    ],
)
def test_a_wrong_value_is_refused_by_name(
    client: TestClient, branch: Branch, change: dict[str, Any], words: str
) -> None:
    row = {**rows_of(branch)[0], **change}
    answer = predict(client, [row])
    assert answer.status_code == 422
    assert words in answer.json()["error"]
    assert answer.json()["problems"][0]["feature"] == next(iter(change))


@pytest.mark.parametrize(
    "change",
    [
        {"whole": 2**31 - 1},
        {"whole": -(2**31)},
        {"price": 9_999_999.99},
        {"price": -0.07},
        {"price": 3},
        {"small": 3.4e38},
        {"moment": "2024-01-01 00:00"},
        {"moment": "2024-01-01T00:00:00.5+0200"},
        {"id": True, "at": None},
        {"carrier": "\U0001f600"},
    ],
)
def test_what_the_type_holds_is_taken(client: TestClient, branch: Branch, change: dict[str, Any]) -> None:
    answer = predict(client, [{**rows_of(branch)[0], **change}])
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "time", ["infinity", "epoch", "2024-01-01T00:00:00 Europe/Paris", "2024-02-30", 20240101, True]
)
def test_a_time_that_is_no_moment_is_refused(client: TestClient, branch: Branch, time: Any) -> None:
    row = {**rows_of(branch)[0], "id": "k1"}
    by_tensors = client.post(
        f"/v2/models/{NAME}/infer",
        json={"inputs": [*tensors([row]), {"name": "at", "shape": [1], "datatype": "BYTES", "data": [time]}]},
    )
    for answer in (predict(client, [{**row, "at": time}]), by_tensors):
        assert answer.status_code == 422
        assert "row 0: 'at' is " in answer.json()["error"]
        assert "expected a date, a moment such as 2014-01-31T12:00:00Z, or null" in answer.json()["error"]


@pytest.mark.parametrize("name", ["x", "id"])
@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_json_does_not_know_are_refused(client: TestClient, branch: Branch, word: str, name: str) -> None:
    text = json.dumps({"rows": [{**rows_of(branch)[0], name: "here"}]}).replace('"here"', word)
    answer = client.post(f"/predict/{NAME}", content=text)
    assert answer.status_code == 422
    assert f"row 0: '{name}' is" in answer.json()["error"]


def test_very_many_unknown_names_are_refused_at_once(client: TestClient) -> None:
    began = time.process_time()
    answer = predict(client, [{"a" * 1_000_000: 1, **{f"name {number}": 1 for number in range(10_000)}}])
    tensor = {"shape": [1], "datatype": "FP64", "data": [1]}
    other = client.post(f"/v2/models/{NAME}/infer", json={"inputs": [{"name": "a" * 1_000_000, **tensor}]})
    assert time.process_time() - began < 1
    for each in (answer, other):
        assert each.status_code == 422
        assert len(each.text) < 3_000


def test_a_missing_column_is_refused_and_a_missing_value_is_not(client: TestClient, branch: Branch) -> None:
    row = rows_of(branch)[0]
    without = {name: value for name, value in row.items() if name != "gaps"}
    answer = predict(client, [row, without])
    assert answer.json()["problems"] == [
        {"row": 1, "feature": "gaps", "problem": "is missing; give null where it is not known"}
    ]
    assert predict(client, [{**row, "gaps": None}]).status_code == 200


def test_a_text_never_seen_is_answered_and_named(client: TestClient, branch: Branch) -> None:
    first, second = rows_of(branch)[:2]
    found = predict(client, [{**first, "carrier": "ZZ"}, second]).json()["predictions"]
    assert found[0]["unseen"] == ["carrier"]
    assert "unseen" not in found[1]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b'{"rows": [{"carrier": "\\ud800"}]}', 400),
        (b'{"rows": [{"\\uDC00": 1}]}', 400),
        (b'{"rows": [{"carrier": "\xed\xa0\x80"}]}', 400),
        (b'{"rows": [{"x": 1, "x": 2}]}', 422),
        (b'{"rows": [{}], "rows": [{}]}', 422),
        (b"[" * 100_000, 400),
        (b"[]", 422),
        (b'{"rows": {}}', 422),
        (b'{"rows": []}', 422),
        (b'{"rows": [1]}', 422),
        (b'{"rows": [{}], "explian": true}', 422),
        (b'{"rows": [{}], "explain": 1}', 422),
    ],
)
def test_a_body_that_asks_for_nothing_is_refused(client: TestClient, body: bytes, status: int) -> None:
    answer = client.post(f"/predict/{NAME}", content=body)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert answer.json()["id"] == answer.headers["x-request-id"]


def test_a_host_that_is_no_name_breaks_no_answer(client: TestClient) -> None:
    answer = client.post(f"/predict/{NAME}", content=b"{}", headers={"host": "[::"})
    assert (answer.status_code, answer.json()["id"]) == (422, answer.headers["x-request-id"])


def test_too_much_at_a_time_is_refused(client: TestClient, branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    row = rows_of(branch)[0]
    monkeypatch.setattr(requests, "MOST_ROWS", 3)
    assert predict(client, [row] * 3).status_code == 200
    assert predict(client, [row] * 4).status_code == 413
    monkeypatch.setattr(requests, "MOST_BYTES", 100)
    assert predict(client, [row]).status_code == 413

    def pieces() -> Iterator[bytes]:
        yield b" " * 60
        yield b" " * 60

    assert client.post(f"/predict/{NAME}", content=pieces()).status_code == 413  # without a length in the head


@pytest.mark.parametrize("name", ["nothing", "late'", "%00", "..%2f..", "日本", "a" * 5000, NAME.upper()])
def test_a_model_that_is_not_there_is_named(client: TestClient, name: str) -> None:
    answer = client.post(f"/predict/{name}", json={"rows": [{}]})
    assert answer.status_code == 404
    assert len(answer.text) < 500
    assert client.get(f"/v2/models/{NAME}/versions/2").status_code == 404


def test_tensors_carry_the_key_and_what_is_odd_of_a_row(client: TestClient, branch: Branch) -> None:
    rows = rows_of(branch)[:2]
    rows[1]["carrier"] = "ZZ"
    inputs = tensors(rows)
    path = f"/v2/models/{NAME}/infer"
    answer = client.post(path, json={"inputs": inputs, "outputs": [{"name": "unseen"}, {"name": "prediction"}]}).json()
    assert [each["name"] for each in answer["outputs"]] == ["unseen", "prediction"]
    assert answer["outputs"][0]["data"] == [None, "carrier"]
    described = client.get(f"/v2/models/{NAME}").json()["outputs"]
    every = client.post(path, json={"inputs": inputs}).json()["outputs"]
    assert [(each["name"], each["datatype"]) for each in every] == [
        (each["name"], each["datatype"]) for each in described
    ]
    assert {each["name"] for each in every} == {"prediction", "probability", "not_scored_because", "unseen"}
    key = {"name": "id", "shape": [2], "datatype": "BYTES"}
    for change, words in (
        ({"outputs": [{"name": "nonsense"}]}, "`outputs` is a list"),
        ({"outputs": 1}, "`outputs` is a list"),
        ({"explain": True}, "the body has 'explain'"),
        ({"inputs": [*inputs, {**key, "data": [[1, 2], "b"]}]}, "'id' is [1, 2]"),
        ({"inputs": [*inputs, {**key, "data": ["a"]}]}, "'id' has 1 values"),
        ({"inputs": [{**inputs[0], "dtype": 1}, *inputs[1:]]}, "`inputs` is missing"),
    ):
        found = client.post(path, json={"inputs": inputs, **change})
        assert (found.status_code, words in found.json()["error"]) == (422, True), found.text


def test_classes_have_an_output_and_numbers_a_value(tmp_path: Path) -> None:
    grade = "2 + cast(x + noise > 0.5 as int) - cast(x + noise < -0.5 as int)"
    branch = Branch(
        {"is_late": None, "grade": f"case when i < 400 then {grade} end"},
        candidates=["logistic_regression"], target="grade", metric="log_loss",
    )  # fmt: skip
    branch.train()
    predictions = {each["entity"]: each for each in branch.predict()}
    publish(branch, tmp_path / "dev")
    names = ["id", "at", "x", "carrier"]
    found = branch.rows(f'select id, "at", x, carrier from {NAME}_split order by id')
    rows = [json.loads(json.dumps(each, default=str)) for each in found if each["id"] in predictions][:5]
    types = {"x": "FP64"}
    inputs = [
        {"name": name, "shape": [5], "datatype": types.get(name, "BYTES"), "data": [row[name] for row in rows]}
        for name in names
    ]
    with client_of(tmp_path / "dev", requests=tmp_path / "requests") as client:
        answer = client.post(f"/v2/models/{NAME}/infer", json={"inputs": inputs}).json()
        by_rows = predict(client, rows).json()["predictions"]
    by_name = {each["name"]: each for each in answer["outputs"]}
    assert by_name["probabilities"]["shape"] == [5, 3]
    assert by_name["probabilities"]["data"] == [
        each["probabilities"][name] for each in by_rows for name in ("1", "2", "3")
    ]
    recorded = branch.rows(f"from '{tmp_path}/requests/*.parquet' order by received_at, number")
    assert [json.loads(each["key"])["id"] for each in recorded] == [row["id"] for row in rows] * 2
    expected = [predictions[row["id"]]["prediction_value"] for row in rows]
    assert [each["prediction_value"] for each in recorded] == expected * 2
    assert None not in expected


@pytest.mark.parametrize(
    "inputs",
    [
        None,
        [],
        [{"name": "x"}],
        [{"name": "x", "shape": [2], "datatype": "FP64", "data": [1.0]}],
        [{"name": "x", "shape": "1", "datatype": "FP64", "data": [1.0]}],
        [{"name": "x", "shape": [1], "datatype": "BYTES", "data": ["1"]}],
        [{"name": "x", "shape": [1], "datatype": "FP64", "data": ["1"]}],
    ],
)
def test_wrong_tensors_are_refused(client: TestClient, branch: Branch, inputs: Any) -> None:
    if inputs:
        inputs = [*(each for each in tensors(rows_of(branch)[:1]) if each["name"] != "x"), *inputs]
    answer = client.post(f"/v2/models/{NAME}/infer", json={"inputs": inputs})
    assert answer.status_code == 422
    assert answer.json()["error"]


def test_contributions_add_up_to_the_prediction(client: TestClient, branch: Branch) -> None:
    found = predict(client, rows_of(branch)[:2], explain=True).json()["predictions"]
    for each in found:
        why = each["explanation"]
        total = why["base"] + sum(part["contribution"] for part in why["features"])
        assert why["value"] == each["probability"]
        assert total == pytest.approx(why["value"], abs=1e-9)
    assert {part["feature"] for part in found[0]["explanation"]["features"]} == {"x", "carrier", *TYPED}


def test_what_fails_in_the_server_is_said_and_counted(
    folder: Path, branch: Branch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("secret")

    with client_of(folder) as client:
        with monkeypatch.context() as changed:
            changed.setattr(Served, "predict", broken)
            answer = client.post(f"/predict/{NAME}", json={"rows": rows_of(branch)[:1]}, headers={"x-request-id": "7"})
        assert answer.status_code == 500
        assert answer.json()["id"] == "7"
        assert "secret" not in answer.text
        assert "mlbridge_failed_total 1.0" in client.get("/metrics").text
        assert predict(client, rows_of(branch)[:1]).status_code == 200


def test_a_token_is_asked_for(folder: Path, branch: Branch) -> None:
    with client_of(folder, tokens=["first", "second"]) as client:
        assert client.get("/v2/health/live").status_code == 200
        described = client.get("/openapi.json", headers={"authorization": "bearer first"}).json()
        assert described["security"] == [{"token": []}]
        assert described["paths"]["/v2/health/live"]["get"]["security"] == []
        for header in ({}, {"authorization": "Bearer third"}, {"authorization": "Basic first"}):
            answer = client.post(f"/predict/{NAME}", json={"rows": rows_of(branch)[:1]}, headers=header)
            assert answer.status_code == 401
            assert client.get("/metrics", headers=header).status_code == 401
        for token in ("first", "second"):
            header = {"authorization": f"Bearer {token}"}
            answer = client.post(f"/predict/{NAME}", json={"rows": rows_of(branch)[:1]}, headers=header)
            assert answer.status_code == 200
        assert 'mlbridge_refused_total{reason="token"} 6.0' in client.get("/metrics", headers=header).text


def test_health_is_answered_where_nothing_else_is(
    folder: Path, branch: Branch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "MOST_REQUESTS", 0)
    with client_of(folder) as client:
        assert client.get("/v2/health/ready").status_code == 200
        assert predict(client, rows_of(branch)[:1]).status_code == 503


def test_a_connection_that_says_nothing_is_closed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "HEAD_SECONDS", 0.2)
    versions = Versions(folder)
    versions.refresh()
    port = free_port()
    running = uvicorn.Server(process.configured(create_app(versions), "127.0.0.1", port))
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        until(lambda: running.started)
        for said in (b"", b"GET /v2/health/live HTTP/1.1\r\nx-slow: "):
            with socket.create_connection(("127.0.0.1", port), timeout=20) as silent:
                silent.sendall(said)
                assert silent.recv(100) == b""
        with socket.create_connection(("127.0.0.1", port), timeout=20) as speaking:
            for _ in range(2):  # a connection that is kept answers again
                speaking.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: a\r\n\r\n")
                assert speaking.recv(1_000).startswith(b"HTTP/1.1 200")
                time.sleep(0.3)
    finally:
        running.should_exit = True
        thread.join()


def test_only_names_of_this_machine_are_answered(folder: Path) -> None:
    with client_of(folder, hosts=["localhost", "[::1]"]) as client:
        for host, status in (
            ("localhost:80", 200),
            ("localhost", 200),
            ("[::1]:80", 200),
            ("[::1]", 200),
            ("evil.example", 400),
            ("localhost:evil", 400),
        ):
            assert client.get("/v2", headers={"host": host}).status_code == status
        assert 'mlbridge_refused_total{reason="host"} 2.0' in client.get("/metrics", headers={"host": "LOCALHOST"}).text


def test_metrics_count_what_was_answered_and_refused(folder: Path, branch: Branch) -> None:
    with client_of(folder) as client:
        predict(client, rows_of(branch)[:5])
        predict(client, [{}])
        text = client.get("/metrics").text
    assert f'mlbridge_rows_total{{model="{NAME}",version="1"}} 5.0' in text
    assert 'mlbridge_refused_total{reason="input"} 1.0' in text
    assert f'mlbridge_version{{model="{NAME}"}} 1.0' in text


def test_nothing_published_is_said_and_a_build_is_taken_over(
    branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "EVERY", 0.01)
    folder = tmp_path / "dev"
    with client_of(folder, NAME) as client:
        assert client.get("/v2/health/ready").status_code == 503
        answer = predict(client, rows_of(branch)[:1])
        assert answer.status_code == 503
        assert "dbt build" in answer.json()["error"]
        publish(branch, folder)
        until(lambda: client.get("/v2/health/ready").status_code == 200)
        assert predict(client, rows_of(branch)[:1]).status_code == 200


def test_a_model_without_a_version_in_use_is_not_served(branch: Branch, tmp_path: Path) -> None:
    publish(branch, tmp_path / "dev", version=None)
    with client_of(tmp_path / "dev", NAME) as client:
        assert client.get("/v2/health/ready").json()["not_served"] == {NAME: "it has no version in use"}


def test_the_last_state_goes_on_where_what_is_published_is_gone_or_damaged(branch: Branch, tmp_path: Path) -> None:
    folder = tmp_path / "dev"
    publish(branch, folder)
    versions = Versions(folder)
    assert versions.refresh()
    assert not versions.refresh()
    broken = publish(branch, folder)
    for text in ("{", "[]", '{"format": 99, "models": {}}'):
        (broken / INDEX).write_text(text)
        assert not versions.refresh()
        assert "cannot be read" in str(versions.problem)
        assert versions.is_ready
    other = publish(branch, folder)
    facts = json.loads((other / "build.json").read_text())
    (other / "build.json").write_text(json.dumps({**facts, "format": 99}))
    assert not versions.refresh()
    assert "it is of mlbridge" in str(versions.problem)
    shutil.rmtree(folder)
    assert not versions.refresh()
    assert "the last versions go on" in str(versions.problem)
    assert versions.is_ready
    with TestClient(create_app(versions)) as client:
        ready = client.get("/v2/health/ready")
        assert ready.status_code == 200
        assert "any more" in ready.json()["problem"]
        assert predict(client, rows_of(branch)[:1]).status_code == 200
    publish(branch, folder)
    assert versions.refresh()
    assert versions.problem is None


def test_a_damaged_artifact_leaves_the_version_before_in_use(tmp_path: Path) -> None:
    branch = served_branch()
    folder = tmp_path / "dev"
    publish(branch, folder)
    versions = Versions(folder)
    versions.refresh()
    branch.execute(f"update {NAME}_training set artifact = 'x'::blob, artifact_sha256 = 'other' where version = 1")
    publish(branch, folder)
    assert versions.refresh()
    assert "is damaged" in versions.state.problems[NAME]
    assert versions.state.served(NAME).version == 1
    with TestClient(create_app(versions)) as client:
        assert f'mlbridge_is_newest{{model="{NAME}"}} 0.0' in client.get("/metrics").text
        assert "is damaged" in client.get("/v2/health/ready").json()["not_newest"][NAME]


def test_one_bad_model_takes_no_other_one_with_it_and_is_tried_again(
    branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = publish(branch, tmp_path / "dev")
    index = json.loads((place / INDEX).read_text())
    wrong = {"none": None, "lost": {"version": 1, "sha256": "0"}, "failed": {"version": 2, "failed": "it is locked"}}
    (place / INDEX).write_text(json.dumps({**index, "models": {**wrong, **index["models"]}}))
    versions = Versions(tmp_path / "dev")
    assert versions.refresh()
    assert list(versions.state.models) == [NAME]
    assert set(versions.state.problems) == set(wrong)
    assert "it is locked" in versions.state.problems["failed"]
    assert not versions.refresh()
    (place / INDEX).write_text(json.dumps(index))
    monkeypatch.setattr(state, "RETRY", 0)
    assert versions.refresh()
    assert not versions.state.problems


def test_a_version_that_could_not_be_published_leaves_the_one_before_in_use(tmp_path: Path) -> None:
    branch = served_branch("logistic_regression")
    versions = Versions(tmp_path / "dev")
    publish(branch, tmp_path / "dev")
    versions.refresh()
    branch.execute(f"alter table {NAME}_training rename to elsewhere")
    publish(branch, tmp_path / "dev")
    assert versions.refresh()
    assert versions.state.served(NAME).version == 1
    assert "could not publish version 1" in versions.state.problems[NAME]
    assert not (publish(branch, tmp_path / "dev", champions="select 1 as other") / INDEX).exists()
    assert not versions.refresh()
    assert "which versions are in use" in str(versions.problem)
    assert versions.is_ready
    branch.execute(f"alter table elsewhere rename to {NAME}_training")
    publish(branch, tmp_path / "dev")
    assert versions.refresh()
    assert not versions.state.problems


def test_what_is_retired_leaves_the_metrics(branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "EVERY", 0.01)
    publish(branch, tmp_path / "dev")
    with client_of(tmp_path / "dev") as client:
        assert "mlbridge_version{" in client.get("/metrics").text
        publish(branch, tmp_path / "dev", version=None)
        until(lambda: "mlbridge_version{" not in client.get("/metrics").text)


def test_the_watch_outlives_what_nobody_has_foreseen(
    branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "EVERY", 0.01)
    publish(branch, tmp_path / "dev")
    refresh, failures = Versions.refresh, []

    def fails_thrice(versions: Versions) -> bool:
        if versions.state.place is not None and len(failures) < 3:
            failures.append(1)
            raise RuntimeError("unforeseen")
        return refresh(versions)

    monkeypatch.setattr(Versions, "refresh", fails_thrice)
    with client_of(tmp_path / "dev") as client:
        place = publish(branch, tmp_path / "dev")
        facts = json.loads((place / "build.json").read_text())
        (place / "build.json").write_text(json.dumps({**facts, "build": "the next"}))
        until(lambda: client.get("/v2/health/ready").json()["build"] == "the next")
    assert len(failures) == 3


@pytest.mark.parametrize("error", [RecursionError("deep"), IndexError("odd"), AssertionError()])
def test_where_the_translation_fails_scikit_learn_answers(
    folder: Path, branch: Branch, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: Any) -> None:
        raise error

    monkeypatch.setattr(scorer, "Program", broken)
    with client_of(folder) as client:
        assert predict(client, rows_of(branch)[:2]).status_code == 200
        facts = client.get(f"/v2/models/{NAME}").json()["parameters"]
    assert facts["scored_by"] == "scikit-learn"
    assert type(error).__name__ in facts["serving_note"]


def test_the_same_version_is_taken_over_from_the_build_before(branch: Branch, tmp_path: Path) -> None:
    folder = tmp_path / "dev"
    first = (publish(branch, folder) / f"{NAME}.version").stat()
    versions = Versions(folder)
    versions.refresh()
    served = versions.state.served(NAME)
    second = (publish(branch, folder) / f"{NAME}.version").stat()
    assert first.st_ino == second.st_ino
    assert versions.refresh()
    assert versions.state.served(NAME) is served


def test_each_prediction_is_of_the_version_that_it_names_while_versions_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "EVERY", 0.001)
    branch = served_branch("logistic_regression")
    branch.spec["candidates"] = ["random_forest"]
    branch.retrain()
    numbers = sorted({each["version"] for each in branch.logbook() if each["outcome"] in ("promoted", "rejected")})
    assert numbers == [1, 2]
    rows = rows_of(branch)[:2]
    expected = {}
    for version in numbers:
        publish(branch, tmp_path / str(version) / "dev", version)
        with client_of(tmp_path / str(version) / "dev") as client:
            expected[version] = predict(client, rows).json()["predictions"]
    assert expected[1] != expected[2]
    folder = tmp_path / "dev"
    publish(branch, folder, 1)
    done = threading.Event()
    wrong: list[tuple[int, Any]] = []
    seen = dict.fromkeys(numbers, 0)

    with client_of(folder) as client:

        def ask() -> None:
            while not done.is_set():
                answer = predict(client, rows)
                found = answer.json()
                if answer.status_code != 200 or found["predictions"] != expected[found["version"]]:
                    wrong.append((answer.status_code, found))
                else:
                    seen[found["version"]] += 1

        askers = [threading.Thread(target=ask) for _ in range(2)]
        for each in askers:
            each.start()
        changes = 0
        while changes < 30 or sum(seen.values()) < 2_000:
            version = numbers[(changes + 1) % 2]
            publish(branch, folder, version)
            until(lambda version=version: client.get("/v2/health/ready").json()["models"] == {NAME: version})
            changes += 1
        done.set()
        for each in askers:
            each.join()
    assert not wrong
    assert min(seen.values()) > 200


def test_scikit_learn_answers_what_is_not_covered(tmp_path: Path) -> None:
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline

    numbers = make_column_transformer((SimpleImputer(), ["x", "gaps"]))
    own = {"mine": make_pipeline(numbers, KNeighborsClassifier(20))}
    trusted = ["sklearn.metrics._dist_metrics.EuclideanDistance64", "sklearn.neighbors._kd_tree.KDTree"]
    branch = Branch(TYPED, candidates=[], trusted=trusted)
    branch.train(own)
    scored = {each["entity"]: each for each in branch.predict()}
    publish(branch, tmp_path / "dev")
    rows = [row for row in rows_of(branch) if row["id"] in scored]
    with client_of(tmp_path / "dev") as client:
        assert "holds types that are not trusted" in client.get("/v2/health/ready").json()["not_served"][NAME]
    with client_of(tmp_path / "dev", trusted=trusted) as client:
        found = predict(client, rows).json()["predictions"]
        facts = client.get(f"/v2/models/{NAME}").json()["parameters"]
    assert facts["scored_by"] == "scikit-learn"
    assert "KNeighborsClassifier cannot be compiled" in facts["serving_note"]
    assert [each["probability"] for each in found] == [scored[row["id"]]["probability"] for row in rows]


def test_requests_become_rows(folder: Path, branch: Branch, tmp_path: Path) -> None:
    rows = rows_of(branch)[:3]
    for row in rows[1:]:
        del row["id"], row["at"]
    with client_of(folder, requests=tmp_path / "requests", redacted=["x"]) as client:
        answer = client.post(f"/predict/{NAME}", json={"rows": rows}, headers={"x-request-id": "mine"}).json()
        client.post(f"/v2/models/{NAME}/infer", json={"inputs": tensors(rows)})
        assert predict(client, [{}]).status_code == 422
    found = branch.rows(f"from '{tmp_path}/requests/*.parquet' order by received_at, number")
    assert len(found) == 6
    mine = found[:3]
    assert {each["request_id"] for each in mine} == {"mine"}
    assert [each["number"] for each in mine] == [0, 1, 2]
    assert [each["probability"] for each in mine] == [each["probability"] for each in answer["predictions"]]
    assert json.loads(mine[0]["key"]) == {"id": rows[0]["id"], "at": rows[0]["at"]}
    assert mine[1]["key"] is None
    for each, row in zip(mine, rows, strict=True):
        assert json.loads(each["features"]) == {
            name: value for name, value in row.items() if name not in ("id", "at", "x")
        }
    assert {(each["model"], each["version"]) for each in found} == {(NAME, 1)}


def test_rows_that_come_too_fast_are_dropped_and_counted(
    folder: Path, branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "MOST_WAITING", 2)
    rows = rows_of(branch)[:3]
    with client_of(folder, requests=tmp_path) as client:
        assert predict(client, rows).status_code == 200
        assert "mlbridge_requests_lost_total 3.0" in client.get("/metrics").text
    assert not list(tmp_path.glob("*.parquet"))
    monkeypatch.setattr(recorder, "MOST_WAITING", 50)
    monkeypatch.setattr(recorder, "MOST_BYTES", 100)
    with client_of(folder, requests=tmp_path) as client:
        assert predict(client, rows).status_code == 200
        assert "mlbridge_requests_lost_total 3.0" in client.get("/metrics").text


def test_a_request_that_cannot_be_written_takes_no_other_one_with_it(
    folder: Path, branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, written = rows_of(branch)[:3], recorder.as_table

    def broken(record: Any, made: Any) -> Any:
        if any(each.request_id == "bad" for each in made):
            raise TypeError("unforeseen")
        return written(record, made)

    monkeypatch.setattr(recorder, "as_table", broken)
    monkeypatch.setattr(recorder, "EVERY", 0.3)
    with client_of(folder, requests=tmp_path) as client:
        for identity in ("first", "bad", "second"):
            client.post(f"/predict/{NAME}", json={"rows": rows}, headers={"x-request-id": identity})
        until(lambda: "mlbridge_requests_lost_total 3.0" in client.get("/metrics").text)
        client.post(f"/predict/{NAME}", json={"rows": rows}, headers={"x-request-id": "third"})
    found = branch.rows(f"select distinct request_id from '{tmp_path}/*.parquet' order by 1")
    assert [each["request_id"] for each in found] == ["first", "second", "third"]
    assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}


def test_half_written_files_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet as pq

    def full(_: Any, file: Any) -> None:
        file.write(b"PAR1")
        assert not list(tmp_path.rglob("*.parquet"))
        raise OSError("no space")

    monkeypatch.setattr(pq, "write_table", full)
    folder, lost = tmp_path / "requests", []
    folder.mkdir()
    left, other = folder / ".requests_1.parquet.tmp", folder / ".requests_2.parquet.tmp"
    for each in (left, other):
        each.touch()
    os.utime(left, (0, 0))
    made = recorder.Recorder(folder, (), lost.append)
    prediction = {"prediction": 1.0, "probability": None}
    made.add(recorder.Answered("a", NAME, 1, datetime(2024, 1, 1), 0.1, (), ["x"], None, 9, [{"x": 1}], [prediction]))
    made.close()
    assert lost == [1]
    assert list(folder.iterdir()) == [other]  # the one of a server that may still write it


def test_a_name_to_redact_is_one_of_a_column(folder: Path, branch: Branch, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"no model that is served has a column 'carier'\. Did you mean 'carrier'"):
        client_of(folder, requests=tmp_path, redacted=["carier"])
    made = client_of(folder, requests=tmp_path / "made", redacted=["carrier", "id"])
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o700
    with made as client:
        predict(client, rows_of(branch)[:1])
    ((key, features),) = [
        (json.loads(each["key"]), json.loads(each["features"]))
        for each in branch.rows(f"from '{tmp_path}/made/*.parquet'")
    ]
    assert list(key) == ["at"]
    assert "carrier" not in features


def test_nothing_is_recorded_where_the_column_to_redact_is_not_known(
    branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "EVERY", 0.01)
    with client_of(tmp_path / "dev", requests=tmp_path / "requests", redacted=["carier"]) as client:
        publish(branch, tmp_path / "dev")
        until(lambda: client.get("/v2/health/ready").status_code == 200)
        assert predict(client, rows_of(branch)[:2]).status_code == 200
        assert "mlbridge_requests_lost_total 2.0" in client.get("/metrics").text
    assert not list((tmp_path / "requests").iterdir())


def until(condition: Any, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
