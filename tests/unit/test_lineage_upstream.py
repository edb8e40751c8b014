"""What a running node reads of dbt's target folder: manifest, compiled code that is current, else the node's own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from mlbridge.lineage.upstream import as_written, upstream


def node(name: str, code: str, parents: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    return {
        "resource_type": "model", "name": name, "package_name": "shop", "original_file_path": f"models/{name}.sql",
        "relation_name": f'"db"."main"."{name}"', "raw_code": code, "language": "sql", "config": {}, "alias": name,
        "depends_on": {"nodes": [f"model.shop.{each}" for each in parents]}, **more,
    }  # fmt: skip


NODES = [
    node("late_training", "def model(): ...", ("late_split",), language="python"),
    node("late_split", "{{ mlbridge.split(ref('orders')) }}", ("orders",)),
    node(
        "orders",
        "{{ config(materialized='table') }}\nselect * from {{ ref('shop', 'clean') }} -- {# why #}",
        ("clean",),
    ),
    node("clean", "select * from {{ref('raw')}}", ("raw",), config={"materialized": "ephemeral"}),
    node("raw", "{% if x %}select 1{% endif %}"),
    node("other", "select 1"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose splits alone are compiled."""
    monkeypatch.chdir(tmp_path)
    nodes = {f"model.shop.{each['name']}": each for each in NODES}
    manifest = {"metadata": {}, "nodes": nodes, "sources": {}}
    compiled = tmp_path / "target" / "compiled" / "shop" / "models"
    compiled.mkdir(parents=True)
    (tmp_path / "target" / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "late_split.sql").write_text("{{ mlbridge.split(ref('orders')) }}")
    (compiled / "late_split.sql").write_text("select compiled")
    return tmp_path


PATH = "target/compiled/shop/models/late_training.py"


def test_code_is_compiled_or_as_it_is_written(folder: Path) -> None:
    found = upstream(PATH, "model.shop.late_training")
    assert found is not None
    code = {each["name"]: each["compiled_code"] for each in found.manifest["nodes"].values()}
    assert code == {
        "late_split": "select compiled",
        "orders": "\nselect * from __dbt__cte__clean -- ",
        "clean": 'select * from "db"."main"."raw"',
        "raw": None,
    }
    assert set(found.unread) == {"model.shop.raw"}


def test_code_that_is_older_than_its_file_is_not_read(folder: Path) -> None:
    written = folder / "models" / "late_split.sql"
    os.utime(written, (written.stat().st_mtime + 100,) * 2)
    found = upstream(PATH, "model.shop.late_training")
    assert found is not None
    assert set(found.unread) == {"model.shop.raw", "model.shop.late_split"}


def test_without_a_manifest_nothing_is_known(folder: Path) -> None:
    (folder / "target" / "manifest.json").write_text("{")
    assert upstream(PATH, "model.shop.late_training") is None
    (folder / "target" / "manifest.json").unlink()
    assert upstream(PATH, "model.shop.late_training") is None
    assert upstream("elsewhere/late_training.py", "model.shop.late_training") is None


def test_what_is_not_compiled_is_read_as_it_is_written() -> None:
    compiled = {**node("split", "{{ mlbridge.split(ref('orders')) }}", ("orders",)), "compiled_code": "select 1"}
    nodes = {f"model.shop.{each['name']}": each for each in [*NODES, compiled]}
    found = as_written({"nodes": nodes, "sources": {}})
    code = {each["name"]: each.get("compiled_code") for each in found.manifest["nodes"].values()}
    assert code["split"] == "select 1"
    assert code["clean"] == 'select * from "db"."main"."raw"'
    assert code["orders"].strip() == "select * from __dbt__cte__clean --"
    assert found.unread == {
        "model.shop.late_split": "it is not compiled",
        "model.shop.raw": "it is not compiled",
    }
