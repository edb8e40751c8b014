"""Rows out of PostgreSQL and into it: as a training copies them, and as psycopg2's own cursor does it.

1 million rows of 25 columns: 10 whole numbers, 11 with decimals, 2 truth values and 2 texts of 30 values; a server of
its own, without fsync. `out` is the copy of the rows in DuckDB on which a training works, by hand a pandas frame of
`fetchall`; `in` is one transaction from an Arrow table, by hand `execute_values` with 1,000 rows a statement.
Run: PYTHONPATH=tests/helpers .venv/bin/python benchmarks/rows_by_copy.py [rows]
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable

import pandas as pd
import pyarrow as pa
from dbt.adapters.factory import FACTORY
from dbt.adapters.postgres.connections import PostgresCredentials
from postgres import Postgres, binaries
from psycopg2.extras import execute_values
from sqlglot import exp

from mlbridge.engines.opening import opened

COLUMNS = (
    *(f"(i * {each} % 100)::int as whole{each}" for each in range(1, 11)),
    *(f"(i * {each}::bigint % 1000003) / 997.0::float8 as number{each}" for each in range(11, 22)),
    *(f"i * {each} % 3 = 0 as truth{each}" for each in range(22, 24)),
    *(f"'text ' || i * {each} % 30 as text{each}" for each in range(24, 26)),
)
PLACE = ("postgres", "public", "many")
EMPTY = ("postgres", "public", "copied")


def timed(work: Callable[[], object]) -> float:
    """Give the seconds that some work takes."""
    start = time.monotonic()
    work()
    return time.monotonic() - start


def main(rows: int) -> None:
    """Print seconds and ratios."""
    programs = binaries()
    assert programs is not None, "install Debian's package `postgresql`"
    with Postgres(programs) as server, server.connection.cursor() as cursor:
        cursor.execute(
            f"create table many as select {', '.join(COLUMNS)} from generate_series(1, {rows}::bigint) t (i)"
        )
        cursor.execute("create table copied as select * from many limit 0")
        FACTORY.load_plugin("postgres")
        profile = {name: value for name, value in server.profile("public").items() if name not in ("type", "threads")}
        credentials = PostgresCredentials.from_dict({"database": profile.pop("dbname"), **profile})
        with opened(credentials) as warehouse:
            relation = warehouse.relation(PLACE)

            def out() -> None:
                with warehouse.at_hand(relation) as (here, copy):
                    assert here.row(exp.select("count(*) as n").from_(here.table(copy, "rows")))["n"] == rows

            def out_by_hand() -> None:
                cursor.execute("select * from many")
                pd.DataFrame(cursor.fetchall(), columns=[each[0] for each in cursor.description or []])

            table = pa.Table.from_batches(relation.to_arrow_reader(100_000))
            records = list(zip(*(column.to_pylist() for column in table.columns), strict=True))

            def in_() -> None:
                assert warehouse.append(credentials, EMPTY, table, exp.select("1"))

            def in_by_hand() -> None:
                execute_values(cursor, "insert into copied values %s", records, page_size=1_000)

            print(f"{platform.machine()}, {os.cpu_count()} cores, {rows:,} rows of {table.num_columns} columns")
            for way, ours, by_hand in (("out", out, out_by_hand), ("in", in_, in_by_hand)):
                seconds, others = timed(ours), timed(by_hand)
                print(f"{way}: {seconds:.1f} s, by hand {others:.1f} s, ratio {others / seconds:.1f}", flush=True)
                cursor.execute("truncate copied")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
