"""Replay: advances the clock step by step under each policy; each policy has its own copy of the warehouse.

A step works on a copy of the previous step's state. A single rename makes the new state, with its recorded facts, the
current one, so a replay that was stopped at any moment continues after the last completed step.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypedDict

from sqlglot import exp

from mlbridge.backtesting.sandbox import REPLAYED, Branch, Dbt, ReplayError, copy_warehouse
from mlbridge.engines.opening import connect
from mlbridge.engines.warehouse import Warehouse, column
from mlbridge.registry.logbook import VERSION_OUTCOMES, history
from mlbridge.spec.specification import Spec

# The value of the var `mlbridge_retrain` under each policy.
POLICIES: Mapping[str, str | bool] = {"spec": False, "never": "never", "always": True}
# The first step is the same under every policy: there is no version yet, so that one is trained.
ALL_POLICIES = "every"
FACTS = "facts.json"

Report = Callable[[int, int, str], None]
"""A callback that takes the number of completed steps, the number of all steps, and the current activity."""


class StepFacts(TypedDict):
    """Numbers of rows and labels of a model known at a step, the decision, and the version in use from then on."""

    model: str
    step: str
    rows: int
    labels: int
    decision: str
    reason: str
    version: int | None
    seconds: float


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
        """Return the file that dbt works on."""
        return self.dbt.folder / "next" / self.warehouse.name

    def run(self) -> None:
        """Run the steps that are not completed yet; raises ReplayError with step and policy if a build fails."""
        for policy in POLICIES:
            for left_over in self._states(policy)[:-1]:
                shutil.rmtree(left_over)
        steps = [(0, ALL_POLICIES), *((step, policy) for step in range(1, len(self.moments)) for policy in POLICIES)]
        for number, (step, policy) in enumerate(steps):
            if step <= self._last(policy):
                continue
            what = f"{day(self.moments[step])} {'every policy' if policy == ALL_POLICIES else policy}"

            def progress(text: str, number: int = number, what: str = what) -> None:
                self.report(number, len(steps), f"{what}: {text}")

            try:
                decided = self._step(step, policy, progress)
            except ReplayError as error:
                shutil.rmtree(self.copy.parent, ignore_errors=True)
                raise ReplayError(f"{what}: {error}\ndbt's log is in {self.dbt.logs}") from error
            self.report(number + 1, len(steps), f"{what}: {decided}")
        self.report(len(steps), len(steps), "evaluating the predictions")

    def facts(self, policy: str) -> list[StepFacts]:
        """Return one record per model and step so far: numbers of known rows and labels, decision, version in use."""
        found: list[StepFacts] = json.loads((self._states(policy)[-1] / FACTS).read_text())
        return found

    def state(self, policy: str) -> Warehouse:
        """Open the warehouse as the last step under a policy left it."""
        return connect(self._states(policy)[-1] / self.warehouse.name)

    def remove_states(self) -> None:
        """Remove the copies and what dbt compiled, which nobody needs once the results are stored."""
        for name in ("next", ALL_POLICIES, *POLICIES, "target", "results"):
            shutil.rmtree(self.dbt.folder / name, ignore_errors=True)

    def _states(self, policy: str) -> list[Path]:
        return sorted((self.dbt.folder / policy).glob("*"))

    def _last(self, policy: str) -> int:
        """Return the number of the last step that is done, -1 before the first."""
        states = self._states(policy)
        return int(states[-1].name) if states else -1

    def _step(self, step: int, policy: str, progress: Callable[[str], None]) -> str:
        """Run one step; returns the decisions as text."""
        before = self._states(policy if step > 1 else ALL_POLICIES)
        progress("copying the warehouse")
        self._prepare_copy(before[-1] if step else None)
        moment = self.moments[step].isoformat(sep=" ")
        seconds: dict[str, float] = {}
        if step:
            # Rows that arrived since the last step are scored before a training can use them.
            progress("scoring with the version in use")
            never = {"mlbridge_as_of": moment, "mlbridge_retrain": "never"}
            seconds |= self.dbt.run(self.branch, self.branch.select("split", "predictions"), never)
        progress("deciding whether to train" if step else "training the first version")
        variables = {"mlbridge_as_of": moment, "mlbridge_retrain": POLICIES.get(policy, False)}
        seconds |= self.dbt.run(self.branch, self.branch.select(*(REPLAYED[1:] if step else REPLAYED)), variables)
        facts = json.loads((before[-1] / FACTS).read_text()) if step else []
        known = self._known(self.moments[step], seconds, {each["model"]: each["version"] for each in facts})
        (self.copy.parent / FACTS).write_text(json.dumps([*facts, *known]))
        done = self.dbt.folder / policy / f"{step:05d}"
        done.parent.mkdir(exist_ok=True)
        self.copy.parent.rename(done)
        if step > 1:
            shutil.rmtree(before[-1])
        return ", ".join(f"{each['model']} {each['decision']}" for each in known)

    def _prepare_copy(self, state: Path | None) -> None:
        """Copy a state, or the warehouse without trained versions, to the file that dbt works on."""
        shutil.rmtree(self.copy.parent, ignore_errors=True)
        if state is not None:
            shutil.copytree(state, self.copy.parent)
            return
        copy_warehouse(self.warehouse, self.copy)
        self.dbt.execute(self.branch, self.branch.drop_statements)

    def _known(
        self, moment: datetime, seconds: Mapping[str, float], in_use: Mapping[str, int | None]
    ) -> list[StepFacts]:
        """Return one record per model: rows and labels known at a moment (UTC), decision and resulting version in use.

        `in_use` is the version in use by model until then; only a promotion changes it.
        """
        warehouse = connect(self.copy)
        facts: list[StepFacts] = []
        for model in self.branch.models:
            target = column(self.specs[model].target)
            counted = {"rows": exp.Count(this=exp.Star()), "labels": exp.Count(this=target)}
            query = exp.select(*(exp.alias_(each, name) for name, each in counted.items()))
            found = warehouse.row(query.from_(self.branch.table(model, "split")))
            logbook = history(warehouse, self.branch.table(model, "training"))
            decided = [each for each in logbook if each.as_of == moment and each.outcome != "runner_up"][-1]
            trained = decided.outcome in VERSION_OUTCOMES
            facts.append(
                {
                    "model": model,
                    "step": moment.isoformat(),
                    "rows": found["rows"],
                    "labels": found["labels"],
                    "decision": decided.outcome,
                    "reason": decided.reason,
                    "version": decided.version if decided.outcome == "promoted" else in_use.get(model),
                    "seconds": seconds[f"{model}_training"] if trained else 0.0,
                }
            )
        return facts


def day(moment: datetime) -> str:
    """Write a moment in its short form: without its time when that is midnight."""
    return moment.isoformat(sep=" ").removesuffix(" 00:00:00")
