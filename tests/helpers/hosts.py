"""Small hosts with a branch: what the tests of whole builds build."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dbt_host import Host, small_host

from mlbridge.grafting.own_files import PREDICTIONS, TRAINING

__all__ = ["BY_MOMENT", "PREDICTIONS", "TRAINING", "two_models"]

# The spec of a small model of two classes over `id`, `moment` and `y`.
BY_MOMENT: dict[str, Any] = {
    "task": "classification",
    "target": "y",
    "entity": "id",
    "time": "moment",
    "candidates": ["logistic_regression"],
    "metric": "roc_auc",
}

OWN_TREE = """import mlbridge
from sklearn.tree import {tree}


def model(dbt, session):
    own = {{"shallow_tree": {tree}(max_depth=3, min_samples_leaf=20, random_state=0)}}
    return mlbridge.train(dbt, session, dbt.ref("{name}_split"), dbt.config.meta_get("mlbridge"), own)
"""
# Outcomes depend on the features, with noise made by hash(): the same rows on every machine.
SHOPPERS = """
select
    i as customer_id,
    timestamp '2024-01-01' + interval (i) hour as at,
    (hash(i) % 1000) / 1000.0 as visits,
    (hash(i + 1000000) % 100) / 10.0 as age,
    case when i % 13 = 0 then null else (hash(i + 2000000) % 7) end as basket,
    {target} as {name}
from range({{{{ var("rows", 2000) }}}}) as t(i)
"""
CHURNED = "case when i % 11 <> 0 then (hash(i) % 1000) / 1000.0 + (hash('noise ' || i) % 1000) / 700.0 > 1.2 end"
SPENT = "case when i % 11 <> 0 then (hash(i) % 1000) / 10.0 + (hash(i + 4000000) % 1000) / 30.0 end"
SPEC = """models:
  - name: {name}_features
    config: {{materialized: table}}
  - name: {name}_split
    config: {{materialized: table}}
  - name: {name}_training
    config:
      materialized: mlbridge
      meta: {{mlbridge: {{task: {task}, target: {name}, entity: customer_id, time: at, candidates: [{stock}]}}}}
  - name: {name}_predictions
    config: {{materialized: mlbridge}}
"""


def two_models(folder: Path) -> Host:
    """Write a host with a classification `churned` and a regression `spent`; two quick candidates each.

    The var `rows` says how many rows there are: one an hour, so that more rows are later rows.
    """
    host = small_host(folder, ["churned", "spent"])
    for name, target, task, stock, tree in (
        ("churned", CHURNED, "classification", "logistic_regression", "DecisionTreeClassifier"),
        ("spent", SPENT, "regression", "ridge", "DecisionTreeRegressor"),
    ):
        folder_of = f"models/{name}/{name}"
        host.write(
            {
                f"{folder_of}_features.sql": SHOPPERS.format(name=name, target=target),
                f"{folder_of}_split.sql": f"{{{{ mlbridge.split(ref('{name}_features')) }}}}\n",
                f"{folder_of}_training.py": OWN_TREE.format(name=name, tree=tree),
                f"{folder_of}_predictions.py": PREDICTIONS.format(name=name),
                f"models/{name}/{name}.yml": SPEC.format(name=name, task=task, stock=stock),
            }
        )
    return host
