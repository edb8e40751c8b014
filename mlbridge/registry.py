"""Register: the logbook of a model (its training node's own table), what it says, and what is added to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from mlbridge.errors import RegistryError, listed
from mlbridge.features import family
from mlbridge.log import say
from mlbridge.spec import NOT_TRAINING, Spec, stored_spec
from mlbridge.warehouse import Warehouse, column, select

if TYPE_CHECKING:
    import pyarrow as pa

# Name and Arrow type of each column of `<model>_training`. Times are UTC; documents are JSON texts.
LOGBOOK = {
    "model_name": "string",
    "version": "int32",
    "candidate": "string",
    "outcome": "string",
    "reason": "string",
    "trained_at": "timestamp[us]",
    "as_of": "timestamp[us]",
    "invocation_id": "string",
    "spec": "string",
    "spec_hash": "string",
    "data_hash": "string",
    "rows_train": "int64",
    "rows_validation": "int64",
    "rows_test": "int64",
    "train_from": "timestamp[us]",
    "train_to": "timestamp[us]",
    "holdout_from": "timestamp[us]",
    "features": "string",
    "params": "string",
    "metrics": "string",
    "importances": "string",
    "profile": "string",
    "calibration": "string",
    "reference": "string",
    "estimation": "string",
    "decision": "string",
    "promotion": "string",
    "leaks": "string",
    "categories": "string",
    "artifact": "large_binary",
    "artifact_format": "string",
    "artifact_sha256": "string",
    "scoring_sql": "string",
    "scoring_sql_note": "string",
    "scoring_cost": "string",
    "fit_seconds": "double",
    "peak_memory_mb": "double",
    "library_versions": "string",
}
DOCUMENTS = (
    "spec",
    "features",
    "params",
    "metrics",
    "importances",
    "profile",
    "calibration",
    "reference",
    "estimation",
    "decision",
    "promotion",
    "leaks",
    "categories",
    "scoring_cost",
    "library_versions",
)
HEAVY = (
    "artifact", "metrics", "importances", "profile", "calibration", "reference", "estimation", "leaks", "categories",
    "scoring_sql",
)  # fmt: skip
CHOSEN = ("promoted", "rejected")
# A withheld version is kept like a rejected one, but nothing scores with it.
KEPT = (*CHOSEN, "withheld")


def history(warehouse: Warehouse, logbook: exp.Expression) -> list[dict[str, Any]]:
    """Read the logbook without its heavy columns, oldest first; a column that it does not have yet is NULL."""
    there = warehouse.names(logbook)
    light = [name for name in LOGBOOK if name not in HEAVY]
    query = select({name: column(name) if name in there else exp.null() for name in light}, logbook)
    return warehouse.rows(query.order_by(*(column(name) for name in ("as_of", "trained_at", "version", "candidate"))))


def known(rows: Sequence[dict[str, Any]], as_of: datetime) -> list[dict[str, Any]]:
    """Keep what the logbook said at a moment (UTC): a past day that is built again knows no later version."""
    return [row for row in rows if row["as_of"] <= as_of]


def champion(
    node: str, rows: Sequence[Mapping[str, Any]], pin: int | None, retire: Sequence[int] = ()
) -> Mapping[str, Any] | None:
    """Give the logbook row of the version in use: the pinned one, else the last promoted one, else None.

    `rows` are in the order of `history`; a version in `retire` is never in use. Raises RegistryError when the pinned
    version is not among them, or is withheld.
    """
    chosen = [row for row in rows if row["outcome"] in CHOSEN and row["version"] not in retire]
    if pin is not None:
        pinned = [row for row in chosen if row["version"] == pin]
        if not pinned:
            versions = sorted(row["version"] for row in chosen)
            withheld = [row for row in rows if row["outcome"] == "withheld" and row["version"] == pin]
            if withheld:
                raise RegistryError(
                    f"{node}: `mlbridge.pin`: version {pin} is withheld, because of what looks like a leak; see "
                    f"`ml_leaks`. Pin one of {listed(versions)}, or allow the column in `allow_leakage` to train anew."
                )
            raise RegistryError(
                f"{node}: `mlbridge.pin`: there is no version {pin} that this build knows; the logbook has "
                f"{listed(versions)}. Pin one that is there, or remove the pin."
            )
        return pinned[0]
    return next((row for row in reversed(chosen) if row["outcome"] == "promoted"), None)


def trained(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Keep the chosen candidate's row of each training, promoted or not."""
    return [row for row in rows if row["outcome"] in KEPT]


def last_trained(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Give the chosen candidate's row of the newest training, promoted or not; `rows` as `history` orders them."""
    return next(reversed(trained(rows)), None)


def check_retired(node: str, rows: Sequence[Mapping[str, Any]], retire: Sequence[int]) -> None:
    """Say which versions are retired; raises RegistryError for one not in the logbook, of which `rows` are all."""
    there = sorted(row["version"] for row in rows if row["outcome"] in KEPT)
    for version in retire:
        if version not in there:
            raise RegistryError(
                f"{node}: `mlbridge.retire`: there is no version {version}; the logbook has {listed(there)}. Name one "
                "that is there, or take it out of the list."
            )
    if retire:
        say(node, f"retired, neither scored with nor compared with: version {', '.join(map(str, retire))}")


def nothing_left(node: str, rows: Sequence[Mapping[str, Any]], pin: int | None, retire: Sequence[int]) -> str | None:
    """Say that retiring leaves no version in use, so that a training is due; None otherwise.

    One that was made with the same versions retired is not made again: it was judged without them already.
    """
    last = last_trained(rows)
    if last is None or not retire or champion(node, rows, pin, retire) is not None:
        return None
    if last["version"] not in retire and set(json.loads(last["spec"]).get("retire", ())) == set(retire):
        return None
    numbers = ", ".join(map(str, sorted(retire)))
    return f"version {numbers} {'is' if len(set(retire)) == 1 else 'are'} retired, and no other is in use"


def next_version(rows: Sequence[Mapping[str, Any]]) -> int:
    """Give the number of the version that a training of now makes."""
    return 1 + max((row["version"] for row in rows if row["version"] is not None), default=0)


def challenger(
    rows: Sequence[Mapping[str, Any]], champion: Mapping[str, Any], retire: Sequence[int] = ()
) -> Mapping[str, Any] | None:
    """Give the row of the newest training, promoted or not, that did not make the version in use; None without one.

    `rows` are in the order of `history`. A withheld or retired version is no challenger.
    """
    out = (champion["version"], *retire)
    others = [row for row in rows if row["outcome"] in CHOSEN and row["version"] not in out]
    return others[-1] if others else None


def changed(
    last: Mapping[str, Any], spec: Spec, spec_hash: str, features: Mapping[str, str], package: str
) -> str | None:
    """Say what is another than in the last training, so that its figures no longer tell of what is asked for now.

    `last` is a row of the logbook, `features` gives each feature's type in the warehouse, `package` is the version of
    mlbridge. None when nothing is.
    """
    before = json.loads(last["library_versions"])["mlbridge"]
    if before.split(".")[0] != package.split(".")[0]:
        return f"mlbridge went from {before} to {package}"
    known = {each["name"]: each["type"] for each in json.loads(last["features"])}
    refused = [name for name in known if name not in features and spec.refuses(name)]
    changes = feature_changes({name: type_ for name, type_ in known.items() if name not in refused}, features)
    if refused:
        changes = ", ".join([f"the spec no longer wants {listed(refused)}", *([changes] if changes else [])])
    if changes:
        return f"the features changed: {changes}"
    if last["spec_hash"] != spec_hash:
        old, new = (json.loads(json.dumps(each.as_dict())) for each in (stored_spec(json.loads(last["spec"])), spec))
        keys = [key for key in new if old.get(key) != new[key] and key not in NOT_TRAINING]
        return f"the spec changed: {', '.join(keys) or 'the definition of a candidate'}"
    return None


def feature_changes(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Say in words how two schemas differ, or nothing."""
    gone = [f"'{name}' is gone" for name in before if name not in now]
    came = [f"'{name}' is new" for name in now if name not in before]
    other = [
        f"'{name}' was {before[name]} and is {now[name]}"
        for name in before
        if family(now.get(name, before[name])) != family(before[name])
    ]
    return ", ".join(gone + other + came)


def heavy_query(logbook: exp.Expression, version: int, name: str) -> exp.Select:
    """Ask for the one artifact of a version, or another column of its row that `history` leaves out."""
    return (
        exp.select(column(name))
        .from_(logbook)
        .where(column("version").eq(exp.Literal.number(version)), column("outcome").isin(*KEPT))
    )


def as_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Make the rows to append: every column of the logbook, in its order, typed; documents as JSON."""
    import pyarrow as pa

    schema = pa.schema([(name, _arrow(type_)) for name, type_ in LOGBOOK.items()])
    ready = []
    for row in rows:
        unknown = set(row) - set(LOGBOOK)
        if unknown:
            raise RegistryError(f"the logbook has no column {listed(sorted(unknown))}")
        documents = {
            key: json.dumps(row[key], allow_nan=False, sort_keys=True, default=str)
            for key in DOCUMENTS
            if row.get(key) is not None
        }
        ready.append({**{name: row.get(name) for name in LOGBOOK}, **documents})
    return pa.Table.from_pylist(ready, schema=schema)


def _arrow(name: str) -> pa.DataType:
    import pyarrow as pa

    return pa.timestamp("us") if name == "timestamp[us]" else pa.type_for_alias(name)
