"""`mlbridge assess`: whether an ML branch can grow on a relation of a dbt project, before anything is built."""

from __future__ import annotations

from dataclasses import asdict

from mlbridge.readiness.assessment import Assessment
from mlbridge.typing import Document


def document(found: Assessment) -> Document:
    """Return an assessment as plain JSON types: its fields, and what follows from them."""
    requirements = [
        {
            "code": each.code,
            "group": each.group,
            "level": each.level,
            "score": each.score,
            "threshold": each.threshold,
            "met": each.met,
            "evidence": each.evidence,
            "fix": each.fix,
        }
        for each in found.requirements
    ]
    verdict = {"verdict": found.verdict, "exit_code": found.exit_code, "spec": found.spec}
    return {**verdict, **asdict(found), "requirements": requirements}
