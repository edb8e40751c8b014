"""Blocks: which rows belong together, and what that does to a variance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mlbridge.evaluation.blocks import MIN_BLOCKS, MIN_WEEKS, Blocks, choose_unit, period_blocks


def _times(days: int, per_day: int = 20) -> np.ndarray:
    start = np.datetime64("2024-03-01T06:00:00", "us")
    day, index = np.divmod(np.arange(days * per_day), per_day)
    return start + day * np.timedelta64(1, "D") + index * np.timedelta64(10, "m")


def test_periods_begin_where_the_calendar_says() -> None:
    moments = np.array(["2024-03-03T23:59:59", "2024-03-04T00:00:00", "2024-03-10T23:59:59", "2024-04-01"], "M8[us]")
    assert period_blocks("week", moments).codes.tolist() == [0, 1, 1, 2]  # 4 March 2024 was a Monday
    assert period_blocks("month", moments).codes.tolist() == [0, 0, 0, 1]
    assert period_blocks("day", moments).count == 4
    assert period_blocks("hour", moments).count == 4
    assert period_blocks("day", np.array(["1969-12-31T23:00", "1970-01-01T01:00"], "M8[us]")).count == 2


def test_the_design_effect_of_equal_rows_is_the_size_of_a_block() -> None:
    values = np.repeat([1.0, -1.0] * 10, 5)
    assert Blocks.of("day", np.arange(100) // 5).design_effect(values) == 5
    assert Blocks.rows(100).design_effect(values) == 1
    assert Blocks.of("day", np.zeros(100)).design_effect(values) == 1.0
    assert Blocks.of("day", np.arange(100) // 5).design_effect(np.zeros(100)) == 1.0


def test_by_time_a_block_is_a_day_and_from_half_a_year_on_a_week() -> None:
    rng = np.random.default_rng(0)
    for days, unit in ((MIN_BLOCKS, "day"), (60, "day"), (7 * MIN_WEEKS, "week")):
        times = _times(days)
        assert choose_unit(times, rng.normal(size=len(times)), None) == unit


def test_consecutive_periods_that_are_alike_raise_the_variance() -> None:
    """Of a mean of many days that carry over by 0.6, it is four times that of independent ones."""
    rng, days, carried = np.random.default_rng(0), 400, 0.6
    luck = rng.normal(size=days)
    for day in range(1, days):
        luck[day] += carried * luck[day - 1]
    blocks, values = Blocks.of("day", np.arange(days * 5) // 5), np.repeat(luck - luck.mean(), 5)
    assert blocks.serial_effect(values) == pytest.approx(4, rel=0.2)
    assert Blocks.of("entity", blocks.codes).serial_effect(values) == 1
    assert blocks.serial_effect(np.zeros(days * 5)) == 1
    assert blocks.serial_effect(np.where(blocks.codes % 2, 1.0, -1.0)) == 1
    assert blocks.serial_effect(np.where(blocks.codes < days / 2, 1.0, -1.0)) == pytest.approx(19)


def test_few_days_are_rows_unless_their_outcomes_differ() -> None:
    rng = np.random.default_rng(0)
    times = _times(4)
    alike = rng.normal(size=len(times))
    assert choose_unit(times, alike, None) == "row"
    days = np.arange(len(times)) // 20
    assert stats.f_oneway(*(alike[days == day] for day in range(4))).pvalue > 0.001
    apart = alike + days * 2
    assert stats.f_oneway(*(apart[days == day] for day in range(4))).pvalue < 0.001
    assert choose_unit(times, apart, None) == "day"
    assert choose_unit(times, days.astype(float), None) == "day"
    assert choose_unit(times[:20], alike[:20], None) == "row"


def test_the_names_of_classes_are_no_matter() -> None:
    rng = np.random.default_rng(0)
    times, codes = _times(30), rng.integers(0, 3, 600)
    codes[np.arange(600) // 20 < 15] %= 2
    chosen_units = set()
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        indicators = (np.array(order)[codes][:, None] == np.arange(3)).astype(float)
        chosen_units.add(choose_unit(times, indicators, rng.permutation(600) // 2))
    assert chosen_units == {"day"}
    few = _times(4)
    assert choose_unit(few, (np.arange(80)[:, None] // 20 == np.arange(4)).astype(float), None) == "day"


def test_an_entity_is_the_block_where_its_rows_are_more_alike_than_those_of_a_day() -> None:
    rng = np.random.default_rng(0)
    times = _times(30)
    entities = rng.integers(0, 40, len(times))
    noise = rng.normal(size=len(times))
    assert choose_unit(times, rng.normal(size=40)[entities] * 2 + noise, entities) == "entity"
    assert choose_unit(times, rng.normal(size=30)[np.arange(len(times)) // 20] * 2 + noise, entities) == "day"
    assert choose_unit(times, noise, np.arange(len(times))) == "day"
    # Of monthly rows of the same customers, a customer is what belongs together.
    months = np.repeat(np.array(["2024-01-31", "2024-02-29"], "M8[us]"), 40)
    assert choose_unit(months, rng.normal(size=80), np.tile(np.arange(40), 2)) == "entity"
