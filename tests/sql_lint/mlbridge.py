"""What the package's macros render to, roughly: the linter reads the models without running dbt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def each_model(caller: Callable[[str], str]) -> str:
    return caller("example")


def unfold(
    relation: str, _document: str, _keys: list[str], _fields: Mapping[str, str], _condition: str = "1 = 1"
) -> str:
    return relation


def rows_of(relation: str) -> str:
    return relation


def lineage_documents() -> str:
    return "(select '[]' as document)"


def named(name: str) -> str:
    return f'"{name}"'


def versions_in_use(_model: str, logbook: str) -> str:
    return f"select max(version) as champion, max(version) as challenger, max(version) as canary from {logbook}"


def is_retired(_model: str) -> str:
    return "version in (3)"


def damaged_documents() -> str:
    return "nullif(substring(metrics, 3), '')"


def enough_rows() -> int:
    return 30


def no_rows() -> str:
    return "select 1 as example"


def quoted(name: str) -> str:
    return f'"{name}"'


def key_as_text(columns: list[str], table: str) -> str:
    return f"{table}.{columns[0]}"


def as_number(_relation: str, name: str, table: str) -> str:
    return f"cast({table}.{name} as double precision)"


def type_double() -> str:
    return "double precision"


def models() -> list[str]:
    return []


def monitor(_model: str) -> dict[str, Any]:
    return {"window": "month", "slices": []}


def folded() -> int:
    return 100


def most_summed() -> str:
    return "1e100"


def window_start(size: str, moment: str) -> str:
    return f"date_trunc('{size}', {moment})"


def window_end(_size: str, start: str) -> str:
    return f"{start} + interval 1 month"


def is_over(window_end: str) -> str:
    return f"{window_end} <= cast('2024-01-01' as timestamp)"


def is_new(predictions: str, versions: str) -> str:
    return f"{predictions}.time > {versions}.train_to"


def monitored(predictions: str, versions: str) -> str:
    return f"{predictions}.time > {versions}.train_to"


def current_predictions(predictions: str) -> str:
    return predictions


def preferred_first(predictions: str, _champion: str) -> str:
    return f"{predictions}.scored_at desc"


def same_row(predictions: str, facts: str, _spec: object) -> str:
    return f"{predictions}.entity = {facts}.entity"


def fingerprint(_spec: object, _slices: list[str]) -> str:
    return "length(predictions.entity)"


def drift_metrics() -> dict[str, dict[str, str]]:
    return {"psi": {"value": "sum(rows_in_bin)"}}


def drift_metric_columns() -> str:
    return "sum(rows_in_bin) as psi"


def by_drift_metric(_property: str) -> str:
    return "case metric when 'psi' then 0.1 end"


def metrics_that(_property: str) -> str:
    return "('psi')"


def without_sign(value: str) -> str:
    return f"abs({value})"


def fixed_thresholds() -> str:
    return "select * from fixed"


def farthest_by_chance() -> str:
    return "greatest_usual / alpha"


def muted_drift() -> str:
    return "'no value'"


def chance_of_bin() -> str:
    return "1 as psi_mean, 2 as psi_variance, 1 as js_mean, 2 as js_variance"


def pearson_variance(total: str, used: str, compared: str, bins: str, inverse: str) -> str:
    return f"{total} / {used} / {compared} * {bins} * {inverse}"


def normal_quantile(alpha: str) -> str:
    return f"ln({alpha})"


def student_quantile(k: str, freedom: str) -> str:
    return f"{k} * {freedom}"


def as_distance(value: str) -> str:
    return f"sqrt({value})"


def of_distance(distance: str) -> str:
    return f"{distance} * {distance}"


def relied_share() -> str:
    return "0.8"


def severity(rank: str) -> str:
    return f"case {rank} when 3 then 'act' else 'note' end"


def severity_rank(name: str) -> str:
    return f"case {name} when 'act' then 3 else 1 end"


def model_sources() -> str:
    return "select model, source, origin from nowhere"


def severity_of_drift() -> str:
    return "case when drift.alert and relied.is_relied = 1 then 2 else 1 end"


def action_on_drift() -> str:
    return "drift.feature"


def severity_of_performance() -> str:
    return "case when kind = 'realized' and deciding_alerts = 1 or deciding_can_alert = 0 then 3 else 1 end"


def declared_models() -> str:
    return "select model, metric from nowhere"


def action_on_performance() -> str:
    return "kind || deciding_metric"


def interval_end(side: str) -> str:
    return f"value {side} se"


def figure(value: str) -> str:
    return f"cast({value} as text)"


def joined(text: str, order: str) -> str:
    return f"string_agg({text}, ', ' order by {order})"


def long_form(relation: str, key: str, _metrics: object) -> str:
    return f"select {key}, metric, value, se, n from {relation}"


def freedom(_blocks: str, n: str, _known: object) -> str:
    return f"{n} - 1"


def freedom_of(df: str, _support: str) -> str:
    return df


def t_quantile(freedom: str) -> str:
    return f"1.96 + 1 / {freedom}"


def deviations() -> str:
    return "case measured.slice when 'all' then rules.deviations else 4 end"


def judged(rows: str) -> str:
    return f"judged as (\n    select * from {rows}\n)"


def bounded(rows: str) -> str:
    return f"bounded as (\n    select * from {rows}\n)"


def estimated_metrics(bins: str) -> str:
    return f"final as (\n    select * from {bins}\n)"


def spec(_model: str) -> dict[str, Any]:
    return {"entity": ["entity"], "time": "time", "target": "target", "pin": None, "canary": 0}


def split(features: str) -> str:
    return f"select * from {features}"


def scores(split: str, _training: str, _predictions: str) -> str:
    return f"select * from {split}"


def output(materialized: str = "view", kinds: tuple[str, ...] = ()) -> str:
    return ""


def from_logbooks(**_unique_key: object) -> str:
    return ""


def history(**_unique_key: object) -> str:
    return ""


def as_of() -> str:
    return "2013-07-01 00:00:00"


def text(value: object) -> str:
    return f"'{value}'"


def step() -> str:
    return "ephemeral"


def share_metrics() -> str:
    return "('roc_auc')"


def same(left: str, right: str, columns: str) -> str:
    column = columns.split(", ")[0]
    return f"{left}.{column} = {right}.{column}"


def epoch(value: str) -> str:
    return f"extract(epoch from {value})"


def later(unit: str, count: str, moment: str) -> str:
    return f"later({count}, {moment})"


def at_least(value: str, least: str) -> str:
    return f"greatest({value}, {least})"


def access_documents() -> str:
    return "(select '[]' as document)"


def observed_grants() -> str:
    return "select schema_name, relation_name, grantee, privilege from granted"


def observed_grants_of_nodes() -> str:
    return "select node, grantee, privilege from granted"


def can_read(role: str, schema: str, relation: str) -> str:
    return f"{role} = {schema} || {relation}"


def training(split: str) -> str:
    return f"select * from {split}"


def predict(split: str, _training: str) -> str:
    return f"select * from {split}"


def point_in_time(spine: str, _time: str, _views: list[Any]) -> str:
    return f"select * from {spine}"


def rolling(spine: str, _time: str, events: Mapping[str, Any], _features: Mapping[str, Any]) -> str:
    return f"select {spine}.* from {spine} cross join {events['view']}"


def has_requests(_model: str, _predictions: str) -> bool:
    return True
