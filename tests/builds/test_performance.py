"""What `ml_performance` and `ml_alerts` say of a small world, against scikit-learn, numpy and drawn outcomes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from dbt_host import Host, copy_of_host
from expected.drift import rules
from expected.metrics import of_rows
from expected.performance import (
    calibrated,
    codes_of,
    delong,
    delong_by_block,
    expected,
    hall,
    leaves,
    scores_of,
    wilson,
)
from expected.windows import features_of
from monitored import build, document, frame, monitored_host, write_rows, write_spec
from scipy.stats import t
from sklearn.metrics import average_precision_score
from warm import Warm

from mlbridge.evaluation.metrics import naive
from mlbridge.evaluation.sample import Sample

TRAINED, WELL, NOW = "2024-07-01", "2024-08-01", "2024-10-01 12:00"
MARCH, JULY, AUGUST, SEPTEMBER = (datetime(2024, month, 1) for month in (3, 7, 8, 9))
# The last one is small, and all outcomes there are alike: some metrics are not defined.
SHOPS = {
    "a": "shop=a", "o'hara": "shop=o'hara", "'quoted": "shop='''quoted'", "NULL": "shop='NULL'", None: "shop=NULL",
    "rare": "shop=rare",
}  # fmt: skip
HALF = 'half of "it\'s"='
SPEC = {"entity": "id", "time": "moment", "label_time": "known_at", "features": ["x", "z", "shop"]}
SPECS: dict[str, dict[str, Any]] = {
    "bought": {
        **SPEC,
        "task": "classification",
        "target": "buys",
        "candidates": ["logistic_regression"],
        "monitor": {"slices": ["shop"], "thresholds": {"f1": 0.55, "brier": 0.25}},
    },
    "sort": {
        **SPEC,
        "task": "classification",
        "target": "kind",
        "split": {"by": "hash", "validation": 0.25, "test": 0.35},
        "candidates": ["logistic_regression"],
        "monitor": {"slices": ["shop"]},
    },
    "amount": {
        **SPEC,
        "task": "regression",
        "target": "spent",
        "candidates": ["ridge"],
        "monitor": {"slices": ["shop", HALF]},
    },
}
# The metrics whose interval is on the scale of the logarithm; the others are shares of the rows that they rest on.
LOSSES = ("rmse", "mae", "log_loss", "brier", "r2")
KINDS = ["it's", 'say "no"', "z"]


TESTS = [
    {"mlbridge.no_alerts": {"name": "any_alert", "config": {"severity": "warn"}}},
    {"mlbridge.no_alerts": {"name": "drift_of_shop", "arguments": {"about": "drift", "what": "shop"}}},
    {"mlbridge.no_alerts": {"name": "performance_alert", "arguments": {"about": "performance"}}},
    {"mlbridge.no_alerts": {"name": "to_act_on", "arguments": {"severities": "act"}}},
    {
        "mlbridge.no_alerts": {
            "name": "noted_drift_of_shop",
            "arguments": {"severities": ["note"], "about": "drift", "what": "shop"},
        }
    },
    {"mlbridge.performance_at_least": {"name": "auc", "arguments": {"metric": "roc_auc", "value": 0.7}}},
    {
        "mlbridge.performance_at_least": {
            "name": "auc_of_quoted",
            "arguments": {"metric": "roc_auc", "value": 0.7, "slice": SHOPS["'quoted"]},
        }
    },
    {
        "mlbridge.performance_at_least": {
            "name": "estimated_auc",
            "arguments": {"metric": "roc_auc", "value": 0.7, "kind": "estimated"},
        }
    },
]
TESTS_OF_AMOUNT = [
    {"mlbridge.performance_at_least": {"name": "mae_below", "arguments": {"metric": "mae", "value": 2.0}}},
    {"mlbridge.performance_at_least": {"name": "mae_far_below", "arguments": {"metric": "mae", "value": 9.0}}},
]
# A node whose name is as long as that of the predictions, so that its beginning is a model's name.
WRONG = {
    "models": [{"name": "bought_description", "data_tests": [{"mlbridge.no_alerts": {"name": "on_the_wrong_node"}}]}]
}


@dataclass(frozen=True)
class Built:
    """A host built thrice; the alerts when all was well, and the output of its data tests then and at the end."""

    host: Host
    well: list[tuple[Any, ...]]
    output_well: str
    output: str


def world(minutes: int, seed: int) -> pa.Table:
    """Rows up to September; from August on x is greater, and in September outcomes depend otherwise on it."""
    rng = np.random.default_rng(seed)
    step = np.timedelta64(minutes, "m")
    moment = np.arange(np.datetime64("2024-01-01", "us"), np.datetime64("2024-10-01", "us"), step)
    n, month = len(moment), moment.astype("datetime64[M]").astype(int) % 12 + 1
    x = rng.normal(size=n) + 0.8 * (month >= 8)
    z = rng.normal(size=n)
    weight = np.where(month == 9, -0.7, 1.4)
    shop = rng.choice(len(SHOPS), n, p=[0.4, 0.2, 0.15, 0.14, 0.1, 0.01])
    buys = weight * x + 0.7 * z + rng.logistic(size=n) > 0.3
    kind = np.stack([weight * x, z + 0.2, np.zeros(n)], axis=1) + rng.gumbel(size=(n, 3))
    spent = 3 * weight * x + z + rng.normal(size=n) * np.where(z > 0, 2.0, 0.5)
    alike = shop == len(SHOPS) - 1
    unknown = rng.random(n) < 0.1
    return pa.table(
        {
            "id": np.arange(n),
            "moment": moment,
            "known_at": moment + np.where(rng.random(n) < 0.5, 1, 3) * np.timedelta64(12, "h"),
            "x": x,
            "z": pa.array(z, mask=rng.random(n) < 0.03),
            "shop": pa.array([[*SHOPS][each] for each in shop]),
            HALF: np.where(np.arange(n) % 2, "am", "pm"),
            "buys": pa.array(buys & ~alike, mask=unknown),
            "kind": pa.array(np.where(alike, KINDS[0], np.array(KINDS)[kind.argmax(axis=1)]), mask=unknown),
            "spent": pa.array(np.where(alike, 1.0, spent), mask=unknown),
        }
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Built:
    """Trained on 1 July, built again when all was still well, and when it was not. Tests only read it."""
    models = {
        name: (world(minutes, seed), SPECS[name])
        for name, minutes, seed in (("bought", 20, 1), ("sort", 30, 2), ("amount", 40, 3))
    }
    host = monitored_host(tmp_path_factory.mktemp("performance") / "host", models)
    write_spec(host, "bought", SPECS["bought"], predictions={"data_tests": TESTS})
    write_spec(host, "amount", SPECS["amount"], predictions={"data_tests": TESTS_OF_AMOUNT})
    host.write({"models/bought_description.sql": "select 1 as one", "models/wrong.yml": json.dumps(WRONG)})
    warm.dbt(host.path, "deps")
    warm.parse(host.path)
    build(warm, host, TRAINED)
    build(warm, host, WELL)
    well = host.rows("select what, message from ml_alerts")
    output_well = data_tests(warm, host, WELL)
    build(warm, host, NOW)
    return Built(host, well, output_well, data_tests(warm, host, NOW))


def data_tests(warm: Warm, host: Host, as_of: str) -> str:
    """Run the data tests on the host's own nodes; give what dbt says of them."""
    variables = ("--vars", json.dumps({"mlbridge_as_of": as_of}))
    return warm.dbt(host.path, "test", "--select", "package:small", *variables, parsed=True, ok=None)


def rows_of(host: Host, model: str) -> pd.DataFrame:
    """Read the rows that a model is measured on, with their window, slice, and outcome as text."""
    target = SPECS[model]["target"]
    rows = frame(
        host,
        f"select p.*, date_trunc('month', p.time)::timestamp as start, s.{target}::varchar as truth, s.x, s.z, s.shop, "
        f"s.{quoted(HALF)} as half "
        f"from {model}_predictions p join {model}_split s on p.entity = s.id::varchar and p.time = s.moment "
        f"join {model}_training v on p.version = v.version and v.outcome = 'promoted' "
        "where v.holdout_from is null or p.time >= v.holdout_from order by p.time",
    )
    rows["slice"] = [SHOPS[None if pd.isna(shop) else shop] for shop in rows["shop"]]
    if model == "amount":
        rows["half"] = ['"half of ""it\'s""="=' + half for half in rows["half"]]
        return rows
    return rows.drop(columns="half")


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def parts(rows: pd.DataFrame) -> Iterator[tuple[tuple[str, datetime], pd.DataFrame]]:
    """Part rows by slice and window."""
    for start, window in rows.groupby("start"):
        yield ("all", start.to_pydatetime()), window
        for column in {"slice", "half"} & {*rows.columns}:
            for name, part in window.groupby(column):
                yield (str(name), start.to_pydatetime()), part


def performance(host: Host, model: str, kind: str, columns: str) -> dict[tuple[str, datetime, str], tuple[Any, ...]]:
    """Read `ml_performance` by slice, window and metric."""
    found = host.rows(
        f"select slice, \"window\", metric, {columns} from ml_performance where model = '{model}' and kind = '{kind}'"
    )
    return {row[:3]: row[3:] for row in found}


def measured(model: str, classes: list[str], rows: pd.DataFrame) -> dict[str, float | None]:
    if model == "amount":
        return of_rows(rows["truth"].to_numpy(dtype=float), rows["prediction_value"].to_numpy())
    return of_rows(codes_of(rows["truth"], classes), scores_of(rows, classes))


def classes_of(host: Host, model: str) -> list[str]:
    return document(host, model, "params")["classes"] or []


# --- realized ----------------------------------------------------------------------------------------------


def assert_realized(host: Host, model: str) -> None:
    """Compare every metric in every window and slice with scikit-learn."""
    found = performance(host, model, "realized", "value, n")
    classes, compared, undefined = classes_of(host, model), 0, 0
    labelled = rows_of(host, model).dropna(subset=["truth"])
    for (name, start), part in parts(labelled):
        for metric, value in measured(model, classes, part).items():
            theirs, n = found.pop((name, start, metric))
            assert n == len(part)
            assert theirs == (None if value is None else pytest.approx(value, rel=1e-9, abs=1e-12)), (
                name,
                start,
                metric,
            )
            compared += 1
            undefined += value is None
    assert found == {}
    assert compared > 50
    assert undefined > 0


@pytest.mark.parametrize("model", [*SPECS])
def test_realized_metrics_are_those_of_scikit_learn(model: str, built: Built) -> None:
    assert_realized(built.host, model)


def test_with_a_split_by_hash_the_windows_reach_back(built: Built) -> None:
    """Rows kept from the training are rows of all its months; drift begins after it."""
    windows = {start for _, start, _ in performance(built.host, "sort", "realized", "value")}
    assert windows == {datetime(2024, month, 1) for month in range(1, 10)}
    ((first,),) = built.host.rows("select min(\"window\") from ml_drift where model = 'sort'")
    ((end,),) = built.host.rows("select train_to from sort_training where outcome = 'promoted'")
    assert first == end.replace(day=1, hour=0, minute=0)


def rows_in(host: Host, model: str, start: datetime) -> pd.DataFrame:
    """Read the rows of one window whose outcome is known."""
    rows = rows_of(host, model).dropna(subset=["truth"])
    return rows[rows["start"] == start]


def standard_errors(host: Host, model: str, start: datetime) -> dict[str, float]:
    return dict(
        host.rows(
            f"select metric, se from ml_realized where model = '{model}' and slice = 'all' and window_start = '{start}'"
        )
    )


def test_the_standard_error_of_roc_auc_is_delongs_by_block(built: Built) -> None:
    for start in (JULY, SEPTEMBER):
        rows = rows_in(built.host, "bought", start)
        truth, days = rows["truth"].to_numpy() == "true", rows["time"].dt.floor("D").to_numpy()
        expected = delong_by_block(truth, rows["probability"].to_numpy(), days)
        assert standard_errors(built.host, "bought", start)["roc_auc"] == pytest.approx(expected, rel=1e-9)


def design(host: Host, model: str) -> tuple[str, dict[str, float]]:
    """Give the unit of the blocks of a model's version, and the design effect of each metric."""
    found = host.rows(
        "select block, metric, design_effect from ml_metrics join ml_champions using (model, version, candidate) "
        f"where model = '{model}' and split = 'test' and slice = 'all'"
    )
    ((unit,),) = {(block,) for block, _, _ in found}
    assert unit in ("day", "week")
    return unit, {metric: effect for _, metric, effect in found}


@pytest.mark.parametrize(("model", "start"), [("bought", JULY), ("amount", JULY), ("sort", MARCH)])
def test_standard_errors_are_those_of_a_bootstrap_of_days(model: str, start: datetime, built: Built) -> None:
    """By the unit that the training chose; where a window has few of them, of rows and widened by the design effect."""
    rows, classes = rows_in(built.host, model, start), classes_of(built.host, model)
    unit, effects = design(built.host, model)
    of_row = rows["time"].dt.floor("D") if unit == "day" else rows["time"].dt.to_period("W")
    few = of_row.nunique() < 10
    days = [part for _, part in rows.groupby(np.arange(len(rows)) if few else of_row)]
    rng = np.random.default_rng(5)
    drawn = [
        measured(model, classes, pd.concat([days[each] for each in rng.integers(0, len(days), len(days))]))
        for _ in range(200)
    ]
    found = standard_errors(built.host, model, start)
    for metric in drawn[0]:
        deviation = np.std([each[metric] for each in drawn], ddof=1)
        wider = effects[metric] ** 0.5 if few else 1.0
        assert 0.8 < found[metric] / deviation / wider < 1.35, metric


def test_with_few_blocks_the_errors_are_those_of_rows(built: Built, tmp_path: Path, warm: Warm) -> None:
    """A logbook that knows blocks says by how much they widen it: months, of which a window has one."""
    host = copy_of_host(built.host, tmp_path)
    metrics = document(host, "bought", "metrics")
    for each in metrics:
        each.update(block="month", blocks=5, design_effect=4.0)
    with duckdb.connect(str(host.database)) as connection:
        connection.execute("update bought_training set metrics = ? where version = 1", [json.dumps(metrics)])
        connection.execute("drop table ml_realized")
    build(warm, host, NOW, command=("run", "--select", "ml_versions", "ml_realized", "ml_performance"))
    rows = rows_in(host, "bought", JULY)
    expected = 2 * delong(rows["truth"].to_numpy() == "true", rows["probability"].to_numpy())
    assert standard_errors(host, "bought", JULY)["roc_auc"] == pytest.approx(expected, rel=1e-9)
    found = performance(host, "bought", "realized", "block, blocks, value, low, high")
    block, blocks, value, low, high = found["all", JULY, "accuracy"]
    assert (block, blocks) == ("month", 1)
    error = 2 * np.sqrt(value * (1 - value) / len(rows))
    assert (low, high) == pytest.approx(wilson(value, value * (1 - value) / error**2, t.ppf(0.975, 4)), rel=2e-3)


@pytest.mark.parametrize("model", [*SPECS])
def test_intervals_are_wilsons_or_on_the_scale_of_the_logarithm_or_halls(model: str, built: Built) -> None:
    rows = built.host.rows(
        f"select slice, window_start, metric, se, support, n, df, optimism, skewness from ml_realized "
        f"where model = '{model}'"
    )
    errors, kinds = {row[:3]: row[3:] for row in rows}, set()
    for key, (value, low, high) in performance(built.host, model, "realized", "value, low, high").items():
        error, support, n, df, optimism, skewness = errors[key]
        support = n if key[2] in LOSSES else support
        assert low is None or low < high, key
        if value is None or not support or support < 4 or key[2] == "median_absolute_error":
            continue
        quantile = t.ppf(0.975, min(df, support - 1))
        if key[2] in LOSSES:
            loss = 1 - value if key[2] == "r2" else value
            logarithmic = loss * np.exp(np.array([-1, 1]) * quantile * error / loss) if error else None
            ends = hall(key[2], loss, error, quantile, skewness, logarithmic) if error and skewness else logarithmic
            kinds.add("loss" if ends is logarithmic or np.array_equal(ends, logarithmic) else "hall")
            ends = 1 - ends[::-1] if ends is not None and key[2] == "r2" else ends
        else:
            f1 = key[2] == "f1"
            share = value / (2 - value) if f1 else value
            error = error * 2 / (2 - value) ** 2 if f1 and error else error
            whole = share in (0, 1) or not error
            effective = support if whole else share * (1 - share) / error**2
            ends = np.array(wilson(share, effective, quantile))
            if key[2] == "average_precision":
                ends[0] = wilson(max(0.0, share - optimism), effective, quantile)[0]
            ends = 2 * ends / (1 + ends) if f1 else ends
            kinds.add("whole" if whole else "share")
        assert (low, high) == ((None, None) if ends is None else pytest.approx(tuple(ends), rel=4e-3, abs=1e-9)), key
    assert kinds == ({"loss", "hall"} if model == "amount" else {"loss", "hall", "share", "whole"})


@pytest.mark.parametrize("model", [*SPECS])
def test_the_baseline_is_that_of_the_training_on_the_same_rows(model: str, built: Built) -> None:
    found = performance(built.host, model, "realized", "baseline")
    classes, compared = classes_of(built.host, model), 0
    for (name, start), part in parts(rows_of(built.host, model).dropna(subset=["truth"])):
        if model == "amount":
            sample = Sample(part["truth"].to_numpy(dtype=float), part["prediction_value"].to_numpy())
        else:
            sample = Sample(codes_of(part["truth"], classes), scores_of(part, classes))
        for metric, figure in naive(sample).items():
            (theirs,) = found[name, start, metric]
            assert theirs == (None if figure is None else pytest.approx(figure, rel=1e-9, abs=1e-12)), (name, metric)
            compared += 1
    assert compared > 50


# --- estimated ---------------------------------------------------------------------------------------------


def scored_rows(host: Host, model: str) -> pd.DataFrame:
    """Read the rows that a model has scored after its training, with or without an outcome."""
    rows = rows_of(host, model)
    if model != "sort":
        return rows
    ((end,),) = host.rows("select train_to from sort_training where outcome = 'promoted'")
    return rows[rows["time"] > end]


@pytest.mark.parametrize("model", ["bought", "sort"])
def test_expected_metrics_are_those_of_the_calibrated_scores(model: str, built: Built) -> None:
    found = performance(built.host, model, "estimated", "value, n")
    classes, estimation = classes_of(built.host, model), document(built.host, model, "estimation")
    for (name, start), part in parts(scored_rows(built.host, model)):
        for metric, value in expected(scores_of(part, classes), estimation).items():
            theirs, n = found.pop((name, start, metric))
            assert n == len(part)
            assert theirs == pytest.approx(value, rel=1e-9, abs=1e-12), (name, start, metric)
    assert found == {}


def test_expected_metrics_are_the_mean_over_drawn_outcomes(built: Built) -> None:
    """Of outcomes drawn from the calibrated probabilities; the interval is not narrower than they spread."""
    rows = scored_rows(built.host, "bought")
    scores = scores_of(rows[rows["start"] == AUGUST], ["false", "true"])
    steps, chances = calibrated(scores[:, 1], document(built.host, "bought", "estimation"))
    rng = np.random.default_rng(8)
    drawn = []
    for _ in range(200):
        outcomes = (rng.random(len(chances)) < chances).astype(int)
        # of the order within a step the estimate knows nothing
        shuffled = {"average_precision": average_precision_score(outcomes, steps + 0.5 * rng.random(len(steps)))}
        drawn.append({**of_rows(outcomes, scores), **shuffled})
    found = performance(built.host, "bought", "estimated", "value, (high - low) / 3.92")
    _, effects = design(built.host, "bought")
    for metric in sorted(set(drawn[0]) - {"log_loss"}):
        figures = np.array([each[metric] for each in drawn])
        value, error = found["all", AUGUST, metric]
        assert abs(value - figures.mean()) < 3 * figures.std() / np.sqrt(len(figures)), metric
        assert 1.0 < error / effects[metric] ** 0.5 / figures.std() < 1.5, metric


def test_expected_losses_are_those_of_the_leaves(built: Built) -> None:
    rows = scored_rows(built.host, "amount")
    shop = features_of(document(built.host, "amount", "profile"))["shop"]
    inputs = {
        "x": rows["x"],
        "z": rows["z"],
        "shop": shop.bins_of(rows["shop"]),
        "ml_prediction": rows["prediction_value"],
    }
    reached = leaves(
        document(built.host, "amount", "estimation"),
        {name: np.asarray(values, dtype=float) for name, values in inputs.items()},
    )
    assert len({leaf["leaf"] for leaf in reached}) > 5
    losses = pd.DataFrame(reached, index=rows.index)[["absolute", "squared", "fourth"]]
    scale = "value * ln(high / low) / 2 / 1.96"
    found = performance(built.host, "amount", "estimated", f"value, {scale}, n")
    for (name, start), part in parts(rows):
        mean, n = losses.loc[part.index].mean(), len(part)
        rmse = np.sqrt(mean["squared"])
        of_mae = np.sqrt((mean["squared"] - mean["absolute"] ** 2) / (n - 1))
        of_rmse = np.sqrt((mean["fourth"] - mean["squared"] ** 2) / (n - 1)) / (2 * rmse)
        wider = t.ppf(0.975, n - 1) / 1.96
        assert found.pop((name, start, "mae")) == pytest.approx((mean["absolute"], of_mae * wider, n), rel=1e-3)
        assert found.pop((name, start, "rmse")) == pytest.approx((rmse, of_rmse * wider, n), rel=1e-3)
    assert found == {}


@pytest.mark.parametrize("model", [*SPECS])
def test_an_estimate_follows_changed_features_and_not_a_changed_relation(model: str, built: Built) -> None:
    """In August x is greater; in September outcomes depend on it otherwise, which is the assumption that fails."""
    columns = "value, (high - low) / 3.92"
    estimated = performance(built.host, model, "estimated", columns)
    realized = performance(built.host, model, "realized", columns)
    _, effects = design(built.host, model)
    for (name, start, metric), (value, error) in estimated.items():
        if name == "all" and start in (JULY, AUGUST, SEPTEMBER):
            theirs, error_of_theirs = realized[name, start, metric]
            away = abs(value - theirs) / np.hypot(error, error_of_theirs)
            assert away < 2.5 if start < SEPTEMBER else away * effects[metric] ** 0.5 > 4, (start, metric)


def test_the_changed_features_do_change_the_metrics(built: Built) -> None:
    """Or following them would be no art."""
    realized = performance(built.host, "bought", "realized", "value, low, high")
    for metric in ("average_precision", "recall", "f1"):
        assert realized["all", JULY, metric][2] < realized["all", AUGUST, metric][1]


# --- thresholds and alerts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [*SPECS])
def test_a_threshold_is_never_looser_than_the_naive_baseline(model: str, built: Built) -> None:
    """And allows for half of the usual skill at most, unless the rows are too few to tell that from chance."""
    fixed = SPECS[model]["monitor"].get("thresholds", {})
    columns = "value, n, threshold, baseline, reference, alert, muted"
    for kind in ("realized", "estimated"):
        rows = performance(built.host, model, kind, columns)
        assert any(alert for *_, alert, _ in rows.values()) or kind == "estimated"
        for (name, start, metric), (value, n, threshold, baseline, reference, alert, muted) in rows.items():
            better = rules()[metric]["greater_is_better"] == "true"
            key = (kind, name, start, metric)
            assert not (alert and muted), key
            assert muted or n >= 30, key
            if metric in fixed:
                assert threshold == fixed[metric], key
                assert alert == (not muted and (value < threshold if better else value > threshold)), key
            elif not muted:
                worse = -1 if better else 1
                assert worse * (threshold - baseline) <= 0, key
                assert alert == (worse * (value - threshold) > 0), key
                assert reference is not None, key


@pytest.mark.parametrize("model", [*SPECS])
def test_what_is_usual_leaves_out_the_window_that_is_judged(model: str, built: Built) -> None:
    """Of the windows of validation and test rows that are not small."""
    usual: dict[tuple[str, str], list[tuple[str, float, int, float]]] = {}
    for record in document(built.host, model, "reference"):
        if record["value"] is not None and record["baseline"] is not None:
            usual.setdefault((record["slice"], record["metric"]), []).append(
                (record["window"], record["value"], record["n"], record["baseline"])
            )
    compared = 0
    better = {metric: float(rule["greater_is_better"] == "true") for metric, rule in rules().items()}
    for (name, start, metric), (reference,) in performance(built.host, model, "realized", "reference").items():
        found = usual.get((name, metric), [])
        typical = np.mean([n for _, _, n, _ in found]) if found else 0
        # where the baseline is perfect, there is no skill
        known = [each for each in found if each[2] >= typical / 2 and each[3] != better[metric]]
        kept = [(value, n) for window, value, n, _ in known if window != str(start)]
        mean = sum(value * n for value, n in kept) / sum(n for _, n in kept) if kept else None
        assert reference == (None if mean is None else pytest.approx(mean, rel=1e-9)), (name, start, metric)
        compared += len(kept) < len(found)
    assert compared > 0


def test_no_alert_when_all_is_well(built: Built) -> None:
    assert built.well == []


def test_alerts_say_what_since_when_and_how_much(built: Built) -> None:
    rows = built.host.rows(
        'select model, what, "window", window_end, version, about, since, is_current, message from ml_alerts'
    )
    found = {(model, what, start): tuple(rest) for model, what, start, *rest in rows}
    assert len(found) == len(rows)
    expected = dict(alerts(built.host, NOW))
    assert found.keys() == expected.keys()
    for key, (about, since, current, message) in expected.items():
        end = pd.Timestamp(key[2]) + pd.offsets.MonthBegin()
        assert found[key] == (end.to_pydatetime(), 1, about, since, current, message)


def test_a_window_that_is_not_over_leaves_the_last_alert_current(built: Built, warm: Warm, tmp_path: Path) -> None:
    host = copy_of_host(built.host, tmp_path)
    build(warm, host, "2024-09-20", command=("run", "--select", "ml_drift", "ml_performance", "ml_alerts"))
    found = frame(host, 'select model, what, "window", is_current from ml_alerts')
    expected = {key: current for key, (_, _, current, _) in alerts(host, "2024-09-20")}
    assert {(row.model, row.what, row.window): row.is_current for row in found.itertuples()} == expected
    august = found["window"] == AUGUST
    assert august.any()
    assert found[august]["is_current"].mean() > 0.5


def test_a_window_of_a_few_rows_leaves_the_last_alert_current(built: Built, warm: Warm, tmp_path: Path) -> None:
    host = copy_of_host(built.host, tmp_path)
    with duckdb.connect(str(host.database)) as connection:
        connection.execute('update ml_drift set is_comparable = false, alert = false where "window" = ?', [SEPTEMBER])
    build(warm, host, NOW, command=("run", "--select", "ml_alerts"))
    alerts_of_august = f"from ml_alerts where about = 'drift' and \"window\" = timestamp '{AUGUST}'"
    assert set(host.rows(f"select is_current {alerts_of_august}")) == {(True,)}


def alerts(host: Host, as_of: str) -> Iterator[tuple[tuple[str, str, datetime], tuple[str, datetime, bool, str]]]:
    """Give what `ml_alerts` must say of what `ml_drift` and `ml_performance` say."""
    moved = what_moved(host)
    drift = frame(host, "select *, 'drift of ' || feature as what from ml_drift where value is not null")
    drift["place"] = np.where(drift["baseline"] == "training", "1", "2") + drift["metric"]
    drift["sentence"] = [
        f"{row.metric} {row.value:.4f} against {row.baseline} (threshold {row.threshold:.4f})"
        for row in drift.itertuples()
    ]
    measures = frame(host, "select * from ml_performance where value is not null")
    measures["what"] = measures["kind"] + " performance"
    sliced = measures["slice"] != "all"
    measures.loc[sliced, "what"] += " of " + measures["slice"]
    deciding = measures["model"].map({"amount": "rmse"}).fillna("average_precision")
    is_deciding = measures["metric"] == deciding
    measures["place"] = np.where(is_deciding, "1", "2") + measures["metric"]
    measures["sentence"] = [
        f"{row.metric} {row.value:.4f} ({row.low:.4f} to {row.high:.4f} on {row.n} rows; threshold {row.threshold:.4f}"
        f", usually {row.reference:.4f})".replace("nan", "unknown")
        for row in measures.itertuples()
    ]
    group = [measures[each] for each in ("model", "version", "what", "window")]
    named = (is_deciding & measures["alert"]).groupby(group).transform("any") & ~is_deciding
    measures.loc[named, "sentence"] = "also " + measures["metric"]
    can = measures["muted"].isna()
    for about, table, speaks in (("drift", drift, drift["is_comparable"]), ("performance", measures, can)):
        silent = ~(speaks | table["alert"]).groupby([table["model"], table["what"], table["window"]]).transform("any")
        for (model, what), windows in table[~silent].groupby(["model", "what"]):
            newest = windows["window"].max()
            since, missed = None, 0
            for start, rows in windows.groupby("window"):
                missed = 0 if rows["alert"].any() else missed + 1
                since = None if missed > 1 else since
                if missed == 0:
                    since = since or start.to_pydatetime()
                    figures = ", ".join(rows[rows["alert"]].sort_values("place")["sentence"])
                    more = moved.get((model, start), "") if about == "performance" else ""
                    yield (
                        (model, what, start.to_pydatetime()),
                        (about, since, start == newest, f"{what}: {figures}{more}"),
                    )


def what_moved(host: Host) -> dict[tuple[str, pd.Timestamp], str]:
    """Give by model and window the features that matter most and moved most: importance x psi / threshold."""
    rows = frame(
        host,
        'select model, "window", feature, value, mean * value / threshold as weight from ml_drift '
        "join ml_importances using (model, version, feature) "
        "where metric = 'psi' and baseline = 'training' and mean > 0 order by weight desc",
    )
    found = {}
    for key, part in rows.groupby(["model", "window"]):
        sentences = (f"{row.feature} (psi {row.value:.4f})" for row in part.head(3).itertuples())
        found[key] = "; largest drift times importance: " + ", ".join(sentences)
    return found


def test_what_alerts_is_what_was_changed(built: Built) -> None:
    rows = built.host.rows('select model, what, "window", since, message from ml_alerts')
    found = {(model, what, start): (since, message) for model, what, start, since, message in rows}
    for model in SPECS:
        assert (model, "drift of x", AUGUST) in found
        assert found[model, "drift of x", SEPTEMBER][0] == AUGUST
        since, message = found[model, "realized performance", SEPTEMBER]
        assert since == SEPTEMBER
        assert "; largest drift times importance: x (psi 0." in message
        assert (model, "realized performance", AUGUST) not in found
        assert (model, "estimated performance", SEPTEMBER) not in found


def test_alerts_say_what_they_mean(built: Built) -> None:
    rows = built.host.rows("select model, what, severity, action from ml_alerts")
    found = {(model, what): (severity, action) for model, what, severity, action in rows}
    for model in SPECS:
        assert found[model, "drift of x"][0] == "look"  # what the outcomes hang on
        assert found[model, "realized performance"][0] == "act"
    for (_, what), (severity, action) in found.items():
        assert severity != "act" or what == "realized performance"
        assert action.endswith(".")


def test_the_generic_tests_pass_warn_fail_and_refuse(built: Built) -> None:
    def ends(output: str) -> dict[str, str]:
        return {
            name: end for end, name in re.findall(r"\d+ of \d+ (PASS|WARN|FAIL|ERROR)(?: \d+)? (\w+) \.+ \[", output)
        }

    fine = dict.fromkeys((next(iter(each.values()))["name"] for each in (*TESTS, *TESTS_OF_AMOUNT)), "PASS")
    refused = {"on_the_wrong_node": "ERROR"}
    assert ends(built.output_well) == {**fine, **refused}
    failed = dict.fromkeys(("performance_alert", "to_act_on", "auc", "auc_of_quoted", "mae_below"), "FAIL")
    assert ends(built.output) == {**fine, "any_alert": "WARN", **failed, **refused}
    assert "bought_description: this test is for a `<model>_predictions` node. Put it there." in built.output


# --- outcomes that change ----------------------------------------------------------------------------------


def test_corrected_outcomes_are_measured_again(
    built: Built, tmp_path_factory: pytest.TempPathFactory, warm: Warm
) -> None:
    """From one wrong class to another, which leaves the accuracy as it was."""
    host = copy_of_host(built.host, tmp_path_factory.mktemp("corrected"))
    wrong = rows_in(host, "sort", JULY)
    wrong = wrong[(wrong["truth"] != wrong["prediction"]) & (wrong["slice"] != SHOPS["rare"])].head(20)
    other = {
        int(row.entity): next(kind for kind in KINDS if kind not in (row.truth, row.prediction))
        for row in wrong.itertuples()
    }
    rows = world(30, 2)
    kinds = [other.get(index, kind) for index, kind in enumerate(rows["kind"].to_pylist())]
    write_rows(host, "sort", rows.set_column(rows.schema.get_field_index("kind"), "kind", pa.array(kinds)))
    build(warm, host, NOW)

    before, after = (performance(each, "sort", "realized", "value") for each in (built.host, host))
    assert before["all", JULY, "accuracy"] == after["all", JULY, "accuracy"]
    assert {start for key, value in after.items() for start in key[1:2] if value != before[key]} == {JULY}
    assert_realized(host, "sort")
