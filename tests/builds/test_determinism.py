"""The same rows and the same clock give the same split, metrics and predictions, to the last bit; also by dbt alone."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dbt_host import Host
from hosts import two_models
from warm import Warm

pytestmark = pytest.mark.slow

# What tells one build from another, and nothing about the model.
OF_THE_BUILD = {"trained_at", "invocation_id", "fit_seconds", "peak_memory_mb", "scoring_cost", "scored_by"}
TABLES = tuple(f"{model}_{stage}" for model in ("churned", "spent") for stage in ("split", "training", "predictions"))
PUBLISHED = ("ml_versions", "ml_champions", "ml_metrics", "ml_importances", "ml_profiles", "ml_predictions")
FOREST = "random_forest, hist_gradient_boosting"


def contents(host: Host) -> dict[str, list[tuple[Any, ...]]]:
    """Read every table of the branch without what belongs to the build."""
    found = {}
    for name in (*TABLES, *PUBLISHED):
        described = host.rows(f"select column_name from information_schema.columns where table_name = '{name}'")
        columns = ", ".join(f'"{column}"' for (column,) in described if column not in OF_THE_BUILD)
        found[name] = host.rows(f"select {columns} from {name} order by all")
    return found


def manifest(host: Host) -> Any:
    """Read what dbt writes of the project that a run does not change, without the moments at which it was parsed."""
    written = host.manifest
    for macro in written["macros"].values():
        del macro["created_at"]
    return {part: written[part] for part in ("sources", "macros", "parent_map", "child_map")}


@dataclass(frozen=True)
class Build:
    """What a build has given: the tables of the branch, and what dbt says of the project."""

    tables: dict[str, list[tuple[Any, ...]]]
    manifest: Any

    @classmethod
    def taken(cls, host: Host) -> Build:
        """Read it, and leave no table for the next one."""
        found = cls(contents(host), manifest(host))
        host.database.unlink()
        return found


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> dict[str, Build]:
    """Three builds from nothing; one is dbt's own process, in which nothing is remembered and a fit has two threads."""
    host = two_models(tmp_path_factory.mktemp("again"))
    for model, linear in (("churned", "logistic_regression"), ("spent", "ridge")):
        spec = host.path / "models" / model / f"{model}.yml"
        spec.write_text(spec.read_text().replace(f"[{linear}]", f"[{linear}, {FOREST}]"))
    warm.dbt(host.path, "deps")
    warm.parse(host.path)
    line = ("build", "--exclude-resource-type", "test", "--vars", "{rows: 6000, mlbridge_as_of: '2024-08-01'}")
    warm.dbt(host.path, *line, parsed=True)
    found = {"first": Build.taken(host)}
    warm.dbt(host.path, *line, "--threads", "1", parsed=True)
    found["one thread"] = Build.taken(host)
    dbt = [Path(sys.executable).with_name("dbt"), *line, "--profiles-dir", "."]
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(dbt, cwd=host.path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-8000:]
    found["dbt alone"] = Build.taken(host)
    return found


@pytest.mark.parametrize("table", [*TABLES, *PUBLISHED])
@pytest.mark.parametrize("other", ["one thread", "dbt alone"])
def test_another_build_gives_the_same(table: str, other: str, builds: dict[str, Build]) -> None:
    assert builds["first"].tables[table]
    assert builds[other].tables[table] == builds["first"].tables[table]


def test_what_is_remembered_changes_nothing_that_dbt_writes(builds: dict[str, Build]) -> None:
    """Of tests/helpers/remembered.py."""
    assert len(builds["first"].manifest["macros"]) > 500
    assert builds["first"].manifest == builds["dbt alone"].manifest


def test_four_candidates_of_each_model_were_compared(builds: dict[str, Build]) -> None:
    tables = builds["first"].tables
    assert len(tables["churned_training"]) == len(tables["spent_training"]) == 4
    assert len(tables["ml_predictions"]) > 1000
