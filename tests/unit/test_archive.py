"""What an archive of a release holds: the two packages, what installs them, and their docs."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from dbt_host import ROOT


def test_an_archive_holds_the_packages_only(tmp_path: Path) -> None:
    # A repository of the test's own over the files that are there: the archive is that of the next commit.
    def git(*args: str) -> bytes:
        line = ["git", f"--git-dir={tmp_path}", f"--work-tree={ROOT}", *args]
        return subprocess.run(line, cwd=ROOT, check=True, capture_output=True).stdout

    git("init", "--quiet")
    git("add", "--all")
    tree = git("write-tree").decode().strip()
    packed = git("archive", "--format=tar.gz", "--worktree-attributes", tree)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        there = {name.split("/")[0] for name in archive.getnames()}
    packages = {"dbt_project.yml", "macros", "models", "seeds", "docs", "mlbridge", "streamlit_app"}
    assert {*packages, "README.md", "LICENSE", "constraints.txt"} <= there
    assert there.isdisjoint({"dbt_project", "tests", "benchmarks", ".ci", ".github", "Makefile"})
    assert len(packed) < 1_250_000  # what is downloaded
