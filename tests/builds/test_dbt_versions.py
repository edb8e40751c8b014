"""Builds by other releases of dbt than the pinned one, each in an environment of its own: dbt-core 1.12, and dbt 2."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import _duckdb
import pytest
from dbt_host import ROOT, Host, copy_of_host
from portable import in_sql

pytestmark = pytest.mark.slow
MLBRIDGE = Path(sys.executable).with_name("mlbridge")
# What training, scoring and monitoring gave.
RESULTS = {
    "versions": "select version, candidate, outcome, rows_train, data_hash, artifact_sha256, reason from "
    "main_lab.amount_training",
    # The manifest of dbt 2 does not say that the source of `stg_orders` is a file.
    "lineage": "select version, node, column_name, from_node, from_column, how, certainty from main_insight.ml_lineage "
    "where model = 'amount' and node != 'stg_orders'",
    "predictions": "select version, entity, time, target, prediction_value from main_lab.amount_predictions",
    "drift": "select version, feature, window_start, baseline, metric, value, threshold, alert from "
    "main_insight.ml_drift where model = 'amount'",
    "performance": "select version, slice, window_start, kind, metric, value, low, high, n, threshold, alert from "
    "main_insight.ml_performance where model = 'amount'",
}


def dbt(release: str) -> Path:
    program = ROOT / ".venv" / f"dbt-{release}" / "bin" / "dbt"
    assert program.is_file(), f"run `make .venv/dbt-{release}/made`"
    return program


def said(host: Host, *command: Path | str, env: dict[str, str] | None = None) -> str:
    """Run a dbt command on a host, and return what it printed."""
    known = {**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", **(env or {})}
    done = subprocess.run(command, cwd=host.path, env=known, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
    return done.stdout


def same_results(found: Host, expected: Host, drift: float = 1e-9) -> None:
    """Compare what two builds gave: numbers within 1e-9, those of the drift within `drift`, and all else equal."""
    for name, query in RESULTS.items():
        ours, theirs = (sorted(host.rows(query), key=str) for host in (found, expected))
        assert len(ours) == len(theirs) > 0, name
        for mine, other in zip(ours, theirs, strict=True):
            assert mine == tuple(near(each, drift if name == "drift" else 1e-9) for each in other), name


def near(value: Any, most: float) -> Any:
    return pytest.approx(value, rel=1e-9, abs=most) if isinstance(value, float) else value


def test_dbt_1_12_builds_what_the_pinned_release_builds(empty_shop: Host, shop: Host, tmp_path: Path) -> None:
    host = copy_of_host(empty_shop, tmp_path)
    built = said(host, dbt("1.12"), "build", "--no-partial-parse", "--no-use-colors", "--show-all-deprecations")
    assert "WARN=0" in built
    assert "[WARNING]" not in built
    same_results(host, shop)


@pytest.fixture
def with_dbt_2(tmp_path: Path) -> dict[str, str]:
    """The environment in which `dbt` is dbt 2; its driver for DuckDB is that of Python, so both read the same files."""
    driver = tmp_path / "driver" / "libduckdb.so"
    driver.parent.mkdir()
    driver.symlink_to(str(_duckdb.__file__))
    library = Path(sysconfig.get_config_var("LIBDIR")) / sysconfig.get_config_var("LDLIBRARY")
    assert library.suffix == ".so", "DuckDB's module needs Python as a shared library"
    return {
        "PATH": f"{dbt('2').parent}{os.pathsep}{os.environ['PATH']}",
        "LD_LIBRARY_PATH": str(driver.parent),
        "LD_PRELOAD": str(library),
    }


def test_dbt_2_builds_a_branch_of_sql_nodes(
    empty_shop: Host, shop: Host, with_dbt_2: dict[str, str], tmp_path: Path
) -> None:
    host = in_sql(copy_of_host(empty_shop, tmp_path))
    parsed = said(host, dbt("2"), "parse", "--show-all-deprecations", env=with_dbt_2)
    assert "warning" not in parsed.lower(), parsed
    built = said(host, MLBRIDGE, "build", env=with_dbt_2)
    assert "2.0.0" in built
    # It reads a tenth of the numbers in JSON documents with another last bit: a value at the end of a bin changes bins.
    same_results(host, shop, drift=0.03)
    assert (host.published / "current" / "ml_drift.parquet").is_file()
    again = said(host, MLBRIDGE, "build", "--select", "amount_training+", env=with_dbt_2)
    assert "skipped" in again
    assert host.rows("select count(*) from main_lab.amount_training where version is not null")[0][0] > 0
