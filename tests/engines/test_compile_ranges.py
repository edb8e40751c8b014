"""What an expression is said to be holds for what the engine makes of it."""

from __future__ import annotations

import math

import duckdb
import numpy as np
import pytest
from sqlglot import exp

from mlbridge.compile.formulas.functions import FUNCTIONS, clipped, hyperbolic_tangent
from mlbridge.compile.formulas.links import raised
from mlbridge.compile.sql.assembly import Assembler
from mlbridge.compile.sql.dialects import DIALECTS
from mlbridge.compile.sql.expressions import Named, Source, add, case, divide, double, multiply, ref, subtract
from mlbridge.compile.sql.number import Number, computed
from mlbridge.compile.sql.ranges import GREATEST, Range

ENDS = [(-2.0, 3.0), (0.0, 1.0), (1e-300, 1e300), (-GREATEST, GREATEST), (-math.inf, math.inf), (2.0, 2.0), (-1.0, 0.0)]
EXPRESSIONS = {
    **{each.__name__: each_formula for each, each_formula in FUNCTIONS.items()},
    "tanh": hyperbolic_tangent,
    "raised": raised,
    "clipped": lambda value: clipped(value, -1.0, 2.0),
    "cube": lambda value: multiply(multiply(value, value.copy()), value.copy()),
    "itself away": lambda value: subtract(value, multiply(value.copy(), double(3))),
    "over one more": lambda value: divide(value, add(exp.Abs(this=value.copy()), double(1))),
    "known part": lambda value: case(
        [(exp.GT(this=value, expression=double(1)), exp.Ln(this=value.copy()))], double(7)
    ),
}


def values(ends: tuple[float, float]) -> list[float]:
    low, high = ends
    inner = [0.0, -0.0, 1e-20, -1e-20, 0.5, -0.5, -1.0, 1.5, 40.0, -45.0, 709.7, -800.0, 1e155, -1e200]
    return sorted({low, high, *(each for each in inner if low <= each <= high)})


@pytest.mark.parametrize("ends", ENDS, ids=str)
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_every_value_is_within_the_range(name: str, ends: tuple[float, float]) -> None:
    node = Named("x", ref(Source("x")))
    number = computed("y", EXPRESSIONS[name](ref(node)), [Number(node, Range(*ends))])
    outputs = {"y": ref(number.node)}
    sql = Assembler(exp.to_table("t"), [], DIALECTS["duckdb"], outputs).select(outputs).sql(dialect="duckdb")
    with duckdb.connect() as connection:
        connection.execute("create table t (x double)")
        connection.executemany("insert into t values (?)", [[each] for each in values(ends)])
        found = [row[0] for row in connection.execute(sql).fetchall()]
    known = np.array([each for each in found if each is not None])
    assert not np.isnan(known).any()
    assert number.missing or len(known) == len(found)
    # An engine's logarithm or power may be the double beside that of numpy.
    for each in known:
        assert each >= number.range.low or math.isclose(each, number.range.low, rel_tol=1e-14)
        assert each <= number.range.high or math.isclose(each, number.range.high, rel_tol=1e-14)
