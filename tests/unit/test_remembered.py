"""What the tests' builds remember is what dbt itself works out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dbt import compilation
from dbt.clients.jinja import MacroGenerator
from dbt.context.macros import MacroNamespaceBuilder
from dbt.contracts.graph.nodes import InjectedCTE
from jinja2.sandbox import SandboxedEnvironment
from remembered import remember_injected, remember_templates, sort_macros_quickly

BUILD = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


@pytest.mark.parametrize(
    "sql",
    [
        "select * from __dbt__cte__a where at < '{0}'",
        "with b as (select 1) select * from b, __dbt__cte__a -- {1}",
        "with recursive b as (select '{0}' as a, '{1}' as id) select * from b, __dbt__cte__a where id <> '{1}'",
    ],
)
def test_texts_with_ephemeral_models(sql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the next build is at another moment, for which nothing is worked out again."""
    own = compilation.inject_ctes_into_sql
    counted: list[str] = []

    def injected(sql: str, ctes: list[InjectedCTE]) -> str:
        counted.append(sql)
        return own(sql, ctes)

    monkeypatch.setattr(compilation, "inject_ctes_into_sql", injected)
    remember_injected(tmp_path / "injected")
    for moment in ("2024-05-01 00:00:00", "2024-05-02 12:30:00.25"):
        text = sql.format(moment, BUILD)
        ctes = [InjectedCTE("a", f"__dbt__cte__a as (select timestamp '{moment}' as at, 1 as n)")]
        assert compilation.inject_ctes_into_sql(text, ctes) == own(text, ctes)
    assert len(counted) == 1


def test_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jinja2.Environment.compile", SandboxedEnvironment.compile)
    remember_templates(tmp_path / "templates")
    text = "{% macro twice(n) %}{{ 2 * n }}{% endmacro %}{% for each in found %}{{ twice(each) }} {% endfor %}"
    for _ in range(2):
        assert SandboxedEnvironment().from_string(text).render(found=[1, 2]) == "2 4 "
    assert len([*(tmp_path / "templates").iterdir()]) == 1


MACROS = {
    "dbt": ("ref", "table", "log"), "dbt_duckdb": ("table", "attach"), "mlbridge": ("split", "table"),
    "host": ("split", "log", "own"), "other": ("own",),
}  # fmt: skip


@pytest.mark.parametrize("package", ["host", "mlbridge", "dbt", "none"])
def test_macros_are_found_where_dbt_finds_them(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    by_package = {
        package: {name: SimpleNamespace(name=name, package_name=package) for name in names}
        for package, names in MACROS.items()
    }

    def namespace() -> Any:
        builder = MacroNamespaceBuilder("host", package, None, ["dbt_duckdb", "dbt"], "the node")  # type: ignore[arg-type]
        return builder.build_namespace(by_package, {"a": "context"})  # type: ignore[arg-type]

    own = namespace()
    monkeypatch.setattr(MacroGenerator, "__init__", MacroGenerator.__init__)
    monkeypatch.setattr(MacroNamespaceBuilder, "build_namespace", MacroNamespaceBuilder.build_namespace)
    sort_macros_quickly()
    found = namespace()
    assert type(found) is not type(own)
    assert flat(dict(found)) == flat(dict(own))
    assert len(found) == len(own)
    for name in (None, "dbt", "mlbridge", "host", "other"):
        for each in ("split", "table", "log", "own", "nothing"):
            assert flat(found.get_from_package(name, each)) == flat(own.get_from_package(name, each))


def flat(found: Any) -> Any:
    """A namespace, or what it holds, as values that can be compared."""
    if isinstance(found, dict):
        return {name: flat(each) for name, each in found.items()}
    return found and vars(found)
