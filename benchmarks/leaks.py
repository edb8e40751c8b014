"""How often honest features are taken for leaks, and how often planted leaks are found, in worlds that are known.

The worlds are those of `tests/helpers/leaky.py`: 400 to 6,000 rows, two and three classes, numbers, split by time and
by hash; in honest ones one feature dominates (AUC or squared correlation 0.7 to 0.97), in half of them new since the
champion, and in others the target determines a feature. Then both models of the flights, where the host has been
built, as they are and with columns that are known only afterwards.
In between, features over a table of trips, judged by their SQL and by an oracle (`tests/helpers/timed_features.py`).
Run: .venv/bin/python benchmarks/leaks.py [honest worlds, 200] [worlds of each leak, 30]
"""

from __future__ import annotations

import logging
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests" / "helpers"))

from leaky import HONEST, LEAKS, NEW, TASKS, World, look, search, world  # noqa: E402
from timed_features import BY_HAND, Trips, generated  # noqa: E402

from mlbridge.engines.warehouse import Warehouse  # noqa: E402
from mlbridge.errors import SplitError  # noqa: E402
from mlbridge.leaks.catalogue import NONE, WITHHOLD  # noqa: E402
from mlbridge.nodes.training_rows import gather  # noqa: E402
from mlbridge.spec.reading import read_spec  # noqa: E402

# Other seeds than those on which the levels of suspicion were settled.
FRESH = 50_000
SIZES = (400, 1000, 3000, 6000)
FLIGHTS = ROOT / "dbt_project"
AFTERWARDS = {
    "arr_delay": "flights.arrival_delay",
    "arr_time": "hour(flights.arrived_at) * 100 + minute(flights.arrived_at)",
    "air_time": "flights.air_time",
    "dep_delay": "flights.departure_delay",
    "dep_time": "hour(flights.departed_at) * 100 + minute(flights.departed_at)",
}


def searched(worlds: int, draw: Callable[[int], tuple[World, tuple[str, ...]]]) -> Iterator[tuple[int, World, Any]]:
    """Give seed, world and what is found for so many seeds; those whose world is too small to train on are left out."""
    made = 0
    for seed in count():
        if made == worlds:
            return
        drawn, new = draw(seed)
        try:
            found = search(drawn, new)
        except SplitError:
            continue
        made += 1
        yield seed, drawn, found


def honest(worlds: int) -> None:
    """Count the honest worlds in which a feature is accused."""
    accused: Counter[str] = Counter()
    features = 0

    def draw(seed: int) -> tuple[World, tuple[str, ...]]:
        strength = (0.7, 0.8, 0.9, 0.95, 0.97)[seed % 5]
        made = world(FRESH + seed, TASKS[seed % 3], SIZES[seed // 6 % 4], strength, ("time", "hash")[seed // 3 % 2])
        return made, ("dominant",) if seed % 2 else ()

    for seed, _, found in searched(worlds, draw):
        features += len({each.feature for each in found})
        for each in found:
            if each.level != NONE:
                accused[each.level] += 1
                print(f"  accused: seed {seed}: {each.check}, {each.sentence}")
    bound = 1 - 0.05 ** (1 / worlds)
    print(
        f"honest: {worlds} worlds, {features:,} features; accused {dict(accused) or 'none'}; "
        f"without one, at most {100 * bound:.1f} % of worlds (95 %)\n"
    )


def determined(worlds: int) -> None:
    """Count the worlds in which an honest feature is accused that the target determines, or nearly, by kind."""
    for kind, make in HONEST.items():
        levels: Counter[str] = Counter()

        def draw(seed: int, make: Any = make) -> tuple[World, tuple[str, ...]]:
            return make(world(FRESH + seed, TASKS[2], SIZES[1 + seed % 3], by=("time", "hash")[seed % 2])), ()

        for _, _, found in searched(worlds, draw):
            levels.update({each.level for each in found if each.feature == NEW and each.level != NONE})
        print(f"honest, {kind}: accused in {dict(levels) or 'none'} of {worlds} worlds", flush=True)
    print()


def planted(worlds: int) -> None:
    """Print how many planted leaks are found, by kind and task."""
    print("| leak | " + " | ".join(TASKS) + " |\n|---|" + "---|" * len(TASKS))
    for kind, (plant, _, by) in LEAKS.items():
        cells = []
        for task in TASKS:
            levels: Counter[str] = Counter()

            def draw(seed: int, plant: Any = plant, task: str = task, by: str = by) -> tuple[World, tuple[str, ...]]:
                return plant(world(FRESH + seed, task, SIZES[1 + seed % 3], 0.75, by)), ()

            for _, made, suspicions in searched(worlds, draw):
                found = [each for each in suspicions if each.level != NONE]
                named = [each for each in found if each.feature in made.new]
                levels["withheld"] += any(each.level == WITHHOLD for each in named)
                levels["found"] += bool(named)
                levels["innocent"] += any(each.feature not in made.new for each in found)
            more = f", {levels['found'] - levels['withheld']} warned" if levels["found"] > levels["withheld"] else ""
            wrong = f", {levels['innocent']} innocent" if levels["innocent"] else ""
            cells.append(f"{levels['withheld']} of {worlds}{more}{wrong}")
        print(f"| {kind} | " + " | ".join(cells) + " |", flush=True)
    print()


def flights() -> None:
    """Print what is found on the flights."""
    file = FLIGHTS / "flights.duckdb"
    if not file.exists():
        print("The flights are not built; run `make demo`.")
        return
    columns = "".join(f", {sql} as {name}" for name, sql in AFTERWARDS.items())
    for model in ("late_arrival", "arrival_delay"):
        declared = yaml.safe_load((FLIGHTS / f"models/ml/{model}/_{model}.yml").read_text())["models"]
        (node,) = (each for each in declared if each["name"] == f"{model}_training")
        spec = read_spec(node["name"], node["config"]["meta"]["mlbridge"], None)
        for planted_too in (False, True):
            with duckdb.connect(str(file), read_only=True) as connection:
                rows = connection.sql(
                    f"select split.*{columns if planted_too else ''} "
                    f"from {model}_split as split inner join flights using (flight_id)"
                )
                training = gather(node["name"], Warehouse(connection), rows, spec, {}, [])
                started = time.perf_counter()
                found = look(training)
            seconds = time.perf_counter() - started
            features = {each.feature for each in found}
            print(f"{model}: {len(features)} features, {seconds:.1f} s with the fit of one model")
            for each in found:
                if each.level != NONE:
                    print(f"  {each.level}: {each.check}, {each.sentence}")
        missed = set(AFTERWARDS) - {each.feature for each in found if each.level != NONE}
        print(f"  not found: {', '.join(sorted(missed)) or 'none'}\n")


def by_lineage(seeds: int) -> None:
    """Print how generated features are judged by their SQL, and whether they change with what is known only later."""
    counts: Counter[tuple[bool, str]] = Counter()
    for seed in range(seeds):
        trips = Trips.drawn(FRESH + seed)
        for _, sql in (*BY_HAND.items(), *generated()):
            counts[trips.leaks(sql), trips.looked(sql).level] += 1
        trips.connection.close()
    for leaks, what in ((True, "leaks"), (False, "honest")):
        levels = {level: count for (kind, level), count in sorted(counts.items()) if kind == leaks}
        print(f"by lineage, {seeds} tables of trips: {sum(levels.values())} {what}: {levels}")
    print()


def main() -> None:
    """Print all."""
    logging.disable(logging.INFO)
    worlds, each = (int(word) for word in [*sys.argv[1:], *("200", "30")[len(sys.argv) - 1 :]])
    print(f"Python {platform.python_version()}, {platform.machine()}\n", flush=True)
    honest(worlds)
    determined(each)
    planted(each)
    by_lineage(5)
    flights()


if __name__ == "__main__":
    main()
