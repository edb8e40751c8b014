"""A sample of rows by the hash of their key: the same rows on every run, whatever the order in which they are read."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from mlbridge.engines.warehouse import column
from mlbridge.spec.specification import Spec

# A split by hash compares the MD5 of the entity by itself: without more, a sample would lie within one of its parts.
SALT = "ml_sample "


def low_hash(names: Iterable[str], share: float, salt: str = "") -> exp.Expression:
    """Return the condition that about a share of the rows meets: that the MD5 of some columns is low."""
    joined: exp.Expression = exp.Literal.string(salt)
    for name in names:
        text = exp.func("coalesce", exp.cast(column(name), "text"), exp.Literal.string(""))
        joined = exp.DPipe(this=joined, expression=text)
    first = exp.Substring(this=exp.MD5(this=joined), start=exp.Literal.number(1), length=exp.Literal.number(8))
    return exp.LT(this=first, expression=exp.Literal.string(f"{int(share * 2**32):08x}"))


def in_sample(spec: Spec, labelled: int) -> exp.Expression | None:
    """Return the condition of the rows that a training holds in memory; None where it holds all `labelled` rows."""
    wanted = spec.sample.rows
    if wanted is None or labelled <= wanted:
        return None
    key = spec.entity if spec.sample.by == "entity" else (*spec.entity, spec.time)
    return low_hash(key, wanted / labelled, SALT)
