"""What a request asks to be predicted: its body read, by rows, keys or tensors, and the features of keys added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlbridge.compile.arrays.program import Columns
from mlbridge.serving.features import completed
from mlbridge.serving.inputs import columns_of_rows, read_columns
from mlbridge.serving.online import ModelOnline
from mlbridge.serving.protocol import columns_of_tensors, outputs_of
from mlbridge.serving.requests import MOST_EXPLAINED, RefusedError, check_count, json_of
from mlbridge.serving.served import Served
from mlbridge.typing import Document, Json

PREDICT_KEYS = ("rows", "keys", "explain")


def _rows_of(body: Json) -> tuple[list[Json] | None, list[Json] | None, bool]:
    """Return the rows and the keys that a body has, of which one may be missing, and whether to explain."""
    given = [body.get(name) for name in ("rows", "keys")] if isinstance(body, dict) else [None, None]
    if given == [None, None] or not all(isinstance(each, list | None) for each in given):
        raise RefusedError(
            422, "no_rows", '`rows` is missing; the body is {"rows": [{...}]}, an object for each row, or has `keys`.'
        )
    unknown = [name for name in body if name not in PREDICT_KEYS]
    if unknown:
        raise RefusedError(
            422, "unknown_key", f"the body has '{str(unknown[0])[:40]}'; known are `rows`, `keys` and `explain`."
        )
    explain = body.get("explain", False)
    if not isinstance(explain, bool):
        raise RefusedError(422, "explain", "`explain` is true or false.")
    rows, keys = given
    for each in given:
        if each is not None:
            check_count(len(each))
            if explain and len(each) > MOST_EXPLAINED:
                raise RefusedError(413, "too_many_rows", f"at most {MOST_EXPLAINED} rows are explained at a time.")
    return rows, keys, explain


def read_rows(body: bytes, served: Served, online: ModelOnline) -> tuple[list[Json], bool, Columns]:
    """Return the rows of a request, whether to explain them, and their features as columns."""
    rows, keys, explain = _rows_of(json_of(body))
    version = served.scorer.version
    if keys is not None:
        rows = completed(online, served.model, keys, rows, version.features, served.key, version.spec.time)
    assert rows is not None  # noqa: S101 (one of both is there)
    columns = columns_of_rows(rows, version.features, served.key, version.spec.time)
    return rows, explain, read_columns(columns, version.features)


@dataclass(frozen=True)
class Asked:
    """What a request asks for by tensors: `rows` are its columns turned, as they are recorded."""

    columns: Columns
    rows: Sequence[Document]
    outputs: Sequence[str]
    identity: str | None


def read_tensors(body: bytes, served: Served, online: ModelOnline) -> Asked:
    """Return what a request by tensors asks for."""
    found, version = json_of(body), served.scorer.version
    features = version.features
    given, rows = columns_of_tensors(found, features, served.key, version.spec.time, online)
    check_count(rows)
    each_row = [dict(zip(given, values, strict=True)) for values in zip(*given.values(), strict=True)]
    if not all(each.name in given for each in features):
        keys = [{name: row[name] for name in online.keys if name in row} for row in each_row]
        known = {*(each.name for each in features), *served.key}
        plain = [{name: value for name, value in row.items() if name in known} for row in each_row]
        each_row = completed(online, served.model, keys, plain, features, served.key, version.spec.time)
        given = {each.name: [row[each.name] for row in each_row] for each in features}
    identity = found.get("id")
    return Asked(
        read_columns(given, features),
        each_row,
        outputs_of(found, served),
        identity if isinstance(identity, str) else None,
    )
