"""A version as it is served: what it answers for rows, and what is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mlbridge.compile.arrays.program import Columns
from mlbridge.errors import ArtifactError
from mlbridge.publication.versions import file_of
from mlbridge.scoring.python import predicted
from mlbridge.serving.inputs import described_input, unseen_texts
from mlbridge.serving.scorer import Scorer
from mlbridge.typing import Document, Json

# Fewer rows say nothing about what is usual.
LEAST_BACKGROUND = 2


@dataclass(frozen=True, eq=False)
class Served:
    """A model's version in use: `entry` is what the index of published versions has of it, `trained_at` is in UTC."""

    model: str
    entry: Document
    scorer: Scorer
    candidate: str
    trained_at: str

    @property
    def version(self) -> int:
        """Return its number."""
        return self.scorer.version.number

    @property
    def key(self) -> tuple[str, ...]:
        """Name the columns of a row's key, which a request may give beside the features."""
        spec = self.scorer.version.spec
        return (*spec.entity, spec.time)

    @cached_property
    def names(self) -> frozenset[str]:
        """Name its features."""
        return frozenset(each.name for each in self.scorer.version.features)

    @cached_property
    def numbers(self) -> dict[str, float] | None:
        """Return the classes as numbers, as `prediction_value` has them; None where they are texts."""
        version = self.scorer.version
        if version.classes is None or version.numbers is None:
            return None
        return dict(zip(version.classes, version.numbers, strict=True))

    @cached_property
    def _known(self) -> dict[str, frozenset[str]]:
        version = self.scorer.version
        categories = version.categories or {}
        texts = (each.name for each in version.features if each.kind == "category" and each.name in categories)
        return {name: frozenset(categories[name]) for name in texts}

    def predict(self, columns: Columns, rows: int) -> list[Document]:
        """Answer for rows; raises ScoringError where the version cannot.

        `prediction` is the class as `ml_predictions` has it, or the number; None with `not_scored_because` where the
        version's estimator does not take the row. `unseen` names features whose text the training rows did not have.
        """
        version = self.scorer.version
        scores, reasons = self.scorer.scores(columns, rows)
        answer = predicted(scores, version.classes, version.numbers)
        if version.classes is None:
            found: list[Document] = [{"prediction": value, "probability": None} for value in scores.tolist()]
        else:
            both = zip(_values(answer["prediction"]), _values(answer["probability"]), strict=True)
            found = [{"prediction": prediction, "probability": probability} for prediction, probability in both]
            if len(version.classes) > 2:
                for each, row in zip(found, scores.tolist(), strict=True):
                    each["probabilities"] = dict(zip(version.classes, row, strict=True))
        for row, why in enumerate(reasons or ()):
            if why is not None:
                found[row] = {"prediction": None, "probability": None, "not_scored_because": why}
        for row, names in enumerate(unseen_texts(columns, self._known, rows) or ()):
            if names:
                found[row]["unseen"] = names
        return found

    def explain(self, columns: Columns, rows: int) -> list[Document | None]:
        """Explain each row's prediction as `mlbridge explain` does; None for a row that the version does not take.

        Raises ScoringError where the version cannot score.
        """
        import pandas as pd

        from mlbridge.scoring.contributions import contributions, explained_score

        version, background = self.scorer.version, self.scorer.background
        if len(background) < LEAST_BACKGROUND:
            raise ArtifactError(f"too few training rows of {self.model} are published to explain a prediction against.")
        frame = self.scorer.frame(columns)
        _, reasons = self.scorer.scores(columns, rows)
        found: list[Document | None] = []
        for row in range(rows):
            if reasons is not None and reasons[row] is not None:
                found.append(None)
                continue
            both = pd.concat([frame.iloc[[row]], background], ignore_index=True)
            for name in frame:
                if isinstance(frame[name].dtype, pd.CategoricalDtype):
                    texts = pd.concat([frame[name].iloc[[row]].astype(object), background[name].astype(object)])
                    both[name] = pd.Categorical(texts, categories=_joined(background[name], frame[name]))
            explained, score = explained_score(version, version.scores(both.iloc[:1]))
            made = contributions(score, both)
            order = sorted(made.by_feature, key=lambda name: (-abs(made.by_feature[name]), name))
            features = [
                {"feature": name, "contribution": made.by_feature[name], "error": made.errors[name]} for name in order
            ]
            found.append(
                {"explained": explained, "value": made.value, "base": made.base,
                 "background_rows": len(background), "features": features}
            )  # fmt: skip
        return found

    @cached_property
    def metadata(self) -> Document:
        """Say what the version is, from the logbook."""
        version = self.scorer.version
        categories = version.categories or {}
        features = []
        for each in version.features:
            feature: Document = {"name": each.name, "type": each.type, "kind": each.kind, "json": described_input(each)}
            if each.name in self._known:
                feature["categories"] = list(categories[each.name])
            features.append(feature)
        return {
            "model": self.model,
            "version": self.version,
            "candidate": self.candidate,
            "task": version.spec.task,
            "target": version.spec.target,
            "classes": None if version.classes is None else list(version.classes),
            "entity": list(version.spec.entity),
            "time": version.spec.time,
            "trained_at": self.trained_at,
            "sha256": self.entry["sha256"],
            "features": features,
            "scored_by": "scikit-learn" if self.scorer.program is None else "numpy",
            "serving_note": self.scorer.serving_note,
            "largest_difference": self.scorer.difference,
            "checked_rows": self.scorer.checked_rows,
        }


def _values(values: Any) -> list[Json]:
    return list(values.tolist() if hasattr(values, "tolist") else values)


def _joined(before: Any, now: Any) -> list[str]:
    return [*before.cat.categories, *(text for text in now.cat.categories if text not in set(before.cat.categories))]


def load(place: Path, model: str, entry: Document, trusted: Sequence[str], stem: str | None = None) -> Served:
    """Load a published version; raises an MlbridgeError or OSError for one that is damaged or not trusted.

    Its files begin with `stem`, by default the name of the model.
    The artifact is read by the same loader as in a build, which unpickles nothing.
    """
    import pyarrow.parquet as pq

    from mlbridge.engines.records import read_values
    from mlbridge.registry.logbook import LOGBOOK, CandidateRow, LogbookRow
    from mlbridge.registry.versions import version_of

    stem = model if stem is None else stem
    file = file_of(place, stem, "version")
    needed = [name for name, each in LOGBOOK.items() if not each.deferred or name in ("artifact", "categories")]
    there = pq.read_schema(file).names
    (stored,) = pq.read_table(file, columns=[name for name in needed if name in there]).to_pylist()
    row = CandidateRow(**read_values(LogbookRow, stored, f"{model}: the published version"))
    version = version_of(f"{model}_training", row, trusted)
    file = file_of(place, stem, "background")
    check: dict[str, Any] = {each.name: [] if each.kind == "category" else np.empty(0) for each in version.features}
    if file.is_file():
        background = pq.read_table(file)
        for each in version.features:
            values = background[each.name]
            is_text = each.kind == "category"
            check[each.name] = values.to_pylist() if is_text else values.to_numpy().astype(np.float64)
    return Served(model, entry, Scorer(version, check), row.candidate, f"{row.trained_at.isoformat()}Z")
