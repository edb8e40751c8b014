"""`mlbridge serve` as users run it: a process over what real builds publish."""

from __future__ import annotations

import json
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from asking import get, schema, serving
from browser import free_port
from dbt_host import Host, copy_of_host
from warm import Warm

from mlbridge.commands.serve import command
from mlbridge.engines.warehouse import as_text
from mlbridge.errors import SetupError
from mlbridge.project.project import Project

LINEAR = ("logistic_regression", "ridge")


def predictions(host: Host, model: str, facts: dict[str, Any]) -> tuple[list[dict[str, Any]], list[tuple[Any, ...]]]:
    """Give rows of the split as JSON has them, and what the build has predicted for them."""
    names = [each["name"] for each in facts["features"]]
    entity = as_text(facts["entity"], "s").sql("duckdb")
    listed = ", ".join(f's."{name}"' for name in names)
    found = host.rows(
        f"select p.prediction, p.prediction_value, p.probability, {listed} from {schema(host, f'{model}_split')} s "
        f"join {schema(host, 'ml_predictions')} p on p.model = '{model}' and p.entity = {entity} "
        f'and p.time = s."{facts["time"]}" and p.version = {facts["version"]} order by p.entity, p.time limit 500'
    )
    rows = [json.loads(json.dumps(dict(zip(names, row[3:], strict=True)), default=as_json)) for row in found]
    return rows, [row[:3] for row in found]


def as_json(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else float(value)


def test_it_answers_what_the_build_predicted(shop: Host) -> None:
    with serving(shop) as (address, process):
        ready = get(f"{address}/v2/health/ready")[1]
        assert ready["problem"] is None
        assert set(ready["models"]) == {"basket", "amount"}
        for model, version in ready["models"].items():
            facts = get(f"{address}/v2/models/{model}/versions/{version}")[1]["parameters"]
            assert (facts["scored_by"], facts["serving_note"]) == ("numpy", None)
            rows, expected = predictions(shop, model, facts)
            assert len(rows) > 10
            status, answer = get(f"{address}/predict/{model}", {"rows": rows})
            assert (status, answer["version"]) == (200, version)
            tolerance = 1e-12 if facts["candidate"] in LINEAR else 0
            for found, (prediction, value, probability) in zip(answer["predictions"], expected, strict=True):
                if facts["classes"] is None:
                    assert found["prediction"] == pytest.approx(value, rel=tolerance, abs=0)
                else:
                    assert found["prediction"] == prediction
                    assert found["probability"] == pytest.approx(probability, rel=tolerance, abs=0)
        # What takes longer than the signal is answered all the same.
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(get, f"{address}/predict/{model}", {"rows": rows[:10], "explain": True})
            time.sleep(0.5)
            process.send_signal(signal.SIGTERM)
            status, answer = asked.result()
        assert (status, len(answer["predictions"])) == (200, 10)
        assert process.wait(timeout=60) == 0


def test_it_goes_on_without_what_is_published(shop: Host, tmp_path: Path) -> None:
    host = copy_of_host(shop, tmp_path)
    with serving(host, "--models", "basket", MLBRIDGE_SERVE_TOKENS="one,two") as (address, _):
        assert get(f"{address}/v2/models/basket")[0] == 401
        token = {"authorization": "Bearer two"}
        facts = get(f"{address}/v2/models/basket", **token)[1]["parameters"]
        assert get(f"{address}/v2/models/amount", **token)[0] == 404
        rows, _ = predictions(host, "basket", facts)
        shutil.rmtree(host.published)
        end = time.monotonic() + 30
        while get(f"{address}/v2/health/ready")[1]["problem"] is None:
            assert time.monotonic() < end
            time.sleep(0.1)
        assert get(f"{address}/v2/health/ready")[0] == 200
        assert get(f"{address}/predict/basket", {"rows": rows[:1]}, **token)[0] == 200


def test_what_was_asked_is_a_relation_of_the_project(shop: Host, warm: Warm, tmp_path: Path) -> None:
    host, folder = copy_of_host(shop, tmp_path), tmp_path / "it's [new] requests*"
    call = f'{{{{ config(materialized="table") }}}} {{{{ mlbridge.requests("{folder}") }}}}'
    host.write({"models/served.sql": call})
    warm.dbt(host.path, "run", "--select", "served")
    where = schema(host, "served")
    assert host.rows(f"select count(*) from {where}") == [(0,)]
    with serving(host, "--requests", str(folder)) as (address, process):
        facts = get(f"{address}/v2/models/basket")[1]["parameters"]
        rows, expected = predictions(host, "basket", facts)
        assert get(f"{address}/predict/basket", {"rows": rows[:5]})[0] == 200
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    warm.dbt(host.path, "run", "--select", "served")
    found = host.rows(f"select model, version, number, prediction, probability from {where} order by number")
    assert [row[:3] for row in found] == [("basket", facts["version"], number) for number in range(5)]
    assert [row[3] for row in found] == [row[0] for row in expected[:5]]


def test_where_it_may_not_listen_or_has_nothing_to_serve(
    shop: Host, warm: Warm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = copy_of_host(shop, tmp_path)
    warm.parse(host.path)
    project = Project.at(host.path, None, None)
    port = free_port()
    with pytest.raises(SetupError, match=r"no token is asked for.*--allow-remote"):
        command(project, [], "0.0.0.0", port, allow_remote=False)
    monkeypatch.setenv("MLBRIDGE_SERVE_TOKENS", " one , ")
    line, environment = command(project, ["basket"], "0.0.0.0", port, allow_remote=False)
    assert environment["MLBRIDGE_SERVE_TOKENS"] == "one"
    # A proxy on this machine passes on the name that it was asked by.
    assert "--answers-to" not in command(project, [], "127.0.0.1", port, allow_remote=False)[0]
    monkeypatch.delenv("MLBRIDGE_SERVE_TOKENS")
    assert "--answers-to" in command(project, [], "127.0.0.1", port, allow_remote=False)[0]
    monkeypatch.setenv("MLBRIDGE_SERVE_TOKENS", "one")
    with pytest.raises(SetupError, match="Name a folder with --requests"):
        command(project, [], "127.0.0.1", port, allow_remote=False, redacted=["country"])
    assert "--answers-to" not in line
    with pytest.raises(SetupError, match="Did you mean 'basket'"):
        command(project, ["baskets"], "127.0.0.1", port, allow_remote=False)
    with pytest.raises(SetupError, match="cannot be listened on"), serving(host) as (address, _):
        command(project, [], "127.0.0.1", int(address.rsplit(":", 1)[1]), allow_remote=False)
