"""Two builds at once, and a disk that is full: the error says what happened, and nothing is lost."""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path
from typing import Any

import pytest
from dbt_host import Host, copy_of_host
from hosts import two_models
from warm import Warm

pytestmark = pytest.mark.slow

BUILD = ("build", "--exclude-resource-type", "test")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Host:
    """A host of two models, built once."""
    host = two_models(tmp_path_factory.mktemp("limits"))
    warm.dbt(host.path, "deps")
    warm.parse(host.path)
    warm.dbt(host.path, *BUILD, parsed=True)
    return host


@pytest.fixture
def host(built: Host, tmp_path: Path) -> Host:
    """Copy it, for one test to change."""
    return copy_of_host(built, tmp_path)


def facts(host: Host) -> dict[str, set[tuple[Any, ...]]]:
    """Read what may never be lost, and check that each artifact is whole."""
    names = [f"{model}_{stage}" for model in ("churned", "spent") for stage in ("training", "predictions")]
    for name in names[::2]:
        artifacts = f"select artifact, artifact_sha256 from {name} where artifact is not null"
        assert all(hashlib.sha256(artifact).hexdigest() == sha256 for artifact, sha256 in host.rows(artifacts))
    return {name: set(host.rows(f"from {name}")) for name in names}


def assert_kept(before: dict[str, set[tuple[Any, ...]]], after: dict[str, set[tuple[Any, ...]]]) -> None:
    for name, rows in before.items():
        assert rows <= after[name], name


def test_a_second_build_at_once_is_told_who_has_the_warehouse(host: Host, warm: Warm) -> None:
    node, go_on = host.path / "models" / "churned" / "churned_training.py", host.path / "go_on"
    wait = f"    while not os.path.exists({str(go_on)!r}):\n        time.sleep(0.01)\n"
    node.write_text(
        node.read_text().replace("    own =", f"{wait}    own =").replace("import", "import os\nimport time\nimport", 1)
    )
    before = facts(host)
    first = warm.start(host.path, *BUILD, "--vars", "{mlbridge_retrain: true}")
    while "START python mlbridge model main.churned_training" not in first.output:
        assert "Completed" not in first.output
        time.sleep(0.01)

    second = warm.dbt(host.path, *BUILD, "--target-path", "target_of_the_second", ok=False)
    assert str(host.database) in second
    assert re.search(rf"lock is held in .*PID {first.pid}", second, re.IGNORECASE)

    go_on.touch()
    assert first.wait() == 0, first.output
    after = facts(host)
    assert_kept(before, after)
    assert {version for (version,) in host.rows("select distinct version from churned_training")} == {1, 2}
    assert [name for (name,) in host.rows("select table_name from information_schema.tables") if "__dbt_" in name] == []


@pytest.mark.parametrize("node", ["churned_features", "churned_training", "churned_predictions"])
def test_a_full_disk_is_named_and_the_next_build_goes_on(node: str, host: Host, warm: Warm) -> None:
    """No file can grow by more than a little while one node writes; features and split have their room before."""
    profiles = host.path / "profiles.yml"  # what a node has written is in the warehouse's file when the node ends
    profiles.write_text(profiles.read_text().replace("threads: 2", "threads: 2, keep_open: false"))
    if node == "churned_training":  # a forest is an artifact of some size
        spec = host.path / "models" / "churned" / "churned.yml"
        spec.write_text(spec.read_text().replace("[logistic_regression]", "[]"))
        training = host.path / "models" / "churned" / "churned_training.py"
        forest = (
            training.read_text().replace("sklearn.tree", "sklearn.ensemble").replace("max_depth=3", "n_estimators=250")
        )
        training.write_text(forest.replace("DecisionTreeClassifier", "RandomForestClassifier"))
        warm.parse(host.path)
    # Predictions need more room than the monitor's tables have left free in the file.
    more = ("--vars", "{rows: 100000}" if node == "churned_predictions" else "{rows: 20000}")
    warm.dbt(host.path, "run", "--select", "churned_split", "+churned_split", *more, parsed=True)
    before = facts(host)
    rows = ("--vars", "{rows: 400000}") if node == "churned_features" else more

    room = host.database.stat().st_size + 2**16
    output = warm.dbt(host.path, "run", "--select", node, *rows, file_size=room, ok=False, parsed=True)
    assert f"Failure in model {node}" in output
    assert re.search(r"Could not write file .*small\.duckdb.*File too large", output)

    assert_kept(before, facts(host))
    assert {name: len(kept) for name, kept in facts(host).items()} == {name: len(kept) for name, kept in before.items()}

    warm.dbt(host.path, *BUILD, *more, parsed=True)
    after = facts(host)
    assert_kept(before, after)
    assert len(after["churned_predictions"]) > len(before["churned_predictions"])
    assert [name for (name,) in host.rows("select table_name from information_schema.tables") if "__dbt_" in name] == []
