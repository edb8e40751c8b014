"""When a build is overdue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mlbridge.commands.status import overdue


def test_a_build_is_overdue_from_the_moment_it_was_expected_by() -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    moments = {"late": now - timedelta(minutes=1), "soon": now + timedelta(minutes=1), "unknown": None}
    rows = [{"model": model, "next_build_expected_by": moment} for model, moment in moments.items()]
    assert [row["model"] for row in overdue(rows)] == ["late"]
