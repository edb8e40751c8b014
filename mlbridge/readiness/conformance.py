"""`mlbridge doctor --conformance`: whether a warehouse gives the values that are expected, in a schema of its own."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeAlias

from mlbridge.catalogue.conformance import EXPECTED, ROWS
from mlbridge.errors import CompileError, SetupError
from mlbridge.project.dbt import invoke
from mlbridge.project.project import Project

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

CLOSE = 1e-9
MARK = "mlbridge_found: "
Rows: TypeAlias = Sequence[Sequence[str | None]]
Compiled: TypeAlias = tuple[str, Rows]  # a SELECT, and the rows that it is to give


@dataclass(frozen=True)
class Check:
    """What became of one kind of statement: `fine`, or what differs or failed."""

    check: str
    fine: bool
    finding: str


def conform(project: Project) -> list[Check]:
    """Run the statements in which engines differ on a few rows, and compare what comes with what is expected.

    They run in a schema that is made for it and dropped afterwards, through dbt and with the profile's role. Raises
    SetupError if the project does not parse, or the schema or the table of the rows cannot be made.
    """
    with TemporaryDirectory(prefix="mlbridge_") as folder:
        warehouse = Scratch(project, Path(folder))
        warehouse.ask("begin")
        checks: list[Check] = []
        try:
            warehouse.ask("fill", rows=ROWS)
            queries = dict.fromkeys(EXPECTED) | compiled(str(project.credentials.type))
            checks += [_checked(warehouse, name, query) for name, query in queries.items()]
        finally:
            checks += warehouse.left()
        return checks


class Scratch:
    """A schema of a warehouse, in which the macro `mlbridge.conformance` runs."""

    def __init__(self, project: Project, folder: Path) -> None:
        """Parse the project; nothing is written to the warehouse or into the project yet."""
        self._project, self._folder = project, folder
        self._suffix = secrets.token_hex(4)
        self._options = ["--profiles-dir", str(project.profiles), "--target-path", str(folder / "target")]
        self._options += [] if project.target is None else ["--target", project.target]
        self._manifest: Manifest | None = None
        self._manifest = self._run(["parse"])

    def ask(self, check: str, **arguments: object) -> Rows:
        """Run one call of the macro; returns the rows that it has logged. Raises SetupError with the engine's error."""
        given = json.dumps({"suffix": self._suffix, "check": check, **arguments})
        found: list[Rows] = []

        def hear(message: str) -> None:
            if message.startswith(MARK):
                found.append(json.loads(message.removeprefix(MARK)))

        self._run(["run-operation", "mlbridge.conformance", "--args", given], hear)
        return found[-1] if found else []

    def left(self) -> list[Check]:
        """Drop the schema; returns what is to be said of it: nothing, unless it is still there."""
        try:
            self.ask("end")
        except SetupError as error:
            return [Check("nothing is left", False, f"drop the schema mlbridge_conformance_{self._suffix}: {error}")]
        return []

    def _run(self, command: list[str], hear: Callable[[str], None] = lambda message: None) -> Manifest:
        done, errors = invoke(self._project, [*command, *self._options], self._folder / "logs", self._manifest, hear)
        if not done.success:
            raise SetupError(" ".join(" ".join([*errors, str(done.exception or "")]).split()))
        return done.result  # type: ignore[return-value] # of a parse


def _checked(warehouse: Scratch, name: str, query: Compiled | str | None) -> Check:
    if isinstance(query, str):
        return Check(name, False, f"not compiled for this engine: {query}")
    sql, expected = (None, EXPECTED[name]) if query is None else query
    try:
        found = warehouse.ask(name, query=sql)
    except SetupError as error:
        return Check(name, False, f"failed: {error}")
    differing = list(_differences(found, expected))
    fine = f"{len(expected)} rows are as expected"
    return Check(name, not differing, differing[0] if differing else fine)


def _differences(found: Rows, expected: Rows) -> Iterator[str]:
    if len(found) != len(expected):
        yield f"gives {len(found)} rows, expected {len(expected)}"
        return
    for number, (mine, theirs) in enumerate(zip(found, expected, strict=True), 1):
        for place, (one, other) in enumerate(zip(mine, theirs, strict=True), 1):
            if not same(one, other):
                yield f"row {number}, column {place}: {one!r}, expected {other!r}"


def same(one: str | None, other: str | None) -> bool:
    """Return whether two values are equal, numbers but for the last digits of a double."""
    if one == other or one is None or other is None:
        return one == other
    with suppress(ValueError):
        return math.isclose(float(one), float(other), rel_tol=CLOSE)
    return False


def compiled(dialect: str) -> dict[str, Compiled | str]:
    """Give the SELECTs of compiled models, with what Python predicts, or why a model is not compiled."""
    import pandas as pd
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.tree import DecisionTreeRegressor

    from mlbridge.compile.select import to_sql

    frame = pd.DataFrame(ROWS)[["id", "amount"]].astype(float)
    outcomes = [3.0, -1.0, 2.5, 8.0, 0.25]
    models = {
        "compiled tree": DecisionTreeRegressor(random_state=0).fit(frame, outcomes),
        "compiled linear model": make_pipeline(SimpleImputer(), LinearRegression()).fit(frame, outcomes),
    }
    found: dict[str, Compiled | str] = {}
    for name, model in models.items():
        try:
            select = to_sql(model, "conformance_rows", dialect, keep=["id"])
        except CompileError as error:
            found[name] = str(error)
            continue
        rows = [[str(row["id"]), repr(float(value))] for row, value in zip(ROWS, model.predict(frame), strict=True)]
        found[name] = (f"select id, prediction from ({select}) as predicted order by id", rows)  # noqa: S608 - our own
    return found
