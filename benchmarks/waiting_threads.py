"""One gradient boosting, with OpenMP's threads spinning (its default) and sleeping while they wait.

Each policy runs in a process of its own, first alone and then beside a process that keeps one core busy.
Run: .venv/bin/python benchmarks/waiting_threads.py
"""

from __future__ import annotations

import os
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


def seconds(policy: str) -> float:
    """Fit once under a policy; seconds of the fit alone."""
    environment = {**os.environ, "OMP_WAIT_POLICY": policy}
    done = subprocess.run([sys.executable, "-c", FIT], env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Print both policies, alone and beside other work, and their ratio."""
    for beside in (False, True):
        other = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if beside else None
        active, passive = seconds("active"), seconds("passive")
        if other is not None:
            other.kill()
        where = "beside other work" if beside else "alone"
        print(f"{where}: spinning {active:.1f} s, sleeping {passive:.1f} s, ratio {active / passive:.1f}")


if __name__ == "__main__":
    main()
