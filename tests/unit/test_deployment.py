"""The files of `deploy/`: against the schemas of Kubernetes, and against what the commands, server and profile say."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from dbt.cli.main import cli as dbt
from dbt_host import FLIGHTS, ROOT

from mlbridge.cli import main
from mlbridge.commands.serve import NEEDED, TOKENS
from mlbridge.publication.folder import folder_of
from mlbridge.serving.__main__ import DRAIN_SECONDS
from mlbridge.serving.guard import OPEN

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
MANIFESTS = sorted(set(KUBERNETES.glob("*.yaml")) - {KUBERNETES / "kustomization.yaml"})
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
WAREHOUSE = "FLIGHTS_DUCKDB"


def documents() -> Iterator[dict[str, Any]]:
    for file in MANIFESTS:
        yield from yaml.safe_load_all(file.read_text())


def manifest(kind: str) -> dict[str, Any]:
    (found,) = [each for each in documents() if each["kind"] == kind]
    return found


def pods() -> dict[str, dict[str, Any]]:
    return {
        "build": manifest("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"],
        "serve": manifest("Deployment")["spec"]["template"]["spec"],
    }


@pytest.mark.parametrize("document", list(documents()), ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_manifests_have_the_form_that_kubernetes_takes(document: dict[str, Any]) -> None:
    for release in ("1.28", "1.37"):
        kubernetes_validate.validate(document, release, strict=True)


def test_kustomize_takes_every_manifest() -> None:
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    assert sorted(listed["resources"]) == [each.name for each in MANIFESTS]
    images = {each["image"] for pod in pods().values() for each in pod["containers"]}
    assert images == {each["name"] for each in listed["images"]}


def test_the_commands_are_ones_that_the_programs_take() -> None:
    lines = [pod["containers"][0]["args"] for pod in pods().values()]
    lines += [COMPOSE["services"][each]["command"] for each in ("build", "serve")]
    ((default,),) = [re.findall(r"^CMD (\[.*\])$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)]
    lines.append(yaml.safe_load(default))
    for program, command, *options in lines:
        chosen = {"dbt": dbt, "mlbridge": main}[program].commands[command]
        assert chosen.make_context(command, [*options, "--profiles-dir", str(FLIGHTS)]).params
    assert {tuple(line) for line in lines} == {("dbt", "build"), ("mlbridge", "serve", "--host", "0.0.0.0")}


def test_probes_ask_for_what_needs_no_token() -> None:
    (container,) = pods()["serve"]["containers"]
    asked = {container[each]["httpGet"]["path"] for each in ("startupProbe", "livenessProbe", "readinessProbe")}
    proxy = re.findall(r"uri (\S+)", (DEPLOY / "haproxy.cfg").read_text())
    image = re.findall(r"http://127\.0\.0\.1:8080(/[^']*)", (DEPLOY / "Dockerfile").read_text())
    assert asked | set(proxy) | set(image) == set(OPEN)
    (port,) = container["ports"]
    assert manifest("Service")["spec"]["ports"][0]["targetPort"] == port["name"] == "http"


def test_what_serves_is_given_the_time_to_answer() -> None:
    pod = pods()["serve"]
    wait = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] >= wait + DRAIN_SECONDS
    assert int(COMPOSE["services"]["serve"]["stop_grace_period"].rstrip("s")) > DRAIN_SECONDS


def test_both_read_the_place_that_builds_publish_to() -> None:
    asked = re.findall(r"env_var\('(\w+)'", (FLIGHTS / "profiles.yml").read_text())
    assert WAREHOUSE in asked
    file = Path(manifest("ConfigMap")["data"][WAREHOUSE])
    for pod in pods().values():
        (container,) = pod["containers"]
        assert {"configMapRef": {"name": "mlbridge"}} in container["envFrom"]
        mounts = {each["mountPath"]: each for each in container["volumeMounts"]}
        published = mounts[str(folder_of(file, "dev").parent)]
        assert published.get("readOnly", False) == (container["name"] == "serve")
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert pod["securityContext"]["runAsNonRoot"]
    for each in ("build", "serve"):
        assert COMPOSE["services"][each]["environment"][WAREHOUSE] == str(file)
        assert COMPOSE["services"][each]["read_only"]
    assert COMPOSE["services"]["serve"]["volumes"] == ["warehouse:/warehouse:ro"]


def test_tokens_come_from_the_environment() -> None:
    tokens = {each["name"]: each for each in pods()["serve"]["containers"][0]["env"]}[TOKENS]
    assert tokens["valueFrom"] == {"secretKeyRef": {"name": "mlbridge-serve", "key": "tokens"}}
    assert COMPOSE["services"]["serve"]["environment"][TOKENS].startswith(f"${{{TOKENS}:?")


def test_each_package_of_the_extra_is_asked_for_before_the_server_starts() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    everywhere = [each for each in extras["serve"] if ";" not in each]
    assert [each.split(">=")[0].replace("-", "_") for each in everywhere] == [*NEEDED]
