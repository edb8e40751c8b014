"""Features: which columns of the split are features, of what kind, and whether they can be trained on.

Kinds are `numeric` (integers, floats, decimals; booleans as 0 and 1; dates and timestamps as seconds since 1970,
UTC) and `category` (text). A NULL is a missing value of either kind, and so is a NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from mlbridge.engines.warehouse import column, parse_type, seconds_since_epoch, select, subquery
from mlbridge.errors import FeatureError, listed, nearest
from mlbridge.evaluation.blocks import UNITS
from mlbridge.spec.specification import Spec
from mlbridge.typing import Row

Type = exp.DataType.Type
TEMPORAL = tuple(exp.DataType.TEMPORAL_TYPES - {Type.TIME, Type.TIMETZ})
WITH_ZONE = (Type.TIMESTAMPTZ, Type.TIMESTAMPLTZ)
NUMBERS = (*(exp.DataType.NUMERIC_TYPES - {Type.BIT}), Type.BOOLEAN)
TEXTS = (*exp.DataType.TEXT_TYPES, Type.ENUM)
FAMILIES: dict[str, tuple[exp.DType, ...]] = {
    "text": TEXTS,
    "integer": tuple(exp.DataType.INTEGER_TYPES),
    "float": tuple(exp.DataType.FLOAT_TYPES),
    "decimal": tuple(exp.DataType.REAL_TYPES - exp.DataType.FLOAT_TYPES),
}
# Column names that mlbridge uses itself, in fetched rows and in profiles; a feature must not have one of them.
RESERVED = ("ml_target", "ml_prediction", "ml entity", "ml known", "ml time", "ml window")
RESERVED_START = "ml_slice "


@dataclass(frozen=True)
class Feature:
    """A feature: its name, its type in the warehouse, and its kind, `numeric` or `category`."""

    name: str
    type: str
    kind: str

    def value(self) -> exp.Expression:
        """Return the SQL expression of the model's input: a number (NaN becomes NULL), or a text."""
        named, type_ = column(self.name), parse_type(self.type)
        if self.kind == "category":
            return exp.cast(named, "text")
        if type_.is_type(*TEMPORAL):
            return seconds_since_epoch(named, with_zone=type_.is_type(*WITH_ZONE))
        if type_.is_type(Type.BOOLEAN):
            return exp.cast(named, "tinyint")
        if type_.is_type(*exp.DataType.REAL_TYPES):
            return not_nan(exp.cast(named, "double"))
        return named

    @property
    def converted(self) -> str | None:
        """Describe the conversion of a date or timestamp to seconds, for the log; None for other types."""
        if parse_type(self.type).is_type(*TEMPORAL):
            return f"'{self.name}' ({self.type}) as seconds since 1970"
        return None


def family(type_: str) -> str:
    """Return the family of a type, such as `integer`; types of one family do not count as a change of type.

    They may differ in width, precision, scale or enum values. `macros/base/types.sql` has the same rule.
    """
    parsed = parse_type(type_)
    names = (name for name, types in FAMILIES.items() if parsed.is_type(*types))
    return next(names, parsed.this.value.lower())


def not_nan(value: exp.Expression) -> exp.Expression:
    """Make NaN a NULL: both mean that the value is missing."""
    return exp.Case(ifs=[exp.If(this=exp.not_(exp.IsNan(this=value)), true=value.copy())])


def check_columns(node: str, columns: Mapping[str, str], spec: Spec) -> None:
    """Raise FeatureError if the split lacks a column that the spec names, or a time is not a timestamp without zone."""
    names_by_key = {
        "target": (spec.target,),
        "entity": spec.entity,
        "time": (spec.time,),
        "label_time": () if spec.label_time is None else (spec.label_time,),
        "features": spec.features or (),
        "features.exclude": spec.exclude,
        "monitor.slices": spec.monitor.slices,
        "promote.block": () if spec.promote.block is None or spec.promote.block in UNITS else (spec.promote.block,),
        "allow_leakage": tuple(spec.allow_leakage),
        "report": spec.report,
    }
    for key, names in names_by_key.items():
        for name in names:
            if name not in columns:
                raise FeatureError(
                    f"{node}: `mlbridge.{key}` names the column '{name}', which the split does not have."
                    f"{nearest(name, columns)} Its columns: {listed(columns, 60)}."
                )
    for key in ("time", "label_time"):
        for name in names_by_key[key]:
            type_ = parse_type(columns[name])
            if not type_.is_type(*TEMPORAL) or type_.is_type(*WITH_ZONE):
                raise FeatureError(
                    f"{node}: `mlbridge.{key}`: '{name}' is a {columns[name]}; expected a timestamp without time "
                    "zone, in UTC, or a date. Convert it in the features node."
                )


def features_of(node: str, columns: Mapping[str, str], spec: Spec) -> tuple[Feature, ...]:
    """Choose the features among the split's columns (types by name), in the split's order.

    Raises FeatureError if the spec names a missing column or a column with another role, if no feature is left, and for
    a feature with a reserved name or with a type other than number, boolean, text, date or timestamp.
    """
    check_columns(node, columns, spec)
    roles = spec.role_columns()
    if spec.features is not None:
        leaking = [name for name in spec.features if name in roles]
        if leaking:
            raise FeatureError(
                f"{node}: `mlbridge.features` names {listed(leaking)}, which the spec already uses as target, "
                "entity, time, label_time or split. Take it out of the list."
            )
    wanted = [name for name in columns if name not in roles and name not in spec.exclude]
    if spec.features is not None:
        wanted = [name for name in wanted if name in spec.features]
    if not wanted:
        raise FeatureError(
            f"{node}: the split has no features left; its columns: {listed(columns, 60)}. Add some in the features "
            "node, or take them out of `features.exclude`."
        )
    taken = [name for name in wanted if name in RESERVED or name.startswith(RESERVED_START)]
    if taken:
        raise FeatureError(
            f"{node}: the feature {listed(taken)} has a name that mlbridge uses itself. Rename it in the features node."
        )
    return tuple(Feature(name, columns[name], _kind(node, name, columns[name])) for name in wanted)


def _kind(node: str, name: str, type_: str) -> str:
    parsed = parse_type(type_)
    if parsed.is_type(*TEXTS):
        return "category"
    if parsed.is_type(*NUMBERS, *TEMPORAL):
        return "numeric"
    raise FeatureError(
        f"{node}: the feature '{name}' is a {type_}, which no candidate can read. Turn it into numbers or text in "
        f'the features node, or write `features: {{exclude: ["{name}"]}}`.'
    )


def target_type(node: str, columns: Mapping[str, str], spec: Spec) -> str:
    """Return the SQL type that the target is cast to; raises FeatureError for any other type of column.

    `double` for a regression; `boolean`, `bigint` or `text` for a classification.
    """
    type_ = parse_type(columns[spec.target])
    if spec.task == "regression":
        if type_.is_type(*exp.DataType.NUMERIC_TYPES):
            return "double"
        wanted = "a number"
    else:
        for name, types in (
            ("boolean", (Type.BOOLEAN,)),
            ("bigint", exp.DataType.INTEGER_TYPES),
            ("text", TEXTS),
        ):
            if type_.is_type(*types):
                return name
        wanted = "a boolean, an integer or a text"
    raise FeatureError(
        f"{node}: the target '{spec.target}' is a {columns[spec.target]}; {spec.task} needs {wanted}. Cast it in "
        "the features node, or change `mlbridge.task`."
    )


def split_summary_query(features: tuple[Feature, ...], spec: Spec, split: exp.Expression) -> exp.Select:
    """Compute in one scan all that is checked before a fit: one row per value of `ml_split`.

    Columns: `rows`, `targets` (known outcomes), `first` and `last` (prediction times, UTC); for a regression
    `target_low` and `target_high`. Of the i-th feature: `n_i` (values that are not NULL), `low_i`, `high_i`; of a
    category `distinct_i`, of a number `narrow_i` (whether float32 holds every value exactly).
    """
    values = {f"value_{index}": feature.value() for index, feature in enumerate(features)}
    moment = exp.cast(column(spec.time), "timestamp")
    rows = select({"ml_split": column("ml_split"), "target": column(spec.target), "moment": moment, **values}, split)
    aggregates: dict[str, exp.Expression] = {
        "ml_split": column("ml_split"),
        "rows": exp.Count(this=exp.Star()),
        "targets": exp.Count(this=column("target")),
        "first": exp.Min(this=column("moment")),
        "last": exp.Max(this=column("moment")),
    }
    if spec.task == "regression":
        target = exp.cast(column("target"), "double")
        # The engine orders NaN above infinity, so the maximum shows both.
        aggregates |= {"target_low": exp.Min(this=target), "target_high": exp.Max(this=target.copy())}
    for index, feature in enumerate(features):
        found = _feature_summary(column(f"value_{index}"), feature.kind)
        aggregates |= {f"{name}_{index}": each for name, each in found.items()}
    return select(aggregates, subquery(rows, "facts")).group_by(column("ml_split"))


def _feature_summary(value: exp.Expression, kind: str) -> dict[str, exp.Expression]:
    found: dict[str, exp.Expression] = {
        name: function(this=value.copy()) for name, function in (("n", exp.Count), ("low", exp.Min), ("high", exp.Max))
    }
    if kind == "category":
        return {**found, "distinct": exp.Count(this=exp.Distinct(expressions=[value.copy()]))}
    wide = exp.cast(value.copy(), "double")
    same = exp.EQ(this=exp.TryCast(this=wide, to=exp.DataType.build("float")), expression=wide.copy())
    known = exp.Or(this=value.copy().is_(exp.null()), expression=exp.func("coalesce", same, exp.false()))
    return {**found, "narrow": exp.LogicalAnd(this=exp.paren(known))}


@dataclass(frozen=True)
class FetchedFeature:
    """A feature, the SQL type to fetch it as, and of a category the number of distinct texts in the training rows."""

    feature: Feature
    fetch_as: str
    distinct: int | None


def checked_columns(
    node: str, features: tuple[Feature, ...], split_summary: Mapping[str, Row]
) -> tuple[FetchedFeature, ...]:
    """Choose for each feature the narrowest SQL type that loses no value.

    `split_summary` are the rows of `split_summary_query` by value of `ml_split`. Raises FeatureError for a feature that
    is all NULL or constant on the training rows, or infinite on any labelled row.
    """
    train, fitted = split_summary["train"], _labelled(split_summary)
    for name, problem in unlearnable(features, split_summary).items():
        raise FeatureError(
            f"{node}: the feature '{name}' is {problem}. Correct it in the features node, or write "
            f'`features: {{exclude: ["{name}"]}}`.'
        )
    columns = []
    for index, feature in enumerate(features):
        distinct = train[f"distinct_{index}"] if feature.kind == "category" else None
        columns.append(FetchedFeature(feature, _narrowest(feature, index, fitted), distinct))
    return tuple(columns)


def unlearnable(features: tuple[Feature, ...], split_summary: Mapping[str, Row]) -> dict[str, str]:
    """Return the features that nothing can be learned from on these rows, by name, each with what it is.

    `split_summary` are the rows of `split_summary_query` by value of `ml_split`.
    """
    train, fitted = split_summary["train"], _labelled(split_summary)
    problems = {each.name: _problem(each, index, train, fitted) for index, each in enumerate(features)}
    return {name: problem for name, problem in problems.items() if problem}


def _labelled(split_summary: Mapping[str, Row]) -> list[Row]:
    return [split_summary[name] for name in ("train", "validation", "test") if name in split_summary]


def _problem(feature: Feature, index: int, train: Row, fitted: list[Row]) -> str | None:
    if train[f"n_{index}"] == 0:
        return f"NULL in all {train['rows']:,} training rows"
    if feature.kind == "numeric":
        ends = [row[f"{end}_{index}"] for row in fitted for end in ("low", "high")]
        if any(end is not None and math.isinf(end) for end in ends):
            return "infinite in some rows; an unknown value should be NULL"
    if train[f"low_{index}"] == train[f"high_{index}"] and train[f"n_{index}"] == train["rows"]:
        return f"constant: {train[f'low_{index}']!r} in all {train['rows']:,} training rows"
    return None


def _narrowest(feature: Feature, index: int, fitted: list[Row]) -> str:
    if feature.kind == "category":
        return "text"
    complete = all(row[f"n_{index}"] == row["rows"] for row in fitted)
    whole = parse_type(feature.type).is_type(*exp.DataType.INTEGER_TYPES, Type.BOOLEAN)
    if whole and complete:
        low = min(row[f"low_{index}"] for row in fitted)
        high = max(row[f"high_{index}"] for row in fitted)
        for name, bits in (("tinyint", 7), ("smallint", 15), ("int", 31), ("bigint", 63)):
            if -(2**bits) <= low and high < 2**bits:
                return name
    return "float" if all(row[f"narrow_{index}"] for row in fitted) else "double"
