"""CPU seconds, seconds and memory of a point-in-time join: rows with the newest of ten times as many.

Two Parquet files of 100,000 entities over a year become a third, in a process of its own each. Ours: the SELECT of
`mlbridge.point_in_time` in DuckDB with two threads and a memory limit of 1 GB, and `small` with one of 256 MB, where it
sorts on the disk. By hand: `merge_asof` of pandas, and `join_asof` of polars; both are given sorted rows, which they
need. `feast` is its retrieval of historical features from an offline store of DuckDB; it is installed into an
environment that is thrown away. All results are compared row by row.
Run: .venv/bin/python benchmarks/point_in_time.py [millions of rows]
"""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

YEAR, ENTITIES = 31_536_000, 100_000
WAYS = ("mlbridge", "small", "pandas", "polars", "feast")
NEWEST = {"left_on": "due", "right_on": "seen", "by": "gate"}


def make(folder: Path, rows: int) -> None:
    """Write the spine and the view; no two rows of the view have one entity and moment."""
    some = f"(hash(i * 3) % {ENTITIES})::bigint as gate"
    moment = f"timestamp '2024-01-01' + to_microseconds((hash(i * 7) % {YEAR})::bigint * 1000000 + i)"
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(
            f"copy (select i as row_id, {some}, {moment} as due from range({rows}) as t(i)) "
            f"to '{folder / 'spine.parquet'}' (format parquet)"
        )
        connection.execute(
            f"copy (select {some.replace('i * 3', 'i * 5')}, {moment.replace('i * 7', 'i * 11')} as seen, "
            f"random() as wind, random() as sky from range({10 * rows}) as t(i)) "
            f"to '{folder / 'weather.parquet'}' (format parquet)"
        )


def mlbridge(folder: Path, out: Path, memory: str = "1GB") -> None:
    """Join in DuckDB."""
    sql = (folder / "joined.sql").read_text()
    with duckdb.connect(config={"threads": 2, "memory_limit": memory, "temp_directory": str(folder)}) as connection:
        for name in ("spine", "weather"):
            connection.execute(f"create view {name} as from '{folder / name}.parquet'")
        connection.execute("set preserve_insertion_order = false")
        connection.execute(f"copy ({sql}) to '{out}' (format parquet)")


def small(folder: Path, out: Path) -> None:
    """Join in DuckDB with little memory."""
    mlbridge(folder, out, "256MB")


def pandas(folder: Path, out: Path) -> None:
    """Join in pandas."""
    import pandas as pd

    spine, weather = (pd.read_parquet(folder / f"{name}.parquet") for name in ("spine", "weather"))
    joined = pd.merge_asof(spine.sort_values("due"), weather.sort_values("seen"), **NEWEST)
    joined.drop(columns="seen").to_parquet(out)


def polars(folder: Path, out: Path) -> None:
    """Join in polars."""
    import polars as pl

    spine, weather = (pl.read_parquet(folder / f"{name}.parquet") for name in ("spine", "weather"))
    spine.sort("due").join_asof(weather.sort("seen"), **NEWEST, check_sortedness=False).drop("seen").write_parquet(out)


def installed_feast(folder: Path) -> Path:
    """Install Feast into an environment of its own; returns its Python."""
    uv, python = Path(sys.executable).with_name("uv"), folder / "environment" / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder / "environment"], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "feast[duckdb]"], check=True)
    return python


def main() -> None:
    """Measure each way in a process of its own, compare, and print."""
    if len(sys.argv) > 2:
        way, folder = sys.argv[1], Path(sys.argv[2])
        globals()[way](folder, folder / f"{way}.parquet")
        return
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "tests" / each) for each in ("helpers", "engines")]
    from test_feature_views import written

    rows = int(float(sys.argv[1] if len(sys.argv) > 1 else 1) * 1_000_000)
    print(f"{platform.machine()}, Python {platform.python_version()}, {rows:,} rows of {10 * rows:,}", flush=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make(folder, rows)
        asked = [{"columns": ["wind", "sky"], "entity": {}}]
        (folder / "joined.sql").write_text(written("duckdb", asked, {"entity": ["gate"], "time": "seen"}))
        (folder / "as_feast.py").write_text(FEAST)
        python = installed_feast(folder)
        print(f"{'':12}{'CPU s':>8}{'s':>8}{'peak MiB':>10}")
        for way in WAYS:
            started = time.perf_counter()
            timed = [sys.executable, __file__, way, place]
            if way == "feast":
                timed = [str(python), "-W", "ignore", str(folder / "as_feast.py"), place]
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, "-c", PEAK, *timed], check=True)
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
            peak = int((folder / "peak").read_text()) / 1024
            print(f"{way:12}{cpu:8.1f}{time.perf_counter() - started:8.1f}{peak:10,.0f}", flush=True)
        for way in WAYS[1:]:
            ((different,),) = duckdb.sql(
                f"select count(*) from (from '{folder}/mlbridge.parquet') as a full join '{folder}/{way}.parquet' as b "
                "on a.row_id = b.row_id where a.wind is distinct from b.wind or a.sky is distinct from b.sky"
            ).fetchall()
            print(f"rows that differ from {way}: {different}")


FEAST = """
import datetime, pathlib, sys
import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64
folder = pathlib.Path(sys.argv[1])
store = FeatureStore(config=RepoConfig(
    project="taxis", provider="local", registry=str(folder / "registry.db"), offline_store={"type": "duckdb"},
    online_store={"type": "sqlite", "path": str(folder / "online.db")}, entity_key_serialization_version=3,
))
gate = Entity(name="gate", join_keys=["gate"], value_type=ValueType.INT64)
weather = FeatureView(
    name="weather", entities=[gate], ttl=datetime.timedelta(0),
    schema=[Field(name="wind", dtype=Float64), Field(name="sky", dtype=Float64)],
    source=FileSource(path=str(folder / "weather.parquet"), timestamp_field="seen"),
)
store.apply([gate, weather])
spine = pd.read_parquet(folder / "spine.parquet").rename(columns={"due": "event_timestamp"})
spine["event_timestamp"] = spine["event_timestamp"].dt.tz_localize("UTC")
found = store.get_historical_features(entity_df=spine, features=["weather:wind", "weather:sky"]).to_df()
found.to_parquet(folder / "feast.parquet")
"""
PEAK = """
import os, pathlib, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, used = os.wait4(process.pid, 0)
pathlib.Path(sys.argv[-1], "peak").write_text(str(used.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
"""

if __name__ == "__main__":
    main()
