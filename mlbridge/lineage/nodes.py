"""The relations of a dbt project, from its manifest and the columns that its warehouse has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mlbridge.engines.warehouse import Place
from mlbridge.errors import SetupError, listed, nearest
from mlbridge.lineage.graph import EVERY, Relation
from mlbridge.lineage.models import Columns, Origins, meta_of, models_of
from mlbridge.typing import Document

KINDS = ("model", "seed", "snapshot", "source")
INLINED = "__dbt__cte__"  # how dbt names the common table expression that an ephemeral model is written as


def relations(
    manifest: Document, stored: Mapping[Place, Columns], read: Mapping[str, Iterable[str]] | None = None
) -> list[Relation]:
    """Return the relations of a manifest.

    `stored` gives the columns of the tables in the warehouse with their types, in order, by database, schema and name
    in lower case. A relation that it lacks has the columns that YAML describes; the features of a model are then looked
    for among the columns that were `read` off the SQL, by node. Raises SetupError for a declared
    lineage that names what is not there.
    """
    found = {
        id_: node
        for id_, node in {**manifest["nodes"], **manifest["sources"]}.items()
        if node["resource_type"] in KINDS and node.get("config", {}).get("enabled", True)
    }
    columns = {id_: _columns(node, stored) for id_, node in found.items()}
    known = {id_: each or dict.fromkeys((read or {}).get(id_, ()), "") for id_, each in columns.items()}
    of_models = {id_: declared for each in models_of(found, known) for id_, declared in each.declared(columns).items()}
    result = []
    for id_, node in found.items():
        parents = tuple(each for each in (node.get("depends_on") or {}).get("nodes", ()) if each in found)
        declared = of_models.get(id_)
        sql = node.get("compiled_code") if declared is None and node.get("language", "sql") == "sql" else None
        if declared is None:
            declared = _declared(node, parents, found, columns)
        result.append(Relation(id_, place(node), sql, columns[id_], parents, declared))
    return result


def place(node: Document) -> tuple[str | None, str | None, str]:
    """Return where SQL finds a node: its table, the file of a source, or the name that an ephemeral model has there."""
    if (node.get("config") or {}).get("materialized") == "ephemeral":
        return None, None, INLINED + str(node.get("alias") or node["name"])
    name = str(node.get("alias") or node.get("identifier") or node["name"])
    written = str(node.get("relation_name") or "")
    if node["resource_type"] == "source" and written and not written.rstrip("\"`]'").lower().endswith(name.lower()):
        return None, None, written.strip("'")
    return node.get("database"), node.get("schema"), name


def title(node: Document) -> str:
    """Return what a person calls a node: a source with the name of its group."""
    name = str(node["name"])
    return f"{node['source_name']}.{name}" if node["resource_type"] == "source" else name


def _columns(node: Document, stored: Mapping[Place, Columns]) -> Columns:
    database, schema = (str(node.get(key) or "").lower() for key in ("database", "schema"))
    name = str(node.get("alias") or node.get("identifier") or node["name"]).lower()
    described = {each["name"]: each.get("data_type") or "" for each in (node.get("columns") or {}).values()}
    if is_read_off_sql(node):
        described = {}  # its SQL says what it has; YAML need not describe every column
    if EVERY in (meta_of(node).get("lineage") or ()):
        described = {}  # nor of a Python node that declares what it copies
    return stored.get((database, schema, name)) or described


def _declared(
    node: Document, parents: tuple[str, ...], nodes: Mapping[str, Document], columns: Mapping[str, Columns]
) -> dict[str, Origins]:
    """Read `config.meta.mlbridge.lineage`: for a column, what it comes from, such as `[flights.distance]`.

    The column `*` stands for all others, which are copies of the columns of the same name of `[flights.*]`.
    """
    declared = meta_of(node).get("lineage")
    if declared is None:
        return {}
    if not isinstance(declared, Mapping) or not all(isinstance(each, list) for each in declared.values()):
        raise SetupError(
            f"{node['name']}: `mlbridge.lineage` must name for each column a list of what it comes from, such as "
            "`departure_sin: [flights.departure_minute]`."
        )
    by_title = {title(nodes[each]): each for each in parents}
    stray = [each for each in declared.get(EVERY, ()) if not str(each).endswith(f".{EVERY}")]
    if stray:
        raise SetupError(
            f"{node['name']}: `mlbridge.lineage` says that all other columns come from {listed(stray)}; expected every "
            "column of a node, such as `'*': [flights.*]`."
        )
    return {
        str(column): tuple(_origin(node, str(each), by_title, columns) for each in origins)
        for column, origins in declared.items()
    }


def _origin(
    node: Document, written: str, parents: Mapping[str, str], columns: Mapping[str, Columns]
) -> tuple[str, str]:
    for name, id_ in parents.items():
        column = written.removeprefix(f"{name}.")
        if column != written:
            if columns[id_] and column not in (EVERY, *columns[id_]):
                raise SetupError(
                    f"{node['name']}: `mlbridge.lineage` names '{written}', but '{name}' has no column '{column}'."
                    f"{nearest(column, columns[id_])}"
                )
            return id_, column
    raise SetupError(
        f"{node['name']}: `mlbridge.lineage` names '{written}', which is no column of a node that it refers to: "
        f"{listed(parents)}.{nearest(written.partition('.')[0], parents)}"
    )


def is_read_off_sql(node: Document) -> bool:
    """Return whether a node of the manifest is a model in SQL."""
    return bool(node["resource_type"] == "model" and node.get("language", "sql") == "sql")


def uncompiled(manifest: Document) -> Iterator[str]:
    """Yield the names of SQL models that the manifest has without their compiled code."""
    for node in manifest["nodes"].values():
        if is_read_off_sql(node) and not node.get("compiled_code"):
            yield str(node["name"])
