"""Whether a gain is one: by hand, in words, and how often equal models are told apart in simulated worlds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from mlbridge.catalogue.metrics import metrics_for
from mlbridge.evaluation.blocks import Blocks
from mlbridge.evaluation.comparison import _randomization_p_value, paired_gain, ranks
from mlbridge.evaluation.gain import Gain, required_confidence
from mlbridge.evaluation.influence import influence
from mlbridge.evaluation.sample import Sample


def _two_models(rows: int, worse_by: float) -> tuple[Sample, Sample]:
    rng = np.random.default_rng(7)
    truth = rng.normal(size=rows)
    noise = rng.normal(size=rows)
    return Sample(truth, truth + noise), Sample(truth, truth + noise * (1 + worse_by))


def _binary(rows: int, positives: int, skill: float, rng: np.random.Generator) -> Sample:
    truth = (np.arange(rows) < positives).astype(int)
    rng.shuffle(truth)
    base = np.log(positives / (rows - positives))
    chance = 1 / (1 + np.exp(-(base + skill * truth + rng.normal(size=rows))))
    return Sample(truth, np.column_stack([1 - chance, chance]))


def _constant(sample: Sample, metric: str) -> Sample:
    """Give the constant that is naive in a metric: everybody positive, the more frequent class, or the share."""
    share = sample.truth.mean()
    score = {"precision": 1.0, "f1": 1.0, "accuracy": float(share > 0.5)}.get(metric, share)
    return Sample(sample.truth, np.tile([1 - score, score], (len(sample), 1)))


# --- by hand ----------------------------------------------------------------------------------------------


def test_a_better_model_is_found_and_a_worse_one_is_not() -> None:
    good, bad = _two_models(2000, worse_by=0.1)
    for metric in metrics_for("regression"):
        gain = paired_gain(good, bad, metric, 0.95, 0.0)
        assert gain.better
        assert 0 < gain.low < gain.gain < gain.high
        assert gain.p_value == pytest.approx(1 - gain.probability)
        back = paired_gain(bad, good, metric, 0.95, 0.0)
        assert not back.better
        assert back.gain == -gain.gain
        assert (back.low, back.high) == pytest.approx((-gain.high, -gain.low))


def test_the_error_of_a_mean_gain_is_that_of_a_paired_t_test() -> None:
    good, bad = _two_models(300, worse_by=0.1)
    gain = paired_gain(good, bad, "mae", 0.9, 0.0)
    theirs = stats.ttest_rel(np.abs(bad.errors), np.abs(good.errors))
    edges = theirs.confidence_interval(0.9)
    assert (gain.low, gain.high) == pytest.approx((edges.low, edges.high))


def test_by_block_it_is_the_t_test_of_the_blocks() -> None:
    rng = np.random.default_rng(0)
    good, bad = _two_models(600, worse_by=0.1)
    noise = np.repeat(rng.normal(size=30), 20)
    good, bad = Sample(good.truth, good.scores + noise), Sample(bad.truth, bad.scores - noise * 0.9)
    blocks = Blocks.of("day", np.arange(600) // 20)
    gain = paired_gain(good, bad, "mae", 0.95, 0.0, blocks=blocks)
    of_days = [(np.abs(each.errors)).reshape(30, 20).mean(axis=1) for each in (bad, good)]
    edges = stats.ttest_rel(*of_days).confidence_interval(0.95)
    assert (gain.low, gain.high) == pytest.approx((edges.low, edges.high))
    assert (gain.block, gain.blocks) == ("day", 30)


@pytest.mark.slow
def test_a_ranking_without_skill_is_held_against_the_permutation_test_of_scipy() -> None:
    sample = _binary(60, 12, 0.7, np.random.default_rng(3))
    gain = paired_gain(sample, _constant(sample, "roc_auc"), "roc_auc", 0.95, 0.0)
    positive = sample.scores[:, 1]
    theirs = stats.permutation_test(
        (sample.truth,), lambda truth: roc_auc_score(truth, positive), permutation_type="pairings",
        alternative="greater", n_resamples=2000, vectorized=False, rng=0,
    )  # fmt: skip
    assert gain.chance == pytest.approx(theirs.pvalue, abs=0.02)
    assert gain.chance == gain.p_value


def test_a_recall_has_to_beat_as_many_rows_at_random() -> None:
    truth = np.array([1] * 10 + [0] * 30)
    every = Sample(truth, np.tile([0.2, 0.8], (40, 1)))
    gain = paired_gain(every, _constant(every, "recall"), "recall", 0.95, 0.0)
    assert (gain.challenger, gain.incumbent, gain.better) == (1.0, 1.0, False)


def test_equal_models_gain_nothing() -> None:
    sample = _binary(500, 200, 1.0, np.random.default_rng(0))
    twin = Sample(sample.truth.copy(), sample.scores.copy())
    for metric in metrics_for("classification"):
        gain = paired_gain(twin, sample, metric, 0.95, 0.0)
        assert (gain.gain, gain.low, gain.high, gain.better) == (0.0, 0.0, 0.0, False)


def test_both_models_are_measured_on_the_same_rows() -> None:
    # Each alone varies a lot with the rows, but their difference hardly does.
    good, bad = _two_models(300, worse_by=0.05)
    gain = paired_gain(good, bad, "rmse", 0.95, 0.0)
    alone = stats.sem(good.errors**2) / 2
    assert gain.high - gain.low < 2 * 1.96 * 0.2 * alone


def test_the_smallest_gain_asked_for_must_be_below_the_whole_interval() -> None:
    good, bad = _two_models(2000, worse_by=0.1)
    free = paired_gain(good, bad, "rmse", 0.95, 0.0)
    assert paired_gain(good, bad, "rmse", 0.95, free.low * 0.9).better
    held = paired_gain(good, bad, "rmse", 0.95, free.low * 1.01)
    assert not held.better
    assert 0.9 < held.probability < 1
    assert paired_gain(good, bad, "rmse", 0.5, free.low * 1.01).better


def test_a_wider_confidence_gives_a_wider_interval_and_equal_calls_equal_answers() -> None:
    good, bad = _two_models(500, worse_by=0.05)
    narrow, wide = (paired_gain(good, bad, "mae", confidence, 0.0) for confidence in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high
    assert paired_gain(good, bad, "mae", 0.8, 0.0) == narrow


def test_the_scale_of_scores_is_no_matter_to_a_ranking() -> None:
    sample = _binary(200, 60, 1.5, np.random.default_rng(0))
    score = sample.scores[:, 1]
    assert ranks(sample.scores)[:, 1] == pytest.approx(stats.rankdata(score) / 200)
    coarse = Sample(sample.truth, np.column_stack([score <= np.median(score), score > np.median(score)]).astype(float))
    squeezed = Sample(sample.truth, np.column_stack([1 - score / 1000, score / 1000]))
    plain, other = (paired_gain(each, coarse, "roc_auc", 0.95, 0.0) for each in (sample, squeezed))
    assert plain == other
    assert plain.better


def test_other_rows_are_refused() -> None:
    sample = _binary(6, 3, 1.0, np.random.default_rng(0))
    many = Sample(np.zeros(6, int), np.full((6, 4), 0.25))
    for other in (sample.take(np.arange(5)), Sample(1 - sample.truth, sample.scores), many):
        with pytest.raises(ValueError, match="same rows in the same order"):
            paired_gain(sample, other, "roc_auc", 0.95, 0.0)


def test_an_undefined_metric_is_never_a_gain_and_the_sentence_says_so() -> None:
    sample = Sample(np.zeros(1200, int), np.tile([0.5, 0.5], (1200, 1)))
    gain = paired_gain(sample, sample, "average_precision", 0.95, 0.0)
    assert (gain.challenger, gain.gain, gain.low, gain.probability, gain.better) == (None,) * 4 + (False,)
    says = "average_precision is not defined on these 1,200 rows: no gain on the champion can be shown"
    assert gain.sentence("the champion") == says


def test_one_positive_is_no_ground_to_promote_on() -> None:
    truth = np.array([1, 0, 0, 0, 0, 0])
    right, wrong = (np.where(truth == label, 0.9, 0.1) for label in (1, 0))
    challenger, incumbent = (Sample(truth, np.column_stack([1 - p, p])) for p in (right, wrong))
    for other in (incumbent, _constant(challenger, "roc_auc")):
        assert not paired_gain(challenger, other, "roc_auc", 0.95, 0.0).better


def test_too_few_blocks_are_said_with_the_way_out() -> None:
    good, bad = _two_models(600, worse_by=0.5)
    assert paired_gain(good, bad, "rmse", 0.95, 0.0).better
    gain = paired_gain(good, bad, "rmse", 0.95, 0.0, blocks=Blocks.of("day", np.arange(600) // 100))
    assert not gain.better
    assert "6 days are too few" in gain.sentence("the champion")
    assert "`promote: {block: row}`" in gain.sentence("the champion")


def test_after_many_uses_few_days_are_said_to_be_too_few() -> None:
    """Of ten days all or none are exchanged in one draw of 512: hardly less than that ten days can show."""
    good, bad = _two_models(600, worse_by=5.0)
    days = Blocks.of("day", np.arange(600) // 60)
    assert paired_gain(good, bad, "rmse", required_confidence(0.95, 1), 0.0, blocks=days).better
    late = paired_gain(good, bad, "rmse", required_confidence(0.95, 12), 0.0, blocks=days)
    assert not late.better
    assert "10 days are too few" in late.sentence("it")
    assert "17 are needed" in late.sentence("it")
    weeks = Blocks.of("week", days.codes)
    late = paired_gain(good, bad, "rmse", required_confidence(0.95, 12), 0.0, blocks=weeks)
    assert "write `promote: {block: day}` if days are independent" in late.sentence("it")


def _carried(rng: np.random.Generator, days: int, times: float = 1.0) -> Any:
    """Draw an effect a day that correlates by 0.7 with that of the day before."""
    found = rng.normal(size=days)
    for day in range(1, days):
        found[day] = 0.7 * found[day - 1] + np.sqrt(1 - 0.7**2) * found[day]
    return times * found


def test_days_that_are_alike_are_said_to_be_few_and_are_no_lock() -> None:
    """Where nothing is significant they may be why; a model that is much better is still called so."""
    rng, days = np.random.default_rng(4), np.arange(280) // 20
    noise, luck = rng.normal(size=280), np.sort(rng.normal(size=14))[days]
    worse = Sample(noise, -luck + 1.0), Sample(noise, luck)
    found = paired_gain(*worse[::-1], "rmse", 0.95, 0.0, blocks=Blocks.of("day", days))
    assert not found.better
    assert "14 days of which consecutive ones are alike tell as much as" in found.sentence("it")
    assert paired_gain(*worse[::-1], "rmse", 0.95, 0.0, blocks=Blocks.of("entity", days)).problem is None
    truth, days = _carried(rng, 91, 3.0)[np.arange(910) // 10], Blocks.of("day", np.arange(910) // 10)
    good, bad = Sample(truth, truth + 0.1 * rng.normal(size=910)), Sample(truth, np.zeros(910))
    found = paired_gain(good, bad, "rmse", required_confidence(0.95, 8), 0.0, blocks=days)
    assert (found.better, found.problem) == (True, None)


def test_what_was_refused_is_said_with_its_p_value() -> None:
    refused = _gain(0.41, 0.39, (0.02, 0.01, 0.03), better=False, p_value=0.045)
    reason = "(95 % interval +0.01 to +0.03; p = 0.045 in the randomization test; less than 0.025 is required)"
    assert reason in refused.sentence("it").replace("+0.010", "+0.01").replace("+0.030", "+0.03")


def test_so_many_rows_that_few_draws_are_affordable_are_asked_for_the_tail_as_well() -> None:
    draws = np.arange(100.0)
    assert _randomization_p_value(draws, 99.5, 0.05) == (1 / 101, True)
    assert _randomization_p_value(draws, 99.5, 1e-4) == (1 / 101, False)
    assert _randomization_p_value(draws, 500.0, 1e-4) == (1 / 101, True)


# --- simulated worlds -------------------------------------------------------------------------------------


def _most(level: float, trials: int) -> int:
    """Give what a binomial of this level exceeds once in ten thousand times."""
    return int(stats.binom.ppf(0.9999, trials, level))


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "positives"), [(20, 5), (60, 30), (300, 10)])
def test_models_without_skill_are_not_promoted(rows: int, positives: int) -> None:
    rng, trials = np.random.default_rng(0), 80
    promoted = dict.fromkeys(metrics_for("classification"), 0)
    for _ in range(trials):
        sample = _binary(rows, positives, 0.0, rng)
        for metric in promoted:
            promoted[metric] += paired_gain(sample, _constant(sample, metric), metric, 0.95, 0.0).better
    assert max(promoted.values()) <= _most(0.025, trials), promoted


@pytest.mark.slow
def test_of_equal_models_none_is_called_better_where_days_move_both() -> None:
    rng, trials, rows = np.random.default_rng(0), 80, 300
    days = np.arange(rows) * 20 // rows
    metrics = ("average_precision", "roc_auc", "brier", "precision", "f1")
    better = {"by day": dict.fromkeys(metrics, 0), "by row": dict.fromkeys(metrics, 0)}
    for _ in range(trials):
        skill, common = rng.normal(size=rows), rng.normal(size=20)[days]
        truth = (rng.random(rows) < 1 / (1 + np.exp(1 - skill - common))).astype(int)
        pair = []
        for _ in range(2):
            chance = 1 / (1 + np.exp(1 - skill - rng.normal(size=20)[days]))
            pair.append(Sample(truth, np.column_stack([1 - chance, chance])))
        for metric in metrics:
            for name, blocks in (("by day", Blocks.of("day", days)), ("by row", None)):
                better[name][metric] += paired_gain(*pair, metric, 0.95, 0.0, blocks=blocks).better
    assert max(better["by day"].values()) <= _most(0.025, trials), better
    # The world is one in which rows do depend on each other, so that the test could have failed.
    assert max(better["by row"].values()) > _most(0.025, trials), better


def test_of_equal_models_few_are_called_better_where_days_carry_over() -> None:
    rng, trials, days = np.random.default_rng(0), 150, np.arange(300) // 10
    better = {"day": 0, "entity": 0}
    for _ in range(trials):
        truth = rng.normal(size=300) + _carried(rng, 30, 2.0)[days]
        pair = [Sample(truth, _carried(rng, 30, 2.0)[days]) for _ in range(2)]
        for unit in better:
            better[unit] += paired_gain(*pair, "rmse", 0.95, 0.0, blocks=Blocks.of(unit, days)).better
    assert better["day"] <= _most(0.025, trials), better
    # Blocks that are no periods have no neighbours, so nothing is allowed for.
    assert better["entity"] > _most(0.025, trials), better


def test_the_permutation_test_allows_for_days_that_carry_over() -> None:
    """The draws of the permutation test are as much farther apart as the error of a sum of such days is larger."""
    rng, days = np.random.default_rng(1), np.arange(300) // 10
    luck = np.sort(rng.normal(size=30))[days]
    truth = (rng.random(300) < 1 / (1 + np.exp(1 - luck))).astype(int)
    chance = 1 / (1 + np.exp(-luck - rng.normal(size=300)))
    sample = Sample(truth, np.column_stack([1 - chance, chance]))
    wide, narrow = (
        paired_gain(sample, _constant(sample, "roc_auc"), "roc_auc", 0.95, -1.0, blocks=Blocks.of(unit, days))
        for unit in ("day", "entity")
    )
    serial = Blocks.of("day", days).serial_effect(influence(sample, "roc_auc"))
    assert serial > 1.2
    widths = [each.high - each.low for each in (wide, narrow) if each.high is not None and each.low is not None]
    assert widths[0] > np.sqrt(serial) * widths[1]


@pytest.mark.slow
def test_a_real_skill_on_few_rows_and_days_is_promoted() -> None:
    """ROC AUC 0.75 on 200 rows over 14 days, by day, at the level that a first use of the rows is asked for."""
    rng, trials = np.random.default_rng(0), 50
    days = Blocks.of("day", np.arange(200) // 15)
    promoted = dict.fromkeys(("average_precision", "roc_auc"), 0)
    for _ in range(trials):
        sample = _binary(200, 40, np.sqrt(2) * stats.norm.ppf(0.75), rng)
        for metric in promoted:
            constant = _constant(sample, metric)
            promoted[metric] += paired_gain(
                sample, constant, metric, required_confidence(0.95, 1), 0.0, blocks=days
            ).better
    assert min(promoted.values()) >= 0.8 * trials, promoted


def test_all_uses_of_the_same_rows_together_keep_the_level() -> None:
    left = [1 - required_confidence(0.95, use) for use in range(1, 10_000)]
    assert sum(left) == pytest.approx(0.05, abs=1e-5)
    assert sum(left) < 0.05


# --- the sentence -----------------------------------------------------------------------------------------


def _gain(new: float, old: float, gain: tuple[float, float, float], min_gain: float = 0.0, **more: Any) -> Gain:
    known: dict[str, Any] = {"metric": "rmse", "probability": 1.0, "p_value": 0.0, "chance": None, "confidence": 0.95}
    known |= {"rows": 49_102, "block": "row", "blocks": 49_102, "problem": None, "better": True, **more}
    low, high = gain[1:]
    return Gain(challenger=new, incumbent=old, gain=gain[0], low=low, high=high, min_gain=min_gain, **known)


def test_the_sentence() -> None:
    gain = _gain(0.41204, 0.38881, (0.02323, 0.01911, 0.02739), metric="average_precision", block="day", blocks=55)
    assert gain.sentence("the champion") == (
        "average_precision 0.412 against 0.389 of the champion on the same 49,102 rows of 55 days: "
        "+0.023 (95 % interval +0.019 to +0.027)"
    )
    by_chance = _gain(0.41204, 0.38881, (0.02323, 0.01911, 0.02739), chance=0.00231, confidence=0.99240)
    assert "(99.2 % interval +0.019 to +0.027; p = 0.0023 for scores without skill)" in by_chance.sentence("it")
    column = _gain(0.41204, 0.38881, (0.02323, 0.01911, 0.02739), block="region", blocks=12)
    assert "rows of 12 values of 'region'" in column.sentence("it")


@pytest.mark.parametrize(
    ("numbers", "ends_with"),
    [
        (
            (0.9, 0.4, (0.5, 0.4, 0.6)),
            "rmse 0.900 against 0.400 of the champion on the same 49,102 rows: +0.500",
        ),
        ((1234.5, 2345.6, (1111.1, 900.0, 1300.0)), "+1,111 (95 % interval +900 to +1,300)"),
        ((23.456, 23.512, (0.056, -0.01, 0.12)), "+0.06 (95 % interval -0.01 to +0.12)"),
        (
            (0.5, 0.5, (0.0, 0.0, 0.0)),
            "0.500 of the champion on the same 49,102 rows: +0.000 (95 % interval +0.000",
        ),
        ((0.4, 0.3, (0.1, 0.00004, 0.2)), "interval +0.00004 to +0.20000)"),
        ((0.4, 0.3, (0.1, -0.0004, 0.2)), "interval -0.0004 to +0.2000)"),
        ((1e-7, 3e-7, (2e-7, 1e-7, 3e-7)), "0.000000100 against 0.000000300"),
        ((0.41, 0.39, (0.02, 0.01, 0.03), 0.015), "+0.030), more than +0.015 is required"),
        ((0.41, 0.39, (0.02, 0.014999, 0.03), 0.015), "interval +0.014999 to"),
    ],
)
def test_the_sentence_has_as_many_digits_as_the_reader_needs(numbers: Any, ends_with: str) -> None:
    assert ends_with in _gain(*numbers).sentence("the champion")


@given(*[st.floats(-1e9, 1e9)] * 6)
@settings(max_examples=200)
def test_any_figures_can_be_said(new: float, old: float, gain: float, low: float, high: float, least: float) -> None:
    assert "-0.000 " not in _gain(new, old, (gain, low, high), least).sentence("the champion")
