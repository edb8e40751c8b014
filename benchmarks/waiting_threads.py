"""One gradient boosting, with OpenMP's threads spinning for a while (its default) and sleeping while they wait.

Alone, beside a process that keeps one core busy, and beside another such fit; three times each, because what spinning
costs beside other work is a matter of luck: the median and the worst are printed.
Run: .venv/bin/python benchmarks/waiting_threads.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

FIT = """
import time
import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
rng = np.random.default_rng(0)
features = rng.normal(size=(230_000, 25)).astype(np.float32)
target = features[:, 0] + rng.normal(size=230_000)
started = time.perf_counter()
HistGradientBoostingRegressor(early_stopping=False).fit(features, target)
print(time.perf_counter() - started)
"""


BUSY = "while True: pass"
REPEATS = 3


def start(code: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    """Run Python code in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)


def seconds(policy: dict[str, str], beside: str | None) -> float:
    """Fit once under a policy, beside other code where given; seconds of the fit alone."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))} | policy
    other = None if beside is None else start(beside, environment)
    took = float(start(FIT, environment).communicate()[0])
    if other is not None:
        other.kill()
        other.wait()
    return took


def main() -> None:
    """Print the median and the worst of both ways to wait."""
    for name, beside in (("alone", None), ("beside a busy process", BUSY), ("beside another fit", FIT)):
        said = []
        for way, policy in (("spinning", {}), ("sleeping", {"OMP_WAIT_POLICY": "passive"})):
            took = [seconds(policy, beside) for _ in range(REPEATS)]
            said.append(f"{way} {statistics.median(took):.1f} s, at worst {max(took):.1f} s")
        print(f"{name}: {'; '.join(said)}")


if __name__ == "__main__":
    main()
