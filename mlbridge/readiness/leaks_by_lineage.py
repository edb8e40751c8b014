"""Columns that the search for leaks by lineage suspects, the one that also runs before each training."""

from __future__ import annotations

from sqlglot import exp

from mlbridge.engines.warehouse import subquery
from mlbridge.errors import listed
from mlbridge.leaks.catalogue import NONE
from mlbridge.leaks.lineage_search import outcome_columns, search_lineage, unread
from mlbridge.leaks.traced import trace_above
from mlbridge.lineage.project_lineage import dialect_of
from mlbridge.lineage.upstream import as_written
from mlbridge.readiness.assessment import Requirement, scored
from mlbridge.readiness.examined import Examined
from mlbridge.readiness.relations import ancestors_of
from mlbridge.readiness.sample import table_of
from mlbridge.readiness.source import Source
from mlbridge.scoring.rows import SPLIT
from mlbridge.spec.reading import read_spec
from mlbridge.typing import Document


def leaks_by_lineage(manifest: Document, source: Source, found: Examined) -> tuple[dict[str, str], Requirement]:
    """Return the suspected columns, each with the reason, and the requirement.

    What stands in SQL that could not be read is not known: the requirement then has no score unless what could be read
    makes a column suspected. Raises SetupError for a `known_at` or `lineage` in YAML that names what is not there.
    """
    code, node = "no_leak_by_lineage", found.relation.node
    ids = ancestors_of(node, manifest)
    part = {key: {id_: each for id_, each in manifest[key].items() if id_ in ids} for key in ("nodes", "sources")}
    above = as_written({**manifest, **part})
    project = trace_above(above, source, dialect_of(manifest))
    spec = read_spec(found.relation.name, found.settled.spec)
    rows = subquery(exp.select("*").from_(table_of(found.relation)), SPLIT)
    context = project.context(source, spec, node, rows, found.features)
    suspected = {each.feature: each.evidence for each in search_lineage(context) if each.level != NONE}
    late, undecided = outcome_columns(context)
    share = 1 - len(suspected) / len(found.features) if found.features else 1.0
    none = f"none of {len(found.features):,} columns, read off the SQL of {len(ids - set(context.unread)):,} relations"
    said = "; ".join(f"'{name}': {reason}" for name, reason in suspected.items()) or (none if late else undecided)
    gaps = unread(context)
    is_open = node in context.unread or (not suspected and bool(gaps or not late))
    evidence = said.removesuffix(gaps) + gaps + ("; run `dbt compile` first" if above.unread else "")
    return suspected, scored(code, None if is_open else share, evidence, columns=listed(suspected))
