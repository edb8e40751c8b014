"""A branch without dbt: the two Python verbs on a real DuckDB, with a stand-in for the object that dbt hands over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from decided import decided
from estimators import Tripwire

import mlbridge
from mlbridge import MlbridgeError
from mlbridge.errors import SpecError
from mlbridge.spec.reading import read_spec

NAME = "late"
START = datetime(2024, 1, 1)
LABELLED, OPEN = 400, 40
# Of 400 labelled rows: 280 to train on, 60 each to validate and test; the rest has no outcome yet.
WORDS = "case when i < 280 then 'train' when i < 340 then 'validation' when i < 400 then 'test' else 'score' end"
COLUMNS = {
    "id": "'k' || i",
    "at": "timestamp '2024-01-01' + to_hours(i)",
    "x": "x",
    "carrier": "['AA', 'B6', 'UA'][1 + i % 3]",
    "is_late": "case when i < 400 then x + noise > 0 end",
    "ml_split": WORDS,
}
SPEC = {
    "task": "classification",
    "target": "is_late",
    "entity": "id",
    "time": "at",
    "candidates": ["logistic_regression"],
    "metric": "roc_auc",
}
# What the materialization asks SQL for.
DECIDED = ("in_use", "scoring", "key_problem")
# A candidate whose fit would raise another error than the one that should have come before.
TRIPWIRE = {"tripwire": Tripwire()}


class This:
    """What `dbt.this` is: a relation that renders as its quoted name."""

    def __init__(self, identifier: str) -> None:
        self.identifier = identifier

    def __str__(self) -> str:
        return f'"memory"."main"."{self.identifier}"'


class Branch:
    """One model's split, logbook and predictions in a DuckDB of their own; `train` and `predict` are builds."""

    def __init__(self, columns: Mapping[str, str | None] | None = None, **spec: Any) -> None:
        """Write the split: `columns` adds SQL expressions over i, x, noise and other, None takes one away."""
        self.connection = duckdb.connect()
        self.spec = {**SPEC, **spec}
        self.as_of = START + timedelta(days=60)
        self.builds = 0
        # What the materialization says of a build, where a test wants it otherwise.
        self.overrides: dict[str, Any] = {}
        rng = np.random.default_rng(7)
        drawn = {name: rng.normal(size=2000) for name in ("x", "noise", "other")}
        drawn["noise"] = drawn["noise"] * 0.5
        self.connection.register("drawn", pa.table({"i": np.arange(2000), **drawn}))
        self.connection.execute("create table base as from drawn")
        self.split(columns)

    def split(self, columns: Mapping[str, str | None] | None = None, where: str = f"i < {LABELLED + OPEN}") -> None:
        """Write the split table anew."""
        chosen = {name: sql for name, sql in {**COLUMNS, **(columns or {})}.items() if sql is not None}
        quoted = {name.replace('"', '""'): sql for name, sql in chosen.items()}
        listed = ", ".join(f'{sql} as "{name}"' for name, sql in quoted.items())
        self.connection.execute(f"create or replace table late_split as select {listed} from base where {where}")

    def execute(self, sql: str) -> None:
        """Change something by hand."""
        self.connection.execute(sql)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Ask the warehouse, beside whatever the build's own connection still holds open."""
        result = self.connection.cursor().execute(sql)
        names = [described[0] for described in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def values(self, sql: str) -> list[Any]:
        """Ask for one column."""
        return [next(iter(row.values())) for row in self.rows(sql)]

    def has(self, table: str) -> bool:
        """Whether a table has been made."""
        return bool(self.rows(f"from duckdb_tables() where table_name = '{table}'"))

    def logbook(self) -> list[dict[str, Any]]:
        """Give the whole logbook, oldest first; no rows before the first build."""
        return self.rows(f"from {NAME}_training") if self.has(f"{NAME}_training") else []

    def predictions(self) -> list[dict[str, Any]]:
        """Give the whole predictions."""
        return self.rows(f"from {NAME}_predictions") if self.has(f"{NAME}_predictions") else []

    def train(self, own: Any = None, *, node: str = f"{NAME}_training", **changes: Any) -> dict[str, Any]:
        """Build the training node with its spec changed; gives the row of the chosen candidate, or the skipped one."""
        self.spec.update(changes)
        arrived = self.arrow_of_train(own, node)
        self._append(node, arrived)
        (row,) = (row for row in arrived.to_pylist() if row["outcome"] != "runner_up")
        return row

    def retrain(self, own: Any = None) -> dict[str, Any]:
        """Build the training node as with `--vars 'mlbridge_retrain: true'`."""
        self.overrides = {"retrain": "always"}
        row = self.train(own)
        self.overrides = {}
        return row

    def arrow_of_train(self, own: Any = None, node: str = f"{NAME}_training") -> pa.Table:
        """Call `mlbridge.train`, read all that it returns and append nothing."""
        return _arrow_of(self.answer_of_train(own, node))

    def answer_of_train(self, own: Any = None, node: str = f"{NAME}_training") -> Any:
        """Call `mlbridge.train`."""
        spec = dict(self.spec) if isinstance(self.spec, dict) else self.spec
        return mlbridge.train(self._dbt(node), self.connection, self._ref(f"{NAME}_split"), spec, own)

    def refuses(self, error: type[MlbridgeError], *words: str, own: Any = TRIPWIRE, **changes: Any) -> str:
        """Build the training node, which must fail before any fit, name itself and the words, and write nothing."""
        before = self.logbook()
        if own is TRIPWIRE:
            changes = {"trusted": ["estimators.Tripwire"], **changes}
        with pytest.raises(error) as caught:
            self.train(own, **changes)
        return self._checked(f"{NAME}_training", str(caught.value), words, before)

    def refuses_to_predict(self, error: type[MlbridgeError], *words: str) -> str:
        """Build the predictions node, which must fail, name itself and the words, and write nothing."""
        before = self.predictions()
        with pytest.raises(error) as caught:
            self.arrow_of_predict()
        return self._checked(f"{NAME}_predictions", str(caught.value), words, before)

    def _checked(self, node: str, message: str, words: tuple[str, ...], before: list[dict[str, Any]]) -> str:
        assert (self.logbook() if node.endswith("_training") else self.predictions()) == before
        assert message.startswith(f"{node}: ")
        for word in words:
            assert word in message
        return message

    def predict(self, *, node: str = f"{NAME}_predictions") -> list[dict[str, Any]]:
        """Build the predictions node; gives the new rows."""
        arrived = self.arrow_of_predict(node)
        self._append(node, arrived)
        return arrived.to_pylist()

    def arrow_of_predict(self, node: str = f"{NAME}_predictions") -> pa.Table:
        """Call `mlbridge.predict`, read all of it and append nothing."""
        refs = self._ref(f"{NAME}_split"), self._ref(f"{NAME}_training")
        return _arrow_of(mlbridge.predict(self._dbt(node), self.connection, *refs))

    def _append(self, table: str, arrived: pa.Table) -> None:
        self.connection.register("arrived", arrived)
        made = (
            f"insert into {table} by name from arrived" if self.has(table) else f"create table {table} as from arrived"
        )
        self.connection.execute(made)
        self.connection.unregister("arrived")

    def _ref(self, table: str) -> duckdb.DuckDBPyRelation:
        return self.connection.sql(f"select * from {table}")

    def _dbt(self, node: str) -> Any:
        self.builds += 1
        run = {
            "node": node,
            "invocation_id": f"build {self.builds}",
            "as_of": self.as_of.isoformat(sep=" "),
            "started_at": (START + timedelta(days=90, minutes=self.builds)).isoformat(sep=" "),
            "retrain": "policy",
            "drift": None,
            "exists": self.has(node),
            "empty": False,
            "spec": self.spec,
            "package_version": mlbridge.__version__,
        }
        return SimpleNamespace(this=This(node), mlbridge={**run, **self._decided(node), **self.overrides})

    def _decided(self, node: str) -> dict[str, Any]:
        """Give what SQL decides; nothing where the verb refuses the spec or the node's name."""
        try:
            read_spec(f"{NAME}_training", self.spec, own_candidates=None)
        except SpecError:
            return {}
        facts = decided(self.connection, node, self.as_of, self.spec, self.has(node))
        return {key: value for key, value in facts.items() if key in DECIDED}


def _arrow_of(found: Any) -> pa.Table:
    """Read all that a node returned."""
    if isinstance(found, pa.RecordBatchReader):
        return found.read_all()
    return found if isinstance(found, pa.Table) else found.to_arrow_table()
