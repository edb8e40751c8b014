"""The Open Inference Protocol V2: columns as tensors. https://github.com/open-inference/open-inference-protocol

Each feature is an input of the shape [rows] or [rows, 1], and each column of the key may be one. Of the outputs
`prediction` is BYTES of a classification and FP64 of a regression; `probability` is FP64, and so is `probabilities`,
[rows, classes], where there are more than two. `not_scored_because` and `unseen`, names with commas, are BYTES and null
where there is nothing to say.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice

from mlbridge.features.columns import Feature
from mlbridge.serving.inputs import NAMED, Problem, described_input, key_problem, no_feature
from mlbridge.serving.online import ModelOnline
from mlbridge.serving.requests import RefusedError, check_count
from mlbridge.serving.served import Served
from mlbridge.typing import Document, Json
from mlbridge.version import __version__

NAME = "mlbridge"
DATATYPES = {"boolean": "BOOL", "integer": "INT64", "number": "FP64", "string": "BYTES"}
PLATFORM = "mlbridge"
WHOLE = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
# What a request, each of its inputs, and each of the outputs that it asks for may have.
REQUEST_KEYS = ("id", "inputs", "outputs", "parameters")
INPUT_KEYS = ("name", "shape", "datatype", "data", "parameters")
OUTPUT_KEYS = ("name", "parameters")


def server_metadata() -> Document:
    """Describe the server."""
    return {"name": NAME, "version": __version__, "extensions": []}


def model_metadata(served: Served, online: Sequence[Document]) -> Document:
    """Describe a model's version: inputs and outputs, and in `parameters` what the logbook says of it, and `online`."""
    inputs = [{"name": each.name, "datatype": datatype(each), "shape": [-1]} for each in served.scorer.version.features]
    outputs = [{"name": name, "datatype": kind, "shape": shape} for name, (kind, shape) in _outputs(served, -1).items()]
    return {
        "name": served.model,
        "versions": [str(served.version)],
        "platform": PLATFORM,
        "inputs": inputs,
        "outputs": outputs,
        "parameters": {**served.metadata, "online": online},
    }


def datatype(feature: Feature) -> str:
    """Return the datatype of a feature's tensor."""
    return DATATYPES[described_input(feature)]


def columns_of_tensors(
    body: Json, features: Sequence[Feature], key: Sequence[str], time: str, online: ModelOnline
) -> tuple[dict[str, list[Json]], int]:
    """Turn the inputs of a request into columns; raises RefusedError for what is missing, unknown or misshapen.

    In a tensor of BOOL, INT64 or FP64 null is a missing value, as it is in rows. The columns of the key may be there;
    `time` is that of the row's moment. With those of an `online` key the features that this gives need not be.
    """
    if not isinstance(body, dict) or not _are_named(body.get("inputs"), INPUT_KEYS):
        raise RefusedError(
            422, "no_inputs", f"`inputs` is missing; it is a list of tensors with {', '.join(INPUT_KEYS)} at most."
        )
    unknown = [name for name in body if name not in REQUEST_KEYS]
    if unknown:
        raise RefusedError(
            422, "unknown_key", f"the body has '{unknown[0][:40]}'; known are {', '.join(REQUEST_KEYS)}."
        )
    inputs, names = body["inputs"], [each.name for each in features]
    given = {each["name"]: each for each in inputs}
    by_key = online.features if any(name in given for name in online.keys) else ()
    key = [*key, *(name for name in online.keys if name not in key and name not in names)]
    problems = [Problem(None, name, "is missing") for name in names if name not in given and name not in by_key]
    others = (name for name in given if name not in names and name not in key)
    problems += [no_feature(None, name, names) for name in islice(others, NAMED + 1)]
    if len(given) < len(inputs):
        problems.append(Problem(None, "inputs", "has a name twice"))
    if problems:
        raise _refused(problems)
    taken = {each.name: _taken(each) for each in features if each.name in given} | {
        name: (*DATATYPES.values(), "FP32", *WHOLE) for name in key if name in given and name not in names
    }
    columns, lengths = {}, set()
    for name, datatypes in taken.items():
        found = _column(given[name], name, datatypes)
        if isinstance(found, Problem):
            problems.append(found)
            continue
        columns[name] = found
        lengths.add(len(found))
        if name in key:
            problems += [
                wrong for row, each in enumerate(found) if (wrong := key_problem(row, name, each, name == time))
            ][:NAMED]
    if problems:
        raise _refused(problems)
    if len(lengths) > 1:
        raise RefusedError(422, "lengths", f"the inputs have different numbers of rows: {sorted(lengths)[:NAMED]}.")
    return columns, next(iter(lengths), 0)


def _are_named(found: Json, keys: Collection[str]) -> bool:
    return isinstance(found, list) and all(
        isinstance(each, dict) and isinstance(each.get("name"), str) and each.keys() <= set(keys) for each in found
    )


def _column(tensor: Document, name: str, datatypes: Sequence[str]) -> list[Json] | Problem:
    """Return a tensor's values, or what is wrong with it; raises RefusedError for none and for too many."""
    rows, data = _rows_of(tensor.get("shape")), tensor.get("data")
    if rows is None or not isinstance(data, list):
        return Problem(None, name, "needs `data`, a list, and the `shape` [rows] or [rows, 1]")
    check_count(len(data))
    if tensor.get("datatype") not in datatypes:
        return Problem(None, name, f"has another datatype than {' or '.join(datatypes)}")
    if len(data) != rows:
        return Problem(None, name, f"has {len(data)} values, and the shape is another")
    return [each[0] if isinstance(each, list) and len(each) == 1 else each for each in data]


def _rows_of(shape: Json) -> int | None:
    """Return the rows of a shape that is [rows] or [rows, 1]; None for another one."""
    is_whole = isinstance(shape, list) and len(shape) in (1, 2) and all(type(each) is int for each in shape)
    return int(shape[0]) if is_whole and shape[1:] in ([], [1]) else None


def _taken(feature: Feature) -> tuple[str, ...]:
    mine = datatype(feature)
    return {"INT64": WHOLE, "FP64": ("FP64", "FP32", *WHOLE)}.get(mine, (mine,))


def _refused(problems: list[Problem]) -> RefusedError:
    return RefusedError(422, "inputs", "; ".join(map(str, problems[:NAMED])) + ".", problems[:NAMED])


def outputs_of(body: Document, served: Served) -> list[str]:
    """Return the names of the outputs that a request asks for, all where it names none; raises RefusedError."""
    known = list(_outputs(served, -1))
    wanted: Json = body.get("outputs")
    if wanted is None or wanted == []:
        return known
    if not _are_named(wanted, OUTPUT_KEYS) or not all(each["name"] in known for each in wanted):
        raise RefusedError(
            422, "outputs", f"`outputs` is a list of objects with a `name`; known are {', '.join(known)}."
        )
    return list(dict.fromkeys(each["name"] for each in wanted))


def tensors(served: Served, predictions: Sequence[Document], names: Sequence[str], identity: str | None) -> Document:
    """Write the named outputs of predictions as tensors; a row without a prediction has null.

    Where the challenger has answered some rows, `version` is an output as well.
    """
    classes, rows = served.scorer.version.classes or (), len(predictions)
    data: dict[str, list[Json]] = {
        name: [each.get(name) for each in predictions] for name in ("prediction", "probability", "not_scored_because")
    }
    data["unseen"] = [", ".join(each["unseen"]) if "unseen" in each else None for each in predictions]
    every = ((each.get("probabilities") or {}) for each in predictions)
    data["probabilities"] = [each.get(name) for each in every for name in classes]
    described = _outputs(served, rows)
    outputs = [
        {"name": name, "shape": described[name][1], "datatype": described[name][0], "data": data[name]}
        for name in names
    ]
    if any("version" in each for each in predictions):
        versions = [each.get("version", served.version) for each in predictions]
        outputs.append({"name": "version", "shape": [rows], "datatype": "INT64", "data": versions})
    found: Document = {"model_name": served.model, "model_version": str(served.version), "outputs": outputs}
    return found if identity is None else {**found, "id": identity}


def _outputs(served: Served, rows: int) -> dict[str, tuple[str, list[int]]]:
    """Return datatype and shape of each output by name."""
    classes = served.scorer.version.classes
    found = {"prediction": ("FP64" if classes is None else "BYTES", [rows])}
    if classes is not None:
        found["probability"] = ("FP64", [rows])
        if len(classes) > 2:
            found["probabilities"] = ("FP64", [rows, len(classes)])
    return {**found, "not_scored_because": ("BYTES", [rows]), "unseen": ("BYTES", [rows])}
