"""Which features went together in training, so that a feature that comes loose from the others can be found.

A shuffled or shifted column can keep a distribution of its own that is usual for the season, and yet no longer fit the
rest of its row. So each feature has partners, numeric features that together say much about it at all times, and the
profile keeps what they were in each of the feature's bins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from mlbridge.profile import FOLDED, Bin, bins_of
from mlbridge.sample import Floats, Integers

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS: Final = 20_000
"""How many training rows choose the partners; what is then said of them is of all training rows."""

MOST_PARTNERS: Final = 3

BLOCKS: Final = 6
"""Into how many parts, in the order of the rows, training is cut to see which partners hold at all times."""

LEAST: Final = 0.1
"""What does not hold by this correlation makes no partner."""

GAIN: Final = 0.01
"""By how much a further partner must help."""

_TRIED: Final = 10
"""How many of the best single partners are tried as further ones."""

_Records = Mapping[str, Sequence[Mapping[str, Any]]]


class Companion(NamedTuple):
    """A weighted sum of the ranks of a feature's partners, and what it was in each bin of the feature.

    `means` by bin, from that of the missing values on; NaN where no row has all partners. `correlation` is that of the
    mean of a row's bin with its sum: the square root of the correlation ratio (Pearson 1905).
    """

    weights: dict[str, float]
    means: Floats
    correlation: float


class _Sums(NamedTuple):
    """Of each block: rows and sums of each rank by bin of a feature, and sums of the ranks' products."""

    rows: Floats
    ranks: Floats
    products: Floats


def with_partners(frame: pd.DataFrame, records: Sequence[Mapping[str, Any]], seed: int = 0) -> list[Bin]:
    """Add `partner, partners, partner_mean, partner_correlation` to the profile's records.

    `frame` holds the training rows in the order of time. The rank of a value is the mid-rank of its bin: the share of known values
    in lower bins and half the share of its own. `partners` are pairs of a name and its weight, `partner` the names for people.
    `partner_mean` is the mean weighted sum of the partners' ranks over the rows in a feature's bin that have them all, None
    where there are none; a category's bins from `FOLDED` on count as one. All are None for a feature that goes with no other by
    `LEAST` at all times, and for what is no column of `frame`.
    """
    by_feature: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        by_feature.setdefault(record["feature"], []).append(record)
    numeric = sorted(name for name in frame.columns if by_feature[name][0]["kind"] == "numeric")
    places = {name: _places(frame, by_feature, name) for name in frame.columns}
    ranks = {name: _ranks(by_feature[name])[places[name]] for name in numeric}
    chosen = np.arange(len(frame))
    if len(frame) > MOST_ROWS:
        chosen = np.sort(np.random.default_rng(seed).choice(len(frame), MOST_ROWS, replace=False))
    sampled = {name: values[chosen] for name, values in ranks.items()}
    found = {}
    for name in frame.columns:
        weights = _weights(name, places[name][chosen], sampled)
        found[name] = _companion(places[name], ranks, weights) if weights else None
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


def _places(frame: pd.DataFrame, records: _Records, feature: str) -> Integers:
    """Number the rows' bins from 0, where 0 is that of the missing values."""
    return np.minimum(bins_of(frame[feature], records[feature]), FOLDED) + 1


def _ranks(records: Sequence[Mapping[str, Any]]) -> Floats:
    """Give the mid-rank of each bin of a numeric feature, NaN for that of the missing values."""
    rows = np.array([record["rows"] for record in records[1:]], dtype=np.float64)
    return np.append(np.nan, (np.cumsum(rows) - rows / 2) / max(rows.sum(), 1.0))


def _companion(places: Integers, ranks: Mapping[str, Floats], weights: dict[str, float]) -> Companion:
    total = sum(weight * ranks[name] for name, weight in weights.items())
    known = np.isfinite(total)
    places, total = places[known], np.asarray(total)[known]
    rows = np.bincount(places)
    means = np.full(len(rows), np.nan)
    np.divide(np.bincount(places, total), rows, out=means, where=rows > 0)
    between = np.nansum(rows * (means - total.mean()) ** 2)
    return Companion(weights, means, float(min(np.sqrt(between / ((total - total.mean()) ** 2).sum()), 1.0)))


def _weights(name: str, places: Integers, ranks: Mapping[str, Floats]) -> dict[str, float]:
    """Choose partners one after the other, as long as one more makes the correlation hold better in every block."""
    others = [other for other in ranks if other != name]
    if not others:
        return {}
    sums = _sums(places, np.column_stack([np.nan_to_num(ranks[other], nan=0.5) for other in others]))
    single = {place: _correlations(sums, [place]) for place in range(len(others))}
    ordered = sorted(single, key=lambda place: (-single[place].mean(), others[place]))
    sets = [(place,) for place in ordered] + list(combinations(ordered[:_TRIED], 2))
    chosen, best = _best({each: _holds(sums, each) for each in sets})
    while len(chosen) < MOST_PARTNERS:
        further, better = _best(
            {(*chosen, place): _holds(sums, (*chosen, place)) for place in ordered[:_TRIED] if place not in chosen}
        )
        if better < best + GAIN:
            break
        chosen, best = further, better
    if best < LEAST:
        return {}
    direction = _direction(_Sums(*(each.sum(axis=0) for each in sums)), chosen)
    return {others[place]: float(weight) for place, weight in zip(chosen, direction, strict=True)}


def _best(held: Mapping[tuple[int, ...], float]) -> tuple[tuple[int, ...], float]:
    """Give the set that holds best; a further partner must help by `GAIN`."""
    found = max(held, key=lambda each: held[each] - GAIN * len(each), default=())
    return found, held.get(found, -1.0)


def _sums(places: Integers, ranks: Floats) -> _Sums:
    bins, (rows, features) = int(places.max(initial=0)) + 1, ranks.shape
    block = np.arange(rows) * BLOCKS // max(rows, 1)
    cell = block * bins + places
    size = BLOCKS * bins
    by_bin = np.stack([np.bincount(cell, ranks[:, place], size) for place in range(features)], axis=1)
    return _Sums(
        np.bincount(cell, minlength=size).reshape(BLOCKS, bins).astype(np.float64),
        by_bin.reshape(BLOCKS, bins, features),
        np.stack([ranks[block == number].T @ ranks[block == number] for number in range(BLOCKS)]),
    )


def _direction(sums: _Sums, chosen: Sequence[int]) -> Floats:
    """Weigh the partners so that their sum varies most between the feature's bins (Fisher's discriminant, 1936)."""
    if len(chosen) == 1:
        return np.ones(1)
    between, total = _spreads(sums, chosen)
    values, vectors = np.linalg.eig(np.linalg.solve(total + 1e-9 * np.trace(total) * np.eye(len(chosen)), between))
    best = vectors[:, np.argmax(values.real)].real
    return best / np.abs(best).sum() * np.sign(best[0] or 1.0)


def _spreads(sums: _Sums, chosen: Sequence[int]) -> tuple[Floats, Floats]:
    """Give the ranks' sums of squares and products: between the bins, and in all."""
    ranks, rows = sums.ranks[:, chosen], sums.rows[:, None]
    whole = np.outer(ranks.sum(axis=0), ranks.sum(axis=0)) / rows.sum()
    between = (ranks / np.maximum(rows, 1)).T @ ranks - whole
    return between, sums.products[np.ix_(chosen, chosen)] - whole


def _holds(sums: _Sums, chosen: Sequence[int]) -> float:
    """Give what the correlation stays above: its mean over the blocks less two standard deviations of it."""
    found = _correlations(sums, chosen)
    return float(found.mean() - 2 * found.std())


def _correlations(sums: _Sums, chosen: Sequence[int]) -> Floats:
    """Correlate in each block the partners' sum with what the other blocks say of it."""
    everything = _Sums(*(each.sum(axis=0) for each in sums))
    found = np.zeros(BLOCKS)
    for number in range(BLOCKS):
        block = _Sums(*(each[number] for each in sums))
        rest = _Sums(*(every - own for every, own in zip(everything, block, strict=True)))
        weights = _direction(rest, chosen)
        known = (rest.rows > 0) & (block.rows > 0)
        means = (rest.ranks[:, chosen] @ weights)[known] / rest.rows[known]
        rows, totals = block.rows[known], (block.ranks[:, chosen] @ weights)[known]
        count = max(rows.sum(), 1.0)
        covariance = means @ totals - means @ rows * totals.sum() / count
        spread = means**2 @ rows - (means @ rows) ** 2 / count
        _, total = _spreads(block, chosen)
        product = spread * float(weights @ total @ weights)
        if product > 1e-12:
            found[number] = covariance / np.sqrt(product)
    return found
