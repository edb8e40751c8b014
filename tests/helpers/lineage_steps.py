"""SELECTs of every kind over one or two tables, each written together with what its columns come from."""

from __future__ import annotations

from lineage_words import NONE, Col, Origins, Query, Words, changed, deciding, together

from mlbridge.lineage.graph import AGGREGATED, COPIED, JOINED, TRANSFORMED


class Steps(Words):
    """Writes one SELECT."""

    def expression(self, cols: list[Col], of: str = "") -> tuple[str, Origins]:
        """Write an expression over columns."""
        refs = [self.ref(col, of) for col in cols]
        if len(cols) == 1:
            text, how = self.rng.choice(
                (
                    (refs[0], COPIED),
                    (f"({refs[0]})", COPIED),
                    (f"cast({refs[0]} as varchar)", TRANSFORMED),
                    (f"coalesce({refs[0]}, null)", TRANSFORMED),
                    (f"case when {refs[0]} is null then 1 else 2 end", TRANSFORMED),
                )
            )
            return text, cols[0].origins if how == COPIED else changed(cols[0].origins, how)
        text = self.rng.choice(("concat({})", "coalesce({})")).format(
            ", ".join(f"cast({ref} as varchar)" for ref in refs)
        )
        return text, changed(together(cols), TRANSFORMED)

    def computed(self, a: Query) -> Query:
        """Rename, compute, add constants, filter."""
        parts, cols = [], []
        for _ in range(self.rng.randint(2, 5)):
            text, origins = self.expression(self.some(a, 2))
            name, col = self.fresh(origins)
            parts.append(f"{text} as {name}")
            cols.append(col)
        name, col = self.fresh(NONE)
        where = self.one(a)
        sql = f"select {', '.join(parts)}, 1 as {name} from {a.sql} where {self.ref(where)} is not null"
        return Query(sql, (*cols, col), a.rows | deciding([where]))

    def star(self, a: Query) -> Query:
        """Take every column but one, and compute one anew."""
        gone = self.one(a)
        rest = [col for col in a.cols if col is not gone]
        if not rest:
            return self.computed(a)
        if self.dialect == "duckdb" and self.rng.random() < 0.5:
            other = self.rng.choice(rest)
            sql = (
                f"select * exclude ({self.ref(gone)}) replace (coalesce({self.ref(other)}, null) as {self.ref(other)})"
            )
            new = [
                Col(col.name, col.quoted, changed(col.origins, TRANSFORMED)) if col is other else col for col in rest
            ]
            return Query(f"{sql} from {a.sql}", tuple(new), a.rows)
        name, col = self.fresh(gone.origins)
        sql = f"select * exclude ({self.ref(gone)}), {self.ref(gone)} as {name} from {a.sql}"
        return Query(sql, (*rest, col), a.rows)

    def grouped(self, a: Query) -> Query:
        """Aggregate by a key."""
        key, value, other = self.one(a), self.one(a), self.one(a)
        how = self.rng.choice(("max({})", "count(distinct {})", "min(coalesce({}, null))"))
        named, key_col = self.fresh(key.origins)
        first, value_col = self.fresh(changed(value.origins, AGGREGATED))
        texts = [f"{self.ref(key)} as {named}", f"{how.format(self.ref(value))} as {first}"]
        cols = [key_col, value_col]
        if self.dialect != "snowflake":
            second, counted = self.fresh(changed(other.origins, AGGREGATED) | deciding([other]))
            texts.append(f"count(*) filter (where {self.ref(other)} is null) as {second}")
            cols.append(counted)
        by = self.rng.choice(("1", self.ref(key)))
        having = f" having count({self.ref(other)}) > 1" if self.rng.random() < 0.3 else ""
        rows = a.rows | deciding([key, other] if having else [key])
        return Query(f"select {', '.join(texts)} from {a.sql} group by {by}{having}", tuple(cols), rows)

    def windowed(self, a: Query) -> Query:
        """Aggregate over a window, and rank."""
        value, part, order = self.one(a), self.one(a), self.one(a)
        over = f"(partition by {self.ref(part)} order by {self.ref(order)})"
        first, col = self.fresh(changed(value.origins, AGGREGATED) | deciding([part, order]))
        second, rank = self.fresh(changed(order.origins, AGGREGATED) | deciding([part]))
        call = self.rng.choice(("max({})", "lag({})", "first_value({})")).format(self.ref(value))
        sql = f"select {self.ref(value)}, {call} over {over} as {first}, row_number() over w as {second} from {a.sql}"
        return (
            Query(f"{sql} window w as {over}", (value, col, rank), a.rows)
            if self.dialect != "snowflake"
            else Query(f"{sql.replace('over w', f'over {over}')}", (value, col, rank), a.rows)
        )

    def latest(self, a: Query) -> Query:
        """Keep the newest row of each key, by a rank in a subquery."""
        part, order, kept = self.one(a), self.one(a), self.some(a)
        inner = f"select t.*, row_number() over (partition by {self.ref(part)} order by {self.ref(order)}) as rn_"
        rn = "rn_" if self.dialect != "snowflake" else "RN_"
        chosen = ", ".join(self.ref(col, "ranked") for col in kept)
        rows = a.rows | deciding([part, order])
        return Query(f"select {chosen} from ({inner} from {a.sql} as t) as ranked where {rn} = 1", tuple(kept), rows)

    def qualified(self, a: Query) -> Query:
        """Keep the newest row of each key, by QUALIFY."""
        part, order, kept = self.one(a), self.one(a), self.some(a)
        sql = f"select {', '.join(map(self.ref, kept))} from {a.sql} qualify row_number() over"
        rows = a.rows | deciding([part, order])
        return Query(f"{sql} (partition by {self.ref(part)} order by {self.ref(order)} desc) = 1", tuple(kept), rows)

    def limited(self, a: Query) -> Query:
        """Keep the first rows."""
        order, kept = self.one(a), self.some(a)
        sql = f"select {', '.join(map(self.ref, kept))} from {a.sql} order by {self.ref(order)} limit 10"
        return Query(sql, tuple(kept), a.rows | deciding([order]))

    def nested(self, a: Query) -> Query:
        """Select from a subquery with a WITH of its own, whose name hides another."""
        inner = self.computed(a)
        kept = self.some(inner)
        chosen = ", ".join(self.ref(col, "s") for col in kept)
        sql = f"select {chosen} from (with step_0_ as ({inner.sql}) select * from step_0_) as s"
        return Query(sql, tuple(kept), inner.rows)

    def existing(self, a: Query) -> Query:
        """Keep rows for which the table has another one."""
        kept, key, other = self.some(a), self.one(a), self.one(a)
        where = f"{self.ref(key, 'x')} = {self.ref(key, 'o')} and {self.ref(other, 'x')} is null"
        inner = f"select 1 from {a.sql} as x where {where}"
        sql = f"select {', '.join(self.ref(col, 'o') for col in kept)} from {a.sql} as o where not exists ({inner})"
        return Query(sql, tuple(kept), a.rows | deciding([key, other]))

    def joined(self, a: Query, b: Query) -> Query:
        """Join two tables."""
        left, right, kind = self.one(a), self.one(b), self.rng.choice(("join", "left join", "full join"))
        parts, cols = [], []
        for query, of in ((a, "l"), (b, "R")):
            for col in self.some(query):
                name, new = self.fresh(col.origins)
                parts.append(f"{self.ref(col, of)} as {name}")
                cols.append(new)
        on = f"cast({self.ref(left, 'L')} as varchar) = cast({self.ref(right, 'r')} as varchar)"
        sql = f"select {', '.join(parts)} from {a.sql} as l {kind} {b.sql} as r on {on}"
        return Query(sql, tuple(cols), a.rows | b.rows | deciding([left, right], JOINED))

    def union(self, a: Query, b: Query) -> Query:
        """Put the rows of two tables below each other, by position."""
        lefts, rights = self.some(a), self.some(b)
        width = min(len(lefts), len(rights))
        names = [self.fresh(NONE) for _ in range(width)]
        texts = [
            ", ".join(
                f"cast({self.ref(col)} as varchar) as {name}" for col, (name, _) in zip(side, names, strict=False)
            )
            for side in (lefts, rights)
        ]
        cols = tuple(
            Col(new.name, new.quoted, changed(left.origins | right.origins, TRANSFORMED))
            for left, right, (_, new) in zip(lefts, rights, names, strict=False)
        )
        kind = self.rng.choice(("union all", "union"))
        return Query(f"select {texts[0]} from {a.sql} {kind} select {texts[1]} from {b.sql}", cols, a.rows | b.rows)

    def by_name(self, a: Query, b: Query) -> Query:
        """Put the rows of two tables below each other, by name, in another order."""
        made = self.union(a, b)
        query = (
            f"select * from ({made.sql}) as u union all by name select {self.ref(made.cols[0])} from ({made.sql}) as v"
        )
        return Query(query, made.cols, made.rows)

    def minus(self, a: Query, b: Query) -> Query:
        """Take rows away that another table has, or keep these only."""
        left, right = self.one(a), self.one(b)
        name, col = self.fresh(changed(left.origins, TRANSFORMED))
        kind = self.rng.choice(("except", "intersect"))
        sql = f"select cast({self.ref(left)} as varchar) as {name} from {a.sql} {kind}"
        rows = a.rows | b.rows | deciding([right])
        return Query(f"{sql} select cast({self.ref(right)} as varchar) from {b.sql}", (col,), rows)

    def scalar(self, a: Query, b: Query) -> Query:
        """Look a value up by a correlated subquery."""
        kept, key, other, value = self.some(a), self.one(a), self.one(b), self.one(b)
        on = f"cast({self.ref(other, 'i')} as varchar) = cast({self.ref(key, 'o')} as varchar)"
        name, col = self.fresh(changed(value.origins, AGGREGATED) | b.rows | deciding([key, other]))
        inner = f"(select max({self.ref(value, 'i')}) from {b.sql} as i where {on})"
        sql = f"select {', '.join(self.ref(col, 'o') for col in kept)}, {inner} as {name} from {a.sql} as o"
        return Query(sql, (*kept, col), a.rows)

    def within(self, a: Query, b: Query) -> Query:
        """Keep rows whose key another table has."""
        kept, key, other = self.some(a), self.one(a), self.one(b)
        inner = f"select cast({self.ref(other)} as varchar) from {b.sql}"
        sql = (
            f"select {', '.join(map(self.ref, kept))} from {a.sql} where cast({self.ref(key)} as varchar) in ({inner})"
        )
        return Query(sql, tuple(kept), a.rows | b.rows | deciding([key, other]))

    def lateral(self, a: Query, b: Query) -> Query:
        """Join what a subquery gives for each row."""
        kept, key, other, value = self.some(a), self.one(a), self.one(b), self.one(b)
        name, col = self.fresh(changed(value.origins, AGGREGATED))
        on = f"cast({self.ref(other, 'i')} as varchar) = cast({self.ref(key, 'o')} as varchar)"
        inner = f"(select max({self.ref(value, 'i')}) as {name} from {b.sql} as i where {on})"
        chosen = ", ".join([*(self.ref(each, "o") for each in kept), self.ref(col, "looked")])
        sql = f"select {chosen} from {a.sql} as o cross join lateral {inner} as looked"
        return Query(sql, (*kept, col), a.rows | b.rows | deciding([key, other]))

    def alias_used(self, a: Query) -> Query:
        """Use a name of the SELECT list further on in it."""
        text, origins = self.expression(self.some(a, 2))
        first, one = self.fresh(origins)
        second, two = self.fresh(changed(origins, TRANSFORMED))
        sql = f"select {text} as {first}, coalesce({self.ref(one)}, null) as {second} from {a.sql}"
        return Query(sql, (one, two), a.rows)

    def pivot(self, a: Query) -> Query:
        """Turn rows into columns."""
        if len(a.cols) < 3:
            return self.computed(a)
        key, on, value = self.rng.sample(a.cols, k=3)
        parts = ", ".join(self.ref(col) for col in (key, on, value))
        origins = changed(value.origins, AGGREGATED) | deciding([on])
        _, key_col = self.fresh(key.origins)
        made = [self.fresh(origins) for _ in range(2)]
        names = ", ".join([self.written(key_col), *(name for name, _ in made)])
        pivot = f"pivot (max({self.ref(value)}) for {self.ref(on)} in ('a', 'b')) as q ({names})"
        sql = f"select * from (select {parts} from {a.sql}) as p {pivot}"
        return Query(sql, (key_col, *(col for _, col in made)), a.rows | deciding([key]))

    def unpivot(self, a: Query) -> Query:
        """Turn columns into rows."""
        if len(a.cols) < 3:
            return self.computed(a)
        kept, one, two = self.rng.sample(a.cols, k=3)
        parts = ", ".join(
            [self.ref(kept), *(f"cast({self.ref(c)} as varchar) as {self.written(c)}" for c in (one, two))]
        )
        label, label_col = self.fresh(NONE)
        name, col = self.fresh(changed(one.origins | two.origins, TRANSFORMED))
        unpivot = f"unpivot ({name} for {label} in ({self.ref(one)}, {self.ref(two)}))"
        sql = f"select * from (select {parts} from {a.sql}) as p {unpivot}"
        return Query(sql, (kept, label_col, col), a.rows)
