"""Builds the input of a model in one place for fitting, testing and scoring, so that it is bitwise the same.

Numbers of every kind are float64, missing ones NaN. Texts are pandas categoricals, missing ones NaN. Their categories
are first the texts of the training rows, sorted, whether or not they occur in the frame, then texts that training did
not have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from sqlglot import exp

from mlbridge.engines.warehouse import column, non_empty_batches, select
from mlbridge.features.columns import Feature, FetchedFeature
from mlbridge.spec.specification import Spec
from mlbridge.typing import Array, Times

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

FIT_SPLITS = ("train", "validation", "test")
FETCH_BATCH_ROWS = 100_000
FETCH_BATCH_CELLS = 2_500_000
# Features as a model gets them, and the target of the same rows: labels, or numbers.
Batch: TypeAlias = "tuple[pd.DataFrame, Array]"
TARGET, WINDOW, MOMENT, LABEL_TIME = "ml_target", "ml window", "ml time", "ml known"


@dataclass(frozen=True)
class Frame:
    """The labelled rows, train before validation before test, each by time and entity.

    `features` (rows x features) is held once, in the narrowest types that lose no value; a model gets what `part` makes
    of it. The arrays have one entry per row. `target` holds labels or numbers. `windows` are the starts of the spec's
    windows that contain the rows' times, `times` the prediction times, `label_times` the times at which the outcomes
    became known (all datetime64, UTC). `slices` gives texts or None by column. `bounds` gives the rows of each split as
    a slice. `data_hash` is the SHA-256 of features, target and bounds.
    """

    features: pd.DataFrame
    target: Array
    windows: Times
    times: Times
    label_times: Times
    slices: Mapping[str, Array]
    bounds: Mapping[str, slice]
    data_hash: str

    @cached_property
    def texts(self) -> dict[str, list[str]]:
        """Return the texts of the training rows, in order, by the name of their feature."""
        import pandas as pd

        return {
            str(name): _used_categories(values.array[self.bounds["train"]])
            for name, values in self.features.items()
            if isinstance(values.dtype, pd.CategoricalDtype)
        }

    def part(self, split: str) -> pd.DataFrame:
        """Return the features of one split as a model gets them; each call builds a new frame."""
        rows = self.bounds[split]
        return model_input({str(name): values.array[rows] for name, values in self.features.items()}, self.texts)

    def batches(self, split: str) -> Iterator[Batch]:
        """Iterate over the rows of one split, without ever holding all of them as a model gets them."""
        rows = self.bounds[split]
        step = rows_at_once(len(self.features.columns))
        for start in range(rows.start, rows.stop, step):
            some = slice(start, min(start + step, rows.stop))
            columns = {str(name): values.array[some] for name, values in self.features.items()}
            yield model_input(columns, self.texts), self.target[some]

    def truth(self, split: str) -> Array:
        """Return the target of the rows of one value of `ml_split`."""
        return self.target[self.bounds[split]]

    def window(self, split: str) -> Times:
        """Return the first moment of the window of each row of one value of `ml_split`."""
        return self.windows[self.bounds[split]]

    def slice_values(self, split: str) -> dict[str, Array]:
        """Return the slice columns of the rows of one value of `ml_split`."""
        return {name: values[self.bounds[split]] for name, values in self.slices.items()}


def training_query(columns: Sequence[FetchedFeature], spec: Spec, target_as: str, split: exp.Expression) -> exp.Select:
    """Select features, target, window and slices of the labelled rows, and nothing else, in the frame's order."""
    chosen = fitted_columns(columns, spec, target_as)
    moment = exp.cast(column(spec.time), "timestamp")
    chosen[WINDOW] = window_start(moment, spec.monitor.window)
    chosen[MOMENT] = moment.copy()
    chosen[LABEL_TIME] = exp.cast(column(spec.label_time or spec.time), "timestamp")
    for name in spec.monitor.slices:
        chosen[f"ml_slice {name}"] = exp.cast(column(name), "text")
    split_name = column("ml_split")
    order = exp.Case(
        ifs=[
            exp.If(this=split_name.eq(exp.Literal.string(name)), true=exp.Literal.number(index))
            for index, name in enumerate(FIT_SPLITS)
        ]
    )
    return (
        select(chosen, split)
        .where(split_name.isin(*FIT_SPLITS))
        .order_by(order, column(spec.time), *(column(name) for name in spec.entity))
    )


def rows_at_once(columns: int) -> int:
    """Return how many rows of so many columns a batch has that is not kept: 20 MB of numbers."""
    return max(1, FETCH_BATCH_CELLS // columns)


def fitted_columns(columns: Sequence[FetchedFeature], spec: Spec, target_as: str) -> dict[str, exp.Expression]:
    """Return the expressions of the features, in the types that they are fetched as, and of the target."""
    chosen = {each.feature.name: _fetched(each) for each in columns}
    return {**chosen, TARGET: exp.cast(column(spec.target), target_as)}


def batch_columns(batch: pa.RecordBatch) -> tuple[dict[str, Array | pd.Categorical], Array]:
    """Divide a batch of `fitted_columns` into the columns of the features and the target."""
    columns = {name: _joined([_values(values)]) for name, values in zip(batch.schema.names, batch.columns, strict=True)}
    target = np.asarray(columns.pop(TARGET))
    return columns, target


def _fetched(each: FetchedFeature) -> exp.Expression:
    """Cast through double, as scoring does: a decimal cast directly to float may give another number."""
    value = each.feature.value()
    return exp.cast(exp.cast(value, "double") if each.fetch_as == "float" else value, each.fetch_as)


def window_start(moment: exp.Expression, size: str) -> exp.Expression:
    """Return the moment at which the `day`, `week` (from Monday) or `month` of a timestamp begins."""
    return exp.cast(exp.TimestampTrunc(this=moment, unit=exp.var(size.upper())), "timestamp")


def read_frame(reader: pa.RecordBatchReader, rows: Mapping[str, int]) -> Frame:
    """Read the result of `training_query`; `rows` gives the number of rows by split."""
    import pandas as pd

    chunks: dict[str, list[pa.Array | Array]] = {name: [] for name in reader.schema.names}
    for batch in non_empty_batches(reader):
        for name, values in zip(batch.schema.names, batch.columns, strict=True):
            chunks[name].append(_values(values))
    columns = {name: _joined(chunks.pop(name)) for name in reader.schema.names}
    target, windows, times, label_times = (
        np.asarray(columns.pop(name)) for name in (TARGET, WINDOW, MOMENT, LABEL_TIME)
    )
    slices = {
        name.removeprefix("ml_slice "): np.asarray(columns.pop(name), dtype=object)
        for name in list(columns)
        if name.startswith("ml_slice ")
    }
    for values in slices.values():
        values[pd.isna(values)] = None
    ends = np.cumsum([rows.get(name, 0) for name in FIT_SPLITS]).tolist()
    bounds = {name: slice(end - rows.get(name, 0), end) for name, end in zip(FIT_SPLITS, ends, strict=True)}
    features = pd.DataFrame(columns, copy=False)
    return Frame(features, target, windows, times, label_times, slices, bounds, _hash(features, target, ends))


def scoring_columns(features: Sequence[Feature]) -> dict[str, exp.Expression]:
    """Return the SQL expression of each feature for scoring, as double or text."""
    return {each.name: exp.cast(each.value(), "text" if each.kind == "category" else "double") for each in features}


def scoring_frame(
    batch: pa.RecordBatch, features: Sequence[Feature], categories: Mapping[str, Sequence[str]] | None
) -> pd.DataFrame:
    """Turn one batch into the frame that a fitted estimator takes.

    `categories` are the texts of the training rows by feature. They are None for a version of an mlbridge that did not
    store them; its categories are then the texts of the batch, as they were when it was trained.
    """
    columns = {each.name: _joined([_values(batch[each.name])]) for each in features}
    return model_input(columns, categories or {each.name: () for each in features})


def model_input(columns: Mapping[str, Array | pd.Categorical], categories: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Build a model's input from columns of numbers (of any width) and categoricals; `categories` by feature."""
    import pandas as pd

    return pd.DataFrame(
        {
            name: _categories(values, categories[name])
            if isinstance(values, pd.Categorical)
            else np.asarray(values, dtype=np.float64)
            for name, values in columns.items()
        },
        copy=False,
    )


def _categories(values: pd.Categorical, categories: Sequence[str]) -> pd.Categorical:
    before = set(categories)
    return values.set_categories([*categories, *(text for text in _used_categories(values) if text not in before)])


def _used_categories(values: pd.Categorical) -> list[str]:
    """Return the categories that occur among the values, sorted."""
    codes = np.unique(values.codes)
    return sorted(values.categories[codes[codes >= 0]].tolist())


def _values(values: pa.Array) -> pa.Array | Array:
    import pyarrow as pa

    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return values.dictionary_encode()
    # Arrow's NULL becomes NaN for floats; integers are fetched as such only where none is NULL.
    return values.to_numpy(zero_copy_only=False)


def _joined(chunks: list[pa.Array | Array]) -> Array | pd.Categorical:
    import pandas as pd
    import pyarrow as pa

    if chunks and isinstance(chunks[0], np.ndarray):
        return np.concatenate(chunks)
    joined = pa.chunked_array(chunks).unify_dictionaries().combine_chunks().to_pandas()
    return pd.Categorical(joined).set_categories(sorted(joined.cat.categories.astype(object)))


def _hash(features: pd.DataFrame, target: Array, ends: Sequence[int]) -> str:
    import pandas as pd

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
