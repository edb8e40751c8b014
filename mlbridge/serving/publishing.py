"""What a build publishes for serving: versions in use, with rows to explain and check them by, and online tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlglot import exp

from mlbridge.engines.adapters import Session
from mlbridge.engines.warehouse import Warehouse
from mlbridge.log import info
from mlbridge.publication.online import OnlineFeatures, View, publish_online, read_former
from mlbridge.publication.publish import Beside, publish, publish_beside
from mlbridge.publication.versions import Branch, publish_versions
from mlbridge.typing import Document, Row


@dataclass(frozen=True)
class Declared:
    """What there is of online tables: `views` by id are the fields of `View`, `models` have a `training` and a `time`.

    `compiled_path` is where dbt has written the code of any node of this build, None where it has written none.
    """

    views: Mapping[str, Document]
    models: Mapping[str, Document]
    compiled_path: str | None


def publish_all(
    session: Session,
    tables: Mapping[str, Sequence[str]],
    branches: Mapping[str, Document],
    online: Document,
    **facts: str,
) -> Path | None:
    """Publish the package's tables as `publish` does, the versions in use, and the online tables.

    `branches` are the fields of `Branch` by model, `online` those of `Declared`.
    """
    return publish(session, tables, **facts, beside=_served(Warehouse(session), tables, branches, online))


def publish_served(
    warehouse: Warehouse,
    folder: Path,
    tables: Mapping[str, Sequence[str]],
    branches: Mapping[str, Document],
    online: Document,
    **facts: str,
) -> None:
    """Publish the versions in use and the online tables of a server to a folder; the arguments are as above."""
    publish_beside(folder, _served(warehouse, tables, branches, online), **facts)


def _served(
    warehouse: Warehouse, tables: Mapping[str, Sequence[str]], branches: Mapping[str, Document], online: Document
) -> Beside:
    """Return what writes them into a build's new folder.

    A build with nothing to do, which has nothing new to serve, imports neither numpy nor scikit-learn for it.
    """

    def beside(place: Path, former: Path | None) -> None:
        if "ml_champions" in tables:
            found = {name: Branch(**each) for name, each in branches.items()}
            publish_versions(warehouse, tables["ml_champions"], found, background_of, place, former)
        there = Declared(**online)
        if there.views:
            views = {id_: View(**each) for id_, each in there.views.items()}
            publish_online(warehouse, views, features_of(warehouse, there, former), place, former)

    return beside


def features_of(warehouse: Warehouse, online: Declared, former: Path | None) -> dict[str, list[OnlineFeatures]]:
    """Return which features of each model come from online tables.

    What the build before has found goes on where the SQL of the features is not known here, because it was built by
    another one; without such a build the log says so.
    """
    from mlbridge.lineage.online import online_features
    from mlbridge.lineage.upstream import upstream

    stored = warehouse.every_column()
    _, before = read_former(former)
    found = {}
    for model, each in online.models.items():
        above = None if online.compiled_path is None else upstream(online.compiled_path, each["training"])
        split = each["training"].removesuffix("_training") + "_split"
        traced = None
        if above is not None and split in above.manifest["nodes"]:
            traced = online_features(above, stored, split, each["time"], online.views, warehouse.dialect)
        if traced is None and model not in before:
            info(
                "publish",
                f"no features of {model} are found by key, because its SQL was not compiled here. Build "
                f"{model}_features and {model}_split, too.",
            )
        # A view may have stopped being online since the build before.
        kept = [one for one in before.get(model, []) if one.view in online.views]
        features = kept if traced is None else traced
        if features:
            found[model] = features
    return found


def background_of(split: exp.Table, row: Row) -> exp.Select:
    """Select the background of a version from the table of its split; `row` has `FACTS` of its row of the logbook."""
    from mlbridge.features.columns import Feature
    from mlbridge.scoring.background import background_query
    from mlbridge.spec.specification import stored_spec

    features = [Feature(each["name"], each["type"], each["kind"]) for each in json.loads(row["features"])]
    return background_query(split, features, stored_spec(json.loads(row["spec"])), row["train_from"], row["train_to"])
