"""What `ml_drift` says of a small world, against counts by hand, scipy from the same bins, and the raw values."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from dbt_host import Host, copy_of_host
from expected.chance import level
from expected.drift import CASES, CHECKS, FILE, HOSTILE, INJECTED, JUNE, ROWS, TRAINING_MONTHS, rules, written
from expected.windows import (
    DriftRow,
    Feature,
    Key,
    Rules,
    Windows,
    companions,
    drift,
    features_of,
    relative_deviations,
)
from monitored import build, document, frame, monitored_host, write_rows, write_spec
from scipy.stats import ks_2samp, wasserstein_distance
from warm import Warm

from mlbridge.catalogue.drift import DRIFT_METRICS

TRAINED, NOW = "2024-07-01", "2024-10-20"
FIXED = {"ks": 0.4}
FIXED_OF = {"x": {"psi": 0.05, "ks": 0.3}, "ml_prediction": {"psi": 0.07}, "ml_target": {"wasserstein": 0.9}}
WORLD_SPEC = {
    "task": "regression",
    "target": "spent",
    "entity": "id",
    "time": "moment",
    "label_time": "known_at",
    "candidates": ["ridge"],
    "monitor": {"thresholds": FIXED, "feature_thresholds": FIXED_OF},
}
CASES_SPEC = {
    "task": "classification",
    "target": "outcome",
    "entity": ["id"],
    "time": "at",
    "split": {"by": "word"},
    "candidates": ["logistic_regression"],
}
# How each feature of the world is read as a number; the others are categories.
NUMBERS = {
    "x": "x", "y": "y", "rain": "rain", "gusts": "gusts", "price": "price::double", "hour": "hour", "flag": "flag::int",
    "opened": "epoch(opened)", "broken": "nullif(broken, 'nan'::double)",
}  # fmt: skip
CATEGORIES = ("city", "code", HOSTILE)


def world() -> pa.Table:
    """One row an hour until 20 October; from July on one thing after the other changes."""
    rng = np.random.default_rng(11)
    n = 24 * 294
    moment = np.datetime64("2024-01-01T00:00:00", "us") + np.arange(n) * np.timedelta64(1, "h")
    month = moment.astype("datetime64[M]").astype(int) % 12 + 1
    x = rng.normal(size=n) + 0.4 * np.sin(month * 2.0) + 0.5 * (month == 8)
    y = x + rng.normal(size=n) * 0.4
    y[month == 9] = rng.permutation(y[month == 9])
    rain = np.maximum(rng.gamma(0.5, 4.0, n) - 2, 0).round(1)
    gusts = np.where(rng.random(n) < np.where(month >= 8, 0.2, 0.6), np.nan, rng.weibull(2, n) * 20)
    price = rng.lognormal(3, 0.5, n) * np.where(month == 8, 8.0, 1.0)
    city = rng.choice(["a", "b", INJECTED, "NULL"], n, p=[0.5, 0.3, 0.1, 0.1])
    city[(month >= 8) & (rng.random(n) < 0.2)] = "new"
    missing = rng.random(n)
    spent = 2 * x + rain / 4 + rng.normal(size=n)
    return pa.table(
        {
            "id": np.arange(n),
            "moment": moment,
            "known_at": moment + np.timedelta64(3, "D"),
            "x": x,
            "y": y,
            "rain": rain,
            "gusts": pa.array(gusts, from_pandas=True),
            "price": [Decimal(f"{each:.2f}") for each in price],
            "hour": (np.arange(n) % 24).astype(np.int16),
            "flag": pa.array(rng.random(n) < 0.3, mask=missing < 0.02),
            "opened": moment - (rng.exponential(100, n) * 86_400e6).astype("timedelta64[us]"),
            "broken": np.where(missing > 0.95, np.nan, rng.normal(size=n)),  # NaN, not NULL
            "city": pa.array(city, mask=missing > 0.99),
            "code": [f"c{each}" for each in np.minimum(rng.zipf(1.3, n), 400 + 20 * month)],
            HOSTILE: rng.choice(["it's", '"', ""], n),
            "spent": pa.array(spent, mask=rng.random(n) < 0.05),
        }
    )


def cases() -> pa.Table:
    """The rows of the cases: in each window every feature's values, each in an order of its own."""
    starts = [*(f"2024-{month:02}-01 00:00:00" for month in range(1, TRAINING_MONTHS + 2)), *ROWS]
    rng = np.random.default_rng(3)
    columns: dict[str, list[Any]] = {name: [] for name in ("at", "word", "signal", *CASES)}
    for index, start in enumerate(starts):
        rows = ROWS.get(start, ROWS[JUNE])
        part = "train" if index < TRAINING_MONTHS else "validation" if start not in ROWS else "test"
        columns["at"] += [np.datetime64(start, "us") + np.timedelta64(minute, "m") for minute in range(rows)]
        columns["word"] += [part if start <= JUNE else "score"] * rows
        orders = {name: rng.permutation(rows) for name in CASES}
        for name, case in CASES.items():
            values = [
                value for value, count in case.counts(start if start in ROWS else JUNE).items() for _ in range(count)
            ]
            columns[name] += [values[each] for each in orders[name]]
        # what lets a model beat the naive baseline
        outcomes = columns["ml_target"][-rows:]
        columns["signal"] += [(each == "yes") + rng.normal() * 0.7 for each in outcomes]
    columns["outcome"] = columns.pop("ml_target")
    return pa.table({"id": np.arange(len(columns["at"])), **columns})


@dataclass(frozen=True)
class Built:
    """A host built at two moments, and what its first training was fitted on."""

    host: Host
    trained: pd.DataFrame


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Built:
    """Trained on 1 July, and built again on 20 October. Tests only read it."""
    models = {"world": (world(), WORLD_SPEC), "cases": (cases(), CASES_SPEC)}
    host = monitored_host(tmp_path_factory.mktemp("drift") / "host", models)
    warm.dbt(host.path, "deps")
    warm.parse(host.path)
    build(warm, host, TRAINED)
    trained = frame(host, f"select {columns()} from world_split where ml_split = 'train'")
    build(warm, host, NOW)
    return Built(host, trained)


def columns() -> str:
    """Select the world's features as the model reads them, and its outcome."""
    numbers = [f'({sql})::double as "{name}"' for name, sql in NUMBERS.items()]
    texts = ['"{}"'.format(name.replace('"', '""')) for name in CATEGORIES]
    return ", ".join([*numbers, *texts, "spent as ml_target"])


def windows(host: Host, size: str) -> Iterator[tuple[Windows, Windows]]:
    """Count the world's rows anew, feature by feature: in the windows scored, and in those of the training."""
    ((start, end, holdout),) = host.rows(
        "select train_from, train_to, holdout_from from world_training where version = 1"
    )
    scored = frame(
        host,
        f"select {columns()}, prediction_value as ml_prediction, date_trunc('{size}', moment)::timestamp as start "
        f"from world_predictions join world_split on entity = id::varchar and time = moment where time >= '{holdout}'",
    )
    trained = frame(
        host,
        f"select {columns()}, date_trunc('{size}', moment)::timestamp as start from world_split "
        f"where moment between '{start}' and '{end}'",
    )
    features = features_of(document(host, "world", "profile"))
    for feature in features.values():
        past = reference(host, feature, size)
        if feature.name != "ml_prediction":
            past = counted(feature, features, trained)
        yield Windows(feature, counted(feature, features, scored), False), Windows(feature, past, True)


def counted(feature: Feature, features: dict[str, Feature], rows: pd.DataFrame) -> dict[Any, Any]:
    together = companions(feature, features, rows)
    found = {}
    for start, part in rows.groupby("start"):
        values = part[feature.name]
        found[start.to_pydatetime()] = feature.counted(values, together[rows.index.get_indexer(part.index)])
    return found


def reference(host: Host, feature: Feature, size: str) -> dict[Any, Any]:
    """Give the predictions of the validation and the test rows by window, as the logbook has them by bin."""
    if feature.name != "ml_prediction":
        return {}
    edges = feature.edges
    assert edges is not None
    # a value of each bin, and one on either side of them
    values = {-2: edges[0] - 1, len(edges) - 1: edges[-1] + 1, **dict(enumerate(edges[1:]))}
    rows: dict[str, list[float]] = {}
    for record in document(host, "world", "reference"):
        if record["metric"] == "ml_prediction" and record["window_size"] == size:
            rows.setdefault(record["window"], []).extend([values[record["bin"]]] * record["n"])
    nothing = {start: np.full(len(scores), np.nan) for start, scores in rows.items()}
    return {
        # The logbook has no sums of predictions, nor how far they lie outside.
        datetime.fromisoformat(start): replace(
            feature.counted(pd.Series(scores), nothing[start]), inside=None, below=0.0, above=0.0
        )
        for start, scores in sorted(rows.items())
    }


def rows_of(host: Host, model: str) -> dict[Key, DriftRow]:
    """Read `ml_drift`."""
    rows = host.rows(
        'select feature, "window"::varchar, baseline, metric, value, threshold, threshold_from, alert, rows_used, '
        f"rows_unused, rows_baseline, is_comparable from ml_drift where model = '{model}'"
    )
    return {row[:4]: DriftRow(*row[4:]) for row in rows}


def compare(found: dict[Key, DriftRow], expected: dict[Key, DriftRow]) -> None:
    """Compare rows of `ml_drift`; a distance of nothing is nothing but for rounding, of which a root makes more."""
    assert found.keys() == expected.keys()
    for key, mine in expected.items():
        theirs, close = found[key], 1e-7 if "js_distance" in key else 1e-12
        assert (theirs.value is None) is (mine.value is None), key
        if mine.value is not None:
            assert theirs.value == pytest.approx(mine.value, rel=1e-9, abs=close), key
            assert theirs.threshold == pytest.approx(mine.threshold, rel=1e-9, abs=close), key
            assert theirs.threshold_from == mine.threshold_from, key
        assert theirs.alert == mine.alert, key
        assert theirs.is_comparable == mine.is_comparable, key
        rows = ("rows_used", "rows_unused", "rows_baseline")
        assert [getattr(theirs, each) for each in rows] == [getattr(mine, each) for each in rows], key


def calculated(host: Host, size: str, floors: Any, fixed: bool = True) -> dict[Key, DriftRow]:
    """Give what `ml_drift` must say of the world."""
    rows = dict(
        host.rows(
            f"select date_trunc('{size}', time)::timestamp, count(*) from world_predictions "
            "where time >= (select holdout_from from world_training where version = 1) group by 1"
        )
    )
    over = datetime(2024, 10, 1) if size == "month" else datetime.fromisoformat(NOW)
    every = list(windows(host, size))
    at = level(checks(host, "world"), size)
    judged = Rules(floors, at, relative_deviations([training for _, training in every]), over)
    expected: dict[Key, DriftRow] = {}
    for scored, training in every:
        own = {**FIXED, **FIXED_OF.get(scored.feature.name, {})} if fixed else {}
        expected |= drift(scored, training, own, rows, judged)
    return expected


def checks(host: Host, model: str) -> int:
    """Count what is watched of a model in a window."""
    sql = f"select count(*) from (select distinct feature, baseline, metric from ml_drift where model = '{model}')"
    ((found,),) = host.rows(sql)
    return int(found)


# --- counted by hand ---------------------------------------------------------------------------------------


def test_the_expected_file_is_what_its_script_makes() -> None:
    assert FILE.read_text() == written()


def counted_by_hand() -> dict[Key, DriftRow]:
    """Read the file of expected rows."""
    with FILE.open() as file:
        return {
            (row["feature"], row["window"], row["baseline"], row["metric"]): DriftRow(
                float(row["value"]) if row["value"] else None,
                float(row["threshold"]) if row["value"] else math.nan,
                row["threshold_from"],
                row["alert"] == "True",
                *(int(row[rows]) for rows in ("rows_used", "rows_unused", "rows_baseline")),
                row["is_comparable"] == "True",
            )
            for row in csv.DictReader(file)
        }


def test_the_level_is_that_of_all_that_is_watched(built: Built) -> None:
    assert checks(built.host, "cases") == CHECKS


def test_the_textbook_figures_are_in_the_file() -> None:
    rows = counted_by_hand()
    for feature, expected in (("quarters", 0.22822), ("halves", 0.04055)):
        assert rows[feature, "2024-07-01 00:00:00", "training", "psi"].value == pytest.approx(expected, abs=5e-6)


@pytest.mark.parametrize("feature", [*CASES])
def test_values_counted_by_hand(feature: str, built: Built) -> None:
    """What each case is about stands beside it in tests/expected/drift.py."""
    expected = {key: row for key, row in counted_by_hand().items() if key[0] == feature}
    assert {key[1] for key in expected} == set(ROWS)
    found = {key: row for key, row in rows_of(built.host, "cases").items() if key[0] == feature}
    compare({key: row for key, row in found.items() if not key[3].startswith("association")}, expected)


def test_a_window_of_three_rows_has_values_and_no_alert(built: Built) -> None:
    rows = [row for key, row in rows_of(built.host, "cases").items() if key[1].startswith("2024-09")]
    assert max(row.value for row in rows if row.value is not None) > 3
    assert not any(row.alert for row in rows)


def test_an_open_window_alerts_of_missing_and_unseen_values_only(built: Built) -> None:
    alerts = {key[3] for key, row in rows_of(built.host, "cases").items() if key[1].startswith("2024-10") and row.alert}
    assert alerts == {"null_share_change", "unseen_share"}


# --- by scipy and numpy from the same bins, and from the raw values ----------------------------------------


def test_values_and_thresholds_are_those_of_scipy(built: Built) -> None:
    expected = calculated(built.host, "month", rules())
    assert {key[3] for key in expected} == set(DRIFT_METRICS)
    assert {row.threshold_from for row in expected.values()} == {"reference", "bound", "floor", "noise", "fixed"}
    assert {feature for feature, *_ in expected} == {*NUMBERS, *CATEGORIES, "ml_prediction", "ml_target"}
    compare(rows_of(built.host, "world"), expected)


def test_the_changes_are_found(built: Built) -> None:
    found = rows_of(built.host, "world")
    alerts = {
        (feature, window[:7], metric)
        for (feature, window, baseline, metric), row in found.items()
        if row.alert and baseline == "training"
    }
    assert {
        ("y", "2024-09", "association_change"),
        ("price", "2024-08", "wasserstein"),
        ("gusts", "2024-08", "null_share_change"),
        ("city", "2024-08", "unseen_share"),
        ("city", "2024-10", "unseen_share"),  # which is not over
    } <= alerts
    assert not {feature for feature, *_ in alerts} & {"hour", "flag", "broken", HOSTILE}


def test_raw_values_differ_by_no_more_than_their_bins(built: Built) -> None:
    """KS at most by the greatest share of a bin, Wasserstein by the sum of width times greater share."""
    found = rows_of(built.host, "world")
    rows = frame(
        built.host,
        f"select {columns()}, date_trunc('month', moment)::timestamp as start from world_split "
        "where moment >= (select holdout_from from world_training where version = 1)",
    )
    for scored, _ in windows(built.host, "month"):
        feature = scored.feature
        if feature.name not in NUMBERS:
            continue
        trained, raw = feature.training(), built.trained[feature.name].dropna()
        for start, now in scored.counted.items():
            values = rows.loc[rows["start"] == start, feature.name].dropna()
            greater = np.maximum(now.n / now.used, trained.n / trained.used)
            ks, area = (found[feature.name, str(start), "training", metric].value for metric in ("ks", "wasserstein"))
            assert len(values) == now.used
            assert -1e-12 < ks_2samp(values, raw).statistic - ks <= greater.max()
            std = raw.std(ddof=0)
            error = (np.diff(feature.edges) * greater).sum() / std
            assert area == pytest.approx(wasserstein_distance(values, raw) / std, abs=error)


# --- which rows --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["world", "cases"])
def test_used_and_unused_rows_are_those_of_the_window(model: str, built: Built) -> None:
    ((holdout,),) = built.host.rows(f"select holdout_from from {model}_training where version = 1")
    rows = built.host.rows(
        'select feature, "window", rows_used + rows_unused, rows_new, rows_scored '
        'from ml_drift join ml_windows on ml_drift.model = ml_windows.model and "window" = ml_windows.window_start '
        f"where ml_drift.model = '{model}'"
    )
    assert rows
    for _, start, of_metric, of_window, scored in rows:
        assert of_metric == of_window == scored
        assert start >= holdout.replace(day=1, hour=0)
    scored = built.host.rows(
        f"select date_trunc('month', time)::timestamp, count(*) from {model}_predictions where time >= '{holdout}' "
        "group by 1"
    )
    assert {start: n for _, start, n, *_ in rows} == dict(scored)
    assert min(start for start, _ in scored) < datetime.fromisoformat(TRAINED)  # the test rows


def test_of_outcomes_only_those_that_are_known_count(built: Built) -> None:
    known = dict(
        built.host.rows(
            "select date_trunc('month', moment)::timestamp::varchar, count(spent) "
            "from world_split join world_predictions on entity = id::varchar and time = moment "
            "where time >= (select holdout_from from world_training where version = 1) group by 1"
        )
    )
    used = {key[1]: row.rows_used for key, row in rows_of(built.host, "world").items() if key[0] == "ml_target"}
    assert used == known
    predicted = {
        key[1]: row.rows_unused for key, row in rows_of(built.host, "world").items() if key[0] == "ml_prediction"
    }
    assert set(predicted.values()) == {0}


# --- what is counted once ----------------------------------------------------------------------------------

MARK = 1_000_000
TABLES = {
    "ml_distributions": ("period, window_size, window_start, feature, slice, bin", "n, overshoot, companion_sum"),
    "ml_realized": ("window_size, window_start, slice, metric", "n, value, se"),
}
MONTHS = {"2024-06", "2024-07", "2024-08", "2024-09", "2024-10"}
OWN_FLOORS = {"psi": "1.5", "wasserstein": "0.0"}


def contents(host: Host) -> dict[str, dict[tuple[Any, ...], list[float]]]:
    """Read the incremental tables of the world by their keys; NULL as NaN."""
    found = {}
    for table, (key, rest) in TABLES.items():
        size = key.count(",") + 1
        rows = host.rows(f"select {key}, {rest} from {table} where model = 'world'")
        found[table] = {row[:size]: [math.nan if cell is None else cell for cell in row[size:]] for row in rows}
    return found


def marked(host: Host) -> dict[str, set[str]]:
    """Say which windows still hold what was written by hand."""
    return {
        table: {str(start)[:7] for (start,) in host.rows(f"select window_start from {table} where n >= {MARK}")}
        for table in TABLES
    }


@dataclass(frozen=True)
class Stages:
    """What a copy of the host held after one build after the other; at last it has windows of days, and own floors."""

    host: Host
    contents: dict[str, dict[str, dict[tuple[Any, ...], list[float]]]]
    marks: dict[str, dict[str, set[str]]]
    drift: dict[Key, DriftRow]


@pytest.fixture(scope="module")
def stages(built: Built, tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Stages:
    """Every window is marked by hand, so that one counted again can be told from one that was not."""
    host = copy_of_host(built.host, tmp_path_factory.mktemp("stages"))
    found, marks = {"first": contents(host)}, {}
    with duckdb.connect(str(host.database)) as connection:
        for table in TABLES:
            connection.execute(f"update {table} set n = n + {MARK} where model = 'world'")

    def stage(name: str, *more: str) -> None:
        build(warm, host, NOW, *more)
        marks[name], found[name] = marked(host), contents(host)

    stage("nothing new")
    write_rows(host, "world", with_late_facts(world()))
    stage("late")
    with duckdb.connect(str(host.database)) as connection:
        for table in TABLES:
            connection.execute(f"drop table {table}")
    stage("fresh")
    monthly = rows_of(host, "world")
    with_days_and_own_floors(host)
    warm.parse(host.path)
    stage("days")
    return Stages(host, found, marks, monthly)


def with_late_facts(table: pa.Table) -> pa.Table:
    """Five rows of July come late, an outcome of August is corrected and a row lost, one of September becomes known."""
    rows = table.to_pandas()
    moment, spent = rows["moment"], rows["spent"]
    july = rows[moment >= "2024-07-10"].head(5)
    late = july.assign(id=july["id"] + 1_000_000, moment=july["moment"] + pd.Timedelta("1min"), spent=1.0)
    corrected = rows.index[(moment >= "2024-08-05") & spent.notna()][0]
    lost = rows.index[(moment >= "2024-08-05") & spent.isna()][0]
    found_out = rows.index[(moment >= "2024-09-05") & spent.isna()][0]
    rows.loc[corrected, "spent"] += 1.0
    rows.loc[found_out, "spent"] = 0.5
    changed = pd.concat([rows.drop(index=lost), late])
    return pa.Table.from_pandas(changed, schema=table.schema, preserve_index=False)


def with_days_and_own_floors(host: Host) -> None:
    """Change the size of the windows, and put a seed of the host's own in place of the package's."""
    write_spec(host, "world", {**WORLD_SPEC, "monitor": {"window": "day"}})
    project = host.path / "dbt_project.yml"
    project.write_text(project.read_text() + "seeds: {mlbridge: {+enabled: false}}\n")
    own = [{**rule, "floor": OWN_FLOORS.get(metric, rule["floor"])} for metric, rule in rules().items()]
    host.write({"seeds/ml_thresholds.csv": pd.DataFrame(own).to_csv(index=False)})


def test_a_build_with_nothing_new_counts_nothing_again(stages: Stages) -> None:
    distributions = stages.marks["nothing new"]["ml_distributions"]
    assert MONTHS | {"2024-01", "2024-02"} <= distributions  # the training period is counted once, too
    assert stages.marks["nothing new"]["ml_realized"] == MONTHS


def test_late_rows_and_late_or_corrected_outcomes_reopen_their_windows(stages: Stages) -> None:
    assert stages.marks["late"]["ml_realized"] == {"2024-06", "2024-10"}
    assert stages.marks["late"]["ml_distributions"] & MONTHS == {"2024-06", "2024-10"}

    def outcomes(stage: str, month: int) -> float:
        key = "month", datetime(2024, month, 1), "all", "rmse"
        return stages.contents[stage]["ml_realized"][key][0]

    assert [outcomes("late", month) - outcomes("first", month) for month in (7, 8, 9)] == [5, 0, 1]


def test_a_row_that_left_the_split_is_unused(stages: Stages) -> None:
    rows = {key[1]: row for key, row in stages.drift.items() if key[0] == "x" and key[2:] == ("training", "psi")}
    assert [row.rows_unused for _, row in sorted(rows.items())] == [0, 0, 1, 0, 0]
    assert [row.rows_used for _, row in sorted(rows.items())][1:3] == [31 * 24 + 5, 31 * 24 - 1]


@pytest.mark.parametrize("table", [*TABLES])
def test_counting_all_anew_gives_the_same(table: str, stages: Stages) -> None:
    first, late, fresh = (stages.contents[stage][table] for stage in ("first", "late", "fresh"))
    assert stages.marks["fresh"][table] == set()
    assert fresh.keys() == late.keys()
    for key, row in fresh.items():
        (start,) = (part for part in key if isinstance(part, datetime))
        incremental = late[key] if start in (datetime(2024, month, 1) for month in (7, 8, 9)) else first[key]
        assert row == pytest.approx(incremental, rel=1e-12, nan_ok=True), key


def test_other_windows_are_counted_anew_and_the_old_ones_kept(stages: Stages) -> None:
    """By days: the rows of a month are those of its days, and the days have their own `usual`."""
    found = stages.contents["days"]["ml_distributions"]
    assert stages.contents["fresh"]["ml_distributions"].items() <= found.items()
    sums: dict[tuple[Any, ...], dict[str, float]] = {}
    for (period, size, start, *rest), (n, *_) in found.items():
        by_size = sums.setdefault((period, start.replace(day=1), *rest), {"month": 0.0, "day": 0.0})
        by_size[size] += n
    assert all(each["month"] == each["day"] for each in sums.values())


def test_days_and_floors_of_the_hosts_own(stages: Stages) -> None:
    floors = {metric: {**rule, "floor": OWN_FLOORS.get(metric, rule["floor"])} for metric, rule in rules().items()}
    expected = calculated(stages.host, "day", floors, fixed=False)
    assert len({key[1] for key in expected}) > 130
    assert {row.threshold for row in expected.values() if row.threshold_from == "floor"} >= {1.5}
    compare(rows_of(stages.host, "world"), expected)
