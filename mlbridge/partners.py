"""Which features went together in training, so that a feature that comes loose from the others can be found.

A shuffled or shifted column can keep a distribution of its own that is usual for the season, and yet no longer fit the
rest of its row. So each feature has partners, numeric features that together say much about it at all times, and the
profile keeps what they were in each of the feature's bins.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, compress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mlbridge.profile import FOLDED, Bin, bins_of
from mlbridge.sample import Floats

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS: Final = 20_000
"""How many training rows choose the partners; what is then said of them is of all training rows."""

MOST_PARTNERS: Final = 3

BLOCKS: Final = 6
"""Into how many parts, in the order of the rows, training is cut to see which partners hold at all times."""

LEAST: Final = 0.1
"""What does not hold by this correlation makes no partner."""

CHANCE: Final = 5
"""Nor what does not by this many standard errors of a correlation, 1 / sqrt(rows): the best of many sets reach 4."""

GAIN: Final = 0.01
"""By how much a further partner must help."""

TOGETHER: Final = 0.5
"""Where the feature is known, its partners must all be so this often where the one most often known is."""

_TRIED: Final = 10
"""How many of the best single partners are tried as further ones."""

_RIDGE: Final = 1e-9
"""What keeps a sum of squares from being zero; one row that is not like the others makes more."""

_DIGITS: Final = 9
"""To how many digits correlations are compared, so that the order of adding up decides nothing."""

_Records = Mapping[str, Sequence[Mapping[str, Any]]]
_Places = npt.NDArray[np.int8]
_Set = tuple[int, ...]


class Companion(NamedTuple):
    """A weighted sum of the ranks of a feature's partners, and what it was in each bin of the feature.

    `means` by bin, from that of the missing values on; NaN where no row has all partners. `correlation` is that of the
    mean of a row's bin with its sum: the square root of the correlation ratio (Pearson 1905).
    """

    weights: dict[str, float]
    means: Floats
    correlation: float


class _Sampled(NamedTuple):
    """The numeric features of the rows that choose partners.

    `ranks` (feature, row) are less 1/2, which is their mean, and 0 where missing; `known` has their bits by feature, 1
    where not missing; `products` (block, feature, feature) are sums of products of two ranks.
    """

    names: list[str]
    ranks: Floats
    known: npt.NDArray[np.uint8]
    products: Floats


class _Sums(NamedTuple):
    """Of each of several parts of the rows: rows and sums of ranks by bin of a feature, sums of products of ranks.

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


def with_partners(frame: pd.DataFrame, records: Sequence[Mapping[str, Any]], seed: int = 0) -> list[Bin]:
    """Add `partner, partners, partner_mean, partner_correlation` to the profile's records.

    `frame` holds the training rows in the order of time, and `records` are those of `profile_rows` for its columns. The
    rank of a value is the mid-rank of its bin: the share of known values in lower bins and half the share of its own.
    `partners` are pairs of a name and its weight (the weights without their signs sum to 1), `partner` the names for
    people. `partner_mean` is the mean weighted sum of the partners' ranks over the rows in a feature's bin that have
    them all, None where there are none; a category's bins from `FOLDED` on count as one. All are None for a feature
    that goes with no other by `LEAST` and by `CHANCE` at all times, and for what is no column of `frame`.
    """
    by_feature: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        by_feature.setdefault(record["feature"], []).append(record)
    ranks = {name: _ranks(by_feature[name]) for name in frame.columns if by_feature[name][0]["kind"] == "numeric"}
    places = {name: _places(frame, by_feature, name) for name in frame.columns}
    chosen = np.arange(len(frame))
    if len(frame) > MOST_ROWS:
        chosen = np.sort(np.random.default_rng(seed).choice(len(frame), MOST_ROWS, replace=False))
    sampled = _sampled({name: values[places[name][chosen]] for name, values in ranks.items()}, len(chosen))
    found = {}
    for name in frame.columns:
        weights = _weights(name, places[name][chosen], sampled)
        found[name] = _companion(name, places, ranks, weights) if weights else None
    return [{**record, **_said(record, found.get(record["feature"]))} for record in records]


def _said(record: Mapping[str, Any], found: Companion | None) -> dict[str, Any]:
    if found is None:
        return {"partner": None, "partners": None, "partner_mean": None, "partner_correlation": None}
    place = min(record["bin"], FOLDED) + 1
    # A bin that no row is in, as that of all other categories may be, can lie after the last one met.
    mean = float(found.means[place]) if place < len(found.means) and np.isfinite(found.means[place]) else None
    return {
        "partner": " + ".join(found.weights),
        "partners": [[name, weight] for name, weight in found.weights.items()],
        "partner_mean": mean,
        "partner_correlation": found.correlation,
    }


def _places(frame: pd.DataFrame, records: _Records, feature: str) -> _Places:
    """Number the rows' bins from 0, where 0 is that of the missing values."""
    return (np.minimum(bins_of(frame[feature], records[feature]), FOLDED) + 1).astype(np.int8)


def _ranks(records: Sequence[Mapping[str, Any]]) -> Floats:
    """Give the mid-rank of each bin of a numeric feature, NaN for that of the missing values."""
    rows = np.array([record["rows"] for record in records[1:]], dtype=np.float64)
    return np.append(np.nan, (np.cumsum(rows) - rows / 2) / max(rows.sum(), 1.0))


def _sampled(ranks: Mapping[str, Floats], rows: int) -> _Sampled:
    """Put the ranks of the rows that choose below each other, the names in their order."""
    names = sorted(ranks)
    below = np.array([ranks[name] for name in names]).reshape(len(names), rows)
    known = np.packbits(~np.isnan(below), axis=1)
    centred = np.nan_to_num(below - 0.5)
    products = np.stack([part @ part.T for part in np.array_split(centred, BLOCKS, axis=1)])
    return _Sampled(names, centred, known, products)


def _companion(
    name: str, places: Mapping[str, _Places], ranks: Mapping[str, Floats], weights: dict[str, float]
) -> Companion | None:
    """Say what the partners were in each bin, of all rows; None where those that have them all show no correlation."""
    total = sum((weight * ranks[other][places[other]] for other, weight in weights.items()), np.zeros(1))
    known = np.isfinite(total)
    bins, total = places[name][known], total[known]
    rows = np.bincount(bins)
    means = np.full(len(rows), np.nan)
    np.divide(np.bincount(bins, total), rows, out=means, where=rows > 0)
    squares = ((total - total.mean()) ** 2).sum() if len(total) else 0.0
    if squares <= _RIDGE:
        return None
    correlation = min(math.sqrt(np.nansum(rows * (means - total.mean()) ** 2) / squares), 1.0)
    return Companion(weights, means, correlation) if correlation >= LEAST else None


def _weights(name: str, places: _Places, sampled: _Sampled) -> dict[str, float]:
    """Choose partners one after the other, as long as one more makes the correlation hold better in every block."""
    others = np.array([place for place, other in enumerate(sampled.names) if other != name], dtype=np.int64)
    if not len(others) or not len(places):
        return {}
    parts, known = _parts(places, sampled), sampled.known & np.packbits(places > 0)
    single = _correlations(parts, others[:, None])
    ordered = others[np.argsort(-np.round(single.mean(axis=0), _DIGITS), kind="stable")].tolist()
    tried = ordered[:_TRIED]
    held = _held(parts, known, [(place,) for place in ordered])
    chosen, best = _best(held | _held(parts, known, combinations(tried, 2)))
    while len(chosen) < MOST_PARTNERS:
        further, better = _best(_held(parts, known, [(*chosen, place) for place in tried if place not in chosen]))
        if better < best + GAIN:
            break
        chosen, best = further, better
    if best < max(LEAST, CHANCE / math.sqrt(len(places))):
        return {}
    (direction,) = _directions(parts.whole, np.array([chosen]))[0]
    # Rounded, so that the last digits of an eigenvector make no other profile.
    return {sampled.names[place]: round(float(weight), 6) for place, weight in zip(chosen, direction, strict=True)}


def _best(held: Mapping[_Set, float]) -> tuple[_Set, float]:
    """Give the set that holds best, the first of equals; a further partner must help by `GAIN`."""
    found: _Set = max(held, key=lambda each: held[each] - GAIN * len(each), default=())
    return found, held.get(found, -1.0)


def _held(parts: _Parts, known: npt.NDArray[np.uint8], sets: Iterable[_Set]) -> dict[_Set, float]:
    """Give what each set's correlation stays above: its mean over the blocks less two standard deviations of it.

    Sets of one size; those that are seldom known `TOGETHER` are left out.
    """
    tried = list(sets)
    if not tried:
        return {}
    members = np.array(tried)
    fullest = np.bitwise_count(known).sum(axis=1)[members].max(axis=1)
    together = np.bitwise_count(np.bitwise_and.reduce(known[members], axis=1)).sum(axis=1)
    found = _correlations(parts, members)
    held = (found.mean(axis=0) - 2 * found.std(axis=0)).round(_DIGITS).tolist()
    return dict(compress(zip(tried, held, strict=True), together >= TOGETHER * fullest))


def _parts(places: _Places, sampled: _Sampled) -> _Parts:
    """Add up the rows that choose by block and bin of a feature."""
    bins, size = int(places.max(initial=0)) + 1, [len(part) for part in np.array_split(places, BLOCKS)]
    cells = np.repeat(np.arange(BLOCKS), size) * bins + places
    shape = (BLOCKS, bins)
    rows = np.bincount(cells, minlength=BLOCKS * bins).reshape(shape).astype(np.float64)
    ranks = [np.bincount(cells, each, BLOCKS * bins).reshape(shape) for each in sampled.ranks]
    each = _Sums(rows, np.stack(ranks, axis=-1), sampled.products)
    whole = _Sums(*(sums.sum(axis=0, keepdims=True) for sums in each))
    return _Parts(each, _Sums(*(every - own for every, own in zip(whole, each, strict=True))), whole)


def _directions(sums: _Sums, sets: npt.NDArray[np.int64]) -> Floats:
    """Weigh the partners so that their sum varies most between the feature's bins (Fisher's discriminant, 1936).

    Gives the weights by part, set and partner.
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


def _whole(sums: _Sums, sets: npt.NDArray[np.int64]) -> Floats:
    """Give what the sums of squares and products of the ranks would be, were all ranks the mean."""
    ranks = sums.ranks.sum(axis=1)[:, sets]
    rows = np.maximum(sums.rows.sum(axis=1), 1.0)
    return np.asarray(ranks[..., :, None] * ranks[..., None, :] / rows[:, None, None, None])


def _total(sums: _Sums, sets: npt.NDArray[np.int64]) -> Floats:
    """Give the ranks' sums of squares and products about their means, by part, set, partner and partner."""
    return np.asarray(sums.products[:, sets[:, :, None], sets[:, None, :]] - _whole(sums, sets))


def _between(sums: _Sums, sets: npt.NDArray[np.int64]) -> Floats:
    """Give the same of the means of the feature's bins, each as often as it has rows."""
    ranks = sums.ranks[:, :, sets].transpose(0, 2, 3, 1)
    means = ranks / np.maximum(sums.rows, 1.0)[:, None, None, :]
    return np.asarray(means @ ranks.swapaxes(-1, -2) - _whole(sums, sets))


def _correlations(parts: _Parts, sets: npt.NDArray[np.int64]) -> Floats:
    """Correlate in each block the partners' sum with what the other blocks say of it, by block and set; 0 if constant.

    Of a bin that is in no other block they say the mean of all ranks, which is 0 here.
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
