"""The files of a model's own: its nodes, and the YAML that describes them, in the style of the project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlbridge.engines.adapters import PYTHON_ENGINE, engine_of
from mlbridge.grafting.changes import read
from mlbridge.grafting.description import Described
from mlbridge.grafting.features import described, features_sql
from mlbridge.grafting.names import folder_for
from mlbridge.grafting.style import Style
from mlbridge.project.project import STAGES, Project
from mlbridge.readiness.assessment import Assessment, Question
from mlbridge.typing import Document

# Enough to tell a project's style by; reading YAML takes its time.
MOST_FILES = 200
TRAINING = """import mlbridge


def model(dbt, session):
    return mlbridge.train(dbt, session, dbt.ref("{name}_split"), dbt.config.meta_get("mlbridge"))
"""
PREDICTIONS = """import mlbridge


def model(dbt, session):
    return mlbridge.predict(dbt, session, dbt.ref("{name}_split"), dbt.ref("{name}_training"))
"""


@dataclass(frozen=True)
class Wish:
    """What a user asks for: the model's name, what it predicts, and how its nodes are written.

    `sql`: predictions as SQL; where no Python models run, the training is SQL too in any case. `schema`: a schema for
    the model's nodes, and with the first model of a project for the tables of the package. `package`: where the dbt
    package comes from.
    """

    name: str
    question: Question
    sql: bool = False
    schema: str | None = None
    package: str | None = None


def own_files(project: Project, wish: Wish, found: Assessment, manifest: Document) -> dict[str, str]:
    """Write the model's own files, by their path in the project."""
    node = {**manifest["nodes"], **manifest["sources"]}[found.relation.node]
    package, paths = str(project.config.project_name), [str(path) for path in project.config.model_paths]
    style, name = _style(project.path, paths), wish.name
    known = {column: str(each.get("description") or "") for column, each in node.get("columns", {}).items()}
    model = Described(name, found, wish.schema, described(found.columns, known))
    dialect = project.credentials.type
    quote = style.sql.quote
    features, split, training, predictions = (f"ref({quote}{name}_{stage}{quote})" for stage in STAGES)
    by_python = engine_of(dialect) is PYTHON_ENGINE
    nodes = {
        "training": TRAINING.format(name=name) if by_python else f"{{{{ mlbridge.training({split}) }}}}\n",
        "predictions": PREDICTIONS.format(name=name)
        if by_python and not wish.sql
        else f"{{{{ mlbridge.predict({split}, {training}) }}}}\n",
    }
    files = {
        f"{name}_features.sql": features_sql(found, _reference(node, package, quote), style.sql, dialect),
        f"{name}_split.sql": f"{{{{ mlbridge.split({features}) }}}}\n",
        **{f"{name}_{stage}.{'sql' if text.startswith('{') else 'py'}": text for stage, text in nodes.items()},
        f"ml_scores_{name}.sql": f"{{{{ mlbridge.scores({split}, {training}, {predictions}) }}}}\n",
        f"{'_' if style.underscore else ''}{name}.{style.extension}": model.text(style.yaml),
    }
    folder = folder_for(name, manifest, package, paths, project.path, node)
    return {f"{folder}/{file}": text for file, text in files.items()}


def _reference(node: Document, package: str, quote: str) -> str:
    """Write the call that refers to a node."""
    names = [str(node["name"])]
    if node["resource_type"] == "source":
        names = [str(node["source_name"]), *names]
    elif node["package_name"] != package:
        names = [str(node["package_name"]), *names]
    function = "source" if node["resource_type"] == "source" else "ref"
    return f"{function}({', '.join(quote + name + quote for name in names)})"


def _style(project: Path, paths: list[str]) -> Style:
    ends = (".sql", ".yml", ".yaml")
    files = sorted(file for path in paths for file in (project / path).rglob("*") if file.suffix in ends)
    return Style.of(
        [str(file.relative_to(project)) for file in files[:MOST_FILES]], lambda path: read(project, path) or ""
    )
