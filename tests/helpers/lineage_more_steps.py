"""More kinds of SELECTs: `using`, recursion, lists, structs, ASOF and semi joins, PIVOT as a statement."""

from __future__ import annotations

from lineage_steps import Steps
from lineage_words import Col, Query, changed, deciding

from mlbridge.lineage.graph import AGGREGATED, JOINED, TRANSFORMED


class MoreSteps(Steps):
    """Writes one SELECT."""

    def text(self, col: Col, of: str = "") -> str:
        """Write a column as a text."""
        return f"cast({self.ref(col, of)} as varchar)"

    def using(self, a: Query, b: Query) -> Query:
        """Join two tables by a column of the same name, which is one column then."""
        left, right, kind = self.one(a), self.one(b), self.rng.choice(("join", "left join", "right join", "full join"))
        key, key_col = self.fresh(frozenset())
        sides, extra = [], []
        for query, col in ((a, left), (b, right)):
            value = self.one(query)
            name, new = self.fresh(value.origins)
            sides.append(f"(select {self.text(col)} as {key}, {self.ref(value)} as {name} from {query.sql})")
            extra.append(new)
        chosen = {"right join": [right], "full join": [left, right]}.get(kind, [left])
        origins = frozenset().union(*(changed(col.origins, TRANSFORMED) for col in chosen))
        out = Col(key_col.name, key_col.quoted, origins)
        columns = "*" if self.rng.random() < 0.5 else ", ".join(self.ref(col) for col in (out, *extra))
        sql = f"select {columns} from {sides[0]} as l {kind} {sides[1]} as r using ({self.ref(out)})"
        return Query(sql, (out, *extra), a.rows | b.rows | deciding([left, right], JOINED))

    def recursive(self, a: Query) -> Query:
        """Swap two columns again and again."""
        one, two = self.one(a), self.one(a)
        both = changed(one.origins | two.origins, TRANSFORMED)
        (first, a_col), (second, b_col) = self.fresh(both), self.fresh(both)
        start = f"select {self.text(one)} as {first}, {self.text(two)} as {second} from {a.sql}"
        again = (
            f"select {self.ref(b_col, 'w')}, {self.ref(a_col, 'w')} from walk as w where {self.ref(a_col, 'w')} is null"
        )
        sql = f"select * from (with recursive walk as ({start} union all {again}) select * from walk) as s"
        return Query(sql, (a_col, b_col), a.rows | deciding([one, two]))

    def named(self, a: Query) -> Query:
        """Name the columns of a common table expression in front of it."""
        kept = self.some(a)
        names = [self.fresh(col.origins) for col in kept]
        chosen = ", ".join(map(self.ref, kept))
        head = f"with n_ ({', '.join(name for name, _ in names)}) as (select {chosen} from {a.sql})"
        return Query(f"{head} select n_.* from n_", tuple(col for _, col in names), a.rows)

    def distinct(self, a: Query) -> Query:
        """Keep one row of each key."""
        key, order, kept = self.one(a), self.one(a), self.some(a)
        chosen = ", ".join(map(self.ref, kept))
        sql = f"select distinct on ({self.ref(key)}) {chosen} from {a.sql} order by {self.ref(key)}, {self.ref(order)}"
        return Query(sql, tuple(kept), a.rows | deciding([key, order]))

    def unnested(self, a: Query) -> Query:
        """Make rows of a list of columns."""
        kept, one, two = self.one(a), self.one(a), self.one(a)
        name, col = self.fresh(changed(one.origins | two.origins, TRANSFORMED))
        values = f"{'array' if self.dialect == 'postgres' else ''}[{self.text(one, 't')}, {self.text(two, 't')}]"
        chosen = f"{self.ref(kept, 't')}, u.{self.ref(col)}"
        sql = f"select {chosen} from {a.sql} as t cross join unnest({values}) as u ({name})"
        return Query(sql, (kept, col), a.rows)

    def struct(self, a: Query) -> Query:
        """Put columns into a struct, and take one out."""
        one, two = self.one(a), self.one(a)
        name, col = self.fresh(one.origins)
        inner = f"select {{'f': {self.ref(one)}, 'g': {self.ref(two)}}} as s from {a.sql}"
        access = self.rng.choice(("t.s.f", "s.f", "s['f']", "struct_extract(s, 'f')"))
        return Query(f"select {access} as {name} from ({inner}) as t", (col,), a.rows)

    def pivot_statement(self, a: Query) -> Query:
        """Turn rows into columns by the statement."""
        if len(a.cols) < 3:
            return self.computed(a)
        key, on, value = self.rng.sample(a.cols, k=3)
        parts = ", ".join(self.ref(col) for col in (key, on, value))
        self.count += 1
        origins = changed(value.origins, AGGREGATED) | deciding([on])
        cols = [Col(f"{word}_m{self.count}", True, origins) for word in ("a", "b")]
        pivot = f"pivot p_ on {self.ref(on)} in ('a', 'b') using max({self.ref(value)}) as m{self.count}"
        sql = f"with p_ as (select {parts} from {a.sql}) select * from ({pivot} group by {self.ref(key)})"
        return Query(sql, (key, *cols), a.rows | deciding([key]))

    def grouped_by_all(self, a: Query) -> Query:
        """Aggregate by whatever else is selected."""
        key, value = self.one(a), self.one(a)
        (first, key_col), (second, col) = self.fresh(key.origins), self.fresh(changed(value.origins, AGGREGATED))
        sql = f"select {self.ref(key)} as {first}, max({self.ref(value)}) as {second} from {a.sql} group by all"
        return Query(sql, (key_col, col), a.rows | deciding([key]))

    def asof(self, a: Query, b: Query) -> Query:
        """Join the last row before each."""
        left, right, value = self.one(a), self.one(b), self.one(b)
        name, col = self.fresh(value.origins)
        kind = self.rng.choice(("asof join", "asof left join"))
        on = f"{self.text(left, 'l')} >= {self.text(right, 'r')}"
        chosen = f"l.*, {self.ref(value, 'r')} as {name}"
        sql = f"select {chosen} from {a.sql} as l {kind} {b.sql} as r on {on}"
        return Query(sql, (*a.cols, col), a.rows | b.rows | deciding([left, right], JOINED))

    def semi(self, a: Query, b: Query) -> Query:
        """Keep the rows that meet another, or those that meet none."""
        left, right, kind = self.one(a), self.one(b), self.rng.choice(("semi", "anti"))
        on = f"{self.text(left, 'l')} = {self.text(right, 'r')}"
        sql = f"select * from {a.sql} as l {kind} join {b.sql} as r on {on}"
        return Query(sql, a.cols, a.rows | b.rows | deciding([left, right], JOINED))
