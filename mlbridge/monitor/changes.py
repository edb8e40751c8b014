"""What differs between two versions: spec, features, parameters, rows and libraries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

from mlbridge.monitor.models import checked_version
from mlbridge.monitor.plain import records
from mlbridge.monitor.source import State
from mlbridge.spec import stored_spec

if TYPE_CHECKING:
    import pandas as pd

ABSENT = "\N{EN DASH}"
COLUMNS = ["what", "key", "before", "after"]
CHOSEN = """
select
    version, candidate, spec, features, params, library_versions, data_hash, rows_train, rows_validation, rows_test,
    train_from, train_to, holdout_from, as_of
from ml_versions
where model = :model and version in (:before, :after) and outcome <> 'runner_up'
"""
DATA = ("as_of", "rows_train", "rows_validation", "rows_test", "train_from", "train_to", "holdout_from", "data_hash")
# How scikit-learn calls the parts of an estimator that is made of several, each with a name.
PARTS = ("steps", "transformers", "estimators", "transformer_list")
Document = Mapping[str, Any]
Change = tuple[str, str, str]


def changes(state: State, model: str, before: int, after: int) -> pd.DataFrame:
    """One row per thing that differs between two versions; what is equal is left out, so there may be none.

    `what` is spec, features, params (the chosen candidate and its estimator), data or libraries; `key` where it stands,
    such as `split.validation` or `ridge.alpha`; `before` and `after` are texts, a dash where there is nothing of it.
    Where a data hash differs, so do the rows.
    """
    import pandas as pd

    for version in (before, after):
        checked_version(state, model, version)
    found = records(state.ask(CHOSEN, model=model, before=int(before), after=int(after)))
    rows = {int(row["version"]): row for row in found}
    one, other = rows[int(before)], rows[int(after)]
    changed = [(what, *change) for what, read in READ.items() for change in _differences("", read(one), read(other))]
    return pd.DataFrame(changed, columns=COLUMNS, dtype="str")


def _spec(row: Document) -> Document:
    return stored_spec(json.loads(row["spec"])).as_dict()


def _features(row: Document) -> Document:
    return {each["name"]: each["type"] for each in json.loads(row["features"])}


def _params(row: Document) -> Document:
    params = json.loads(row["params"])
    said = {"candidate": row["candidate"], "seed": params.get("seed"), "classes": params.get("classes")}
    estimator = parts_of(params["estimator"])
    inside = estimator.pop("steps", None)
    return {**said, **(inside if isinstance(inside, dict) else {}), **estimator}


def parts_of(value: Any) -> Any:
    """Put the parts of an estimator under their names, and these in place of the word for all parts."""
    if not isinstance(value, Mapping):
        return value
    return {
        key: _named(found) if key in PARTS and are_parts(found) else parts_of(found) for key, found in value.items()
    }


def are_parts(found: Any) -> TypeGuard[list[list[Any]]]:
    """Say whether a parameter is the list of an estimator's parts: each a name, an estimator, and maybe its columns."""
    return isinstance(found, list) and all(
        isinstance(each, list) and len(each) in (2, 3) and isinstance(each[0], str) for each in found
    )


def _named(found: list[list[Any]]) -> dict[str, Any]:
    named = {}
    for name, part, *columns in found:
        read = parts_of(part)
        named[name] = {**(read if isinstance(read, dict) else {"is": read}), "columns": columns[0]} if columns else read
    return named


def _data(row: Document) -> Document:
    return {key: f"{row[key]:,}" if key.startswith("rows_") else row[key] for key in DATA}


def _libraries(row: Document) -> Document:
    return dict(json.loads(row["library_versions"]))


READ: dict[str, Callable[[Document], Document]] = {
    "spec": _spec,
    "features": _features,
    "params": _params,
    "data": _data,
    "libraries": _libraries,
}


def _differences(path: str, before: Document, after: Document) -> Iterator[Change]:
    for key in dict.fromkeys([*before, *after]):
        # The parts stand for themselves: `columntransformer.numeric`, without a word between.
        where = path if key in PARTS and isinstance(before.get(key, after.get(key)), Mapping) else _joined(path, key)
        if key not in before or key not in after:
            one, other = (said(each[key]) if key in each else ABSENT for each in (before, after))
            yield where, one, other
        elif isinstance(before[key], Mapping) and isinstance(after[key], Mapping):
            yield from _differences(where, before[key], after[key])
        elif before[key] != after[key]:
            yield where, *_texts(str(key), before[key], after[key])


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _texts(key: str, before: Any, after: Any) -> tuple[str, str]:
    """Write both; of the columns that a transformer gets, only those that it lost and those that it gained."""
    if key == "columns" and isinstance(before, list) and isinstance(after, list):
        lost, gained = (
            [each for each in one if each not in other] for one, other in ((before, after), (after, before))
        )
        if lost or gained:
            return said(lost) if lost else ABSENT, said(gained) if gained else ABSENT
    return said(before), said(after)


def said(value: Any) -> str:
    """Write a value as one would in YAML; an estimator by its class and parameters."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ", ".join(map(said, value)) or "none"
    if isinstance(value, Mapping):
        listed = {
            key: f"[{said(each)}]" if isinstance(each, (list, tuple)) else said(each) for key, each in value.items()
        }
        inside = ", ".join(f"{key}={each}" for key, each in listed.items() if key != "class")
        return f"{str(value['class']).rsplit('.', 1)[-1]}({inside})" if "class" in value else inside or "none"
    return str(value)
