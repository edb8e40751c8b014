"""The entity: named, or proposed from the project's tests and the names of columns; and whether it is a key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqlglot import exp

from mlbridge.engines.warehouse import column, select, subquery
from mlbridge.errors import listed
from mlbridge.features.columns import TEXTS
from mlbridge.readiness.assessment import Question, Relation
from mlbridge.readiness.relations import ReadinessError, check_column
from mlbridge.readiness.sample import parsed, table_of
from mlbridge.readiness.settled import Choice
from mlbridge.readiness.source import Source
from mlbridge.readiness.words import names_a_key, words_of
from mlbridge.typing import Document

MOST_TRIED = 4
# A key of which more rows than this share are repetitions is no key; fewer are rows to mend.
MOST_REPEATED = 0.01


def settle_entity(
    question: Question,
    relation: Relation,
    columns: Mapping[str, str],
    manifest: Document,
    source: Source,
    rows: int,
) -> tuple[Choice, bool]:
    """Return the entity that the question names, or propose one; and whether it is known to be unique without a time.

    Raises ReadinessError if a column is missing, or if nothing can be proposed.
    """
    for name in (*question.entity, *filter(None, (question.target, question.time, question.label_time))):
        check_column(_key_of(question, name), name, relation, columns)
    if question.entity:
        return Choice(question.entity, "named", proposed=False), False
    tests = list(_tests_of(relation, manifest))
    unique = {name for kind, names in tests for name in names[:1] if kind == "unique" and name in columns}
    for kind, names in tests:
        if len(names) > 1 and set(names) <= columns.keys():
            key = tuple(name for name in names if name != question.time)
            return Choice(
                key, f"the dbt test {kind} says that {listed(names)} are unique together", proposed=True
            ), False
    likely = _by_likeliness(relation, columns, unique)
    for name in (likely or _countable(columns, source))[:MOST_TRIED]:
        if _distinct(source, relation, (name,)) == rows:
            why = "tested as unique by dbt" if name in unique else f"different in each of {rows:,} rows"
            return Choice((name,), why, proposed=True), True
    named = [name for name in likely if names_a_key(name)]
    if named:  # with the time, it is checked once that is settled
        return Choice((named[0],), "by its name; together with the time it is unique", proposed=True), False
    raise ReadinessError(
        f"'{relation.name}': no column is unique, so no entity can be proposed. Name the key with --entity, several "
        "columns by repeating it."
    )


def _key_of(question: Question, name: str) -> str:
    """Return the option that names a column."""
    options = {"target": question.target, "time": question.time, "label-time": question.label_time}
    return next((option for option, value in options.items() if value == name), "entity")


def _tests_of(relation: Relation, manifest: Document) -> Iterator[tuple[str, list[str]]]:
    """Give the name and the columns of each generic test of a relation that is about unique values."""
    for node in manifest["nodes"].values():
        test = node.get("test_metadata")
        if test and relation.node in node["depends_on"]["nodes"] and "unique" in test["name"]:
            arguments = {**test["kwargs"], **test["kwargs"].get("arguments", {})}
            several = next((value for value in arguments.values() if isinstance(value, list)), None)
            yield str(test["name"]), several or [str(arguments.get("column_name"))]


def _by_likeliness(relation: Relation, columns: Mapping[str, str], unique: set[str]) -> list[str]:
    """Return the columns that may be a key: those tested as unique, then by name."""
    stem = relation.identifier.lower().removeprefix("fct_").removeprefix("dim_").removeprefix("stg_").rstrip("s")

    def likeliness(name: str) -> int:
        key = names_a_key(name)
        return (
            (8 if name in unique else 0)
            + (4 if key and len(words_of(name)) == 1 else 0)
            + (2 if key else 0)
            + (1 if stem in name.lower() else 0)
        )

    ordered = sorted(columns, key=lambda name: -likeliness(name))
    return [name for name in ordered if likeliness(name) > 1]


def _countable(columns: Mapping[str, str], source: Source) -> list[str]:
    """Return the columns whose values may be those of a key by their types: texts and whole numbers."""
    kinds = (*TEXTS, *exp.DataType.INTEGER_TYPES)
    return [name for name, type_ in columns.items() if parsed(type_, source.dialect).is_type(*kinds)]


def _distinct(source: Source, relation: Relation, names: Sequence[str]) -> int:
    """Count the distinct combinations of some columns, rows with a NULL left out."""
    chosen = {name: column(name) for name in names}
    rows = (
        select(chosen, table_of(relation)).distinct().where(*(each.is_(exp.null()).not_() for each in chosen.values()))
    )
    return source.count(subquery(rows, "keys"))


def check_unique(relation: Relation, entity: Choice, time: Choice, source: Source, rows: int) -> int:
    """Return how many rows repeat the entity and time of another; raises ReadinessError where they are many."""
    names = tuple(dict.fromkeys((*entity.columns, *time.columns)))
    complete = exp.select("*").from_(table_of(relation)).where(*(column(name).is_(exp.null()).not_() for name in names))
    repeated = source.count(subquery(complete, "complete")) - _distinct(source, relation, names)
    if repeated > MOST_REPEATED * rows:
        raise ReadinessError(
            f"'{relation.name}': {listed(entity.columns)} and '{time.column}' are not unique together: {repeated:,} of "
            f"{rows:,} rows repeat another. Name every column of the key with --entity, or remove repetitions first."
        )
    return repeated
