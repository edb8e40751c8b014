"""Features: which columns a model reads and as what, and which it refuses before any fit."""

from __future__ import annotations

import json
from typing import Any

import pytest
from branch import Branch

from mlbridge.errors import FeatureError

HOSTILE = "'); drop table base; --"


def _features(row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in json.loads(row["features"])}


# --- the columns that the spec names ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": "is_lat"}, ["`mlbridge.target`", "'is_lat'", "mean 'is_late'?", "'carrier'"]),
        ({"entity": ["id", "leg"]}, ["`mlbridge.entity`", "'leg'", "Its columns: 'id', 'at', 'x'"]),
        ({"time": "att"}, ["`mlbridge.time`", "'att'", "mean 'at'?"]),
        ({"label_time": "landed_at"}, ["`mlbridge.label_time`", "'landed_at'"]),
        ({"features": ["x", "carier"]}, ["`mlbridge.features`", "'carier'", "mean 'carrier'?"]),
        ({"features": {"exclude": ["y"]}}, ["`mlbridge.features.exclude`", "'y'"]),
        ({"monitor": {"slices": ["carriers"]}}, ["`mlbridge.monitor.slices`", "'carriers'", "mean 'carrier'?"]),
        ({"features": ["x", "is_late"]}, ["'is_late'", "already uses as target", "Take it out"]),
        ({"features": {"exclude": ["x", "carrier"]}}, ["no features left", "take them out of `features.exclude`"]),
        ({"features": []}, ["no features left"]),
        ({"time": "x"}, ["`mlbridge.time`", "'x' is a DOUBLE", "timestamp without time zone"]),
        ({"time": "carrier"}, ["`mlbridge.time`", "'carrier' is a VARCHAR", "Convert it in the features node"]),
        ({"label_time": "x"}, ["`mlbridge.label_time`", "'x' is a DOUBLE"]),
        ({"target": "x"}, ["the target 'x' is a DOUBLE", "a boolean, an integer or a text", "`mlbridge.task`"]),
        (
            {"task": "regression", "metric": "rmse", "candidates": ["ridge"], "target": "carrier"},
            ["the target 'carrier' is a VARCHAR", "regression needs a number"],
        ),
        (
            {"task": "regression", "metric": "rmse", "candidates": ["ridge"]},
            ["the target 'is_late' is a BOOLEAN", "regression needs a number"],
        ),
    ],
)
def test_a_spec_that_does_not_fit_the_columns_is_refused(changes: dict[str, Any], words: list[str]) -> None:
    Branch().refuses(FeatureError, *words, **changes)


def test_a_time_with_time_zone_is_refused() -> None:
    Branch({"at": "timestamptz '2024-01-01 00:00:00+00' + to_hours(i)"}).refuses(
        FeatureError, "'at' is a TIMESTAMP WITH TIME ZONE", "without time zone, in UTC"
    )


def test_a_date_may_be_the_time() -> None:
    branch = Branch({"at": "date '2024-01-01' + cast(i as integer)"})
    assert branch.train()["outcome"] == "promoted"
    assert len(branch.predict()) == 100


# --- the columns that a fit cannot use --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "type_"),
    [
        ("[x]", "DOUBLE[]"),
        ("array_value(x, x)", "DOUBLE[2]"),
        ("{'a': x}", "STRUCT(a DOUBLE)"),
        ("map {'a': x}", "MAP(VARCHAR, DOUBLE)"),
        ("encode('x' || i)", "BLOB"),
        ("uuid()", "UUID"),
        ("time '10:00:00'", "TIME"),
        ("timetz '10:00:00+00'", "TIME WITH TIME ZONE"),
        ("to_days(i::integer)", "INTERVAL"),
        ("cast('{}' as json)", "JSON"),
        ("cast('101' as bit)", "BIT"),
        ("cast(i as varint)", "BIGNUM"),
        ("null", '"NULL"'),
    ],
)
def test_a_type_that_is_neither_number_nor_text_nor_moment_is_refused(sql: str, type_: str) -> None:
    branch = Branch({"odd": sql})
    branch.refuses(FeatureError, f"the feature 'odd' is a {type_},", "Turn it into", '`features: {exclude: ["odd"]}`')
    branch.spec["features"] = {"exclude": ["odd"]}
    assert branch.train()["outcome"] == "promoted"


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("1", "constant: 1 in all 280 training rows"),
        ("'a'", "constant: 'a' in all 280 training rows"),
        ("cast(1.5 as decimal(9, 2))", "constant: 1.5 in all 280 training rows"),
        ("true", "constant: 1 in all 280"),
        ("case when i < 280 then 1 else x end", "constant: 1.0 in all 280 training rows"),
        ("timestamp '2024-01-01'", "constant: "),
        ("cast(null as double)", "NULL in all 280 training rows"),
        ("cast(null as varchar)", "NULL in all 280 training rows"),
        ("cast('nan' as double)", "NULL in all 280 training rows"),
        ("case when i >= 280 then x end", "NULL in all 280 training rows"),
        ("case when i = 3 then cast('infinity' as double) else x end", "infinite in some rows"),
        ("case when i = 399 then cast('-infinity' as float) else x end", "infinite in some rows"),
    ],
)
def test_a_feature_that_says_nothing_is_refused(sql: str, problem: str) -> None:
    Branch({"odd": sql}).refuses(FeatureError, f"the feature 'odd' is {problem}", '`features: {exclude: ["odd"]}`')


@pytest.mark.parametrize("name", ["ml_target", "ml_prediction", "ml entity", "ml time", "ml_slice carrier"])
def test_a_name_that_the_package_uses_itself_is_refused(name: str) -> None:
    Branch({name: "other"}).refuses(FeatureError, f"'{name}' has a name that mlbridge uses itself", "Rename it")


# --- the columns that it can use --------------------------------------------------------------------------


NUMBERS = {
    "boolean": "i % 2 = 0",
    "small": "cast(i % 100 as utinyint)",
    "unsigned": "cast(i as ubigint) + 10000000000000000000::ubigint",
    "huge": "cast(i as hugeint) * 100000000000000000000::hugeint",
    "decimal": "cast(x as decimal(18, 4))",
    "float": "cast(x as float)",
    "with NaN": "case when i % 3 = 0 then cast('nan' as double) else x end",
    "with NULL": "case when i % 3 = 0 then x end",
    "date": "date '2024-01-01' + cast(i as integer)",
    "moment": "timestamp '2024-01-01' + to_hours(i)",
    "second": "cast(timestamp '2024-01-01' + to_hours(i) as timestamp_s)",
    "with zone": "timestamptz '2024-01-01 00:00:00+00' + to_hours(i)",
}
TEXTS = {
    "enum": "cast(['lo', 'hi'][1 + i % 2] as enum ('lo', 'hi'))",
    "emoji": "['', '🛫', 'a b', null][1 + i % 4]",
    "hostile": f"['{HOSTILE.replace(chr(39), chr(39) * 2)}', 'select \"x\"'][1 + i % 2]",
    "unseen": "case when i < 400 then 'seen' || i % 2 else 'never seen' end",
    "key": "'t' || i",
}


def test_every_supported_type_trains_and_predicts() -> None:
    branch = Branch({**NUMBERS, **TEXTS})
    row = branch.train()
    kinds = {name: each["kind"] for name, each in _features(row).items()}
    assert kinds == {
        **dict.fromkeys(["x", *NUMBERS], "numeric"), **dict.fromkeys(["carrier", *TEXTS], "category")
    }  # fmt: skip
    stats = _features(row)
    assert (stats["boolean"]["min"], stats["boolean"]["max"]) == (0, 1)
    assert stats["moment"]["min"] == stats["date"]["min"] == stats["with zone"]["min"] == 1704067200.0
    assert stats["with NaN"]["nulls"] == 94
    assert stats["emoji"]["nulls"] == 70
    assert stats["emoji"]["distinct"] == 3
    assert len(branch.predict()) == 100
    assert all(0 <= each["probability"] <= 1 for each in branch.predictions())
    assert branch.values("select count(*) from base") == [2000]
    profile = [each for each in json.loads(row["profile"]) if each["feature"] in ("emoji", "hostile")]
    assert {each["category"] for each in profile if each["rows"]} == {None, "", "🛫", "a b", HOSTILE, 'select "x"'}


def test_a_text_of_ten_thousand_values() -> None:
    branch = Branch()
    branch.execute("create or replace table base as select * from base, (select range as leg from range(5))")
    branch.split(
        {"id": "i || '-' || leg", "f": "'t' || (i * 5 + leg)", "leg": "leg", "is_late": "x + noise > 0",
         "ml_split": "case when i < 1700 then 'train' when i < 1850 then 'validation' else 'test' end"},
        where="true",
    )  # fmt: skip
    assert _features(branch.train())["f"]["distinct"] == 8500
    assert len(branch.predict()) == 750


NAMES = ('select "x"', HOSTILE, "🛫", " ", "rows", "word", "n_0", "low_1", "label", "entity", "time", "split", "scored",
         "version", "first", "targets", "{f}", "a%b", "X y\nz")  # fmt: skip


def test_whatever_a_column_is_called_it_is_only_a_name() -> None:
    branch = Branch({name: f"other * {index + 1}" for index, name in enumerate(NAMES)}, monitor={"slices": [*NAMES]})
    assert set(_features(branch.train())) == {"x", "carrier", *NAMES}
    assert len(branch.predict()) == 100
    assert branch.train()["outcome"] == "skipped"


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu"])
def test_a_moment_with_time_zone_is_the_same_number_in_every_session(zone: str) -> None:
    branch = Branch({"f": "timestamptz '2024-01-01 00:00:00+00' + to_hours(i)"})
    branch.execute(f"set timezone = '{zone}'")
    assert _features(branch.train())["f"]["min"] == 1704067200.0


def test_a_list_of_features_keeps_the_others_out() -> None:
    row = Branch({"f": "other"}).train(features=["f", "x"])
    assert list(_features(row)) == ["x", "f"]


def test_what_training_saw_of_a_feature_is_written_down() -> None:
    row = Branch({"f": "case when i % 4 <> 0 then i end"}).train()
    f = _features(row)["f"]
    assert (f["type"], f["rows"], f["nulls"], f["distinct"], f["min"], f["max"]) == ("BIGINT", 280, 70, 210, 1, 279)
