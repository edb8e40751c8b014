"""The YAML of a model's nodes: descriptions, the spec, tests and an exposure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlbridge.grafting.features import features_of, in_words, row_key
from mlbridge.grafting.names import exposure_of
from mlbridge.project.yaml_style import YamlStyle
from mlbridge.readiness.assessment import Assessment
from mlbridge.typing import Document, Json

# What a line may take before its brackets are written in lines of their own.
WIDTH = 110
NOTES = {
    "task": "classification or regression",
    "target": "NULL where the outcome is not known yet",
    "entity": "the key of a row (one column or a list)",
    "time": "the moment at which the prediction is made (UTC)",
    "label_time": "the moment at which the outcome is known (UTC)",
}
SPLITS = ["train", "validation", "test", "score"]


@dataclass(frozen=True)
class Described:
    """What the YAML says of a model: its name, what was assessed, a schema of its own, and the project's own words."""

    name: str
    found: Assessment
    schema: str | None
    columns: Mapping[str, str]

    def config(self, **config: Json) -> Document:
        """Return a node's config, in the model's own schema if it has one."""
        return config if self.schema is None else {**config, "schema": self.schema}

    def text(self, style: YamlStyle) -> str:
        """Write the file."""
        return _as_text(_nodes(self), style)


def _nodes(model: Described) -> Document:
    name, found = model.name, model.found
    target, relation, key = found.target.one, found.relation.name, row_key(found)
    of_key = in_words(key)
    in_full = {"name": f"valid_rows_of_{name}_features", "arguments": {"unique": [key], "not_null": key}}
    of_split = {"unique": [key], "not_null": ["ml_split"], "accepted_values": {"ml_split": SPLITS}}
    of_scores = {
        "unique": [key],
        "not_null": [*key, "local_date", "outcome_state", "version", "scored_at"],
        "accepted_values": {"outcome_state": ["known", "pending", "never"]},
        "conditions": ["prediction is not null or not_scored_because is not null"],
    }
    return {
        "models": [
            {
                "name": f"{name}_features",
                "description": f"What is known for the prediction of {target}, from {relation}. One row per {of_key}.",
                "config": model.config(materialized="table"),
                "data_tests": [{"mlbridge.valid_rows": in_full}],
                "columns": _columns(model),
            },
            {
                "name": f"{name}_split",
                "description": "The features with `ml_split`, which says what a row is used for.",
                "config": model.config(materialized="table"),
                "data_tests": [{"mlbridge.valid_rows": {"name": f"valid_rows_of_{name}_split", "arguments": of_split}}],
            },
            {
                "name": f"{name}_training",
                "description": f"The logbook of {name}, with a row per candidate of each training, and its spec.",
                "config": model.config(materialized="mlbridge") | {"meta": {"mlbridge": found.spec}},
            },
            {
                "name": f"{name}_predictions",
                "description": f"The predictions of {name}; `ml_scores_{name}` has the outcomes too.",
                "config": model.config(materialized="mlbridge"),
                "data_tests": [{"mlbridge.no_alerts": {"config": {"severity": "warn"}}}],
            },
            {
                "name": f"ml_scores_{name}",
                "description": f"The predicted {target}, for people and dashboards. One row per {of_key}.",
                "config": model.config(materialized="table"),
                "data_tests": [
                    {"mlbridge.valid_rows": {"name": f"valid_rows_of_ml_scores_{name}", "arguments": of_scores}}
                ],
            },
        ],
        "exposures": [
            {
                "name": exposure_of(name),
                "label": f"Predicted {target}",
                "type": "application",
                "description": f"Who uses the predictions of {name}: write here what reads ml_scores_{name}.",
                "owner": {"name": f"The owners of {name}"},
                "depends_on": [f"ref('ml_scores_{name}')"],
            }
        ],
    }


def _columns(model: Described) -> list[Document]:
    """Describe the columns in the project's own words where it has some, after what each is for."""
    found = model.found
    texts = {
        **dict.fromkeys(found.entity.columns, "key"),
        **dict.fromkeys(found.time.columns, "when the prediction is made (UTC)"),
        **dict.fromkeys(found.target.columns, "target; NULL where the outcome is not known yet"),
        **dict.fromkeys(found.label_time.columns, "when the outcome is known (UTC); not a feature"),
        **dict.fromkeys(features_of(found), "feature"),
    }
    return [
        {"name": name, "description": ": ".join(filter(None, (text, model.columns.get(name))))}
        for name, text in texts.items()
    ]


def _as_text(document: Document, style: YamlStyle) -> str:
    """Write the document in the style of the project, with a note beside each key of the spec."""
    lines: list[str] = []
    for key, nodes in document.items():
        lines += ["", f"{key}:"] if lines else [f"{key}:"]
        for number, node in enumerate(nodes):
            lines += [""] if number else []
            lines += [" " * style.dash + line for line in style.item(node, WIDTH)]
    start = next(number for number, line in enumerate(lines) if line.strip() == "mlbridge:") + 1
    end = lines.index("", start)
    width = max(map(len, lines[start:end])) + 2
    noted = [f"{line:<{width}}# {NOTES[line.split(':')[0].strip()]}" for line in lines[start:end]]
    return "".join(f"{line}\n" for line in [*lines[:start], *noted, *lines[end:]])
