"""Which versions are served: those of the newest published build, which are looked for again and again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlbridge.errors import MlbridgeError, listed, nearest
from mlbridge.publication.folder import FORMAT, current_build, read_facts
from mlbridge.publication.versions import INDEX, beside, read_index
from mlbridge.serving.beside import Beside, beside_problem
from mlbridge.serving.online import Online
from mlbridge.serving.served import Served, load
from mlbridge.typing import Document
from mlbridge.version import __version__

# What could not be loaded is tried again after so many seconds.
RETRY = 30.0


class NotServedError(MlbridgeError):
    """There is no such model, or no version of it in use."""


@dataclass(frozen=True)
class State:
    """One published build; `models` are served, and `problems` say of which the build's own version is not, and why.

    `beside` are the challengers that answer or score as well, and `not_beside` says which cannot, and why.
    `online` are the online tables, by which keys find features.
    """

    place: Path | None = None
    build: str | None = None
    models: Mapping[str, Served] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, Beside] = field(default_factory=dict)
    not_beside: Mapping[str, str] = field(default_factory=dict)
    online: Online = field(default_factory=Online)

    def served(self, model: str, version: str | None = None) -> Served:
        """Return a model's version in use; raises NotServedError for another one, with what there is."""
        found = self.models.get(model)
        if found is None:
            if model in self.problems:
                raise NotServedError(f"'{model}' is not served: {self.problems[model]}")
            if not self.models:
                raise NotServedError(
                    "no model is served yet: no build has published a version in use. Run `dbt build`."
                )
            short = model[:100]
            raise NotServedError(
                f"there is no model '{short}'.{nearest(short, self.models)} Served: {listed(self.models)}."
            )
        if version is not None and version != str(found.version):
            raise NotServedError(f"version '{version[:20]}' of '{model}' is not in use; served is {found.version}.")
        return found


class Versions:
    """Keeps the state that is served. `refresh` may run in a thread: readers take `state` once and keep it."""

    def __init__(
        self, folder: Path, models: Sequence[str] = (), trusted: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """Take the folder that builds publish to, the models to serve (none: all), and the types that specs trust.

        What is trusted comes from the project, as in a build, and not from where the artifacts lie.
        """
        self._folder, self._models, self._trusted = folder, tuple(models), dict(trusted or {})
        self.state, self._read_at = State(), 0.0
        self.problem: str | None = f"nothing is published in {folder} yet. Run `dbt build`."

    def refresh(self) -> bool:
        """Take over a newer build, whole; what cannot be read leaves the state as it is. Returns whether it changed.

        `problem` says afterwards why the newest build is not what is served, None where it is.
        """
        try:
            place = current_build(self._folder)
            if place is None:
                self.problem = f"nothing is published in {self._folder} any more; the last versions go on."
                if self.state.place is None:
                    self.problem = f"nothing is published in {self._folder} yet. Run `dbt build`."
                return False
            is_new = place != self.state.place
            lacks = self.state.problems or self.state.online.problems or self.state.online.problem
            if is_new or (lacks and time.monotonic() - self._read_at >= RETRY):
                found, self._read_at = self._read(place), time.monotonic()
                changed, self.state = found != self.state, found
            else:
                changed = False
        except Exception as error:
            self.problem = f"the newest published build cannot be read: {error or type(error).__name__}"
            return False
        self.problem = None
        return changed

    def _read(self, place: Path) -> State:
        facts = read_facts(place)
        if facts["format"] == FORMAT and not (place / INDEX).is_file() and facts.get("version") == __version__:
            raise ValueError("it could not read which versions are in use; its log says why.")
        if facts["format"] != FORMAT or not (place / INDEX).is_file():
            raise ValueError(
                f"it is of mlbridge {facts.get('version')}, which published no versions. Run `dbt build` or `mlbridge "
                "publish` with this mlbridge."
            )
        models: dict[str, Served] = {}
        problems: dict[str, str] = {}
        challengers: dict[str, Document] = {}
        for model, published in read_index(place).items():
            if self._models and model not in self._models:
                continue
            entry = published
            if isinstance(published, dict) and "beside" in published:
                entry = {key: value for key, value in published.items() if key != "beside"}
                challengers[model] = published["beside"]
            before = self.state.models.get(model)
            try:
                same = before is not None and before.entry == entry
                models[model] = before if before is not None and same else self._load(place, model, entry)
            except Exception as error:
                problems[model] = str(error) or type(error).__name__
                if before is not None:
                    models[model] = before
        found, not_beside = self._read_beside(place, models, challengers)
        online = Online.load(place, str(facts["published_at"]))
        return State(place, str(facts["build"]), models, problems, found, not_beside, online)

    def _load(self, place: Path, model: str, entry: Document, stem: str | None = None) -> Served:
        if entry.get("failed") is not None:
            raise NotServedError(f"the build could not publish version {entry['version']}: {entry['failed']}")
        return load(place, model, entry, self._trusted.get(model, ()), stem)

    def _read_beside(
        self, place: Path, models: Mapping[str, Served], challengers: Mapping[str, Document]
    ) -> tuple[dict[str, Beside], dict[str, str]]:
        """Load the challengers of what is served; one that cannot be loaded or used takes nothing with it."""
        found: dict[str, Beside] = {}
        problems: dict[str, str] = {}
        for model, published in challengers.items():
            if model not in models:
                continue
            before = self.state.beside.get(model)
            try:
                entry = {key: value for key, value in published.items() if key not in ("shadow", "canary")}
                same = before is not None and before.served.entry == entry
                known = before.served if before is not None and same else None
                served = known or self._load(place, model, entry, beside(model))
                problem = beside_problem(models[model], served)
                if problem is None:
                    found[model] = Beside(served, bool(published["shadow"]), float(published["canary"] or 0))
            except Exception as error:
                problem = str(error) or type(error).__name__
            if problem is not None:
                number = published.get("version") if isinstance(published, dict) else None
                problems[model] = f"version {number}: {problem}"
        return found, problems

    @property
    def lacking(self) -> list[str]:
        """Name the models that are wanted and neither served nor in use."""
        return [name for name in self._models if name not in self.state.models and name not in self.state.problems]

    @property
    def is_ready(self) -> bool:
        """Return whether every model that is wanted is served; without a list, whether one is."""
        served = self.state.models
        return all(model in served for model in self._models) if self._models else bool(served)

    @property
    def readiness(self) -> dict[str, object]:
        """Say what is served and what is not."""
        models, problems = self.state.models, self.state.problems
        lacking = dict.fromkeys(self.lacking, "it has no version in use")
        return {
            "ready": self.is_ready,
            "build": self.state.build,
            "models": {name: each.version for name, each in models.items()},
            "problem": self.problem,
            "not_served": {**lacking, **{name: why for name, why in problems.items() if name not in models}},
            "not_newest": {name: why for name, why in problems.items() if name in models},
            "challengers": {
                name: {"version": each.served.version, "shadow": each.shadow, "canary": each.canary}
                for name, each in self.state.beside.items()
            },
            "not_beside": dict(self.state.not_beside),
            "online_problem": self.state.online.problem,
            "not_online": dict(self.state.online.problems),
        }
