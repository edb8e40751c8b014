"""The ML models of a manifest: their nodes, their features, and what mlbridge itself computes from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from mlbridge.errors import SpecError
from mlbridge.lineage.graph import EVERY
from mlbridge.project.project import STAGES
from mlbridge.spec.reading import read_spec
from mlbridge.typing import Document, Json

# Columns of the logbook that come from the rows trained on, and of the predictions that come from the features.
LEARNT = ("artifact", "scoring_sql", "metrics", "importances", "profile", "calibration", "reference", "params")
PREDICTED = ("prediction", "prediction_value", "probability", "probabilities")

Columns: TypeAlias = Mapping[str, str]
Origins: TypeAlias = tuple[tuple[str, str], ...]  # ids of nodes, each with a column


@dataclass(frozen=True)
class MlModel:
    """A model by its name, with the ids of its nodes; `nodes` has None where the project lacks one.

    `features` are columns of the split; `*` alone stands for all of them, where its columns are not known.
    """

    name: str
    nodes: Mapping[str, str | None]
    spec: Mapping[str, Json]
    features: tuple[str, ...]

    def declared(self, columns: Mapping[str, Columns]) -> dict[str, dict[str, Origins]]:
        """Return what each column of the logbook and of the predictions comes from, by node."""
        split, training, predictions = (self.nodes[stage] for stage in STAGES[1:])
        if split is None or training is None:
            return {}
        origins = tuple((split, each) for each in self.features)
        target = (split, str(self.spec["target"]))
        there = columns[training] or LEARNT
        found: dict[str, dict[str, Origins]] = {
            training: {**dict.fromkeys(there, ()), **{name: (*origins, target) for name in LEARNT if name in there}}
        }
        if predictions is not None:
            keys = self.spec["entity"] if isinstance(self.spec["entity"], list) else [self.spec["entity"]]
            found[predictions] = {
                **dict.fromkeys(columns[predictions], ()),
                **dict.fromkeys(PREDICTED, (*origins, (training, "artifact"))),
                "entity": tuple((split, str(key)) for key in keys),
                "time": ((split, str(self.spec["time"])),),
                "target": (target,),
                "version": ((training, "version"),),
            }
        return found


def models_of(nodes: Mapping[str, Document], columns: Mapping[str, Columns]) -> Iterator[MlModel]:
    """Yield the models whose training node has a spec, by nodes of a manifest and the columns of each."""
    by_name = {str(node["name"]): id_ for id_, node in nodes.items() if node["resource_type"] == "model"}
    for name, training in by_name.items():
        model = name.removesuffix("_training")
        spec = meta_of(nodes[training]) if model != name else {}
        if {"target", "entity", "time"} <= set(spec):
            stages = {stage: by_name.get(f"{model}_{stage}") for stage in STAGES}
            split = stages["split"]
            yield MlModel(model, stages, spec, _features(name, spec, columns[split] if split else {}))


def meta_of(node: Document) -> Mapping[str, Json]:
    """Return `config.meta.mlbridge` of a node, empty where there is none."""
    found = ((node.get("config") or {}).get("meta") or {}).get("mlbridge")
    return found if isinstance(found, Mapping) else {}


def _features(node: str, raw: Mapping[str, Json], columns: Columns) -> tuple[str, ...]:
    """Return the features of a model; every column of the split where its columns or the spec cannot be read."""
    with suppress(SpecError):
        spec = read_spec(node, raw, None)
        if columns or spec.features is not None:
            return tuple(each for each in columns or spec.features or () if not spec.rules_out(each))
    return (EVERY,)
