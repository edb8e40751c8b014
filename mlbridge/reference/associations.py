"""Which features were associated in training, so that a loss of association can be detected.

A shuffled or shifted column can have a distribution that is usual for the season, and yet no longer agree with the
other columns of its row. So each feature has partners: numeric features whose combination was correlated with it at all
times of the training. The profile keeps the partners' mean in each of the feature's bins.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, compress
from typing import TYPE_CHECKING, Final, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt

from mlbridge.reference.profile import FOLDED, Bin, bins_of
from mlbridge.typing import Floats, Integers

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS: Final = 20_000
"""Number of sampled training rows on which partners are chosen; means and correlation use all training rows."""

MOST_VALUES: Final = 1_000_000
"""Number of sampled values: of more than 50 features fewer rows, because each feature is compared with all others."""

MOST_PARTNERS: Final = 3

BLOCKS: Final = 6
"""Number of consecutive parts of the training rows; partners must be correlated with the feature in all of them."""

MIN_CORRELATION: Final = 0.1
"""Partners must be correlated with the feature by at least this much."""

MIN_STANDARD_ERRORS: Final = 5
"""Least correlation in standard errors, 1 / sqrt(rows); by chance, the best of many sets reaches 4."""

GAIN: Final = 0.01
"""By how much a further partner must raise the correlation."""

MIN_JOINT_SHARE: Final = 0.5
"""Least share of rows in which all partners have a value, relative to the partner with the most values."""

_TRIED: Final = 10
"""How many of the best single partners are tried as further ones."""

_RIDGE: Final = 1e-9
"""Added to sums of squares so that none is zero; a single differing row adds more."""

_DIGITS: Final = 9
"""To how many digits correlations are compared, so that the order of summation has no effect."""

_Records = Mapping[str, Sequence[Bin]]
_RowBins = npt.NDArray[np.int8]
_Set = tuple[int, ...]


class Partners(TypedDict):
    """The partners of a feature, and their mean in a bin of it."""

    partner: str | None
    partners: list[list[str | float]] | None
    partner_mean: float | None
    partner_correlation: float | None


class PartneredBin(Bin, Partners):
    """A bin of a profile with the partners of its feature."""


class PartnerSum(NamedTuple):
    """The weighted sum of the ranks of a feature's partners, and its mean in each bin of the feature.

    `weights` by partner. `means` has an entry per bin, the bin of missing values first; NaN where no row has all
    partners. `correlation` is the correlation ratio eta (Pearson 1905): the correlation of a row's sum with the mean of
    its bin.
    """

    weights: dict[str, float]
    means: Floats
    correlation: float


class _Sampled(NamedTuple):
    """The numeric features of the sampled rows.

    `ranks` (row, feature) are centred by subtracting their mean, 1/2, and 0 where missing. `known` (feature, row / 8)
    has one bit per row, 1 where the value is not missing. `products` (part, feature, feature) are sums of products of
    centred ranks.
    """

    names: list[str]
    ranks: Floats
    known: npt.NDArray[np.uint8]
    products: _ByPart


class _ByPart(NamedTuple):
    """Sums by part of the rows: of each block, of all other blocks, and of all (one part)."""

    blocks: Floats
    rests: Floats
    whole: Floats


class _Sums(NamedTuple):
    """Sums over parts of the rows: rows and sums of ranks by bin of a feature, and sums of products of ranks.

    The shapes are (part, bin), (part, bin, feature) and (part, feature, feature).
    """

    rows: Floats
    ranks: Floats
    products: Floats


class _Parts(NamedTuple):
    """The rows of each block, those of all other blocks, and all (one part)."""

    blocks: _Sums
    rests: _Sums
    whole: _Sums


def with_partners(frame: pd.DataFrame, records: Sequence[Bin], seed: int = 0) -> list[PartneredBin]:
    """Add `partner, partners, partner_mean, partner_correlation` to the profile's records.

    `frame` holds the training rows in the order of time, and `records` are those of `profile_rows` for its columns. The
    rank of a value is the mid-rank of its bin: the share of known values in lower bins and half the share of its own.
    `partners` are pairs of a name and its weight (the weights without their signs sum to 1), `partner` the names for
    people. `partner_mean` is the mean weighted sum of the partners' ranks over the rows in a feature's bin that have
    them all, None where there are none; a category's bins from `FOLDED` on count as one. All four are None for a
    feature without partners (correlation below `MIN_CORRELATION` or `MIN_STANDARD_ERRORS`), and for prediction and
    target.
    """
    by_feature: dict[str, list[Bin]] = {}
    for record in records:
        by_feature.setdefault(record["feature"], []).append(record)
    ranks = {name: _ranks(by_feature[name]) for name in frame.columns if by_feature[name][0]["kind"] == "numeric"}
    row_bins = {name: _row_bins(frame, by_feature, name) for name in frame.columns}
    chosen = np.arange(len(frame))
    most = min(MOST_ROWS, MOST_VALUES // max(len(ranks), 1))
    if len(frame) > most:
        chosen = np.sort(np.random.default_rng(seed).choice(len(frame), most, replace=False))
    sampled = _sampled({name: values[row_bins[name][chosen]] for name, values in ranks.items()}, len(chosen))
    found = {}
    for name in frame.columns:
        weights = _weights(name, row_bins[name][chosen], sampled)
        found[name] = _partner_sum(name, row_bins, ranks, weights) if weights else None
    return [{**record, **_partner_fields(record, found.get(record["feature"]))} for record in records]


def _partner_fields(record: Bin, found: PartnerSum | None) -> Partners:
    if found is None:
        return {"partner": None, "partners": None, "partner_mean": None, "partner_correlation": None}
    index = min(record["bin"], FOLDED) + 1
    # An empty bin, such as that of all other categories, can come after the last bin that has rows.
    mean = float(found.means[index]) if index < len(found.means) and np.isfinite(found.means[index]) else None
    return {
        "partner": " + ".join(found.weights),
        "partners": [[name, weight] for name, weight in found.weights.items()],
        "partner_mean": mean,
        "partner_correlation": found.correlation,
    }


def _row_bins(frame: pd.DataFrame, records: _Records, feature: str) -> _RowBins:
    """Number the rows' bins from 0, where 0 is that of the missing values."""
    return (np.minimum(bins_of(frame[feature], records[feature]), FOLDED) + 1).astype(np.int8)


def _ranks(records: Sequence[Bin]) -> Floats:
    """Return the mid-rank of each bin of a numeric feature, NaN for that of the missing values."""
    rows = np.array([record["rows"] for record in records[1:]], dtype=np.float64)
    return np.append(np.nan, (np.cumsum(rows) - rows / 2) / max(rows.sum(), 1.0))


def _sampled(ranks: Mapping[str, Floats], rows: int) -> _Sampled:
    """Stack the ranks of the sampled rows, one line per feature, in alphabetical order."""
    names = sorted(ranks)
    below = np.array([ranks[name] for name in names]).reshape(len(names), rows)
    known = np.packbits(~np.isnan(below), axis=1)
    centred = np.nan_to_num(below - 0.5)
    products = np.stack([part @ part.T for part in np.array_split(centred, BLOCKS, axis=1)])
    return _Sampled(names, np.ascontiguousarray(centred.T), known, _by_part(products))


def _by_part(sums: Floats) -> _ByPart:
    """Add up sums by block, the first axis."""
    whole = sums.sum(axis=0, keepdims=True)
    return _ByPart(sums, whole - sums, whole)


def _partner_sum(
    name: str, row_bins: Mapping[str, _RowBins], ranks: Mapping[str, Floats], weights: dict[str, float]
) -> PartnerSum | None:
    """Compute the partners' sum over all rows; None if it is constant or its correlation is too small."""
    total = sum((weight * ranks[other][row_bins[other]] for other, weight in weights.items()), np.zeros(1))
    known = np.isfinite(total)
    bins, total = row_bins[name][known], total[known]
    rows = np.bincount(bins)
    means = np.full(len(rows), np.nan)
    np.divide(np.bincount(bins, total), rows, out=means, where=rows > 0)
    squares = ((total - total.mean()) ** 2).sum() if len(total) else 0.0
    if squares <= _RIDGE:
        return None
    correlation = min(math.sqrt(np.nansum(rows * (means - total.mean()) ** 2) / squares), 1.0)
    return PartnerSum(weights, means, correlation) if correlation >= MIN_CORRELATION else None


def _weights(name: str, row_bins: _RowBins, sampled: _Sampled) -> dict[str, float]:
    """Choose partners greedily, as long as one more raises the lower limit of the correlation over the blocks."""
    others = np.array([index for index, other in enumerate(sampled.names) if other != name], dtype=np.int64)
    if not len(others) or not len(row_bins):
        return {}
    parts, known = _parts(row_bins, sampled), sampled.known & np.packbits(row_bins > 0)
    single = _correlations(parts, others[:, None])
    order = np.argsort(-np.round(single.mean(axis=0), _DIGITS), kind="stable")
    tried = others[order][:_TRIED].tolist()
    limits = _lower_limits(single[:, order], known, others[order][:, None])
    chosen, best = _best(limits | _limits_of(parts, known, combinations(tried, 2)))
    while len(chosen) < MOST_PARTNERS:
        larger = [(*chosen, index) for index in tried if index not in chosen]
        further, better = _best(_limits_of(parts, known, larger))
        if better < best + GAIN:
            break
        chosen, best = further, better
    if best < max(MIN_CORRELATION, MIN_STANDARD_ERRORS / math.sqrt(len(row_bins))):
        return {}
    (direction,) = _directions(parts.whole, np.array([chosen]))[0]
    # Rounded, so that the last digits of an eigenvector make no other profile.
    return {sampled.names[index]: round(float(weight), 6) for index, weight in zip(chosen, direction, strict=True)}


def _best(limits: Mapping[_Set, float]) -> tuple[_Set, float]:
    """Return the set with the highest lower limit, less `GAIN` per partner, and that limit; ties go to the first."""
    found: _Set = max(limits, key=lambda each: limits[each] - GAIN * len(each), default=())
    return found, limits.get(found, -1.0)


def _limits_of(parts: _Parts, known: npt.NDArray[np.uint8], sets: Iterable[_Set]) -> dict[_Set, float]:
    """Return the lower limit of each set's correlation; all sets have the same size."""
    members = np.array(list(sets), dtype=np.int64)
    return _lower_limits(_correlations(parts, members), known, members) if len(members) else {}


def _lower_limits(found: Floats, known: npt.NDArray[np.uint8], sets: Integers) -> dict[_Set, float]:
    """Return a lower limit of each set's correlation: its mean over the blocks minus two standard deviations.

    `found` holds the correlations by block and set, `sets` the partners by set. Sets whose partners rarely have values
    together (`MIN_JOINT_SHARE`) are left out.
    """
    fullest = np.bitwise_count(known).sum(axis=1)[sets].max(axis=1)
    together = np.bitwise_count(np.bitwise_and.reduce(known[sets], axis=1)).sum(axis=1)
    held = (found.mean(axis=0) - 2 * found.std(axis=0)).round(_DIGITS).tolist()
    enough = together >= MIN_JOINT_SHARE * fullest
    return dict(compress(zip(map(tuple, sets.tolist()), held, strict=True), enough))


def _parts(row_bins: _RowBins, sampled: _Sampled) -> _Parts:
    """Sum the sampled rows by block and bin of a feature."""
    from scipy.sparse import csc_array

    bins, size = int(row_bins.max(initial=0)) + 1, [len(part) for part in np.array_split(row_bins, BLOCKS)]
    cells = np.repeat(np.arange(BLOCKS), size) * bins + row_bins
    shape = (BLOCKS, bins)
    rows = np.bincount(cells, minlength=BLOCKS * bins).reshape(shape).astype(np.float64)
    # A column of this matrix is a row of the sample: it has a 1 in the line of its cell.
    placed = csc_array((np.ones(len(cells)), cells, np.arange(len(cells) + 1)), shape=(BLOCKS * bins, len(cells)))
    ranks = (placed @ sampled.ranks).reshape(*shape, len(sampled.names))
    return _Parts(*map(_Sums, _by_part(rows), _by_part(ranks), sampled.products))


def _directions(sums: _Sums, sets: Integers) -> Floats:
    """Weigh the partners so that their sum varies most between the feature's bins (Fisher's discriminant, 1936).

    Returns the weights by part, set and partner.
    """
    if sets.shape[1] == 1:
        return np.ones((len(sums.rows), *sets.shape))
    # The axes are scaled so that the sum of squares along each is 1; then that between the bins alone decides.
    squares, axes = np.linalg.eigh(_total(sums, sets))
    ridge = _RIDGE * (1 + np.maximum(squares, 0).sum(axis=-1, keepdims=True))
    axes = axes / np.sqrt(np.maximum(squares, 0) + ridge)[..., None, :]
    best = np.linalg.eigh(axes.swapaxes(-1, -2) @ _between(sums, sets) @ axes)[1][..., -1:]
    weights = (axes @ best)[..., 0]
    signs = np.where(weights[..., :1] < 0, -1.0, 1.0)
    return np.asarray(weights * signs / np.abs(weights).sum(axis=-1, keepdims=True))


def _mean_products(sums: _Sums, sets: Integers) -> Floats:
    """Return the sums of squares and products of the mean ranks (rows times mean times mean)."""
    ranks = sums.ranks.sum(axis=1)[:, sets]
    rows = np.maximum(sums.rows.sum(axis=1), 1.0)
    return np.asarray(ranks[..., :, None] * ranks[..., None, :] / rows[:, None, None, None])


def _total(sums: _Sums, sets: Integers) -> Floats:
    """Return the ranks' sums of squares and products about their means, by part, set, partner and partner."""
    return np.asarray(sums.products[:, sets[:, :, None], sets[:, None, :]] - _mean_products(sums, sets))


def _between(sums: _Sums, sets: Integers) -> Floats:
    """Return the sums of squares and products between the feature's bins, each weighted by its rows."""
    ranks = sums.ranks[:, :, sets].transpose(0, 2, 3, 1)
    means = ranks / np.maximum(sums.rows, 1.0)[:, None, None, :]
    return np.asarray(means @ ranks.swapaxes(-1, -2) - _mean_products(sums, sets))


def _correlations(parts: _Parts, sets: Integers) -> Floats:
    """Return the cross-validated correlation by block and set; 0 if the sum or its prediction is constant.

    In each block, the partners' sum is correlated with the bin means of the other blocks. A bin that occurs in no other
    block is predicted by the mean of all ranks, which is 0 here.
    """
    blocks, rests = parts.blocks, parts.rests
    weights = _directions(rests, sets)
    means = np.einsum("bnsk,bsk->bns", rests.ranks[:, :, sets], weights) / np.maximum(rests.rows, 1.0)[:, :, None]
    totals = np.einsum("bnsk,bsk->bns", blocks.ranks[:, :, sets], weights)
    rows = blocks.rows[:, :, None]
    count = np.maximum(rows.sum(axis=1), 1.0)
    weighed = (means * rows).sum(axis=1)
    covariance = (means * totals).sum(axis=1) - weighed * totals.sum(axis=1) / count
    spread = (means**2 * rows).sum(axis=1) - weighed**2 / count
    total = np.einsum("bsi,bsij,bsj->bs", weights, _total(blocks, sets), weights)
    product = np.maximum(spread * total, 0.0)
    found: Floats = np.divide(covariance, np.sqrt(product), out=np.zeros_like(product), where=product > 1e-12)
    return found
