"""The verdict on models in worlds whose truth is known, by the package's own SQL from counted rows to the verdict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from dbt_host import ROOT
from drifting import World, warehouse
from simulated import CLASSES, STEPS, judged, measured, months, package, replaced, two_classes

from mlbridge.commands.status import overdue

TRIALS = 8
ROWS = 300
# What a world does to a model, and the verdict that is right.
RIGHT = {
    "healthy": "fine", "lost": "act", "drifted": "look", "outcomes stopped": "cannot tell", "build failed": "act",
    "rows stopped": "look",
}  # fmt: skip
MODELS = [f"{world}_{trial}" for world in RIGHT for trial in range(TRIALS)]
SEEDS = ROOT / "seeds" / "ml_thresholds.csv"
END = pd.Timestamp("2024-09-01")  # of the last window
SAID = {"rate": 0.3, "slope": 1.2}
VIEWS = (
    "ml_drift", "int_ml_relied_features", "int_ml_performance_candidates", "int_ml_alert_candidates",
    "int_ml_moved_features", "int_ml_lasting_alerts", "int_ml_alert_causes", "ml_alerts", "int_ml_current_alerts",
    "int_ml_current_performance", "int_ml_last_builds", "int_ml_last_decisions", "int_ml_model_states",
    "int_ml_findings", "int_ml_verdicts",
)  # fmt: skip


def names(world: str) -> list[str]:
    return [f"{world}_{trial}" for trial in range(TRIALS)]


def performance() -> pd.DataFrame:
    """Give `ml_performance`: rows are drawn and judged once, and once more with a model without skill."""
    rng = np.random.default_rng(3)
    with duckdb.connect() as connection:
        reference = measured(connection, two_classes(rng, TRIALS, months(0, 4, ROWS), **SAID), CLASSES)
        watched = two_classes(rng, TRIALS, months(4, 4, ROWS), **SAID)
        fine = judged(connection, measured(connection, watched, CLASSES), reference)
        lost = judged(connection, measured(connection, replaced(watched, "scores shuffled", rng), CLASSES), reference)
    frames = []
    for world in RIGHT:
        rows = lost if world == "lost" else fine
        if world == "outcomes stopped":  # after the first of four windows
            rows = rows[rows["window"] == rows["window"].min()]
        frames.append(rows.assign(model=world + "_" + rows["version"].astype(str), version=1, slice="all"))
    return pd.concat(frames)


def drifting() -> Iterator[tuple[str, World, int]]:
    """Give the worlds of the features: the most important one moves by two standard deviations, or none does."""
    for moved, planted in ((False, {}), (True, {"normal_0": lambda values, _: values + 2})):
        for trial in range(TRIALS):
            yield f"{moved}_{trial}", World(rows=ROWS, features=6, planted=planted), trial


def facts() -> dict[str, pd.DataFrame]:
    """Give the other tables: what the version in use is, what builds did, and how new the rows are."""
    one = pd.DataFrame({"model": MODELS, "version": 1})
    importances = one.merge(
        pd.DataFrame({"feature": World(rows=1, features=6).names(), "mean": [0.5, 0.1, 0.1, 0.1, 0.1, 0.1]}), "cross"
    )
    stopped = one["model"].str.startswith("rows stopped")
    days = pd.date_range(END, periods=4)
    runs = one[["model"]].merge(pd.DataFrame({"started_at": days}), "cross")
    failed = runs["model"].str.startswith("build failed") & (runs["started_at"] == days[-1])
    return {
        "ml_champions": one.assign(candidate="ridge"),
        "ml_versions": one.assign(
            outcome="promoted", as_of=pd.Timestamp("2024-01-01"), is_retired=False, reference=None,
            damaged_documents=None,
        ),
        "ml_importances": importances,
        "int_ml_newest_rows": one[["model"]].assign(newest_at=(END - pd.Timedelta(days=1))).assign(
            newest_at=lambda rows: rows["newest_at"].mask(stopped, pd.Timestamp("2024-04-15"))
        ),
        "ml_nodes": one[["model"]].assign(name=one["model"] + "_split", kind="model", stage="split"),
        "ml_runs": runs.assign(
            node=runs["model"] + "_split", status=failed.map({True: "error", False: "success"}), tests_failed=0,
            invocation_id=runs["started_at"].astype(str), as_of=runs["started_at"],
        ),
        "ml_decisions": one.assign(
            outcome="promoted", reason="promoted", decided_at=END, as_of=END, invocation_id="first"
        ),
    }  # fmt: skip


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Everything up to the verdict, over what was counted."""
    file = warehouse(tmp_path_factory.mktemp("worlds"), SEEDS, drifting())
    with pytest.MonkeyPatch.context() as patched, duckdb.connect() as opened:
        opened.execute(f"attach '{file}' as drawn (read_only); set timezone = 'UTC'")
        for name in ("ml_profiles", "ml_distributions", "ml_windows", "ml_thresholds"):
            opened.execute(f"create table {name} as {of_each_model(name)}")
        for name, rows in {**facts(), "ml_performance": performance()}.items():
            opened.register("given", rows)
            opened.execute(f"create table {name} as from given")
        patch(patched)
        for name in VIEWS:
            folder = STEPS if name.startswith("int_ml_") else STEPS.parent
            opened.execute(f"create table {name} as {package().file(folder / f'{name}.sql')}")
        yield opened


def of_each_model(table: str) -> str:
    """Give what was drawn to every model, since all worlds but one have the same features."""
    if table == "ml_thresholds":
        return "from drawn.ml_thresholds"
    models = ", ".join(f"('{name}', '{name.startswith('drifted')}_{name.rpartition('_')[2]}')" for name in MODELS)
    return f"""
        select rows.* replace (named.model as model)
        from drawn.{table} as rows join (values {models}) as named (model, drawn_as) on rows.model = named.drawn_as
    """


def patch(patched: pytest.MonkeyPatch) -> None:
    """Declare the models, each over a source of its own; steps of the drift are written into what reads them."""
    own = package().names["mlbridge"]
    rows = ", ".join(f"('{name}')" for name in MODELS)
    declared = "select model, 't' as target, 'average_precision' as metric, null as unit, 31 as window_days"
    patched.setattr(own, "declared_models", lambda: f"{declared} from (values {rows}) as declared (model)")
    patched.setattr(
        own,
        "model_sources",
        lambda: f"select model, model as source, model as origin from (values {rows}) as t (model)",
    )
    written = {path.stem for path in STEPS.glob("*.sql")} - {*VIEWS, "int_ml_newest_rows"}

    def named(*parts: str) -> str:
        return f"({package().file(STEPS / f'{parts[-1]}.sql')})" if parts[-1] in written else parts[-1]

    patched.setitem(package().names, "ref", named)


@pytest.mark.parametrize("world", RIGHT)
def test_the_verdict_is_right(world: str, connection: duckdb.DuckDBPyConnection) -> None:
    """A false alarm may make one of eight healthy models worth a look."""
    verdicts = connection.execute("select model, verdict, reason from int_ml_verdicts").df().set_index("model")
    found = verdicts.loc[names(world)]
    wrong = found[found["verdict"] != RIGHT[world]]
    assert len(wrong) <= (0 if RIGHT[world] == "act" else 1), wrong.to_string()


def test_an_alert_of_what_moved_says_what(connection: duckdb.DuckDBPyConnection) -> None:
    rows: list[Any] = connection.execute("select model, feature, severity from ml_alerts where is_current").fetchall()
    assert {(model, "normal_0", "look") for model in names("drifted")} <= set(rows)


def test_a_build_that_did_not_come_is_overdue(connection: duckdb.DuckDBPyConnection) -> None:
    """Four builds, a day between two of them: the next was to come within two days."""
    rows = (
        connection.execute("select model, expected_by as next_build_expected_by from int_ml_last_builds")
        .df()
        .to_dict("records")
    )
    assert {row["next_build_expected_by"] for row in rows} == {END + pd.Timedelta(days=5)}
    assert len(overdue(rows)) == len(MODELS)
