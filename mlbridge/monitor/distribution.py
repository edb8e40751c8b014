"""The two distributions behind a cell of the drift map: the counts that `ml_drift` was computed from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from mlbridge.errors import MonitorError
from mlbridge.monitor.bin_labels import Bins, labels
from mlbridge.monitor.drift import BASELINES
from mlbridge.monitor.models import check_choice, checked_version
from mlbridge.monitor.records import document, records
from mlbridge.monitor.source import State
from mlbridge.reference.profile import FOLDED, NULL_BIN, UNSEEN_BIN
from mlbridge.typing import Document

if TYPE_CHECKING:
    import pandas as pd

Counts = Mapping[int, int]  # rows by bin
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
# Only windows of the spec's present size are counted; windows of an earlier size may remain in the table.
COUNTED = """
from ml_distributions as counted
inner join (
    select distinct window_size from ml_windows where model = :model and version = :version
) as sizes
    on counted.window_size = sizes.window_size
where
    counted.model = :model and counted.version = :version and counted.feature = :feature
    and counted.period = 'scored' and counted.slice = 'all'
"""
WINDOWS = f'select distinct counted.window_start as "window" {COUNTED} order by 1'
COUNTS = f"""
select counted.bin, sum(counted.n) as n {COUNTED} and counted.window_start = :start group by counted.bin
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

    checked_version(state, model, version)
    check_choice(baseline, BASELINES, "baseline")
    window = pd.Timestamp(window).to_pydatetime()
    which = {"model": model, "version": int(version)}
    check_choice(feature, sorted(state.ask(FEATURES, **which)["feature"]), "feature")
    windows = [each.to_pydatetime() for each in state.ask(WINDOWS, **which, feature=feature)["window"]]
    check_choice(window, windows, f"window of '{feature}'")
    profile = records(state.ask(PROFILE, **which, feature=feature, folded=FOLDED))
    counts = _counts(state, {**which, "feature": feature}, window)
    if baseline == "training":
        before = _by_bin(profile)
    else:
        before = _counts(state, {**which, "feature": feature}, _before(window, windows))
    (stats,) = state.ask(STATS, **which)["features"]
    described: Document = next((each for each in document(stats) if each["name"] == feature), {})
    return _frame([each for each in profile if each["bin"] >= 0], described, counts, before)


def _before(window: datetime, windows: list[datetime]) -> datetime:
    earlier = [each for each in windows if each < window]
    if not earlier:
        raise MonitorError(f"there is no window before {window:%Y-%m-%d}: it is the first. Compare with the training.")
    return earlier[-1]


def _counts(state: State, which: Mapping[str, object], start: datetime) -> Counts:
    return _by_bin(records(state.ask(COUNTS, **which, start=start)))


def _by_bin(rows: Bins) -> Counts:
    return {int(each["bin"]): int(each["n"]) for each in rows}


def _frame(bins: Bins, described: Document, counts: Counts, before: Counts) -> pd.DataFrame:
    import pandas as pd

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
