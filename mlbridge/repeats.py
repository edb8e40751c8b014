"""Checks of whole rows: outcomes known too early, rows and entities that repeat, a jump over the champion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlbridge.alone import skill
from mlbridge.leaks import CHECKS, NONE, Suspicion, percent
from mlbridge.scene import Column, Scene
from mlbridge.traces import straddling
from mlbridge.train import SEED, scores_of

if TYPE_CHECKING:
    import pandas as pd

# Of fewer rows nothing is concluded, nor where fewer than this share of the test rows repeat.
FEW, ENOUGH = 20, 0.3
# Where fewer than this share of the training rows differ in some feature, rows are equal without being repetitions.
DISTINCT = 0.1
# What a new column must have alone to make a jump: an AUC of 0.975, of a regression a squared rank correlation.
LEAST_ALONE, LEAST_OF_NUMBERS = 0.95, 0.985


def label_time(scene: Scene) -> list[Suspicion]:
    """See whether outcomes were known before the moment of their prediction."""
    name, check = scene.spec.label_time, "label_time"
    if name is None or name == scene.spec.time:
        return []
    known, times = scene.frame.known, scene.frame.times
    if (known == known.astype("datetime64[D]")).all():
        # A date says nothing of the hour: an outcome of the same day may well be of after the prediction.
        times = times.astype("datetime64[D]")
    early = int((known < times).sum())
    rows = len(scene.frame.times)
    evidence = f"in {early:,} of {rows:,} labelled rows it lies before '{scene.spec.time}'"
    return [Suspicion(name, check, CHECKS[check].level(1 - early / rows), evidence)]


def entity_repeats(scene: Scene) -> list[Suspicion]:
    """See whether test rows share a column of the key, and with it the outcome, with training rows."""
    check, found = "entity_repeats", []
    for name in straddling(scene.spec):
        traced = scene.traces.repeats.get(name)
        if traced is None or traced.rows < FEW or traced.rows < ENOUGH * traced.every:
            found.append(Suspicion(name, check, NONE, "hardly a test row has a value that training has too"))
            continue
        differ = (1 - traced.same / traced.rows) / (1 - traced.expected) if traced.expected < 1 else 1.0
        evidence = (
            f"{traced.rows:,} of {traced.every:,} test rows have a value that training has too, and "
            f"{percent(traced.same / traced.rows)} of them its outcome"
        )
        found.append(Suspicion(name, check, CHECKS[check].level(differ), evidence))
    return found


def rows_repeat(scene: Scene) -> list[Suspicion]:
    """See whether test rows equal training rows in all features and in outcome."""
    import pandas as pd

    check, name = "rows_repeat", scene.spec.entity[0]
    if scene.spec.split.by == "time":
        return []
    keys = pd.util.hash_pandas_object(scene.frame.features, index=False).to_numpy()
    train, test = scene.frame.bounds["train"], scene.frame.bounds["test"]
    distinct = len(np.unique(keys[train]))
    if distinct < DISTINCT * len(keys[train]):
        said = f"{distinct:,} different rows of features among {len(keys[train]):,}: equal ones are no repetitions"
        return [Suspicion(name, check, NONE, said)]
    known = pd.DataFrame({"key": keys[train], "outcome": scene.truth[train]}).drop_duplicates("key").set_index("key")
    mine = known["outcome"].reindex(keys[test]).to_numpy()
    outcome, both = scene.truth[test], ~np.isnan(mine.astype(np.float64))
    if both.sum() < max(FEW, ENOUGH * len(both)):
        return [Suspicion(name, check, NONE, f"{int(both.sum()):,} of {len(both):,} test rows equal a training row")]
    same = float((mine[both] == outcome[both]).mean())
    shares = np.unique(outcome, return_counts=True)[1] / len(outcome)
    expected = float((shares**2).sum())
    evidence = (
        f"{int(both.sum()):,} of {len(both):,} test rows equal a training row in every feature, and {percent(same)} of "
        f"them in outcome"
    )
    differ = (1 - same) / (1 - expected) if expected < 1 else 1.0
    return [Suspicion(name, check, CHECKS[check].level(differ), evidence)]


def jump(scene: Scene) -> list[Suspicion]:
    """See whether one new feature makes the version implausibly better than the champion on the same rows."""
    check, incumbent = "jump", scene.incumbent
    if incumbent is None or incumbent.problem is not None:
        return []
    new = [name for name in map(str, scene.frame.features.columns) if name not in incumbent.features]
    if not new:
        return []
    rows = scene.frame.part("test").iloc[incumbent.places]
    truth = scene.truth[scene.frame.bounds["test"]][incumbent.places]
    mine = skill(truth, scores_of(scene.estimator, rows)).value
    theirs = skill(truth, incumbent.scores).value
    left = (1 - mine) / (1 - theirs) if theirs < 1 else 1.0
    found = []
    for name in new:
        column = Column(scene, name)
        least = max(column.judged.least, column.at_random.least)
        evidence = (
            f"the champion has a skill of {theirs:.3g} on the same rows, this version {mine:.3g}, and this column "
            f"at least {least:.3g} alone"
        )
        level = CHECKS[check].level(left) if least >= (LEAST_ALONE if scene.classes else LEAST_OF_NUMBERS) else NONE
        if level != NONE:
            without = skill(truth, scores_of(scene.estimator, _shuffled(rows, name))).value
            evidence += f"; with its values shuffled it is {without:.3g}"
            level = level if mine - without >= (1 - CHECKS[check].withhold) * (mine - theirs) else NONE
        found.append(Suspicion(name, check, level, evidence))
    return found


def _shuffled(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    order = np.random.default_rng(SEED).permutation(len(rows))
    return rows.assign(**{name: rows[name].iloc[order].set_axis(rows.index)})
