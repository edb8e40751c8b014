"""The SQL that the package asks of an engine, as its macros and dbt's own write it; without a connection to the engine.

DuckDB gets what it would get from dbt, for a warehouse that is there. Another engine's SQL is written by the same
macros with that engine's prefixes, quotes and type names; what a macro asks while it writes is answered as DuckDB did.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import duckdb
import jinja2
from dbt.adapters.base.column import Column as BaseColumn
from dbt.include import duckdb as dbt_duckdb
from dbt.include import global_project, postgres
from dbt_host import ROOT, Host
from sqlglot import exp

ADAPTERS = ROOT / "tests" / "adapters"
ENVIRONMENT = jinja2.Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"])
NOW = datetime.datetime(2024, 7, 1, 6)


@dataclass(frozen=True)
class Engine:
    """What an adapter of dbt knows of its engine."""

    name: str
    prefixes: tuple[str, ...]
    quote: str = '"'
    parts: tuple[str, ...] = ("database", "schema", "identifier")
    quotes_relations: bool = True
    type_labels: Mapping[str, str] = field(default_factory=lambda: {"string": "TEXT"})

    def relation(self, **names: str) -> Relation:
        """Name a table or view as the adapter's class of relations does."""
        return Relation(names["identifier"], ".".join(self.quoted(names[part]) for part in self.parts))

    def quoted(self, name: str) -> str:
        return f"{self.quote}{name}{self.quote}" if self.quotes_relations else name


ENGINES = {
    each.name: each
    for each in (
        Engine("duckdb", ("duckdb",)),
        Engine("postgres", ("postgres",)),
        Engine("snowflake", ("snowflake",), quotes_relations=False),
        Engine("bigquery", ("bigquery",), "`", type_labels={"text": "STRING", "float": "FLOAT64", "integer": "INT64"}),
        Engine("spark", ("spark",), "`", ("schema", "identifier"), quotes_relations=False, type_labels={}),
        Engine("redshift", ("redshift", "postgres")),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Relation:
    """A table or view; renders as its name."""

    identifier: str
    name: str

    is_table = True

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Column:
    """A column with its type as the engine calls it."""

    name: str
    dtype: str
    kind: exp.DataType

    def is_number(self) -> bool:
        return self.kind.this in exp.DataType.NUMERIC_TYPES

    def is_numeric(self) -> bool:
        return self.kind.this is exp.DataType.Type.DECIMAL

    @property
    def data_type(self) -> str:
        return self.dtype

    def is_float(self) -> bool:
        return self.kind.this in exp.DataType.FLOAT_TYPES


class Answer:
    """The rows that a query gave, as `run_query` does."""

    def __init__(self, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        self.column_names = names
        self.rows = rows
        self.columns = [SimpleNamespace(values=partial(list, column)) for column in zip(*rows, strict=True)]
        self.columns = self.columns or [SimpleNamespace(values=list)]


class Returned(Exception):  # noqa: N818 - it is no error
    """How `return` leaves a macro."""

    def __init__(self, value: Any) -> None:
        self.value = value


def leave(value: Any) -> NoReturn:
    """Be the `return` of dbt's macros."""
    raise Returned(value)


@cache
def templates() -> dict[str, list[jinja2.Template]]:
    """The macros by the package they belong to; tests are macros too."""
    ours = sorted((ROOT / "macros").rglob("*.sql"))
    folders = [Path(package.PACKAGE_PATH) / "macros" / "utils" for package in (global_project, dbt_duckdb, postgres)]
    theirs = [file for folder in folders for file in sorted(folder.glob("*.sql"))] + sorted(ADAPTERS.glob("*.sql"))
    with warnings.catch_warnings():
        # A regular expression's backslashes stay as they are.
        warnings.simplefilter("ignore", DeprecationWarning)
        return {
            package: [ENVIRONMENT.from_string(macros_only(file.read_text())) for file in files]
            for package, files in (("mlbridge", ours), ("dbt", theirs))
        }


def macros_only(text: str) -> str:
    text = re.sub(r"\{% materialization .*?endmaterialization %\}", "", text, flags=re.DOTALL)
    text = re.sub(r"(\{%-?) test (\w+)", r"\1 macro test_\2", text).replace("endtest", "endmacro")
    # So that a macro finds the others by way of `Rendering._call`, in its own file too.
    return re.sub(r"(\{%-?\s*macro) ", r"\1 macro__", text)


def _fromjson(text: str) -> Any:
    """Parse as dbt does, which gives None for what is no JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return None


@dataclass(frozen=True)
class Written:
    """What was written, the queries that were run while it was written, and their answers."""

    sql: Any
    queries: list[str]
    answers: list[Answer]


class Settings:
    """dbt's `config`: a model's call says its settings, which nobody overrides here."""

    def __init__(self) -> None:
        """Begin without any."""
        self.settings: dict[str, Any] = {}

    def __call__(self, **settings: Any) -> str:
        """Keep settings."""
        self.settings |= settings
        return ""

    def get(self, key: str, default: Any = None) -> Any:
        """Give a setting."""
        return self.settings.get(key, default)


class Rendering:
    """One engine's SQL for one host."""

    def __init__(self, engine: str, host: Host, duckdb: Rendering | None = None) -> None:
        """Take the answers to queries from the rendering for DuckDB; that one asks the host's warehouse."""
        self.engine = ENGINES[engine]
        self.host = host
        self.duckdb = duckdb
        self.nodes: dict[str, Any] = host.manifest["nodes"]
        self.models: dict[tuple[str, bool], Written] = {}
        self.writing = Written("", [], [])
        self.answers: Iterator[Answer] | None = None
        self.is_incremental = False
        self.names = {**ENVIRONMENT.globals, **self._context()}
        self.packages = {package: self._macros(package) for package in templates()}
        # Engines ask in ways of their own, and some not by a query; tests/engines/test_column_names.py asks real ones.
        self.packages["mlbridge"]["column_names"] = self._column_names
        self.packages["mlbridge"]["names_in"] = self._names_in
        self.names.update(self.packages["dbt"])
        self.names.update({name: SimpleNamespace(**macros) for name, macros in self.packages.items()})

    def model(self, name: str, incremental: bool = False) -> Written:
        """Write a model's SQL, without the ephemeral models that dbt puts before it."""
        if (name, incremental) not in self.models:
            node = self.node(name)
            template = ENVIRONMENT.from_string(node["raw_code"])
            before = self.duckdb.model(name, incremental) if self.duckdb else None
            self.models[name, incremental] = self._write(node, incremental, before, lambda: template.render(self.names))
        return self.models[name, incremental]

    def macro(self, name: str, *args: Any, within: str, **kwargs: Any) -> Written:
        """Call a macro of the package where a model would."""
        before = self.duckdb.macro(name, *args, within=within, **kwargs) if self.duckdb else None
        return self._write(self.node(within), False, before, partial(self.packages["mlbridge"][name], *args, **kwargs))

    def node(self, name: str) -> Any:
        (found,) = (
            node for node in self.nodes.values() if node["resource_type"] in ("model", "seed") and node["name"] == name
        )
        return found

    def ref(self, *names: str) -> Relation:
        node = self.node(names[-1])
        if node["config"]["materialized"] == "ephemeral":
            return Relation(node["name"], f"__dbt__cte__{node['name']}")
        return self._relation(node["database"], node["schema"], node["alias"])

    def _relation(self, database: str, schema: str, identifier: str) -> Relation:
        return self.engine.relation(database=database, schema=schema, identifier=identifier)

    def _write(self, node: Any, incremental: bool, before: Written | None, write: Callable[[], Any]) -> Written:
        """Write as if by that node; where it adds to its table, that is the one before the host's last build."""
        where = "earlier" if incremental else node["database"]
        self.names.update(this=self._relation(where, node["schema"], node["alias"]), model=node)
        self.is_incremental = incremental
        self.writing = Written("", [], [])
        self.answers = iter(before.answers) if before else None
        return replace(self.writing, sql=write())

    def _macros(self, package: str) -> dict[str, Callable[..., Any]]:
        """Make the macros of a package functions that `return` leaves."""
        # `shared`: the macros look names up when they are called.
        modules = [template.make_module(self.names, shared=True) for template in templates()[package]]
        macros = [
            (name, macro) for module in modules for name, macro in vars(module).items() if name.startswith("macro__")
        ]
        return {name.removeprefix("macro__"): partial(self._call, macro) for name, macro in macros}

    @staticmethod
    def _call(macro: Callable[..., str], *args: Any, **kwargs: Any) -> Any:
        try:
            return macro(*args, **kwargs)
        except Returned as returned:
            return returned.value

    def _dispatch(self, name: str, package: str = "dbt") -> Callable[..., Any]:
        names = (f"{prefix}__{name}" for prefix in (*self.engine.prefixes, "default"))
        return next(self.packages[package][each] for each in names if each in self.packages[package])

    def _run_query(self, query: str) -> Answer:
        answer = self._ask(query) if self.answers is None else next(self.answers)
        self.writing.queries.append(query)
        self.writing.answers.append(answer)
        return answer

    def _ask(self, query: str) -> Answer:
        with duckdb.connect(str(self.host.database), read_only=True) as connection:
            connection.execute(f"attach if not exists '{self.host.path / 'earlier.duckdb'}' as earlier (read_only)")
            result = connection.execute(query)
            return Answer([described[0] for described in result.description], result.fetchall())

    def _column_names(self, relations: Sequence[Relation]) -> list[list[str]]:
        return [[column.name for column in self._columns(each)] for each in relations]

    def _names_in(self, relation: Relation) -> list[str]:
        return [column.name for column in self.names["adapter"].get_columns_in_relation(relation)]

    def _columns(self, relation: Relation) -> list[Column]:
        node = self.node(relation.identifier)
        table = ENGINES["duckdb"].relation(database=node["database"], schema=node["schema"], identifier=node["alias"])
        kinds = {
            name: exp.DataType.build(type_, dialect="duckdb") for name, type_, *_ in self._ask(f"describe {table}").rows
        }
        return [Column(name, kind.sql(dialect=self.engine.name), kind) for name, kind in kinds.items()]

    def _context(self) -> dict[str, Any]:
        def refuse(message: str) -> NoReturn:
            raise AssertionError(message)

        labels = self.engine.type_labels
        return {
            "adapter": SimpleNamespace(
                dispatch=self._dispatch,
                quote=lambda name: f"{self.engine.quote}{name}{self.engine.quote}",
                get_columns_in_relation=self._columns,
                get_relation=self._relation,
                commit=lambda: "",
            ),
            "api": SimpleNamespace(
                Column=SimpleNamespace(translate_type=lambda type_: labels.get(type_, type_), create=BaseColumn.create),
                Relation=SimpleNamespace(
                    create=lambda database, schema, identifier, **_: (database, schema, identifier)
                ),
            ),
            "config": Settings(),
            "exceptions": SimpleNamespace(raise_compiler_error=refuse, warn=lambda _: ""),
            "execute": True,
            "flags": SimpleNamespace(EMPTY=False, WHICH="build"),
            "fromjson": _fromjson,
            "graph": SimpleNamespace(nodes=self.nodes, sources=self.host.manifest["sources"]),
            "load_cached_relation": lambda relation: relation,
            "load_relation": lambda relation: relation,
            "local_md5": lambda text: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
            "log": lambda *_, **__: "",
            "invocation_id": "00000000-0000-0000-0000-000000000000",
            "is_incremental": lambda: self.is_incremental,
            "modules": SimpleNamespace(re=re, datetime=datetime),
            "project_name": self.host.manifest["metadata"]["project_name"],
            "ref": self.ref,
            "return": leave,
            "run_query": self._run_query,
            "run_started_at": NOW,
            "statement": lambda *_, **__: "",
            "target": SimpleNamespace(type=self.engine.name, name="dev"),
            "tojson": json.dumps,
            "var": {"mlbridge_models": ["basket", "amount"]}.get,
        }
