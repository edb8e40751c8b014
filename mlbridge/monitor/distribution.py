"""The distributions behind the drift map: the counts that `ml_drift` was computed from, and the outcomes with them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from mlbridge.errors import MonitorError
from mlbridge.monitor.bin_labels import Bins, labels
from mlbridge.monitor.counted import OF_PRESENT_SIZE, wilson
from mlbridge.monitor.drift import BASELINES
from mlbridge.monitor.models import check_choice, checked_version, version_facts
from mlbridge.monitor.records import document, records
from mlbridge.monitor.source import State
from mlbridge.reference.profile import FOLDED, NULL_BIN, UNSEEN_BIN
from mlbridge.typing import Document, Row

if TYPE_CHECKING:
    import pandas as pd

Counts = Mapping[int, int]  # rows by bin
MULTIPLES = 12  # windows that are shown beside each other
COLUMNS = [
    "bin", "label", "lower", "upper", "category", "n", "share", "n_baseline", "share_baseline", "counted_in",
]  # fmt: skip
FEATURES = "select distinct feature from ml_profiles where model = :model and version = :version"
PROFILE = """
select kind, bin, min(lower) as lower, max(upper) as upper, max(category) as category, sum(n) as n
from (
    select
        kind, lower, upper, "rows" as n,
        case when kind = 'category' and bin >= :folded then :folded else bin end as bin,
        case when bin < :folded then category end as category
    from ml_profiles
    where model = :model and version = :version and feature = :feature
) as folded
group by kind, bin
order by bin
"""
STATS = """
select features from ml_versions where model = :model and version = :version and outcome <> 'runner_up'
"""
COUNTED = f"""
{OF_PRESENT_SIZE} and counted.feature = :feature and counted.period = 'scored' and counted.slice = 'all'
"""
WINDOWS = f'select distinct counted.window_start as "window" {COUNTED} order by 1'
COUNTS = f"""
select counted.bin, sum(counted.n) as n {COUNTED} and counted.window_start = :start group by counted.bin
"""
NEWEST = f"""
select "window", bin, n
from (
    select
        counted.window_start as "window", counted.bin, counted.n,
        dense_rank() over (order by counted.window_start desc) as rank_of_window
    {COUNTED}
) as ranked
where rank_of_window <= :last
order by "window"
"""  # noqa: S608 - put together of constants only
STATES = """
select
    "window", max(case when alert then 1 else 0 end) as alert, min(case when is_comparable then 1 else 0 end) as whole
from ml_drift
where model = :model and version = :version and feature = :feature and baseline = 'training'
group by "window"
"""
# The training period counts every category, scored windows those from the hundredth on as one.
OUTCOMES = f"""
select
    counted.period, case when counted.bin > :folded then :folded else counted.bin end as bin,
    sum(counted.outcomes) as n, sum(counted.outcome_sum) as total
{OF_PRESENT_SIZE} and counted.feature = :feature
    and counted.slice = 'all' and counted.outcomes > 0
    and (counted.period = 'training' or :start is null or counted.window_start = :start)
group by 1, 2
"""


def distribution(
    state: State, model: str, version: int, feature: str, window: datetime, baseline: str = "training"
) -> pd.DataFrame:
    """One row per bin that has rows in the window or in the baseline: the counts of both, and their shares.

    `bin, label, lower, upper, category, n, share, n_baseline, share_baseline, counted_in`. A share is of the rows with
    a value; that of `missing` is of all rows; NULL if there are no rows. `counted_in` is the bin in which the metrics
    of `ml_drift` count the rows: numbers outside the range of training in the first or last bin, unseen categories in
    the bin of all others, -1 for `missing`; shares summed by it are those that the metrics compare. A bin of numbers
    holds `lower` < value <= `upper` (bin 0 includes `lower`). `category` is NULL for the bin of all categories from the
    hundredth on. Numbers ascend, categories descend by frequency in training, `missing` is last. Raises MonitorError if
    a name, the window or the window before it does not exist.
    """
    import pandas as pd

    check_choice(baseline, BASELINES, "baseline")
    window = pd.Timestamp(window).to_pydatetime()
    which = _checked(state, model, version, feature)
    windows = [each.to_pydatetime() for each in state.ask(WINDOWS, **which)["window"]]
    check_choice(window, windows, f"window of '{feature}'")
    profile, described = _profile(state, which)
    before = _by_bin(profile) if baseline == "training" else _counts(state, which, _before(window, windows))
    return _frame(profile, described, _counts(state, which, window), before)


def distributions(state: State, model: str, version: int, feature: str, last: int = MULTIPLES) -> pd.DataFrame:
    """One row per window and bin, of the newest `last` windows, oldest first: each as `distribution` against training.

    `window`, then the columns of `distribution`, then `alert` (whether any drift metric of the feature alerts there)
    and `is_comparable` (whether the window can be compared with whole ones); both false where its drift is not
    measured. Raises MonitorError for an unknown model, version or feature.
    """
    import pandas as pd

    which = _checked(state, model, version, feature)
    profile, described = _profile(state, which)
    states = state.ask(STATES, **which)
    alerts, whole = (dict(zip(states["window"], states[each] > 0, strict=True)) for each in ("alert", "whole"))
    before, parts = _by_bin(profile), []
    for window, rows in state.ask(NEWEST, last=last, **which).groupby("window"):
        frame = _frame(profile, described, _by_bin(records(rows)), before)
        frame = frame.assign(alert=alerts.get(window, False), is_comparable=whole.get(window, False))
        parts.append(frame.assign(window=window)[["window", *COLUMNS, "alert", "is_comparable"]])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["window", *COLUMNS])


def outcomes_by_bin(
    state: State, model: str, version: int, feature: str, window: datetime | None = None
) -> pd.DataFrame:
    """Compare how the outcome depends on a feature now and then: one row per bin with known outcomes.

    `bin, label, n, mean` of a window, or of all scored windows, and `n_training, mean_training` of the training
    period, with the ends of their 95 % intervals (`low`, `high`, `low_training`, `high_training`; after Wilson, 1927,
    as if rows were independent; NaN for a regression). A mean is the share of the positive class of two, or the mean of
    the numbers; NaN without outcomes. Empty with more than two classes, and where mlbridge 0.9 or older counted. Raises
    MonitorError for an unknown model, version or feature.
    """

    which = _checked(state, model, version, feature)
    profile, described = _profile(state, which)
    shares = version_facts(state, model, version)["positive"] is not None
    found = state.ask(OUTCOMES, start=window, folded=FOLDED, **which)
    periods = [found[found["period"] == each] for each in ("scored", "training")]
    frame = _frame(profile, described, *(_by_bin(records(each)) for each in periods))[["bin", "label"]]
    for period, suffix in zip(periods, ("", "_training"), strict=True):
        rows = period.set_index("bin")[["n", "total"]].astype("float64")
        n = frame["bin"].map(rows["n"])
        mean = frame["bin"].map(rows["total"]) / n
        low, high = wilson(mean if shares else mean * math.nan, n)
        frame = frame.assign(**{f"n{suffix}": n.fillna(0).astype("int64"), f"mean{suffix}": mean})
        frame = frame.assign(**{f"low{suffix}": low, f"high{suffix}": high})
    return frame


def _checked(state: State, model: str, version: int, feature: str) -> dict[str, object]:
    checked_version(state, model, version)
    which = {"model": model, "version": int(version)}
    check_choice(feature, sorted(state.ask(FEATURES, **which)["feature"]), "feature")
    return {**which, "feature": feature}


def _profile(state: State, which: Mapping[str, object]) -> tuple[list[Row], Document]:
    """Return the profile of a feature, and what the version knows of it otherwise."""
    profile = records(state.ask(PROFILE, **which, folded=FOLDED))
    (stats,) = state.ask(STATS, model=which["model"], version=which["version"])["features"]
    return profile, next((each for each in document(stats) if each["name"] == which["feature"]), {})


def _before(window: datetime, windows: list[datetime]) -> datetime:
    earlier = [each for each in windows if each < window]
    if not earlier:
        raise MonitorError(f"there is no window before {window:%Y-%m-%d}: it is the first. Compare with the training.")
    return earlier[-1]


def _counts(state: State, which: Mapping[str, object], start: datetime) -> Counts:
    return _by_bin(records(state.ask(COUNTS, **which, start=start)))


def _by_bin(rows: Bins) -> Counts:
    return {int(each["bin"]): int(each["n"]) for each in rows}


def _frame(profile: Bins, described: Document, counts: Counts, before: Counts) -> pd.DataFrame:
    import pandas as pd

    bins = [each for each in profile if each["bin"] >= 0]
    numeric, last = bins[0]["kind"] == "numeric", int(bins[-1]["bin"])
    names = labels(bins, described.get("type"), described.get("distinct"))
    known = {int(each["bin"]): each for each in bins}
    above = {last + 1: {"lower": bins[-1]["upper"]}} if numeric else {}
    below = {UNSEEN_BIN: {"upper": bins[0]["lower"]} if numeric else {}}
    counted_in = {UNSEEN_BIN: 0 if numeric else last, last + 1: last, NULL_BIN: NULL_BIN}
    every = {**below, **known, **above} if numeric else {**known, **below}
    rows = [
        {
            "bin": bin_number,
            "label": names[bin_number],
            **{key: ends.get(key) for key in ("lower", "upper", "category")},
            **_shares(bin_number, counts, "n", "share"),
            **_shares(bin_number, before, "n_baseline", "share_baseline"),
            "counted_in": counted_in.get(bin_number, bin_number),
        }
        for bin_number, ends in {**every, NULL_BIN: {}}.items()
        if counts.get(bin_number) or before.get(bin_number)
    ]
    types = {"bin": "int64", "n": "int64", "n_baseline": "int64", "counted_in": "int64", "category": "str"}
    floats = dict.fromkeys(("lower", "upper", "share", "share_baseline"), "float64")
    return pd.DataFrame(rows, columns=COLUMNS).astype({**types, **floats})


def _shares(bin_number: int, counts: Counts, rows: str, share: str) -> dict[str, float | None]:
    every = sum(counts.values())
    of = every if bin_number == NULL_BIN else every - counts.get(NULL_BIN, 0)
    return {rows: counts.get(bin_number, 0), share: counts.get(bin_number, 0) / of if of else None}
