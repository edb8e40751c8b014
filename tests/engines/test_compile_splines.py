"""What splines take from numpy and scipy: the remainder, and the normal quantile beside it, at any number."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri
from sqlglot import exp

from mlbridge.compile.formulas.normal_quantile import LEAST, normal_quantile
from mlbridge.compile.formulas.remainders import wrapped
from mlbridge.compile.sql.assembly import Assembler
from mlbridge.compile.sql.columns import Raw
from mlbridge.compile.sql.dialects import dialect_of
from mlbridge.compile.sql.expressions import Node, ref


def computed(values: np.ndarray, node: Node) -> np.ndarray:
    """Give a node that is a function of the column `x`."""
    frame = pd.DataFrame({"x": values, "id": range(len(values))})
    query = Assembler(exp.to_table("t"), ["id"], dialect_of("duckdb"), ["found"]).select({"found": ref(node)})
    with duckdb.connect() as connection:
        connection.execute("set threads = 1")
        connection.register("t", frame)
        found = connection.execute(f"select found from ({query.sql('duckdb')}) order by id").fetchnumpy()
    return np.asarray(found["found"].filled(np.nan) if np.ma.isMaskedArray(found["found"]) else found["found"])


@pytest.mark.parametrize(("start", "period"), [(0.0, 24.0), (-0.3, 0.1), (1e3, 2 / 3), (5.0, 1e-20), (-1e10, 3e17)])
def test_the_remainder_is_numpys(start: float, period: float) -> None:
    rng = np.random.default_rng(0)
    far = rng.choice([-1, 1], 20_000) * rng.random(20_000) * 10.0 ** rng.uniform(-5, 44, 20_000)
    near = np.arange(-500, 500)
    whole = start + near * period
    values = np.concatenate(
        [start + far * period, whole, np.nextafter(whole, np.inf), np.nextafter(whole, -np.inf), [0.0, -0.0, start]]
    )
    node, _ = wrapped(Raw("x").source, start, period)
    assert np.array_equal(computed(values, node), start + (values - start) % period)


def test_the_remainder_says_where_it_is_not_exact() -> None:
    _, too_far = wrapped(Raw("x").source, 0.0, 1.0)
    values = np.array([2.0**150, -(2.0**150), 2.0**149, 1e300, np.inf])
    assert computed(values, too_far).tolist() == [True, True, False, True, False]


def test_the_normal_quantile_is_scipys() -> None:
    rng = np.random.default_rng(0)
    shares = np.concatenate(
        [rng.random(20_000), 10.0 ** rng.uniform(-13, -0.3, 20_000), 0.5 + rng.normal(size=5_000) / 1e9]
    )
    shares = np.concatenate([shares, 1 - shares, [0.5, LEAST, 1 - LEAST, np.exp(-2), 1 - np.exp(-2)]])
    assert np.array_equal(computed(shares, normal_quantile(Raw("x").source)), ndtri(shares))
