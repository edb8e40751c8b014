"""What precedes a training grows with the features, not with their square: in calls of Python, in SQL, in its plan."""

from __future__ import annotations

import cProfile
import json
import pstats
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from decided import Decided, ask_of

from mlbridge.engines.warehouse import Warehouse
from mlbridge.features.columns import features_of, split_summary_query
from mlbridge.leaks.queries import unknown_query
from mlbridge.reference import associations
from mlbridge.reference.profile import profile_rows
from mlbridge.spec.reading import read_spec

SPEC = {"task": "classification", "target": "y", "entity": "id", "time": "seen_at"}
NAME, ROWS = "wide", 300
FEW, MANY = 60, 120
# Twice the features may be at most so many times the work.
MOST = 2.2


def frame(features: int) -> pd.DataFrame:
    """Make rows of so many features, half numbers and half texts."""
    rng = np.random.default_rng(0)
    numbers = {f"f{each}": rng.normal(size=ROWS) for each in range(0, features, 2)}
    texts = {f"f{each}": rng.choice(["a", "b", "it's"], ROWS) for each in range(1, features, 2)}
    return pd.DataFrame({**numbers, **texts})


def warehouse(features: int) -> duckdb.DuckDBPyConnection:
    """Write a split of so many features, whose last rows came after the one version in its logbook."""
    connection, rows = duckdb.connect(), frame(features)
    kinds = {str(name): "numeric" if values.dtype == float else "category" for name, values in rows.items()}
    profile = [dict(each) for each in profile_rows(rows, kinds)]
    target = {"feature": "ml_target", "kind": "category", "bin": 0, "category": "true", "rows": 1}
    documents = {
        "features": [{"name": name, "kind": kind} for name, kind in kinds.items()],
        "params": {"classes": ["false", "true"]},
        "profile": [*profile, target],
        "estimation": [],
        "importances": [{"feature": name, "mean": 1.0} for name in kinds],
    }
    connection.register("made", rows)
    connection.execute(
        f"create table {NAME}_split as select row_number() over () as id, timestamp '2024-01-01' + to_hours(id) as "
        "seen_at, made.*, id % 3 = 0 as y, 'train' as ml_split from made"
    )
    connection.execute(
        f"create table {NAME}_training as select 1 as version, 'promoted' as outcome, timestamp '2023-12-31' as as_of, "
        + ", ".join(f"? as {name}" for name in documents),
        [json.dumps(each) for each in documents.values()],
    )
    return connection


def calls(function: Callable[[], object]) -> int:
    """Count the calls of Python functions, which are the same in each run."""
    profile = cProfile.Profile()
    profile.runcall(function)
    return int(pstats.Stats(profile).total_calls)


def queries(features: int) -> Callable[[], list[str]]:
    """Give what writes the checks of the rows."""
    connection = warehouse(features)
    relation, spec = connection.sql(f"select * from {NAME}_split"), read_spec(NAME, SPEC, None)
    table = Warehouse.table(relation, "split")
    found = features_of(NAME, Warehouse.columns(relation), spec)
    ends = datetime(2024, 1, 1), datetime(2025, 1, 1)

    def write() -> list[str]:
        summary, unknown = split_summary_query(found, spec, table), unknown_query(table, found, spec, *ends)
        return [summary.sql(dialect="duckdb"), unknown.sql(dialect="duckdb")]

    return write


def test_the_checks_of_the_rows_are_linear() -> None:
    few, many = queries(FEW), queries(MANY)
    assert calls(many) <= MOST * calls(few)
    for shorter, longer in zip(few(), many(), strict=True):
        assert len(longer) <= MOST * len(shorter)
        assert longer.count(f"{NAME}_split") == 1


def drift(features: int) -> tuple[dict[str, Any], str, str]:
    """Give what is said of the drift, its query, and the plan of that."""
    connection = warehouse(features)
    ask, seconds = ask_of(connection), []

    def watched(query: str) -> Any:
        seconds.append(query)
        return ask(query)

    node = f"{NAME}_training"
    facts = Decided().of(watched, node, datetime(2025, 1, 1), SPEC).call("drift_facts", NAME, 1)
    ((_, plan),) = connection.execute(f"explain {seconds[-1]}").fetchall()
    return facts, seconds[-1], plan


def test_the_drift_is_linear() -> None:
    (facts, shorter, plan), (_, longer, wider_plan) = drift(FEW), drift(MANY)
    assert len(facts["features"]) == FEW
    assert facts["value"] < 0.1  # the same rows as in training
    assert len(longer) <= MOST * len(shorter)
    assert longer.count(f'"{NAME}_split"') == shorter.count(f'"{NAME}_split"') == 1
    assert longer.count("from_json") == shorter.count("from_json")
    assert wider_plan.count(f"{NAME}_split") == plan.count(f"{NAME}_split")
    # A row is compared with a few of the entries' numbers only.
    assert max(len(re.findall(r"\bwhen \d+ then", part)) for part in longer.split("end")) <= 40


def test_the_profile_compares_fewer_rows_of_more_features(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    sampled = associations._sampled

    def watched(ranks: Any, rows: int) -> Any:
        seen.append((len(ranks), rows))
        return sampled(ranks, rows)

    monkeypatch.setattr(associations, "_sampled", watched)
    monkeypatch.setattr(associations, "MOST_VALUES", 2_000)
    for features in (4, 10, 20, 40):
        rows = frame(features)[[f"f{each}" for each in range(0, features, 2)]]
        associations.with_partners(rows, profile_rows(rows, dict.fromkeys(map(str, rows), "numeric")))
    assert seen == [(2, 300), (5, 300), (10, 200), (20, 100)]
