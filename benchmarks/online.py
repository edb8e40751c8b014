"""How long the features of a key take from a published online table, beside other ways to keep them on one machine.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/online.py [--entities 1000000] [--features 20]

Each way holds the same rows: of each entity numbers and, of five columns, one of texts. `one key` asks for one key at a
time, in random order, `batch` for 10,000 at a time; a key has all features as Python values. Printed are the CPU
seconds that making it takes, the size of the files, the resident memory that opening and asking adds, the median and
the 99th percentile of the time of one key, and keys a second of CPU time in batches. Each way runs in a process of its
own. A Redis server is no part of this: what it adds to a dict is a round trip through a socket. Feast's SQLite store
keeps each value of a key in a row of its own; its layout is what is made and asked here, by sqlite3 itself.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb

VIEW = "model.host.customers"
BATCH, SINGLE, BATCHES = 10_000, 5_000, 10
Find = Callable[[Sequence[int]], list[Any]]


def columns_of(features: int) -> list[str]:
    """Name the features."""
    return [f"f{number}" for number in range(features)]


def filled(path: Path, entities: int, features: int) -> duckdb.DuckDBPyConnection:
    """Make the table that every way holds."""
    connection = duckdb.connect(str(path))
    values = [
        f"'text ' || hash(i + {number}) % 50 as {name}" if number % 5 == 4
        else f"(hash(i * {number + 3}) % 100000) / 7.0 as {name}"
        for number, name in enumerate(columns_of(features))
    ]  # fmt: skip
    connection.execute(
        f"create table customers as select i as customer, timestamp '2024-01-01' as seen_at, {', '.join(values)} "
        f"from range({entities}) as t(i)"
    )
    return connection


def made_by_mlbridge(connection: duckdb.DuckDBPyConnection, folder: Path, columns: Sequence[str]) -> None:
    """Publish it."""
    from mlbridge.publication.online import OnlineFeatures, View, publish_online

    database = connection.execute("select current_database()").fetchall()[0][0]
    view = View("customers", (database, "main", "customers"), ["customer"], "seen_at", None)
    wanted = OnlineFeatures(VIEW, {"customer": "customer"}, {name: name for name in columns})
    publish_online(connection, {VIEW: view}, {"model": [wanted]}, folder, None)


def asked_of_mlbridge(folder: Path, columns: Sequence[str]) -> Find:
    """Look keys up as the server does."""
    from mlbridge.publication.online import file_of, key_text, read_index
    from mlbridge.serving.online import OnlineTable

    table = OnlineTable(file_of(folder, VIEW), read_index(folder)[0][VIEW])
    return lambda keys: table.rows([key_text([str(key)]) for key in keys], columns)


def made_by_arrow(connection: duckdb.DuckDBPyConnection, folder: Path, columns: Sequence[str]) -> None:
    """Write a file of Arrow in the order of the keys."""
    import pyarrow as pa

    rows = connection.sql(f"select customer, {', '.join(columns)} from customers order by customer")
    reader = rows.to_arrow_reader(131_072)
    with pa.OSFile(str(folder / "online.arrow"), "wb") as sink, pa.ipc.new_file(sink, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


def asked_of_arrow(folder: Path, columns: Sequence[str]) -> Find:
    """Map the file into memory, search the keys by halves, and take the rows of each piece at once."""
    import numpy as np
    import pyarrow as pa

    file = pa.ipc.open_file(pa.memory_map(str(folder / "online.arrow")))
    pieces = [file.get_batch(number) for number in range(file.num_record_batches)]
    keys_of = [piece.column("customer").to_numpy() for piece in pieces]
    first = np.array([each[0] for each in keys_of])

    def find(keys: Sequence[int]) -> list[Any]:
        asked = np.array(keys)
        where = np.searchsorted(first, asked, side="right") - 1
        found: list[Any] = [None] * len(keys)
        for piece in np.unique(where).tolist():
            numbers = np.flatnonzero(where == piece)
            places = pa.array(np.searchsorted(keys_of[piece], asked[numbers]))
            taken = [pieces[piece].column(name).take(places).to_pylist() for name in columns]
            for number, values in zip(numbers.tolist(), zip(*taken, strict=True), strict=True):
                found[number] = values
        return found

    return find


def made_by_feast(connection: duckdb.DuckDBPyConnection, folder: Path, columns: Sequence[str]) -> None:
    """As feast/infra/online_stores/sqlite.py: a row of each entity and feature, its value in bytes, and an index."""
    with sqlite3.connect(folder / "feast.sqlite") as file:
        file.execute(
            "create table online (entity_key blob, feature_name text, value blob, event_ts timestamp, "
            "created_ts timestamp, primary key (entity_key, feature_name))"
        )
        file.execute("create index online_ek on online (entity_key)")
        rows = connection.execute(f"select customer, {', '.join(columns)} from customers")
        while some := rows.fetchmany(10_000):
            file.executemany(
                "insert into online values (?, ?, ?, '2024-01-01', null)",
                (
                    (key.to_bytes(8, "little"), name, json.dumps(value).encode())
                    for key, *values in some
                    for name, value in zip(columns, values, strict=True)
                ),
            )


def asked_of_feast(folder: Path, columns: Sequence[str]) -> Find:
    """Ask for keys and fold their rows, as Feast does."""
    file = sqlite3.connect(f"file:{folder / 'feast.sqlite'}?mode=ro", uri=True)

    def find(keys: Sequence[int]) -> list[Any]:
        found = []
        for start in range(0, len(keys), 500):
            some = [key.to_bytes(8, "little") for key in keys[start : start + 500]]
            marks = ", ".join("?" * len(some))
            query = f"select entity_key, feature_name, value from online where entity_key in ({marks})"
            rows: dict[bytes, dict[str, Any]] = {key: {} for key in some}
            for key, name, value in file.execute(query, some):
                rows[key][name] = json.loads(value)
            found += [rows[key] for key in some]
        return found

    return find


def made_by_duckdb(connection: duckdb.DuckDBPyConnection, folder: Path, columns: Sequence[str]) -> None:
    """Write a database file with an index."""
    connection.execute(f"attach '{folder / 'online.duckdb'}' as online (read_write)")
    connection.execute(f"create table online.customers as select customer, {', '.join(columns)} from customers")
    connection.execute("create unique index by_customer on online.customers (customer)")
    connection.execute("detach online")


def asked_of_duckdb(folder: Path, columns: Sequence[str]) -> Find:
    """Ask for a key by the index, and for many by a join."""
    file = duckdb.connect(str(folder / "online.duckdb"), read_only=True, config={"threads": 1})
    listed = ", ".join(columns)

    def find(keys: Sequence[int]) -> list[Any]:
        if len(keys) == 1:
            return file.execute(f"select {listed} from customers where customer = ?", list(keys)).fetchall()
        query = f"select {listed} from customers join (select unnest(?) as customer) as asked using (customer)"
        return file.execute(query, [list(keys)]).fetchall()

    return find


def made_by_dict(connection: duckdb.DuckDBPyConnection, folder: Path, columns: Sequence[str]) -> None:
    """Write a file to be read whole."""
    connection.execute(f"copy customers to '{folder / 'online.parquet'}'")


def asked_of_dict(folder: Path, columns: Sequence[str]) -> Find:
    """A dict of tuples, which each process holds whole."""
    rows = duckdb.execute(f"select customer, {', '.join(columns)} from '{folder / 'online.parquet'}'").fetchall()
    held = {key: values for key, *values in rows}
    del rows
    return lambda keys: [held.get(key) for key in keys]


WAYS = {
    "mlbridge (SQLite)": (made_by_mlbridge, asked_of_mlbridge),
    "Arrow, mapped into memory": (made_by_arrow, asked_of_arrow),
    "SQLite as Feast lays it out": (made_by_feast, asked_of_feast),
    "DuckDB with an index": (made_by_duckdb, asked_of_duckdb),
    "a dict in memory": (made_by_dict, asked_of_dict),
}


def measured(way: str, source: Path, folder: Path, entities: int, features: int) -> dict[str, float]:
    """Make a way and ask it, in this process."""
    make, _ = WAYS[way]
    columns = columns_of(features)
    before = time.process_time()
    with duckdb.connect(str(source), read_only=True) as connection:
        make(connection, folder, columns)
    made = time.process_time() - before
    size = sum(each.stat().st_size for each in folder.iterdir())
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return {"made": made, "size": size, **pool.apply(asked, (way, folder, entities, features))}


def asked(way: str, folder: Path, entities: int, features: int) -> dict[str, float]:
    """Ask one way in a fresh process."""
    columns, rng = columns_of(features), random.Random(0)
    import pyarrow as pa  # noqa: F401 - so that the memory is that of the data

    import mlbridge.serving.online  # noqa: F401 - as above

    resting = resident()
    find = WAYS[way][1](folder, columns)
    find([1])
    keys = [rng.randrange(entities) for _ in range(SINGLE + BATCH * BATCHES)]
    seconds = []
    for key in keys[:SINGLE]:
        began = time.perf_counter()
        (found,) = find([key])
        seconds.append(time.perf_counter() - began)
        assert found is not None
    batches = [keys[SINGLE + BATCH * number : SINGLE + BATCH * (number + 1)] for number in range(BATCHES)]
    began = time.process_time()
    for batch in batches:
        assert len(find(batch)) >= len(set(batch))
    spent = time.process_time() - began
    seconds.sort()
    return {
        "memory": resident() - resting,
        "p50": seconds[len(seconds) // 2],
        "p99": seconds[len(seconds) * 99 // 100],
        "keys": BATCH * BATCHES / spent,
    }


def resident() -> int:
    """Return the memory that this process has now, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entities", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=20)
    parser.add_argument("--ways", nargs="*", default=list(WAYS))
    options = parser.parse_args()
    print(f"{options.entities:,} entities x {options.features} features")
    print("| | made: CPU | files | memory | one key: p50, p99 | batches: keys a CPU second |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "warehouse.duckdb"
        filled(source, options.entities, options.features).close()
        for way in options.ways:
            folder = Path(name) / way.replace(" ", "_")
            folder.mkdir()
            found = measured(way, source, folder, options.entities, options.features)
            print(
                f"| {way} | {found['made']:.1f} s | {found['size'] / 2**20:.0f} MiB "
                f"| {found['memory'] / 2**20:.0f} MiB | {found['p50'] * 1e3:.3f} ms, {found['p99'] * 1e3:.3f} ms "
                f"| {found['keys']:,.0f} |"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
