"""Features: which columns of the split are features, of what kind, and whether they can be trained on.

Kinds are `numeric` (integers, floats, decimals; booleans as 0 and 1; dates and timestamps as seconds since 1970,
UTC) and `category` (text). A NULL is a missing value of either kind, and so is a NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from mlbridge.blocks import UNITS
from mlbridge.errors import FeatureError, listed, nearest
from mlbridge.spec import Spec
from mlbridge.warehouse import column, parse_type, seconds_since_epoch

Type = exp.DataType.Type
TEMPORAL = tuple(exp.DataType.TEMPORAL_TYPES - {Type.TIME, Type.TIMETZ})
WITH_ZONE = (Type.TIMESTAMPTZ, Type.TIMESTAMPLTZ)
NUMBERS = (*(exp.DataType.NUMERIC_TYPES - {Type.BIT}), Type.BOOLEAN)
WORDS = (*exp.DataType.TEXT_TYPES, Type.ENUM)
# Names of the package's own beside the features: in the rows that are fetched, and in the profiles.
RESERVED = ("ml_target", "ml_prediction", "ml entity", "ml known", "ml time", "ml window")
RESERVED_START = "ml_slice "


@dataclass(frozen=True)
class Feature:
    """A feature's name, its type in the warehouse, and what training reads it as."""

    name: str
    type: str
    kind: str

    def value(self) -> exp.Expression:
        """Give the SQL expression of what a model sees: a number (never NaN), or a text."""
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
        """Say in words what happens to a value that is no number by itself."""
        if parse_type(self.type).is_type(*TEMPORAL):
            return f"'{self.name}' ({self.type}) as seconds since 1970"
        return None


def family(type_: str) -> str:
    """Give what a type amounts to for a model: other integers, or one more word in an enum, change nothing."""
    parsed = parse_type(type_)
    if parsed.is_type(*WORDS):
        return "text"
    return "integer" if parsed.is_type(*exp.DataType.INTEGER_TYPES) else parsed.sql()


def not_nan(value: exp.Expression) -> exp.Expression:
    """Make NaN a NULL: both mean that the value is missing."""
    return exp.Case(ifs=[exp.If(this=exp.not_(exp.IsNan(this=value)), true=value.copy())])


def check_columns(node: str, columns: Mapping[str, str], spec: Spec) -> None:
    """Refuse a spec that names a column which the split does not have, or a time that is no moment."""
    said = {
        "target": (spec.target,),
        "entity": spec.entity,
        "time": (spec.time,),
        "label_time": () if spec.label_time is None else (spec.label_time,),
        "features": spec.features or (),
        "features.exclude": spec.exclude,
        "monitor.slices": spec.monitor.slices,
        "promote.block": () if spec.promote.block is None or spec.promote.block in UNITS else (spec.promote.block,),
        "allow_leakage": tuple(spec.allow_leakage),
    }
    for key, names in said.items():
        for name in names:
            if name not in columns:
                raise FeatureError(
                    f"{node}: `mlbridge.{key}` names the column '{name}', which the split does not have."
                    f"{nearest(name, columns)} Its columns: {listed(columns, 60)}."
                )
    for key in ("time", "label_time"):
        for name in said[key]:
            type_ = parse_type(columns[name])
            if not type_.is_type(*TEMPORAL) or type_.is_type(*WITH_ZONE):
                raise FeatureError(
                    f"{node}: `mlbridge.{key}`: '{name}' is a {columns[name]}; expected a timestamp without time "
                    "zone, in UTC. Convert it in the features node."
                )


def features_of(node: str, columns: Mapping[str, str], spec: Spec) -> tuple[Feature, ...]:
    """Choose the features among the split's columns, in the split's order.

    Raises FeatureError for a type that is neither number, text nor moment.
    """
    check_columns(node, columns, spec)
    roles = spec.not_features()
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
    if parsed.is_type(*WORDS):
        return "category"
    if parsed.is_type(*NUMBERS, *TEMPORAL):
        return "numeric"
    raise FeatureError(
        f"{node}: the feature '{name}' is a {type_}, which no candidate can read. Turn it into numbers or text in "
        f'the features node, or write `features: {{exclude: ["{name}"]}}`.'
    )


def target_type(node: str, columns: Mapping[str, str], spec: Spec) -> str:
    """Say as which SQL type the target is fetched: a number; or a boolean, an integer or a text as class."""
    type_ = parse_type(columns[spec.target])
    if spec.task == "regression":
        if type_.is_type(*exp.DataType.NUMERIC_TYPES):
            return "double"
        wanted = "a number"
    else:
        for name, types in (
            ("boolean", (Type.BOOLEAN,)),
            ("bigint", exp.DataType.INTEGER_TYPES),
            ("text", WORDS),
        ):
            if type_.is_type(*types):
                return name
        wanted = "a boolean, an integer or a text"
    raise FeatureError(
        f"{node}: the target '{spec.target}' is a {columns[spec.target]}; {spec.task} needs {wanted}. Cast it in "
        "the features node, or change `mlbridge.task`."
    )


def facts_query(features: tuple[Feature, ...], spec: Spec, split: exp.Expression) -> exp.Select:
    """Ask, in one scan, for all that must be known before a fit: one row per word of `ml_split`."""
    query = exp.select(
        exp.alias_(column("ml_split"), "word"),
        exp.alias_(exp.Count(this=exp.Star()), "rows"),
        exp.alias_(exp.Count(this=column(spec.target)), "targets"),
        exp.alias_(exp.Min(this=exp.cast(column(spec.time), "timestamp")), "first"),
        exp.alias_(exp.Max(this=exp.cast(column(spec.time), "timestamp")), "last"),
        *_target_ends(spec),
    )
    for index, feature in enumerate(features):
        value = feature.value()
        asked = {
            "n": exp.Count(this=value),
            "low": exp.Min(this=value.copy()),
            "high": exp.Max(this=value.copy()),
        }
        if feature.kind == "category":
            asked["distinct"] = exp.Count(this=exp.Distinct(expressions=[value.copy()]))
        else:
            wide = exp.cast(value.copy(), "double")
            same = exp.EQ(this=exp.TryCast(this=wide, to=exp.DataType.build("float")), expression=wide.copy())
            known = exp.Or(this=value.copy().is_(exp.null()), expression=exp.func("coalesce", same, exp.false()))
            asked["narrow"] = exp.LogicalAnd(this=exp.paren(known))
        query = query.select(*(exp.alias_(each, f"{what}_{index}") for what, each in asked.items()))
    return query.from_(split).group_by(column("ml_split"))


def _target_ends(spec: Spec) -> list[exp.Expr]:
    if spec.task == "classification":
        return []
    value = exp.cast(column(spec.target), "double")
    return [
        exp.alias_(exp.Min(this=value), "target_low"),
        # NaN counts as greater than infinity.
        exp.alias_(exp.Max(this=value.copy()), "target_high"),
    ]


@dataclass(frozen=True)
class Column:
    """A feature with what the training rows say of it: the SQL type to fetch it as, and its distinct texts."""

    feature: Feature
    fetch_as: str
    distinct: int | None


def checked_columns(node: str, features: tuple[Feature, ...], facts: Mapping[str, Any]) -> tuple[Column, ...]:
    """Refuse features that no fit can use, and choose for the others the narrowest type that loses nothing.

    `facts` are the rows of `facts_query` by word. Raises FeatureError for a feature that is all NULL or constant on
    the training rows, or infinite on any labelled row.
    """
    train = facts["train"]
    fitted = [facts[word] for word in ("train", "validation", "test") if word in facts]
    columns = []
    for index, feature in enumerate(features):
        problem = _problem(feature, index, train, fitted)
        if problem:
            raise FeatureError(
                f"{node}: the feature '{feature.name}' is {problem}. Mend it in the features node, or write "
                f'`features: {{exclude: ["{feature.name}"]}}`.'
            )
        distinct = train[f"distinct_{index}"] if feature.kind == "category" else None
        columns.append(Column(feature, _narrowest(feature, index, fitted), distinct))
    return tuple(columns)


def _problem(feature: Feature, index: int, train: Mapping[str, Any], fitted: list[Mapping[str, Any]]) -> str | None:
    if train[f"n_{index}"] == 0:
        return f"NULL in all {train['rows']:,} training rows"
    if feature.kind == "numeric":
        ends = [row[f"{end}_{index}"] for row in fitted for end in ("low", "high")]
        if any(end is not None and math.isinf(end) for end in ends):
            return "infinite in some rows; a value that cannot be known should be NULL"
    if train[f"low_{index}"] == train[f"high_{index}"] and train[f"n_{index}"] == train["rows"]:
        return f"constant: {train[f'low_{index}']!r} in all {train['rows']:,} training rows"
    return None


def _narrowest(feature: Feature, index: int, fitted: list[Mapping[str, Any]]) -> str:
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
