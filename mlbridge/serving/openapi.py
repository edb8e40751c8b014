"""What the server answers, as an OpenAPI document, and as a page that loads nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape

from mlbridge.serving.inputs import LONGEST_KEY, described_input
from mlbridge.serving.online import ModelOnline
from mlbridge.serving.protocol import INPUT_KEYS, OUTPUT_KEYS
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
        "/metrics": _get("Counts and times for Prometheus."),
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
    row: Document = {
        "type": "object",
        "additionalProperties": False,
        "properties": key | {each.name: _value(described_input(each)) for each in served.scorer.version.features},
        "required": [each.name for each in served.scorer.version.features],
    }
    body: Document = {"type": "object", "required": ["rows"], "additionalProperties": False, "properties": {
        "rows": {"type": "array", "items": row, "minItems": 1}, "explain": {"type": "boolean"},
    }}  # fmt: skip
    if online.views:
        named = {name: {"type": ["string", "integer", "boolean"]} for name in online.keys}
        of_key = {"type": "object", "additionalProperties": False, "properties": {**key, **named}}
        body["properties"]["keys"] = {"type": "array", "items": of_key, "minItems": 1}
        # By key, what online tables give need not be in a row.
        some = {**row, "required": [name for name in row["required"] if name not in online.features]}
        body["properties"]["rows"]["items"] = some
        alone = {"required": ["rows"], "not": {"required": ["keys"]}, "properties": {"rows": {"items": row}}}
        body["anyOf"] = [alone, {"required": ["keys"]}]
        del body["required"]
    return {
        f"/predict/{model}": _post(f"Predictions of version {served.version} for rows of features.", body),
        base: _get("The version in use, its features and where it comes from."),
        f"{base}/versions/{served.version}": _get("The same of the version by its number."),
        f"{base}/ready": _get("Whether it is served."),
        f"{base}/infer": _post("Predictions by the Open Inference Protocol V2.", {
            "type": "object", "required": ["inputs"], "additionalProperties": False,
            "properties": {
                "id": {"type": "string"}, "parameters": {"type": "object"},
                "inputs": _named(INPUT_KEYS), "outputs": _named(OUTPUT_KEYS),
            },
        }),
    }  # fmt: skip


def _value(kind: str) -> Document:
    return {"type": [kind, "null"]}


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
    return {"get": {**_get(summary)["get"], "security": []}}


def _get(summary: str) -> Document:
    return {"get": {"summary": summary, "responses": {"200": {"description": "the answer"}}}}


def _post(summary: str, schema: Document) -> Document:
    responses = {"200": {"description": "the answer"}} | {code: {"description": text} for code, text in ERRORS.items()}
    content = {"application/json": {"schema": schema}}
    return {"post": {"summary": summary, "requestBody": {"required": True, "content": content}, "responses": responses}}


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
