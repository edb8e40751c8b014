"""Worlds whose truth is known, measured and judged by the package's own SQL on DuckDB, without a dbt project around it.

Many models are judged in one pass: each world is a version, each trial a window. What a training would have written of
its reference windows is measured by the same SQL.
"""

from __future__ import annotations

import datetime
import json
import re
from functools import cache
from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from dbt_host import ROOT
from rendering import ENGINES, ENVIRONMENT, Rendering

from mlbridge.evaluation.sample import Sample
from mlbridge.reference.performance_estimation import calibration_steps

STEPS = ROOT / "models" / "monitor" / "steps"
START = datetime.datetime(2024, 1, 1)
# The builds of the simulated worlds start when all their windows are over.
LATER = datetime.datetime(2100, 1, 1)
INLINE = ("int_ml_performance_intervals", "int_ml_usual_skill")
MEASURED = (
    "window_start, slice, metric, value, se, n, baseline, skill_se, support, low, high, events, block_count, "
    "optimism, skewness"
)


class Package(Rendering):
    """The package's SQL for an engine over tables of the same names as its models."""

    def __init__(self, engine: str = "duckdb") -> None:
        """Write for a project that declares no model of its own."""
        self.engine, self.duckdb, self.answers, self.is_incremental = ENGINES[engine], None, None, False
        context: dict[str, Any] = {
            **self._environment(),
            "ref": self._named,
            "model": {"name": "none", "depends_on": {"nodes": []}},
        }
        self.names = {**ENVIRONMENT.globals, **context}
        packages = {package: self._macros(package) for package in ("mlbridge", "dbt")}
        self.packages = packages
        self.names.update(packages["dbt"])
        self.names.update({name: SimpleNamespace(**macros) for name, macros in packages.items()})

    def _environment(self) -> dict[str, Any]:
        nothing = {"sources": {}, "metadata": {"project_name": "none"}}
        self.host, self.nodes = SimpleNamespace(manifest=nothing), {}  # type: ignore[assignment]
        return {
            **self._context(),
            "run_started_at": LATER,
            "var": lambda name, default=None: {"mlbridge_models": []}.get(name, default),
        }

    def _named(self, *names: str) -> str:
        name = names[-1]
        return f"({self.file(STEPS / f'{name}.sql')})" if name in INLINE else name

    def file(self, path: Any) -> str:
        """Write the SQL of a model's file."""
        return re.sub(r"(?m)^--.*$", "", ENVIRONMENT.from_string(path.read_text()).render(self.names))

    def sql(self, macro: str, *args: Any) -> str:
        """Write what a macro gives."""
        return str(self.packages["mlbridge"][macro](*args))


@cache
def package() -> Package:
    """Read the macros once."""
    return Package()


def measured(
    connection: duckdb.DuckDBPyConnection,
    rows: pd.DataFrame,
    classes: list[str] | None,
    effects: dict[str, float] | None = None,
) -> pd.DataFrame:
    """Measure rows: window_start, slice, block, prediction, truth and, of classes, probability and probabilities."""
    connection.register("rows_to_measure", rows)
    query = "select * from rows_to_measure"
    sql = (
        package().sql("of_classes", query, classes, effects or {})
        if classes
        else package().sql("of_numbers", query, effects or {})
    )
    return connection.sql(f"select {MEASURED} from ({sql}) as measured").df()


def judged(
    connection: duckdb.DuckDBPyConnection,
    watched: pd.DataFrame,
    reference: pd.DataFrame,
    unit: str = "day",
    expected: pd.DataFrame | None = None,
    slices: int = 1,
) -> pd.DataFrame:
    """Judge what was measured of windows, each slice a version of its own, by what was measured of its reference.

    And what is estimated of them, from what `expected` gives. With `slices` so many are slices of one version. Gives
    the rows of `ml_performance`.
    """
    number = "cast(slice as int)"
    version, name = f"{number} // {slices}", f"'x=' || {number} % {slices}" if slices > 1 else "'all'"
    nothing = {
        each: pd.Series(dtype="float64")
        for each in ("class_no", "calibration_step", "probability", "n", "is_predicted", *LEARNT)
    }
    window = {"window_start": pd.Series(dtype="datetime64[us]"), "slice": pd.Series(dtype="str")}
    connection.register("steps", pd.DataFrame({**window, **nothing}) if expected is None else expected)
    connection.register("seen", watched)
    connection.register("before", reference)
    freedom = package().sql("freedom", "block_count", "n", None)
    connection.execute(
        f"""
        create or replace table ml_thresholds as from read_csv('{ROOT / "seeds" / "ml_thresholds.csv"}');
        create or replace view ml_realized as
        select 'a' as model, {version} as version, 'month' as window_size, window_start, {name} as slice,
            metric, value, se, cast(n as bigint) as n, baseline, skill_se, support,
            cast(events as bigint) as events, low, high,
            '{unit}' as block, cast(block_count as bigint) as blocks, cast({freedom} as bigint) as df,
            optimism, skewness
        from seen;
        create or replace view estimation_bins as
        select 'a' as model, {version} as version, 'month' as window_size, window_start,
            steps.* exclude (window_start, slice) replace (cast(class_no as int) as class_no), {name} as slice
        from steps;
        create or replace view int_ml_estimated_metrics as
        with {package().sql("estimated_metrics", "estimation_bins")}
        select * from final;
        create or replace view int_ml_block_effects as
        select 'a' as model, 1 as version, '' as metric, '' as block, 1.0 as design_effect where false;
        create or replace view ml_versions as
        select distinct 'a' as model, {version} as version, timestamp '2023-01-01' as as_of, '' as outcome
        from before;
        create or replace view ml_windows as
        select distinct 'a' as model, version, window_size, window_start, window_start + interval 31 day as window_end
        from ml_realized;
        create or replace view int_ml_reference_skill as
        select 'a' as model, {version} as version, {name} as slice, metric, window_start, value, baseline, n,
            (value - baseline)
            / nullif(case when greater_is_better then 1 else 0 end - baseline, 0) as skill
        from before join ml_thresholds using (metric) where value is not null and baseline is not null;
        """
    )
    return connection.sql(package().file(ROOT / "models" / "monitor" / "ml_performance.sql")).df()


ERRORS = ("absolute_error_mean", "squared_error_mean", "fourth_power_mean")
LEARNT = ("loss_leaf", *ERRORS, "score_sum", "score_square_sum")


def expected_classes(watched: pd.DataFrame, validation: pd.DataFrame) -> pd.DataFrame:
    """Give the rows that `estimated_metrics` takes: of each slice the scores, calibrated on its validation rows."""
    parts = []
    for world, rows in watched.groupby("slice"):
        known = validation[validation["slice"] == world]
        score = known["probability"].to_numpy()
        sample = Sample((known["truth"] == CLASSES[1]).to_numpy().astype(int), np.column_stack([1 - score, score]))
        steps = calibration_steps(sample, CLASSES)
        step = np.searchsorted([each["upper"] for each in steps[:-1]], rows["probability"], side="left")
        value = np.array([each["value"] for each in steps])[step]
        scored = rows.assign(score=rows["probability"], square=rows["probability"] ** 2)
        parts.append(scored.assign(calibration_step=step, probability=value))
    found = pd.concat(parts).assign(is_predicted=lambda rows: (rows["prediction"] == CLASSES[1]).astype(int))
    groups = found.groupby(["window_start", "slice", "calibration_step", "probability", "is_predicted"])
    counted = groups["score"].agg(n="count", score_sum="sum").join(groups["square"].sum())
    counted = counted.rename(columns={"square": "score_square_sum"}).reset_index().astype({"n": float})
    return counted.assign(class_no=1, **dict.fromkeys(("loss_leaf", *ERRORS), np.nan))


def expected_numbers(watched: pd.DataFrame, validation: pd.DataFrame, leaves: int = 8) -> pd.DataFrame:
    """Give the same of a regression: the losses on the validation rows, by prediction."""
    parts = []
    for world, rows in watched.groupby("slice"):
        known = validation[validation["slice"] == world]
        edges = np.quantile(known["prediction"], np.linspace(0, 1, leaves + 1)[1:-1])
        loss = (known["truth"] - known["prediction"]).abs()
        powers = pd.DataFrame(dict(zip(ERRORS, (loss, loss**2, loss**4), strict=True)))
        learnt = powers.groupby(np.searchsorted(edges, known["prediction"])).mean()
        leaf = pd.Series(np.searchsorted(edges, rows["prediction"]), index=rows.index, name="loss_leaf")
        counted = rows.groupby(["window_start", "slice", leaf]).size().rename("n").reset_index().astype({"n": float})
        parts.append(counted.join(learnt, on="loss_leaf"))
    unsaid = ("class_no", "calibration_step", "probability", "is_predicted", "score_sum", "score_square_sum")
    return pd.concat(parts).assign(**dict.fromkeys(unsaid, np.nan))


DAYS = 30
CLASSES = ["no", "yes"]


def months(first: int, count: int, rows: int) -> np.ndarray[Any, Any]:
    """Give the first moments of months from January 2024 on, so many rows each."""
    return np.repeat(np.datetime64("2024-01") + np.arange(first, first + count), rows).astype("datetime64[us]")


def two_classes(
    rng: np.random.Generator,
    worlds: int,
    windows: np.ndarray[Any, Any],
    rate: float,
    slope: float,
    shock: float = 0.0,
) -> pd.DataFrame:
    """Draw rows of worlds that stand still: `windows` are each world's; days have luck that the scores do not know.

    `rate` is the chance of the positive class at the middle of the one feature, `slope` what that is worth in
    log-odds, `shock` the standard deviation of a day's luck. The scores are the chances on a day without luck.
    """
    start, world, day = _places(rng, worlds, windows)
    _, month = np.unique(start, return_inverse=True)
    luck = rng.normal(scale=shock, size=(worlds, month.max() + 1, DAYS))[world, month, day]
    logit = np.log(rate / (1 - rate)) + slope * rng.normal(size=len(world))
    truth = rng.random(len(world)) < 1 / (1 + np.exp(-logit - luck))
    return scored(
        pd.DataFrame({"window_start": start, "slice": world.astype(str), "block": day if shock else 0}),
        1 / (1 + np.exp(-logit)),
        truth,
    )


def scored(rows: pd.DataFrame, score: np.ndarray[Any, Any], truth: np.ndarray[Any, Any]) -> pd.DataFrame:
    """Give rows a score and what was predicted by it."""
    scores = {"probability": score, "probabilities": "", "prediction": np.where(score >= 0.5, *reversed(CLASSES))}
    return rows.assign(truth=np.where(truth, *reversed(CLASSES)), **scores)


def replaced(rows: pd.DataFrame, how: str, rng: np.random.Generator) -> pd.DataFrame:
    """Put a model without skill in place of the one that scored the rows."""
    score = rows["probability"].to_numpy()
    other = {
        "a constant": np.full(len(score), score.mean()),
        "scores shuffled": rng.permutation(score),
        "scores turned": 1 - score,
    }[how]
    return scored(rows, other, rows["truth"].to_numpy() == "yes")


def many_classes(
    rng: np.random.Generator, worlds: int, windows: np.ndarray[Any, Any], rates: tuple[float, ...], slope: float
) -> pd.DataFrame:
    """Draw rows of worlds with a class for each of `rates`, which are odds; a feature of its own tells each.

    `slope` is what that is worth in log-odds. The probabilities are the true ones; classes are called "0", "1" and on.
    """
    start, world, _ = _places(rng, worlds, windows)
    odds = np.exp(np.log(rates) + slope * rng.normal(size=(len(world), len(rates))))
    chance = odds / odds.sum(axis=1, keepdims=True)
    truth = (rng.random(len(world))[:, None] > chance.cumsum(axis=1)[:, :-1]).sum(axis=1)
    scores = {"probability": chance.max(axis=1), "probabilities": [json.dumps(each) for each in chance.tolist()]}
    rows = pd.DataFrame({"window_start": start, "slice": world.astype(str), "block": 0, **scores})
    return rows.assign(truth=truth.astype(str), prediction=chance.argmax(axis=1).astype(str))


def numbers(
    rng: np.random.Generator, worlds: int, windows: np.ndarray[Any, Any], noise: float, shock: float = 0.0
) -> pd.DataFrame:
    """Draw rows of regressions whose prediction is one of two parts of the outcome; the other has `noise`."""
    start, world, day = _places(rng, worlds, windows)
    _, month = np.unique(start, return_inverse=True)
    luck = rng.normal(scale=shock, size=(worlds, month.max() + 1, DAYS))[world, month, day]
    known = rng.normal(size=len(world))
    truth = known + noise * rng.normal(size=len(world)) + luck
    block = day if shock else 0
    return pd.DataFrame(
        {"window_start": start, "slice": world.astype(str), "block": block, "prediction": known, "truth": truth}
    )


TAILS = {
    "normal errors": lambda rng, known: (known, known + rng.normal(size=len(known))),
    "small normal errors": lambda rng, known: (known, known + 0.2 * rng.normal(size=len(known))),
    "errors of Student's t, 3 df": lambda rng, known: (1.5 * known, 1.5 * known + rng.standard_t(3, len(known))),
    "errors of a squared exponential": lambda rng, known: (
        6 * known + 2, 6 * known + rng.exponential(size=len(known)) ** 2
    ),
    "log-normal outcomes": lambda rng, known: (
        np.exp(1.5 * known + 0.125), np.exp(1.5 * known + 0.5 * rng.normal(size=len(known)))
    ),
    "outcomes 90 % zero, else exponential": lambda rng, known: _mostly_zero(rng, len(known)),
}  # fmt: skip
"""By the name of a regression's world: prediction and outcome, from what is known of each row (a normal number)."""


def heavy_tails(rng: np.random.Generator, worlds: int, windows: np.ndarray[Any, Any], name: str) -> pd.DataFrame:
    """Draw rows of regressions in one of `TAILS`; rows are independent."""
    start, world, _ = _places(rng, worlds, windows)
    prediction, truth = TAILS[name](rng, rng.normal(size=len(world)))
    return pd.DataFrame(
        {"window_start": start, "slice": world.astype(str), "block": 0, "prediction": prediction, "truth": truth}
    )


def _mostly_zero(rng: np.random.Generator, rows: int) -> tuple[Any, Any]:
    """Say of each row rightly whether it is zero, and of the amount what it is but for a factor."""
    amount = np.where(rng.random(rows) < 0.1, rng.exponential(size=rows), 0.0)
    return amount, amount * np.exp(0.5 * rng.normal(size=rows))


def _places(rng: np.random.Generator, worlds: int, windows: np.ndarray[Any, Any]) -> tuple[Any, Any, Any]:
    start, world = np.tile(windows, worlds), np.repeat(np.arange(worlds), len(windows))
    return start, world, rng.integers(0, DAYS, len(world))
