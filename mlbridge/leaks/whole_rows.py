"""Checks of whole rows: outcomes known too early, rows and entities that repeat, a jump over the champion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlbridge.leaks.catalogue import CHECKS, NONE, Suspicion, percent
from mlbridge.leaks.evidence import LeakContext, SingleFeature
from mlbridge.leaks.queries import repeatable_key_columns
from mlbridge.leaks.single_feature import skill
from mlbridge.training.candidates import SEED
from mlbridge.training.fitting import scores_of

if TYPE_CHECKING:
    import pandas as pd

# With fewer rows, or a smaller share of repeated test rows, nothing is concluded.
MIN_ROWS, MIN_REPEATED_SHARE = 20, 0.3
# If fewer than this share of the training rows are distinct, equal rows are expected and no sign of repetition.
MIN_DISTINCT_SHARE = 0.1
# Skill that a new column must have alone to explain a jump: 0.95 is an AUC of 0.975; regression: squared rank
# correlation.
MIN_SKILL_CLASSIFICATION, MIN_SKILL_REGRESSION = 0.95, 0.985


def label_time(context: LeakContext) -> list[Suspicion]:
    """Check whether outcomes were known before their prediction time."""
    name, check = context.spec.label_time, "label_time"
    if name is None or name == context.spec.time:
        return []
    known, times = context.frame.label_times, context.frame.times
    if (known == known.astype("datetime64[D]")).all():
        # A date has no hour: an outcome of the same day may have been known after the prediction.
        times = times.astype("datetime64[D]")
    early = int((known < times).sum())
    rows = len(context.frame.times)
    evidence = f"in {early:,} of {rows:,} labelled rows it lies before '{context.spec.time}'"
    return [Suspicion(name, check, CHECKS[check].level(1 - early / rows), evidence)]


def entity_repeats(context: LeakContext) -> list[Suspicion]:
    """Check whether test rows share a value of a key column, and the outcome, with training rows."""
    check, found = "entity_repeats", []
    for name in repeatable_key_columns(context.spec):
        repeated = context.leak_queries.repeats.get(name)
        if repeated is None or repeated.rows < MIN_ROWS or repeated.rows < MIN_REPEATED_SHARE * repeated.every:
            found.append(Suspicion(name, check, NONE, "too few test rows share a value with the training rows"))
            continue
        differ = (1 - repeated.same / repeated.rows) / (1 - repeated.expected) if repeated.expected < 1 else 1.0
        evidence = (
            f"{repeated.rows:,} of {repeated.every:,} test rows share a value with training rows, and "
            f"{percent(repeated.same / repeated.rows)} of them the outcome too"
        )
        found.append(Suspicion(name, check, CHECKS[check].level(differ), evidence))
    return found


def rows_repeat(context: LeakContext) -> list[Suspicion]:
    """Check whether test rows equal training rows in all features and in the outcome."""
    import pandas as pd

    check, name = "rows_repeat", context.spec.entity[0]
    if context.spec.split.by == "time":
        return []
    keys = pd.util.hash_pandas_object(context.frame.features, index=False).to_numpy()
    train, test = context.frame.bounds["train"], context.frame.bounds["test"]
    distinct = len(np.unique(keys[train]))
    if distinct < MIN_DISTINCT_SHARE * len(keys[train]):
        evidence = f"only {distinct:,} distinct feature rows among {len(keys[train]):,}: equal rows are expected"
        return [Suspicion(name, check, NONE, evidence)]
    known = pd.DataFrame({"key": keys[train], "outcome": context.truth[train]}).drop_duplicates("key").set_index("key")
    mine = known["outcome"].reindex(keys[test]).to_numpy()
    target, both = context.truth[test], ~np.isnan(mine.astype(np.float64))
    if both.sum() < max(MIN_ROWS, MIN_REPEATED_SHARE * len(both)):
        return [Suspicion(name, check, NONE, f"{int(both.sum()):,} of {len(both):,} test rows equal a training row")]
    same = float((mine[both] == target[both]).mean())
    shares = np.unique(target, return_counts=True)[1] / len(target)
    expected = float((shares**2).sum())
    evidence = (
        f"{int(both.sum()):,} of {len(both):,} test rows equal a training row in every feature, and {percent(same)} of "
        f"them in outcome"
    )
    differ = (1 - same) / (1 - expected) if expected < 1 else 1.0
    return [Suspicion(name, check, CHECKS[check].level(differ), evidence)]


def jump(context: LeakContext) -> list[Suspicion]:
    """Check whether a feature that the champion lacks makes the version implausibly better on the same rows."""
    check, incumbent = "jump", context.incumbent
    if incumbent is None or incumbent.problem is not None:
        return []
    new = [name for name in map(str, context.frame.features.columns) if name not in incumbent.features]
    if not new:
        return []
    rows = context.frame.part("test").iloc[incumbent.positions]
    truth = context.truth[context.frame.bounds["test"]][incumbent.positions]
    mine = skill(truth, scores_of(context.estimator, rows)).value
    theirs = skill(truth, incumbent.scores).value
    left = (1 - mine) / (1 - theirs) if theirs < 1 else 1.0
    found = []
    for name in new:
        column = SingleFeature(context, name)
        least = max(column.held_out_skill.lower_limit, column.cross_fitted_skill.lower_limit)
        evidence = (
            f"the champion has a skill of {theirs:.3g} on the same rows, this version {mine:.3g}, and this column "
            f"at least {least:.3g} alone"
        )
        level = (
            CHECKS[check].level(left)
            if least >= (MIN_SKILL_CLASSIFICATION if context.classes else MIN_SKILL_REGRESSION)
            else NONE
        )
        if level != NONE:
            without = skill(truth, scores_of(context.estimator, _shuffled(rows, name))).value
            evidence += f"; with its values shuffled it is {without:.3g}"
            level = level if mine - without >= (1 - CHECKS[check].withhold) * (mine - theirs) else NONE
        found.append(Suspicion(name, check, level, evidence))
    return found


def _shuffled(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    order = np.random.default_rng(SEED).permutation(len(rows))
    return rows.assign(**{name: rows[name].iloc[order].set_axis(rows.index)})
