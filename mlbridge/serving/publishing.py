"""What a build publishes for serving: the versions in use, with rows to explain and to check them by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from sqlglot import exp

from mlbridge.engines.adapters import Session
from mlbridge.publication.publish import publish
from mlbridge.publication.versions import Branch, publish_versions
from mlbridge.typing import Document, Row


def publish_all(
    session: Session, tables: Mapping[str, Sequence[str]], branches: Mapping[str, Document], **facts: str
) -> Path | None:
    """Publish the package's tables as `publish` does, and the versions in use; `branches` are the fields of `Branch`.

    A build with nothing to do, which has nothing new to serve, imports neither numpy nor scikit-learn for it.
    """
    beside = None
    if "ml_champions" in tables:
        found = {name: Branch(**each) for name, each in branches.items()}
        beside = partial(publish_versions, session, tables["ml_champions"], found, background_of)
    return publish(session, tables, **facts, beside=beside)


def background_of(split: exp.Table, row: Row) -> exp.Select:
    """Select the background of a version from the table of its split; `row` has `FACTS` of its row of the logbook."""
    from mlbridge.features.columns import Feature
    from mlbridge.scoring.background import background_query
    from mlbridge.spec.specification import stored_spec

    features = [Feature(each["name"], each["type"], each["kind"]) for each in json.loads(row["features"])]
    return background_query(split, features, stored_spec(json.loads(row["spec"])), row["train_from"], row["train_to"])
