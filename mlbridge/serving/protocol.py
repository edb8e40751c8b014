"""The Open Inference Protocol V2: columns as tensors. https://github.com/open-inference/open-inference-protocol

Each feature is an input of the shape [rows] or [rows, 1]. Of the outputs `prediction` is BYTES of a classification and
FP64 of a regression; `probability` is FP64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from mlbridge.features.columns import Feature
from mlbridge.serving.inputs import Problem, described_input
from mlbridge.serving.requests import RefusedError
from mlbridge.serving.served import Served
from mlbridge.typing import Document, Json
from mlbridge.version import __version__

NAME = "mlbridge"
DATATYPES = {"boolean": "BOOL", "integer": "INT64", "number": "FP64", "string": "BYTES"}
PLATFORM = "mlbridge"


def server_metadata() -> Document:
    """Describe the server."""
    return {"name": NAME, "version": __version__, "extensions": []}


def model_metadata(served: Served) -> Document:
    """Describe a model's version: inputs and outputs, and in `parameters` what the logbook says of it."""
    inputs = [{"name": each.name, "datatype": datatype(each), "shape": [-1]} for each in served.scorer.version.features]
    outputs = [{"name": "prediction", "datatype": _prediction(served), "shape": [-1]}]
    if served.scorer.version.classes is not None:
        outputs.append({"name": "probability", "datatype": "FP64", "shape": [-1]})
    return {
        "name": served.model,
        "versions": [str(served.version)],
        "platform": PLATFORM,
        "inputs": inputs,
        "outputs": outputs,
        "parameters": served.metadata,
    }


def datatype(feature: Feature) -> str:
    """Return the datatype of a feature's tensor."""
    return DATATYPES[described_input(feature)]


def columns_of_tensors(
    body: Json, features: Sequence[Feature], key: Sequence[str]
) -> tuple[dict[str, list[Json]], int]:
    """Turn the inputs of a request into columns; raises RefusedError for what is missing, unknown or misshapen.

    In a tensor of BOOL, INT64 or FP64 null is a missing value, as it is in rows. The columns of the key may be there.
    """
    inputs = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(inputs, list) or not all(
        isinstance(each, dict) and isinstance(each.get("name"), str) for each in inputs
    ):
        raise RefusedError(
            422, "no_inputs", "`inputs` is missing; it is a list of tensors with name, shape, datatype, data."
        )
    names = [each.name for each in features]
    given = {each["name"]: each for each in inputs}
    problems = [Problem(None, name, "is missing") for name in names if name not in given]
    problems += [Problem(None, name, "is no feature") for name in given if name not in names and name not in key]
    if len(given) < len(inputs):
        problems.append(Problem(None, "inputs", "has a name twice"))
    if problems:
        raise _refused(problems)
    columns, lengths = {}, set()
    for feature in features:
        tensor = given[feature.name]
        shape, data = tensor.get("shape"), tensor.get("data")
        whole = (
            isinstance(shape, list) and len(shape) in (1, 2) and all(type(each) is int and each >= 0 for each in shape)
        )
        if not whole or shape[1:] not in ([], [1]) or not isinstance(data, list):
            problems.append(Problem(None, feature.name, "needs `data`, a list, and the `shape` [rows] or [rows, 1]"))
            continue
        if tensor.get("datatype") not in _taken(feature):
            problems.append(Problem(None, feature.name, f"has another datatype than {' or '.join(_taken(feature))}"))
            continue
        values = [each[0] if isinstance(each, list) and len(each) == 1 else each for each in data]
        if len(values) != math.prod(shape):
            problems.append(Problem(None, feature.name, f"has {len(values)} values, and the shape {shape}"))
            continue
        columns[feature.name] = values
        lengths.add(len(values))
    if problems:
        raise _refused(problems)
    if len(lengths) > 1:
        raise RefusedError(422, "lengths", f"the inputs have different numbers of rows: {sorted(lengths)}.")
    return columns, next(iter(lengths), 0)


def _taken(feature: Feature) -> tuple[str, ...]:
    mine = datatype(feature)
    whole = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
    return {"INT64": whole, "FP64": ("FP64", "FP32", *whole)}.get(mine, (mine,))


def _refused(problems: list[Problem]) -> RefusedError:
    return RefusedError(422, "inputs", "; ".join(map(str, problems[:10])) + ".", problems[:10])


def tensors(served: Served, predictions: Sequence[Document], identity: str | None) -> Document:
    """Write predictions as tensors; a row without a prediction has null."""
    rows = len(predictions)

    def tensor(name: str, kind: str) -> Document:
        return {"name": name, "shape": [rows], "datatype": kind, "data": [each[name] for each in predictions]}

    outputs = [tensor("prediction", _prediction(served))]
    if served.scorer.version.classes is not None:
        outputs.append(tensor("probability", "FP64"))
    found: Document = {"model_name": served.model, "model_version": str(served.version), "outputs": outputs}
    return found if identity is None else {**found, "id": identity}


def _prediction(served: Served) -> str:
    return "FP64" if served.scorer.version.classes is None else "BYTES"
