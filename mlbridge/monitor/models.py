"""What the declared models are: the facts that every page starts from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mlbridge.errors import MonitorError, listed, nearest
from mlbridge.monitor.source import State

if TYPE_CHECKING:
    import pandas as pd

LESS_IS_BETTER = frozenset({"log_loss", "brier", "rmse", "mae", "median_absolute_error"})
FACTS = ("task", "metric", "greater_is_better", "window_size", "version", "classes", "positive")
NODES = "select distinct model from ml_nodes where model is not null"
SPECS = """
select v.model, v.version, v.spec, v.params, c.version as champion
from ml_versions as v
left join ml_champions as c on v.model = c.model
where v.outcome <> 'runner_up'
"""


def models(state: State) -> pd.DataFrame:
    """One row per declared model, by name, those without a version included.

    `model, task, metric, greater_is_better, window_size, version (the champion), classes (list of texts), positive`.
    What a model without a version would be is not known: NULL. `classes` and `positive` are of the champion, else of
    the newest version; None for a regression, `positive` also with many classes.
    """
    import pandas as pd

    found = state.ask(SPECS)
    rows = []
    for name in sorted({*state.ask(NODES)["model"], *found["model"]}):
        row: dict[str, Any] = {"model": name, **dict.fromkeys(FACTS)}
        versions = found[found["model"] == name]
        if len(versions):
            champion = versions[versions["version"] == versions["champion"]]
            used = (champion if len(champion) else versions.sort_values("version")).iloc[-1]
            row |= facts(json.loads(used["spec"]), json.loads(used["params"]))
            row["version"] = None if pd.isna(used["champion"]) else int(used["champion"])
        rows.append(row)
    answer = pd.DataFrame(rows, columns=["model", *FACTS], dtype=object)  # None stays None
    return answer.astype({"model": "str", "version": "Int64"})


def facts(spec: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """Read from a version's documents what the pages need of it."""
    classes = params.get("classes") if spec["task"] == "classification" else None
    return {
        "task": spec["task"],
        "metric": spec["metric"],
        "greater_is_better": spec["metric"] not in LESS_IS_BETTER,
        "window_size": spec["monitor"]["window"],
        "classes": classes,
        "positive": classes[1] if classes is not None and len(classes) == 2 else None,
    }


def model(state: State, name: str) -> pd.Series:
    """Give the row of one model; raises MonitorError when it is not declared."""
    found = models(state)
    check(name, found["model"], "model")
    return found[found["model"] == name].iloc[0]


def check(word: object, allowed: Iterable[object], what: str) -> None:
    """Refuse a word that the tables do not hold."""
    words = [str(each) for each in allowed]
    if str(word) not in words:
        raise MonitorError(f"there is no {what} '{word}'.{nearest(word, words)} There: {listed(words)}.")
