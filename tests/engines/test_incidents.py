"""When alerts are one incident: causes whose truth is known, by the package's own SQL from the alerts to the lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from simulated import STEPS, package

WINDOWS = pd.date_range("2024-01-01", periods=6, freq="MS")
STORY = pd.date_range("2022-01-01", periods=12, freq="MS")  # what many builds look at, one after each window
TRIALS = 25  # docs/judgements.md states the shares of 100
POWERS = (0.99, 0.9, 0.8)  # the share of windows in which a feature that drifts alerts
PAIRS = [(f"m{model}", f"f{feature}") for model in range(3) for feature in range(3)]
FINDINGS = {"model": "x", "finding_rank": 1, "verdict": "act", "about": "build", "reason": "r", "action": "a"}


@dataclass
class World:
    """Alerts by model, what and window; the source of each model is its own unless it is named."""

    sources: dict[str, str] = field(default_factory=dict)
    alerts: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    findings: list[dict[str, Any]] = field(default_factory=list)
    windows: pd.DatetimeIndex = field(default_factory=lambda: WINDOWS)
    daily: dict[str, pd.DatetimeIndex] = field(default_factory=dict)  # the windows of models that are watched by day
    muted: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    outcomes_after: int = 0  # how many windows later the outcomes of one are known

    def drifts(self, model: str, feature: str, *windows: int, source: str | None = None) -> World:
        """Let a feature alert in some windows."""
        self.sources[model] = source or self.sources.get(model, model)
        self.alerts[model, f"drift of {feature}"] = list(windows)
        return self

    def fails(self, model: str, *windows: int, source: str | None = None, kind: str = "realized") -> World:
        """Let the performance of a model alert in some windows."""
        self.sources[model] = source or self.sources.get(model, model)
        self.alerts[model, f"{kind} performance"] = list(windows)
        return self

    def mutes(self, model: str, feature: str, *windows: int) -> World:
        """Let a feature be judged in all windows but some."""
        self.muted[model, f"drift of {feature}"] = list(windows)
        return self


def candidates(world: World) -> pd.DataFrame:
    """Give `int_ml_alert_candidates`: every window of all that is watched, and the first build that knows of it."""
    late = ("realized performance", "drift of ml_target")
    rows = [
        {
            "model": model, "version": 1, "about": "drift" if what.startswith("drift") else "performance", "what": what,
            "feature": what.removeprefix("drift of ") if what.startswith("drift") else None, "kind": None,
            "slice": None, "window_start": start, "window_end": start + all_windows.freq, "baseline": "training",
            "needs_outcomes": int(what in late), "is_alert": int(number in windows),
            "severity": 1 if what == "drift of ml_target" else 2, "is_missing": 0, "action": "a", "metric": "m",
            "figures": "f",
            "build": number + (world.outcomes_after if what in late else 0),
        }
        for (model, what), windows in world.alerts.items()
        for all_windows in [world.daily.get(model, world.windows)]
        for number, start in enumerate(all_windows)
        if number not in world.muted.get((model, what), ())
    ]  # fmt: skip
    return pd.DataFrame(rows).astype({"feature": "string", "kind": "string", "slice": "string"})


@contextmanager
def judged(world: World) -> Iterator[duckdb.DuckDBPyConnection]:
    """Run the package's SQL from the alerts to `ml_incidents` as views; `build` chooses what is known."""
    sources, declared = (
        " union all ".join(f"select '{model}' as model, {of_model(model)}" for model in world.sources)
        for of_model in (
            lambda model: f"'{world.sources[model]}' as source, '{world.sources[model]}' as origin",
            lambda model: f"{1 if model in world.daily else 31} as window_days",
        )
    )
    findings = pd.DataFrame(world.findings or [FINDINGS]).assign(since=WINDOWS[-1])
    given = {
        "every_window": candidates(world),
        "int_ml_moved_features": pd.DataFrame(
            {"model": ["x"], "version": [1], "window_start": WINDOWS[:1], "features": ["f"]}
        ),
        "int_ml_findings": findings if world.findings else findings.head(0),
    }
    with pytest.MonkeyPatch.context() as patched, duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'; set variable build = 1000")
        patched.setattr(package().names["mlbridge"], "model_sources", lambda: sources)
        patched.setattr(package().names["mlbridge"], "declared_models", lambda: declared)
        for name, rows in given.items():
            connection.register("rows", rows)
            connection.execute(f"create table {name} as from rows")
        connection.execute(
            "create view int_ml_alert_candidates as select * exclude (build) from every_window "
            "where build <= getvariable('build')"
        )
        for name in SQL:
            folder = STEPS if name.startswith("int_ml_") else STEPS.parent
            connection.execute(f"create view {name} as {package().file(folder / f'{name}.sql')}")
        yield connection


SQL = (
    "int_ml_model_sources", "int_ml_lasting_alerts", "int_ml_alert_causes", "ml_alerts", "int_ml_incident_names",
    "ml_incidents",
)  # fmt: skip


def lines(world: World) -> pd.DataFrame:
    """Give `ml_incidents`."""
    with judged(world) as connection:
        return connection.execute("from ml_incidents order by since, incident").df()


def builds(world: World) -> pd.DataFrame:
    """Give the current alerts of a build after each window."""
    found = []
    with judged(world) as connection:
        for build in range(len(world.windows)):
            connection.execute(f"set variable build = {build}")
            query = "select model, what, about, since, incident from ml_alerts where is_current"
            found.append(connection.execute(query).df().assign(build=build))
    return pd.concat(found)


def one_cause() -> World:
    """Three features of three models of one source drift from one window on; one model does worse later."""
    world = World()
    for model, feature in PAIRS:
        world.drifts(model, feature, 3, 4, 5, source="shared")
    return world.fails("m1", 4, 5)


def test_one_cause_in_several_models_of_one_source_is_one_line() -> None:
    (line,) = lines(one_cause()).to_dict("records")
    assert line["models"] == "m0, m1, m2"
    assert line["alerts"] == len(PAIRS) + 1
    assert line["since"] == WINDOWS[3]
    assert "All of these models read shared" in line["message"]


def test_a_feature_that_a_model_reads_alone_is_of_the_same_line() -> None:
    assert len(lines(one_cause().drifts("m2", "its own", 3, 4, 5))) == 1


@pytest.mark.parametrize(
    ("world", "since"),
    [
        (World().drifts("a", "x", 3, 4, 5).drifts("b", "y", 3, 4, 5), [3, 3]),
        (World().drifts("a", "x", 2, 3, 4, 5, source="s").drifts("b", "y", 4, 5, source="s"), [2, 4]),
        (World().drifts("a", "x", 2, 3, 4, 5).drifts("a", "y", 4, 5), [2, 4]),
        (World().drifts("a", "x", 1, 2).drifts("a", "y", 4, 5), [4]),
        # two windows without an alert are a recovery
        (World().drifts("a", "x", 0, 1, 4, 5), [4]),
        # what has interruptions is not the cause of all that begins meanwhile
        (World().drifts("a", "x", 1, 3, 4, 5).drifts("a", "y", 3, 4, 5), [1, 3]),
        (World().drifts("a", "x", 0, 1, 2, 4, 5).drifts("a", "y", 4, 5), [0, 4]),
        (World().drifts("a", "x", 2, 4, 5, source="s").mutes("a", "x", 3).drifts("b", "y", 4, 5, source="s"), [2, 4]),
        # performance that fails before anything has drifted is no effect of the drift that comes later
        (World().fails("a", 1, 2, 3, 4, 5).drifts("a", "x", 2, 3, 4, 5), [1, 2]),
    ],
    ids=[
        "two sources", "two times in one source", "two times in one model", "over", "came back",
        "interrupted", "interrupted later", "next to a muted window", "failed before",
    ],
)  # fmt: skip
def test_two_independent_causes_are_two_lines(world: World, since: list[int]) -> None:
    assert lines(world)["since"].tolist() == [WINDOWS[number] for number in since]


@pytest.mark.parametrize(
    "world",
    [
        World().drifts("a", "x", 1, 3, 5).drifts("a", "y", 1, 2, 3, 4, 5),
        World().drifts("a", "x", 1, 2, 3, 4, 5, source="s").drifts("b", "y", 2, 3, 4, 5, source="s"),
        World().drifts("a", "x", 1, 2, 5).drifts("a", "y", 1, 2, 3, 4, 5),
        World().fails("a", 1, 2, 4, 5).drifts("a", "x", 1, 3, 4, 5),
        World().fails("a", 3, 4, 5).drifts("a", "x", 1, 2, 4, 5),
    ],
    ids=["every other window", "first window", "came back beside another", "performance", "as performance fails"],
)
def test_a_window_that_misses_an_alert_splits_no_cause(world: World) -> None:
    assert lines(world)["since"].tolist() == [WINDOWS[1]]


def test_two_causes_of_one_window_and_source_cannot_be_told_apart() -> None:
    """The graph knows tables and not columns: the line names both features."""
    (line,) = lines(World().drifts("a", "x", 3, 4, 5, source="s").drifts("b", "y", 3, 4, 5, source="s")).to_dict(
        "records"
    )
    assert "Drifted: x, y" in line["message"]


def test_states_of_models_are_joined_by_build_and_by_source() -> None:
    world = one_cause().drifts("z", "x", 5)
    for about in ("build", "rows", "version"):
        world.findings += [{**FINDINGS, "about": about, "model": model} for model in ("m0", "m1", "z")]
    found = lines(world)
    by_kind = found.groupby("about")["models"].agg(sorted).to_dict()
    assert by_kind["build"] == ["m0, m1, z"]
    assert by_kind["rows"] == ["m0, m1", "z"]
    assert by_kind["version"] == ["m0", "m1", "z"]


def test_the_name_stays_when_the_alert_that_began_first_ends_first() -> None:
    world = World(windows=STORY).drifts("a", "x", 3, 4, 5).drifts("b", "y", 4, 5, 6, 7, 8, source="a")
    found = builds(world.fails("b", 6, 7, 8, 9))
    assert set(found["incident"]) == {f"alerts of a since {STORY[3]}"}
    assert found["build"].unique().tolist() == [3, 4, 5, 6, 7, 8, 9]


def test_outcomes_that_come_late_rename_nothing() -> None:
    """A loss is known two builds after its window; drift of the next window has its name by then."""
    world = World(windows=STORY, outcomes_after=2).drifts("a", "x", 3, 4, 5, 6, 7).drifts("b", "x", 4, 5, source="a")
    found = builds(world.fails("a", 2, 3, 4, 5, 6).fails("b", 3, 4, 5))
    assert found.groupby("about")["incident"].agg(set).to_dict() == {
        "drift": {f"alerts of a since {STORY[3]}"},
        "performance": {f"alerts of a since {STORY[2]}", f"alerts of a since {STORY[3]}"},
    }


@pytest.mark.parametrize("began", [3, 4])
def test_drift_of_outcomes_that_come_late_renames_nothing(began: int) -> None:
    """Neither what began after the outcomes drifted, nor what began in the same window in another model."""
    world = World(windows=STORY, outcomes_after=2).drifts("a", "ml_target", 3, 4, 5, 6, 7)
    found = builds(world.drifts("b", "x", *range(began, 9), source="a").fails("b", *range(began, 9), kind="estimated"))
    own = found[found["model"] == "b"]
    assert set(own["incident"]) == {f"alerts of b since {STORY[began]}"}
    assert set(own["what"]) == {"drift of x", "estimated performance"}


def test_realized_performance_renames_no_estimated_one() -> None:
    world = World(windows=STORY, outcomes_after=2).fails("a", 4, 5, 6, 7, kind="estimated")
    found = builds(world.fails("a", 3, 4, 5, 6, 7))
    assert found.groupby("what")["incident"].agg(set).to_dict() == {
        "estimated performance": {f"alerts of a since {STORY[4]}"},
        "realized performance": {f"alerts of a since {STORY[3]}"},
    }


@pytest.mark.parametrize("began", [0, 14])
def test_windows_of_other_lengths_are_of_other_incidents(began: int) -> None:
    """A window of a month is known a month after its first day, by when what is watched by day has its names."""
    world = World(windows=STORY[:2], daily={"b": pd.date_range(STORY[0], STORY[2], freq="D", inclusive="left")})
    world.drifts("a", "x", 0, 1, source="s").drifts("b", "y", *range(began, 59), source="s").fails("b", 58)
    found = lines(world)
    assert sorted(found["incident"]) == [
        f"alerts of a since {STORY[0]}",
        f"alerts of b since {STORY[0] + pd.Timedelta(days=began)}",
    ]


def test_what_comes_back_is_of_the_newest_of_its_incidents_that_lasts() -> None:
    world = World(windows=STORY).drifts("a", "x", 1, 2, 5, 6, 9, 10)
    found = builds(world.drifts("a", "y", *range(1, 7)).drifts("a", "z", *range(5, 11)))
    names = found.groupby(["what", "since"])["incident"].agg(list).map(set).to_dict()
    first, second = ({f"alerts of a since {STORY[number]}"} for number in (1, 5))
    assert names == {
        ("drift of x", STORY[1]): first,
        ("drift of x", STORY[5]): first,
        ("drift of x", STORY[9]): second,
        ("drift of y", STORY[1]): first,
        ("drift of z", STORY[5]): second,
    }


def test_what_comes_back_twice_is_of_the_incident_that_lasts() -> None:
    world = World(windows=STORY).drifts("a", "x", 1, 2, 5, 6, 9, 10).drifts("a", "y", *range(1, 11))
    assert set(builds(world)["incident"]) == {f"alerts of a since {STORY[1]}"}


def test_what_comes_back_is_of_an_incident_that_cannot_be_judged_meanwhile() -> None:
    """That x is over is known in window 6, two judged windows after it alerted: y comes back before."""
    world = World(windows=STORY).drifts("a", "x", 1, 2).mutes("a", "x", 3, 4).drifts("a", "y", 1, 4, 5, 6)
    found = builds(world)
    assert set(found["incident"]) == {f"alerts of a since {STORY[1]}"}


def test_another_version_in_use_takes_the_names_that_began_with_the_one_before() -> None:
    """Only the alerts of versions in use are known: a name may change when its first alert is of one no more."""
    before = World(windows=STORY[:7]).drifts("a", "x", 3, 4, 5, 6).drifts("b", "y", 4, 5, 6, source="a")
    after = World(windows=STORY[:7]).drifts("b", "y", 4, 5, 6, source="a")
    assert set(lines(before)["incident"]) == {f"alerts of a since {STORY[3]}"}
    assert set(lines(after)["incident"]) == {f"alerts of b since {STORY[4]}"}


@pytest.mark.parametrize("flipped", [4, 5, 6])
def test_a_window_that_is_measured_again_renames_nothing(flipped: int) -> None:
    """One that alerted does not any more, while the alert goes on; and the other way."""
    windows = [3, 4, 5, 6, 7]
    others = [number for number in windows if number != flipped]
    before, after = (
        lines(World(windows=STORY[:8]).drifts("a", "x", *found).drifts("a", "y", *windows).fails("a", 7))
        for found in (windows, others)
    )
    assert before["incident"].tolist() == after["incident"].tolist()


@pytest.mark.parametrize(("flipped", "since"), [(4, 4), (5, 3), (6, 3)])
def test_only_the_second_window_measured_again_parts_what_began_in_it(flipped: int, since: int) -> None:
    """That x goes on in the window in which y begins is what holds them together."""
    others = [number for number in (3, 4, 5, 6, 7) if number != flipped]
    world = World(windows=STORY[:8]).drifts("a", "x", *others).drifts("b", "y", 4, 5, 6, 7, source="a")
    assert {3, since} == {STORY.get_loc(moment) for moment in lines(world)["since"]}


CAUSE = range(2, 11)


def drifting(world: World, rng: np.random.Generator, source: str, power: float, begins: int, features: str) -> None:
    """Let nine features of three models drift from a window on, each until an end of its own."""
    for model, feature in PAIRS:
        ends = int(rng.integers(begins + 3, CAUSE.stop)) if (model, feature) != PAIRS[-1] else CAUSE.stop
        found = [number for number in range(begins, ends) if rng.random() < power]
        world.drifts(f"{source}_{model}", f"{features}{feature}", *found, source=source)


@pytest.fixture(scope="module")
def one() -> pd.DataFrame:
    """One cause a trial, of nine windows in nine features of three models, of which each window misses some."""
    rng, world = np.random.default_rng(5), World(windows=STORY)
    for power in (1.0, *POWERS):
        for trial in range(TRIALS):
            source = f"s{power}_{trial}"
            drifting(world, rng, source, power, CAUSE.start, "x")  # the performance of one model suffers later
            late = [number for number in range(CAUSE.start + 3, CAUSE.stop) if rng.random() < power]
            world.fails(f"{source}_m1", *late, source=source)
    return told(builds(world))


@pytest.fixture(scope="module")
def two() -> pd.DataFrame:
    """A second cause a trial in other features, two to four windows after the first, which goes on."""
    rng, world = np.random.default_rng(6), World(windows=STORY)
    for power in (1.0, *POWERS):
        for trial in range(TRIALS):
            source = f"s{power}_{trial}"
            drifting(world, rng, source, power, CAUSE.start, "x")
            drifting(world, rng, source, power, CAUSE.start + 2 + trial % 3, "y")
    return told(builds(world)).assign(cause=lambda rows: rows["what"].str.removeprefix("drift of ").str[0])


def told(found: pd.DataFrame) -> pd.DataFrame:
    """Add the trial and its power."""
    trial = found["model"].str.rsplit("_", n=1).str[0]
    return found.assign(trial=trial, power=trial.str.extract(r"s(.*)_", expand=False).astype(float))


def test_an_alert_is_of_one_incident_as_long_as_it_lasts(one: pd.DataFrame, two: pd.DataFrame) -> None:
    for found in (one, two):
        assert (found.groupby(["model", "what", "since"])["incident"].nunique() == 1).all()


def test_one_cause_is_one_line_with_one_name_from_begin_to_end(one: pd.DataFrame) -> None:
    by_cause = one.groupby(["power", "trial"])["incident"].nunique()
    constant = (by_cause == 1).groupby("power").mean()
    by_build = one.groupby(["power", "trial", "build"])["incident"].nunique()
    single = (by_build == 1).groupby("power").mean()
    assert constant[1.0] == single[1.0] == 1
    assert constant[0.9] > 0.9
    assert single.min() > 0.85


def test_two_causes_apart_in_time_have_two_names(two: pd.DataFrame) -> None:
    names = two.groupby(["power", "trial", "cause"])["incident"].agg(set).unstack()
    apart = names.apply(lambda row: not row["x"] & row["y"], axis="columns").groupby("power").mean()
    assert apart[1.0] == 1
    assert apart.min() > 0.5
