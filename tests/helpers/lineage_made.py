"""Projects of random SQL whose lineage is known, because each clause is written together with its edges."""

from __future__ import annotations

from dataclasses import dataclass

from lineage_more_steps import MoreSteps
from lineage_words import Col, Query

from mlbridge.lineage.graph import COPIED, EVERY, TRANSFORMED, Lineage, Relation

DIALECTS = ("duckdb", "postgres", "snowflake")
# Node, column, the node and the column that it comes from, and how.
Edge = tuple[str, str, str, str, str]


@dataclass(frozen=True)
class Made:
    """A project: its relations, and every edge."""

    relations: tuple[Relation, ...]
    edges: frozenset[Edge]
    dialect: str


def found_edges(lineage: Lineage, dialect: str) -> set[Edge]:
    """Give what was traced in the form of the truth. DuckDB does not tell names by case."""
    return {
        _folded((each.node, each.column, each.from_node, each.from_column, each.how), dialect) for each in lineage.edges
    }


def _folded(edge: Edge, dialect: str) -> Edge:
    node, column, parent, origin, how = edge
    return (node, column.lower(), parent, origin.lower(), how) if dialect == "duckdb" else edge


class Maker(MoreSteps):
    """Writes one project."""

    def project(self, models: int, sources: int = 3, more: int = 0) -> Made:
        """Write sources, with `more` columns than six, and models, each of which reads one to three earlier nodes."""
        relations, edges, nodes = [], set(), []
        for index in range(sources):
            id_ = f"source.made.raw.s{index}"
            texts = ("id", "kind", "amount", "moment", f"extra_{index}", "Mixed Case")
            cols = tuple(self.col(text, id_) for text in (*texts, *(f"more_{number}" for number in range(more))))
            nodes.append((id_, Query(self.place(f"s{index}"), cols)))
            relations.append(Relation(id_, ("db", "main", f"s{index}"), None, {col.name: "" for col in cols}))
        for index in range(models):
            id_ = f"model.made.m{index}"
            parents = self.rng.sample(nodes[-12:], k=min(len(nodes), self.rng.randint(1, 3)))
            query = self.node([parent for _, parent in parents])
            named = {col.name: "" for col in query.cols} if self.rng.random() < 0.5 else {}
            ids = tuple(parent for parent, _ in parents)
            relations.append(Relation(id_, ("db", "main", f"m{index}"), query.sql, named, ids))
            pairs = [(col.name, col.origins) for col in query.cols] + [(EVERY, query.rows)]
            for name, origins in pairs:
                values = {(node, column) for node, column, how in origins if how == TRANSFORMED}
                for node, column, how in origins:
                    if how != COPIED or (node, column) not in values:
                        edges.add(_folded((id_, name, node, column, how), self.dialect))
            cols = tuple(Col(col.name, col.quoted, frozenset({(id_, col.name, COPIED)})) for col in query.cols)
            nodes.append((id_, Query(self.place(f"m{index}"), cols)))
        return Made(tuple(relations), frozenset(edges), self.dialect)

    def node(self, tables: list[Query]) -> Query:
        """Write the SQL of a model: common table expressions over each other, the last of which is selected from."""
        pool, ctes = list(tables), []
        waiting = list(tables)
        for index in range(self.rng.randint(2, 5)):
            first = waiting.pop() if waiting else self.rng.choice(pool)
            query = self.step(first, self.rng.choice(pool))
            name = f"step_{index}"
            ctes.append(f"{name} as (\n{query.sql}\n)")
            pool.append(Query(self.rng.choice((name, name.upper())), query.cols, query.rows))
        last = pool[-1]
        if self.rng.random() < 0.5:
            return Query(f"with {', '.join(ctes)}\nselect * from {last.sql}", last.cols, last.rows)
        query = self.step(last, self.rng.choice(pool))
        final = f"select * from ({query.sql}) as z" if query.sql.startswith("with") else query.sql
        return Query(f"with {', '.join(ctes)}\n{final}", query.cols, query.rows)

    def step(self, a: Query, b: Query) -> Query:
        """Write one SELECT over one or two tables."""
        one = [self.computed, self.grouped, self.windowed, self.latest, self.limited, self.nested, self.existing]
        one += [self.recursive, self.named]
        two = [self.joined, self.union, self.minus, self.scalar, self.within, self.using]
        if self.dialect != "postgres":
            one += [self.star, self.qualified, self.pivot, self.unpivot, self.alias_used]
        if self.dialect == "duckdb":
            one += [self.struct, self.pivot_statement, self.grouped_by_all]
            two += [self.by_name, self.asof, self.semi]
        if self.dialect != "snowflake":
            one += [self.unnested, self.distinct]
            two += [self.lateral]
        kind = self.rng.choice(one + two)
        return kind(a) if kind in one else kind(a, b)  # type: ignore[operator, call-arg]
