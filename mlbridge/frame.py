"""The rows a model sees: the same to the bit in a fit, in a test and in scoring, which all read them here.

Numbers of every kind are float64, missing ones NaN. Texts are pandas categories, missing ones NaN: first the texts of
the training rows in their order, whether or not these rows have them, then texts that the training never saw.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sqlglot import exp

from mlbridge.features import Column, Feature
from mlbridge.spec import Spec
from mlbridge.warehouse import batched, column, select

if TYPE_CHECKING:
    import pyarrow as pa

FIT_WORDS = ("train", "validation", "test")
BATCH_ROWS = 100_000
TARGET, WINDOW, MOMENT, KNOWN = "ml_target", "ml window", "ml time", "ml known"


@dataclass(frozen=True)
class Frame:
    """The labelled rows, train before validation before test, each by time and entity.

    `features` (rows x features) exists once, in the narrowest types that lose nothing; a model is given what `part`
    makes of it. `windows` are the first moments (datetime64, UTC) of the spec's windows that the rows' times lie in;
    `times` are the moments of the predictions, `known` those at which the outcomes were known (both datetime64, UTC);
    `slices` are texts or None by column.
    """

    features: pd.DataFrame
    target: np.ndarray[Any, Any]
    windows: np.ndarray[Any, Any]
    times: np.ndarray[Any, Any]
    known: np.ndarray[Any, Any]
    slices: Mapping[str, np.ndarray[Any, Any]]
    bounds: Mapping[str, slice]
    data_hash: str

    @cached_property
    def texts(self) -> dict[str, list[str]]:
        """Give the texts of the training rows, in order, by the name of their feature."""
        return {
            str(name): _present(values.array[self.bounds["train"]])
            for name, values in self.features.items()
            if isinstance(values.dtype, pd.CategoricalDtype)
        }

    def part(self, word: str) -> pd.DataFrame:
        """Give the feature rows of one word of `ml_split` as a model sees them, made anew at each call."""
        rows = self.bounds[word]
        return as_seen({str(name): values.array[rows] for name, values in self.features.items()}, self.texts)

    def truth(self, word: str) -> np.ndarray[Any, Any]:
        """Give the target of the rows of one word of `ml_split`."""
        return self.target[self.bounds[word]]

    def window(self, word: str) -> np.ndarray[Any, Any]:
        """Give the first moment of the window of each row of one word of `ml_split`."""
        return self.windows[self.bounds[word]]

    def labels(self, word: str) -> dict[str, np.ndarray[Any, Any]]:
        """Give the slice columns of the rows of one word of `ml_split`."""
        return {name: values[self.bounds[word]] for name, values in self.slices.items()}


def training_query(columns: Sequence[Column], spec: Spec, target_as: str, split: exp.Expression) -> exp.Select:
    """Select features, target, window and slices of the labelled rows, and nothing else, in the frame's order."""
    chosen = {each.feature.name: _fetched(each) for each in columns}
    chosen[TARGET] = exp.cast(column(spec.target), target_as)
    moment = exp.cast(column(spec.time), "timestamp")
    chosen[WINDOW] = window_start(moment, spec.monitor.window)
    chosen[MOMENT] = moment.copy()
    chosen[KNOWN] = exp.cast(column(spec.label_time or spec.time), "timestamp")
    for name in spec.monitor.slices:
        chosen[f"ml_slice {name}"] = exp.cast(column(name), "text")
    word = column("ml_split")
    order = exp.Case(
        ifs=[
            exp.If(this=word.eq(exp.Literal.string(name)), true=exp.Literal.number(place))
            for place, name in enumerate(FIT_WORDS)
        ]
    )
    return (
        select(chosen, split)
        .where(word.isin(*FIT_WORDS))
        .order_by(order, column(spec.time), *(column(name) for name in spec.entity))
    )


def _fetched(each: Column) -> exp.Expression:
    """Cast by way of a double, which is what scoring reads: a decimal may become another float without it."""
    value = each.feature.value()
    return exp.cast(exp.cast(value, "double") if each.fetch_as == "float" else value, each.fetch_as)


def window_start(moment: exp.Expression, size: str) -> exp.Expression:
    """Give the moment at which the `day`, `week` (from Monday) or `month` of a timestamp begins."""
    return exp.cast(exp.TimestampTrunc(this=moment, unit=exp.var(size.upper())), "timestamp")


def read_frame(reader: pa.RecordBatchReader, rows: Mapping[str, int]) -> Frame:
    """Read the answer of `training_query`; `rows` says how many rows each word has."""
    chunks: dict[str, list[Any]] = {name: [] for name in reader.schema.names}
    for batch in batched(reader):
        for name, values in zip(batch.schema.names, batch.columns, strict=True):
            chunks[name].append(_values(values))
    columns = {name: _joined(chunks.pop(name)) for name in reader.schema.names}
    target, windows, times, known = (np.asarray(columns.pop(name)) for name in (TARGET, WINDOW, MOMENT, KNOWN))
    slices = {
        name.removeprefix("ml_slice "): np.asarray(columns.pop(name), dtype=object)
        for name in list(columns)
        if name.startswith("ml_slice ")
    }
    for values in slices.values():
        values[pd.isna(values)] = None
    ends = np.cumsum([rows.get(word, 0) for word in FIT_WORDS]).tolist()
    bounds = {word: slice(end - rows.get(word, 0), end) for word, end in zip(FIT_WORDS, ends, strict=True)}
    features = pd.DataFrame(columns, copy=False)
    return Frame(features, target, windows, times, known, slices, bounds, _hash(features, target, ends))


def scoring_columns(features: Sequence[Feature]) -> dict[str, exp.Expression]:
    """Give what a prediction reads of each feature: doubles and texts, as wide as any value may be."""
    return {each.name: exp.cast(each.value(), "text" if each.kind == "category" else "double") for each in features}


def scoring_frame(
    batch: pa.RecordBatch, features: Sequence[Feature], known: Mapping[str, Sequence[str]] | None
) -> pd.DataFrame:
    """Turn one batch into the frame that a fitted estimator takes.

    `known` are the texts of the training rows by feature. None for a version of before they were kept: its
    categories are the texts of the batch, as they always were.
    """
    columns = {each.name: _joined([_values(batch[each.name])]) for each in features}
    return as_seen(columns, known or {each.name: () for each in features})


def as_seen(columns: Mapping[str, Any], known: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Make the frame that a model sees of columns of numbers and categories, of any width."""
    return pd.DataFrame(
        {
            name: _categories(values, known[name])
            if isinstance(values, pd.Categorical)
            else np.asarray(values, dtype=np.float64)
            for name, values in columns.items()
        },
        copy=False,
    )


def _categories(values: pd.Categorical, known: Sequence[str]) -> pd.Categorical:
    before = set(known)
    return values.set_categories([*known, *(text for text in _present(values) if text not in before)])


def _present(values: pd.Categorical) -> list[str]:
    """Give the texts that some of the values have, in order."""
    codes = np.unique(values.codes)
    return sorted(values.categories[codes[codes >= 0]].tolist())


def _values(values: pa.Array) -> Any:
    import pyarrow as pa

    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return values.dictionary_encode()
    # Arrow's NULL becomes NaN for floats; integers are fetched as such only where none is NULL.
    return values.to_numpy(zero_copy_only=False)


def _joined(chunks: list[Any]) -> Any:
    import pyarrow as pa

    if chunks and isinstance(chunks[0], np.ndarray):
        return np.concatenate(chunks)
    joined = pa.chunked_array(chunks).unify_dictionaries().combine_chunks().to_pandas()
    return pd.Categorical(joined).set_categories(sorted(joined.cat.categories.astype(object)))


def _hash(features: pd.DataFrame, target: np.ndarray[Any, Any], ends: Sequence[int]) -> str:
    digest = hashlib.sha256(repr(list(ends)).encode())
    for name in features.columns:
        values = features[name]
        if isinstance(values.dtype, pd.CategoricalDtype):
            digest.update("\0".join(values.cat.categories).encode())
            digest.update(values.cat.codes.to_numpy().tobytes())
        else:
            digest.update(np.ascontiguousarray(values.to_numpy()).tobytes())
    digest.update("\0".join(map(str, target)).encode() if target.dtype == object else target.tobytes())
    return digest.hexdigest()
