"""The engines by the name of their dbt adapter. A further engine is a module in this folder and an entry here."""

from __future__ import annotations

from mlbridge.engines.duckdb import DuckDB
from mlbridge.engines.engine import Engine, PythonEngine
from mlbridge.engines.postgres import Postgres
from mlbridge.engines.session import Relation, Session
from mlbridge.engines.spark import Spark

__all__ = ["ENGINES", "PYTHON_ENGINE", "Relation", "Session", "engine_of"]

# The engine that dbt's Python models run on; types are stored in the logbook in its dialect.
PYTHON_ENGINE: PythonEngine = DuckDB()
ENGINES: dict[str, Engine] = {each.name: each for each in (PYTHON_ENGINE, Postgres(), Spark())}


def engine_of(adapter: str) -> Engine:
    """Return the engine of a dbt adapter; an adapter that is not in `ENGINES` is a server that can only be read."""
    return ENGINES.get(adapter) or Engine(adapter)
