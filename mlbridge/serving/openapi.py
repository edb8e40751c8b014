"""What the server answers, as an OpenAPI document, and as a page that loads nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape

from mlbridge.serving.inputs import LONGEST_KEY, value_schema
from mlbridge.serving.online import ModelOnline
from mlbridge.serving.protocol import INPUT_KEYS, OUTPUT_KEYS
from mlbridge.serving.requests import MOST_ROWS
from mlbridge.serving.served import Served
from mlbridge.typing import Document
from mlbridge.version import __version__

ERRORS = {
    "400": "the body is no JSON",
    "401": "a token is needed",
    "404": "there is no such model or version",
    "408": "the body takes too long",
    "413": "more bytes or rows than are taken at a time",
    "422": "a column that is unknown or missing, or a value of another type; `problems` names each",
    "500": "the server failed",
    "503": "no model is served yet, or too many requests at a time",
}
TEXT = {"type": "string"}
NUMBER_OR_NULL = {"type": ["number", "null"]}
# What of an answer is there for each row: what does not apply is left out.
PREDICTION: Document = {
    "type": "object",
    "required": ["prediction"],
    "properties": {
        "prediction": {"type": ["string", "number", "null"]},
        "probability": NUMBER_OR_NULL,
        "probabilities": {"type": ["object", "null"], "additionalProperties": {"type": "number"}},
        "not_scored_because": TEXT,
        "unseen": {"type": "array", "items": TEXT},
        "explanation": {"type": ["object", "null"]},
    },
}
PREDICTIONS: Document = {
    "type": "object",
    "required": ["model", "version", "predictions"],
    "properties": {
        "model": TEXT,
        "version": {"type": "integer"},
        "predictions": {"type": "array", "items": PREDICTION},
    },
}
TENSORS: Document = {
    "type": "object",
    "required": ["model_name", "model_version", "outputs"],
    "properties": {
        "id": TEXT,
        "model_name": TEXT,
        "model_version": TEXT,
        "outputs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "shape", "datatype", "data"],
                "properties": {
                    "name": TEXT,
                    "shape": {"type": "array", "items": {"type": "integer"}},
                    "datatype": {"enum": ["BYTES", "FP64"]},
                    "data": {"type": "array", "items": {"type": ["string", "number", "null"]}},
                },
            },
        },
    },
}
REFUSAL: Document = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": TEXT,
        "id": TEXT,
        "problems": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"row": {"type": ["integer", "null"]}, "feature": TEXT, "problem": TEXT},
            },
        },
    },
}
STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "pre{background:#f4f4f4;padding:1rem;overflow:auto}"
)


def document(models: Mapping[str, Served], online: Mapping[str, ModelOnline], asks_for_tokens: bool) -> Document:
    """Describe the routes; each model's rows and keys have schemas of their own."""
    paths: Document = {
        "/v2": _get("The server's name and version."),
        "/v2/health/live": _open("Whether the server runs."),
        "/v2/health/ready": _open("What is served; 503 where a model that is wanted is not."),
        "/metrics": _get("Counts and times for Prometheus.", kind="text/plain"),
    }
    for name, served in models.items():
        paths |= _of_model(name, served, online.get(name, ModelOnline()))
    return {
        "openapi": "3.1.0",
        "info": {"title": "mlbridge serve", "version": __version__},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}] if asks_for_tokens else [],
        "paths": paths,
    }


def _of_model(model: str, served: Served, online: ModelOnline) -> Document:
    base = f"/v2/models/{model}"
    key = {name: {"type": ["string", "number", "boolean", "null"], "maxLength": LONGEST_KEY} for name in served.key}
    key[served.key[-1]] = {"type": ["string", "null"], "anyOf": [{"format": "date"}, {"format": "date-time"}]}
    row: Document = {
        "type": "object",
        "additionalProperties": False,
        "properties": key | {each.name: value_schema(each) for each in served.scorer.version.features},
        "required": [each.name for each in served.scorer.version.features],
    }
    body: Document = {"type": "object", "required": ["rows"], "additionalProperties": False, "properties": {
        "rows": {"type": "array", "items": row, "minItems": 1, "maxItems": MOST_ROWS}, "explain": {"type": "boolean"},
    }}  # fmt: skip
    if online.views:
        named = {name: {"type": ["string", "integer", "boolean"]} for name in online.keys}
        of_key = {"type": "object", "additionalProperties": False, "properties": {**key, **named}}
        body["properties"]["keys"] = {"type": "array", "items": of_key, "minItems": 1, "maxItems": MOST_ROWS}
        # By key, what online tables give need not be in a row.
        some = {**row, "required": [name for name in row["required"] if name not in online.features]}
        body["properties"]["rows"]["items"] = some
        alone = {"required": ["rows"], "not": {"required": ["keys"]}, "properties": {"rows": {"items": row}}}
        body["anyOf"] = [alone, {"required": ["keys"]}]
        del body["required"]
    return {
        f"/predict/{model}": _post(f"Predictions of version {served.version} for rows of features.", body, PREDICTIONS),
        base: _get("The version in use, its features and where it comes from.", "404", "503"),
        f"{base}/versions/{served.version}": _get("The same of the version by its number.", "404", "503"),
        f"{base}/ready": _get("Whether it is served.", "404", "503"),
        f"{base}/infer": _post("Predictions by the Open Inference Protocol V2.", {
            "type": "object", "required": ["inputs"], "additionalProperties": False,
            "properties": {
                "id": {"type": "string"}, "parameters": {"type": "object"},
                "inputs": _named(INPUT_KEYS), "outputs": _named(OUTPUT_KEYS),
            },
        }, TENSORS),
    }  # fmt: skip


def _named(keys: Sequence[str]) -> Document:
    """Describe a list of objects that have a name, and of which the protocol says the rest."""
    item = {
        "type": "object",
        "required": ["name"],
        "additionalProperties": False,
        "properties": {name: {} for name in keys},
    }
    return {"type": "array", "items": item}


def _open(summary: str) -> Document:
    return {"get": {**_get(summary, "503")["get"], "security": []}}


def _get(summary: str, *refusals: str, kind: str = "application/json") -> Document:
    """Describe what is asked for without a body; anything may need a token."""
    answer = {"200": {"description": "the answer", "content": {kind: {}}}}
    return {"get": {"summary": summary, "responses": answer | _refused("401", "500", *refusals)}}


def _post(summary: str, asked: Document, answered: Document) -> Document:
    answer = {"200": {"description": "the answer", "content": {"application/json": {"schema": answered}}}}
    body = {"required": True, "content": {"application/json": {"schema": asked}}}
    return {"post": {"summary": summary, "requestBody": body, "responses": answer | _refused(*ERRORS)}}


def _refused(*statuses: str) -> Document:
    content = {"application/json": {"schema": REFUSAL}}
    return {status: {"description": ERRORS[status], "content": content} for status in statuses}


def page(described: Document) -> str:
    """Write the document as HTML."""
    parts = [f"<title>mlbridge serve</title><style>{STYLE}</style><h1>mlbridge serve {escape(__version__)}</h1>"]
    parts.append('<p>As a document: <a href="openapi.json">openapi.json</a></p>')
    for path, methods in described["paths"].items():
        for method, each in methods.items():
            parts.append(f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(each['summary'])}</p>")
            if "requestBody" in each:
                schema = each["requestBody"]["content"]["application/json"]["schema"]
                parts.append(f"<pre>{escape(json.dumps(schema, indent=1))}</pre>")
    return "<!doctype html><html lang=en><meta charset=utf-8>" + "".join(parts) + "</html>"
