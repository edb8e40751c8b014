"""What the role of a profile may do in its warehouse."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from sqlglot import exp

READ, WRITE, PUBLISH = "read", "write", "publish"


@dataclass(frozen=True)
class Right:
    """Whether a relation may be read, a schema written or published to; `lacks` says what is missing, None: nothing.

    `grants` are the statements that would give the role what it lacks.
    """

    kind: str
    of: str
    lacks: str | None = None
    grants: tuple[str, ...] = ()


def trial(database: str | None, schema: str, dialect: str, create_schema: bool) -> list[str]:
    """Write the statements that create, fill, read and drop a table of a new name in a schema."""
    table = exp.table_(f"mlbridge_{uuid4().hex}", db=schema, catalog=database, quoted=True)
    place = exp.table_("", db=schema, catalog=database, quoted=True)
    row = exp.select(exp.alias_(exp.Literal.number(1), "tried"))
    statements: list[exp.Expr] = [exp.Create(this=place, kind="SCHEMA")] if create_schema else []
    statements += [
        exp.Create(this=table, kind="TABLE", expression=row),
        exp.insert(row.copy(), table.copy()),
        exp.select("tried").from_(table.copy()),
        exp.Drop(tables=[table.copy()], kind="TABLE"),
    ]
    return [each.sql(dialect=dialect) for each in statements]
