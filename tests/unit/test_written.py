"""What a shell completes, from files as they are written."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from mlbridge.project.written import published_versions, written_models
from mlbridge.publication.folder import CURRENT, file_of, folder_of

ROWS = """
    ('m', 1, 'promoted', true), ('m', 2, 'rejected', false), ('m', 2, 'runner_up', false), ('m', 3, 'withheld', false),
    ('it''s', 7, 'promoted', false), ('m', 10, 'promoted', false)
"""
PROFILE = 'small: {target: dev, outputs: {dev: {type: duckdb, path: "%s"}, pg: {type: postgres, host: here}}}\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a warehouse that has published versions."""
    (tmp_path / "dbt_project.yml").write_text("name: small\nprofile: small\nvars: {mlbridge_models: [m]}\n")
    (tmp_path / "profiles.yml").write_text(PROFILE % "w.duckdb")
    published(tmp_path).parent.mkdir(parents=True)
    rows = duckdb.sql(f"from (values {ROWS}) as v(model, version, outcome, is_retired)")
    rows.write_parquet(str(published(tmp_path)))
    return tmp_path


def published(project: Path) -> Path:
    return file_of(folder_of(project / "w.duckdb", "dev") / CURRENT, "ml_versions")


def test_versions_that_can_be_used(project: Path) -> None:
    assert published_versions(project, None, None, "m") == [10, 2]
    assert published_versions(project, project, "dev", "it's") == [7]
    assert published_versions(project, None, None, "other") == []
    assert written_models(project) == ["m"]


@pytest.mark.parametrize(
    "path", ["{{ env_var('WAREHOUSE') }}", "{{ env_var('NOT_SET', 'w.duckdb') }}", '{{env_var(\\"WAREHOUSE\\")}}']
)
def test_a_path_from_the_environment(project: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSE", "w.duckdb")
    (project / "profiles.yml").write_text(PROFILE % path)
    assert published_versions(project, None, None, "m") == [10, 2]


@pytest.mark.parametrize("profile", ["", "{", "small: 1", PROFILE % "{{ env_var('NOT_SET') }}", PROFILE % "{{ x }}"])
def test_what_cannot_be_read_completes_nothing(project: Path, profile: str) -> None:
    (project / "profiles.yml").write_text(profile)
    assert published_versions(project, None, None, "m") == []


def test_without_a_file_or_a_build_there_is_none(project: Path) -> None:
    for target in ("pg", "none"):
        assert published_versions(project, None, target, "m") == []
    published(project).write_text("damaged")
    assert published_versions(project, None, None, "m") == []
    duckdb.sql("select 'm' as model, 1 as version").write_parquet(str(published(project)))  # of an earlier mlbridge
    assert published_versions(project, None, None, "m") == []
    published(project).unlink()
    assert published_versions(project, None, None, "m") == []
