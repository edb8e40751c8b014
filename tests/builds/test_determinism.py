"""The same rows and the same clock give the same split, metrics and predictions, to the last bit."""

from __future__ import annotations

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


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[tuple[Any, ...]]]]:
    """What each of three builds from nothing gave; a fit has two threads, whatever it has in the other tests."""
    host = two_models(tmp_path_factory.mktemp("again"))
    for model, linear in (("churned", "logistic_regression"), ("spent", "ridge")):
        spec = host.path / "models" / model / f"{model}.yml"
        spec.write_text(spec.read_text().replace(f"[{linear}]", f"[{linear}, {FOREST}]"))
    found = {}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OMP_NUM_THREADS", "2")
        with Warm(tmp_path_factory.mktemp("two_threads")) as warm:
            warm.dbt(host.path, "deps")
            warm.parse(host.path)
            for name, threads in (("first", 2), ("again", 2), ("one thread", 1)):
                options = ("--vars", "{rows: 6000, mlbridge_as_of: '2024-08-01'}", "--threads", str(threads))
                warm.dbt(host.path, "build", "--exclude-resource-type", "test", *options, parsed=True)
                found[name] = contents(host)
                host.database.unlink()
    return found


@pytest.mark.parametrize("table", [*TABLES, *PUBLISHED])
@pytest.mark.parametrize("other", ["again", "one thread"])
def test_another_build_gives_the_same(
    table: str, other: str, builds: dict[str, dict[str, list[tuple[Any, ...]]]]
) -> None:
    assert builds["first"][table]
    assert builds[other][table] == builds["first"][table]


def test_four_candidates_of_each_model_were_compared(
    builds: dict[str, dict[str, list[tuple[Any, ...]]]],
) -> None:
    assert len(builds["first"]["churned_training"]) == len(builds["first"]["spent_training"]) == 4
    assert len(builds["first"]["ml_predictions"]) > 1000
