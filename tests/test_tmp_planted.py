import pytest
from conftest import Host
from pathlib import Path
import test_dbt_planted_drift as T
from test_dbt_planted_drift import *


@pytest.fixture(scope="module")
def flights():
    p = Path("/work/wt/drift/dbt_project")
    return Host(p, p / "flights.duckdb")


_old = T.alarmed


def alarmed(host):
    r = _old(host)
    import sys

    quiet = {(f, m) for f in T.FEATURES for m in T.MONTHS}
    print("ALARMED", sorted(r & quiet), file=sys.stderr)
    return r


T.alarmed = alarmed
