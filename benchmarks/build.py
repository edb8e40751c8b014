"""What the branch adds to `dbt build`: seconds of the flights, and CPU seconds of models that have nothing to do.

The flights are built from nothing and once more; the same commands on the trunk alone, and a parse, are dbt's own share
of the second build. Then a host of 0, 1, 5 and 20 declared models (400 rows, a split by hash, one candidate) is built
until nothing is left to do, and the least CPU seconds of three further builds are taken. dbt's own share of those are
the builds of the same features without the package. CPU seconds, because other work on the machine does not change
them much. Run: .venv/bin/python benchmarks/build.py [flights | idle]
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests" / "helpers"))

from dbt_host import FLIGHTS, Host, small_host  # noqa: E402
from hosts import PREDICTIONS, TRAINING  # noqa: E402

DBT = Path(sys.executable).with_name("dbt")
MODELS = (0, 1, 5, 20)
REPEATS = 3
FEATURES = """
select
    i as customer_id,
    timestamp '2024-01-01' + interval (i) hour as at,
    (hash(i) % 1000) / 1000.0 as visits,
    (hash(i + 1000000) % 100) / 10.0 as age,
    case when i % 11 > 0 then (hash(i) % 1000) / 1000.0 + (hash(-i) % 1000) / 700.0 > 1.2 end as churned
from range(400) as t(i)
"""
SPEC = """models:
  - {{name: {name}_features, config: {{materialized: table}}}}
  - {{name: {name}_split, config: {{materialized: table}}}}
  - name: {name}_training
    config:
      materialized: mlbridge
      meta:
        mlbridge:
          {{task: classification, target: churned, entity: customer_id, time: at, split: {{by: hash}},
           candidates: [logistic_regression]}}
  - {{name: {name}_predictions, config: {{materialized: mlbridge}}}}
"""


class Used(NamedTuple):
    """What a process used: seconds by the clock, and CPU seconds of all its threads."""

    wall: float
    cpu: float


def dbt(project: Path, *args: str, environment: dict[str, str] | None = None) -> Used:
    """Run dbt in a project in a process of its own."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [DBT, *args, "--profiles-dir", project]
    given = {**os.environ, "DO_NOT_TRACK": "1", **(environment or {})}
    # The first build compiles what Python imports, as pip does when it installs, and the others find it.
    given.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run(command, cwd=project, env=given, check=True, capture_output=True)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - started
    return Used(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def flights() -> None:
    """Print seconds and shares of the flights."""
    subprocess.run([DBT, "deps", "--quiet"], cwd=FLIGHTS, check=True)
    with tempfile.TemporaryDirectory() as folder:

        def seconds(*args: str) -> float:
            environment = {"FLIGHTS_DUCKDB": f"{folder}/flights.duckdb"}
            return dbt(FLIGHTS, *args, "--target-path", f"{folder}/target", environment=environment).wall

        first, second, start = seconds("build"), seconds("build"), seconds("parse")
        trunk = seconds("build", "--exclude", "path:models/ml", "package:mlbridge")
    print(f"first build {first:.0f} s; second build {second:.0f} s ({second / first:.0%})")
    print(f"of the second, dbt's start takes {start:.0f} s ({start / second:.0%})")
    print(f"a build of the trunk alone takes {trunk:.0f} s ({trunk / second:.0%} of the second)")


def write_host(folder: Path, models: int, with_package: bool) -> Host:
    """Write a host with the features of so many models, and with the package their branch."""
    names = [f"model_{number}" for number in range(models)]
    host = small_host(folder, names)
    for name in names:
        nodes = {"features.sql": FEATURES}
        if with_package:
            nodes |= {
                "split.sql": f"{{{{ mlbridge.split(ref('{name}_features')) }}}}\n",
                "training.py": TRAINING.format(name=name),
                "predictions.py": PREDICTIONS.format(name=name),
            }
        host.write({f"models/{name}/{name}_{file}": text for file, text in nodes.items()})
        declared = SPEC.format(name=name)
        host.write({f"models/{name}/{name}.yml": declared if with_package else "".join(declared.splitlines(True)[:2])})
    if not with_package:
        (host.path / "packages.yml").unlink()
    return host


def idle_build(folder: Path, models: int, with_package: bool) -> Used:
    """Build a host until nothing is left to do, and then measure builds; gives the cheapest."""
    host = write_host(folder, models, with_package)
    if with_package:
        dbt(host.path, "deps")
    for _ in range(2):
        dbt(host.path, "build")
    return min((dbt(host.path, "build") for _ in range(REPEATS)), key=lambda used: used.cpu)


def idle() -> None:
    """Print what builds with nothing to do cost by the number of models, and what of it is dbt's own."""
    added = {}
    print("| idle models | dbt build | CPU | dbt's own, CPU | added, CPU |\n|---|---|---|---|---|")
    for models in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            branch = idle_build(Path(folder) / "branch", models, True)
            trunk = idle_build(Path(folder) / "trunk", models, False)
        added[models] = branch.cpu - trunk.cpu
        cells = [f"{each:.1f} s" for each in (branch.wall, branch.cpu, trunk.cpu, added[models])]
        print(f"| {models} | {' | '.join(cells)} |", flush=True)
    most = MODELS[-1]
    print(f"\nthe package adds {added[0]:.1f} CPU s, and each idle model {(added[most] - added[0]) / most:.2f} CPU s")


def main(measured: list[str]) -> None:
    """Measure both, or the one that is named."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for name, measure in {"flights": flights, "idle": idle}.items():
        if name in (measured or [name]):
            measure()


if __name__ == "__main__":
    main(sys.argv[1:])
