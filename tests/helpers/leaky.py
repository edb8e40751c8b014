"""Worlds in which the truth about leaks is known: honest ones with strong features, and ones with a planted leak.

Each world is a split of one model, drawn by a seed: rows of some hundred entities over a year, with a trend, a season
and traits that stay; one feature that dominates (area under the ROC curve up to 0.97, or squared correlation up to
0.97), weaker ones, honest NULLs that tell the outcome moderately, clocks and counters, and rows of the past without an
outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from mlbridge.engines.warehouse import Warehouse
from mlbridge.errors import SplitError
from mlbridge.evaluation.sample import Sample
from mlbridge.features.frame import FIT_SPLITS
from mlbridge.leaks.catalogue import Suspicion
from mlbridge.leaks.evidence import LeakContext
from mlbridge.leaks.search import suspicions
from mlbridge.lifecycle.assessment import Training
from mlbridge.nodes.training_rows import gather
from mlbridge.scoring.champion import Incumbent
from mlbridge.spec.reading import read_spec
from mlbridge.split.shortage import Shortage
from mlbridge.training.candidates import Inputs, candidates_of
from mlbridge.training.fitting import scores_of

TASKS = ("two classes", "three classes", "numbers")
WORDS = np.array(["train", "validation", "test"])
NEW = "planted"


@dataclass(frozen=True)
class World:
    """A split's rows, the spec's keys beside the usual ones, and the features that the champion does not know."""

    rows: pd.DataFrame
    spec: dict[str, Any]
    rng: np.random.Generator
    new: tuple[str, ...] = ()
    task: str = TASKS[0]
    strength: float = 0.0
    outcome: np.ndarray[Any, Any] = field(default_factory=lambda: np.empty(0))


def world(seed: int, task: str = TASKS[0], rows: int = 3000, strength: float = 0.8, by: str = "time") -> World:
    """Draw an honest world; `strength` is what the dominating feature reaches alone."""
    rng = np.random.default_rng([seed, TASKS.index(task)])
    at = np.sort(rng.uniform(0, 365, rows))
    entity = rng.integers(0, max(rows // 8, 100), rows)
    trait = rng.normal(0, 0.7, entity.max() + 1)[entity]
    tide = rng.normal(0, 0.6) * at / 365 + 0.4 * np.sin(2 * np.pi * at / 365)
    base = norm.ppf(rng.choice([0.05, 0.1, 0.2, 0.35, 0.5]))
    latent = base + trait + tide + rng.normal(0, 1, rows)
    outcome = _outcome(rng, latent, task)
    table = pd.DataFrame(
        {
            "id": np.arange(rows),
            "at": pd.Timestamp("2024-01-01") + pd.to_timedelta((at * 86400).astype(int), unit="s"),
            "dominant": _dominant(rng, outcome, task, strength),
            "of_entity": trait + rng.normal(0, 0.5, rows),
            "entity_name": np.array([f"e{each}" for each in entity], dtype=object),
            "day_of_year": at.astype(int),
            "month": (at // 30.5).astype(int),
            "hour": (at * 24 % 24).astype(int),
            "counter": np.arange(rows) * 3 + rng.integers(0, 3, rows),
            "noise": rng.normal(0, 1, rows),
            "last": pd.Series(latent).groupby(entity).shift(1),
        }
    )
    table["count_so_far"] = table.groupby("entity_name").cumcount()
    high = latent > np.quantile(latent, 0.7)
    table["honest_null"] = np.where(rng.random(rows) < np.where(high, 0.5, 0.1), np.nan, rng.normal(0, 1, rows))
    table["grade"] = np.array(list("ABCDE"), dtype=object)[np.digitize(latent + rng.normal(0, 1, rows), [-2, -1, 0, 1])]
    unknown = (at > 330) | (rng.random(rows) < 0.04)
    lacking = unknown & (rng.random(rows) < 0.5) | (rng.random(rows) < 0.15)
    table["lacking"] = np.where(lacking, np.nan, rng.normal(0, 1, rows))
    table["target"] = pd.array(outcome).astype(object if task == TASKS[1] else "Float64")
    table.loc[unknown, "target"] = None
    table["ml_split"] = _words(rng, table["target"].isna().to_numpy(), entity, by)
    spec = {"task": "regression" if task == TASKS[2] else "classification"}
    made = World(table, {**spec, "split": {"by": by}}, rng, (), task, strength, outcome)
    return _with_kinds(made)


def _outcome(rng: np.random.Generator, latent: np.ndarray[Any, Any], task: str) -> np.ndarray[Any, Any]:
    if task == TASKS[0]:
        return (latent > 0).astype(int)
    if task == TASKS[1]:
        return np.array(["low", "middle", "high"], dtype=object)[np.digitize(latent, np.quantile(latent, [0.5, 0.8]))]
    spread = np.exp(latent) if rng.random() < 0.5 else 10 * latent
    return np.where(rng.random(len(latent)) < 0.3, 0.0, spread) if rng.random() < 0.3 else spread


def _dominant(rng: np.random.Generator, outcome: Any, task: str, strength: float) -> Any:
    """Draw what separates the outcomes as well as wanted: normal in each class, or the outcome with noise."""
    noise = rng.normal(0, 1, len(outcome))
    if task == TASKS[2]:
        ranks = norm.ppf((pd.Series(outcome).rank().to_numpy() - 0.5) / len(outcome))
        return np.sqrt(strength) * ranks + np.sqrt(1 - strength) * noise
    level = outcome if task == TASKS[0] else pd.Series(outcome).map({"low": 0, "middle": 1, "high": 2}).to_numpy()
    return np.sqrt(2) * norm.ppf(strength) * level + noise


def _words(rng: np.random.Generator, unknown: Any, entity: Any, by: str) -> Any:
    """Divide the rows with an outcome: the latest are the test, or entities are drawn."""
    known = np.flatnonzero(~unknown)
    words = np.full(len(unknown), "score", dtype=object)
    if by == "time":
        words[known] = WORDS[np.digitize(np.arange(len(known)) / len(known), [0.7, 0.85])]
    else:
        drawn = WORDS[np.digitize(rng.random(entity.max() + 1), [0.7, 0.85])]
        words[known] = drawn[entity[known]]
    return words


def _with_kinds(made: World) -> World:
    """Give the target the type that its task has in a warehouse."""
    if made.task == TASKS[0]:
        made.rows["target"] = made.rows["target"].astype("Float64").astype("Int64")
    return made


# --- leaks ---------------------------------------------------------------------------------------------------------


def _plant(made: World, values: Any, name: str = NEW) -> World:
    return replace(made, rows=made.rows.assign(**{name: values}), new=(name,))


def copy(made: World) -> World:
    """The target itself."""
    return _plant(made, made.outcome)


def function(made: World) -> World:
    """Several codes for each class, or a curve of the number."""
    if made.task == TASKS[2]:
        return _plant(made, np.arcsinh(made.outcome) * 3 - 7)
    codes = pd.factorize(made.outcome)[0] + 3 * made.rng.integers(0, 4, len(made.rows))
    return _plant(made, np.array([f"c{(each * 7) % 12}" for each in codes], dtype=object))


def noisy(share: float) -> Callable[[World], World]:
    """Make a copy with noise: such a share of rows has another outcome, or noise of such a share of the deviation."""

    def plant(made: World) -> World:
        if made.task == TASKS[2]:
            return _plant(made, made.outcome + made.rng.normal(0, share * made.outcome.std(), len(made.rows)))
        other = made.rng.permutation(made.outcome)
        flips = made.rng.random(len(made.rows)) < share * (1 - _commonest(made.outcome))
        return _plant(made, np.where(flips, other, made.outcome))

    return plant


def _commonest(outcome: Any) -> float:
    return float(pd.Series(outcome).value_counts(normalize=True).iloc[0])


def aftermath(made: World) -> World:
    """What is measured after the outcome, all but the same: an area of 0.997, a squared correlation of 0.996."""
    return _plant(made, _dominant(made.rng, made.outcome, made.task, 0.997 if made.task != TASKS[2] else 0.996))


def strong_aftermath(made: World) -> World:
    """What is measured after the outcome, with an area of 0.9: nothing among the rows tells it from an honest one."""
    return _plant(made, _dominant(made.rng, made.outcome, made.task, 0.9))


def unknown_null(share: float, value: float | None = None) -> Callable[[World], World]:
    """Make a column without a value (or with one that stands for it) in such a share of the rows without an outcome."""

    def plant(made: World) -> World:
        lacking = made.rows["target"].isna() & (made.rng.random(len(made.rows)) < share)
        return _plant(
            made, np.where(lacking, np.nan if value is None else value, made.rng.normal(0, 1, len(made.rows)))
        )

    return plant


def null_tells(made: World) -> World:
    """A value that only rows with the rarer outcome get, and of these six in ten; or all whose number is not 0."""
    rows = len(made.rows)
    if made.task == TASKS[2]:
        there = made.rng.random(rows) < 0.7
        made.rows["target"] = made.rows["target"].where(there | made.rows["target"].isna(), 0.0)
    else:
        there = (made.outcome == pd.Series(made.outcome).value_counts().index[-1]) & (made.rng.random(rows) < 0.6)
    return _plant(made, np.where(there, made.rng.normal(0, 1, len(made.rows)), np.nan))


def early_label(made: World) -> World:
    """Outcomes that were known an hour before their prediction, in one row of twenty."""
    shift = np.where(made.rng.random(len(made.rows)) < 0.05, -1, 48)
    known = made.rows["at"] + pd.to_timedelta(shift, unit="h")
    return replace(_plant(made, known, "known_at"), spec={**made.spec, "label_time": "known_at"})


def neighbours(made: World) -> World:
    """A number given in order of the outcome within each month: rows beside it have its outcome, no later one has."""
    month = (made.rows["at"] - made.rows["at"].min()).dt.days // 30
    order = np.lexsort((made.rng.random(len(made.rows)), pd.factorize(made.outcome, sort=True)[0], month))
    numbers = np.empty(len(made.rows))
    numbers[order] = np.arange(len(made.rows))
    return _plant(made, numbers)


def repeated_rows(made: World) -> World:
    """Every row three times, under other numbers, divided at random."""
    table = pd.concat([made.rows] * 3, ignore_index=True).drop(columns="last")
    table["id"], known = np.arange(len(table)), table["target"].notna()
    words = WORDS[np.digitize(made.rng.random(len(table)), [0.7, 0.85])]
    table["ml_split"] = np.where(known, words, "score")
    return replace(made, rows=table, spec={**made.spec, "split": {"by": "hash"}}, new=("id",))


def repeated_entities(made: World) -> World:
    """An entity with one and the same outcome in all its rows, which the split divides."""
    made.rows["target"] = made.rows.groupby("entity_name")["target"].transform("first")
    made = _with_kinds(made)
    known = made.rows["target"].notna()
    words = WORDS[np.digitize(made.rng.random(len(made.rows)), [0.7, 0.85])]
    made.rows["ml_split"] = np.where(known, words, "score")
    spec = {**made.spec, "split": {"by": "hash"}, "entity": ["entity_name", "id"]}
    return replace(made, spec=spec, new=("entity_name",))


def jump(made: World) -> World:
    """A new column that makes possible what was not: an area of 0.992 alone, a squared correlation of 0.99."""
    return _plant(made, _dominant(made.rng, made.outcome, made.task, 0.992 if made.task != TASKS[2] else 0.99))


# Kind of leak: how it is planted, the checks that ought to find it, and by what the rows are split.
LEAKS: dict[str, tuple[Callable[[World], World], tuple[str, ...], str]] = {
    "copy of the target": (copy, ("same_as_target",), "time"),
    "function of the target": (function, ("same_as_target",), "time"),
    "copy with 1 % noise": (noisy(0.01), ("same_as_target",), "time"),
    "copy with 3 % noise": (noisy(0.03), ("same_as_target",), "time"),
    "measured afterwards, nearly perfect": (aftermath, ("alone", "same_as_target"), "time"),
    "NULL where unknown": (unknown_null(1.0), ("null_where_unknown",), "time"),
    "NULL in 90 % where unknown": (unknown_null(0.9), ("null_where_unknown",), "time"),
    "-1 where unknown": (unknown_null(1.0, -1.0), ("null_where_unknown",), "hash"),
    "only the rarer outcome has a value": (null_tells, ("nulls_tell",), "time"),
    "outcome known before the prediction": (early_label, ("label_time",), "time"),
    "numbers in order of the outcome": (neighbours, ("random_against_time",), "hash"),
    "rows repeat": (repeated_rows, ("rows_repeat",), "hash"),
    "entities repeat": (repeated_entities, ("entity_repeats",), "hash"),
    "jump over the champion": (jump, ("jump",), "time"),
    "measured afterwards, only strong": (strong_aftermath, (), "time"),
}


# --- honest features that the target determines, or nearly --------------------------------------------------------


def _with_target(made: World, target: Any, values: Any) -> World:
    known = made.rows["target"].notna()
    return _plant(replace(made, rows=made.rows.assign(target=pd.Series(target).where(known).astype("Float64"))), values)


def surcharge(made: World) -> World:
    """Draw a number that is mostly zero, and raises the target where it is not."""
    rows, rng = len(made.rows), made.rng
    fee = np.where(rng.random(rows) < 0.11, rng.standard_exponential(rows), 0)
    return _with_target(made, rng.normal(size=rows) + 8 * (fee > 0), fee)


def opened(made: World) -> World:
    """Draw whether a shop is open: only then it sells, at least one item."""
    open_, items = made.rng.random(len(made.rows)) < 0.8, made.rng.geometric(0.3, len(made.rows))
    return _with_target(made, np.where(open_, items, 0), open_)


def booked(made: World) -> World:
    """Draw whether there is a booking, which is of one to seven nights."""
    booking, nights = made.rng.random(len(made.rows)) < 0.6, made.rng.integers(1, 8, len(made.rows))
    return _with_target(made, np.where(booking, nights, 0), booking)


def tier(made: World) -> World:
    """Draw a tariff whose cap the use cannot pass, and whose customers use more than the next lower one allows."""
    number, used = made.rng.integers(0, 3, len(made.rows)), made.rng.random(len(made.rows))
    least, cap = np.array([[0, 1000], [1000, 5000], [5000, 20_000]])[number].T
    return _with_target(made, least + used * (cap - least), number)


def touching(made: World) -> World:
    """Draw groups whose targets touch without a gap."""
    group = made.rng.integers(0, 4, len(made.rows))
    return _with_target(made, group + made.rng.random(len(made.rows)), group)


def apart(made: World) -> World:
    """Draw groups whose targets lie far apart."""
    group = made.rng.integers(0, 4, len(made.rows))
    return _with_target(made, 8 * group + made.rng.normal(size=len(made.rows)), group)


def quarter(made: World) -> World:
    """Take the quarter of a target that only grows, such as a meter's reading."""
    grows = np.cumsum(made.rng.standard_exponential(len(made.rows)))
    return _with_target(made, grows, (made.rows["day_of_year"] // 92).to_numpy())


def season(made: World) -> World:
    """Take the season's temperature, which a target that only grows determines."""
    grows = np.cumsum(made.rng.standard_exponential(len(made.rows)))
    return _with_target(made, grows, np.sin(2 * np.pi * made.rows["day_of_year"].to_numpy() / 365))


HONEST: dict[str, Callable[[World], World]] = {
    "a number that is mostly zero": surcharge,
    "whether a shop is open, of the items sold": opened,
    "whether there is a booking, of its nights": booked,
    "a tariff with a cap, of the use": tier,
    "groups that touch": touching,
    "groups that are apart": apart,
    "the quarter, of a target that only grows": quarter,
    "the season, of a target that only grows": season,
}


# --- the search ----------------------------------------------------------------------------------------------------


def search(made: World, new: tuple[str, ...] = ()) -> list[Suspicion]:
    """Look for leaks in a world as a training does; a champion without the new features stands beside the model.

    Raises SplitError for a world with too few rows of a class to train on.
    """
    spec = read_spec("world_training", {"target": "target", "entity": "id", "time": "at", **made.spec})
    with duckdb.connect() as connection:
        connection.register("made", made.rows)
        connection.execute("create table world as from made")
        training = gather("world_training", Warehouse(connection), connection.table("world"), spec, {}, [])
    if isinstance(training, Shortage):
        raise SplitError("too few rows of a class")
    return look(training, new or made.new)


def look(training: Training, new: tuple[str, ...] = ()) -> list[Suspicion]:
    """Fit a model and one without the new features, and look for leaks."""
    frame, classes = training.frame, len(training.class_labels or ())
    truth = np.concatenate([training.truth(split) for split in FIT_SPLITS])
    known = [each for each in training.columns if each.feature.name not in new]
    model, champion = (_fitted(training, columns, truth) for columns in (training.columns, known))
    first, test = frame.bounds["validation"].start, frame.bounds["test"]
    incumbent = None
    if new and len(known) < len(training.columns):
        names = tuple(each.feature.name for each in known)
        scores = scores_of(champion, frame.part("test")[list(names)])
        incumbent = Incumbent(1, np.arange(test.stop - test.start), scores, features=names)
    judged = Sample(truth[first:], scores_of(model, frame.features.iloc[first:]))
    return suspicions(
        LeakContext(training.spec, frame, truth, classes, judged, model, incumbent, training.leak_queries)
    )


def _fitted(training: Training, columns: Any, truth: Any) -> Any:
    """Fit gradient boosting with few small trees, on what the stock candidate sees."""
    rows = training.frame.part("train")
    inputs = Inputs.of(columns, training.spec.task, len(rows), len(training.class_labels or ()))
    name = "hist_gradient_boosting"
    pipeline = candidates_of(training.node, [name], {}, inputs)[name]
    step = HistGradientBoostingClassifier if training.class_labels else HistGradientBoostingRegressor
    few = {"max_iter": 20, "max_leaf_nodes": 15}
    pipeline.set_params(**{f"{step.__name__.lower()}__{key}": value for key, value in few.items()})
    names = [each.feature.name for each in columns]
    return pipeline.fit(rows[names], truth[training.frame.bounds["train"]])
