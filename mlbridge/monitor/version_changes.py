"""What differs between two versions: spec, features, parameters, rows and libraries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeGuard

from mlbridge.monitor.models import checked_version
from mlbridge.monitor.records import records
from mlbridge.monitor.source import State
from mlbridge.spec.specification import stored_spec
from mlbridge.typing import Document, Json

if TYPE_CHECKING:
    import pandas as pd

ABSENT = "\N{EN DASH}"
COLUMNS = ["what", "key", "before", "after"]
VERSIONS = """
select
    version, candidate, spec, features, params, library_versions, data_hash, rows_train, rows_validation, rows_test,
    train_from, train_to, holdout_from, as_of
from ml_versions
where model = :model and version in (:before, :after) and outcome <> 'runner_up'
"""
DATA = ("as_of", "rows_train", "rows_validation", "rows_test", "train_from", "train_to", "holdout_from", "data_hash")
# The parameters of scikit-learn that hold the named parts of a composite estimator.
PARTS = ("steps", "transformers", "estimators", "transformer_list")
Part = Mapping[str, Json]
Change = tuple[str, str, str]


def changes(state: State, model: str, before: int, after: int) -> pd.DataFrame:
    """One row per thing that differs between two versions; what is equal is left out, so there may be none.

    `what` is spec, features, params (the chosen candidate and its estimator), data or libraries; `key` where it stands,
    such as `split.validation` or `ridge.alpha`; `before` and `after` are texts, a dash if a version has no such key.
    If the data hashes differ, the rows differ.
    """
    import pandas as pd

    for version in (before, after):
        checked_version(state, model, version)
    found = records(state.ask(VERSIONS, model=model, before=int(before), after=int(after)))
    rows = {int(row["version"]): row for row in found}
    one, other = rows[int(before)], rows[int(after)]
    changed = [(what, *change) for what, read in READ.items() for change in _differences("", read(one), read(other))]
    return pd.DataFrame(changed, columns=COLUMNS, dtype="str")


def _spec(row: Part) -> Part:
    return stored_spec(json.loads(row["spec"])).as_dict()


def _features(row: Part) -> Part:
    return {each["name"]: each["type"] for each in json.loads(row["features"])}


def _params(row: Part) -> Part:
    params = json.loads(row["params"])
    fields = {"candidate": row["candidate"], "seed": params.get("seed"), "classes": params.get("classes")}
    estimator = parts_of(params["estimator"])
    inside = estimator.pop("steps", None)
    return {**fields, **(inside if isinstance(inside, dict) else {}), **estimator}


def parts_of(value: Json) -> Json:
    """Replace each list of named parts of an estimator, such as `steps`, by a mapping from name to part."""
    if not isinstance(value, Mapping):
        return value
    return {
        key: _named(found) if key in PARTS and are_parts(found) else parts_of(found) for key, found in value.items()
    }


def are_parts(found: object) -> TypeGuard[list[list[Json]]]:
    """Return whether a parameter is a list of named parts: each a name, an estimator and possibly columns."""
    return isinstance(found, list) and all(
        isinstance(each, list) and len(each) in (2, 3) and isinstance(each[0], str) for each in found
    )


def _named(found: list[list[Json]]) -> Document:
    named = {}
    for name, part, *columns in found:
        read = parts_of(part)
        named[name] = {**(read if isinstance(read, dict) else {"is": read}), "columns": columns[0]} if columns else read
    return named


def _data(row: Part) -> Part:
    return {key: f"{row[key]:,}" if key.startswith("rows_") else row[key] for key in DATA}


def _libraries(row: Part) -> Part:
    return dict(json.loads(row["library_versions"]))


READ: dict[str, Callable[[Part], Part]] = {
    "spec": _spec,
    "features": _features,
    "params": _params,
    "data": _data,
    "libraries": _libraries,
}


def _differences(path: str, before: Part, after: Part) -> Iterator[Change]:
    for key in dict.fromkeys([*before, *after]):
        # The name of the list of parts is left out of the path: `columntransformer.numeric`, without `transformers`.
        where = path if key in PARTS and isinstance(before.get(key, after.get(key)), Mapping) else _joined(path, key)
        if key not in before or key not in after:
            one, other = (format_value(each[key]) if key in each else ABSENT for each in (before, after))
            yield where, one, other
        elif isinstance(before[key], Mapping) and isinstance(after[key], Mapping):
            yield from _differences(where, before[key], after[key])
        elif before[key] != after[key]:
            yield where, *_texts(str(key), before[key], after[key])


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _texts(key: str, before: object, after: object) -> tuple[str, str]:
    """Write both; of the columns that a transformer gets, only those that it lost and those that it gained."""
    if key == "columns" and isinstance(before, list) and isinstance(after, list):
        lost, gained = (
            [each for each in one if each not in other] for one, other in ((before, after), (after, before))
        )
        if lost or gained:
            return format_value(lost) if lost else ABSENT, format_value(gained) if gained else ABSENT
    return format_value(before), format_value(after)


def format_value(value: object) -> str:
    """Write a value as in YAML, an estimator as its class with its parameters."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ", ".join(map(format_value, value)) or "none"
    if isinstance(value, Mapping):
        listed = {
            key: f"[{format_value(each)}]" if isinstance(each, (list, tuple)) else format_value(each)
            for key, each in value.items()
        }
        inside = ", ".join(f"{key}={each}" for key, each in listed.items() if key != "class")
        return f"{str(value['class']).rsplit('.', 1)[-1]}({inside})" if "class" in value else inside or "none"
    return str(value)
