"""The declared models and their metadata, which every page needs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlbridge.catalogue.metrics import greater_is_better
from mlbridge.errors import MonitorError, listed, nearest
from mlbridge.monitor.source import State
from mlbridge.spec.specification import stored_spec
from mlbridge.typing import Document, Row

if TYPE_CHECKING:
    import pandas as pd

ENOUGH_ROWS = 30  # a window with fewer rows has no alerts; the macro `enough_rows` has the same number
MODEL_FIELDS = ("task", "metric", "greater_is_better", "window_size", "version", "classes", "positive")
NODES = "select distinct model from ml_nodes where model is not null"
# Of each model the champion, else the newest version.
SPECS = """
select model, spec, params, champion
from (
    select
        v.model, v.spec, v.params, c.version as champion,
        row_number() over (
            partition by v.model order by case when v.version = c.version then 0 else 1 end, v.version desc
        ) as preference
    from ml_versions as v
    left join ml_champions as c on v.model = c.model
    where v.outcome <> 'runner_up'
) as numbered
where preference = 1
"""
VERSIONS = "select version from ml_versions where model = :model and outcome <> 'runner_up' order by version"
DOCUMENTS = """
select spec, params from ml_versions where model = :model and version = :version and outcome <> 'runner_up'
"""


def models(state: State) -> pd.DataFrame:
    """One row per declared model, by name, those without a version included.

    `model, task, metric, greater_is_better, window_size, version (the champion), classes (list of texts), positive`.
    Without a version all columns but `model` are NULL. They are those of the champion, else of the newest version;
    `version` is NULL without a champion. `classes` is None for a regression, `positive` for a regression and for many
    classes. Raises MonitorError where the logbook is damaged.
    """
    import pandas as pd

    trained = {row["model"]: row for row in state.ask(SPECS).to_dict("records")}
    rows = []
    for name in sorted({*state.ask(NODES)["model"], *trained}):
        row: Row = {"model": name, **dict.fromkeys(MODEL_FIELDS)}
        if name in trained:
            used = trained[name]
            row |= model_fields(*_documents(name, used["spec"], used["params"]))
            row["version"] = None if pd.isna(used["champion"]) else int(used["champion"])
        rows.append(row)
    answer = pd.DataFrame(rows, columns=["model", *MODEL_FIELDS], dtype=object)  # None stays None
    return answer.astype({"model": "str", "version": "Int64"})


def model_fields(spec: Document, params: Document) -> Row:
    """Return the metadata of a version from its spec and params: `task, metric, ..., positive` as in `models`."""
    read = stored_spec(spec)
    classes = params.get("classes") if read.task == "classification" else None
    return {
        "task": read.task,
        "metric": read.metric,
        "greater_is_better": greater_is_better(read.metric),
        "window_size": read.monitor.window,
        "classes": classes,
        "positive": classes[1] if classes is not None and len(classes) == 2 else None,
    }


def model(state: State, name: str) -> pd.Series:
    """Return the row of one model; raises MonitorError when it is not declared."""
    found = models(state)
    check_choice(name, found["model"], "model")
    return found[found["model"] == name].iloc[0]


def checked_version(state: State, model_name: str, version: int) -> None:
    """Raise MonitorError when there is no such model, or it has no such version."""
    found = state.ask(VERSIONS, model=model_name)["version"]
    if found.empty:
        model(state, model_name)
    if int(version) not in set(found):
        raise MonitorError(f"'{model_name}' has no version {version}. Its versions: {listed(found)}.")


def version_facts(state: State, model: str, version: int) -> Row:
    """Return the metadata of one version, which may have had other classes; raises MonitorError if there is none."""
    found = state.ask(DOCUMENTS, model=model, version=version)
    if found.empty:
        checked_version(state, model, version)
    return model_fields(*_documents(model, found["spec"].iloc[0], found["params"].iloc[0]))


def _documents(model: str, spec: str, params: str) -> tuple[Document, Document]:
    """Parse the spec and the params of a version."""
    try:
        return json.loads(spec), json.loads(params)
    except ValueError as error:
        raise MonitorError(
            f"`ml_versions` has a spec or params of '{model}' that are no JSON ({error}). Restore the row of "
            f"'{model}_training' from a backup."
        ) from error


def check_choice(value: object, allowed: Iterable[object], what: str) -> None:
    """Raise MonitorError if a value is not among the allowed ones; `what` names it in the error."""
    choices = [str(each) for each in allowed]
    if str(value) not in choices:
        raise MonitorError(f"there is no {what} '{value}'.{nearest(value, choices)} There are: {listed(choices)}.")
