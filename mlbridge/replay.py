"""Replay: the clock moved on step by step, under each policy, on a copy of the warehouse that only this policy changes.

A step works on a copy of what the step before it left, and one rename puts the new state, its facts among it, in
place. So a replay that dies at any moment goes on from the last step that was done.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlglot import exp

from mlbridge import registry
from mlbridge.sandbox import REPLAYED, Branch, Dbt, ReplayError, copy_warehouse
from mlbridge.spec import Spec
from mlbridge.warehouse import Warehouse, column, connect

# What `mlbridge_retrain` says under each policy.
POLICIES: Mapping[str, Any] = {"spec": False, "never": "never", "always": True}
# The first step is the same under every policy: there is no version yet, so that one is trained.
FIRST = "every"
FACTS = "facts.json"

Report = Callable[[int, int, str], None]
"""Told how many steps are done, of how many, and what is going on."""


@dataclass(frozen=True)
class Replay:
    """One replay: the warehouse it starts from, the models' specs, the moments (UTC), and dbt in its work folder."""

    warehouse: Path
    branch: Branch
    specs: Mapping[str, Spec]
    moments: tuple[datetime, ...]
    dbt: Dbt
    report: Report

    @property
    def copy(self) -> Path:
        """Give the file that dbt works on."""
        return self.dbt.folder / "next" / self.warehouse.name

    def run(self) -> None:
        """Do what is not done yet; raises ReplayError with the step and the policy when a build fails."""
        for policy in POLICIES:
            for left_over in self._states(policy)[:-1]:
                shutil.rmtree(left_over)
        steps = [(0, FIRST), *((step, policy) for step in range(1, len(self.moments)) for policy in POLICIES)]
        for place, (step, policy) in enumerate(steps):
            if step <= self._last(policy):
                continue
            what = f"{day(self.moments[step])} {'every policy' if policy == FIRST else policy}"

            def say(text: str, place: int = place, what: str = what) -> None:
                self.report(place, len(steps), f"{what}: {text}")

            try:
                decided = self._step(step, policy, say)
            except ReplayError as error:
                shutil.rmtree(self.copy.parent, ignore_errors=True)
                raise ReplayError(f"{what}: {error}\ndbt's log is in {self.dbt.logs}") from error
            self.report(place + 1, len(steps), f"{what}: {decided}")
        self.report(len(steps), len(steps), "measuring what came of it")

    def facts(self, policy: str) -> list[dict[str, Any]]:
        """Give what each step so far knew and decided, one row per model and step."""
        found: list[dict[str, Any]] = json.loads((self._states(policy)[-1] / FACTS).read_text())
        return found

    def state(self, policy: str) -> Warehouse:
        """Open the warehouse as the last step under a policy left it."""
        return connect(self._states(policy)[-1] / self.warehouse.name)

    def remove_states(self) -> None:
        """Remove the copies and what dbt compiled, which nobody needs once the results are stored."""
        for name in ("next", FIRST, *POLICIES, "target", "results"):
            shutil.rmtree(self.dbt.folder / name, ignore_errors=True)

    def _states(self, policy: str) -> list[Path]:
        return sorted((self.dbt.folder / policy).glob("*"))

    def _last(self, policy: str) -> int:
        """Give the number of the last step that is done, -1 before the first."""
        states = self._states(policy)
        return int(states[-1].name) if states else -1

    def _step(self, step: int, policy: str, say: Callable[[str], None]) -> str:
        """Take one step and say what was decided."""
        before = self._states(policy if step > 1 else FIRST)
        say("copying the warehouse")
        self._bring(before[-1] if step else None)
        moment = self.moments[step].isoformat(sep=" ")
        seconds: dict[str, float] = {}
        if step:
            # What came since the last step is scored before a training can see it.
            say("scoring with the version in use")
            asked = {"mlbridge_as_of": moment, "mlbridge_retrain": "never"}
            seconds |= self.dbt.run(self.branch, self.branch.select("split", "predictions"), asked)
        say("deciding whether to train" if step else "training the first version")
        asked = {"mlbridge_as_of": moment, "mlbridge_retrain": POLICIES.get(policy, False)}
        seconds |= self.dbt.run(self.branch, self.branch.select(*(REPLAYED[1:] if step else REPLAYED)), asked)
        facts = json.loads((before[-1] / FACTS).read_text()) if step else []
        known = self._known(self.moments[step], seconds)
        (self.copy.parent / FACTS).write_text(json.dumps([*facts, *known]))
        done = self.dbt.folder / policy / f"{step:05d}"
        done.parent.mkdir(exist_ok=True)
        self.copy.parent.rename(done)
        if step > 1:
            shutil.rmtree(before[-1])
        return ", ".join(f"{each['model']} {each['decision']}" for each in known)

    def _bring(self, state: Path | None) -> None:
        """Put a state, or the warehouse without what its models have learned, where dbt works."""
        shutil.rmtree(self.copy.parent, ignore_errors=True)
        if state is not None:
            shutil.copytree(state, self.copy.parent)
            return
        copy_warehouse(self.warehouse, self.copy)
        self.dbt.execute(self.branch, self.branch.learned)

    def _known(self, moment: datetime, seconds: Mapping[str, float]) -> list[dict[str, Any]]:
        """Say for each model what was known at a moment, what was decided, and what is in use from then on."""
        warehouse = connect(self.copy)
        known = []
        for model in self.branch.models:
            target = column(self.specs[model].target)
            counted = {"rows": exp.Count(this=exp.Star()), "labels": exp.Count(this=target)}
            query = exp.select(*(exp.alias_(each, name) for name, each in counted.items()))
            logbook = registry.history(warehouse, self.branch.table(model, "training"))
            decided = [each for each in logbook if each["as_of"] == moment and each["outcome"] != "runner_up"][-1]
            champion = registry.champion(model, registry.known(logbook, moment), pin=None)
            trained = decided["outcome"] in registry.KEPT
            known.append(
                {
                    "model": model,
                    "step": moment.isoformat(),
                    **warehouse.row(query.from_(self.branch.table(model, "split"))),
                    "decision": decided["outcome"],
                    "reason": decided["reason"],
                    "version": None if champion is None else champion["version"],
                    "seconds": seconds[f"{model}_training"] if trained else 0.0,
                }
            )
        return known


def day(moment: datetime) -> str:
    """Write a moment shortly: without its time when that is midnight."""
    return moment.isoformat(sep=" ").removesuffix(" 00:00:00")
