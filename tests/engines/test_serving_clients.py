"""The server as other programs see it: Triton's client, and requests made from the OpenAPI document."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import schemathesis
import tritonclient.http as triton
import uvicorn
from branch import NAME, Branch
from browser import free_port
from hypothesis import HealthCheck, given, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode
from schemathesis.openapi import from_url
from schemathesis.specs.openapi.checks import positive_data_acceptance
from serving import TYPED, publish, rows_of

from mlbridge.serving.__main__ import configured
from mlbridge.serving.app import create_app
from mlbridge.serving.state import Versions

NUMPY = {"BOOL": np.bool_, "INT64": np.int64, "FP64": np.float64, "BYTES": np.object_}


@pytest.fixture(scope="module")
def branch() -> Branch:
    """Train on all types but DECIMAL, of whose digits a JSON schema says nothing that fits doubles."""
    branch = Branch({**TYPED, "price": None})
    branch.train()
    branch.predict()
    return branch


@pytest.fixture(scope="module")
def server(branch: Branch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve what the branch publishes; gives host and port."""
    folder, port = tmp_path_factory.mktemp("published") / "dev", free_port()
    publish(branch, folder)
    versions = Versions(folder)
    versions.refresh()
    running = uvicorn.Server(configured(create_app(versions), "127.0.0.1", port))
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        while not running.started:
            time.sleep(0.01)
        yield f"127.0.0.1:{port}"
    finally:
        running.should_exit = True
        thread.join()


@pytest.fixture
def client(server: str) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(server) as client:
        yield client


def test_tritons_client_is_answered(client: triton.InferenceServerClient, branch: Branch) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(NAME)
    assert client.is_model_ready(NAME, "1")
    assert client.get_server_metadata()["name"] == "mlbridge"
    metadata = client.get_model_metadata(NAME)
    scored = rows_of(branch, "ml_split in ('test', 'score')")
    rows = [row for row in scored if all(value is not None for value in row.values())]
    assert len(rows) > 20
    inputs = []
    for each in metadata["inputs"]:
        tensor = triton.InferInput(each["name"], [len(rows)], each["datatype"])
        tensor.set_data_from_numpy(np.array([row[each["name"]] for row in rows], NUMPY[each["datatype"]]), False)
        inputs.append(tensor)
    asked = [triton.InferRequestedOutput(name, False) for name in ("prediction", "probability")]
    answer = client.infer(NAME, inputs, outputs=asked, request_id="7")
    assert answer.get_response()["id"] == "7"
    expected = {each["entity"]: each for each in branch.predictions()}
    for row, word, value in zip(rows, answer.as_numpy("prediction"), answer.as_numpy("probability"), strict=True):
        assert word == expected[row["id"]]["prediction"]
        assert value == pytest.approx(expected[row["id"]]["probability"], rel=1e-12)


def test_tensors_in_binary_are_refused_by_name(client: triton.InferenceServerClient) -> None:
    tensor = triton.InferInput("x", [1], "FP64")
    tensor.set_data_from_numpy(np.zeros(1))
    with pytest.raises(triton.InferenceServerException, match="binary tensors") as refused:
        client.infer(NAME, [tensor])
    assert refused.value.status() == "400"


def test_what_the_document_allows_is_answered_as_it_says(server: str) -> None:
    # More rows than are explained at a time are refused, whatever else is right or wrong with them.
    checks = {
        "positive_data_acceptance": {"expected-statuses": ["200", "413"]},
        "negative_data_rejection": {"expected-statuses": ["400", "413", "422"]},
    }
    config = SchemathesisConfig.from_dict({"seed": 7, "checks": checks})
    operations = [each.ok() for each in from_url(f"http://{server}/openapi.json", config=config).get_all_operations()]
    assert {each.path for each in operations} >= {f"/predict/{NAME}", f"/v2/models/{NAME}/infer", "/metrics"}
    for operation in operations:
        asks(operation, GenerationMode.POSITIVE)
        if operation.method == "post":
            asks(operation, GenerationMode.NEGATIVE)


def asks(operation: Any, mode: GenerationMode) -> None:
    """Send what the document allows, or what it does not; status, content type and answer are what it says."""
    # That there must be a tensor for each feature is more than a JSON schema says.
    free = [positive_data_acceptance] if operation.path.endswith("/infer") else []

    @settings(max_examples=15, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy(mode))
    def ask(case: schemathesis.Case) -> None:
        case.call_and_validate(excluded_checks=free)

    ask()
