"""What the declared models are: the facts that every page starts from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mlbridge.errors import MonitorError, listed, nearest
from mlbridge.monitor.source import State
from mlbridge.spec import stored_spec

if TYPE_CHECKING:
    import pandas as pd

LESS_IS_BETTER = frozenset({"log_loss", "brier", "rmse", "mae", "median_absolute_error"})
ENOUGH_ROWS = 30  # of a window, as the macro `enough_rows` says: of fewer nothing alarms
FACTS = ("task", "metric", "greater_is_better", "window_size", "version", "classes", "positive")
NODES = "select distinct model from ml_nodes where model is not null"
# Of each model the champion, else the newest version.
SPECS = """
select model, spec, params, champion
from (
    select
        v.model, v.spec, v.params, c.version as champion,
        row_number() over (
            partition by v.model order by case when v.version = c.version then 0 else 1 end, v.version desc
        ) as place
    from ml_versions as v
    left join ml_champions as c on v.model = c.model
    where v.outcome <> 'runner_up'
) as numbered
where place = 1
"""
VERSIONS = "select version from ml_versions where model = :model and outcome <> 'runner_up' order by version"
DOCUMENTS = """
select spec, params from ml_versions where model = :model and version = :version and outcome <> 'runner_up'
"""


def models(state: State) -> pd.DataFrame:
    """One row per declared model, by name, those without a version included.

    `model, task, metric, greater_is_better, window_size, version (the champion), classes (list of texts), positive`.
    What a model without a version would be is not known: NULL. `classes` and `positive` are of the champion, else of
    the newest version; None for a regression, `positive` also with many classes.
    """
    import pandas as pd

    trained = {row["model"]: row for row in state.ask(SPECS).to_dict("records")}
    rows = []
    for name in sorted({*state.ask(NODES)["model"], *trained}):
        row: dict[str, Any] = {"model": name, **dict.fromkeys(FACTS)}
        if name in trained:
            used = trained[name]
            row |= facts(json.loads(used["spec"]), json.loads(used["params"]))
            row["version"] = None if pd.isna(used["champion"]) else int(used["champion"])
        rows.append(row)
    answer = pd.DataFrame(rows, columns=["model", *FACTS], dtype=object)  # None stays None
    return answer.astype({"model": "str", "version": "Int64"})


def facts(spec: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """Read from a version's documents what the pages need of it."""
    read = stored_spec(spec)
    classes = params.get("classes") if read.task == "classification" else None
    return {
        "task": read.task,
        "metric": read.metric,
        "greater_is_better": read.metric not in LESS_IS_BETTER,
        "window_size": read.monitor.window,
        "classes": classes,
        "positive": classes[1] if classes is not None and len(classes) == 2 else None,
    }


def model(state: State, name: str) -> pd.Series:
    """Give the row of one model; raises MonitorError when it is not declared."""
    found = models(state)
    check(name, found["model"], "model")
    return found[found["model"] == name].iloc[0]


def checked_version(state: State, model_name: str, version: int) -> None:
    """Raise MonitorError when there is no such model, or it has no such version."""
    found = state.ask(VERSIONS, model=model_name)["version"]
    if found.empty:
        model(state, model_name)
    if int(version) not in set(found):
        raise MonitorError(f"'{model_name}' has no version {version}. Its versions: {listed(found)}.")


def version_facts(state: State, model: str, version: int) -> dict[str, Any]:
    """Give `facts` of one version, which may have had other classes; raises MonitorError when there is none."""
    found = state.ask(DOCUMENTS, model=model, version=version)
    if found.empty:
        checked_version(state, model, version)
    return facts(json.loads(found["spec"].iloc[0]), json.loads(found["params"].iloc[0]))


def check(word: object, allowed: Iterable[object], what: str) -> None:
    """Refuse a word that the tables do not hold."""
    words = [str(each) for each in allowed]
    if str(word) not in words:
        raise MonitorError(f"there is no {what} '{word}'.{nearest(word, words)} There: {listed(words)}.")
