"""Which features a call of `point_in_time` gives as they are: none that is computed, of another row or unsure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlbridge.lineage.online import online_features
from mlbridge.lineage.upstream import Upstream
from mlbridge.publication.online import OnlineFeatures

SPLIT, FEATURES, TRIPS = "model.host.late_split", "model.host.late_features", "model.host.trips"
ASKED: dict[str, Any] = {
    "time": "due",
    "views": [
        {
            "view": "model.host.weather",
            "entity": {"airport": "origin"},
            "columns": {"wind": "wind", "sky": "sky_now"},
            "embargo": "1 hour",
            "max_staleness": None,
            "look_back": None,
        }
    ],
}
KNOWN = (
    "with ml_spine as (select * from trips), ml_known_1 as (select 1 as x)\n/* mlbridge.point_in_time {asked} */\n"
    "select ml_spine.*, ml_known_1.wind, ml_known_1.sky_now from ml_spine left join ml_known_1 on true"
)
EVERY = {"wind": "wind", "sky_now": "sky"}
COLUMNS = ("id", "due", "origin", "twin_id", "wind", "sky_now")


def call(**changes: Any) -> str:
    return KNOWN.replace("{asked}", json.dumps({**ASKED, **changes}))


def found(sql: str, columns: tuple[str, ...] = COLUMNS, time: str = "due") -> list[OnlineFeatures] | None:
    """Trace a split of features of this SQL, in which `known` stands for the call."""
    code = sql.replace("known as ()", f"known as ({call()})")
    nodes = {
        SPLIT: _node("late_split", "with features as (select * from main.late_features) select * from features"),
        FEATURES: _node("late_features", code),
    }
    stored = {
        ("w", "main", "late_features"): dict.fromkeys(columns, "INT"),
        ("w", "main", "late_split"): dict.fromkeys((*columns, "ml_split"), "INT"),
        ("w", "main", "planes"): {"plane": "INT", "seats": "INT"},
    }
    above = Upstream({"nodes": nodes, "sources": {}, "metadata": {}})
    return online_features(above, stored, SPLIT, time, ["model.host.weather"], "duckdb")


def _node(name: str, code: str | None) -> dict[str, Any]:
    return {
        "name": name, "alias": name, "database": "w", "schema": "main", "resource_type": "model", "config": {},
        "compiled_code": code,
    }  # fmt: skip


@pytest.mark.parametrize(
    "sql",
    [
        "with known as () select * from known",
        "with known as () select id, due, origin, twin_id, wind, sky_now from known",
        "with known as (), final as (select k.*, seats from known as k left join main.planes p on k.id = p.plane) "
        "select * exclude (seats) from final",
        "with known as () select known.id, due, origin, twin_id, (wind) as wind, sky_now from known order by due",
        "select * from (with known as () select * from known) as inner_one where wind > 0",
    ],
)
def test_what_comes_as_it_is(sql: str) -> None:
    assert found(sql) == [OnlineFeatures("model.host.weather", {"airport": "origin"}, EVERY, "1 hour")]


@pytest.mark.parametrize(
    "sql",
    [
        "with known as () select * replace (wind + 1 as wind, upper(sky_now) as sky_now) from known",
        "with known as () select id, due, origin, twin_id, coalesce(wind, 0) as wind, 'x' as sky_now from known",
        # Another row of the same call.
        "with known as () select a.id, a.due, a.origin, a.twin_id, b.wind, b.sky_now from known a left join known b "
        "on a.twin_id = b.id",
        # The moment of the row is another one than that of the call.
        "with known as () select id, due + 1 as due, origin, twin_id, wind, sky_now from known",
        "with known as () select * from known union all select * from known",
        "with known as () select id, due, origin, twin_id, max(wind) as wind, min(sky_now) as sky_now from known "
        "group by all",
        "select id, due, origin, twin_id, wind, sky_now from main.unknown_table",
        "this is no sql",
    ],
)
def test_what_does_not(sql: str) -> None:
    assert found(sql) == []


def test_names_are_those_of_the_split() -> None:
    sql = "with known as () select id, due as at, origin as port, wind as w from known"
    (one,) = found(sql, ("id", "at", "port", "w"), "at") or ()
    assert (one.key, one.columns) == ({"airport": "port"}, {"w": "wind"})


def test_an_entity_that_is_no_column_of_the_split_has_the_name_of_the_spine() -> None:
    (one,) = found("with known as () select id, due, wind from known", ("id", "due", "wind")) or ()
    assert (one.key, one.columns) == ({"airport": "origin"}, {"wind": "wind"})


TRAFFIC = {**ASKED["views"][0], "columns": {"jam": "jam"}, "embargo": None}


def chained(spine: str, columns: tuple[str, ...]) -> list[OnlineFeatures]:
    """Complete the result of a call by another one, of which this is the spine."""
    second = call(views=[TRAFFIC]).replace("select * from trips", spine)
    second = second.replace("ml_known_1.wind, ml_known_1.sky_now", "ml_known_1.jam")
    return found(f"with known as (), both as ({second}) select {', '.join(columns)} from both", columns) or []


def test_a_call_over_the_result_of_another() -> None:
    one, other = chained("select * from known", ("id", "due", "origin", "wind", "jam"))
    assert (one.columns, one.key) == ({"jam": "jam"}, {"airport": "origin"})
    assert (other.columns, other.key) == ({"wind": "wind"}, {"airport": "origin"})


def test_a_name_that_may_mean_two_things_gives_nothing() -> None:
    """The second call asks for another airport by the same name, and neither is a column of the split."""
    spine = "select id, due, wind, twin_id as origin from known"
    assert chained(spine, ("id", "due", "wind", "jam")) == []
    (one,) = chained(spine, ("id", "due", "origin", "wind", "jam"))
    assert one.columns == {"jam": "jam"}


def test_two_views_by_one_column_of_the_spine() -> None:
    """The column is one of the same row, so that both mean one thing, although the split does not hold it."""
    both = call(views=[ASKED["views"][0], TRAFFIC]).replace("ml_known_1.sky_now", "ml_known_1.sky_now, ml_known_2.jam")
    one, other = (
        found(f"with known as ({both}) select id, due, wind, jam from known", ("id", "due", "wind", "jam")) or ()
    )
    assert (one.columns, other.columns) == ({"wind": "wind"}, {"jam": "jam"})
    assert one.key == other.key == {"airport": "origin"}


def test_views_without_an_online_table_are_left_out() -> None:
    code = call(views=[{**ASKED["views"][0], "view": "model.host.other"}])
    assert found(f"with known as ({code}) select * from known") == []


def test_code_on_the_way_that_is_not_known_is_said() -> None:
    nodes = {SPLIT: _node("late_split", "select * from main.late_features"), FEATURES: _node("late_features", None)}
    stored = {("w", "main", "late_split"): dict.fromkeys(COLUMNS, "INT")}
    for unread, expected in (({FEATURES: "not compiled"}, None), ({}, [])):
        above = Upstream({"nodes": nodes, "sources": {}, "metadata": {}}, unread)
        assert online_features(above, stored, SPLIT, "due", ["model.host.weather"], "duckdb") == expected
